"""QLT-1: answers are complete, leak no thought, and name the recorded diagnosis when asked for it.

Kept apart from LLM-1, which says whose answers these are. Whether an answer is good medicine is never judged; what can
be counted is. Two shares are judged against the target's rates, each claim with the confidence that its samples carry;
a leaked thought is a fault of the service at any rate. Texts are compared here and never shown.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from gate.causes import Cause
from gate.diagnosis.exchanges import OK, answer_evidence, pod_of, refusal, speakers, unasked_findings, was_asked
from gate.diagnosis.quantiles import at_most
from gate.diagnosis.wording import count, names
from gate.records import Answer, Identity, PatientRecords
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "QLT-1"

#: So rarely would a service that just keeps the rate look this bad by chance: then it fails. The conventional 5 %.
_CHANCE = 0.05

#: The marks of a thinking model's thoughts (Qwen3's chat template); either one in an answer is a leak.
_THOUGHT = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)

_MOCK = "mock"
_WORD = re.compile(r"[^\W_]+")
#: Words of a diagnosis that do not tell it from another one.
_FILLING = frozenset(
    {"and", "of", "the", "with", "without", "due", "to", "in", "type", "disease", "disorder", "syndrome"}
)

_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the target asks of its model.

    Attributes:
        complete: share of all questions (0 to 1) that must get an answer that ends by itself.
        diagnosis: share of the questions for the diagnosis (0 to 1) whose answer must name the recorded one.
        confidence: how sure the claim must be that the true share is no less (0 to 1).
        ends: finish reasons that count as an end of the model's own.
    """

    complete: float
    diagnosis: float
    confidence: float
    ends: frozenset[str] = frozenset({"stop"})


def quality_verdict(
    answers: Sequence[Answer],
    identities: Sequence[Identity],
    *,
    diagnosis_question: str,
    records: PatientRecords,
    rates: Rates,
) -> Verdict:
    """Judge QLT-1.

    Args:
        answers: of all pods.
        identities: what the pods declare; the mock's answers are not judged.
        diagnosis_question: the question whose answer must name the diagnosis.
        records: of the test patients, or why they are not known.
        rates: the target's.
    """
    known = [each for each in answers if was_asked(each.reply)]
    mock = _mock(known, identities)
    if mock:
        return judged(_CRITERION, mock, _pass([], [], rates))
    unsaid = [each for each in known if each.reply.status == OK and each.finish_reason is None]
    complete = [_Judged(each, _is_complete(each, rates.ends)) for each in known if each not in unsaid]
    diagnoses = {each.mrn: each.diagnosis for each in records.records} if rates.diagnosis else {}
    asked = [each for each in known if each.query == diagnosis_question and each.patient_mrn in diagnoses]
    named = [_Judged(each, names_diagnosis(each.response, diagnoses[each.patient_mrn])) for each in asked]
    findings = [
        *_leaks(known),
        *_share(complete, rates.complete, rates.confidence, _incomplete, "end by themselves"),
        *_share(named, rates.diagnosis, rates.confidence, _unnamed, "name the recorded diagnosis"),
        *unasked_findings(each.reply for each in answers),
        *_unknown(known, unsaid),
        *_unknown_records(records, known=bool(diagnoses) or not rates.diagnosis),
    ]
    return judged(_CRITERION, findings, _pass(complete, named, rates))


def names_diagnosis(response: str, diagnosis: str) -> bool:
    """Return whether an answer names a diagnosis: every telling word of it, in any order and in the plural too.

    "Anemia, because you lack iron (deficiency)" names "iron deficiency anemia". A denial would count as well: what an
    answer means is not judged.
    """
    said = {_stem(each) for each in _WORD.findall(response.casefold())}
    words = [_stem(each) for each in _WORD.findall(diagnosis.casefold())]
    telling = [each for each in words if each not in _FILLING] or words
    return bool(telling) and said.issuperset(telling)


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith("is") else word  # noqa: PLR2004


# --- Shares -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judged:
    """An answer, and whether it does what is asked of it."""

    answer: Answer
    good: bool


