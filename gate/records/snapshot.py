"""One read of the cluster, and what a deploy is meant to bring."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, TypeVar

from gate.records.network import Endpoint, Service
from gate.records.nodes import Claim, Node, Quota, StorageClass, Volume
from gate.records.pods import Pod, PodUsage
from gate.records.templates import ContainerSpec
from gate.records.workloads import Deployment, Hpa, ReplicaSet

Owned = TypeVar("Owned", Pod, ReplicaSet)


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
    storage_classes: tuple[StorageClass, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def deployment(self, name: str) -> Deployment | None:
        """Return the Deployment of that name."""
        return next((each for each in self.deployments if each.name == name), None)

    def container(self, deployment: str, name: str) -> ContainerSpec | None:
        """Return the container of that name in the Deployment's template."""
        found = self.deployment(deployment)
        return found.template.container(name) if found else None

    def service(self, name: str) -> Service | None:
        """Return the Service of that name."""
        return next((each for each in self.services if each.name == name), None)

    def claim(self, name: str) -> Claim | None:
        """Return the PersistentVolumeClaim of that name."""
        return next((each for each in self.claims if each.name == name), None)

    def hpa(self, name: str) -> Hpa | None:
        """Return the HPA of that name."""
        return next((each for each in self.hpas if each.name == name), None)

    def scaler(self, deployment: str) -> Hpa | None:
        """Return the HPA that scales a Deployment, whatever its own name."""
        return next(
            (each for each in self.hpas if each.target_kind == "Deployment" and each.target_name == deployment), None
        )


@dataclass(frozen=True, kw_only=True)  # no slots: its indexes are made at the first question and kept
class Snapshot(AppObjects):
    """One read of the namespace and of the cluster-wide objects that concern it.

    What is asked once per pod or per Deployment is answered from an index: 5,000 pods have 20,000 events, and a
    namespace may hold hundreds of Deployments.

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
    csi_drivers: tuple[str, ...] = ()
    usage: tuple[PodUsage, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()

    def unread(self, what: str) -> Unreadable | None:
        """Return why ``what`` could not be read, None if it was."""
        return next((each for each in self.unreadable if each.what == what), None)

    def events_of(self, kind: str, name: str) -> tuple[Event, ...]:
        """Return the events about one object, oldest first."""
        return self._events.get((kind, name), ())

    def pods_owned_by(self, uid: str) -> tuple[Pod, ...]:
        """Return the pods whose controller reference has that UID; an empty one owns nothing."""
        return self._pods_by_owner.get(uid, ())

    def replica_sets_owned_by(self, uid: str) -> tuple[ReplicaSet, ...]:
        """Return the ReplicaSets whose controller reference has that UID; an empty one owns nothing."""
        return self._replica_sets_by_owner.get(uid, ())

    def pods_selected_by(self, labels: Mapping[str, str]) -> tuple[Pod, ...]:
        """Return the pods that carry all of these labels; every pod if there are none."""
        if not labels:
            return self.pods
        fewest = min((self._pods_by_label.get(pair, ()) for pair in labels.items()), key=len)
        return tuple(pod for pod in fewest if labels.items() <= pod.labels.items())

    def node(self, name: str | None) -> Node | None:
        """Return the node of that name."""
        return self._nodes.get(name or "")

    @cached_property
    def terminating(self) -> tuple[Pod, ...]:
        """Return the pods that are being deleted."""
        return tuple(pod for pod in self.pods if pod.terminating)

    @cached_property
    def _events(self) -> Mapping[tuple[str, str], tuple[Event, ...]]:
        found: dict[tuple[str, str], list[Event]] = {}
        for event in sorted(self.events, key=lambda event: event.last_at or self.read_at):
            found.setdefault((event.kind, event.name), []).append(event)
        return {about: tuple(events) for about, events in found.items()}

    @cached_property
    def _pods_by_owner(self) -> Mapping[str, tuple[Pod, ...]]:
        return _by_owner(self.pods)

    @cached_property
    def _replica_sets_by_owner(self) -> Mapping[str, tuple[ReplicaSet, ...]]:
        return _by_owner(self.replica_sets)

    @cached_property
    def _pods_by_label(self) -> Mapping[tuple[str, str], tuple[Pod, ...]]:
        found: dict[tuple[str, str], list[Pod]] = {}
        for pod in self.pods:
            for pair in pod.labels.items():
                found.setdefault(pair, []).append(pod)
        return {pair: tuple(pods) for pair, pods in found.items()}

    @cached_property
    def _nodes(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}


def _by_owner(items: Iterable[Owned]) -> Mapping[str, tuple[Owned, ...]]:
    found: dict[str, list[Owned]] = {}
    for each in items:
        if each.owner is not None and each.owner.uid:
            found.setdefault(each.owner.uid, []).append(each)
    return {uid: tuple(owned) for uid, owned in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired(AppObjects):
    """What the deploy is meant to bring, from rendered manifests or a saved plan (``source`` names which)."""

    source: str
