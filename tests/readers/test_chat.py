import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpcore
import httpx
import pytest

from gate.readers.chat import ChatClient, pod_client, service_url
from gate.readers.cluster import ClusterReader
from gate.readers.errors import Denied, Unreachable
from gate.records import (
    Answer,
    ClusterIdentity,
    ContainerPort,
    ContainerSpec,
    Pod,
    PodSpec,
    Service,
    ServicePort,
    Snapshot,
)
from gate.target import Cluster, Identity
from tests.readers.fakes import SERVED_AT, FakeServer, cluster

MRN, QUERY = "MRN-001", 'Why does my chest hurt, and what is "angina"?'
BODY: dict[str, Any] = {
    "trace_id": "t-1",
    "patient_mrn": MRN,
    "query": QUERY,
    "llm_mode": "SmolLM2-135M-Instruct",
    "response": "You have angina.",
    "inference_time_ms": 1250.5,
    "conversation_id": "c-1",
}
HEADERS = {"X-Finish-Reason": "stop", "X-Prompt-Tokens": "210", "X-Completion-Tokens": "40", "X-Queue-Ms": "1.5"}
VERSION = {
    "service": "chat-api",
    "llm_mode": "SmolLM2-135M-Instruct",
    "model": "SmolLM2-135M-Instruct",
    "model_sha256": "b179",
    "engine": "llama.cpp",
    "image": None,
    "loaded": True,
    "load_seconds": 0.4,
}

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler) -> ChatClient:
    """Return a client of a service that answers so."""
    return ChatClient(httpx.MockTransport(handler), via="pod/chat-api-1", clock=lambda: SERVED_AT)


def ask(status: int = 200, body: object = None, headers: dict[str, str] | None = None) -> Answer:
    """Return what one question to such a service is recorded as."""
    content = body if isinstance(body, bytes) else json.dumps(BODY if body is None else body).encode()
    with client(
        lambda _: httpx.Response(status, content=content, headers=HEADERS if headers is None else headers)
    ) as chat:
        return chat.ask(MRN, QUERY)


def failing(error: Exception) -> Handler:
    """Return a service whose connection fails so."""

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.path
        raise error

    return handler


def caused(outer: Exception, *causes: Exception) -> Exception:
    """Return an exception with its chain of causes."""
    error = outer
    for cause in causes:
        error.__cause__ = cause
        error = cause
    return outer


def test_ask_records_body_headers_and_time() -> None:
    """The answer's fields, the service's own figures and the moment of asking are kept apart."""
    answer = ask()
    assert (answer.response, answer.llm_mode, answer.trace_id) == ("You have angina.", "SmolLM2-135M-Instruct", "t-1")
    assert (answer.finish_reason, answer.prompt_tokens, answer.completion_tokens) == ("stop", 210, 40)
    assert (answer.queue_ms, answer.inference_s, answer.violations) == (1.5, 1.2505, ())
    assert (answer.reply.via, answer.reply.path, answer.reply.status) == ("pod/chat-api-1", "/triage", 200)
    assert (answer.reply.started_at, answer.reply.error, answer.reply.trouble) == (SERVED_AT, "", "")
    assert answer.reply.elapsed_s >= 0


def test_ask_sends_the_patient_and_the_question() -> None:
    """The request is the contract's, and nothing more."""
    seen: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(200, json=BODY)

    with client(handler) as chat:
        chat.ask(MRN, QUERY)
    assert seen == [{"patient_mrn": MRN, "query": QUERY}]


