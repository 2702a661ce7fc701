"""Whether a series drifts: robust estimates with their confidence, for samples that are neither normal nor clean.

A slope is Theil and Sen's: the median of the slopes between all pairs, which a quarter of wild samples cannot move,
with Sen's confidence interval from Kendall's statistic (Hollander, Wolfe and Chicken, Nonparametric Statistical
Methods, 9.2 and 9.3). A shift between two groups is Hodges and Lehmann's median of all differences, with Moses'
interval (ibid., 4.2 and 4.3). Both intervals take samples as independent; memory is not, so what is judged is a whole
interval on one side of a bound, and never an estimate alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

#: The conventional confidence.
CONFIDENCE = 0.95

#: Below eight samples the interval is nearly the whole range of pairwise values.
MIN_POINTS = 8

#: A fit looks at every pair: 240 points are 28,680 pairs, some 20 ms. Longer series are folded to so many medians.
MAX_POINTS = 240

_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its confidence interval, all in one unit."""

    value: float
    low: float
    high: float


def slope(points: Sequence[Point]) -> Estimate | None:
    """Return the change of y for each unit of x; None with fewer than MIN_POINTS points, or all at one x."""
    folded = fold(points, MAX_POINTS)
    slopes = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(folded)
        for later in folded[index + 1 :]
        if later[0] > earlier[0]
    )
    number = len(folded)
    if number < MIN_POINTS or not slopes:
        return None
    spread = _Z * math.sqrt(number * (number - 1) * (2 * number + 5) / 18)
    return _between(slopes, spread)


def shift(before: Sequence[float], after: Sequence[float]) -> Estimate | None:
    """Return how much higher ``after`` lies than ``before``; None where one of them has fewer than MIN_POINTS."""
    if min(len(before), len(after)) < MIN_POINTS:
        return None
    first, last = ([value for _, value in fold(list(enumerate(group)), MAX_POINTS)] for group in (before, after))
    differences = sorted(late - early for late in last for early in first)
    spread = _Z * math.sqrt(len(first) * len(last) * (len(first) + len(last) + 1) / 3)
    return _between(differences, spread)


def rise(before: Sequence[float], after: Sequence[float]) -> Estimate | None:
    """Return the shift as a share of the median before; None where either is unknown, or that median is not above 0."""
    moved = shift(before, after)
    level = median(before) if before else 0.0
    if moved is None or level <= 0:
        return None
    return Estimate(moved.value / level, moved.low / level, moved.high / level)


def fold(points: Sequence[Point], most: int) -> list[Point]:
    """Return at most ``most`` points, each the median in both directions of as many neighbours."""
    ordered = sorted(points)
    size = max(1, math.ceil(len(ordered) / most))
    groups = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return [(median(x for x, _ in group), median(y for _, y in group)) for group in groups]


def _between(ordered: Sequence[float], spread: float) -> Estimate:
    """Return the median of sorted pairwise values with the order statistics that lie ``spread`` ranks apart."""
    low = max(math.floor((len(ordered) - spread) / 2) - 1, 0)
    high = min(math.ceil((len(ordered) + spread) / 2), len(ordered) - 1)
    return Estimate(median(ordered), ordered[low], ordered[high])
