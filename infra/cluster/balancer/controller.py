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
from collections.abc import Sequence

from kubernetes import client, watch
from kubernetes.client.rest import ApiException
from urllib3.exceptions import HTTPError

from infra.cluster.balancer import haproxy
from infra.cluster.balancer.decisions import Decision, Refusal, Request, decide
from infra.cluster.instance import Instance
from infra.cluster.process import Supervisor
from infra.commands import CommandError, run

# A pass at least this often, should a watch miss something.
_RESYNC_S = 30
_RETRY_S = 1.0
_RELOAD_DEADLINE_S = 5.0
_log = logging.getLogger("balancer")


class ReloadError(Exception):
    """haproxy does not run, refused the configuration, or does not listen with it."""


class Controller:
    """The load balancer of one instance."""

    def __init__(self, instance: Instance, supervisor: Supervisor, api: client.CoreV1Api) -> None:
        self._instance = instance
        self._supervisor = supervisor
        self._api = api
        self._config = instance.config / "haproxy.cfg"
        self._refused: dict[str, str] = {}
        # What haproxy already has is its own, not another program's: this process may have been started again.
        self._open = haproxy.ports(self._config.read_text(encoding="utf-8"))

    def run(self) -> None:
        """Serve until the process is ended."""
        while True:
            try:
                version = self.reconcile()
                (self._instance.run / "balancer.ready").touch()
                self._wait_for_change(version)
            except (ApiException, HTTPError, ReloadError, OSError) as error:
                _log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400 - one line a second, no traceback
                time.sleep(_RETRY_S)

    def reconcile(self) -> str:
        """Make one full pass and return the resource version it saw.

        Raises:
            ReloadError: haproxy could not take the new configuration.
        """
        services = self._api.list_service_for_all_namespaces(_request_timeout=10)
        asked = [request_of(item) for item in services.items if is_ours(item)]
        wanted = {port for request in asked for port, _ in request.ports}
        occupied = {port for port in wanted - self._open if not self._is_free(port)}
        decision = decide(asked, occupied)
        self._serve(decision)
        served = {request.key for request in decision.served}
        for item in services.items:
            if is_ours(item):
                key = f"{item.metadata.namespace}/{item.metadata.name}"
                self._write_status(item, [self._instance.ingress] if key in served else [])
        self._report(decision.refused)
        return str(services.metadata.resource_version)

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
            process = self._supervisor.running("haproxy")
            if process is None:
                raise ReloadError("haproxy does not run: `up` starts it again")
            os.kill(process.pid, signal.SIGUSR2)
            _log.info("serving %s", ", ".join(f"{f.service} on port {f.port}" for f in decision.frontends) or "none")
        ports = frozenset(frontend.port for frontend in decision.frontends)
        self._wait_until_open(ports)
        self._open = ports

    def _wait_until_open(self, ports: frozenset[int]) -> None:
        # An address is written only once it answers: who waits for it may use it the moment it is there.
        deadline = time.monotonic() + _RELOAD_DEADLINE_S
        for port in ports - self._open:
            while not self._accepts(port):
                if time.monotonic() > deadline:
                    raise ReloadError(f"haproxy does not listen on {self._instance.loopback_ip}:{port}")
                time.sleep(0.05)

    def _accepts(self, port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self._instance.loopback_ip, port), timeout=1):
            return True
        return False

    def _is_free(self, port: int) -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._instance.loopback_ip, port))
            except OSError:
                return False
            return True

    def _write_status(self, item: client.V1Service, ingress: list[dict[str, str]]) -> None:
        written = item.status.load_balancer.ingress or []
        current = [{k: v for k, v in entry.to_dict().items() if v and k in {"hostname", "ip"}} for entry in written]
        if current == [{k: v for k, v in entry.items() if k in {"hostname", "ip"}} for entry in ingress]:
            return
        body = {"status": {"loadBalancer": {"ingress": ingress or None}}}
        self._api.patch_namespaced_service_status(
            item.metadata.name, item.metadata.namespace, body, _request_timeout=10
        )

    def _report(self, refused: Sequence[Refusal]) -> None:
        reasons = {refusal.request.key: refusal.reason for refusal in refused}
        for refusal in refused:
            if self._refused.get(refusal.request.key) != refusal.reason:
                _log.warning("no address for Service %s: %s", refusal.request.key, refusal.reason)
                self._api.create_namespaced_event(
                    refusal.request.namespace, event(refusal, time.time()), _request_timeout=10
                )
        self._refused = reasons

    def _wait_for_change(self, version: str) -> None:
        stream = watch.Watch()
        for _ in stream.stream(
            self._api.list_service_for_all_namespaces, resource_version=version, timeout_seconds=_RESYNC_S
        ):
            stream.stop()


def is_ours(item: client.V1Service) -> bool:
    """Return whether a Service asks this load balancer; one with a class asks another (API, loadBalancerClass)."""
    return (
        item.spec.type == "LoadBalancer" and not item.spec.load_balancer_class and not item.metadata.deletion_timestamp
    )


def request_of(item: client.V1Service) -> Request:
    """Return what a Service asks for."""
    return Request(
        created=item.metadata.creation_timestamp.isoformat(),
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        ports=tuple((port.port, port.node_port or 0) for port in item.spec.ports or []),
    )


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
        # The reason that cloud providers' service controller uses for the same state.
        "reason": "SyncLoadBalancerFailed",
        "message": refusal.reason,
        "source": {"component": "load-balancer-controller"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
