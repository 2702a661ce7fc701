"""What liveness probes meet before the kubelet kills: a ready pod may be counted out already.

A wrong liveness path shows nowhere but in events until the first kill, which with usual periods comes a minute after
the pod got ready: long after it was watched and called stable. A failure that a later probe has put right is noise, and
so is not told: probes that succeed write no events, so one that failed long enough ago has succeeded since. Kills are
ends of a container (``exits``).
"""

from collections.abc import Iterator, Sequence

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.exits import probe_answer
from gate.diagnosis.faults import PodFault
from gate.diagnosis.probes import asked, asks_for_nothing, described
from gate.diagnosis.wording import seconds_between
from gate.records import ContainerStatus, Event, Pod, Probe, Snapshot
from gate.verdict import Evidence, Status

_PREFIX = "Liveness probe "


def liveness_faults(snapshot: Snapshot, pods: Sequence[Pod]) -> Iterator[PodFault]:
    """Yield a fault for each ready pod whose liveness probe fails now, at the cost of one look at the events."""
    failures: dict[str, list[Event]] = {}
    for event in snapshot.events:
        if event.kind == "Pod" and event.reason == "Unhealthy" and event.message.startswith(_PREFIX):
            failures.setdefault(event.name, []).append(event)
    for pod in pods if failures else ():
        if pod.ready and pod.name in failures:
            fault = next(
                (found for each in _probed(pod) if (found := _fault(snapshot, pod, *each, failures[pod.name]))), None
            )
            if fault is not None:
                yield fault


def liveness_due_s(snapshot: Snapshot, pods: Sequence[Pod]) -> float:
    """Return the seconds until every ready pod's liveness probe has been asked once and its failure would be known.

    At most LIVENESS_ASKED_S: a probe with a longer period is not waited for.
    """
    due = [_due_s(snapshot, pod, status, probe) for pod in pods if pod.ready for status, probe in _probed(pod)]
    return min(max(due, default=0.0), tolerances.LIVENESS_ASKED_S)


def _probed(pod: Pod) -> Iterator[tuple[ContainerStatus, Probe]]:
    for spec in pod.spec.containers:
        status = pod.status(spec.name)
        if spec.liveness is not None and status is not None and status.state.kind == "running":
            yield status, spec.liveness


def _due_s(snapshot: Snapshot, pod: Pod, status: ContainerStatus, probe: Probe) -> float:
    ready = pod.condition("Ready")
    # Liveness is held back until the startup probe has succeeded; then it keeps its own beat (pkg/kubelet/prober).
    ages = (
        seconds_between(ready.at if ready else None, snapshot.read_at),
        None
        if (age_s := seconds_between(status.state.started_at, snapshot.read_at)) is None
        else age_s - probe.initial_delay_s,
    )
    known = [age_s for age_s in ages if age_s is not None]
    return max(probe.period_s + tolerances.PROBE_EVENT_S - min(known), 0.0) if known else 0.0


def _fault(
    snapshot: Snapshot, pod: Pod, status: ContainerStatus, probe: Probe, events: Sequence[Event]
) -> PodFault | None:
    quiet_s = probe.period_s + probe.timeout_s + tolerances.PROBE_EVENT_S
    mine = [
        event
        for event in events
        if (age_s := seconds_between(event.last_at, snapshot.read_at)) is not None
        and age_s <= quiet_s
        and not _is_of_an_earlier_instance(event, status)
    ]
    if not mine:
        return None
    newest = max(mine, key=lambda event: event.last_at or snapshot.read_at)
    times = min(sum(_in_a_row(event, probe) for event in mine), probe.failure_threshold)
    answer = probe_answer(newest)
    hopeless = asks_for_nothing(answer)
    left_s = (probe.failure_threshold - times) * probe.period_s
    sure = hopeless or times >= tolerances.LIVENESS_FAILURES
    return PodFault(
        pod=pod.name,
        cause=Cause.PROBE_LIVENESS_FAILING,
        container=status.name,
        what=f"container {status.name} is ready and the kubelet will kill it in about {left_s} s ({times} of "
        f"{probe.failure_threshold} failures of its liveness probe): {described(answer, probe, 'liveness')}",
        evidence=(
            Evidence(f"Pod/{pod.name}", "liveness probe's last answer", answer, newest.last_at),
            Evidence(f"Pod/{pod.name}", "event Unhealthy", f"{newest.count} times", newest.last_at),
            Evidence(f"Pod/{pod.name}", f"container {status.name} livenessProbe", asked(probe)),
        ),
        remedy="Correct livenessProbe.httpGet in the template: path and port must be ones that the program serves."
        if hopeless
        else "Keep the probe's path off the thread that computes, or let livenessProbe.timeoutSeconds outlast the "
        "longest inference.",
        final=hopeless and times >= tolerances.LIVENESS_FAILURES,
        status=Status.FAIL if sure else Status.WARN,
    )


def _is_of_an_earlier_instance(event: Event, status: ContainerStatus) -> bool:
    started = status.state.started_at
    return started is not None and event.last_at is not None and event.last_at < started


def _in_a_row(event: Event, probe: Probe) -> int:
    """Return how many of the event's failures followed one another: those further apart than two periods did not."""
    lasted_s = seconds_between(event.first_at, event.last_at) or 0.0
    return event.count if lasted_s <= 2 * probe.period_s * (event.count - 1) else 1
