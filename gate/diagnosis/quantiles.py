"""Order statistics without assumptions about a distribution: what a sample proves about a percentile.

Latencies are neither normal nor many, so nothing here fits a curve. The p-quantile of n sorted samples is the
ceil(p n)-th (nearest rank); whether the true quantile lies below a limit is a question about a binomial count: each
sample falls above the true p-quantile with probability 1 - p. Source: David and Nagaraja, Order Statistics, 7.1.
"""

import math
from collections.abc import Iterable, Sequence

#: A term so much smaller than the sum of those before it changes no digit of it.
_NEGLIGIBLE = 1e-17


def nearest_rank(values: Sequence[float], share: float) -> float:
    """Return the quantile by nearest rank; ``math.inf`` stands for a sample that never came.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("a quantile of no values does not exist; count them first")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def at_most(successes: int, trials: int, probability: float) -> float:
    """Return the binomial probability of at most that many successes; in logarithms, for trials may be millions."""
    if probability <= 0 or successes >= trials:
        return 1.0
    if probability >= 1:
        return 0.0
    if successes < trials * probability:
        return _tail(range(successes, -1, -1), trials, probability)
    return 1 - _tail(range(successes + 1, trials + 1), trials, probability)


def _tail(counts: Iterable[int], trials: int, probability: float) -> float:
    """Return the probability of any of these counts, which go away from the mean: each is rarer than the one before."""
    hit, miss, ways = math.log(probability), math.log1p(-probability), math.lgamma(trials + 1)
    total = 0.0
    for each in counts:
        log_of_ways = ways - math.lgamma(each + 1) - math.lgamma(trials - each + 1)
        term = math.exp(log_of_ways + each * hit + (trials - each) * miss)
        total += term
        if term <= total * _NEGLIGIBLE:
            break
    return min(total, 1.0)


def confidence_below(samples: int, above: int, share: float) -> float:
    """Return the confidence that the true quantile is below a limit that ``above`` of the samples exceed.

    Were the true quantile at the limit or over it, as few as ``above`` would exceed it with this probability at most;
    the confidence is the rest.
    """
    return 1 - at_most(above, samples, 1 - share)


def chance_of_exceeding(samples: int, above: int, share: float) -> float:
    """Return how often ``above`` or more samples exceed a limit that the true quantile just meets."""
    return 1 - at_most(above - 1, samples, 1 - share)


def ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value, from 0; equal values share the mean of theirs."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]
