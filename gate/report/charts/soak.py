"""The soak's picture: each pod's memory and the seconds of its answers on one clock, with restarts and failures."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from gate.report.charts.svg import (
    CHAR_PX,
    LEFT,
    NAME_CHARS,
    RIGHT,
    WIDTH,
    Canvas,
    Scale,
    figure,
    shortened,
    ticks,
    time_ticks,
    time_unit,
)
from gate.report.series import SoakPoint

_MIB = 2**20
_STRIP_PX = 130
_GAP_PX = 26
_TOP = 18
#: More lines than this lie on each other; the page says how many pods are not drawn.
MAX_PODS = 6
#: More dots than this lie on each other: every second, third, ... answer is drawn then.
_MAX_DOTS = 1200


def soak_chart(points: Sequence[SoakPoint]) -> str | None:
    """Return the soak's picture: memory above, seconds per answer below, for up to MAX_PODS pods; None without data."""
    return _Soak(points).markup() if points else None


class _Soak:
    """Draws top down: memory, seconds, time axis, legend."""

    def __init__(self, points: Sequence[SoakPoint]) -> None:
        names = list(dict.fromkeys(point.pod for point in points))
        self._pods = {name: [point for point in points if point.pod == name] for name in names[:MAX_PODS]}
        self._points = [point for looks in self._pods.values() for point in looks]
        self._zero = min(point.at for point in points)
        span_s = (max(point.at for point in points) - self._zero).total_seconds()
        self._time = Scale(0, span_s or 1.0, LEFT, WIDTH - RIGHT)
        self._seconds_top = _TOP + _STRIP_PX + _GAP_PX
        self._bottom = self._seconds_top + _STRIP_PX
        failed = sum(bool(point.failure) for point in points)
        told = f"{len(names)} pods, {len(points)} looks in {figure(span_s / 60)} min, {failed} questions failed."
        self._canvas = Canvas(WIDTH, self._bottom + 62, "The soak", told)

    def markup(self) -> str:
        self._axis()
        self._memory()
        self._seconds()
        self._restarts()
        self._legend()
        return self._canvas.markup()

    def _x(self, at: datetime) -> float:
        return self._time((at - self._zero).total_seconds())

    def _axis(self) -> None:
        unit = time_unit(self._time.high)
        for tick in time_ticks(0, self._time.high / unit.seconds, 12):
            x = self._time(tick * unit.seconds)
            self._canvas.line(x, _TOP, x, self._bottom, "grid")
            self._canvas.text(x, self._bottom + 15, f"{tick:g}", "tick", anchor="middle")
        told = f"{unit.name} since the first look ({self._zero:%Y-%m-%d %H:%M:%S} UTC)"
        self._canvas.text(WIDTH - RIGHT, self._bottom + 32, told, "axis", anchor="end")

    def _strip(self, top: float, highest: float, name: str) -> Scale:
        """Draw the frame of a strip and return its upward scale, from zero: growth is seen against the whole."""
        scale = Scale(0, highest or 1.0, top + _STRIP_PX, top + 10)
        for tick in ticks(0, scale.high, 4):
            self._canvas.line(LEFT, scale(tick), WIDTH - RIGHT, scale(tick), "grid")
            self._canvas.text(LEFT - 12, scale(tick) + 4, f"{tick:g}", "tick", anchor="end")
        self._canvas.text(LEFT - 56, top + _STRIP_PX / 2 + 4, name, "axis", anchor="end")
        self._canvas.line(LEFT, top + _STRIP_PX, WIDTH - RIGHT, top + _STRIP_PX, "base")
        return scale

    def _memory(self) -> None:
        highest = max((point.memory_bytes or 0.0 for point in self._points), default=0.0) / _MIB
        scale = self._strip(_TOP, highest * 1.1, "anonymous MiB")
        for number, looks in enumerate(self._pods.values()):
            known = [(point.at, point.memory_bytes / _MIB) for point in looks if point.memory_bytes is not None]
            self._canvas.path([(self._x(at), scale(mib)) for at, mib in known], f"series series-{number}")

    def _seconds(self) -> None:
        answered = [(number, point) for number, looks in enumerate(self._pods.values()) for point in looks]
        highest = max((point.seconds or 0.0 for _, point in answered), default=0.0)
        scale = self._strip(self._seconds_top, highest * 1.1, "s / answer")
        every = max(1, -(-len(answered) // _MAX_DOTS))
        for number, point in answered[::every]:
            if point.seconds is not None:
                tip = f"{point.at:%H:%M:%S} {point.pod}: {figure(point.seconds)} s"
                self._canvas.dot(self._x(point.at), scale(point.seconds), 2.2, f"dots series-{number}", tip=tip)
        for point in [point for point in self._points if point.failure][:_MAX_DOTS]:
            tip = f"{point.at:%H:%M:%S} {point.pod}: {point.failure}"
            self._canvas.cross(self._x(point.at), self._bottom - 6, 3.2, "failed-mark", tip=tip)

    def _restarts(self) -> None:
        for looks in self._pods.values():
            for earlier, later in pairwise(looks):
                if later.restarts > earlier.restarts:
                    self._canvas.line(self._x(later.at), _TOP, self._x(later.at), self._bottom, "limit")
                    self._canvas.text(self._x(later.at), _TOP - 5, "restart", "limit-label", anchor="middle")

    def _legend(self) -> None:
        x, y = float(LEFT), self._bottom + 50
        for number, name in enumerate(self._pods):
            self._canvas.dot(x + 5, y - 4, 3.6, f"dots series-{number}", tip=name)
            shown = shortened(name, NAME_CHARS)
            self._canvas.text(x + 14, y, shown, "legend", tip=name)
            x += 14 + len(shown) * CHAR_PX + 18
