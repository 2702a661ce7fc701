"""The CI workflow asks for little, runs what exists, and lets no exit code but 0 pass."""

import os
import re
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.paths import PROJECT

FILE = PROJECT / ".github/workflows/deploy-gate.yml"
JUDGE = PROJECT / ".github/judge.sh"


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    """Return the workflow's jobs."""
    found = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert found["permissions"] == {}
    assert set(found["jobs"]) == {"preflight", "deploy", "acceptance"}
    return dict(found["jobs"])


def commands(job: dict[str, Any]) -> str:
    """Return what a job's steps run, one line each."""
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


def judged(folder: Path, code: int, *, report: bool = True) -> tuple[int, str, str]:
    """Return exit code, annotation and summary of a command of the gate that ended in `code`."""
    if report:
        (folder / "report").mkdir()
        (folder / "report/report.md").write_text("# verdicts\n", encoding="utf-8")
    summary = folder / "summary.md"
    done = subprocess.run(
        [str(JUDGE), str(folder / "report"), "sh", "-c", f"exit {code}"],
        env={"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip(), summary.read_text(encoding="utf-8")


def test_pull_request_gets_no_credentials(jobs: dict[str, Any]) -> None:
    """Code that nobody has reviewed runs without a token, and judges files only."""
    assert jobs["preflight"]["permissions"] == {"contents": "read"}
    assert "--offline" in commands(jobs["preflight"])
    assert not any("configure-aws-credentials" in step.get("uses", "") for step in jobs["preflight"]["steps"])


@pytest.mark.parametrize("name", ["deploy", "acceptance"])
def test_job_with_credentials_has_its_own_role_and_waits_for_others(jobs: dict[str, Any], name: str) -> None:
    """Credentials are short-lived, and two deploys never meet."""
    assert jobs[name]["permissions"] == {"contents": "read", "id-token": "write"}
    assert jobs[name]["concurrency"] == {"group": "deploy-demo", "cancel-in-progress": False}
    roles = [step["with"]["role-to-assume"] for step in jobs[name]["steps"] if "aws-" in step.get("uses", "")]
    assert roles == [{"deploy": "${{ vars.DEPLOY_ROLE_ARN }}", "acceptance": "${{ vars.GATE_ROLE_ARN }}"}[name]]


def test_actions_are_named_by_commit(jobs: dict[str, Any]) -> None:
    """A tag of somebody else's repository can be moved to other code."""
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert len(used) >= 8
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []


def test_tiers_and_modules_that_are_run_exist(jobs: dict[str, Any]) -> None:
    """Each `pytest -m` is a marker, each `python -m` a package, and the environment is one of Terraform's."""
    text = "\n".join(commands(job) for job in jobs.values())
    settings = ConfigParser()
    settings.read(PROJECT / "pytest.ini")
    markers = {line.split(":")[0].strip() for line in settings["pytest"]["markers"].splitlines()}
    tiers = re.findall(r"pytest -q -m (\w+)", text)
    assert tiers == ["preflight", "preflight", "acceptance"]
    assert set(tiers) <= markers
    modules = {name for name in re.findall(r"python -m ([\w.]+)", text) if name != "pytest"}
    assert modules == {"gate", "infra.tf"}
    assert all((PROJECT / name.replace(".", "/") / "__main__.py").is_file() for name in modules)
    assert (PROJECT / "infra/terraform/envs/demo/backend.hcl.example").is_file()


def test_every_judging_step_keeps_its_report(jobs: dict[str, Any]) -> None:
    """The folder that a tier writes is the one that is summed up and uploaded, also after a failure."""
    for name, job in jobs.items():
        written = set(re.findall(r"--report[= ](\S+)", commands(job)))
        summed = set(re.findall(r"judge\.sh (\S+)", commands(job)))
        (upload,) = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        assert written == summed == {upload["with"]["path"]}, name
        assert upload["if"] == "${{ !cancelled() }}", name


@pytest.mark.parametrize(
    ("code", "annotation"),
    [
        (0, "::notice title=gate::passed; warnings, if any, are in the summary"),
        (1, "::error title=gate::failed: the summary names the cause and what to do"),
        (10, "::error title=gate::inconclusive, not a pass: the summary says what could not be judged"),
        (4, "::error title=gate::the gate itself did not run to its end (exit code 4)"),
    ],
)
def test_exit_code_is_kept_and_told(tmp_path: Path, code: int, annotation: str) -> None:
    """Only 0 lets the job go on, and the summary is the report."""
    assert judged(tmp_path, code) == (code, annotation, "# verdicts\n")


def test_missing_report_is_told(tmp_path: Path) -> None:
    """A command that ends before it judged leaves a summary all the same."""
    code, _, summary = judged(tmp_path, 4, report=False)
    assert (code, "ended with exit code 4 before anything was judged" in summary) == (4, True)
