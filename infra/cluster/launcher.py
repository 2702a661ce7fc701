"""Brings an instance up, takes it down and says how it is: the order of all steps is here, each step is a neighbour's.

Every step before `ready` may be interrupted: what exists is undone then, or by the next `up`, from the record that is
written before the first change to the host.
"""

import contextlib
import dataclasses
import os
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from infra import binaries
from infra.cluster import certificates, cgroups, configs, node, objects, pause_image, preflight
from infra.cluster.api import Api
from infra.cluster.balancer import haproxy
from infra.cluster.components import Catalogue
from infra.cluster.instance import (
    INTERFACE_PREFIX,
    Instance,
    InstanceError,
    Nodes,
    Programs,
    Record,
    Settings,
    cgroup_of,
    checked_name,
    free_index,
    load_record,
)
from infra.cluster.locks import exclusive
from infra.cluster.process import Component, Supervisor
from infra.paths import run_dir
from infra.progress import say

# TERM to KILL at `down`: nothing is saved, so components get only the time to leave by themselves.
_DOWN_DEADLINE_S = 1.0


class SettingsError(Exception):
    """The instance runs with other settings than those asked for now."""


class LeftOverError(Exception):
    """Something of an instance is in a place that cannot be cleaned safely."""


@dataclasses.dataclass(frozen=True)
class ComponentStatus:
    """One component as `status` shows it."""

    name: str
    state: str
    pid: int | None
    log: Path

    @property
    def healthy(self) -> bool:
        """Return whether it serves."""
        return self.state == "healthy"


def up(name: str, settings: Settings, *, keep: bool = False) -> Instance:
    """Bring the instance up, or leave it as it is if it is up; returns when the node is Ready and everything serves.

    A start that fails or is interrupted is undone, unless `keep` asks for the wreck.
    """
    if not preflight.is_privileged():
        # Before the lock, whose file only root can write: one message with everything that is missing here.
        index = free_index(checked_name(name), _taken_indices(name))
        stranger = Instance(name, index, run_dir(name), settings)
        preflight.require(stranger, preflight.read_host(stranger))
    with exclusive(run_dir(checked_name(name))):
        record = _readable_record(name)
        if record and record.ready and Supervisor.of(record.instance).running(node.HOLDER):
            return _keep(record, settings)
        if run_dir(name).exists():
            say(f"cluster {name}: removing what an earlier run left")
            _remove(name)
        return _create(name, settings, keep=keep)


def down(name: str) -> bool:
    """Remove the instance and everything it made; return whether there was one."""
    with exclusive(run_dir(checked_name(name))):
        if not run_dir(name).exists():
            return False
        _remove(name)
        return True


def status(record: Record) -> list[ComponentStatus]:
    """Return how each component is now."""
    supervisor = Supervisor.of(record.instance)
    found = []
    for component in [c for stage in _stages(record) for c in stage]:
        process = supervisor.running(component.name)
        state = "not running"
        if process:
            state = "healthy" if component.healthy() else "not healthy"
        pid = process.pid if process else None
        found.append(ComponentStatus(component.name, state, pid, supervisor.log(component.name)))
    return found


def _keep(record: Record, settings: Settings) -> Instance:
    instance = record.instance
    if instance.settings != settings:
        raise SettingsError(
            f"cluster {instance.name} runs with {instance.settings}, asked for is {settings}: `down` first, then `up`"
        )
    supervisor = Supervisor.of(instance)
    for stage in _stages(record):
        dead = [component for component in stage if supervisor.running(component.name) is None]
        if dead:
            say(f"cluster {instance.name}: starting again what had ended: {', '.join(c.name for c in dead)}")
        _start(supervisor, dead)
        supervisor.wait_healthy(stage)
    _wait_until_ready(instance)
    say(f"cluster {instance.name}: up")
    return instance


def _create(name: str, settings: Settings, *, keep: bool) -> Instance:
    instance = Instance(name, free_index(name, _taken_indices(name)), run_dir(name), settings)
    host = preflight.read_host(instance)
    preflight.require(instance, host)
    programs = Programs(
        binaries.binary(binaries.KUBE),
        binaries.binary(binaries.METRICS_SERVER),
        binaries.binary(binaries.KWOK) if settings.nodes is Nodes.SIMULATED else None,
    )
    pause = binaries.binary(binaries.PAUSE)
    with exclusive(run_dir(name).parent / "numbering", wait=True):
        # Again, now that no other `up` can choose: a build lies in between.
        instance = dataclasses.replace(instance, index=free_index(name, _taken_indices(name)))
        own_docker = host.own_docker and settings.has_node
        record = Record(instance, programs, ready=False, own_docker=own_docker)
        instance.run.mkdir(parents=True, mode=0o711)  # no listing, but sockets and kubeconfig can be opened by path
        record.save()
    say(f"cluster {name}: until `down --name {name}`, this host will have")
    for change in preflight.changes(instance, host):
        say(f"  - {change}")
    try:
        started = time.monotonic()
        _start_everything(record, pause)
        dataclasses.replace(record, ready=True).save()
    except BaseException:
        # On Ctrl-C as well: half a cluster is of no use. An error carries the last log lines with it.
        if keep:
            say(f"cluster {name}: kept as it is, logs in {instance.logs}; `down --name {name}` removes it")
        else:
            say(f"cluster {name}: undoing what was started")
            _remove(name)
        raise
    say(f"cluster {name}: Ready in {time.monotonic() - started:.1f} s")
    return instance


