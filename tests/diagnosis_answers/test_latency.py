"""LAT-1: warm percentiles with their confidence, failures, cold starts, one slow pod."""

from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.latency import latency_verdict
from gate.records import Answer
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import POD_A, POD_B, answer, lost, refused

SLOW = "chat-api-6b7f9c5d4-slow"


def judge(answers: list[Answer], min_samples: int = 20) -> Verdict:
    """Judge against 10 s."""
    return latency_verdict(answers, p95_limit_s=10.0, min_samples=min_samples)


def warm(*seconds: float, pod: str | None = POD_A) -> list[Answer]:
    """Return warm answers that took so long."""
    return [answer(pod, seconds=each) for each in seconds]


def test_twenty_fast_answers_pass_with_their_confidence() -> None:
    """Twenty clean samples support the claim with 1 - 0.95^20 = 64 % confidence; the cold one is shown apart."""
    cold = replace(answer(POD_A, seconds=42.0), cold=True)
    verdict = judge([cold, *warm(*range(1, 10), *[9.5] * 11)])
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "Warm p95 is 9.5 s of 20 samples, limit 10.0 s: the true p95 is below the limit with 64% confidence."
    )
    assert [f"{each.field}: {each.value}" for each in verdict.evidence] == [
        "warm latency p50: 9.5 s",
        "warm latency p95: 9.5 s",
        "warm latency max: 9.5 s",
        "warm samples: 20, of which 0 above 10.0 s",
        "cold first requests: 42.0 s",
        "ends of the answers: stop: 20",
    ]


def test_slow_service_fails_with_numbers() -> None:
    """Two of twenty above the limit put the sample p95 above it."""
    verdict = judge(warm(*[4.0] * 18, 11.0, 12.0))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LATENCY_OVER_TARGET)
    assert verdict.reason == ("Warm p95 is 11.0 s, limit 10.0 s, exceeded by 2 of 20 samples (p50 4.0 s).")


def test_one_slow_answer_of_twenty_warns() -> None:
    """The sample p95 holds; the confidence in the true one does not: 1 - (0.95^20 + 20 x 0.05 x 0.95^19) = 26 %."""
    verdict = judge(warm(*[4.0] * 19, 12.0))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.LATENCY_OVER_TARGET)
    assert verdict.reason == (
        "Warm p95 is 4.0 s, limit 10.0 s exceeded by 1 of 20 samples: the true p95 is below the limit with only 26% "
        "confidence (64% wanted)."
    )


def test_one_slow_answer_of_many_passes() -> None:
    """With 60 samples one slow answer leaves 81 % confidence."""
    verdict = judge(warm(*[4.0] * 59, 12.0))
    assert verdict.status is Status.PASS
    assert "with 81% confidence" in verdict.reason


def test_too_few_samples_are_inconclusive() -> None:
    """Nineteen fast samples are one short of the claim."""
    verdict = judge(warm(*[1.0] * 19))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TOO_FEW_SAMPLES)
    assert verdict.reason == ("19 warm samples of the 20 that a p95 claim needs: 0 above 10.0 s, confidence 62%.")


def test_few_samples_suffice_to_fail() -> None:
    """Two of five above the limit happen to a service that meets it in 2 of 100 runs: that is known to be slow."""
    verdict = judge(warm(3.0, 3.0, 3.0, 14.0, 15.0))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LATENCY_OVER_TARGET)


def test_one_slow_of_few_is_inconclusive() -> None:
    """One of five above the limit may be an accident (23 of 100 runs)."""
    assert judge(warm(3.0, 3.0, 3.0, 3.0, 15.0)).status is Status.INCONCLUSIVE


def test_cold_answers_alone_are_inconclusive() -> None:
    """The first request is not the latency."""
    assert judge([replace(each, cold=True) for each in warm(*[1.0] * 30)]).status is Status.INCONCLUSIVE


