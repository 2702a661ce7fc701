"""What the nodes under a soak's pods cost: a mean over the samples, by the price table. Not a bill.

Counts each node that runs a pod of the Deployment in full, for nobody else may be on it; disks, traffic and the control
plane are left out, as in `python -m gate size`.
"""

from collections import Counter
from collections.abc import Sequence

from gate.records import Cost, SoakSample
from gate.sizing.instances import UnknownInstanceTypeError, instance
from gate.sizing.units import HOURS_PER_MONTH


def soak_cost(samples: Sequence[SoakSample], *, planned_type: str | None) -> Cost:
    """Return the cost of a month at the soak's mean number of nodes.

    Args:
        samples: those that saw the cluster.
        planned_type: of nodes whose own type nobody may read, None if the target plans none.
    """
    if not samples:
        return Cost(usd_per_month=None, told="cost not known: no sample")
    seen: Counter[str] = Counter()
    for sample in samples:
        seen.update(kind or planned_type or "" for kind in sample.nodes.values())
    total, parts = 0.0, []
    for kind, number in sorted(seen.items()):
        mean = number / len(samples)
        try:
            usd = mean * instance(kind).usd_per_hour * HOURS_PER_MONTH
        except UnknownInstanceTypeError:
            return Cost(usd_per_month=None, told=f"cost not known: no price of node type {kind or 'unread'}")
        total += usd
        parts.append(f"{mean:.1f} {kind}")
    if not parts:
        return Cost(usd_per_month=None, told="cost not known: no node was seen")
    return Cost(usd_per_month=total, told=f"USD {total:.0f} a month for {' and '.join(parts)} on average")
