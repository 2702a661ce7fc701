"""The rollout's picture: pods coming and going, and below them, on the same clock, how the requests fared."""

import math
import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta

from gate.report.charts.svg import (
    CHAR_PX,
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
    time_ticks,
    time_unit,
)
from gate.report.series import Mark, Pod, Request

_LABEL_CHARS = 44
#: Bars as narrow as 5 px still read as bars.
_MAX_BINS = 150
_BIN_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
#: More dots than this lie on each other: each bin then shows its range and its median.
_MAX_DOTS = 1200
_TIP_CHARS = 200
_STRIP_PX = 78
_STRIP_GAP_PX = 18


def rollout_chart(pods: Sequence[Pod], requests: Sequence[Request], marks: Sequence[Mark]) -> str | None:
    """Return the rollout's picture: a lane per pod, and the requests below on the same clock; None without data."""
    if not (pods or requests):
        return None
    lives = [at for pod in pods for at in (pod.created, pod.ready, pod.terminating, pod.gone) if at is not None]
    seen = [at for request in requests for at in (request.at, request.at + timedelta(seconds=request.seconds))]
    seen += [mark.at for mark in marks]
    if not (seen or lives):
        return None
    # Old pods may be days old: where the change itself has a clock, what lies before it does not stretch the axis.
    first = min(seen or lives)
    return _Rollout((first, max(seen + lives)), pods, requests, marks).markup()


