"""The launcher's command line: `python -m infra.cluster up | down | status | env | logs | exec`."""

import os
import shlex
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from infra.binaries import BuildError
from infra.cluster import launcher, node
from infra.cluster.api import ApiError
from infra.cluster.cgroups import CgroupError
from infra.cluster.environment import variables
from infra.cluster.instance import InstanceError, Nodes, Record, Settings, load_record
from infra.cluster.locks import LockError
from infra.cluster.pause_image import PauseImageError
from infra.cluster.preflight import UnsuitableHostError
from infra.cluster.process import ComponentError, Supervisor
from infra.commands import CommandError
from infra.paths import DEFAULT_NAME
from infra.progress import say

_KNOWN = (
    ApiError,
    BuildError,
    LockError,
    CgroupError,
    CommandError,
    ComponentError,
    InstanceError,
    PauseImageError,
    UnsuitableHostError,
    launcher.LeftOverError,
    launcher.SettingsError,
    node.NodeError,
)

app = typer.Typer(
    help="A real Kubernetes on this machine, in namespaces of its own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Option("--name", help="the instance; several can run side by side")]


@app.command()
def up(
    name: Name = DEFAULT_NAME,
    disk_gib: Annotated[int, typer.Option(min=5, help="size of the node's disk")] = Settings.disk_gib,
    lb_idle_timeout_s: Annotated[
        int, typer.Option(min=1, help="idle timeout of the load balancer")
    ] = Settings.lb_idle_timeout_s,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="leave a start that failed as it is, to look at")] = False,
    nodes: Annotated[
        Nodes, typer.Option(help="a node of its own, no node, or kwok for simulated ones that you create")
    ] = Settings.nodes,
) -> None:
    """Bring the cluster up; does nothing if it is up."""
    launcher.up(name, Settings(disk_gib, lb_idle_timeout_s, nodes), keep=keep)
    option = "" if name == DEFAULT_NAME else f" --name {name}"
    say(f'next: eval "$({sys.executable} -m infra.cluster env{option})"')


@app.command()
def down(name: Name = DEFAULT_NAME) -> None:
    """Remove the cluster and everything it made on this host."""
    say(f"cluster {name}: {'removed' if launcher.down(name) else 'not there'}")


@app.command()
def status(name: Name = DEFAULT_NAME) -> None:
    """Show every component; ends in 1 unless all are healthy."""
    record = _record(name)
    instance = record.instance
    print(f"cluster {name}: API server {instance.server}")
    if instance.settings.has_node:
        engine = instance.docker_socket if record.own_docker else "the host's"
        print(f"load balancer {instance.loopback_ip}, registry {instance.registry_url}, Docker engine {engine}")
    components = launcher.status(record)
    for component in components:
        pid = f"pid {component.pid}" if component.pid else ""
        print(f"{component.name:20} {component.state:12} {pid:12} {component.log}")
    if not record.ready or not all(component.healthy for component in components):
        raise typer.Exit(1)


@app.command()
def env(name: Name = DEFAULT_NAME) -> None:
    """Print shell commands that point this shell's programs at the cluster."""
    for key, value in variables(_record(name)).items():
        # PATH is the caller's own and grows at the front.
        print(f'export PATH={shlex.quote(value)}:"$PATH"' if key == "PATH" else f"export {key}={shlex.quote(value)}")


@app.command()
def logs(component: str, name: Name = DEFAULT_NAME) -> None:
    """Print a component's log."""
    instance = _record(name).instance
    log = Supervisor.of(instance).log(component)
    if not log.exists():
        known = ", ".join(sorted(path.stem for path in instance.logs.glob("*.log")))
        raise InstanceError(f"no component {component!r} in cluster {name}; there are {known}")
    sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))


@app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(command: Annotated[list[str], typer.Argument(help="after --")], name: Name = DEFAULT_NAME) -> None:
    """Run a command inside the node's namespaces, for a look at its rules, mounts or containers."""
    prefix = node.enter_prefix(Supervisor.of(_record(name).instance))
    os.execvp(prefix[0], [*prefix, *command])  # noqa: S606 - no shell on purpose: this is the user's own command


def _record(name: str) -> Record:
    record = load_record(name)
    if record is None:
        option = "" if name == DEFAULT_NAME else f" --name {name}"
        raise InstanceError(f"there is no cluster {name}; `python -m infra.cluster up{option}` makes it")
    return record


def _interrupt(number: int, _: FrameType | None) -> None:
    # A polite kill undoes a half-made cluster just as Ctrl-C does.
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> None:
    """Run the command line; an error of ours is a message and exit status 1, never a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except _KNOWN as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
