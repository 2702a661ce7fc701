"""Why a container that ran has ended: out of memory, killed by a probe, or by itself.

An exit code alone misleads: 137 is SIGKILL, whoever sent it. The kernel's kill for memory is told by the kubelet as
``OOMKilled``, the kubelet's own kill after a failed probe by its ``Killing`` event; what remains is the program's own
end. On cgroup v1 only the killed process ends, so an OOM kill of a child shows as whatever its parent makes of it.
"""

import math
import re
from dataclasses import dataclass
from datetime import timedelta

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.wording import count, duration, memory, quote, seconds_between
from gate.records import ContainerSpec, ContainerState, ContainerStatus, Event, Pod, Snapshot
from gate.verdict import Evidence

#: Shells exit so when the command does not exist (POSIX, XCU 2.8.2) or cannot be executed.
_EXIT_NOT_FOUND, _EXIT_NOT_EXECUTABLE = 127, 126
#: "Wrong usage": of the shell's built-ins, argparse, and of chat-api when its settings do not parse.
_EXIT_SETTINGS = 2
#: 128 + the signal's number (POSIX, XCU 2.8.2).
_EXIT_SIGILL, _EXIT_SIGKILL, _EXIT_SIGSEGV, _EXIT_SIGTERM = 132, 137, 139, 143
#: Unready at its first report and ever since: a pod's Ready condition is set within moments of its scheduling.
_FIRST_REPORT = timedelta(seconds=5)
#: The kubelet announces a kill, waits the grace period and the container ends; clocks of node and API may differ.
_KILL_MARGIN_S = 15.0
#: What the kubelet puts before the answer (pkg/kubelet/prober/prober.go).
_PROBE_OUTCOME = re.compile(r"^(?:failed|errored and resulted in \w+ state): ")


def last_end(status: ContainerStatus) -> ContainerState | None:
    """Return how the container ended last, None if it never did."""
    return status.state if status.state.kind == "terminated" else status.last_state


def ends(status: ContainerStatus) -> int:
    """Return how often the container has ended: once per restart, and once more while it is down."""
    down = status.state.kind == "terminated" or status.state.reason == "CrashLoopBackOff"
    return status.restarts + (1 if down else 0)


def was_ever_ready(pod: Pod) -> bool:
    """Return whether the pod has been Ready before: then its condition has changed since its first report."""
    ready, scheduled = pod.condition("Ready"), pod.condition("PodScheduled")
    if ready is None:
        return False
    if ready.status == "True":
        return True
    start = (scheduled.at if scheduled else None) or pod.created_at
    return ready.at is not None and start is not None and ready.at > start + _FIRST_REPORT


@dataclass(frozen=True, slots=True)
class _Why:
    """``final_after`` is the number of ends after which no waiting helps."""

    cause: Cause
    what: str
    remedy: str
    final_after: float


@dataclass(frozen=True, slots=True)
class _End:
    """A container's last end, with what is needed to explain it."""

    snapshot: Snapshot
    pod: Pod
    status: ContainerStatus
    spec: ContainerSpec | None
    state: ContainerState

    @property
    def kind(self) -> str:
        if not self.status.init:
            return "container"
        return "sidecar" if self.spec and self.spec.sidecar else "init container"

    @property
    def after(self) -> str:
        ran_s = seconds_between(self.state.started_at, self.state.finished_at)
        return f" after {duration(ran_s)}" if ran_s is not None else ""

    @property
    def phase(self) -> str:
        return "after it had been ready" if was_ever_ready(self.pod) else "while starting, before it was ever ready"

    @property
    def logs(self) -> str:
        return f"kubectl logs {self.pod.name} -n {self.snapshot.namespace} -c {self.status.name} --previous"

    @property
    def limit_bytes(self) -> int | None:
        return self.spec.limits.memory_bytes if self.spec else None


def exit_fault(snapshot: Snapshot, pod: Pod, status: ContainerStatus, spec: ContainerSpec | None) -> PodFault | None:
    """Return why the container ended last, None if it has not ended or is well again."""
    state = last_end(status)
    if state is None or state.kind != "terminated" or status.ready:
        return None
    if status.init and state.exit_code == 0:
        return None
    end = _End(snapshot, pod, status, spec, state)
    why = _explained(end)
    cause = why.cause
    if status.init and cause in {Cause.CONTAINER_EXITED, Cause.CONFIG_BAD_VALUE}:
        cause = Cause.CONTAINER_SIDECAR_FAILED if end.kind == "sidecar" else Cause.CONTAINER_INIT_FAILED
    times = ends(status)
    named = f"{end.kind} {status.name}"
    ended = f"{count(times, 'end')}, the last {_ago(snapshot, state)}"
    limit = end.limit_bytes if cause is Cause.CONTAINER_OOM_KILLED else None
    return PodFault(
        pod=pod.name,
        cause=cause,
        container=status.name,
        what=f"{named} {why.what} ({ended})",
        evidence=(
            Evidence(f"Pod/{pod.name}", f"{named} last end reason", state.reason or "none", state.finished_at),
            Evidence(f"Pod/{pod.name}", f"{named} last end exit code", str(state.exit_code), state.finished_at),
            *((Evidence(f"Pod/{pod.name}", f"{named} limits.memory", memory(limit)),) if limit else ()),
            Evidence(f"Pod/{pod.name}", f"{named} restartCount", str(status.restarts), snapshot.read_at),
        ),
        remedy=why.remedy,
        final=times >= why.final_after,
    )


