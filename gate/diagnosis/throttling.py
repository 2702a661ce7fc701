"""RES-1's throttling: for how much of its work each pod was stopped by its CPU limit, while it answered.

Told by the pods' own counters of CFS periods, before and after this run's questions: at rest there is nothing to
throttle, and the counters since the start hold the load of the model. The share of periods alone cries wolf: a process
whose threads equal its limit is clipped at the end of most periods by the few milliseconds that its other threads take.
It counts where CPU time was withheld too: threads beyond the limit are stopped all together for half of each period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gate.causes import Cause
from gate.diagnosis.readings import pod_name
from gate.diagnosis.wording import count
from gate.records import PodMetrics, Readings
from gate.verdict import Evidence, Finding, Status

#: Periods (of 100 ms, the default of kubelets) that wanted CPU, from which a share says something: 2 s of work.
MIN_PERIODS = 20


@dataclass(frozen=True, slots=True)
class ThrottlingLimits:
    """What is in bounds; both must be exceeded.

    Attributes:
        period_share: share of the CFS periods in which the container was stopped.
        withheld_share: share of the CPU time that it wanted and did not get.
    """

    period_share: float
    withheld_share: float


@dataclass(frozen=True, slots=True)
class _Throttled:
    """One pod between two readings."""

    pod: str
    periods: int
    stopped: int
    withheld_s: float
    used_s: float
    at: datetime

    @property
    def period_share(self) -> float:
        return self.stopped / self.periods if self.periods else 0.0

    @property
    def withheld_share(self) -> float:
        wanted_s = self.withheld_s + self.used_s
        return self.withheld_s / wanted_s if wanted_s else 0.0


def throttling_findings(
    readings: Readings,
    cpu_limits_m: Mapping[str, int | None],
    limits: ThrottlingLimits,
    deployment: str,
    namespace: str,
) -> list[Finding]:
    """Return the pod that was stopped most, if that is out of bounds.

    Args:
        readings: before and after questions.
        cpu_limits_m: of each pod, in millicores.
        limits: what is in bounds.
        deployment: for the command.
        namespace: for the command.
    """
    out = [
        each
        for each in _throttled(readings)
        if each.periods >= MIN_PERIODS
        and each.period_share > limits.period_share
        and each.withheld_share > limits.withheld_share
    ]
    if not out:
        return []
    worst = max(out, key=lambda each: each.withheld_share)
    others = f", as were {len(out) - 1} more" if len(out) > 1 else ""
    limit_m = cpu_limits_m.get(worst.pod)
    of = f" of {limit_m}m" if limit_m else ""
    return [
        Finding(
            Status.FAIL,
            Cause.CPU_THROTTLED,
            f"Pod {worst.pod} was stopped by its CPU limit{of} in {worst.period_share:.0%} of {worst.periods} CPU "
            f"periods while it answered (limit {limits.period_share:.0%}), and did not get {worst.withheld_share:.0%} "
            f"of the CPU time it wanted (limit {limits.withheld_share:.0%}){others}.",
            tuple(_evidence(each) for each in out),
            "Raise the CPU limit, or let no more threads compute than it has CPUs: "
            f"kubectl set env deployment/{deployment} LLM_THREADS- -n {namespace} (unset: the limit rounded down)",
        )
    ]


def throttling_claim(readings: Readings) -> str:
    """Return how much was throttled, as the end of a sentence."""
    seen = [each for each in _throttled(readings) if each.periods >= MIN_PERIODS]
    if not seen:
        return "no pod worked long enough under a CPU limit to be throttled"
    worst = max(seen, key=lambda each: each.withheld_share)
    return f"throttling withheld at most {worst.withheld_share:.0%} of the CPU time wanted"


def throttling_evidence(readings: Readings) -> list[Evidence]:
    """Return each pod's throttling while it answered."""
    return [_evidence(each) for each in _throttled(readings)]


def _throttled(readings: Readings) -> Sequence[_Throttled]:
    before = {pod_name(each): each for each in readings.before}
    pairs = ((before[pod_name(each)], each) for each in readings.after if pod_name(each) in before)
    return [found for first, last in pairs if (found := _between(first, last)) is not None]


def _between(first: PodMetrics, last: PodMetrics) -> _Throttled | None:
    """Return what happened between two readings of one process; None where a figure is missing, or it started anew."""
    if first.started_at != last.started_at:
        return None
    figures = (
        (first.cfs_periods, last.cfs_periods),
        (first.throttled_periods, last.throttled_periods),
        (first.throttled_s, last.throttled_s),
        (first.cpu_s, last.cpu_s),
    )
    grown = [after - before for before, after in figures if before is not None and after is not None]
    if len(grown) < len(figures):
        return None
    periods, stopped, withheld_s, used_s = grown
    return _Throttled(pod_name(last), int(periods), int(stopped), withheld_s, used_s, last.reply.started_at)


def _evidence(throttled: _Throttled) -> Evidence:
    return Evidence(
        f"Pod/{throttled.pod}",
        "cpu.stat while it answered",
        f"stopped in {throttled.stopped} of {count(throttled.periods, 'period')}, for {throttled.withheld_s:.1f} s "
        f"beside {throttled.used_s:.1f} s of CPU time used",
        throttled.at,
    )
