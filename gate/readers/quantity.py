"""Kubernetes quantities (``250m``, ``1Gi``, ``2e3``) as exact integers.

``kubernetes.utils.quantity`` does the same, but importing anything of that package costs 0.7 s, and an offline
preflight reads manifests without a cluster. The grammar: k8s.io/apimachinery/pkg/api/resource, "quantity.go".
"""

import math
import re
from fractions import Fraction

_FORMAT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,3}))?")

_FACTORS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(10**3),
    **{letter: Fraction(1000**power) for power, letter in enumerate("MGTPE", start=2)},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", start=1)},
}


def quantity(value: object) -> Fraction | None:
    """Return the exact amount in the base unit (cores, bytes, pieces); None if it is not a quantity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = _FORMAT.fullmatch(str(value).strip())
    if not found:
        return None
    number, suffix, exponent = found.groups()
    factor = Fraction(10) ** int(exponent) if exponent else _FACTORS.get(suffix, Fraction(1))
    return Fraction(number) * factor


def millicores(value: object) -> int | None:
    """Return a CPU quantity in millicores, rounded up as the API does; None if it is not a quantity."""
    amount = quantity(value)
    return None if amount is None else math.ceil(amount * 1000)


def whole(value: object) -> int | None:
    """Return a quantity in its base unit (bytes, pieces), rounded up; None if it is not a quantity."""
    amount = quantity(value)
    return None if amount is None else math.ceil(amount)
