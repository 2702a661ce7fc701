"""The pytest side of the gate: options, choice of tiers, outcomes, exit code, report. The only importer of pytest.

A tier's test hands one Verdict to ``gate.judge``; the outcome is made from it here, so that no test can pass by
forgetting to look. A skip, a crash, a time-out, or a test without a verdict is INCONCLUSIVE and fails closed. Without a
tier in the selection this plugin adds nothing to a run.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stamina.instrumentation import set_on_retry_hooks

from gate.causes import Cause
from gate.context import Gate
from gate.criteria import DRILLS, TIERS, Criterion, Tier, criteria
from gate.report.run import Judgement
from gate.selection import FOLDERS, folders_in, named_in
from gate.session import Session
from gate.soak_options import SoakOptions, soak_options
from gate.target import TargetError, Way, load_target
from gate.trouble import raised_evidence, trouble
from gate.verdict import Evidence, Status, Verdict, inconclusive

if TYPE_CHECKING:
    from collections.abc import Generator


#: The attribute that a tier's report carries, for pytest_report_teststatus.
_STATUS = "gate_status"
_SELECTED = pytest.StashKey[frozenset[Tier]]()
_NAMED_FOLDERS = pytest.StashKey[frozenset[str]]()
_SESSION = pytest.StashKey[Session]()
_CRITERION = pytest.StashKey[Criterion]()
_CLOCK = pytest.StashKey[tuple[datetime, float]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the gate's options."""
    group = parser.getgroup("deploy gate")
    group.addoption(
        "--target", metavar="NAME|PATH", default=None, help="environment to judge (default: $GATE_TARGET, else local)"
    )
    group.addoption(
        "--offline", action="store_true", help="reach nothing over a network: judge files only, say what was left out"
    )
    group.addoption(
        "--allow-mutation", action="store_true", help="let drills change the cluster (the target must allow it too)"
    )
    group.addoption(
        "--way",
        action="append",
        choices=[str(way) for way in Way],
        help="way back that the rollback drill goes, once for each (default: all)",
    )
    group.addoption("--image", metavar="REF", default=None, help="image of the container tier (default: the deploy's)")
    group.addoption(
        "--report",
        metavar="DIR",
        default=None,
        help="write the report here, merged with what other tiers left there (default: a new folder in reports/)",
    )

    for name, metavar, told in (
        ("for", "DURATION", "how long a soak lasts: 24h, 20m (default: 24h)"),
        ("every", "DURATION", "between two samples of a soak (default: a 288th of --for, at least 10s)"),
        ("samples", "FILE", "where a soak keeps its samples, and goes on after a stop (default: in reports/soak/)"),
    ):
        group.addoption(f"--{name}", metavar=metavar, dest=f"soak_{name}", default=None, help=told)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Turn ``-m TIER`` without a path into the tier's folder, so that no other tier's conftest is even imported."""
    options = early_config.known_args_namespace
    if options.file_or_dir:
        return
    folders = sorted({FOLDERS[tier] for tier in named_in(options.markexpr or "")})
    present = [folder for folder in folders if (early_config.rootpath / folder).is_dir()]
    options.file_or_dir = present
    args += present


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep a tier to one worker: one Snapshot, measurements undisturbed. Runs before xdist reads its options."""
    named = named_in(config.getoption("markexpr", default="") or "")
    folders = folders_in(config.getoption("file_or_dir", default=[]) or [], config.rootpath)
    config.stash[_SELECTED] = named
    config.stash[_NAMED_FOLDERS] = folders
    if named or folders:
        config.option.numprocesses = None
        config.option.dist = "no"
        config.option.tx = []


def pytest_configure(config: pytest.Config) -> None:
    """Read the target and refuse a drill without permission, before anything is reached."""
    if config.option.help or not (config.stash.get(_SELECTED, None) or config.stash.get(_NAMED_FOLDERS, None)):
        return
    # Each retry of a read would print a line of its own; what failed in the end is in the verdict.
    set_on_retry_hooks(())
    tiers = _tiers_of(config)
    try:
        target = load_target(_target_name(config), config.rootpath)
    except TargetError as error:
        raise pytest.UsageError(str(error)) from error
    for tier in tiers:
        if tier in DRILLS:
            _refuse_without_permission(config, target.name, tier, allowed=target.allow_mutation)
    if config.getoption("--offline"):
        target = target.offline()
    soak = _soak_options(config, target.name, tiers)
    folder = config.getoption("--report")
    started_at = datetime.now(UTC)
    config.stash[_SESSION] = Session(
        gate=Gate(target=target, root=config.rootpath, image=config.getoption("--image"), soak=soak),
        tiers=tiers,
        folder=Path(folder).absolute() if folder else config.rootpath / "reports" / f"{started_at:%Y%m%d-%H%M%S}",
        started_at=started_at,
    )
    # The gate prints its own blocks; pytest's would say the same again.
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "no"
    if not config.option.verbose:
        config.option.reportchars = "N"


