"""What stands between a Service and ready pods."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.endpoints import endpoint_findings, wiring_findings
from gate.records import ContainerPort, Endpoint, Service, ServicePort, Snapshot, Unreadable
from gate.verdict import Finding, Status
from tests.diagnosis.factories import (
    CONTAINER,
    DEPLOYMENT,
    LABELS,
    ago,
    container_spec,
    deployment,
    healthy_snapshot,
    pod,
    pod_spec,
    ready_conditions,
    running,
    unready_pod,
)
from tests.diagnosis_answers.observations import SERVICE


def look(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return the findings of the chat-api Service."""
    return endpoint_findings(snapshot, service=SERVICE, deployment=DEPLOYMENT, container=CONTAINER)


def with_service(**changes: Any) -> Snapshot:
    """Return the healthy snapshot with a changed Service."""
    snapshot = healthy_snapshot()
    return replace(snapshot, services=(replace(snapshot.services[0], **changes),))


def to_port(target: str, **changes: Any) -> Snapshot:
    """Return the healthy snapshot with that targetPort."""
    return with_service(ports=(ServicePort(name="http", port=80, target_port=target),), **changes)


def with_container(**changes: Any) -> Snapshot:
    """Return the healthy snapshot with a changed container in the template."""
    return replace(
        healthy_snapshot(), deployments=(deployment(template=pod_spec(containers=(container_spec(**changes),))),)
    )


def test_healthy_service_has_no_finding() -> None:
    """Selector, port, endpoints and address line up."""
    assert look(healthy_snapshot()) == ()


def test_missing_service_names_those_there_are() -> None:
    """A wrong name is seen beside the right ones."""
    (finding,) = look(with_service(name="chat-api"))
    assert (finding.status, finding.cause) == (Status.FAIL, Cause.SERVICE_NOT_FOUND)
    assert finding.reason == (
        "Service/chat-api-service does not exist in namespace carepath-demo; Services there: chat-api."
    )


def test_selector_that_matches_nothing_says_the_difference() -> None:
    """Incident 24: only what differs is said, with what the pods carry."""
    (finding,) = look(with_service(selector={"app": "chat-apy"}))
    assert finding.cause is Cause.ENDPOINTS_SELECTOR
    assert finding.reason == (
        "Service/chat-api-service selects app=chat-apy, but its pods carry app=chat-api: no pod stands behind it."
    )
    assert finding.remedy == (
        "Make the selector equal the pods' labels: kubectl patch service chat-api-service -n carepath-demo "
        """--type merge -p '{"spec":{"selector":{"app":"chat-api"}}}'"""
    )


def test_selector_with_a_label_too_many_says_which() -> None:
    """A label that no pod carries is named alone."""
    (finding,) = look(with_service(selector={**LABELS, "tier": "web"}))
    assert finding.reason == (
        "Service/chat-api-service selects tier=web, but its pods carry none of these labels: no pod stands behind it."
    )


def test_selector_with_fewer_labels_than_the_pods_is_right() -> None:
    """A selector is a subset of the labels."""
    more = deployment(template_labels={**LABELS, "tier": "web"})
    assert look(replace(healthy_snapshot(), deployments=(more,))) == ()


def test_empty_selector_is_found() -> None:
    """A Service without a selector gets no endpoints by itself."""
    (finding,) = look(with_service(selector={}))
    assert finding.reason.startswith("Service/chat-api-service has no selector, but its pods carry app=chat-api")


def test_numeric_target_port_that_nobody_declares() -> None:
    """Incident 24: endpoints exist with that port, and nobody listens on it."""
    (finding,) = look(to_port("8000"))
    assert finding.cause is Cause.ENDPOINTS_TARGET_PORT
    assert finding.reason == (
        "Service/chat-api-service sends port 80 to targetPort 8000, but container chat-api declares 8002 (http): "
        "requests are refused."
    )
    assert finding.remedy == (
        "Set targetPort to http in Service/chat-api-service (kubectl edit service chat-api-service -n carepath-demo) "
        "and in its manifest."
    )


def test_port_name_that_nobody_declares() -> None:
    """A name without a port yields no endpoints."""
    (finding,) = look(to_port("web"))
    assert finding.reason == (
        "Service/chat-api-service sends port 80 to targetPort web, but container chat-api declares 8002 (http): "
        "it has no endpoints."
    )


@pytest.mark.parametrize("target", ["http", "8002"])
def test_target_port_by_name_or_number_is_right(target: str) -> None:
    """The declared port, either way."""
    assert look(to_port(target)) == ()


def test_port_that_a_probe_asks_is_right() -> None:
    """A pod that declares no port at all is asked by its probes on the one it listens on."""
    probed = container_spec().liveness
    assert probed is not None
    bare = with_container(ports=(), startup=None, readiness=None, liveness=replace(probed, port="8002"))
    assert look(replace(bare, services=to_port("8002").services)) == ()


def test_pod_that_says_nothing_about_ports_is_not_judged() -> None:
    """Declaring ports is optional: nothing declared, nothing known."""
    bare = with_container(ports=(), startup=None, readiness=None, liveness=None)
    assert look(replace(bare, services=to_port("8000").services)) == ()


