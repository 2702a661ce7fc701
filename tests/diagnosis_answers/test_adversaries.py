"""LLM-1 against what is not a model: canned texts, templates that echo, either with sleeps."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.answers import model_verdict
from gate.diagnosis.likeness import SAME_TEXT, asked_once, by_patient, by_question, distinct, echoes, likeness, masked
from gate.diagnosis.timing import timing_findings
from gate.records import Answer
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import MODEL, POD_A, RUNS, answer, identity, recorded

NAMES = {"MRN-001": "Ada Example", "MRN-002": "Ben Sample", "MRN-003": "Cleo Test", "MRN-004": "Dan Demo"}
ADVICE = (
    "Thank you for your question. Please keep taking your medicine as prescribed, drink enough water, rest, and call "
    "the care team during office hours if anything changes or if you feel worse than you did yesterday."
)
KEYWORDS = {
    "What is my current diagnosis?": "Your diagnosis stands in the letter that the clinic sent after your last visit",
    "Which medications do I take?": "Your tablets are listed on the plan that the pharmacy printed for you last month",
    "When should I seek urgent care?": "Go to the emergency room at once with chest pain or trouble breathing at rest",
}

Speaker = Callable[[Answer], str]


def canned(_: Answer) -> str:
    """Say the same to everybody."""
    return ADVICE


def echo_question(asked: Answer) -> str:
    """Repeat the question inside a fixed text."""
    return f"You asked: '{asked.query}' {ADVICE}"


def echo_both(asked: Answer) -> str:
    """Repeat patient, name, question and a number in other case and spacing inside a fixed text."""
    number = int(asked.patient_mrn[-1]) * 7
    return (
        f"Dear {NAMES[asked.patient_mrn]} ({asked.patient_mrn.lower()}),  {asked.query.upper()} {ADVICE} Ref. {number}"
    )


def keywords_with_name(asked: Answer) -> str:
    """Choose a text by the question and put the patient's name in."""
    return f"Dear {NAMES[asked.patient_mrn]}. {KEYWORDS[asked.query]}, or ask us again."


def letter_per_patient(asked: Answer) -> str:
    """Choose a text by the patient and repeat the question."""
    texts = list(KEYWORDS.values())
    return f"{asked.query} {texts[int(asked.patient_mrn[-1]) % 3]} {int(asked.patient_mrn[-1])}."


def say(speaker: Speaker, *, seconds: Callable[[], float]) -> list[Answer]:
    """Let the speaker answer the recorded questions, with the token count of its own text."""
    return [
        replace(
            answer(POD_A, seconds=seconds(), patient_mrn=each.patient_mrn, query=each.query),
            response=(said := speaker(each)),
            completion_tokens=len(said.split()),
        )
        for each in recorded()
    ]


def judge(answers: list[Answer]) -> Verdict:
    """Judge answers of one pod that declares the right model."""
    return model_verdict([identity()], answers, expected_model=MODEL, pods=[POD_A])


@pytest.mark.parametrize("speaker", [canned, echo_question, echo_both, keywords_with_name, letter_per_patient])
@pytest.mark.parametrize("seed", range(20))
def test_text_without_model_behind_random_sleeps_fails(speaker: Speaker, seed: int) -> None:
    """Whatever it sleeps, a text that no model made is seen by its words, in every of 20 runs."""
    sleeps = random.Random(seed)  # noqa: S311  # a test's noise
    verdict = judge(say(speaker, seconds=lambda: sleeps.uniform(0.5, 3.0)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_CANNED)


@pytest.mark.parametrize("speaker", [canned, echo_question, echo_both, keywords_with_name, letter_per_patient])
def test_text_without_model_at_once_fails(speaker: Speaker) -> None:
    """The same without sleeps."""
    assert judge(say(speaker, seconds=lambda: 0.002)).status is Status.FAIL


def test_canned_text_reason() -> None:
    """The reason says what was seen, and shows hashes where the text would stand."""
    verdict = judge(say(canned, seconds=lambda: 1.0))
    assert verdict.reason == (
        f"Pod {POD_A} gave one text to 12 questions, once question, patient and numbers are masked."
    )
    assert verdict.remedy == f"Check LLM_MODE and what answers in pod {POD_A}: a model's answers differ."
    assert verdict.evidence[0].value.startswith("210 characters, 36 tokens, masked text ")


def test_keyword_template_reason() -> None:
    """A text chosen by the question and given a name differs by question only."""
    verdict = judge(say(keywords_with_name, seconds=lambda: 1.0))
    assert verdict.reason.startswith(f"Pod {POD_A} gave answers that do not differ by patient: at least ")


def test_texts_picked_from_a_list_fail() -> None:
    """Five texts to twelve questions are picked, not generated."""
    texts = [" ".join(f"{word}{'x' * number}" for word in ADVICE.split()) for number in range(5)]
    answers = [
        replace(each, response=texts[number % 5], completion_tokens=36) for number, each in enumerate(recorded())
    ]
    verdict = judge(answers)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_CANNED)
    assert verdict.reason == f"Pod {POD_A} gave 5 different answers to 12 questions: picked from a list."


