"""What the cluster has for pods: nodes, volumes, quotas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gate.records.common import NOTHING, UNSTATED, Conditioned, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A node's taint."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Conditioned):
    """A node with what is asked of it: ``requested`` sums the requests of all its running pods, None if unreadable."""

    name: str
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    architecture: str = ""
    operating_system: str = ""
    instance_type: str = ""
    zone: str = ""
    capacity: Resources = UNSTATED
    allocatable: Resources = UNSTATED
    requested: Resources | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a node's label must be (``operator`` In, NotIn, Exists, DoesNotExist; another one is met by no node)."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def met_by(self, labels: Mapping[str, str]) -> bool:
        """Return whether a node with these labels meets it."""
        if self.operator in {"NotIn", "DoesNotExist"}:
            return self.key not in labels or (self.operator == "NotIn" and labels[self.key] not in self.values)
        return self.key in labels and (
            self.operator == "Exists" or (self.operator == "In" and labels[self.key] in self.values)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A PersistentVolume. ``claim`` is NAMESPACE/NAME of the claim that it is for, empty for any.

    ``driver`` is the CSI driver that attaches it, empty for a folder or disk of a node. ``affinity`` lists
    alternatives, each of which is met by all of its requirements; none: every node reaches it.
    """

    name: str
    storage_class: str = ""
    capacity_bytes: int | None = None
    access_modes: tuple[str, ...] = ()
    phase: str = ""
    claim: str = ""
    driver: str = ""
    affinity: tuple[tuple[Requirement, ...], ...] = ()

    def reached_from(self, node: Node) -> bool:
        """Return whether a pod on that node can have the volume."""
        return not self.affinity or any(all(each.met_by(node.labels) for each in term) for term in self.affinity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim.

    ``storage_class`` is None where the cluster's default one holds, and empty where there shall be none.
    """

    name: str
    phase: str
    storage_class: str | None = None
    volume: str | None = None
    access_modes: tuple[str, ...] = ()
    requested_bytes: int | None = None
    created_at: datetime | None = None


#: For volumes that somebody makes by hand: nobody provisions.
NO_PROVISIONER = "kubernetes.io/no-provisioner"

#: Volume drivers that Kubernetes itself translates to a CSI driver (csi-translation-lib, plugins/*.go).
_MIGRATED = {"kubernetes.io/aws-ebs": "ebs.csi.aws.com", "kubernetes.io/gce-pd": "pd.csi.storage.gke.io"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageClass:
    """A StorageClass."""

    name: str
    provisioner: str
    is_default: bool = False
    binding_mode: str = "Immediate"

    @property
    def driver(self) -> str:
        """Return the driver that answers for the provisioner, empty where volumes are made by hand."""
        return "" if self.provisioner == NO_PROVISIONER else _MIGRATED.get(self.provisioner, self.provisioner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A ResourceQuota: ``hard`` and ``used`` as the API writes them (``requests.cpu`` -> ``2``).

    ``requests_left`` and ``limits_left`` are hard minus used, never below 0; an amount that is not limited is None.
    """

    name: str
    hard: Mapping[str, str]
    used: Mapping[str, str]
    requests_left: Resources = UNSTATED
    limits_left: Resources = UNSTATED
