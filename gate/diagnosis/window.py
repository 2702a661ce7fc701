"""What was seen of a rollout while it was watched: the difference between ready now and staying ready.

A window is made of snapshots and keeps only the little it needs of each, so that watching thousands of pods costs
nothing. ``waiting`` opens and extends it, ``rollout`` judges it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from gate.diagnosis.liveness import liveness_due_s
from gate.diagnosis.ownership import counted, newest_replica_set, pods_of
from gate.records import Pod, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class StableWindow:
    """A rollout watched from when it had settled.

    Attributes:
        wanted_s: how long it was meant to be watched, and until each liveness probe has been asked once.
        restarts_first: restarts per pod of the newest revision when the watch began.
        restarts_last: the same in the last snapshot.
        unready: pods seen without readiness (or gone) meanwhile, with the time.
    """

    wanted_s: float
    first_at: datetime
    last_at: datetime
    reads: int = 1
    restarts_first: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    restarts_last: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    unready: tuple[tuple[str, datetime], ...] = ()

    @property
    def watched_s(self) -> float:
        """Return the seconds between the first and the last snapshot."""
        return (self.last_at - self.first_at).total_seconds()

    @property
    def restarted(self) -> tuple[str, ...]:
        """Return the pods that were restarted meanwhile."""
        return tuple(
            pod for pod, restarts in self.restarts_last.items() if restarts > self.restarts_first.get(pod, restarts)
        )

    @property
    def broken(self) -> bool:
        """Return whether the rollout did not stay as it was."""
        return bool(self.restarted or self.unready)

    @property
    def complete(self) -> bool:
        """Return whether it was watched for as long as it was meant to be."""
        return self.watched_s >= self.wanted_s

    def extended(self, snapshot: Snapshot, *, deployment: str) -> "StableWindow":
        """Return the window with one more snapshot."""
        pods = {pod.name: pod for pod in _pods(snapshot, deployment)}
        lost = [
            (name, snapshot.read_at)
            for name in self.restarts_first
            if name not in pods and not _is_leaving(snapshot, name)
        ]
        unready = [(name, snapshot.read_at) for name, pod in pods.items() if not pod.ready]
        restarts = MappingProxyType({name: _restarts(pod) for name, pod in pods.items()})
        return replace(
            self,
            last_at=snapshot.read_at,
            reads=self.reads + 1,
            # A pod that joins meanwhile (the HPA scales up) is compared with when it came.
            restarts_first=MappingProxyType({**restarts, **self.restarts_first}),
            restarts_last=restarts,
            unready=(*self.unready, *lost, *unready),
        )


def open_window(snapshot: Snapshot, *, deployment: str, wanted_s: float) -> StableWindow:
    """Return a window that begins with this snapshot; fresh pods are watched until liveness has been asked once."""
    pods = _pods(snapshot, deployment)
    restarts = MappingProxyType({pod.name: _restarts(pod) for pod in pods})
    return StableWindow(
        wanted_s=max(wanted_s, liveness_due_s(snapshot, pods)),
        first_at=snapshot.read_at,
        last_at=snapshot.read_at,
        restarts_first=restarts,
        restarts_last=restarts,
    )


def _pods(snapshot: Snapshot, deployment: str) -> tuple[Pod, ...]:
    found = snapshot.deployment(deployment)
    newest = newest_replica_set(snapshot, found) if found else None
    return counted(pods_of(snapshot, newest)) if newest else ()


def _restarts(pod: Pod) -> int:
    return sum(status.restarts for status in pod.statuses)


def _is_leaving(snapshot: Snapshot, pod: str) -> bool:
    """Return whether the pod is being deleted, as when the HPA scales down: that is no instability."""
    return any(each.name == pod and each.terminating for each in snapshot.pods)
