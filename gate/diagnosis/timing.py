"""Whether answers take the time that generating their tokens takes.

A model reads all its weights for each token, so time grows with the answer's length and has a floor that hardware
sets. A canned text behind a sleep has neither. LLM-1's third proof, and the weakest: it speaks only where it can
(enough answers, of lengths that differ), because the noise of a shared node must not fail a real model; how often it
would stands beside the numbers, and what noise alone could do only warns. Time is what the client waited less what the
service says the request queued.
"""

from collections.abc import Sequence
from statistics import correlation, median

from gate.causes import Cause
from gate.diagnosis.exchanges import pod_of, speakers
from gate.diagnosis.quantiles import ranks
from gate.diagnosis.wording import count
from gate.records import Answer
from gate.verdict import Evidence, Finding, Status

#: No token comes faster: each reads the weights once, and the smallest model of the catalogue (98 MB) at the memory
#: bandwidth of a two-socket DDR5 server (about 600 GB/s) takes 0.16 ms. Measured: 13 ms on 2 cores, 2026-11-22.
FASTEST_TOKEN_S = 0.00015

#: Tokens' worth of time that does not depend on the answer's length, beside the prompt (a prompt token never costs more
#: than a generated one): twice the thinking budget of the catalogue (128), for thoughts and sampling.
HIDDEN_TOKENS = 256

#: Growth of time that must be expected, between shortest and longest answer, before its absence says anything; less
#: drowns in jitter. Half of the expected growth is asked for.
LEAST_GROWTH = 0.08

#: Lengths differ when the longest answer has at least twice the tokens of the shortest: two lengths to compare.
LENGTH_RATIO = 2.0

#: Answers (pooled over the pods) from which a rank correlation is looked at, and the one below which time and length
#: are unrelated. Only a warning: simulated with the recorded lengths, 2,000 runs of 20 answers with 30 % noise, a model
#: falls below 0 never, one whose every fourth answer is two to four times slower in 0.5 %, a thinking one (its thoughts
#: are not in the token count) in 6 %; random sleeps do in 48 %.
MIN_CORRELATED = 20
UNRELATED = 0.0


def timing_findings(answers: Sequence[Answer]) -> tuple[Finding, ...]:
    """Return why the times of these answers cannot be a model's; nothing where they can be, or cannot be judged.

    Args:
        answers: complete ones. Cold ones are left out: the first pays for page faults.
    """
    warm = [each for each in answers if not each.cold]
    uncounted = [each for each in warm if each.completion_tokens is None]
    if uncounted:
        return (_uncounted(uncounted),)
    return tuple(each for each in (_instant(warm), *_constant(warm), _unrelated(warm)) if each is not None)


def timing_evidence(answers: Sequence[Answer]) -> tuple[Evidence, ...]:
    """Return the figures behind a pass, and what could not be judged."""
    warm = [each for each in answers if not each.cold and each.completion_tokens]
    if not warm:
        return (Evidence("Answers", "seconds per token", "not judged: no warm answer"),)
    per_token = median(seconds(each) / _tokens(each) for each in warm)
    lengths = [_tokens(each) for each in warm]
    pooled = _comparable(warm)
    related = (
        f"{_correlation(pooled):.2f}" if len(pooled) >= MIN_CORRELATED else "not judged: too few, or of one length"
    )
    return (
        Evidence("Answers", "seconds per token", f"median {per_token:.4f} of {count(len(warm), 'warm answer')}"),
        Evidence("Answers", "tokens", f"{min(lengths)} to {max(lengths)}"),
        Evidence("Answers", "rank correlation of time and tokens", related),
    )


def seconds(answer: Answer) -> float:
    """Return the seconds that the client waited for the answer itself, the queue left out."""
    return max(answer.reply.elapsed_s - (answer.queue_ms or 0.0) / 1000, 0.0)


def _tokens(answer: Answer) -> int:
    return answer.completion_tokens or 0


def _evidence(answer: Answer) -> Evidence:
    value = f"{_tokens(answer)} tokens in {seconds(answer):.3f} s"
    return Evidence(f"Pod/{pod_of(answer.reply) or 'behind the Service'}", "answer", value, answer.reply.started_at)


