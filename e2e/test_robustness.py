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

import pytest

from e2e.faults.app import baseline
from e2e.faults.hands import free
from e2e.faults.judging import World
from gate.causes import Cause
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
    """

    to: tuple[str, int]
    refused: int = 0
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
def reader(world: World, door: tuple[Door, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterReader]:
    """A reader that goes through the door, of a namespace in which the app runs."""
    hands = world.hands(NAMESPACE)
    hands.delete(wait=True)
    app = baseline(NAMESPACE, PORT, world.images, free(world.api), model=False)
    # The fault matrix clears away what carries its label.
    app.document("Namespace", NAMESPACE)["metadata"]["labels"].clear()
    config = json.loads(hands.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    entry = config["clusters"][0]["cluster"]
    entry |= {"server": f"https://127.0.0.1:{door[1]}", "tls-server-name": door[0].to[0]}
    path = tmp_path_factory.mktemp("robustness") / "kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    try:
        hands.apply(app.documents)
        for name in ("patient-api", "chat-api"):
            hands.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout_s=150)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(path))
            yield connect(Cluster(identity=Identity(server=entry["server"]), namespace=NAMESPACE))
    finally:
        hands.delete(wait=False)


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
