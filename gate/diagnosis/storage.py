"""Why a volume is not there: the claim and its class before scheduling, attach and mount after it.

The claim's own state says whether a provisioner is missing, slow or refuses; the events of the pod say what the kubelet
met. A Secret or ConfigMap mounted as a volume is configuration and named so, although the kubelet calls it a mount.
"""

import re

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.wording import duration, quote, seconds_between
from gate.records import Claim, Event, Pod, Snapshot
from gate.verdict import Evidence

_CLAIM = "persistentVolumeClaim"
_CLAIM_MISSING = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_OBJECT_MISSING = re.compile(r'(secret|configmap) "([^"]+)" not found')
_KEY_MISSING = re.compile(r"references non-existent (?:secret|config) key: (\S+)")
_VOLUME = re.compile(r'for volume "([^"]+)"')


def claim_fault(snapshot: Snapshot, pod: Pod, message: str = "") -> PodFault | None:
    """Return what is wrong with a claim of the pod; ``message`` is the scheduler's, where it named one."""
    missing = _CLAIM_MISSING.search(message)
    if missing:
        return _missing_claim(snapshot, pod, missing[1])
    if snapshot.unread("claims"):
        return None
    for volume in pod.spec.volumes:
        if volume.kind != _CLAIM:
            continue
        claim = next((each for each in snapshot.claims if each.name == volume.reference), None)
        if claim is None:
            return _missing_claim(snapshot, pod, volume.reference)
        if claim.phase != "Bound" and not _waits_for_pod(snapshot, claim):
            return _pending_claim(snapshot, pod, claim)
    return None


def volume_fault(snapshot: Snapshot, pod: Pod) -> PodFault | None:
    """Return why the volumes of a scheduled pod are not there, from the newest event that says so."""
    for event in reversed(snapshot.events_of("Pod", pod.name)):
        if event.reason not in {"FailedAttachVolume", "FailedMount", "FailedMapVolume"}:
            continue
        lasted_s = seconds_between(event.first_at or event.last_at, snapshot.read_at) or 0.0
        configuration = _configuration(snapshot, pod, event, lasted_s)
        if configuration is not None:
            return configuration
        attach = event.reason == "FailedAttachVolume" or "AttachVolume" in event.message
        volume = _VOLUME.search(event.message)
        name = f" {volume[1]}" if volume else ""
        verb = "attached to the node" if attach else "mounted"
        return PodFault(
            pod=pod.name,
            cause=Cause.STORAGE_ATTACH_FAILED if attach else Cause.STORAGE_MOUNT_FAILED,
            what=f"volume{name} cannot be {verb} since {duration(lasted_s)}: {quote(event.message)}",
            evidence=(_evidence(event),),
            remedy=f"Look at who holds the volume and at the driver: kubectl describe pod {pod.name} "
            f"-n {snapshot.namespace}; kubectl get volumeattachments",
            final=lasted_s >= tolerances.MOUNT_S,
        )
    return None


def _evidence(event: Event) -> Evidence:
    return Evidence(f"{event.kind}/{event.name}", f"event {event.reason}", quote(event.message), event.last_at)


def _configuration(snapshot: Snapshot, pod: Pod, event: Event, lasted_s: float) -> PodFault | None:
    missing = _OBJECT_MISSING.search(event.message)
    key = _KEY_MISSING.search(event.message)
    if missing is None and key is None:
        return None
    if missing is not None:
        secret = missing[1] == "secret"
        cause = Cause.CONFIG_MISSING_SECRET if secret else Cause.CONFIG_MISSING_CONFIG_MAP
        kind = "Secret" if secret else "ConfigMap"
        what = f"its volume needs the {kind} {missing[2]}, which does not exist in namespace {snapshot.namespace}"
        remedy = f"Create it, or correct the name: kubectl get {kind.lower()}s -n {snapshot.namespace}"
    else:
        name = key[1] if key else ""
        cause = Cause.CONFIG_MISSING_KEY
        what = f"its volume needs the key {name}, which the Secret or ConfigMap does not have"
        remedy = (
            f"Add the key, or correct spec.volumes[].items: kubectl describe pod {pod.name} -n {snapshot.namespace}"
        )
    return PodFault(
        pod=pod.name,
        cause=cause,
        what=what,
        evidence=(_evidence(event),),
        remedy=remedy,
        final=lasted_s >= tolerances.CONFIG_SYNC_S,
    )


