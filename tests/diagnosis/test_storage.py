"""Why a volume is not there."""

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.pods import pod_fault
from gate.records import Claim, ContainerState, Event, Pod, Snapshot, StorageClass, VolumeSource
from tests.diagnosis import factories as make

UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
CLASS = StorageClass(name="gp3", provisioner="ebs.csi.aws.com")
CREATING = make.waiting("ContainerCreating")


def claim(age_s: float = 60, **changes: Any) -> Claim:  # noqa: ANN401  # any field
    """Return a pending claim of class gp3."""
    return replace(
        Claim(name="model-cache", phase="Pending", storage_class="gp3", created_at=make.ago(age_s)), **changes
    )


def judged(*claims: Claim, events: tuple[Event, ...] = (), **facts: Any) -> PodFault | None:  # noqa: ANN401  # any field
    """Return the fault of a pod that the scheduler refuses for its claim."""
    volume = VolumeSource(name="cache", kind="persistentVolumeClaim", reference="model-cache")
    pod = make.unscheduled_pod(UNBOUND, spec=make.pod_spec(volumes=(volume,)))
    return pod_fault(make.rollout_snapshot(pod, claims=claims, events=events, **facts), pod)


def mounting(message: str, reason: str = "FailedMount", *, age_s: float = 130) -> PodFault | None:
    """Return the fault of a scheduled pod whose volumes fail with that event."""
    pod = make.unready_pod(CREATING)
    event = make.event(reason, message, pod, age_s=5, first_at=make.ago(age_s))
    return pod_fault(make.rollout_snapshot(pod, events=(event,)), pod)


def test_claim_of_unknown_class_names_the_classes_there_are() -> None:
    """Incident 3: the class does not exist."""
    fault = judged(claim(storage_class="fast"), storage_classes=(CLASS,))
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.STORAGE_CLASS_NOT_FOUND, True)
    assert fault.what == (
        "its claim model-cache is Pending since 60 s: its StorageClass fast does not exist (classes there are: gp3)"
    )


def test_claim_without_driver_says_that_no_provisioner_answers() -> None:
    """Incident 2: the class is there, the EBS CSI driver is not."""
    fault = judged(claim(), storage_classes=(CLASS,))
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.STORAGE_NO_PROVISIONER, True)
    assert fault.what == (
        "its claim model-cache is Pending since 60 s: no provisioner answers for the class gp3, "
        "the driver ebs.csi.aws.com is not installed in this cluster"
    )


def test_in_tree_class_is_looked_up_under_its_csi_driver() -> None:
    """kubernetes.io/aws-ebs is served by the EBS CSI driver since its migration."""
    in_tree = replace(CLASS, provisioner="kubernetes.io/aws-ebs")
    fault = judged(claim(), storage_classes=(in_tree,), csi_drivers=("ebs.csi.aws.com",))
    assert fault is not None
    assert fault.cause is Cause.STORAGE_CLAIM_PENDING


def test_claim_that_a_driver_refuses_quotes_it_and_is_given_time() -> None:
    """A provisioner's error may pass; after two minutes of retries it will not."""
    said = make.event(
        "ProvisioningFailed", "could not create volume: quota", "model-cache", kind="PersistentVolumeClaim"
    )
    facts: dict[str, Any] = {"storage_classes": (CLASS,), "csi_drivers": ("ebs.csi.aws.com",), "events": (said,)}
    early = judged(claim(tolerances.PROVISIONING_S - 1), **facts)
    late = judged(claim(tolerances.PROVISIONING_S), **facts)
    assert early is not None
    assert late is not None
    assert early.cause is late.cause is Cause.STORAGE_CLAIM_PENDING
    assert "could not create volume: quota" in early.what
    assert (early.final, late.final) == (False, True)


def test_missing_claim_is_named() -> None:
    """A volume refers to a claim that nobody applied."""
    fault = judged()
    assert fault is not None
    assert fault.cause is Cause.STORAGE_CLAIM_NOT_FOUND
    assert (
        fault.what
        == "it mounts the claim model-cache, which namespace carepath-demo does not have (claims there: none)"
    )


@pytest.mark.parametrize(("age_s", "final"), [(tolerances.CLAIM_S - 1, False), (tolerances.CLAIM_S, True)])
def test_claim_of_unknown_class_is_given_time_to_be_created(age_s: float, *, final: bool) -> None:
    """A class applied a moment after the claim is no fault."""
    fault = judged(claim(age_s), storage_classes=())
    assert fault is not None
    assert fault.final is final


