"""The test patients' records: found by what the running app says, read of nobody else, told by no error."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import httpx
import pytest

from gate.readers.errors import Denied, Malformed, NotFound, ReadError, Unreachable
from gate.readers.patients import ADDRESS, TIMEOUT_S, PatientApi, patient_api, patient_records
from gate.records import ContainerPort, EnvVar, PatientRecord, Service, ServicePort, Snapshot, Unreadable
from tests.diagnosis import factories as make

LABELS = {"app": "patient-api"}
SERVICE = "patient-api-service"
POD = "patient-api-7d9-x"
SUMMARY = {
    "mrn": "MRN-001",
    "name": "Ada Example",
    "diagnosis": "gout",
    "medications": ["allopurinol 100 mg"],
    "age": 47,
}


def snapshot(
    address: str | None = f"http://{SERVICE}:8001", *, target_port: str = "http", ready: bool = True
) -> Snapshot:
    """Return the healthy app, and the patient API in its namespace."""
    healthy = make.healthy_snapshot()
    port = (ContainerPort(name="http", port=8001),)
    spec = make.pod_spec(containers=(make.container_spec(name="patient-api", ports=port),))
    conditions = make.ready_conditions() if ready else make.unready_conditions()
    pod = make.pod(POD, owner=None, labels=LABELS, spec=spec, conditions=conditions)
    ports = (ServicePort(name="http", port=8001, target_port=target_port),)
    env = () if address is None else (EnvVar(name=ADDRESS, value=address),)
    template = make.pod_spec(containers=(make.container_spec(env=env),))
    return replace(
        healthy,
        deployments=(make.deployment(template=template),),
        pods=(*healthy.pods, pod),
        services=(*healthy.services, Service(name=SERVICE, selector=LABELS, ports=ports)),
    )


def found(seen: Snapshot) -> PatientApi:
    """Return where the patient API is."""
    return patient_api(seen, deployment=make.DEPLOYMENT, container=make.CONTAINER)


def read(handler: Callable[[httpx.Request], httpx.Response], *mrns: str) -> tuple[PatientRecord, ...]:
    """Read records from an API that answers so."""
    return patient_records(
        snapshot(),
        mrns or ("MRN-001",),
        deployment=make.DEPLOYMENT,
        container=make.CONTAINER,
        transport=lambda pod, port: httpx.MockTransport(handler) if (pod, port) == (POD, 8001) else pytest.fail(pod),
    )


def test_patient_api_is_where_the_running_app_says() -> None:
    """The Service's named port leads to the pod's; a path before the API's is kept."""
    assert found(snapshot()) == PatientApi(SERVICE, POD, 8001)
    assert found(snapshot(target_port="9001")).port == 9001
    assert found(snapshot(f"http://{SERVICE}.{make.NAMESPACE}.svc:8001/db/")).path == "/db"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (None, "states no DB_API_BASE_URL"),
        ("https://patients.example.org", "names no Service of namespace carepath-demo"),
        (f"http://{SERVICE}.elsewhere:8001", "names no Service of namespace carepath-demo"),
        (f"http://{SERVICE}:80", "has no port 80"),
    ],
)
def test_patient_api_elsewhere_is_not_found(address: str | None, said: str) -> None:
    """Out of the gate's reach is not a failure of the API."""
    with pytest.raises(NotFound, match=said):
        found(snapshot(address))


def test_patient_api_without_a_ready_pod_is_unreachable() -> None:
    """It is there, and nobody can answer."""
    with pytest.raises(Unreachable, match=f"no pod is ready behind Service/{SERVICE}"):
        found(snapshot(ready=False))


@pytest.mark.parametrize(("kind", "error"), [("forbidden", Denied), ("unreachable", Unreachable)])
def test_patient_api_behind_unread_services_is_not_said_to_be_elsewhere(
    kind: Literal["forbidden", "unreachable"], error: type[ReadError]
) -> None:
    """A right that is missing hides where it is; that is not the same as its being out of reach."""
    unread = Unreadable(what="services", kind=kind, message="no")
    with pytest.raises(error, match=r"(?i)services"):
        found(replace(snapshot(), services=(), unreadable=(unread,)))


def test_records_of_the_targets_patients_are_read() -> None:
    """One request each, and for nobody else."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        assert request.extensions["timeout"]["read"] == TIMEOUT_S
        return httpx.Response(200, json=SUMMARY)

    records = read(handler, "MRN-001", "MRN-002")
    assert asked == ["/patients/MRN-001/summary", "/patients/MRN-002/summary"]
    assert [each.mrn for each in records] == ["MRN-001", "MRN-002"]
    assert (records[0].name, records[0].diagnosis, records[0].medications) == (
        "Ada Example",
        "gout",
        ("allopurinol 100 mg",),
    )
    assert "Ada" not in repr(records)


def denied(request: httpx.Request) -> httpx.Response:
    """Refuse the port-forward, as the API server does."""
    reason = Denied("create", "pods/portforward", make.NAMESPACE, "no")
    raise httpx.ConnectError("forbidden", request=request) from reason


def cut_off(request: httpx.Request) -> httpx.Response:
    """Break the connection."""
    raise httpx.ReadError("MRN-001 was asked", request=request)


@pytest.mark.parametrize(
    ("handler", "kind", "said"),
    [
        (denied, Denied, "create pods/portforward"),
        (cut_off, Unreachable, "the patient API: ReadError"),
        (lambda _: httpx.Response(404, json={"detail": "patient MRN-001 is not known"}), Unreachable, "HTTP 404 for a"),
        (lambda _: httpx.Response(200, text="<html>Ada"), Malformed, "something other than a summary"),
        (lambda _: httpx.Response(200, json=["Ada"]), Malformed, "something other than a summary"),
        (lambda _: httpx.Response(200, json={"name": "Ada"}), Malformed, "something other than a summary"),
    ],
)
def test_records_that_cannot_be_read_are_an_error_without_a_value(
    handler: Callable[[httpx.Request], httpx.Response], kind: type[ReadError], said: str
) -> None:
    """The message tells what happened, and nothing of whom."""
    with pytest.raises(kind, match=said) as caught:
        read(handler)
    assert "Ada" not in str(caught.value)
    assert "MRN" not in str(caught.value)
