"""Pods that find no node."""

from e2e.faults.app import PATIENTS, App
from e2e.faults.case import Case, Change
from e2e.faults.conditions import unschedulable
from gate.causes import Cause
from gate.diagnosis.tolerances import UNSCHEDULABLE_S

#: Left free beside a neighbour that takes the rest of the node.
LEFT_CPU_M, LEFT_MIB = 200, 1024


def beside_neighbour(app: App) -> None:
    """Let a neighbour take the rest of the node: its total would hold the app, what is free decides."""
    neighbour = app.document("Deployment", PATIENTS)["spec"]["template"]["spec"]["containers"][0]
    memory_mib = app.free.memory_bytes // 2**20 - LEFT_MIB
    neighbour["resources"] = {"requests": {"cpu": f"{app.free.cpu_m - LEFT_CPU_M}m", "memory": f"{memory_mib}Mi"}}


def asks_cpu(cpu_m: int) -> Change:
    """Ask for so much CPU."""

    def change(app: App) -> None:
        beside_neighbour(app)
        app.container["resources"] = {
            "requests": {"cpu": f"{cpu_m}m", "memory": "200Mi"},
            "limits": {"memory": "512Mi"},
        }

    return change


def asks_memory(mib: int) -> Change:
    """Ask for so much memory."""

    def change(app: App) -> None:
        beside_neighbour(app)
        app.container["resources"] = {"requests": {"cpu": "60m", "memory": f"{mib}Mi"}, "limits": {"memory": "16Gi"}}

    return change


CASES = (
    Case(
        name="cpu-not-free",
        incidents=(5,),
        fault=asks_cpu(1000),
        near_miss=asks_cpu(LEFT_CPU_M - 20),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_INSUFFICIENT_CPU,
        alone=True,
        quick=True,
    ),
    Case(
        name="memory-not-free",
        incidents=(5,),
        fault=asks_memory(9 * 1024),
        near_miss=asks_memory(LEFT_MIB - 100),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_INSUFFICIENT_MEMORY,
        alone=True,
    ),
)
