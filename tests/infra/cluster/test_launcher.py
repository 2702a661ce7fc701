"""What the launcher decides before it does anything; what it does is e2e's to show."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra import binaries
from infra.cluster import launcher, preflight
from infra.cluster.instance import Instance, InstanceError, Nodes, Programs, Record, Settings
from infra.cluster.preflight import UnsuitableHostError
from infra.cluster.process import ComponentError

PROGRAMS = Programs(Path("/cache/kube"), Path("/cache/metrics-server"))


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of all instances, on a host without a Docker engine."""
    monkeypatch.setenv("CAREPATH_RUN_DIR", str(tmp_path))
    monkeypatch.setattr(preflight, "docker_engine_answers", lambda: False)
    return tmp_path


def recorded(folder: Path, name: str, index: int) -> Record:
    """Write the record of an instance."""
    run = folder / name
    run.mkdir()
    record = Record(Instance(name, index, run), PROGRAMS, ready=True, own_docker=True)
    record.save()
    return record


def test_unprivileged_up_names_all_that_is_missing_and_touches_nothing(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the lock file, which only root could write."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(preflight, "FREE_MEMORY_MIB", 10**9)
    with pytest.raises(UnsuitableHostError) as caught:
        launcher.up("dev", Settings())
    assert "this is user id 1000" in str(caught.value)
    assert "1000000000 are needed" in str(caught.value)
    assert list(run_folder.iterdir()) == []


@pytest.fixture
def failing_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every start fail after the record is written, on a host that nothing is wrong with."""

    def fail(record: Record, pause: Path) -> None:
        raise ComponentError(f"{record.instance.name} with {pause}: exited with status 1")

    monkeypatch.setattr(preflight, "is_privileged", lambda: True)
    monkeypatch.setattr(preflight, "problems", lambda *_: [])
    monkeypatch.setattr(binaries, "binary", lambda tool: Path("/cache", tool.name))
    monkeypatch.setattr(launcher, "_start_everything", fail)


@pytest.mark.usefixtures("failing_start")
def test_failed_start_is_undone(run_folder: Path) -> None:
    """The error reaches the caller and nothing stays."""
    with pytest.raises(ComponentError, match="dev with /cache/pause: exited with status 1"):
        launcher.up("dev", Settings())
    assert not run_folder.exists()


@pytest.mark.usefixtures("failing_start")
def test_failed_start_is_kept_when_asked_and_removed_by_down(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the logs are and how to be rid of it is said."""
    with pytest.raises(ComponentError):
        launcher.up("dev", Settings(), keep=True)
    assert f"logs in {run_folder}/dev/log; `down --name dev` removes it" in capsys.readouterr().err
    assert (run_folder / "dev" / "instance.json").exists()
    assert launcher.down("dev") is True
    assert not run_folder.exists()


def test_unusable_name_is_refused_before_any_path_is_made(run_folder: Path) -> None:
    """A name ends in folder names and cgroups."""
    for command in (lambda: launcher.up("../x", Settings()), lambda: launcher.down("../x")):
        with pytest.raises(InstanceError, match="instance name"):
            command()
    assert list(run_folder.iterdir()) == []


def test_down_without_an_instance_is_no_error_and_leaves_nothing(run_folder: Path) -> None:
    """It says so, and the folder that the lock lay in goes with it."""
    assert launcher.down("dev") is False
    assert not run_folder.exists()


def test_numbers_of_other_instances_are_taken_whatever_their_records_look_like(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged neighbour still owns its interface; the instance's own old number is free for it."""
    recorded(run_folder, "one", 1)
    recorded(run_folder, "mine", 7)
    (run_folder / "broken").mkdir()
    (run_folder / "broken" / "instance.json").write_text("{", encoding="utf-8")
    monkeypatch.setattr("socket.if_nameindex", lambda: [(1, "lo"), (2, "carepath4"), (3, "carepathx")])
    assert launcher._taken_indices("mine") == {1, 4}


def test_stages_start_storage_before_the_api_server_before_all_others(run_folder: Path) -> None:
    """Each stage needs the one before it."""
    stages = launcher._stages(recorded(run_folder, "one", 1))
    names = [[component.name for component in stage] for stage in stages]
    assert names[0] == ["etcd", "containerd", "registry", "docker"]
    assert names[1] == ["apiserver"]
    assert {"kubelet", "proxy", "coredns", "metrics-server", "haproxy", "balancer"} < set(names[2])
    assert [c.name for stage in stages for c in stage if c.on_host] == ["haproxy", "balancer"]


def test_host_with_a_docker_engine_gets_no_second_one(run_folder: Path) -> None:
    """A running engine is used, never reconfigured."""
    record = replace(recorded(run_folder, "one", 1), own_docker=False)
    assert "docker" not in [component.name for stage in launcher._stages(record) for component in stage]


def test_control_plane_alone_has_no_node(run_folder: Path) -> None:
    """An API server to talk to."""
    record = recorded(run_folder, "one", 1)
    alone = replace(record.instance, settings=Settings(nodes=Nodes.NONE))
    stages = launcher._stages(replace(record, instance=alone, own_docker=False))
    assert [[component.name for component in stage] for stage in stages] == [
        ["etcd"],
        ["apiserver"],
        ["controller-manager", "scheduler"],
    ]


def test_simulated_nodes_have_kwok_and_controllers_without_a_brake(run_folder: Path) -> None:
    """Thousands of pods are written by few controllers; on a real node their pace stays what it was."""
    record = recorded(run_folder, "one", 1)
    simulated = replace(record.instance, settings=Settings(nodes=Nodes.SIMULATED))
    programs = replace(PROGRAMS, kwok=Path("/cache/kwok"))
    *_, others = launcher._stages(replace(record, instance=simulated, programs=programs, own_docker=False))
    assert [component.name for component in others] == ["controller-manager", "scheduler", "kwok"]
    assert others[2].command[0] == "/cache/kwok"
    assert all("--kube-api-qps=5000" in component.command for component in others[:2])
    *_, real = launcher._stages(record)
    assert "--kube-api-qps=200" in real[0].command
