"""Which Service gets a port of the load balancer, how haproxy is told, and what the cluster is told back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from infra.cluster.balancer import controller, haproxy
from infra.cluster.balancer.controller import Controller, is_ours, request_of
from infra.cluster.balancer.decisions import Frontend, Refusal, Request, decide
from infra.cluster.instance import Instance, Settings

CHAT = Request("2026-11-22T10:00:00Z", "demo", "chat", ((80, 30080),))
LATER = Request("2026-11-22T11:00:00Z", "demo", "another", ((80, 30081),))


def service(name: str, port: int, node_port: int, ingress: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Return a Service as the API server lists it."""
    return {
        "metadata": {"name": name, "namespace": "demo", "creationTimestamp": "2026-11-22T10:00:00Z"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": port, "nodePort": node_port}]},
        "status": {"loadBalancer": {"ingress": ingress} if ingress else {}},
    }


def test_service_alone_gets_its_port() -> None:
    """One Service, one frontend."""
    decision = decide([CHAT])
    assert decision.frontends == (Frontend("demo/chat", 80, 30080),)
    assert decision.served == (CHAT,)
    assert decision.refused == ()


def test_second_service_on_a_port_is_refused_whatever_the_order() -> None:
    """The older keeps the port, so that a new Service can never take traffic away."""
    for requests in ([CHAT, LATER], [LATER, CHAT]):
        decision = decide(requests)
        assert decision.served == (CHAT,)
        assert decision.refused == (Refusal(LATER, "Port 80 of the load balancer is taken by Service demo/chat."),)


def test_service_refused_for_one_port_gets_none() -> None:
    """Half a Service would look served."""
    both = Request("2026-11-22T12:00:00Z", "demo", "both", ((8080, 30082), (80, 30083)))
    assert decide([CHAT, both]).frontends == (Frontend("demo/chat", 80, 30080),)


def test_registry_port_and_foreign_ports_are_refused() -> None:
    """What else listens on the address is named."""
    registry = replace(CHAT, ports=((5000, 30080),))
    assert decide([registry]).refused[0].reason == "Port 5000 of the load balancer is taken by the registry."
    assert decide([CHAT], {80}).refused[0].reason == (
        "Port 80 of the load balancer is taken by another program on this host."
    )


def test_service_without_node_port_is_told_what_is_missing() -> None:
    """allocateLoadBalancerNodePorts: false leaves nothing to balance over."""
    decision = decide([replace(CHAT, ports=((80, 0),))])
    assert "allocateLoadBalancerNodePorts must not be false" in decision.refused[0].reason


def test_rendered_config_closes_idle_connections_after_the_settings_timeout(instance: Instance) -> None:
    """As an ELB does; each request is a connection of its own to the node."""
    text = haproxy.render(replace(instance, settings=Settings(lb_idle_timeout_s=7)), decide([CHAT]).frontends)
    assert "timeout server 7s" in text
    assert "timeout client 7s" in text
    assert "bind 127.0.0.2:80\n" in text
    assert "server node 10.90.1.2:30080\n" in text
    assert "option http-server-close" in text


@pytest.mark.parametrize(("asked", "expected"), [("3", 3), ("0", None), ("soon", None)])
def test_service_with_an_idle_timeout_of_its_own_gets_it(instance: Instance, asked: str, expected: int | None) -> None:
    """The annotation that a Classic Load Balancer takes; what is no number of seconds leaves the cluster's own."""
    annotated = service("chat", 80, 30080)
    annotated["metadata"]["annotations"] = {controller.IDLE_TIMEOUT: asked}
    request = request_of(annotated)
    text = haproxy.render(replace(instance, settings=Settings(lb_idle_timeout_s=60)), decide([request]).frontends)
    section = text.partition("listen port-80")[2]
    assert request.idle_timeout_s == expected
    assert f"timeout server {expected or 60}s" in section
    assert f"timeout client {expected or 60}s" in section


def test_ports_are_read_back_from_a_rendered_config(instance: Instance) -> None:
    """A controller that was started again knows what haproxy serves; the registry's port is no Service's."""
    frontends = [Frontend("demo/a", 80, 30080), Frontend("demo/b", 8443, 30081)]
    assert haproxy.ports(haproxy.render(instance, frontends)) == {80, 8443}
    assert haproxy.ports(haproxy.render(instance, [])) == set()


def test_services_of_another_kind_or_class_are_left_alone() -> None:
    """Only type LoadBalancer without a class, and none that is being deleted."""
    ours = service("chat", 80, 30080)
    assert is_ours(ours)
    assert not is_ours({**ours, "spec": {"type": "ClusterIP"}})
    assert not is_ours({**ours, "spec": {**ours["spec"], "loadBalancerClass": "other"}})
    assert not is_ours({**ours, "metadata": {**ours["metadata"], "deletionTimestamp": "2026-11-22T10:00:01Z"}})
    assert request_of(ours) == CHAT


class RecordedApi:
    """An API server with one list of Services that remembers what is written."""

    def __init__(self, services: list[dict[str, Any]]) -> None:
        self.services = services
        self.merged: list[tuple[str, Mapping[str, Any]]] = []
        self.posted: list[tuple[str, Mapping[str, Any]]] = []

    def get(self, path: str) -> dict[str, Any]:
        """Return the Services."""
        assert path == "/api/v1/services"
        return {"metadata": {"resourceVersion": "17"}, "items": self.services}

    def merge(self, path: str, document: Mapping[str, Any]) -> None:
        """Remember a change."""
        self.merged.append((path, document))

    def post(self, path: str, document: Mapping[str, Any]) -> None:
        """Remember a new object."""
        self.posted.append((path, document))

    def wait_for_change(self, path: str, version: str, timeout_s: int) -> None:
        """Never called by a single pass."""
        raise AssertionError(path, version, timeout_s)


class NoProcesses:
    """A supervisor whose haproxy does not run: a pass that needs no reload never asks."""

    def running(self, name: str) -> None:
        """Return no process."""
        assert name == "haproxy"


@pytest.fixture
def configured(instance: Instance) -> Instance:
    """Return an instance whose haproxy serves one Service already, so that a pass needs no reload."""
    instance.config.mkdir(parents=True)
    text = haproxy.render(instance, [Frontend("demo/chat", 8080, 30080)])
    (instance.config / "haproxy.cfg").write_text(text, encoding="utf-8")
    return instance


def test_pass_writes_the_address_once(configured: Instance) -> None:
    """A Service that has its address already, default ipMode included, is not written again."""
    api = RecordedApi([service("chat", 8080, 30080)])
    assert Controller(configured, NoProcesses(), api).reconcile() == "17"
    assert api.merged == [
        (
            "/api/v1/namespaces/demo/services/chat/status",
            {"status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.2", "ipMode": "Proxy"}]}}},
        )
    ]
    api = RecordedApi([service("chat", 8080, 30080, [{"ip": "127.0.0.2", "ipMode": "Proxy"}])])
    Controller(configured, NoProcesses(), api).reconcile()
    assert api.merged == []


