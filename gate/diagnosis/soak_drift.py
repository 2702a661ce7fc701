"""SOK-1's drifts: memory that grows, and latency that rises while the load does not. Of every pod by itself.

Memory is the anonymous part that the service reports of itself: pages of a mapped model come and go and kill nobody.
Only one container's life is fitted at a time, without its beginning, when caches and arenas fill. A latency is compared
with the latencies of the same question, so that long and short answers do not stand for slow and fast ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

from gate.causes import Cause
from gate.diagnosis.drift import CONFIDENCE, MIN_POINTS, Estimate, rise, slope
from gate.diagnosis.wording import duration, memory, names
from gate.records import PodSample, SoakSample
from gate.verdict import Evidence, Finding, Status

#: Left out at the beginning of a container's life: the larger allocations of a start come with the first answers to
#: questions of each kind. A fifth of a short soak, and never more than half an hour.
WARM_UP_SHARE, WARM_UP_S = 0.2, 1800.0

#: The beginning that latencies are compared with: a quarter of a short soak, and of a long one the first hour: a
#: burstable node (T3) runs on its credits for about that long, and slows down for good after it.
BEGINNING_SHARE, BEGINNING_S = 0.25, 3600.0

#: Whose latency rises by less than this has not become slower for anybody who waits for it.
NOTICEABLE_S = 0.2

#: The load has grown when its rate surely lies a tenth higher: more than the spread of a user who asks at intervals.
LOAD_GROWTH = 0.1

_HOUR_S, _DAY_H = 3600.0, 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What SOK-1 allows (gate/criteria.toml).

    Attributes:
        memory_share: of the memory limit that a pod's anonymous memory must not reach.
        memory_days: within which it must not.
        latency_growth: share by which latency may rise over the soak.
    """

    memory_share: float
    memory_days: float
    latency_growth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTrend:
    """The growth of one pod's memory over what was judged of its life; bytes, and bytes per hour."""

    pod: str
    began_at: datetime
    ended_at: datetime
    first_bytes: float
    last_bytes: float
    per_hour: Estimate
    limit_bytes: int | None
    room_bytes: float | None
    allowed_per_hour: float | None

    @property
    def lasted_s(self) -> float:
        """Return the seconds that were judged."""
        return (self.ended_at - self.began_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTrend:
    """The rise of one pod's latency from the soak's beginning to its end: share of the beginning, and seconds."""

    pod: str
    before_s: float
    rise: Estimate
    samples: int


def long_lived(samples: Sequence[SoakSample]) -> dict[str, list[tuple[datetime, PodSample]]]:
    """Return the looks at each pod that was there for at least half of the soak, by name; of all where none was."""
    seen: dict[str, list[tuple[datetime, PodSample]]] = {}
    for sample in samples:
        for each in sample.pods:
            seen.setdefault(each.pod, []).append((sample.at, each))
    lasting = {pod: looks for pod, looks in seen.items() if len(looks) * 2 >= len(samples)}
    return lasting or seen


# --- Memory -----------------------------------------------------------------------------------------------------------


def memory_trends(samples: Sequence[SoakSample], bounds: Bounds) -> list[MemoryTrend]:
    """Return the growth of each pod whose memory was measured often enough, the fastest first."""
    found = [trend for pod, looks in long_lived(samples).items() if (trend := _memory_trend(pod, looks, bounds))]
    return sorted(found, key=lambda each: -each.per_hour.value)


def _memory_trend(pod: str, looks: Sequence[tuple[datetime, PodSample]], bounds: Bounds) -> MemoryTrend | None:
    restarts = looks[-1][1].restarts
    life = [
        (at, each.anonymous_bytes)
        for at, each in looks
        if each.restarts == restarts and each.anonymous_bytes is not None
    ]
    if not life:
        return None
    span_s = (life[-1][0] - life[0][0]).total_seconds()
    warm_s = min(span_s * WARM_UP_SHARE, WARM_UP_S)
    judged = [(at, value) for at, value in life if (at - life[0][0]).total_seconds() >= warm_s]
    per_hour = slope([((at - judged[0][0]).total_seconds() / _HOUR_S, value) for at, value in judged])
    if per_hour is None:
        return None
    last = median(value for _, value in judged[-MIN_POINTS:])
    limit = looks[-1][1].limit_bytes
    room = None if limit is None else bounds.memory_share * limit - last
    return MemoryTrend(
        pod=pod,
        began_at=judged[0][0],
        ended_at=judged[-1][0],
        first_bytes=median(value for _, value in judged[:MIN_POINTS]),
        last_bytes=last,
        per_hour=per_hour,
        limit_bytes=limit,
        room_bytes=room,
        allowed_per_hour=None if room is None else max(room, 0.0) / (bounds.memory_days * _DAY_H),
    )


def memory_findings(trends: Sequence[MemoryTrend], bounds: Bounds) -> Iterator[Finding]:
    """Yield what is wrong with each pod's memory."""
    for each in trends:
        if each.limit_bytes is None or each.allowed_per_hour is None or each.room_bytes is None:
            yield Finding(
                Status.WARN,
                Cause.MEMORY_NO_LIMIT,
                f"Pod {each.pod} has no memory limit: nothing says how much its memory may grow "
                f"({_rate(each.per_hour.value)} measured).",
                (memory_evidence(each),),
                "Set resources.limits.memory to the need that `pytest -m preflight` computes, plus a margin.",
            )
        elif each.room_bytes <= 0:
            yield _too_full(each, bounds)
        elif each.per_hour.low > each.allowed_per_hour:
            yield _growing(each, each.room_bytes, each.allowed_per_hour, bounds)
        elif each.per_hour.high > each.allowed_per_hour:
            yield _undecided_memory(each, each.allowed_per_hour)


def memory_evidence(trend: MemoryTrend) -> Evidence:
    """Return the trend as evidence."""
    return Evidence(
        f"Pod/{trend.pod}",
        "anonymous memory",
        f"{memory(trend.first_bytes)} to {memory(trend.last_bytes)} in {duration(trend.lasted_s)}, "
        f"{_rate(trend.per_hour.value)} ({CONFIDENCE:.0%} between {_rate(trend.per_hour.low)} and "
        f"{_rate(trend.per_hour.high)})",
        trend.ended_at,
    )


def _growing(trend: MemoryTrend, room: float, allowed: float, bounds: Bounds) -> Finding:
    left_s = room / trend.per_hour.value * _HOUR_S
    return Finding(
        Status.FAIL,
        Cause.MEMORY_GROWING,
        f"Pod {trend.pod} grows by {_rate(trend.per_hour.value)} ({CONFIDENCE:.0%} sure of more than "
        f"{_rate(trend.per_hour.low)}, allowed {_rate(allowed)}): {bounds.memory_share:.0%} of its "
        f"{memory(trend.limit_bytes or 0)} limit is reached in {duration(left_s)}, not after "
        f"{bounds.memory_days:g} days.",
        (memory_evidence(trend),),
        f"Roll back to the revision before the growth, or restart within {duration(left_s)}: "
        "`kubectl rollout undo deployment/chat-api`; then look for what is kept after each answer.",
    )


def _too_full(trend: MemoryTrend, bounds: Bounds) -> Finding:
    return Finding(
        Status.FAIL,
        Cause.MEMORY_NEAR_LIMIT,
        f"Pod {trend.pod} holds {memory(trend.last_bytes)} of anonymous memory, more than "
        f"{bounds.memory_share:.0%} of its {memory(trend.limit_bytes or 0)} limit.",
        (memory_evidence(trend),),
        "Raise the memory limit, or lower context and parallel requests.",
    )


def _undecided_memory(trend: MemoryTrend, allowed: float) -> Finding:
    return Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_TOO_FEW_SAMPLES,
        f"Whether the memory of pod {trend.pod} grows by more than {_rate(allowed)} cannot be told from "
        f"{duration(trend.lasted_s)}: it lies between {_rate(trend.per_hour.low)} and {_rate(trend.per_hour.high)}.",
        (memory_evidence(trend),),
        "Soak for longer: `pytest -m soak --for=24h`.",
    )


