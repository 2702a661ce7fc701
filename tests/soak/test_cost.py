from dataclasses import replace

from gate.sizing.instances import instance
from gate.sizing.soak_cost import soak_cost
from tests.soak import samples as make


def test_cost_is_the_mean_number_of_nodes_at_their_price() -> None:
    """One node for 40 looks and two for 40: one and a half r6a.large for 730 hours."""
    looks = make.soaked(looks=80)
    samples = [
        replace(each, nodes={"a": "r6a.large"} if number < 40 else {"a": "r6a.large", "b": "r6a.large"})
        for number, each in enumerate(looks)
    ]
    cost = soak_cost(samples, planned_type=None)
    assert cost.usd_per_month == 1.5 * instance("r6a.large").usd_per_hour * 730
    assert cost.told == f"USD {cost.usd_per_month:.0f} a month for 1.5 r6a.large on average"


def test_node_whose_type_nobody_may_read_counts_as_planned() -> None:
    """Without the right to list nodes the target's plan holds."""
    samples = [replace(each, nodes={"a": ""}) for each in make.soaked(looks=10)]
    assert "1.0 m6a.large" in soak_cost(samples, planned_type="m6a.large").told


def test_two_types_are_both_told() -> None:
    """A node group may mix them."""
    samples = [replace(each, nodes={"a": "r6a.large", "b": "t3.large"}) for each in make.soaked(looks=10)]
    assert soak_cost(samples, planned_type=None).told.endswith("for 1.0 r6a.large and 1.0 t3.large on average")


def test_cost_without_a_price_is_not_known() -> None:
    """No type, an unknown type, no node, no sample: each says which."""
    one = make.soaked(looks=1)
    unread = [replace(each, nodes={"a": ""}) for each in one]
    strange = [replace(each, nodes={"a": "x9.mega"}) for each in one]
    nowhere = [replace(each, nodes={}) for each in one]
    told = [soak_cost(samples, planned_type=None) for samples in (unread, strange, nowhere, [])]
    assert [each.usd_per_month for each in told] == [None] * 4
    assert [each.told for each in told] == [
        "cost not known: no price of node type unread",
        "cost not known: no price of node type x9.mega",
        "cost not known: no node was seen",
        "cost not known: no sample",
    ]
