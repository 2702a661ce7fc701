"""`python -m infra.verify`: from nothing to an upgrade judged by every tier, with one report to look at.

The steps stand in one list, in the order of the release checklist. On the embedded cluster everything is brought up and
rolled from the mock (v1.0) to the language model (v2.0); any other target is judged as it is, by the tiers that read.
"""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gate.report.run import ExitCode, ReportError
from gate.report.terminal import render_terminal
from gate.report.write import read_report
from infra.cluster.environment import completed
from infra.cluster.instance import load_record
from infra.paths import DEFAULT_NAME, PROJECT
from infra.progress import say

#: The image repositories and tags of the upgrade, as `python -m infra.images` names them.
OLD, NEW = "v1.0", "v2.0"
MODEL = "SmolLM2-135M-Instruct"

PYTHON = sys.executable
#: The target that is built up from nothing; any other is judged as it is.
EMBEDDED = "local"
#: The gate's exit codes that mean: judged, and the next tier can be judged too.
JUDGED = frozenset({ExitCode.PASSED, ExitCode.FAILED, ExitCode.INCONCLUSIVE})


class StepError(Exception):
    """A step that the rest builds on failed."""


def main(
    target: Annotated[
        str, typer.Option(envvar="GATE_TARGET", help="local, or the name of your own target.")
    ] = EMBEDDED,
) -> None:
    """Verify the whole path, and end in the exit code of the report, or of a step that came out worse.

    The report keeps the last verdict of a criterion: what the upgrade lost, the rollback drill's way forward may not.
    """
    report = PROJECT / "reports" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    started = time.monotonic()
    try:
        statuses = _embedded(report) if target == EMBEDDED else _existing(target, report)
        run = read_report(report)
    except (StepError, ReportError) as error:
        say(f"verify: {error}")
        raise typer.Exit(ExitCode.FAILED) from error
    say(render_terminal(run, color=sys.stderr.isatty()))
    # Of the codes but 0 the smallest weighs most: 1 failed, 2 to 6 pytest's own trouble, 10 inconclusive.
    code = min({run.exit_code, *statuses} - {ExitCode.PASSED}, default=ExitCode.PASSED)
    took_s = time.monotonic() - started
    say(f"verify: {took_s:.0f} s in all, exit code {code}; report: {report / 'index.html'}")
    raise typer.Exit(code)


def _embedded(report: Path) -> tuple[int, ...]:
    """Bring the embedded cluster to v1, upgrade it to v2 under requests, and judge it with every tier.

    Returns the exit statuses of the judging steps.
    """
    _step("embedded cluster", [PYTHON, "-m", "infra.cluster", "up"])
    record = load_record(DEFAULT_NAME)
    if record is None:
        raise StepError("the embedded cluster is up and left no record; `python -m infra.cluster status` tells more")
    os.environ.update(completed(record))
    _step("images: base, wheelhouse, build, push", [PYTHON, "-m", "infra.images"])
    _step(f"plan {OLD}, the mock", _plan(OLD, "mock"))
    _step(f"deploy {OLD}", _rollout(report.with_name(f"{report.name}-{OLD}")))
    _step(f"plan {NEW}, {MODEL}", _plan(NEW, MODEL))
    return (
        _tier("preflight", EMBEDDED, report),
        _tier("container", EMBEDDED, report),
        _step(f"upgrade to {NEW} while requests keep coming", _rollout(report), judged=True),
        _tier("acceptance", EMBEDDED, report),
        # One way back of three, the quickest: each takes a minute, and `make rollback-drill` goes them all.
        _tier("rollback", EMBEDDED, report, "--allow-mutation", "--way=undo"),
        _tier("load", EMBEDDED, report, "--allow-mutation"),
    )


def _existing(target: str, report: Path) -> tuple[int, ...]:
    """Judge a cluster that the user has; nothing is brought up, deployed or drilled."""
    say(f"verify: target {target} is judged as it is: preflight and acceptance; nothing is built, deployed or drilled")
    return tuple(_tier(name, target, report) for name in ("preflight", "acceptance"))


def _plan(tag: str, llm_mode: str) -> list[str]:
    image = f"{os.environ['CAREPATH_REGISTRY']}/carepath-chat-api:{tag}"
    return [PYTHON, "-m", "infra.tf", "plan", "--env", "local", "--chat-image", image, "--llm-mode", llm_mode]


def _rollout(report: Path) -> list[str]:
    apply = [PYTHON, "-m", "infra.tf", "apply", "--env", "local"]
    return [PYTHON, "-m", "gate", "rollout", "--target", EMBEDDED, "--report", str(report), "--", *apply]


def _tier(name: str, target: str, report: Path, *options: str) -> int:
    command = [PYTHON, "-m", "pytest", "-q", "-m", name, f"--target={target}", f"--report={report}", *options]
    return _step(f"tier {name}", command, judged=True)


def _step(name: str, command: Sequence[str], *, judged: bool = False) -> int:
    """Run one step to its end, say how long it took, and return its exit status.

    Args:
        name: what it does.
        command: its words.
        judged: its exit code is the gate's, so that a failure is a verdict and the next step still runs.

    Raises:
        StepError: it failed, and the rest builds on it.
    """
    say(f"\n--- {name}")
    started = time.monotonic()
    status = subprocess.run(command, cwd=PROJECT, check=False).returncode
    say(f"--- {name}: {time.monotonic() - started:.1f} s")
    if status not in (JUDGED if judged else {0}):
        raise StepError(f"step {name!r} ended with exit status {status}: {shlex.join(command)}")
    return status


if __name__ == "__main__":
    typer.run(main)
