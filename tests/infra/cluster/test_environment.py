"""The variables that other programs get."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.cluster.environment import variables
from infra.cluster.instance import Instance, Nodes, Programs, Record, Settings
from infra.paths import DEFAULT_NAME, cluster_name

PROGRAMS = Programs(Path("/cache/kube"), Path("/cache/metrics-server"))


def test_own_engine_is_where_docker_and_testcontainers_look(instance: Instance) -> None:
    """Its published ports are the node's, not the host's."""
    found = variables(Record(instance, PROGRAMS, ready=True, own_docker=True))
    assert found["DOCKER_HOST"] == f"unix://{instance.run}/sock/docker.sock"
    assert found["TESTCONTAINERS_HOST_OVERRIDE"] == "10.90.1.2"
    assert found["CAREPATH_REGISTRY"] == "localhost:5000"
    assert found["CAREPATH_REGISTRY_URL"] == "http://127.0.0.2:5000"


def test_engine_of_the_host_is_left_to_its_own_settings(instance: Instance) -> None:
    """No variable points away from it."""
    found = variables(Record(replace(instance, index=0), PROGRAMS, ready=True, own_docker=False))
    assert not {"DOCKER_HOST", "TESTCONTAINERS_HOST_OVERRIDE"} & set(found)
    assert found["TESTCONTAINERS_RYUK_DISABLED"] == "true"


def test_control_plane_alone_has_a_kubeconfig_and_no_registry(instance: Instance) -> None:
    """A variable that points at nothing would be believed."""
    alone = replace(instance, settings=Settings(nodes=Nodes.NONE))
    assert variables(Record(alone, PROGRAMS, ready=True, own_docker=False)) == {
        "CAREPATH_CLUSTER": instance.name,
        "KUBECONFIG": f"{instance.run}/kubeconfig",
        "PATH": f"{instance.run}/bin",
    }


def test_cluster_name_is_that_of_the_shells_environment(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `env` set up is what the harness judges; without it the default instance."""
    monkeypatch.delenv("CAREPATH_CLUSTER", raising=False)
    assert cluster_name() == DEFAULT_NAME
    record = Record(instance, PROGRAMS, ready=True, own_docker=False)
    monkeypatch.setenv("CAREPATH_CLUSTER", variables(record)["CAREPATH_CLUSTER"])
    assert cluster_name() == instance.name
