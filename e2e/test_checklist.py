"""The release checklist end to end, each of its steps a test, in its own words (`make checklist`).

Runs in a copy of the checkout, for the checklist edits files. The steps build on each other, so the first failure ends
the run. What stands in for the account, its addresses and the model is said in `e2e/checklist/stand_ins.py`.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from e2e.checklist.document import CHECKLIST, Step, steps
from e2e.checklist.handling import HANDLING, LONG_S, Handling, edited, handled
from e2e.checklist.record import Typed, markdown
from e2e.checklist.shell import Done, Shell
from e2e.checklist.stand_ins import replaced, stand_ins
from e2e.faults.judging import World
from e2e.faults.table import machine
from infra.paths import PROJECT
from infra.tf.program import terraform

STEPS = steps(CHECKLIST.read_text(encoding="utf-8"))
RECORD = PROJECT / "notes/checklist-run.md"
#: Between two tries of a step that passes only after a while.
RETRY_S = 3.0

pytestmark = [pytest.mark.checklist, pytest.mark.timeout(2 * LONG_S)]


class Engineer:
    """Types the steps one after the other, and remembers what each took."""

    def __init__(self, shell: Shell, published: str) -> None:
        self.shell = shell
        self.stand_ins = stand_ins(shell.environment["CAREPATH_REGISTRY"], published)
        self.typed: list[Typed] = []

    def does(self, step: Step, handling: Handling) -> None:
        """Do one step as the checklist means it.

        Raises:
            AssertionError: it failed, or its output does not show what it must.
        """
        text = replaced(step.text, self.stand_ins)
        if handling.before:
            before = self.shell.run(handling.before, LONG_S)
            assert before.status == 0, f"{handling.before}\n{before.output}\n{before.errors}"
        started = time.monotonic()
        if step.language == "hcl":
            self._edit(text, handling)
        elif handling.foreground:
            problem = self._watched(self.shell.start(text), handling)
            assert not problem, f"{text}\n{problem}"
        else:
            problem = self._tried(f"{text}\n{handling.after}", handling)
            assert not problem, f"{text}\n{problem}"
        self.typed.append(Typed(step, text, time.monotonic() - started))

    def _edit(self, text: str, handling: Handling) -> None:
        if handling.edits:
            file = self.shell.folder / handling.edits
            file.write_text(edited(file.read_text(encoding="utf-8"), text), encoding="utf-8")

    def _watched(self, log: Path, handling: Handling) -> str:
        deadline = time.monotonic() + handling.until_s
        while (problem := handling.check(log.read_text(encoding="utf-8"))) and time.monotonic() < deadline:
            time.sleep(RETRY_S)
        return problem

    def _tried(self, text: str, handling: Handling) -> str:
        deadline = time.monotonic() + handling.until_s
        while True:
            done = self.shell.run(text, handling.limit_s)
            problem = _problem(done, handling)
            if not problem or time.monotonic() > deadline:
                return problem
            time.sleep(RETRY_S)


def _problem(done: Done, handling: Handling) -> str:
    if done.status != 0:
        return f"exit status {done.status}\n{done.output[-3000:]}\n{done.errors[-3000:]}"
    # Docker says on either stream what it did, depending on its version.
    return handling.check(done.output) and handling.check(done.output + done.errors)


@pytest.fixture(scope="module")
def engineer(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engineer]:
    """Somebody in a fresh copy of the checkout, with the mock (v1.0) deployed, as before the release."""
    folder = tmp_path_factory.mktemp("release")
    checkout = _copied(folder / "checkout")
    environment = {**os.environ, **world.environment, "HUGGINGFACE_TOKEN": "hf_not_needed_for_a_public_model"}
    environment["PATH"] = f"{_terraform(folder / 'bin')}:{environment['PATH']}"
    shell = Shell(checkout, environment, folder)
    before = "make tf-init; make tf-plan CHAT_IMAGE=localhost:5000/carepath-chat-api:v1.0 LLM_MODE=mock; make tf-apply"
    deployed = shell.run(
        f"{before}; kubectl rollout status deployment/chat-api -n carepath-demo --timeout=300s", LONG_S
    )
    assert deployed.status == 0, deployed.output + deployed.errors
    found = Engineer(shell, environment.get("TESTCONTAINERS_HOST_OVERRIDE", "localhost"))
    try:
        yield found
    finally:
        shell.stop()
    if len(found.typed) == len(STEPS):
        where = f"{datetime.now(UTC):%Y-%m-%d}, {machine(world.api)}"
        RECORD.write_text(markdown(found.typed, found.stand_ins, where), encoding="utf-8")


def _copied(folder: Path) -> Path:
    """Copy what is under version control, with the Python environment as it is."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607  # the user's git
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


def _terraform(folder: Path) -> Path:
    """Give the shell a `terraform`: the program that the project uses, by the name that the checklist calls it."""
    program = terraform()
    folder.mkdir()
    script = folder / "terraform"
    script.write_text(
        f'#!/bin/sh\nTF_CLI_CONFIG_FILE="{program.config_file}" exec "{program.path}" "$@"\n', encoding="utf-8"
    )
    script.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    "step", STEPS, ids=lambda step: f"line-{step.line}-{step.text.split()[0]}-{step.text.split()[1]}"
)
def test_checklist_step_works_as_written(engineer: Engineer, step: Step) -> None:
    """It ends well, and its output shows what the checklist looks for."""
    engineer.does(step, handled(step, HANDLING))
