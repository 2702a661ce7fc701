"""The commands outside pytest: what they print, and the exit code that says whose trouble it is."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gate import __main__ as main
from gate import deploying, restoring
from gate.causes import Cause
from gate.criteria import criteria
from gate.deploying import Change
from gate.readers import cluster, kube
from gate.readers.errors import Unreachable
from gate.records import Snapshot
from gate.report.run import Run
from gate.report.write import write_report
from gate.target import load_target
from gate.verdict import Evidence, Status, Verdict, passed
from gate.waiting import Waited
from tests.diagnosis import factories as make
from tests.gate.drill_api import FakeApi
from tests.readers import fakes
from tests.report import samples

SEEN = (Evidence("Deployment/chat-api", "status.readyReplicas", "2"),)
GOOD = passed("POD-1", "All 2 pods run.", SEEN)
BROKEN = Verdict("POD-1", Status.FAIL, "Image v9 is not there.", SEEN, Cause.IMAGE_NOT_FOUND, "Push it.")


def gate(*arguments: str) -> Result:
    """Run `python -m gate`."""
    return CliRunner(env={"COLUMNS": "140"}).invoke(main.app, arguments)


@pytest.fixture
def rollout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Return a function that runs `gate rollout` where nobody answers yet, with a wait that ends at once."""

    class Reader:
        """A cluster that is there."""

        def snapshot(self) -> Snapshot:
            """Return a namespace in which nothing runs yet."""
            return make.healthy_snapshot(services=(), pods=())

    def run(verdict: Verdict, *command: str, report: Path = tmp_path / "report") -> Result:
        def under_traffic(_: object, change: Callable[[], object], users: Sequence[object]) -> Change:
            assert users == []
            change()
            waited = Waited(verdict, make.healthy_snapshot(), (), 3.0, 3)
            return Change(started_at=make.NOW, settled_at=make.NOW + timedelta(seconds=3), waited=waited, traffic=())

        monkeypatch.setattr(cluster, "connect", lambda _: Reader())
        monkeypatch.setattr(deploying, "under_traffic", under_traffic)
        where = ("--report", str(report), "--deploys", str(tmp_path / "deploys"))
        return gate("rollout", "--target", "local", *where, "--", *command)

    return run


@pytest.mark.parametrize(("verdict", "code"), [(GOOD, 0), (BROKEN, 1)], ids=["good", "broken"])
def test_rollout_publishes_its_verdict_and_ends_in_its_code(
    rollout: Callable[..., Result], tmp_path: Path, verdict: Verdict, code: int
) -> None:
    """A first deploy has no traffic to lose, so only POD-1 is judged; the report says what the terminal says."""
    result = rollout(verdict, "true")
    assert result.exit_code == code, result.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [each["criterion"] for each in report["verdicts"]] == ["POD-1"]
    assert report["header"]["left_out"] == {"ROL-1": "no pod was ready before: there was nobody to interrupt"}
    assert report["exit_code"] == code
    assert verdict.reason in result.stdout
    assert f"report: {tmp_path / 'report' / 'index.html'}" in result.stdout


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("false",), "gate: false: exit status 1; the rollout was not judged\n"),
        (
            ("no-such-program", "apply"),
            "gate: no-such-program apply: could not be started: No such file or directory\n",
        ),
    ],
)
def test_rollout_whose_command_fails_is_inconclusive(
    rollout: Callable[..., Result], tmp_path: Path, command: tuple[str, ...], message: str
) -> None:
    """An apply that failed says nothing about the service, and is told in one line."""
    result = rollout(GOOD, *command)
    assert (result.exit_code, result.stderr) == (10, message)
    assert not (tmp_path / "report").exists()


def test_rollout_leaves_the_record_of_the_deploy(rollout: Callable[..., Result], tmp_path: Path) -> None:
    """What was deployed where, by what, with which verdicts: beside the report, and named on the terminal."""
    result = rollout(GOOD, "true", "PASSWORD=hunter2")
    (file,) = (tmp_path / "deploys" / "local").glob("*.json")
    record = json.loads(file.read_text())
    told = {key: record[key] for key in ("target", "command", "status", "image_before", "plan", "seconds")}
    snapshot = make.healthy_snapshot()
    image = snapshot.deployments[0].template.containers[0].image
    assert told == {
        "target": "local",
        "command": "true ***",
        "status": "pass",
        "image_before": image,
        "plan": None,
        "seconds": 3.0,
    }
    assert record["verdicts"] == [
        {"criterion": "POD-1", "status": "pass", "cause": None, "reason": "All 2 pods run."},
    ]
    assert (record["image"], record["digest"]) == (image, image.partition("@")[2] or None)
    assert record["report"] == str(tmp_path / "report")
    assert f"deploy: {file}" in result.stdout
    listed = gate("deploys", "--deploys", str(tmp_path / "deploys")).stdout
    assert listed.startswith(f"- {make.NOW:%Y-%m-%d %H:%M:%S} UTC local: ")