def test_claim_that_waits_for_its_first_consumer_is_not_at_fault() -> None:
    """WaitForFirstConsumer keeps a claim pending until the pod has a node: then the pod's own reason counts."""
    waits = replace(CLASS, binding_mode="WaitForFirstConsumer")
    fault = judged(claim(), storage_classes=(waits,))
    assert fault is not None
    assert fault.cause is Cause.SCHEDULING_UNKNOWN


def test_claim_of_its_first_consumer_without_driver_is_named_before_the_scheduler_says_anything() -> None:
    """While a volume is made for it the pod has no condition at all; seen on Kubernetes 1.34."""
    waits = replace(CLASS, binding_mode="WaitForFirstConsumer")
    asked = make.event("ExternalProvisioning", "Waiting for a volume", "model-cache", kind="PersistentVolumeClaim")
    volume = VolumeSource(name="cache", kind="persistentVolumeClaim", reference="model-cache")
    pod = make.unscheduled_pod("", spec=make.pod_spec(volumes=(volume,)), conditions=())
    snapshot = make.rollout_snapshot(pod, claims=(claim(),), events=(asked,), storage_classes=(waits,))
    fault = pod_fault(snapshot, pod)
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.STORAGE_NO_PROVISIONER, True)
    assert pod_fault(replace(snapshot, events=()), pod) is None


def test_bound_claim_is_not_at_fault() -> None:
    """A bound claim leaves the scheduler's other reasons to be named."""
    fault = judged(claim(phase="Bound"), storage_classes=(CLASS,))
    assert fault is not None
    assert fault.cause is Cause.SCHEDULING_UNKNOWN


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        (
            "FailedAttachVolume",
            'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node',
            Cause.STORAGE_ATTACH_FAILED,
        ),
        ("FailedMount", 'MountVolume.SetUp failed for volume "pvc-1" : wrong fs type', Cause.STORAGE_MOUNT_FAILED),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "conf" : configmap "chat-settings" not found',
            Cause.CONFIG_MISSING_CONFIG_MAP,
        ),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "keys" : secret "chat-keys" not found',
            Cause.CONFIG_MISSING_SECRET,
        ),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "keys" : references non-existent secret key: token',
            Cause.CONFIG_MISSING_KEY,
        ),
    ],
)
def test_mount_events_are_told_by_kind(reason: str, message: str, cause: Cause) -> None:
    """A Secret or ConfigMap that is missing is configuration, not storage."""
    fault = mounting(message, reason)
    assert fault is not None
    assert (fault.cause, fault.final) == (cause, True)


def test_failed_attach_says_since_when() -> None:
    """The reason holds the volume, how long it has failed, and the attacher's own words."""
    fault = mounting('Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) old', "FailedAttachVolume")
    assert fault is not None
    assert fault.what == (
        "volume pvc-1 cannot be attached to the node since 2 min: "
        'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) old'
    )


@pytest.mark.parametrize(("age_s", "final"), [(tolerances.MOUNT_S - 1, False), (tolerances.MOUNT_S, True)])
def test_failed_mount_is_given_the_kubelets_own_time(age_s: float, *, final: bool) -> None:
    """A detach takes its time; the kubelet itself gives up after 123 s."""
    fault = mounting('Multi-Attach error for volume "pvc-1" Volume is already used', "FailedAttachVolume", age_s=age_s)
    assert fault is not None
    assert fault.final is final


@pytest.mark.parametrize(
    "state",
    [make.running(3), make.waiting("ImagePullBackOff", "Back-off pulling image"), make.waiting("CrashLoopBackOff")],
)
def test_old_mount_event_does_not_outlive_the_mount(state: ContainerState) -> None:
    """A container that got as far as its image has its volumes: an event of before is history."""
    pod: Pod = make.unready_pod(state)
    event = make.event("FailedMount", 'MountVolume.SetUp failed for volume "x" : timed out', pod, age_s=200)
    snapshot: Snapshot = make.rollout_snapshot(pod, events=(event,))
    fault = pod_fault(snapshot, pod)
    assert fault is None or fault.cause is not Cause.STORAGE_MOUNT_FAILED
