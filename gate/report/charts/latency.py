"""The latencies' picture: each answer a dot on its pod's lane, cold ones hollow, with percentiles and the limit."""

import math
from collections.abc import Sequence

from gate.diagnosis.quantiles import nearest_rank
from gate.report.charts.svg import (
    LABEL_ROW_PX,
    LABEL_ROWS,
    LEFT,
    MAX_LANES,
    NAME_CHARS,
    RIGHT,
    WIDTH,
    Canvas,
    Scale,
    figure,
    shortened,
    stagger,
    ticks,
)
from gate.report.series import Latency

#: More points than this lie on each other in a lane: a histogram tells more.
_MAX_DOTS = 240
_HISTOGRAM_BINS = 72
_QUANTILES = (("p50", 0.5), ("p95", 0.95))
#: A limit further off than this many times the slowest answer would squeeze the answers into a corner.
_LIMIT_IN_VIEW = 3.0


def latency_chart(latencies: Sequence[Latency], limit_s: float | None = None) -> str | None:
    """Return the latencies' picture: a lane per pod, dots or (for many) a histogram; None without data.

    Args:
        latencies: cold ones and failures are drawn apart and left out of the percentiles.
        limit_s: what the criterion allows, in seconds; None if it names no time.
    """
    return _Latencies(latencies, limit_s).markup() if latencies else None


class _Latencies:
    """Draws top down: labels of the lines, lanes, axis, legend."""

    def __init__(self, latencies: Sequence[Latency], limit_s: float | None) -> None:
        self._latencies = latencies
        self._limit_s = limit_s
        slowest = max(each.seconds for each in latencies)
        self._near = limit_s is not None and limit_s <= slowest * _LIMIT_IN_VIEW
        high = max(slowest, limit_s if limit_s is not None and self._near else 0.0) * 1.06 or 1.0
        self._scale = Scale(0, high, LEFT, WIDTH - 72)
        self._groups = _by_pod(latencies)
        most = max(len(group) for _, group in self._groups)
        self._lane = 34 if most <= 40 else 56  # noqa: PLR2004  # dots that one row of a lane holds
        # A question without an answer is slower than every answer, as LAT-1 counts it.
        warm = [each.seconds if each.answered else math.inf for each in latencies if not each.cold]
        self._lines = [(name, nearest_rank(warm, share)) for name, share in _QUANTILES] if warm else []
        wanted = [(self._scale(min(value, high)), f"{name} {_seconds(value)}") for name, value in self._lines]
        if limit_s is not None:
            wanted.append((self._scale(min(limit_s, high)), f"limit {limit_s:g} s{'' if self._near else ' →'}"))
        self._labels = stagger(wanted, LEFT, WIDTH - RIGHT, LABEL_ROWS)
        rows = max((label.row for label in self._labels), default=-1) + 1
        self._top = 8 + rows * LABEL_ROW_PX + 6
        self._end = self._top + self._lane * len(self._groups)
        self._canvas = Canvas(WIDTH, self._end + 62, "Seconds per answer", self._told(len(warm)))

    def markup(self) -> str:
        for tick in ticks(0, self._scale.high, 10):
            x = self._scale(tick)
            self._canvas.line(x, self._top, x, self._end, "grid")
            self._canvas.text(x, self._end + 15, f"{tick:g}", "tick", anchor="middle")
        self._canvas.text(self._scale.end, self._end + 32, "seconds per answer", "axis", anchor="end")
        for number, (name, group) in enumerate(self._groups):
            y = self._top + number * self._lane
            self._canvas.line(LEFT, y, self._scale.end, y, "rule")
            self._canvas.text(
                LEFT - 12, y + self._lane / 2 + 4, shortened(name, NAME_CHARS), "name", anchor="end", tip=name
            )
            self._canvas.text(WIDTH - RIGHT, y + self._lane / 2 + 4, f"n = {len(group)}", "tick", anchor="end")
            self._draw_lane(group, y)
        self._canvas.line(LEFT, self._end, self._scale.end, self._end, "base")
        for _, value in self._lines:
            if math.isfinite(value):
                self._canvas.line(self._scale(value), self._top - 4, self._scale(value), self._end, "mark")
        if self._limit_s is not None and self._near:
            self._canvas.line(self._scale(self._limit_s), self._top - 4, self._scale(self._limit_s), self._end, "limit")
        for label in self._labels:
            kind = "limit-label" if label.text.startswith("limit") else "mark-label"
            self._canvas.text(label.x, self._top - 9 - label.row * LABEL_ROW_PX, label.text, kind, anchor="middle")
        self._legend()
        return self._canvas.markup()

    def _told(self, warm: int) -> str:
        cold = sum(each.cold for each in self._latencies)
        failed = sum(not each.answered for each in self._latencies)
        lines = ", ".join(f"{name} {_seconds(value)}" for name, value in self._lines)
        limit = f"; limit {self._limit_s:g} s" if self._limit_s is not None else ""
        return f"{warm} warm questions, {cold} cold, {failed} failed. {lines}{limit}"

    def _draw_lane(self, group: Sequence[Latency], top: float) -> None:
        warm = [each for each in group if each.answered and not each.cold]
        apart = [each for each in group if not each.answered or each.cold]
        if len(group) > _MAX_DOTS:
            self._draw_histogram(warm, top)
            dots = [(each, 0.0) for each in apart[:_MAX_DOTS]]
        else:
            dots = _swarm([*warm, *apart], self._scale, self._lane / 2 - 5)
        for each, offset in dots:
            x, y = self._scale(each.seconds), top + self._lane / 2 + offset
            kind = "cold" if each.cold else "warm"
            tip = f"{each.pod}: {figure(each.seconds)} s, {kind}"
            if each.answered:
                self._canvas.dot(x, y, 3.6, kind, tip=tip)
            else:
                self._canvas.cross(x, y, 3.6, "failed-mark", tip=f"{tip}, failed: {each.status}")

    def _draw_histogram(self, warm: Sequence[Latency], top: float) -> None:
        width = self._scale.high / _HISTOGRAM_BINS
        bins: dict[int, int] = {}
        for each in warm:
            number = min(int(each.seconds / width), _HISTOGRAM_BINS - 1)
            bins[number] = bins.get(number, 0) + 1
        height = Scale(0, max(bins.values(), default=1), 0, self._lane - 8)
        for number, count in bins.items():
            x, bottom = self._scale(number * width), top + self._lane
            tip = f"{count} answers between {figure(number * width)} and {figure((number + 1) * width)} s"
            across = self._scale((number + 1) * width) - x - 1
            self._canvas.rect(x, bottom - height(count), across, height(count), "bin", tip=tip)

    def _legend(self) -> None:
        x, y = float(LEFT), self._end + 50
        cold = any(each.cold and each.answered for each in self._latencies)
        failed = any(not each.answered for each in self._latencies)
        self._canvas.dot(x + 5, y - 4, 3.6, "warm")
        self._canvas.text(x + 16, y, "warm answer", "legend")
        if cold:
            self._canvas.dot(x + 115, y - 4, 3.6, "cold")
            self._canvas.text(x + 126, y, "cold: the first question to a pod, not counted in p50 and p95", "legend")
        if failed:
            after = x + (520 if cold else 115)
            self._canvas.cross(after, y - 4, 3.6, "failed-mark")
            self._canvas.text(after + 11, y, "failed", "legend")


