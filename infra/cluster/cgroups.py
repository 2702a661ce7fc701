"""The cgroups of an instance: every process it ever started is below one name, so nothing can be lost or mistaken.

cgroup hierarchies are shared by all network and mount namespaces, which is why each instance has a root of its own. It
is also the surest list of what has to end at `down`: a shim that outlived containerd is in it, a foreign process that
got a recycled pid is not. Knows cgroup v1 (as many hierarchies as are mounted) and v2 (one).
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
# What the kubelet sets and reads for pods on cgroup v2 (kubelet, cm/cgroup_v2_manager_linux.go).
_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids", "hugetlb", "io"})
_PAUSE_S = 0.02


class CgroupError(Exception):
    """A cgroup could not be made, emptied or removed."""


def hierarchies() -> tuple[Path, ...]:
    """Return the mount points of all cgroup hierarchies; one on a cgroup v2 host."""
    found = []
    for line in _MOUNTS.read_text(encoding="utf-8").splitlines():
        _, mount_point, kind, *_ = line.split()
        if kind in {"cgroup", "cgroup2"}:
            found.append(Path(mount_point))
    return tuple(found)


def create(name: str, cpus: int) -> None:
    """Make the instance's root group and the group of its components in every hierarchy.

    The kubelet refuses a cgroup root that is missing in one of them (kubelet, cm/container_manager_linux.go).

    Raises:
        CgroupError: a hierarchy is read-only or refuses.
    """
    for hierarchy in hierarchies():
        for group in (hierarchy / name, hierarchy / name / "system"):
            try:
                delegate(group.parent)
                group.mkdir(exist_ok=True)
                inherit_cpuset(group)
                weigh(group, cpus)
            except OSError as error:
                raise CgroupError(f"cgroup {group}: {error}; a writable cgroup file system would be right") from error


def inherit_cpuset(group: Path) -> None:
    """Give a new v1 cpuset its parent's CPUs and memory nodes: it is empty and takes no process until it has some.

    In v2 an empty cpuset.cpus means the parent's, and cpuset.cpus.effective exists.
    """
    for file in ("cpuset.cpus", "cpuset.mems"):
        path = group / file
        v1 = path.exists() and not (group / f"{file}.effective").exists()
        if v1 and not path.read_text(encoding="ascii").strip():
            path.write_text((group.parent / file).read_text(encoding="ascii"), encoding="ascii")


def weigh(group: Path, cpus: int) -> None:
    """Give a group the weight of all CPUs, as the kubelet gives its pods' group at the root of an ordinary node.

    By default the whole instance would weigh as much as one busy process of the host, and the control plane, which on
    EKS runs elsewhere, would starve beside pods that compute.
    """
    for file, weight in (("cpu.shares", 1024 * cpus), ("cpu.weight", min(100 * cpus, 10_000))):
        if (group / file).exists():
            (group / file).write_text(str(weight), encoding="ascii")


def delegate(group: Path) -> None:
    """Hand a v2 group's controllers on to its children; a v1 group has no such file.

    One at a time: the kernel refuses a list as a whole if it cannot hand on one of them.
    """
    control = group / "cgroup.subtree_control"
    if not control.exists():
        return
    available = (group / "cgroup.controllers").read_text(encoding="ascii").split()
    handed_on = control.read_text(encoding="ascii").split()
    for controller in available:
        if controller in _CONTROLLERS and controller not in handed_on:
            control.write_text(f"+{controller}", encoding="ascii")


def component_groups(name: str) -> list[Path]:
    """Return the group in each hierarchy that components run in."""
    return [hierarchy / name / "system" for hierarchy in hierarchies()]


def processes(name: str, below: str = "") -> set[int]:
    """Return every process below the instance's group (or `below` it), in whichever hierarchy."""
    return {
        int(pid)
        for hierarchy in hierarchies()
        for group in _tree(hierarchy / name / below)
        for pid in _lines(group / "cgroup.procs")
    }


def kill(name: str, below: str = "", *, timeout_s: float = 10) -> None:
    """End every process below the group at once and wait until none is left.

    Raises:
        CgroupError: some did not end in time; the message names them.
    """
    deadline = time.monotonic() + timeout_s
    while remaining := processes(name, below):
        for pid in remaining:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            named = ", ".join(f"{pid} ({_command(pid)})" for pid in sorted(remaining))
            raise CgroupError(f"cgroup {name}: still running {timeout_s:g} s after SIGKILL: {named}")
        time.sleep(_PAUSE_S)


def remove(name: str, *, timeout_s: float = 5) -> None:
    """Remove the instance's groups in every hierarchy.

    Raises:
        CgroupError: a group stayed busy.
    """
    deadline = time.monotonic() + timeout_s
    for hierarchy in hierarchies():
        for group in reversed(list(_tree(hierarchy / name))):
            while group.exists():
                try:
                    group.rmdir()
                except OSError as error:
                    # A group whose last process has just ended stays busy for a moment.
                    if time.monotonic() > deadline:
                        raise CgroupError(f"cgroup {group} cannot be removed: {error}") from error
                    time.sleep(_PAUSE_S)


def _tree(group: Path) -> Iterator[Path]:
    """Yield a group and those below it; the kubelet and runc remove groups while this looks."""
    try:
        children = sorted(group.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    yield group
    for child in children:
        if child.is_dir():
            yield from _tree(child)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:  # the group went away, or is a threaded one (ENOTSUP), whose processes its parent lists
        return []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return "ended"
