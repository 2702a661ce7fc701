from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.records import Unreadable
from gate.sizing.nodes import node_verdict
from gate.target import Nodes
from gate.verdict import Status
from tests.sizing.factories import MIB, node, snapshot


def test_node_of_a_known_planned_type_passes_with_its_figures() -> None:
    """Computed as EKS does."""
    verdict = node_verdict(nodes=Nodes(instance_type="t3.medium"))

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "A t3.medium node offers 1930m CPU, 3301 MiB memory, 17397 MiB ephemeral storage and 17 pods "
        "(computed, 2 planned)."
    )


def test_node_of_a_misspelt_planned_type_fails_and_names_the_near_ones() -> None:
    """The whole reason and what to write instead."""
    verdict = node_verdict(nodes=Nodes(instance_type="t3.mediun"))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.NODE_TYPE_UNKNOWN)
    assert verdict.reason == (
        "The node type 't3.mediun' is not one of the 127 known types: near names are t3.medium, t3a.medium, r7g.medium."
    )
    assert verdict.remedy == "Set nodes.instance_type to t3.medium."


def test_node_neither_planned_nor_read_is_inconclusive() -> None:
    """Nothing is known."""
    verdict = node_verdict()

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_node_read_passes_whatever_its_type() -> None:
    """A type that no table has is no fault where the node itself was read."""
    verdict = node_verdict(snapshot=snapshot((node("a", instance_type="embedded"),)))

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "1 node (embedded) offers at least 1930m CPU, 15011 MiB memory, 17397 MiB ephemeral storage and 29 pods (read)."
    )


@pytest.mark.parametrize(("memory_mib", "status"), [(14562, Status.PASS), (14559, Status.WARN)])
def test_node_that_offers_less_than_its_type_warns(memory_mib: int, status: Status) -> None:
    """3 % of 15011 MiB are 450."""
    of = node("a")
    of = replace(of, allocatable=replace(of.allocatable, memory_bytes=memory_mib * MIB))

    verdict = node_verdict(snapshot=snapshot((of,)))

    assert verdict.status is status
    if status is Status.WARN:
        assert verdict.cause is Cause.NODE_DIFFERS_FROM_PLAN
        assert verdict.reason == (
            "Node a offers 14559 MiB of memory, and a r5.large under EKS's reservations 15011 MiB: 3 % apart."
        )


def test_node_of_another_type_than_planned_warns() -> None:
    """The plan says t3.medium, the cluster has r5.large."""
    verdict = node_verdict(nodes=Nodes(instance_type="t3.medium"), snapshot=snapshot((node("a"),)))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.NODE_DIFFERS_FROM_PLAN)
    assert verdict.reason == "Node a is of type r5.large, and the target plans t3.medium."


def test_node_none_in_the_cluster_fails() -> None:
    """An empty list that was read is a fact."""
    verdict = node_verdict(snapshot=snapshot(()))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.SCHEDULING_NO_NODES)


def test_node_that_may_not_be_read_falls_back_to_the_plan() -> None:
    """Nodes are cluster-wide, and rights may end at the namespace."""
    denied = Unreadable(what="nodes", kind="forbidden", message="not permitted: list nodes")
    cluster = replace(snapshot(()), unreadable=(denied,))

    assert node_verdict(nodes=Nodes(instance_type="t3.medium"), snapshot=cluster).status is Status.PASS
    unknown = node_verdict(snapshot=cluster)
    assert (unknown.status, unknown.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)


def test_node_without_figures_is_inconclusive() -> None:
    """A kubelet that reports nothing yet."""
    of = node("a")
    verdict = node_verdict(snapshot=snapshot((replace(of, allocatable=replace(of.allocatable, cpu_m=None)),)))

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
