"""Why a pod has no node. Messages are those of kube-scheduler 1.34 (pkg/scheduler/framework)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.scheduling import room_may_come, scheduling_fault
from gate.records import Pod, PodSpec, Resources, Snapshot, Taint, Unreadable
from tests.diagnosis import factories as make

PREEMPTION = " preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."


def asking(cpu_m: int = 250, memory_bytes: int = 512 * make.MIB) -> PodSpec:
    """Return a pod that requests so much."""
    requests = Resources(cpu_m=cpu_m, memory_bytes=memory_bytes)
    return make.pod_spec(containers=(make.container_spec(requests=requests),))


def pending(message: str, **changes: Any) -> tuple[Snapshot, Pod]:  # noqa: ANN401  # any field
    """Return a snapshot with a pod that the scheduler refuses with that message, and the pod."""
    pod = make.unscheduled_pod(message, **changes)
    return make.rollout_snapshot(make.pod(), pod), pod


def test_pod_with_too_little_memory_anywhere_names_node_and_shortfall() -> None:
    """Incident 5: 9 GiB asked, 7 GiB allocatable of which 1 GiB is taken, so 6 GiB free and 3 GiB short."""
    snapshot, pod = pending(
        "0/1 nodes are available: 1 Insufficient memory." + PREEMPTION, spec=asking(1000, 9 * make.GIB)
    )
    fault = scheduling_fault(snapshot, pod)
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.SCHEDULING_INSUFFICIENT_MEMORY, True)
    assert fault.what == (
        "it asks for 9.0 GiB of memory, the roomiest node carepath-node has 6.0 GiB free of 7.0 GiB allocatable: "
        "3.0 GiB short"
    )


def test_pod_with_too_little_cpu_names_millicores() -> None:
    """1930m allocatable, 700m taken, 1500m asked: 270m short."""
    snapshot, pod = pending("0/1 nodes are available: 1 Insufficient cpu." + PREEMPTION, spec=asking(1500))
    fault = scheduling_fault(snapshot, pod)
    assert fault is not None
    assert fault.cause is Cause.SCHEDULING_INSUFFICIENT_CPU
    assert fault.what.endswith("has 1230m free of 1930m allocatable: 270m short")


def test_pod_with_too_little_ephemeral_storage_names_node_and_shortfall() -> None:
    """17 GiB allocatable, none taken, 20 GiB asked: 3 GiB short."""
    requests = Resources(cpu_m=250, memory_bytes=512 * make.MIB, ephemeral_storage_bytes=20 * make.GIB)
    spec = make.pod_spec(containers=(make.container_spec(requests=requests),))
    snapshot, pod = pending("0/1 nodes are available: 1 Insufficient ephemeral-storage." + PREEMPTION, spec=spec)
    fault = scheduling_fault(snapshot, pod)
    assert fault is not None
    assert fault.cause is Cause.SCHEDULING_INSUFFICIENT_EPHEMERAL_STORAGE
    assert fault.what == (
        "it asks for 20.0 GiB of ephemeral storage, the roomiest node carepath-node has 17.0 GiB free of 17.0 GiB "
        "allocatable: 3.0 GiB short"
    )


def test_pod_on_nodes_with_as_many_pods_as_they_take_names_the_roomiest() -> None:
    """Six pods run on a node that takes six (on EKS the network interfaces' addresses decide): one short."""
    snapshot, pod = pending("0/1 nodes are available: 1 Too many pods." + PREEMPTION)
    full = make.node(allocatable=replace(make.node().allocatable, pods=6))
    fault = scheduling_fault(replace(snapshot, nodes=(full,)), pod)
    assert fault is not None
    assert fault.cause is Cause.SCHEDULING_TOO_MANY_PODS
    assert fault.what == ("it asks for 1 of pods, the roomiest node carepath-node has 0 free of 6 allocatable: 1 short")


def test_pod_short_of_two_amounts_names_the_greater_shortfall() -> None:
    """270m of 1500m CPU are short (18 %), 1 GiB of 7 GiB memory (14 %): the CPU is what to look at."""
    message = "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory." + PREEMPTION
    snapshot, pod = pending(message, spec=asking(1500, 7 * make.GIB))
    fault = scheduling_fault(snapshot, pod)
    assert fault is not None
    assert fault.cause is Cause.SCHEDULING_INSUFFICIENT_CPU


def test_pod_with_unreadable_nodes_keeps_the_cause_without_numbers() -> None:
    """A forbidden read of nodes takes the numbers away, not the cause."""
    snapshot, pod = pending(
        "0/1 nodes are available: 1 Insufficient memory." + PREEMPTION, spec=asking(250, 9 * make.GIB)
    )
    blind = replace(snapshot, nodes=(), unreadable=(Unreadable(what="nodes", kind="forbidden", message="no"),))
    fault = scheduling_fault(blind, pod)
    assert fault is not None
    assert fault.what == "it asks for 9.0 GiB of memory, no node has that free (the nodes could not be read: forbidden)"


def test_roomiest_node_leaves_out_cordoned_and_tainted_nodes() -> None:
    """A control plane with room and a cordoned node are no place for the pod, and not the node to name."""
    taint = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
    roomy = Resources(cpu_m=9000, memory_bytes=64 * make.GIB, pods=110)
    nodes = (
        make.node("control-plane", allocatable=roomy, taints=(taint,)),
        make.node("cordoned", allocatable=roomy, unschedulable=True),
        make.node("worker"),
    )
    message = (
        "0/3 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s), "
        "1 node(s) were unschedulable."
    )
    snapshot, pod = pending(message, spec=asking(250, 9 * make.GIB))
    fault = scheduling_fault(replace(snapshot, nodes=nodes), pod)
    assert fault is not None
    assert fault.cause is Cause.SCHEDULING_INSUFFICIENT_MEMORY
    assert "the roomiest node worker has 6.0 GiB free" in fault.what


#: What the scheduler counts (kubernetes 1.34.4, pkg/scheduler/framework/plugins, the ErrReason* of each), its cause and
#: the words for it; two are of older schedulers (a volume's conflict, a taint with its name).
NO_ROOM_IN_REACH = "its volume can be reached from none of the nodes that have room (another zone or another node)"
IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)
REASONS = (
    ("node(s) didn't match pod affinity rules", Cause.SCHEDULING_AFFINITY, "no node satisfies its pod affinity"),
    (
        "node(s) didn't match pod anti-affinity rules",
        Cause.SCHEDULING_AFFINITY,
        "its pod anti-affinity forbids every node with room",
    ),
    (
        "node(s) didn't satisfy existing pods anti-affinity rules",
        Cause.SCHEDULING_AFFINITY,
        "its pod anti-affinity forbids every node with room",
    ),
    (
        "node(s) didn't match pod topology spread constraints",
        Cause.SCHEDULING_AFFINITY,
        "its topology spread constraints forbid every node",
    ),
    (
        "node(s) didn't match pod topology spread constraints (missing required label)",
        Cause.SCHEDULING_AFFINITY,
        "its topology spread constraints forbid every node",
    ),
    ("node(s) had volume node affinity conflict", Cause.SCHEDULING_VOLUME_NODE_AFFINITY, NO_ROOM_IN_REACH),
    ("node(s) didn't match PersistentVolume's node affinity", Cause.SCHEDULING_VOLUME_NODE_AFFINITY, NO_ROOM_IN_REACH),
    (
        "node(s) had no available volume zone",
        Cause.SCHEDULING_VOLUME_NODE_AFFINITY,
        "its volume is in another zone than the nodes",
    ),
    (
        "node(s) exceed max volume count",
        Cause.STORAGE_ATTACH_FAILED,
        "every node has as many volumes attached as it can take",
    ),
    (
        "node(s) didn't find available persistent volumes to bind",
        Cause.STORAGE_CLAIM_PENDING,
        "no PersistentVolume matches its claim, and none can be made on these nodes",
    ),
    (
        IN_USE,
        Cause.STORAGE_ATTACH_FAILED,
        "another pod holds its ReadWriteOncePod volume",
    ),
    (
        "node(s) didn't have free ports for the requested pod ports",
        Cause.SCHEDULING_UNKNOWN,
        "the host port it asks for is taken",
    ),
    (
        "node(s) didn't match Pod's node affinity/selector",
        Cause.SCHEDULING_NODE_SELECTOR,
        "no node carries the labels that its node selector or node affinity asks for",
    ),
    ("node(s) had untolerated taint(s)", Cause.SCHEDULING_TAINT, "it does not tolerate the taints of the nodes"),
    (
        "node(s) had untolerated taint {gpu: true}",
        Cause.SCHEDULING_TAINT,
        "it does not tolerate the taints of the nodes",
    ),
    ("node(s) were unschedulable", Cause.SCHEDULING_CORDONED, "the nodes are cordoned"),
)