def test_answer_repr_shows_neither_patient_nor_question_nor_answer() -> None:
    """What pytest prints of a failed assertion holds nothing about the patient."""
    shown = repr(ask())
    assert not [private for private in (MRN, "chest", "angina") if private in shown]


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"response": None}, "field response is of type NoneType"),
        ({"inference_time_ms": "1250"}, "field inference_time_ms is of type str"),
        ({"inference_time_ms": True}, "field inference_time_ms is of type bool"),
        ({"diagnosis": "angina"}, "field diagnosis is not part of the contract"),
        ({"patient_mrn": "MRN-002"}, "field patient_mrn is not the patient who was asked about"),
        ({"query": "angina?"}, "field query is not the question that was asked"),
    ],
)
def test_ask_of_a_service_that_breaks_its_contract_notes_the_field(change: dict[str, Any], violation: str) -> None:
    """Each breach is a sentence that names the field and no value."""
    assert ask(body={**BODY, **change}).violations == (violation,)


def test_ask_answered_without_a_field_notes_it_missing() -> None:
    """A field that is left out is a breach, and the others are still read."""
    answer = ask(body={key: value for key, value in BODY.items() if key != "trace_id"})
    assert (answer.violations, answer.response) == (("field trace_id is missing",), "You have angina.")


@pytest.mark.parametrize(
    ("body", "violation"), [(b"<html>", "the body is not JSON"), (b"[]", "the body is not a JSON object")]
)
def test_ask_answered_with_no_object_notes_it(body: bytes, violation: str) -> None:
    """200 with something else is recorded, not raised."""
    answer = ask(body=body)
    assert (answer.violations, answer.response, answer.reply.status) == ((violation,), "", 200)


def test_ask_answered_with_an_unknown_finish_reason_notes_it() -> None:
    """Only the three reasons of the contract are known; no header at all is left to the judge."""
    assert ask(headers={"X-Finish-Reason": "tired"}).violations == (
        "header X-Finish-Reason is none of deadline, length, stop",
    )
    bare = ask(headers={})
    assert (bare.violations, bare.finish_reason, bare.completion_tokens) == ((), None, None)


@pytest.mark.parametrize("status", [403, 404, 422, 429, 500, 503])
def test_ask_answered_with_an_error_status_is_recorded(status: int) -> None:
    """No status raises, and the service's reason is kept without patient and question."""
    answer = ask(status, {"detail": f"{MRN} asked {QUERY}"}, {"Retry-After": "2"})
    assert (answer.reply.status, answer.reply.error, answer.retry_after_s) == (status, "*** asked ***", 2.0)
    assert (answer.response, answer.violations) == ("", ())


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (httpx.ReadTimeout("slow"), "timed_out"),
        (httpx.ConnectTimeout("slow"), "timed_out"),
        (
            caused(httpx.ConnectError("no"), httpcore.ConnectError("no"), ConnectionRefusedError(111, "refused")),
            "refused",
        ),
        (caused(httpx.ConnectError("no"), httpcore.ConnectError("no"), socket.gaierror(-2, "unknown")), "no_address"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), "closed"),
        (httpx.ReadError("reset"), "closed"),
        (caused(httpx.ConnectError("no"), httpcore.ConnectError("no"), Denied("get", "pods", "n", "no")), "forbidden"),
        (caused(httpx.ConnectError("no"), httpcore.ConnectError("no"), Unreachable("no")), "unreachable"),
    ],
)
def test_exchange_that_breaks_says_why(error: Exception, trouble: str) -> None:
    """A broken connection is an observation, and the gate's own trouble is told apart from the service's."""
    with client(failing(error)) as chat:
        reply = chat.health()
    assert (reply.status, reply.trouble) == (None, trouble)
    assert reply.error


def test_health_and_ready_record_their_path_and_reason() -> None:
    """A 503 while the model loads is recorded with its reason."""
    with client(lambda request: httpx.Response(503, json={"detail": f"{request.url.path}: loading"})) as chat:
        assert [(each.path, each.status, each.error) for each in (chat.health(), chat.ready())] == [
            ("/health", 503, "/health: loading"),
            ("/ready", 503, "/ready: loading"),
        ]


