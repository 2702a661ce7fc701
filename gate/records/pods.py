"""Pods as the kubelet reports them, and what the metrics API says they use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gate.records.common import NOTHING, Conditioned, Owner
from gate.records.templates import PodSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """waiting, running or terminated; ``message`` is the kubelet's text (safe: it holds no log line)."""

    kind: Literal["waiting", "running", "terminated", "unknown"]
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStatus:
    """A container as the kubelet reports it. ``image_id`` is ``REPOSITORY@sha256:...`` once pulled."""

    name: str
    init: bool = False
    image: str = ""
    image_id: str = ""
    ready: bool = False
    started: bool | None = None
    restarts: int = 0
    state: ContainerState = ContainerState(kind="unknown")
    last_state: ContainerState | None = None

    @property
    def digest(self) -> str | None:
        """Return the ``sha256:...`` of the image that runs, None before it is pulled."""
        _, found, digest = self.image_id.rpartition("@")
        return digest if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod(Conditioned):
    """A pod of the namespace."""

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    owner: Owner | None = None
    node: str | None = None
    phase: str = "Unknown"
    reason: str = ""
    message: str = ""
    ip: str | None = None
    created_at: datetime | None = None
    deleted_at: datetime | None = None
    spec: PodSpec
    statuses: tuple[ContainerStatus, ...] = ()

    @property
    def terminating(self) -> bool:
        """Return whether deletion was asked for."""
        return self.deleted_at is not None

    @property
    def ready(self) -> bool:
        """Return whether the pod is Ready and not being deleted."""
        ready = self.condition("Ready")
        return ready is not None and ready.status == "True" and not self.terminating

    def status(self, container: str) -> ContainerStatus | None:
        """Return the status of that container."""
        return next((each for each in self.statuses if each.name == container), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUsage:
    """What the metrics API says a container uses; ``window_s`` is the averaging window."""

    pod: str
    container: str
    cpu_m: int
    memory_bytes: int
    at: datetime | None = None
    window_s: float = 0.0
