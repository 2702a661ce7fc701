"""What each node has left for our pods, planned or read.

Planned nodes are a type times a count, less what EKS itself runs there; read ones are allocatable less what is
requested on them. From here on both are the same: a list of offers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gate.records import Desired, Node, PodSpec, Resources
from gate.sizing.instances import InstanceType, allocatable, allocatable_at_least
from gate.sizing.units import MIB
from gate.target import Nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPod:
    """A pod that EKS or an add-on runs; ``copies`` in the cluster, None for one on every node. Requests, not usage."""

    name: str
    cpu_m: int
    memory_mib: int
    copies: int | None = None


#: Default add-ons of EKS, as their manifests request: aws-node is 25m and 25m for its node agent.
ALWAYS = (
    SystemPod(name="aws-node", cpu_m=50, memory_mib=0),
    SystemPod(name="kube-proxy", cpu_m=100, memory_mib=0),
    SystemPod(name="coredns", cpu_m=100, memory_mib=70, copies=2),
)
#: kubernetes-sigs/metrics-server, components.yaml; there wherever an HPA is to work.
METRICS_SERVER = SystemPod(name="metrics-server", cpu_m=100, memory_mib=200, copies=1)
#: The EBS CSI driver's daemon; there wherever a volume claim is to be bound.
EBS_CSI_NODE = SystemPod(name="ebs-csi-node", cpu_m=30, memory_mib=120)


def system_pods(*, with_hpa: bool, with_claims: bool) -> tuple[SystemPod, ...]:
    """Return the pods that such a cluster always runs."""
    return (*ALWAYS, *([METRICS_SERVER] if with_hpa else []), *([EBS_CSI_NODE] if with_claims else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One node's room for our pods.

    Attributes:
        node: how a reason names it.
        free: the best known figure.
        free_at_least: the lower figure where nobody measured exactly; the same as ``free`` for a node that was read.
        closed: why no pod may be placed there, empty if one may.
    """

    node: str
    free: Resources
    free_at_least: Resources
    closed: str = ""

    def cautious(self) -> "Offer":
        """Return the offer by its lower figure."""
        return replace(self, free=self.free_at_least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The nodes as planned.

    Attributes:
        nodes: type, number, volume, and the types compared with it.
        system: EKS's own pods.
        architectures: the platforms that the image is built for; other types are never suggested.
    """

    nodes: Nodes
    system: tuple[SystemPod, ...] = ALWAYS
    architectures: tuple[str, ...] = ("amd64",)

    @property
    def platforms(self) -> str:
        """Return the image's platforms as a clause says them."""
        return " or ".join(self.architectures)

    def offers(self, of: InstanceType, count: int | None = None) -> tuple[Offer, ...]:
        """Return what the nodes leave if they are of that type, and so many."""
        return planned_offers(of, count=count or self.nodes.count, volume_gib=self.nodes.volume_gib, system=self.system)


def planned(nodes: Nodes, desired: Desired) -> Planned:
    """Return the nodes as planned, with the system's pods that this deploy needs on them."""
    return Planned(nodes=nodes, system=system_pods(with_hpa=bool(desired.hpas), with_claims=bool(desired.claims)))


def planned_offers(of: InstanceType, *, count: int, volume_gib: int, system: Iterable[SystemPod]) -> tuple[Offer, ...]:
    """Return what ``count`` fresh nodes of a type leave.

    Pods of which the cluster runs a fixed number are dealt to the nodes in turn, as the scheduler's spreading does.
    """
    load = [Resources(cpu_m=0, memory_bytes=0, ephemeral_storage_bytes=0, pods=0) for _ in range(count)]
    turn = 0
    for pod in system:
        if pod.copies is None:
            load = [_with(each, pod) for each in load]
            continue
        for _ in range(pod.copies):
            load[turn % count] = _with(load[turn % count], pod)
            turn += 1
    likely, at_least = allocatable(of, volume_gib), allocatable_at_least(of, volume_gib)
    return tuple(
        Offer(
            node=f"{of.name} node {number}",
            free=less(likely, each),
            free_at_least=less(at_least, each),
        )
        for number, each in enumerate(load, start=1)
    )


def _with(load: Resources, pod: SystemPod) -> Resources:
    return plus(load, Resources(cpu_m=pod.cpu_m, memory_bytes=pod.memory_mib * MIB, ephemeral_storage_bytes=0, pods=1))


def read_offer(node: Node, template: PodSpec, released: Resources) -> Offer:
    """Return what a node of the cluster has free; ``released`` is asked for by pods that are being deleted."""
    requested = node.requested or Resources()
    free = plus(less(node.allocatable, requested), released)
    return Offer(node=f"node {node.name}", free=free, free_at_least=free, closed=closed_to(node, template))


def closed_to(node: Node, template: PodSpec) -> str:
    """Return why no such pod may be placed on the node, empty if one may; room is not looked at."""
    ready = node.condition("Ready")
    if ready is None or ready.status != "True":
        return "is not ready"
    if node.unschedulable:
        return "is cordoned"
    for key, value in template.node_selector.items():
        if node.labels.get(key) != value:
            return f"lacks the label {key}={value} that the pod selects"
    # The rendered pods tolerate nothing; a toleration added later must be read before it can be believed here.
    taint = next((each for each in node.taints if each.effect in {"NoSchedule", "NoExecute"}), None)
    return f"has the taint {taint.key}:{taint.effect}" if taint else ""


def less(whole: Resources, part: Resources) -> Resources:
    """Return the difference; an amount that the whole does not state stays unknown."""
    return _combine(whole, part, -1)


def plus(whole: Resources, part: Resources) -> Resources:
    """Return the sum; an amount that the whole does not state stays unknown."""
    return _combine(whole, part, 1)


def _combine(whole: Resources, part: Resources, sign: int) -> Resources:
    def amount(of: int | None, other: int | None) -> int | None:
        return None if of is None else of + sign * (other or 0)

    return Resources(
        cpu_m=amount(whole.cpu_m, part.cpu_m),
        memory_bytes=amount(whole.memory_bytes, part.memory_bytes),
        ephemeral_storage_bytes=amount(whole.ephemeral_storage_bytes, part.ephemeral_storage_bytes),
        pods=amount(whole.pods, part.pods),
    )
