"""`python -m infra.verify`: the order of its steps, what stops it, and its exit code. No step is run."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer

from gate.causes import Cause
from gate.report.run import ReportError, Run
from gate.verdict import Status
from infra import verify
from infra.paths import PROJECT
from tests.report import samples

BAD = samples.bad("POD-1", Cause.IMAGE_NOT_FOUND, "The image is not there.", "Push it.")
UNKNOWN = samples.bad("POD-1", Cause.GATE_UNREACHABLE, "No answer.", "Ask again.", status=Status.INCONCLUSIVE)
ALL_WELL = samples.run(samples.good("POD-1", "All pods run."), exit_code=0)

ORDER = [
    "infra.cluster up",
    "infra.images",
    "infra.tf plan v1.0 mock",
    "gate rollout",
    "infra.tf plan v2.0 SmolLM2-135M-Instruct",
    "pytest preflight",
    "pytest container",
    "gate rollout",
    "pytest acceptance",
    "pytest rollback",
    "pytest load",
]


def short(command: Sequence[str]) -> str:
    """Return a step's command without interpreter, paths and options."""
    module = command[2]
    match module:
        case "pytest":
            return f"pytest {command[command.index('-m', 2) + 1]}"
        case "infra.tf":
            image, mode = command[command.index("--chat-image") + 1], command[command.index("--llm-mode") + 1]
            return f"infra.tf {command[3]} {image.rpartition(':')[2]} {mode}"
        case "gate":
            return f"gate {command[3]}"
        case _:
            return " ".join(command[2:])


@dataclass
class Steps:
    """Stands in for the processes of the steps.

    Attributes:
        statuses: exit status by the step's place in ORDER, 0 for all others.
        ran: every command, in order.
        report: what the last report says.
    """

    statuses: Mapping[int, int] = field(default_factory=dict)
    ran: list[list[str]] = field(default_factory=list)
    report: Run | ReportError = ALL_WELL

    def run(self, command: Sequence[str], *, cwd: Path, check: bool) -> subprocess.CompletedProcess[str]:
        """End with the status that the test chose."""
        assert (cwd, check) == (PROJECT, False)
        self.ran.append(list(command))
        return subprocess.CompletedProcess(list(command), self.statuses.get(len(self.ran) - 1, 0))

    def read_report(self, _: Path) -> Run:
        """Return the report."""
        if isinstance(self.report, ReportError):
            raise self.report
        return self.report

    @property
    def names(self) -> list[str]:
        """Return what ran, shortly."""
        return [short(command) for command in self.ran]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Steps]]:
    """Return a function that runs verify on scripted steps and returns its exit code with what ran."""
    monkeypatch.setenv("GATE_TARGET", "demo")

    def run(target: str = "local", *, up: bool = True, **script: object) -> tuple[int, Steps]:
        world = Steps(**script)  # type: ignore[arg-type]  # fields by name
        monkeypatch.setattr(verify.subprocess, "run", world.run)  # type: ignore[attr-defined]
        monkeypatch.setattr(verify, "read_report", world.read_report)
        monkeypatch.setattr(verify, "load_record", lambda name: {"name": name} if up else None)
        monkeypatch.setattr(verify, "completed", lambda _: {"CAREPATH_REGISTRY": "localhost:5000"})
        monkeypatch.setattr(verify.os, "environ", dict(os.environ))  # type: ignore[attr-defined]
        with pytest.raises(typer.Exit) as ended:
            verify.main(target)
        return ended.value.exit_code, world

    return run


Verify = Callable[..., tuple[int, Steps]]


def test_verify_goes_through_the_checklist_in_order(steps: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    """Cluster, images, the mock, the plan of the model, then every tier around the upgrade; one report."""
    code, world = steps()
    assert code == 0
    assert world.names == ORDER
    assert {each for command in world.ran for each in command if "--target=" in each} == {"--target=local"}
    folders = {each.removeprefix("--report=") for command in world.ran for each in command if "--report=" in each}
    upgrade = world.ran[7]
    assert folders == {upgrade[upgrade.index("--report") + 1]}
    told = capsys.readouterr()
    assert "exit code 0; report: " in told.err
    assert told.out == ""


def test_verify_deploys_the_mock_into_a_report_of_its_own(steps: Verify) -> None:
    """What is judged is the upgrade; v1.0 is where it starts."""
    _, world = steps()
    first, upgrade = (command[command.index("--report") + 1] for command in world.ran if "rollout" in command)
    assert first == f"{upgrade}-v1.0"


def test_verify_lets_only_drills_change_the_cluster(steps: Verify) -> None:
    """Reading tiers get no permission that they do not need."""
    _, world = steps()
    allowed = [short(command) for command in world.ran if "--allow-mutation" in command]
    assert allowed == ["pytest rollback", "pytest load"]


@pytest.mark.parametrize("failing", range(5))
def test_verify_stops_at_a_step_that_the_rest_builds_on(
    steps: Verify, failing: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be brought up is not judged; the command can be pasted."""
    code, world = steps(statuses={failing: 1})
    assert code == 1
    assert world.names == ORDER[: failing + 1]
    assert "ended with exit status 1: " in capsys.readouterr().err


@pytest.mark.parametrize("status", [2, 3, 4, 5])
def test_verify_stops_at_a_tier_that_did_not_judge(steps: Verify, status: int) -> None:
    """An interrupt, a crash, a wrong option or no tests at all are no verdict."""
    code, world = steps(statuses={5: status})
    assert code == 1
    assert world.names[-1] == "pytest preflight"


@pytest.mark.parametrize("status", [1, 10])
def test_verify_goes_on_after_a_verdict(steps: Verify, status: int) -> None:
    """A preflight that fails is a verdict; the tiers after it are judged all the same."""
    code, world = steps(statuses={5: status}, report=samples.run(BAD, exit_code=1))
    assert code == 1
    assert world.names == ORDER


@pytest.mark.parametrize(
    ("statuses", "reported", "expected"),
    [
        ({}, samples.run(BAD, exit_code=1), 1),
        ({8: 10}, samples.run(UNKNOWN, exit_code=10), 10),
        ({7: 1}, ALL_WELL, 1),
        ({7: 10}, ALL_WELL, 10),
        ({7: 1}, samples.run(UNKNOWN, exit_code=10), 1),
    ],
    ids=["failed", "inconclusive", "judged better later", "inconclusive at first", "failed outranks inconclusive"],
)
def test_verify_ends_in_the_worst_that_was_judged(
    steps: Verify, statuses: Mapping[int, int], reported: Run, expected: int
) -> None:
    """The report's exit code, or a step's that a later tier's verdict of the same criterion hides."""
    code, _ = steps(statuses=statuses, report=reported)
    assert code == expected


def test_verify_without_a_report_fails(steps: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to look at is no success."""
    code, _ = steps(report=ReportError("reports/x/report.json: No such file or directory"))
    assert code == 1
    assert "verify: reports/x/report.json: No such file or directory\n" in capsys.readouterr().err


def test_verify_without_a_record_of_the_cluster_stops(steps: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is deployed to a cluster that nobody can name."""
    code, world = steps(up=False)
    assert code == 1
    assert world.names == ["infra.cluster up"]
    assert "verify: the embedded cluster is up and left no record" in capsys.readouterr().err


def test_verify_of_another_target_only_reads(steps: Verify) -> None:
    """A cluster that the user has is judged as it is."""
    code, world = steps("mine", statuses={0: 1}, report=samples.run(BAD, exit_code=1))
    assert code == 1
    assert world.names == ["pytest preflight", "pytest acceptance"]
    assert all("--target=mine" in command for command in world.ran)
