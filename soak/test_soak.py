"""What hours show that minutes do not."""

import pytest

from gate.context import Gate
from gate.criteria import threshold
from gate.diagnosis.soak import SoakBounds, soak_verdict
from gate.sizing.soak_cost import soak_cost
from gate.soaking import SamplesFile

# The time limit is --for itself; each read and each question within it has its own.
pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]


@pytest.mark.criterion("SOK-1")
def test_nothing_drifts(gate: Gate, soaked: SamplesFile) -> None:
    """No restart, no memory growth, latency and error rate in band; the cost is told."""
    known = [each for each in soaked.samples if not each.trouble]
    nodes = gate.target.nodes
    bounds = SoakBounds(
        memory_share=threshold("SOK-1", "memory_share"),
        memory_days=threshold("SOK-1", "memory_days"),
        latency_growth=threshold("SOK-1", "latency_growth"),
        error_share=threshold("SOK-1", "error_share"),
        p95_s=threshold("SOK-1", "p95_s"),
        coverage=threshold("SOK-1", "coverage"),
        usd_per_month=gate.target.soak.budget_usd_per_month,
    )
    cost = soak_cost(known, planned_type=nodes.instance_type if nodes else None)
    gate.judge(soak_verdict(soaked.plan, soaked.samples, cost, bounds))
