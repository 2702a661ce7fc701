from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.records import Cost, SoakSample
from gate.verdict import Status
from tests.soak import samples as make
from tests.soak.samples import MIB


def told(samples: list[SoakSample], **options: object) -> tuple[Status, Cause | None]:
    """Return status and cause of a soak."""
    verdict = make.judge(samples, **options)  # type: ignore[arg-type]  # a test names the options it changes
    return verdict.status, verdict.cause


def test_steady_service_passes_and_says_what_was_seen() -> None:
    """The whole reason of a pass."""
    verdict = make.judge(make.soaked())
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "20 min without a restart: memory grows by at most 0.0 MiB/h, latency rose by at most 0%, 0 of 81 questions "
        "and 0 of 80 counted requests failed, USD 83 a month for 1.0 r6a.large on average."
    )
    assert [each.field for each in verdict.evidence[:2]] == ["anonymous memory", "seconds per answer"]


def leak(mib_per_hour: float, look: int) -> dict[str, object]:
    """Return the memory of a pod that grows so fast."""
    hours = look * make.EVERY_S / 3600
    return {"anonymous_bytes": (250 + mib_per_hour * hours) * MIB + (look % 5) * 4096}


def test_leak_fails_with_rate_bound_and_time_left() -> None:
    """The whole reason: 60 MiB/h in 1 GiB."""
    verdict = make.judge(make.soaked(lambda look: leak(60, look)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MEMORY_GROWING)
    assert verdict.reason == (
        "Pod chat-api-a grows by 60 MiB/h (95% sure of more than 60 MiB/h, allowed 3.9 MiB/h): 90% of its 1024 MiB "
        "limit is reached in 11 h, not after 7 days."
    )
    assert verdict.evidence[0].value == "255 MiB to 269 MiB in 16 min, 60 MiB/h (95% between 60 MiB/h and 60 MiB/h)"


def test_growth_that_takes_longer_than_the_bound_passes() -> None:
    """The near miss: 3 MiB/h reach nine tenths of 1 GiB after nine days."""
    assert told(make.soaked(lambda look: leak(3, look))) == (Status.PASS, None)


def test_growth_while_it_warms_up_passes() -> None:
    """The near miss: 40 MiB in the first fifth, and level afterwards."""
    warm = make.LOOKS // 5
    assert told(make.soaked(lambda look: {"anonymous_bytes": (210 + 40 * min(look / warm, 1)) * MIB})) == (
        Status.PASS,
        None,
    )


def test_growth_that_noise_hides_is_inconclusive() -> None:
    """Whether it is over the bound cannot be told: the interval lies on both sides."""
    verdict = make.judge(make.soaked(lambda look: {"anonymous_bytes": (250 + (look * 37) % 41) * MIB}))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TOO_FEW_SAMPLES)
    assert verdict.reason.startswith("Whether the memory of pod chat-api-a grows by more than 3.")


def test_memory_at_its_margin_fails_without_growing() -> None:
    """Nine tenths are taken: no growth is needed any more."""
    assert told(make.soaked(lambda _: {"anonymous_bytes": 930.0 * MIB})) == (Status.FAIL, Cause.MEMORY_NEAR_LIMIT)


def test_pod_without_memory_limit_warns() -> None:
    """There is nothing to hold growth against."""
    assert told(make.soaked(lambda _: {"limit_bytes": None})) == (Status.WARN, Cause.MEMORY_NO_LIMIT)


def test_service_without_figures_is_inconclusive() -> None:
    """A service that says nothing of its memory has not shown that it does not leak."""
    silent = make.soaked(lambda _: {"anonymous_bytes": None, "answered": None, "errors": None})
    verdict = make.judge(silent)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert "anonymous memory of chat-api-a" in verdict.reason


def slow_from(look: int, since: int, factor: float) -> dict[str, object]:
    """Return the question of a pod that became slower at a look."""
    return {"asked": make.asked(look, factor if look >= since else 1.0)}


