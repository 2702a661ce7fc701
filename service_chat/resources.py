"""What the kernel says about this process: its CPU quota, its throttling, its memory.

cgroup v1 and v2 lay the same facts out differently; both end here. A file that is not there means "no limit" or
"not counted", as it does to the kernel. The root folders are arguments so that recorded trees can be read.
"""

import os
from dataclasses import dataclass
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROC_SELF_STATUS = Path("/proc/self/status")

# Under v1 the CPU controller is mounted alone or together with cpuacct, depending on the distribution.
_V1_CPU_FOLDERS = ("cpu", "cpu,cpuacct")

_PAIR = 2


@dataclass(frozen=True)
class Throttling:
    """CFS bandwidth counters since the cgroup was made; all 0 where no quota is set.

    ``throttled_s`` adds up over the CPUs: 4 threads stopped for half of a second are 2 s.
    """

    periods: int
    throttled_periods: int
    throttled_s: float


@dataclass(frozen=True)
class Memory:
    """Resident memory of this process in bytes: only the anonymous part can get it killed."""

    anonymous_bytes: int
    file_bytes: int


@dataclass(frozen=True)
class ContainerMemory:
    """Memory charged to the container in bytes; anonymous and shared (tmpfs) memory cannot be dropped without swap."""

    anonymous_bytes: int
    shared_bytes: int
    file_bytes: int


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _first(paths: tuple[Path, ...]) -> str | None:
    return next((text for path in paths if (text := _read(path)) is not None), None)


def cpu_quota_cores(root: Path = CGROUP_ROOT) -> float | None:
    """Return the CPU limit of this container in cores, or None if there is none."""
    if (v2 := _read(root / "cpu.max")) is not None:
        quota, period = v2.split()
        return None if quota == "max" else int(quota) / int(period)
    quota_us = _first(tuple(root / folder / "cpu.cfs_quota_us" for folder in _V1_CPU_FOLDERS))
    period_us = _first(tuple(root / folder / "cpu.cfs_period_us" for folder in _V1_CPU_FOLDERS))
    if quota_us is None or period_us is None or int(quota_us) <= 0:
        return None
    return int(quota_us) / int(period_us)


def usable_threads(root: Path = CGROUP_ROOT) -> int:
    """Return how many threads can compute all the time without being throttled.

    The quota rounded down, at least 1 and at most the CPUs this process may run on. The host's core count is wrong in
    a container: 4 threads on a quota of 2 CPUs spend half of each period stopped, and llama.cpp's threads wait for one
    another at every layer. Measured 2026-11-22: 2 threads on 2 cores that others used decoded 1 token/s where 1 thread
    decoded 45.
    """
    cores = len(os.sched_getaffinity(0))
    quota = cpu_quota_cores(root)
    return cores if quota is None else max(1, min(cores, int(quota)))


def throttling(root: Path = CGROUP_ROOT) -> Throttling:
    """Return the container's CFS throttling counters."""
    paths = (root / "cpu.stat", *(root / folder / "cpu.stat" for folder in _V1_CPU_FOLDERS))
    fields = next((found for path in paths if (found := _fields(path)) is not None), {})
    # v2 in microseconds, v1 in nanoseconds (the kernel's documentation of cgroup-v2 and of sched-bwc)
    throttled_s = fields.get("throttled_usec", 0) / 1e6 + fields.get("throttled_time", 0) / 1e9
    return Throttling(fields.get("nr_periods", 0), fields.get("nr_throttled", 0), throttled_s)


def container_memory(root: Path = CGROUP_ROOT) -> ContainerMemory | None:
    """Return what is charged against the container's memory limit, or None where it is not counted.

    The kernel's documentation of memory.stat: v2's ``file`` and v1's ``cache`` both contain shared memory. v1's
    ``total_`` figures contain the cgroups below; a container's own has none.
    """
    if (v2 := _fields(root / "memory.stat")) is not None:
        keys = ("anon", "shmem", "file")
        fields = v2
    elif (v1 := _fields(root / "memory" / "memory.stat")) is not None:
        keys = ("total_rss", "total_shmem", "total_cache")
        fields = v1
    else:
        return None
    anonymous, shared, file = (fields.get(key, 0) for key in keys)
    return ContainerMemory(anonymous_bytes=anonymous, shared_bytes=shared, file_bytes=max(file - shared, 0))


def _fields(path: Path) -> dict[str, int] | None:
    """Return a file of "key number" lines, None if there is none."""
    text = _read(path)
    if text is None:
        return None
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == _PAIR and pair[1].isdecimal()}


def memory(status: Path = PROC_SELF_STATUS) -> Memory:
    """Return this process's resident memory, anonymous and file-backed apart."""
    fields = dict(line.split(":", maxsplit=1) for line in (_read(status) or "").splitlines() if ":" in line)
    kib = {key: int(fields[key].split()[0]) if key in fields else 0 for key in ("RssAnon", "RssFile")}
    return Memory(anonymous_bytes=kib["RssAnon"] * 1024, file_bytes=kib["RssFile"] * 1024)
