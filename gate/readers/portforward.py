"""Asks one pod: HTTP over a port-forward, one websocket for each connection.

The API server's own proxy is no way in: EKS security groups block it, and the Python client sends no body through it.
``kubernetes.stream.portforward`` starts a thread for each forward that outlives a broken connection; here the websocket
is read by the thread that reads the answer, so closing a connection leaves nothing behind.
"""

import select
import ssl
from collections.abc import Iterable
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpcore
import httpx
from websocket import ABNF, WebSocketConnectionClosedException, WebSocketException, WebSocketTimeoutException

from gate.readers.api import Connection, Duplex
from gate.readers.errors import ReadError, Unreachable, excerpt

# The first port's channels in the v4 protocol (k8s.io/kubelet, portforward/websocket.go). The first frame on each says
# which port it belongs to, in two bytes.
_DATA, _ERROR = 0, 1

#: Opening takes the API server, the kubelet and the container runtime: longer than a mere TCP connection.
OPEN_TIMEOUT_S = 10.0

_EXCEPTIONS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
}


class ForwardError(httpcore.ConnectError):
    """The pod could not be reached; a connection pool drops an exception's cause, so the reason is carried here."""

    def __init__(self, reason: ReadError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class PodStream(httpcore.NetworkStream):
    """A TCP stream to a pod's port, carried by a websocket."""

    def __init__(self, duplex: Duplex) -> None:
        self._duplex = duplex
        self._greeted: set[int] = set()
        self._buffer = b""
        self._ended = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what the pod sent, b"" at its end; raises httpcore's ReadTimeout or ReadError."""
        deadline = None if timeout is None else monotonic() + timeout
        while not self._buffer and not self._ended:
            left_s = None if deadline is None else deadline - monotonic()
            if left_s is not None and left_s <= 0:
                raise httpcore.ReadTimeout(f"no data from the pod for {timeout:g} s")
            self._duplex.settimeout(left_s)
            try:
                opcode, frame = self._duplex.recv_data_frame(control_frame=True)
            except WebSocketTimeoutException as error:
                raise httpcore.ReadTimeout(f"no data from the pod for {timeout:g} s") from error
            except WebSocketConnectionClosedException:
                self._ended = True
                break
            except (WebSocketException, OSError) as error:
                self._ended = True
                raise httpcore.ReadError(excerpt(str(error))) from error
            self._ended = opcode == ABNF.OPCODE_CLOSE
            if opcode == ABNF.OPCODE_BINARY and frame.data:
                self._take(frame.data[0], frame.data[1:])
        data, self._buffer = self._buffer[:max_bytes], self._buffer[max_bytes:]
        return data

    def _take(self, channel: int, payload: bytes) -> None:
        if channel not in self._greeted:
            self._greeted.add(channel)
        elif channel == _ERROR:
            self._ended = True
            if b"connection refused" in payload:
                raise httpcore.ConnectError("connection refused: nothing listens on that port in the pod")
            raise ForwardError(Unreachable(f"port-forward: {excerpt(payload)}"))
        elif channel == _DATA:
            self._buffer += payload

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it; raises httpcore's WriteTimeout or WriteError."""
        if not buffer:
            return
        self._duplex.settimeout(timeout)
        try:
            self._duplex.send_binary(bytes([_DATA]) + buffer)
        except WebSocketTimeoutException as error:
            raise httpcore.WriteTimeout(f"the pod took no data for {timeout:g} s") from error
        except (WebSocketException, OSError) as error:
            raise httpcore.WriteError(excerpt(str(error))) from error

    def close(self) -> None:
        """Close the websocket, without waiting for the other side's farewell."""
        try:
            self._duplex.settimeout(1.0)
            self._duplex.send_close()
        except (WebSocketException, OSError):
            pass  # it is gone already, which is what was wanted
        finally:
            self._duplex.shutdown()

    def get_extra_info(self, info: str) -> object:
        """Say whether an idle connection has something to read: then the pool takes a new one, the pod hung up."""
        return self._is_readable() if info == "is_readable" else None

    def _is_readable(self) -> bool:
        below = self._duplex.sock
        if self._buffer or self._ended or below is None or below.fileno() == -1:
            return True
        if isinstance(below, ssl.SSLSocket) and below.pending():
            return True
        poll = select.poll()
        poll.register(below, select.POLLIN)
        return bool(poll.poll(0))


class PodBackend(httpcore.NetworkBackend):
    """Opens connections to one pod's port, whatever host is asked for."""

    def __init__(self, connection: Connection, namespace: str, pod: str, port: int) -> None:
        self._connection = connection
        self._path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward"
        self._query = {"ports": str(port)}

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002  # httpcore's signature; the pod is fixed
        port: int,  # noqa: ARG002  # same
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  # same
        socket_options: Iterable[object] | None = None,  # noqa: ARG002  # same
    ) -> httpcore.NetworkStream:
        """Open a websocket; raises ForwardError with the API server's reason."""
        limit_s = OPEN_TIMEOUT_S if timeout is None else min(timeout, OPEN_TIMEOUT_S)
        try:
            return PodStream(self._connection.websocket(self._path, self._query, timeout_s=limit_s))
        except ReadError as error:
            raise ForwardError(error) from error


class PodTransport(httpx.BaseTransport):
    """httpx over a connection pool of port-forwards."""

    def __init__(self, backend: httpcore.NetworkBackend, connections: int) -> None:
        self._pool = httpcore.ConnectionPool(
            network_backend=backend, max_connections=connections, max_keepalive_connections=connections
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Perform one exchange; raises httpx's exceptions."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        core = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.read(), extensions=request.extensions
        )
        try:
            answer = self._pool.handle_request(core)
            try:
                body = answer.read()
            finally:
                answer.close()
        except ForwardError as error:
            raise httpx.ConnectError(str(error), request=request) from error.reason
        except tuple(_EXCEPTIONS) as error:
            raise _EXCEPTIONS[type(error)](str(error), request=request) from error
        return httpx.Response(answer.status, headers=answer.headers, content=body)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()
