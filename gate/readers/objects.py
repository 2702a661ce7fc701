"""Kubernetes objects (JSON as the API serves it, or a manifest's YAML) -> records. Pure.

One parser for both, so that what is desired and what runs are compared in the same terms. No function here raises on an
object's content: see ``fields``. Pod templates are read by ``podspec``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from gate.readers import fields
from gate.readers.fields import Raw
from gate.readers.podspec import pod_spec, resources
from gate.readers.quantity import millicores, whole
from gate.records import (
    Claim,
    Condition,
    ContainerState,
    ContainerStatus,
    Deployment,
    Endpoint,
    Event,
    Hpa,
    Node,
    Owner,
    Pod,
    PodUsage,
    Quota,
    ReplicaSet,
    Resources,
    Service,
    ServicePort,
    StorageClass,
    Taint,
)

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
SERVICE_NAME = "kubernetes.io/service-name"

# A terminated container's message is what the process wrote to its termination log, or the end of its log
# (terminationMessagePolicy): it may hold patient data. Only for these reasons is it the text of runtime or kubelet.
RUNTIME_REASONS = frozenset({"StartError", "ContainerCannotRun", "ContainerStatusUnknown", "RunContainerError"})


# --- Controllers ------------------------------------------------------------------------------------------------------


def deployment(raw: Raw) -> Deployment:
    """Return a Deployment."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    rolling = fields.child(spec, "strategy", "rollingUpdate")
    deadline_s = fields.integer(spec, "progressDeadlineSeconds")
    return Deployment(
        name=fields.text(meta, "name"),
        namespace=fields.text(meta, "namespace"),
        uid=fields.text(meta, "uid"),
        labels=fields.labels(meta, "labels"),
        selector=fields.labels(spec, "selector", "matchLabels"),
        template_labels=fields.labels(spec, "template", "metadata", "labels"),
        template=pod_spec(fields.at(spec, "template", "spec")),
        revision=_revision(meta),
        generation=fields.count(meta, "generation"),
        observed_generation=fields.integer(status, "observedGeneration"),
        desired=fields.integer(spec, "replicas"),
        strategy=fields.text(spec, "strategy", "type", default="RollingUpdate"),
        max_surge=fields.text(rolling, "maxSurge", default="25%"),
        max_unavailable=fields.text(rolling, "maxUnavailable", default="25%"),
        progress_deadline_s=600 if deadline_s is None else deadline_s,
        min_ready_s=fields.count(spec, "minReadySeconds"),
        paused=fields.flag(spec, "paused") or False,
        current=fields.count(status, "replicas"),
        updated=fields.count(status, "updatedReplicas"),
        ready=fields.count(status, "readyReplicas"),
        available=fields.count(status, "availableReplicas"),
        conditions=_conditions(status),
    )


def replica_set(raw: Raw) -> ReplicaSet:
    """Return a ReplicaSet."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    return ReplicaSet(
        name=fields.text(meta, "name"),
        uid=fields.text(meta, "uid"),
        revision=_revision(meta),
        labels=fields.labels(meta, "labels"),
        owner=_owner(meta),
        created_at=fields.time(meta, "creationTimestamp"),
        generation=fields.count(meta, "generation"),
        observed_generation=fields.integer(status, "observedGeneration"),
        desired=fields.count(spec, "replicas"),
        current=fields.count(status, "replicas"),
        ready=fields.count(status, "readyReplicas"),
        available=fields.count(status, "availableReplicas"),
        template=pod_spec(fields.at(spec, "template", "spec")),
        conditions=_conditions(status),
        change_cause=fields.text(meta, "annotations", CHANGE_CAUSE),
    )


#: --horizontal-pod-autoscaler-downscale-stabilization of kube-controller-manager, unless the HPA's behavior says else.
DOWNSCALE_DEFAULT_S = 300


def hpa(raw: Raw) -> Hpa:
    """Return a HorizontalPodAutoscaler of autoscaling/v2."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    min_replicas = fields.integer(spec, "minReplicas")
    window_s = fields.integer(spec, "behavior", "scaleDown", "stabilizationWindowSeconds")
    return Hpa(
        name=fields.text(meta, "name"),
        target_kind=fields.text(spec, "scaleTargetRef", "kind"),
        target_name=fields.text(spec, "scaleTargetRef", "name"),
        min_replicas=1 if min_replicas is None else min_replicas,
        max_replicas=fields.count(spec, "maxReplicas"),
        current_replicas=fields.integer(status, "currentReplicas"),
        desired_replicas=fields.integer(status, "desiredReplicas"),
        cpu_target_percent=_cpu_percent(fields.children(spec, "metrics"), "target"),
        cpu_current_percent=_cpu_percent(fields.children(status, "currentMetrics"), "current"),
        conditions=_conditions(status),
        created_at=fields.time(meta, "creationTimestamp"),
        last_scaled_at=fields.time(status, "lastScaleTime"),
        scale_down_window_s=DOWNSCALE_DEFAULT_S if window_s is None else window_s,
    )


