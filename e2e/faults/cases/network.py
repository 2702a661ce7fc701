"""Everything runs, and users do not get what they should."""

from e2e.faults.app import App
from e2e.faults.case import Case, Change, nothing
from e2e.faults.conditions import portless, ready
from gate.causes import Cause


def target_port(port: str | int) -> Change:
    """Send the Service's traffic to this port of the pods."""

    def change(app: App) -> None:
        app.service["spec"]["ports"][0]["targetPort"] = port

    return change


def mode(value: str) -> Change:
    """Set LLM_MODE."""

    def change(app: App) -> None:
        app.setenv(LLM_MODE=value)

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
        name="mode-left-on-mock",
        incidents=(12,),
        fault=mode("mock"),
        near_miss=nothing,
        terminal_when=ready(),
        criterion="LLM-1",
        cause=Cause.MODEL_MOCK,
        model=True,
        quick=True,
    ),
)
