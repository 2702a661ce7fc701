"""Long-running components as processes: started into the instance's cgroup, watched until healthy, stopped by identity.

A start is a race between healthy, exited and deadline. A process is identified by its pid and its start time, so that a
recycled pid is never taken for a component, let alone killed.
"""

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from infra.cluster import cgroups
from infra.cluster.instance import Instance
from infra.commands import SYSTEM_PATH, indented_tail

# TERM, this long, then KILL. The slowest (etcd closing its database) took 0.3 s when measured.
STOP_DEADLINE_S = 8.0
_POLL_S = 0.05
# Joins the groups, then becomes the component: its first instruction runs in the right cgroup, and the pid stays.
_JOIN_AND_EXEC = 'for group in $0; do echo $$ >"$group/cgroup.procs" || exit 125; done; exec "$@"'


class ComponentError(Exception):
    """A component exited or did not become healthy; the message has command line, state and last log lines."""


@dataclass(frozen=True)
class Process:
    """A running component: `started_ticks` is its start time in clock ticks since boot (proc(5), stat field 22)."""

    name: str
    pid: int
    started_ticks: int
    command: tuple[str, ...]

    def alive(self) -> bool:
        """Return whether this very process (not another one with its pid) still runs."""
        return _start_ticks(self.pid) == self.started_ticks


@dataclass(frozen=True)
class Component:
    """What to start and how to tell that it serves."""

    name: str
    command: tuple[str, ...]
    healthy: Callable[[], bool]
    deadline_s: float = 60
    on_host: bool = False


def _start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command in parentheses may hold spaces and parentheses itself.
    fields = stat[stat.rindex(")") + 2 :].split()
    state, start = fields[0], int(fields[19])
    return None if state in {"Z", "X"} else start


class Supervisor:
    """Starts, finds and stops the components of one instance; its memory is one small file per component."""

    def __init__(self, cgroup: str, records: Path, logs: Path) -> None:
        self._cgroup = cgroup
        self._records = records
        self._logs = logs
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    @classmethod
    def of(cls, instance: Instance) -> Self:
        """Return what knows the processes of `instance`."""
        return cls(instance.cgroup, instance.run / "components", instance.logs)

    def start(self, name: str, command: Sequence[str], *, inside: Sequence[str] = ()) -> Process:
        """Start a component, its output appended to its log file; `inside` is put before the command (nsenter)."""
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        groups = " ".join(str(group) for group in cgroups.component_groups(self._cgroup))
        wrapped = ["/bin/sh", "-c", _JOIN_AND_EXEC, groups, *inside, *command]
        with self.log(name).open("ab") as output:
            child = subprocess.Popen(
                wrapped,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the launcher's terminal is the launcher's alone
                cwd="/",
                env=_environment(),
            )
        self._children[child.pid] = child
        process = Process(name, child.pid, _start_ticks(child.pid) or 0, tuple(command))
        partial = self._records / f"{name}.partial"
        partial.write_text(json.dumps(asdict(process), indent=2) + "\n", encoding="utf-8")
        partial.rename(self._records / f"{name}.json")
        return process

    def log(self, name: str) -> Path:
        """Return a component's log file."""
        return self._logs / f"{name}.log"

    def processes(self) -> dict[str, Process]:
        """Return every component that was started, by name; it may have ended."""
        found = {}
        for path in sorted(self._records.glob("*.json")):
            data = json.loads(path.read_text(encoding="utf-8"))
            found[path.stem] = Process(data["name"], data["pid"], data["started_ticks"], tuple(data["command"]))
        return found

    def running(self, name: str) -> Process | None:
        """Return the component's process if it is alive."""
        process = self.processes().get(name)
        return process if process and process.alive() else None

    def wait_healthy(self, components: Sequence[Component]) -> None:
        """Wait until all of these components serve.

        Raises:
            ComponentError: one of them exited, or its deadline passed.
        """
        started = time.monotonic()
        waiting = list(components)
        while waiting:
            for component in tuple(waiting):
                process = self.processes().get(component.name)
                if process is None:
                    raise ComponentError(f"{component.name}: was not started")
                # First: a port that answers may be another process's.
                if not process.alive():
                    raise ComponentError(self._report(process, self._exit(process)))
                if component.healthy():
                    waiting.remove(component)
                elif time.monotonic() - started > component.deadline_s:
                    raise ComponentError(self._report(process, f"not healthy within {component.deadline_s:g} s"))
            if waiting:
                time.sleep(_POLL_S)

    def stop(self, names: Sequence[str], *, timeout_s: float = STOP_DEADLINE_S) -> None:
        """Send TERM to these components at once; those still there after `timeout_s` get KILL. Forget them."""
        known = self.processes()
        stopping = [known[name] for name in names if name in known]
        for process in stopping:
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and any(self._still_there(p) for p in stopping):
            time.sleep(_POLL_S)
        for process in stopping:
            _signal(process, signal.SIGKILL)
            if child := self._children.pop(process.pid, None):
                child.wait()
            (self._records / f"{process.name}.json").unlink(missing_ok=True)

    def _still_there(self, process: Process) -> bool:
        child = self._children.get(process.pid)
        if child is not None:
            return child.poll() is None
        return process.alive()

    def _exit(self, process: Process) -> str:
        child = self._children.get(process.pid)
        status = child.poll() if child else None
        if status is None:
            return "exited"
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"

    def _report(self, process: Process, state: str) -> str:
        log = self.log(process.name)
        tail = indented_tail(log.read_text(encoding="utf-8", errors="replace") if log.exists() else "")
        return f"{process.name}: {state}\n  command: {shlex.join(process.command)}\n  log: {log}{tail}"


def _signal(process: Process, number: signal.Signals) -> None:
    if process.alive():
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _environment() -> dict[str, str]:
    """Return what components inherit: nothing of the caller's proxies, GODEBUG or KUBECONFIG may change them."""
    return {
        "PATH": SYSTEM_PATH,
        "HOME": str(Path.home()),
        "LC_ALL": "C.UTF-8",
    }
