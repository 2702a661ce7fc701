"""Probes that ask for the wrong thing, or for the right thing too early."""

import json
from typing import Any

from e2e.faults.app import MODEL, App
from e2e.faults.case import Case, Change
from e2e.faults.conditions import ended, event, progress_exceeded, ready, running
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.tolerances import PATH_MISSING_S, STARTUP_KILLS
from service_chat.catalogue import catalogue

#: Instead of 120 s: a rollout in which nothing fails for good ends with its deadline.
DEADLINE_S = 20

GATE = "carepath.example/registered"


def probe(which: str, *, deadline_s: int | None = None, **values: Any) -> Change:  # noqa: ANN401  # fields of a probe
    """Change a probe's fields; `path` and `port` are those of its httpGet."""

    def change(app: App) -> None:
        found = app.container[f"{which}Probe"]
        for key, value in values.items():
            (found["httpGet"] if key in {"path", "port"} else found)[key] = value
        if deadline_s:
            app.deployment["spec"]["progressDeadlineSeconds"] = deadline_s

    return change


def liveness(path: str) -> Change:
    """Ask this path every second whether the program lives, and only later whether it is ready."""

    def change(app: App) -> None:
        probe("liveness", path=path, periodSeconds=1, failureThreshold=2)(app)
        probe("readiness", initialDelaySeconds=5, periodSeconds=2)(app)

    return change


def liveness_of_the_manifests(path: str) -> Change:
    """Ask this path as often as the rendered manifests do: the first kill comes a minute after the start."""
    return probe("liveness", path=path, periodSeconds=10, failureThreshold=6)


def blocks(seconds: int, *, timeout_s: int) -> Change:
    """Block the event loop for so long, 6 s after the start, as inference on it does; liveness waits that long."""

    def change(app: App) -> None:
        app.container["command"] = ["python", "-c", _BLOCKED.format(seconds=seconds)]
        app.pod["terminationGracePeriodSeconds"] = 1
        probe("liveness", periodSeconds=1, timeoutSeconds=timeout_s, failureThreshold=2)(app)
        probe("readiness", initialDelaySeconds=3, periodSeconds=2)(app)

    return change


#: A handler runs between two instructions of the main thread, which is the event loop's.
_BLOCKED = """
import runpy, signal, time
signal.signal(signal.SIGALRM, lambda *_: time.sleep({seconds}))
signal.alarm(6)
runpy.run_module("service_chat", run_name="__main__")
"""


def ready_without_model(*, file: bool) -> Change:
    """Call the pod ready as soon as it lives; its model's file is a pipe that nobody writes to, or is there."""

    def change(app: App) -> None:
        for which in ("startup", "readiness"):
            probe(which, path="/health")(app)
        if not file:
            app.container["command"] = ["python", "-c", _PIPE.format(file=catalogue()[MODEL].file)]
            app.setenv(MODEL_CACHE_DIR="/tmp")  # noqa: S108  # the pod's own emptyDir
            app.pod["terminationGracePeriodSeconds"] = 1

    return change


#: Reading it never ends, as on a network volume that hangs.
_PIPE = """
import os
os.path.exists("/tmp/{file}") or os.mkfifo("/tmp/{file}")
os.execvp("python", ["python", "-m", "service_chat"])
"""


def readiness_gate(app: App) -> None:
    """Let readiness wait for a condition that somebody else sets."""
    app.pod["readinessGates"] = [{"conditionType": GATE}]
    app.deployment["spec"]["progressDeadlineSeconds"] = DEADLINE_S


def killed_again_and_again(hands: Hands) -> None:
    """Let the gate come when liveness has killed as often as makes it final: earlier it may be ready, for seconds."""
    hands.wait_for(ended(3), timeout_s=180)


def gate_opened(hands: Hands) -> None:
    """Set the condition."""
    hands.wait_for(running, timeout_s=60)
    pod = hands.kubectl("get", "pods", "--selector", "app=chat-api", "--output", "name").strip()
    condition = {"status": {"conditions": [{"type": GATE, "status": "True"}]}}
    hands.kubectl("patch", pod, "--subresource", "status", "--patch", json.dumps(condition))


CASES = (
    Case(
        name="readiness-gate",
        fault=readiness_gate,
        near_miss=readiness_gate,
        near_act=gate_opened,
        terminal_when=progress_exceeded,
        cause=Cause.POD_READINESS_GATE,
    ),
    Case(
        name="readiness-path-unknown",
        fault=probe("readiness", path="/readyz"),
        near_miss=probe("readiness", path="/health"),
        terminal_when=event("Unhealthy", "404"),
        waited_s=PATH_MISSING_S,
        cause=Cause.PROBE_READINESS_FAILING,
    ),
    Case(
        name="readiness-port-undeclared",
        fault=probe("readiness", port="web"),
        near_miss=probe("readiness", port=8002),
        terminal_when=event("Unhealthy", "Readiness"),
        waited_s=PATH_MISSING_S,
        cause=Cause.PROBE_READINESS_FAILING,
    ),
    Case(
        name="readiness-port-closed",
        fault=probe("readiness", port=8003, deadline_s=DEADLINE_S),
        near_miss=probe("readiness", port=8002, deadline_s=DEADLINE_S),
        terminal_when=progress_exceeded,
        cause=Cause.PROBE_READINESS_FAILING,
    ),
    Case(
        name="startup-budget-too-short",
        incidents=(9,),
        fault=probe("startup", path="/not-yet", failureThreshold=2),
        near_miss=probe("startup", failureThreshold=30),
        # One kill may be a slow node's: the gate waits for STARTUP_KILLS of them, and so does this.
        terminal_when=event("Killing", "failed startup probe", times=STARTUP_KILLS),
        cause=Cause.PROBE_STARTUP_EXHAUSTED,
    ),
    Case(
        name="liveness-kills",
        incidents=(7,),
        fault=liveness("/alive"),
        near_miss=liveness("/health"),
        act=killed_again_and_again,
        terminal_when=ended(3),
        cause=Cause.PROBE_LIVENESS_KILLED,
    ),
    Case(
        name="liveness-path-unknown",
        fault=liveness_of_the_manifests("/livez"),
        near_miss=liveness_of_the_manifests("/version"),
        terminal_when=event("Unhealthy", "Liveness", times=2),
        cause=Cause.PROBE_LIVENESS_FAILING,
    ),
    Case(
        name="inference-blocks-the-event-loop",
        incidents=(7,),
        fault=blocks(3600, timeout_s=1),
        near_miss=blocks(2, timeout_s=10),
        act=killed_again_and_again,
        terminal_when=ended(3),
        cause=Cause.PROBE_LIVENESS_KILLED,
    ),
    Case(
        name="ready-before-the-model",
        incidents=(6,),
        fault=ready_without_model(file=False),
        near_miss=ready_without_model(file=True),
        terminal_when=ready(),
        criterion="LLM-1",
        cause=Cause.PROBE_READY_WITHOUT_MODEL,
        model=True,
    ),
)
