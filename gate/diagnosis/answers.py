"""LLM-1: every pod answers with the target's model, never the mock, a template or another model.

Three independent proofs: what the pod declares (``identity``), whether its answers differ by question and by patient
(``likeness``), and whether they take the time that tokens take (``timing``). Against misconfiguration, not an
adversary. Whether an answer is right is never judged; its text leaves no trace but length, token count and a hash.
"""

import re
from collections.abc import Iterable, Sequence

from gate.causes import Cause
from gate.diagnosis import likeness
from gate.diagnosis.exchanges import (
    OK,
    THINK_LESS,
    answer_evidence,
    asked,
    exchange_evidence,
    no_ready_pod,
    outcome,
    pod_of,
    refusal,
    speakers,
    unasked_findings,
    was_asked,
)
from gate.diagnosis.identity import declaration_evidence, identity_findings, mode_findings
from gate.diagnosis.timing import timing_evidence, timing_findings
from gate.diagnosis.wording import count, names
from gate.records import Answer, Identity, Reply
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "LLM-1"

#: Answers of one kind shown as evidence; the rest is counted.
_SHOWN = 4

#: Thoughts between their marks (Qwen3's chat template opens them itself, so that only the end may be there).
_THOUGHTS = re.compile(r"^(?:(?!<think>).)*</think>|<think>.*?(?:</think>|$)", re.DOTALL | re.IGNORECASE)

#: Answers to different questions from which "picked from a list" can be told from "two happened to be alike".
_MIN_FOR_LIST = 4


def model_verdict(
    identities: Sequence[Identity],
    answers: Sequence[Answer],
    *,
    expected_model: str,
    pods: Sequence[str],
    expected_sha256: str = "",
) -> Verdict:
    """Judge LLM-1.

    Args:
        identities: what each pod's /version declared.
        answers: triage answers, of pods and possibly through the Service.
        expected_model: the target's model, as the service's catalogue names it.
        pods: every pod that must have declared itself and answered.
        expected_sha256: of the model's file in that catalogue; empty where it lists none.
    """
    declared = [each for each in identities if was_asked(each.reply)]
    known = [each for each in answers if was_asked(each.reply)]
    good = [each for each in known if each.reply.status == OK and _words(each)]
    findings = [
        *no_ready_pod(pods, f"that could answer with {expected_model}"),
        *identity_findings(declared, expected_model, expected_sha256),
        *mode_findings(good, expected_model),
        *_failed(known),
        *_silent(known),
        *_one_token(good),
        *_canned(good, pods),
        *timing_findings(good),
        *_violations([(each.reply, each.violations) for each in declared]),
        *_violations([(each.reply, each.violations) for each in known]),
        *_unheard(pods, {pod_of(each.reply) for each in identities}, "asked for /version"),
        *_unheard(pods, {pod_of(each.reply) for each in answers}, "asked a question"),
        *unasked_findings([*(each.reply for each in identities), *(each.reply for each in answers)]),
    ]
    return judged(_CRITERION, findings, _pass(declared, good, expected_model, pods))


def _pass(declared: Sequence[Identity], good: Sequence[Answer], expected: str, pods: Sequence[str]) -> Verdict:
    once = likeness.asked_once(good)
    texts = Evidence("Answers", "different masked texts", f"{likeness.distinct(once)} of {len(once)} questions")
    return passed(
        _CRITERION,
        f"{count(len(pods), 'pod')} declared {expected} and gave {count(len(good), 'answer')} that differ by question "
        "and by patient and take the time of their tokens.",
        [*(declaration_evidence(each) for each in declared), texts, *timing_evidence(good)],
    )


def _failed(known: Sequence[Answer]) -> tuple[Finding, ...]:
    """Return the refused and failed questions, one finding for each kind of failure, naming the pods."""
    total = len(known)
    groups: dict[tuple[str, Cause], list[Reply]] = {}
    for each in known:
        if each.reply.status != OK:
            groups.setdefault((each.reply.trouble or outcome(each.reply), refusal(each.reply).cause), []).append(
                each.reply
            )
    return tuple(_failed_alike(group, total) for group in groups.values())


def _failed_alike(group: Sequence[Reply], total: int) -> Finding:
    meant = refusal(group[0])
    who = tuple(dict.fromkeys(asked(each) for each in group))
    return Finding(
        Status.FAIL,
        meant.cause,
        f"{len(group)} of {count(total, 'question')} got {outcome(group[0])} from {names(who)}.",
        tuple(exchange_evidence(each) for each in group[:_SHOWN]),
        meant.remedy,
    )


def _silent(known: Sequence[Answer]) -> tuple[Finding, ...]:
    """Return the answers without a word: those whose tokens all went into thinking, and those that are just empty."""
    wordless = [each for each in known if each.reply.status == OK and not _words(each)]
    thinking = [each for each in wordless if each.finish_reason == "length" or each.response.strip()]
    empty = [each for each in wordless if each not in thinking]
    found = (
        (
            thinking,
            Cause.MODEL_THINKING_UNFINISHED,
            " without a word: all its tokens went into thoughts",
            THINK_LESS,
        ),
        (
            empty,
            Cause.MODEL_EMPTY_ANSWER,
            " without a word, and not for want of tokens",
            "Read the service's log for the trace ids of these answers: the model ended at once.",
        ),
    )
    return tuple(
        Finding(
            Status.FAIL,
            cause,
            f"{speakers(each.reply for each in which)} gave {count(len(which), 'answer')} of {len(known)}{what}.",
            tuple(answer_evidence(each) for each in which[:_SHOWN]),
            remedy,
        )
        for which, cause, what, remedy in found
        if which
    )