def _rate(bytes_per_hour: float) -> str:
    mib = bytes_per_hour / 2**20
    return f"{mib:.0f} MiB/h" if abs(mib) >= 10 else f"{mib:.1f} MiB/h"  # noqa: PLR2004  # a decimal tells nothing there


# --- Latency ----------------------------------------------------------------------------------------------------------


def latency_trends(samples: Sequence[SoakSample]) -> list[LatencyTrend]:
    """Return the rise of each pod that answered often enough at both ends of the soak, the steepest first."""
    normal = _usual(samples)
    found = [trend for pod, looks in long_lived(samples).items() if (trend := _latency_trend(pod, looks, normal))]
    return sorted(found, key=lambda each: -each.rise.value)


def _usual(samples: Sequence[SoakSample]) -> dict[int, float]:
    """Return the usual seconds of each question, over all pods and the whole soak."""
    by_question: dict[int, list[float]] = {}
    for _, asked in ((sample.at, pod.asked) for sample in samples for pod in sample.pods):
        if asked is not None and asked.warm_answer:
            by_question.setdefault(asked.question, []).append(asked.seconds)
    return {question: median(values) for question, values in by_question.items()}


def _latency_trend(
    pod: str, looks: Sequence[tuple[datetime, PodSample]], usual: dict[int, float]
) -> LatencyTrend | None:
    taken = [
        (at, each.asked)
        for at, each in looks
        if each.asked is not None and each.asked.warm_answer and usual[each.asked.question] > 0
    ]
    first, last = beginning_and_end([at for at, _ in taken])
    shares = [asked.seconds / usual[asked.question] for _, asked in taken]
    risen = rise(shares[:first], shares[last:])
    if risen is None:
        return None
    before_s = median(asked.seconds for _, asked in taken[:first])
    return LatencyTrend(pod=pod, before_s=before_s, rise=risen, samples=len(taken))


