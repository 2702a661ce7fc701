"""NODE-1: is it known what the nodes offer.

Known means read from the cluster, or computed for a type of the table. Where both are there they are compared: another
type than planned, or a node that offers less than its type should, explains many a later surprise.
"""

from collections.abc import Iterator, Sequence

from gate.causes import Cause
from gate.criteria import threshold
from gate.records import Node, Resources, Snapshot
from gate.sizing.instances import InstanceType, UnknownInstanceTypeError, allocatable, instance, instance_types
from gate.sizing.units import MIB, offered_mib
from gate.target import Nodes
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive, judged, passed

#: Nodes that stand as evidence; those that differ come first.
EVIDENCED_NODES = 10


def node_verdict(*, nodes: Nodes | None = None, snapshot: Snapshot | None = None) -> Verdict:
    """Judge NODE-1.

    Args:
        nodes: the nodes as planned, if the target names them.
        snapshot: the cluster, if it was read. Nodes that may not be read fall back to the planned ones.
    """
    if snapshot is not None and snapshot.unread("nodes") is None:
        return _read(snapshot, nodes)
    if nodes is not None:
        return _planned(nodes, snapshot)
    unread = snapshot.unread("nodes") if snapshot else None
    why = f"the nodes could not be read ({unread.message})" if unread else "no cluster was read"
    return inconclusive(
        "NODE-1",
        Cause.GATE_FORBIDDEN if unread and unread.kind == "forbidden" else Cause.GATE_NOT_MEASURED,
        f"Nothing is known about the nodes: {why} and the target names no node type.",
        [Evidence("target", "nodes", "not stated")],
        "Add [nodes] with instance_type to the target, or run without --offline.",
    )


def _planned(nodes: Nodes, snapshot: Snapshot | None) -> Verdict:
    try:
        of = instance(nodes.instance_type)
    except UnknownInstanceTypeError as error:
        near = f": near names are {', '.join(error.near)}" if error.near else ""
        return Verdict(
            "NODE-1",
            Status.FAIL,
            f"The node type {error.name!r} is not one of the {len(instance_types())} known types{near}.",
            (Evidence("target", "nodes.instance_type", error.name),),
            Cause.NODE_TYPE_UNKNOWN,
            f"Set nodes.instance_type to {error.near[0] if error.near else 'a type of instance_facts.csv'}.",
        )
    offered = allocatable(of, nodes.volume_gib)
    evidence = [
        Evidence(f"InstanceType/{of.name}", "memory", f"{of.memory_mib} MiB, of which {_overhead(of)}"),
        Evidence(f"InstanceType/{of.name}", "allocatable, computed as EKS does", _amounts(offered)),
        Evidence(f"InstanceType/{of.name}", "price", f"USD {of.usd_per_hour:.4f}/h, us-east-1 on demand"),
    ]
    unread = snapshot.unread("nodes") if snapshot else None
    if unread:
        evidence.append(Evidence("Nodes", "read", f"no: {unread.message}"))
    return passed("NODE-1", f"A {of.name} node offers {_amounts(offered)} (computed, {nodes.count} planned).", evidence)


def _overhead(of: InstanceType) -> str:
    if of.overhead_mib is None:
        return f"{of.assumed_overhead_mib} MiB are taken as overhead (7.5 % rule; nobody measured this type)"
    return f"{of.overhead_mib} MiB were measured as overhead"


def _amounts(of: Resources) -> str:
    memory = "unknown memory" if of.memory_bytes is None else f"{offered_mib(of.memory_bytes)} MiB memory"
    disk = of.ephemeral_storage_bytes
    storage = "unknown" if disk is None else f"{offered_mib(disk)} MiB"
    return f"{of.cpu_m}m CPU, {memory}, {storage} ephemeral storage and {of.pods} pods"


def _read(snapshot: Snapshot, planned: Nodes | None) -> Verdict:
    if not snapshot.nodes:
        return Verdict(
            "NODE-1",
            Status.FAIL,
            "The cluster has no node: no pod can run.",
            (Evidence("Nodes", "in the cluster", "0", snapshot.read_at),),
            Cause.SCHEDULING_NO_NODES,
            "kubectl get nodes -o wide",
        )
    findings = [finding for node in snapshot.nodes for finding in _differences(node, planned, snapshot)]
    differing = {finding.evidence[0].object for finding in findings}
    ordered = sorted(snapshot.nodes, key=lambda node: f"Node/{node.name}" not in differing)
    evidence = tuple(_node_evidence(node, snapshot) for node in ordered[:EVIDENCED_NODES])
    smallest = min(snapshot.nodes, key=lambda node: node.allocatable.memory_bytes or 0)
    return judged(
        "NODE-1",
        findings,
        passed("NODE-1", f"{_counted(snapshot.nodes)} at least {_amounts(smallest.allocatable)} (read).", evidence),
    )


def _counted(nodes: Sequence[Node]) -> str:
    types = ", ".join(sorted({node.instance_type or "no type label" for node in nodes}))
    return f"1 node ({types}) offers" if len(nodes) == 1 else f"{len(nodes)} nodes ({types}) offer"


def _node_evidence(node: Node, snapshot: Snapshot) -> Evidence:
    value = f"{_amounts(node.allocatable)}; type {node.instance_type or 'not labelled'}, {node.architecture}"
    return Evidence(f"Node/{node.name}", "status.allocatable", value, snapshot.read_at)


def _differences(node: Node, planned: Nodes | None, snapshot: Snapshot) -> Iterator[Finding]:
    evidence = (_node_evidence(node, snapshot),)
    there = node.allocatable.memory_bytes
    if there is None or node.allocatable.cpu_m is None:
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"Node {node.name} does not report what it can allocate.",
            evidence,
            f"kubectl describe node {node.name}",
        )
        return
    if planned and node.instance_type and node.instance_type != planned.instance_type:
        yield Finding(
            Status.WARN,
            Cause.NODE_DIFFERS_FROM_PLAN,
            f"Node {node.name} is of type {node.instance_type}, and the target plans {planned.instance_type}.",
            evidence,
            f"Set nodes.instance_type to {node.instance_type} in the target, or replace the node group.",
        )
    of = instance_types().get(node.instance_type)
    if of is None:
        return
    computed = allocatable(of, planned.volume_gib if planned else 20).memory_bytes or 0
    deviation = abs(there - computed) / computed
    if deviation > threshold("NODE-1", "allocatable_deviation"):
        yield Finding(
            Status.WARN,
            Cause.NODE_DIFFERS_FROM_PLAN,
            f"Node {node.name} offers {offered_mib(there)} MiB of memory, and a {of.name} under EKS's reservations "
            f"{computed // MIB} MiB: {100 * deviation:.0f} % apart.",
            evidence,
            f"Compare its kubelet reservations: kubectl get --raw /api/v1/nodes/{node.name}/proxy/configz",
        )
