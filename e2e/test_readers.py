"""The readers against a real API server: one snapshot, logs, port-forwards, missing permissions, the registry.

Deploys the rendered app, mock engine, one replica, into a namespace of its own; needs the cluster that
`python -m infra.cluster env` names, with the images pushed.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from gate.readers import api
from gate.readers.chat import ChatClient, pod_client, pod_transport
from gate.readers.cluster import ClusterReader, connect
from gate.readers.errors import Denied, NotFound, Unreachable, WrongCluster
from gate.readers.registry import image_facts
from gate.records import ImageFacts, Pod, Snapshot, SoakPlan
from gate.soaking import Look, read_samples, samples_file
from gate.target import Cluster, Identity, Registry

RENDERED = Path(__file__).resolve().parent.parent / "infra" / "terraform" / "rendered" / "local.yaml"
NAMESPACE = "e2e-readers"
REPOSITORY = "localhost:5000/carepath-chat-api"
IMAGE = f"{REPOSITORY}:v1.0"
LEFT_OUT = {"Namespace", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
REQUESTS, CONNECTIONS = 200, 20

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("e2e-readers")]


def kubectl(*words: str, manifest: object = None) -> str:
    """Run kubectl and return what it says."""
    done = subprocess.run(
        ["kubectl", *words],  # noqa: S607  # the one that the cluster's environment puts first on PATH
        input=None if manifest is None else json.dumps(manifest),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"kubectl {' '.join(words)}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def image() -> ImageFacts:
    """What the registry says of the tag now; the node may hold what it meant before."""
    return image_facts(IMAGE, Registry(reader="http", url=os.environ["CAREPATH_REGISTRY_URL"]))


def app(image: str) -> dict[str, Any]:
    """Return the rendered app as this test runs it: mock engine, no load balancer, room for a burst."""
    documents = [
        each for each in yaml.safe_load_all(RENDERED.read_text(encoding="utf-8")) if each["kind"] not in LEFT_OUT
    ]
    for document in documents:
        document["metadata"]["namespace"] = NAMESPACE
        if document["kind"] == "Service":
            document["spec"]["type"] = "ClusterIP"
        if document["kind"] == "Deployment" and document["metadata"]["name"] == "chat-api":
            document["spec"]["replicas"] = 1
            (container,) = document["spec"]["template"]["spec"]["containers"]
            container["image"] = image
            settings = {each["name"]: each["value"] for each in container["env"]}
            settings |= {"LLM_MODE": "mock", "IMAGE": image, "MAX_QUEUE": str(CONNECTIONS)}
            # The way to the pod is judged here, not how soon a fresh patient API answers on a busy node.
            settings["DB_API_TIMEOUT_S"] = "8"
            container["env"] = [{"name": name, "value": value} for name, value in settings.items()]
    return {"apiVersion": "v1", "kind": "List", "items": documents}


@pytest.fixture(scope="module")
def target() -> Cluster:
    """The cluster that kubectl talks to, proven by its UID."""
    uid = kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    return Cluster(identity=Identity(kube_system_uid=uid), namespace=NAMESPACE)


@pytest.fixture(scope="module")
def reader(target: Cluster, image: ImageFacts) -> Iterator[ClusterReader]:
    """A reader of the namespace in which the app runs."""
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    kubectl("create", "namespace", NAMESPACE)
    try:
        kubectl("apply", "-f", "-", manifest=app(f"{REPOSITORY}@{image.digest}"))
        for name in ("patient-api", "chat-api"):
            kubectl("rollout", "status", f"deployment/{name}", "-n", NAMESPACE, "--timeout=120s")
        yield connect(target)
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def snapshot(reader: ClusterReader) -> Snapshot:
    """What the reader sees now."""
    return reader.snapshot()


@pytest.fixture
def pod(snapshot: Snapshot) -> Pod:
    """The pod of chat-api."""
    (found,) = [each for each in snapshot.pods if each.labels.get("app") == "chat-api" and each.ready]
    return found


@pytest.fixture
def narrow(reader: ClusterReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """A service account that may read the app's own kinds in the namespace and nothing else."""
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
    ]
    api_group, version = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
    subject = {"kind": "ServiceAccount", "name": "narrow", "namespace": NAMESPACE}
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "narrow"}},
        {"apiVersion": version, "kind": "Role", "metadata": {"name": "narrow"}, "rules": rules},
        {
            "apiVersion": version,
            "kind": "RoleBinding",
            "metadata": {"name": "narrow"},
            "subjects": [subject],
            "roleRef": {"apiGroup": api_group, "kind": "Role", "name": "narrow"},
        },
    ]
    kubectl("apply", "-n", NAMESPACE, "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": objects})
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"][0]["user"] = {"token": kubectl("create", "token", "narrow", "-n", NAMESPACE).strip()}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))
    return Cluster(identity=Identity(server=reader.identity.server), namespace=NAMESPACE)


