"""LLM-1: identity, failed questions, empty and one-token answers, coverage."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.answers import model_verdict
from gate.records import Answer, Identity
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import (
    MODEL,
    POD_A,
    POD_B,
    RUNS,
    SHA256,
    answer,
    identity,
    lost,
    recorded,
    refused,
    reply,
    text,
)

PODS = (POD_A, POD_B)


def judge(
    identities: Sequence[Identity] | None = None,
    answers: list[Answer] | None = None,
    pods: tuple[str, ...] = PODS,
    sha256: str = "",
) -> Verdict:
    """Judge two healthy pods but for what is given."""
    declared = [identity(POD_A), identity(POD_B)] if identities is None else identities
    said = recorded(RUNS[0], POD_A) + recorded(RUNS[1], POD_B) if answers is None else answers
    return model_verdict(declared, said, expected_model=MODEL, pods=pods, expected_sha256=sha256)


@pytest.mark.parametrize("run", RUNS)
def test_recorded_answers_of_a_real_model_pass(run: str) -> None:
    """A real model passes with its shared prefixes, its noise, and answers that the token limit cut."""
    verdict = judge(answers=recorded(run, POD_A) + recorded(run, POD_B))
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "2 pods declared SmolLM2-135M-Instruct and gave 24 answers that differ by question and by patient and take the "
        "time of their tokens."
    )


def test_pod_on_mock_fails_and_is_named() -> None:
    """Incident 12: one pod left on the mock is named, with what it declared."""
    mock = identity(POD_B, llm_mode="mock", model=None, engine="mock")
    canned = [replace(each, llm_mode="mock", response="[MOCK] canned") for each in recorded(RUNS[1], POD_B)]
    verdict = judge([identity(POD_A), mock], recorded(RUNS[0], POD_A) + canned)
    assert verdict.status is Status.FAIL
    assert verdict.cause is Cause.MODEL_MOCK
    assert verdict.reason == f"Pod {POD_B} answered as the mock; the target's model is {MODEL}."
    assert verdict.remedy == f"Set LLM_MODE={MODEL} in the Deployment's pod template and deploy again."
    assert str(verdict.evidence[0]) == (
        f"Pod/{POD_B} /version = llm_mode=mock, model=None, engine=mock, loaded=True, "
        "model_sha256=b179c9523d0e (at 12:00:00)"
    )


def test_answers_in_mock_mode_fail_whatever_is_declared() -> None:
    """A pod that declares the model and answers in mock mode answers as the mock."""
    verdict = judge(answers=recorded(RUNS[0], POD_A) + [replace(each, llm_mode="mock") for each in recorded(pod=POD_B)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_MOCK)
    assert verdict.reason == f"Pod {POD_B} gave 12 answers with llm_mode mock; the target's model is {MODEL}."


def test_answers_of_another_model_fail_whatever_is_declared() -> None:
    """A pod that declares the model and says of its answers that another one gave them is believed there."""
    other = [replace(each, llm_mode="Qwen3-4B-Thinking-2507") for each in recorded(pod=POD_B)]
    verdict = judge(answers=recorded(RUNS[0], POD_A) + other)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_WRONG)
    assert verdict.reason == (
        f"Pod {POD_B} gave 12 answers with llm_mode Qwen3-4B-Thinking-2507; the target's model is {MODEL}."
    )


def test_answers_that_name_no_mode_pass() -> None:
    """Near miss: what an answer does not say contradicts no declaration."""
    unsaid = [replace(each, llm_mode=None) for each in recorded(RUNS[1], POD_B)]
    assert judge(answers=recorded(RUNS[0], POD_A) + unsaid).status is Status.PASS


def test_other_model_fails_and_is_named() -> None:
    """Another real model than the target's fails, however well it answers."""
    other = identity(POD_B, llm_mode="Qwen3-4B-Thinking-2507", model="Qwen3-4B-Thinking-2507")
    verdict = judge([identity(POD_A), other])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_WRONG)
    assert verdict.reason == (
        f"Pod {POD_B} declared Qwen3-4B-Thinking-2507 (LLM_MODE Qwen3-4B-Thinking-2507); the target's model is {MODEL}."
    )