def _cpu_percent(metrics: Iterable[Raw], side: str) -> int | None:
    for metric in metrics:
        for source in ("resource", "containerResource"):
            if fields.text(metric, source, "name") == "cpu":
                return fields.integer(metric, source, side, "averageUtilization")
    return None


# --- Pods -------------------------------------------------------------------------------------------------------------


def pod(raw: Raw) -> Pod:
    """Return a pod."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    return Pod(
        name=fields.text(meta, "name"),
        namespace=fields.text(meta, "namespace"),
        uid=fields.text(meta, "uid"),
        labels=fields.labels(meta, "labels"),
        owner=_owner(meta),
        node=fields.optional_text(spec, "nodeName"),
        phase=fields.text(status, "phase", default="Unknown"),
        reason=fields.text(status, "reason"),
        message=fields.text(status, "message"),
        ip=fields.optional_text(status, "podIP"),
        created_at=fields.time(meta, "creationTimestamp"),
        deleted_at=fields.time(meta, "deletionTimestamp"),
        conditions=_conditions(status),
        spec=pod_spec(spec),
        statuses=(
            *(_container_status(each, init=True) for each in fields.children(status, "initContainerStatuses")),
            *(_container_status(each, init=False) for each in fields.children(status, "containerStatuses")),
        ),
    )


def _container_status(raw: Raw, *, init: bool) -> ContainerStatus:
    last = fields.child(raw, "lastState")
    return ContainerStatus(
        name=fields.text(raw, "name"),
        init=init,
        image=fields.text(raw, "image"),
        image_id=fields.text(raw, "imageID"),
        ready=fields.flag(raw, "ready") or False,
        started=fields.flag(raw, "started"),
        restarts=fields.count(raw, "restartCount"),
        state=_state(fields.child(raw, "state")),
        last_state=_state(last) if last else None,
    )


def _state(raw: Raw) -> ContainerState:
    kinds: tuple[Literal["waiting", "running", "terminated"], ...] = ("waiting", "running", "terminated")
    for kind in kinds:
        if kind not in raw:
            continue
        detail = fields.child(raw, kind)
        reason = fields.text(detail, "reason")
        safe = kind != "terminated" or reason in RUNTIME_REASONS
        return ContainerState(
            kind=kind,
            reason=reason,
            message=fields.text(detail, "message") if safe else "",
            exit_code=fields.integer(detail, "exitCode"),
            signal=fields.integer(detail, "signal"),
            started_at=fields.time(detail, "startedAt"),
            finished_at=fields.time(detail, "finishedAt"),
        )
    return ContainerState(kind="unknown")


def pod_usage(raw: Raw) -> tuple[PodUsage, ...]:
    """Return what the metrics API (PodMetrics of metrics.k8s.io/v1beta1) says of each container of a pod."""
    return tuple(
        PodUsage(
            pod=fields.text(raw, "metadata", "name"),
            container=fields.text(each, "name"),
            cpu_m=cpu_m,
            memory_bytes=memory_bytes,
            at=fields.time(raw, "timestamp"),
            window_s=fields.duration_s(raw, "window"),
        )
        for each in fields.children(raw, "containers")
        if (cpu_m := millicores(fields.at(each, "usage", "cpu"))) is not None
        and (memory_bytes := whole(fields.at(each, "usage", "memory"))) is not None
    )


# --- Network ----------------------------------------------------------------------------------------------------------


def service(raw: Raw) -> Service:
    """Return a Service."""
    spec, meta = fields.child(raw, "spec"), fields.child(raw, "metadata")
    entries = fields.children(raw, "status", "loadBalancer", "ingress")
    return Service(
        name=fields.text(meta, "name"),
        type=fields.text(spec, "type", default="ClusterIP"),
        selector=fields.labels(spec, "selector"),
        ports=tuple(_service_port(port) for port in fields.children(spec, "ports")),
        ingress=tuple(
            address for entry in entries if (address := fields.text(entry, "hostname") or fields.text(entry, "ip"))
        ),
        created_at=fields.time(meta, "creationTimestamp"),
    )


def _service_port(raw: Raw) -> ServicePort:
    port = fields.count(raw, "port")
    return ServicePort(
        name=fields.text(raw, "name"),
        port=port,
        target_port=fields.text(raw, "targetPort", default=str(port)),
        protocol=fields.text(raw, "protocol", default="TCP"),
    )


def endpoints(slices: Iterable[Raw]) -> tuple[Endpoint, ...]:
    """Return the addresses of EndpointSlices (discovery.k8s.io/v1)."""
    return tuple(each for one in slices for each in _slice(one))


def _slice(raw: Raw) -> Iterator[Endpoint]:
    numbers = (fields.integer(port, "port") for port in fields.children(raw, "ports"))
    ports = tuple(number for number in numbers if number is not None)
    for entry in fields.children(raw, "endpoints"):
        target = fields.child(entry, "targetRef")
        # A missing "ready" means ready (API reference of EndpointConditions).
        ready = fields.flag(entry, "conditions", "ready")
        for address in fields.texts(entry, "addresses"):
            yield Endpoint(
                service=fields.text(raw, "metadata", "labels", SERVICE_NAME),
                address=address,
                ports=ports,
                pod=fields.optional_text(target, "name") if fields.text(target, "kind") == "Pod" else None,
                ready=ready is not False,
                terminating=fields.flag(entry, "conditions", "terminating") or False,
            )


# --- Nodes, storage, policy, events -----------------------------------------------------------------------------------


def node(raw: Raw) -> Node:
    """Return a node; ``requested`` is left to the reader, who sees all pods."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    return Node(
        name=fields.text(meta, "name"),
        labels=fields.labels(meta, "labels"),
        taints=tuple(
            Taint(key=fields.text(each, "key"), effect=fields.text(each, "effect"), value=fields.text(each, "value"))
            for each in fields.children(spec, "taints")
        ),
        unschedulable=fields.flag(spec, "unschedulable") or False,
        architecture=fields.text(status, "nodeInfo", "architecture"),
        operating_system=fields.text(status, "nodeInfo", "operatingSystem"),
        instance_type=fields.text(meta, "labels", "node.kubernetes.io/instance-type"),
        zone=fields.text(meta, "labels", "topology.kubernetes.io/zone"),
        capacity=resources(fields.child(status, "capacity")),
        allocatable=resources(fields.child(status, "allocatable")),
        conditions=_conditions(status),
    )


