"""What a drill leaves where others find it: the way back, in a file and on the Lease that keeps two drills apart.

Written before anything changes and removed once everything is put back. The file serves the machine that the drill ran
on, the Lease whoever else meets what a killed drill left. Neither holds a template: a revision of the Deployment's own
history does, and the journal says by its hash which one. Writes nothing but the Lease.
"""
# mypy: disallow-untyped-calls=False
# Most of kubernetes has no annotations.

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import stamina
import urllib3
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, DynamicApiError, NotFoundError
from pydantic import TypeAdapter, ValidationError

from gate.readers.errors import Denied, DrillRefused, Malformed, NotFound, Unreachable, excerpt

LEASE = "carepath-gate-drill"
#: A drill that died keeps others out for so long; it is what the rollback tier's time limit allows a drill.
LEASE_DURATION_S = 3600
#: The API's MicroTime.
MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
#: On the Lease: the journal as JSON.
ANNOTATION = "carepath.example/drill-journal"
#: Journals of the drills of this checkout, below the project's folder; one per target.
FOLDER = Path("reports/drills")


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The state before a drill, and how to come back to it.

    Attributes:
        at: when the drill began.
        target: name of the target that it drills.
        server: the API server's URL; ``kube_system_uid`` tells a cluster from a later one at the same address.
        revision: the Deployment's own at that time.
        template_sha256: of its pod template, by ``template_sha256``.
        replica_sets: UIDs of the ReplicaSets in its history; the drill's own are removed with it.
        environment: of infra/terraform/envs, where the drill applies plans of its own; None where it does not.
    """

    at: datetime
    target: str
    server: str
    context: str | None
    kube_system_uid: str | None
    namespace: str
    deployment: str
    revision: int
    template_sha256: str
    replica_sets: tuple[str, ...]
    environment: str | None = None

    @property
    def kubectl(self) -> str:
        """Return what brings the pods back without this project; it leaves the Lease and Terraform's state alone."""
        return f"kubectl rollout undo deployment/{self.deployment} --to-revision={self.revision} -n {self.namespace}"

    def text(self, restore: str) -> str:
        """Return the journal as JSON, the two ways back among its keys."""
        content = {**asdict(self), "at": self.at.isoformat(), "restore": restore, "kubectl": self.kubectl}
        return json.dumps(content, indent=2)


_JOURNAL = TypeAdapter(Journal)


def journal_path(root: Path, target: str) -> Path:
    """Return where the journal of a target's drills lies."""
    return root / FOLDER / f"{target}.json"


def restore_command(path: Path) -> str:
    """Return the command that restores what a journal says."""
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"python -m gate restore {shown}"


def parse_journal(text: str, source: str) -> Journal:
    """Return the journal that ``Journal.text`` wrote; keys of a newer version are ignored.

    Raises:
        Malformed: naming the source and each key that is missing or wrong.
    """
    try:
        return _JOURNAL.validate_json(text)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'text'}: {each['msg']}" for each in error.errors())
        raise Malformed(f"{source}: not a drill's journal: {problems}") from error


def read_journal(path: Path) -> Journal:
    """Return the journal in a file.

    Raises:
        NotFound: there is none.
        Malformed: it is not one.
    """
    try:
        return parse_journal(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such journal; a drill that ended well leaves none") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: not readable: {error}") from error


def write_journal(path: Path, journal: Journal) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(journal.text(restore_command(path)), encoding="utf-8")
    draft.replace(path)