@pytest.mark.parametrize(("reason", "cause", "what"), REASONS)
def test_reason_of_the_scheduler_is_told_by_kind(reason: str, cause: Cause, what: str) -> None:
    """Each reason of the scheduler has its cause and its words; its own stay in the evidence."""
    snapshot, pod = pending(f"0/1 nodes are available: 1 {reason}." + PREEMPTION)
    fault = scheduling_fault(snapshot, pod)
    assert fault is not None
    assert (fault.cause, fault.what) == (cause, what)
    assert reason in fault.evidence[-1].value


@pytest.mark.parametrize(
    ("message", "cause", "what"),
    [
        (
            "0/0 nodes are available: no nodes available to schedule pods." + PREEMPTION,
            Cause.SCHEDULING_NO_NODES,
            "the cluster has no node at all",
        ),
        ("no nodes available to schedule pods", Cause.SCHEDULING_NO_NODES, "the cluster has no node at all"),
        (
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
            Cause.SCHEDULING_UNKNOWN,
            "the scheduler finds no node: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu",
        ),
        ("", Cause.SCHEDULING_UNKNOWN, "the scheduler finds no node: Unschedulable"),
    ],
)
def test_message_without_a_known_reason_is_told_as_it_is(message: str, cause: Cause, what: str) -> None:
    """No node at all is a cause of its own; what nobody knows is called unknown and quoted."""
    snapshot, pod = pending(message)
    fault = scheduling_fault(snapshot, pod)
    assert fault is not None
    assert (fault.cause, fault.what) == (cause, what)