def test_model_that_is_not_named_fails() -> None:
    """A pod that names no model is not taken for the right one."""
    verdict = judge([identity(POD_A), identity(POD_B, model=None, llm_mode=None)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_UNKNOWN)


def test_ready_pod_without_loaded_model_fails() -> None:
    """Incident 6: Ready while the model is still to be loaded."""
    verdict = judge([identity(POD_A), identity(POD_B, loaded=False)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.PROBE_READY_WITHOUT_MODEL)
    assert verdict.reason == f"Pod {POD_B} became Ready before {MODEL} was loaded: the first callers wait for the load."


def test_different_weights_under_one_name_fail() -> None:
    """Two pods that name the same model and load different files are not the same model."""
    verdict = judge([identity(POD_A), identity(POD_B, model_sha256="f" * 64)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_WRONG)
    assert verdict.reason == f"The pods run 2 different files of {MODEL}: their weights are not the same."


def test_weights_that_one_pod_does_not_declare_pass() -> None:
    """A digest that is not said contradicts nothing."""
    assert judge([identity(POD_A), identity(POD_B, model_sha256=None)]).status is Status.PASS


def test_failed_questions_name_pod_and_status() -> None:
    """Incident 25: one replica that answers 500 is named, not averaged away."""
    answers = recorded(RUNS[0], POD_A) + [refused(500, POD_B) for _ in range(6)]
    verdict = judge(answers=answers)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_FAILED)
    assert verdict.reason == f"6 of 18 questions got HTTP 500 from pod {POD_B}."
    assert verdict.remedy == f"Read the log of pod {POD_B} from 12:00:00 UTC on."


def test_unreachable_patient_api_is_the_cause_of_503() -> None:
    """Incident 13: the service's own words name the dependency, and the evidence quotes them."""
    words = "the patient API at http://patient-api-service:80 (DB_API_BASE_URL) cannot be reached: ConnectError"
    verdict = judge(answers=[refused(503, pod, error=words) for pod in PODS for _ in range(3)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.DEPENDENCY_UNREACHABLE)
    assert verdict.evidence[0].value == f"HTTP 503 after 0.02 s: {words}"


def test_503_without_words_is_a_failed_request() -> None:
    """A 503 that does not say why is not blamed on a dependency."""
    verdict = judge(answers=[*recorded(RUNS[0], POD_A), *recorded(RUNS[1], POD_B), refused(503)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_FAILED)


def test_full_queue_is_a_refusal() -> None:
    """A 429 is named as refused, not as a crash."""
    verdict = judge(answers=[*recorded(RUNS[0], POD_A), *recorded(RUNS[1], POD_B), refused(429)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_REFUSED)


@pytest.mark.parametrize(
    ("status", "words", "cause"),
    [
        (
            502,
            "the model's answer is empty (180 prompt, 128 thinking and 0 answer tokens)",
            Cause.MODEL_THINKING_UNFINISHED,
        ),
        (502, "the model's answer is empty (180 prompt, 0 thinking and 1 answer tokens)", Cause.MODEL_EMPTY_ANSWER),
        (504, "REQUEST_DEADLINE_S passed before the first word of the answer (180 prompt)", Cause.MODEL_CUT_SHORT),
        (503, f"model {MODEL} is not loaded: loading", Cause.PROBE_READY_WITHOUT_MODEL),
        (503, "the deadline passed after 55.0 s in the queue; nothing was computed", Cause.REQUEST_REFUSED),
    ],
)
def test_words_of_the_service_name_the_cause(status: int, words: str, cause: Cause) -> None:
    """Incident 28 and its neighbours: the error body says which limit was met."""
    verdict = judge(answers=[refused(status, pod, error=words) for pod in PODS])
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)


@pytest.mark.parametrize("response", [" ", "<think>The patient asks for", "<think>First.</think>\n"])
def test_answer_of_thoughts_alone_is_unfinished_thinking(response: str) -> None:
    """Incident 28: nothing but thoughts at the token limit, whether the service cut them off or let them through."""
    spent = replace(answer(POD_B), response=response, finish_reason="length", completion_tokens=256)
    verdict = judge(answers=[*recorded(RUNS[0], POD_A), *recorded(RUNS[1], POD_B), spent])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_THINKING_UNFINISHED)
    assert verdict.reason == (f"Pod {POD_B} gave 1 answer of 25 without a word: all its tokens went into thoughts.")
    assert verdict.remedy == (
        "Lower THINKING_BUDGET_TOKENS below MAX_TOKENS (or raise both), so that tokens are left for the answer."
    )


def test_empty_answer_that_ended_by_itself_is_another_fault() -> None:
    """Tokens were left and the model said nothing: no budget mends that."""
    empty = replace(answer(POD_B), response="", finish_reason="stop", completion_tokens=0)
    verdict = judge(answers=[*recorded(RUNS[0], POD_A), *recorded(RUNS[1], POD_B), empty])
    assert verdict.cause is Cause.MODEL_EMPTY_ANSWER
    assert verdict.reason == f"Pod {POD_B} gave 1 answer of 25 without a word, and not for want of tokens."


def test_answer_after_its_thoughts_passes() -> None:
    """A leaked thought is QLT-1's; there is an answer behind it."""
    leaky = [replace(each, response=f"<think>Hm.</think> {each.response}") for each in recorded(RUNS[0], POD_A)]
    assert judge(answers=[*leaky, *recorded(RUNS[1], POD_B)]).status is Status.PASS


def test_another_file_under_the_right_name_fails() -> None:
    """A volume with other weights: the name is right, the checksum is not the catalogue's."""
    verdict = judge(sha256="f" * 64)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_WRONG)
    assert verdict.reason == (
        f"Pod {POD_A}, pod {POD_B} loaded another file than the catalogue's {MODEL}: its SHA-256 begins with "
        "b179c9523d0e, not ffffffffffff."
    )


def test_the_catalogues_own_file_passes() -> None:
    """The recorded checksum is the catalogue's."""
    assert judge(sha256=SHA256).status is Status.PASS


def test_engine_that_loads_a_folder_has_another_checksum() -> None:
    """The catalogue's checksum is of a GGUF file, which transformers never reads."""
    folder = tuple(identity(pod, engine="transformers") for pod in (POD_A, POD_B))
    assert judge(identities=folder, sha256="f" * 64).status is Status.PASS


def test_answers_cut_to_one_token_fail() -> None:
    """The right model cut to one token is not the model that was deployed."""
    cut = [
        replace(each, response=each.response.split()[0], completion_tokens=1, finish_reason="length")
        for each in recorded(RUNS[1], POD_B)
    ]
    verdict = judge(answers=recorded(RUNS[0], POD_A) + cut)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_CUT_SHORT)
    assert verdict.reason == f"Pod {POD_B} gave 12 answers of a single token."


def test_one_short_answer_that_ended_by_itself_passes() -> None:
    """One "Yes." among sentences is an answer."""
    first, *rest = recorded(RUNS[1], POD_B)
    short = replace(first, response="Yes", completion_tokens=1, finish_reason="stop")
    assert judge(answers=[*recorded(RUNS[0], POD_A), short, *rest]).status is Status.PASS


def test_breach_of_the_contract_fails() -> None:
    """A field too many is a breach, named without its value."""
    answers = [replace(each, violations=("field thought is not part of the contract",)) for each in recorded()]
    verdict = judge(answers=answers + recorded(RUNS[1], POD_B))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CONTRACT_VIOLATED)
    assert verdict.reason == (f"Pod {POD_A} broke the service's contract: field thought is not part of the contract.")


