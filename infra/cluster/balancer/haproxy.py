"""haproxy's configuration, rendered. Pure.

Behaves like an AWS load balancer for HTTP: an idle connection is closed after the idle timeout, and a request whose
answer takes longer than that gets 504. Requests go through the node port, so which pod answers is kube-proxy's choice,
as on EKS.
"""

import re
from collections.abc import Sequence

from infra.cluster.balancer.decisions import Frontend
from infra.cluster.instance import REGISTRY_PORT, Instance

# No deadline of a load balancer: how long a TCP handshake with a node may take before it is tried again.
_CONNECT_TIMEOUT_S = 5


def render(instance: Instance, frontends: Sequence[Frontend]) -> str:
    """Return the whole configuration for these frontends and, always, the registry's."""
    idle = instance.settings.lb_idle_timeout_s
    common = f"""\
global
  stats socket {instance.sockets}/haproxy.sock mode 600 level admin expose-fd listeners
  # An old process may finish what it has after a new configuration took over, but not for ever.
  hard-stop-after {2 * idle}s

  log stdout format raw daemon

defaults
  # Only what went wrong: refused, failed or timed-out requests, each with its reason.
  log global
  option dontlog-normal
  timeout connect {_CONNECT_TIMEOUT_S}s
  timeout client {idle}s
  timeout server {idle}s
  # A connection that could not be made is tried again: no request has been sent yet.
  retries 3

# The same registry under the same name on the host as inside the node.
listen registry
  mode tcp
  bind {instance.loopback_ip}:{REGISTRY_PORT}
  timeout client 1h
  timeout server 1h
  server node {instance.node_ip}:{REGISTRY_PORT}
"""
    return common + "".join(_section(instance, frontend) for frontend in frontends)


def _section(instance: Instance, frontend: Frontend) -> str:
    # http-server-close: each request is a new connection to the node, so it reaches a pod that is ready now. A kept
    # connection would stay with one pod and break when that pod ends in the middle of a rolling update.
    idle = frontend.idle_timeout_s or instance.settings.lb_idle_timeout_s
    return f"""
# Service {frontend.service}
listen port-{frontend.port}
  mode http
  option httplog
  bind {instance.loopback_ip}:{frontend.port}
  timeout client {idle}s
  timeout server {idle}s
  timeout http-keep-alive {idle}s
  option http-server-close
  option forwardfor
  server node {instance.node_ip}:{frontend.node_port}
"""


def ports(text: str) -> frozenset[int]:
    """Return the Services' ports that a rendered configuration serves."""
    return frozenset(int(port) for port in re.findall(r"^listen port-(\d+)$", text, flags=re.MULTILINE))
