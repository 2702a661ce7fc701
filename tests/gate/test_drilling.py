"""Drills against a fake API: the way back, the Lease, the journal, and what happens when something goes wrong."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import stamina
import urllib3
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import ConflictError, DynamicApiError, api_exception

from gate.drilling import (
    LEASE,
    LEASE_DURATION_S,
    MICRO_TIME,
    Drill,
    drill,
    previous_replica_set,
)
from gate.readers.cluster import ClusterReader
from gate.readers.errors import Denied, DrillRefused, Unreachable
from tests.diagnosis import factories as make
from tests.readers import fakes

REVISION = "deployment.kubernetes.io/revision"
RESTORE = "kubectl rollout undo deployment/chat-api --to-revision=2 -n carepath-demo"


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """Retry at once, as often as the code says."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


def refused(status: int, message: str) -> DynamicApiError:
    """Return what the dynamic client raises for that answer."""
    raised = ApiException(status=status, body=json.dumps({"message": message}))
    error: DynamicApiError = api_exception(raised)  # type: ignore[no-untyped-call]
    return error


def template(mode: str, **labels: str) -> dict[str, Any]:
    """Return a pod template that runs in that LLM_MODE."""
    container = {"name": "chat-api", "env": [{"name": "LLM_MODE", "value": mode}]}
    return {
        "metadata": {"labels": {"app": "chat-api", **labels}, "annotations": {"carepath/build": mode}},
        "spec": {"containers": [container]},
    }


def replica_set(revision: int, mode: str, owner: str = "uid-chat-api", **annotations: str) -> dict[str, Any]:
    """Return a revision as the API holds it."""
    return {
        "metadata": {
            "name": f"rs-{revision}",
            "annotations": {REVISION: str(revision), "deployment.kubernetes.io/desired-replicas": "2", **annotations},
            "ownerReferences": [{"uid": owner}],
        },
        "spec": {"template": template(mode, **{"pod-template-hash": f"hash{revision}"})},
    }


@dataclass
class FakeApi:
    """The part of an API server that a drill writes to, behind the dynamic client's interface.

    Attributes:
        deployment: chat-api, None where there is none.
        lease: the drill's Lease, None where nobody holds it.
        failing: (verb, kind) -> what is raised instead of an answer.
        done: every change in order, as (verb, kind).
    """

    deployment: dict[str, Any] | None = field(
        default_factory=lambda: {
            "metadata": {
                "name": "chat-api",
                "uid": "uid-chat-api",
                "annotations": {REVISION: "2", "kubernetes.io/change-cause": "v2.0"},
            },
            "spec": {"replicas": 2, "template": template("SmolLM2")},
        }
    )
    sets: list[dict[str, Any]] = field(
        default_factory=lambda: [
            replica_set(1, "mock", **{"kubernetes.io/change-cause": "v1.0"}),
            replica_set(2, "SmolLM2"),
            replica_set(7, "other", owner="uid-patient-api"),
        ]
    )
    lease: dict[str, Any] | None = None
    failing: dict[tuple[str, str], Exception] = field(default_factory=dict)
    done: list[tuple[str, str]] = field(default_factory=list)

    @property
    def resources(self) -> "FakeApi":
        """Discovery."""
        return self

    def get(self, *, api_version: str, kind: str) -> "FakeResource":
        """Return one API resource."""
        assert api_version in {"apps/v1", "coordination.k8s.io/v1"}
        return FakeResource(self, kind)

    @property
    def mode(self) -> str:
        """Return the LLM_MODE of the Deployment's template."""
        assert self.deployment is not None
        mode: str = self.deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
        return mode


@dataclass
class FakeResource:
    """One kind of object of the fake API."""

    api: FakeApi
    kind: str

    def _enter(self, verb: str) -> None:
        if verb != "get":
            self.api.done.append((verb, self.kind))
        if (verb, self.kind) in self.api.failing:
            raise self.api.failing[verb, self.kind]

    def get(self, *, namespace: str, name: str = "") -> SimpleNamespace:
        """Return the object, or the list of the namespace."""
        assert namespace == "carepath-demo"
        self._enter("get")
        found = {"Deployment": self.api.deployment, "Lease": self.api.lease, "ReplicaSet": {"items": self.api.sets}}
        held = found[self.kind]
        if held is None:
            raise refused(404, f"{self.kind} {name!r} not found")
        return SimpleNamespace(to_dict=lambda: copy.deepcopy(held))

    def patch(self, *, name: str, namespace: str, body: list[dict[str, Any]], content_type: str) -> None:
        """Apply a JSON patch to the Deployment."""
        assert (name, namespace, content_type) == ("chat-api", "carepath-demo", "application/json-patch+json")
        self._enter("patch")
        assert self.api.deployment is not None
        for step in body:
            section, key = step["path"].strip("/").split("/")
            self.api.deployment[section][key] = copy.deepcopy(step["value"])

    def create(self, *, body: dict[str, Any], namespace: str) -> None:
        """Create the Lease unless it exists."""
        assert namespace == "carepath-demo"
        self._enter("create")
        if self.api.lease is not None:
            raise refused(409, "leases.coordination.k8s.io already exists")
        self.api.lease = copy.deepcopy(body)

    def replace(self, *, body: dict[str, Any], namespace: str) -> None:
        """Replace the Lease that was read."""
        assert namespace == "carepath-demo"
        self._enter("replace")
        assert self.api.lease is not None
        assert body["metadata"]["resourceVersion"] == self.api.lease["metadata"]["resourceVersion"]
        self.api.lease = copy.deepcopy(body)

    def delete(self, *, name: str, namespace: str) -> None:
        """Delete the Lease."""
        assert (name, namespace) == (LEASE, "carepath-demo")
        self._enter("delete")
        if self.api.lease is None:
            raise refused(404, "lease not found")
        self.api.lease = None


