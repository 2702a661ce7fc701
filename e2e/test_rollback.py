"""The rollback drill on the cluster: every way back, and a drill that is killed half-way and restored by its command.

State is what the drill could touch: every object of the namespace, less what controllers write (status, revisions,
replicas, which are the autoscaler's), and what Terraform would change. Finds v1 and v2 deployed, or deploys them.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.faults.judging import World
from gate.journal import journal_path
from infra.commands import CommandError, run
from infra.paths import PROJECT
from infra.tf.workspace import environment_folder, plans_folder

NAMESPACE = "carepath-demo"
DEPLOYMENT = "deployment/chat-api"
MODEL = "SmolLM2-135M-Instruct"
KINDS = "deployments,replicasets,horizontalpodautoscalers,services,poddisruptionbudgets,serviceaccounts,leases"
#: Of a drill's start: pytest, the first snapshot, the answers before the change; a plan for the Terraform way.
CHANGE_LIMIT_S = 180
DRILL_LIMIT_S = 900

pytestmark = [pytest.mark.timeout(1800), pytest.mark.xdist_group("path")]


@dataclass(frozen=True)
class Stage:
    """The app with a version before the one that runs, and the target that names it."""

    target: Path
    environment: dict[str, str]

    def run(self, *words: str, limit_s: float = 300) -> str:
        """Run a program and return what it printed."""
        return run(["/usr/bin/env", *words], env=self.environment, cwd=PROJECT, timeout_s=limit_s)

    def python(self, *words: str, limit_s: float = 300) -> str:
        """Run one of the project's programs."""
        return self.run(sys.executable, "-m", *words, limit_s=limit_s)

    def kubectl(self, *words: str) -> str:
        """Ask the cluster."""
        return self.run("kubectl", "-n", NAMESPACE, *words)

    def template(self) -> dict[str, Any]:
        """Return the pod template that runs."""
        found: dict[str, Any] = json.loads(self.kubectl("get", DEPLOYMENT, "-o", "json"))["spec"]["template"]
        return found

    def state(self) -> dict[str, object]:
        """Return everything that a drill may touch, as it is meant to be."""
        items = json.loads(self.kubectl("get", KINDS, "-o", "json"))["items"]
        return {f"{item['kind']}/{item['metadata']['name']}": _meant(item) for item in items}

    def next_plan(self) -> str:
        """Return the first line of the plan with the variables applied last, kept aside."""
        folder = PROJECT / "reports" / "drills" / "e2e"
        return self.python("infra.tf", "plan", "--env", "local", "--as-applied", "--plans", str(folder)).splitlines()[0]

    def drill(self, way: str | None) -> list[str]:
        """Return the drill's command."""
        options = [f"--target={self.target}", *([f"--way={way}"] if way else [])]
        return [sys.executable, "-m", "pytest", "-q", "-m", "rollback", "--allow-mutation", *options]