def test_stock_phrase_of_a_model_passes() -> None:
    """A real model that gives one stock answer to four of twelve questions is still a model."""
    phrase = "Please call the care team."
    answers = [replace(each, response=phrase) if number % 3 == 0 else each for number, each in enumerate(recorded())]
    assert judge(answers).status is Status.PASS


def test_repeated_questions_count_once() -> None:
    """A greedy model repeats itself to the word when asked the same again."""
    assert judge(recorded() + recorded()).status is Status.PASS
    assert len(asked_once(recorded() + recorded())) == 12


@pytest.mark.parametrize("run", RUNS)
def test_recorded_answers_stay_far_from_the_threshold(run: str) -> None:
    """Not one pair of recorded answers is half as alike as the threshold wants, but for one at 0.57."""
    answers = recorded(run)
    assert max(*by_question(answers), *by_patient(answers)) < SAME_TEXT - 0.2
    assert distinct(answers) == 12


def test_masking_takes_out_question_patient_numbers_and_case() -> None:
    """What a template can copy does not count as an answer."""
    asked = answer(query="Is my BP ok?", patient_mrn="MRN-007", response="MRN-007, is your  bp OK? Yes: 120/80 mmHg.")
    assert masked(asked, echoes([asked])) == ("your", "yes", "mmhg")


def test_two_answers_of_nothing_but_echo_are_the_same() -> None:
    """An answer that is all echo says nothing, twice."""
    first = answer(query="Is my BP ok?", response="is my bp ok")
    assert likeness(first, answer(query="Which tablets?", response="Which tablets? 2")) == pytest.approx(1.0)


# --- Timing ----------------------------------------------------------------------------------------------------------


def timed(pairs: list[tuple[int, float]]) -> list[Answer]:
    """Return warm answers with these (tokens, seconds)."""
    return [answer(seconds=seconds, completion_tokens=tokens) for tokens, seconds in pairs]


def test_tokens_faster_than_memory_fail() -> None:
    """96 tokens in 4 ms were there before."""
    (finding,) = timing_findings(timed([(96, 0.004), (40, 0.6)]))
    assert finding.cause is Cause.MODEL_IMPLAUSIBLE_TIMING
    assert finding.reason == (
        f"Pod {POD_A} gave 96 tokens in 4.0 ms, and no hardware needs less than 0.15 ms for one: the text was there "
        "before."
    )


def test_fast_hardware_passes() -> None:
    """A thousand tokens a second is fast, and possible."""
    assert timing_findings(timed([(96, 0.11), (40, 0.05), (20, 0.03)])) == ()


def test_same_time_for_any_length_fails() -> None:
    """A sleep of two seconds is not a generation."""
    (finding,) = timing_findings(timed([(11, 2.0), (40, 2.02), (96, 2.05)]))
    assert finding.reason == (
        f"Pod {POD_A} took 2.00 to 2.05 s whether the answer had 11 tokens or 96: a pause, not a generation."
    )


def test_same_time_for_same_length_passes() -> None:
    """Answers that all use up the token budget take the same time."""
    assert timing_findings(timed([(96, 2.0), (96, 2.02), (95, 2.05)])) == ()