def test_port_of_a_sidecar_is_right() -> None:
    """A Service may send to a sidecar's port (a proxy in front of the app)."""
    proxy = container_spec(name="proxy", init=True, sidecar=True, ports=(ContainerPort(name="proxy", port=15001),))
    template = pod_spec(containers=(proxy, container_spec()))
    snapshot = replace(to_port("proxy"), deployments=(deployment(template=template),))
    assert look(snapshot) == ()


def test_port_of_an_init_container_is_wrong() -> None:
    """An init container has ended by the time requests come."""
    fetch = container_spec(name="fetch", init=True, ports=(ContainerPort(name="fetch", port=15001),))
    template = pod_spec(containers=(fetch, container_spec()))
    (finding,) = look(replace(to_port("fetch"), deployments=(deployment(template=template),)))
    assert finding.cause is Cause.ENDPOINTS_TARGET_PORT


def test_udp_port_of_that_number_is_wrong() -> None:
    """A TCP Service does not reach a UDP port."""
    snapshot = with_container(ports=(ContainerPort(name="http", port=8002, protocol="UDP"),))
    assert [each.cause for each in look(snapshot)] == [Cause.ENDPOINTS_TARGET_PORT]


def test_endpoints_that_are_not_ready() -> None:
    """Addresses of pods that are not ready answer nobody."""
    snapshot = healthy_snapshot()
    pods = (unready_pod(running(30)),)
    endpoints = (Endpoint(service=SERVICE, address="10.244.0.11", ports=(8002,), pod=pods[0].name, ready=False),)
    (finding,) = look(replace(snapshot, pods=pods, endpoints=endpoints))
    assert (finding.status, finding.cause) == (Status.FAIL, Cause.ENDPOINTS_NOT_READY)
    assert finding.reason == (
        "Service/chat-api-service has no ready endpoint (1 address, 0 of 1 pod of Deployment/chat-api ready): nobody "
        "answers its requests."
    )


def test_endpoints_of_terminating_pods_only() -> None:
    """Addresses that are about to go are none."""
    snapshot = healthy_snapshot()
    going = tuple(replace(each, terminating=True) for each in snapshot.endpoints)
    assert [each.cause for each in look(replace(snapshot, endpoints=going))] == [Cause.ENDPOINTS_NOT_READY]


def test_endpoints_lag_behind_a_pod_that_just_became_ready() -> None:
    """Nine seconds after readiness the slice may not be written yet; eleven seconds after it must be."""
    snapshot = replace(healthy_snapshot(), endpoints=())
    fresh = replace(snapshot, pods=(pod(conditions=ready_conditions(9)),))
    late = replace(snapshot, pods=(pod(conditions=ready_conditions(11)),))
    assert look(fresh) == ()
    assert [each.cause for each in look(late)] == [Cause.ENDPOINTS_NOT_READY]


def test_unreadable_endpoints_are_inconclusive() -> None:
    """Endpoints that may not be read are not missing."""
    unread = Unreadable(what="endpoints", kind="forbidden", message="endpointslices is forbidden")
    (finding,) = look(replace(healthy_snapshot(), endpoints=(), unreadable=(unread,)))
    assert (finding.status, finding.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)


def test_load_balancer_without_address() -> None:
    """Six minutes after its creation a Service must have an address."""
    (finding,) = look(with_service(ingress=(), created_at=ago(360)))
    assert (finding.status, finding.cause) == (Status.FAIL, Cause.SERVICE_NO_ADDRESS)
    assert finding.reason == ("Service/chat-api-service has waited 6 min for its load balancer and has no address.")


def test_young_load_balancer_without_address_is_inconclusive() -> None:
    """Four minutes after its creation the cloud may still be making it."""
    (finding,) = look(with_service(ingress=(), created_at=ago(240)))
    assert (finding.status, finding.cause) == (Status.INCONCLUSIVE, Cause.SERVICE_NO_ADDRESS)
    assert finding.reason == (
        "Service/chat-api-service has waited 4 min for its load balancer and has no address yet (up to 5 min is usual)."
    )


def test_cluster_ip_needs_no_address() -> None:
    """Only a LoadBalancer has an outer address."""
    assert look(with_service(type="ClusterIP", ingress=())) == ()


def test_missing_deployment_is_left_to_the_rollout() -> None:
    """Without a Deployment there is nothing to line up with; POD-1 says so."""
    assert look(replace(healthy_snapshot(), deployments=())) == ()


def test_wiring_is_judged_from_a_manifest() -> None:
    """Preflight gives a Service and a template, no cluster."""
    service = Service(
        name=SERVICE, selector={"app": "chat"}, ports=(ServicePort(name="http", port=80, target_port="8000"),)
    )
    found = wiring_findings(service, pod_spec(), LABELS, container=CONTAINER, namespace="carepath-demo")
    assert [each.cause for each in found] == [Cause.ENDPOINTS_SELECTOR, Cause.ENDPOINTS_TARGET_PORT]
