"""Polls a rollout until it is stable, doomed or out of time, and says which, with what was seen on the way.

The clock, the pause and the reader are arguments, so that no test really waits. What a snapshot means is the pure
code's business (``gate.diagnosis.progress``); here is only how often to look, how long, and how much failing to read
is put up with. A failure that no waiting mends ends the wait at once.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Protocol

from gate.causes import Cause
from gate.diagnosis.deployments import examine
from gate.diagnosis.exits import last_end
from gate.diagnosis.history import PodLife, changes, lived
from gate.diagnosis.last_words import FINAL_WORDS, SPEECHLESS, Speaker, explained, speaker
from gate.diagnosis.progress import Progress, assess
from gate.diagnosis.rollout import rollout_verdict
from gate.diagnosis.unread import ROLLOUT, without_unread
from gate.diagnosis.window import StableWindow, open_window
from gate.diagnosis.wording import duration, quote, seconds_between
from gate.readers.errors import Denied, ReadError, Unreachable
from gate.records import ContainerState, LogTail, Snapshot
from gate.verdict import Evidence, Status, Verdict, inconclusive

#: Between two looks. A read of one namespace takes a tenth of this; kubelets report changes at once.
POLL_S = 1.0

#: For how long the API server may be out of reach before the wait is given up: one that restarts or moves to another
#: machine answers again within a minute (observed: 6 s on the embedded cluster; behind a load balancer, health checks
#: add up to 30 s).
UNREACHABLE_S = 60.0

#: For how long figures of fresh pods may be missing: the kubelet measures every 15 s, metrics-server wants two samples,
#: and the HPA controller looks every 15 s (their defaults).
FIGURES_S = 60.0

#: What a rollout in good order passes through: out of time in one of these, nothing is known to be wrong.
_UNDECIDED = frozenset({Cause.ROLLOUT_IN_PROGRESS, Cause.ROLLOUT_OLD_PODS_LEFT})


class ReadLog(Protocol):
    """Reads the log of one container; ``ClusterReader.logs`` is one."""

    def __call__(self, pod: str, container: str, *, previous: bool) -> LogTail:
        """Return the log; raises a ReadError."""


@dataclass(frozen=True, slots=True)
class Waited:
    """How a wait ended.

    Attributes:
        verdict: POD-1, with the series ``timeline`` and ``pods`` for the report.
        snapshot: the last one read, None if none could be.
        timeline: what changed and when, by the API server's clock.
        seconds: how long it took, by the gate's clock.
        reads: how many snapshots were read.
    """

    verdict: Verdict
    snapshot: Snapshot | None
    timeline: tuple[tuple[datetime, str], ...]
    seconds: float
    reads: int


def wait_for_rollout(
    read: Callable[[], Snapshot],
    *,
    deployment: str,
    window_s: float,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    poll_s: float = POLL_S,
    on_snapshot: Callable[[Snapshot], object] | None = None,
    read_log: ReadLog | None = None,
) -> Waited:
    """Wait until the rollout is settled and stable, doomed, or out of time.

    Out of time is INCONCLUSIVE (gate.timed_out) where the rollout was still in good order, for the limit is the gate's;
    it is a FAIL with its cause where something was wrong that might still have mended itself.

    Args:
        read: returns the current Snapshot; a ReadError is waited out for UNREACHABLE_S if the server did not answer.
        deployment: name of the Deployment.
        window_s: how long it must stay ready, by the API server's clock.
        timeout_s: the gate's own limit (``acceptance.rollout_timeout_s``).
        clock: seconds that never go back.
        sleep: pauses for so many seconds.
        poll_s: seconds between two reads.
        on_snapshot: is handed every snapshot read.
        read_log: asked where an exit code alone does not say why a container ended: at the end, and once for each end
            before that, for some last words are final at the first. Nothing of the log is shown.
    """
    wait = _Wait(deployment=deployment, window_s=window_s, timeout_s=timeout_s, clock=clock, started=clock())
    while True:
        try:
            snapshot = read()
        except ReadError as error:
            wait.failed(error)
        else:
            if on_snapshot is not None:
                on_snapshot(snapshot)
            wait.saw(snapshot)
            wait.heard(read_log)
        verdict = wait.over()
        if verdict is not None:
            return wait.ended(wait.explained(verdict, read_log))
        sleep(max(min(poll_s, wait.left_s), 0.0))


def wait_for_figures(
    read: Callable[[], Snapshot],
    judge: Callable[[Snapshot], Verdict],
    *,
    timeout_s: float = FIGURES_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Snapshot:
    """Read until a criterion is no longer inconclusive for want of figures that fresh pods do not have yet.

    An autoscaler at its maximum is looked at again too: its figures are averages, and the requests that ran beside the
    rollout stay in them for as long. A right that the gate lacks does not come by waiting; an API server that restarts
    meanwhile comes back.

    Args:
        read: returns the current Snapshot.
        judge: the criterion's verdict of a Snapshot.
        timeout_s: after that the last Snapshot is returned as it is; the criterion then says what is missing.
        clock: seconds that never go back.
        sleep: pauses for so many seconds.

    Raises:
        ReadError: the first read failed, or a right was lost.
    """
    deadline = clock() + timeout_s
    snapshot = read()
    while clock() < deadline:
        if not is_waited_for(judge(snapshot)):
            break
        sleep(POLL_S)
        with suppress(Unreachable):
            snapshot = read()
    return snapshot


def is_waited_for(verdict: Verdict) -> bool:
    """Return whether a verdict on the pods' figures may become another one by waiting."""
    busy = verdict.status is Status.FAIL and verdict.cause is Cause.HPA_AT_MAXIMUM
    return busy or (verdict.status is Status.INCONCLUSIVE and verdict.cause is not Cause.GATE_FORBIDDEN)


