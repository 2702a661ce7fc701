"""LOD-1's other half of "visible, not silent": the wait that users had also stands in the pods' metrics.

An X-Queue-Ms that the caller sees helps the caller; whoever watches the service sees /metrics. Both are sums over the
same answered requests, so they must agree; pods that came or went meanwhile take their counters with them, and then
nothing is said.
"""

from collections.abc import Sequence

from gate.causes import Cause
from gate.diagnosis.exchanges import OK
from gate.diagnosis.readings import pod_name
from gate.records import Answer, PodMetrics, Readings
from gate.verdict import Evidence, Finding, Status

#: Reported waits from which there is something to compare; below, rounding and a pod's start-up explain anything.
MIN_WAIT_S = 2.0

#: Share of the reported wait that the metrics must hold. They count more, if anything: other users wait too.
MIN_COUNTED = 0.5


def uncounted_wait_findings(answers: Sequence[Answer], readings: Readings) -> list[Finding]:
    """Return a failure where users were told of waits that no pod counted."""
    reported_s = sum(
        (each.queue_ms or 0.0) / 1000 for each in answers if each.reply.status == OK and each.queue_ms is not None
    )
    counted = _counted_s(readings)
    if reported_s < MIN_WAIT_S or counted is None:
        return []
    total_s = sum(waited_s for _, waited_s in counted)
    if total_s >= MIN_COUNTED * reported_s:
        return []
    return [
        Finding(
            Status.FAIL,
            Cause.QUEUE_SILENT,
            f"Answers report {reported_s:.1f} s of waiting in the queue, and the pods' metrics count {total_s:.1f} s: "
            "no dashboard shows the queue.",
            tuple(_evidence(reading, waited_s) for reading, waited_s in counted),
            "Observe carepath_chat_queue_seconds for every answered request (service_chat/telemetry.py).",
        )
    ]


def counted_wait_evidence(readings: Readings) -> list[Evidence]:
    """Return the wait that each pod counted meanwhile."""
    return [_evidence(reading, waited_s) for reading, waited_s in _counted_s(readings) or ()]


def _counted_s(readings: Readings) -> list[tuple[PodMetrics, float]] | None:
    """Return each pod's counted wait between the readings; None where a pod is missing, or started anew."""
    before = {pod_name(each): each for each in readings.before}
    found: list[tuple[PodMetrics, float]] = []
    for last in readings.after:
        first = before.get(pod_name(last))
        if first is None or first.started_at != last.started_at:
            return None
        if first.queue_wait_s is None or last.queue_wait_s is None:
            return None
        found.append((last, last.queue_wait_s - first.queue_wait_s))
    return found or None


def _evidence(reading: PodMetrics, waited_s: float) -> Evidence:
    return Evidence(
        f"Pod/{pod_name(reading)}", "/metrics wait in the queue", f"{waited_s:.1f} s", reading.reply.started_at
    )
