"""SOK-1: what hours show that minutes do not. Restarts, memory, latency, errors, replicas and cost, over all samples.

The samples come from a file that outlives the process that takes them, so a gap is expected and counted; too many of
them and nothing is known. What drifts is judged in ``soak_drift``. Whoever deploys meanwhile ends the soak: two
revisions are two services.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gate.causes import Cause
from gate.diagnosis.quantiles import chance_of_exceeding, nearest_rank
from gate.diagnosis.soak_drift import (
    Bounds,
    latency_evidence,
    latency_findings,
    latency_trends,
    load_rise,
    memory_evidence,
    memory_findings,
    memory_trends,
    unmeasured,
)
from gate.diagnosis.wording import count, duration, names, quote
from gate.records import Asked, Cost, PodSample, SoakPlan, SoakSample
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "SOK-1"
_P95 = 0.95

#: So rarely would a service whose errors stay within the bound show so many by chance. The conventional 5 %.
_CHANCE = 0.05

#: Objects shown one by one; the rest is counted.
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakBounds(Bounds):
    """The same, and what else SOK-1 allows.

    Attributes:
        error_share: of the questions asked, and of the requests that the service counted.
        p95_s: seconds within which 95 % of the answers are complete.
        coverage: share of the planned samples that must be there.
        usd_per_month: the target's budget, None without one.
    """

    error_share: float
    p95_s: float
    coverage: float
    usd_per_month: float | None = None


def soak_verdict(plan: SoakPlan, samples: Sequence[SoakSample], cost: Cost, bounds: SoakBounds) -> Verdict:
    """Judge SOK-1.

    Args:
        plan: what was to be sampled.
        samples: all that was, oldest first; those without a cluster too.
        cost: of the nodes under the pods.
        bounds: what is allowed.
    """
    known = [each for each in samples if not each.trouble]
    memories, latencies, load = memory_trends(known, bounds), latency_trends(known), load_rise(known)
    asked = [pod.asked for each in known for pod in each.pods if pod.asked is not None]
    tally = _Tally.of(known)
    findings = [
        *_restarts(known),
        *memory_findings(memories, bounds),
        *latency_findings(latencies, load, bounds),
        *_slow(asked, bounds),
        *_errors(asked, tally, bounds),
        *_coverage(plan, samples, known, bounds),
        *_deployed_meanwhile(known),
        *unmeasured(
            known,
            [each.pod for each in memories],
            "anonymous memory",
            "Let the service report carepath_chat_memory_bytes in /metrics, and soak for longer than its warm-up.",
        ),
        *unmeasured(
            known, [each.pod for each in latencies], "latency", "Soak for longer, or sample more often (--every)."
        ),
        *_replaced(known),
        *_budget(cost, bounds),
    ]
    evidence = _evidence(plan, samples, known, cost, tally)
    shown = (*map(memory_evidence, memories[:_SHOWN]), *map(latency_evidence, latencies[:_SHOWN]), *evidence)
    rise = max((each.rise.value for each in latencies), default=0.0)
    questions = f"{sum(bool(each.failure) for each in asked)} of {count(len(asked), 'question')}"
    good = (
        f"{duration(_lasted_s(known))} without a restart: memory grows by at most "
        f"{max((each.per_hour.value for each in memories), default=0.0) / 2**20:.1f} MiB/h, latency rose by at most "
        f"{max(rise, 0.0):.0%}, {questions} and {tally.errors:.0f} of "
        f"{tally.answered:.0f} counted requests failed, {cost.told}."
    )
    return judged(_CRITERION, findings, passed(_CRITERION, good, shown)).with_details(
        soak=soak_series(samples),
        figures=[{"of": each.object, "figure": each.field, "value": each.value} for each in shown],
    )


def _lasted_s(known: Sequence[SoakSample]) -> float:
    return (known[-1].at - known[0].at).total_seconds() if known else 0.0


# --- Restarts and replacements ----------------------------------------------------------------------------------------


def _restarts(known: Sequence[SoakSample]) -> Iterator[Finding]:
    """Yield one finding for each pod whose container was restarted while it was watched."""
    seen: dict[str, list[tuple[SoakSample, PodSample]]] = {}
    for sample in known:
        for pod in sample.pods:
            seen.setdefault(pod.uid, []).append((sample, pod))
    for looks in seen.values():
        first, last = looks[0][1], looks[-1][1]
        # A pod that came while the soak ran began at zero.
        before = first.restarts if looks[0][0] is known[0] else 0
        if last.restarts <= before:
            continue
        at = next(sample.at for sample, pod in looks if pod.restarts > before)
        memory = "OOMKilled" in last.last_end
        yield Finding(
            Status.FAIL,
            Cause.CONTAINER_OOM_KILLED if memory else Cause.CONTAINER_RESTARTED,
            f"Pod {last.pod} was restarted {count(last.restarts - before, 'time')} during the soak, first seen at "
            f"{at:%Y-%m-%d %H:%M} UTC (it ended with: {last.last_end or 'not said'}).",
            (Evidence(f"Pod/{last.pod}", "restartCount", f"{before} to {last.restarts}", at),),
            f"kubectl logs {last.pod} --previous --tail=100",
        )


def _replaced(known: Sequence[SoakSample]) -> Iterator[Finding]:
    """Yield that pods went away though no fewer were wanted."""
    lost: list[tuple[SoakSample, PodSample]] = []
    for earlier, later in pairwise(known):
        if earlier.revision != later.revision:
            continue
        there = {each.uid for each in later.pods}
        gone = [each for each in earlier.pods if each.uid not in there]
        fewer = max((earlier.desired or 0) - (later.desired or 0), 0)
        surplus = max(len(earlier.pods) - (earlier.desired or 0), 0)
        lost += [(later, each) for each in gone[fewer + surplus :]]
    if lost:
        yield Finding(
            Status.WARN,
            Cause.POD_LOST,
            f"{count(len(lost), 'pod')} went away though no fewer were wanted: {names([pod.pod for _, pod in lost])}.",
            tuple(Evidence(f"Pod/{pod.pod}", "seen", "not any more", sample.at) for sample, pod in lost[:_SHOWN]),
            "kubectl get events --sort-by=.lastTimestamp: eviction, a drained node, or somebody's hand?",
        )


def _deployed_meanwhile(known: Sequence[SoakSample]) -> Iterator[Finding]:
    for earlier, later in pairwise(known):
        if None not in {earlier.revision, later.revision} and earlier.revision != later.revision:
            yield Finding(
                Status.INCONCLUSIVE,
                Cause.ROLLOUT_SUPERSEDED,
                f"Revision {earlier.revision} became revision {later.revision} at {later.at:%Y-%m-%d %H:%M} UTC: "
                "the soak saw two services.",
                (Evidence("Deployment", "revision", f"{earlier.revision} to {later.revision}", later.at),),
                "Begin a new soak of the newest revision, and let nobody deploy meanwhile.",
            )
            return


# --- Errors and latency -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tally:
    """What the service counted over the soak; counters that began anew are taken up where they stand."""

    answered: float = 0.0
    errors: float = 0.0

    @classmethod
    def of(cls, known: Sequence[SoakSample]) -> "_Tally":
        last: dict[str, PodSample] = {}
        answered = errors = 0.0
        for sample in known:
            for pod in sample.pods:
                if pod.answered is None or pod.errors is None:
                    continue
                before = last.get(pod.uid)
                if before is None and sample is known[0]:
                    last[pod.uid] = pod  # what it did before is not the soak's
                    continue
                then, failed = (before.answered or 0.0, before.errors or 0.0) if before else (0.0, 0.0)
                anew = pod.answered < then
                answered += pod.answered if anew else pod.answered - then
                errors += pod.errors if anew else max(pod.errors - failed, 0.0)
                last[pod.uid] = pod
        return cls(answered, errors)


def _errors(asked: Sequence[Asked], tally: _Tally, bounds: SoakBounds) -> Iterator[Finding]:
    counted = [each for each in asked if each.counts]
    failed = [each for each in counted if each.failure]
    kinds = names(tuple(dict.fromkeys(each.failure for each in failed)))
    for what, number, total, said in (
        ("questions", len(failed), len(counted), f" ({kinds})" if kinds else ""),
        ("counted requests", round(tally.errors), round(tally.answered), " (5xx or 429)"),
    ):
        if not total or number <= bounds.error_share * total:
            continue
        surely = _improbable(number, total, bounds.error_share)
        yield Finding(
            Status.FAIL if surely else Status.WARN,
            Cause.REQUEST_FAILED,
            f"{number} of {total} {what} failed{said}: {number / total:.1%}, allowed {bounds.error_share:.1%}"
            + ("." if surely else "; so few could be an accident."),
            (Evidence("Service", f"{what}: failed, all", f"{number}, {total}"),),
            "Read the pods' logs for errors: `make validate-chat` groups them (LOG-1).",
        )
    if not counted:
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            "No question could be asked in the whole soak.",
            (Evidence("Service", "questions asked", str(len(asked))),),
            "See what acceptance says of the same target: pytest -m acceptance",
        )


def _improbable(number: int, total: int, share: float) -> bool:
    """Return whether a service that keeps to the share would show so many of so many by chance only rarely."""
    return chance_of_exceeding(total, number, 1 - share) <= _CHANCE


def _slow(asked: Sequence[Asked], bounds: SoakBounds) -> Iterator[Finding]:
    seconds = [each.seconds for each in asked if each.counts and each.warm_answer]
    above = sum(each > bounds.p95_s for each in seconds)
    if not seconds or nearest_rank(seconds, _P95) <= bounds.p95_s:
        return
    if not _improbable(above, len(seconds), 1 - _P95):
        return
    yield Finding(
        Status.FAIL,
        Cause.LATENCY_OVER_TARGET,
        f"p95 over the soak is {nearest_rank(seconds, _P95):.1f} s, limit {bounds.p95_s:g} s, exceeded by {above} of "
        f"{count(len(seconds), 'answer')}.",
        (Evidence("Service", "p50, p95", f"{nearest_rank(seconds, 0.5):.1f} s, {nearest_rank(seconds, _P95):.1f} s"),),
        "Give the pods more CPU, lower MAX_TOKENS, or take the node type that `python -m gate size` names.",
    )


# --- What was sampled, and what it cost -------------------------------------------------------------------------------


def _coverage(
    plan: SoakPlan, samples: Sequence[SoakSample], known: Sequence[SoakSample], bounds: SoakBounds
) -> Iterator[Finding]:
    if len(known) >= bounds.coverage * plan.samples:
        return
    troubles = tuple(dict.fromkeys(quote(each.trouble) for each in samples if each.trouble))
    yield Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"{len(known)} of {plan.samples} samples were taken ({bounds.coverage:.0%} are needed); the longest gap is "
        f"{duration(longest_gap_s(known))}" + (f"; the cluster said: {troubles[0]}." if troubles else "."),
        (
            Evidence("Soak", "samples taken, planned", f"{len(known)}, {plan.samples}", plan.started_at),
            *(Evidence("Soak", "trouble", each) for each in troubles[:_SHOWN]),
        ),
        "Keep the soak running (it takes up its file where it stopped), or let the cluster run it: infra/soak.",
    )


def longest_gap_s(known: Sequence[SoakSample]) -> float:
    """Return the longest time between two samples that saw the cluster, 0 with fewer than two."""
    return max(((later.at - earlier.at).total_seconds() for earlier, later in pairwise(known)), default=0.0)


def _budget(cost: Cost, bounds: SoakBounds) -> Iterator[Finding]:
    if bounds.usd_per_month is None or cost.usd_per_month is None or cost.usd_per_month <= bounds.usd_per_month:
        return
    yield Finding(
        Status.WARN,
        Cause.COST_OVER_BUDGET,
        f"The nodes cost USD {cost.usd_per_month:.0f} a month at the soak's mean, budget "
        f"{bounds.usd_per_month:.0f} ({cost.told}).",
        (Evidence("Nodes", "USD per month", f"{cost.usd_per_month:.0f}"),),
        "Lower the HPA's maximum, or take the type that `python -m gate size` names as the cheapest that fits.",
    )


def _evidence(
    plan: SoakPlan, samples: Sequence[SoakSample], known: Sequence[SoakSample], cost: Cost, tally: _Tally
) -> tuple[Evidence, ...]:
    replicas = [len(each.pods) for each in known]
    range_ = f"{min(replicas)} to {max(replicas)}" if replicas else "not seen"
    return (
        Evidence("Soak", "samples taken, planned", f"{len(known)}, {plan.samples}", plan.started_at),
        Evidence("Soak", "longest gap", duration(longest_gap_s(known)), samples[-1].at if samples else None),
        Evidence("Deployment", "replicas", range_),
        Evidence("Service", "counted requests: failed, all", f"{tally.errors:.0f}, {tally.answered:.0f}"),
        Evidence("Nodes", "cost", cost.told),
    )


def soak_series(samples: Sequence[SoakSample]) -> list[dict[str, object]]:
    """Return the samples as the report's picture takes them: one entry for each pod and look."""
    return [
        {
            "at": sample.at.isoformat(),
            "pod": pod.pod,
            "memory_bytes": pod.anonymous_bytes,
            "seconds": round(pod.asked.seconds, 3) if pod.asked and not pod.asked.failure else None,
            "failure": pod.asked.failure if pod.asked else "",
            "restarts": pod.restarts,
            "ready": pod.ready,
        }
        for sample in samples
        for pod in sample.pods
    ]
