"""A drill in progress: what it changes on the Deployment, and how everything is put back.

The only module that changes an app in a cluster (``journal`` writes the Lease). Whoever kills a drill half-way finds on
the terminal, in the journal and on the Lease the one command that restores the state from before (``restoring``).
"""
# mypy: disallow-untyped-calls=False
# Most of kubernetes has no annotations, and its generated models refuse plain objects.

import copy
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError

from gate.journal import (
    Journal,
    read_journal,
    restore_command,
    take_lease,
    template_sha256,
    translated,
    write_journal,
)
from gate.readers.cluster import ClusterReader
from gate.readers.errors import DrillRefused, NotFound

#: A revision that was left is scaled to zero within the longest grace period of a pod and a few seconds.
FORGET_LIMIT_S = 90.0
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
        current = self.current()
        history = {int(_annotations(each).get(_REVISION, 0)): each for each in self.history(current)}
        if to_revision not in history:
            raise DrillRefused(
                f"deployment/{self.deployment}: revision {to_revision} is not in its history; "
                f"it holds {', '.join(map(str, sorted(history))) or 'none'}"
            )
        self._bring_back(current, history[to_revision])

    def set_environment(self, key: str, value: str) -> None:
        """Set a variable of every container, as `kubectl set env deployment/NAME KEY=VALUE` does.

        Raises:
            ReadError: the API server refused or could not be reached.
        """
        current = self.current()
        template = copy.deepcopy(current["spec"]["template"])
        for container in template["spec"]["containers"]:
            others = [each for each in container.get("env") or [] if each["name"] != key]
            places = [place for place, each in enumerate(container.get("env") or []) if each["name"] == key]
            others.insert(places[0] if places else len(others), {"name": key, "value": value})
            container["env"] = others
        self._patch(_template_patch(current, template, _annotations(current)))

    def history(self, deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the ReplicaSets that a Deployment owns, as the API holds them.

        Raises:
            ReadError: the API server refused or could not be reached.
        """
        namespace, uid = self.reader.namespace, deployment["metadata"]["uid"]
        with translated("list", "replicasets.apps", namespace):
            found: list[dict[str, Any]] = self._replica_sets().get(namespace=namespace).to_dict()["items"]
        return [each for each in found if any(o["uid"] == uid for o in each["metadata"].get("ownerReferences", []))]

    def current(self) -> dict[str, Any]:
        """Return the Deployment as the API holds it, every field of it.

        Raises:
            DrillRefused: there is none.
            ReadError: the API server refused or could not be reached.
        """
        namespace = self.reader.namespace
        with translated("get", "deployments.apps", namespace):
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

    def restore_from_history(self, journal: Journal) -> bool:
        """Bring back the template that a journal names by its hash, and return whether anything had to be done.

        Raises:
            DrillRefused: the history does not hold it (any more).
            ReadError: the API server refused or could not be reached.
        """
        current = self.current()
        if template_sha256(current["spec"]["template"]) == journal.template_sha256:
            return False
        for each in self.history(current):
            if template_sha256(each["spec"]["template"]) == journal.template_sha256:
                self._bring_back(current, each)
                return True
        raise DrillRefused(
            f"deployment/{self.deployment}: its history does not hold the template of revision {journal.revision} any "
            f"more (sha256 {journal.template_sha256[:12]}); deploy that version again"
        )

    def forget(
        self,
        known: Collection[str],
        *,
        limit_s: float = FORGET_LIMIT_S,
        sleep: Callable[[float], object] = time.sleep,
    ) -> tuple[str, ...]:
        """Delete the revisions that came into the history since, and return those that could not be, by name.

        Left there, the next `kubectl rollout undo` would lead to one of them and not to the version before.

        Args:
            known: UIDs of the ReplicaSets that stay, beside the Deployment's current one.
            limit_s: how long one that still has pods is waited for.
            sleep: pauses for so many seconds.

        Raises:
            ReadError: the API server refused or could not be reached.
        """
        waited_s = 0.0
        while True:
            current = self.current()
            wanted = template_sha256(current["spec"]["template"])
            added = [
                each
                for each in self.history(current)
                if each["metadata"]["uid"] not in known and template_sha256(each["spec"]["template"]) != wanted
            ]
            for each in added:
                if not (each["spec"].get("replicas") or each.get("status", {}).get("replicas")):
                    self._delete(each)
            left = [each for each in added if each["spec"].get("replicas") or each.get("status", {}).get("replicas")]
            if not left or waited_s >= limit_s:
                return tuple(each["metadata"]["name"] for each in left)
            sleep(1.0)
            waited_s += 1.0

    def _delete(self, replica_set: Mapping[str, Any]) -> None:
        namespace, metadata = self.reader.namespace, replica_set["metadata"]
        same = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        with translated("delete", "replicasets.apps", namespace):
            self._replica_sets().delete(name=metadata["name"], namespace=namespace, body={"preconditions": same})

    def _bring_back(self, current: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        template = copy.deepcopy(revision["spec"]["template"])
        template["metadata"]["labels"].pop("pod-template-hash", None)
        self._patch(_template_patch(current, template, _annotations(revision)))

    def _patch(self, body: list[dict[str, Any]]) -> None:
        namespace = self.reader.namespace
        with translated("patch", "deployments.apps", namespace):
            self._deployments().patch(
                name=self.deployment, namespace=namespace, body=body, content_type="application/json-patch+json"
            )

    def _deployments(self) -> Any:  # noqa: ANN401  # what the dynamic client returns has no type
        return self.writer.resources.get(api_version="apps/v1", kind="Deployment")

    def _replica_sets(self) -> Any:  # noqa: ANN401  # what the dynamic client returns has no type
        return self.writer.resources.get(api_version="apps/v1", kind="ReplicaSet")


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
    with translated("get", "the list of APIs", None):
        return DynamicClient(client.ApiClient(settings))


@contextmanager
def drill(
    reader: ClusterReader,
    deployment: str,
    journal: Path,
    *,
    target: str,
    environment: str | None = None,
    reapply: Callable[[], object] | None = None,
    open_writer: Callable[[ClusterReader], DynamicClient] = writer_of,
) -> Iterator[Drill]:
    """Hold the Lease, write the journal, and bring back what was there, whatever happens inside.

    Where that fails, Lease and journal stay: nobody drills on a state that is not the one from before.

    Args:
        reader: of the cluster that was checked.
        deployment: the name of what is drilled on.
        journal: file that holds the way back while the drill runs; removed once the state is restored.
        target: name of the target, for the journal.
        environment: of infra/terraform/envs, if the drill applies plans of its own.
        reapply: brings Terraform's state back; called where the drill did not come to its own apply of that.
        open_writer: makes the client that writes.

    Raises:
        DrillRefused: the Deployment does not exist, another drill holds the Lease, or one died and its state was never
            restored; nothing was changed.
        ReadError: the API server refused or could not be reached.
    """
    namespace = reader.namespace
    running = Drill(reader, open_writer(reader), deployment)
    _refuse_left_file(running, journal)
    lease = take_lease(
        running.writer,
        namespace,
        lambda found: _refuse_unrestored(running, found.journal(), f"python -m gate restore -n {namespace}"),
    )
    restored = True
    try:
        original = running.current()
        noted = _noted(running, original, target, environment)
        write_journal(journal, noted)
        lease.note(noted)
        sys.stderr.write(f"drill: if this is killed, restore with: {restore_command(journal)}\n")
        restored = ended = False
        try:
            yield running
            ended = True
        finally:
            running.restore(original)
            if reapply is not None and not ended:
                reapply()
            left = running.forget(noted.replica_sets)
            restored = True
            journal.unlink()
            if left:
                sys.stderr.write(f"drill: revisions of its own that still have pods were left: {', '.join(left)}\n")
    finally:
        if restored:
            lease.give_back()


def _noted(running: Drill, original: Mapping[str, Any], target: str, environment: str | None) -> Journal:
    revision = _annotations(original).get(_REVISION)
    namespace, identity = running.reader.namespace, running.reader.identity
    if revision is None:
        raise DrillRefused(
            f"deployment/{running.deployment} in namespace {namespace}: its controller has not given it a revision yet"
        )
    return Journal(
        at=datetime.now(UTC),
        target=target,
        server=identity.server,
        context=identity.context,
        kube_system_uid=identity.kube_system_uid,
        namespace=namespace,
        deployment=running.deployment,
        revision=int(revision),
        template_sha256=template_sha256(original["spec"]["template"]),
        replica_sets=tuple(each["metadata"]["uid"] for each in running.history(original)),
        environment=environment,
    )


def _refuse_left_file(running: Drill, path: Path) -> None:
    try:
        found = read_journal(path)
    except NotFound:
        return
    identity = running.reader.identity
    here = (identity.server, identity.kube_system_uid, running.reader.namespace)
    # A cluster that is gone takes its trouble along; the next one may well have the same address.
    if here == (found.server, found.kube_system_uid, found.namespace):
        _refuse_unrestored(running, found, restore_command(path))


def _refuse_unrestored(running: Drill, left: Journal | None, restore: str) -> None:
    """Refuse to drill on what a drill that died left, unless somebody has brought the template back since."""
    if left is None or left.deployment != running.deployment:
        return
    if template_sha256(running.current()["spec"]["template"]) != left.template_sha256:
        raise DrillRefused(
            f"deployment/{left.deployment} in namespace {left.namespace}: a drill of {left.at:%Y-%m-%d %H:%M} UTC died "
            f"and left it changed; restore revision {left.revision} first: {restore}"
        )