def _soak_options(config: pytest.Config, target: str, tiers: tuple[Tier, ...]) -> SoakOptions | None:
    """Return how long and how often a soak looks; bad durations are refused before anything is reached."""
    given: dict[str, str | None] = {name: config.getoption(f"soak_{name}") for name in ("for", "every", "samples")}
    if "soak" in tiers:
        try:
            return soak_options(given, target=target, root=config.rootpath)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
    if named := [f"--{name}" for name, value in given.items() if value is not None]:
        raise pytest.UsageError(f"{', '.join(named)}: belongs to a soak; add -m soak")
    return None


def gate_of(config: pytest.Config) -> Gate:
    """Return the gate of a run that judges a tier, for the top level conftest's fixture.

    Raises:
        pytest.UsageError: the command line names no tier, so no target was read.
    """
    session = config.stash.get(_SESSION, None)
    if session is None:
        raise pytest.UsageError("the fixture `gate` belongs to a tier: name one with -m or by its folder")
    return session.gate


def _target_name(config: pytest.Config) -> str:
    return config.getoption("--target") or os.environ.get("GATE_TARGET") or "local"


def _tiers_of(config: pytest.Config) -> tuple[Tier, ...]:
    named = config.stash[_SELECTED]
    folders = config.stash[_NAMED_FOLDERS]
    return tuple(tier for tier in TIERS if tier in named or (not named and FOLDERS[tier] in folders))


def _refuse_without_permission(config: pytest.Config, target: str, tier: Tier, *, allowed: bool) -> None:
    if not allowed:
        raise pytest.UsageError(
            f"drill {tier!r} changes the cluster, and target {target!r} has allow_mutation = false; "
            f"choose another target or set allow_mutation = true in it"
        )
    if not config.getoption("--allow-mutation"):
        raise pytest.UsageError(f"drill {tier!r} changes the cluster of target {target!r}: add --allow-mutation")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a tier out unless it is named, and the project's own tests out when one is."""
    top = _top_folder(collection_path, config)
    session = config.stash.get(_SESSION, None)
    if top in FOLDERS.values():
        wanted = {FOLDERS[tier] for tier in session.tiers} if session else set()
        return None if top in wanted else True
    if top in {"tests", "e2e"} and session and config.stash[_SELECTED]:
        return True
    return None


def _top_folder(path: Path, config: pytest.Config) -> str:
    """Return the first folder of a path below the root, an empty string for anything else."""
    return path.relative_to(config.rootpath).parts[0] if config.rootpath in path.parents else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bind each tier test to its row of the table, in the table's order; leave out what the target lacks."""
    session = config.stash.get(_SESSION, None)
    if session is None:
        return
    order = {identifier: index for index, identifier in enumerate(criteria())}
    kept: list[tuple[int, pytest.Item]] = []
    dropped: list[pytest.Item] = []
    for item in items:
        if _top_folder(item.path, config) not in FOLDERS.values():
            kept.append((-1, item))
            continue
        criterion = _criterion_of(item)
        if session.can_judge(criterion):
            item.stash[_CRITERION] = criterion
            kept.append((order[criterion.id], item))
        else:
            dropped.append(item)
    kept.sort(key=lambda pair: pair[0])
    items[:] = [item for _, item in kept]
    session.plan([item.stash[_CRITERION].id for item in items if _CRITERION in item.stash])
    if dropped:
        config.hook.pytest_deselected(items=dropped)


def _criterion_of(item: pytest.Item) -> Criterion:
    marker = item.get_closest_marker("criterion")
    identifier = str(marker.args[0]) if marker and marker.args else ""
    if identifier not in criteria():
        raise pytest.UsageError(
            f"{item.nodeid}: a tier's test names its criterion, @pytest.mark.criterion(ID) with an ID of "
            f"gate/criteria.toml; got {identifier!r}"
        )
    criterion = criteria()[identifier]
    if item.get_closest_marker(criterion.tier) is None:
        raise pytest.UsageError(f"{item.nodeid}: {identifier} belongs to {criterion.tier}, the test lacks that mark")
    return criterion


