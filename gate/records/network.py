"""The way to the pods: Services and what stands behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gate.records.common import NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """A Service's port; ``target_port`` is a number or a container port's name."""

    name: str
    port: int
    target_port: str
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service; ``ingress`` are the load balancer's host names or addresses.

    ``balancer_class`` is spec.loadBalancerClass; ``balancer_annotations`` are those of the cloud's controller alone.
    """

    name: str
    type: str = "ClusterIP"
    selector: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    ports: tuple[ServicePort, ...] = ()
    ingress: tuple[str, ...] = ()
    balancer_class: str = ""
    balancer_annotations: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address behind a Service, of its EndpointSlices."""

    service: str
    address: str
    ports: tuple[int, ...]
    pod: str | None = None
    ready: bool = False
    terminating: bool = False
