"""RBK-1: the previous revision is back, whole, and answers."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from typing import Any

from gate.causes import Cause
from gate.diagnosis.rollback import no_way_back, rollback_verdict
from gate.records import EnvVar
from gate.verdict import Evidence, Status, Verdict, inconclusive, passed
from tests.diagnosis import factories as make
from tests.diagnosis_answers.observations import POD_B, answer, identity, lost, refused

SEEN = (Evidence("ReplicaSet/chat-api-5d4c8b7f6", "ready", "2"),)
MOCK = make.pod_spec(containers=(make.container_spec(env=(EnvVar(name="LLM_MODE", value="mock"),)),))


def verdict(**changes: Any) -> Verdict:
    """Return RBK-1 of an undo to a mock at revision 1, in order unless told otherwise."""
    facts: dict[str, Any] = {
        "previous": make.old_replica_set(template=MOCK),
        "container": make.CONTAINER,
        "rollout": passed("POD-1", "All is well.", SEEN),
        "identities": [identity(llm_mode="mock"), identity(POD_B, llm_mode="mock")],
        "answers": [answer(), answer(POD_B)],
        "seconds": 12.4,
        "lost": 0,
    }
    return rollback_verdict(**facts | changes)


def judged_as(judgement: Verdict) -> tuple[Status, Cause | None, str]:
    """Return what a reader acts on."""
    return judgement.status, judgement.cause, judgement.reason


def test_rollback_that_answers_passes() -> None:
    """Back, the declared mode, an answer of each pod, nothing lost."""
    assert judged_as(verdict()) == (
        Status.PASS,
        None,
        "Revision 1 was back and answered on 2 pods 12 s after the undo; no request failed meanwhile.",
    )


def test_rollback_to_a_revision_that_names_no_mode_passes() -> None:
    """Without LLM_MODE in the template there is nothing to compare; the rollout tells which revision runs."""
    plain = make.old_replica_set(template=make.pod_spec(containers=(make.container_spec(env=()),)))
    assert verdict(previous=plain).status is Status.PASS


def test_rollback_to_a_revision_that_does_not_start_fails() -> None:
    """Incident 26: the way back is broken too; its own cause is the reason, what follows is a symptom."""
    broken = Verdict("POD-1", Status.FAIL, "Image v1.0 is not there.", SEEN, Cause.IMAGE_NOT_FOUND, "Push it.")
    found = verdict(rollout=broken, identities=[], answers=[], lost=3)
    assert judged_as(found) == (
        Status.FAIL,
        Cause.ROLLOUT_UNDO_FAILED,
        "Revision 1 was undone to and does not come up: Image v1.0 is not there.",
    )
    assert found.remedy == "Push it."
    assert found.symptoms == (
        "After the undo to revision 1 no pod declared itself.",
        "After the undo to revision 1 no pod was asked a question.",
        "3 requests failed while the undo rolled.",
    )


def test_rollback_that_nobody_saw_end_is_inconclusive() -> None:
    """The gate's own limit says nothing about the way back."""
    unseen = inconclusive("POD-1", Cause.GATE_TIMED_OUT, "The gate stopped waiting.", SEEN, "Wait longer.")
    found = verdict(rollout=unseen, identities=[], answers=[])
    assert judged_as(found) == (
        Status.INCONCLUSIVE,
        Cause.GATE_TIMED_OUT,
        "Revision 1 was undone to and does not come up: The gate stopped waiting.",
    )


def test_rollback_that_another_version_answers_fails() -> None:
    """One pod of two still runs the model."""
    found = verdict(identities=[identity(llm_mode="mock"), identity(POD_B)])
    assert judged_as(found) == (
        Status.FAIL,
        Cause.ROLLOUT_UNDO_FAILED,
        f"After the undo to revision 1, which runs LLM_MODE=mock, pod {POD_B} declared SmolLM2-135M-Instruct.",
    )


def test_rollback_that_answers_no_question_fails() -> None:
    """Ready is not answering."""
    found = verdict(answers=[answer(), refused(503, POD_B, error="the patient API is down")])
    assert judged_as(found) == (
        Status.FAIL,
        Cause.ROLLOUT_UNDO_FAILED,
        "After the undo 1 of 2 questions got no complete answer.",
    )
    assert found.evidence[0].object == f"Pod/{POD_B}"


def test_rollback_that_the_gate_may_not_ask_is_inconclusive() -> None:
    """A missing right to port-forward is not a pod that fails."""
    unasked = lost("forbidden", POD_B)
    found = verdict(
        identities=[identity(llm_mode="mock"), identity(POD_B, reply=unasked, llm_mode=None)],
        answers=[answer(), answer(POD_B, reply=unasked, response="")],
    )
    assert (found.status, found.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)


def test_rollback_with_nobody_to_ask_is_inconclusive() -> None:
    """Zero answers are no success."""
    found = verdict(identities=[], answers=[])
    assert judged_as(found) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        "After the undo to revision 1 no pod declared itself.",
    )


def test_rollback_that_loses_a_request_warns() -> None:
    """The way back works; that it drops requests is ROL-1's business."""
    assert judged_as(verdict(lost=1)) == (
        Status.WARN,
        Cause.ROLLOUT_REQUESTS_FAILED,
        "1 request failed while the undo rolled.",
    )


def test_rollback_without_a_previous_revision_fails() -> None:
    """A first deploy has no way back; the criterion that asks is named."""
    found = no_way_back("chat-api", 1, criterion="ROL-1")
    assert found.criterion == "ROL-1"
    assert judged_as(found) == (
        Status.FAIL,
        Cause.ROLLOUT_NO_PREVIOUS_REVISION,
        "deployment/chat-api has no revision before 1: there is nothing to roll back to.",
    )
