from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.records import Condition, Taint, Unreadable
from gate.sizing.capacity import capacity_verdict
from gate.verdict import Status
from tests.sizing.factories import HPA, NOW, container, node, planned, pod, snapshot, workload


def test_capacity_of_two_planned_nodes_lacks_the_surge() -> None:
    """r5.large, less CoreDNS, holds one pod of 9216 MiB: 14941 - 9216 = 5725 are left for the third."""
    verdict = capacity_verdict(workload(), hpa=HPA, planned=planned("r5.large"))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.SCHEDULING_INSUFFICIENT_MEMORY)
    assert verdict.reason == (
        "3 pods of chat-api stand at the same time (2 replicas + 1 of the rolling update), and 2 r5.large nodes hold "
        "2: when those run, r5.large node 2 has 5725 MiB of memory left, a pod asks for 9216 MiB, 3491 MiB missing."
    )
    assert verdict.remedy == (
        "Use 3 r6a.large nodes (USD 0.3402 an hour together), the cheapest amd64 choice that holds 3 such pods, "
        "or lower the pod's requests."
    )


def test_capacity_of_three_planned_nodes_passes() -> None:
    """One node more."""
    verdict = capacity_verdict(workload(), hpa=HPA, planned=planned("r5.large", 3))

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "3 pods of chat-api stand at the same time (2 replicas + 1 of the rolling update), and 3 r5.large nodes hold 3."
    )


def test_capacity_of_two_planned_nodes_suffices_if_a_pod_may_be_away() -> None:
    """With maxUnavailable 1 no third pod is needed."""
    of = workload(surge="0", unavailable="1")

    assert capacity_verdict(of, hpa=HPA, planned=planned("r5.large")).status is Status.PASS


def test_capacity_that_holds_only_by_the_measured_overhead_warns() -> None:
    """14412 MiB fit 14941 as measured, but not 14411 by the rule of thumb; the first node has more to run."""
    of = workload(container(request_mib=14412, cpu_m=100), surge="0", unavailable="1")

    verdict = capacity_verdict(of, hpa=HPA, planned=planned("r5.large", 3))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.NODE_MARGIN_THIN)


def test_capacity_of_planned_cpu_is_named_as_such() -> None:
    """1930m - 350m on the node with CoreDNS and metrics-server, 1680m on the other: two pods of 1600m need both."""
    of = workload(container(cpu_m=1600, request_mib=3000), surge="0", unavailable="1")

    verdict = capacity_verdict(of, hpa=HPA, planned=planned("r5.large", 1))

    assert verdict.cause is Cause.SCHEDULING_INSUFFICIENT_CPU
    assert verdict.reason == (
        "2 pods of chat-api stand at the same time (2 replicas), and 1 r5.large node holds 0: r5.large node 1 has "
        "1480m CPU left, a pod asks for 1600m, 120m missing."
    )


def test_capacity_without_nodes_is_inconclusive() -> None:
    """Neither planned nor read."""
    verdict = capacity_verdict(workload(), hpa=HPA)

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_capacity_of_an_unknown_type_is_inconclusive() -> None:
    """NODE-1 fails it; here nothing can be computed."""
    verdict = capacity_verdict(workload(), hpa=HPA, planned=planned("t3.mediun"))

    assert verdict.status is Status.INCONCLUSIVE
    assert "near names: t3.medium" in verdict.reason


# --- On a cluster -----------------------------------------------------------------------------------------------------


def test_capacity_on_a_full_node_names_node_and_shortfall() -> None:
    """Two mock pods of 512 MiB run; 5000 MiB are free beside them, a pod of the model asks for 9216."""
    cluster = snapshot((node("a", free_mib=5000),), (pod("p1", "a", request_mib=512), pod("p2", "a", request_mib=512)))

    verdict = capacity_verdict(workload(), hpa=HPA, snapshot=cluster)

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.SCHEDULING_INSUFFICIENT_MEMORY)
    assert verdict.reason == (
        "The update of chat-api would stop with 0 of 2 new pods placed and 2 old ones still running: node a has "
        "5000 MiB of memory left, a pod asks for 9216 MiB, 4216 MiB missing."
    )
    assert verdict.evidence[-1].at == NOW


