"""Rollouts that stop half-way, are not what they seem, or cannot go back."""

import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from e2e.faults.app import App
from e2e.faults.case import WITHIN_S, Act, Case, Change, done_after, nothing, without
from e2e.faults.cases.containers import SERVE, python
from e2e.faults.conditions import (
    Look,
    Raw,
    available,
    both,
    deleting,
    is_ready,
    progress_exceeded,
    ready,
    revision,
    running,
    scaled_to_zero,
    waiting,
)
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.tolerances import CONFIG_SYNC_S, TERMINATION_MARGIN_S
from gate.verdict import Status
from gate.waiting import FIGURES_S

#: The pod's grace period in the case of the hanging pod.
GRACE_S = 2
#: The gate's own limit for the rollout, in the case that runs into it.
OWN_LIMIT_S = 12.0


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


def replicas(number: int) -> Change:
    """State the number of replicas in the Deployment."""

    def change(app: App) -> None:
        app.deployment["spec"]["replicas"] = number

    return change


def sleeps_before(seconds: int, *, deadline_s: int) -> Change:
    """Start so late, within a startup budget of 10 minutes and this deadline of the rollout."""

    def change(app: App) -> None:
        python(f"import time; time.sleep({seconds}); {SERVE}")(app)
        app.container["startupProbe"]["failureThreshold"] = 600
        app.deployment["spec"]["progressDeadlineSeconds"] = deadline_s

    return change


def pod_of_nobody(**labels: str) -> Change:
    """Run a pod by hand, with these labels."""

    def change(app: App) -> None:
        container = {
            "name": "debug",
            "image": app.images.mock,
            "command": ["python", "-c", "import time; time.sleep(3600)"],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        }
        spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
        app.add({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "debug", "labels": labels}, "spec": spec})

    return change


def logs_everything(app: App) -> None:
    """Log each request, those of the gate's look at /version too."""
    app.setenv(LOG_LEVEL="DEBUG")


def once_judged(*words: str) -> Act:
    """Run this kubectl command when acceptance has judged the rollout and asks the pods who they are."""

    def act(hands: Hands) -> None:
        log = ("logs", "--selector", "app=chat-api", "--tail=200")
        hands.wait_until(lambda: "/version" in hands.kubectl(*log), timeout_s=120)
        hands.kubectl(*words)

    return act


def with_tuning(app: App) -> None:
    """Take a setting from a ConfigMap."""
    app.add({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tuning"}, "data": {"MAX_QUEUE": "8"}})
    app.container["envFrom"] = [{"configMapRef": {"name": "tuning"}}]


def without_tuning(app: App) -> None:
    """Bring a revision that does not need it."""
    del app.container["envFrom"]
    app.setenv(LOG_LEVEL="WARNING")


def rolled_out(hands: Hands) -> None:
    """Wait until the new revision is complete."""
    hands.kubectl("rollout", "status", "deployment/chat-api", "--timeout=90s", timeout_s=100)


def tuning_deleted(hands: Hands) -> None:
    """Clean up what the new revision does not need, and the old one did."""
    hands.kubectl("delete", "configmap", "tuning")


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
        name="deployment-missing",
        fault=without("Deployment", "chat-api"),
        near_miss=nothing,
        terminal_when=available,
        cause=Cause.ROLLOUT_NOT_FOUND,
    ),
    Case(
        name="scaled-to-zero",
        fault=replicas(0),
        near_miss=replicas(1),
        terminal_when=scaled_to_zero,
        cause=Cause.ROLLOUT_SCALED_TO_ZERO,
    ),
    Case(
        name="start-slower-than-the-deadline",
        fault=sleeps_before(3600, deadline_s=20),
        near_miss=sleeps_before(5, deadline_s=20),
        terminal_when=progress_exceeded,
        cause=Cause.ROLLOUT_DEADLINE_EXCEEDED,
    ),
    Case(
        name="start-slower-than-the-gate-waits",
        fault=sleeps_before(3600, deadline_s=600),
        near_miss=sleeps_before(2, deadline_s=600),
        terminal_when=running,
        rollout_timeout_s=OWN_LIMIT_S,
        waited_s=OWN_LIMIT_S,
        within_s=OWN_LIMIT_S + WITHIN_S,
        status=Status.INCONCLUSIVE,
        cause=Cause.GATE_TIMED_OUT,
    ),
    Case(
        name="pod-of-nobody-takes-requests",
        fault=pod_of_nobody(app="chat-api"),
        near_miss=pod_of_nobody(app="chat-api-debug"),
        terminal_when=both(ready(), available),
        cause=Cause.ROLLOUT_OLD_PODS_LEFT,
    ),
    Case(
        name="revision-changes-while-it-is-judged",
        incidents=(30,),
        first=logs_everything,
        fault=nothing,
        meanwhile=once_judged("set", "env", "deployment/chat-api", "LOG_LEVEL=INFO"),
        near_miss=nothing,
        near_meanwhile=once_judged("patch", "hpa", "chat-api", "--type=merge", "--patch", '{"spec":{"minReplicas":2}}'),
        terminal_when=revision(2),
        waited_s=FIGURES_S,
        within_s=FIGURES_S + WITHIN_S,
        criterion="POD-2",
        status=Status.INCONCLUSIVE,
        cause=Cause.ROLLOUT_SUPERSEDED,
        model=True,
    ),
    Case(
        name="undo-to-what-no-longer-starts",
        incidents=(26,),
        first=with_tuning,
        fault=without_tuning,
        act=done_after(rolled_out, tuning_deleted),
        near_miss=without_tuning,
        near_act=rolled_out,
        terminal_when=waiting("CreateContainerConfigError"),
        waited_s=CONFIG_SYNC_S,
        within_s=120,
        tier="rollback",
        criterion="RBK-1",
        cause=Cause.ROLLOUT_UNDO_FAILED,
    ),
)