def with_last_words(snapshot: Snapshot, verdict: Verdict, read_log: ReadLog, *, deployment: str) -> Verdict:
    """Return the verdict with what the log of the container at fault adds to an exit code that says little."""
    whose = speaker(examine(snapshot, deployment), verdict) if verdict.cause in SPEECHLESS else None
    if whose is None:
        return verdict
    try:
        tail = read_log(whose.pod, whose.container, previous=whose.previous)
    except ReadError:
        return verdict  # the exit code is known; a log that is gone takes nothing away from it
    return explained(snapshot, verdict, tail)


@dataclass(slots=True)
class _Wait:
    """What one wait knows so far."""

    deployment: str
    window_s: float
    timeout_s: float
    clock: Callable[[], float]
    started: float
    snapshot: Snapshot | None = None
    progress: Progress | None = None
    window: StableWindow | None = None
    broken: StableWindow | None = None
    error: ReadError | None = None
    unread_since: float | None = None
    reads: int = 0
    timeline: list[tuple[datetime, str]] = field(default_factory=list)
    lives: dict[str, PodLife] = field(default_factory=dict)
    listened: set[tuple[Speaker, ContainerState | None]] = field(default_factory=set)

    @property
    def elapsed_s(self) -> float:
        return self.clock() - self.started

    @property
    def left_s(self) -> float:
        return self.timeout_s - self.elapsed_s

    def failed(self, error: ReadError) -> None:
        """Note a read that failed; the window goes on, for nothing was seen to break it."""
        self.error = error
        self.unread_since = self.clock() if self.unread_since is None else self.unread_since

    def saw(self, snapshot: Snapshot) -> None:
        """Take in one snapshot."""
        self.timeline.extend(
            (snapshot.read_at, text) for text in changes(self.snapshot, snapshot, deployment=self.deployment)
        )
        self.lives = lived(self.lives, snapshot, deployment=self.deployment)
        self.snapshot, self.error, self.unread_since = snapshot, None, None
        self.reads += 1
        self.progress = assess(snapshot, deployment=self.deployment)
        self._watch(snapshot, settled=self.progress.state == "settled")

    def heard(self, read_log: ReadLog | None) -> None:
        """Take in the last words of a container that has ended, once for each end: they may make it final at once."""
        if read_log is None or self.snapshot is None or self.progress is None or self.progress.state != "progressing":
            return
        now = self.progress.verdict
        rollout = examine(self.snapshot, self.deployment) if now.cause in SPEECHLESS else None
        whose = speaker(rollout, now) if rollout else None
        if rollout is None or whose is None:
            return
        pod = next(each for each in rollout.pods if each.name == whose.pod)
        end = last_end(status) if (status := pod.status(whose.container)) else None
        if (whose, end) in self.listened:
            return
        self.listened.add((whose, end))
        told = with_last_words(self.snapshot, now, read_log, deployment=self.deployment)
        if told.cause in FINAL_WORDS:
            self.progress = Progress("doomed", told)

    def _watch(self, snapshot: Snapshot, *, settled: bool) -> None:
        if self.window is not None:
            self.window = self.window.extended(snapshot, deployment=self.deployment)
            if self.window.broken:
                self.broken, self.window = self.window, None
        if not settled:
            self.window = None
        elif self.window is None:
            self.window = open_window(snapshot, deployment=self.deployment, wanted_s=self.window_s)

    def over(self) -> Verdict | None:
        """Return the verdict if there is nothing left to wait for."""
        if self.error is not None and self._is_hopeless(self.error):
            return self._unread(self.error)
        if self.error is None and self.progress is not None and self.snapshot is not None:
            if self.progress.state == "doomed":
                return self.progress.verdict
            if self.window is not None and self.window.complete:
                return rollout_verdict(self.snapshot, deployment=self.deployment, window=self.window)
        return self._out_of_time() if self.left_s <= 0 else None

    def explained(self, verdict: Verdict, read_log: ReadLog | None) -> Verdict:
        """Return the verdict with what the log of the container at fault adds, if there is one and it can be read."""
        if read_log is None or self.snapshot is None:
            return verdict
        return with_last_words(self.snapshot, verdict, read_log, deployment=self.deployment)

    def ended(self, verdict: Verdict) -> Waited:
        """Return the result, with the series that the report draws."""
        proven = without_unread(verdict, self.snapshot, ROLLOUT) if self.snapshot else verdict
        told = proven.with_details(
            timeline=tuple({"at": at, "text": text} for at, text in self.timeline),
            pods=tuple(asdict(life) for life in self.lives.values()),
        )
        return Waited(told, self.snapshot, tuple(self.timeline), self.elapsed_s, self.reads)

    def _is_hopeless(self, error: ReadError) -> bool:
        if not isinstance(error, Unreachable):
            return True
        return self.unread_since is not None and self.clock() - self.unread_since >= UNREACHABLE_S

    def _unread(self, error: ReadError) -> Verdict:
        denied = isinstance(error, Denied)
        lasted = "" if denied else f" for {duration(self.clock() - (self.unread_since or self.started))}"
        return inconclusive(
            "POD-1",
            Cause.GATE_FORBIDDEN if denied else Cause.GATE_UNREACHABLE,
            f"The gate could not read the rollout of {self.deployment}{lasted}: {quote(str(error))}.",
            (
                Evidence(f"Deployment/{self.deployment}", "read", quote(str(error)) or type(error).__name__),
                *((self._last_change(),) if self.timeline else ()),
            ),
            f"Grant it: kubectl auth can-i {error.verb} {error.resource}"
            if isinstance(error, Denied)
            else "Reach the API server first: kubectl get --raw /readyz",
        )

    def _out_of_time(self) -> Verdict:
        if self.error is not None or self.snapshot is None or self.progress is None:
            return self._unread(self.error or Unreachable("no read has ended within the limit"))
        if self.window is not None:
            return rollout_verdict(self.snapshot, deployment=self.deployment, window=self.broken or self.window)
        now = self.progress.verdict
        limit = (
            f"The gate stopped waiting after its own limit of {duration(self.timeout_s)} (acceptance.rollout_timeout_s)"
        )
        last = f"The last change was {self._last_change().value}."
        if now.status is Status.FAIL and now.cause not in _UNDECIDED:
            return Verdict(
                "POD-1",
                Status.FAIL,
                now.reason,
                now.evidence,
                now.cause,
                now.remedy,
                (*now.symptoms, f"{limit}.", last),
            )
        return inconclusive(
            "POD-1",
            now.cause if now.cause is Cause.ROLLOUT_NOT_OBSERVED else Cause.GATE_TIMED_OUT,
            f"{limit}; it was still waiting: {self.progress.waiting_for or now.reason} {last}",
            (*now.evidence, self._last_change()),
            now.remedy
            or f"Follow it: kubectl rollout status deployment/{self.deployment} -n {self.snapshot.namespace}",
        )

    def _last_change(self) -> Evidence:
        where = f"Deployment/{self.deployment}"
        if not self.timeline:
            return Evidence(where, "last change", "none seen")
        at, text = self.timeline[-1]
        age_s = seconds_between(at, self.snapshot.read_at if self.snapshot else None)
        since = f", {duration(age_s)} before the end" if age_s is not None else ""
        return Evidence(where, "last change", f"{text}{since}", at)
