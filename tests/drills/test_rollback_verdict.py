"""RBK-1: the version before is back, whole, answers, and the next plan says what it would redeploy."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.rollback import Attempt, Drift, answered_after_s, no_way, no_way_back, rollback_verdict
from gate.records import EnvVar
from gate.target import Target, Way
from gate.verdict import Evidence, Status, Verdict, inconclusive, passed
from tests.diagnosis import factories as make
from tests.diagnosis_answers.observations import POD_B, answer, at, identity, lost, refused, reply

SEEN = (Evidence("ReplicaSet/chat-api-5d4c8b7f6", "ready", "2"),)
MOCK = make.pod_spec(containers=(make.container_spec(env=(EnvVar(name="LLM_MODE", value="mock"),)),))
FIELD = "spec.template.spec.containers[chat-api].env[LLM_MODE].value: mock -> SmolLM2-135M-Instruct"


def asked_at(seconds: float, mode: str | None) -> Any:
    """Return a question through the Service, sent so long after the change and answered in half a second."""
    return answer(None, reply=reply(None, started_at=at(seconds), elapsed_s=0.5), llm_mode=mode)


def verdict(**changes: Any) -> Verdict:
    """Return RBK-1 of an undo to a mock at revision 1, in order unless told otherwise."""
    return rollback_verdict(attempt(**changes), container=make.CONTAINER)


def attempt(**changes: Any) -> Attempt:
    """Return an undo to a mock at revision 1, in order unless told otherwise."""
    facts: dict[str, Any] = {
        "way": Way.UNDO,
        "expected": make.old_replica_set(template=MOCK),
        "running": make.old_replica_set(template=MOCK),
        "rollout": passed("POD-1", "All is well.", SEEN),
        "identities": [identity(llm_mode="mock"), identity(POD_B, llm_mode="mock")],
        "answers": [answer(), answer(POD_B)],
        "changed_at": at(0),
        "seconds": 12.4,
        "traffic": [],
        "forward": passed("POD-1", "All is well.", SEEN),
    }
    return Attempt(**facts | changes)


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
    assert verdict(expected=plain, running=plain).status is Status.PASS


def test_rollback_to_a_revision_that_does_not_start_fails() -> None:
    """Incident 26: the way back is broken too; its own cause is the reason, what follows is a symptom."""
    broken = Verdict("POD-1", Status.FAIL, "Image v1.0 is not there.", SEEN, Cause.IMAGE_NOT_FOUND, "Push it.")
    found = verdict(rollout=broken, identities=[], answers=[], traffic=[refused(503, None)] * 3)
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
        "Revision 1 was undone to and whether it came up is unknown: The gate stopped waiting.",
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
    assert judged_as(verdict(traffic=[refused(503, None)])) == (
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


def test_time_of_the_first_answer_is_that_of_the_version_that_came_back() -> None:
    """Both versions answer while they change places; the reason has when users first met the old one."""
    model = "SmolLM2-135M-Instruct"
    traffic = [asked_at(-2, model), asked_at(1, model), asked_at(6, "mock"), asked_at(8, model), asked_at(10, "mock")]
    found = verdict(traffic=traffic)
    assert found.reason == (
        "Revision 1 was back and answered on 2 pods 12 s after the undo, first after 6 s; no request failed meanwhile."
    )
    assert [each.value for each in found.evidence[2:4]] == ["6.5 s after the undo", "8.5 s after the undo"]


def test_time_of_the_first_answer_is_unknown_where_both_versions_answer_alike() -> None:
    """A new image in the same mode cannot be told from the old one by its answers; nothing is claimed."""
    assert answered_after_s(attempt(traffic=[asked_at(-2, "mock"), asked_at(3, "mock")])) is None
    assert answered_after_s(attempt(traffic=[asked_at(-2, "SmolLM2-135M-Instruct")])) is None


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (
            Way.TERRAFORM,
            (
                "The old image was back and answered on 2 pods 12 s after the old image's plan and apply; "
                "no request failed meanwhile."
            ),
        ),
        (
            Way.SET_ENV,
            (
                "LLM_MODE=mock was back and answered on 2 pods 12 s after `kubectl set env LLM_MODE`; "
                "no request failed meanwhile."
            ),
        ),
    ],
)
def test_each_way_says_what_it_brought_back(way: Way, reason: str) -> None:
    """The reader knows which command was rehearsed."""
    assert judged_as(verdict(way=way)) == (Status.PASS, None, reason)


def test_rollback_to_another_image_fails() -> None:
    """Somebody else deployed meanwhile, or the variables name another image."""
    other = make.pod_spec(containers=(replace(make.container_spec(env=MOCK.containers[0].env), image="r/other:v7"),))
    found = verdict(way=Way.TERRAFORM, running=make.old_replica_set(template=other))
    assert judged_as(found) == (
        Status.FAIL,
        Cause.ROLLOUT_UNDO_FAILED,
        f"After the old image's plan and apply the newest revision runs r/other:v7, not {MOCK.containers[0].image}.",
    )


def test_rollback_after_which_the_version_of_today_stays_away_fails() -> None:
    """The drill's way forward is a rollout too, and users are without it if it does not come up."""
    broken = Verdict("POD-1", Status.FAIL, "Image v2.0 is not there.", SEEN, Cause.IMAGE_NOT_FOUND, "Push it.")
    assert judged_as(verdict(forward=broken)) == (
        Status.FAIL,
        Cause.ROLLOUT_UNDO_FAILED,
        "After the undo the version that ran before the drill did not come up again: Image v2.0 is not there.",
    )