def claim(raw: Raw) -> Claim:
    """Return a PersistentVolumeClaim; one that is only declared is Pending."""
    spec, meta = fields.child(raw, "spec"), fields.child(raw, "metadata")
    return Claim(
        name=fields.text(meta, "name"),
        phase=fields.text(raw, "status", "phase", default="Pending"),
        storage_class=fields.optional_text(spec, "storageClassName"),
        volume=fields.optional_text(spec, "volumeName"),
        access_modes=fields.texts(spec, "accessModes"),
        requested_bytes=whole(fields.at(spec, "resources", "requests", "storage")),
        created_at=fields.time(meta, "creationTimestamp"),
    )


def storage_class(raw: Raw) -> StorageClass:
    """Return a StorageClass."""
    return StorageClass(
        name=fields.text(raw, "metadata", "name"),
        provisioner=fields.text(raw, "provisioner"),
        is_default=fields.text(raw, "metadata", "annotations", DEFAULT_CLASS) == "true",
        binding_mode=fields.text(raw, "volumeBindingMode", default="Immediate"),
    )


def quota(raw: Raw) -> Quota:
    """Return a ResourceQuota; what the controller has not yet counted stands in ``hard`` only."""
    status = fields.child(raw, "status")
    hard = fields.labels(status, "hard") or fields.labels(raw, "spec", "hard")
    used = fields.labels(status, "used")
    return Quota(
        name=fields.text(raw, "metadata", "name"),
        hard=hard,
        used=used,
        requests_left=_left(hard, used, "requests.", bare=True),
        limits_left=_left(hard, used, "limits.", bare=False),
    )


