"""ERR-1: what users met, pod by pod, and what the gate itself did."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.causes import Cause
from gate.diagnosis.error_rate import error_rate_verdict
from gate.records import Answer, Pod, Readings
from gate.verdict import SEVERITY, Status, Verdict
from tests.diagnosis.factories import container_status, pod
from tests.diagnosis_answers.observations import POD_A, POD_B, answer, at, lost, metrics, readings, refused, reply

PODS = (pod(POD_A), pod(POD_B))


def own(number: int = 11) -> list[Answer]:
    """Return this run's answers: so many of each pod."""
    return [answer(name) for name in (POD_A, POD_B) for _ in range(number)]


def judge(seen: Readings, answers: list[Answer] | None = None, pods: tuple[Pod, ...] = PODS) -> Verdict:
    """Judge against the table's limits."""
    return error_rate_verdict(
        seen,
        own() if answers is None else answers,
        pods=pods,
        container="chat-api",
        error_share_limit=0.01,
        refusal_share_limit=0.05,
        rejected_share_limit=0.2,
        min_requests=20,
    )


def users(refused: dict[str, int] | None = None, **statuses: int) -> Readings:
    """Return readings whose second pod gave users these statuses since its start, all before the run."""
    counts: dict[str, Any] = {
        "requests": {("user", status.removeprefix("s")): number for status, number in statuses.items()},
        "refused": {("user", reason): number for reason, number in (refused or {}).items()},
    }
    seen = readings(**counts)
    return Readings(before=(seen.before[0], replace(seen.before[1], **counts)), after=seen.after)


def fresh(**changes: Any) -> Readings:
    """Return readings of pods that no user has asked yet."""
    none: dict[str, Any] = {"requests": {}, "refused": {}} | changes
    pair = tuple(metrics(name, **none) for name in (POD_A, POD_B))
    return Readings(before=pair, after=pair)


# --- Good -------------------------------------------------------------------------------------------------------------


def test_clean_counts_pass_and_say_which_rate_would_have_shown() -> None:
    """80 of users and 22 of the run: a rate of 2.9 % would have shown with 95 % probability (1 - 0.05^(1/102))."""
    verdict = judge(readings())
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "None of 102 questions to 2 pods since 11:50:00 UTC (80 of users) failed or was refused; a rate above 3% would "
        "have shown."
    )
    assert verdict.evidence[1].object == f"Pod/{POD_B}"
    assert verdict.evidence[1].value == (
        "40 of users, 11 of this run: 0 failed, 0 refused, 0 rejected as wrong, 0 given up by the caller"
    )


def test_fresh_deploy_passes_on_the_runs_own_questions() -> None:
    """Nobody has asked yet: 22 questions of the run are enough, and the reason says that no user is among them."""
    verdict = judge(fresh())
    assert verdict.status is Status.PASS
    assert "22 questions to 2 pods since 11:50:00 UTC (0 of users)" in verdict.reason


def test_refusals_of_the_gates_own_load_drill_are_left_out() -> None:
    """The drill provokes them on purpose; the service counts them as tests."""
    drilled = {("user", "200"): 40, ("test", "200"): 10, ("test", "429"): 500, ("test", "503"): 3, ("test", "404"): 90}
    assert judge(readings(requests=drilled, refused={("test", "queue_full"): 500})).status is Status.PASS


def test_few_errors_among_many_pass_within_the_limit() -> None:
    """9 of 1,000 is 0.9 %."""
    verdict = judge(users(s200=991, s500=9))
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "Of 1062 questions to 2 pods since 11:50:00 UTC (1040 of users), 9 failed and 0 were refused: within 5% on "
        "every pod."
    )


def test_callers_who_hung_up_and_a_few_wrong_questions_are_no_errors() -> None:
    """404 and 422 answer what the caller did; 499 is the caller's end."""
    verdict = judge(users(s200=90, s404=6, s422=2, s403=1, s499=30, sNone=2))
    assert verdict.status is Status.PASS
    assert verdict.evidence[1].value.endswith("0 failed, 0 refused, 9 rejected as wrong, 32 given up by the caller")


# --- Errors -----------------------------------------------------------------------------------------------------------


def test_pod_that_failed_users_is_named_with_the_services_reason() -> None:
    """10 of 51 questions: no average over the pods hides it."""
    verdict = judge(users({"patient_api": 10}, s200=30, s503=10))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.DEPENDENCY_UNREACHABLE)
    assert verdict.reason == (
        f"Pod {POD_B} failed 10 of 51 questions since 11:50:00 UTC (19.6%, limit 1%), the patient API did not answer; "
        "the other pods 0 of 51."
    )
    assert verdict.evidence[0].value == (
        "40 of users, 11 of this run: 10 failed (the patient API did not answer: 10), 0 refused, 0 rejected as wrong, "
        "0 given up by the caller"
    )
    assert verdict.remedy == "Mend the patient API, or correct DB_API_BASE_URL (it listens on 8001)."


