"""Why a pod has ended for good. Messages: kubernetes/kubernetes 1.34, pkg/kubelet/eviction/helpers.go."""

from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.evictions import ended_faults
from gate.diagnosis.faults import PodFault
from gate.records import Pod
from gate.verdict import Status
from tests.diagnosis import factories as make


def failed(reason: str, message: str = "", name: str = "chat-api-6b7f9c5d4-ccccc", **changes: Any) -> Pod:  # noqa: ANN401  # any field
    """Return a pod in phase Failed."""
    return make.pod(name, phase="Failed", reason=reason, message=message, statuses=(), **changes)


def told(*pods: Pod) -> tuple[PodFault, ...]:
    """Return the faults of ended pods."""
    return ended_faults(make.rollout_snapshot(*pods), pods)


LOW_MEMORY = (
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
    "Container chat-api was using 8Gi, request is 1Gi, has larger consumption of memory. "
)
NO_ROOM = "Node didn't have enough resource: cpu, requested: 250, used: 1900, capacity: 1930"
USED_DISK = "container chat-api was using 9Gi and had requested 0"
USED_MEMORY = "container chat-api was using 8Gi and had requested 1Gi"
LOW_DISK = (
    "The node was low on resource: ephemeral-storage. Threshold quantity: 2Gi, available: 1Gi. "
    "Container chat-api was using 9Gi, request is 0, has larger consumption of ephemeral-storage. "
)


@pytest.mark.parametrize(
    ("reason", "message", "cause", "what"),
    [
        (
            "Evicted",
            LOW_DISK,
            Cause.POD_EVICTED_STORAGE,
            f"it was evicted: node carepath-node was low on ephemeral-storage (1Gi left, threshold 2Gi); {USED_DISK}",
        ),
        (
            "Evicted",
            LOW_MEMORY,
            Cause.POD_EVICTED_MEMORY,
            f"it was evicted: node carepath-node was low on memory (50Mi left, threshold 100Mi); {USED_MEMORY}",
        ),
        (
            "Evicted",
            'Container chat-api exceeded its local ephemeral storage limit "1Gi". ',
            Cause.POD_EVICTED_STORAGE,
            "it was evicted: container chat-api wrote more than its ephemeral-storage limit of 1Gi",
        ),
        (
            "Evicted",
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
            Cause.POD_EVICTED_STORAGE,
            "it was evicted: its containers together wrote more than their ephemeral-storage limits of 1Gi",
        ),
        (
            "Evicted",
            'Usage of EmptyDir volume "tmp" exceeds the limit "64Mi". ',
            Cause.POD_EVICTED_STORAGE,
            "it was evicted: its emptyDir volume tmp grew beyond its sizeLimit of 64Mi",
        ),
        (
            "Evicted",
            "The node had condition: [PIDPressure]. ",
            Cause.POD_EVICTED,
            "it was evicted from node carepath-node: The node had condition: [PIDPressure]",
        ),
        (
            "Evicted",
            "The node was low on resource: pids. Threshold quantity: 1000, available: 900. ",
            Cause.POD_EVICTED,
            "it was evicted: node carepath-node was low on pids (900 left, threshold 1000)",
        ),
        (
            "Preempting",
            "Preempted in order to admit critical pod",
            Cause.POD_PREEMPTED,
            "it had to make room for a pod of higher priority",
        ),
        (
            "OutOfcpu",
            NO_ROOM,
            Cause.POD_EVICTED,
            f"node carepath-node refused it on arrival (OutOfcpu): {NO_ROOM}",
        ),
        (
            "NodeShutdown",
            "Pod was terminated in response to imminent node shutdown.",
            Cause.POD_LOST,
            "its node carepath-node went away or was shut down (NodeShutdown)",
        ),
        (
            "DeadlineExceeded",
            "Pod was active on the node longer than the specified deadline",
            Cause.CONTAINER_EXITED,
            "it has ended for good (DeadlineExceeded): Pod was active on the node longer than the specified deadline",
        ),
    ],
)
def test_end_of_a_pod_is_told_by_kind(reason: str, message: str, cause: Cause, what: str) -> None:
    """Incident 1 and its neighbours: which limit, and how much was used."""
    (fault,) = told(failed(reason, message))
    assert (fault.cause, fault.what, fault.final) == (cause, what, False)


def test_second_eviction_of_the_same_kind_is_final() -> None:
    """The replacement has the same image, limits and volumes."""
    first, second = told(failed("Evicted", LOW_DISK), failed("Evicted", LOW_DISK, "chat-api-6b7f9c5d4-ddddd"))
    assert first.final
    assert second.final


@pytest.mark.parametrize(
    ("age_s", "final"), [(tolerances.EVICTION_SPAN_S - 1, True), (tolerances.EVICTION_SPAN_S, False)]
)
def test_ends_count_together_within_their_span_only(age_s: float, *, final: bool) -> None:
    """Two evictions a week apart are no loop."""
    before = failed("Evicted", LOW_DISK, "chat-api-6b7f9c5d4-ddddd", conditions=make.ready_conditions(age_s))
    newest, oldest = told(before, failed("Evicted", LOW_DISK))
    assert newest.final is oldest.final is final
    assert oldest.status is (Status.FAIL if final else Status.WARN)


def test_two_ends_of_different_kinds_are_not_final() -> None:
    """A preemption and a node shutdown prove nothing about the next pod."""
    first, second = told(failed("Preempting"), failed("NodeShutdown", name="chat-api-6b7f9c5d4-ddddd"))
    assert not first.final
    assert not second.final


def test_preemption_by_the_scheduler_is_read_from_its_condition() -> None:
    """The scheduler deletes its victims; the condition DisruptionTarget says who did it."""
    target = make.condition("DisruptionTarget", reason="PreemptionByScheduler")
    (fault,) = told(failed("", conditions=(target,)))
    assert fault.cause is Cause.POD_PREEMPTED


@pytest.mark.parametrize("by", ["", "EvictionByEvictionAPI", "DeletionByTaintManager"])
def test_pod_that_is_scaled_down_or_drained_has_not_failed(by: str) -> None:
    """A process that answers SIGTERM with exit code 143 leaves its pod Failed on its way out."""
    conditions = (make.condition("DisruptionTarget", reason=by),) if by else ()
    assert told(failed("", deleted_at=make.ago(-5), conditions=conditions)) == ()


def test_pod_that_is_preempted_has_failed_although_it_is_deleted() -> None:
    """Somebody else's pod took its room, and will again."""
    target = make.condition("DisruptionTarget", reason="PreemptionByScheduler")
    assert told(failed("", deleted_at=make.ago(-5), conditions=(target,)))


def test_pod_that_runs_has_not_ended() -> None:
    """Only phase Failed is an end."""
    assert told(make.pod()) == ()
