"""What is said about a host that cannot carry the cluster: everything, in one message, with what would be right."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from infra.cluster.instance import Instance, Nodes, Settings
from infra.cluster.preflight import Host, UnsuitableHostError, changes, problems, read_host, require

GOOD = Host(
    user_id=0,
    programs={"containerd": True, "haproxy": True, "dockerd": True},
    cni_plugins=True,
    controllers=frozenset({"cpu", "cpuset", "memory", "pids"}),
    free_disk_gib=10.0,
    free_memory_mib=2500,
    busy_ports=frozenset(),
    interfaces=frozenset({"lo", "eth0", "carepath0"}),
    loop_devices=True,
    namesakes=frozenset(),
    own_docker=True,
)


def test_suitable_host_at_the_limits_has_no_problem(instance: Instance) -> None:
    """Exactly the disk and memory that are needed suffice, and another instance's interface is no hindrance."""
    assert problems(instance, GOOD) == []
    require(instance, GOOD)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda h: replace(h, user_id=1000), "it needs root (namespaces, mounts), this is user id 1000"),
        (
            lambda h: replace(h, programs={"haproxy": False, "dockerd": False, "runc": True}, cni_plugins=False),
            (
                "missing programs: haproxy (package haproxy), dockerd (package docker.io), CNI plugins (package "
                "containernetworking-plugins); `make setup` installs them on Debian"
            ),
        ),
        (
            lambda h: replace(h, controllers=frozenset({"cpu"})),
            "cgroup controllers memory, pids are not available; v1 or v2 with these is needed",
        ),
        (
            lambda h: replace(h, loop_devices=False),
            "/dev/loop-control is missing: the node's disk is a loop-mounted file",
        ),
        (lambda h: replace(h, free_memory_mib=2499), "2499 MiB of memory are available, 2500 are needed"),
        (
            lambda h: replace(h, busy_ports=frozenset({80})),
            "127.0.0.2:80 is in use by another program (`ss -ltnp 'sport = :80'` shows it)",
        ),
        (
            lambda h: replace(h, interfaces=frozenset({"carepath1"})),
            "network interface carepath1 exists and belongs to no instance known here",
        ),
        (
            lambda h: replace(h, namesakes=frozenset({40, 7})),
            (
                "2 processes run in cgroup carepath-two (pids 7, 40): an instance of this name with another "
                "CAREPATH_RUN_DIR; another --name would be right"
            ),
        ),
    ],
)
def test_one_fault_of_the_host_is_named_alone(instance: Instance, change: Callable[[Host], Host], problem: str) -> None:
    """Each check has its own sentence with the value seen and what is needed."""
    assert problems(instance, change(GOOD)) == [problem]


def test_too_little_disk_names_the_place_and_the_way_out(instance: Instance) -> None:
    """The run folder can lie elsewhere."""
    (problem,) = problems(instance, replace(GOOD, free_disk_gib=9.94))
    assert problem.startswith(f"9.9 GiB are free at {instance.run.parent}, 10 are needed")
    assert problem.endswith("CAREPATH_RUN_DIR chooses another place")


def test_all_faults_come_in_one_message_with_the_alternative(instance: Instance) -> None:
    """A person fixes everything in one go, or judges a cluster they have."""
    bad = replace(GOOD, user_id=1000, free_memory_mib=100, busy_ports=frozenset({80, 5000}))
    with pytest.raises(UnsuitableHostError) as caught:
        require(instance, bad)
    lines = str(caught.value).splitlines()
    assert len([line for line in lines if line.startswith("  - ")]) == 4
    assert "make verify TARGET=" in lines[-1]


def test_host_that_is_not_linux_is_refused_before_anything_is_read(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no /proc to read there."""
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(UnsuitableHostError, match=r"needs Linux .*this is darwin"):
        read_host(instance)


def test_changes_say_whether_a_docker_engine_is_started(instance: Instance) -> None:
    """A running engine is used and never reconfigured, and the list says so."""
    assert any("a Docker engine of its own" in line for line in changes(instance, GOOD))
    assert any("the host's is used as it is" in line for line in changes(instance, replace(GOOD, own_docker=False)))


def test_changes_of_a_control_plane_name_no_registry_and_no_engine(instance: Instance) -> None:
    """What is not started is not announced."""
    alone = replace(instance, settings=Settings(nodes=Nodes.NONE))
    text = "\n".join(changes(alone, GOOD))
    assert "carepath1 with 10.90.1.1/30" in text
    assert "registry" not in text
    assert "Docker" not in text
