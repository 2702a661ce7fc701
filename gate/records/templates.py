"""Pod templates: what a pod asks of the cluster, of a manifest or of a pod."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gate.records.common import NOTHING, UNSTATED, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVar:
    """An environment variable; ``value`` is None when it comes from ``source`` (``secretKeyRef NAME/KEY``, ...)."""

    name: str
    value: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPort:
    """A declared port."""

    name: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe; the times are in seconds. ``port`` is a number or a port's name."""

    kind: Literal["http", "tcp", "exec", "grpc"]
    path: str = ""
    port: str = ""
    initial_delay_s: int = 0
    period_s: int = 10
    timeout_s: int = 1
    failure_threshold: int = 3

    @property
    def budget_s(self) -> int:
        """Return the seconds after which a container that never answers has failed this probe."""
        return self.initial_delay_s + self.period_s * self.failure_threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSource:
    """A pod's volume: its kind (``emptyDir``, ``persistentVolumeClaim``, ``configMap`` ...) and what it refers to.

    ``size_limit_bytes`` and ``in_memory`` (medium Memory) are an emptyDir's.
    """

    name: str
    kind: str
    reference: str = ""
    size_limit_bytes: int | None = None
    in_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """Where a container sees a volume of its pod."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container as declared. ``sidecar`` is an init container with restartPolicy Always."""

    name: str
    image: str
    init: bool = False
    sidecar: bool = False
    requests: Resources = UNSTATED
    limits: Resources = UNSTATED
    env: tuple[EnvVar, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    mounts: tuple[VolumeMount, ...] = ()
    read_only_root: bool = False
    startup: Probe | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None

    @property
    def probes(self) -> tuple[tuple[str, Probe], ...]:
        """Return the probes that the container has, by name, in the order in which they begin to count."""
        named = (("startup", self.startup), ("readiness", self.readiness), ("liveness", self.liveness))
        return tuple((name, probe) for name, probe in named if probe is not None)

    def value_of(self, variable: str) -> str | None:
        """Return what the container's environment says, None where it says nothing or refers to a Secret or ConfigMap.

        Of a name that stands there twice, the last one counts (k8s.io/api/core/v1, Container.env).
        """
        return next((each.value for each in reversed(self.env) if each.name == variable), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """What a pod asks of the cluster; of a template or of a pod.

    ``containers`` lists init containers first, in their order; ``pod_requests`` is what the pod as a whole states.
    """

    containers: tuple[ContainerSpec, ...]
    volumes: tuple[VolumeSource, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    has_affinity: bool = False
    readiness_gates: tuple[str, ...] = ()
    service_account: str = ""
    termination_grace_s: int = 30
    overhead: Resources = UNSTATED
    pod_requests: Resources = UNSTATED

    def container(self, name: str) -> ContainerSpec | None:
        """Return the container of that name, init containers included."""
        return next((each for each in self.containers if each.name == name), None)

    def volume(self, name: str) -> VolumeSource | None:
        """Return the volume of that name."""
        return next((each for each in self.volumes if each.name == name), None)

    @property
    def requested(self) -> Resources:
        """Return what the scheduler reserves for one such pod; ``pods`` is 1, an amount that nobody asks for is 0.

        Sidecars run beside everything after them, other init containers one at a time before the rest (KEP-753,
        "Resource calculation"); an amount stated for the whole pod (KEP-2837) replaces the sum of its containers.
        """
        return Resources(
            cpu_m=self._reserved("cpu_m"),
            memory_bytes=self._reserved("memory_bytes"),
            ephemeral_storage_bytes=self._reserved("ephemeral_storage_bytes"),
            pods=1,
        )

    def _reserved(self, amount: Literal["cpu_m", "memory_bytes", "ephemeral_storage_bytes"]) -> int:
        sidecars = peak_of_start = running = 0
        for each in self.containers:
            asked: int = getattr(each.requests, amount) or 0
            if each.sidecar:
                sidecars += asked
                peak_of_start = max(peak_of_start, sidecars)
            elif each.init:
                peak_of_start = max(peak_of_start, sidecars + asked)
            else:
                running += asked
        stated: int | None = getattr(self.pod_requests, amount)
        summed = max(peak_of_start, running + sidecars)
        return (summed if stated is None else stated) + (getattr(self.overhead, amount) or 0)
