"""The services that are soaked, and what SOK-1 must say of each.

The faults are the harness's own: the image is the one that everybody runs. The leak is a thread started beside the
service by the container's command, the slow-down a CPU quota cut from outside, as a burstable node's credits run out.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from e2e.faults.app import App
from e2e.faults.case import Change, nothing
from e2e.faults.hands import Hands, HarnessError
from gate.causes import Cause
from gate.verdict import Status
from infra.cluster.cgroups import hierarchies

#: 64 KiB every 3.75 s: a mebibyte a minute, which acceptance would never see, and a limit of 1 GiB reached in a night.
_LEAK = """
import os, runpy, threading, time
def leak():
    kept = []
    while True:
        kept.append(os.urandom(64 << 10))
        time.sleep(3.75)
threading.Thread(target=leak, daemon=True).start()
runpy.run_module("service_chat", run_name="__main__")
"""

#: What a t3.medium has without credits: a fifth of each vCPU (EC2 user guide, baseline utilization).
BASELINE = 0.2

Act: TypeAlias = Callable[[Hands, str], None]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service to soak.

    Attributes:
        name: part of the namespace's name.
        told: for the table.
        change: of the app before it is applied.
        status: what SOK-1 must say.
        cause: and why; None for a pass.
        interrupted: whether its soak's process is killed half-way and begun again.
        late: done to the running pod (by UID) after a quarter of the soak, when the beginning is over.
    """

    name: str
    told: str
    change: Change = nothing
    status: Status = Status.PASS
    cause: Cause | None = None
    interrupted: bool = False
    late: Act | None = None


def leaking(app: App) -> None:
    """Let the service keep a mebibyte a minute."""
    app.container["command"] = ["python", "-c", _LEAK]


def out_of_credits(_: Hands, uid: str) -> None:
    """Cut the CPU quota of the pod's containers to the baseline of a burstable node.

    Raises:
        HarnessError: the pod has no cgroup with a quota.
    """
    cut = 0
    for root in hierarchies():
        for folder in root.glob(f"**/*{uid}*/*"):
            # A pod's folder holds its containers' folders beside the controllers' files; only one hierarchy has quotas.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                cut += _cut(folder)
    if not cut:
        raise HarnessError(f"pod {uid}: no cgroup of a container with a CPU quota")


def _cut(folder: Path) -> bool:
    v1, v2 = folder / "cpu.cfs_quota_us", folder / "cpu.max"
    if v2.exists():
        quota, period = v2.read_text(encoding="ascii").split()
        if quota == "max":
            return False
        v2.write_text(f"{int(int(quota) * BASELINE)} {period}", encoding="ascii")
        return True
    quota_us = int(v1.read_text(encoding="ascii"))
    if quota_us <= 0:
        return False
    v1.write_text(str(int(quota_us * BASELINE)), encoding="ascii")
    return True


SERVICES = (
    Service(name="steady", told="the service as it is", interrupted=True),
    Service(
        name="leaks",
        told="the same, keeping 1 MiB a minute",
        change=leaking,
        status=Status.FAIL,
        cause=Cause.MEMORY_GROWING,
    ),
    Service(
        name="slows",
        told="the same, its CPU cut to a fifth after a third of the time",
        status=Status.FAIL,
        cause=Cause.LATENCY_DRIFTING,
        late=out_of_credits,
    ),
)
