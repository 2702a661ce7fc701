"""Containers that end, or are ended."""

from e2e.faults.app import App
from e2e.faults.case import Case, Change
from e2e.faults.conditions import ended
from gate.causes import Cause


def memory_limit(mib: int) -> Change:
    """Limit the container to so many MiB."""

    def change(app: App) -> None:
        memory = f"{mib}Mi"
        app.container["resources"] = {"requests": {"cpu": "60m", "memory": memory}, "limits": {"memory": memory}}

    return change


CASES = (
    Case(
        name="oom-while-loading",
        incidents=(17,),
        fault=memory_limit(120),
        near_miss=memory_limit(400),
        terminal_when=ended(1, reason="OOMKilled"),
        cause=Cause.CONTAINER_OOM_KILLED,
        model=True,
        quick=True,
    ),
)
