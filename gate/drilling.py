"""What a drill needs to be safe: a Lease against two at once, a journal before anything changes, and the way back.

The only module that writes to a cluster. Whoever kills a drill half-way finds in the journal, and on the terminal, the
one command that restores the state from before.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import stamina
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from gate.observing import Chat, Traffic
from gate.readers.cluster import ClusterReader
from gate.readers.errors import translate
from gate.records import Answer, Snapshot
from gate.waiting import Waited, wait_for_rollout

LEASE = "carepath-gate-drill"
#: A drill that died keeps others out for so long; the longest drill (two rollouts) ends well within it.
LEASE_DURATION_S = 900
#: Annotations that belong to one revision's bookkeeping and are not brought back by an undo: those that
#: `kubectl rollout undo` leaves alone too (k8s.io/kubectl, pkg/polymorphichelpers/rollback.go).
_KEPT_ANNOTATIONS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deployment.kubernetes.io/revision",
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)


class DrillRefusedError(Exception):
    """The drill may not start; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A rollout that the drill made under traffic."""

    from_revision: int
    to_revision: int
    started_at: datetime
    ended_at: datetime
    waited: Waited
    traffic: tuple[Answer, ...]
    snapshots: tuple[Snapshot, ...] = field(repr=False)


def previous_revision(snapshot: Snapshot, deployment: str) -> int | None:
    """Return the newest revision before the Deployment's current one that its history still holds."""
    found = snapshot.deployment(deployment)
    if found is None or found.revision is None:
        return None
    older = [
        each.revision
        for each in snapshot.replica_sets
        if each.owner is not None
        and each.owner.uid == found.uid
        and each.revision is not None
        and each.revision < found.revision
    ]
    return max(older, default=None)


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill in progress on one Deployment; made by ``drill``."""

    reader: ClusterReader
    namespace: str
    deployment: str
    journal: Path

    def undo(self, to_revision: int) -> None:
        """Bring the pod template of a revision back, as `kubectl rollout undo --to-revision` does.

        Raises:
            DrillRefusedError: the history does not hold that revision (any more).
            ReadError: the API server refused or could not be reached.
        """
        apps = client.AppsV1Api(self.reader.api)
        with _translated("patch", "deployments", self.namespace):
            sets = json.loads(
                apps.list_namespaced_replica_set(self.namespace, _preload_content=False, _request_timeout=10).data
            )["items"]
            current = json.loads(
                apps.read_namespaced_deployment(
                    self.deployment, self.namespace, _preload_content=False, _request_timeout=10
                ).data
            )
            apps.patch_namespaced_deployment(
                self.deployment, self.namespace, _undo_patch(current, sets, to_revision), _request_timeout=10
            )

    def roll(
        self, to_revision: int, chats: Sequence[Chat], patients: Sequence[str], *, window_s: float, timeout_s: float
    ) -> Change:
        """Undo to a revision while requests keep coming, and wait until the rollout is stable or doomed."""
        before = self.reader.snapshot()
        found = before.deployment(self.deployment)
        return under_traffic(
            self.reader.snapshot,
            lambda: self.undo(to_revision),
            chats,
            patients,
            deployment=self.deployment,
            revisions=((found.revision if found else None) or 0, to_revision),
            window_s=window_s,
            timeout_s=timeout_s,
        )


def under_traffic(
    read: Callable[[], Snapshot],
    change: Callable[[], object],
    chats: Sequence[Chat],
    patients: Sequence[str],
    *,
    deployment: str,
    revisions: tuple[int, int],
    window_s: float,
    timeout_s: float,
) -> Change:
    """Make a change while requests keep coming, and wait until the rollout is stable, doomed or out of time."""
    snapshots: list[Snapshot] = []
    with Traffic(chats, patients) as traffic:
        started_at = datetime.now(UTC)
        change()
        waited = wait_for_rollout(
            read, deployment=deployment, window_s=window_s, timeout_s=timeout_s, on_snapshot=snapshots.append
        )
        ended_at = datetime.now(UTC)
    return Change(
        from_revision=revisions[0],
        to_revision=revisions[1],
        started_at=started_at,
        ended_at=ended_at,
        waited=waited,
        traffic=tuple(traffic.answers),
        snapshots=tuple(snapshots),
    )


def _undo_patch(deployment: dict[str, Any], sets: list[dict[str, Any]], to_revision: int) -> list[dict[str, Any]]:
    """Return the JSON patch that makes a Deployment's template that of a revision; raises DrillRefusedError."""
    uid = deployment["metadata"]["uid"]
    history = {
        int(each["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", 0)): each
        for each in sets
        if any(owner["uid"] == uid for owner in each["metadata"].get("ownerReferences", []))
    }
    if to_revision not in history:
        raise DrillRefusedError(
            f"deployment/{deployment['metadata']['name']}: revision {to_revision} is not in its history; "
            f"it holds {', '.join(map(str, sorted(history))) or 'none'}"
        )
    chosen = history[to_revision]
    template = json.loads(json.dumps(chosen["spec"]["template"]))
    template["metadata"]["labels"].pop("pod-template-hash", None)
    annotations = {
        key: value
        for key, value in deployment["metadata"].get("annotations", {}).items()
        if key in _KEPT_ANNOTATIONS
    } | {
        key: value
        for key, value in chosen["metadata"].get("annotations", {}).items()
        if key not in _KEPT_ANNOTATIONS
    }
    return [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]


