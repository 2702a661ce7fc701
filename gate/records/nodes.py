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
class Claim:
    """A PersistentVolumeClaim."""

    name: str
    phase: str
    storage_class: str | None = None
    volume: str | None = None
    access_modes: tuple[str, ...] = ()
    requested_bytes: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageClass:
    """A StorageClass."""

    name: str
    provisioner: str
    is_default: bool = False
    binding_mode: str = "Immediate"


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
