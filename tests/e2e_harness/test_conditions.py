"""When a fault is final, on raw objects: those that a real cluster served, and made ones for what was not recorded."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e.faults import conditions
from e2e.faults.conditions import APP, Condition, Look, Raw

RECORDED = Path(__file__).parents[1] / "diagnosis/recorded"


def recorded(name: str) -> Look:
    """Return a look at a recorded namespace, whose pods carry the chat API's label."""
    objects: list[dict[str, Any]] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["objects"]
    for each in objects:
        if each["kind"] == "Pod":
            each["metadata"].setdefault("labels", {})["app"] = APP

    def look(kind: str) -> Sequence[Raw]:
        return [each for each in objects if each["kind"] == kind]

    return look


def made(**kinds: Sequence[Raw]) -> Look:
    """Return a look at made objects."""
    return lambda kind: kinds.get(kind, ())


def pod(*, ready: bool = True, deleted: bool = False, **status: Any) -> Raw:  # noqa: ANN401  # raw API fields
    """Return a pod of the chat API."""
    return {
        "metadata": {"labels": {"app": APP}, **({"deletionTimestamp": "2026-11-22T16:00:00Z"} if deleted else {})},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}], **status},
    }


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("image-not-found", conditions.waiting("ErrImagePull", "ImagePullBackOff")),
        ("insufficient-cpu", conditions.unschedulable),
        ("node-selector", conditions.unschedulable),
        ("quota-exceeded", conditions.refused),
        ("limit-range", conditions.refused),
        ("oom-while-loading", conditions.ended(1, reason="OOMKilled")),
        ("exit-code-2", conditions.ended(1, code=2)),
        ("init-container-fails", conditions.ended(3)),
        ("readiness-path-404", conditions.event("Unhealthy", "404")),
    ],
)
def test_condition_holds_on_its_recorded_fault_only(name: str, condition: Condition) -> None:
    """Each holds on what the cluster served for that fault, and not on a healthy rollout."""
    assert condition(recorded(name))
    assert not condition(recorded("healthy"))


def test_ready_and_available_hold_on_a_healthy_rollout_only() -> None:
    """Both see the recorded rollout in good order; neither the one without a node."""
    for condition in (conditions.ready(), conditions.available):
        assert condition(recorded("healthy"))
        assert not condition(recorded("insufficient-cpu"))


def test_ended_counts_restarts_and_the_present_end() -> None:
    """Two restarts and a container that is down again are three ends; running again, they are two."""
    down = {"restartCount": 2, "state": {"terminated": {"reason": "Error", "exitCode": 3}}}
    back = {"restartCount": 2, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 3}}}
    assert conditions.ended(3, code=3)(made(Pod=[pod(containerStatuses=[down])]))
    assert not conditions.ended(3)(made(Pod=[pod(containerStatuses=[back])]))
    assert conditions.ended(2, code=3)(made(Pod=[pod(containerStatuses=[back])]))
    assert not conditions.ended(2, code=2)(made(Pod=[pod(containerStatuses=[back])]))


def test_event_counts_repetitions_in_both_notations() -> None:
    """`count` of the core API and `series.count` of events.k8s.io are the same thing."""
    old = {"reason": "Failed", "message": "connection refused", "count": 2}
    new = {"reason": "Failed", "message": "connection refused", "series": {"count": 1}}
    assert conditions.event("Failed", "refused", times=3)(made(Event=[old, new]))
    assert not conditions.event("Failed", "refused", times=4)(made(Event=[old, new]))


def test_failed_counts_pods_by_reason() -> None:
    """Two evicted pods are two, whatever else is there."""
    evicted = pod(ready=False, reason="Evicted")
    assert conditions.failed(2, "Evicted")(made(Pod=[evicted, evicted, pod()]))
    assert not conditions.failed(2, "Evicted")(made(Pod=[evicted, pod()]))


def test_ready_pod_that_is_being_deleted_does_not_count() -> None:
    """A pod on its way out is nobody's answer; beside a ready one it is what `deleting` sees."""
    leaving = pod(deleted=True)
    assert not conditions.ready()(made(Pod=[leaving]))
    assert not conditions.deleting(made(Pod=[leaving]))
    assert conditions.deleting(made(Pod=[leaving, pod()]))