def test_reason_of_latest_filter_names_the_closest_nodes() -> None:
    """Incident 4: the node without room is not what keeps the pod from the zone of its volume."""
    message = "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had volume node affinity conflict."
    snapshot, pod = pending(message)
    fault = scheduling_fault(snapshot, pod)
    assert fault is not None
    assert fault.cause is Cause.SCHEDULING_VOLUME_NODE_AFFINITY


def sick(how: str, key: str) -> str:
    """Return what is said about a pod that only a sick node could take."""
    return f"node carepath-node is {how} and takes no new pods (taint {key})"


#: Taints of an unwell node, set by node controller and cloud provider (k8s.io/api 1.34, core/v1/well_known_taints.go).
SICK_NODES = (
    ("node.kubernetes.io/not-ready", Cause.NODE_NOT_READY, "not ready"),
    ("node.kubernetes.io/unreachable", Cause.NODE_NOT_READY, "unreachable"),
    ("node.kubernetes.io/network-unavailable", Cause.NODE_NOT_READY, "without a network"),
    (
        "node.cloudprovider.kubernetes.io/uninitialized",
        Cause.NODE_NOT_READY,
        "not initialised by the cloud provider",
    ),
    ("node.kubernetes.io/disk-pressure", Cause.NODE_PRESSURE, "under disk pressure"),
    ("node.kubernetes.io/memory-pressure", Cause.NODE_PRESSURE, "under memory pressure"),
    ("node.kubernetes.io/pid-pressure", Cause.NODE_PRESSURE, "under PID pressure"),
)


@pytest.mark.parametrize(
    ("key", "cause", "what"),
    [
        *((key, cause, sick(how, key)) for key, cause, how in SICK_NODES),
        ("node.kubernetes.io/unschedulable", Cause.SCHEDULING_CORDONED, "node carepath-node is cordoned"),
        ("dedicated", Cause.SCHEDULING_TAINT, "it does not tolerate the taints of the nodes (dedicated)"),
    ],
)
def test_taint_set_by_kubernetes_names_the_sick_node(key: str, cause: Cause, what: str) -> None:
    """A full disk shows as a taint: the node's state is the cause, the taint its sign."""
    fault = tainted_fault(Taint(key=key, effect="NoSchedule"))
    assert fault is not None
    assert (fault.cause, fault.what) == (cause, what)


