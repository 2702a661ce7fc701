"""What the launcher puts into a fresh cluster: DNS and the metrics API point at processes on the node.

Only kube-system. The components run outside of pods, so their Services have no selector and an EndpointSlice by hand.
"""

import base64
from typing import Any

from infra.cluster.components import METRICS_PORT
from infra.cluster.instance import DNS_SERVICE_IP, Instance


def system_objects(instance: Instance) -> list[dict[str, Any]]:
    """Return the objects in the order to apply."""
    dns_ports = [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP")]
    return [
        _service("kube-dns", dns_ports, cluster_ip=DNS_SERVICE_IP, target=53),
        _endpoints(instance, "kube-dns", [(name, 53, protocol) for name, _, protocol in dns_ports]),
        _service("metrics-server", [("https", 443, "TCP")], target=METRICS_PORT),
        _endpoints(instance, "metrics-server", [("https", METRICS_PORT, "TCP")]),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": {"name": "metrics-server", "namespace": "kube-system"},
                "caBundle": base64.b64encode((instance.pki / "ca.crt").read_bytes()).decode(),
            },
        },
    ]


def _service(
    name: str, ports: list[tuple[str, int, str]], *, target: int, cluster_ip: str | None = None
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "ports": [
            {"name": port_name, "port": port, "targetPort": target, "protocol": protocol}
            for port_name, port, protocol in ports
        ]
    }
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": spec,
    }


def _endpoints(instance: Instance, service: str, ports: list[tuple[str, int, str]]) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-node",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": name, "port": port, "protocol": protocol} for name, port, protocol in ports],
        "endpoints": [{"addresses": [instance.node_ip], "conditions": {"ready": True}}],
    }
