"""USR-1: what users reported."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from typing import Any

from gate.causes import Cause
from gate.diagnosis.user_reports import user_report_verdict
from gate.records import Pod
from gate.verdict import Status, Verdict
from tests.diagnosis.factories import container_status, pod
from tests.diagnosis_answers.observations import POD_A, POD_B, lost, readings

PODS = (pod(POD_A), pod(POD_B))


def judge(pods: tuple[Pod, ...] = PODS, **changes: Any) -> Verdict:
    """Judge with another reading of the second pod; none may be negative."""
    return user_report_verdict(readings(**changes).after, pods=pods, container="chat-api", max_negative=0)


def test_positive_reports_pass() -> None:
    """Three for each pod, all of them good."""
    verdict = judge()
    assert verdict.status is Status.PASS
    assert verdict.reason == "No negative report among 6 reports of users to 2 pods since 11:50:00 UTC."
    assert verdict.evidence[0].value == "down 0, up 3"


def test_no_report_at_all_passes_and_says_so() -> None:
    """The evidence is of absence: the counters are there, and nothing was counted."""
    seen = tuple(readings(reports={"up": 0, "down": 0}).after[1:])
    verdict = user_report_verdict(seen, pods=PODS[1:], container="chat-api", max_negative=0)
    assert verdict.status is Status.PASS
    assert verdict.reason == "No user has reported anything to 1 pod since 11:50:00 UTC."


def test_negative_report_names_the_pod_and_the_way_to_the_answer() -> None:
    """One is enough."""
    verdict = judge(reports={"up": 3, "down": 1})
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.USER_NEGATIVE_REPORT)
    assert verdict.reason == (f"1 of 7 reports of users since 11:50:00 UTC is negative, allowed 0 ({POD_B}: 1).")
    assert verdict.remedy == (
        "Find the answers by their trace ids (rated_trace_id), and read them with who reported them: "
        f"kubectl logs {POD_B} -n carepath-demo | grep 'user report'"
    )


def test_reports_before_a_restart_are_lost() -> None:
    """What users said before is not known."""
    again = pod(POD_B, statuses=(container_status(restarts=1),))
    verdict = judge((PODS[0], again))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CONTAINER_RESTARTED)


def test_negative_report_after_a_restart_fails() -> None:
    """What is known outranks what is lost."""
    again = pod(POD_B, statuses=(container_status(restarts=1),))
    assert judge((PODS[0], again), reports={"down": 2}).status is Status.FAIL


def test_service_that_takes_no_reports_is_inconclusive() -> None:
    """Silence of a service that cannot be told is not content."""
    verdict = judge(reports=None)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == f"1 pod of 2 ({POD_B}) did not tell users' reports: /metrics holds no users' reports."


def test_pod_that_may_not_be_asked_is_inconclusive() -> None:
    """The right is named."""
    verdict = judge(reports=None, reply=lost("forbidden", POD_B))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert "pods/portforward" in verdict.remedy


def test_no_pod_is_inconclusive() -> None:
    """Nobody counts."""
    verdict = user_report_verdict((), pods=(), container="chat-api", max_negative=0)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
