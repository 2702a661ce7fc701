"""A pod's or pod template's ``spec`` (Kubernetes JSON) -> PodSpec.

Defaults that only the API server fills in are filled in here too, so that a manifest and the object it becomes read
alike: probe times, and requests that follow from limits (``SetDefaults_Pod`` in pkg/apis/core/v1/defaults.go; it acts
on pods and not on templates).
"""

from collections.abc import Iterator
from typing import Literal

from gate.readers import fields
from gate.readers.fields import Raw
from gate.readers.quantity import millicores, whole
from gate.records import (
    ContainerPort,
    ContainerSpec,
    EnvVar,
    PodSpec,
    Probe,
    Resources,
    VolumeMount,
    VolumeSource,
)

_PROBE_KINDS: tuple[tuple[str, Literal["http", "tcp", "exec", "grpc"]], ...] = (
    ("httpGet", "http"),
    ("tcpSocket", "tcp"),
    ("exec", "exec"),
    ("grpc", "grpc"),
)

# Which field of a volume names the object that it depends on.
_REFERENCES = {
    "persistentVolumeClaim": "claimName",
    "configMap": "name",
    "secret": "secretName",
    "csi": "driver",
    "hostPath": "path",
}


def pod_spec(raw: object) -> PodSpec:
    """Return what a pod asks of the cluster."""
    overhead = fields.child(raw, "overhead")
    return PodSpec(
        containers=(
            *(_container(each, init=True) for each in fields.children(raw, "initContainers")),
            *(_container(each, init=False) for each in fields.children(raw, "containers")),
        ),
        volumes=tuple(_volume(each) for each in fields.children(raw, "volumes")),
        node_selector=fields.labels(raw, "nodeSelector"),
        has_affinity=bool(fields.child(raw, "affinity")),
        readiness_gates=tuple(fields.text(each, "conditionType") for each in fields.children(raw, "readinessGates")),
        service_account=fields.text(raw, "serviceAccountName"),
        termination_grace_s=_or(fields.integer(raw, "terminationGracePeriodSeconds"), 30),
        overhead=resources(overhead),
        pod_requests=_requests(fields.child(raw, "resources")),
    )


def resources(raw: Raw) -> Resources:
    """Return a resource list (``cpu``, ``memory``, ``ephemeral-storage``, ``pods``)."""
    return Resources(
        cpu_m=millicores(raw.get("cpu")),
        memory_bytes=whole(raw.get("memory")),
        ephemeral_storage_bytes=whole(raw.get("ephemeral-storage")),
        pods=whole(raw.get("pods")),
    )


def _requests(raw: Raw) -> Resources:
    return resources({**fields.child(raw, "limits"), **fields.child(raw, "requests")})


def _container(raw: Raw, *, init: bool) -> ContainerSpec:
    declared = fields.child(raw, "resources")
    return ContainerSpec(
        name=fields.text(raw, "name"),
        image=fields.text(raw, "image"),
        init=init,
        sidecar=init and fields.text(raw, "restartPolicy") == "Always",
        requests=_requests(declared),
        limits=resources(fields.child(declared, "limits")),
        env=tuple(_environment(raw)),
        ports=tuple(
            ContainerPort(
                name=fields.text(port, "name"),
                port=fields.count(port, "containerPort"),
                protocol=fields.text(port, "protocol", default="TCP"),
            )
            for port in fields.children(raw, "ports")
        ),
        mounts=tuple(
            VolumeMount(
                volume=fields.text(mount, "name"),
                path=fields.text(mount, "mountPath"),
                read_only=fields.flag(mount, "readOnly") or False,
            )
            for mount in fields.children(raw, "volumeMounts")
        ),
        read_only_root=fields.flag(raw, "securityContext", "readOnlyRootFilesystem") or False,
        startup=_probe(fields.child(raw, "startupProbe")),
        liveness=_probe(fields.child(raw, "livenessProbe")),
        readiness=_probe(fields.child(raw, "readinessProbe")),
    )


def _environment(raw: Raw) -> Iterator[EnvVar]:
    for variable in fields.children(raw, "env"):
        name = fields.text(variable, "name")
        source = _source(fields.child(variable, "valueFrom"))
        yield EnvVar(name=name, source=source) if source else EnvVar(name=name, value=fields.text(variable, "value"))
    for bulk in fields.children(raw, "envFrom"):
        for kind in ("configMapRef", "secretRef"):
            reference = fields.optional_text(bulk, kind, "name")
            if reference:
                yield EnvVar(name=f"{fields.text(bulk, 'prefix')}*", source=f"{kind} {reference}")


def _source(raw: Raw) -> str | None:
    for kind, reference in raw.items():
        if kind in {"secretKeyRef", "configMapKeyRef"}:
            return f"{kind} {fields.text(reference, 'name')}/{fields.text(reference, 'key')}"
        field = fields.text(reference, "fieldPath") or fields.text(reference, "resource")
        return f"{kind} {field}".rstrip()
    return None


def _probe(raw: Raw) -> Probe | None:
    for key, kind in _PROBE_KINDS:
        if key not in raw:
            continue
        handler = fields.child(raw, key)
        return Probe(
            kind=kind,
            path=fields.text(handler, "path", default="/" if kind == "http" else ""),
            port=fields.text(handler, "port"),
            initial_delay_s=fields.count(raw, "initialDelaySeconds"),
            # The API server takes 0 for "not set" (pkg/apis/core/v1/defaults.go, SetDefaults_Probe).
            period_s=fields.integer(raw, "periodSeconds") or 10,
            timeout_s=fields.integer(raw, "timeoutSeconds") or 1,
            failure_threshold=fields.integer(raw, "failureThreshold") or 3,
        )
    return None


def _volume(raw: Raw) -> VolumeSource:
    kind = next((key for key in raw if key != "name"), "emptyDir")
    return VolumeSource(
        name=fields.text(raw, "name"),
        kind=kind,
        reference=fields.text(raw, kind, _REFERENCES.get(kind, "name")),
        size_limit_bytes=whole(fields.at(raw, kind, "sizeLimit")),
        in_memory=fields.text(raw, kind, "medium") == "Memory",
    )


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
