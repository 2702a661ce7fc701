"""Which ReplicaSet is the newest revision, and which pods belong to which.

Ownership is the controller reference's UID, never a label: labels select, they do not own, and a left-over pod of
another Deployment may carry the same. The newest revision is the ReplicaSet whose revision equals the Deployment's own
(annotation ``deployment.kubernetes.io/revision``); an older ReplicaSet that was rolled back to gets that number anew.
"""

from collections.abc import Sequence

from gate.records import Deployment, Owner, Pod, ReplicaSet, Snapshot

#: A pod in one of these phases has ended; its controller does not count it and starts another one.
ENDED = frozenset({"Failed", "Succeeded"})


def owned_by(owner: Owner | None, uid: str) -> bool:
    """Return whether the controller reference points at that object."""
    return owner is not None and bool(uid) and owner.uid == uid


def replica_sets(snapshot: Snapshot, deployment: Deployment) -> tuple[ReplicaSet, ...]:
    """Return the revisions of the Deployment, oldest first; an unnumbered one counts as older than all."""
    return tuple(sorted(snapshot.replica_sets_owned_by(deployment.uid), key=lambda each: each.revision or 0))


def newest_replica_set(snapshot: Snapshot, deployment: Deployment) -> ReplicaSet | None:
    """Return the ReplicaSet of the Deployment's revision; None while the controller has not made it."""
    mine = replica_sets(snapshot, deployment)
    return next(
        (each for each in mine if deployment.revision is not None and each.revision == deployment.revision), None
    )


def previous_replica_set(snapshot: Snapshot, deployment: Deployment) -> ReplicaSet | None:
    """Return the newest revision before the Deployment's current one that its history still holds."""
    if deployment.revision is None:
        return None
    mine = replica_sets(snapshot, deployment)
    older = [each for each in mine if each.revision is not None and each.revision < deployment.revision]
    return older[-1] if older else None


def pods_of(snapshot: Snapshot, replica_set: ReplicaSet) -> tuple[Pod, ...]:
    """Return every pod of one revision, ended and terminating ones included."""
    return snapshot.pods_owned_by(replica_set.uid)


def pods_of_deployment(snapshot: Snapshot, deployment: Deployment) -> tuple[Pod, ...]:
    """Return the pods of all revisions."""
    return tuple(pod for each in replica_sets(snapshot, deployment) for pod in pods_of(snapshot, each))


def old_pods(snapshot: Snapshot, deployment: Deployment, newest: ReplicaSet) -> tuple[Pod, ...]:
    """Return the pods of older revisions that have not ended, terminating ones included."""
    older = [each for each in replica_sets(snapshot, deployment) if each.uid != newest.uid]
    return tuple(pod for each in older for pod in pods_of(snapshot, each) if pod.phase not in ENDED)


def counted(pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
    """Return the pods that the ReplicaSet counts as its replicas: neither ended nor being deleted."""
    return tuple(each for each in pods if each.phase not in ENDED and not each.terminating)


def scaled_in(earlier: Snapshot, later: Snapshot, *, deployment: str, pods: Sequence[Pod]) -> tuple[str, ...]:
    """Return which of the pods left because fewer are wanted now: an autoscaler's or a person's doing, and no fault.

    None where more of them left than that explains, or where the revision changed: then something else happened.

    Args:
        earlier: when the pods were chosen.
        later: now.
        deployment: whose pods they are.
        pods: those chosen.
    """
    before, now = earlier.deployment(deployment), later.deployment(deployment)
    if before is None or now is None or before.revision != now.revision:
        return ()
    staying = {pod.name for pod in counted(later.pods)}
    left = tuple(pod.name for pod in pods if pod.name not in staying)
    return left if len(left) <= (before.desired or 0) - (now.desired or 0) else ()
