"""`python -m infra.images`: build what has changed, push it, and print each image's reference by digest as JSON."""

import json
import sys
from typing import Annotated

import typer

from infra.cluster.locks import exclusive
from infra.commands import CommandError
from infra.images.base import BaseError
from infra.images.build import ImageNameError, ensure, selected
from infra.images.engine import EngineError, engine
from infra.images.registry import Registry, RegistryError
from infra.paths import cache_dir


def main(
    only: Annotated[
        list[str] | None, typer.Option(help="REPOSITORY or REPOSITORY:TAG; may be given more than once.")
    ] = None,
) -> None:
    """Build what has changed, push it to CAREPATH_REGISTRY, and print each image's reference by digest as JSON."""
    try:
        specs = selected(only or [])
        registry = Registry.from_environment()
        with exclusive(cache_dir() / "images", wait=True):  # a second call finds what the first made
            text = json.dumps(ensure(specs, engine(), registry), indent=2)
    except (ImageNameError, EngineError, BaseError, RegistryError, CommandError) as error:
        print(f"infra.images: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    file = cache_dir() / "images" / f"{registry.name.replace(':', '-')}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    typer.run(main)
