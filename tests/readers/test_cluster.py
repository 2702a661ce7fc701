from datetime import UTC, datetime
from typing import Any

import pytest

from gate.readers.api import Response
from gate.readers.cluster import LOG_READ_BYTES, ClusterReader
from gate.readers.errors import Denied, NotFound, ReadError, Unreachable, WrongCluster
from gate.records import Resources
from tests.readers.fakes import (
    METRICS,
    NAMESPACE,
    SERVED_AT,
    SERVER,
    UID,
    FakeServer,
    answer,
    cluster,
    items,
    namespaced,
    refusal,
    wide,
)

ARN = "arn:aws:eks:us-east-1:123456789012:cluster/carepath-demo"
LOG = f"/api/v1/namespaces/{NAMESPACE}/pods/chat-api-1/log"


def pod(name: str, node: str, cpu: str, phase: str = "Running") -> dict[str, Any]:
    """Return a pod that asks for CPU on a node."""
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]},
        "status": {"phase": phase},
    }


def named(name: str) -> dict[str, Any]:
    """Return an object with a name."""
    return {"metadata": {"name": name}}


# --- Identity ---------------------------------------------------------------------------------------------------------


def test_reader_of_the_wrong_server_is_refused_before_any_request() -> None:
    """Another address than the target's is told by name, and nothing is sent to it."""
    server = FakeServer(server="https://10.90.1.2:6443", context="other", cluster_entry="other")
    with pytest.raises(WrongCluster) as caught:
        ClusterReader(server, cluster(server=SERVER))
    assert str(caught.value) == (
        "the target's API server is https://10.90.0.2:6443, context other leads to https://10.90.1.2:6443 "
        "(cluster entry other)"
    )
    assert server.asked == []


@pytest.mark.parametrize("spelling", ["https://10.90.0.2:6443/", "HTTPS://10.90.0.2:6443"])
def test_reader_of_the_same_server_in_another_spelling_is_accepted(spelling: str) -> None:
    """A slash or capitals make no other server."""
    assert ClusterReader(FakeServer(), cluster(server=spelling)).identity.server == SERVER


def test_reader_of_the_wrong_uid_is_refused_before_anything_else_is_read() -> None:
    """The kube-system namespace's UID is the first and only thing that is asked for."""
    server = FakeServer()
    with pytest.raises(WrongCluster) as caught:
        ClusterReader(server, cluster(kube_system_uid="f00"))
    assert str(caught.value) == f"the target's kube-system has the UID f00, {SERVER} has {UID}"
    assert server.paths() == ["/api/v1/namespaces/kube-system"]


def test_reader_with_a_uid_that_may_not_be_read_is_denied() -> None:
    """Proof that cannot be had is no proof."""
    server = FakeServer(routes={"/api/v1/namespaces/kube-system": refusal(403, "namespaces is forbidden")})
    with pytest.raises(Denied, match="get namespaces"):
        ClusterReader(server, cluster(kube_system_uid=UID))


def test_reader_proven_by_its_server_does_not_need_the_uid() -> None:
    """The UID is noted where it may be read, and unknown where not."""
    server = FakeServer(routes={"/api/v1/namespaces/kube-system": refusal(403, "no"), "/version": refusal(403, "no")})
    identity = ClusterReader(server, cluster()).identity
    assert (identity.kube_system_uid, identity.version) == (None, "unknown")


def test_reader_of_an_eks_cluster_is_proven_by_its_arn() -> None:
    """The cluster entry that `aws eks update-kubeconfig` writes is the ARN."""
    assert ClusterReader(FakeServer(cluster_entry=ARN), cluster(eks_arn=ARN)).identity.version == "v1.34.4"
    with pytest.raises(WrongCluster, match="the in-cluster configuration leads to"):
        ClusterReader(FakeServer(context=None, cluster_entry=None), cluster(eks_arn=ARN))


def test_reader_with_two_proofs_needs_both() -> None:
    """One wrong proof is not outvoted by a right one."""
    with pytest.raises(WrongCluster):
        ClusterReader(FakeServer(), cluster(server=SERVER, kube_system_uid="f00"))


# --- Snapshot ---------------------------------------------------------------------------------------------------------


