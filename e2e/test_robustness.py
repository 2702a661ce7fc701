"""The gate while the API server comes and goes: the real one, through a door of ours that can be shut.

To whoever asks through it, a shut door is an API server that restarts: connections break, new ones are refused. The
cluster itself, which other tests share, notices nothing.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from e2e.faults.app import App, baseline
from e2e.faults.hands import free
from e2e.faults.judging import World, accept, target_text
from gate.causes import Cause
from gate.criteria import criteria
from gate.readers.chat import pod_client
from gate.readers.cluster import ClusterReader, connect
from gate.target import Cluster, Identity
from gate.verdict import Status
from gate.waiting import wait_for_rollout

NAMESPACE = "e2e-robustness"
#: At the load balancer stand-in, beside those of the fault matrix.
PORT = 17992
CHUNK_BYTES = 65536
#: An API server under systemd is back in about this time (6 s on the embedded cluster).
OUTAGE_S = 6.0

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("robustness")]


@dataclass
class Door:
    """A TCP relay to the API server that can be shut: then nobody gets in, and who was in is out.

    Attributes:
        to: address and port of the API server.
        refused: connections that came while it was shut.
        broken: connections that were in when it was shut.
    """

    to: tuple[str, int]
    refused: int = 0
    broken: int = 0
    _open: bool = True
    _pairs: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def standing(self) -> Iterator[int]:
        """Listen on a free port, and yield it."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
            try:
                yield int(listener.getsockname()[1])
            finally:
                self._break()
                listener.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Be shut for a while."""
        self._open = False
        self._break()
        try:
            yield
        finally:
            self._open = True

    def _break(self) -> None:
        with self._lock:
            pairs = list(self._pairs)
            self._pairs.clear()
        self.broken += len(pairs) // 2
        for end in pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                came, _ = listener.accept()
            except OSError:
                return
            if not self._open:
                self.refused += 1
                came.close()
                continue
            server = socket.create_connection(self.to)
            with self._lock:
                self._pairs |= {came, server}
            for source, sink in ((came, server), (server, came)):
                threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    @staticmethod
    def _relay(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def door(world: World) -> Iterator[tuple[Door, int]]:
    """A door to the API server, and its port."""
    host, _, port = world.server.removeprefix("https://").partition(":")
    made = Door((host, int(port)))
    with made.standing() as listening:
        yield made, listening


@pytest.fixture(scope="module")
def app(world: World) -> Iterator[App]:
    """The app with the mock engine, running in a namespace of its own."""
    hands = world.hands(NAMESPACE)
    hands.delete(wait=True)
    made = baseline(NAMESPACE, PORT, world.images, free(world.api), model=False)
    # The fault matrix clears away what carries its label.
    made.document("Namespace", NAMESPACE)["metadata"]["labels"].clear()
    try:
        hands.apply(made.documents)
        for name in ("patient-api", "chat-api"):
            hands.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout_s=150)
        yield made
    finally:
        hands.delete(wait=False)


@pytest.fixture(scope="module")
def kubeconfig(world: World, door: tuple[Door, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig that leads to the API server through the door."""
    config = json.loads(world.hands(NAMESPACE).kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["clusters"][0]["cluster"] |= {"server": through(door), "tls-server-name": door[0].to[0]}
    path = tmp_path_factory.mktemp("robustness") / "kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def through(door: tuple[Door, int]) -> str:
    """Return the API server's URL on this side of the door."""
    return f"https://127.0.0.1:{door[1]}"


@pytest.fixture(scope="module")
def reader(app: App, kubeconfig: Path, door: tuple[Door, int]) -> Iterator[ClusterReader]:
    """A reader that goes through the door, of the app's namespace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(kubeconfig))
        yield connect(Cluster(identity=Identity(server=through(door)), namespace=app.namespace))


def test_server_that_restarts_during_the_wait_is_waited_out(reader: ClusterReader, door: tuple[Door, int]) -> None:
    """6 s without an API server in the middle of the window: the rollout passes, told by the reads around it."""
    shut = threading.Event()

    def outage() -> None:
        time.sleep(2)
        with door[0].shut():
            shut.set()
            time.sleep(OUTAGE_S)

    restart = threading.Thread(target=outage)
    restart.start()
    waited = wait_for_rollout(reader.snapshot, deployment="chat-api", window_s=10, timeout_s=120)
    restart.join()
    assert shut.is_set()
    assert door[0].refused > 0
    assert waited.verdict.status is Status.PASS, waited.verdict.reason
    assert waited.seconds >= 10


def test_server_that_does_not_come_back_leaves_the_rollout_unknown(
    reader: ClusterReader, door: tuple[Door, int]
) -> None:
    """Nothing was seen to be wrong and nothing is known: inconclusive at the gate's limit, never a pass."""
    with door[0].shut():
        waited = wait_for_rollout(reader.snapshot, deployment="chat-api", window_s=2, timeout_s=3)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_UNREACHABLE)
    assert waited.verdict.remedy == "Reach the API server first: kubectl get --raw /readyz"