class _Rollout:
    """Draws top down: labels of the marks, lanes, requests, time axis, legend."""

    def __init__(
        self, span: tuple[datetime, datetime], pods: Sequence[Pod], requests: Sequence[Request], marks: Sequence[Mark]
    ) -> None:
        self._zero = marks[0].at if marks else span[0]
        low, high = ((at - self._zero).total_seconds() for at in span)
        margin = max((high - low) * 0.02, 0.5)
        self._time = Scale(low - margin, high + margin, LEFT, WIDTH - RIGHT)
        self._pods = _in_order(pods)[:MAX_LANES]
        self._requests = requests
        self._marks = marks
        wanted = [(self._x(mark.at), shortened(mark.label, _LABEL_CHARS)) for mark in marks]
        self._labels = stagger(wanted, LEFT, WIDTH - RIGHT, LABEL_ROWS)
        self._lane = 22 if len(self._pods) <= 12 else 14  # noqa: PLR2004  # lanes that fit a screen at full height
        rows = max((label.row for label in self._labels), default=-1) + 1
        self._top = 8 + rows * LABEL_ROW_PX + 6
        self._lanes_end = self._top + self._lane * len(self._pods)
        self._bars_top = self._lanes_end + (_STRIP_GAP_PX if pods and requests else 0)
        self._bars_end = self._bars_top + (_STRIP_PX if requests else 0)
        self._bottom = self._bars_end + (_STRIP_GAP_PX + _STRIP_PX if requests else 0)
        self._canvas = Canvas(WIDTH, self._bottom + 62, "Timeline of the rollout", self._told(len(pods)))

    def markup(self) -> str:
        self._axis()
        self._lanes()
        if self._requests:
            self._rates()
            self._durations()
        self._mark_lines()
        self._legend()
        return self._canvas.markup()

    def _x(self, at: datetime) -> float:
        return max(self._time.start, min(self._time((at - self._zero).total_seconds()), self._time.end))

    def _told(self, pods: int) -> str:
        failed = sum(not request.ok for request in self._requests)
        marks = "; ".join(f"{mark.label} at {mark.at:%H:%M:%S}" for mark in self._marks)
        return f"{pods} pods, {len(self._requests)} requests, {failed} of them failed. {marks}".strip()

    def _axis(self) -> None:
        unit = time_unit(self._time.high - self._time.low)
        for tick in time_ticks(self._time.low / unit.seconds, self._time.high / unit.seconds, 12):
            x = self._time(tick * unit.seconds)
            self._canvas.line(x, self._top, x, self._bottom, "grid")
            self._canvas.text(x, self._bottom + 15, f"{tick:g}", "tick", anchor="middle")
        what = "since " + (f"“{shortened(self._marks[0].label, 24)}”" if self._marks else "the first of it")
        told = f"{unit.name} {what} ({self._zero:%H:%M:%S} UTC)"
        self._canvas.text(WIDTH - RIGHT, self._bottom + 32, told, "axis", anchor="end")

    def _lanes(self) -> None:
        revisions = list(dict.fromkeys(pod.revision for pod in self._pods))
        newest = revisions[-1] if len(revisions) > 1 else None
        for number, pod in enumerate(self._pods):
            y = self._top + number * self._lane
            kind = "new" if newest is None or pod.revision == newest else "old"
            middle = y + self._lane / 2
            tip = _life(pod, self._zero)
            self._canvas.text(LEFT - 12, middle + 4, shortened(pod.pod, NAME_CHARS), "name", anchor="end", tip=tip)
            self._canvas.line(LEFT, y, WIDTH - RIGHT, y, "rule")
            self._bar(pod, middle, f"pod {kind}", tip)
        if self._pods:
            self._canvas.line(LEFT, self._lanes_end, WIDTH - RIGHT, self._lanes_end, "rule")

    def _bar(self, pod: Pod, middle: float, kind: str, tip: str) -> None:
        """Draw a pod's life: thin until it is ready, thick while it is, pale while it ends."""
        start = self._time.start if pod.created is None else self._x(pod.created)
        end = self._time.end if pod.gone is None else self._x(pod.gone)
        thick = self._lane * 0.55
        self._canvas.rect(start, middle - 2, end - start, 4, f"{kind} waiting", tip=tip, r=2)
        if pod.ready is None:
            return
        ready = self._x(pod.ready)
        leaving = end if pod.terminating is None else min(self._x(pod.terminating), end)
        self._canvas.rect(ready, middle - thick / 2, leaving - ready, thick, f"{kind} ready", tip=tip, r=3)

    def _bins(self) -> tuple[float, dict[int, list[Request]]]:
        """Return the width of a bin in seconds and the requests by bin, counted from the first mark."""
        span = self._time.high - self._time.low
        width_s = next((step for step in _BIN_STEPS_S if span / step <= _MAX_BINS), span / _MAX_BINS)
        bins: dict[int, list[Request]] = {}
        for request in self._requests:
            bins.setdefault(int((request.at - self._zero).total_seconds() // width_s), []).append(request)
        return width_s, bins

    def _strip(self, top: float, highest: float, name: str) -> Scale:
        """Draw the frame of a strip and return its upward scale."""
        scale = Scale(0, highest or 1, top + _STRIP_PX, top + 12)
        for tick in ticks(0, scale.high, 3):
            self._canvas.line(LEFT, scale(tick), WIDTH - RIGHT, scale(tick), "grid")
            self._canvas.text(LEFT - 12, scale(tick) + 4, f"{tick:g}", "tick", anchor="end")
        self._canvas.text(LEFT - 56, top + _STRIP_PX / 2 + 10, name, "axis", anchor="end")
        return scale

    def _rates(self) -> None:
        width_s, bins = self._bins()
        rate = self._strip(self._bars_top, max(map(len, bins.values())) / width_s, "requests / s")
        for number, group in bins.items():
            x = max(self._time(number * width_s), self._time.start)
            width = min(self._time((number + 1) * width_s), self._time.end) - x
            width -= 1 if width > 3 else 0  # noqa: PLR2004  # px: a gap would take a third of a narrower bar
            failed = [request for request in group if not request.ok]
            tip = self._told_bin(number * width_s, width_s, group)
            top, low = rate(len(group) / width_s), rate(len(failed) / width_s)
            self._canvas.rect(x, top, width, low - top, "requests", tip=tip)
            if failed:
                self._canvas.rect(x, low, width, self._bars_end - low, "failed", tip=tip)
        self._canvas.line(LEFT, self._bars_end, WIDTH - RIGHT, self._bars_end, "base")

    def _told_bin(self, start_s: float, width_s: float, group: Sequence[Request]) -> str:
        when = f"{self._zero + timedelta(seconds=start_s):%H:%M:%S}"
        failed = [request.error or "no reason given" for request in group if not request.ok]
        why = f" ({', '.join(dict.fromkeys(failed))[:_TIP_CHARS]})" if failed else ""
        return f"{when}: {len(group)} requests sent in {width_s:g} s, {len(failed)} failed{why}"

    def _durations(self) -> None:
        top = self._bars_end + _STRIP_GAP_PX
        took = self._strip(top, max(request.seconds for request in self._requests), "s / request")
        if len(self._requests) <= _MAX_DOTS:
            for request in self._requests:
                if request.ok:
                    tip = f"{request.at:%H:%M:%S}: {figure(request.seconds)} s"
                    self._canvas.dot(self._x(request.at), took(request.seconds), 2, "took", tip=tip)
        else:
            width_s, bins = self._bins()
            for number, group in bins.items():
                self._range(self._time((number + 0.5) * width_s), [each.seconds for each in group if each.ok], took)
        for request in [request for request in self._requests if not request.ok][:_MAX_DOTS]:
            tip = (
                f"{request.at:%H:%M:%S}: failed after {figure(request.seconds)} s, {request.error or 'no reason given'}"
            )
            self._canvas.cross(self._x(request.at), took(request.seconds), 3.2, "failed-mark", tip=tip)
        self._canvas.line(LEFT, self._bottom, WIDTH - RIGHT, self._bottom, "base")

    def _range(self, x: float, seconds: Sequence[float], took: Scale) -> None:
        """Draw the fastest to the slowest as a line, and the median as a dot."""
        if seconds:
            self._canvas.line(x, took(min(seconds)), x, took(max(seconds)), "range")
            self._canvas.dot(x, took(statistics.median(seconds)), 2, "took")

    def _mark_lines(self) -> None:
        for mark in self._marks:
            self._canvas.line(self._x(mark.at), self._top - 4, self._x(mark.at), self._bottom, "mark")
        for label in self._labels:
            self._canvas.text(
                label.x, self._top - 9 - label.row * LABEL_ROW_PX, label.text, "mark-label", anchor="middle"
            )

    def _legend(self) -> None:
        entries: list[tuple[str, str]] = []
        revisions = list(dict.fromkeys(pod.revision for pod in self._pods))
        if self._pods:
            older, newer = revisions[:-1], revisions[-1]
            entries += [("pod old ready", f"revision {_joined(older)} ready")] if older else []
            entries += [("pod new ready", f"revision {newer} ready" if newer is not None else "ready")]
            entries += [("pod new waiting", "not ready, or ending")]
        if self._requests:
            entries += [("requests", "requests sent")]
        if any(not request.ok for request in self._requests):
            entries += [("failed", "failed requests")]
        x = float(LEFT)
        y = self._bottom + 50
        for kind, text in entries:
            height = 4 if "waiting" in kind else 10
            self._canvas.rect(x, y - 4 - height / 2, 16, height, kind, r=2)
            self._canvas.text(x + 22, y, text, "legend")
            x += 22 + len(text) * CHAR_PX + 22


def _in_order(pods: Sequence[Pod]) -> list[Pod]:
    """Return the pods by revision, the revision that came up first on top, and by age within it."""
    births = {id(pod): pod.created.timestamp() if pod.created else -math.inf for pod in pods}
    first: dict[object, float] = {}
    for pod in pods:
        first[pod.revision] = min(first.get(pod.revision, math.inf), births[id(pod)])
    return sorted(pods, key=lambda pod: (first[pod.revision], str(pod.revision), births[id(pod)], pod.pod))


def _life(pod: Pod, zero: datetime) -> str:
    steps = (("created", pod.created), ("ready", pod.ready), ("terminating", pod.terminating), ("gone", pod.gone))
    told = [f"{name} {(at - zero).total_seconds():+.1f} s" for name, at in steps if at is not None]
    revision = f", revision {pod.revision}" if pod.revision is not None else ""
    return f"{pod.pod}{revision}: {', '.join(told) or 'there all the time'}"


def _joined(revisions: Sequence[object]) -> str:
    return ", ".join("?" if each is None else str(each) for each in revisions)
