"""The plugin, on small suites run by an inner pytest: outcomes, exit codes, and what must never count as a pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.paths import PROJECT
from tests.inner_project import inner_project
from tests.minimal_target import IDENTITY, NO_CLUSTER, minimal_target

HEAD = """
import pytest
from gate import Cause, Evidence, Status, Verdict
from gate.verdict import passed, inconclusive
SEEN = (Evidence("Node/a", "memory", "1 MiB"),)
pytestmark = pytest.mark.preflight
"""

PASS = """
@pytest.mark.criterion("NODE-1")
def test_node(gate):
    gate.judge(passed("NODE-1", "All is known.", SEEN))
"""
WARN = """
@pytest.mark.criterion("FIT-2")
def test_warn(gate):
    gate.judge(Verdict("FIT-2", Status.WARN, "Thin.", SEEN, Cause.NODE_MARGIN_THIN, "Take the next size."))
"""
FAIL = """
@pytest.mark.criterion("FIT-1")
def test_fail(gate):
    gate.judge(Verdict("FIT-1", Status.FAIL, "700 MiB missing.", SEEN, Cause.MEMORY_DOES_NOT_FIT, "Grow."))
"""
UNKNOWN = """
@pytest.mark.criterion("CFG-1")
def test_unknown(gate):
    gate.judge(inconclusive("CFG-1", Cause.GATE_NOT_MEASURED, "Nobody measured it.", SEEN, "Measure it."))
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project without tiers, with a target that allows drills and one that does not."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    targets = {
        f"targets/{name}.toml": minimal_target(name, cluster=NO_CLUSTER, allow_mutation=mutation)
        for name, mutation in (("local", "true"), ("demo", "false"))
    }
    return inner_project(pytester, targets)


def write(suite: pytest.Pytester, *tests: str, folder: str = "preflight") -> None:
    """Put tests into a tier's folder."""
    (suite.path / folder).mkdir(exist_ok=True)
    (suite.path / folder / "test_tier.py").write_text(HEAD.replace("preflight", folder) + "".join(tests))


