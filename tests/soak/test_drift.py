import random

import pytest

from gate.diagnosis.drift import MAX_POINTS, MIN_POINTS, Estimate, fold, rise, shift, slope


def test_slope_of_a_line_is_its_own_with_no_spread() -> None:
    """Every pair has the same slope, so the interval is a point."""
    assert slope([(x, 3 + 2 * x) for x in range(10)]) == Estimate(2, 2, 2)


def test_slope_of_the_textbook_sample_is_its_median_and_its_order_statistics() -> None:
    """Eight points, y = x but for the last at 70: 21 slopes of 1, then 70/7 = 10, 69/6 = 11.5, ... 64/1 = 64.

    Sen's spread is 1.96 * sqrt(8 * 7 * 21 / 18) = 15.84: from the 6th smallest, (28 - 15.84) / 2, to the 23rd of 28,
    (28 + 15.84) / 2 + 1.
    """
    points = [(float(x), float(x)) for x in range(7)] + [(7.0, 70.0)]
    found = slope(points)
    assert found is not None
    assert found.value == 1
    assert (found.low, found.high) == (1, 11.5)


def test_slope_ignores_a_quarter_of_wild_points() -> None:
    """A garbage collection now and then is no trend."""
    points = [(float(x), 100.0 + (5000.0 if x % 5 == 0 else 0.0)) for x in range(40)]
    found = slope(points)
    assert found is not None
    assert found.value == 0


@pytest.mark.parametrize(
    "points", [[], [(float(x), 1.0) for x in range(MIN_POINTS - 1)], [(1.0, float(y)) for y in range(20)]]
)
def test_slope_of_too_few_points_or_of_one_moment_is_unknown(points: list[tuple[float, float]]) -> None:
    """Seven points, none, or all at one x say nothing."""
    assert slope(points) is None


def test_slope_interval_holds_the_truth_in_nineteen_of_twenty_noisy_series() -> None:
    """The confidence is what it says: 200 series of noise around a line of slope 0.5."""
    random_numbers = random.Random(7)  # noqa: S311  # noise, not a secret
    held = 0
    for _ in range(200):
        found = slope([(float(x), 0.5 * x + random_numbers.gauss(0, 4)) for x in range(40)])
        assert found is not None
        held += found.low <= 0.5 <= found.high
    assert 184 <= held <= 199


def test_shift_between_equal_groups_apart_is_their_distance() -> None:
    """All differences are 5."""
    assert shift([1.0] * 8, [6.0] * 8) == Estimate(5, 5, 5)


def test_shift_of_too_small_a_group_is_unknown() -> None:
    """Seven at one end prove nothing."""
    assert shift([1.0] * (MIN_POINTS - 1), [1.0] * 40) is None


def test_rise_is_the_shift_as_a_share_of_the_beginning() -> None:
    """From 4 to 6 is a half more."""
    assert rise([4.0] * 8, [6.0] * 8) == Estimate(0.5, 0.5, 0.5)


def test_rise_from_nothing_is_unknown() -> None:
    """There is no share of nought, as of answers that all failed at once, nor of a group that is not there."""
    assert rise([0.0] * 8, [6.0] * 8) is None
    assert rise([], [6.0] * 8) is None


def test_shift_interval_spans_zero_for_two_groups_of_the_same_noise() -> None:
    """No difference is not made one by noise."""
    random_numbers = random.Random(3)  # noqa: S311  # noise, not a secret
    before, after = ([random_numbers.gauss(10, 2) for _ in range(30)] for _ in range(2))
    found = shift(before, after)
    assert found is not None
    assert found.low < 0 < found.high


def test_fold_keeps_the_trend_of_a_long_series_in_few_points() -> None:
    """2,880 samples of two days become at most MAX_POINTS medians with the same slope."""
    points = [(float(x), 3.0 * x) for x in range(2880)]
    folded = fold(points, MAX_POINTS)
    assert len(folded) == 240
    assert folded[0] == (5.5, 16.5)
    found = slope(points)
    assert found is not None
    assert found.value == pytest.approx(3)
