"""What nodes cost in a month; a price that nobody knows is no free node."""

import pytest

from gate.sizing.cost import monthly_cost
from gate.sizing.instances import instance


def test_cost_is_that_of_every_node_for_730_hours() -> None:
    """Two of one type and one of another add up."""
    found = monthly_cost({"t3.large": 2, "r6a.large": 1})
    expected = (2 * instance("t3.large").usd_per_hour + instance("r6a.large").usd_per_hour) * 730
    assert found.usd == pytest.approx(expected)
    assert found.unpriced == ()
    assert str(found) == f"USD {expected:.0f} a month"


def test_cost_of_a_type_without_a_price_is_left_out_and_said() -> None:
    """The rest is still a figure."""
    found = monthly_cost({"t3.large": 1, "unknown": 2})
    assert found.unpriced == ("unknown",)
    assert str(found).endswith(" a month without unknown")


@pytest.mark.parametrize("nodes", [{}, {"unknown": 1}])
def test_cost_of_nothing_known_is_not_zero(nodes: dict[str, int]) -> None:
    """Zero would read as free."""
    found = monthly_cost(nodes)
    assert (found.usd, str(found)) == (None, "cost not known")
