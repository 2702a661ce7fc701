"""Containers that end, are ended, or never begin."""

from e2e.faults.app import App
from e2e.faults.case import Case, Change
from e2e.faults.conditions import both, ended, failed, progress_exceeded, ready, waiting
from gate.causes import Cause
from gate.diagnosis.tolerances import CREATE_S, RESTART_SETTLE_S
from gate.verdict import Status

#: What the image starts.
SERVE = "import os; os.execvp('python', ['python', '-m', 'service_chat'])"
#: A file in the pod's emptyDir outlives the container: the first start fails, the second does not.
FAIL_ONCE = f"import sys, os; os.path.exists('/tmp/once') or (open('/tmp/once', 'w').close(), sys.exit(3)); {SERVE}"


def memory_limit(mib: int) -> Change:
    """Limit the container to so many MiB."""

    def change(app: App) -> None:
        memory = f"{mib}Mi"
        app.container["resources"] = {"requests": {"cpu": "60m", "memory": memory}, "limits": {"memory": memory}}

    return change


def runs(*command: str) -> Change:
    """Run this command instead of the image's."""

    def change(app: App) -> None:
        app.container["command"] = list(command)

    return change


def python(program: str) -> Change:
    """Run this Python program instead of the service."""
    return runs("python", "-c", program)


def before(program: str, *, sidecar: bool = False, deadline_s: int = 120) -> Change:
    """Run this Python program in an init container, or in a sidecar."""

    def change(app: App) -> None:
        app.pod["initContainers"] = [
            {
                "name": "fetch-model",
                "image": app.container["image"],
                "command": ["python", "-c", program],
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
                "securityContext": app.container["securityContext"],
                **({"restartPolicy": "Always"} if sidecar else {}),
            }
        ]
        app.deployment["spec"]["progressDeadlineSeconds"] = deadline_s

    return change


def writes(mib: int) -> Change:
    """Write so much into /tmp, whose volume holds 64 MiB, and begin to serve after the kubelet has measured it.

    It measures volumes once a minute (KubeletConfiguration, volumeStatsAggPeriod) and looks for evictions every 10 s.
    """

    def change(app: App) -> None:
        python(f"import time; open('/tmp/model', 'wb').write(bytes({mib} << 20)); time.sleep(75); {SERVE}")(app)
        app.container["startupProbe"]["failureThreshold"] = 120
        app.deployment["spec"]["progressDeadlineSeconds"] = 300

    return change


def mounted_at(path: str) -> Change:
    """Mount an empty folder there."""

    def change(app: App) -> None:
        app.pod["volumes"].append({"name": "extra", "emptyDir": {}})
        app.container["volumeMounts"].append({"name": "extra", "mountPath": path})

    return change


CASES = (
    Case(
        name="oom-while-loading",
        incidents=(17,),
        fault=memory_limit(120),
        near_miss=memory_limit(288),
        terminal_when=ended(1, reason="OOMKilled"),
        cause=Cause.CONTAINER_OOM_KILLED,
        model=True,
        quick=True,
    ),
    Case(
        name="crash-loop",
        incidents=(22,),
        fault=python("raise SystemExit(3)"),
        near_miss=python(FAIL_ONCE),
        near_status=Status.WARN,
        terminal_when=ended(3, code=3),
        cause=Cause.CONTAINER_EXITED,
    ),
    Case(
        name="command-missing",
        fault=runs("/usr/local/bin/chat-api"),
        near_miss=runs("/opt/venv/bin/python", "-m", "service_chat"),
        terminal_when=waiting("RunContainerError", "CrashLoopBackOff", "CreateContainerError"),
        waited_s=CREATE_S,
        within_s=45,
        cause=Cause.CONTAINER_COMMAND_NOT_FOUND,
    ),
    Case(
        name="init-container-fails",
        fault=before("raise SystemExit(1)"),
        near_miss=before("import time; time.sleep(3)"),
        terminal_when=ended(3, code=1),
        cause=Cause.CONTAINER_INIT_FAILED,
    ),
    Case(
        name="init-container-hangs",
        fault=before("import time; time.sleep(3600)", deadline_s=20),
        near_miss=before("import time; time.sleep(8)", deadline_s=20),
        terminal_when=progress_exceeded,
        cause=Cause.CONTAINER_INIT_RUNNING,
    ),
    Case(
        name="sidecar-fails",
        fault=before("raise SystemExit(1)", sidecar=True),
        near_miss=before("import time; time.sleep(3600)", sidecar=True),
        terminal_when=ended(3, code=1),
        cause=Cause.CONTAINER_SIDECAR_FAILED,
    ),
    Case(
        name="volume-overfull",
        incidents=(1,),
        fault=writes(100),
        near_miss=writes(40),
        terminal_when=failed(2, "Evicted"),
        cause=Cause.POD_EVICTED_STORAGE,
    ),
    Case(
        name="folder-mounted-over-a-file",
        fault=mounted_at("/etc/passwd"),
        near_miss=mounted_at("/etc/carepath"),
        terminal_when=waiting("RunContainerError", "CrashLoopBackOff", "CreateContainerError"),
        waited_s=CREATE_S,
        within_s=45,
        cause=Cause.CONTAINER_CREATE_FAILED,
    ),
    Case(
        name="restarted-once",
        fault=python(FAIL_ONCE),
        near_miss=python(SERVE),
        terminal_when=both(ended(1, code=3), ready()),
        waited_s=RESTART_SETTLE_S,
        cause=Cause.CONTAINER_RESTARTED,
        status=Status.WARN,
    ),
)