def _meant(item: dict[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in item.get("spec", {}).items() if key != "replicas"}
    annotations = {
        key: value
        for key, value in item["metadata"].get("annotations", {}).items()
        if not key.startswith("deployment.kubernetes.io/")
    }
    return {"spec": spec, "labels": item["metadata"].get("labels"), "annotations": annotations}


@pytest.fixture(scope="module")
def stage(world: World, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The app as v2 with v1 before it, deployed by Terraform, and nothing left to apply."""
    environment = dict(world.environment)
    kubeconfig = Path(environment["KUBECONFIG"])
    folder = environment_folder("local")
    plans = plans_folder(folder, kubeconfig) or folder
    text = (PROJECT / "targets/local.toml").read_text(encoding="utf-8")
    target = tmp_path_factory.mktemp("rollback") / "target.toml"
    target.write_text(
        text.replace("https://10.90.0.2:6443", world.server)
        .replace("http://127.0.0.1:5000", environment["CAREPATH_REGISTRY_URL"])
        .replace("infra/terraform/envs/local/plan.json", str(plans / "plan.json"))
        .replace("infra/terraform/envs/local/applied.json", str(plans / "applied.json")),
        encoding="utf-8",
    )
    found = Stage(target, environment)
    if len(_revisions(found)) < 2:
        for tag, mode in (("v1.0", "mock"), ("v2.0", MODEL)):
            image = f"{environment['CAREPATH_REGISTRY']}/carepath-chat-api:{tag}"
            found.python("infra.tf", "plan", "--env", "local", "--chat-image", image, "--llm-mode", mode)
            found.python("infra.tf", "apply", "--env", "local")
            found.kubectl("rollout", "status", DEPLOYMENT, "--timeout=240s")
    # What a test before this one planned and did not apply would keep the Terraform way from being gone.
    for name in ("plan.out", "plan.json", "plan.stamp.json"):
        (plans / name).unlink(missing_ok=True)
    journal_path(PROJECT, "local").unlink(missing_ok=True)
    return found


def _revisions(stage: Stage) -> list[str]:
    try:
        return stage.kubectl("get", "replicasets", "-l", "app=chat-api", "-o", "name").split()
    except CommandError:
        return []


@pytest.fixture
def killed(stage: Stage, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Return a function that starts a drill, kills it once the template has changed, and returns what it printed."""
    started: list[subprocess.Popen[bytes]] = []

    def kill(way: str) -> str:
        before, output = stage.template(), tmp_path / "drill.log"
        with output.open("wb") as log:
            command = [*stage.drill(way), f"--report={tmp_path / 'report'}", "-s"]
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**os.environ, **stage.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        deadline = time.monotonic() + CHANGE_LIMIT_S
        while stage.template() == before:
            assert process.poll() is None, output.read_text(errors="replace")
            assert time.monotonic() < deadline, output.read_text(errors="replace")
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return output.read_text(errors="replace")

    yield kill
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.matrix
@pytest.mark.parametrize("way", ["undo", "set-env", "terraform"])
def test_drill_killed_half_way_is_restored_by_the_command_it_printed(
    stage: Stage, killed: Callable[[str], str], tmp_path: Path, way: str
) -> None:
    """SIGKILL after the change; another drill is refused; the printed command brings back every object."""
    before = stage.state()
    printed = killed(way)
    changed = stage.state()
    assert changed != before
    assert "Lease/carepath-gate-drill" in changed

    match = re.search(r"restore with: (python -m gate restore \S+)", printed)
    assert match, printed
    again = subprocess.run(
        [*stage.drill("undo"), f"--report={tmp_path / 'again'}"],
        cwd=PROJECT,
        env={**os.environ, **stage.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 10, again.stdout
    assert "died and left it changed; restore revision" in again.stdout

    words = shlex.split(match[1])
    done = stage.run(sys.executable, *words[1:], limit_s=600)
    assert "pass: " in done, done
    assert stage.state() == before
    assert not journal_path(PROJECT, "local").exists()
    assert ": 0 to create, 0 to change, 0 to replace, 0 to destroy" in stage.next_plan()


@pytest.mark.matrix
def test_every_way_back_passes_and_puts_everything_back(stage: Stage, tmp_path: Path) -> None:
    """All three judged, each with its seconds, no request lost, the drift named; the state is what it was."""
    before = stage.state()
    report = tmp_path / "report"
    done = subprocess.run(
        [*stage.drill(None), f"--report={report}"],
        cwd=PROJECT,
        env={**os.environ, **stage.environment},
        capture_output=True,
        text=True,
        timeout=DRILL_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = json.loads((report / "report.json").read_text(encoding="utf-8"))["verdicts"]
    told = {each["node_id"].partition("[")[2].rstrip("]"): each for each in verdicts if each["criterion"] == "RBK-1"}
    assert {way: each["status"] for way, each in told.items()} == dict.fromkeys(
        ("undo", "terraform", "set-env"), "pass"
    ), done.stdout
    for way in ("undo", "set-env"):
        planned = [each["value"] for each in told[way]["evidence"] if each["field"] == "would redeploy"]
        assert any("env[LLM_MODE].value: mock -> SmolLM2-135M-Instruct" in each for each in planned), planned
    assert stage.state() == before
    assert ": 0 to create, 0 to change, 0 to replace, 0 to destroy" in stage.next_plan()
