"""Why a pod has ended for good (phase Failed): evicted, preempted, refused or lost by its node.

Such a pod is replaced by its ReplicaSet, so one of them is history; the same end of the replacement is the cause why a
revision never gets complete. Texts: kubernetes/kubernetes 1.34, pkg/kubelet/eviction/helpers.go.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.wording import quote, seconds_between
from gate.records import Pod, Snapshot
from gate.verdict import Evidence, Status

_CONTAINER_LIMIT = re.compile(r'Container (\S+) exceeded its local ephemeral storage limit "?([^".]+)"?')
_POD_LIMIT = re.compile(r"ephemeral local storage usage exceeds the total limit of containers (\S+?)\.? ?$")
_EMPTY_DIR = re.compile(r'Usage of EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)"')
_LOW = re.compile(r"The node was low on resource: (\S+?)\.")
_USED = re.compile(r"(?:Container|Pod) (\S+) was using (\S+), request is (\S+), has larger consumption")
_THRESHOLD = re.compile(r"Threshold quantity: (\S+), available: (\S+?)\.(?: |$)")

_STORAGE = frozenset({"ephemeral-storage", "inodes", "nodefs", "imagefs"})


def ended_faults(snapshot: Snapshot, pods: Sequence[Pod]) -> tuple[PodFault, ...]:
    """Return why pods of a revision have ended, newest first.

    What ended within EVICTION_SPAN_S is a FAIL, and final the second time in that span; older ends are a WARN.
    """
    ended = sorted(
        ((seconds_between(_ended_at(pod), snapshot.read_at) or 0.0, pod) for pod in pods if _has_failed(pod)),
        key=lambda each: each[0],
    )
    told = [(pod, age_s < tolerances.EVICTION_SPAN_S, *_explained(snapshot, pod)) for age_s, pod in ended]
    recently = Counter(cause for _, recent, cause, _, _ in told if recent)
    return tuple(
        PodFault(
            pod=pod.name,
            cause=cause,
            what=what,
            evidence=(
                Evidence(f"Pod/{pod.name}", "status.reason", pod.reason or "none", _ended_at(pod)),
                Evidence(f"Pod/{pod.name}", "status.message", quote(pod.message) or "none", _ended_at(pod)),
            ),
            remedy=remedy,
            final=recent and recently[cause] >= tolerances.EVICTIONS,
            status=Status.FAIL if recent else Status.WARN,
        )
        for pod, recent, cause, what, remedy in told
    )


def _has_failed(pod: Pod) -> bool:
    """Return whether the pod ended against anybody's will.

    A pod that is being deleted ends as Failed too if its process answers SIGTERM with anything but exit code 0: that is
    scaling down, or draining a node, unless the scheduler deletes it for a pod of higher priority.
    """
    return pod.phase == "Failed" and (not pod.terminating or _was_preempted(pod))


def _ended_at(pod: Pod) -> datetime | None:
    """Return the last time that the pod's status tells of, for no field says when the pod failed."""
    times = [status.state.finished_at for status in pod.statuses]
    times.extend(condition.at for condition in pod.conditions)
    return max((at for at in times if at is not None), default=pod.created_at)


def _was_preempted(pod: Pod) -> bool:
    """Return whether the scheduler took the pod away (API reference, condition DisruptionTarget)."""
    condition = pod.condition("DisruptionTarget")
    return condition is not None and condition.status == "True" and condition.reason == "PreemptionByScheduler"


def _explained(snapshot: Snapshot, pod: Pod) -> tuple[Cause, str, str]:
    if pod.reason == "Evicted":
        return _evicted(pod)
    if pod.reason == "Preempting" or _was_preempted(pod):
        return (
            Cause.POD_PREEMPTED,
            "it had to make room for a pod of higher priority",
            "Give the Deployment a priorityClassName, or add a node.",
        )
    if pod.reason.startswith("OutOf") or pod.reason in {"NodeAffinity", "UnexpectedAdmissionError"}:
        return (
            Cause.POD_EVICTED,
            f"node {pod.node} refused it on arrival ({pod.reason}): {quote(pod.message)}",
            f"Compare what is free there with what the pod asks for: kubectl describe node {pod.node}",
        )
    if pod.reason in {"NodeLost", "NodeShutdown", "Terminated", "Shutdown"}:
        return (
            Cause.POD_LOST,
            f"its node {pod.node} went away or was shut down ({pod.reason})",
            f"Look at the node: kubectl describe node {pod.node}",
        )
    return (
        Cause.CONTAINER_EXITED,
        f"it has ended for good ({pod.reason or 'no reason given'}): {quote(pod.message) or 'no message'}",
        f"Read the pod's events: kubectl describe pod {pod.name} -n {snapshot.namespace}",
    )


def _evicted(pod: Pod) -> tuple[Cause, str, str]:
    message = " ".join(pod.message.split())
    container, whole, volume = (each.search(message) for each in (_CONTAINER_LIMIT, _POD_LIMIT, _EMPTY_DIR))
    if container:
        return (
            Cause.POD_EVICTED_STORAGE,
            f"it was evicted: container {container[1]} wrote more than its ephemeral-storage limit of {container[2]}",
            "Raise resources.limits.ephemeral-storage, bake the model into the image, or put it on a volume.",
        )
    if whole:
        return (
            Cause.POD_EVICTED_STORAGE,
            f"it was evicted: its containers together wrote more than their ephemeral-storage limits of {whole[1]}",
            "Raise resources.limits.ephemeral-storage, bake the model into the image, or put it on a volume.",
        )
    if volume:
        return (
            Cause.POD_EVICTED_STORAGE,
            f"it was evicted: its emptyDir volume {volume[1]} grew beyond its sizeLimit of {volume[2]}",
            f"Raise emptyDir.sizeLimit of volume {volume[1]}, or write less to it.",
        )
    low, used, threshold = (each.search(message) for each in (_LOW, _USED, _THRESHOLD))
    if low is None:
        return (
            Cause.POD_EVICTED,
            f"it was evicted from node {pod.node}: {quote(message) or 'no message'}",
            f"Look at the node: kubectl describe node {pod.node}",
        )
    usage = f"; container {used[1]} was using {used[2]} and had requested {used[3]}" if used else ""
    left = f" ({threshold[2]} left, threshold {threshold[1]})" if threshold else ""
    storage = low[1] in _STORAGE
    return (
        Cause.POD_EVICTED_STORAGE if storage else Cause.POD_EVICTED_MEMORY if low[1] == "memory" else Cause.POD_EVICTED,
        f"it was evicted: node {pod.node} was low on {low[1]}{left}{usage}",
        f"Request the {low[1]} that the pod really uses, or give the node more: kubectl describe node {pod.node}",
    )