def test_refused_service_loses_its_address_and_gets_one_event(configured: Instance) -> None:
    """A second pass does not say the same again."""
    late = service("late", 8080, 30081, [{"ip": "127.0.0.2"}])
    late["metadata"]["creationTimestamp"] = "2026-11-22T11:00:00Z"
    served = service("chat", 8080, 30080, [{"ip": "127.0.0.2"}])
    api = RecordedApi([late, served])
    balancer = Controller(configured, NoProcesses(), api)
    balancer.reconcile()
    balancer.reconcile()
    path, document = api.merged[0]
    assert path.endswith("/late/status")
    assert document == {"status": {"loadBalancer": {"ingress": None}}}
    assert [(p, d["reason"], d["message"]) for p, d in api.posted] == [
        (
            "/api/v1/namespaces/demo/events",
            "SyncLoadBalancerFailed",
            "Port 8080 of the load balancer is taken by Service demo/chat.",
        )
    ]


def test_pass_without_haproxy_is_an_error_that_says_what_helps(
    configured: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration is written, and `up` starts haproxy with it."""
    monkeypatch.setattr(controller, "run", str)
    api = RecordedApi([])
    with pytest.raises(controller.ReloadError, match="haproxy does not run; `up` starts it again"):
        Controller(configured, NoProcesses(), api).reconcile()
    assert haproxy.ports((configured.config / "haproxy.cfg").read_text(encoding="utf-8")) == set()