def test_rollout_whose_report_cannot_be_written_is_still_recorded(
    rollout: Callable[..., Result], tmp_path: Path
) -> None:
    """The deploy took place, whatever became of its report."""
    (tmp_path / "file").write_text("in the way")
    rollout(GOOD, "true", report=tmp_path / "file" / "report")
    assert len(list((tmp_path / "deploys" / "local").glob("*.json"))) == 1


def test_deploys_without_a_record_say_so(tmp_path: Path) -> None:
    """Nothing deployed from this checkout is no error."""
    result = gate("deploys", "--deploys", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, f"no deploy is on record in {tmp_path}\n")


def test_deploys_into_a_changelog_without_markers_is_an_error(tmp_path: Path) -> None:
    """Nothing is written where nobody asked for it."""
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n")
    result = gate("deploys", "--deploys", str(tmp_path), "--into", str(tmp_path / "CHANGELOG.md"))
    assert result.exit_code == 3
    assert "to write the deploys between" in result.stderr


def test_restore_without_anything_left_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks twice is told that there is nothing to restore."""
    monkeypatch.setattr(kube, "open_connection", lambda _: fakes.FakeServer())
    monkeypatch.setattr(restoring.journal_of, "__defaults__", (lambda _: FakeApi(),))
    result = gate("restore")
    assert result.exit_code == 10
    assert result.stderr == (
        "gate: namespace carepath-demo has no Lease of a drill with a journal on it: there is nothing to restore\n"
    )


def test_restore_of_a_journal_that_is_missing_is_inconclusive(tmp_path: Path) -> None:
    """Nothing is connected to, and nothing is made up."""
    result = gate("restore", str(tmp_path / "local.json"))
    assert result.exit_code == 10
    assert "a drill that ended well leaves none" in result.stderr


def report_of(folder: Path, run: Run) -> Path:
    """Write a run's report."""
    write_report(run, folder)
    return folder


def test_diff_names_what_is_worse_than_in_the_last_green_run(tmp_path: Path) -> None:
    """The exit code says that a verdict is worse, the text which, and what else is not as it was."""
    broken = samples.bad("POD-1", Cause.IMAGE_NOT_FOUND, "Image v9 is not there.", "Push it.")
    report_of(tmp_path / "good", samples.run(samples.good("POD-1", "All well."), exit_code=0))
    later = samples.run(broken, exit_code=1)
    header = replace(later.header, started_at=samples.at(900), finished_at=samples.at(1000), image="r/chat:v9")
    bad = report_of(tmp_path / "bad", replace(later, header=header))
    result = gate("diff", str(bad))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == (
        "bad (2026-11-22 16:05 UTC, fail) against good (2026-11-22 15:50 UTC, pass), target local"
    )
    assert f"image       {samples.IMAGE} -> r/chat:v9" in result.stdout
    assert "verdict     POD-1: pass -> fail image.not_found  Image v9 is not there." in result.stdout
    told = json.loads(gate("diff", str(bad), "--json").stdout)
    assert (told["worse"], told["green"]["report"], told["run"]["status"]) == (True, "good", "fail")
    assert [each["kind"] for each in told["differences"]] == ["image", "verdict"]
    assert gate("diff", str(bad), "--against", str(bad)).stdout.splitlines()[-1] == "nothing changed"


def test_diff_without_a_green_run_is_inconclusive_and_without_a_report_a_usage_error(tmp_path: Path) -> None:
    """Nothing to compare with is not "nothing changed"."""
    only = report_of(tmp_path / "only", samples.run(samples.good("POD-1", "All well."), exit_code=0))
    result = gate("diff", str(only))
    assert result.exit_code == 10
    assert result.stderr.startswith("gate: no earlier green run of target local with acceptance beside ")
    assert gate("diff", str(tmp_path / "nowhere")).exit_code == 4


