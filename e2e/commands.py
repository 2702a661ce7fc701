"""What the commands of this folder share: which of their cases were named, and a cluster that may not be there."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import typer

from e2e.faults.hands import HarnessError
from e2e.faults.judging import World
from e2e.faults.world import current_world
from infra.cluster.api import ApiError
from infra.commands import CommandError

_Case = TypeVar("_Case")


def chosen(names: Sequence[str] | None, known: Mapping[str, _Case], what: str) -> list[_Case]:
    """Return what was named on the command line, everything where nothing was.

    Raises:
        typer.Exit: with code 4, after the names that nobody knows and those that there are.
    """
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        typer.echo(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}", err=True)
        raise typer.Exit(4)
    return [known[name] for name in names or known]


@contextmanager
def command_world(program: str) -> Iterator[World]:
    """Yield the embedded cluster with its images.

    Raises:
        typer.Exit: with code 1, after what is wrong with the cluster, its images or a command.
    """
    try:
        with current_world(sys.executable) as world:
            yield world
    except (HarnessError, CommandError, ApiError) as error:
        typer.echo(f"{program}: {error}", err=True)
        raise typer.Exit(1) from error