def run(suite: pytest.Pytester, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the inner pytest and return exit code, report and terminal text."""
    return outcome(suite, suite.runpytest_inprocess(*arguments))


def outcome(suite: pytest.Pytester, result: pytest.RunResult) -> tuple[int, dict[str, Any], str]:
    """Return exit code, report and terminal text of a finished run."""
    path = suite.path / "reports" / "latest" / "report.json"
    report = json.loads(path.read_text()) if path.exists() else {}
    return int(result.ret), report, result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("tests", "code"),
    [((PASS,), 0), ((PASS, WARN), 0), ((PASS, FAIL), 1), ((PASS, UNKNOWN), 10), ((FAIL, UNKNOWN), 1)],
    ids=["pass", "warn", "fail", "inconclusive", "fail outranks inconclusive"],
)
def test_exit_code_follows_worst_verdict(suite: pytest.Pytester, tests: tuple[str, ...], code: int) -> None:
    """Warnings are allowed; a failure is 1 and outranks an inconclusive verdict, which alone is 10."""
    write(suite, *tests)
    got, report, _ = run(suite, "-m", "preflight")
    assert got == code
    assert report["exit_code"] == code
    assert len(report["verdicts"]) == len(tests)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("pytest.skip('not today')", "gate.skipped"),
        ("pass", "gate.no_verdict"),
        ("gate.judge(passed('FIT-1', 'Other.', SEEN))", "gate.no_verdict"),
        ("raise RuntimeError('boom')", "gate.crashed"),
        ("from gate.readers.errors import DrillRefused; raise DrillRefused('held')", "gate.drill_refused"),
        ("gate.judge(passed('NODE-1', 'Fine.', SEEN)); assert False", "gate.crashed"),
    ],
)
def test_test_without_verdict_is_inconclusive(suite: pytest.Pytester, body: str, cause: str) -> None:
    """A skip, a crash, a missing or a foreign verdict never counts as a pass."""
    write(suite, f"@pytest.mark.criterion('NODE-1')\ndef test_it(gate):\n    {body}\n")
    got, report, _ = run(suite, "-m", "preflight")
    assert got == 10
    assert [verdict["cause"] for verdict in report["verdicts"]] == [cause]


def test_test_out_of_time_is_inconclusive(suite: pytest.Pytester) -> None:
    """The gate's own time limit says nothing about what was to be judged."""
    write(suite, "@pytest.mark.timeout(1)\n", PASS.replace("gate.judge", "__import__('time').sleep(5)\n    gate.judge"))
    got, report, _ = run(suite, "-m", "preflight")
    assert got == 10
    assert [verdict["cause"] for verdict in report["verdicts"]] == ["gate.timed_out"]


def test_failing_fixture_is_inconclusive(suite: pytest.Pytester) -> None:
    """A fixture that crashes leaves its criterion inconclusive, not unreported."""
    write(
        suite,
        "@pytest.fixture\ndef broken():\n    raise OSError('gone')\n",
        "@pytest.mark.criterion('NODE-1')\ndef test_it(gate, broken):\n    pass\n",
    )
    got, report, _ = run(suite, "-m", "preflight")
    assert got == 10
    assert report["verdicts"][0]["cause"] == "gate.crashed"


def test_bare_run_leaves_tiers_out(suite: pytest.Pytester) -> None:
    """Without -m only tests/ runs, and no report is written."""
    write(suite, FAIL)
    got, report, text = run(suite)
    assert got == 0
    assert report == {}
    assert "1 passed" in text


def test_negated_tier_is_not_selected(suite: pytest.Pytester) -> None:
    """`-m "not preflight"` names no tier, so none runs."""
    write(suite, FAIL)
    got, report, text = run(suite, "-m", "not preflight")
    assert (got, report) == (0, {})
    assert "1 passed" in text


def test_tier_named_by_path_runs(suite: pytest.Pytester) -> None:
    """A tier's path selects it like its mark does."""
    write(suite, PASS)
    got, report, _ = run(suite, "preflight")
    assert got == 0
    assert [verdict["criterion"] for verdict in report["verdicts"]] == ["NODE-1"]


def test_gate_without_a_tier_says_what_to_name(suite: pytest.Pytester) -> None:
    """A test outside the tiers that asks for the gate gets no target of its own choosing, but a sentence."""
    (suite.path / "tests" / "test_own.py").write_text("def test_own(gate):\n    pass\n")
    got, report, text = run(suite)
    assert (got, report) == (1, {})
    assert "the fixture `gate` belongs to a tier: name one with -m or by its folder" in text


def test_empty_selection_is_not_success(suite: pytest.Pytester) -> None:
    """A tier without a single criterion ends in pytest's code for no tests."""
    write(suite, PASS)
    got, _, _ = run(suite, "-m", "preflight", "-k", "nothing_of_that_name")
    assert got == 5


def test_criterion_without_its_reader_is_left_out_by_name(suite: pytest.Pytester) -> None:
    """What a target does not have leaves the run, and the report says what and why."""
    write(suite, PASS, "@pytest.mark.criterion('MET-0')\ndef test_metrics(gate):\n    assert False\n")
    got, report, _ = run(suite, "-m", "preflight")
    assert got == 0
    assert report["header"]["left_out"]["MET-0"] == "the target has no cluster"


def test_criterion_deselected_is_left_out_by_name(suite: pytest.Pytester) -> None:
    """A tier narrowed with -k is green, and its report names every criterion that nobody judged."""
    write(suite, PASS, FAIL)
    got, report, _ = run(suite, "-m", "preflight", "-k", "test_node")
    assert got == 0
    assert report["header"]["left_out"]["FIT-1"] == "not selected on the command line"
    assert "NODE-1" not in report["header"]["left_out"]


def test_unknown_criterion_is_a_usage_error(suite: pytest.Pytester) -> None:
    """A tier's test must name a row of the table."""
    write(suite, "@pytest.mark.criterion('ABC-9')\ndef test_it(gate):\n    pass\n")
    got, _, text = run(suite, "-m", "preflight")
    assert got == 4
    assert "got 'ABC-9'" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "demo", "--allow-mutation"), "target 'demo' has allow_mutation = false"),
        (("--target", "local"), "add --allow-mutation"),
    ],
)
def test_drill_without_permission_is_refused(suite: pytest.Pytester, arguments: tuple[str, ...], message: str) -> None:
    """A drill needs the flag and the target's consent; refused before anything runs."""
    write(suite, "def test_it():\n    raise SystemExit('it ran')\n", folder="drills")
    got, report, text = run(suite, "-m", "load", *arguments)
    assert (got, report) == (4, {})
    assert message in text