def _waits_for_pod(snapshot: Snapshot, claim: Claim) -> bool:
    """Return whether the claim is pending only because its class binds once a pod has a node."""
    found = next((each for each in snapshot.storage_classes if each.name == claim.storage_class), None)
    if found is None or found.binding_mode != "WaitForFirstConsumer":
        return False
    said = {event.reason for event in snapshot.events_of("PersistentVolumeClaim", claim.name)}
    return not said & {"ExternalProvisioning", "ProvisioningFailed"}


def _missing_claim(snapshot: Snapshot, pod: Pod, name: str) -> PodFault:
    age_s = seconds_between(pod.created_at, snapshot.read_at) or 0.0
    there = ", ".join(each.name for each in snapshot.claims) or "none"
    return PodFault(
        pod=pod.name,
        cause=Cause.STORAGE_CLAIM_NOT_FOUND,
        what=f"it mounts the claim {name}, which namespace {snapshot.namespace} does not have (claims there: {there})",
        evidence=(Evidence(f"PersistentVolumeClaim/{name}", "metadata.name", "not found", snapshot.read_at),),
        remedy=f"Apply the claim, or correct the volume's claimName: kubectl get pvc -n {snapshot.namespace}",
        final=age_s >= tolerances.CLAIM_S,
    )


def _pending_claim(snapshot: Snapshot, pod: Pod, claim: Claim) -> PodFault:
    age_s = seconds_between(claim.created_at or pod.created_at, snapshot.read_at) or 0.0
    phase = Evidence(f"PersistentVolumeClaim/{claim.name}", "status.phase", claim.phase, snapshot.read_at)
    subject = f"its claim {claim.name} is {claim.phase} since {duration(age_s)}"
    look = f"kubectl describe pvc {claim.name} -n {snapshot.namespace}"
    found = next((each for each in snapshot.storage_classes if each.name == claim.storage_class), None)
    failed = next(
        (
            event
            for event in reversed(snapshot.events_of("PersistentVolumeClaim", claim.name))
            if event.reason in {"ProvisioningFailed", "FailedBinding"}
        ),
        None,
    )
    if claim.storage_class and found is None and not snapshot.unread("storage_classes"):
        classes = ", ".join(each.name for each in snapshot.storage_classes) or "none"
        return PodFault(
            pod=pod.name,
            cause=Cause.STORAGE_CLASS_NOT_FOUND,
            what=f"{subject}: its StorageClass {claim.storage_class} does not exist (classes there are: {classes})",
            evidence=(
                Evidence(
                    f"PersistentVolumeClaim/{claim.name}",
                    "spec.storageClassName",
                    claim.storage_class,
                    snapshot.read_at,
                ),
                phase,
            ),
            remedy="Correct storageClassName, or create the class: kubectl get storageclasses",
            final=age_s >= tolerances.CLAIM_S,
        )
    driver = found.driver if found else ""
    absent = driver and driver not in snapshot.csi_drivers and not snapshot.unread("csi_drivers")
    if found and absent and failed is None:
        return PodFault(
            pod=pod.name,
            cause=Cause.STORAGE_NO_PROVISIONER,
            what=f"{subject}: no provisioner answers for the class {found.name}, "
            f"the driver {driver} is not installed in this cluster",
            evidence=(
                Evidence(f"StorageClass/{found.name}", "provisioner", found.provisioner, snapshot.read_at),
                Evidence("CSIDriver", "names", ", ".join(snapshot.csi_drivers) or "none", snapshot.read_at),
                phase,
            ),
            remedy=f"Install the driver (on EKS: the aws-ebs-csi-driver add-on), then: {look}",
            final=age_s >= tolerances.CLAIM_S,
        )
    said = f": {quote(failed.message)}" if failed else ""
    return PodFault(
        pod=pod.name,
        cause=Cause.STORAGE_CLAIM_PENDING,
        what=f"{subject}{said or ', and nothing says why'}",
        evidence=(*((_evidence(failed),) if failed else ()), phase),
        remedy=f"Look at the claim's events: {look}",
        final=age_s >= tolerances.PROVISIONING_S,
    )