def test_latency_that_rises_under_the_same_load_fails() -> None:
    """The whole reason: threefold after a third of the time, as on a node out of CPU credits."""
    verdict = make.judge(make.soaked(lambda look: slow_from(look, 27, 3.0)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LATENCY_DRIFTING)
    assert verdict.reason == (
        "Pod chat-api-a answers 200% slower than at the beginning (1.00 s then, allowed 50%) while the load did not "
        "grow (+0%)."
    )


def test_latency_that_rises_with_the_load_warns() -> None:
    """The near miss: twice the requests in the second half explain it."""
    busy = make.soaked(
        lambda look: slow_from(look, 27, 3.0) | {"answered": float(look + max(look - 27, 0) * 2)},
    )
    assert told(busy) == (Status.WARN, Cause.LATENCY_DRIFTING)


def test_soak_in_which_nothing_could_be_asked_is_inconclusive() -> None:
    """The gate's own trouble from beginning to end: the service's counters alone say nothing of its answers."""
    verdict = make.judge(
        make.soaked(lambda look: {"asked": make.asked(look, failure="not asked: forbidden", counts=False)})
    )
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == "No question could be asked in the whole soak."


def test_latency_whose_rise_noise_hides_is_inconclusive() -> None:
    """Every other answer takes 1.4 s instead of 1, and from half time on 0.4 s more: too much noise for so few."""
    noisy = make.soaked(
        lambda look: {"asked": make.asked(look, (1.4 if look % 2 else 1.0) + (0.4 if look > 15 else 0.0))}, looks=30
    )
    verdict = make.judge(noisy, looks=30)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TOO_FEW_SAMPLES)
    assert verdict.reason == (
        "Whether pod chat-api-a became more than 50% slower cannot be told from 29 answers: between +0% and +67%."
    )


def test_latency_that_rises_under_an_unknown_load_is_inconclusive() -> None:
    """A service that does not count its requests leaves open whether it slowed down or had more to do."""
    uncounted = make.soaked(lambda look: slow_from(look, 27, 3.0) | {"answered": None})
    verdict = make.judge(uncounted)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        "Pod chat-api-a answers 200% slower than at the beginning (1.00 s then, allowed 50%), and nobody knows whether "
        "the load grew: no pod says how many requests it answered."
    )


def test_latency_that_rises_by_less_than_the_bound_passes() -> None:
    """The near miss: 40 % slower is within it."""
    assert told(make.soaked(lambda look: slow_from(look, 27, 1.4))) == (Status.PASS, None)


def test_latency_that_rises_unnoticeably_passes() -> None:
    """The near miss: from 10 to 30 ms is threefold and nobody's wait."""
    quick = make.soaked(lambda look: {"asked": make.asked(look, 0.03 if look >= 27 else 0.01)})
    assert told(quick) == (Status.PASS, None)


def test_longer_answers_to_other_questions_are_no_drift() -> None:
    """The near miss: the second half asks only the question whose answer is twice as long."""

    def half(look: int) -> dict[str, object]:
        return {"asked": make.asked(1 if look > 40 else look)}

    assert told(make.soaked(half)) == (Status.PASS, None)


def test_restart_fails_with_how_it_ended() -> None:
    """The whole reason."""
    verdict = make.judge(
        make.soaked(lambda look: {"restarts": 1, "last_end": "Error, exit code 139"} if look > 20 else {})
    )
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CONTAINER_RESTARTED)
    assert verdict.reason == (
        "Pod chat-api-a was restarted 1 time during the soak, first seen at 2026-11-22 06:05 UTC (it ended with: "
        "Error, exit code 139)."
    )


def test_restart_by_the_memory_limit_is_called_that() -> None:
    """An OOM kill is no crash."""
    killed = make.soaked(lambda look: {"restarts": 1, "last_end": "OOMKilled, exit code 137"} if look > 20 else {})
    assert told(killed) == (Status.FAIL, Cause.CONTAINER_OOM_KILLED)


def test_restarts_before_the_soak_pass() -> None:
    """The near miss: what happened before is not the soak's."""
    assert told(make.soaked(lambda _: {"restarts": 4, "last_end": "Error, exit code 1"})) == (Status.PASS, None)


@pytest.mark.parametrize(("failed", "status"), [(1, Status.WARN), (5, Status.FAIL)])
def test_failed_questions_warn_while_chance_explains_them_and_fail_beyond(failed: int, status: Status) -> None:
    """One of 81 may be an accident under a bound of 1 %; five are not."""
    some = make.soaked(lambda look: {"asked": make.asked(look, failure="HTTP 500")} if 0 < look <= failed else {})
    assert told(some) == (status, Cause.REQUEST_FAILED)


def test_errors_that_only_the_service_counted_fail() -> None:
    """Users saw 5xx while the gate's own questions were answered."""
    verdict = make.judge(make.soaked(lambda look: {"answered": look * 100.0, "errors": look * 3.0}))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_FAILED)
    assert verdict.reason == "240 of 8000 counted requests failed (5xx or 429): 3.0%, allowed 1.0%."


