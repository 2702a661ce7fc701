"""The story of a rollout from one snapshot to the next: what changed, and when each pod came, got ready and went.

For the report's picture and for the sentence that a time-out owes its reader. What a change means is judged elsewhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gate.diagnosis.ownership import pods_of, replica_sets
from gate.records import Pod, Snapshot


@dataclass(frozen=True, slots=True)
class PodLife:
    """When a pod came, got ready, was told to go and was gone; None where that was not seen."""

    pod: str
    revision: int | None
    created: datetime | None = None
    ready: datetime | None = None
    terminating: datetime | None = None
    gone: datetime | None = None


def changes(before: Snapshot | None, now: Snapshot, *, deployment: str) -> tuple[str, ...]:
    """Return what changed, a sentence each, in the order of a rolling update; at first what there is."""
    old, new = (_pods(before, deployment) if before else {}), _pods(now, deployment)
    told = list(_deployment_changes(before, now, deployment))
    if before is None:
        ready = sum(pod.ready for pod, _ in new.values())
        return (*told, f"{len(new)} pods there, {ready} ready")
    for name, (pod, revision) in new.items():
        told.extend(_pod_changes(old[name][0] if name in old else None, pod, revision))
    told.extend(f"pod {name} (revision {old[name][1]}) gone" for name in old if name not in new)
    return tuple(told)


def lived(lives: Mapping[str, PodLife], now: Snapshot, *, deployment: str) -> dict[str, PodLife]:
    """Return the lives of the Deployment's pods with what this snapshot adds."""
    there = _pods(now, deployment)
    known = dict(lives)
    for name, (pod, revision) in there.items():
        life = known.get(name, PodLife(name, revision, created=pod.created_at))
        ready = pod.condition("Ready")
        if life.ready is None and pod.ready and ready is not None:
            life = replace(life, ready=ready.at or now.read_at)
        if life.terminating is None and pod.terminating:
            life = replace(life, terminating=now.read_at)
        known[name] = life
    for name, life in known.items():
        if name not in there and life.gone is None:
            known[name] = replace(life, gone=now.read_at)
    return known


def _pods(snapshot: Snapshot, deployment: str) -> dict[str, tuple[Pod, int | None]]:
    found = snapshot.deployment(deployment)
    if found is None:
        return {}
    return {pod.name: (pod, each.revision) for each in replica_sets(snapshot, found) for pod in pods_of(snapshot, each)}


def _deployment_changes(before: Snapshot | None, now: Snapshot, name: str) -> Iterator[str]:
    old = before.deployment(name) if before else None
    new = now.deployment(name)
    if new is None:
        if before is None or old is not None:
            yield f"deployment {name} is not there"
        return
    if old is None or old.revision != new.revision:
        yield f"revision {new.revision} is the newest"
    if old is not None and old.desired != new.desired:
        yield f"replicas went from {old.desired} to {new.desired}"


def _pod_changes(old: Pod | None, new: Pod, revision: int | None) -> Iterator[str]:
    named = f"pod {new.name} (revision {revision})"
    if old is None:
        yield f"{named} created"
    was_ready = old is not None and old.ready
    if new.terminating and not (old is not None and old.terminating):
        yield f"{named} is being deleted"
    elif new.ready != was_ready and not new.terminating:
        yield f"{named} {'ready' if new.ready else 'not ready any more'}"
    if new.phase == "Failed" and not new.terminating and (old is None or old.phase != "Failed"):
        yield f"{named} failed ({new.reason or 'no reason given'})"
    for status in new.statuses:
        earlier = old.status(status.name) if old is not None else None
        if earlier is not None and status.restarts > earlier.restarts:
            yield f"{named}: container {status.name} restarted ({status.restarts} in all)"
        reason = status.state.reason
        if status.state.kind == "waiting" and reason and (earlier is None or earlier.state.reason != reason):
            yield f"{named}: container {status.name} waits: {reason}"
