"""Rollouts that stop half-way, and autoscalers that cannot work."""

import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from e2e.faults.app import App
from e2e.faults.case import WITHIN_S, Case, Change, nothing, without
from e2e.faults.conditions import Look, Raw, deleting, is_ready, ready
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.tolerances import TERMINATION_MARGIN_S
from gate.waiting import FIGURES_S

#: The pod's grace period in the case of the hanging pod.
GRACE_S = 2


def brief(app: App) -> None:
    """Give a pod that is deleted little time."""
    app.pod["terminationGracePeriodSeconds"] = GRACE_S


def new_revision(*, paused: bool = False) -> Change:
    """Change the template, in a Deployment that is paused or not."""

    def change(app: App) -> None:
        app.setenv(LOG_LEVEL="WARNING")
        app.deployment["spec"]["paused"] = paused

    return change


def freeze(hands: Hands) -> None:
    """Stop the container runtime's processes of the ready pod: it serves on, and nobody can end it."""
    _signal(hands, signal.SIGSTOP, only=is_ready)


def thaw(hands: Hands) -> None:
    """Let them run again."""
    _signal(hands, signal.SIGCONT, only=lambda _: True)


def freeze_for_a_moment(hands: Hands) -> None:
    """Thaw when the old pod is on its way out."""
    freeze(hands)
    hands.wait_for(deleting, timeout_s=60)
    thaw(hands)


def _signal(hands: Hands, number: signal.Signals, *, only: Callable[[Raw], bool]) -> None:
    """Send a signal to the shim (the parent of all containers of one pod) of the chat API's pods that are meant."""
    pods = json.loads(hands.kubectl("get", "pods", "--selector", "app=chat-api", "--output", "json"))["items"]
    for pod in filter(only, pods):
        for shim in _shims(pod["metadata"]["uid"]):
            os.kill(shim, number)


def _shims(uid: str) -> set[int]:
    """Return the shims among the parents of the processes in the pod's cgroups."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # a process that ends meanwhile
            if uid not in (process / "cgroup").read_text(encoding="utf-8"):
                continue
            status = (process / "status").read_text(encoding="utf-8")
            parent = int(status.partition("PPid:")[2].split()[0])
            if Path(f"/proc/{parent}/comm").read_text(encoding="utf-8").startswith("containerd-shim"):
                found.add(parent)
    return found


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
        first=brief,
        fault=new_revision(),
        act=freeze,
        near_miss=new_revision(),
        near_act=freeze_for_a_moment,
        undo=thaw,
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
        name="hpa-missing",
        fault=without("HorizontalPodAutoscaler", "chat-api"),
        near_miss=nothing,
        terminal_when=ready(),
        waited_s=FIGURES_S,
        within_s=FIGURES_S + WITHIN_S,
        criterion="HPA-1",
        model=True,
        cause=Cause.HPA_NOT_FOUND,
    ),
    Case(
        name="hpa-without-cpu-request",
        incidents=(18,),
        fault=cpu(),
        near_miss=cpu(limit="100m"),
        terminal_when=ready(),
        waited_s=FIGURES_S,
        within_s=FIGURES_S + WITHIN_S,
        criterion="HPA-1",
        model=True,
        cause=Cause.HPA_NO_CPU_REQUEST,
    ),
    Case(
        name="hpa-scales-at-another-target",
        fault=hpa_target(90),
        near_miss=hpa_target(60),
        terminal_when=ready(),
        waited_s=FIGURES_S,
        within_s=FIGURES_S + WITHIN_S,
        criterion="HPA-1",
        model=True,
        cause=Cause.HPA_WRONG_TARGET,
    ),
    Case(
        name="hpa-scales-another-deployment",
        fault=hpa_scales("chat"),
        near_miss=hpa_scales("chat-api"),
        terminal_when=ready(),
        waited_s=FIGURES_S,
        within_s=FIGURES_S + WITHIN_S,
        criterion="HPA-1",
        model=True,
        cause=Cause.HPA_WRONG_TARGET,
    ),
)
