"""From a sick API server's answers all the way to a verdict: correct or inconclusive, never a pass, never a traceback.

Recordings of real rollouts are served page by page; around them the server expires, refuses, garbles or keeps another
time than the gate.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.survey import survey
from gate.readers.api import Response
from gate.readers.cluster import ClusterReader
from gate.readers.errors import ReadError
from gate.target import Cluster, Identity
from gate.verdict import Status, Verdict
from gate.waiting import wait_for_rollout
from tests.diagnosis.test_recorded import RECORDED
from tests.readers.fakes import SERVER, FakeServer

HEALTHY = next(path for path in RECORDED if path.stem == "healthy")
APPS, CORE = "/apis/apps/v1", "/api/v1"
#: Where each kind of the recordings is served, and whether in the namespace.
SERVED: Mapping[str, tuple[str, str, bool]] = {
    "Deployment": (APPS, "deployments", True),
    "ReplicaSet": (APPS, "replicasets", True),
    "Pod": (CORE, "pods", True),
    "Event": (CORE, "events", True),
    "PersistentVolumeClaim": (CORE, "persistentvolumeclaims", True),
    "Node": (CORE, "nodes", False),
    "StorageClass": ("/apis/storage.k8s.io/v1", "storageclasses", False),
}
#: Further lists that a pass rests on; empty on these recordings.
BESIDE = {
    "resourcequotas": CORE,
    "services": CORE,
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
}
NEEDED = ("deployments", "replicasets", "pods")
RESTS_ON = (*NEEDED, "events", "persistentvolumeclaims", *BESIDE)

Handler = Callable[[Mapping[str, str]], Response]


class Recording:
    """A recorded namespace behind a fake API server.

    Attributes:
        name: of the Deployment.
        cause: what was broken on purpose; None: nothing.
    """

    def __init__(self, path: Path, *, skew_s: float = 0.0) -> None:
        self.recorded: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.name: str = self.recorded["deployment"]
        self.cause: str | None = self.recorded["cause"]
        self.namespace: str = self.recorded["namespace"]
        self.served_at = datetime.fromisoformat(self.recorded["read_at"])
        self.server = FakeServer()
        for kind in SERVED:
            objects = [each for each in self.recorded["objects"] if each["kind"] == kind]
            self.server.routes[self.path(SERVED[kind][1])] = self.answer({"items": objects})
        self.reader = ClusterReader(
            self.server,
            Cluster(identity=Identity(server=SERVER), namespace=self.namespace),
            clock=lambda: self.served_at + timedelta(seconds=skew_s),
        )

    def path(self, resource: str) -> str:
        """Return where the list is served."""
        for group, name, namespaced in SERVED.values():
            if name == resource:
                return f"{group}/namespaces/{self.namespace}/{name}" if namespaced else f"{group}/{name}"
        return f"{BESIDE[resource]}/namespaces/{self.namespace}/{resource}"

    def answer(self, body: object, status: int = 200, **headers: str) -> Response:
        """Return an answer with the server's clock."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(status, {"date": format_datetime(self.served_at, usegmt=True), **headers}, raw)

    def refusal(self, status: int, message: str, **headers: str) -> Response:
        """Return a Status as an API server words it."""
        body = {"kind": "Status", "status": "Failure", "message": message, "code": status}
        return self.answer(body, status, **{key.replace("_", "-"): value for key, value in headers.items()})

    def serve(self, resource: str, found: Response | Handler) -> None:
        """Answer for a list from now on."""
        self.server.routes[self.path(resource)] = found

    def diagnosed(self) -> Verdict:
        """Return what `diagnose` says."""
        return survey(self.reader.snapshot(), deployment=self.name)[self.name]

    def waited(self) -> Verdict:
        """Return what a wait for the rollout says; its seconds pass with each pause."""
        ticks = count()
        return wait_for_rollout(
            self.reader.snapshot,
            deployment=self.name,
            window_s=0,
            timeout_s=60,
            clock=lambda: float(next(ticks)),
            sleep=lambda _: None,
        ).verdict


@pytest.mark.parametrize("skew_s", [-300.0, 300.0])
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_gate_whose_clock_is_five_minutes_off_names_the_same_cause(path: Path, skew_s: float) -> None:
    """Every age is told by the API server's own clock, which comes with its answer."""
    recording = Recording(path, skew_s=skew_s)
    assert recording.diagnosed().cause == recording.cause
    assert recording.reader.snapshot().read_at == recording.served_at


def expiring(recording: Recording, times: int) -> Handler:
    """Return a list of two pages whose second one has expired so many times."""
    objects = [each for each in recording.recorded["objects"] if each["kind"] == "Pod"]
    left = iter(range(times))

    def answered(query: Mapping[str, str]) -> Response:
        if "continue" not in query:
            return recording.answer({"items": objects, "metadata": {"continue": "more"}})
        if next(left, None) is not None:
            return recording.refusal(410, "The provided continue parameter is too old")
        return recording.answer({"items": []})

    return answered


def test_list_that_expires_between_two_pages_is_read_again() -> None:
    """A slow read of many pods is no failure, and no pod is counted twice."""
    recording = Recording(HEALTHY)
    recording.serve("pods", expiring(recording, 1))
    assert recording.diagnosed().status is Status.PASS


@pytest.mark.parametrize("status", [410, 429, 500, 503, 504])
@pytest.mark.parametrize("resource", RESTS_ON)
def test_list_that_is_never_answered_is_no_pass(resource: str, status: int) -> None:
    """Expired for ever, too busy, or failing: the wait ends as inconclusive, and so does a look."""
    recording = Recording(HEALTHY)
    recording.serve(resource, recording.refusal(status, "not now", retry_after="1"))
    if resource in NEEDED:
        with pytest.raises(ReadError, match=f"list {resource}"):
            recording.diagnosed()
    else:
        assert recording.diagnosed().status is Status.INCONCLUSIVE
    if resource not in {"services", "endpointslices", "horizontalpodautoscalers"}:
        verdict = recording.waited()
        assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_UNREACHABLE)


def test_server_that_is_busy_for_a_moment_is_asked_again() -> None:
    """429 with a Retry-After, once for every list: the second answer counts."""
    recording = Recording(HEALTHY)
    for resource in RESTS_ON:
        whole = recording.server.routes.get(recording.path(resource), recording.answer({"items": []}))
        assert isinstance(whole, Response)
        turns = iter([recording.refusal(429, "too many requests", retry_after="1"), whole])
        recording.serve(resource, lambda _, turns=turns: next(turns))  # type: ignore[misc]  # a default binds it
    assert recording.diagnosed().status is Status.PASS


ODD: Mapping[str, bytes] = {
    "nothing": b"",
    "a page": b"<html><title>Sign in</title></html>",
    "cut short": b'{"items": [{"metadata": {"name": "chat',
    "items of another type": b'{"items": {"a": 1}}',
    "items that are no objects": b'{"items": [1, null, "x"]}',
    "a status with 200": b'{"kind": "Status", "status": "Failure", "message": "no"}',
    "not text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("odd", sorted(ODD))
@pytest.mark.parametrize("resource", RESTS_ON)
def test_answer_that_is_no_list_is_no_empty_list(resource: str, odd: str) -> None:
    """A proxy in between may say anything with status 200."""
    recording = Recording(HEALTHY)
    recording.serve(resource, recording.answer(ODD[odd]))
    if resource in NEEDED:
        with pytest.raises(ReadError, match=f"list {resource}"):
            recording.diagnosed()
    else:
        assert recording.diagnosed().status is Status.INCONCLUSIVE
