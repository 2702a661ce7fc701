"""The matrix's result as a line per case and as notes/faults.md. Pure but for asking which machine it was."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from e2e.faults.case import Case
from e2e.faults.running import Outcome
from gate.causes import Cause
from infra.cluster.api import Api

_PREAMBLE = """\
# The fault matrix

Written by `make faults`: the app is broken on the embedded cluster, one way after the other, and acceptance judges it
in a process of its own, as CI runs it. **Final** is the moment when the raw objects say so, stamped by the harness's
own look, five a second. **Tolerance** is how long the gate then waits on purpose, so as never to cry wolf
(`gate/diagnosis/tolerances.py`). For each fault a **near miss**, the same thing changed as far as it may go, has to
pass the same criterion. `kubectl rollout status` ran beside acceptance; what it had said by the end stands here.
A negative time: the gate knew before the objects named the fault by themselves."""


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
        return None if self.seconds is None else max(self.seconds - self.case.waited_s, 0.0)


def terminal_line(row: Row) -> str:
    """Return a case's result for the terminal: a line, and one more for each problem."""
    head = f"{'wrong' if row.problems else 'right':5}  {row.case.name:28} {_verdict(row):55} {_seconds(row.seconds):>7}"
    return "\n".join((head, *(f"       {problem}" for problem in row.problems)))


def markdown(rows: Sequence[Row], machine_text: str, took_s: float) -> str:
    """Return notes/faults.md."""
    measured = [row.gate_s for row in rows if row.gate_s is not None]
    right = sum(not row.problems for row in rows)
    lines = [
        *_PREAMBLE.splitlines(),
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine_text}. {right} of {len(rows)} right, in {took_s / 60:.0f} minutes.",
    ]
    if measured:
        lines += [
            f"From tolerance met to verdict: median {median(measured):.1f} s, worst {max(measured):.1f} s.",
        ]
    lines += [
        "",
        "| fault | incident | verdict | final to verdict, s | tolerance, s | near miss | kubectl rollout status |",
        "|---|---|---|---|---|---|---|",
        *(_line(row) for row in sorted(rows, key=lambda row: (row.case.criterion != "POD-1", row.case.name))),
    ]
    made = {row.case.cause for row in rows}
    unmade = ", ".join(f"`{cause.value}`" for cause in Cause if cause not in made)
    told = "No fault here makes these causes; other tiers judge them, or tests on objects made by hand and recorded:"
    lines += ["", told, "", unmade]
    wrong = [row for row in rows if row.problems]
    if wrong:
        lines += ["", "## Wrong", ""]
        lines += [f"- {row.case.name}: {problem}" for row in wrong for problem in row.problems]
    return "\n".join((*lines, ""))


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
        near["status"] if near else "none",
        row.outcome.acceptance.kubectl.replace("|", "/") if row.outcome else "-",
    )
    return f"| {' | '.join(cells)} |"


def _verdict(row: Row) -> str:
    verdict = row.outcome.acceptance.verdicts.get(row.case.criterion) if row.outcome else None
    if verdict is None:
        return "none"
    return f"{verdict['criterion']} {verdict['status']} {verdict['cause'] or ''}".strip()


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
