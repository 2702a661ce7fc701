"""`python -m e2e.faults`: run every case, several at once, print the table and write it to notes/faults.md."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from e2e.faults.case import Case
from e2e.faults.cases import CASES
from e2e.faults.hands import HarnessError
from e2e.faults.running import Outcome, World, run_case
from e2e.faults.table import Row, machine, markdown, terminal_line
from e2e.faults.world import current_world
from infra.cluster.api import ApiError
from infra.commands import CommandError
from infra.paths import PROJECT

NOTES = PROJECT / "notes/faults.md"


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Cases to run; none: all, and notes/faults.md.")] = None,
    at_once: Annotated[int, typer.Option(min=1, help="How many cases run beside each other.")] = 4,
) -> None:
    """Break the app in every way known and hold the gate's verdict against it."""
    known = {case.name: case for case in CASES}
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        print(f"no case {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        raise typer.Exit(4)
    chosen = [known[name] for name in names] if names else list(CASES)
    try:
        with current_world(sys.executable) as world:
            started = time.monotonic()
            rows = _run(chosen, world, at_once)
            took_s = time.monotonic() - started
            where = machine(world.api)
    except (HarnessError, CommandError, ApiError) as error:
        print(f"e2e.faults: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    wrong = [row for row in rows if row.problems]
    print(f"{len(rows)} faults, {len(wrong)} wrong, {took_s:.0f} s on {where}")
    if not names:
        NOTES.write_text(markdown(rows, where, took_s), encoding="utf-8")
        print(f"written: {NOTES.relative_to(PROJECT)}")
    raise typer.Exit(1 if wrong else 0)


def _run(cases: list[Case], world: World, at_once: int) -> list[Row]:
    """Run what may run beside others, then the rest one by one."""

    def one(case: Case) -> Row:
        row = _row(case, world)
        print(terminal_line(row), flush=True)
        return row

    with ThreadPoolExecutor(at_once) as pool:
        rows = list(pool.map(one, [case for case in cases if not case.alone]))
    return rows + [one(case) for case in cases if case.alone]


def _row(case: Case, world: World) -> Row:
    try:
        outcome: Outcome | None = run_case(case, world, index=CASES.index(case))
        problems = tuple(outcome.problems()) if outcome else ()
    except (HarnessError, CommandError, ApiError) as error:
        outcome, problems = None, (f"could not be run: {error}",)
    return Row(case, outcome, problems)


if __name__ == "__main__":
    typer.run(main)
