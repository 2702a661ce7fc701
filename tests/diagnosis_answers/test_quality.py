"""QLT-1: shares with the confidence that their samples carry, leaked thoughts, and the named diagnosis."""

import pytest

from gate.causes import Cause
from gate.diagnosis.quality import Rates, confidence, names_diagnosis, quality_verdict
from gate.records import Answer, Identity, PatientRecord, PatientRecords
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import POD_A, POD_B, answer, identity, lost, refused, text

QUESTION = "What is my current diagnosis?"
RATES = Rates(complete=0.8, diagnosis=0.8, confidence=0.7)
RECORDS = PatientRecords(
    records=(
        PatientRecord(mrn="MRN-001", name="Ada Example", diagnosis="type 2 diabetes"),
        PatientRecord(mrn="MRN-002", name="Ben Sample", diagnosis="iron deficiency anemia"),
    )
)
RIGHT = "Your current diagnosis is type 2 diabetes."
VAGUE = "Please ask the care team about it."


def named(count: int, pod: str = POD_A) -> list[Answer]:
    """Return answers that name the diagnosis."""
    return [answer(pod, response=RIGHT) for _ in range(count)]


def unnamed(count: int, pod: str = POD_A) -> list[Answer]:
    """Return complete answers that do not."""
    return [answer(pod, response=VAGUE) for _ in range(count)]


def cut(count: int) -> list[Answer]:
    """Return answers to another question that the token limit ended."""
    return [answer(response=VAGUE, query="Which medications do I take?", finish_reason="length") for _ in range(count)]


def judge(
    answers: list[Answer],
    *,
    records: PatientRecords = RECORDS,
    rates: Rates = RATES,
    identities: tuple[Identity, ...] = (identity(),),
) -> Verdict:
    """Judge answers to the question for the diagnosis."""
    return quality_verdict(answers, identities, diagnosis_question=QUESTION, records=records, rates=rates)


def test_answers_that_name_the_diagnosis_pass_with_the_claim() -> None:
    """Twelve of twelve: 1 - 0.8^12 = 0.93."""
    verdict = judge(named(12))
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "12 of 12 answers end by themselves (at least 80%, sure to 93%), 12 of 12 name the recorded diagnosis "
        "(at least 80%, sure to 93%), none leaks a thought."
    )


def test_one_answer_of_twelve_without_it_passes() -> None:
    """1 - (0.8^12 + 12 * 0.2 * 0.8^11) = 0.73, worked by hand; 0.7 is wanted."""
    assert judge([*named(11), *unnamed(1)]).status is Status.PASS
    assert confidence(11, 12, 0.8) == pytest.approx(1 - (0.8**12 + 12 * 0.2 * 0.8**11))


def test_answers_that_do_not_name_it_fail() -> None:
    """Half of twelve at a rate of 80 % comes by chance in 2 % of runs."""
    verdict = judge([*named(6), *unnamed(6)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_DIAGNOSIS_MISSING)
    assert verdict.reason == (
        "6 of 12 answers name the recorded diagnosis, at least 80% must: answers about 1 test patient lack it."
    )
    assert verdict.remedy == (
        "Ask the patient API for that patient's summary, and check that this record reaches the prompt whole."
    )
    for word in ("diabetes", "care team", "MRN"):
        assert word not in text(verdict)


def test_share_between_chance_and_claim_is_inconclusive() -> None:
    """Ten of twelve neither proves 80 % nor disproves it."""
    verdict = judge([*named(10), *unnamed(2)])
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TOO_FEW_SAMPLES)
    assert verdict.reason == (
        "10 of 12 answers name the recorded diagnosis: that the share is at least 80% is sure to 44%, "
        "and 70% is wanted."
    )


def test_few_samples_carry_no_claim() -> None:
    """Three of three prove little; the same share of twelve is enough."""
    assert judge(named(3)).cause is Cause.GATE_TOO_FEW_SAMPLES
    assert judge(named(6)).status is Status.PASS


def test_modest_rate_is_kept_by_a_small_model() -> None:
    """Nine of twelve at 60 %, as the embedded cluster's target asks of SmolLM2."""
    assert (
        judge([*named(9), *unnamed(3)], rates=Rates(complete=0.6, diagnosis=0.6, confidence=0.7)).status is Status.PASS
    )