def _uncounted(answers: Sequence[Answer]) -> Finding:
    return Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"{speakers(each.reply for each in answers)} gave {count(len(answers), 'answer')} without a token count: "
        "whether they take a model's time cannot be judged.",
        tuple(_evidence(each) for each in answers[:1]),
        "Make the service send X-Completion-Tokens with each answer.",
    )


def _instant(warm: Sequence[Answer]) -> Finding | None:
    instant = [each for each in warm if seconds(each) < _tokens(each) * FASTEST_TOKEN_S]
    if not instant:
        return None
    fastest = min(instant, key=lambda each: seconds(each) / _tokens(each))
    return Finding(
        Status.FAIL,
        Cause.MODEL_IMPLAUSIBLE_TIMING,
        f"{speakers(each.reply for each in instant)} gave {_tokens(fastest)} tokens in "
        f"{seconds(fastest) * 1000:.1f} ms, and no hardware needs less than {FASTEST_TOKEN_S * 1000:.2f} ms for one: "
        "the text was there before.",
        tuple(_evidence(each) for each in instant[:3]),
        "Find out what answers instead of the model: a cache, a proxy or a stub in front of it.",
    )


def _by_pod(warm: Sequence[Answer]) -> list[list[Answer]]:
    pods: dict[str, list[Answer]] = {}
    for each in warm:
        pods.setdefault(each.reply.via, []).append(each)
    return [own for own in pods.values() if len(own) > 1 and _differ(own)]


def _differ(answers: Sequence[Answer]) -> bool:
    lengths = [_tokens(each) for each in answers]
    return min(lengths) > 0 and max(lengths) >= LENGTH_RATIO * min(lengths)


def _constant(warm: Sequence[Answer]) -> list[Finding]:
    found: list[Finding] = []
    for own in _by_pod(warm):
        times = [seconds(each) for each in own]
        expected = _expected_growth(own)
        grew = max(times) > (1 + expected / 2) * min(times)
        if grew or expected < LEAST_GROWTH or len(own) < 3:  # noqa: PLR2004  # two may agree by chance
            continue
        lengths = [_tokens(each) for each in own]
        found.append(
            Finding(
                Status.FAIL,
                Cause.MODEL_IMPLAUSIBLE_TIMING,
                f"{speakers(each.reply for each in own)} took {min(times):.2f} to {max(times):.2f} s whether the "
                f"answer had {min(lengths)} tokens or {max(lengths)}: a pause, not a generation.",
                (_evidence(min(own, key=_tokens)), _evidence(max(own, key=_tokens))),
                "Find out what answers instead of the model: a stub that sleeps, or a proxy that delays.",
            )
        )
    return found


def _expected_growth(own: Sequence[Answer]) -> float:
    """Return by which share the longest answer takes longer than the shortest, at the very least."""
    fixed = HIDDEN_TOKENS + max(each.prompt_tokens or 0 for each in own)
    lengths = [_tokens(each) for each in own]
    return (max(lengths) - min(lengths)) / (fixed + min(lengths))


def _comparable(warm: Sequence[Answer]) -> list[tuple[float, float]]:
    """Return (tokens, time over the pod's own median): pods of different speed become comparable."""
    return [
        (float(_tokens(each)), seconds(each) / middle)
        for own in _by_pod(warm)
        if (middle := median(seconds(each) for each in own)) > 0
        for each in own
    ]


def _correlation(pooled: Sequence[tuple[float, float]]) -> float:
    """Return Spearman's rank correlation; 0 where all times are the same."""
    tokens, times = [each[0] for each in pooled], [each[1] for each in pooled]
    if len(set(tokens)) == 1 or len(set(times)) == 1:
        return 0.0
    return correlation(ranks(tokens), ranks(times))


def _unrelated(warm: Sequence[Answer]) -> Finding | None:
    pooled = _comparable(warm)
    if len(pooled) < MIN_CORRELATED or (related := _correlation(pooled)) >= UNRELATED:
        return None
    shortest, longest = min(warm, key=_tokens), max(warm, key=_tokens)
    return Finding(
        Status.WARN,
        Cause.MODEL_IMPLAUSIBLE_TIMING,
        f"The time of {len(pooled)} answers is unrelated to their {_tokens(shortest)} to {_tokens(longest)} tokens "
        f"(rank correlation {related:.2f}, a model's is near 1).",
        (_evidence(shortest), _evidence(longest)),
        "Find out what answers instead of the model: a stub that sleeps, or a proxy that delays.",
    )