def test_capacity_beside_old_pods_passes_with_room_for_one_more() -> None:
    """Two nodes, a large old pod on each, exactly one more fits on one: each old pod makes room for the next."""
    cluster = snapshot(
        (node("a", free_mib=9216), node("b", free_mib=100, free_cpu_m=0)),
        (pod("p1", "a", request_mib=9216, cpu_m=1000), pod("p2", "b", request_mib=9216, cpu_m=1000)),
    )

    verdict = capacity_verdict(workload(), hpa=HPA, snapshot=cluster)

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "The rolling update of chat-api to 2 pods fits what is free beside 2 running pods on 2 of 2 nodes."
    )


def test_capacity_one_mib_short_beside_old_pods_fails() -> None:
    """The end state would fit, the way there does not."""
    cluster = snapshot((node("a", free_mib=9215),), (pod("p1", "a", request_mib=9216, cpu_m=1000),), replicas=1)

    verdict = capacity_verdict(workload(), hpa=replace(HPA, min_replicas=1), snapshot=cluster)

    assert verdict.status is Status.FAIL
    assert verdict.reason.endswith("a pod asks for 9216 MiB, 1 MiB missing.")


def test_capacity_counts_what_terminating_pods_give_back() -> None:
    """The same node, with a pod that is on its way out."""
    leaving = replace(pod("p0", "a", request_mib=512), deleted_at=NOW)
    cluster = snapshot((node("a", free_mib=9216 - 512),), (leaving,), replicas=1)

    verdict = capacity_verdict(workload(), hpa=replace(HPA, min_replicas=1), snapshot=cluster)

    assert verdict.status is Status.PASS


def test_capacity_of_cpu_on_the_cluster_is_named_as_such() -> None:
    """999m of 1000m."""
    cluster = snapshot((node("a", free_mib=15000, free_cpu_m=999),), replicas=1)

    verdict = capacity_verdict(workload(), hpa=replace(HPA, min_replicas=1), snapshot=cluster)

    assert verdict.cause is Cause.SCHEDULING_INSUFFICIENT_CPU
    assert verdict.reason == (
        "The update of chat-api would stop with 0 of 1 new pods placed: node a has 999m CPU left, "
        "a pod asks for 1000m, 1m missing."
    )


def test_capacity_keeps_the_replicas_that_the_hpa_has_scaled_to() -> None:
    """Four run under load: the update has to bring four, and there is room for three."""
    rooms = tuple(node(name, free_mib=9216) for name in "abc")

    assert capacity_verdict(workload(), hpa=HPA, snapshot=snapshot(rooms, replicas=2)).status is Status.PASS
    assert capacity_verdict(workload(), hpa=HPA, snapshot=snapshot(rooms, replicas=4)).status is Status.FAIL


@pytest.mark.parametrize(
    ("closed", "why"),
    [
        (replace(node("a", free_mib=15000), unschedulable=True), "node a is cordoned"),
        (
            replace(node("a", free_mib=15000), taints=(Taint(key="gpu", effect="NoSchedule"),)),
            "node a has the taint gpu:NoSchedule",
        ),
        (
            replace(node("a", free_mib=15000), conditions=(Condition(type="Ready", status="Unknown"),)),
            "node a is not ready",
        ),
    ],
)
def test_capacity_of_closed_nodes_does_not_count(closed: object, why: str) -> None:
    """Room on a node that takes no pods is no room."""
    assert isinstance(closed, type(node("a")))
    verdict = capacity_verdict(workload(), hpa=HPA, snapshot=snapshot((closed,)))

    assert verdict.cause is Cause.SCHEDULING_NO_NODES
    assert verdict.reason == (
        f"The update of chat-api would stop with 0 of 2 new pods placed: no node takes pods ({why})."
    )


def test_capacity_of_a_node_that_only_prefers_no_pods_counts() -> None:
    """PreferNoSchedule is a wish."""
    wishing = replace(node("a", free_mib=15000), taints=(Taint(key="spot", effect="PreferNoSchedule"),))

    verdict = capacity_verdict(workload(), hpa=replace(HPA, min_replicas=1), snapshot=snapshot((wishing,), replicas=1))

    assert verdict.status is Status.PASS


def test_capacity_without_the_right_to_see_all_pods_is_inconclusive() -> None:
    """Allocatable is known, what is free is not."""
    cluster = snapshot((replace(node("a"), requested=None),))
    denied = Unreadable(what="node_requests", kind="forbidden", message="not permitted: list pods cluster-wide")

    verdict = capacity_verdict(workload(), hpa=HPA, snapshot=replace(cluster, unreadable=(denied,)))

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert verdict.reason == (
        "Whether 3 pods of chat-api find room is unknown: what is free on the nodes could not be read: "
        "not permitted: list pods cluster-wide."
    )