@contextmanager
def drill(reader: ClusterReader, namespace: str, deployment: str, journal: Path) -> Iterator[Drill]:
    """Hold the Lease, write the journal, and bring the revision back that was there, whatever happens inside.

    Raises:
        DrillRefusedError: the Deployment does not exist, or another drill holds the Lease; nothing was changed.
        ReadError: the API server refused or could not be reached.
    """
    before = reader.snapshot().deployment(deployment)
    if before is None or before.revision is None:
        raise DrillRefusedError(f"deployment/{deployment} in namespace {namespace}: there is none to drill on")
    with _lease(reader, namespace):
        command = f"kubectl rollout undo deployment/{deployment} --to-revision={before.revision} -n {namespace}"
        _write_journal(journal, {"restore": command, "revision": before.revision, "deployment": deployment})
        running = Drill(reader, namespace, deployment, journal)
        try:
            yield running
        finally:
            after = reader.snapshot().deployment(deployment)
            if after is None or after.template != before.template:
                running.undo(before.revision)
            journal.unlink()


def _write_journal(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), **content}, indent=2), encoding="utf-8")
    draft.replace(path)


@contextmanager
def _lease(reader: ClusterReader, namespace: str) -> Iterator[None]:
    """Hold the drill's Lease; an expired one of a drill that died is taken over."""
    leases = client.CoordinationV1Api(reader.api)
    holder = f"{socket.gethostname()}-{os.getpid()}"
    now = datetime.now(UTC)
    body = {
        "metadata": {"name": LEASE},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_DURATION_S,
            "acquireTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
    with _translated("create", "leases.coordination.k8s.io", namespace):
        try:
            leases.create_namespaced_lease(namespace, body, _request_timeout=10)
        except ApiException as error:
            if error.status != 409:  # noqa: PLR2004  # HTTP Conflict: it exists
                raise
            held = leases.read_namespaced_lease(LEASE, namespace, _request_timeout=10)
            expires = held.spec.acquire_time + timedelta(seconds=held.spec.lease_duration_seconds)
            if expires > now:
                raise DrillRefusedError(
                    f"lease/{LEASE} in namespace {namespace} is held by {held.spec.holder_identity} until "
                    f"{expires:%H:%M:%S} UTC: another drill runs, or died; wait, or delete the Lease if it died"
                ) from error
            body["metadata"]["resourceVersion"] = held.metadata.resource_version
            leases.replace_namespaced_lease(LEASE, namespace, body, _request_timeout=10)
    try:
        yield
    finally:
        for attempt in stamina.retry_context(on=ApiException, attempts=3):
            with attempt:
                leases.delete_namespaced_lease(LEASE, namespace, _request_timeout=10)


@contextmanager
def _translated(verb: str, resource: str, namespace: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise translate(error, verb=verb, resource=resource, namespace=namespace) from error
