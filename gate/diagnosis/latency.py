"""LAT-1: warm triage latency, each claim with the confidence that its samples carry.

The first request of a pod is cold and is shown apart. A refused, empty or deadline-cut answer is not a fast one: it
counts as slower than any limit, and one is enough to fail. ``length`` is different: the answer ran through the whole
token budget that the operator chose (MAX_TOKENS), so its time is that of the longest answer the service gives. It
counts with its time; when most answers end so, the verdict warns, because a smaller budget would buy a better figure.
"""

import math
from collections.abc import Sequence
from statistics import median

from gate.causes import Cause
from gate.diagnosis.exchanges import (
    OK,
    Refusal,
    answer_evidence,
    asked,
    outcome,
    pod_of,
    refusal,
    unasked_findings,
    was_asked,
)
from gate.diagnosis.quantiles import chance_of_exceeding, confidence_below, nearest_rank
from gate.diagnosis.wording import count, names
from gate.records import Answer
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "LAT-1"
_P95 = 0.95

#: So rarely would a service that meets the limit look this bad by chance: then few samples suffice to fail it. The
#: conventional 5 %.
_CHANCE = 0.05

#: A pod whose median is so many times that of the others is slow by itself, not by the spread of its answers: answer
#: lengths of one model vary about twofold (SmolLM2 on 2 cores, 36 recorded answers, 2026-11-22).
SLOW_POD_RATIO = 3.0

#: Below three warm answers a pod's median is one answer's length.
MIN_POD_SAMPLES = 3

#: Failed answers shown one by one; the rest is counted.
_SHOWN = 5


def failure(answer: Answer) -> str | None:
    """Return why the answer is none: refused, empty or cut short by the deadline; None for a complete one."""
    if answer.reply.status != OK:
        return outcome(answer.reply)
    if not answer.response.strip():
        return "empty answer"
    if answer.finish_reason == "deadline":
        return "cut short by the deadline"
    return None


def latency_verdict(answers: Sequence[Answer], *, p95_limit_s: float, min_samples: int) -> Verdict:
    """Judge LAT-1.

    FAIL when the sample p95 (nearest rank, failures above everything) exceeds the limit and that is no accident of few
    samples, when any answer failed, or when one pod's median exceeds the limit although the pool passes. INCONCLUSIVE
    with fewer warm samples than the claim needs. WARN when a single pod is much slower than the others, or when samples
    above the limit leave less confidence than ``min_samples`` clean ones give.

    Args:
        answers: of all pods; ``cold`` ones are shown and not counted, unless they failed.
        p95_limit_s: seconds.
        min_samples: warm samples that the claim needs.
    """
    known = [each for each in answers if was_asked(each.reply)]
    warm = [each for each in known if not each.cold]
    figures = _Figures(warm, p95_limit_s)
    findings = [
        *_failures(known),
        *_pods(warm, p95_limit_s),
        *_pool(figures, min_samples),
        *_budget_cut(warm),
        *unasked_findings(each.reply for each in answers),
    ]
    verdict = judged(_CRITERION, findings, passed(_CRITERION, figures.claim(), figures.evidence(known)))
    return verdict.with_details(latencies=latency_series(answers))


def latency_series(answers: Sequence[Answer]) -> list[dict[str, object]]:
    """Return the answers as the report's picture takes them: pod, seconds, cold, status."""
    return [
        {
            "pod": pod_of(each.reply) or "service",
            "seconds": round(each.reply.elapsed_s, 3),
            "cold": each.cold,
            "status": failure(each) or "ok",
        }
        for each in answers
    ]


class _Figures:
    """The warm samples as figures; a failed one is infinitely slow."""

    def __init__(self, warm: Sequence[Answer], limit_s: float) -> None:
        self.limit_s = limit_s
        self.seconds = [math.inf if failure(each) else each.reply.elapsed_s for each in warm]
        self.samples = len(self.seconds)
        self.above = sum(each > limit_s for each in self.seconds)
        self.p95_s = nearest_rank(self.seconds, _P95) if self.seconds else math.inf
        self.confidence = confidence_below(self.samples, self.above, _P95)

    def claim(self) -> str:
        """Return the pass as a sentence."""
        return (
            f"Warm p95 is {_s(self.p95_s)} of {self.samples} samples, limit {_s(self.limit_s)}: "
            f"the true p95 is below the limit with {self.confidence:.0%} confidence."
        )

    def evidence(self, known: Sequence[Answer]) -> tuple[Evidence, ...]:
        """Return p50, p95, max, the cold requests and the ends of the answers."""
        cold = [each.reply.elapsed_s for each in known if each.cold]
        at = max((each.reply.started_at for each in known), default=None)
        ends = {each.finish_reason or "not said" for each in known if not each.cold}
        by_end = [
            f"{end}: {sum((each.finish_reason or 'not said') == end for each in known if not each.cold)}"
            for end in sorted(ends)
        ]
        middle = f"{_s(nearest_rank(self.seconds, 0.5))}" if self.seconds else "none"
        highest = f"{_s(max(self.seconds))}" if self.seconds else "none"
        return (
            Evidence("Service", "warm latency p50", middle, at),
            Evidence("Service", "warm latency p95", _s(self.p95_s) if self.seconds else "none", at),
            Evidence("Service", "warm latency max", highest, at),
            Evidence("Service", "warm samples", f"{self.samples}, of which {self.above} above {_s(self.limit_s)}", at),
            Evidence("Service", "cold first requests", names([_s(each) for each in cold]) or "none", at),
            Evidence("Service", "ends of the answers", ", ".join(by_end) or "none", at),
        )