def test_one_pod_of_three_that_names_nothing_is_told_by_name() -> None:
    """The pool keeps the rate; one replica reads another patient's record."""
    verdict = judge([*named(14), *named(14, "third"), *unnamed(4, POD_B)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_DIAGNOSIS_MISSING)
    assert verdict.reason.startswith(f"0 of 4 answers of pod {POD_B} name the recorded diagnosis")


def test_one_miss_of_a_pod_is_no_failure() -> None:
    """Chance shared between the pods: one of four wrong is no pattern."""
    assert judge([*named(14), *named(3, POD_B), *unnamed(1, POD_B)]).status is Status.PASS


def test_cut_answers_are_not_complete() -> None:
    """The token limit ended half of them."""
    verdict = judge([*named(8), *cut(8)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_CUT_SHORT)
    assert verdict.reason == ("8 of 16 answers end by themselves, at least 80% must: 8 end with finish reason length.")


def test_target_may_allow_the_token_limit() -> None:
    """Where a long answer may end at its limit, it is complete."""
    ends = Rates(complete=0.8, diagnosis=0.8, confidence=0.7, ends=frozenset({"stop", "length"}))
    assert judge([*named(8), *cut(8)], rates=ends).status is Status.PASS


def test_refused_questions_are_not_complete_and_keep_their_cause() -> None:
    """What refused them is the root, not the token limit."""
    verdict = judge([refused(503, error="the patient API cannot be reached") for _ in range(8)])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.DEPENDENCY_UNREACHABLE)
    assert verdict.reason == "0 of 8 answers end by themselves, at least 80% must: 8 got no answer at all."


def test_empty_answers_are_not_complete() -> None:
    """An empty text ends by itself and says nothing."""
    assert judge([answer(response=" ") for _ in range(8)]).cause is Cause.MODEL_EMPTY_ANSWER


@pytest.mark.parametrize("mark", ["<think>Hm.</think>", "</think>", "<THINK>"])
def test_one_leaked_thought_of_many_answers_fails(mark: str) -> None:
    """No rate allows it: patients read what the model thinks."""
    verdict = judge([*named(29), answer(POD_B, response=f"{mark} {RIGHT}")])
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_THOUGHT_LEAKED)
    assert verdict.reason == (
        f"Pod {POD_B} gave 1 answer of 30 with the marks of thoughts in them (<think>): patients read what the model "
        "thinks."
    )


def test_answer_about_thinking_is_no_leak() -> None:
    """The word alone is not the mark."""
    assert judge([answer(response=f"{RIGHT} I think so, <thanks>.") for _ in range(12)]).status is Status.PASS


def test_mock_is_not_judged_by_its_text() -> None:
    """The root is that the mock answers; LLM-1 says why."""
    verdict = judge(unnamed(12), identities=(identity(llm_mode="mock", engine="mock"),))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_MOCK)
    assert verdict.symptoms == ()


@pytest.mark.parametrize(
    ("records", "cause", "why"),
    [
        (
            PatientRecords(missing="no pod is ready behind Service/patient-api-service"),
            Cause.GATE_NOT_MEASURED,
            "no pod is ready behind Service/patient-api-service",
        ),
        (
            PatientRecords(missing="the gate may not open a port-forward", forbidden=True),
            Cause.GATE_FORBIDDEN,
            "the gate may not open a port-forward",
        ),
        (PatientRecords(), Cause.GATE_NOT_MEASURED, "no record was read"),
    ],
)
def test_records_that_are_not_known_are_inconclusive(records: PatientRecords, cause: Cause, why: str) -> None:
    """Without the record nobody can say whether it was named; a missing right is told from a missing pod."""
    verdict = judge(named(12), records=records)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, cause)
    assert verdict.reason == f"Whether answers name the recorded diagnosis is not known: {why}."


def test_rate_of_zero_asks_for_no_record() -> None:
    """A target without a patient API in reach judges the rest."""
    verdict = judge(
        unnamed(12), records=PatientRecords(missing="x"), rates=Rates(complete=0.8, diagnosis=0, confidence=0.7)
    )
    assert verdict.status is Status.PASS
    assert "no rate is set for naming the diagnosis" in verdict.reason


def test_answer_that_does_not_say_how_it_ended_is_inconclusive() -> None:
    """A service without X-Finish-Reason may have cut every answer."""
    verdict = judge([answer(response=RIGHT, finish_reason=None) for _ in range(12)])
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_nothing_asked_is_inconclusive() -> None:
    """No answer is no good answer."""
    assert judge([], identities=()).status is Status.INCONCLUSIVE


def test_pod_that_may_not_be_asked_is_inconclusive() -> None:
    """A missing right is the gate's trouble."""
    assert judge([*named(12), answer(POD_B, reply=lost("forbidden", POD_B))]).cause is Cause.GATE_FORBIDDEN


@pytest.mark.parametrize(
    ("response", "diagnosis"),
    [
        ("You have Type 2 Diabetes.", "type 2 diabetes"),
        ("anemia, because of an iron deficiency", "iron deficiency anemia"),
        ("It is celiac.", "celiac disease"),
        ("chronic disease of the kidneys", "chronic kidney disease"),
        ("migraines", "migraine"),
    ],
)
def test_diagnosis_is_named_in_other_words_too(response: str, diagnosis: str) -> None:
    """Order, case, plural and filling words do not matter."""
    assert names_diagnosis(response, diagnosis)


@pytest.mark.parametrize(
    ("response", "diagnosis"),
    [
        ("Your current diagnosis is diabetes.", "type 2 diabetes"),
        ("You have type 1 diabetes.", "type 2 diabetes"),
        ("iron deficiency", "iron deficiency anemia"),
        ("your disease", "celiac disease"),
        ("", "gout"),
        ("the gouty one", "gout"),
    ],
)
def test_part_of_a_diagnosis_does_not_name_it(response: str, diagnosis: str) -> None:
    """Another type, a symptom or a filling word is not the recorded diagnosis."""
    assert not names_diagnosis(response, diagnosis)
