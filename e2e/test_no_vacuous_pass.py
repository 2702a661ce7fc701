"""Nothing to look at is never a success: no app, no criteria, a run cut off."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.faults.app import LABEL, baseline
from e2e.faults.conditions import ready
from e2e.faults.hands import Hands, free
from e2e.faults.judging import World, accept, command, target_text
from e2e.faults.running import START_TIMEOUT_S
from infra.paths import PROJECT

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("no-vacuous-pass")]
#: Not among the matrix's (FIRST_PORT and up).
PORT = 17990
INTERRUPTED = 2
NO_TESTS_COLLECTED = 5


@contextlib.contextmanager
def namespace(world: World, name: str) -> Iterator[Hands]:
    """Make a namespace and delete it in the end."""
    hands = world.hands(name)
    hands.delete(wait=True)
    hands.kubectl("create", "namespace", name)
    hands.kubectl("label", "namespace", name, f"{LABEL}=true")
    try:
        yield hands
    finally:
        hands.delete(wait=False)


def write_target(folder: Path, world: World, name: str, **replaced: str) -> Path:
    """Write a target for a namespace; `replaced` maps a line's key to its new value."""
    manifests = folder / "manifests.yaml"
    app = baseline(name, PORT, world.images, free(world.api), model=False)
    manifests.write_text(yaml.safe_dump_all(app.documents), encoding="utf-8")
    lines = target_text(name, world.server, manifests).splitlines()
    for key, value in replaced.items():
        found = [number for number, line in enumerate(lines) if line.startswith(f"{key} = ")]
        assert found, f"the target has no line {key}"
        lines[found[0]] = f"{key} = {value}"
    target = folder / "target.toml"
    target.write_text("\n".join(lines), encoding="utf-8")
    return target


def test_acceptance_without_the_app_fails(world: World, tmp_path: Path) -> None:
    """In an empty namespace no criterion passes, the run fails, and the first cause is that nothing was deployed."""
    with namespace(world, "e2e-empty"):
        run = accept(write_target(tmp_path, world, "e2e-empty"), tmp_path / "report", world.environment)
    assert run.exit_code == 1, run.output
    assert run.verdicts["POD-1"]["cause"] == "rollout.not_found"
    assert {verdict["status"] for verdict in run.verdicts.values()} <= {"fail", "inconclusive"}, run.output


def test_acceptance_scaled_to_zero_fails(world: World, tmp_path: Path) -> None:
    """A Deployment without pods proves nothing: no criterion that needs a pod passes."""
    with namespace(world, "e2e-zero") as hands:
        app = baseline("e2e-zero", PORT, world.images, free(world.api), model=False)
        app.deployment["spec"]["replicas"] = 0
        hands.apply(app.documents)
        run = accept(write_target(tmp_path, world, "e2e-zero"), tmp_path / "report", world.environment)
    assert run.exit_code == 1, run.output
    assert run.verdicts["POD-1"]["cause"] == "rollout.scaled_to_zero"
    passed = {name for name, verdict in run.verdicts.items() if verdict["status"] in {"pass", "warn"}}
    assert passed <= {"HPA-1"}, run.output


def test_acceptance_with_no_criterion_selected_is_no_success(world: World, tmp_path: Path) -> None:
    """A selection that matches nothing ends in pytest's own code for it."""
    target = write_target(tmp_path, world, "e2e-none")
    done = subprocess.run(
        [*command(target, tmp_path / "report"), "-k", "no_such_criterion"],
        cwd=PROJECT,
        env={**os.environ, **world.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == NO_TESTS_COLLECTED, done.stdout + done.stderr


def test_acceptance_interrupted_still_writes_the_report(world: World, tmp_path: Path) -> None:
    """Ctrl-C in the middle: exit code 2, and a report in which nothing passed and every criterion is accounted for."""
    with namespace(world, "e2e-interrupt") as hands:
        app = baseline("e2e-interrupt", PORT, world.images, free(world.api), model=False)
        hands.apply(app.documents)
        hands.wait_for(ready(), timeout_s=START_TIMEOUT_S)
        target = write_target(tmp_path, world, "e2e-interrupt", stable_window_s="120.0")
        process = subprocess.Popen(
            [*command(target, tmp_path / "report"), "-vv"],
            cwd=PROJECT,
            env={**os.environ, **world.environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        said = b""
        while b"test_rollout_is_complete_and_stable" not in said:
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, said.decode()
            said += piece
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, (said + rest).decode()
    report = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert (report["exit_code"], report["interrupted"]) == (INTERRUPTED, True)
    assert {verdict["cause"] for verdict in report["verdicts"]} == {"gate.interrupted"}
    listed = subprocess.run(
        [*command(target, tmp_path / "listed"), "--collect-only"],
        cwd=PROJECT,
        env={**os.environ, **world.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.count("acceptance/test_acceptance.py::")
    assert len(report["verdicts"]) == listed > 0