def test_rollout_that_nobody_can_watch_is_inconclusive(
    rollout: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pods run and no address leads to them: ROL-1 cannot be judged, and leaving it out would hide that."""

    class Reader:
        """A cluster whose Service has no address."""

        def snapshot(self) -> Snapshot:
            """Return ready pods behind no Service."""
            return make.healthy_snapshot(services=())

    ran = tmp_path / "ran"
    rollout(GOOD, "true")
    monkeypatch.setattr(cluster, "connect", lambda _: Reader())
    result = gate("rollout", "--target", "local", "--", "touch", str(ran))
    assert result.exit_code == 10
    assert "has no load balancer address" in result.stderr
    assert not ran.exists()


def test_rollout_that_cannot_be_published_is_still_told(rollout: Callable[..., Result], tmp_path: Path) -> None:
    """A full disk takes the report, not what was found out."""
    (tmp_path / "file").write_text("in the way")
    result = rollout(BROKEN, "true", report=tmp_path / "file" / "report")
    assert result.exit_code == 3
    assert BROKEN.reason in result.stdout
    assert result.stderr.startswith("gate: ")


def test_rollout_without_a_cluster_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate's own trouble is no verdict on the service."""

    def unreachable(_: object) -> None:
        raise Unreachable("API server https://10.90.0.2:6443: connection refused")

    monkeypatch.setattr(cluster, "connect", unreachable)
    result = gate("rollout", "--target", "local", "--", "true")
    assert (result.exit_code, result.stderr) == (10, "gate: API server https://10.90.0.2:6443: connection refused\n")


def test_target_unknown_is_a_usage_error() -> None:
    """What there is instead is named."""
    result = gate("rollout", "--target", "prod", "--", "true")
    assert result.exit_code == 4
    assert result.stderr.startswith("gate: target 'prod': no file ")
    assert "known targets: demo, local" in result.stderr


def test_diagnose_of_a_namespace_without_deployments_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing looked at is not all well."""
    monkeypatch.setattr(kube, "open_connection", lambda _: fakes.FakeServer())
    result = gate("diagnose")
    assert result.exit_code == 10
    assert result.stdout.splitlines() == [
        f"{fakes.SERVER}, namespace carepath-demo: 0 Deployment(s)",
        "Nothing is deployed there, so nothing can be judged: is that the namespace?",
    ]


def test_diagnose_of_a_missing_deployment_names_cause_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for one that is not there is told so, with what was seen and what to do."""
    monkeypatch.setattr(kube, "open_connection", lambda _: fakes.FakeServer())
    result = gate("diagnose", "--deployment", "chat-api")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[2].startswith("FAIL deployment/chat-api: ")
    assert lines[3] == "  cause   rollout.not_found"
    assert [line[:8] for line in lines[4:]] == ["  seen  ", "  do    "]


def test_size_compares_the_targets_node_types() -> None:
    """A row for the planned type and each candidate; the planned one is too small for the model."""
    result = gate("size", "--target", "demo")
    assert result.exit_code == 0
    rows = {line.split("│")[1].strip(): line for line in result.stdout.splitlines() if line.startswith("│")}
    nodes = load_target("demo", main.ROOT).nodes
    assert nodes is not None
    assert list(rows) == [nodes.instance_type, *nodes.candidates]
    assert "fail" in rows[nodes.instance_type]


def test_size_of_an_unknown_type_is_a_usage_error() -> None:
    """A typing error is not a node that does not fit."""
    result = gate("size", "t3.mega")
    assert result.exit_code == 4
    assert "t3.mega" in result.stderr


def test_criteria_are_printed_as_a_table() -> None:
    """A row for each."""
    rows = gate("criteria").stdout.splitlines()[2:]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == list(criteria())


def test_criteria_go_between_the_markers_of_a_page(tmp_path: Path) -> None:
    """The page keeps what stands around them, however often it is done."""
    page = tmp_path / "README.md"
    page.write_text(f"before\n{main.CRITERIA_START}\nold\n{main.CRITERIA_END}\nafter\n", encoding="utf-8")
    assert gate("criteria", "--into", str(page)).exit_code == 0
    once = page.read_text(encoding="utf-8")
    assert once.startswith(f"before\n{main.CRITERIA_START}\n| id |")
    assert once.endswith(f" |\n{main.CRITERIA_END}\nafter\n")
    assert gate("criteria", "--into", str(page)).exit_code == 0
    assert page.read_text(encoding="utf-8") == once


def test_criteria_into_a_page_without_markers_are_refused(tmp_path: Path) -> None:
    """Nothing is written to a page that did not ask for it."""
    page = tmp_path / "README.md"
    page.write_text("before\n", encoding="utf-8")
    result = gate("criteria", "--into", str(page))
    assert result.exit_code == 4
    assert result.stderr == f"gate: {page} has no {main.CRITERIA_START} ... {main.CRITERIA_END}\n"
    assert page.read_text(encoding="utf-8") == "before\n"


def test_import_of_the_command_line_pays_for_no_cluster_and_no_report() -> None:
    """`size` and `criteria` read files: a Kubernetes client and a template engine would double how long they take."""
    heavy = ("kubernetes", "websocket", "httpx", "jinja2", "boto3", "docker", "pytest")
    code = f"import gate.__main__, sys; print([name for name in {heavy} if name in sys.modules])"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=main.ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