def test_counters_that_begin_anew_count_on() -> None:
    """The near miss: a counter that falls to zero is a new process and no negative count."""
    anew = make.soaked(lambda look: {"answered": float(look % 40)})
    assert told(anew) == (Status.PASS, None)


def test_questions_that_the_gate_could_not_ask_are_not_the_services() -> None:
    """The near miss: no right to port-forward for a while."""
    some = make.soaked(
        lambda look: {"asked": make.asked(look, failure="not asked", counts=False)} if 10 < look < 16 else {}
    )
    assert told(some) == (Status.PASS, None)


def test_slow_answers_over_the_limit_fail() -> None:
    """p95 holds over the soak too."""
    verdict = make.judge(make.soaked(lambda look: {"asked": make.asked(look, 11.0)}))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LATENCY_OVER_TARGET)


def test_gap_of_more_than_a_tenth_is_inconclusive() -> None:
    """The whole reason: nobody sampled for five minutes, and the API server was away twice."""
    whole = make.soaked()
    gone = [replace(each, trouble="connection refused", pods=()) for each in whole[60:62]]
    verdict = make.judge([*whole[:20], *whole[40:60], *gone, *whole[62:]])
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        "59 of 81 samples were taken (90% are needed); the longest gap is 5 min; the cluster said: connection refused."
    )


def test_gap_within_a_tenth_passes() -> None:
    """The near miss: the soak was killed and begun again."""
    whole = make.soaked()
    assert told([*whole[:40], *whole[47:]]) == (Status.PASS, None)


def test_soak_without_a_sample_is_inconclusive() -> None:
    """Nothing seen is nothing known."""
    verdict = make.judge([])
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_deploy_meanwhile_is_inconclusive() -> None:
    """Two revisions are two services."""
    both = [replace(each, revision=3 if look < 50 else 4) for look, each in enumerate(make.soaked())]
    assert told(both) == (Status.INCONCLUSIVE, Cause.ROLLOUT_SUPERSEDED)


def two_pods(samples: list[SoakSample], until: int, *, desired: int) -> list[SoakSample]:
    """Return the same with a second pod up to a look, and so many wanted from then on."""
    return [
        replace(each, desired=2, pods=(*each.pods, make.pod(look, "b")))
        if look <= until
        else replace(each, desired=desired)
        for look, each in enumerate(samples)
    ]


def test_pod_that_goes_away_unwanted_warns() -> None:
    """A drained node or an eviction: two are still wanted."""
    assert told(two_pods(make.soaked(), 60, desired=2)) == (Status.WARN, Cause.POD_LOST)


def test_pod_that_the_autoscaler_takes_away_passes() -> None:
    """The near miss: fewer are wanted."""
    assert told(two_pods(make.soaked(), 60, desired=1)) == (Status.PASS, None)


def test_pod_of_a_short_peak_is_not_judged_by_itself() -> None:
    """The near miss: it was there for a tenth of the time, too short for any trend."""
    assert told(two_pods(make.soaked(), 8, desired=1)) == (Status.PASS, None)


def test_cost_over_the_budget_warns() -> None:
    """The whole reason."""
    verdict = make.judge(make.soaked(), replace(make.BOUNDS, usd_per_month=60.0))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.COST_OVER_BUDGET)
    assert verdict.reason == (
        "The nodes cost USD 83 a month at the soak's mean, budget 60 (USD 83 a month for 1.0 r6a.large on average)."
    )


def test_cost_that_nobody_knows_passes_and_is_told() -> None:
    """The near miss: without a price there is no budget to hold."""
    unknown = Cost(usd_per_month=None, told="cost not known: no price of node type unread")
    verdict = make.judge(make.soaked(), replace(make.BOUNDS, usd_per_month=60.0), cost=unknown)
    assert verdict.status is Status.PASS
    assert "cost not known" in verdict.reason


def test_details_hold_a_point_for_each_pod_and_look() -> None:
    """What the report draws, without any text of question or answer."""
    details = dict(make.judge(make.soaked()).details)
    points = details["soak"]
    assert isinstance(points, list)
    assert len(points) == 81
    assert points[1] == {
        "at": "2026-11-22T06:00:15+00:00",
        "pod": "chat-api-a",
        "memory_bytes": 250.0 * MIB + 4096,
        "seconds": 2.0,
        "failure": "",
        "restarts": 0,
        "ready": True,
    }
