"""`python -m infra.soak image | manifests`: the gate's image, and the soak's CronJob for a target."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import yaml

from gate.soak_options import soak_options
from gate.target import TargetError, load_target
from infra.commands import CommandError, run
from infra.images.base import BaseError
from infra.images.engine import EngineError, engine
from infra.images.registry import Registry, RegistryError
from infra.paths import PROJECT
from infra.soak.image import ensure
from infra.soak.manifests import TargetTextError, in_cluster_target, reading_manifests, soak_manifests

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def image() -> None:
    """Build the gate's image, push it to CAREPATH_REGISTRY, and print its reference by digest."""
    try:
        print(ensure(engine(), Registry.from_environment()))
    except (EngineError, BaseError, RegistryError, CommandError) as error:
        print(f"infra.soak: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@app.command()
def manifests(
    image: Annotated[str, typer.Option(help="Of the gate, by digest.")],
    target: Annotated[str, typer.Option(envvar="GATE_TARGET", help="Environment, by name or path.")] = "local",
    schedule: Annotated[str, typer.Option(help="When a soak begins (cron, UTC).")] = "0 6 * * *",
    lasts: Annotated[str, typer.Option("--for", help="How long.")] = "24h",
    every: Annotated[str, typer.Option(help="Between two samples.")] = "5m",
    *,
    reading: Annotated[bool, typer.Option("--reading", help="The pod that serves the last report instead.")] = False,
) -> None:
    """Print the manifests for `kubectl apply -f -`; the cluster's identity is asked of the current context."""
    try:
        namespace = load_target(target, PROJECT).cluster.namespace
        soak_options({"for": lasts, "every": every, "samples": None}, target=target, root=PROJECT)
        documents = (
            reading_manifests(image, namespace=namespace)
            if reading
            else soak_manifests(
                image, _target(target), namespace=namespace, schedule=schedule, lasts=lasts, every=every
            )
        )
    except (TargetError, TargetTextError, ValueError) as error:
        print(f"infra.soak: {error}", file=sys.stderr)
        raise typer.Exit(4) from error
    except CommandError as error:
        print(f"infra.soak: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    print(yaml.safe_dump_all(documents, sort_keys=False), end="")


def _target(name: str) -> str:
    """Return the target as the cluster sees itself, checked by the gate's own reader."""
    path = Path(name) if name.endswith(".toml") else PROJECT / "targets" / f"{name}.toml"
    uid = run(["kubectl", "get", "namespace", "kube-system", "--output", "jsonpath={.metadata.uid}"])
    text = in_cluster_target(path.read_text(encoding="utf-8"), uid.strip())
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as draft:
        draft.write(text)
        draft.flush()
        load_target(draft.name, PROJECT)
    return text


if __name__ == "__main__":
    app()
