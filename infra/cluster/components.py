"""Every component of the cluster: its command line, and how to tell that it serves. The order is the launcher's.

Flags that differ from a component's default have their reason beside them; configuration files are `configs`'s.
"""

import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from infra.cluster.balancer.readiness import is_ready
from infra.cluster.instance import POD_CIDR, SERVICE_CIDR, Instance, Nodes, Programs
from infra.cluster.process import Component
from infra.paths import PROJECT

_PROBE_TIMEOUT_S = 2.0
METRICS_PORT = 4443
KWOK_PORT = 10247


class Catalogue:
    """Makes the components of one instance."""

    def __init__(self, instance: Instance, programs: Programs) -> None:
        self._instance = instance
        self._programs = programs
        self._kube = str(programs.kube)
        self._pki = instance.pki
        self._node = instance.node_ip

    def etcd(self) -> Component:
        """The API server's database, for local clients without TLS: pods cannot reach the node's loopback address."""
        client = "http://127.0.0.1:2379"
        peer = "http://127.0.0.1:2380"
        metrics = f"http://{self._node}:2381"  # health and metrics only, so that the host can ask
        return Component(
            "etcd",
            (
                *(self._kube, "etcd", f"--data-dir={self._instance.run}/etcd", "--log-level=warn"),
                "--unsafe-no-fsync",  # the data lives no longer than this process
                *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                *(f"--initial-cluster=default={peer}", f"--listen-metrics-urls={metrics}"),
            ),
            self._http_ok(f"{metrics}/health"),
        )

    def apiserver(self) -> Component:
        """The API server, with the aggregation layer for metrics-server."""
        pki = self._pki
        return Component(
            "apiserver",
            (
                *(self._kube, "apiserver", "--etcd-servers=http://127.0.0.1:2379"),
                *(f"--bind-address={self._node}", "--secure-port=6443", f"--advertise-address={self._node}"),
                *(f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key"),
                f"--client-ca-file={pki}/ca.crt",
                f"--service-account-key-file={pki}/service-account.key",
                f"--service-account-signing-key-file={pki}/service-account.key",
                "--service-account-issuer=https://kubernetes.default.svc",
                *(f"--service-cluster-ip-range={SERVICE_CIDR}", "--authorization-mode=Node,RBAC"),
                "--allow-privileged",
                f"--kubelet-certificate-authority={pki}/ca.crt",
                *(f"--kubelet-client-certificate={pki}/admin.crt", f"--kubelet-client-key={pki}/admin.key"),
                # Otherwise exec, logs and port-forward look the node's name up in the host's DNS.
                "--kubelet-preferred-address-types=InternalIP",
                # metrics-server has an endpoint address and no cluster IP that this process could reach.
                "--enable-aggregator-routing",
                *(f"--requestheader-client-ca-file={pki}/ca.crt", "--requestheader-allowed-names=front-proxy"),
                *("--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group"),
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                *(f"--proxy-client-cert-file={pki}/front-proxy.crt", f"--proxy-client-key-file={pki}/front-proxy.key"),
            ),
            self._api_ok("/readyz"),
        )

    def controller_manager(self) -> Component:
        """The controllers; the HPA's pace is the one thing set, see the flags."""
        return Component(
            "controller-manager",
            (
                *(self._kube, "controller-manager", f"--kubeconfig={self._pki}/controller-manager.kubeconfig"),
                *(f"--bind-address={self._node}", "--leader-elect=false", "--use-service-account-credentials"),
                f"--service-account-private-key-file={self._pki}/service-account.key",
                f"--root-ca-file={self._pki}/ca.crt",
                *self._serving("controller-manager"),
                *self._pace(),
                # EKS keeps the default of 15 s; 5 s is below the metrics' resolution of 10 s, so that a scale-up is
                # decided on the first figure that shows the load.
                "--horizontal-pod-autoscaler-sync-period=5s",
                # EKS keeps 5 minutes; a drill that waits for the scale-down would take longer than all others.
                "--horizontal-pod-autoscaler-downscale-stabilization=60s",
                f"--flex-volume-plugin-dir={self._instance.storage}/volume-plugins",
            ),
            self._https_ok(f"https://{self._node}:10257/healthz"),
        )

    def scheduler(self) -> Component:
        """The scheduler."""
        return Component(
            "scheduler",
            (
                *(self._kube, "scheduler", f"--kubeconfig={self._pki}/scheduler.kubeconfig"),
                *(f"--bind-address={self._node}", "--leader-elect=false", *self._serving("scheduler")),
                *self._pace(),
            ),
            self._https_ok(f"https://{self._node}:10259/healthz"),
        )

    def kwok(self) -> Component:
        """The kubelets of all nodes, simulated: it keeps them Ready and says of each pod on them that it runs."""
        address = f"{self._node}:{KWOK_PORT}"
        return Component(
            "kwok",
            (
                *(str(self._programs.kwok), f"--kubeconfig={self._pki}/kwok.kubeconfig"),
                *(f"--config={self._instance.config}/kwok.yaml", f"--server-address={address}"),
            ),
            self._http_ok(f"http://{address}/healthz"),
        )

    def containerd(self) -> Component:
        """The container runtime."""
        config = self._instance.config / "containerd.toml"
        return Component(
            "containerd",
            ("containerd", f"--config={config}", "--log-level=warn"),
            lambda: _accepts(self._instance.containerd_socket),
        )

    def kubelet(self) -> Component:
        """The kubelet; healthy when it says so, Ready is the launcher's to wait for."""
        labels = "topology.kubernetes.io/region=embedded,topology.kubernetes.io/zone=embedded-a"
        return Component(
            "kubelet",
            (
                *(self._kube, "kubelet", f"--config={self._instance.config}/kubelet.yaml"),
                *(f"--kubeconfig={self._pki}/kubelet.kubeconfig", f"--root-dir={self._instance.storage}/kubelet"),
                *(f"--hostname-override={self._instance.node_name}", f"--node-ip={self._node}"),
                # No EC2 type: a reader of these labels shall not take this machine's figures for a real node's.
                f"--node-labels=node.kubernetes.io/instance-type=embedded,{labels}",
            ),
            self._http_ok(f"http://{self._node}:10248/healthz"),
        )

    def proxy(self) -> Component:
        """The Service network, in the mode EKS uses (iptables)."""
        return Component(
            "proxy",
            (
                *(self._kube, "proxy", f"--kubeconfig={self._pki}/proxy.kubeconfig"),
                *(f"--hostname-override={self._instance.node_name}", "--proxy-mode=iptables"),
                *(f"--cluster-cidr={POD_CIDR}", f"--healthz-bind-address={self._node}:10256"),
                # The connection table's size belongs to the host.
                *("--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s"),
                "--conntrack-tcp-timeout-close-wait=0s",
            ),
            self._http_ok(f"http://{self._node}:10256/livez"),
        )

    def coredns(self) -> Component:
        """Cluster DNS, as a process on the node instead of two pods: its image could not be pulled."""
        return Component(
            "coredns",
            (self._kube, "coredns", f"-conf={self._instance.config}/Corefile"),
            self._http_ok(f"http://{self._node}:8181/ready"),
        )

    def metrics_server(self) -> Component:
        """The resource metrics API; it lives at once and has figures after its second round (20 s)."""
        kubeconfig = f"{self._pki}/metrics-server.kubeconfig"
        return Component(
            "metrics-server",
            (
                *(str(self._programs.metrics_server), f"--kubeconfig={kubeconfig}"),
                *(f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}"),
                *(f"--bind-address={self._node}", f"--secure-port={METRICS_PORT}"),
                *(f"--tls-cert-file={self._pki}/metrics-server.crt",),
                f"--tls-private-key-file={self._pki}/metrics-server.key",
                f"--kubelet-certificate-authority={self._pki}/ca.crt",
                f"--kubelet-client-certificate={self._pki}/metrics-server.crt",
                f"--kubelet-client-key={self._pki}/metrics-server.key",
                "--kubelet-preferred-address-types=InternalIP",
                # The shortest it accepts, and a request must time out before the next round.
                *("--metric-resolution=10s", "--kubelet-request-timeout=5s"),
            ),
            self._https_ok(f"https://{self._node}:{METRICS_PORT}/livez"),
        )

    def registry(self) -> Component:
        """The OCI registry that the kubelet pulls from."""
        return Component(
            "registry",
            ("docker-registry", "serve", f"{self._instance.config}/registry.yaml"),
            self._http_ok(f"http://{self._node}:5000/v2/"),
        )

    def docker(self) -> Component:
        """Our own Docker engine, where the host has none."""
        return Component(
            "docker",
            ("dockerd", f"--config-file={self._instance.config}/docker.json", "--log-level=warn"),
            lambda: _docker_answers(self._instance.docker_socket),
        )

    def haproxy(self) -> Component:
        """The load balancer's data path, on the host; -W keeps its sockets open across a change of configuration."""
        return Component(
            "haproxy",
            ("haproxy", "-W", "-q", "-f", f"{self._instance.config}/haproxy.cfg"),
            self._http_ok(f"{self._instance.registry_url}/v2/"),
            on_host=True,
        )

    def balancer(self) -> Component:
        """The load balancer's controller, on the host."""
        environment = (f"PYTHONPATH={PROJECT}", f"CAREPATH_RUN_DIR={self._instance.run.parent}")
        return Component(
            "balancer",
            ("/usr/bin/env", *environment, sys.executable, "-m", "infra.cluster.balancer", self._instance.name),
            lambda: is_ready(self._instance.run),
            on_host=True,
        )

    def _pace(self) -> tuple[str, str]:
        """Return how many requests a second a controller may make.

        With the default of 20 the controller manager's 40 controllers take 4 s to start, one after the other. For 5,000
        simulated pods 200 would be 25 s and more of each controller; this is kwokctl's own figure for no limit.
        """
        if self._instance.settings.nodes is Nodes.SIMULATED:
            return "--kube-api-qps=5000", "--kube-api-burst=10000"
        return "--kube-api-qps=200", "--kube-api-burst=400"

    def _serving(self, file: str) -> tuple[str, str]:
        # Without, the component makes a key and a certificate of its own at each start.
        return f"--tls-cert-file={self._pki}/{file}.crt", f"--tls-private-key-file={self._pki}/{file}.key"

    def _http_ok(self, url: str) -> Callable[[], bool]:
        return lambda: _answers_ok(url)

    def _https_ok(self, url: str) -> Callable[[], bool]:
        return lambda: _answers_ok(url, authority=self._pki / "ca.crt")

    def _api_ok(self, path: str) -> Callable[[], bool]:
        return self._https_ok(f"{self._instance.server}{path}")


def _answers_ok(url: str, authority: Path | None = None) -> bool:
    verify = ssl.create_default_context(cafile=authority) if authority else True
    try:
        # trust_env: a proxy from the caller's environment must not answer for a component.
        with httpx.Client(verify=verify, trust_env=False, timeout=_PROBE_TIMEOUT_S) as client:
            return client.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_PROBE_TIMEOUT_S)
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def _docker_answers(path: Path) -> bool:
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=_PROBE_TIMEOUT_S) as client:
            return client.get("http://docker/_ping").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