def held_lease(expires_in_s: float) -> dict[str, Any]:
    """Return the Lease of another drill."""
    acquired = datetime.now(UTC) + timedelta(seconds=expires_in_s - LEASE_DURATION_S)
    return {
        "metadata": {"name": LEASE, "resourceVersion": "41"},
        "spec": {
            "holderIdentity": "ci-7-4242",
            "leaseDurationSeconds": LEASE_DURATION_S,
            "acquireTime": acquired.strftime(MICRO_TIME),
        },
    }


def reader() -> ClusterReader:
    """Return a reader of a cluster that is not asked for anything but its identity."""
    return ClusterReader(fakes.FakeServer(), fakes.cluster())


def started(api: FakeApi, journal: Path) -> Any:  # noqa: ANN401  # a context manager of Drill
    """Return a drill on chat-api against the fake API."""
    return drill(reader(), "chat-api", journal, open_writer=lambda _: cast("Any", api))


def running(api: FakeApi) -> Drill:
    """Return a drill in progress."""
    return Drill(reader(), cast("Any", api), "chat-api")


def test_undo_brings_template_and_annotations_back_as_kubectl_does() -> None:
    """The revision's template without its hash; its annotations but for the bookkeeping, which stays."""
    api = FakeApi()
    running(api).undo(1)
    assert api.deployment is not None
    assert api.deployment["spec"] == {"replicas": 2, "template": template("mock")}
    assert api.deployment["metadata"]["annotations"] == {REVISION: "2", "kubernetes.io/change-cause": "v1.0"}
    assert api.sets[0]["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == "hash1"


def test_undo_to_unknown_revision_is_refused_with_the_history() -> None:
    """Another Deployment's revision of that number does not count; nothing is patched."""
    api = FakeApi()
    with pytest.raises(DrillRefused) as caught:
        running(api).undo(7)
    assert str(caught.value) == "deployment/chat-api: revision 7 is not in its history; it holds 1, 2"
    assert api.done == []


def test_undo_forbidden_is_denied_with_verb_and_resource() -> None:
    """A missing right names itself."""
    api = FakeApi(failing={("patch", "Deployment"): refused(403, "User ci cannot patch deployments")})
    with pytest.raises(Denied) as caught:
        running(api).undo(1)
    assert str(caught.value) == (
        "not permitted: patch deployments.apps in namespace carepath-demo: User ci cannot patch deployments"
    )
    assert caught.value.status_code == 403


def test_undo_without_connection_is_unreachable() -> None:
    """What the HTTP pool raises is translated too."""
    api = FakeApi(failing={("get", "ReplicaSet"): urllib3.exceptions.ProtocolError("Connection aborted.")})
    with pytest.raises(Unreachable, match=r"^list replicasets\.apps: Connection aborted\.$"):
        running(api).undo(1)


def test_drill_holds_lease_and_journal_and_removes_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way back is on disk and on the terminal before anything changes, and gone once the state is restored."""
    api, journal = FakeApi(), tmp_path / "reports" / "journal.json"
    with started(api, journal) as drilling:
        assert api.done == [("create", "Lease")]
        assert api.lease is not None
        written = json.loads(journal.read_text())
        assert {key: written[key] for key in ("server", "namespace", "restore")} == {
            "server": fakes.SERVER,
            "namespace": "carepath-demo",
            "restore": RESTORE,
        }
        assert RESTORE in capsys.readouterr().err
        drilling.undo(1)
        assert api.mode == "mock"
    assert api.mode == "SmolLM2"
    assert api.lease is None
    assert list(journal.parent.iterdir()) == []


def test_drill_whose_body_raises_restores_the_template(tmp_path: Path) -> None:
    """Whatever happens inside, the template, the annotations and the Lease are what they were."""
    api = FakeApi()
    before = copy.deepcopy(api.deployment)

    def fail_half_way() -> None:
        with started(api, tmp_path / "journal.json") as drilling:
            drilling.undo(1)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_half_way()
    assert api.deployment == before
    assert api.lease is None


def test_drill_that_ends_where_it_began_patches_nothing_more(tmp_path: Path) -> None:
    """Back and forth leaves the template as it was, under a new revision number: there is nothing to restore."""
    api = FakeApi()
    with started(api, tmp_path / "journal.json") as drilling:
        drilling.undo(1)
        drilling.undo(2)
    assert api.done == [("create", "Lease"), ("patch", "Deployment"), ("patch", "Deployment"), ("delete", "Lease")]


def test_drill_that_cannot_restore_keeps_its_journal(tmp_path: Path) -> None:
    """The one command that restores the state outlives a drill that could not do it itself."""
    api, journal = FakeApi(), tmp_path / "journal.json"
    drilling = started(api, journal)
    drilling.__enter__().undo(1)
    api.failing["patch", "Deployment"] = refused(500, "etcdserver: request timed out")
    with pytest.raises(Unreachable, match="etcdserver: request timed out"):
        drilling.__exit__(None, None, None)
    assert json.loads(journal.read_text())["restore"] == RESTORE
    assert api.lease is None


def test_drill_without_deployment_is_refused(tmp_path: Path) -> None:
    """There must be something to drill on; the Lease is given back."""
    api = FakeApi(deployment=None)
    with pytest.raises(DrillRefused, match=r"^deployment/chat-api in namespace carepath-demo: there is none to"):
        started(api, tmp_path / "journal.json").__enter__()
    assert api.lease is None
    assert list(tmp_path.iterdir()) == []


def test_drill_beside_another_is_refused_with_holder_and_expiry(tmp_path: Path) -> None:
    """Two drills at once would restore each other's state."""
    lease = held_lease(expires_in_s=60)
    api = FakeApi(lease=lease)
    with pytest.raises(DrillRefused) as caught:
        started(api, tmp_path / "journal.json").__enter__()
    expires = datetime.strptime(lease["spec"]["acquireTime"], MICRO_TIME).replace(tzinfo=UTC) + timedelta(
        seconds=LEASE_DURATION_S
    )
    assert str(caught.value) == (
        f"lease/{LEASE} in namespace carepath-demo is held by ci-7-4242 until {expires:%H:%M:%S} UTC: another drill "
        "runs, or died; wait, or delete the Lease if it died"
    )
    assert api.lease == lease
    assert isinstance(caught.value.__cause__, ConflictError)


def test_drill_takes_an_expired_lease_over(tmp_path: Path) -> None:
    """A drill that died keeps nobody out for ever."""
    api = FakeApi(lease=held_lease(expires_in_s=-1))
    with started(api, tmp_path / "journal.json"):
        assert api.lease is not None
        assert api.lease["spec"]["holderIdentity"] != "ci-7-4242"
    assert api.done == [("create", "Lease"), ("replace", "Lease"), ("delete", "Lease")]


def test_drill_without_right_to_a_lease_is_denied(tmp_path: Path) -> None:
    """Without the Lease nothing is changed."""
    api = FakeApi(failing={("create", "Lease"): refused(403, "User ci cannot create leases")})
    with pytest.raises(Denied, match=r"create leases\.coordination\.k8s\.io in namespace carepath-demo: User ci"):
        started(api, tmp_path / "journal.json").__enter__()
    assert api.done == [("create", "Lease")]


def test_drill_whose_lease_was_deleted_ends_well(tmp_path: Path) -> None:
    """Somebody who thought that the drill was dead may have deleted its Lease."""
    api = FakeApi()
    with started(api, tmp_path / "journal.json"):
        api.lease = None
    assert ("delete", "Lease") in api.done


def test_previous_replica_set_is_the_deployments_own() -> None:
    """The newest older revision by owner; one of another Deployment with the same number is not it."""
    foreign = make.replica_set("aa-patient-api-1", 1, owner=make.owner("patient-api", "Deployment"))
    snapshot = make.healthy_snapshot(replica_sets=(foreign, make.old_replica_set(), make.replica_set()))
    found = previous_replica_set(snapshot, make.DEPLOYMENT)
    assert found is not None
    assert found.name == make.OLD_REPLICA_SET


def test_previous_replica_set_of_first_revision_is_none() -> None:
    """A first deploy has no way back."""
    snapshot = make.healthy_snapshot(replica_sets=(make.replica_set(),))
    assert previous_replica_set(snapshot, make.DEPLOYMENT) is None