def beginning_and_end(times: Sequence[datetime]) -> tuple[int, int]:
    """Return how many of the first looks are the beginning, and from which on they are the end: the second half."""
    if not times:
        return 0, 0
    span_s = (times[-1] - times[0]).total_seconds()
    until_s = min(span_s * BEGINNING_SHARE, BEGINNING_S)
    early = sum((at - times[0]).total_seconds() <= until_s for at in times)
    return min(max(early, MIN_POINTS), len(times) // 2), len(times) - len(times) // 2


def load_rise(samples: Sequence[SoakSample]) -> Estimate | None:
    """Return the rise of the requests answered per second, as a share of the beginning's; None if it is not known."""
    rates = [rate for earlier, later in pairwise(samples) if (rate := _rate_between(earlier, later))]
    first, last = beginning_and_end([at for at, _ in rates])
    return rise([rate for _, rate in rates[:first]], [rate for _, rate in rates[last:]])


def _rate_between(earlier: SoakSample, later: SoakSample) -> tuple[datetime, float] | None:
    seconds = (later.at - earlier.at).total_seconds()
    before = {each.uid: each for each in earlier.pods}
    counted = [
        (each.answered, before[each.uid].answered) for each in later.pods if each.uid in before and each.answered
    ]
    known = [(now, then) for now, then in counted if now is not None and then is not None and now >= then]
    if not known or seconds <= 0:
        return None
    return later.at, sum(now - then for now, then in known) / seconds


def latency_findings(trends: Sequence[LatencyTrend], load: Estimate | None, bounds: Bounds) -> Iterator[Finding]:
    """Yield what is wrong with each pod's latency, given how the load moved."""
    for each in trends:
        if each.rise.low > bounds.latency_growth and each.rise.value * each.before_s > NOTICEABLE_S:
            yield _slower(each, load, bounds)
        elif each.rise.high > bounds.latency_growth and each.rise.high * each.before_s > NOTICEABLE_S:
            yield _undecided_latency(each, bounds)


def latency_evidence(trend: LatencyTrend) -> Evidence:
    """Return the trend as evidence."""
    return Evidence(
        f"Pod/{trend.pod}",
        "seconds per answer",
        f"{trend.before_s:.2f} s at the beginning, {trend.rise.value:+.0%} in the second half "
        f"({CONFIDENCE:.0%} between {trend.rise.low:+.0%} and {trend.rise.high:+.0%}), {trend.samples} samples",
    )


def _slower(trend: LatencyTrend, load: Estimate | None, bounds: Bounds) -> Finding:
    rose = (
        f"Pod {trend.pod} answers {trend.rise.value:.0%} slower than at the beginning "
        f"({trend.before_s:.2f} s then, allowed {bounds.latency_growth:.0%})"
    )
    if load is None:
        return Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"{rose}, and nobody knows whether the load grew: no pod says how many requests it answered.",
            (latency_evidence(trend),),
            "Let the service count its requests in /metrics (carepath_chat_requests_total), and soak again.",
        )
    evidence = (latency_evidence(trend), Evidence("Service", "requests per second", f"{load.value:+.0%}"))
    if load.low > LOAD_GROWTH:
        return Finding(
            Status.WARN,
            Cause.LATENCY_DRIFTING,
            f"{rose}; the load grew by {load.value:.0%} in the same time.",
            evidence,
            "Add replicas or lower the HPA's target, and judge the latency under that load: `make load-chat`.",
        )
    return Finding(
        Status.FAIL,
        Cause.LATENCY_DRIFTING,
        f"{rose} while the load did not grow ({load.value:+.0%}).",
        evidence,
        f"Look at the node of pod {trend.pod}: CPU credits of a burstable type, neighbours, throttling: "
        f"`kubectl get pod {trend.pod} -o wide`, then `kubectl top node`.",
    )


def _undecided_latency(trend: LatencyTrend, bounds: Bounds) -> Finding:
    return Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_TOO_FEW_SAMPLES,
        f"Whether pod {trend.pod} became more than {bounds.latency_growth:.0%} slower cannot be told from "
        f"{trend.samples} answers: between {trend.rise.low:+.0%} and {trend.rise.high:+.0%}.",
        (latency_evidence(trend),),
        "Soak for longer, or sample more often: `pytest -m soak --for=24h`.",
    )


def unmeasured(samples: Sequence[SoakSample], judged: Sequence[str], what: str, remedy: str) -> Iterator[Finding]:
    """Yield that a drift could not be judged of pods that were there for long enough."""
    missing = sorted(set(long_lived(samples)) - set(judged))
    if missing:
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"Too few figures of the {what} of {names(missing)} to say whether it drifts.",
            tuple(Evidence(f"Pod/{pod}", what, f"fewer than {MIN_POINTS} figures to judge") for pod in missing),
            remedy,
        )
