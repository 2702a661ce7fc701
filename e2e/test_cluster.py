"""The launcher on this host: what it starts works, it refuses what it should, and leaves nothing behind.

Uses an instance of its own name, beside whatever runs. Needs root and the built binaries (`make setup`).
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from e2e.cluster_host import (
    backend,
    balanced,
    cluster,
    endpoints,
    eventually,
    kubectl,
    processes_of,
    running_instance,
    traces,
)
from gate.readers.cluster import connect
from gate.target import Cluster, Identity
from gate.verdict import Status
from gate.waiting import wait_for_rollout
from infra.cluster.configs import PAUSE_IMAGE
from infra.cluster.instance import Instance, load_record
from infra.cluster.process import Process, Supervisor
from infra.commands import CommandError, run
from infra.paths import run_dir

NAME = "e2e-cluster"
OTHER = "e2e-other"
IDLE_TIMEOUT_S = 2
# The limit for a start from built binaries, doubled: other tests may run beside this one.
READY_WITHIN_S = 20
pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("e2e-cluster")]


@pytest.fixture
def other() -> Iterator[str]:
    """Yield the name of an instance that does not run, and see to it that it is gone afterwards."""
    cluster("down", "--name", OTHER)
    yield OTHER
    cluster("down", "--name", OTHER)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """Yield a running instance whose load balancer has a short idle timeout."""
    cluster("down", "--name", NAME)
    cluster("up", "--name", NAME, "--lb-idle-timeout-s", str(IDLE_TIMEOUT_S))
    yield running_instance(NAME)
    cluster("down", "--name", NAME)


@pytest.fixture(scope="module")
def environment(instance: Instance) -> dict[str, str]:
    """Return what `env` prints, as a shell takes it."""
    return exported(instance.name)


def test_cluster_after_down_leaves_nothing_on_the_host(other: str) -> None:
    """Pods, an image build and a load balancer later the host is as it was: only the cache has grown."""
    before = traces()
    cluster("up", "--name", other)
    instance = running_instance(other)
    environment = exported(other)
    docker_build(environment)
    kubectl(environment, "run", "one", f"--image={PAUSE_IMAGE}", "--restart=Never")
    kubectl(environment, "wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
    kubectl(environment, "apply", "-f", "-", stdin=balanced("edge", 8080))
    eventually(lambda: ingress(environment, "edge"), instance.ingress["ip"])
    assert processes_of(other)
    cluster("down", "--name", other)
    assert traces().since(before) == {}
    eventually(lambda: processes_of(other), [])  # init takes a moment to reap orphans


def test_cluster_with_built_binaries_is_ready_in_seconds(other: str) -> None:
    """The figure is printed by the launcher itself, from the first change to a Ready node."""
    lines = cluster("up", "--name", other).stderr.splitlines()
    (ready,) = [line for line in lines if ": Ready in " in line]
    seconds = float(ready.split()[-2])
    assert 0 < seconds < READY_WITHIN_S


def test_second_up_changes_nothing_and_succeeds(instance: Instance) -> None:
    """No component is started again."""
    before = Supervisor.of(instance).processes()
    cluster("up", "--name", NAME, "--lb-idle-timeout-s", str(IDLE_TIMEOUT_S))
    assert Supervisor.of(instance).processes() == before


def test_up_with_other_settings_is_refused(instance: Instance) -> None:
    """A running instance keeps what it was started with."""
    done = cluster("up", "--name", instance.name, "--disk-gib", "30", check=False)
    assert done.returncode == 1
    assert "`down` first, then `up`" in done.stderr


def test_component_that_died_is_named_by_status_and_started_by_up(instance: Instance) -> None:
    """A repair leaves the others, and what is in the cluster, alone."""
    before = Supervisor.of(instance).processes()
    os.kill(before["scheduler"].pid, signal.SIGKILL)
    eventually(lambda: cluster("status", "--name", NAME, check=False).returncode, 1)
    cluster("up", "--name", NAME, "--lb-idle-timeout-s", str(IDLE_TIMEOUT_S))
    after = Supervisor.of(instance).processes()
    assert {name for name in before if before[name] != after[name]} == {"scheduler"}
    assert cluster("status", "--name", NAME).returncode == 0


def test_gate_that_watches_a_rollout_outlives_a_killed_api_server(
    instance: Instance, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one, killed and started again within the window: nothing was restarted, and the rollout passes."""
    kubectl(environment, "create", "deployment", "watched", f"--image={PAUSE_IMAGE}", "--replicas=2")
    kubectl(environment, "rollout", "status", "deployment/watched", "--timeout=60s")
    monkeypatch.setenv("KUBECONFIG", environment["KUBECONFIG"])
    reader = connect(Cluster(identity=Identity(server=instance.server), namespace="default"))
    killed = Supervisor.of(instance).processes()["apiserver"]
    begun = threading.Event()

    def restart() -> None:
        begun.wait()
        os.kill(killed.pid, signal.SIGKILL)
        cluster("up", "--name", NAME, "--lb-idle-timeout-s", str(IDLE_TIMEOUT_S))

    with ThreadPoolExecutor(1) as hands:
        restarted = hands.submit(restart)
        waited = wait_for_rollout(
            reader.snapshot, deployment="watched", window_s=20, timeout_s=150, on_snapshot=lambda _: begun.set()
        )
        restarted.result()
    assert not killed.alive()
    assert waited.verdict.status is Status.PASS, waited.verdict.reason
    kubectl(environment, "delete", "deployment", "watched")


