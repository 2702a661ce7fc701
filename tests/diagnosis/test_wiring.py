"""NET-1: selector, ports and what listens there."""

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.wiring import network_verdict
from gate.records import ContainerPort, EnvVar, Probe, ServicePort, Unreadable
from gate.verdict import Status
from tests.diagnosis import factories as make
from tests.diagnosis.net_deploy import SERVICE, env, judge, told


def to(target: str, port: int = 80) -> Any:  # noqa: ANN401  # a keyword of judge
    """Return the Service with that targetPort."""
    return replace(SERVICE, ports=(ServicePort(name="http", port=port, target_port=target),))


def test_network_that_lines_up_passes_with_its_way() -> None:
    """The way in, the way to the patients, and who waits how long."""
    verdict = judge()

    assert told(verdict) == (
        Status.PASS,
        None,
        (
            "Service/chat-api-service port 80 leads to port 8002, where chat-api listens, DB_API_BASE_URL to port 8001 "
            "of Service/patient-api-service (in the manifests); an answer takes 9.0 s at most, the load balancer waits "
            "60 s, callers 60 s."
        ),
    )
    assert {each.field: each.value for each in verdict.evidence}["spec.ports[http]"] == "80 -> http (8002)"


# --- Incident 24: nothing behind the Service --------------------------------------------------------------------------


def test_service_whose_selector_matches_nothing_fails() -> None:
    """The rule is that of HLT-1, applied before the deploy."""
    verdict = judge(service=replace(SERVICE, selector={"app": "chat"}))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ENDPOINTS_SELECTOR)
    assert verdict.reason.startswith("Service/chat-api-service selects app=chat, but its pods carry app=chat-api")


def test_service_without_a_port_fails() -> None:
    """Nothing leads anywhere, and the pods behind it change nothing about that."""
    verdict = judge(service=replace(SERVICE, ports=()))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ENDPOINTS_TARGET_PORT)
    assert verdict.reason == (
        "Service/chat-api-service has no port: Kubernetes takes that of a headless Service alone, and no request sent "
        "to it gets anywhere."
    )


@pytest.mark.parametrize(("target", "status"), [("web", Status.FAIL), ("8003", Status.FAIL), ("8002", Status.PASS)])
def test_target_port_must_be_one_of_the_container(target: str, status: Status) -> None:
    """By name or by number; one wrong targetPort is told once."""
    verdict = judge(service=to(target))

    assert verdict.status is status
    assert verdict.symptoms == ()


def test_service_that_leads_past_the_port_that_is_listened_on_fails() -> None:
    """All names match, and PORT says another number than the container's port."""
    verdict = judge(env=env(PORT="8080"), startup=None, readiness=None, liveness=None)

    assert told(verdict) == (
        Status.FAIL,
        Cause.ENDPOINTS_TARGET_PORT,
        (
            "Service/chat-api-service sends port 80 to 8002 (targetPort http), and chat-api listens on 8080 (PORT): "
            "requests are refused."
        ),
    )
    moved = judge(env=env(PORT="8080"), ports=(ContainerPort(name="http", port=8080),))
    assert moved.status is Status.PASS


def test_service_that_binds_to_loopback_fails() -> None:
    """Nobody but its own pod reaches it."""
    verdict = judge(env=env(BIND_ADDRESS="127.0.0.1"))

    assert told(verdict) == (
        Status.FAIL,
        Cause.ENDPOINTS_TARGET_PORT,
        (
            "BIND_ADDRESS is 127.0.0.1: the service listens inside its pod only, and neither the kubelet nor a user "
            "reaches it."
        ),
    )
    assert judge(env=env(BIND_ADDRESS="::")).status is Status.PASS


def test_port_that_is_not_read_is_inconclusive() -> None:
    """What comes from a ConfigMap is not known."""
    verdict = judge(env=(*env(), EnvVar(name="PORT", source="configMapKeyRef chat/port")))

    assert told(verdict) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        "PORT of container chat-api is not known: the way to the service was not judged in full.",
    )


# --- Probes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("startup", Cause.PROBE_STARTUP_EXHAUSTED),
        ("readiness", Cause.PROBE_READINESS_FAILING),
        ("liveness", Cause.PROBE_LIVENESS_FAILING),
    ],
)
def test_probe_of_a_port_that_nobody_listens_on_fails(name: str, cause: Cause) -> None:
    """By number, the way it is often copied from another service."""
    wrong: dict[str, Any] = {name: Probe(kind="http", path="/ready", port="8001")}
    verdict = judge(**wrong)

    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)
    assert verdict.reason == (
        f"The {name} probe asks port 8001, and chat-api listens on 8002 (PORT): it never succeeds."
    )
    by_number: dict[str, Any] = {name: Probe(kind="http", path="/ready", port="8002")}
    assert judge(**by_number).status is Status.PASS


def test_probe_of_an_undeclared_port_name_fails() -> None:
    """The kubelet knows names only of the container that it probes."""
    verdict = judge(liveness=Probe(kind="http", path="/health", port="web"))

    assert verdict.reason == (
        "The liveness probe names the port web, which container chat-api does not declare: it never succeeds."
    )
    assert judge(liveness=Probe(kind="exec")).status is Status.PASS


# --- The Service itself -----------------------------------------------------------------------------------------------


def test_service_that_no_manifest_has_is_inconclusive_offline_and_fails_on_a_cluster() -> None:
    """Offline it may be there already; a cluster that was read says that it is not."""
    assert told(judge(service=None)) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        (
            "Service/chat-api-service is not in the manifests, and no cluster was read; Services there: "
            "patient-api-service."
        ),
    )
    empty = make.healthy_snapshot(services=())
    assert told(judge(service=None, snapshot=empty)) == (
        Status.FAIL,
        Cause.SERVICE_NOT_FOUND,
        (
            "Service/chat-api-service is neither in the manifests nor in namespace carepath-demo; Services there: "
            "patient-api-service."
        ),
    )


def test_service_that_the_cluster_has_already_is_judged() -> None:
    """Manifests without a Service are deployed beside one that is there."""
    assert judge(service=None, snapshot=make.healthy_snapshot()).status is Status.PASS


def test_services_that_could_not_be_read_are_inconclusive() -> None:
    """A missing right is no missing Service."""
    unread = Unreadable(what="services", kind="forbidden", message="services is forbidden")
    verdict = judge(service=None, snapshot=make.healthy_snapshot(services=(), unreadable=(unread,)))

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)


def test_container_that_is_not_there_is_refused() -> None:
    """The message names what is there."""
    with pytest.raises(LookupError, match=r"no container 'other'; it has \['chat-api'\]"):
        network_verdict(
            make.deployment(), container="other", service="s", schema=None, sources=None, clients={}  # type: ignore[arg-type]  # not looked at
        )  # fmt: skip