def _words(answer: Answer) -> str:
    """Return what is left of an answer outside of its thoughts, closed ones and one that never closes."""
    return _THOUGHTS.sub("", answer.response).strip()


def _one_token(good: Sequence[Answer]) -> tuple[Finding, ...]:
    """Return the pods whose answers are cut to one token.

    One short answer that ended by itself may be right ("Yes."); one that a limit ended, or nothing but such, is not.
    """
    pods: dict[str, list[Answer]] = {}
    for each in good:
        pods.setdefault(each.reply.via, []).append(each)
    cut = [
        each
        for own in pods.values()
        for each in own
        if _is_one_token(each) and (each.finish_reason != "stop" or all(_is_one_token(other) for other in own))
    ]
    if not cut:
        return ()
    return (
        Finding(
            Status.FAIL,
            Cause.MODEL_CUT_SHORT,
            f"{speakers(each.reply for each in cut)} gave {count(len(cut), 'answer')} of a single token.",
            tuple(answer_evidence(each) for each in cut[:_SHOWN]),
            "Set MAX_TOKENS to what an answer of a few sentences needs.",
        ),
    )


def _is_one_token(answer: Answer) -> bool:
    if answer.completion_tokens is None:
        return len(answer.response.split()) <= 1
    return answer.completion_tokens <= 1


def _canned(good: Sequence[Answer], pods: Sequence[str]) -> tuple[Finding, ...]:
    found: list[Finding] = []
    for pod in pods:
        own = likeness.asked_once([each for each in good if pod_of(each.reply) == pod])
        others = likeness.asked_once([each for each in good if pod_of(each.reply) not in {pod, None}])
        if own:
            found += _canned_pod(pod, own, others)
    return tuple(found)


def _canned_pod(pod: str, own: Sequence[Answer], others: Sequence[Answer]) -> list[Finding]:
    axes = (("question", likeness.by_question(own, others)), ("patient", likeness.by_patient(own, others)))
    alike = [(by, pairs) for by, pairs in axes if pairs and min(pairs) >= likeness.SAME_TEXT]
    if sum(len(pairs) for _, pairs in alike) == 1:  # a model may happen to say the same twice
        return [_uncovered(pod, own, by) for by, _ in alike]
    found = [_same_text(pod, own, by, min(pairs)) for by, pairs in alike]
    found += [_uncovered(pod, own, by) for by, pairs in axes if not pairs]
    texts = likeness.distinct(own)
    if not found and len(own) >= _MIN_FOR_LIST and texts < likeness.DISTINCT_SHARE * len(own):
        found.append(
            _canned_finding(pod, own, f"gave {texts} different answers to {len(own)} questions: picked from a list")
        )
    return found


def _same_text(pod: str, own: Sequence[Answer], by: str, least: float) -> Finding:
    if likeness.distinct(own) == 1:
        what = f"gave one text to {count(len(own), 'question')}, once question, patient and numbers are masked"
    else:
        what = f"gave answers that do not differ by {by}: at least {least:.0%} of each text is the same"
    return _canned_finding(pod, own, what)


def _canned_finding(pod: str, own: Sequence[Answer], what: str) -> Finding:
    echoed = likeness.echoes(own)
    return Finding(
        Status.FAIL,
        Cause.MODEL_CANNED,
        f"Pod {pod} {what}.",
        tuple(
            Evidence(
                f"Pod/{pod}",
                "answer",
                f"{len(each.response)} characters, {each.completion_tokens} tokens, "
                f"masked text {likeness.text_hash(each, echoed)}",
                each.reply.started_at,
            )
            for each in own[:_SHOWN]
        ),
        f"Check LLM_MODE and what answers in pod {pod}: a model's answers differ.",
    )


def _uncovered(pod: str, own: Sequence[Answer], by: str) -> Finding:
    return Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_TOO_FEW_SAMPLES,
        f"Pod {pod} gave {count(len(own), 'answer')}, too few to see whether they differ by {by}.",
        (Evidence(f"Pod/{pod}", "answers to different questions", str(len(own))),),
        "Raise latency_samples and latency_budget_s in the target's [acceptance].",
    )


def _violations(exchanges: Sequence[tuple[Reply, tuple[str, ...]]]) -> tuple[Finding, ...]:
    broken = [(reply, each) for reply, violations in exchanges for each in violations]
    if not broken:
        return ()
    first = broken[0]
    kinds = tuple(dict.fromkeys(each.rstrip(".") for _, each in broken))
    return (
        Finding(
            Status.FAIL,
            Cause.CONTRACT_VIOLATED,
            f"{speakers(reply for reply, _ in broken)} broke the service's contract: {names(kinds)}.",
            tuple(Evidence(exchange_evidence(reply).object, reply.path, each) for reply, each in broken[:_SHOWN]),
            f"Compare the image of {asked(first[0])} with the contract that CON-3 judges.",
        ),
    )


def _unheard(pods: Sequence[str], heard: Iterable[str | None], what: str) -> tuple[Finding, ...]:
    missing = [each for each in pods if each not in set(heard)]
    if not missing:
        return ()
    return (
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"Not {what}: {len(missing)} of {count(len(pods), 'pod')} ({names(missing)}).",
            tuple(Evidence(f"Pod/{each}", "exchanges", "none") for each in missing),
            "Run the gate again: the pods changed while they were being asked.",
        ),
    )