def test_snapshot_of_the_running_app_is_complete(snapshot: Snapshot) -> None:
    """Everything is readable, and the parts fit together."""
    assert [each for each in snapshot.unreadable if each.what != "metrics"] == []
    deployment = snapshot.deployment("chat-api")
    assert deployment is not None
    assert (deployment.available, deployment.revision) == (1, 1)
    addresses = [each for each in snapshot.endpoints if each.service == "chat-api-service"]
    (pod,) = [each for each in snapshot.pods if each.labels.get("app") == "chat-api"]
    assert [(each.pod, each.address, each.ports, each.ready) for each in addresses] == [
        (pod.name, pod.ip, (8002,), True)
    ]
    (owner,) = [each for each in snapshot.replica_sets if pod.owner is not None and each.uid == pod.owner.uid]
    assert owner.owner is not None
    assert owner.owner.uid == deployment.uid
    (node,) = [each for each in snapshot.nodes if each.name == pod.node]
    assert node.requested is not None
    assert (node.requested.cpu_m or 0) >= sum(each.spec.requested.cpu_m or 0 for each in snapshot.pods) >= 300
    assert "Scheduled" in {event.reason for event in snapshot.events_of("Pod", pod.name)}
    assert abs(snapshot.read_at.timestamp() - time.time()) < 5