def test_pod_that_was_not_asked_is_inconclusive() -> None:
    """A pod nobody asked is unknown, not good."""
    verdict = judge([identity(POD_A)], recorded(RUNS[0], POD_A))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == f"Not asked for /version: 1 of 2 pods ({POD_B})."


def test_pod_that_may_not_be_asked_is_inconclusive() -> None:
    """A missing right is the gate's trouble and names the right."""
    denied = lost("forbidden", POD_B)
    verdict = judge(
        [identity(POD_A), Identity(reply=replace(denied, path="/version"))],
        [*recorded(RUNS[0], POD_A), Answer(reply=denied, patient_mrn="MRN-001", query="?")],
    )
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert verdict.reason == f"1 address could not be asked (pod {POD_B}): the gate has no right to port-forward."


def test_version_that_is_not_served_fails() -> None:
    """An image without /version is not the one that was meant."""
    verdict = judge([identity(POD_A), Identity(reply=reply(POD_B, path="/version", status=404))])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.REQUEST_FAILED)
    assert verdict.reason == f"Pod {POD_B} did not declare its model: /version gave HTTP 404."


def test_no_pods_fail() -> None:
    """Nobody to ask is a failure, never a vacuous pass."""
    verdict = judge([], [], pods=())
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ENDPOINTS_NOT_READY)
    assert verdict.reason == f"There is no ready pod that could answer with {MODEL}."


def test_one_answer_alone_is_inconclusive() -> None:
    """A single answer differs from nothing."""
    verdict = judge([identity(POD_A)], recorded()[:1], pods=(POD_A,))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TOO_FEW_SAMPLES)
    assert verdict.reason == f"Pod {POD_A} gave 1 answer, too few to see whether they differ by question."


def test_pod_asked_about_one_patient_is_compared_with_the_others() -> None:
    """With many pods each is asked little: what its own answers cannot show, the other pods' answers can."""
    one_patient = [each for each in recorded(RUNS[1], POD_B) if each.patient_mrn == "MRN-001"]
    assert judge(answers=recorded(RUNS[0], POD_A) + one_patient).status is Status.PASS


def test_template_on_all_pods_fails_although_each_was_asked_little() -> None:
    """One text per question, from pods that were asked about one patient each."""
    answers = [
        replace(each, response=f"About {each.query} see the leaflet number {len(each.query)} of the clinic, page two.")
        for pod, mrn in ((POD_A, "MRN-001"), (POD_B, "MRN-002"))
        for each in recorded(pod=pod)
        if each.patient_mrn == mrn
    ]
    verdict = judge(answers=answers)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_CANNED)


def test_text_of_questions_and_answers_never_shows() -> None:
    """No word of an answer and no MRN reaches the verdict, whatever is wrong."""
    canned = [replace(each, response="Ada Example has hypertension.") for each in recorded(RUNS[0], POD_A)]
    shown = text(judge(answers=canned + recorded(RUNS[1], POD_B))) + text(judge())
    for word in ("Ada", "Example", "hypertension", "MRN-", "diagnosis"):
        assert word not in shown
