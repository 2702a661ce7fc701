"""Keeps haproxy and the Services' status in line with the cluster: list, decide, reload, write back, wait for a change.

Level-triggered: every change leads to the same full pass, so a missed event costs at most one resync. Runs on the host
as a component of its own; the only writer of haproxy.cfg after the launcher's first.
"""

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from infra.cluster.api import ApiError
from infra.cluster.balancer import haproxy, readiness
from infra.cluster.balancer.decisions import Decision, Refusal, Request, decide
from infra.cluster.instance import Instance
from infra.cluster.ports import is_free
from infra.cluster.process import Process
from infra.commands import CommandError, run

SERVICES = "/api/v1/services"
# As for a Classic Load Balancer on EKS, in seconds (k8s.io/cloud-provider-aws, pkg/providers/v1/aws.go).
IDLE_TIMEOUT = "service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout"
# A pass at least this often, should a watch miss something.
_RESYNC_S = 30
_RETRY_S = 1.0
_RELOAD_DEADLINE_S = 5.0
_log = logging.getLogger("balancer")


class ReloadError(Exception):
    """Haproxy does not run, refused the configuration, or does not listen with it."""


class ServicesApi(Protocol):
    """The requests to the API server that are made here (`infra.cluster.api.Api`); each may raise ApiError."""

    def get(self, path: str) -> dict[str, Any]:
        """Return an object or a list."""

    def merge(self, path: str, document: Mapping[str, Any]) -> None:
        """Change fields of an object."""

    def post(self, path: str, document: Mapping[str, Any]) -> None:
        """Create an object."""

    def wait_for_change(self, path: str, version: str, timeout_s: int) -> None:
        """Return when something in a list changes, or after a while."""


class Processes(Protocol):
    """Where haproxy is found (`infra.cluster.process.Supervisor`)."""

    def running(self, name: str) -> Process | None:
        """Return a component's process if it is alive."""


class Controller:
    """The load balancer of one instance."""

    def __init__(self, instance: Instance, processes: Processes, api: ServicesApi) -> None:
        self._instance = instance
        self._processes = processes
        self._api = api
        self._config = instance.config / "haproxy.cfg"
        self._reported: dict[str, str] = {}
        # What haproxy already has is its own, not another program's: this process may have been started again.
        self._open = haproxy.ports(self._config.read_text(encoding="utf-8"))

    def run(self) -> None:
        """Serve until the process is ended."""
        while True:
            try:
                version = self.reconcile()
                readiness.declare(self._instance.run)
                self._api.wait_for_change(SERVICES, version, _RESYNC_S)
            except (ApiError, ReloadError, OSError) as error:
                _log.warning("%s: %s", type(error).__name__, error)
                time.sleep(_RETRY_S)

    def reconcile(self) -> str:
        """Make one full pass and return the resource version it saw.

        Raises:
            ApiError: the API server did not answer or refused.
            ReloadError: haproxy could not take the new configuration.
        """
        listed = self._api.get(SERVICES)
        asked = {service_key(item): item for item in listed["items"] if is_ours(item)}
        requests = [request_of(item) for item in asked.values()]
        wanted = {port for request in requests for port, _ in request.ports}
        occupied = {port for port in wanted - self._open if not is_free(self._instance.loopback_ip, port)}
        decision = decide(requests, occupied)
        self._serve(decision)
        served = {request.key for request in decision.served}
        for key, item in asked.items():
            self._write_status(item, [self._instance.ingress] if key in served else [])
        self._report(decision.refused)
        return str(listed["metadata"]["resourceVersion"])

    def _serve(self, decision: Decision) -> None:
        text = haproxy.render(self._instance, decision.frontends)
        if self._config.read_text(encoding="utf-8") != text:
            partial = self._config.with_suffix(".partial")
            partial.write_text(text, encoding="utf-8")
            try:
                run(["haproxy", "-c", "-q", "-f", partial])
            except CommandError as error:
                raise ReloadError(str(error)) from error
            partial.rename(self._config)
            process = self._processes.running("haproxy")
            if process is None:
                raise ReloadError("haproxy does not run; `up` starts it again, with the new configuration")
            os.kill(process.pid, signal.SIGUSR2)
            _log.info("serving %s", ", ".join(f"{f.service} on port {f.port}" for f in decision.frontends) or "none")
        ports = frozenset(frontend.port for frontend in decision.frontends)
        self._wait_until_open(ports - self._open)
        self._open = ports

    def _wait_until_open(self, ports: frozenset[int]) -> None:
        # An address is written only once it answers: who waits for it may use it the moment it is there.
        deadline = time.monotonic() + _RELOAD_DEADLINE_S
        for port in ports:
            while not self._accepts(port):
                if time.monotonic() > deadline:
                    raise ReloadError(f"haproxy does not listen on {self._instance.loopback_ip}:{port}")
                time.sleep(0.05)

    def _accepts(self, port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self._instance.loopback_ip, port), timeout=1):
            return True
        return False

    def _write_status(self, item: Mapping[str, Any], ingress: list[dict[str, str]]) -> None:
        written = item["status"].get("loadBalancer", {}).get("ingress") or []
        # The API server adds a default ipMode to what was written.
        if [_address(entry) for entry in written] != [_address(entry) for entry in ingress]:
            path = f"/api/v1/namespaces/{item['metadata']['namespace']}/services/{item['metadata']['name']}/status"
            self._api.merge(path, {"status": {"loadBalancer": {"ingress": ingress or None}}})

    def _report(self, refused: Sequence[Refusal]) -> None:
        reasons = {refusal.request.key: refusal.reason for refusal in refused}
        for refusal in refused:
            if self._reported.get(refusal.request.key) != refusal.reason:
                _log.warning("no address for Service %s: %s", refusal.request.key, refusal.reason)
                self._api.post(f"/api/v1/namespaces/{refusal.request.namespace}/events", event(refusal, time.time()))
        self._reported = reasons


def is_ours(item: Mapping[str, Any]) -> bool:
    """Return whether a Service asks this load balancer; one with a class asks another (API, loadBalancerClass)."""
    spec = item["spec"]
    return (
        spec["type"] == "LoadBalancer"
        and "loadBalancerClass" not in spec
        and "deletionTimestamp" not in item["metadata"]
    )


def service_key(item: Mapping[str, Any]) -> str:
    """Return a Service's name as people write it."""
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def request_of(item: Mapping[str, Any]) -> Request:
    """Return what a Service asks for."""
    metadata = item["metadata"]
    ports = tuple((port["port"], port.get("nodePort", 0)) for port in item["spec"].get("ports", []))
    asked = metadata.get("annotations", {}).get(IDLE_TIMEOUT, "")
    idle_timeout_s = int(asked) if asked.isdecimal() and int(asked) else None
    return Request(metadata["creationTimestamp"], metadata["namespace"], metadata["name"], ports, idle_timeout_s)


def event(refusal: Refusal, now_s: float) -> dict[str, object]:
    """Return the Event that tells a Service's owner why it has no address; `now_s` in seconds since 1970."""
    request = refusal.request
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s))
    return {
        "metadata": {"generateName": f"{request.name}-", "namespace": request.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Service",
            "namespace": request.namespace,
            "name": request.name,
        },
        "type": "Warning",
        # The reason that cloud providers' service controller uses for the same state (k8s.io/cloud-provider).
        "reason": "SyncLoadBalancerFailed",
        "message": refusal.reason,
        "source": {"component": "load-balancer-controller"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def _address(entry: Mapping[str, str]) -> dict[str, str]:
    return {key: entry[key] for key in ("hostname", "ip") if key in entry}
