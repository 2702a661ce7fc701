"""Cheap checks before the first change: can this host carry a cluster, and is the name's place free.

Collects every problem, so that a person fixes them in one go. Reads only; what it finds left over from a crashed run is
the launcher's to clean.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.cluster import cgroups, configs
from infra.cluster.instance import REGISTRY_PORT, Instance
from infra.cluster.ports import is_free
from infra.commands import SYSTEM_PATH
from infra.paths import run_dir

# What a run with the real model's image writes: 2.5 GB of weights in registry, node and build cache, and room to work.
FREE_DISK_GIB = 10
# The components' own 1.3 GiB and a small service beside them (measured, 2 cores, 2026-11).
FREE_MEMORY_MIB = 2500
_PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "docker-registry": "docker-registry",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
}
_NAMED_PIDS = 3  # enough to look at them with ps


@dataclass(frozen=True)
class Host:
    """What the checks look at, gathered once."""

    user_id: int
    programs: Mapping[str, bool]
    cni_plugins: bool
    controllers: frozenset[str]
    free_disk_gib: float
    free_memory_mib: int
    busy_ports: frozenset[int]
    interfaces: frozenset[str]
    loop_devices: bool
    namesakes: frozenset[int]
    own_docker: bool


class UnsuitableHostError(Exception):
    """This host cannot carry the cluster as it is; the message lists every problem."""


def is_privileged() -> bool:
    """Return whether this process may make namespaces and mounts at all."""
    return sys.platform == "linux" and os.geteuid() == 0


def read_host(instance: Instance) -> Host:
    """Gather the facts about this host that matter for `instance`; any user may.

    Raises:
        UnsuitableHostError: this is not Linux, where none of them can be read.
    """
    if sys.platform != "linux":
        raise UnsuitableHostError(_message(instance, [f"it needs Linux (namespaces, cgroups), this is {sys.platform}"]))
    existing = next(folder for folder in (instance.run, *instance.run.parents) if folder.exists())
    own_docker = not docker_engine_answers()
    programs = {**_PROGRAMS, **({"dockerd": "docker.io"} if own_docker else {})}
    return Host(
        user_id=os.geteuid(),
        programs={program: shutil.which(program, path=SYSTEM_PATH) is not None for program in programs},
        cni_plugins=Path(configs.cni_plugins(), "bridge").exists(),
        controllers=_controllers(),
        free_disk_gib=shutil.disk_usage(existing).free / 2**30,
        free_memory_mib=_free_memory_mib(),
        busy_ports=frozenset(p for p in (80, REGISTRY_PORT) if not is_free(instance.loopback_ip, p)),
        interfaces=frozenset(name for _, name in socket.if_nameindex()),
        loop_devices=Path("/dev/loop-control").exists(),
        namesakes=frozenset(cgroups.processes(instance.cgroup)),
        own_docker=own_docker,
    )


def problems(instance: Instance, host: Host) -> list[str]:
    """Return everything that stands in the way, one sentence each; empty if nothing does."""
    checks: list[Callable[[Instance, Host], list[str]]] = [_rights, _software, _kernel, _room, _collisions]
    return [problem for check in checks for problem in check(instance, host)]


def require(instance: Instance, host: Host) -> None:
    """Do nothing if the host is suitable.

    Raises:
        UnsuitableHostError: it is not.
    """
    found = problems(instance, host)
    if found:
        raise UnsuitableHostError(_message(instance, found))


def changes(instance: Instance, host: Host) -> list[str]:
    """Return what `up` will change on the host, for a person to read before it happens."""
    lines = [
        f"files below {instance.run} (a sparse file of {instance.settings.disk_gib} GiB as the node's disk)",
        f"network interface {instance.interface} with {instance.host_ip}/30",
        f"cgroup {instance.cgroup} in {len(cgroups.hierarchies())} hierarchies",
    ]
    if not instance.settings.has_node:
        return [*lines, "processes in a network and a mount namespace of their own"]
    docker = "a Docker engine of its own" if host.own_docker else "no Docker engine: the host's is used as it is"
    return [
        *lines,
        f"load balancer and registry on {instance.loopback_ip}, ports 80 (as Services ask) and {REGISTRY_PORT}",
        f"processes in a network and a mount namespace of their own, among them {docker}",
    ]


def _message(instance: Instance, found: Sequence[str]) -> str:
    listed = "".join(f"\n  - {problem}" for problem in found)
    return (
        f"this host cannot carry the embedded cluster {instance.name!r}:{listed}\n"
        "`make verify TARGET=...` judges a cluster that you have already (kind, minikube, EKS): see targets/."
    )


def docker_engine_answers() -> bool:
    """Return whether a Docker engine that is not ours answers on this host."""
    environment = dict(os.environ)
    if environment.get("DOCKER_HOST", "").startswith(f"unix://{run_dir().parent}/"):
        del environment["DOCKER_HOST"]  # set by our own `env`
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        answer = subprocess.run(
            [docker, "version", "--format", "{{.Server.Version}}"],
            env=environment,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def _rights(_: Instance, host: Host) -> list[str]:
    return [] if host.user_id == 0 else [f"it needs root (namespaces, mounts), this is user id {host.user_id}"]


def _software(_: Instance, host: Host) -> list[str]:
    packages = _PROGRAMS | {"dockerd": "docker.io"}
    missing = [f"{program} (package {packages[program]})" for program, found in host.programs.items() if not found]
    if not host.cni_plugins:
        missing.append("CNI plugins (package containernetworking-plugins)")
    return [f"missing programs: {', '.join(missing)}; `make setup` installs them on Debian"] if missing else []


def _kernel(_: Instance, host: Host) -> list[str]:
    found = []
    missing = {"cpu", "memory", "pids"} - host.controllers
    if missing:
        found.append(
            f"cgroup controllers {', '.join(sorted(missing))} are not available; v1 or v2 with these is needed"
        )
    if not host.loop_devices:
        found.append("/dev/loop-control is missing: the node's disk is a loop-mounted file")
    return found


def _room(instance: Instance, host: Host) -> list[str]:
    found = []
    if host.free_disk_gib < FREE_DISK_GIB:
        found.append(
            f"{host.free_disk_gib:.1f} GiB are free at {instance.run.parent}, {FREE_DISK_GIB} are needed; "
            "CAREPATH_RUN_DIR chooses another place"
        )
    if host.free_memory_mib < FREE_MEMORY_MIB:
        found.append(f"{host.free_memory_mib} MiB of memory are available, {FREE_MEMORY_MIB} are needed")
    return found


def _collisions(instance: Instance, host: Host) -> list[str]:
    found = [
        f"{instance.loopback_ip}:{port} is in use by another program (`ss -ltnp 'sport = :{port}'` shows it)"
        for port in sorted(host.busy_ports)
    ]
    if host.namesakes:
        pids = ", ".join(str(pid) for pid in sorted(host.namesakes)[:_NAMED_PIDS])
        found.append(
            f"{len(host.namesakes)} processes run in cgroup {instance.cgroup} (pids {pids}): an instance of this name "
            "with another CAREPATH_RUN_DIR; another --name would be right"
        )
    if instance.interface in host.interfaces:
        found.append(f"network interface {instance.interface} exists and belongs to no instance known here")
    return found


def _controllers() -> frozenset[str]:
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        return frozenset(unified.read_text(encoding="ascii").split())
    return frozenset(path.name for path in Path("/sys/fs/cgroup").glob("*") if (path / "cgroup.procs").exists())


def _free_memory_mib() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0