def test_two_ups_at_once_refuse_clearly(other: str) -> None:
    """The first goes on undisturbed."""
    first = start_up(other)
    eventually(lambda: run_dir(other).exists(), wanted=True)
    second = cluster("up", "--name", other, check=False)
    assert second.returncode == 1
    assert f"{other}: another `up` or `down` is under way (pid {first.pid})" in second.stderr
    assert first.wait(timeout=120) == 0


def test_interrupted_up_cleans_up_after_itself(other: str) -> None:
    """Ctrl-C in the middle leaves the host as it was."""
    before = traces()
    process = start_up(other)
    eventually(lambda: "apiserver" in started_components(other), wanted=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 128 + signal.SIGINT
    assert traces().since(before) == {}
    eventually(lambda: processes_of(other), [])  # init takes a moment to reap orphans


def test_up_after_a_killed_up_cleans_and_starts_anew(other: str) -> None:
    """SIGKILL gives no chance to clean: the next start does it from the record."""
    process = start_up(other)
    eventually(lambda: "apiserver" in started_components(other), wanted=True)
    process.kill()
    process.wait(timeout=60)
    assert "removing what an earlier run left" in cluster("up", "--name", other).stderr
    assert cluster("status", "--name", other).returncode == 0


def test_node_offers_less_than_it_has(environment: dict[str, str]) -> None:
    """Allocatable differs from capacity by EKS's reservations."""
    (node,) = json.loads(kubectl(environment, "get", "nodes", "-o", "json"))["items"]
    capacity, allocatable = node["status"]["capacity"], node["status"]["allocatable"]
    # 255 + 11 * 58 MiB reserved, 100 MiB eviction threshold.
    assert kib(capacity["memory"]) - kib(allocatable["memory"]) == (255 + 11 * 58 + 100) * 1024
    assert millicores(capacity["cpu"]) - millicores(allocatable["cpu"]) >= 60
    # 0.9 * capacity - 1 GiB (the formula that real nodes' figures follow).
    expected = 0.9 * kib(capacity["ephemeral-storage"]) * 1024 - 2**30
    assert int(allocatable["ephemeral-storage"]) == pytest.approx(expected, abs=1024)  # capacity is shown in whole KiB


def test_image_pushed_from_the_host_runs_by_digest(environment: dict[str, str], instance: Instance) -> None:
    """One name everywhere: the digest of the push is the pod's imageID."""
    docker_build(environment)
    with httpx.Client(base_url=instance.registry_url, trust_env=False) as registry:
        accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        digest = registry.get("/v2/e2e/manifests/1", headers=accept).headers["Docker-Content-Digest"]
    reference = f"localhost:5000/e2e@{digest}"
    kubectl(environment, "run", "digest", f"--image={reference}", "--restart=Never", "--command", "--", "/pause")
    kubectl(environment, "wait", "pod/digest", "--for=condition=Ready", "--timeout=60s")
    pod = json.loads(kubectl(environment, "get", "pod", "digest", "-o", "json"))
    assert pod["status"]["containerStatuses"][0]["imageID"] == reference


def test_metrics_api_serves_within_half_a_minute(environment: dict[str, str]) -> None:
    """Two rounds of 10 s, and the HPA has figures."""
    path = "/apis/metrics.k8s.io/v1beta1/nodes"

    def nodes() -> int:
        try:
            return len(json.loads(kubectl(environment, "get", "--raw", path))["items"])
        except CommandError:
            return 0

    eventually(nodes, 1, timeout_s=40)


def test_names_of_services_resolve_inside_and_others_are_refused_at_once(instance: Instance) -> None:
    """Cluster DNS works from the node; a name of the world does not take seconds to fail."""
    started = time.monotonic()
    inside = cluster("exec", "--name", NAME, "--", "getent", "hosts", "kubernetes.default.svc.cluster.local")
    assert inside.stdout.split()[0] == "10.96.0.1"
    outside = cluster("exec", "--name", NAME, "--", "getent", "hosts", "example.org", check=False)
    assert outside.returncode != 0
    assert time.monotonic() - started < 2 * IDLE_TIMEOUT_S
    assert instance.node_ip in cluster("exec", "--name", NAME, "--", "cat", "/etc/resolv.conf").stdout


def test_load_balancer_changing_backends_loses_no_request(environment: dict[str, str], instance: Instance) -> None:
    """As in a rolling update: new endpoints first, then the old backend ends; meanwhile other Services come and go."""
    url = f"http://{instance.loopback_ip}:8081/0"
    outcomes: Counter[str] = Counter()
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not stop.is_set():
                try:
                    outcomes[str(client.get(url).status_code)] += 1
                except httpx.HTTPError as error:
                    outcomes[repr(error)] += 1

    kubectl(environment, "apply", "-f", "-", stdin=balanced("moving", 8081))
    with backend(instance) as new:
        with backend(instance) as old:
            kubectl(environment, "apply", "-f", "-", stdin=endpoints(instance, "moving", old))
            eventually(lambda: answer(url), str(old))
            askers = [threading.Thread(target=ask) for _ in range(4)]
            for asker in askers:
                asker.start()
            kubectl(environment, "apply", "-f", "-", stdin=balanced("passing", 8082))
            eventually(lambda: ingress(environment, "passing"), instance.ingress["ip"])
            kubectl(environment, "apply", "-f", "-", stdin=endpoints(instance, "moving", new))
            eventually(lambda: answer(url), str(new))
            time.sleep(1)  # every iptables rule of the old endpoint is gone, as after a preStop pause
        kubectl(environment, "delete", "service", "passing", "--wait=false")
        time.sleep(1)
        stop.set()
        for asker in askers:
            asker.join()
    assert set(outcomes) == {"200"}
    assert outcomes["200"] > 100


def test_answer_slower_than_the_idle_timeout_becomes_504(environment: dict[str, str], instance: Instance) -> None:
    """As an ELB does; an answer in time passes."""
    kubectl(environment, "apply", "-f", "-", stdin=balanced("slow", 8083))
    with backend(instance) as port:
        kubectl(environment, "apply", "-f", "-", stdin=endpoints(instance, "slow", port))
        url = f"http://{instance.loopback_ip}:8083"
        eventually(lambda: answer(f"{url}/0"), str(port))
        with httpx.Client(trust_env=False, timeout=10 * IDLE_TIMEOUT_S) as client:
            assert client.get(f"{url}/{IDLE_TIMEOUT_S / 2}").status_code == httpx.codes.OK
            late = client.get(f"{url}/{IDLE_TIMEOUT_S * 2}")
    assert late.status_code == httpx.codes.GATEWAY_TIMEOUT
    assert late.elapsed.total_seconds() == pytest.approx(IDLE_TIMEOUT_S, abs=1)


def test_second_service_on_a_port_gets_an_event_and_no_address(environment: dict[str, str], instance: Instance) -> None:
    """All Services share one address here, so a port has one owner."""
    kubectl(environment, "apply", "-f", "-", stdin=balanced("first", 8084))
    eventually(lambda: ingress(environment, "first"), instance.ingress["ip"])
    kubectl(environment, "apply", "-f", "-", stdin=balanced("second", 8084))
    selector = "--field-selector=reason=SyncLoadBalancerFailed,involvedObject.name=second"
    message = ["-o", "jsonpath={.items[*].message}"]
    eventually(
        lambda: kubectl(environment, "get", "events", selector, *message),
        "Port 8084 of the load balancer is taken by Service default/first.",
    )
    assert ingress(environment, "second") == ""


def test_two_instances_run_side_by_side(instance: Instance, other: str) -> None:
    """Each has its own addresses and its own authority, and one's end does not touch the other."""
    cluster("up", "--name", other, "--nodes", "none")
    second = running_instance(other)
    assert second.node_ip != instance.node_ip
    environment = exported(other)
    assert kubectl(environment, "get", "--raw", "/readyz") == "ok"
    assert json.loads(kubectl(environment, "get", "nodes", "-o", "json"))["items"] == []
    cluster("down", "--name", other)
    assert cluster("status", "--name", NAME).returncode == 0


def exported(name: str) -> dict[str, str]:
    """Return what `env` prints, as a shell takes it."""
    script = f"{cluster('env', '--name', name).stdout}\nenv -0"
    return dict(line.split("=", 1) for line in run(["/bin/sh", "-c", script]).split("\0") if "=" in line)


def started_components(name: str) -> dict[str, Process]:
    """Return the components of an instance that may be on its way up."""
    record = load_record(name)
    return Supervisor.of(record.instance).processes() if record else {}


def docker_build(environment: dict[str, str]) -> None:
    """Build an image from the pause image with BuildKit and push it."""
    dockerfile = f"FROM {PAUSE_IMAGE}\nLABEL built-by=e2e\n"
    image = "localhost:5000/e2e:1"
    run(["/usr/bin/env", "docker", "build", "--tag", image, "-"], env=environment, stdin=dockerfile)
    run(["/usr/bin/env", "docker", "push", image], env=environment)


def start_up(name: str) -> subprocess.Popen[bytes]:
    """Start `up` without waiting for it."""
    return subprocess.Popen([sys.executable, "-m", "infra.cluster", "up", "--name", name], stderr=subprocess.DEVNULL)


def ingress(environment: dict[str, str], service: str) -> str:
    """Return the address that a Service got, or nothing."""
    path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    return kubectl(environment, "get", "service", service, "-o", path)


def answer(url: str) -> str:
    """Return a body, or the error in words."""
    try:
        return httpx.get(url, trust_env=False, timeout=5).text
    except httpx.HTTPError as error:
        return repr(error)


def kib(quantity: str) -> int:
    """Return a quantity in KiB, as the kubelet writes memory."""
    return int(quantity.removesuffix("Ki"))


def millicores(quantity: str) -> int:
    """Return CPU in millicores."""
    return int(quantity.removesuffix("m")) if quantity.endswith("m") else 1000 * int(quantity)