def test_long_prefill_passes() -> None:
    """A long prompt hides much of the difference, not all of it: 250 tokens' worth before 11 or 96 tokens."""
    assert timing_findings(timed([(11, 2.61), (40, 2.9), (96, 3.46)])) == ()


def test_long_thoughts_pass() -> None:
    """Thoughts are not in the token count: 180 prompt and 250 thinking tokens before 11 or 96, at 100 a second."""
    assert timing_findings(timed([(11, 4.41), (40, 4.7), (96, 5.26)])) == ()


def test_lengths_that_thoughts_would_hide_are_not_judged() -> None:
    """Between 10 and 30 tokens the thoughts may be all of the time."""
    assert timing_findings(timed([(10, 4.4), (20, 4.4), (30, 4.4)])) == ()


def test_time_unrelated_to_length_warns() -> None:
    """Over twenty answers, longer ones that take less time are hardly generated; noise might do it, so it warns."""
    (finding,) = timing_findings(timed([(6 * number, 3.0 - number / 10) for number in range(1, 21)]))
    assert (finding.status, finding.cause) == (Status.WARN, Cause.MODEL_IMPLAUSIBLE_TIMING)
    assert finding.reason == (
        "The time of 20 answers is unrelated to their 6 to 120 tokens (rank correlation -1.00, a model's is near 1)."
    )


def test_few_answers_out_of_order_pass() -> None:
    """Nineteen answers are too few to suspect a noisy node."""
    assert timing_findings(timed([(6 * number, 3.0 - number / 10) for number in range(1, 20)])) == ()


def test_queue_is_not_inference() -> None:
    """The time that the service says a request queued is left out."""
    queued = [
        replace(each, queue_ms=1000.0 * (each.reply.elapsed_s - (each.completion_tokens or 0) / 60))
        for each in timed([(11, 2.0), (40, 2.02), (96, 2.05)])
    ]
    assert (
        timing_findings([replace(each, completion_tokens=2 * number + 4) for number, each in enumerate(queued)]) == ()
    )


def test_answers_without_token_counts_are_inconclusive() -> None:
    """Without token counts nothing is known about time per token."""
    (finding,) = timing_findings([answer(completion_tokens=None)])
    assert (finding.status, finding.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_cold_answers_are_not_timed() -> None:
    """The first answer of a pod pays for page faults."""
    assert timing_findings([replace(each, cold=True) for each in timed([(96, 0.004)])]) == ()


def test_slow_pod_beside_a_fast_one_passes() -> None:
    """Pods of different speed are compared with themselves before they are pooled."""
    fast = timed([(10 * number, 0.1 * number) for number in range(1, 8)])
    slow = [
        replace(each, reply=replace(each.reply, via="pod/slow", elapsed_s=each.reply.elapsed_s * 9)) for each in fast
    ]
    assert timing_findings(fast + slow) == ()


@pytest.mark.parametrize("thoughts", [0, 128])
def test_timing_never_fails_a_noisy_model(thoughts: int) -> None:
    """Of 300 simulated models with 30 % noise none fails, thinking or not."""
    noise = random.Random(20261122)  # noqa: S311  # a simulation with a fixed seed
    for _ in range(300):
        lengths = [noise.choice([11, 20, 40, 52, 60, 83, 96, 96]) for _ in range(20)]
        pairs = [(tokens, (40 + thoughts + tokens) / 60 * noise.lognormvariate(0, 0.3)) for tokens in lengths]
        assert all(each.status is Status.WARN for each in timing_findings(timed(pairs)))


def test_one_pair_of_answers_alike_is_too_few_and_three_alike_are_canned() -> None:
    """A model may say the same to two questions by chance; a pod that was asked little is not accused of it."""
    about_one = [each for each in say(canned, seconds=lambda: 1.0) if each.patient_mrn == "MRN-001"]
    verdict = judge(about_one[:2])
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TOO_FEW_SAMPLES)
    assert verdict.reason == f"Pod {POD_A} gave 2 answers, too few to see whether they differ by question."
    assert judge(about_one).cause is Cause.MODEL_CANNED
