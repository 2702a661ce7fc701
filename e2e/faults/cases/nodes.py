"""Components of the cluster that stop answering, and a node that is full: none of these runs beside another case.

A component is stopped with SIGSTOP: it is there and does nothing, as on a machine that hangs.
"""

import json
import signal

from e2e.faults.app import CHAT
from e2e.faults.case import Act, Case, done_after, nothing
from e2e.faults.conditions import node_condition, unobserved, unschedulable
from e2e.faults.hands import Hands, free
from gate.causes import Cause
from gate.diagnosis.tolerances import UNSCHEDULABLE_S
from gate.verdict import Status

#: Takes places on the node and nothing else: without its ConfigMap the kubelet makes neither sandbox nor container.
FILLER = "filler"

#: A node is called silent after 50 s (kube-controller-manager --node-monitor-grace-period).
SILENT_S = 90.0

#: The gate's own limit for the rollout: none of these ends by itself.
LIMIT_S = 15.0


def frozen(component: str) -> Act:
    """Let a component hang."""
    return lambda hands: hands.send(component, signal.SIGSTOP)


def thawed(component: str) -> Act:
    """Let it go on."""
    return lambda hands: hands.send(component, signal.SIGCONT)


def new_revision(hands: Hands) -> None:
    """Ask for a new revision."""
    hands.kubectl("set", "env", f"deployment/{CHAT}", "LOG_LEVEL=WARNING")


def node_silent(hands: Hands) -> None:
    """Wait until the cluster has noticed."""
    hands.wait_for(node_condition("Ready", "Unknown"), timeout_s=SILENT_S)


def disk_full(hands: Hands) -> None:
    """Say of every node that its disk is full; a kubelet that runs would say otherwise within seconds."""
    condition = {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure"}
    for node in hands.kubectl("get", "nodes", "--output", "name").split():
        patch = json.dumps({"status": {"conditions": [condition]}})
        hands.kubectl("patch", node, "--subresource", "status", "--type", "strategic", "--patch", patch)
    hands.wait_until(
        lambda: "node.kubernetes.io/disk-pressure" in hands.kubectl("get", "nodes", "--output", "json"), timeout_s=20
    )


def filled(*, left: int) -> Act:
    """Take all places of the node but so many."""

    def act(hands: Hands) -> None:
        number = free(hands.api).pods - left
        labels = {"app": FILLER}
        container = {"name": FILLER, "image": "none", "volumeMounts": [{"name": "none", "mountPath": "/none"}]}
        spec = {
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": [{"name": "none", "configMap": {"name": "none"}}],
        }
        hands.apply(
            [
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": FILLER, "namespace": hands.namespace},
                    "spec": {
                        "replicas": number,
                        "selector": {"matchLabels": labels},
                        "template": {"metadata": {"labels": labels}, "spec": spec},
                    },
                }
            ]
        )
        hands.wait_until(lambda: free(hands.api).pods <= left, timeout_s=60)

    return act


CASES = (
    Case(
        name="node-full-of-pods",
        first=nothing,
        fault=nothing,
        act=done_after(filled(left=0), new_revision),
        near_miss=nothing,
        near_act=done_after(filled(left=1), new_revision),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_TOO_MANY_PODS,
        alone=True,
    ),
    Case(
        name="node-under-disk-pressure",
        incidents=(1,),
        first=nothing,
        fault=nothing,
        act=done_after(frozen("kubelet"), disk_full, new_revision),
        near_miss=nothing,
        near_act=new_revision,
        undo=thawed("kubelet"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.NODE_PRESSURE,
        alone=True,
    ),
    Case(
        name="node-silent",
        first=nothing,
        fault=nothing,
        act=done_after(frozen("kubelet"), node_silent),
        near_miss=nothing,
        near_act=done_after(frozen("kubelet"), thawed("kubelet")),
        undo=thawed("kubelet"),
        terminal_when=node_condition("Ready", "Unknown"),
        rollout_timeout_s=LIMIT_S,
        waited_s=LIMIT_S,
        within_s=LIMIT_S + 30,
        cause=Cause.NODE_NOT_READY,
        alone=True,
    ),
    Case(
        name="controllers-silent",
        first=nothing,
        fault=nothing,
        act=done_after(frozen("controller-manager"), new_revision),
        near_miss=nothing,
        near_act=new_revision,
        undo=thawed("controller-manager"),
        terminal_when=unobserved,
        rollout_timeout_s=LIMIT_S,
        waited_s=LIMIT_S,
        within_s=LIMIT_S + 30,
        status=Status.INCONCLUSIVE,
        cause=Cause.ROLLOUT_NOT_OBSERVED,
        alone=True,
    ),
)
