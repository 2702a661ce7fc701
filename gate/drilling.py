"""What a drill needs to be safe: a Lease against two at once, a journal before anything changes, and the way back.

The only module that writes to a cluster. Whoever kills a drill half-way finds in the journal, and on the terminal, the
one command that restores the state from before.
"""
# mypy: disallow-untyped-calls=False
# Most of kubernetes has no annotations, and its generated models refuse plain objects.

import copy
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import stamina
import urllib3
from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, DynamicApiError, NotFoundError

from gate.diagnosis.ownership import replica_sets
from gate.diagnosis.traffic import MIN_BESIDE, rollout_traffic_verdict
from gate.observing import Chat, Traffic
from gate.readers.cluster import ClusterReader
from gate.readers.errors import Denied, DrillRefused, Unreachable, excerpt
from gate.records import Answer, ReplicaSet, Snapshot
from gate.verdict import Status, Verdict
from gate.waiting import Waited, wait_for_rollout

LEASE = "carepath-gate-drill"
#: A drill that died keeps others out for so long; it is what the rollback tier's time limit allows a drill.
LEASE_DURATION_S = 3600
#: Answers before the change, so that a service that fails anyway is not blamed on the rollout: what ROL-1 wants of each
#: of two users.
LEAD_ANSWERS = 2 * MIN_BESIDE
#: A service that has not given them after so long shows it in ROL-1.
LEAD_LIMIT_S = 60.0
#: The API's MicroTime.
MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_REVISION = "deployment.kubernetes.io/revision"
#: Annotations that belong to one revision's bookkeeping and are not brought back by an undo: those that
#: `kubectl rollout undo` leaves alone too (k8s.io/kubectl, pkg/polymorphichelpers/rollback.go).
_KEPT_ANNOTATIONS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        _REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)


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


def previous_replica_set(snapshot: Snapshot, deployment: str) -> ReplicaSet | None:
    """Return the newest revision before the Deployment's current one that its history still holds."""
    found = snapshot.deployment(deployment)
    if found is None or found.revision is None:
        return None
    older = [
        each for each in replica_sets(snapshot, found) if each.revision is not None and each.revision < found.revision
    ]
    return older[-1] if older else None


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill in progress on one Deployment; made by ``drill``."""

    reader: ClusterReader
    writer: DynamicClient
    deployment: str

    def undo(self, to_revision: int) -> None:
        """Bring the pod template of a revision back, as `kubectl rollout undo --to-revision` does.

        Raises:
            DrillRefused: the history does not hold that revision (any more).
            ReadError: the API server refused or could not be reached.
        """
        namespace = self.reader.namespace
        with _translated("list", "replicasets.apps", namespace):
            sets = self.writer.resources.get(api_version="apps/v1", kind="ReplicaSet").get(namespace=namespace)
        self._patch(_undo_patch(self.current(), sets.to_dict()["items"], to_revision))

    def current(self) -> dict[str, Any]:
        """Return the Deployment as the API holds it, every field of it.

        Raises:
            DrillRefused: there is none.
            ReadError: the API server refused or could not be reached.
        """
        namespace = self.reader.namespace
        with _translated("get", "deployments.apps", namespace):
            try:
                found: dict[str, Any] = self._deployments().get(name=self.deployment, namespace=namespace).to_dict()
            except NotFoundError as error:
                raise DrillRefused(
                    f"deployment/{self.deployment} in namespace {namespace}: there is none to drill on"
                ) from error
        return found

    def restore(self, original: Mapping[str, Any]) -> None:
        """Bring back the pod template of a Deployment read earlier, unless it is the one that stands there.

        Compares the template itself: after an undo and a redo the same template has a new revision number.

        Raises:
            ReadError: the API server refused or could not be reached.
        """
        current = self.current()
        if current["spec"]["template"] != original["spec"]["template"]:
            self._patch(_template_patch(current, original["spec"]["template"], _annotations(original)))

    def _patch(self, body: list[dict[str, Any]]) -> None:
        namespace = self.reader.namespace
        with _translated("patch", "deployments.apps", namespace):
            self._deployments().patch(
                name=self.deployment, namespace=namespace, body=body, content_type="application/json-patch+json"
            )

    def _deployments(self) -> Any:  # noqa: ANN401  # what the dynamic client returns has no type
        return self.writer.resources.get(api_version="apps/v1", kind="Deployment")

    def roll(
        self, to_revision: int, chats: Sequence[Chat], patients: Sequence[str], *, window_s: float, timeout_s: float
    ) -> Change:
        """Undo to a revision while requests keep coming, and wait until the rollout is stable or doomed."""
        return under_traffic(
            self.reader,
            lambda: self.undo(to_revision),
            chats,
            patients,
            deployment=self.deployment,
            window_s=window_s,
            timeout_s=timeout_s,
        )


def under_traffic(
    reader: ClusterReader,
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
        waited = wait_for_rollout(
            reader.snapshot, deployment=deployment, window_s=window_s, timeout_s=timeout_s, read_log=reader.logs
        )
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
    """Return the JSON patch that makes a Deployment's template that of a revision; raises DrillRefused."""
    uid = deployment["metadata"]["uid"]
    history = {
        int(_annotations(each).get(_REVISION, 0)): each
        for each in sets
        if any(owner["uid"] == uid for owner in each["metadata"].get("ownerReferences", []))
    }
    if to_revision not in history:
        raise DrillRefused(
            f"deployment/{deployment['metadata']['name']}: revision {to_revision} is not in its history; "
            f"it holds {', '.join(map(str, sorted(history))) or 'none'}"
        )
    chosen = history[to_revision]
    template = copy.deepcopy(chosen["spec"]["template"])
    template["metadata"]["labels"].pop("pod-template-hash", None)
    return _template_patch(deployment, template, _annotations(chosen))