def test_snapshot_reads_every_kind_once_and_no_secret() -> None:
    """One read per cycle: each list is asked for once, and Secrets are not among them."""
    server = FakeServer(
        routes={
            namespaced("deployments"): items(named("chat-api")),
            namespaced("replicasets"): items(named("chat-api-5d")),
            namespaced("pods"): items(pod("chat-api-1", "node-a", "250m")),
            namespaced("services"): items(named("chat-api-service")),
            namespaced("horizontalpodautoscalers"): items(named("chat-api")),
            namespaced("persistentvolumeclaims"): items(named("models")),
            namespaced("resourcequotas"): items(named("team")),
            namespaced("events"): items({"reason": "Scheduled"}),
            wide("nodes"): items(named("node-a")),
            wide("storageclasses"): items(named("gp3")),
            wide("csidrivers"): items(named("ebs.csi.aws.com")),
            wide("persistentvolumes"): items(
                {**named("pv-1"), "spec": {"claimRef": {"namespace": NAMESPACE, "name": "models"}}},
                {**named("pv-2"), "spec": {"claimRef": {"namespace": "others", "name": "models"}}},
                named("pv-3"),
            ),
            METRICS: items(
                {**named("chat-api-1"), "containers": [{"name": "c", "usage": {"cpu": "1", "memory": "1"}}]}
            ),
        }
    )
    reader = ClusterReader(server, cluster())
    before = len(server.asked)
    snapshot = reader.snapshot()
    assert snapshot.unreadable == ()
    assert (snapshot.deployments[0].name, snapshot.replica_sets[0].name) == ("chat-api", "chat-api-5d")
    assert (snapshot.pods[0].name, snapshot.services[0].name) == ("chat-api-1", "chat-api-service")
    assert (snapshot.hpas[0].name, snapshot.claims[0].name, snapshot.quotas[0].name) == ("chat-api", "models", "team")
    assert (snapshot.storage_classes[0].name, snapshot.csi_drivers, snapshot.events[0].reason) == (
        "gp3",
        ("ebs.csi.aws.com",),
        "Scheduled",
    )
    assert [each.name for each in snapshot.volumes] == ["pv-1", "pv-3"], "not those of other namespaces"
    assert snapshot.usage[0].cpu_m == 1000
    paths = server.paths()[before:]
    assert len(paths) == len(set(paths)) == 15
    assert not [path for path in paths if "secret" in path]


def test_snapshot_tells_the_servers_time_not_its_own() -> None:
    """Ages are right even where this machine's clock is not."""
    skewed = datetime(2026, 11, 22, 16, 10, tzinfo=UTC)
    assert ClusterReader(FakeServer(), cluster(), clock=lambda: skewed).snapshot().read_at == SERVED_AT


def test_snapshot_of_a_server_without_a_clock_tells_its_own_time() -> None:
    """Without a Date header the local clock is all there is."""
    now = datetime(2026, 11, 22, 16, 10, tzinfo=UTC)
    empty = Response(200, {}, b'{"items": []}')
    server = FakeServer(routes={namespaced(each): empty for each in ("deployments", "replicasets", "pods")})
    assert ClusterReader(server, cluster(), clock=lambda: now).snapshot().read_at == now


@pytest.mark.parametrize("resource", ["deployments", "replicasets", "pods"])
def test_snapshot_without_what_is_judged_raises(resource: str) -> None:
    """A failed read of the app itself is never an empty result."""
    server = FakeServer(routes={namespaced(resource): refusal(403, f"{resource} is forbidden")})
    with pytest.raises(Denied, match=f"list {resource} in namespace {NAMESPACE}"):
        ClusterReader(server, cluster()).snapshot()


@pytest.mark.parametrize(
    ("path", "response", "what", "kind"),
    [
        (namespaced("services"), refusal(403, "no"), "services", "forbidden"),
        (namespaced("endpointslices"), refusal(403, "no"), "endpoints", "forbidden"),
        (namespaced("horizontalpodautoscalers"), refusal(404, "no"), "hpas", "not_served"),
        (namespaced("persistentvolumeclaims"), refusal(403, "no"), "claims", "forbidden"),
        (namespaced("resourcequotas"), refusal(403, "no"), "quotas", "forbidden"),
        (namespaced("events"), refusal(500, "no"), "events", "unreachable"),
        (wide("nodes"), refusal(403, "no"), "nodes", "forbidden"),
        (wide("pods"), refusal(403, "no"), "node_requests", "forbidden"),
        (wide("storageclasses"), refusal(403, "no"), "storage_classes", "forbidden"),
        (wide("csidrivers"), refusal(403, "no"), "csi_drivers", "forbidden"),
        (wide("persistentvolumes"), refusal(403, "no"), "volumes", "forbidden"),
        (METRICS, refusal(404, "page not found"), "metrics", "not_served"),
        (METRICS, refusal(503, "service unavailable"), "metrics", "not_served"),
        (METRICS, refusal(403, "no"), "metrics", "forbidden"),
    ],
)
def test_snapshot_without_an_optional_read_says_which_and_why(
    path: str, response: Response, what: str, kind: str
) -> None:
    """A permission or an API that is missing is noted, and the rest is read all the same."""
    server = FakeServer(routes={namespaced("pods"): items(pod("chat-api-1", "node-a", "250m")), path: response})
    snapshot = ClusterReader(server, cluster()).snapshot()
    (missing,) = snapshot.unreadable
    assert (missing.what, missing.kind, missing.status_code) == (what, kind, response.status)
    assert snapshot.unread(what) is missing
    assert len(snapshot.pods) == 1


