"""USR-1: what users reported about answers since the deploy, by the pods' counters.

A report names no answer here, only a rating: the service logs the trace id of the answer beside it. It comes to
whichever pod the load balancer picks, so it may be about an answer of another pod, or of the version before.
"""

from collections.abc import Sequence

from gate.causes import Cause
from gate.diagnosis.readings import forgotten_findings, pod_name, since, unread_findings
from gate.diagnosis.wording import count, names
from gate.records import Pod, PodMetrics
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "USR-1"
_NEGATIVE = "down"


def user_report_verdict(
    metrics: Sequence[PodMetrics], *, pods: Sequence[Pod], container: str, max_negative: int
) -> Verdict:
    """Judge USR-1.

    Args:
        metrics: the last reading of each pod.
        pods: the ready pods of the newest revision.
        container: which container counts.
        max_negative: negative reports, over all pods, that may have come.
    """
    known = [each for each in metrics if each.reports is not None]
    namespace = pods[0].namespace if pods else ""
    findings = [
        *_negative(known, max_negative, namespace),
        *unread_findings(
            metrics, [pod.name for pod in pods], known=lambda each: each.reports is not None, what="users' reports"
        ),
        *forgotten_findings(pods, container, namespace, what="its counts"),
    ]
    total = sum(sum((each.reports or {}).values()) for each in known)
    claim = (
        f"No negative report among {count(total, 'report')} of users to {count(len(known), 'pod')} {since(known)}."
        if total
        else f"No user has reported anything to {count(len(known), 'pod')} {since(known)}."
    )
    evidence = [_evidence(each) for each in known] or [Evidence("Pods", "/metrics", "not read")]
    return judged(_CRITERION, findings, passed(_CRITERION, claim, evidence))


def _negative(known: Sequence[PodMetrics], max_negative: int, namespace: str) -> list[Finding]:
    by_pod = [(each, (each.reports or {}).get(_NEGATIVE, 0)) for each in known]
    bad = [(each, number) for each, number in by_pod if number]
    total = sum(number for _, number in bad)
    if total <= max_negative:
        return []
    of = sum(sum((each.reports or {}).values()) for each in known)
    where = names([f"{pod_name(each)}: {number}" for each, number in bad])
    return [
        Finding(
            Status.FAIL,
            Cause.USER_NEGATIVE_REPORT,
            f"{total} of {count(of, 'report')} of users {since(known)} {'is' if total == 1 else 'are'} negative, "
            f"allowed {max_negative} ({where}).",
            tuple(_evidence(each) for each, _ in bad),
            "Find the answers by their trace ids (rated_trace_id), and read them with who reported them: "
            f"kubectl logs {pod_name(bad[0][0])} -n {namespace} | grep 'user report'",
        )
    ]


def _evidence(reading: PodMetrics) -> Evidence:
    said = ", ".join(f"{rating} {number}" for rating, number in sorted((reading.reports or {}).items()))
    return Evidence(f"Pod/{pod_name(reading)}", "/metrics reports", said or "none", reading.reply.started_at)
