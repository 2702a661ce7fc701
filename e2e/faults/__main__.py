"""`python -m e2e.faults`: run every case, several at once, print the table and write it to notes/faults.md.

Bounded, and never without its table: a case has a time limit of its own, no case begins after the matrix's time is up,
and whatever was found until then is written, also when the run is interrupted.
"""

import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from types import FrameType
from typing import Annotated

import typer

from e2e.commands import chosen, command_world
from e2e.faults.case import Case
from e2e.faults.cases import CASES
from e2e.faults.judging import World
from e2e.faults.running import run_case
from e2e.faults.table import Row, machine, markdown, terminal_line
from infra.paths import PROJECT

NOTES = PROJECT / "notes/faults.md"


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Cases to run; none: all, and notes/faults.md.")] = None,
    at_once: Annotated[int, typer.Option(min=1, help="How many cases run beside each other.")] = 5,
    minutes: Annotated[float, typer.Option(min=1, help="No case begins after so many minutes.")] = 36,
) -> None:
    """Break the app in every way known and hold the gate's verdict against it."""
    cases = chosen(names, {case.name: case for case in CASES}, "case")
    signal.signal(signal.SIGTERM, _interrupt)
    with command_world("e2e.faults") as world:
        matrix = Matrix(cases, world, ends_at=time.monotonic() + 60 * minutes)
        started = time.monotonic()
        try:
            matrix.run(at_once)
        finally:
            rows, took_s = matrix.rows(), time.monotonic() - started
            where = machine(world.api)
            wrong = [row for row in rows if row.problems]
            print(f"{len(rows)} faults, {len(wrong)} wrong, {took_s:.0f} s on {where}")
            if not names:
                partial = NOTES.with_suffix(".partial")
                partial.write_text(markdown(rows, where, took_s), encoding="utf-8")
                partial.replace(NOTES)
                print(f"written: {NOTES.relative_to(PROJECT)}", flush=True)
    raise typer.Exit(1 if wrong else 0)


@dataclass
class Matrix:
    """One run of the matrix.

    Attributes:
        cases: what to run.
        world: where.
        ends_at: monotonic seconds; no case begins after that.
        done: what has been found so far, by the case's name.
    """

    cases: Sequence[Case]
    world: World
    ends_at: float
    done: dict[str, Row] = field(default_factory=dict)

    def run(self, at_once: int) -> None:
        """Run what may run beside others, then the rest one by one."""
        pool = ThreadPoolExecutor(at_once)
        try:
            together = [pool.submit(self._one, case) for case in self.cases if not case.alone]
            self._show(together)
            for case in self.cases:
                if case.alone:
                    self._show([pool.submit(self._one, case)])
        finally:
            # Interrupted: what runs ends by its own time limit, and the table does not wait for it.
            pool.shutdown(wait=False, cancel_futures=True)

    def rows(self) -> list[Row]:
        """Return a row for every case, those that were not run included."""
        missing = ("was not run: the matrix was out of time or interrupted",)
        return [self.done.get(case.name, Row(case, None, missing)) for case in self.cases]

    def _show(self, futures: Sequence["Future[Row | None]"]) -> None:
        for future in as_completed(futures):
            row = future.result()
            if row is not None:
                self.done[row.case.name] = row
                print(terminal_line(row), flush=True)

    def _one(self, case: Case) -> Row | None:
        if time.monotonic() > self.ends_at:
            return None
        try:
            outcome = run_case(case, self.world, index=CASES.index(case))
        except Exception as error:  # noqa: BLE001  # whatever stops one case shall not cost the others' results
            return Row(case, None, (f"could not be run: {type(error).__name__}: {error}",))
        return Row(case, outcome, tuple(outcome.problems()))


def _interrupt(number: int, _: FrameType | None) -> None:
    # A polite kill leaves a table just as Ctrl-C does.
    raise KeyboardInterrupt(signal.Signals(number).name)


if __name__ == "__main__":
    typer.run(main)