def confidence(good: int, samples: int, rate: float) -> float:
    """Return how sure it is that the true share is at least ``rate``: how often fewer would do at just that share."""
    return at_most(good - 1, samples, rate) if samples else 0.0


_Failure = Callable[[Sequence[Answer]], tuple[Cause, str, str]]


def _is_complete(answer: Answer, ends: frozenset[str]) -> bool:
    return answer.reply.status == OK and bool(answer.response.strip()) and answer.finish_reason in ends


def _share(judged_answers: Sequence[_Judged], rate: float, sure: float, why: _Failure, claim: str) -> list[Finding]:
    """Return what a share of good answers says: nothing, or FAIL, or INCONCLUSIVE for too few samples.

    FAIL where the rate is missed by more than chance would explain, in the pool or in one pod by itself; the chance is
    shared between the pods, so that more of them do not make a false alarm likelier.
    """
    samples, good = len(judged_answers), sum(each.good for each in judged_answers)
    if not (samples and rate):
        return []
    bad = [each.answer for each in judged_answers if not each.good]
    fail = partial(_share_failed, rate=rate, why=why, claim=claim)
    if at_most(good, samples, rate) <= _CHANCE:
        return [fail(bad, good, samples, "")]
    pods: dict[str, list[_Judged]] = {}
    for each in judged_answers:
        pods.setdefault(pod_of(each.answer.reply) or "", []).append(each)
    for pod, own in pods.items():
        own_good = sum(each.good for each in own)
        if at_most(own_good, len(own), rate) <= _CHANCE / len(pods):
            return [fail([each.answer for each in own if not each.good], own_good, len(own), f" of pod {pod}")]
    surely = confidence(good, samples, rate)
    if surely >= sure:
        return []
    return [
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_TOO_FEW_SAMPLES,
            f"{good} of {count(samples, 'answer')} {claim}: that the share is at least {rate:.0%} is sure to "
            f"{surely:.0%}, and {sure:.0%} is wanted.",
            (Evidence("Answers", claim, f"{good} of {samples}"), *(answer_evidence(each) for each in bad[:_SHOWN])),
            "Ask more often (samples in the target's [quality]), or set the rate that this model keeps.",
        )
    ]


def _share_failed(
    bad: Sequence[Answer], good: int, samples: int, whose: str, *, rate: float, why: _Failure, claim: str
) -> Finding:
    cause, what, remedy = why(bad)
    return Finding(
        Status.FAIL,
        cause,
        f"{good} of {count(samples, 'answer')}{whose} {claim}, at least {rate:.0%} must: {what}.",
        tuple(answer_evidence(each) for each in bad[:_SHOWN]),
        remedy,
    )


def _incomplete(bad: Sequence[Answer]) -> tuple[Cause, str, str]:
    """Return why answers are not complete: the commonest reason."""
    refused = [each for each in bad if each.reply.status != OK]
    empty = [each for each in bad if each.reply.status == OK and not each.response.strip()]
    cut = [each for each in bad if each not in refused and each not in empty]
    most = max((refused, empty, cut), key=len)
    if most is refused:
        meant = refusal(refused[0].reply)
        return meant.cause, f"{len(refused)} got no answer at all", meant.remedy
    if most is empty:
        return (
            Cause.MODEL_EMPTY_ANSWER,
            f"{len(empty)} are empty",
            "Raise MAX_TOKENS above THINKING_BUDGET_TOKENS, so that tokens are left for the answer.",
        )
    ends = names(sorted({each.finish_reason or "none said" for each in cut}))
    return (
        Cause.MODEL_CUT_SHORT,
        f"{len(cut)} end with finish reason {ends}",
        "Raise MAX_TOKENS (or REQUEST_DEADLINE_S) until answers end by themselves, or ask for shorter ones.",
    )


def _unnamed(bad: Sequence[Answer]) -> tuple[Cause, str, str]:
    patients = len({each.patient_mrn for each in bad})
    return (
        Cause.MODEL_DIAGNOSIS_MISSING,
        f"answers about {count(patients, 'test patient')} lack it",
        "Ask the patient API for that patient's summary, and check that this record reaches the prompt whole.",
    )


