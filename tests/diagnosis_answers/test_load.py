"""LOD-1: ten clients at once."""

from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.traffic import load_verdict
from gate.records import Answer, Readings
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import POD_A, POD_B, answer, at, metrics, readings, refused, reply


def counted(waited_s: float) -> Readings:
    """Return readings of two pods, the second of which counted so much wait meanwhile."""
    return readings(queue_wait_s=1.5 + waited_s)


def judge(answers: list[Answer], clients: int = 10, seen: Readings | None = None) -> Verdict:
    """Judge against 10 s; the pods count what the answers report, if nothing else is said."""
    reported_s = sum(each.queue_ms or 0 for each in answers) / 1000
    return load_verdict(answers, seen or counted(reported_s), clients=clients, deadline_s=10.0)


def queued(seconds: float, queue_s: float, number: int = 0) -> Answer:
    """Return an answer that took so long in all, of which the service reports that much queue."""
    return replace(
        answer(None, seconds=seconds),
        reply=reply(None, elapsed_s=seconds, started_at=at(number / 1000)),
        inference_s=seconds - queue_s,
        queue_ms=queue_s * 1000,
    )


def burst(count: int = 30) -> list[Answer]:
    """Return answers of clients that started together; each waited a little longer than the one before."""
    return [queued(1.0 + number * 0.25, number * 0.25, number) for number in range(count)]


def silently(answers: list[Answer], reported: float | None) -> list[Answer]:
    """Return the same answers with the inference of one second and the queue as reported."""
    return [replace(each, inference_s=1.0, queue_ms=reported) for each in answers]


def test_load_that_is_carried_passes() -> None:
    """Thirty complete answers, the longest 8.25 s, its wait reported."""
    verdict = judge(burst())
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "10 clients at once: all 30 requests got a complete answer within 10 s; the longest reported wait in the queue "
        "was 7.2 s."
    )


def test_errors_under_load_fail() -> None:
    """A 503 is an error; the cause is the service's own."""
    verdict = judge([*burst(), refused(503, None), refused(503, None)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_FAILED)
    assert verdict.reason == "2 of 32 requests under load failed: HTTP 503."


def test_announced_refusals_warn_and_count_against_goodput() -> None:
    """A 429 that says when to come back is visible queueing, not an error."""
    verdict = judge([*burst(), *[refused(429, None, retry_after_s=2.0)] * 10])
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.REQUEST_REFUSED)
    assert verdict.reason == (
        "Goodput is 75%: 30 of 40 requests got a complete answer within 10 s, 10 were refused with Retry-After, 0 came "
        "late or were cut short."
    )


def test_refusal_past_the_bound_of_the_queue_is_announced_too() -> None:
    """A request that waited until its deadline is turned away with 503, and told when to come back."""
    words = "the deadline passed after 9.0 s in the queue; nothing was computed"
    late = refused(503, None, seconds=9.1, error=words, retry_after_s=2.0)
    assert judge([*burst(), late]).status is Status.WARN
    assert judge([*burst(), replace(late, retry_after_s=None)]).cause is Cause.REQUEST_REFUSED


def test_broken_dependency_that_says_retry_after_is_an_error() -> None:
    """The patient API's 503 says when to come back as well, and is no refusal of the queue."""
    words = "the patient API at http://patient-api-service:8001 (DB_API_BASE_URL) cannot be reached"
    verdict = judge([*burst(), refused(503, None, error=words, retry_after_s=5.0)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.DEPENDENCY_UNREACHABLE)


def test_refusal_without_retry_after_fails() -> None:
    """A client that is sent away without a word comes back at once."""
    verdict = judge([*burst(), refused(429, None)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_REFUSED)
    assert verdict.reason == "1 of 31 requests under load failed: HTTP 429 without Retry-After."


def test_service_that_refuses_most_fails() -> None:
    """Goodput below one half does not carry the load."""
    verdict = judge([*burst(10), *[refused(429, None, retry_after_s=2.0)] * 11])
    assert verdict.status is Status.FAIL
    assert verdict.reason.startswith("Goodput is 48%: 10 of 21 requests")


def test_late_answers_count_against_goodput() -> None:
    """Complete and late is not good; the wait was reported, so it is not silent."""
    verdict = judge(burst(40))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.LATENCY_OVER_TARGET)
    assert verdict.reason.startswith("Goodput is 92%: 37 of 40 requests")


def test_deadline_cut_answers_count_against_goodput() -> None:
    """An answer that the deadline cut is not good; it is no error, and not silent."""
    cut = replace(queued(9.0, 4.0), finish_reason="deadline")
    verdict = judge([*burst(), cut])
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.LATENCY_OVER_TARGET)
    assert verdict.reason == (
        "Goodput is 97%: 30 of 31 requests got a complete answer within 10 s, 0 were refused with Retry-After, 1 came "
        "late or were cut short."
    )