def _left(hard: Mapping[str, str], used: Mapping[str, str], prefix: str, *, bare: bool) -> Resources:
    """Return hard minus used; ``bare`` names (``cpu``) limit requests as well, and the stricter one counts."""

    def amount(name: str, unit: Callable[[object], int | None], *keys: str) -> int | None:
        found = [
            max(limit - (unit(used.get(key)) or 0), 0)
            for key in (f"{prefix}{name}", *keys)
            if (limit := unit(hard.get(key))) is not None
        ]
        return min(found, default=None)

    return Resources(
        cpu_m=amount("cpu", millicores, *(["cpu"] if bare else [])),
        memory_bytes=amount("memory", whole, *(["memory"] if bare else [])),
        ephemeral_storage_bytes=amount("ephemeral-storage", whole, *(["ephemeral-storage"] if bare else [])),
        pods=amount("pods", whole, "pods", "count/pods") if bare else None,
    )


def event(raw: Raw) -> Event:
    """Return an event, of core/v1 or of events.k8s.io/v1; both serve the same objects under different names."""
    about = fields.child(raw, "regarding") or fields.child(raw, "involvedObject")
    series = fields.child(raw, "series")
    happened = fields.time(raw, "eventTime")
    first = fields.time(raw, "firstTimestamp") or fields.time(raw, "deprecatedFirstTimestamp") or happened
    last = (
        fields.time(series, "lastObservedTime")
        or fields.time(raw, "lastTimestamp")
        or fields.time(raw, "deprecatedLastTimestamp")
        or happened
    )
    created = fields.time(raw, "metadata", "creationTimestamp")
    return Event(
        type=fields.text(raw, "type"),
        reason=fields.text(raw, "reason"),
        message=fields.text(raw, "note") or fields.text(raw, "message"),
        kind=fields.text(about, "kind"),
        name=fields.text(about, "name"),
        uid=fields.text(about, "uid"),
        count=max(fields.count(series, "count"), fields.count(raw, "count"), fields.count(raw, "deprecatedCount"), 1),
        first_at=first or created,
        last_at=last or created,
        reporter=fields.text(raw, "reportingController")
        or fields.text(raw, "reportingComponent")
        or fields.text(raw, "source", "component")
        or fields.text(raw, "deprecatedSource", "component"),
    )


# --- Parts that many objects share ------------------------------------------------------------------------------------


def _conditions(status: Raw) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            type=fields.text(each, "type"),
            status=fields.text(each, "status", default="Unknown"),
            reason=fields.text(each, "reason"),
            message=fields.text(each, "message"),
            at=fields.time(each, "lastTransitionTime"),
        )
        for each in fields.children(status, "conditions")
    )


def _owner(meta: Raw) -> Owner | None:
    for each in fields.children(meta, "ownerReferences"):
        if fields.flag(each, "controller"):
            return Owner(kind=fields.text(each, "kind"), name=fields.text(each, "name"), uid=fields.text(each, "uid"))
    return None


def _revision(meta: Raw) -> int | None:
    found = fields.text(meta, "annotations", REVISION)
    return int(found) if found.isdecimal() else None
