"""What is wrong with a rollout as a whole: its pods' faults, and those that no pod shows.

Settles first whether there is anything to count: readable, existing, and a status that is current (observedGeneration).
Pods are counted themselves; the Deployment's own counts lag behind and serve as a second witness.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.admission import RolloutFault, creation_refused
from gate.diagnosis.evictions import ended_faults
from gate.diagnosis.faults import FaultGroup, PodFault, grouped
from gate.diagnosis.liveness import liveness_faults
from gate.diagnosis.ownership import ENDED, counted, newest_replica_set, old_pods, pods_of, replica_sets
from gate.diagnosis.pods import pod_fault, waiting_for
from gate.diagnosis.wording import count, duration, names, seconds_between
from gate.records import Deployment, Pod, ReplicaSet, Snapshot
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive

_NEEDED = ("deployments", "replica_sets", "pods")


@dataclass(frozen=True, slots=True)
class Rollout:
    """One Deployment's newest revision with everything that is wrong about it.

    Attributes:
        pods: of the newest revision, neither ended nor being deleted.
        faults: the likely root first; without those of restarts, which are past.
        pod_faults: the same faults by pod, of pods that have not ended.
        ended: pods of this revision that ended, were replaced and explain nothing of what goes on now.
    """

    deployment: Deployment
    newest: ReplicaSet | None
    pods: tuple[Pod, ...]
    faults: tuple[RolloutFault, ...]
    pod_faults: tuple[PodFault, ...]
    ended: tuple[PodFault, ...]

    @property
    def final(self) -> bool:
        """Return whether no waiting will complete this revision."""
        return any(each.final for each in self.faults)


def blocked(criterion: str, snapshot: Snapshot, name: str) -> Verdict | None:
    """Return the verdict where there is nothing to count: unreadable, no such Deployment, a status not current."""
    for what in _NEEDED:
        unread = snapshot.unread(what)
        if unread is not None:
            forbidden = unread.kind == "forbidden"
            return inconclusive(
                criterion,
                Cause.GATE_FORBIDDEN if forbidden else Cause.GATE_UNREACHABLE,
                f"The gate could not read {what} in namespace {snapshot.namespace}: {unread.message}.",
                (Evidence(f"Namespace/{snapshot.namespace}", what, unread.kind, snapshot.read_at),),
                f"Grant it: kubectl auth can-i list {what.replace('_', '')} -n {snapshot.namespace}"
                if forbidden
                else "Reach the API server first: kubectl get --raw /readyz",
            )
    found = snapshot.deployment(name)
    if found is None:
        there = ", ".join(each.name for each in snapshot.deployments) or "none"
        return Verdict(
            criterion,
            Status.FAIL,
            f"Deployment {name} does not exist in namespace {snapshot.namespace} (Deployments there: {there}).",
            (Evidence(f"Namespace/{snapshot.namespace}", "deployments", there, snapshot.read_at),),
            Cause.ROLLOUT_NOT_FOUND,
            f"Apply it, or correct the target's namespace and deployment: kubectl get deployments -A | grep {name}",
        )
    if not _is_observed(found):
        return inconclusive(
            criterion,
            Cause.ROLLOUT_NOT_OBSERVED,
            f"Deployment {name} is at generation {found.generation} and its controller has seen "
            f"{found.observed_generation or 'none'}: its status is not current.",
            (
                Evidence(f"Deployment/{name}", "metadata.generation", str(found.generation), snapshot.read_at),
                Evidence(
                    f"Deployment/{name}", "status.observedGeneration", str(found.observed_generation), snapshot.read_at
                ),
            ),
            "Ask again in a few seconds; if it stays, look at kube-controller-manager.",
        )
    return None


def examine(snapshot: Snapshot, name: str) -> Rollout:
    """Return the Deployment's newest revision with its faults; the Deployment must exist and be observed."""
    deployment = next(each for each in snapshot.deployments if each.name == name)
    newest = newest_replica_set(snapshot, deployment)
    everything = pods_of(snapshot, newest) if newest else ()
    pods = counted(everything)
    found = [fault for pod in pods if (fault := pod_fault(snapshot, pod)) is not None]
    found.extend(liveness_faults(snapshot, pods))
    faulty = frozenset(fault.pod for fault in found)
    incomplete = _is_incomplete(deployment, pods)
    ended = ended_faults(snapshot, everything)
    telling: list[PodFault] = []
    past: list[PodFault] = []
    for fault in ended:
        (telling if fault.final or (incomplete and fault.status is Status.FAIL) else past).append(fault)
    faults = (
        *_scaled_to_zero(snapshot, deployment),
        *_paused(snapshot, deployment, pods),
        *([refused] if (refused := creation_refused(snapshot, deployment, newest)) else []),
        *_ranked((*grouped(found), *grouped(telling)), total=len(everything)),
        *_deadline(snapshot, deployment),
        *(_in_progress(snapshot, deployment, newest, pods, faulty) if incomplete else ()),
        *_old(snapshot, deployment, newest, incomplete=incomplete),
    )
    return Rollout(deployment, newest, pods, faults, tuple(found), tuple(past))