def _by_pod(latencies: Sequence[Latency]) -> list[tuple[str, list[Latency]]]:
    groups: dict[str, list[Latency]] = {}
    for each in latencies:
        groups.setdefault(each.pod, []).append(each)
    names = sorted(groups)
    shown = [(name, groups[name]) for name in names[: MAX_LANES - 1]]
    rest = names[MAX_LANES - 1 :]
    if not rest:
        return shown
    pooled = [each for name in rest for each in groups[name]]
    return [*shown, (f"{len(rest)} other pods" if len(rest) > 1 else rest[0], pooled)]


def _seconds(value: float) -> str:
    return f"{figure(value)} s" if math.isfinite(value) else "no answer"


def _swarm(group: Sequence[Latency], scale: Scale, room: float) -> list[tuple[Latency, float]]:
    """Return each dot with the offset from its lane's middle that keeps it off its neighbours, where there is room."""
    step = 7.6
    levels = [0.0]
    while levels[-1] + step <= room or -levels[-1] + step <= room:
        following = -levels[-1] if levels[-1] > 0 else -levels[-1] + step
        if abs(following) > room:
            break
        levels.append(following)
    ends = dict.fromkeys(levels, -math.inf)
    placed: list[tuple[Latency, float]] = []
    for each in sorted(group, key=lambda latency: latency.seconds):
        x = scale(each.seconds)
        free = next((level for level in levels if ends[level] + step <= x), min(levels, key=ends.__getitem__))
        ends[free] = x
        placed.append((each, free))
    return placed