def test_snapshot_of_pages_equals_that_of_one_page(
    reader: ClusterReader, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real API server's continue tokens lead to the same objects."""
    monkeypatch.setattr(api, "PAGE_ITEMS", 1)
    paged = reader.snapshot()
    assert {each.uid for each in paged.pods} == {each.uid for each in snapshot.pods}
    assert len(paged.pods) > 1


def test_logs_of_a_pod_hold_its_start_and_no_previous_instance(reader: ClusterReader, pod: Pod) -> None:
    """What the service logged is read; an instance that never was is told apart from an empty log."""
    tail = reader.logs(pod.name, "chat-api", since=pod.created_at)
    assert tail.lines
    assert not tail.truncated
    with pytest.raises(NotFound, match="previous terminated container"):
        reader.logs(pod.name, "chat-api", previous=True)


def test_200_posts_over_20_port_forwards_are_answered_and_leave_nothing(reader: ClusterReader, pod: Pod) -> None:
    """Each answer belongs to its question, and afterwards no thread and no socket is left."""
    threads, sockets = threading.enumerate(), _open_files()
    before = time.perf_counter()
    with (
        ChatClient(pod_transport(reader, pod.name, 8002, CONNECTIONS), via=f"pod/{pod.name}") as chat,
        ThreadPoolExecutor(CONNECTIONS) as users,
    ):
        answers = list(users.map(lambda number: chat.ask("MRN-001", f"question {number}"), range(REQUESTS)))
    elapsed_s = time.perf_counter() - before
    assert [answer.reply for answer in answers if answer.reply.status != 200] == []
    assert {answer.violations for answer in answers} == {()}
    assert len({answer.trace_id for answer in answers}) == REQUESTS
    assert threading.enumerate() == threads
    assert _open_files() <= sockets + 1  # the reader's own pool may have opened one for the API server
    assert elapsed_s < 30


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_version_of_a_pod_declares_the_mock(reader: ClusterReader, pod: Pod, image: ImageFacts) -> None:
    """The port is the container's own, and what /version says is read."""
    with pod_client(reader, pod, container="chat-api") as chat:
        assert (chat.health().status, chat.ready().status) == (200, 200)
        identity = chat.version()
    assert (identity.llm_mode, identity.image, identity.violations) == (
        "mock",
        f"{REPOSITORY}@{image.digest}",
        (),
    )


def test_pod_that_cannot_be_asked_says_why(reader: ClusterReader, pod: Pod) -> None:
    """A port without a listener is the service's trouble, a pod that is gone is the gate's."""
    with ChatClient(pod_transport(reader, pod.name, 9), via=f"pod/{pod.name}") as chat:
        assert chat.health().trouble == "refused"
    with ChatClient(pod_transport(reader, "nobody", 8002), via="pod/nobody") as chat:
        assert chat.health().trouble == "unreachable"


def test_reader_with_few_permissions_names_each_that_is_missing(narrow: Cluster, pod: Pod) -> None:
    """The app is judged as far as it may be seen; port-forward and logs say which right they need."""
    reader = connect(narrow)
    snapshot = reader.snapshot()
    assert snapshot.deployment("chat-api") is not None
    forbidden = {each.what for each in snapshot.unreadable if each.kind == "forbidden"}
    assert forbidden >= {"node_requests", "nodes", "services", "endpoints", "hpas", "claims", "quotas", "events"}
    assert forbidden >= {"storage_classes", "csi_drivers", "volumes"}
    with pod_client(reader, pod, container="chat-api") as chat:
        reply = chat.health()
    assert (reply.trouble, "get pods/portforward" in reply.error) == ("forbidden", True)
    with pytest.raises(Denied, match="get pods/log in namespace e2e-readers"):
        reader.logs(pod.name, "chat-api")


def test_token_never_shows_when_a_reader_fails(
    narrow: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a refusal nor a broken connection carries the credentials into a text."""
    config = json.loads(Path(os.environ["KUBECONFIG"]).read_text(encoding="utf-8"))
    token = config["users"][0]["user"]["token"]
    reader = connect(narrow)
    with pytest.raises(Denied) as denied:
        reader.logs("nobody", "chat-api")
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "nowhere"
    path.write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(Unreachable, match=r"^API server https://127\.0\.0\.1:1: .*refused") as unreachable:
        connect(narrow.model_copy(update={"identity": Identity(server="https://127.0.0.1:1")}))
    for shown in (repr(reader.connection), str(denied.getrepr()), str(unreachable.getrepr())):
        assert token not in shown


def test_reader_of_another_cluster_is_refused(target: Cluster) -> None:
    """A UID that is not this cluster's stops before anything is read."""
    wrong = target.model_copy(update={"identity": Identity(kube_system_uid="f00")})
    with pytest.raises(WrongCluster, match="the target's kube-system has the UID f00"):
        connect(wrong)
    with pytest.raises(Unreachable, match="has no context 'nowhere'; it has: "):
        connect(target.model_copy(update={"context": "nowhere"}))


def test_registry_resolves_the_tag_to_a_digest_that_the_node_runs(pod: Pod, image: ImageFacts) -> None:
    """The kubelet pulls what the registry's word for the tag was, and it is for this node's platform."""
    status = pod.status("chat-api")
    assert status is not None
    assert (image.digest, image.platforms) == (status.digest, ("linux/amd64",))
    assert (image.compressed_bytes or 0) > 1_000_000


def test_soak_looks_at_the_real_pod_twice_and_goes_on_with_its_file(reader: ClusterReader, tmp_path: Path) -> None:
    """Memory, counters and an answer of the pod each time; the second look is another process's, by the same file."""
    path = tmp_path / "samples.jsonl"
    started_at = datetime.now(UTC)
    plan = SoakPlan(
        server=reader.identity.server,
        namespace=NAMESPACE,
        deployment="chat-api",
        lasts_s=4,
        every_s=2,
        started_at=started_at,
    )

    def reach(pod: Pod) -> ChatClient:
        return pod_client(reader, pod, container="chat-api", timeout_s=30)

    for looks in (1, 2):
        with samples_file(path, plan) as file:
            look = Look(reader.snapshot, reach, "chat-api", "chat-api", ("MRN-001", "MRN-002"))
            look.already(file.samples)
            file.append(look(datetime.now(UTC), looks))
    first, second = read_samples(path)[1]
    (before,), (after,) = first.pods, second.pods
    assert (before.ready, after.ready, before.uid) == (True, True, after.uid)
    assert before.asked is not None
    assert after.asked is not None
    assert (before.asked.failure, before.asked.cold, after.asked.cold) == ("", True, False)
    assert before.answered is not None
    assert before.anonymous_bytes is not None
    assert after.answered == before.answered + 1
    assert 10 * 2**20 < before.anonymous_bytes < 2**30
