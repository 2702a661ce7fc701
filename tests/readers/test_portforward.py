import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpcore
import httpx
import pytest
from websocket import ABNF, WebSocketConnectionClosedException, WebSocketTimeoutException

from gate.readers.api import Duplex
from gate.readers.errors import Denied, Unreachable
from gate.readers.portforward import PodBackend, PodStream, PodTransport
from tests.readers.fakes import FakeServer

PORT = b"\x42\x1f"  # 8002, lowest byte first
GREETINGS = [b"\x00" + PORT, b"\x01" + PORT]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@dataclass
class Frame:
    """A websocket frame."""

    data: bytes


@dataclass
class FakeDuplex:
    """A websocket that answers each request with the same frames.

    Attributes:
        frames: what arrives, a payload of the data or error channel, an opcode for a control frame, or an exception.
        sent: every binary message.
    """

    frames: list[bytes | int | Exception]
    sent: list[bytes] = field(default_factory=list)
    closed: int = 0
    timeouts: list[float | None] = field(default_factory=list)
    pair: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)

    @property
    def sock(self) -> socket.socket | None:
        """Return the near end."""
        return None if self.closed else self.pair[0]

    def send_binary(self, payload: bytes) -> int:
        """Note a message."""
        self.sent.append(payload)
        return len(payload)

    def recv_data_frame(self, control_frame: bool = False) -> tuple[int, Frame]:  # noqa: FBT001, FBT002  # the library's
        """Return the next frame."""
        assert control_frame
        found = self.frames.pop(0)
        if isinstance(found, Exception):
            raise found
        return (found, Frame(b"")) if isinstance(found, int) else (ABNF.OPCODE_BINARY, Frame(found))

    def settimeout(self, timeout: float | None) -> None:
        """Note a limit."""
        self.timeouts.append(timeout)

    def send_close(self) -> None:
        """Fail, as on a connection that is gone."""
        raise BrokenPipeError

    def shutdown(self) -> None:
        """Close both ends."""
        self.closed += 1
        for end in self.pair:
            end.close()


@pytest.fixture
def opened() -> Iterator[list[FakeDuplex]]:
    """Every fake websocket of the test; none may stay open."""
    made: list[FakeDuplex] = []
    yield made
    for each in made:
        each.shutdown()


@dataclass
class Cluster(FakeServer):
    """A server whose websockets are fakes."""

    frames: list[bytes | int | Exception] = field(default_factory=list)
    made: list[FakeDuplex] = field(default_factory=list)
    refusal: Exception | None = None

    def websocket(self, path: str, query: Mapping[str, str], *, timeout_s: float) -> Duplex:
        """Open a fake, or refuse."""
        self.asked.append((path, dict(query)))
        assert 0 < timeout_s <= 10
        if self.refusal:
            raise self.refusal
        self.made.append(FakeDuplex(list(self.frames)))
        return self.made[-1]


def client(server: Cluster) -> httpx.Client:
    """Return an HTTP client of one pod of the server."""
    backend = PodBackend(server, "carepath-demo", "chat-api-1", 8002)
    return httpx.Client(transport=PodTransport(backend, connections=2), base_url="http://chat-api", timeout=5)


def stream(opened: list[FakeDuplex], *frames: bytes | int | Exception) -> PodStream:
    """Return a stream on which these frames arrive."""
    opened.append(FakeDuplex([*GREETINGS, *frames]))
    return PodStream(opened[-1])


def test_request_over_a_port_forward_reaches_the_pods_port(opened: list[FakeDuplex]) -> None:
    """The request goes out on the data channel, the answer comes back without the channels' greetings."""
    server = Cluster(frames=[*GREETINGS, b"\x00" + ANSWER[:20], b"\x00" + ANSWER[20:]], made=opened)
    with client(server) as http:
        assert http.post("/triage", content=b"question").text == "hello"
    assert server.asked == [("/api/v1/namespaces/carepath-demo/pods/chat-api-1/portforward", {"ports": "8002"})]
    sent = opened[0].sent
    assert {message[0] for message in sent} == {0}
    assert b"".join(message[1:] for message in sent).endswith(b"\r\n\r\nquestion")


def test_second_request_uses_the_same_websocket(opened: list[FakeDuplex]) -> None:
    """A connection that stays open is used again."""
    server = Cluster(frames=[*GREETINGS, b"\x00" + ANSWER, b"\x00" + ANSWER], made=opened)
    with client(server) as http:
        assert [http.get("/health").text for _ in range(2)] == ["hello", "hello"]
    assert len(opened) == 1


