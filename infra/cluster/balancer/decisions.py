"""Which Service of type LoadBalancer gets which port of the load balancer's one address. Pure.

A cloud gives each Service an address of its own; here all share one, so two Services cannot both have port 80. The
older keeps it, the other gets no address and an Event that says why.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from infra.cluster.instance import REGISTRY_PORT


@dataclass(frozen=True, order=True)
class Request:
    """A Service of type LoadBalancer: in the order in which Services are served, oldest first."""

    created: str
    namespace: str
    name: str
    # Pairs of the Service's port and the port on every node that leads to it; 0 if the Service has none.
    ports: tuple[tuple[int, int], ...]
    # Seconds, where the Service asks for its own idle timeout.
    idle_timeout_s: int | None = None

    @property
    def key(self) -> str:
        """Return the Service's name as people write it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Frontend:
    """One port of the load balancer and the node port behind it."""

    service: str
    port: int
    node_port: int
    idle_timeout_s: int | None = None


@dataclass(frozen=True)
class Refusal:
    """A Service that gets no address, and why, in a sentence for its Event."""

    request: Request
    reason: str


@dataclass(frozen=True)
class Decision:
    """What the load balancer shall serve."""

    frontends: tuple[Frontend, ...]
    served: tuple[Request, ...]
    refused: tuple[Refusal, ...]


def decide(requests: Sequence[Request], occupied: Collection[int] = ()) -> Decision:
    """Return who is served; `occupied` are ports of the address that another program on the host has."""
    owners: dict[int, str] = {REGISTRY_PORT: "the registry"}
    owners |= dict.fromkeys(occupied, "another program on this host")
    frontends: list[Frontend] = []
    served: list[Request] = []
    refused: list[Refusal] = []
    for request in sorted(requests):
        reason = _refusal(request, owners)
        if reason:
            refused.append(Refusal(request, reason))
            continue
        served.append(request)
        for port, node_port in request.ports:
            owners[port] = f"Service {request.key}"
            frontends.append(Frontend(request.key, port, node_port, request.idle_timeout_s))
    return Decision(tuple(frontends), tuple(served), tuple(refused))


def _refusal(request: Request, owners: dict[int, str]) -> str | None:
    for port, node_port in request.ports:
        if port in owners:
            return f"Port {port} of the load balancer is taken by {owners[port]}."
        if not node_port:
            return f"Port {port} has no node port: allocateLoadBalancerNodePorts must not be false."
    return None
