"""What a node does to its pods."""

from dataclasses import replace

from gate.causes import Cause
from gate.diagnosis.pods import pod_fault
from gate.records import Unreadable
from tests.diagnosis import factories as make


def test_pod_on_silent_node_names_the_node_although_it_looks_ready() -> None:
    """A dead node's pods keep their last status for minutes."""
    silent = make.condition(
        "Ready", "Unknown", reason="NodeStatusUnknown", message="Kubelet stopped posting node status."
    )
    pod = make.pod()
    fault = pod_fault(make.rollout_snapshot(pod, nodes=(make.node(conditions=(silent,)),)), pod)
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.NODE_NOT_READY, False)
    assert fault.what == "its node carepath-node does not answer since 60 s: Kubelet stopped posting node status"


def test_pod_on_node_that_is_not_ready_quotes_the_kubelet() -> None:
    """A kubelet that answers and is not ready says why."""
    sick = make.condition("Ready", "False", reason="KubeletNotReady", message="container runtime network not ready")
    pod = make.unready_pod(make.waiting("ContainerCreating"))
    fault = pod_fault(make.rollout_snapshot(pod, nodes=(make.node(conditions=(sick,)),)), pod)
    assert fault is not None
    assert fault.what == "its node carepath-node is not ready since 60 s: container runtime network not ready"


def test_pod_whose_node_is_gone_is_lost() -> None:
    """A spot node was taken away; its pod object stays until it is collected."""
    pod = make.pod()
    fault = pod_fault(make.rollout_snapshot(pod, nodes=(make.node("another"),)), pod)
    assert fault is not None
    assert (fault.cause, fault.what) == (Cause.POD_LOST, "its node carepath-node is not in the cluster any more")


def test_pod_with_unreadable_nodes_is_judged_by_itself() -> None:
    """Without the right to read nodes nothing is said about them."""
    pod = make.pod()
    unread = (Unreadable(what="nodes", kind="forbidden", message="no"),)
    assert pod_fault(replace(make.rollout_snapshot(pod), nodes=(), unreadable=unread), pod) is None
