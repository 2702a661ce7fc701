"""A read that failed, as a finding: the gate does not know, and says what it lacks. Never an empty result."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gate.causes import Cause
from gate.diagnosis.wording import quote
from gate.records import Snapshot, Unreadable
from gate.verdict import Evidence, Finding, Status, Verdict


@dataclass(frozen=True, slots=True)
class Named:
    """A list of the Snapshot as a reason names it (``subject``, in the plural) and as RBAC does (``resource``)."""

    subject: str
    resource: str


#: What explains a rollout that does not come up. A complete one could be told without it, but a gate that would not
#: see why the next one fails has lost a right that it ships with, and says so while nothing burns.
ROLLOUT: Mapping[str, Named] = {
    "events": Named("The events", "events"),
    "claims": Named("The volume claims", "persistentvolumeclaims"),
    "quotas": Named("The quotas", "resourcequotas"),
}

#: What stands between users and the pods.
WAY_TO_PODS: Mapping[str, Named] = {
    "services": Named("The Services", "services"),
    "endpoints": Named("The endpoints", "endpointslices.discovery.k8s.io"),
}


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


def without_unread(verdict: Verdict, snapshot: Snapshot, lists: Mapping[str, Named]) -> Verdict:
    """Return what of a verdict is left when some of the lists that it rests on could not be read.

    A good one is INCONCLUSIVE then. A bad one stands, and says that its cause may be told less exactly.

    Args:
        verdict: as it is with everything that was read.
        snapshot: that it was judged from.
        lists: members of the Snapshot.
    """
    lacking = [
        unread_finding(snapshot, unread, subject=named.subject, resource=named.resource)
        for what, named in lists.items()
        if (unread := snapshot.unread(what)) is not None
    ]
    told = tuple(each.reason for each in lacking if each.reason not in (verdict.reason, *verdict.symptoms))
    if not told:
        return verdict
    if verdict.status not in {Status.PASS, Status.WARN}:
        return replace(verdict, symptoms=(*verdict.symptoms, *told))
    first = lacking[0]
    symptoms = (*(each.reason for each in lacking[1:]), f"As far as it was read: {verdict.reason}", *verdict.symptoms)
    evidence = (*(proof for each in lacking for proof in each.evidence), *verdict.evidence)
    return replace(
        verdict,
        status=first.status,
        cause=first.cause,
        reason=first.reason,
        evidence=evidence,
        remedy=first.remedy,
        symptoms=symptoms,
    )