def test_taint_that_keeps_no_pod_away_is_not_named() -> None:
    """Near miss: PreferNoSchedule is a wish, it is not why the pod waits."""
    fault = tainted_fault(Taint(key="node.kubernetes.io/disk-pressure", effect="PreferNoSchedule"))
    assert fault is not None
    assert (fault.cause, fault.what) == (Cause.SCHEDULING_TAINT, "it does not tolerate the taints of the nodes")


def tainted_fault(taint: Taint) -> PodFault | None:
    """Return the fault of a pod that the one node's taint keeps away, as the scheduler tells it."""
    snapshot, pod = pending("0/1 nodes are available: 1 node(s) had untolerated taint(s).")
    return scheduling_fault(replace(snapshot, nodes=(make.node(taints=(taint,)),)), pod)


def test_pending_pod_is_not_final_within_tolerance() -> None:
    """One second before the tolerance an autoscaler may still answer; at it, the wait is over."""
    message = "0/1 nodes are available: 1 Insufficient memory."
    early, pod = pending(message, age_s=tolerances.UNSCHEDULABLE_S - 1)
    late, old = pending(message, age_s=tolerances.UNSCHEDULABLE_S)
    assert (scheduling_fault(early, pod).final, scheduling_fault(late, old).final) == (False, True)  # type: ignore[union-attr]


def test_pending_pod_is_not_final_while_an_old_pod_terminates() -> None:
    """What the old pod holds may be enough; once it is overdue, nothing comes of it."""
    snapshot, pod = pending("0/1 nodes are available: 1 Insufficient memory.")
    leaving = make.old_pod(deleted_at=make.NOW + timedelta(seconds=20))
    stuck = make.old_pod(deleted_at=make.ago(tolerances.TERMINATION_MARGIN_S))
    with_leaving = replace(snapshot, pods=(*snapshot.pods, leaving))
    with_stuck = replace(snapshot, pods=(*snapshot.pods, stuck))
    assert room_may_come(with_leaving, pod) == f"pod {leaving.name} is being deleted"
    assert not scheduling_fault(with_leaving, pod).final  # type: ignore[union-attr]
    assert scheduling_fault(with_stuck, pod).final  # type: ignore[union-attr]


def test_pending_pod_is_not_final_while_the_autoscaler_brings_a_node() -> None:
    """TriggeredScaleUp is a promise, kept within its provisioning time or not at all."""
    snapshot, pod = pending("0/1 nodes are available: 1 Insufficient memory.", age_s=2000)
    asked = make.event("TriggeredScaleUp", "pod triggered scale-up: [{nodes 1->2 (max: 3)}]", pod, age_s=40)
    long_ago = make.event("TriggeredScaleUp", "pod triggered scale-up", pod, age_s=tolerances.NODE_PROVISION_S)
    refused = make.event(
        "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", pod, age_s=5
    )
    assert not scheduling_fault(replace(snapshot, events=(asked,)), pod).final  # type: ignore[union-attr]
    assert scheduling_fault(replace(snapshot, events=(long_ago,)), pod).final  # type: ignore[union-attr]
    assert scheduling_fault(replace(snapshot, events=(asked, refused)), pod).final  # type: ignore[union-attr]


def test_gated_pod_is_told_from_an_unschedulable_one() -> None:
    """A scheduling gate is somebody's decision; it is waited out for its own time."""
    message = "Scheduling is blocked due to non-empty scheduling gates"
    early, pod = pending(message, reason="SchedulingGated", age_s=tolerances.GATED_S - 1)
    late, old = pending(message, reason="SchedulingGated", age_s=tolerances.GATED_S)
    first, second = scheduling_fault(early, pod), scheduling_fault(late, old)
    assert first is not None
    assert second is not None
    assert first.cause is second.cause is Cause.SCHEDULING_GATED
    assert (first.final, second.final) == (False, True)


def test_scheduled_pod_has_no_scheduling_fault() -> None:
    """A pod with a node, and one that the scheduler has not looked at yet, are no fault."""
    fresh = make.pod(node=None, phase="Pending", conditions=(), statuses=())
    assert scheduling_fault(make.healthy_snapshot(), make.pod()) is None
    assert scheduling_fault(make.rollout_snapshot(fresh), fresh) is None