@pytest.mark.parametrize(
    ("reason", "status", "cause"),
    [
        ("model_not_loaded", "s503", Cause.PROBE_READY_WITHOUT_MODEL),
        ("deadline_generating", "s504", Cause.MODEL_CUT_SHORT),
        ("empty_answer", "s502", Cause.MODEL_EMPTY_ANSWER),
        ("engine", "s500", Cause.REQUEST_FAILED),
    ],
)
def test_reason_of_the_service_names_the_cause(reason: str, status: str, cause: Cause) -> None:
    """The most frequent reason is the cause."""
    verdict = judge(users({reason: 5, "patient_not_found": 9}, s404=9, s200=30, **{status: 5}))
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)


def test_errors_without_a_reason_are_the_services_own() -> None:
    """A bug has no reason: its log has the traceback."""
    verdict = judge(users({"patient_api": 2}, s200=30, s503=2, s500=5))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_FAILED)
    assert verdict.remedy == (
        f"Read its log by the trace ids: kubectl logs {POD_B} -n carepath-demo | grep '\"status\": 5'"
    )


def test_one_error_among_few_warns() -> None:
    """1 of 51 is 2 %, and a service at 1 % shows that in two of five runs: no proof, and not nothing."""
    verdict = judge(users(s200=39, s500=1))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.REQUEST_FAILED)
    assert "failed 1 of 51 questions" in verdict.reason


def test_pods_that_are_over_only_together_fail_together() -> None:
    """2 of 51 each may be chance (9 %), 4 of 102 are not (2 %)."""
    bad = {("user", "200"): 38, ("user", "500"): 2}
    seen = readings(requests=bad)
    both = Readings(before=seen.before, after=(replace(seen.after[0], requests=bad), seen.after[1]))
    verdict = judge(both)
    assert verdict.status is Status.FAIL
    assert verdict.reason == (
        "All pods together failed 4 of 102 questions since 11:50:00 UTC (3.9%, limit 1%), the service itself failed."
    )


def test_new_trouble_is_not_drowned_in_the_counts_of_weeks() -> None:
    """20 errors among a million are nothing since the start, and half of what users asked during the run."""
    weeks = {("user", "200"): 1_000_000}
    now = {("user", "200"): 1_000_020, ("user", "500"): 20}
    seen = readings(requests=now)
    verdict = judge(Readings(before=(seen.before[0], replace(seen.before[1], requests=weeks)), after=seen.after))
    assert verdict.status is Status.FAIL
    assert verdict.reason.startswith(f"Pod {POD_B} failed 20 of 51 questions during this run (39.2%, limit 1%)")


def test_error_of_the_runs_own_question_counts() -> None:
    """What the gate met itself is no less an error than what users met."""
    answers = [*own(10), *[refused(500, POD_A)] * 3, replace(refused(None, POD_A), reply=lost("closed", POD_A))]
    verdict = judge(fresh(), answers)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_FAILED)
    assert verdict.reason.startswith(f"Pod {POD_A} failed 4 of 14 questions")


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (
            '{"detail": "the model\'s answer is empty (64 of 64 tokens, 64 thinking)"}',
            Cause.MODEL_THINKING_UNFINISHED,
            "every token went into thinking",
        ),
        ('{"detail": "the model\'s answer is empty (0 tokens)"}', Cause.MODEL_EMPTY_ANSWER, "the answer was empty"),
    ],
)
def test_words_of_the_service_name_the_cause(error: str, cause: Cause, words: str) -> None:
    """What the service said to the gate's own question is told as the reason."""
    verdict = judge(fresh(), [*own(10), *[refused(502, POD_A, error=error)] * 4])
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)
    assert words in verdict.reason


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_pod_that_refuses_too_many_is_named() -> None:
    """429, and 503 after waiting in vain: 12 of 111 are more than one in twenty, beyond chance."""
    verdict = judge(users({"queue_full": 8, "deadline_waiting": 4}, s200=88, s429=8, s503=4))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_REFUSED)
    assert verdict.reason == (
        f"Pod {POD_B} refused 12 of 111 questions since 11:50:00 UTC (10.8%, limit 5%), its queue was full; "
        "the other pods 0 of 51."
    )


def test_pod_that_refuses_a_few_passes() -> None:
    """5 of 111 are below one in twenty; those of a pod that was being stopped count as well."""
    assert judge(users({"shutting_down": 2}, s200=95, s429=3, s503=2)).status is Status.PASS


# --- Rejected, restarted, unknown -------------------------------------------------------------------------------------


