"""A read that failed, as a finding: the gate does not know, and says what it lacks. Never an empty result."""

from gate.causes import Cause
from gate.diagnosis.wording import quote
from gate.records import Snapshot, Unreadable
from gate.verdict import Evidence, Finding, Status


def unread_finding(snapshot: Snapshot, unread: Unreadable, *, subject: str, resource: str) -> Finding:
    """Return the INCONCLUSIVE of an optional read that failed.

    Args:
        snapshot: for the namespace and the time.
        unread: why.
        subject: what is not known now, in the plural, as the reason's subject.
        resource: as RBAC names it (``services``, ``pods.metrics.k8s.io``).
    """
    forbidden = unread.kind == "forbidden"
    return Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_FORBIDDEN if forbidden else Cause.GATE_UNREACHABLE,
        f"{subject} could not be read: {quote(unread.message)}.",
        (Evidence(f"Namespace/{snapshot.namespace}", resource, unread.kind, snapshot.read_at),),
        f"Grant get and list on it to the gate's account: kubectl auth can-i list {resource} -n {snapshot.namespace}"
        if forbidden
        else "Run the gate again once the API answers: kubectl get --raw /readyz",
    )
