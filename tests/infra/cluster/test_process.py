"""Components as real processes: healthy, exited or too late; stopped by identity; cgroups are plain folders here."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.cluster import cgroups
from infra.cluster.process import Component, ComponentError, Supervisor


def eventually(condition: Callable[[], bool], timeout_s: float = 5) -> bool:
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def hierarchy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the one cgroup hierarchy."""
    folder = tmp_path / "cgroup"
    (folder / "test" / "system").mkdir(parents=True)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: (folder,))
    return folder


@pytest.fixture
def supervisor(hierarchy: Path, tmp_path: Path) -> Iterator[Supervisor]:
    """Yield a supervisor whose processes end with the test."""
    assert hierarchy.exists()
    found = Supervisor("test", tmp_path / "components", tmp_path / "log")
    yield found
    found.stop(list(found.processes()), timeout_s=0)
    for child in found._children.values():
        child.wait()


def component(command: list[str], *, healthy: bool, deadline_s: float = 5) -> Component:
    """Return a component that is healthy or never is."""
    return Component("c", tuple(command), lambda: healthy, deadline_s)


def test_started_component_runs_under_the_recorded_pid_in_its_cgroup(supervisor: Supervisor, hierarchy: Path) -> None:
    """The wrapper that joins the cgroup becomes the component."""
    process = supervisor.start("c", ["sleep", "60"])
    assert eventually(lambda: Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8") == "sleep\n")
    joined = (hierarchy / "test" / "system" / "cgroup.procs").read_text(encoding="utf-8")
    assert joined.split() == [str(process.pid)]
    assert supervisor.running("c") == process


def test_component_does_not_inherit_the_callers_environment(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy or a KUBECONFIG of the caller's must not change a component."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    supervisor.start("c", ["env"])
    assert eventually(lambda: supervisor.running("c") is None)
    assert "PROXY" not in supervisor.log("c").read_text(encoding="utf-8")


def test_healthy_component_ends_the_wait(supervisor: Supervisor) -> None:
    """Nothing else is waited for."""
    supervisor.start("c", ["sleep", "60"])
    supervisor.wait_healthy([component(["sleep", "60"], healthy=True)])


def test_exited_component_is_reported_with_command_status_and_last_lines(supervisor: Supervisor) -> None:
    """An exit ends the wait at once, long before the deadline."""
    command = ["sh", "-c", "echo bad flag; exit 7"]
    supervisor.start("c", command)
    with pytest.raises(ComponentError) as caught:
        supervisor.wait_healthy([component(command, healthy=False, deadline_s=60)])
    assert str(caught.value) == (
        f"c: exited with status 7\n  command: sh -c 'echo bad flag; exit 7'\n  log: {supervisor.log('c')}\n  | bad flag"
    )


def test_killed_component_is_reported_with_its_signal(supervisor: Supervisor) -> None:
    """Status -9 would send a reader to a manual."""
    process = supervisor.start("c", ["sleep", "60"])
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ComponentError, match="c: killed by SIGKILL"):
        supervisor.wait_healthy([component(["sleep", "60"], healthy=False)])


def test_component_that_is_too_late_is_reported_with_the_deadline(supervisor: Supervisor) -> None:
    """The limit is named; the process is the caller's to stop."""
    supervisor.start("c", ["sleep", "60"])
    with pytest.raises(ComponentError, match=r"c: not healthy within 0\.1 s"):
        supervisor.wait_healthy([component(["sleep", "60"], healthy=False, deadline_s=0.1)])


def test_component_that_was_never_started_is_an_error(supervisor: Supervisor) -> None:
    """A record that is gone must not end in a KeyError."""
    with pytest.raises(ComponentError, match="c: was not started"):
        supervisor.wait_healthy([component(["sleep", "60"], healthy=False)])


def test_stopped_component_gets_term_first(supervisor: Supervisor, tmp_path: Path) -> None:
    """A component that cleans up on TERM has the time to."""
    ready, cleaned = tmp_path / "ready", tmp_path / "cleaned"
    script = f"trap 'touch {cleaned}; exit 0' TERM; touch {ready}; while :; do sleep 0.02; done"
    supervisor.start("c", ["sh", "-c", script])
    assert eventually(ready.exists)
    supervisor.stop(["c"], timeout_s=5)
    assert cleaned.exists()
    assert supervisor.processes() == {}


def test_component_that_ignores_term_is_killed_after_the_deadline(supervisor: Supervisor, tmp_path: Path) -> None:
    """TERM, deadline, KILL."""
    ready = tmp_path / "ready"
    script = f"trap '' TERM; touch {ready}; while :; do sleep 0.02; done"
    process = supervisor.start("c", ["sh", "-c", script])
    assert eventually(ready.exists)
    supervisor.stop(["c"], timeout_s=0.1)
    assert eventually(lambda: not process.alive())


def test_foreign_process_with_a_recycled_pid_is_never_signalled(supervisor: Supervisor, tmp_path: Path) -> None:
    """The record has the pid, but not the start time, of a process that is none of ours."""
    with subprocess.Popen(["/bin/sleep", "60"]) as foreign:
        record = {"name": "c", "pid": foreign.pid, "started_ticks": 1, "command": ["etcd"]}
        (tmp_path / "components").mkdir()
        (tmp_path / "components" / "c.json").write_text(json.dumps(record), encoding="utf-8")
        assert supervisor.running("c") is None
        supervisor.stop(["c"], timeout_s=1)
        assert foreign.poll() is None
        foreign.kill()


def test_second_supervisor_finds_and_stops_what_the_first_started(supervisor: Supervisor, tmp_path: Path) -> None:
    """`down` is another process than `up`."""
    process = supervisor.start("c", ["sleep", "60"])
    other = Supervisor("test", tmp_path / "components", tmp_path / "log")
    assert other.running("c") == process
    other.stop(["c"], timeout_s=5)
    assert not process.alive()
