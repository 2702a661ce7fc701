"""What a drill needs to be safe: a Lease against two at once, a journal before anything changes, and the way back.

The only module that writes to a cluster. Whoever kills a drill half-way finds in the journal, and on the terminal, the
one command that restores the state from before.
"""
# mypy: disallow-untyped-calls=False
# Most of kubernetes has no annotations, and its generated models refuse plain objects.

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import stamina
from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, DynamicApiError

from gate.diagnosis.traffic import rollout_traffic_verdict
from gate.observing import Chat, Traffic
from gate.readers.cluster import ClusterReader
from gate.readers.errors import Denied, Unreachable, excerpt
from gate.records import Answer, Snapshot
from gate.verdict import Status, Verdict
from gate.waiting import Waited, wait_for_rollout

LEASE = "carepath-gate-drill"
#: A drill that died keeps others out for so long; the longest drill (two rollouts) ends well within it.
LEASE_DURATION_S = 900
#: Answers before the change, so that a service that fails anyway is not blamed on the rollout: as many as ROL-1 wants.
LEAD_ANSWERS = 6
#: A service that has not given them after so long shows it in ROL-1.
LEAD_LIMIT_S = 60.0
#: The API's MicroTime.
MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
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
    """A rollout made under traffic; settled when the window began in which it stayed as it was, or at its end."""

    started_at: datetime
    settled_at: datetime
    waited: Waited
    traffic: tuple[Answer, ...]

    @property
    def seconds(self) -> float:
        """Return the seconds from the change until the rollout had settled, was doomed or out of time."""
        return (self.settled_at - self.started_at).total_seconds()

    @property
    def verdict(self) -> Verdict:
        """Return ROL-1, with the rollout's own series for the report's picture."""
        verdict = rollout_traffic_verdict(
            [answer.reply for answer in self.traffic], changed_at=self.started_at, settled_at=self.settled_at
        )
        return verdict.with_details(**dict(self.waited.verdict.details))


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
    writer: DynamicClient
    deployment: str

    def undo(self, to_revision: int) -> None:
        """Bring the pod template of a revision back, as `kubectl rollout undo --to-revision` does.

        Raises:
            DrillRefusedError: the history does not hold that revision (any more).
            ReadError: the API server refused or could not be reached.
        """
        namespace = self.reader.namespace
        with _translated("patch", "deployments", namespace):
            deployments = self.writer.resources.get(api_version="apps/v1", kind="Deployment")
            sets = self.writer.resources.get(api_version="apps/v1", kind="ReplicaSet").get(namespace=namespace)
            current = deployments.get(name=self.deployment, namespace=namespace)
            deployments.patch(
                name=self.deployment,
                namespace=namespace,
                body=_undo_patch(current.to_dict(), sets.to_dict()["items"], to_revision),
                content_type="application/json-patch+json",
            )

    def roll(
        self, to_revision: int, chats: Sequence[Chat], patients: Sequence[str], *, window_s: float, timeout_s: float
    ) -> Change:
        """Undo to a revision while requests keep coming, and wait until the rollout is stable or doomed."""
        return under_traffic(
            self.reader.snapshot,
            lambda: self.undo(to_revision),
            chats,
            patients,
            deployment=self.deployment,
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
    window_s: float,
    timeout_s: float,
) -> Change:
    """Make a change while requests keep coming, and wait until the rollout is stable, doomed or out of time."""
    with Traffic(chats, patients) as traffic:
        _lead_in(traffic)
        started_at = datetime.now(UTC)
        change()
        waited = wait_for_rollout(read, deployment=deployment, window_s=window_s, timeout_s=timeout_s)
        ended_at = datetime.now(UTC)
    stable = waited.verdict.status in {Status.PASS, Status.WARN}
    return Change(
        started_at=started_at,
        settled_at=ended_at - timedelta(seconds=window_s) if stable else ended_at,
        waited=waited,
        traffic=tuple(traffic.answers),
    )


