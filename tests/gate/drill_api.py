"""A fake of the part of an API server that drills write to, and drills against it."""

import copy
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError, api_exception

from gate.drilling import Drill, drill
from gate.journal import LEASE, LEASE_DURATION_S, MICRO_TIME
from gate.readers.cluster import ClusterReader
from tests.readers import fakes

REVISION = "deployment.kubernetes.io/revision"


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
            "uid": f"uid-rs-{revision}",
            "resourceVersion": "7",
            "annotations": {REVISION: str(revision), "deployment.kubernetes.io/desired-replicas": "2", **annotations},
            "ownerReferences": [{"uid": owner}],
        },
        "spec": {"replicas": 0, "template": template(mode, **{"pod-template-hash": f"hash{revision}"})},
        "status": {"replicas": 0},
    }


def answered(held: Any) -> SimpleNamespace:  # noqa: ANN401  # an object or a list of them
    """Return what the dynamic client returns for it."""
    return SimpleNamespace(to_dict=lambda: copy.deepcopy(held))


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
        return answered(held)

    def patch(self, *, name: str, namespace: str, body: list[dict[str, Any]], content_type: str) -> None:
        """Apply a JSON patch to the Deployment."""
        assert (name, namespace, content_type) == ("chat-api", "carepath-demo", "application/json-patch+json")
        self._enter("patch")
        assert self.api.deployment is not None
        for step in body:
            section, key = step["path"].strip("/").split("/")
            self.api.deployment[section][key] = copy.deepcopy(step["value"])

    def create(self, *, body: dict[str, Any], namespace: str) -> SimpleNamespace:
        """Create the Lease unless it exists."""
        assert namespace == "carepath-demo"
        self._enter("create")
        if self.api.lease is not None:
            raise refused(409, "leases.coordination.k8s.io already exists")
        self.api.lease = copy.deepcopy(body)
        self.api.lease["metadata"]["resourceVersion"] = "1"
        return answered(self.api.lease)

    def replace(self, *, body: dict[str, Any], namespace: str) -> SimpleNamespace:
        """Replace the Lease that was read."""
        assert namespace == "carepath-demo"
        self._enter("replace")
        assert self.api.lease is not None
        assert body["metadata"]["resourceVersion"] == self.api.lease["metadata"]["resourceVersion"]
        self.api.lease = copy.deepcopy(body)
        return answered(self.api.lease)

    def delete(self, *, name: str, namespace: str, body: dict[str, Any] | None = None) -> None:
        """Delete the Lease, or a revision that is still the one that was looked at."""
        assert namespace == "carepath-demo"
        self._enter("delete")
        if self.kind == "ReplicaSet":
            (found,) = (each for each in self.api.sets if each["metadata"]["name"] == name)
            same = {key: found["metadata"][key] for key in ("uid", "resourceVersion")}
            assert body == {"preconditions": same}
            self.api.sets.remove(found)
            return
        assert name == LEASE
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


def started(api: FakeApi, journal: Path, **how: Any) -> Any:  # noqa: ANN401  # a context manager of Drill
    """Return a drill on chat-api against the fake API."""
    return drill(reader(), "chat-api", journal, target="local", open_writer=lambda _: cast("Any", api), **how)


def running(api: FakeApi) -> Drill:
    """Return a drill in progress."""
    return Drill(reader(), cast("Any", api), "chat-api")


def died(api: FakeApi, journal: Path) -> None:
    """Leave what a drill leaves that was killed after its undo: the old template, the Lease, the journal."""
    with started(api, journal) as drilling:
        drilling.undo(1)
        half_way, text = copy.deepcopy((api.deployment, api.lease)), journal.read_text()
    api.deployment, api.lease = half_way
    if api.lease is not None:
        api.lease["spec"]["holderIdentity"] = "ci-7-4242"
    journal.write_text(text)


def expire(api: FakeApi) -> None:
    """Let the Lease run out."""
    assert api.lease is not None
    api.lease["spec"]["acquireTime"] = held_lease(expires_in_s=-1)["spec"]["acquireTime"]
