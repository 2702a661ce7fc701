"""Why a pod has no node: what the scheduler says decides which kind of reason, the nodes themselves give the numbers.

The scheduler's message counts nodes by reason and never says how much was free. It stops at a node's first failing
filter, so the reason of the latest filter belongs to the nodes that came closest, and that one is named (a tainted
control plane beside a full worker is not why the pod waits). The rest of the message stays in the evidence.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.ownership import ENDED
from gate.diagnosis.storage import claim_fault
from gate.diagnosis.wording import duration, memory, quote, seconds_between
from gate.records import Condition, Node, Pod, Snapshot
from gate.verdict import Evidence

Amount = Literal["cpu_m", "memory_bytes", "ephemeral_storage_bytes", "pods"]

_AMOUNTS: tuple[tuple[str, Amount, str, Cause], ...] = (
    ("Insufficient memory", "memory_bytes", "memory", Cause.SCHEDULING_INSUFFICIENT_MEMORY),
    ("Insufficient cpu", "cpu_m", "CPU", Cause.SCHEDULING_INSUFFICIENT_CPU),
    (
        "Insufficient ephemeral-storage",
        "ephemeral_storage_bytes",
        "ephemeral storage",
        Cause.SCHEDULING_INSUFFICIENT_EPHEMERAL_STORAGE,
    ),
    ("Too many pods", "pods", "pods", Cause.SCHEDULING_TOO_MANY_PODS),
)

#: Latest filter first. Texts and order: kubernetes/kubernetes 1.34, pkg/scheduler/framework/plugins/*/ (ErrReason*) and
#: pkg/scheduler/apis/config/v1/default_plugins.go. Resources stand between volumes and affinity and are apart above.
_AFTER_RESOURCES: tuple[tuple[str, Cause, str], ...] = (
    ("pod affinity rules", Cause.SCHEDULING_AFFINITY, "no node satisfies its pod affinity"),
    ("anti-affinity rules", Cause.SCHEDULING_AFFINITY, "its pod anti-affinity forbids every node with room"),
    ("topology spread constraints", Cause.SCHEDULING_AFFINITY, "its topology spread constraints forbid every node"),
    (
        "volume node affinity conflict",
        Cause.SCHEDULING_VOLUME_NODE_AFFINITY,
        "its volume can be reached from none of the nodes that have room (another zone or another node)",
    ),
    (
        "PersistentVolume's node affinity",
        Cause.SCHEDULING_VOLUME_NODE_AFFINITY,
        "its volume can be reached from none of the nodes that have room (another zone or another node)",
    ),
    ("no available volume zone", Cause.SCHEDULING_VOLUME_NODE_AFFINITY, "its volume is in another zone than the nodes"),
    ("exceed max volume count", Cause.STORAGE_ATTACH_FAILED, "every node has as many volumes attached as it can take"),
    (
        "available persistent volumes to bind",
        Cause.STORAGE_CLAIM_PENDING,
        "no PersistentVolume matches its claim, and none can be made on these nodes",
    ),
    ("already in-use by another pod", Cause.STORAGE_ATTACH_FAILED, "another pod holds its ReadWriteOncePod volume"),
)
_BEFORE_RESOURCES: tuple[tuple[str, Cause, str], ...] = (
    ("free ports for the requested pod ports", Cause.SCHEDULING_UNKNOWN, "the host port it asks for is taken"),
    (
        "node affinity/selector",
        Cause.SCHEDULING_NODE_SELECTOR,
        "no node carries the labels that its node selector or node affinity asks for",
    ),
    ("taint", Cause.SCHEDULING_TAINT, "it does not tolerate the taints of the nodes"),
    ("were unschedulable", Cause.SCHEDULING_CORDONED, "the nodes are cordoned"),
)

_NODES_COUNTED = re.compile(r"^0/(\d+) nodes are available")

#: Taints that Kubernetes sets itself on an unwell node (API reference, "Well-known labels, annotations and taints").
_NODE_TAINTS: Mapping[str, tuple[Cause, str]] = {
    "node.kubernetes.io/not-ready": (Cause.NODE_NOT_READY, "not ready"),
    "node.kubernetes.io/unreachable": (Cause.NODE_NOT_READY, "unreachable"),
    "node.kubernetes.io/network-unavailable": (Cause.NODE_NOT_READY, "without a network"),
    "node.cloudprovider.kubernetes.io/uninitialized": (Cause.NODE_NOT_READY, "not initialised by the cloud provider"),
    "node.kubernetes.io/disk-pressure": (Cause.NODE_PRESSURE, "under disk pressure"),
    "node.kubernetes.io/memory-pressure": (Cause.NODE_PRESSURE, "under memory pressure"),
    "node.kubernetes.io/pid-pressure": (Cause.NODE_PRESSURE, "under PID pressure"),
}

_CORDON_TAINT = "node.kubernetes.io/unschedulable"
_BLOCKING = frozenset({"NoSchedule", "NoExecute"})


@dataclass(frozen=True, slots=True)
class _Why:
    cause: Cause
    what: str
    remedy: str
    evidence: tuple[Evidence, ...] = ()


def scheduling_fault(snapshot: Snapshot, pod: Pod) -> PodFault | None:
    """Return why the pod has no node yet, None if it has one or the scheduler has not tried."""
    condition = pod.condition("PodScheduled")
    if pod.node or condition is None or condition.status == "True":
        return None
    waited_s = seconds_between(condition.at, snapshot.read_at)
    said = Evidence(f"Pod/{pod.name}", "status.conditions[PodScheduled]", quote(condition.message), condition.at)
    if condition.reason == "SchedulingGated":
        return _fault(pod, _gated(snapshot), said, final=(waited_s or 0) >= tolerances.GATED_S)
    on_claim = claim_fault(snapshot, pod, condition.message)
    if on_claim is not None:
        return on_claim
    why = _why(snapshot, pod, condition)
    return _fault(pod, why, said, final=_is_final(snapshot, pod, waited_s))


def room_may_come(snapshot: Snapshot, pod: Pod) -> str:
    """Return what may still make room for a pending pod, empty if nothing will."""
    leaving = [each for each in snapshot.terminating if _is_leaving(each, snapshot)]
    if leaving:
        return f"pod {leaving[0].name} is being deleted"
    for event in reversed(snapshot.events_of("Pod", pod.name)):
        age_s = seconds_between(event.last_at, snapshot.read_at)
        if event.reason == "NotTriggerScaleUp":
            return ""
        # cluster-autoscaler says TriggeredScaleUp; Karpenter says Nominated when it has chosen a node to be.
        if event.reason in {"TriggeredScaleUp", "Nominated"} and (age_s or 0) < tolerances.NODE_PROVISION_S:
            return f"the autoscaler was asked for a node {duration(age_s or 0)} ago"
    return ""


def _is_leaving(pod: Pod, snapshot: Snapshot) -> bool:
    if pod.deleted_at is None or pod.phase in ENDED or not pod.node:
        return False
    # deletionTimestamp already includes the grace period (API reference, ObjectMeta).
    overdue_s = (snapshot.read_at - pod.deleted_at).total_seconds()
    return overdue_s < tolerances.TERMINATION_MARGIN_S


def _is_final(snapshot: Snapshot, pod: Pod, waited_s: float | None) -> bool:
    if room_may_come(snapshot, pod):
        return False
    refused = any(event.reason == "NotTriggerScaleUp" for event in snapshot.events_of("Pod", pod.name))
    return refused or (waited_s or 0) >= tolerances.UNSCHEDULABLE_S


def _fault(pod: Pod, why: _Why, said: Evidence, *, final: bool) -> PodFault:
    return PodFault(
        pod=pod.name, cause=why.cause, what=why.what, evidence=(*why.evidence, said), remedy=why.remedy, final=final
    )


def _gated(snapshot: Snapshot) -> _Why:
    return _Why(
        Cause.SCHEDULING_GATED,
        "a scheduling gate holds it back, the scheduler does not look at it",
        f"Ask who set spec.schedulingGates (a queueing controller, as a rule): "
        f"kubectl get pods -n {snapshot.namespace} -o jsonpath='{{..schedulingGates}}'",
    )


def _why(snapshot: Snapshot, pod: Pod, condition: Condition) -> _Why:
    message = condition.message.partition(" preemption:")[0]
    counted = _NODES_COUNTED.match(message)
    if "no nodes available to schedule pods" in message or (counted and counted[1] == "0"):
        return _Why(
            Cause.SCHEDULING_NO_NODES,
            "the cluster has no node at all",
            "Bring the node group up: kubectl get nodes shows none.",
        )
    for text, cause, what in _AFTER_RESOURCES:
        if text in message:
            return _Why(cause, what, _REMEDIES[cause].format(namespace=snapshot.namespace, pod=pod.name))
    short = next(iter(sorted(_shortfalls(snapshot, pod, message), key=lambda each: -each[0])), None)
    if short is not None:
        return short[1]
    for text, cause, what in _BEFORE_RESOURCES:
        if text in message:
            if cause is Cause.SCHEDULING_TAINT:
                return _taint(snapshot)
            return _Why(cause, what, _REMEDIES[cause].format(namespace=snapshot.namespace, pod=pod.name))
    return _Why(
        Cause.SCHEDULING_UNKNOWN,
        f"the scheduler finds no node: {quote(condition.message) or condition.reason or 'it does not say why'}",
        _REMEDIES[Cause.SCHEDULING_UNKNOWN].format(namespace=snapshot.namespace, pod=pod.name),
    )


_REMEDIES: Mapping[Cause, str] = {
    Cause.SCHEDULING_AFFINITY: "Relax the affinity or spread rule, or add a node that satisfies it.",
    Cause.SCHEDULING_VOLUME_NODE_AFFINITY: (
        "Add a node in the volume's zone: kubectl get pv -o custom-columns=NAME:.metadata.name,"
        "ZONES:.spec.nodeAffinity.required.nodeSelectorTerms[*].matchExpressions[*].values"
    ),
    Cause.STORAGE_ATTACH_FAILED: "Free the volume: kubectl get pods -n {namespace} -o wide shows who holds it.",
    Cause.STORAGE_CLAIM_PENDING: "Look at the claim's events: kubectl describe pvc -n {namespace}",
    Cause.SCHEDULING_NODE_SELECTOR: "Label a node, or correct the selector: kubectl get nodes --show-labels",
    Cause.SCHEDULING_CORDONED: "Let pods on to a node again: kubectl uncordon NODE",
    Cause.SCHEDULING_UNKNOWN: "Read the scheduler's own words: kubectl describe pod {pod} -n {namespace}",
}


def _shortfalls(snapshot: Snapshot, pod: Pod, message: str) -> Iterator[tuple[float, _Why]]:
    """Yield each amount that is short with its shortfall as a share of what is asked, unknown as 0."""
    for text, amount, label, cause in _AMOUNTS:
        if text in message:
            yield _shortfall(snapshot, pod, amount, label, cause)


def _shortfall(snapshot: Snapshot, pod: Pod, amount: Amount, label: str, cause: Cause) -> tuple[float, _Why]:
    wanted = getattr(pod.spec.requested, amount) or 0
    roomiest = max(_free(snapshot, pod, amount), key=lambda each: each[1], default=None)
    remedy = (
        f"Lower resources.requests or HPA minReplicas, or add a node with {_say(amount, wanted)} free: "
        f"kubectl describe nodes | grep -A8 'Allocated resources'"
    )
    if roomiest is None:
        unread = snapshot.unread("nodes")
        why = f" (the nodes could not be read: {unread.kind})" if unread else ""
        return 0.0, _Why(cause, f"it asks for {_say(amount, wanted)} of {label}, no node has that free{why}", remedy)
    node, free = roomiest
    allocatable = getattr(node.allocatable, amount) or 0
    short = max(wanted - free, 0)
    rest = f"{_say(amount, short)} short" if short else "enough of that, but not together with the rest it asks for"
    what = (
        f"it asks for {_say(amount, wanted)} of {label}, the roomiest node {node.name} has "
        f"{_say(amount, free)} free of {_say(amount, allocatable)} allocatable: {rest}"
    )
    evidence = (
        Evidence(f"Node/{node.name}", f"free {label}", _say(amount, free), snapshot.read_at),
        Evidence(f"Node/{node.name}", f"status.allocatable {label}", _say(amount, allocatable), snapshot.read_at),
    )
    return (short / wanted if wanted else 0.0), _Why(cause, what, remedy, evidence)


def _free(snapshot: Snapshot, pod: Pod, amount: Amount) -> tuple[tuple[Node, int], ...]:
    """Return what is left of an amount on each node that the pod could go to, where it is known.

    Tolerations are not read: a tainted node counts only where every node is tainted.
    """
    known = [
        (node, allocatable - (getattr(node.requested, amount) or 0))
        for node in snapshot.nodes
        if (allocatable := getattr(node.allocatable, amount)) is not None
        and node.requested is not None
        and not node.unschedulable
        and pod.spec.node_selector.items() <= node.labels.items()
    ]
    open_to_all = [each for each in known if not any(taint.effect in _BLOCKING for taint in each[0].taints)]
    return tuple(open_to_all or known)


def _say(amount: Amount, value: int) -> str:
    if amount == "cpu_m":
        return f"{value}m"
    return str(value) if amount == "pods" else memory(value)


def _taint(snapshot: Snapshot) -> _Why:
    """Tell a node that is unwell, or cordoned, from one that somebody reserved."""
    tainted = [(node, taint) for node in snapshot.nodes for taint in node.taints if taint.effect in _BLOCKING]
    evidence = tuple(
        Evidence(f"Node/{node.name}", "spec.taints", f"{taint.key}={taint.value}:{taint.effect}", snapshot.read_at)
        for node, taint in tainted
    )
    for node, taint in tainted:
        if taint.key in _NODE_TAINTS:
            cause, how = _NODE_TAINTS[taint.key]
            return _Why(
                cause,
                f"node {node.name} is {how} and takes no new pods (taint {taint.key})",
                f"Mend the node, or add another: kubectl describe node {node.name}",
                evidence,
            )
    reserved = sorted({taint.key for _, taint in tainted if taint.key != _CORDON_TAINT})
    if tainted and not reserved:
        return _Why(
            Cause.SCHEDULING_CORDONED,
            f"node {tainted[0][0].name} is cordoned",
            f"Let pods on to it again: kubectl uncordon {tainted[0][0].name}",
            evidence,
        )
    keys = f" ({', '.join(reserved)})" if reserved else ""
    return _Why(
        Cause.SCHEDULING_TAINT,
        f"it does not tolerate the taints of the nodes{keys}",
        "Add a toleration to the template, or take the taint off: "
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints[*].key",
        evidence,
    )