def _start_everything(record: Record, pause: Path) -> None:
    instance = record.instance
    supervisor = Supervisor.of(instance)
    began = time.monotonic()

    def lap(what: str) -> None:
        say(f"  {time.monotonic() - began:4.1f} s  {what}")

    for folder in (instance.config, instance.logs, instance.sockets, instance.run / "bin"):
        folder.mkdir()
    certificates.write_pki(instance)
    configs.write_configs(instance)
    (instance.config / "haproxy.cfg").write_text(haproxy.render(instance, ()), encoding="utf-8")
    _write_commands(record)
    cgroups.create(instance.cgroup, os.cpu_count() or 1)
    node.create(instance, supervisor)
    lap("namespaces, disks and network")
    storage, api_server, others = _stages(record)
    _start(supervisor, storage)
    # Only what the next step needs is awaited here; the rest comes up meanwhile.
    supervisor.wait_healthy([c for c in storage if c.name == "etcd"])
    _start(supervisor, api_server)
    if instance.settings.has_node:
        supervisor.wait_healthy([c for c in storage if c.name in {"registry", "containerd"}])
        pause_image.push(pause, f"http://{instance.node_ip}:5000")
    lap("etcd, container runtime and registry")
    supervisor.wait_healthy(api_server)
    lap("API server")
    _start(supervisor, others)
    Api(instance).apply(objects.system_objects(instance))
    supervisor.wait_healthy([*storage, *others])
    lap("controllers, kubelet, DNS and load balancer")
    _wait_until_ready(instance)
    lap("node")


def _stages(record: Record) -> tuple[list[Component], list[Component], list[Component]]:
    """Return the components in the order of their start: storage, API server, everything that talks to it."""
    make = Catalogue(record.instance, record.programs)
    has_node = record.instance.settings.has_node
    own_docker = [make.docker()] if record.own_docker else []
    storage = [make.etcd(), *([make.containerd(), make.registry(), *own_docker] if has_node else [])]
    node_agents = [make.kubelet(), make.proxy(), make.coredns(), make.metrics_server()]
    edge = [make.haproxy(), make.balancer()]
    controllers = [make.controller_manager(), make.scheduler()]
    if record.instance.settings.nodes is Nodes.SIMULATED:
        controllers.append(make.kwok())
    return storage, [make.apiserver()], [*controllers, *([*node_agents, *edge] if has_node else [])]


def _start(supervisor: Supervisor, components: Sequence[Component]) -> None:
    inside = node.enter_prefix(supervisor)
    for component in components:
        supervisor.start(component.name, component.command, inside=() if component.on_host else inside)


def _wait_until_ready(instance: Instance) -> None:
    api = Api(instance)
    # A pod cannot be made before its namespace has the default service account.
    api.wait_for("/api/v1/namespaces/default/serviceaccounts/default")
    if instance.settings.has_node:
        api.wait_for(f"/api/v1/nodes/{instance.node_name}", condition="Ready")


def _write_commands(record: Record) -> None:
    """Write the folder that `env` puts first on PATH: kubectl, and a Docker client that fits our own engine."""
    folder = record.instance.run / "bin"
    kubectl = folder / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {record.programs.kube} kubectl "$@"\n', encoding="utf-8")
    kubectl.chmod(0o755)
    if record.own_docker:
        # Debian's own client builds with BuildKit against Debian's own engine; a newer one first on PATH wants buildx.
        (folder / "docker").symlink_to("/usr/bin/docker")


def _remove(name: str) -> None:
    """Undo everything, from whichever state: what counts is the cgroup of that name, not what a record says."""
    folder, cgroup = run_dir(name), cgroup_of(name)
    # Containers first: their engines would wait for them.
    for containers in ("kubepods", "docker"):
        cgroups.kill(cgroup, below=containers)
    supervisor = Supervisor(cgroup, folder / "components", folder / "log")
    names = [component for component in supervisor.processes() if component != node.HOLDER]
    supervisor.stop(names, timeout_s=_DOWN_DEADLINE_S)
    cgroups.kill(cgroup)
    record = _readable_record(name)
    if record:  # without one the interface goes with its namespace all the same, a moment later
        node.disconnect(record.instance)
    node.wait_until_detached(folder)
    cgroups.remove(cgroup)
    mounted = [
        line.split()[1]
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        if Path(line.split()[1]).is_relative_to(folder)
    ]
    if mounted:
        # Never expected: removing the folder would remove what is mounted there.
        raise LeftOverError(
            f"mounted on the host below {folder}: {', '.join(mounted)}; unmount these, then `down` again"
        )
    shutil.rmtree(folder)


def _readable_record(name: str) -> Record | None:
    try:
        return load_record(name)
    except InstanceError as error:
        say(str(error))
        return None


def _taken_indices(name: str) -> set[int]:
    """Return the numbers of all other instances: by their records, and by interfaces should a record be unreadable."""
    taken = set()
    for folder in run_dir(name).parent.glob("*/"):
        with contextlib.suppress(InstanceError):
            record = load_record(folder.name) if folder.name != name else None
            taken |= {record.instance.index} if record else set()
    for _, interface in socket.if_nameindex():
        prefix, number = interface[: len(INTERFACE_PREFIX)], interface[len(INTERFACE_PREFIX) :]
        if prefix == INTERFACE_PREFIX and number.isdecimal():
            taken.add(int(number))
    return taken
