"""One read of the cluster, and what a deploy is meant to bring."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gate.records.network import Endpoint, Service
from gate.records.nodes import Claim, Node, Quota, StorageClass
from gate.records.pods import Pod, PodUsage
from gate.records.workloads import Deployment, Hpa, ReplicaSet


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
class AppObjects:
    """The objects that an app consists of, as they are or as they are meant to be, found by name."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(AppObjects):
    """One read of the namespace and of the cluster-wide objects that concern it.

    Cluster-wide and optional reads (nodes, storage classes, metrics, quotas) that fail stand in ``unreadable``; their
    tuples are then empty and must not be judged. ``read_at`` is the API server's clock where it gave one (Date header),
    so that ages are right under clock skew.
    """

    read_at: datetime
    cluster: ClusterIdentity
    namespace: str
    replica_sets: tuple[ReplicaSet, ...] = ()
    pods: tuple[Pod, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    quotas: tuple[Quota, ...] = ()
    events: tuple[Event, ...] = ()
    nodes: tuple[Node, ...] = ()
    storage_classes: tuple[StorageClass, ...] = ()
    csi_drivers: tuple[str, ...] = ()
    usage: tuple[PodUsage, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()

    def unread(self, what: str) -> Unreadable | None:
        """Return why ``what`` could not be read, None if it was."""
        return next((each for each in self.unreadable if each.what == what), None)

    def events_of(self, kind: str, name: str) -> tuple[Event, ...]:
        """Return the events about one object, oldest first."""
        mine = [event for event in self.events if event.kind == kind and event.name == name]
        return tuple(sorted(mine, key=lambda event: event.last_at or self.read_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired(AppObjects):
    """What the deploy is meant to bring, from rendered manifests or a saved plan (``source`` names which)."""

    source: str
