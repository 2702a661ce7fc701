"""What stands around the pods (network, nodes, storage, quotas, events), as the API serves it -> records. Pure.

Like ``objects``, which reads the pods and their controllers: one parser for manifests and cluster, and no function here
raises on an object's content.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from gate.readers import fields
from gate.readers.common import conditions
from gate.readers.fields import Raw
from gate.readers.podspec import resources
from gate.readers.quantity import millicores, whole
from gate.records import (
    Claim,
    Endpoint,
    Event,
    Node,
    Quota,
    Requirement,
    Resources,
    Service,
    ServicePort,
    StorageClass,
    Taint,
    Volume,
)

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
SERVICE_NAME = "kubernetes.io/service-name"
BALANCER_ANNOTATIONS = "service.beta.kubernetes.io/"


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
        balancer_class=fields.text(spec, "loadBalancerClass"),
        balancer_annotations=_balancer_annotations(meta),
        created_at=fields.time(meta, "creationTimestamp"),
    )


def _balancer_annotations(meta: Raw) -> Mapping[str, str]:
    """Return what the Service asks of AWS's controllers; other annotations repeat the object, or are nobody's here."""
    found = fields.labels(meta, "annotations")
    return MappingProxyType({key: found[key] for key in found if key.startswith(BALANCER_ANNOTATIONS)})


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
        conditions=conditions(status),
    )


def claim(raw: Raw) -> Claim:
    """Return a PersistentVolumeClaim; one that is only declared is Pending."""
    spec, meta = fields.child(raw, "spec"), fields.child(raw, "metadata")
    return Claim(
        name=fields.text(meta, "name"),
        phase=fields.text(raw, "status", "phase", default="Pending"),
        storage_class=fields.text(spec, "storageClassName") if "storageClassName" in spec else None,
        volume=fields.optional_text(spec, "volumeName"),
        access_modes=fields.texts(spec, "accessModes"),
        requested_bytes=whole(fields.at(spec, "resources", "requests", "storage")),
        created_at=fields.time(meta, "creationTimestamp"),
    )


def volume(raw: Raw) -> Volume:
    """Return a PersistentVolume."""
    spec = fields.child(raw, "spec")
    claimed = fields.child(spec, "claimRef")
    terms = fields.children(spec, "nodeAffinity", "required", "nodeSelectorTerms")
    return Volume(
        name=fields.text(raw, "metadata", "name"),
        storage_class=fields.text(spec, "storageClassName"),
        capacity_bytes=whole(fields.at(spec, "capacity", "storage")),
        access_modes=fields.texts(spec, "accessModes"),
        phase=fields.text(raw, "status", "phase"),
        claim=f"{fields.text(claimed, 'namespace')}/{fields.text(claimed, 'name')}" if claimed else "",
        driver=fields.text(spec, "csi", "driver"),
        affinity=tuple(tuple(map(_requirement, fields.children(term, "matchExpressions"))) for term in terms),
    )


def _requirement(raw: Raw) -> Requirement:
    return Requirement(
        key=fields.text(raw, "key"), operator=fields.text(raw, "operator"), values=fields.texts(raw, "values")
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