def test_empty_answers_under_load_are_errors() -> None:
    """Nothing in a 200 is nothing."""
    verdict = judge([*burst(), replace(answer(None), response="")])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_EMPTY_ANSWER)
    assert verdict.reason == "1 of 31 requests under load failed: empty answer."


@pytest.mark.parametrize(("reported", "shown"), [(None, "not sent"), (0.0, "0")])
def test_silent_queue_fails(reported: float | None, shown: str) -> None:
    """Incident 11: requests waited behind each other and nobody said so."""
    verdict = judge(silently(burst(), reported))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.QUEUE_SILENT)
    assert verdict.reason == (
        "25 of 30 answers waited without a word: up to 7.2 s of 8.2 s are neither inference nor reported queue."
    )
    assert verdict.evidence[0].value == f"8.2 s, of which inference 1.0 s, X-Queue-Ms {shown}"


def test_time_on_the_way_is_not_a_silent_queue() -> None:
    """Half a second of network and patient API beside the model's time."""
    assert judge([replace(each, inference_s=(each.inference_s or 0) - 0.5) for each in burst()]).status is Status.PASS


def test_one_slow_way_among_many_is_not_a_silent_queue() -> None:
    """Three of thirty unexplained waits are an accident of scheduling, four are not."""
    few = silently(burst(), 0.0)[-3:]
    assert judge(burst()[:27] + few).status is Status.PASS
    four = silently(burst(), 0.0)[-4:]
    assert judge(burst()[:26] + four).cause is Cause.QUEUE_SILENT


def test_requests_one_after_the_other_are_inconclusive() -> None:
    """Ten clients that never met are not the load to judge."""
    apart = [
        replace(each, reply=replace(each.reply, started_at=at(number * 20))) for number, each in enumerate(burst())
    ]
    verdict = judge(apart)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == "At most 1 of 10 clients asked at the same time: that is not the load to judge."


def test_no_requests_are_inconclusive() -> None:
    """Nothing sent, nothing known."""
    assert judge([]).status is Status.INCONCLUSIVE


def test_latencies_and_requests_are_handed_to_the_report() -> None:
    """The pictures need both series."""
    details = dict(judge(burst(12)).details)
    assert isinstance(details["latencies"], list)
    assert isinstance(details["requests"], list)
    assert len(details["latencies"]) == len(details["requests"]) == 12


def test_wait_that_no_pod_counts_is_silent() -> None:
    """30 answers report 108.75 s of waiting in all; metrics that hold less than half of it show no queue."""
    verdict = judge(burst(), seen=counted(50.0))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.QUEUE_SILENT)
    assert verdict.reason == (
        "Answers report 108.8 s of waiting in the queue, and the pods' metrics count 50.0 s: no dashboard shows the "
        "queue."
    )
    assert [each.object for each in verdict.evidence] == [f"Pod/{POD_A}", f"Pod/{POD_B}"]


def test_wait_that_is_counted_passes_with_each_pods_share() -> None:
    """Just half is counted: the rest may have been users' requests that ended before the first reading."""
    verdict = judge(burst(), seen=counted(54.4))
    assert verdict.status is Status.PASS
    assert (verdict.evidence[-1].field, verdict.evidence[-1].value) == ("/metrics wait in the queue", "54.4 s")


@pytest.mark.parametrize(
    "seen",
    [
        Readings(),
        Readings(before=(metrics(POD_A),), after=(metrics(POD_A), metrics(POD_B))),
        readings(started_at=at(5)),
        readings(queue_wait_s=None),
    ],
    ids=["none", "pod added", "restarted", "not counted"],
)
def test_wait_of_pods_that_changed_is_not_compared(seen: Readings) -> None:
    """A pod that came, went or started anew took its counters with it: nothing is said."""
    assert judge(burst(), seen=seen).status is Status.PASS


def test_short_waits_are_not_compared() -> None:
    """Below 2 s in all, rounding explains anything."""
    assert judge([queued(1.0, 0.06, number) for number in range(30)], seen=counted(0.0)).status is Status.PASS
