"""The pencil that the charts are drawn with: an SVG canvas, scales, ticks, and labels that do not overlap.

Colours are classes of the page's style sheet, so that one drawing serves light, dark and paper. Every text goes through
an XML writer and is escaped there.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

#: Mean advance of a character in the page's fonts at the chart's 11 px; labels are placed by it.
CHAR_PX = 6.5
MONO_CHAR_PX = 6.7

#: Every chart has the same frame, in CSS pixels, so that their axes line up on the page.
WIDTH = 960
LEFT = 196
RIGHT = 20
NAME_CHARS = int((LEFT - 24) / MONO_CHAR_PX)
LABEL_ROW_PX = 14
LABEL_ROWS = 3
#: More lanes than a screen shows; the page says how many are not drawn.
MAX_LANES = 40

_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from ``low`` to ``high`` onto pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class TimeUnit:
    """What a time axis counts in."""

    name: str
    seconds: int


def time_unit(span_s: float) -> TimeUnit:
    """Return the unit in which a span reads best."""
    if span_s <= 600:  # noqa: PLR2004  # ten minutes: up to there seconds stay three digits
        return TimeUnit("s", 1)
    return TimeUnit("min", 60) if span_s <= 3 * 3600 else TimeUnit("h", 3600)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most`` + 1 round values from ``low`` to ``high``: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if span <= 0 or most < 1:
        return [low]
    raw = span / most
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * (1 - 1e-9))
    return list(_multiples(low, high, step))


def time_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values like ``ticks``, in steps that clocks know (15, 30, 60)."""
    span = high - low
    step = next((step for step in _TIME_STEPS if span / step <= most), None)
    return ticks(low, high, most) if step is None or span < most / 2 else list(_multiples(low, high, step))


def _multiples(low: float, high: float, step: float) -> Iterator[float]:
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    for count in range(first, last + 1):
        yield round(count * step, 10)


def figure(value: float) -> str:
    """Return a number with the digits that tell something: ``0.042``, ``1.92``, ``12.5``, ``130``."""
    if value == 0:
        return "0"
    for bound, digits in ((0.1, 3), (10, 2), (100, 1)):
        if abs(value) < bound:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


def shortened(text: str, most: int) -> str:
    """Return ``text`` with its middle left out beyond ``most`` characters: a pod's name tells at both ends."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


@dataclass(frozen=True, slots=True)
class Label:
    """A text placed beside its neighbours: its middle and the row, counted from the drawing outwards."""

    text: str
    x: float
    row: int


def stagger(wanted: Sequence[tuple[float, str]], low: float, high: float, rows: int) -> list[Label]:
    """Return labels centred at their x within ``low`` to ``high``, put in further rows where they would overlap.

    What fits in no row is left out: its mark is drawn all the same.
    """
    ends = [-math.inf] * rows
    placed: list[Label] = []
    for x, text in sorted(wanted):
        half = len(text) * CHAR_PX / 2
        middle = max(low + half, min(x, high - half))
        row = next((row for row, end in enumerate(ends) if middle - half >= end), None)
        if row is not None:
            ends[row] = middle + half + 2 * CHAR_PX
            placed.append(Label(text, middle, row))
    return placed


class Canvas:
    """A drawing in the making, ``width`` by ``height`` in CSS pixels."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        """Start a drawing; title and description are what a screen reader says in its place."""
        self._root = ET.Element(
            "svg",
            {
                "class": "chart",
                "viewBox": f"0 0 {_number(width)} {_number(height)}",
                "role": "img",
                "aria-label": f"{title}. {description}",
            },
        )
        ET.SubElement(self._root, "title").text = title
        ET.SubElement(self._root, "desc").text = description

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a line."""
        self._add("line", kind, x1=x1, y1=y1, x2=x2, y2=y2)

    def rect(self, x: float, y: float, width: float, height: float, kind: str, *, tip: str = "", r: float = 0) -> None:
        """Draw a box; ``tip`` shows under the pointer."""
        self._add("rect", kind, tip, x=x, y=y, width=max(width, 0), height=max(height, 0), **({"rx": r} if r else {}))

    def dot(self, x: float, y: float, r: float, kind: str, *, tip: str = "") -> None:
        """Draw a circle."""
        self._add("circle", kind, tip, cx=x, cy=y, r=r)

    def cross(self, x: float, y: float, r: float, kind: str, *, tip: str = "") -> None:
        """Draw an x."""
        n = _number
        way = f"M{n(x - r)} {n(y - r)}L{n(x + r)} {n(y + r)}M{n(x - r)} {n(y + r)}L{n(x + r)} {n(y - r)}"
        self._tipped(ET.SubElement(self._root, "path", {"class": kind, "d": way}), tip)

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through points."""
        if points:
            way = "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
            ET.SubElement(self._root, "path", {"class": kind, "d": way})

    def text(self, x: float, y: float, text: str, kind: str = "", *, anchor: str = "start", tip: str = "") -> None:
        """Write a text; ``anchor`` is start, middle or end."""
        element = self._add("text", kind, x=x, y=y)
        if anchor != "start":
            element.set("text-anchor", anchor)
        element.text = text
        self._tipped(element, tip)

    def markup(self) -> str:
        """Return the drawing as it stands in a page."""
        return ET.tostring(self._root, encoding="unicode")

    def _add(self, tag: str, kind: str, tip: str = "", **numbers: float) -> ET.Element:
        element = ET.SubElement(self._root, tag, {"class": kind} if kind else {})
        for name, value in numbers.items():
            element.set(name, _number(value))
        self._tipped(element, tip)
        return element

    @staticmethod
    def _tipped(element: ET.Element, tip: str) -> None:
        if tip:
            ET.SubElement(element, "title").text = tip


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
