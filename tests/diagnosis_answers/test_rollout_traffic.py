"""ROL-1: what users saw while the cluster changed."""

from collections.abc import Callable
from dataclasses import replace

from gate.causes import Cause
from gate.diagnosis.traffic import failed, rollout_traffic_verdict
from gate.records import Reply
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import answer, at, lost, refused, reply

CHANGED, SETTLED = at(10), at(40)


def judge(samples: list[Reply]) -> Verdict:
    """Judge an update from second 10 to second 40."""
    return rollout_traffic_verdict(samples, changed_at=CHANGED, settled_at=SETTLED)


def steady(every_s: float = 1.0, until_s: float = 50.0) -> list[Reply]:
    """Return requests sent at a steady pace from second 0 on, each answered after half a second."""
    return [reply(None, elapsed_s=0.5, started_at=at(every_s * step)) for step in range(int(until_s / every_s))]


def breaking(samples: list[Reply], where: Callable[[int], bool], broken: Reply) -> list[Reply]:
    """Return the samples with some replaced by the broken one at the same time."""
    return [
        replace(broken, started_at=each.started_at) if where(number) else each for number, each in enumerate(samples)
    ]


def test_update_without_a_failure_passes() -> None:
    """Requests at seconds 10 to 40 overlap the update; the one of second 9 ended before it."""
    verdict = judge(steady())
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "None of 31 requests under way during the 30 s of the update failed, nor any of 19 before and after."
    )
    assert [each.value for each in verdict.evidence] == ["10, 31, 9", "1.0 s", "0.50 s"]


def test_failures_are_grouped_by_kind_and_time() -> None:
    """Three 503 in the seconds after the old pod left."""
    samples = breaking(steady(), lambda number: number in {14, 15, 16}, reply(None, status=503, elapsed_s=0.5))
    verdict = judge(samples)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_REQUESTS_FAILED)
    assert verdict.reason == "3 of 50 requests failed (HTTP 503), 4.5 to 6.5 s after the change."
    assert verdict.remedy == (
        "Let old pods finish: a preStop pause longer than the load balancer takes to drop them, maxUnavailable 0, and "
        "a readiness probe that asks for the model."
    )


def test_two_kinds_of_failure_are_two_sentences() -> None:
    """A cut connection and a 503 stand apart."""
    samples = breaking(steady(), lambda number: number == 12, lost("closed", None, elapsed_s=0.1))
    verdict = judge(breaking(samples, lambda number: number == 13, reply(None, status=502, elapsed_s=0.1)))
    assert verdict.reason == (
        "1 of 50 requests failed (connection closed before the answer was complete), 2.1 s after the change."
    )
    assert verdict.symptoms == ("1 of 50 requests failed (HTTP 502), 3.1 s after the change.",)


def test_request_that_was_under_way_at_the_change_counts() -> None:
    """A request sent before the change and cut after it was failed by the update."""
    cut = lost("closed", None, started_at=at(8), elapsed_s=4.0)
    verdict = judge([*steady(), cut])
    assert verdict.cause is Cause.ROLLOUT_REQUESTS_FAILED
    assert "2.0 s after the change" in verdict.reason


def test_refused_request_counts_as_failed() -> None:
    """A 429 during an update is a user sent away."""
    samples = breaking(steady(), lambda number: number == 20, reply(None, status=429))
    assert judge(samples).status is Status.FAIL


def test_failures_before_the_change_are_not_the_updates() -> None:
    """A service that failed before is to be mended before."""
    samples = breaking(steady(), lambda number: number in {2, 3}, reply(None, status=500, elapsed_s=0.1))
    verdict = judge(samples)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_FAILED)
    assert verdict.reason == (
        "2 of 50 requests failed (HTTP 500), before the update began: the service was failing already."
    )


def test_too_few_requests_are_inconclusive() -> None:
    """One request every two seconds gives sixteen in the update."""
    verdict = judge(steady(every_s=2.0))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TOO_FEW_SAMPLES)
    assert verdict.reason == (
        "5 requests before, 16 during and 4 after the update are too few (3, 20 and 3 are needed) to say that none "
        "fails."
    )


def test_traffic_that_begins_with_the_change_is_inconclusive() -> None:
    """Without requests before it is not known that the service was well."""
    assert judge([each for each in steady() if each.started_at >= CHANGED]).status is Status.INCONCLUSIVE


def test_gap_that_could_hide_an_outage_is_inconclusive() -> None:
    """Twelve seconds without a request."""
    samples = [each for each in steady(every_s=0.5) if not at(20) < each.started_at < at(32)]
    verdict = judge(samples)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.reason == (
        "No request was sent for 12.0 s of the update: an outage in that time would not have been seen."
    )


def test_gap_at_the_end_of_the_update_counts() -> None:
    """Traffic that stops before the update has settled leaves its end unseen."""
    samples = [each for each in steady(every_s=0.5) if not at(28) < each.started_at < at(41)]
    assert judge(samples).status is Status.INCONCLUSIVE


def test_short_gap_passes() -> None:
    """Nine seconds are below what a load balancer's probe notices."""
    samples = [each for each in steady(every_s=0.5) if not at(20) < each.started_at < at(29)]
    assert judge(samples).status is Status.PASS


def test_no_requests_are_inconclusive() -> None:
    """Nobody asked, nothing is known."""
    assert judge([]).status is Status.INCONCLUSIVE


def test_other_drills_use_their_own_criterion() -> None:
    """The same judgement serves a rollback."""
    verdict = rollout_traffic_verdict(steady(), changed_at=CHANGED, settled_at=SETTLED, criterion="RBK-1")
    assert verdict.criterion == "RBK-1"


def test_requests_and_marks_are_handed_to_the_report() -> None:
    """The picture needs each request and the two moments."""
    details = dict(judge(breaking(steady(), lambda number: number == 0, lost("refused", None, elapsed_s=0.1))).details)
    requests, marks = details["requests"], details["marks"]
    assert isinstance(requests, list)
    assert requests[:2] == [
        {"at": "2026-11-22T12:00:00+00:00", "seconds": 0.1, "ok": False, "error": "connection refused"},
        {"at": "2026-11-22T12:00:01+00:00", "seconds": 0.5, "ok": True, "error": ""},
    ]
    assert marks == [
        {"at": "2026-11-22T12:00:10+00:00", "label": "update applied"},
        {"at": "2026-11-22T12:00:40+00:00", "label": "update settled"},
    ]


def test_failed_counts_what_got_no_complete_answer() -> None:
    """Refused and cut-short answers are failed, complete ones are not."""
    cut = replace(answer(None), finish_reason="deadline")
    bad = (refused(503, None), cut)
    assert failed([answer(None), *bad]) == bad