def test_rollback_after_which_nobody_saw_the_version_of_today_is_inconclusive() -> None:
    """The way back is proven; that the gate stopped waiting for the way forward disproves nothing."""
    unseen = inconclusive("POD-1", Cause.GATE_TIMED_OUT, "The gate stopped waiting.", SEEN, "Wait longer.")
    found = verdict(forward=unseen)
    assert judged_as(found) == (
        Status.INCONCLUSIVE,
        Cause.GATE_TIMED_OUT,
        (
            "After the undo it is unknown whether the version that ran before the drill came up again: "
            "The gate stopped waiting."
        ),
    )
    assert found.remedy == "Wait longer."


@pytest.mark.parametrize("part", ["rollout", "forward"])
def test_rollback_whose_end_could_not_be_read_keeps_the_cause(part: str) -> None:
    """A gate without rights or without an API server did not time out: who reads it has something else to mend."""
    unread = inconclusive("POD-1", Cause.GATE_FORBIDDEN, "Pods are forbidden.", SEEN, "Grant list on pods.")
    found = verdict(**{part: unread})
    assert (found.status, found.cause, found.remedy) == (
        Status.INCONCLUSIVE,
        Cause.GATE_FORBIDDEN,
        "Grant list on pods.",
    )


def test_rollback_that_the_next_plan_does_not_notice_warns() -> None:
    """Nothing to change, says Terraform, and the old version would stay for ever."""
    assert judged_as(verdict(drift=Drift(named=False, fields=(FIELD,)))) == (
        Status.WARN,
        Cause.PLAN_DRIFT_MISSED,
        (
            "After the undo the next Terraform plan does not want to change the Deployment: it takes what was rolled "
            "back for what is deployed."
        ),
    )


def test_rollback_that_the_next_plan_notices_passes_and_names_the_fields() -> None:
    """Whoever plans after a rollback is told what an apply would bring back."""
    found = verdict(drift=Drift(named=True, fields=(FIELD,)))
    assert found.status is Status.PASS
    assert Evidence("next plan", "would redeploy", FIELD) in found.evidence


def target(environment: str | None) -> Target:
    """Return a target that is deployed by Terraform, or not."""
    facts: dict[str, Any] = {
        "name": "mine",
        "image_repository": "r/chat",
        "cluster": {"reader": "none"},
        "desired": {"manifests": "m.yaml"},
        "model": {"name": "SmolLM2-135M-Instruct"},
        "acceptance": {"test_mrns": ["A", "B"]},
        "rollback": {"environment": environment},
    }
    return Target.model_validate(facts)


def test_way_that_a_target_does_not_have_passes_with_the_evidence_of_absence() -> None:
    """What no Terraform of ours deploys has no way back by it, and a mock cannot be switched to mock."""
    snapshot = make.healthy_snapshot()
    assert no_way(snapshot, target(None), Way.TERRAFORM).reason == (
        "Target mine names no Terraform environment: this way back does not exist there."
    )
    assert no_way(snapshot, target(None), Way.SET_ENV).status is Status.PASS
    assert no_way(snapshot, target("local"), Way.TERRAFORM).cause is Cause.ROLLOUT_NO_PREVIOUS_REVISION
    assert no_way(snapshot, target(None), Way.UNDO).cause is Cause.ROLLOUT_NO_PREVIOUS_REVISION