# --- Outcomes ---------------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start the criterion's clock with an empty slot for its verdict."""
    if _CRITERION in item.stash:
        item.config.stash[_SESSION].gate.judged.clear()
        item.stash[_CLOCK] = (datetime.now(UTC), time.monotonic())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the verdict into the outcome."""
    report = yield
    criterion = item.stash.get(_CRITERION, None)
    if criterion is None or (call.when == "setup" and call.excinfo is None):
        return report
    session = item.config.stash[_SESSION]
    if call.when == "teardown":
        if call.excinfo is None:
            return report
        session.judgements[:] = [each for each in session.judgements if each.node_id != item.nodeid]
    verdict = _verdict_of(criterion.id, session.gate.judged, call, report)
    failed = verdict.status in {Status.FAIL, Status.INCONCLUSIVE}
    report.outcome = "failed" if failed else "passed"
    if not failed:
        report.longrepr = None
    elif call.excinfo is None:
        report.longrepr = verdict.reason
    vars(report)[_STATUS] = verdict.status
    session.judgements.append(_judgement(item, criterion, verdict))
    return report


def _judgement(item: pytest.Item, criterion: Criterion, verdict: Verdict) -> Judgement:
    started_at, started = item.stash[_CLOCK]
    return Judgement(
        verdict=verdict,
        tier=criterion.tier,
        title=criterion.statement,
        started_at=started_at,
        duration_s=time.monotonic() - started,
        node_id=item.nodeid,
    )


def _verdict_of(
    criterion: str, judged: list[Verdict], call: pytest.CallInfo[None], report: pytest.TestReport
) -> Verdict:
    """Return the one verdict of a test, or why there is none: the gate's own trouble is never a pass."""
    where = Evidence(f"test/{report.nodeid}", "phase", str(call.when))
    if call.excinfo is not None:
        return _trouble(criterion, call.excinfo.value, where)
    if len(judged) != 1 or judged[0].criterion != criterion:
        got = ", ".join(verdict.criterion for verdict in judged) or "none"
        return inconclusive(
            criterion,
            Cause.GATE_NO_VERDICT,
            f"The test ended with {got} instead of one verdict of {criterion}.",
            (where,),
            "Hand exactly one Verdict of this criterion to gate.judge in the test.",
        )
    return judged[0]


def _trouble(criterion: str, error: BaseException, where: Evidence) -> Verdict:
    """Return the verdict of a test that raised: pytest's own ways to end one here, everything else in ``trouble``."""
    raised = raised_evidence(error, where)
    if isinstance(error, pytest.skip.Exception):
        return inconclusive(
            criterion,
            Cause.GATE_SKIPPED,
            f"The test was skipped: {error}.",
            (raised,),
            "Judge it, or let the target say what it does not have; a skip is not a pass.",
        )
    if isinstance(error, pytest.fail.Exception) and str(error).startswith("Timeout"):
        return inconclusive(
            criterion,
            Cause.GATE_TIMED_OUT,
            f"The gate's own limit for this test ran out: {error}",
            (raised,),
            "Run the tier again with --timeout=SECONDS raised; if it ends there too, look at the last event.",
        )
    return trouble(criterion, error, raised)


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show WARN and INCONCLUSIVE as what they are."""
    match vars(report).get(_STATUS):
        case Status.WARN:
            return "warned", "W", ("WARN", {"yellow": True})
        case Status.INCONCLUSIVE:
            return "inconclusive", "I", ("INCONCLUSIVE", {"purple": True})
        case _:
            return None


# --- End of the run ---------------------------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
    """Decide the exit code and write the report, also after Ctrl-C."""
    running = session.config.stash.get(_SESSION, None)
    if running is None or session.config.option.collectonly:
        return
    if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        session.exitstatus = running.exit_code(session.testsfailed)
    interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
    session.exitstatus = running.end(int(session.exitstatus), interrupted=interrupted)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the header, a line per criterion, a block per problem, the totals, and where the report lies."""
    running = config.stash.get(_SESSION, None)
    if running is None or running.run is None:
        return
    from gate.report.terminal import render_terminal

    terminalreporter.ensure_newline()
    terminalreporter.write_line(render_terminal(running.run, color=terminalreporter.hasmarkup))
    terminalreporter.write_line(running.unpublished or f"report: {running.folder / 'index.html'}")
    if running.bundle and not running.unpublished:
        terminalreporter.write_line(f"bundle: {running.bundle}")