def test_snapshot_sums_what_is_reserved_on_each_node() -> None:
    """Pods of all namespaces count; finished ones do not, here by their phase and elsewhere by the API's filter."""
    server = FakeServer(
        routes={
            wide("nodes"): items(named("node-a"), named("node-b")),
            wide("pods"): items(pod("dns", "node-a", "100m"), pod("agent", "node-b", "50m"), pod("x", "gone", "1")),
            namespaced("pods"): items(
                pod("chat-api-1", "node-a", "250m"),
                pod("done", "node-a", "2", phase="Succeeded"),
                pod("waiting", "", "2", phase="Pending"),
            ),
        }
    )
    nodes = ClusterReader(server, cluster()).snapshot().nodes
    assert [(each.name, each.requested) for each in nodes] == [
        ("node-a", Resources(cpu_m=350, memory_bytes=0, ephemeral_storage_bytes=0, pods=2)),
        ("node-b", Resources(cpu_m=50, memory_bytes=0, ephemeral_storage_bytes=0, pods=1)),
    ]
    (query,) = [query for path, query in server.asked if path == wide("pods")]
    assert query["fieldSelector"] == (
        "metadata.namespace!=carepath-demo,spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
    )


def test_snapshot_without_the_other_pods_leaves_reservations_unknown() -> None:
    """What is reserved is unknown, not zero, when not all pods may be seen."""
    server = FakeServer(routes={wide("nodes"): items(named("node-a")), wide("pods"): refusal(403, "no")})
    assert ClusterReader(server, cluster()).snapshot().nodes[0].requested is None


# --- Logs -------------------------------------------------------------------------------------------------------------


def test_logs_ask_for_one_container_since_a_time() -> None:
    """The previous instance, the container and the time are asked for; lines come back whole."""
    server = FakeServer(routes={LOG: answer(b"one\ntwo\n")})
    tail = ClusterReader(server, cluster()).logs(
        "chat-api-1", "chat-api", previous=True, since=datetime(2026, 11, 22, 16, 0, 0, 900_000, tzinfo=UTC)
    )
    assert (tail.lines, tail.truncated, tail.previous) == (("one", "two"), False, True)
    assert server.asked[-1][1] == {
        "container": "chat-api",
        "limitBytes": str(LOG_READ_BYTES),
        "previous": "true",
        "sinceTime": "2026-11-22T16:00:00Z",
        "timestamps": "true",
    }


def test_logs_tell_when_each_line_was_written() -> None:
    """The node's own stamp is taken off the line; a piece of a line that the node split has none."""
    body = b'2026-11-22T16:00:00.123456789Z {"event": 1}\nrest of it\n2026-11-22T16:00:01Z \n'
    tail = ClusterReader(FakeServer(routes={LOG: answer(body)}), cluster()).logs("chat-api-1", "chat-api")
    assert tail.lines == ('{"event": 1}', "rest of it", "")
    assert tail.times == (
        datetime(2026, 11, 22, 16, 0, 0, 123_456, tzinfo=UTC),
        None,
        datetime(2026, 11, 22, 16, 0, 1, tzinfo=UTC),
    )
    assert (tail.time(1), tail.time(2), tail.time(4)) == (tail.times[0], None, None)


def test_logs_over_the_limit_keep_the_end_and_say_so() -> None:
    """The end of a log is worth more than its beginning, and half a line is dropped."""
    server = FakeServer(routes={LOG: answer(b"first\nsecond\nthird\n")})
    tail = ClusterReader(server, cluster()).logs("chat-api-1", "chat-api", limit_bytes=10)
    assert (tail.lines, tail.truncated) == (("third",), True)


def test_logs_repr_shows_no_line() -> None:
    """Log lines may hold patient data."""
    server = FakeServer(routes={LOG: answer(b"Jane Roe\n")})
    assert "Jane" not in repr(ClusterReader(server, cluster()).logs("chat-api-1", "chat-api"))


def test_logs_of_a_container_that_has_not_started_are_not_found() -> None:
    """No log is told apart from an empty one."""
    said = 'container "chat-api" in pod "chat-api-1" is waiting to start: ContainerCreating'
    server = FakeServer(routes={LOG: refusal(400, said)})
    with pytest.raises(NotFound, match="waiting to start"):
        ClusterReader(server, cluster()).logs("chat-api-1", "chat-api")


def test_reader_of_a_server_that_is_not_there_is_unreachable() -> None:
    """No answer at first contact is the gate's trouble, said after few attempts."""

    class Silent(FakeServer):
        def fetch(self, path: str, query: object, *, timeout_s: float) -> Response:
            self.asked.append((path, {}))
            raise Unreachable(f"API server {self.server}: connection refused ({query}, {timeout_s})")

    server = Silent()
    with pytest.raises(ReadError, match="connection refused"):
        ClusterReader(server, cluster())
    assert len(server.asked) == 2
