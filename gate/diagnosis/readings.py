"""What is common to everything that is judged from the pods' /metrics: which pods said nothing, and which forgot.

Counters live in the process: they begin at its start, and what a container counted before a restart is lost. The pods
of the newest revision all started with the deploy or after it, so what they counted is what happened since.
"""

from collections.abc import Callable, Sequence

from gate.causes import Cause
from gate.diagnosis.exchanges import OK, exchange_evidence, outcome, pod_of, unasked_findings, was_asked
from gate.diagnosis.wording import count, names
from gate.records import Pod, PodMetrics
from gate.verdict import Evidence, Finding, Status


def pod_name(reading: PodMetrics) -> str:
    """Return whose reading it is."""
    return pod_of(reading.reply) or reading.reply.via


def unread_findings(
    readings: Sequence[PodMetrics], pods: Sequence[str], *, known: Callable[[PodMetrics], bool], what: str
) -> list[Finding]:
    """Return what could not be had, INCONCLUSIVE: no pod, no answer, no metrics, or not this figure.

    Args:
        readings: one for each pod that was asked.
        pods: the pods that must have been asked.
        known: whether a reading holds the figure.
        what: the figure, in the plural, as a sentence names it.
    """
    if not pods:
        return [
            _not_measured(
                f"No pod of the newest revision is ready: nobody counts {what}.",
                (Evidence("Pods", "/metrics", "none asked"),),
                "See POD-1 for why no pod is ready.",
            )
        ]
    silent = [name for name in pods if name not in {pod_name(each) for each in readings}]
    lacking = [each for each in readings if was_asked(each.reply) and not known(each)]
    found = list(unasked_findings(each.reply for each in readings))
    if silent:
        found.append(
            _not_measured(
                f"{count(len(silent), 'pod')} of {len(pods)} ({names(silent)}) could not be asked for {what}.",
                tuple(Evidence(f"Pod/{name}", "/metrics", "not asked") for name in silent),
                "Run the gate again: the pods changed while they were being asked.",
            )
        )
    if lacking:
        said = _why(lacking[0], what)
        found.append(
            _not_measured(
                f"{count(len(lacking), 'pod')} of {len(pods)} ({names([pod_name(each) for each in lacking])}) did not "
                f"tell {what}: {said}.",
                tuple(exchange_evidence(each.reply) for each in lacking),
                "Deploy an image whose service serves /metrics as service_chat/telemetry.py lists it.",
            )
        )
    return found


def _why(reading: PodMetrics, what: str) -> str:
    if reading.reply.status != OK:
        return f"/metrics answered {outcome(reading.reply)}" if reading.reply.status else outcome(reading.reply)
    return reading.violation or f"/metrics holds no {what}"


def _not_measured(reason: str, evidence: tuple[Evidence, ...], remedy: str) -> Finding:
    return Finding(Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED, reason, evidence, remedy)


def forgotten_findings(pods: Sequence[Pod], container: str, namespace: str, *, what: str) -> list[Finding]:
    """Return a warning where a container was restarted: what it had counted before is lost.

    Args:
        pods: those that were asked.
        container: which container counts.
        namespace: of the pods, for the command.
        what: the figures, in the plural, as a sentence names them.
    """
    restarted = [(pod, status) for pod in pods if (status := pod.status(container)) is not None and status.restarts]
    if not restarted:
        return []
    who = names([pod.name for pod, _ in restarted])
    return [
        Finding(
            Status.WARN,
            Cause.CONTAINER_RESTARTED,
            f"Container {container} was restarted in {count(len(restarted), 'pod')} ({who}): {what} from before are "
            "lost.",
            tuple(
                Evidence(f"Pod/{pod.name}", "restartCount", str(status.restarts), status.state.started_at)
                for pod, status in restarted
            ),
            f"Read why it ended: kubectl logs {restarted[0][0].name} -c {container} --previous -n {namespace}",
        )
    ]


def since(readings: Sequence[PodMetrics]) -> str:
    """Return from when on all of these count, as a sentence ends: "since 12:03:10 UTC"."""
    starts = [each.started_at for each in readings if each.started_at]
    if not starts:
        return "since their start"
    if max(starts).date() == min(starts).date():
        return f"since {min(starts):%H:%M:%S} UTC"
    return f"since {min(starts):%Y-%m-%d %H:%M} UTC"
