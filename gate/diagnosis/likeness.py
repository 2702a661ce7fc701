"""Whether two answers are one text with other words put in: canned answers, and templates that echo.

Masking takes out what any template can copy: the question's words, the MRN, every number, case, punctuation and
spacing. What is left of a model's answers to different questions differs; what is left of a template is the template.
Compares texts and never judges what they say; no text leaves this module, only figures and short hashes.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from itertools import combinations

from gate.records import Answer

#: Masked texts that share this much (difflib's ratio over words) are one text with other names put in. Measured: 36
#: answers of SmolLM2-135M to 4 patients x 3 questions, greedy and at temperature 0.2, long shared prefixes among them,
#: reach 0.57 at most (2026-11-22); a sentence in which a template replaces one word of ten keeps 0.9.
SAME_TEXT = 0.8

#: Fewer different texts than this share of the different questions: picked from a list, not generated. Every recorded
#: run of 12 questions gave 12 texts; half leaves room for a model that repeats a stock phrase.
DISTINCT_SHARE = 0.5

_WORD = re.compile(r"[^\W\d_]+")
_HASH_CHARS = 8


def echoes(answers: Iterable[Answer]) -> frozenset[str]:
    """Return the words that the questions and MRNs of these answers could have supplied."""
    return frozenset(
        word for each in answers for text in (each.query, each.patient_mrn) for word in _WORD.findall(text.casefold())
    )


def masked(answer: Answer, echoed: frozenset[str]) -> tuple[str, ...]:
    """Return the words of the answer that no question, MRN or number could have supplied.

    Texts are compared after masking the words of all the questions at issue: one canned text must not look like two
    because it shares a word with one of them.
    """
    return tuple(word for word in _WORD.findall(answer.response.casefold()) if word not in echoed)


def text_hash(answer: Answer, echoed: frozenset[str]) -> str:
    """Return a short hash of the masked text: equal hashes are equal texts, and nothing can be read from it."""
    return hashlib.sha256(" ".join(masked(answer, echoed)).encode()).hexdigest()[:_HASH_CHARS]


def likeness(first: Answer, second: Answer) -> float:
    """Return how much of the two masked texts is the same, 0 to 1; two texts of nothing but echo are the same."""
    echoed = echoes((first, second))
    return SequenceMatcher(None, masked(first, echoed), masked(second, echoed), autojunk=False).ratio()


def asked_once(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Return one answer for each (patient, question), the first; a repeated question may be answered alike."""
    return tuple({(each.patient_mrn, each.query): each for each in reversed(answers)}.values())[::-1]


def by_question(own: Sequence[Answer], others: Sequence[Answer] = ()) -> tuple[float, ...]:
    """Return the likenesses of answers to different questions: about the same patient if any are, else about any.

    Args:
        own: one pod's answers.
        others: other pods' answers, compared with where the pod's own hold no such pair.
    """
    pairs = _pairs(own, others, lambda a, b: a.query != b.query)
    same_patient = [(a, b) for a, b in pairs if a.patient_mrn == b.patient_mrn]
    return tuple(likeness(*pair) for pair in same_patient or pairs)


def by_patient(own: Sequence[Answer], others: Sequence[Answer] = ()) -> tuple[float, ...]:
    """Return the likenesses of answers to the same question about different patients; arguments as by_question."""
    pairs = _pairs(own, others, lambda a, b: a.query == b.query and a.patient_mrn != b.patient_mrn)
    return tuple(likeness(*pair) for pair in pairs)


def _pairs(
    own: Sequence[Answer], others: Sequence[Answer], wanted: Callable[[Answer, Answer], bool]
) -> list[tuple[Answer, Answer]]:
    within = [(a, b) for a, b in combinations(own, 2) if wanted(a, b)]
    return within or [(a, b) for a in own for b in others if wanted(a, b)]


def distinct(answers: Sequence[Answer]) -> int:
    """Return how many different masked texts there are."""
    echoed = echoes(answers)
    return len({masked(each, echoed) for each in answers})
