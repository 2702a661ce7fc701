"""Volumes that are never there."""

from dataclasses import dataclass

from e2e.faults.app import App, Document
from e2e.faults.case import Act, Case, Change
from e2e.faults.conditions import progress_exceeded, unschedulable
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.tolerances import CLAIM_S, UNSCHEDULABLE_S

CLAIM = "model-cache"
#: A driver that no embedded cluster has, and the class that EKS would give it.
EBS = "ebs.csi.aws.com"
#: For volumes that are made by hand, on disks of the nodes (Kubernetes documentation, "Local").
BY_HAND = "kubernetes.io/no-provisioner"
#: Instead of 120 s: the kubelet gives up on a mount after two minutes, the rollout before it.
DEADLINE_S = 20


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume that somebody made by hand.

    Attributes:
        size: its capacity.
        zone: of the nodes that reach it; None: every node does.
        reserved: for the case's claim, whatever else would match.
    """

    size: str = "1Gi"
    zone: str | None = None
    reserved: bool = True


def cached_on(
    storage_class: str, *, volume: Volume | None = None, claim: str = CLAIM, mode: str = "ReadWriteOnce"
) -> Change:
    """Keep the model on a claim of this class and access mode; `volume` brings a volume for it."""

    def change(app: App) -> None:
        if volume:
            app.add(_volume(app.namespace, storage_class, volume, mode))
        app.add(_claim(storage_class, mode))
        _mounted(app, {"persistentVolumeClaim": {"claimName": claim}})

    return change


def on_the_nodes(path: str) -> Change:
    """Keep the model in this folder of the node, and give up on the rollout soon."""

    def change(app: App) -> None:
        app.enforce("privileged")
        _mounted(app, {"hostPath": {"path": path, "type": "Directory"}})
        app.deployment["spec"]["progressDeadlineSeconds"] = DEADLINE_S

    return change


def replaced(strategy: str) -> Change:
    """Bring a new revision by this strategy."""

    def change(app: App) -> None:
        app.setenv(LOG_LEVEL="WARNING")
        if strategy != "RollingUpdate":
            app.deployment["spec"]["strategy"] = {"type": strategy}

    return change


def _mounted(app: App, source: Document) -> None:
    app.pod["volumes"].append({"name": "cache", **source})
    app.container["volumeMounts"].append({"name": "cache", "mountPath": "/cache", "readOnly": True})


def storage_class(name: str, provisioner: str, *, mode: str = "Immediate") -> Act:
    """Make a StorageClass that binds in this mode."""

    def act(hands: Hands) -> None:
        document = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
        hands.apply([{**document, "provisioner": provisioner, "volumeBindingMode": mode}])

    return act


def removed(*kinds_and_names: str) -> Act:
    """Delete objects that belong to no namespace; {} stands for the namespace."""

    def act(hands: Hands) -> None:
        for each in kinds_and_names:
            hands.kubectl("delete", "--ignore-not-found", "--wait=false", each.format(hands.namespace))

    return act


def _claim(storage_class: str, mode: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": [mode],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def _volume(namespace: str, storage_class: str, volume: Volume, mode: str) -> Document:
    spec: Document = {
        "storageClassName": storage_class,
        "accessModes": [mode],
        "capacity": {"storage": volume.size},
        # A folder that every node has, so that none has to be made and left behind; nothing is written there.
        "hostPath": {"path": "/mnt", "type": "Directory"},
    }
    if volume.reserved:
        spec["claimRef"] = {"namespace": namespace, "name": CLAIM}
    if volume.zone is not None:
        rule = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [volume.zone]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": spec}


CASES = (
    Case(
        name="storage-class-unknown",
        incidents=(3,),
        fault=cached_on("gp3-fast"),
        near_miss=cached_on("gp3-fast", volume=Volume()),
        undo=removed("persistentvolume/{}"),
        terminal_when=unschedulable,
        waited_s=max(UNSCHEDULABLE_S, CLAIM_S),
        cause=Cause.STORAGE_CLASS_NOT_FOUND,
    ),
    Case(
        name="csi-driver-missing",
        incidents=(2,),
        prepare=storage_class("gp3-matrix", EBS),
        fault=cached_on("gp3-matrix"),
        near_miss=cached_on("gp3-matrix", volume=Volume()),
        undo=removed("persistentvolume/{}", "storageclass/gp3-matrix"),
        terminal_when=unschedulable,
        waited_s=max(UNSCHEDULABLE_S, CLAIM_S),
        cause=Cause.STORAGE_NO_PROVISIONER,
    ),
    Case(
        name="claim-missing",
        fault=cached_on("manual", volume=Volume(), claim="model-cahce"),
        near_miss=cached_on("manual", volume=Volume()),
        undo=removed("persistentvolume/{}"),
        terminal_when=unschedulable,
        waited_s=max(UNSCHEDULABLE_S, CLAIM_S),
        cause=Cause.STORAGE_CLAIM_NOT_FOUND,
    ),
    Case(
        name="volume-in-another-zone",
        incidents=(4,),
        fault=cached_on("zonal", volume=Volume(zone="embedded-b")),
        near_miss=cached_on("zonal", volume=Volume(zone="embedded-a")),
        undo=removed("persistentvolume/{}"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_VOLUME_NODE_AFFINITY,
    ),
    Case(
        name="volume-too-small",
        prepare=storage_class("by-hand-matrix", BY_HAND, mode="WaitForFirstConsumer"),
        fault=cached_on("by-hand-matrix", volume=Volume(size="512Mi", reserved=False)),
        near_miss=cached_on("by-hand-matrix", volume=Volume(size="1Gi", reserved=False)),
        undo=removed("persistentvolume/{}", "storageclass/by-hand-matrix"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.STORAGE_CLAIM_PENDING,
    ),
    Case(
        name="volume-held-by-the-old-pod",
        first=cached_on("exclusive", volume=Volume(), mode="ReadWriteOncePod"),
        fault=replaced("RollingUpdate"),
        near_miss=replaced("Recreate"),
        undo=removed("persistentvolume/{}"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.STORAGE_ATTACH_FAILED,
    ),
    Case(
        name="folder-not-on-the-node",
        fault=on_the_nodes("/mnt/model-cache-of-another-machine"),
        near_miss=on_the_nodes("/mnt"),
        terminal_when=progress_exceeded,
        cause=Cause.STORAGE_MOUNT_FAILED,
    ),
)