def _lead_in(traffic: Traffic) -> None:
    deadline = time.monotonic() + LEAD_LIMIT_S
    while traffic.clients and len(traffic.answers) < LEAD_ANSWERS and time.monotonic() < deadline:
        time.sleep(0.1)


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
        key: value for key, value in deployment["metadata"].get("annotations", {}).items() if key in _KEPT_ANNOTATIONS
    } | {key: value for key, value in chosen["metadata"].get("annotations", {}).items() if key not in _KEPT_ANNOTATIONS}
    return [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]


@contextmanager
def drill(reader: ClusterReader, deployment: str, journal: Path) -> Iterator[Drill]:
    """Hold the Lease, write the journal, and bring the revision back that was there, whatever happens inside.

    Raises:
        DrillRefusedError: the Deployment does not exist, or another drill holds the Lease; nothing was changed.
        ReadError: the API server refused or could not be reached.
    """
    namespace = reader.namespace
    before = reader.snapshot().deployment(deployment)
    if before is None or before.revision is None:
        raise DrillRefusedError(f"deployment/{deployment} in namespace {namespace}: there is none to drill on")
    writer = _writer(reader)
    with _lease(writer, namespace):
        command = f"kubectl rollout undo deployment/{deployment} --to-revision={before.revision} -n {namespace}"
        _write_journal(journal, {"server": reader.identity.server, "namespace": namespace, "restore": command})
        sys.stderr.write(f"drill: if this is killed, restore with: {command}\n")
        running = Drill(reader, writer, deployment)
        try:
            yield running
        finally:
            after = reader.snapshot().deployment(deployment)
            if after is None or after.template != before.template:
                running.undo(before.revision)
            journal.unlink()


def _writer(reader: ClusterReader) -> DynamicClient:
    """Return a client that may write, of the same configuration as the reader whose cluster has been checked."""
    settings = client.Configuration()
    if reader.connection.context is None:
        config.load_incluster_config(client_configuration=settings)
    else:
        config.load_kube_config(context=reader.connection.context, client_configuration=settings, persist_config=False)
    return DynamicClient(client.ApiClient(settings))


def _write_journal(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), **content}, indent=2), encoding="utf-8")
    draft.replace(path)


@contextmanager
def _lease(writer: DynamicClient, namespace: str) -> Iterator[None]:
    """Hold the drill's Lease; an expired one of a drill that died is taken over."""
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "metadata": {"name": LEASE},
        "spec": {
            "holderIdentity": f"{socket.gethostname()}-{os.getpid()}",
            "leaseDurationSeconds": LEASE_DURATION_S,
            "acquireTime": now.strftime(MICRO_TIME),
        },
    }
    with _translated("create", "leases.coordination.k8s.io", namespace):
        leases = writer.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")
        try:
            leases.create(body=body, namespace=namespace)
        except ConflictError as error:
            held = leases.get(name=LEASE, namespace=namespace).to_dict()
            acquired = datetime.strptime(held["spec"]["acquireTime"], MICRO_TIME).replace(tzinfo=UTC)
            expires = acquired + timedelta(seconds=held["spec"]["leaseDurationSeconds"])
            if expires > now:
                raise DrillRefusedError(
                    f"lease/{LEASE} in namespace {namespace} is held by {held['spec']['holderIdentity']} until "
                    f"{expires:%H:%M:%S} UTC: another drill runs, or died; wait, or delete the Lease if it died"
                ) from error
            body["metadata"]["resourceVersion"] = held["metadata"]["resourceVersion"]
            leases.replace(body=body, namespace=namespace)
    try:
        yield
    finally:
        for attempt in stamina.retry_context(on=DynamicApiError, attempts=3):
            with attempt:
                leases.delete(name=LEASE, namespace=namespace)


@contextmanager
def _translated(verb: str, resource: str, namespace: str) -> Iterator[None]:
    try:
        yield
    except DynamicApiError as error:
        detail = excerpt(error.body or str(error.reason))
        if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise Denied(verb, resource, namespace, detail, status_code=error.status) from error
        raise Unreachable(f"{verb} {resource} in namespace {namespace}: {detail}", status_code=error.status) from error
