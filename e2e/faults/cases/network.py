"""Every pod is ready, and users do not reach one: Service, load balancer, patient API."""

from e2e.faults.app import App
from e2e.faults.case import WITHIN_S, Case, Change, nothing, together, without
from e2e.faults.cases.configuration import env
from e2e.faults.cases.probes import probe
from e2e.faults.conditions import addressless, event, portless, ready
from gate.causes import Cause
from gate.diagnosis.tolerances import PATH_MISSING_S
from gate.verdict import Status
from infra.cluster.balancer.controller import IDLE_TIMEOUT
from infra.cluster.instance import REGISTRY_PORT

#: Of the load balancer in the case of the request that it cuts; /health then takes three times as long.
IDLE_S = 1


def target_port(port: str | int) -> Change:
    """Send the Service's traffic to this port of the pods."""

    def change(app: App) -> None:
        app.service["spec"]["ports"][0]["targetPort"] = port

    return change


def service_port(port: int) -> Change:
    """Ask the load balancer for this port."""

    def change(app: App) -> None:
        app.service["spec"]["ports"][0]["port"] = port

    return change


def selects(**labels: str) -> Change:
    """Select pods by these labels, too."""

    def change(app: App) -> None:
        app.service["spec"]["selector"] |= labels

    return change


def declares(port: int) -> Change:
    """Declare one more port, and send the Service's traffic there."""

    def change(app: App) -> None:
        app.container["ports"].append({"name": "debug", "containerPort": port, "protocol": "TCP"})
        target_port(port)(app)

    return change


def health(body: str, *, path: str = "/health") -> Change:
    """Let these lines answer /health, and let liveness ask this path, with patience."""

    def change(app: App) -> None:
        app.container["command"] = ["python", "-c", _HEALTH.format(body=body)]
        probe = app.container["livenessProbe"]
        probe["httpGet"]["path"], probe["timeoutSeconds"] = path, 30

    return change


def cut_after(seconds: int) -> Change:
    """Let the load balancer close connections that are idle for so long."""

    def change(app: App) -> None:
        app.service["metadata"].setdefault("annotations", {})[IDLE_TIMEOUT] = str(seconds)

    return change


#: The service as it is, but for one route.
_HEALTH = """
import asyncio, runpy
from fastapi import HTTPException
from service_chat.api import operations

async def health():
    {body}

next(route for route in operations.router.routes if route.path == "/health").endpoint = health
runpy.run_module("service_chat", run_name="__main__")
"""
SLOW = f"return await asyncio.sleep({3 * IDLE_S}, {{'status': 'ok'}})"


CASES = (
    Case(
        name="target-port-unknown",
        incidents=(24,),
        fault=target_port("web"),
        near_miss=target_port(8002),
        terminal_when=portless("chat-api-service"),
        criterion="HLT-1",
        cause=Cause.ENDPOINTS_TARGET_PORT,
        quick=True,
    ),
    Case(
        name="target-port-closed",
        incidents=(24,),
        fault=target_port(8080),
        near_miss=target_port(8002),
        terminal_when=ready(),
        criterion="HLT-1",
        cause=Cause.ENDPOINTS_TARGET_PORT,
    ),
    Case(
        name="selector-matches-nothing",
        incidents=(24,),
        fault=selects(app="chat"),
        near_miss=selects(**{"app.kubernetes.io/part-of": "carepath"}),
        terminal_when=addressless("chat-api-service"),
        criterion="HLT-1",
        cause=Cause.ENDPOINTS_SELECTOR,
    ),
    Case(
        name="service-missing",
        fault=without("Service", "chat-api-service"),
        near_miss=nothing,
        terminal_when=ready(),
        criterion="HLT-1",
        cause=Cause.SERVICE_NOT_FOUND,
    ),
    Case(
        name="load-balancer-port-taken",
        fault=service_port(REGISTRY_PORT),
        near_miss=nothing,
        terminal_when=event("SyncLoadBalancerFailed"),
        criterion="HLT-1",
        cause=Cause.SERVICE_NO_ADDRESS,
        status=Status.INCONCLUSIVE,
    ),
    Case(
        name="patient-api-on-another-port",
        incidents=(13,),
        fault=env(DB_API_BASE_URL="http://patient-api-service:80"),
        near_miss=env(DB_API_BASE_URL="http://patient-api-service:8001/"),
        terminal_when=ready(),
        criterion="LLM-1",
        cause=Cause.DEPENDENCY_UNREACHABLE,
        model=True,
    ),
    Case(
        name="load-balancer-cuts-the-request",
        incidents=(8,),
        fault=together(health(SLOW), cut_after(IDLE_S)),
        near_miss=together(health(SLOW), cut_after(10 * IDLE_S)),
        terminal_when=ready(),
        # Each pod is asked twice, once for health alone and once with the questions, before the Service is.
        waited_s=4 * 3 * IDLE_S,
        within_s=4 * 3 * IDLE_S + WITHIN_S,
        criterion="HLT-1",
        cause=Cause.SERVICE_GATEWAY_TIMEOUT,
    ),
    Case(
        name="declared-port-closed",
        incidents=(24,),
        fault=declares(9000),
        near_miss=target_port(8002),
        terminal_when=ready(),
        criterion="HLT-1",
        cause=Cause.SERVICE_UNREACHABLE,
    ),
    Case(
        name="health-answers-500",
        incidents=(25,),
        fault=health("raise HTTPException(500, 'disk')", path="/ready"),
        near_miss=health("return {'status': 'ok'}", path="/ready"),
        terminal_when=ready(),
        criterion="HLT-1",
        cause=Cause.HEALTH_FAILED,
    ),
    Case(
        name="nobody-is-ready",
        fault=probe("readiness", path="/readyz"),
        near_miss=probe("readiness", path="/health"),
        terminal_when=event("Unhealthy", "404"),
        waited_s=PATH_MISSING_S,
        criterion="LLM-1",
        cause=Cause.ENDPOINTS_NOT_READY,
        model=True,
    ),
)
