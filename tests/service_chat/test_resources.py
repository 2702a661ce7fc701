"""cgroup and proc files: v1 as a Debian 12 machine has them, v2 in the form of the kernel's documentation."""

import os
from pathlib import Path

import pytest

from service_chat import resources
from service_chat.resources import ContainerMemory, Memory, Throttling


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


#: cpu.stat of a pod with four busy threads and a limit of 300m, after 8.5 s, and memory.stat of the idle mock (most
#: lines that say 0 left out); both recorded 2026-11-22 in containers of the embedded cluster, cgroup v1.
RECORDED_CPU_STAT = "nr_periods 85\nnr_throttled 79\nthrottled_time 4913472993\nnr_bursts 0\nburst_time 0\n"
RECORDED_MEMORY_STAT = """\
cache 8192
rss 42287104
workingset_refault_file 2
pgpgin 13549
pgpgout 3223
pgfault 14401
inactive_anon 42246144
active_anon 12288
active_file 8192
hierarchical_memory_limit 1073741824
hierarchical_memsw_limit 1073741824
total_cache 8192
total_rss 42287104
total_inactive_anon 42246144
total_active_anon 12288
total_active_file 8192
"""


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({}, None),
    ],
)
def test_cpu_quota_cores_reads_both_cgroup_versions(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    """The limit in cores, or None where there is none."""
    assert resources.cpu_quota_cores(_tree(tmp_path, files)) == cores


@pytest.mark.parametrize(
    ("quota", "threads"), [("50000", 1), ("100000", 1), ("199000", 1), ("200000", 2), ("800000", 4)]
)
def test_usable_threads_is_the_quota_rounded_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, threads: int
) -> None:
    """Never 0, never more than the quota pays for, never more than the CPUs there are."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert resources.usable_threads(_tree(tmp_path, {"cpu.max": f"{quota} 100000\n"})) == threads


def test_usable_threads_no_quota_is_every_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit every CPU may compute."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    assert resources.usable_threads(tmp_path) == 3


@pytest.mark.parametrize(
    ("files", "throttling"),
    [
        (
            {"cpu.stat": "usage_usec 5\nnr_periods 120\nnr_throttled 30\nthrottled_usec 900\n"},
            Throttling(120, 30, 0.0009),
        ),
        ({"cpu.stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\n"}, Throttling(0, 0, 0.0)),
        ({"cpu/cpu.stat": "nr_periods 7\nnr_throttled 1\nthrottled_time 12000000\n"}, Throttling(7, 1, 0.012)),
        ({"cpu/cpu.stat": RECORDED_CPU_STAT}, Throttling(85, 79, 4.913472993)),
        ({}, Throttling(0, 0, 0.0)),
    ],
)
def test_throttling_reads_both_cgroup_versions(tmp_path: Path, files: dict[str, str], throttling: Throttling) -> None:
    """Periods, throttled periods, time stopped (v1 in ns, v2 in µs); 0 where no quota is counted."""
    assert resources.throttling(_tree(tmp_path, files)) == throttling


@pytest.mark.parametrize(
    ("files", "charged"),
    [
        (
            {"memory.stat": "anon 202375168\nfile 96468992\nkernel 3014656\nshmem 4194304\nfile_mapped 25165824\n"},
            ContainerMemory(202375168, 4194304, 92274688),
        ),
        (
            {
                "memory/memory.stat": "cache 96468992\nrss 202375168\nshmem 4194304\ntotal_cache 96468992\n"
                "total_rss 202375168\ntotal_shmem 4194304\n"
            },
            ContainerMemory(202375168, 4194304, 92274688),
        ),
        ({"memory/memory.stat": RECORDED_MEMORY_STAT}, ContainerMemory(42287104, 0, 8192)),
        ({}, None),
    ],
)
def test_container_memory_reads_both_cgroup_versions(
    tmp_path: Path, files: dict[str, str], charged: ContainerMemory | None
) -> None:
    """What cannot be dropped is told from file pages, and a tmpfs counts to the former."""
    assert resources.container_memory(_tree(tmp_path, files)) == charged


def test_memory_tells_anonymous_from_file(tmp_path: Path) -> None:
    """Only the anonymous part can get the process killed."""
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmRSS:\t  221000 kB\nRssAnon:\t  192872 kB\nRssFile:\t   25220 kB\n")
    assert resources.memory(status) == Memory(192872 * 1024, 25220 * 1024)


def test_memory_of_this_process_is_positive() -> None:
    """The kernel's file of today reads as the recorded one does."""
    assert resources.memory().anonymous_bytes > 0
