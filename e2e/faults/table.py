"""The matrix's result as a line per case and as notes/faults.md. Pure but for asking which machine it was."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from e2e.faults.case import Case
from e2e.faults.running import Outcome
from e2e.faults.unmade import ELSEWHERE, INCIDENTS, INCIDENTS_ELSEWHERE, NOT_HERE
from gate.causes import Cause
from infra.cluster.api import Api

_PREAMBLE = """\
# The fault matrix

Written by `make faults`: the app is broken on the embedded cluster, one way after the other, and the gate judges it in
a process of its own, as CI runs it. **Final** is the moment when the raw objects say so, stamped by the harness's own
look, five a second. **Tolerance** is how long the gate then waits on purpose, so as never to cry wolf
(`gate/diagnosis/tolerances.py`); what is left stands under **after**. For each fault a **near miss**, the same thing
changed as far as it may go, has to pass the same criterion. `kubectl rollout status` ran beside the gate: its last
line, and how long after final it said so, or how long it had waited when the gate was through.
A negative time: the gate knew before the objects named the fault by themselves."""


_COLUMNS = (
    "fault",
    "incident",
    "verdict",
    "final to verdict, s",
    "tolerance, s",
    "after, s",
    "near miss",
    "kubectl rollout status",
)


@dataclass(frozen=True)
class Row:
    """One case's result; ``outcome`` is None where it could not be run."""

    case: Case
    outcome: Outcome | None
    problems: tuple[str, ...]

    @property
    def seconds(self) -> float | None:
        """Return the time from terminal to the verdict."""
        return self.outcome.seconds if self.outcome else None

    @property
    def gate_s(self) -> float | None:
        """Return the part of it that is not the gate's own tolerance."""
        return self.outcome.gate_s if self.outcome else None


def terminal_line(row: Row) -> str:
    """Return a case's result for the terminal: a line, and one more for each problem."""
    head = f"{'wrong' if row.problems else 'right':5}  {row.case.name:34} {_verdict(row):50} {_seconds(row.gate_s):>7}"
    return "\n".join((head, *(f"       {problem}" for problem in row.problems)))


def markdown(rows: Sequence[Row], where: str, took_s: float) -> str:
    """Return notes/faults.md.

    Args:
        rows: every case that was chosen, run or not.
        where: the machine.
        took_s: seconds that the run took.
    """
    measured = [row.gate_s for row in rows if row.gate_s is not None]
    right = [row for row in rows if not row.problems]
    lines = [
        _PREAMBLE,
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {where}. {len(right)} of {len(rows)} right, in {took_s / 60:.0f} minutes.",
    ]
    if measured:
        lines += [
            f"From tolerance met to verdict: median {median(measured):.1f} s, worst {max(measured):.1f} s.",
        ]
    lines += [
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{'---|' * len(_COLUMNS)}",
        *(_line(row) for row in sorted(rows, key=lambda row: (row.case.criterion != "POD-1", row.case.name))),
        *_incidents(right),
        *_causes(right),
    ]
    wrong = [row for row in rows if row.problems]
    if wrong:
        lines += ["", "## Wrong", ""]
        lines += [f"- {row.case.name}: {' '.join(problem.split())}" for row in wrong for problem in row.problems]
    return "\n".join((*lines, ""))


def _incidents(right: Sequence[Row]) -> Iterator[str]:
    """Yield, for each row of the incident list, the cases that were right in this run, or where else it is judged."""
    yield from ("", "## The incidents", "", "| incident | made by |", "|---|---|")
    for number in INCIDENTS:
        names = [f"`{row.case.name}`" for row in right if number in row.case.incidents]
        yield f"| {number} | {', '.join(names) or INCIDENTS_ELSEWHERE.get(number, '**not made**')} |"


def _causes(right: Sequence[Row]) -> Iterator[str]:
    """Yield which causes no case of this run has made, and where they are judged instead."""
    made = {row.case.cause for row in right}
    unmade = [cause for cause in Cause if cause not in made]
    yield from ("", "## Causes that no fault here has made", "")
    for why, causes in ELSEWHERE.items():
        named = [cause for cause in unmade if cause in causes]
        if named:
            yield f"- {why}: {_named(named)}"
    yield from (f"- `{cause.value}`: {NOT_HERE[cause]}" for cause in unmade if cause in NOT_HERE)
    told = {cause for causes in ELSEWHERE.values() for cause in causes} | set(NOT_HERE)
    unproven = [cause for cause in unmade if cause not in told]
    yield f"- Unproven on a cluster, tested on objects made by hand or recorded only: {_named(unproven) or 'none'}"


def _named(causes: Sequence[Cause]) -> str:
    return ", ".join(f"`{cause.value}`" for cause in causes)


def machine(api: Api) -> str:
    """Return what was measured on: cores, memory, Kubernetes version; no name of any host.

    Raises:
        ApiError: the API server does not answer.
    """
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, Kubernetes {api.get('/version')['gitVersion']}"


def _line(row: Row) -> str:
    case, near = row.case, row.outcome.near.verdicts.get(row.case.criterion) if row.outcome else None
    cells = (
        case.name,
        ", ".join(map(str, case.incidents)) or "-",
        _verdict(row),
        _seconds(row.seconds),
        f"{case.waited_s:g}" if case.waited_s else "-",
        _seconds(row.gate_s),
        near["status"] if near else "none",
        row.outcome.kubectl.replace("|", "/") if row.outcome else "-",
    )
    return f"| {' | '.join(cells)} |"


def _verdict(row: Row) -> str:
    verdict = row.outcome.acceptance.verdicts.get(row.case.criterion) if row.outcome else None
    if verdict is None:
        return "none"
    return f"{verdict['criterion']} {verdict['status']} {verdict['cause'] or ''}".strip()


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