def test_pod_asked_while_the_server_is_away_is_unknown_and_answers_afterwards(
    reader: ClusterReader, door: tuple[Door, int]
) -> None:
    """A port-forward that breaks is the gate's trouble and not the pod's; the next one works."""
    pod = next(each for each in reader.snapshot().pods if each.labels.get("app") == "chat-api" and each.ready)
    with pod_client(reader, pod, container="chat-api") as chat:
        assert chat.health().status == 200
        with door[0].shut():
            away = chat.health()
        back = chat.health()
    assert (away.status, away.trouble) == (None, "unreachable"), away.error
    assert back.status == 200, back.error


def test_acceptance_over_restarts_of_the_server_fails_nothing_and_tells_everything(
    world: World, app: App, kubeconfig: Path, door: tuple[Door, int], tmp_path: Path
) -> None:
    """Lists and port-forwards break again and again: each criterion has its verdict, and the app is not blamed."""
    manifests, target = tmp_path / "manifests.yaml", tmp_path / "target.toml"
    manifests.write_text(yaml.safe_dump_all(app.documents), encoding="utf-8")
    target.write_text(target_text(app.namespace, through(door), manifests), encoding="utf-8")
    met_before, over = door[0].refused + door[0].broken, threading.Event()

    def restarts() -> None:
        while not over.wait(OUTAGE_S / 2):
            with door[0].shut():
                over.wait(OUTAGE_S / 2)

    restarting = threading.Thread(target=restarts)
    restarting.start()
    try:
        found = accept(target, tmp_path / "report", {**world.environment, "KUBECONFIG": str(kubeconfig)})
    finally:
        over.set()
        restarting.join()
    assert door[0].refused + door[0].broken > met_before
    assert "Traceback" not in found.output
    assert found.verdicts.keys() == {each.id for each in criteria().values() if each.tier == "acceptance"}
    failed = {name: each["cause"] for name, each in found.verdicts.items() if each["status"] == "fail"}
    # The engine is the mock, which is what LLM-1 is there to say.
    assert failed.keys() <= {"LLM-1", "QLT-1"}, failed


def test_acceptance_without_a_server_is_inconclusive_in_all_and_over_in_seconds(
    world: World, app: App, kubeconfig: Path, door: tuple[Door, int], tmp_path: Path
) -> None:
    """An API server that is away for good: nothing fails and nothing passes."""
    manifests, target = tmp_path / "manifests.yaml", tmp_path / "target.toml"
    manifests.write_text(yaml.safe_dump_all(app.documents), encoding="utf-8")
    text = target_text(app.namespace, through(door), manifests, rollout_timeout_s=10)
    target.write_text(text, encoding="utf-8")
    with door[0].shut():
        found = accept(target, tmp_path / "report", {**world.environment, "KUBECONFIG": str(kubeconfig)})
    assert found.exit_code == 10, found.output
    assert "Traceback" not in found.output
    assert {each["status"] for each in found.verdicts.values()} == {"inconclusive"}