def _s(seconds: float) -> str:
    return "no answer" if math.isinf(seconds) else f"{seconds:.1f} s"


def _failures(known: Sequence[Answer]) -> tuple[Finding, ...]:
    bad = [(each, why) for each in known if (why := failure(each))]
    if not bad:
        return ()
    kinds = tuple(dict.fromkeys(f"{why} from {asked(each.reply)}" for each, why in bad))
    first = bad[0][0]
    if all(each.reply.status == OK for each, _ in bad):
        meant = Refusal(
            Cause.MODEL_CUT_SHORT if first.response.strip() else Cause.MODEL_EMPTY_ANSWER,
            "Raise REQUEST_DEADLINE_S or lower MAX_TOKENS and THINKING_BUDGET_TOKENS until answers end by themselves.",
        )
    else:
        meant = refusal(next(each.reply for each, _ in bad if each.reply.status != OK))
    return (
        Finding(
            Status.FAIL,
            meant.cause,
            f"{len(bad)} of {count(len(known), 'question')} got no complete answer: {names(kinds)}.",
            tuple(answer_evidence(each) for each, _ in bad[:_SHOWN]),
            meant.remedy,
        ),
    )


def _pool(figures: _Figures, min_samples: int) -> tuple[Finding, ...]:
    limit, samples, above = _s(figures.limit_s), figures.samples, figures.above
    evidence = figures.evidence(())
    by_chance = chance_of_exceeding(samples, above, _P95) if above else 1.0
    if figures.p95_s > figures.limit_s and samples and (samples >= min_samples or by_chance <= _CHANCE):
        return (
            Finding(
                Status.FAIL,
                Cause.LATENCY_OVER_TARGET,
                f"Warm p95 is {_s(figures.p95_s)}, limit {limit}, exceeded by {above} of {samples} samples "
                f"(p50 {_s(nearest_rank(figures.seconds, 0.5))}).",
                evidence,
                "Give the pods more CPU, lower MAX_TOKENS, or take the node type that `python -m gate size` names.",
            ),
        )
    if samples < min_samples:
        return (
            Finding(
                Status.INCONCLUSIVE,
                Cause.GATE_TOO_FEW_SAMPLES,
                f"{count(samples, 'warm sample')} of the {min_samples} that a p95 claim needs: "
                f"{above} above {limit}, confidence {figures.confidence:.0%}.",
                evidence,
                "Raise latency_budget_s in the target's [acceptance] until all samples fit.",
            ),
        )
    needed = confidence_below(min_samples, 0, _P95)
    if figures.confidence < needed:
        return (
            Finding(
                Status.WARN,
                Cause.LATENCY_OVER_TARGET,
                f"Warm p95 is {_s(figures.p95_s)}, limit {limit} exceeded by {above} of {samples} samples: the true "
                f"p95 is below the limit with only {figures.confidence:.0%} confidence ({needed:.0%} wanted).",
                evidence,
                "Take more samples (latency_samples in the target's [acceptance]) before relying on the figure.",
            ),
        )
    return ()


def _pods(warm: Sequence[Answer], limit_s: float) -> tuple[Finding, ...]:
    seconds: dict[str, list[float]] = {}
    for each in warm:
        pod = pod_of(each.reply)
        if pod is not None and failure(each) is None:
            seconds.setdefault(pod, []).append(each.reply.elapsed_s)
    medians = {pod: median(values) for pod, values in seconds.items() if len(values) >= MIN_POD_SAMPLES}
    found: list[Finding] = []
    for pod, own in medians.items():
        others = [value for name, value in medians.items() if name != pod]
        if not others:
            continue
        over = own > limit_s >= median(others)
        if not over and own <= SLOW_POD_RATIO * median(others):
            continue
        found.append(
            Finding(
                Status.FAIL if over else Status.WARN,
                Cause.LATENCY_OVER_TARGET,
                f"Pod {pod} is slow by itself: median {_s(own)} of {len(seconds[pod])} samples, "
                f"the other pods {_s(median(others))}, limit {_s(limit_s)}.",
                (
                    Evidence(f"Pod/{pod}", "warm latency median", _s(own)),
                    Evidence("Other pods", "warm latency median", _s(median(others))),
                ),
                f"Compare the node of pod {pod} with the others': throttling, neighbours, CPU credits.",
            )
        )
    return tuple(found)


def _budget_cut(warm: Sequence[Answer]) -> tuple[Finding, ...]:
    cut = [each for each in warm if each.finish_reason == "length" and failure(each) is None]
    if len(cut) * 2 <= len(warm):
        return ()
    return (
        Finding(
            Status.WARN,
            Cause.MODEL_CUT_SHORT,
            f"{len(cut)} of {count(len(warm), 'warm answer')} used up the token budget and end in mid-sentence: "
            "the latency is that of the budget, not of whole answers.",
            tuple(answer_evidence(each) for each in cut[:_SHOWN]),
            "Raise MAX_TOKENS until most answers end by themselves, and judge the latency again.",
        ),
    )