def _template_patch(
    deployment: Mapping[str, Any], template: object, annotations: Mapping[str, str]
) -> list[dict[str, Any]]:
    kept = {key: value for key, value in _annotations(deployment).items() if key in _KEPT_ANNOTATIONS}
    brought = {key: value for key, value in annotations.items() if key not in _KEPT_ANNOTATIONS}
    return [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": kept | brought},
    ]


def _annotations(thing: Mapping[str, Any]) -> dict[str, str]:
    return dict(thing["metadata"].get("annotations") or {})


def writer_of(reader: ClusterReader) -> DynamicClient:
    """Return a client that may write, of the same configuration as the reader whose cluster has been checked.

    Raises:
        ReadError: the API server refused or could not be reached.
    """
    settings = client.Configuration()
    if reader.connection.context is None:
        config.load_incluster_config(client_configuration=settings)
    else:
        config.load_kube_config(context=reader.connection.context, client_configuration=settings, persist_config=False)
    with _translated("get", "the list of APIs", None):
        return DynamicClient(client.ApiClient(settings))


@contextmanager
def drill(
    reader: ClusterReader,
    deployment: str,
    journal: Path,
    *,
    open_writer: Callable[[ClusterReader], DynamicClient] = writer_of,
) -> Iterator[Drill]:
    """Hold the Lease, write the journal, and bring the template back that was there, whatever happens inside.

    Args:
        reader: of the cluster that was checked.
        deployment: the name of what is drilled on.
        journal: file that holds the way back while the drill runs; removed once the state is restored.
        open_writer: makes the client that writes.

    Raises:
        DrillRefused: the Deployment does not exist, or another drill holds the Lease; it was not changed.
        ReadError: the API server refused or could not be reached.
    """
    namespace = reader.namespace
    running = Drill(reader, open_writer(reader), deployment)
    with _lease(running.writer, namespace):
        original = running.current()
        revision = _annotations(original).get(_REVISION)
        if revision is None:
            raise DrillRefused(
                f"deployment/{deployment} in namespace {namespace}: its controller has not given it a revision yet"
            )
        command = f"kubectl rollout undo deployment/{deployment} --to-revision={revision} -n {namespace}"
        _write_journal(journal, {"server": reader.identity.server, "namespace": namespace, "restore": command})
        sys.stderr.write(f"drill: if this is killed, restore with: {command}\n")
        try:
            yield running
        finally:
            running.restore(original)
            journal.unlink()


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
                raise DrillRefused(
                    f"lease/{LEASE} in namespace {namespace} is held by {held['spec']['holderIdentity']} until "
                    f"{expires:%H:%M:%S} UTC: another drill runs, or died; wait, or delete the Lease if it died"
                ) from error
            body["metadata"]["resourceVersion"] = held["metadata"]["resourceVersion"]
            leases.replace(body=body, namespace=namespace)
    try:
        yield
    finally:
        with _translated("delete", "leases.coordination.k8s.io", namespace):
            for attempt in stamina.retry_context(on=(DynamicApiError, urllib3.exceptions.HTTPError), attempts=3):
                with attempt, suppress(NotFoundError):
                    leases.delete(name=LEASE, namespace=namespace)


@contextmanager
def _translated(verb: str, resource: str, namespace: str | None) -> Iterator[None]:
    try:
        yield
    except DynamicApiError as error:
        detail = excerpt(error.body or str(error.reason))
        if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise Denied(verb, resource, namespace, detail, status_code=error.status) from error
        where = f" in namespace {namespace}" if namespace else ""
        raise Unreachable(f"{verb} {resource}{where}: {detail}", status_code=error.status) from error
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"{verb} {resource}: {excerpt(str(error))}") from error