def _ranked(groups: tuple[FaultGroup, ...], *, total: int) -> Iterator[RolloutFault]:
    for group in sorted(groups, key=lambda each: not each.final):
        yield RolloutFault(group.finding(total), group.final)


def _is_observed(deployment: Deployment) -> bool:
    return deployment.observed_generation is not None and deployment.observed_generation >= deployment.generation


def _is_incomplete(deployment: Deployment, pods: tuple[Pod, ...]) -> bool:
    wanted = deployment.desired or 0
    ready = sum(pod.ready for pod in pods)
    return not (len(pods) == ready == wanted == deployment.updated and deployment.available >= wanted)


def _scaled_to_zero(snapshot: Snapshot, deployment: Deployment) -> Iterator[RolloutFault]:
    if deployment.desired:
        return
    yield RolloutFault(
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_SCALED_TO_ZERO,
            f"Deployment {deployment.name} is scaled to 0: nothing runs, so nothing was proven.",
            (Evidence(f"Deployment/{deployment.name}", "spec.replicas", str(deployment.desired), snapshot.read_at),),
            f"Scale it up: kubectl scale deployment/{deployment.name} -n {snapshot.namespace} --replicas=2",
        ),
        final=True,
    )


def _paused(snapshot: Snapshot, deployment: Deployment, pods: tuple[Pod, ...]) -> Iterator[RolloutFault]:
    if not deployment.paused:
        return
    wanted = deployment.desired or 0
    rolled_out = deployment.updated >= wanted and not _is_incomplete(deployment, pods)
    state = "all of its pods are up to date" if rolled_out else f"{deployment.updated} of {wanted} pods are up to date"
    yield RolloutFault(
        Finding(
            Status.WARN if rolled_out else Status.FAIL,
            Cause.ROLLOUT_PAUSED,
            f"Deployment {deployment.name} is paused, {state}: a change of its template reaches no pod.",
            (Evidence(f"Deployment/{deployment.name}", "spec.paused", "true", snapshot.read_at),),
            f"Let it go on: kubectl rollout resume deployment/{deployment.name} -n {snapshot.namespace}",
        ),
        final=not rolled_out,
    )


def _in_progress(
    snapshot: Snapshot, deployment: Deployment, newest: ReplicaSet | None, pods: tuple[Pod, ...], faulty: frozenset[str]
) -> Iterator[RolloutFault]:
    wanted = deployment.desired or 0
    if not wanted:
        return
    ready = sum(pod.ready for pod in pods)
    starting = [pod for pod in pods if not pod.ready and pod.name not in faulty]
    if faulty:
        at = f"{count(len(faulty), 'pod')} at fault"
    elif newest is None:
        at = "its controller has not made the ReplicaSet yet"
    elif starting:
        at = f"{starting[0].name}: {waiting_for(snapshot, starting[0])}"
    elif len(pods) < wanted:
        at = f"{count(wanted - len(pods), 'pod')} not created yet"
    elif len(pods) > wanted:
        at = f"{count(len(pods) - wanted, 'pod')} too many, not yet removed"
    else:
        at = f"its status counts {deployment.updated} updated and {deployment.available} available"
        at += f" (minReadySeconds is {deployment.min_ready_s})" if deployment.min_ready_s else ""
    yield RolloutFault(
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_IN_PROGRESS,
            f"Revision {deployment.revision} of {deployment.name} has {ready} of {wanted} pods ready; {at}.",
            (
                Evidence(
                    f"Deployment/{deployment.name}", "ready pods of the newest revision", str(ready), snapshot.read_at
                ),
                Evidence(f"Deployment/{deployment.name}", "spec.replicas", str(wanted), snapshot.read_at),
            ),
            f"Follow it: kubectl rollout status deployment/{deployment.name} -n {snapshot.namespace}",
        ),
        final=False,
    )


