"""Rollouts that stop half-way, and autoscalers that cannot work."""

import json

from e2e.faults.app import App
from e2e.faults.case import Case, Change, nothing
from e2e.faults.conditions import Look, deleting, ready
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.tolerances import TERMINATION_MARGIN_S

HELD = "carepath.example/held"
#: The pod's grace period in the case of the hanging pod.
GRACE_S = 2


def held(app: App) -> None:
    """Let a finalizer hold every pod that is deleted."""
    app.deployment["spec"]["template"]["metadata"]["finalizers"] = [HELD]
    app.pod["terminationGracePeriodSeconds"] = GRACE_S


def new_revision(*, paused: bool = False) -> Change:
    """Change the template, in a Deployment that is paused or not."""

    def change(app: App) -> None:
        app.setenv(LOG_LEVEL="WARNING")
        app.deployment["spec"]["paused"] = paused

    return change


def let_go(hands: Hands) -> None:
    """Take the finalizer off every pod."""
    for pod in hands.kubectl("get", "pods", "--output", "name").split():
        hands.kubectl("patch", pod, "--type", "merge", "--patch", json.dumps({"metadata": {"finalizers": None}}))


def let_go_once_deleted(hands: Hands) -> None:
    """Take the finalizer off when the old pod is on its way out."""
    hands.wait_for(deleting, timeout_s=60)
    let_go(hands)


def is_paused(look: Look) -> bool:
    """The chat API's Deployment is paused."""
    return any(each["spec"].get("paused") for each in look("Deployment"))


def cpu(*, request: str | None = None, limit: str | None = None) -> Change:
    """State this CPU request and limit, and none where None."""

    def change(app: App) -> None:
        resources = app.container["resources"]
        for kind, value in (("requests", request), ("limits", limit)):
            resources[kind].pop("cpu", None)
            if value:
                resources[kind]["cpu"] = value

    return change


def hpa_target(percent: int) -> Change:
    """Scale at this CPU utilisation."""

    def change(app: App) -> None:
        app.hpa["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] = percent

    return change


def hpa_scales(name: str) -> Change:
    """Let the autoscaler scale the Deployment of this name."""

    def change(app: App) -> None:
        app.hpa["spec"]["scaleTargetRef"]["name"] = name

    return change


CASES = (
    Case(
        name="old-pod-hangs-in-terminating",
        incidents=(23,),
        first=held,
        fault=new_revision(),
        near_miss=new_revision(),
        near_act=let_go_once_deleted,
        undo=let_go,
        terminal_when=deleting,
        waited_s=GRACE_S + TERMINATION_MARGIN_S,
        within_s=60,
        cause=Cause.POD_STUCK_TERMINATING,
    ),
    Case(
        name="rollout-paused",
        first=nothing,
        fault=new_revision(paused=True),
        near_miss=new_revision(),
        terminal_when=is_paused,
        cause=Cause.ROLLOUT_PAUSED,
    ),
    Case(
        name="hpa-without-cpu-request",
        incidents=(18,),
        fault=cpu(),
        near_miss=cpu(limit="100m"),
        terminal_when=ready(),
        criterion="HPA-1",
        cause=Cause.HPA_NO_CPU_REQUEST,
    ),
    Case(
        name="hpa-scales-at-another-target",
        fault=hpa_target(90),
        near_miss=hpa_target(60),
        terminal_when=ready(),
        criterion="HPA-1",
        cause=Cause.HPA_WRONG_TARGET,
    ),
    Case(
        name="hpa-scales-another-deployment",
        fault=hpa_scales("chat"),
        near_miss=hpa_scales("chat-api"),
        terminal_when=ready(),
        criterion="HPA-1",
        cause=Cause.HPA_WRONG_TARGET,
    ),
)
