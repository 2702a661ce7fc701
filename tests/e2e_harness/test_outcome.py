"""What counts as a right verdict: cause, time, exit code and near miss; and how the table tells it."""

from dataclasses import replace
from pathlib import Path

import pytest

from e2e.faults.case import Case, nothing
from e2e.faults.conditions import unschedulable
from e2e.faults.running import Acceptance, Outcome, target_text
from e2e.faults.table import Row, markdown, terminal_line
from gate.causes import Cause
from gate.target import load_target

CASE = Case(
    name="cpu-not-free",
    incidents=(5,),
    fault=nothing,
    near_miss=nothing,
    terminal_when=unschedulable,
    waited_s=15.0,
    cause=Cause.SCHEDULING_INSUFFICIENT_CPU,
)

TOLD = "POD-1 fail scheduling.insufficient_cpu: The reason."


def run(status: str, cause: str | None, *, exit_code: int, at: float = 116.5) -> Acceptance:
    """Return a run of acceptance that judged POD-1."""
    verdict = {"criterion": "POD-1", "status": status, "cause": cause, "reason": "The reason."}
    return Acceptance(exit_code, {"POD-1": verdict}, {"POD-1": at}, 100.0, 130.0, "", "still waiting")


RIGHT = Outcome(
    CASE, run("fail", "scheduling.insufficient_cpu", exit_code=1), 100.0, run("pass", None, exit_code=0, at=120.0)
)


def test_outcome_right_has_no_problem_and_its_seconds() -> None:
    """16.5 s after the scheduler's refusal, 1.5 s after the gate's own 15 s."""
    assert list(RIGHT.problems()) == []
    assert RIGHT.seconds == 16.5
    assert Row(CASE, RIGHT, ()).gate_s == 1.5


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (
            replace(RIGHT, acceptance=run("fail", "scheduling.taint_not_tolerated", exit_code=1)),
            "expected fail scheduling.insufficient_cpu, got POD-1 fail scheduling.taint_not_tolerated: The reason.",
        ),
        (
            replace(RIGHT, acceptance=run("fail", "scheduling.insufficient_cpu", exit_code=1, at=131.0)),
            "the verdict came 31.0 s after the fault was final, limit 30 s",
        ),
        (
            replace(RIGHT, acceptance=run("fail", "scheduling.insufficient_cpu", exit_code=0)),
            "acceptance ended with exit code 0 on a failure, expected 1",
        ),
        (
            replace(RIGHT, terminal_at=None),
            f"the fault never became final by its own condition; got {TOLD}",
        ),
        (
            replace(RIGHT, near=run("fail", "scheduling.insufficient_cpu", exit_code=1)),
            f"near miss: expected pass, got {TOLD}",
        ),
    ],
)
def test_outcome_wrong_says_what_and_why(wrong: Outcome, problem: str) -> None:
    """Another cause, too late, a wrong exit code, a fault that never was, a false alarm: a sentence each."""
    assert list(wrong.problems()) == [problem]


def test_outcome_without_a_verdict_shows_what_acceptance_printed() -> None:
    """A run that died says so with its exit code and its last words."""
    dead = replace(RIGHT, acceptance=Acceptance(3, {}, {}, 100.0, 101.0, "Traceback: boom"))
    problems = list(dead.problems())
    assert problems[0].startswith("expected fail scheduling.insufficient_cpu, got POD-1: no verdict; exit code 3")
    assert problems[0].endswith("Traceback: boom")


def test_table_holds_each_fault_with_its_figures() -> None:
    """One line per fault, the machine, and what was wrong beneath."""
    text = markdown([Row(CASE, RIGHT, ()), Row(CASE, None, ("could not be run: no node",))], "2 cores, 24 GiB", 600.0)
    assert "| cpu-not-free | 5 | POD-1 fail scheduling.insufficient_cpu | 16.5 | 15 | pass | still waiting |" in text
    assert "2 cores, 24 GiB. 1 of 2 right, in 10 minutes." in text
    assert "From tolerance met to verdict: median 1.5 s, worst 1.5 s." in text
    assert "- cpu-not-free: could not be run: no node" in text


def test_terminal_line_has_a_line_for_each_problem() -> None:
    """A wrong verdict is told under its fault."""
    assert terminal_line(Row(CASE, None, ("late", "false alarm"))).splitlines()[1:] == [
        "       late",
        "       false alarm",
    ]


@pytest.mark.parametrize("registry", [None, "http://127.0.0.1:5000"])
def test_target_text_is_a_valid_target(tmp_path: Path, registry: str | None) -> None:
    """The file that each case is judged by is one that the gate takes."""
    path = tmp_path / "target.toml"
    path.write_text(target_text("fault-x", "https://10.90.0.2:6443", tmp_path / "m.json", registry), encoding="utf-8")
    target = load_target(str(path), tmp_path)
    assert (target.cluster.namespace, target.has("registry")) == ("fault-x", registry is not None)
