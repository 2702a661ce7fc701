"""The instance's cgroups, on folders that look like those of cgroup v1 and v2; real ones are e2e's."""

import subprocess
from pathlib import Path

import pytest

from infra.cluster import cgroups


@pytest.fixture
def two_hierarchies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return two v1 hierarchies."""
    folders = (tmp_path / "cpuset", tmp_path / "memory")
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(cgroups, "hierarchies", lambda: folders)
    return folders


def test_group_is_made_in_every_hierarchy(two_hierarchies: tuple[Path, Path]) -> None:
    """The kubelet refuses a root that is missing in one of them."""
    cgroups.create("carepath-x", cpus=2)
    assert all((folder / "carepath-x" / "system").is_dir() for folder in two_hierarchies)
    assert cgroups.component_groups("carepath-x") == [folder / "carepath-x/system" for folder in two_hierarchies]


def test_empty_v1_cpuset_takes_over_its_parents(tmp_path: Path) -> None:
    """Until it has CPUs and memory nodes no process can join."""
    group = tmp_path / "group"
    group.mkdir()
    for name, value in (("cpuset.cpus", "0-1\n"), ("cpuset.mems", "0\n")):
        (tmp_path / name).write_text(value, encoding="ascii")
        (group / name).write_text("\n", encoding="ascii")
    cgroups.inherit_cpuset(group)
    assert (group / "cpuset.cpus").read_text(encoding="ascii") == "0-1\n"
    assert (group / "cpuset.mems").read_text(encoding="ascii") == "0\n"


def test_v2_cpuset_is_left_empty(tmp_path: Path) -> None:
    """In v2 empty means the parent's."""
    (tmp_path / "cpuset.cpus").write_text("\n", encoding="ascii")
    (tmp_path / "cpuset.cpus.effective").write_text("0-1\n", encoding="ascii")
    cgroups.inherit_cpuset(tmp_path)
    assert (tmp_path / "cpuset.cpus").read_text(encoding="ascii") == "\n"


def test_group_weighs_as_much_as_all_cpus(tmp_path: Path) -> None:
    """In the units of either version; a hierarchy without the CPU controller has neither file."""
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "cpu.shares").write_text("1024", encoding="ascii")
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "cpu.weight").write_text("100", encoding="ascii")
    for group in (tmp_path / "v1", tmp_path / "v2", tmp_path):
        cgroups.weigh(group, cpus=4)
    assert (tmp_path / "v1" / "cpu.shares").read_text(encoding="ascii") == "4096"
    assert (tmp_path / "v2" / "cpu.weight").read_text(encoding="ascii") == "400"


def test_v2_controllers_that_pods_need_are_handed_on(tmp_path: Path) -> None:
    """What is handed on already, or is none of a kubelet's, is not written."""
    (tmp_path / "cgroup.controllers").write_text("memory rdma pids\n", encoding="ascii")
    (tmp_path / "cgroup.subtree_control").write_text("memory\n", encoding="ascii")
    cgroups.delegate(tmp_path)
    assert (tmp_path / "cgroup.subtree_control").read_text(encoding="ascii") == "+pids"


def test_processes_are_found_anywhere_below_the_group(two_hierarchies: tuple[Path, Path]) -> None:
    """A container's process is below kubepods in one hierarchy, a shim in system in another."""
    cpuset, memory = two_hierarchies
    for group, pids in ((cpuset / "carepath-x/kubepods/pod1", "5\n7\n"), (memory / "carepath-x/system", "9\n")):
        group.mkdir(parents=True)
        (group / "cgroup.procs").write_text(pids, encoding="ascii")
    (memory / "carepath-xy").mkdir()
    (memory / "carepath-xy" / "cgroup.procs").write_text("11\n", encoding="ascii")
    assert cgroups.processes("carepath-x") == {5, 7, 9}
    assert cgroups.processes("carepath-x", below="kubepods") == {5, 7}


def test_group_that_goes_away_while_looked_at_counts_as_gone(
    two_hierarchies: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runc removes a container's group between the moment it is listed and the moment it is looked into."""
    pod = two_hierarchies[0] / "carepath-x" / "pod"
    pod.mkdir(parents=True)
    is_dir = Path.is_dir

    def gone_after_the_look(path: Path) -> bool:
        found = is_dir(path)
        if path == pod and found:
            path.rmdir()
        return found

    monkeypatch.setattr(Path, "is_dir", gone_after_the_look)
    assert cgroups.processes("carepath-x") == set()
    assert not pod.exists()


def test_process_that_does_not_end_is_named(two_hierarchies: tuple[Path, Path]) -> None:
    """A process in an uninterruptible sleep survives even SIGKILL: it is named instead of forgotten."""
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        group = two_hierarchies[1] / "carepath-x"
        group.mkdir()
        (group / "cgroup.procs").write_text(f"{child.pid}\n", encoding="ascii")
        with pytest.raises(cgroups.CgroupError, match=rf"still running 0\.1 s after SIGKILL: {child.pid} \("):
            cgroups.kill("carepath-x", timeout_s=0.1)


def test_removed_groups_leave_the_hierarchies_empty(two_hierarchies: tuple[Path, Path]) -> None:
    """Deepest first: a group with children cannot be removed."""
    cgroups.create("carepath-x", cpus=2)
    (two_hierarchies[0] / "carepath-x/kubepods/pod1").mkdir(parents=True)
    cgroups.remove("carepath-x")
    assert [list(folder.iterdir()) for folder in two_hierarchies] == [[], []]


def test_group_that_stays_busy_is_named(two_hierarchies: tuple[Path, Path]) -> None:
    """A plain file in it makes a folder as unremovable as a process makes a group."""
    group = two_hierarchies[0] / "carepath-x"
    group.mkdir()
    (group / "task").touch()
    with pytest.raises(cgroups.CgroupError, match=rf"cgroup {group} cannot be removed"):
        cgroups.remove("carepath-x", timeout_s=0)