def test_version_is_read_with_its_gaps() -> None:
    """What does not apply is None, and never a default."""
    with client(lambda _: httpx.Response(200, json=VERSION)) as chat:
        identity = chat.version()
    assert (identity.model, identity.model_sha256, identity.engine) == ("SmolLM2-135M-Instruct", "b179", "llama.cpp")
    assert (identity.image, identity.loaded, identity.load_seconds) == (None, True, 0.4)


@pytest.mark.parametrize("body", [b"ok", b'{"loaded": "yes", "load_seconds": "soon", "model": 4}'])
def test_version_of_another_shape_declares_nothing(body: bytes) -> None:
    """A field of another type is not believed."""
    with client(lambda _: httpx.Response(200, content=body)) as chat:
        identity = chat.version()
    assert (identity.loaded, identity.load_seconds, identity.engine) == (None, None, None)


def test_version_that_is_not_there_declares_nothing() -> None:
    """404 is the answer of a service that is too old."""
    with client(lambda _: httpx.Response(404)) as chat:
        identity = chat.version()
    assert (identity.reply.status, identity.llm_mode) == (404, None)


# --- The ways to the service ------------------------------------------------------------------------------------------


def snapshot(*ingress: str, port: int = 80) -> Snapshot:
    """Return a snapshot with a Service at these addresses."""
    ports = (
        ServicePort(name="metrics", port=9000, target_port="9000"),
        ServicePort(name="http", port=port, target_port="http"),
    )
    return Snapshot(
        read_at=datetime(2026, 11, 22, tzinfo=UTC),
        cluster=ClusterIdentity(server="https://x", context=None, kube_system_uid=None, version="v1.34.4"),
        namespace="carepath-demo",
        services=(Service(name="chat-api-service", type="LoadBalancer", ingress=ingress, ports=ports),),
    )


@pytest.mark.parametrize(
    ("ingress", "port", "expected"),
    [
        (("localhost",), 80, "http://localhost"),
        (("127.0.0.2",), 8080, "http://127.0.0.2:8080"),
        (("2001:db8::1",), 80, "http://[2001:db8::1]"),
        ((), 80, None),
    ],
)
def test_service_url_is_the_load_balancers_address(ingress: tuple[str, ...], port: int, expected: str | None) -> None:
    """The address and port that users see; none while the load balancer has none."""
    assert service_url(snapshot(*ingress, port=port), cluster()) == expected


def test_service_url_of_the_target_wins() -> None:
    """A target that says how users go is believed; a Service that does not exist has no address."""
    told = Cluster(identity=Identity(server="https://x"), service_url="https://chat.example")
    assert service_url(snapshot("localhost"), told) == "https://chat.example"
    assert service_url(snapshot("localhost"), cluster().model_copy(update={"service": "other"})) is None


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ((ContainerPort(name="metrics", port=9000), ContainerPort(name="http", port=8010)), "8010"),
        ((ContainerPort(name="", port=8020),), "8020"),
        ((), "8002"),
    ],
)
def test_pod_client_asks_the_port_that_the_container_declares(ports: tuple[ContainerPort, ...], expected: str) -> None:
    """The port named http, else the first, else the service's own default."""

    class Recording(FakeServer):
        def websocket(self, path: str, query: Any, *, timeout_s: float) -> Any:  # noqa: ANN401
            self.asked.append((path, dict(query)))
            raise Unreachable(f"no websocket within {timeout_s}")

    server = Recording()
    spec = PodSpec(containers=(ContainerSpec(name="chat-api", image="x", ports=ports),))
    pod = Pod(name="chat-api-1", namespace="carepath-demo", uid="u", spec=spec)
    with pod_client(ClusterReader(server, cluster()), pod, container="chat-api") as chat:
        reply = chat.health()
    assert (reply.via, reply.trouble) == ("pod/chat-api-1", "unreachable")
    assert server.asked[-1] == (
        "/api/v1/namespaces/carepath-demo/pods/chat-api-1/portforward",
        {"ports": expected},
    )