def kill_event(snapshot: Snapshot, pod: Pod, container: str, probe: str, end: ContainerState) -> Event | None:
    """Return the event of the kubelet killing the container for that probe at this end, None if it did not."""
    words = f"Container {container} failed {probe} probe"
    for event in reversed(snapshot.events_of("Pod", pod.name)):
        if event.reason != "Killing" or not event.message.startswith(words):
            continue
        after_s = seconds_between(event.last_at, end.finished_at)
        if after_s is None or after_s <= pod.spec.termination_grace_s + _KILL_MARGIN_S:
            return event
    return None


def _explained(end: _End) -> _Why:
    if end.state.reason == "OOMKilled":
        limit = end.limit_bytes
        of = f" of {memory(limit)}" if limit else " (it has none: the node itself was out of memory)"
        return _Why(
            Cause.CONTAINER_OOM_KILLED,
            f"was killed{end.after} for exceeding its memory limit{of} {end.phase}",
            "Raise resources.limits.memory, or load a smaller or quantised model.",
            tolerances.CRASHES if was_ever_ready(end.pod) else tolerances.OOM_KILLS,
        )
    if end.state.reason == "ContainerStatusUnknown":
        return _Why(
            Cause.POD_LOST,
            f"was lost by its node {end.pod.node}, which restarted or forgot it",
            f"Look at the node: kubectl describe node {end.pod.node}",
            math.inf,
        )
    if kill_event(end.snapshot, end.pod, end.status.name, "startup", end.state):
        return _start_exhausted(end)
    if kill_event(end.snapshot, end.pod, end.status.name, "liveness", end.state):
        return _liveness_killed(end)
    return _ended_itself(end)


def _start_exhausted(end: _End) -> _Why:
    probe = end.spec.startup if end.spec else None
    delay = f" after {probe.initial_delay_s} s" if probe and probe.initial_delay_s else ""
    budget = (
        f", which allows {probe.budget_s} s ({probe.failure_threshold} x {probe.period_s} s{delay})" if probe else ""
    )
    return _Why(
        Cause.PROBE_STARTUP_EXHAUSTED,
        f"was killed{end.after}, not started within its startup probe{budget}{_last_answer(end, 'startup')}",
        f"Raise startupProbe.failureThreshold above the load time, or make the start faster: {end.logs}",
        tolerances.STARTUP_KILLS,
    )


def _liveness_killed(end: _End) -> _Why:
    probe = end.spec.liveness if end.spec else None
    rule = f" ({probe.failure_threshold} failures {probe.period_s} s apart, {probe.timeout_s} s each)" if probe else ""
    return _Why(
        Cause.PROBE_LIVENESS_KILLED,
        f"was killed{end.after} by its liveness probe{rule}, it did not crash{_last_answer(end, 'liveness')}",
        "Keep /health off the thread that computes, or let livenessProbe.timeoutSeconds outlast the longest inference.",
        tolerances.LIVENESS_KILLS,
    )


def _last_answer(end: _End, probe: str) -> str:
    said = last_probe_failure(end.snapshot, end.pod, probe)
    return f"; the probe last met: {said}" if said else ""


def last_probe_failure(snapshot: Snapshot, pod: Pod, probe: str) -> str:
    """Return what the probe (``startup``, ``liveness``, ``readiness``) met last, empty if no event says so."""
    for event in reversed(snapshot.events_of("Pod", pod.name)):
        kind, found, _ = event.message.partition(" probe ")
        if event.reason == "Unhealthy" and found and kind.lower() == probe:
            return probe_answer(event)
    return ""


def probe_answer(event: Event) -> str:
    """Return what a probe met, by the event of its failure (reason ``Unhealthy``)."""
    return quote(_PROBE_OUTCOME.sub("", event.message.partition(" probe ")[2]))


def _ended_itself(end: _End) -> _Why:
    code = end.state.exit_code
    if code in {_EXIT_NOT_FOUND, _EXIT_NOT_EXECUTABLE}:
        return _Why(
            Cause.CONTAINER_COMMAND_NOT_FOUND,
            f"ended{end.after} with exit code {code}: it calls a command that is missing or not executable",
            f"Correct the image's start script: {end.logs}",
            tolerances.SETTINGS_EXITS,
        )
    if code == _EXIT_SETTINGS:
        return _Why(
            Cause.CONFIG_BAD_VALUE,
            f"ended{end.after} with exit code {code}, {end.phase}: it refuses its settings or arguments",
            f"Read which setting it names, and correct it in the template: {end.logs}",
            tolerances.SETTINGS_EXITS,
        )
    how = {
        0: "exit code 0: a server is not meant to end",
        _EXIT_SIGKILL: "exit code 137 (SIGKILL), and not for its memory limit",
        _EXIT_SIGTERM: "exit code 143 (SIGTERM): it was told to stop",
        _EXIT_SIGILL: "exit code 132 (SIGILL): it was built for a processor with more features than the node's",
        _EXIT_SIGSEGV: "exit code 139 (SIGSEGV): its native code crashed",
    }.get(code or 0, f"exit code {code}")
    return _Why(
        Cause.CONTAINER_EXITED,
        f"ended{end.after} with {how}, {end.phase}",
        f"Read its last words: {end.logs}",
        tolerances.CRASHES,
    )


def _ago(snapshot: Snapshot, end: ContainerState) -> str:
    age_s = seconds_between(end.finished_at, snapshot.read_at)
    return f"{duration(age_s)} ago" if age_s is not None else "at an unknown time"
