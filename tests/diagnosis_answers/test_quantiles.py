"""Order statistics against hand-worked and published values."""

import math
from itertools import product

import pytest

from gate.diagnosis.quantiles import at_most, chance_of_exceeding, confidence_below, nearest_rank, ranks


@pytest.mark.parametrize(("share", "expected"), [(0.05, 15), (0.3, 20), (0.4, 20), (0.5, 35), (1.0, 50)])
def test_nearest_rank_of_five_values(share: float, expected: float) -> None:
    """The textbook example 15, 20, 35, 40, 50."""
    assert nearest_rank([40, 15, 50, 20, 35], share) == expected


def test_nearest_rank_of_twenty_is_the_nineteenth() -> None:
    """The p95 of 20 samples is the second largest; a sample that never came is the largest."""
    assert nearest_rank([*range(1, 20), math.inf], 0.95) == 19


def test_nearest_rank_of_nothing_is_refused() -> None:
    """A percentile of no samples does not exist."""
    with pytest.raises(ValueError, match="no values"):
        nearest_rank([], 0.95)


def test_binomial_sum_equals_enumeration() -> None:
    """At most 1 of 4 at probability 0.25, by going through all 16 outcomes."""
    chances = [
        math.prod(0.25 if hit else 0.75 for hit in outcome)
        for outcome in product((True, False), repeat=4)
        if sum(outcome) <= 1
    ]
    assert at_most(1, 4, 0.25) == pytest.approx(sum(chances))


@pytest.mark.parametrize(("trials", "probability"), [(30, 0.01), (30, 0.2), (31, 0.5), (40, 0.95)])
def test_binomial_sums_of_both_sides_of_the_mean_equal_the_plain_sum(trials: int, probability: float) -> None:
    """Every count, by the formula of the textbook."""
    plain = 0.0
    for count in range(trials):
        plain += math.comb(trials, count) * probability**count * (1 - probability) ** (trials - count)
        assert at_most(count, trials, probability) == pytest.approx(plain)
    assert at_most(trials, trials, probability) == 1.0


def test_binomial_sum_of_millions_is_the_normal_one() -> None:
    """A million trials at 1 %: 200 beyond the mean are 2.01 standard deviations, continuity included (2.2 %)."""
    assert chance_of_exceeding(1_000_000, 10_201, 0.99) == pytest.approx(0.0222, abs=0.001)
    assert at_most(9_800, 1_000_000, 0.01) == pytest.approx(0.0225, abs=0.001)


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_binomial_sum_of_the_certain_and_the_impossible(probability: float, expected: float) -> None:
    """A limit of 0 or 1 is one too."""
    assert at_most(3, 10, probability) == expected


def test_confidence_of_59_clean_samples_is_95_percent() -> None:
    """The known sample size for a 95/95 one-sided tolerance bound: 59 clean samples (58 do not suffice)."""
    assert confidence_below(59, 0, 0.95) >= 0.95 > confidence_below(58, 0, 0.95)


def test_confidence_of_93_samples_with_one_above() -> None:
    """The same table's second row: 93 samples with one above (92 do not suffice)."""
    assert confidence_below(93, 1, 0.95) >= 0.95 > confidence_below(92, 1, 0.95)


def test_confidence_of_no_samples_is_none() -> None:
    """Nothing measured, nothing claimed."""
    assert confidence_below(0, 0, 0.95) == 0


def test_chance_of_two_of_five_above() -> None:
    """1 - 0.95^5 - 5 x 0.05 x 0.95^4 = 0.0226."""
    assert chance_of_exceeding(5, 2, 0.95) == pytest.approx(0.0226, abs=0.0001)


def test_equal_values_share_the_mean_rank() -> None:
    """Two values in places 1 and 2 have rank 1.5."""
    assert ranks([3, 1, 3, 9]) == [1.5, 0, 1.5, 3]
