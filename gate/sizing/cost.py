"""What the nodes cost in a month, by the on-demand prices of ``instance_facts.csv`` (us-east-1).

A price is that of a node type; load balancers, volumes, traffic, discounts and spot prices are not in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gate.sizing.instances import instance_types
from gate.sizing.units import HOURS_PER_MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCost:
    """The sum of the types whose price is known, and the types whose price is not.

    ``usd`` is None where none is known: an unknown price is not a free node.
    """

    usd: float | None
    unpriced: tuple[str, ...]

    def __str__(self) -> str:
        """Return the cost as a clause."""
        if self.usd is None:
            return "cost not known"
        without = f" without {', '.join(self.unpriced)}" if self.unpriced else ""
        return f"USD {self.usd:.0f} a month{without}"


def monthly_cost(nodes: Mapping[str, int]) -> MonthlyCost:
    """Return what so many nodes of each type cost in 730 hours."""
    known = instance_types()
    priced = [known[name].usd_per_hour * count * HOURS_PER_MONTH for name, count in nodes.items() if name in known]
    return MonthlyCost(usd=sum(priced) if priced else None, unpriced=tuple(name for name in nodes if name not in known))