def _old(
    snapshot: Snapshot, deployment: Deployment, newest: ReplicaSet | None, *, incomplete: bool
) -> Iterator[RolloutFault]:
    if newest is None:
        return
    left = old_pods(snapshot, deployment, newest)
    stuck = [pod for pod in left if _overdue_s(snapshot, pod) >= tolerances.TERMINATION_MARGIN_S]
    if stuck:
        overdue = duration(max(_overdue_s(snapshot, pod) for pod in stuck))
        yield RolloutFault(
            Finding(
                Status.FAIL,
                Cause.POD_STUCK_TERMINATING,
                f"{count(len(stuck), 'pod')} of an older revision ({names([pod.name for pod in stuck])}) should have "
                f"ended {overdue} ago and still {'hangs' if len(stuck) == 1 else 'hang'} in Terminating, "
                f"where {'it' if len(stuck) == 1 else 'they'} may answer requests.",
                tuple(_deleted(pod) for pod in stuck),
                f"See what holds it (finalizer, dead node, process that ignores SIGKILL): "
                f"kubectl describe pod {stuck[0].name} -n {snapshot.namespace}",
            ),
            final=True,
        )
    lingering = [pod for pod in left if pod not in stuck]
    if lingering:
        leaving = sum(pod.terminating for pod in lingering)
        yield RolloutFault(
            Finding(
                Status.FAIL,
                Cause.ROLLOUT_OLD_PODS_LEFT,
                f"{count(len(lingering), 'pod of an older revision still runs', 'pods of older revisions still run')} "
                f"({names([pod.name for pod in lingering])}), {leaving} of them being deleted.",
                tuple(_owner(pod, snapshot) for pod in lingering),
                f"Wait for the rolling update: kubectl rollout status deployment/{deployment.name} "
                f"-n {snapshot.namespace}",
            ),
            final=False,
        )
    strays = _strays(snapshot, deployment)
    if strays:
        yield RolloutFault(
            Finding(
                Status.FAIL,
                Cause.ROLLOUT_OLD_PODS_LEFT,
                f"{count(len(strays), 'pod carries', 'pods carry')} the labels of {deployment.name} and none of its "
                f"revisions owns them ({names([pod.name for pod in strays])}): the Service sends requests there too.",
                tuple(_owner(pod, snapshot) for pod in strays),
                f"Take them away, or change their labels: kubectl delete pod {strays[0].name} -n {snapshot.namespace}",
            ),
            final=not incomplete and not any(pod.terminating for pod in strays),
        )


def _strays(snapshot: Snapshot, deployment: Deployment) -> tuple[Pod, ...]:
    """Return pods that carry the Deployment's labels and belong to none of its revisions: the Service asks them too."""
    if not deployment.selector:
        return ()
    mine = {each.uid for each in replica_sets(snapshot, deployment) if each.uid}
    return tuple(
        pod
        for pod in snapshot.pods_selected_by(deployment.selector)
        if pod.phase not in ENDED and not (pod.owner is not None and pod.owner.uid in mine)
    )


def _overdue_s(snapshot: Snapshot, pod: Pod) -> float:
    """Return for how long the pod should be gone; deletionTimestamp includes the grace period (API, ObjectMeta)."""
    return seconds_between(pod.deleted_at, snapshot.read_at) or 0.0


def _deleted(pod: Pod) -> Evidence:
    return Evidence(f"Pod/{pod.name}", "metadata.deletionTimestamp", f"{pod.deleted_at:%H:%M:%S}", pod.deleted_at)


def _owner(pod: Pod, snapshot: Snapshot) -> Evidence:
    owner = f"{pod.owner.kind}/{pod.owner.name}" if pod.owner else "nobody"
    return Evidence(f"Pod/{pod.name}", "owned by", owner, snapshot.read_at)


def _deadline(snapshot: Snapshot, deployment: Deployment) -> Iterator[RolloutFault]:
    condition = deployment.condition("Progressing")
    if condition is None or condition.reason != "ProgressDeadlineExceeded":
        return
    yield RolloutFault(
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_DEADLINE_EXCEEDED,
            f"Revision {deployment.revision} of {deployment.name} made no progress for its progressDeadlineSeconds of "
            f"{deployment.progress_deadline_s} s.",
            (
                Evidence(
                    f"Deployment/{deployment.name}", "status.conditions[Progressing]", condition.reason, condition.at
                ),
            ),
            f"Go back while you look: kubectl rollout undo deployment/{deployment.name} -n {snapshot.namespace}",
        ),
        final=True,
    )
