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


def is_unified() -> bool:
    """Return whether this is a cgroup v2 host."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def create(name: str) -> None:
    """Make the instance's root group and the group of its components in every hierarchy.

    The kubelet refuses a cgroup root that is missing in one of them (kubelet, cm/container_manager_linux.go).

    Raises:
        CgroupError: a hierarchy is read-only or refuses.
    """
    for hierarchy in hierarchies():
        for group in (hierarchy / name, hierarchy / name / "system"):
            try:
                group.mkdir(exist_ok=True)
                _inherit_cpuset(group)
            except OSError as error:
                raise CgroupError(f"cgroup {group}: {error}; a writable cgroup file system would be right") from error


def _inherit_cpuset(group: Path) -> None:
    # A new v1 cpuset is empty and takes no process until it has CPUs and memory nodes.
    for file in ("cpuset.cpus", "cpuset.mems"):
        path = group / file
        if path.exists() and not is_unified() and not path.read_text(encoding="ascii").strip():
            path.write_text((group.parent / file).read_text(encoding="ascii"), encoding="ascii")


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


def left_over(name: str) -> list[Path]:
    """Return the hierarchies' groups of that name which exist."""
    return [hierarchy / name for hierarchy in hierarchies() if (hierarchy / name).exists()]


def _tree(group: Path) -> Iterator[Path]:
    if group.is_dir():
        yield group
        for child in sorted(group.iterdir()):
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
