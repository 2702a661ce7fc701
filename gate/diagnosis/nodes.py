"""What the node does to a pod that has one: not ready, gone, or without answer.

A pod on a dead node keeps its last status for minutes, so its own status is not to be believed before its node's is.
Nodes without room are ``scheduling``'s business.
"""

from gate.causes import Cause
from gate.diagnosis.faults import PodFault
from gate.diagnosis.wording import duration, quote, seconds_between
from gate.records import Pod, Snapshot
from gate.verdict import Evidence


def node_fault(snapshot: Snapshot, pod: Pod) -> PodFault | None:
    """Return what is wrong with the pod's node, None if it is well, unknown or not yet chosen.

    Never final: pods are moved elsewhere 300 s after their node went silent (API reference, default toleration of
    node.kubernetes.io/unreachable).
    """
    if pod.node is None or not snapshot.nodes:
        return None
    node = snapshot.node(pod.node)
    if node is None:
        return PodFault(
            pod=pod.name,
            cause=Cause.POD_LOST,
            what=f"its node {pod.node} is not in the cluster any more",
            evidence=(Evidence(f"Node/{pod.node}", "metadata.name", "not found", snapshot.read_at),),
            remedy=f"Let its controller make another: kubectl delete pod {pod.name} -n {snapshot.namespace}",
        )
    ready = node.condition("Ready")
    if ready is not None and ready.status != "True":
        since_s = seconds_between(ready.at, snapshot.read_at)
        since = f" since {duration(since_s)}" if since_s is not None else ""
        how = "does not answer" if ready.status == "Unknown" else "is not ready"
        return PodFault(
            pod=pod.name,
            cause=Cause.NODE_NOT_READY,
            what=f"its node {node.name} {how}{since}: {quote(ready.message) or ready.reason}",
            evidence=(Evidence(f"Node/{node.name}", "status.conditions[Ready]", ready.status, ready.at),),
            remedy=f"Look at the node's kubelet: kubectl describe node {node.name}",
        )
    return None
