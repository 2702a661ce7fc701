"""Every pod is ready, and users do not reach one: Service, load balancer, patient API."""

from e2e.faults.app import App
from e2e.faults.case import Case, Change, nothing, without
from e2e.faults.cases.configuration import env
from e2e.faults.conditions import addressless, event, portless, ready
from gate.causes import Cause
from gate.verdict import Status
from infra.cluster.instance import REGISTRY_PORT


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
)
