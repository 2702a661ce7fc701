"""Terraform as a drill uses it: a command that can be pasted, a folder of its own, and errors that say what to run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gate.plan.parse import Plan
from gate.readers.errors import CommandFailed, Malformed
from gate.terraform import Terraform


class Ran:
    """Stands in for a process that ends at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 0, error: str = "") -> None:
        self.commands: list[list[str]] = []
        self.status, self.error = status, error
        monkeypatch.setattr(subprocess, "run", self)

    def __call__(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        """Note the command."""
        assert options["cwd"] == Path("/project")
        self.commands.append(command)
        return subprocess.CompletedProcess(command, self.status, "", self.error)


def test_plan_starts_from_what_was_applied_and_is_read_from_its_own_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment's saved plan is not touched."""
    ran = Ran(monkeypatch)
    (tmp_path / "plan.json").write_text(json.dumps({"format_version": "1.2", "planned_values": {}}), encoding="utf-8")
    found = Terraform("local", Path("/project"), tmp_path).plan("--llm-mode", "mock")
    assert found == Plan(changes=(), terraform_version="unknown")
    words = ["plan", "--env", "local", "--plans", str(tmp_path), "--as-applied", "--llm-mode", "mock"]
    assert ran.commands == [[sys.executable, "-m", "infra.tf", *words]]


def test_plan_that_is_none_is_refused_with_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What another program left there is not taken for a plan."""
    Ran(monkeypatch)
    (tmp_path / "plan.json").write_text(json.dumps({"planned_values": {}}), encoding="utf-8")
    with pytest.raises(Malformed, match=r"plan\.json: not a plan: format_version is missing"):
        Terraform("local", Path("/project"), tmp_path).plan()


@pytest.mark.parametrize(("actions", "commands"), [(["update"], ["plan", "apply"]), (["no-op"], ["plan"])])
def test_apply_again_applies_only_what_a_plan_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, actions: list[str], commands: list[str]
) -> None:
    """A state that is right already costs a plan and no apply."""
    ran = Ran(monkeypatch)
    change = {"address": "a", "mode": "managed", "type": "t", "change": {"actions": actions}}
    plan = {"format_version": "1.2", "planned_values": {}, "resource_changes": [change]}
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    found = Terraform("local", Path("/project"), tmp_path).apply_again()
    assert [command[3] for command in ran.commands] == commands
    assert len(found.effective) == len(commands) - 1


def test_command_that_fails_is_told_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads it can run it again."""
    Ran(monkeypatch, status=1, error="infra.tf: local has no saved plan")
    with pytest.raises(CommandFailed) as caught:
        Terraform("local", Path("/project"), Path("/plans")).apply()
    assert str(caught.value) == (
        "python -m infra.tf apply --env local --plans /plans: exit status 1: infra.tf: local has no saved plan"
    )


def test_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill never waits for ever."""

    def hang(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(CommandFailed, match="timed out after 480"):
        Terraform("local", Path("/project"), Path("/plans")).apply()
