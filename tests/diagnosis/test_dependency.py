"""NET-1: where DB_API_BASE_URL leads."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.records import ContainerPort, ContainerSpec, EnvVar, Service, ServicePort, Unreadable
from gate.target import Network
from gate.verdict import Status, Verdict
from tests.diagnosis import factories as make
from tests.diagnosis.net_deploy import PATIENT_API, PATIENTS, env, judge, told

DECLARED = Network(services=("db-api-service:8001", "db.clinic:8001"))


def asks(url: str, **changes: Any) -> Verdict:
    """Return NET-1 with that URL."""
    return judge(env=env(DB_API_BASE_URL=url), **changes)


def test_patient_api_asked_on_another_port_than_its_service_has_fails() -> None:
    """Incident 13: port 80 where the API listens on 8001."""
    verdict = asks("http://patient-api-service")

    assert told(verdict) == (
        Status.FAIL,
        Cause.DEPENDENCY_UNREACHABLE,
        (
            "DB_API_BASE_URL asks port 80 of Service/patient-api-service, which has port 8001 (in the manifests): no "
            "question gets its patient's record."
        ),
    )
    assert verdict.remedy == "Set DB_API_BASE_URL=http://patient-api-service:8001 in the pod template, and apply."


@pytest.mark.parametrize(
    "host",
    [
        "patient-api-service",
        "patient-api-service.carepath-demo",
        "patient-api-service.carepath-demo.svc",
        "patient-api-service.carepath-demo.svc.cluster.local",
    ],
)
def test_patient_api_is_found_by_every_name_that_dns_knows(host: str) -> None:
    """DNS for Services and Pods; a port that is not there is told of each."""
    assert asks(f"http://{host}:8001/").status is Status.PASS
    assert asks(f"http://{host}:8002/").cause is Cause.DEPENDENCY_UNREACHABLE


def test_patient_api_whose_service_leads_past_its_pods_fails() -> None:
    """The URL is right, and the Service's own targetPort is not."""
    wrong = replace(PATIENTS, ports=(ServicePort(name="http", port=8001, target_port="api"),))
    verdict = judge(others=(wrong,))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ENDPOINTS_TARGET_PORT)
    assert verdict.reason.startswith("Service/patient-api-service sends port 8001 to targetPort api, but container")
    assert judge(others=(wrong,), deployments=()).status is Status.PASS, "pods of somebody else are not judged"


def test_patient_api_that_nobody_knows_is_inconclusive() -> None:
    """No guess: it may be deployed from another repository."""
    verdict = asks("http://db-api-service:8001")

    assert told(verdict) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        (
            "Whether Service/db-api-service has port 8001, which DB_API_BASE_URL asks, is not known: it is not in the "
            "manifests, and no cluster was read that has it."
        ),
    )
    assert verdict.remedy == 'Say what others deploy in the target: [network] services = ["db-api-service:PORT"].'


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://db-api-service:8001", Status.PASS),
        ("http://db-api-service:80", Status.FAIL),
        ("http://db.clinic:8001", Status.PASS),
        ("http://db.clinic.svc:80", Status.FAIL),
        ("http://other.clinic.svc:8001", Status.INCONCLUSIVE),
    ],
)
def test_patient_api_is_held_against_what_the_target_says(url: str, status: Status) -> None:
    """In the app's namespace or another, which no right of the gate reads."""
    assert asks(url, network=DECLARED).status is status


def test_patient_api_in_the_cluster_counts_for_more_than_what_is_said() -> None:
    """The object is there with its port, or it is not there."""
    there = Service(name="db-api-service", ports=(ServicePort(name="", port=80, target_port="8001"),))
    snapshot = make.healthy_snapshot()
    with_it = replace(snapshot, services=(*snapshot.services, there))

    assert asks("http://db-api-service:80", network=DECLARED, snapshot=with_it).status is Status.PASS
    assert told(asks("http://db-api-service:8001", network=DECLARED, snapshot=snapshot)) == (
        Status.FAIL,
        Cause.DEPENDENCY_UNREACHABLE,
        (
            "DB_API_BASE_URL leads to Service/db-api-service, which is neither in the manifests nor in namespace "
            "carepath-demo; Services there: chat-api-service."
        ),
    )


def test_services_that_could_not_be_read_leave_the_patient_api_unknown() -> None:
    """Unless the target says what is there."""
    unread = Unreadable(what="services", kind="forbidden", message="services is forbidden")
    snapshot = make.healthy_snapshot(services=(), unreadable=(unread,))

    verdict = asks("http://db-api-service:8001", snapshot=snapshot)

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert asks("http://db-api-service:8001", snapshot=snapshot, network=DECLARED).status is Status.PASS


def test_url_that_is_not_set_leads_to_the_pod_itself_and_fails() -> None:
    """The default is for a developer's machine."""
    verdict = judge(env=())

    assert told(verdict) == (
        Status.FAIL,
        Cause.DEPENDENCY_UNREACHABLE,
        (
            "DB_API_BASE_URL is not set and leads to port 8001 of the pod itself, where no other container listens: no "
            "question gets its patient's record."
        ),
    )


def test_url_of_a_sidecar_passes() -> None:
    """A proxy beside the service is asked by loopback."""
    proxy = ContainerSpec(name="proxy", image="p", ports=(ContainerPort(name="", port=8001),))
    chat = make.container_spec(env=env(DB_API_BASE_URL="http://localhost:8001"))
    workload = replace(make.deployment(), template=make.pod_spec(containers=(chat, proxy)))

    assert asks("http://localhost:8001").status is Status.FAIL
    assert judge(workload=workload).status is Status.PASS


def test_url_out_of_the_cluster_is_not_judged_and_says_so() -> None:
    """Its port cannot be known here; credentials in it are nobody's business."""
    verdict = asks("https://user:hunter2@db.example.org/api")

    assert verdict.status is Status.PASS
    assert "DB_API_BASE_URL leads to db.example.org, not known as a Service, and is not judged" in verdict.reason
    assert "Environment DB_API_BASE_URL = db.example.org:443, not known as a Service: not judged" in [
        str(each) for each in verdict.evidence
    ]
    assert "hunter2" not in repr(verdict)


@pytest.mark.parametrize(
    ("variable", "how"),
    [
        (EnvVar(name="DB_API_BASE_URL", source="secretKeyRef db/url"), "from secretKeyRef db/url, not read"),
        (EnvVar(name="DB_API_BASE_URL", value="http://u:hunter2@db:80a"), "no URL that could be read"),
    ],
)
def test_url_that_is_not_known_is_inconclusive(variable: EnvVar, how: str) -> None:
    """A secret is not read, and a URL that is none is CFG-1's to name; its value is not shown."""
    verdict = judge(env=(variable,))

    assert told(verdict) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"DB_API_BASE_URL is not known ({how}): whether it leads to the patient API was not judged.",
    )
    assert "hunter2" not in repr(verdict)


def test_service_of_the_patient_api_without_pods_of_ours_is_taken_by_its_port() -> None:
    """An ExternalName has no port of its own; whatever is asked goes through."""
    outside = replace(PATIENTS, type="ExternalName", selector={}, ports=())

    assert judge(others=(outside,), deployments=(PATIENT_API,)).status is Status.PASS
