"""Volumes that are never there."""

from e2e.faults.app import App, Document
from e2e.faults.case import Act, Case, Change
from e2e.faults.conditions import unschedulable
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.tolerances import CLAIM_S, UNSCHEDULABLE_S

CLAIM = "model-cache"
#: A driver that no embedded cluster has, and the class that EKS would give it.
EBS = "ebs.csi.aws.com"


def cached_on(storage_class: str, *, volume: bool = False, claim: str = CLAIM) -> Change:
    """Keep the model on a claim of this class; `volume` brings a volume for it."""

    def change(app: App) -> None:
        if volume:
            app.add(_volume(app.namespace, storage_class))
        app.add(_claim(storage_class))
        app.pod["volumes"].append({"name": "cache", "persistentVolumeClaim": {"claimName": claim}})
        app.container["volumeMounts"].append({"name": "cache", "mountPath": "/cache", "readOnly": True})

    return change


def storage_class(name: str, provisioner: str) -> Act:
    """Make a StorageClass."""

    def act(hands: Hands) -> None:
        document = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
        hands.apply([{**document, "provisioner": provisioner, "volumeBindingMode": "Immediate"}])

    return act


def removed(*kinds_and_names: str) -> Act:
    """Delete objects that belong to no namespace; {} stands for the namespace."""

    def act(hands: Hands) -> None:
        for each in kinds_and_names:
            hands.kubectl("delete", "--ignore-not-found", "--wait=false", each.format(hands.namespace))

    return act


def _claim(storage_class: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def _volume(namespace: str, storage_class: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": namespace},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "claimRef": {"namespace": namespace, "name": CLAIM},
            # A folder that every node has, so that none has to be made and left behind; nothing is written there.
            "hostPath": {"path": "/mnt", "type": "Directory"},
        },
    }


CASES = (
    Case(
        name="storage-class-unknown",
        incidents=(3,),
        fault=cached_on("gp3-fast"),
        near_miss=cached_on("gp3-fast", volume=True),
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
        near_miss=cached_on("gp3-matrix", volume=True),
        undo=removed("persistentvolume/{}", "storageclass/gp3-matrix"),
        terminal_when=unschedulable,
        waited_s=max(UNSCHEDULABLE_S, CLAIM_S),
        cause=Cause.STORAGE_NO_PROVISIONER,
    ),
    Case(
        name="claim-missing",
        fault=cached_on("manual", volume=True, claim="model-cahce"),
        near_miss=cached_on("manual", volume=True),
        undo=removed("persistentvolume/{}"),
        terminal_when=unschedulable,
        waited_s=max(UNSCHEDULABLE_S, CLAIM_S),
        cause=Cause.STORAGE_CLAIM_NOT_FOUND,
    ),
)
