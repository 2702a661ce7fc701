"""`python -m e2e.soaks`: soak the known services side by side, print what SOK-1 says, and write notes/soak.md."""

import shutil
import sys
from typing import Annotated

import typer

from e2e.commands import chosen, command_world
from e2e.faults.table import machine
from e2e.soaks.running import Soak, run_all
from e2e.soaks.services import SERVICES
from e2e.soaks.table import markdown
from gate.durations import parse_duration
from infra.paths import PROJECT

NOTES = PROJECT / "notes/soak.md"
#: Samples and reports of the last show, kept to look at.
FOLDER = PROJECT / "reports/soak-show"


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Services to soak; none: all, and notes/soak.md.")] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long, such as 20m.")] = "20m",
    every: Annotated[str, typer.Option(help="Between two looks, such as 15s.")] = "15s",
) -> None:
    """Soak a steady, a leaking and a slowing service side by side."""
    services = chosen(names, {each.name: each for each in SERVICES}, "service")
    try:
        soak = Soak(parse_duration(lasts), parse_duration(every), FOLDER)
    except ValueError as error:
        print(f"e2e.soaks: {error}", file=sys.stderr)
        raise typer.Exit(4) from error
    for service in services:
        shutil.rmtree(FOLDER / service.name, ignore_errors=True)
    with command_world("e2e.soaks") as world:
        soaked = run_all(services, world, soak)
        where = machine(world.api)
    text = markdown(soaked, where, soak.lasts_s, soak.every_s)
    print(text)
    if not names:
        NOTES.write_text(text, encoding="utf-8")
    raise typer.Exit(1 if any(list(each.problems()) for each in soaked) else 0)


if __name__ == "__main__":
    typer.run(main)
