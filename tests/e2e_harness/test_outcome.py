"""What counts as a right verdict: cause, time, exit code and near miss; and how the table tells it."""

from dataclasses import replace
from pathlib import Path

import pytest

from e2e.faults import __main__ as main
from e2e.faults.__main__ import Matrix
from e2e.faults.app import Images
from e2e.faults.case import Case, nothing
from e2e.faults.cases import CASES
from e2e.faults.conditions import unschedulable
from e2e.faults.judging import Acceptance, World, target_text
from e2e.faults.running import Outcome
from e2e.faults.table import Row, markdown, terminal_line
from e2e.faults.unmade import ELSEWHERE, INCIDENTS, INCIDENTS_ELSEWHERE, NOT_HERE
from gate.causes import Cause
from gate.target import load_target
from infra.cluster.api import Api

CASE = Case(
    name="cpu-not-free",
    incidents=(5,),
    fault=nothing,
    near_miss=nothing,
    terminal_when=unschedulable,
    waited_s=15.0,
    cause=Cause.SCHEDULING_INSUFFICIENT_CPU,
)

IMAGES = Images(mock="m", model="n", patients="p", without_model="q")

TOLD = "POD-1 fail scheduling.insufficient_cpu: The reason."


def run(status: str, cause: str | None, *, exit_code: int, at: float = 116.5) -> Acceptance:
    """Return a run of acceptance that judged POD-1."""
    verdict = {"criterion": "POD-1", "status": status, "cause": cause, "reason": "The reason."}
    return Acceptance(exit_code, {"POD-1": verdict}, {"POD-1": at}, 100.0, 130.0, "", "still waiting", 129.0)


RIGHT = Outcome(
    CASE, run("fail", "scheduling.insufficient_cpu", exit_code=1), 100.0, run("pass", None, exit_code=0, at=120.0)
)


def test_outcome_right_has_no_problem_and_its_seconds() -> None:
    """16.5 s after the scheduler's refusal, 1.5 s after the gate's own 15 s."""
    assert list(RIGHT.problems()) == []
    assert RIGHT.seconds == 16.5
    assert Row(CASE, RIGHT, ()).gate_s == 1.5


def test_outcome_of_a_drill_has_no_time_of_the_gate() -> None:
    """A drill puts everything back before it says what it found: its verdict's time is the way back's."""
    drill = replace(RIGHT, case=replace(CASE, tier="rollback"))
    assert (drill.seconds, drill.gate_s) == (16.5, None)


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
    assert (
        "| cpu-not-free | 5 | POD-1 fail scheduling.insufficient_cpu | 16.5 | 15 | 1.5 | pass | still waiting, 29 s |"
        in text
    )
    assert "2 cores, 24 GiB. 1 of 2 right, in 10 minutes." in text
    assert "From tolerance met to verdict: median 1.5 s, worst 1.5 s." in text
    assert "- cpu-not-free: could not be run: no node" in text


def test_table_says_of_each_incident_who_made_it() -> None:
    """By the cases that were right in this run, else where it is judged, else that nobody did."""
    text = markdown([Row(CASE, RIGHT, ())], "2 cores", 60.0)
    assert "| 5 | `cpu-not-free` |" in text
    assert "| 29 | not on this machine" in text
    assert "| 6 | **not made** |" in text
    assert "| 5 | **not made** |" in markdown([Row(CASE, RIGHT, ("late",))], "2 cores", 60.0)


def test_table_lists_causes_by_what_was_right_in_this_run() -> None:
    """A cause that a case made is not listed, one that no machine makes has its reason, the rest is unproven."""
    text = markdown([Row(CASE, RIGHT, ())], "2 cores", 60.0).partition("no fault here has made")[2]
    unproven = text.partition("- Unproven")[2].splitlines()[0]
    assert "scheduling.insufficient_cpu" not in text
    assert "`scheduling.insufficient_memory`" in unproven
    assert "- `pod.preempted`: the pod preempted is gone at once" in text
    assert "pod.preempted" not in unproven


def test_causes_of_elsewhere_are_told_once() -> None:
    """Each cause that is not made here has one reason."""
    told = [*(cause for causes in ELSEWHERE.values() for cause in causes), *NOT_HERE]
    assert len(told) == len(set(told))


def test_every_incident_is_made_by_a_case_or_judged_elsewhere() -> None:
    """No row of the incident list is left out in silence."""
    made = {number for case in CASES for number in case.incidents}
    assert set(INCIDENTS) <= made | set(INCIDENTS_ELSEWHERE)


def test_matrix_out_of_time_leaves_a_row_for_each_case() -> None:
    """What was not begun is told as such, and counts as wrong."""
    api = Api.__new__(Api)
    world = World(api, {}, "https://10.90.0.2:6443", IMAGES)
    matrix = Matrix([CASE, replace(CASE, name="other", alone=True)], world, ends_at=0.0)
    matrix.run(at_once=2)
    assert [row.problems for row in matrix.rows()] == [("was not run: the matrix was out of time or interrupted",)] * 2


def test_matrix_goes_on_past_a_case_that_cannot_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """One case's mishap, of whatever kind, does not cost the other's result."""

    def run_case(case: Case, world: World, *, index: int) -> Outcome:
        assert world.server
        assert index == 3
        if case.name == "broken":
            raise KeyError("status")
        return RIGHT

    monkeypatch.setattr(main, "run_case", run_case)
    monkeypatch.setattr(main, "CASES", Fixed(3))
    world = World(Api.__new__(Api), {}, "https://10.90.0.2:6443", IMAGES)
    matrix = Matrix([replace(CASE, name="broken"), CASE], world, ends_at=float("inf"))
    matrix.run(at_once=1)
    assert [row.problems for row in matrix.rows()] == [("could not be run: KeyError: 'status'",), ()]


class Fixed:
    """A list in which everything stands at one place."""

    def __init__(self, place: int) -> None:
        self.place = place

    def index(self, case: Case) -> int:
        """Return it."""
        assert case
        return self.place


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
