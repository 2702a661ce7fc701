"""Conditions over raw Kubernetes objects: when a fault has become final, as the cluster itself says it.

Nothing of the gate is used here, for this is what it is held against. Pure but for the look that a condition is given.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

Raw: TypeAlias = dict[str, Any]


class Look(Protocol):
    """One look at a namespace: the raw objects of a kind, read at most once per look."""

    def __call__(self, kind: str) -> Sequence[Raw]:
        """Return all objects of that kind."""
        ...


Condition: TypeAlias = Callable[[Look], bool]

#: The label of the pods that are judged.
APP = "chat-api"


def pods(look: Look) -> list[Raw]:
    """Return the chat API's pods."""
    return [pod for pod in look("Pod") if pod["metadata"].get("labels", {}).get("app") == APP]


def containers(look: Look) -> Iterator[Raw]:
    """Return the status of every container and init container of the chat API's pods."""
    for pod in pods(look):
        yield from pod["status"].get("initContainerStatuses", ())
        yield from pod["status"].get("containerStatuses", ())


def waiting(*reasons: str, restarts: int = 0) -> Condition:
    """A container waits for one of these reasons and has been restarted at least so often."""
    return lambda look: any(
        status["state"].get("waiting", {}).get("reason") in reasons and status["restartCount"] >= restarts
        for status in containers(look)
    )


def ended(times: int, *, reason: str = "", code: int | None = None) -> Condition:
    """A container has ended so often, the last time for this reason and with this exit code, where given."""

    def holds(look: Look) -> bool:
        for status in containers(look):
            now = status["state"].get("terminated")
            last = now or status.get("lastState", {}).get("terminated")
            # The count goes up when the next one starts: one that is held back has ended once more.
            ends = status["restartCount"] + ("running" not in status["state"])
            if last and ends >= times and reason in {"", last.get("reason")} and code in {None, last["exitCode"]}:
                return True
        return False

    return holds


def unschedulable(look: Look) -> bool:
    """The scheduler has found no node for a pod."""
    return any(
        (condition["type"], condition.get("reason")) == ("PodScheduled", "Unschedulable")
        for pod in pods(look)
        for condition in pod["status"].get("conditions", ())
    )


def event(reason: str, text: str = "", times: int = 1) -> Condition:
    """Events with this reason, whose message holds this text, have been reported so often."""
    return lambda look: (
        sum(
            each.get("count") or each.get("series", {}).get("count") or 1
            for each in look("Event")
            if each["reason"] == reason and text in each.get("message", "")
        )
        >= times
    )


def refused(look: Look) -> bool:
    """A ReplicaSet may not make its pods."""
    return any(
        condition["type"] == "ReplicaFailure" and condition["status"] == "True"
        for replica_set in look("ReplicaSet")
        for condition in replica_set["status"].get("conditions", ())
    )


def ready(at_least: int = 1) -> Condition:
    """So many pods of the chat API are ready."""
    return lambda look: sum(map(is_ready, pods(look))) >= at_least


def available(look: Look) -> bool:
    """Every Deployment of the namespace has a pod that serves."""
    found = look("Deployment")
    return bool(found) and all(each.get("status", {}).get("availableReplicas") for each in found)


def progress_exceeded(look: Look) -> bool:
    """The chat API's rollout has made no progress for its deadline."""
    return any(
        condition.get("reason") == "ProgressDeadlineExceeded"
        for each in look("Deployment")
        if each["metadata"]["name"] == APP
        for condition in each.get("status", {}).get("conditions", ())
    )


def running(look: Look) -> bool:
    """A container of the chat API runs."""
    return any("running" in status["state"] for status in containers(look))


def failed(times: int, reason: str) -> Condition:
    """So many pods have failed for this reason."""
    return lambda look: sum(pod["status"].get("reason") == reason for pod in pods(look)) >= times


def deleting(look: Look) -> bool:
    """A pod of the chat API is being deleted while another is ready."""
    return any("deletionTimestamp" in pod["metadata"] for pod in pods(look)) and ready()(look)


def portless(service: str) -> Condition:
    """Ready pods stand behind a Service, and none of its ports leads to them."""

    def holds(look: Look) -> bool:
        slices = [
            each
            for each in look("EndpointSlice")
            if each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
        ]
        return bool(slices) and ready()(look) and not any(each.get("ports") for each in slices)

    return holds


def addressless(service: str) -> Condition:
    """Pods are ready, and none of them stands behind the Service."""

    def holds(look: Look) -> bool:
        return ready()(look) and not any(
            each.get("endpoints")
            for each in look("EndpointSlice")
            if each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
        )

    return holds


def hpa(condition: str, reason: str = "") -> Condition:
    """A condition of the HorizontalPodAutoscaler is False, for this reason where given."""
    return lambda look: any(
        each["type"] == condition and each["status"] == "False" and reason in {"", each["reason"]}
        for found in look("HorizontalPodAutoscaler")
        for each in found["status"].get("conditions", ())
    )


def scaled_to_zero(look: Look) -> bool:
    """The chat API's Deployment shall have no pods, and its controller knows."""
    return any(
        each["spec"].get("replicas") == 0 and each.get("status", {}).get("observedGeneration")
        for each in look("Deployment")
        if each["metadata"]["name"] == APP
    )


def unobserved(look: Look) -> bool:
    """The chat API's Deployment was changed and its controller has not looked at it since."""
    return any(
        each["metadata"]["generation"] > each.get("status", {}).get("observedGeneration", 0)
        for each in look("Deployment")
        if each["metadata"]["name"] == APP
    )


def revision(number: int) -> Condition:
    """The chat API's Deployment has come to this revision."""
    return lambda look: any(
        each["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision") == str(number)
        for each in look("Deployment")
        if each["metadata"]["name"] == APP
    )


def node_condition(kind: str, status: str) -> Condition:
    """A node has this condition."""
    return lambda look: any(
        (condition["type"], condition["status"]) == (kind, status)
        for node in look("Node")
        for condition in node["status"]["conditions"]
    )


def both(first: Condition, second: Condition) -> Condition:
    """Both hold."""
    return lambda look: first(look) and second(look)


def is_ready(pod: Raw) -> bool:
    """Return whether a pod is ready and stays."""
    return "deletionTimestamp" not in pod["metadata"] and any(
        (condition["type"], condition["status"]) == ("Ready", "True")
        for condition in pod["status"].get("conditions", ())
    )
