"""Frozen data that the pure code judges: a Snapshot of the cluster, what is Desired, what was Observed by asking.

``readers`` make these from the outside world, ``diagnosis``, ``sizing`` and ``plan`` judge them; raw API dictionaries
never come this far. CPU is in millicores, memory and storage in bytes, times are aware datetimes (UTC). An absent value
is None and never zero; a read that failed is an ``Unreadable`` and never an empty tuple.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Amounts; None where the object does not state one."""

    cpu_m: int | None = None
    memory_bytes: int | None = None
    ephemeral_storage_bytes: int | None = None
    pods: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition of any object; ``status`` is True, False or Unknown as the API spells it."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The controller that owns an object."""

    kind: str
    name: str
    uid: str


# --- Pod templates and pods -------------------------------------------------------------------------------------------


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
    """A pod's volume: its kind (``emptyDir``, ``persistentVolumeClaim``, ``configMap`` ...) and what it refers to."""

    name: str
    kind: str
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container as declared. ``sidecar`` is an init container with restartPolicy Always."""

    name: str
    image: str
    init: bool = False
    sidecar: bool = False
    requests: Resources = Resources()
    limits: Resources = Resources()
    env: tuple[EnvVar, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    startup: Probe | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """What a pod asks of the cluster; of a template or of a pod.

    ``containers`` lists init containers first, in their order; ``pod_requests`` is what the pod as a whole states.
    """

    containers: tuple[ContainerSpec, ...]
    volumes: tuple[VolumeSource, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    has_affinity: bool = False
    readiness_gates: tuple[str, ...] = ()
    service_account: str = ""
    termination_grace_s: int = 30
    overhead: Resources = Resources()
    pod_requests: Resources = Resources()

    def container(self, name: str) -> ContainerSpec | None:
        """Return the container of that name, init containers included."""
        return next((each for each in self.containers if each.name == name), None)

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
class Pod:
    """A pod of the namespace."""

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    owner: Owner | None = None
    node: str | None = None
    phase: str = "Unknown"
    reason: str = ""
    message: str = ""
    ip: str | None = None
    created_at: datetime | None = None
    deleted_at: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    spec: PodSpec
    statuses: tuple[ContainerStatus, ...] = ()

    @property
    def terminating(self) -> bool:
        """Return whether deletion was asked for."""
        return self.deleted_at is not None

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((each for each in self.conditions if each.type == kind), None)

    @property
    def ready(self) -> bool:
        """Return whether the pod is Ready and not being deleted."""
        ready = self.condition("Ready")
        return ready is not None and ready.status == "True" and not self.terminating

    def status(self, container: str) -> ContainerStatus | None:
        """Return the status of that container."""
        return next((each for each in self.statuses if each.name == container), None)


# --- Controllers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSet:
    """One revision of the Deployment. ``desired`` is spec.replicas."""

    name: str
    uid: str
    revision: int | None
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    owner: Owner | None = None
    created_at: datetime | None = None
    generation: int = 0
    observed_generation: int | None = None
    desired: int = 0
    current: int = 0
    ready: int = 0
    available: int = 0
    template: PodSpec
    conditions: tuple[Condition, ...] = ()
    change_cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The Deployment, from the cluster or from a manifest (then generation and counts are 0, observed None).

    ``max_surge`` and ``max_unavailable`` stay as written (``1``, ``25%``); ``desired`` is None where replicas are left
    to an HPA.
    """

    name: str
    namespace: str
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    selector: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    template_labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    template: PodSpec
    revision: int | None = None
    generation: int = 0
    observed_generation: int | None = None
    desired: int | None = None
    strategy: str = "RollingUpdate"
    max_surge: str = "25%"
    max_unavailable: str = "25%"
    progress_deadline_s: int = 600
    min_ready_s: int = 0
    paused: bool = False
    current: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((each for each in self.conditions if each.type == kind), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpa:
    """A HorizontalPodAutoscaler (autoscaling/v2). CPU figures are per cent of the request.

    ``scale_down_window_s``: for how long a peak keeps the replicas up; 300 is the controller's default.
    """

    name: str
    target_kind: str
    target_name: str
    min_replicas: int
    max_replicas: int
    current_replicas: int | None = None
    desired_replicas: int | None = None
    cpu_target_percent: int | None = None
    cpu_current_percent: int | None = None
    conditions: tuple[Condition, ...] = ()
    created_at: datetime | None = None
    last_scaled_at: datetime | None = None
    scale_down_window_s: int = 300

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((each for each in self.conditions if each.type == kind), None)


# --- Network ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """A Service's port; ``target_port`` is a number or a container port's name."""

    name: str
    port: int
    target_port: str
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service; ``ingress`` are the load balancer's host names or addresses."""

    name: str
    type: str = "ClusterIP"
    selector: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    ports: tuple[ServicePort, ...] = ()
    ingress: tuple[str, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address behind a Service, of its EndpointSlices."""

    service: str
    address: str
    ports: tuple[int, ...]
    pod: str | None = None
    ready: bool = False
    terminating: bool = False


# --- Nodes, storage, policy -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A node's taint."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node with what is asked of it: ``requested`` sums the requests of all its running pods, None if unreadable."""

    name: str
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    architecture: str = ""
    operating_system: str = ""
    instance_type: str = ""
    zone: str = ""
    capacity: Resources = Resources()
    allocatable: Resources = Resources()
    requested: Resources | None = None
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((each for each in self.conditions if each.type == kind), None)


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
    requests_left: Resources = Resources()
    limits_left: Resources = Resources()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event about an object of the namespace; ``count`` folds repetitions."""

    type: str
    reason: str
    message: str
    kind: str
    name: str
    uid: str = ""
    count: int = 1
    first_at: datetime | None = None
    last_at: datetime | None = None
    reporter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUsage:
    """What the metrics API says a container uses; ``window_s`` is the averaging window."""

    pod: str
    container: str
    cpu_m: int
    memory_bytes: int
    at: datetime | None = None
    window_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A read that failed: of what (``pods``, ``nodes``, ``metrics``), why, and the API's status code if it gave one.

    ``kind`` is ``forbidden``, ``not_served`` (the API group does not exist or its backend is down) or ``unreachable``.
    """

    what: str
    kind: Literal["forbidden", "not_served", "unreachable"]
    message: str
    status_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterIdentity:
    """Which cluster was read."""

    server: str
    context: str | None
    kube_system_uid: str | None
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One read of the namespace and of the cluster-wide objects that concern it.

    Cluster-wide and optional reads (nodes, storage classes, metrics, quotas) that fail stand in ``unreadable``; their
    tuples are then empty and must not be judged. ``read_at`` is the API server's clock where it gave one (Date header),
    so that ages are right under clock skew.
    """

    read_at: datetime
    cluster: ClusterIdentity
    namespace: str
    deployments: tuple[Deployment, ...] = ()
    replica_sets: tuple[ReplicaSet, ...] = ()
    pods: tuple[Pod, ...] = ()
    services: tuple[Service, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    hpas: tuple[Hpa, ...] = ()
    claims: tuple[Claim, ...] = ()
    quotas: tuple[Quota, ...] = ()
    events: tuple[Event, ...] = ()
    nodes: tuple[Node, ...] = ()
    storage_classes: tuple[StorageClass, ...] = ()
    csi_drivers: tuple[str, ...] = ()
    usage: tuple[PodUsage, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()

    def deployment(self, name: str) -> Deployment | None:
        """Return the Deployment of that name."""
        return next((each for each in self.deployments if each.name == name), None)

    def service(self, name: str) -> Service | None:
        """Return the Service of that name."""
        return next((each for each in self.services if each.name == name), None)

    def hpa(self, name: str) -> Hpa | None:
        """Return the HPA of that name."""
        return next((each for each in self.hpas if each.name == name), None)

    def unread(self, what: str) -> Unreadable | None:
        """Return why ``what`` could not be read, None if it was."""
        return next((each for each in self.unreadable if each.what == what), None)

    def events_of(self, kind: str, name: str) -> tuple[Event, ...]:
        """Return the events about one object, oldest first."""
        mine = [event for event in self.events if event.kind == kind and event.name == name]
        return tuple(sorted(mine, key=lambda event: event.last_at or self.read_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the deploy is meant to bring, from rendered manifests or a saved plan (``source`` names which)."""

    source: str
    deployments: tuple[Deployment, ...] = ()
    services: tuple[Service, ...] = ()
    hpas: tuple[Hpa, ...] = ()
    claims: tuple[Claim, ...] = ()

    def deployment(self, name: str) -> Deployment | None:
        """Return the Deployment of that name."""
        return next((each for each in self.deployments if each.name == name), None)

    def service(self, name: str) -> Service | None:
        """Return the Service of that name."""
        return next((each for each in self.services if each.name == name), None)

    def hpa(self, name: str) -> Hpa | None:
        """Return the HPA of that name."""
        return next((each for each in self.hpas if each.name == name), None)


# --- What preflight reads beside the cluster: the model, the service's settings, the image ---------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model of ``service_chat/models.toml``; ``weights_bytes`` is the size of the file that the service loads."""

    name: str
    parameters: int
    kv_bytes_per_token: int
    quantization: str
    weights_bytes: int
    context_tokens: int
    thinking: bool = False
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One environment variable that the service reads, from ``service_chat/settings.schema.json``.

    ``type`` is the JSON schema's word (``string``, ``integer``, ``number``, ``boolean``); the exclusive bounds stand
    apart because a float's neighbour has no name. ``format`` is the schema's (``uri``, ``path``), empty if none.
    """

    key: str
    type: Literal["string", "integer", "number", "boolean"]
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    format: str = ""
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSchema:
    """Every environment variable that the service reads; ``required`` ones have no default."""

    source: str
    settings: tuple[Setting, ...]
    required: tuple[str, ...] = ()

    def setting(self, key: str) -> Setting | None:
        """Return the setting of that environment variable."""
        return next((each for each in self.settings if each.key == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """An image as the registry describes it.

    ``digest`` is what the reference resolved to, ``platforms`` are ``OS/ARCH`` or ``OS/ARCH/VARIANT``;
    ``compressed_bytes`` sums the layers of the first platform, None if the registry does not say.
    """

    reference: str
    digest: str
    platforms: tuple[str, ...]
    compressed_bytes: int | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUnread:
    """Why an image could not be described.

    ``not_found`` and ``denied`` are the registry's own answers, ``invalid_name`` needs none, ``unreachable`` is the
    gate's trouble.
    """

    reference: str
    kind: Literal["not_found", "denied", "invalid_name", "unreachable"]
    message: str
    status_code: int | None = None
    read_at: datetime | None = None


# --- Observations: what the service said when asked -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP exchange with the service. ``via`` is ``pod/NAME`` or ``service``; ``status`` is None if none came.

    ``trouble`` says why no status came, ``error`` says it in words: the connection was ``refused``, the answer did not
    come in time (``timed_out``), the connection was ``closed`` half-way, the host name has ``no_address``; or the gate
    could not ask at all: it may not (``forbidden``: no right to port-forward) or the API server is ``unreachable``.
    """

    via: str
    path: str
    status: int | None
    elapsed_s: float
    started_at: datetime
    trouble: Literal["", "refused", "timed_out", "closed", "no_address", "forbidden", "unreachable"] = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What ``/version`` declares; None where it does not apply or was not said; ``violations`` as in Answer."""

    reply: Reply
    llm_mode: str | None = None
    model: str | None = None
    model_sha256: str | None = None
    engine: str | None = None
    image: str | None = None
    loaded: bool | None = None
    load_seconds: float | None = None
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One triage question and what came back. Patient, question and answer are held for judging and never shown.

    ``cold`` marks the first question a pod was asked; ``inference_s`` is the service's own figure; ``retry_after_s`` is
    what a refusal's Retry-After header said; ``violations`` are the breaches of the service's contract in this
    exchange, a sentence each, without any value of the answer.
    """

    reply: Reply
    patient_mrn: str = field(repr=False)
    query: str = field(repr=False)
    response: str = field(default="", repr=False)
    violations: tuple[str, ...] = ()
    llm_mode: str | None = None
    trace_id: str | None = None
    inference_s: float | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    queue_ms: float | None = None
    retry_after_s: float | None = None
    cold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The log of one container since it started; ``lines`` are held for judging and never shown verbatim."""

    pod: str
    container: str
    previous: bool
    lines: tuple[str, ...] = field(repr=False)
    truncated: bool = False