def test_users_whose_questions_are_rejected_in_numbers_warn() -> None:
    """Half of what clients send is wrong: they and this version disagree."""
    verdict = judge(users(s200=50, s422=50))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CONTRACT_VIOLATED)
    assert verdict.reason == (
        "50 of 140 questions of users since 11:50:00 UTC were rejected as wrong (4xx, 36%, expected below 20%): "
        "clients and this version disagree."
    )


def test_counts_before_a_restart_are_lost() -> None:
    """What is counted since is good, and what was before is not known."""
    again = pod(POD_B, statuses=(container_status(restarts=2),))
    verdict = judge(readings(), pods=(PODS[0], again))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CONTAINER_RESTARTED)
    assert verdict.reason == (f"Container chat-api was restarted in 1 pod ({POD_B}): its counts from before are lost.")


def test_too_few_questions_are_inconclusive() -> None:
    """18 of the run and none of users: an error rate of 15 % might not have shown."""
    verdict = judge(fresh(), own(9))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TOO_FEW_SAMPLES)
    assert verdict.reason == "2 pods got 18 questions in all: an error rate needs 20, and one for each pod."


def test_twenty_questions_are_enough() -> None:
    """The near miss."""
    assert judge(fresh(), own(10)).status is Status.PASS


def test_pod_that_nobody_asked_is_inconclusive() -> None:
    """The others' good answers say nothing about it."""
    verdict = judge(fresh(), [answer(POD_A)] * 30)
    assert verdict.reason == (
        f"2 pods got 30 questions in all, {POD_B} none: an error rate needs 20, and one for each pod."
    )


def test_no_pod_is_inconclusive() -> None:
    """Nobody counts: POD-1 says why."""
    verdict = judge(Readings(), [], ())
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == "No pod of the newest revision is ready: nobody counts requests by status."


@pytest.mark.parametrize(
    ("changes", "cause", "words"),
    [
        ({"requests": None}, Cause.GATE_NOT_MEASURED, "/metrics holds no requests by status"),
        (
            {"requests": None, "violation": "the body is not in Prometheus' text format"},
            Cause.GATE_NOT_MEASURED,
            "the body is not in Prometheus' text format",
        ),
        (
            {"requests": None, "reply": reply(POD_B, path="/metrics", status=404)},
            Cause.GATE_NOT_MEASURED,
            "/metrics answered HTTP 404",
        ),
        (
            {"requests": None, "reply": lost("timed_out", POD_B, elapsed_s=5.0)},
            Cause.GATE_NOT_MEASURED,
            "no answer within 5.0 s",
        ),
        ({"requests": None, "reply": lost("forbidden", POD_B)}, Cause.GATE_FORBIDDEN, "no right to port-forward"),
    ],
)
def test_pod_whose_metrics_cannot_be_had_is_inconclusive(changes: dict[str, Any], cause: Cause, words: str) -> None:
    """A pod that tells nothing is not taken for one that failed nothing."""
    verdict = judge(readings(**changes))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, cause)
    assert words in verdict.reason


def test_pod_that_was_not_asked_for_its_metrics_is_named() -> None:
    """A reading is missing."""
    seen = readings()
    verdict = judge(Readings(before=seen.before, after=seen.after[:1]))
    assert verdict.reason == f"1 pod of 2 ({POD_B}) could not be asked for requests by status."


def test_known_errors_outrank_a_pod_that_tells_nothing() -> None:
    """What is known to fail fails."""
    seen = users(s200=30, s500=10)
    silent = replace(seen.after[0], requests=None)
    assert judge(Readings(before=seen.before, after=(silent, seen.after[1]))).status is Status.FAIL


STATUSES = st.dictionaries(
    st.tuples(st.sampled_from(["user", "test"]), st.sampled_from(["200", "404", "429", "499", "500", "503", "None"])),
    st.integers(0, 2_000_000),
)


@settings(max_examples=25)
@given(STATUSES, st.dictionaries(st.tuples(st.just("user"), st.sampled_from(["patient_api", "x"])), st.integers(0, 50)))
def test_any_counts_are_judged_and_one_more_error_never_improves(
    requests: dict[tuple[str, str], int], reasons: dict[tuple[str, str], int]
) -> None:
    """Whatever was counted, there is a verdict with evidence, and bad news is no good news."""
    before = judge(readings(requests=requests, refused=reasons))
    more = {**requests, ("user", "500"): requests.get(("user", "500"), 0) + 1}
    after = judge(readings(requests=more, refused=reasons))
    assert before.evidence
    assert SEVERITY.index(after.status) <= SEVERITY.index(before.status)


def test_clock_of_the_gate_changes_nothing() -> None:
    """Since when is told by the pod's own clock."""
    seen = readings()
    skewed = tuple(replace(each, reply=replace(each.reply, started_at=at(300))) for each in seen.after)
    assert judge(Readings(before=seen.before, after=skewed)).reason == judge(seen).reason