def test_unknown_target_names_known_ones(suite: pytest.Pytester) -> None:
    """An unknown target is a usage error that lists what there is."""
    write(suite, PASS)
    got, _, text = run(suite, "-m", "preflight", "--target", "prod")
    assert got == 4
    assert "target 'prod': no file" in text
    assert "known targets: demo, local" in text


def test_broken_target_reports_all_problems_at_once(suite: pytest.Pytester) -> None:
    """Every wrong key of a target comes in one message with its value."""
    write(suite, PASS)
    path = suite.path / "targets" / "broken.toml"
    text = minimal_target("Broken", cluster=NO_CLUSTER, allow_mutation="'perhaps'")
    path.write_text(text + "latency_sample = 3\n")
    got, _, text = run(suite, "-m", "preflight", "--target", "broken")
    assert got == 4
    assert "3 problem(s)" in text
    assert "acceptance.latency_sample: Extra inputs are not permitted (got 3)" in text
    assert "allow_mutation" in text
    assert "(got 'Broken')" in text


def test_unreadable_toml_names_file_and_place(suite: pytest.Pytester) -> None:
    """TOML that does not parse is a usage error with line and column."""
    write(suite, PASS)
    (suite.path / "targets" / "torn.toml").write_text("name = \n")
    got, _, text = run(suite, "-m", "preflight", "--target", "torn")
    assert got == 4
    assert "torn.toml: not readable as TOML" in text
    assert "line 1" in text


def test_workers_are_ignored_for_a_tier(suite: pytest.Pytester) -> None:
    """A tier with -n stays in one process: one Snapshot, measurements undisturbed."""
    write(suite, PASS, FAIL)
    got, report, _ = run(suite, "-m", "preflight", "-n", "2")
    assert got == 1
    assert len(report["verdicts"]) == 2


def test_interrupt_still_writes_the_report(suite: pytest.Pytester) -> None:
    """After Ctrl-C what was judged stays, and the rest is named as interrupted."""
    write(suite, PASS, "@pytest.mark.criterion('FIT-1')\ndef test_stop(gate):\n    raise KeyboardInterrupt\n")
    got, report, _ = outcome(suite, suite.runpytest_subprocess("-m", "preflight"))
    assert got == 2
    causes = {verdict["criterion"]: verdict["cause"] for verdict in report["verdicts"]}
    assert causes == {"NODE-1": None, "FIT-1": "gate.interrupted"}


def test_second_tier_joins_the_report(suite: pytest.Pytester) -> None:
    """With --report two tiers end in one report, whose exit code is that of all verdicts."""
    write(suite, FAIL)
    folder = Path("reports") / "one"
    run(suite, "-m", "preflight", "--report", str(folder))
    write(suite, PASS.replace("NODE-1", "POD-1"), folder="acceptance")
    target = suite.path / "targets" / "local.toml"
    target.write_text(target.read_text().replace(NO_CLUSTER, IDENTITY))
    got, _, _ = run(suite, "-m", "acceptance", "--report", str(folder))
    report = json.loads((suite.path / folder / "report.json").read_text())
    assert got == 0
    assert [verdict["criterion"] for verdict in report["verdicts"]] == ["FIT-1", "POD-1"]
    assert report["exit_code"] == 1