def template_sha256(template: Mapping[str, Any]) -> str:
    """Return a hash of a pod template in hex, the same for a Deployment and for the ReplicaSet made from it."""
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != "pod-template-hash"}
    plain = {**template, "metadata": {**metadata, "labels": labels}}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Lease:
    """The Lease of a drill that is held, or was found; ``held`` is the object as the API has it."""

    writer: DynamicClient
    namespace: str
    held: dict[str, Any]

    @property
    def holder(self) -> str:
        """Return who took it: host and process."""
        return str(self.held["spec"]["holderIdentity"])

    @property
    def expires(self) -> datetime:
        """Return when it runs out."""
        spec = self.held["spec"]
        acquired = datetime.strptime(spec["acquireTime"], MICRO_TIME).replace(tzinfo=UTC)
        return acquired + timedelta(seconds=spec["leaseDurationSeconds"])

    @property
    def holder_lives(self) -> bool:
        """Return whether the holder is a process of this machine that still runs."""
        host, _, process = self.holder.rpartition("-")
        if host != socket.gethostname() or not process.isdigit():
            return False
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def journal(self) -> Journal | None:
        """Return the journal on it, None where the drill had written none yet.

        Raises:
            Malformed: it cannot be read.
        """
        text = (self.held["metadata"].get("annotations") or {}).get(ANNOTATION)
        return None if text is None else parse_journal(text, f"lease/{LEASE} in namespace {self.namespace}")

    def note(self, journal: Journal) -> None:
        """Write the journal on it.

        Raises:
            ReadError: the API server refused or could not be reached.
        """
        command = f"python -m gate restore -n {self.namespace}"
        noted = {**self.held, "metadata": {**self.held["metadata"], "annotations": {ANNOTATION: journal.text(command)}}}
        with translated("update", "leases.coordination.k8s.io", self.namespace):
            _leases(self.writer).replace(body=noted, namespace=self.namespace)

    def give_back(self) -> None:
        """Delete it; somebody else may have done so already.

        Raises:
            ReadError: the API server refused or could not be reached.
        """
        with translated("delete", "leases.coordination.k8s.io", self.namespace):
            for attempt in stamina.retry_context(on=(DynamicApiError, urllib3.exceptions.HTTPError), attempts=3):
                with attempt, suppress(NotFoundError):
                    _leases(self.writer).delete(name=LEASE, namespace=self.namespace)


def find_lease(writer: DynamicClient, namespace: str) -> Lease | None:
    """Return the Lease that somebody holds or left, None where there is none.

    Raises:
        ReadError: the API server refused or could not be reached.
    """
    with translated("get", "leases.coordination.k8s.io", namespace):
        try:
            return Lease(writer, namespace, _leases(writer).get(name=LEASE, namespace=namespace).to_dict())
        except NotFoundError:
            return None


def take_lease(writer: DynamicClient, namespace: str, may_take_over: Callable[[Lease], object]) -> Lease:
    """Take the Lease; an expired one of a drill that died is taken over.

    Args:
        writer: the client that writes.
        namespace: of the drill.
        may_take_over: is shown the expired one first, and raises DrillRefused where it must stay.

    Raises:
        DrillRefused: another drill holds it.
        ReadError: the API server refused or could not be reached.
    """
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "metadata": {"name": LEASE},
        "spec": {
            "holderIdentity": f"{socket.gethostname()}-{os.getpid()}",
            "leaseDurationSeconds": LEASE_DURATION_S,
            "acquireTime": now.strftime(MICRO_TIME),
        },
    }
    with translated("create", "leases.coordination.k8s.io", namespace):
        try:
            return Lease(writer, namespace, _leases(writer).create(body=body, namespace=namespace).to_dict())
        except ConflictError as error:
            found = Lease(writer, namespace, _leases(writer).get(name=LEASE, namespace=namespace).to_dict())
            if found.expires > now:
                raise DrillRefused(
                    f"lease/{LEASE} in namespace {namespace} is held by {found.holder} until {found.expires:%H:%M:%S} "
                    f"UTC: another drill runs, or died; wait, or restore what it left: "
                    f"python -m gate restore -n {namespace}"
                ) from error
            may_take_over(found)
            body["metadata"]["resourceVersion"] = found.held["metadata"]["resourceVersion"]
            return Lease(writer, namespace, _leases(writer).replace(body=body, namespace=namespace).to_dict())


def _leases(writer: DynamicClient) -> Any:  # noqa: ANN401  # what the dynamic client returns has no type
    return writer.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")


@contextmanager
def translated(verb: str, resource: str, namespace: str | None) -> Iterator[None]:
    """Turn what the writing client raises into the gate's own errors."""
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
