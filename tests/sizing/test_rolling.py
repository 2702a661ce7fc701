import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.records import Resources
from gate.sizing.offers import Offer
from gate.sizing.rolling import Pace, pace, roll, shortage, slots
from tests.sizing.factories import MIB, workload

POD = Resources(cpu_m=1000, memory_bytes=1000 * MIB, ephemeral_storage_bytes=0, pods=1)


def offer(memory_mib: int, *, cpu_m: int = 10_000, pods: int = 20, closed: str = "", name: str = "node a") -> Offer:
    """Return a node with so much free."""
    free = Resources(cpu_m=cpu_m, memory_bytes=memory_mib * MIB, ephemeral_storage_bytes=None, pods=pods)
    return Offer(node=name, free=free, free_at_least=free, closed=closed)


@pytest.mark.parametrize(
    ("surge", "unavailable", "expected", "standing"),
    [
        ("1", "0", Pace(replicas=4, surge=1, unavailable=0), 5),
        ("25%", "25%", Pace(replicas=4, surge=1, unavailable=1), 4),
        ("10%", "10%", Pace(replicas=4, surge=1, unavailable=0), 5),  # 0.4 pods: surge rounds up, the other down
        ("0", "10%", Pace(replicas=4, surge=0, unavailable=1), 4),  # both 0: one may be unavailable after all
    ],
)
def test_pace_is_resolved_as_the_controller_does(surge: str, unavailable: str, expected: Pace, standing: int) -> None:
    """Per cents become whole pods, and an update that must not lose a pod needs room for one more."""
    found = pace(workload(surge=surge, unavailable=unavailable), 4)

    assert found == expected
    assert found.standing == standing


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (offer(2999), 2),
        (offer(3000), 3),
        (offer(9000, cpu_m=1999), 1),
        (offer(9000, pods=4), 4),
        (offer(-5), 0),
        (offer(9000, closed="is cordoned"), 0),
    ],
)
def test_slots_are_the_floor_of_the_scarcest_resource(of: Offer, expected: int) -> None:
    """Memory, CPU, pod count, and whether the node takes pods at all."""
    assert slots(of, POD) == expected


def test_shortage_names_the_node_that_lacks_least() -> None:
    """400 of 1000 MiB are missing on one node, 100m of 1000m CPU on the other: that one is nearer."""
    found = shortage([offer(600), offer(5000, cpu_m=900, name="node b")], POD)

    assert found is not None
    assert (found.offer.node, found.resource, found.missing) == ("node b", "cpu_m", 100)


def test_shortage_none_where_a_pod_fits() -> None:
    """One node with room is enough."""
    assert shortage([offer(0), offer(1000, name="node b")], POD) is None


def test_roll_without_room_for_one_more_stands_still() -> None:
    """One node with two old pods of 1000 MiB and 999 MiB free: the end state fits, the way there does not."""
    old = [(0, POD), (0, POD)]

    outcome = roll([offer(999)], POD, Pace(replicas=2, surge=1, unavailable=0), old)

    assert (outcome.done, outcome.placed, outcome.old_left) == (False, 0, 2)


def test_roll_with_room_for_exactly_one_more_ends() -> None:
    """1 MiB more, and each new pod takes the room of the old one before it."""
    outcome = roll([offer(1000)], POD, Pace(replicas=2, surge=1, unavailable=0), [(0, POD), (0, POD)])

    assert (outcome.done, outcome.placed, outcome.old_left) == (True, 2, 0)


def test_roll_that_may_lose_a_pod_needs_no_room_beside_the_old() -> None:
    """With maxUnavailable 1 an old pod goes first."""
    outcome = roll([offer(0)], POD, Pace(replicas=2, surge=0, unavailable=1), [(0, POD), (0, POD)])

    assert outcome.done


def test_roll_to_larger_pods_stops_in_the_middle() -> None:
    """Old pods of 100 MiB, new ones of 1000, 1500 free: the first goes in, 600 are left for the second."""
    small = Resources(cpu_m=100, memory_bytes=100 * MIB, ephemeral_storage_bytes=0, pods=1)

    outcome = roll([offer(1500)], POD, Pace(replicas=2, surge=1, unavailable=0), [(0, small), (0, small)])

    assert (outcome.done, outcome.placed, outcome.old_left) == (False, 1, 1)
    found = shortage(outcome.offers, POD)
    assert found is not None
    assert found.missing == 400 * MIB


@given(
    memory=st.lists(st.integers(0, 6000), min_size=1, max_size=5),
    replicas=st.integers(1, 8),
    surge=st.integers(0, 3),
    unavailable=st.integers(0, 3),
    old=st.lists(st.integers(0, 4), max_size=8),
)
def test_roll_always_ends_and_never_overfills(
    memory: list[int], replicas: int, surge: int, unavailable: int, old: list[int]
) -> None:
    """Whatever the nodes and the pace: it stops, no node goes below zero, and done means done."""
    nodes = [offer(each, name=f"node {index}") for index, each in enumerate(memory)]
    running = [(index % len(nodes), POD) for index in old]

    outcome = roll(nodes, POD, Pace(replicas=replicas, surge=surge, unavailable=unavailable), running)

    assert all((each.free.memory_bytes or 0) >= 0 for each in outcome.offers)
    assert outcome.placed <= replicas
    assert outcome.done == (outcome.placed == replicas and outcome.old_left == 0)