# --- Findings at any rate ---------------------------------------------------------------------------------------------


def _leaks(known: Sequence[Answer]) -> tuple[Finding, ...]:
    leaked = [each for each in known if _THOUGHT.search(each.response)]
    if not leaked:
        return ()
    return (
        Finding(
            Status.FAIL,
            Cause.MODEL_THOUGHT_LEAKED,
            f"{speakers(each.reply for each in leaked)} gave {count(len(leaked), 'answer')} of {len(known)} with the "
            "marks of thoughts in them (<think>): patients read what the model thinks.",
            tuple(answer_evidence(each) for each in leaked[:_SHOWN]),
            "Cut everything up to the last </think> from the answer, and check the model's chat template.",
        ),
    )


def _mock(known: Sequence[Answer], identities: Iterable[Identity]) -> tuple[Finding, ...]:
    replies = [each.reply for each in identities if _MOCK in {each.llm_mode, each.engine}]
    replies = replies or [each.reply for each in known if each.llm_mode == _MOCK]
    if not replies:
        return ()
    return (
        Finding(
            Status.FAIL,
            Cause.MODEL_MOCK,
            f"{speakers(replies)} answered as the mock, whose text is the same whatever is asked.",
            tuple(Evidence(f"Pod/{pod_of(each) or 'behind the Service'}", "llm_mode", _MOCK) for each in replies),
            "Set LLM_MODE to the target's model (LLM-1 says why it is not).",
        ),
    )


def _unknown(known: Sequence[Answer], unsaid: Sequence[Answer]) -> tuple[Finding, ...]:
    if known and not unsaid:
        return ()
    if not known:
        reason, remedy = "No question was asked: there is no answer to judge.", "See POD-1 for why no pod is ready."
    else:
        reason = (
            f"{speakers(each.reply for each in unsaid)} gave {count(len(unsaid), 'answer')} of {len(known)} without "
            "saying how it ended: whether it is complete is not known."
        )
        remedy = "Make the service send X-Finish-Reason with each answer."
    shown = [answer_evidence(each) for each in unsaid[:_SHOWN]] or [Evidence("Answers", "asked", "none")]
    return (Finding(Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED, reason, tuple(shown), remedy),)


def _unknown_records(records: PatientRecords, *, known: bool) -> tuple[Finding, ...]:
    if known:
        return ()
    return (
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_FORBIDDEN if records.forbidden else Cause.GATE_NOT_MEASURED,
            f"Whether answers name the recorded diagnosis is not known: {records.missing or 'no record was read'}.",
            (Evidence("Patient API", "records of the test patients", "not read"),),
            "Let the gate reach the patient API (get and create pods/portforward in its namespace), or set "
            "diagnosis_rate = 0 in the target's [quality].",
        ),
    )


def _pass(complete: Sequence[_Judged], named: Sequence[_Judged], rates: Rates) -> Verdict:
    ended, told = sum(each.good for each in complete), sum(each.good for each in named)
    if rates.diagnosis:
        sure = confidence(told, len(named), rates.diagnosis)
        diagnosis = (
            f"{told} of {len(named)} name the recorded diagnosis (at least {rates.diagnosis:.0%}, sure to {sure:.0%})"
        )
    else:
        diagnosis = "no rate is set for naming the diagnosis"
    ends = {each.answer.finish_reason or "none said" for each in complete}
    by_end = [f"{end}: {sum((each.answer.finish_reason or 'none said') == end for each in complete)}" for end in ends]
    sure_ended = confidence(ended, len(complete), rates.complete)
    return passed(
        _CRITERION,
        f"{ended} of {count(len(complete), 'answer')} end by themselves (at least {rates.complete:.0%}, sure to "
        f"{sure_ended:.0%}), {diagnosis}, none leaks a thought.",
        (
            Evidence("Answers", "finish reasons", ", ".join(sorted(by_end)) or "none"),
            Evidence("Answers", "name the recorded diagnosis", f"{told} of {len(named)}"),
            Evidence("Answers", "marks of thoughts", f"none in {len(complete)}"),
        ),
    )