def test_no_answers_are_inconclusive() -> None:
    """Nothing measured is nothing known."""
    assert judge([]).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("bad", "cause", "why"),
    [
        (refused(503, POD_B), Cause.REQUEST_FAILED, f"HTTP 503 from pod {POD_B}"),
        (refused(429, POD_B), Cause.REQUEST_REFUSED, f"HTTP 429 from pod {POD_B}"),
        (
            Answer(reply=lost("timed_out", POD_B, elapsed_s=60.0), patient_mrn="MRN-001", query="?"),
            Cause.REQUEST_FAILED,
            f"no answer within 60.0 s from pod {POD_B}",
        ),
        (replace(answer(POD_B), response=""), Cause.MODEL_EMPTY_ANSWER, f"empty answer from pod {POD_B}"),
        (
            replace(answer(POD_B), finish_reason="deadline"),
            Cause.MODEL_CUT_SHORT,
            f"cut short by the deadline from pod {POD_B}",
        ),
    ],
)
def test_failed_answers_are_failures_never_fast_ones(bad: Answer, cause: Cause, why: str) -> None:
    """One refused, lost, empty or cut answer fails, however fast the others are."""
    verdict = judge([*warm(*[1.0] * 30), bad])
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)
    assert verdict.reason == f"1 of 31 questions got no complete answer: {why}."


def test_failed_cold_request_fails() -> None:
    """Incident 6: the first caller timed out; cold or not, that is a failure."""
    timed_out = Answer(reply=lost("timed_out", elapsed_s=60.0), patient_mrn="MRN-001", query="?", cold=True)
    assert judge([timed_out, *warm(*[1.0] * 20)]).status is Status.FAIL


def test_one_slow_pod_is_named_although_the_pool_passes() -> None:
    """Incident 25: three samples of the slow pod drown among sixty of the others."""
    verdict = judge(warm(*[2.0] * 60) + warm(12.0, 12.0, 12.0, pod=SLOW))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LATENCY_OVER_TARGET)
    assert verdict.reason == (
        f"Pod {SLOW} is slow by itself: median 12.0 s of 3 samples, the other pods 2.0 s, limit 10.0 s."
    )


def test_pod_slower_than_the_others_but_under_the_limit_warns() -> None:
    """Four times the others' median is a pod's own trouble, within the limit a warning."""
    verdict = judge(warm(*[2.0] * 20) + warm(8.0, 8.0, 8.0, pod=SLOW))
    assert verdict.status is Status.WARN
    assert verdict.reason.startswith(f"Pod {SLOW} is slow by itself: median 8.0 s")


def test_pod_twice_as_slow_passes() -> None:
    """Twice the others' median is the spread of answer lengths."""
    assert judge(warm(*[2.0] * 20) + warm(4.0, 4.0, 4.0, pod=SLOW)).status is Status.PASS


def test_all_pods_slow_names_no_single_pod() -> None:
    """Where every pod is slow, the service is slow."""
    verdict = judge(warm(*[12.0] * 10) + warm(*[13.0] * 10, pod=POD_B))
    assert verdict.reason.startswith("Warm p95 is 13.0 s")


def test_answers_that_use_up_the_budget_warn_when_most_do() -> None:
    """Eleven of twenty answers that end at the token limit make the latency that of the limit."""
    cut = [replace(each, finish_reason="length") for each in warm(*[1.0] * 11)]
    verdict = judge(cut + warm(*[1.0] * 9))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.MODEL_CUT_SHORT)
    assert verdict.reason == (
        "11 of 20 warm answers used up the token budget and end in mid-sentence: the latency is that of the budget, "
        "not of whole answers."
    )


def test_half_the_answers_at_the_budget_pass_and_are_counted() -> None:
    """Ten of twenty are stated, not held against the service."""
    verdict = judge([replace(each, finish_reason="length") for each in warm(*[1.0] * 10)] + warm(*[1.0] * 10))
    assert verdict.status is Status.PASS
    assert verdict.evidence[-1].value == "length: 10, stop: 10"


def test_pod_that_could_not_be_asked_is_inconclusive() -> None:
    """What was never sent is not a failed request."""
    denied = Answer(reply=lost("unreachable", POD_B), patient_mrn="MRN-001", query="?")
    verdict = judge([*warm(*[1.0] * 20), denied])
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_UNREACHABLE)


def test_latencies_are_handed_to_the_report() -> None:
    """The picture needs pod, seconds, cold and status of each request."""
    answers = [replace(answer(POD_A, seconds=3.0), cold=True), refused(503, POD_B), answer(None, seconds=1.5)]
    assert dict(judge(answers).details)["latencies"] == [
        {"pod": POD_A, "seconds": 3.0, "cold": True, "status": "ok"},
        {"pod": POD_B, "seconds": 0.02, "cold": False, "status": "HTTP 503"},
        {"pod": "service", "seconds": 1.5, "cold": False, "status": "ok"},
    ]