def test_answer_that_ends_with_the_connection_is_never_followed_by_another(opened: list[FakeDuplex]) -> None:
    """After the pod hung up, the next request opens a websocket of its own."""
    until_close = b"\x00HTTP/1.1 200 OK\r\n\r\nhello"
    server = Cluster(frames=[*GREETINGS, until_close, ABNF.OPCODE_CLOSE], made=opened)
    with client(server) as http:
        assert [http.get("/health").text for _ in range(2)] == ["hello", "hello"]
    assert len(opened) == 2


def test_idle_connection_with_something_to_read_is_not_used_again(opened: list[FakeDuplex]) -> None:
    """A farewell that arrived meanwhile means that the pod is gone."""
    server = Cluster(frames=[*GREETINGS, b"\x00" + ANSWER], made=opened)
    with client(server) as http:
        http.get("/health")
        opened[0].pair[1].send(b"x")
        http.get("/health")
    assert len(opened) == 2


def test_close_of_the_client_closes_every_websocket_and_leaves_no_thread(opened: list[FakeDuplex]) -> None:
    """Closing needs no farewell from the other side, and nothing was started that could be left."""
    before = threading.enumerate()
    with client(Cluster(frames=[*GREETINGS, b"\x00" + ANSWER], made=opened)) as http:
        http.get("/health")
        assert threading.enumerate() == before
    assert [each.closed for each in opened] == [1]


def test_port_that_nobody_listens_on_is_a_refused_connection(opened: list[FakeDuplex]) -> None:
    """The kubelet's text on the error channel becomes a connection error with a plain reason."""
    said = b"\x01error forwarding port 8002: " + b"x" * 400 + b"dial tcp4 127.0.0.1:8002: connect: connection refused"
    server = Cluster(frames=[*GREETINGS, said], made=opened)
    with client(server) as http, pytest.raises(httpx.ConnectError, match=r"^connection refused: nothing listens"):
        http.get("/health")


def test_pod_that_may_not_be_asked_keeps_the_reason(opened: list[FakeDuplex]) -> None:
    """The missing permission stands in the error's causes."""
    denied = Denied("get", "pods/portforward", "carepath-demo", "no", status_code=403)
    with client(Cluster(made=opened, refusal=denied)) as http, pytest.raises(httpx.ConnectError) as caught:
        http.get("/health")
    assert str(caught.value) == "not permitted: get pods/portforward in namespace carepath-demo: no"
    assert caught.value.__cause__ is denied


def test_pod_whose_sandbox_is_gone_is_the_gates_trouble(opened: list[FakeDuplex]) -> None:
    """Any other text on the error channel says nothing about the service."""
    server = Cluster(frames=[*GREETINGS, b"\x01error forwarding port 8002: failed to find sandbox"], made=opened)
    with client(server) as http, pytest.raises(httpx.ConnectError) as caught:
        http.get("/health")
    assert isinstance(caught.value.__cause__, Unreachable)
    assert str(caught.value.__cause__) == "port-forward: error forwarding port 8002: failed to find sandbox"


def test_read_without_data_times_out(opened: list[FakeDuplex]) -> None:
    """The limit holds over all frames together, control frames among them."""
    quiet = stream(opened, ABNF.OPCODE_PING, WebSocketTimeoutException("slow"))
    with pytest.raises(httpcore.ReadTimeout, match=r"^no data from the pod for 2 s$"):
        quiet.read(100, timeout=2.0)
    limits = [limit for limit in opened[0].timeouts if limit is not None]
    assert limits == sorted(limits, reverse=True)
    assert max(limits) <= 2.0


@pytest.mark.parametrize("end", [ABNF.OPCODE_CLOSE, WebSocketConnectionClosedException("gone")])
def test_read_after_the_end_stays_at_the_end(opened: list[FakeDuplex], end: int | Exception) -> None:
    """Both kinds of farewell are the end of the stream, for good."""
    ended = stream(opened, b"\x00rest", end)
    assert [ended.read(2), ended.read(9), ended.read(9), ended.read(9)] == [b"re", b"st", b"", b""]
    assert ended.get_extra_info("is_readable") is True


def test_broken_connection_is_a_read_error(opened: list[FakeDuplex]) -> None:
    """A connection that breaks half-way is told apart from one that ended."""
    with pytest.raises(httpcore.ReadError, match="reset"):
        stream(opened, ConnectionResetError("connection reset by peer")).read(10, timeout=1.0)