@pytest.mark.parametrize(
    ("ports", "endpoints", "portless", "addressless"),
    [
        ([], [{"addresses": ["10.85.0.4"]}], True, False),
        ([{"port": 8002}], [{"addresses": ["10.85.0.4"]}], False, False),
        (None, None, True, True),
    ],
)
def test_service_without_ports_or_addresses(
    ports: list[Raw] | None,
    endpoints: list[Raw] | None,
    portless: bool,  # noqa: FBT001  # a column of the table
    addressless: bool,  # noqa: FBT001  # a column of the table
) -> None:
    """The slice tells a port that matches nothing from a selector that does; another Service's slice tells nothing."""
    own = {
        "metadata": {"labels": {"kubernetes.io/service-name": "chat"}},
        "ports": ports,
        "endpoints": endpoints,
    }
    other = {
        "metadata": {"labels": {"kubernetes.io/service-name": "patients"}},
        "ports": [{"port": 8001}],
        "endpoints": [{"addresses": ["10.85.0.9"]}],
    }
    look = made(Pod=[pod()], EndpointSlice=[own, other])
    assert conditions.portless("chat")(look) is portless
    assert conditions.addressless("chat")(look) is addressless


def test_progress_exceeded_is_of_the_chat_api_only() -> None:
    """Another Deployment's deadline is not this fault's end."""
    late = {"status": {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}}
    assert conditions.progress_exceeded(made(Deployment=[{"metadata": {"name": APP}, **late}]))
    assert not conditions.progress_exceeded(made(Deployment=[{"metadata": {"name": "patient-api"}, **late}]))


def test_both_needs_both() -> None:
    """One of two is not enough."""
    look = made(Pod=[pod()])
    assert conditions.both(conditions.ready(), conditions.ready())(look)
    assert not conditions.both(conditions.ready(), conditions.unschedulable)(look)


def chat(*, generation: int = 2, replicas: int = 1, revision: int = 1, **status: Any) -> Raw:  # noqa: ANN401  # raw fields
    """Return the chat API's Deployment."""
    return {
        "metadata": {
            "name": APP,
            "generation": generation,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
        },
        "spec": {"replicas": replicas},
        "status": status,
    }


def test_scaled_to_zero_waits_for_the_controller() -> None:
    """Before the controller has looked, nobody knows; with a replica it is none."""
    assert conditions.scaled_to_zero(made(Deployment=[chat(replicas=0, observedGeneration=2)]))
    assert not conditions.scaled_to_zero(made(Deployment=[chat(replicas=0)]))
    assert not conditions.scaled_to_zero(made(Deployment=[chat(observedGeneration=2)]))


def test_unobserved_is_a_generation_ahead_of_its_controller() -> None:
    """Equal generations are in order."""
    assert conditions.unobserved(made(Deployment=[chat(observedGeneration=1)]))
    assert not conditions.unobserved(made(Deployment=[chat(observedGeneration=2)]))


def test_revision_is_the_deployments_own() -> None:
    """Not one before, and not another Deployment's."""
    assert conditions.revision(2)(made(Deployment=[chat(revision=2)]))
    assert not conditions.revision(2)(made(Deployment=[chat()]))


def test_node_condition_needs_kind_and_status() -> None:
    """A node that is silent is Unknown, not False."""
    node = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    assert conditions.node_condition("Ready", "Unknown")(made(Node=[node]))
    assert not conditions.node_condition("Ready", "False")(made(Node=[node]))


def test_hpa_condition_without_a_reason_takes_any() -> None:
    """Where a reason is given, it counts."""
    able = {"type": "AbleToScale", "status": "False", "reason": "FailedGetScale"}
    look = made(HorizontalPodAutoscaler=[{"status": {"conditions": [able]}}])
    assert conditions.hpa("AbleToScale")(look)
    assert conditions.hpa("AbleToScale", "FailedGetScale")(look)
    assert not conditions.hpa("AbleToScale", "BackoffBoth")(look)
    assert not conditions.hpa("ScalingActive")(look)
