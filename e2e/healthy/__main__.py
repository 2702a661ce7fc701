"""`python -m e2e.healthy`: judge fifty healthy rollouts, print each, and write notes/healthy.md."""

import time
from typing import Annotated

import typer

from e2e.commands import command_world
from e2e.faults.table import machine
from e2e.healthy.rollouts import STREAMS
from e2e.healthy.running import Judged, run_streams
from e2e.healthy.table import markdown, terminal_line
from infra.paths import PROJECT

NOTES = PROJECT / "notes/healthy.md"


def main(
    at_once: Annotated[int, typer.Option(min=1, help="How many namespaces run beside each other.")] = len(STREAMS),
) -> None:
    """Roll out what is well, in every way known, and count what the gate says against it."""

    def tell(judged: Judged) -> None:
        print(terminal_line(judged), flush=True)

    started = time.monotonic()
    with command_world("e2e.healthy") as world:
        rollouts = run_streams(STREAMS, world, tell, at_once=at_once)
        where = machine(world.api)
    took_s = time.monotonic() - started
    alarms = sum(bool(each.problems) for each in rollouts)
    print(f"{len(rollouts)} healthy rollouts, {alarms} false alarms, {took_s:.0f} s on {where}")
    NOTES.write_text(markdown(rollouts, where, took_s), encoding="utf-8")
    raise typer.Exit(1 if alarms else 0)


if __name__ == "__main__":
    typer.run(main)
