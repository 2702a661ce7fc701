import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import urllib3
import websocket
from kubernetes.client.exceptions import ApiException

from gate.readers import kube
from gate.readers.errors import Denied, NotFound, Unreachable
from gate.readers.kube import KubeConnection, open_connection

SERVER = "https://10.90.0.2:6443"
TOKEN = "hunter2-of-the-deployer"
FORWARD = "/api/v1/namespaces/carepath-demo/pods/chat-api-1/portforward"


def kubeconfig(**cluster: object) -> dict[str, Any]:
    """Return a kubeconfig with one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "carepath",
        "clusters": [{"name": "carepath-cluster", "cluster": {"server": SERVER, **cluster}}],
        "users": [{"name": "deployer", "user": {"token": TOKEN}}],
        "contexts": [{"name": "carepath", "context": {"cluster": "carepath-cluster", "user": "deployer"}}],
    }


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kubeconfig that the environment names; not there yet."""
    found = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(found))
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    return found


@pytest.fixture
def connection(path: Path) -> KubeConnection:
    """A connection by the current context."""
    path.write_text(json.dumps(kubeconfig()), encoding="utf-8")
    return open_connection(None)


@pytest.mark.parametrize("context", [None, "carepath"])
def test_connection_by_a_context_knows_where_it_leads(path: Path, context: str | None) -> None:
    """Server, context and cluster entry are what an identity is checked against; nothing is sent."""
    path.write_text(json.dumps(kubeconfig()), encoding="utf-8")
    found = open_connection(context)
    assert (found.server, found.context, found.cluster_entry) == (SERVER, "carepath", "carepath-cluster")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(kubeconfig()), "has no context 'other'; it has: carepath"),
        ("}{", "is not usable: while parsing"),
        ("", "is not usable: Invalid kube-config"),
        ("{}", "is not usable: Invalid kube-config"),
        ("contexts: 3", "is not usable"),
    ],
)
def test_connection_by_an_unusable_kubeconfig_says_what_is_wrong(path: Path, text: str, message: str) -> None:
    """The file is named, and what it has instead."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unreachable) as caught:
        open_connection("other")
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_connection_without_any_configuration_says_where_it_looked(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No kubeconfig and no pod: there is no cluster to ask."""
    monkeypatch.setattr(kube, "IN_CLUSTER_TOKEN", tmp_path / "token")
    with pytest.raises(Unreachable, match=f"no cluster is configured: there is no kubeconfig at {path}"):
        open_connection(None)


def test_connection_repr_shows_no_token(connection: KubeConnection) -> None:
    """A traceback that prints its objects prints no credentials."""
    assert repr(connection) == f"KubeConnection({SERVER})"


class Answered:
    """What the client's HTTP pool returns."""

    status = 200
    headers = urllib3.HTTPHeaderDict({"Date": "Sun, 22 Nov 2026 16:00:00 GMT"})

    def read(self) -> bytes:
        """Return the body."""
        return b"{}"


def test_fetch_sends_the_token_and_the_limits(connection: KubeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GET carries query and authorization, and can take neither forever to connect nor to answer."""
    sent: list[Any] = []

    def request(*args: object, **kwargs: object) -> Answered:
        sent.append((args, kwargs))
        return Answered()

    monkeypatch.setattr(connection._pool, "request", request)
    response = connection.fetch("/api/v1/pods", {"limit": "500"}, timeout_s=15.0)
    assert (response.status, response.body) == (200, b"{}")
    assert response.headers["date"] == "Sun, 22 Nov 2026 16:00:00 GMT"
    ((args, kwargs),) = sent
    assert args == ("GET", f"{SERVER}/api/v1/pods?limit=500")
    assert kwargs["headers"]["authorization"] == f"Bearer {TOKEN}"
    assert kwargs["_request_timeout"] == (kube.CONNECT_TIMEOUT_S, 15.0)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            urllib3.exceptions.MaxRetryError(
                urllib3.HTTPSConnectionPool("10.90.0.2", 6443),
                "/version",
                urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPSConnection("10.90.0.2", 6443), "refused"),
            ),
            f"API server {SERVER}: refused",
        ),
        (urllib3.exceptions.ReadTimeoutError(None, "/version", "Read timed out."), "Read timed out."),  # type: ignore[arg-type]
        (ApiException(status=0, reason="SSLError\ncertificate verify failed"), "SSLError certificate verify failed"),
    ],
)
def test_fetch_that_gets_no_answer_is_unreachable_in_plain_words(
    connection: KubeConnection, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    """The innermost reason is told once, without the library's objects and headers."""

    def request(*_: object, **__: object) -> Answered:
        raise error

    monkeypatch.setattr(connection._pool, "request", request)
    with pytest.raises(Unreachable) as caught:
        connection.fetch("/version", {}, timeout_s=1.0)
    assert message in str(caught.value)
    assert "object at" not in str(caught.value)


def test_websocket_carries_token_protocol_and_limit(
    connection: KubeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port-forward is opened with the same credentials as a read."""
    sent: list[Any] = []
    monkeypatch.setattr(websocket.WebSocket, "connect", lambda _, url, **options: sent.append((url, options)))
    connection.websocket(FORWARD, {"ports": "8002"}, timeout_s=4.0)
    ((url, options),) = sent
    assert url == f"wss://10.90.0.2:6443{FORWARD}?ports=8002"
    assert options["header"] == [f"authorization: Bearer {TOKEN}"]
    assert (options["subprotocols"], options["timeout"]) == (["v4.channel.k8s.io"], 4.0)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            websocket.WebSocketBadStatusException("no", 403, resp_body=b'{"message": "pods \\"a\\" is forbidden"}'),
            Denied,
            'not permitted: get pods/portforward in namespace carepath-demo: pods "a" is forbidden',
        ),
        (
            websocket.WebSocketBadStatusException("no", 404, resp_body=b'{"message": "pods \\"a\\" not found"}'),
            NotFound,
            'get pods/portforward: pods "a" not found',
        ),
        (websocket.WebSocketBadStatusException("no", 500), Unreachable, "the API server answered 500"),
        (
            ConnectionRefusedError(111, "refused"),
            Unreachable,
            f"pods/portforward through {SERVER}: [Errno 111] refused",
        ),
        (websocket.WebSocketTimeoutException("timed out"), Unreachable, "timed out"),
    ],
)
def test_websocket_that_is_refused_says_what_is_missing(
    connection: KubeConnection,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[Exception],
    message: str,
) -> None:
    """The missing permission, the missing pod and the missing server are three things."""

    def connect(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    with pytest.raises(kind) as caught:
        connection.websocket(FORWARD, {"ports": "8002"}, timeout_s=1.0)
    assert type(caught.value) is kind
    assert message in str(caught.value)


def test_websocket_verifies_the_server_unless_told_otherwise(connection: KubeConnection, path: Path) -> None:
    """Certificates are checked as for reads, and left unchecked only where the kubeconfig says so."""
    assert "cert_reqs" not in connection._tls()
    path.write_text(json.dumps(kubeconfig(**{"insecure-skip-tls-verify": True})), encoding="utf-8")
    unsafe = open_connection(None)._tls()
    assert (unsafe["cert_reqs"], unsafe["check_hostname"]) == (ssl.CERT_NONE, False)
