"""The roles of `infra/rbac`: no more than the gate asks for, as its own requests show."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from gate.journal import LEASE
from gate.readers.cluster import ClusterReader
from infra.paths import PROJECT
from tests.readers.fakes import NAMESPACE, UID, FakeServer, cluster

RBAC = PROJECT / "infra" / "rbac"


def documents(file: str) -> list[dict[str, Any]]:
    """Return the manifests of a file."""
    return list(yaml.safe_load_all((RBAC / file).read_text(encoding="utf-8")))


def rules(file: str) -> list[dict[str, Any]]:
    """Return the rules of a file's one role."""
    (role,) = (each for each in documents(file) if each["kind"] in {"Role", "ClusterRole"})
    found: list[dict[str, Any]] = role["rules"]
    return found


def rights(file: str) -> set[tuple[str, str, str]]:
    """Return verb, group and resource of each right that a file grants."""
    return {
        (verb, group, resource)
        for rule in rules(file)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(path: str) -> tuple[str, str]:
    """Return group and resource of a list's path: /api/V/... or /apis/GROUP/V/..."""
    words = path.strip("/").split("/")
    return ("" if words[0] == "api" else words[1]), words[-1]


def requests() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each list that one snapshot asks for, with whether it is of the namespace."""
    server = FakeServer()
    reader = ClusterReader(server, cluster(kube_system_uid=UID))
    server.asked.clear()
    reader.snapshot()
    for path in server.paths():
        yield ("namespaced" if f"/namespaces/{NAMESPACE}/" in path else "wide"), asked(path)


def test_reader_grants_what_a_snapshot_lists_the_logs_and_the_port_forwards() -> None:
    """Each list in the namespace has its rule and each rule its list; one cannot grow without the other."""
    lists = {("list", *each) for where, each in requests() if where == "namespaced"}
    others = {("get", "", "pods/log"), ("get", "", "pods/portforward"), ("create", "", "pods/portforward")}
    assert rights("reader.yaml") == lists | others
    assert len(lists) == 10


def test_cluster_reader_grants_what_a_snapshot_lists_beyond_and_the_proof_of_identity() -> None:
    """Of the namespaces it is kube-system alone."""
    lists = {("list", *each) for where, each in requests() if where == "wide"}
    assert rights("cluster-reader.yaml") == lists | {("get", "", "namespaces")}
    (identity,) = (rule for rule in rules("cluster-reader.yaml") if rule["resources"] == ["namespaces"])
    assert identity["resourceNames"] == ["kube-system"]


@pytest.mark.parametrize("file", ["reader.yaml", "cluster-reader.yaml"])
def test_reader_writes_nothing_and_reads_no_secret(file: str) -> None:
    """The one create opens a connection; nothing is granted by a wildcard."""
    granted = rights(file)
    assert {(verb, resource) for verb, _, resource in granted if verb not in {"get", "list"}} <= {
        ("create", "pods/portforward")
    }
    words = {word for right in granted for word in right}
    assert not words & {"*", "secrets", "configmaps", "pods/exec", "pods/attach", "pods/proxy", "services/proxy"}


def test_drill_writes_one_deployment_its_own_revisions_and_one_lease() -> None:
    """Each right names its object, but for create and for revisions, whose names nobody knows before."""
    found: Mapping[tuple[str, ...], list[str]] = {
        (*rule["resources"], *rule["verbs"]): rule.get("resourceNames", []) for rule in rules("drill.yaml")
    }
    assert found == {
        ("deployments", "get", "patch"): ["chat-api"],
        ("replicasets", "delete"): [],
        ("leases", "create"): [],
        ("leases", "get", "update", "delete"): [LEASE],
    }


@pytest.mark.parametrize("file", ["reader.yaml", "cluster-reader.yaml", "drill.yaml"])
def test_every_binding_leads_from_an_account_to_a_role_that_exist(file: str) -> None:
    """A misspelt name would grant nothing and say nothing."""
    shipped = [each for name in ("reader.yaml", "cluster-reader.yaml", "drill.yaml") for each in documents(name)]
    there = {(each["kind"], each["metadata"]["name"]) for each in shipped}
    bindings = [each for each in documents(file) if each["kind"].endswith("Binding")]
    assert bindings
    for binding in bindings:
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in there
        for subject in binding["subjects"]:
            assert (subject["kind"], subject["name"]) in there
            assert subject["namespace"] == NAMESPACE
