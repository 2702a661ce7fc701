"""Asks chat-api, pod by pod or the way its users go, and records what came back.

Every exchange ends as a record: an error status or a broken connection is an observation, not an exception. Patient,
question and answer stay in the Answer's own fields: they never reach an error text.
"""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from types import TracebackType
from typing import Literal, Self

import httpx

from gate import target
from gate.readers import fields
from gate.readers.cluster import ClusterReader
from gate.readers.errors import Denied, ReadError, excerpt
from gate.readers.fields import Raw
from gate.readers.metrics import pod_metrics
from gate.readers.portforward import PodBackend, PodTransport
from gate.records import Answer, Identity, Pod, PodMetrics, Reply, Snapshot

#: Beyond any deadline the service may promise behind a load balancer that gives up at 60 s.
REQUEST_TIMEOUT_S = 60.0

#: /health, /ready and /version answer from memory; a probe's usual limit is 1 to 5 s.
PROBE_TIMEOUT_S = 5.0

#: Parallel questions to one pod or to the Service, with room for health checks beside the load drill's clients.
CONNECTIONS = 32

#: By this the service counts the gate's questions, and the load that its drills make, apart from those of users
#: (service_chat/api/tracing.py).
USER_AGENT = "carepath-gate"

FINISH_REASONS = frozenset({"stop", "length", "deadline"})

_ANSWER_FIELDS: dict[str, tuple[type, ...]] = {
    "trace_id": (str,),
    "patient_mrn": (str,),
    "query": (str,),
    "llm_mode": (str,),
    "response": (str,),
    "inference_time_ms": (int, float),
    "conversation_id": (str,),
}

#: Of a container that declares none: the service's own default (PORT in service_chat/settings.py).
DEFAULT_PORT = 8002

HTTP_PORT = 80

Trouble = Literal["", "refused", "timed_out", "closed", "no_address", "forbidden", "unreachable"]

_OK = 200


class ChatClient:
    """A way to the service; safe to use from several threads.

    Attributes:
        via: ``pod/NAME`` or ``service``, for the records.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport,
        *,
        via: str,
        base_url: str = "http://chat-api",
        timeout_s: float = REQUEST_TIMEOUT_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.via = via
        self._timeout_s = timeout_s
        self._clock = clock
        self._http = httpx.Client(transport=transport, base_url=base_url, headers={"User-Agent": USER_AGENT})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def health(self) -> Reply:
        """Return what /health said."""
        return self._exchange("GET", "/health")[0]

    def ready(self) -> Reply:
        """Return what /ready said."""
        return self._exchange("GET", "/ready")[0]

    def version(self) -> Identity:
        """Return what /version declares."""
        reply, answer = self._exchange("GET", "/version")
        if reply.status != _OK or answer is None:
            return Identity(reply=reply)
        said, violations = _object(answer)
        return Identity(
            reply=reply,
            llm_mode=fields.optional_text(said, "llm_mode"),
            model=fields.optional_text(said, "model"),
            model_sha256=fields.optional_text(said, "model_sha256"),
            engine=fields.optional_text(said, "engine"),
            image=fields.optional_text(said, "image"),
            loaded=fields.flag(said, "loaded"),
            load_seconds=_number(said.get("load_seconds")),
            violations=violations,
        )

    def metrics(self) -> PodMetrics:
        """Return what /metrics counts."""
        reply, answer = self._exchange("GET", "/metrics")
        if reply.status != _OK or answer is None:
            return PodMetrics(reply=reply)
        return pod_metrics(reply, answer.text)

    def ask(self, patient_mrn: str, query: str) -> Answer:
        """Return the answer to one triage question.

        Args:
            patient_mrn: a synthetic patient of the target.
            query: the question.
        """
        reply, answer = self._exchange("POST", "/triage", {"patient_mrn": patient_mrn, "query": query})
        retry_after_s = None if answer is None else _header_float(answer, "retry-after")
        empty = Answer(reply=reply, patient_mrn=patient_mrn, query=query, retry_after_s=retry_after_s)
        if reply.status != _OK or answer is None:
            return empty
        said, violations = _object(answer)
        finish_reason = answer.headers.get("x-finish-reason")
        inference_ms = _number(said.get("inference_time_ms"))
        return replace(
            empty,
            response=fields.text(said, "response"),
            violations=(*violations, *_breaches(said, patient_mrn, query), *_finish_breaches(finish_reason)),
            llm_mode=fields.optional_text(said, "llm_mode"),
            trace_id=fields.optional_text(said, "trace_id"),
            inference_s=None if inference_ms is None else inference_ms / 1000,
            finish_reason=finish_reason,
            prompt_tokens=_header_int(answer, "x-prompt-tokens"),
            completion_tokens=_header_int(answer, "x-completion-tokens"),
            queue_ms=_header_float(answer, "x-queue-ms"),
        )

    def _exchange(
        self, method: str, path: str, body: Mapping[str, str] | None = None
    ) -> tuple[Reply, httpx.Response | None]:
        timeout_s = PROBE_TIMEOUT_S if body is None else self._timeout_s
        started_at, begun = self._clock(), perf_counter()
        answer: httpx.Response | None = None
        trouble: Trouble = ""
        error = ""
        try:
            answer = self._http.request(method, path, json=body, timeout=timeout_s)
        except httpx.RequestError as failure:
            trouble = _trouble(failure)
            error = f"no answer within {timeout_s:g} s" if trouble == "timed_out" else excerpt(str(failure))
        elapsed_s = perf_counter() - begun
        if answer is not None and not answer.is_success:
            error = excerpt(answer.content, private=body.values() if body else ())
        status = None if answer is None else answer.status_code
        reply = Reply(
            via=self.via,
            path=path,
            status=status,
            elapsed_s=elapsed_s,
            started_at=started_at,
            trouble=trouble,
            error=error,
        )
        return reply, answer


def _trouble(failure: httpx.RequestError) -> Trouble:
    """Return why no answer came, told by the exception's causes."""
    causes: list[BaseException] = [failure]
    # The pool raises "from None": what it hid is still the context.
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    if any(isinstance(cause, Denied) for cause in causes):
        return "forbidden"
    if any(isinstance(cause, ReadError) for cause in causes):
        return "unreachable"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "no_address"
    if isinstance(failure, httpx.TimeoutException):
        return "timed_out"
    return "refused" if isinstance(failure, httpx.ConnectError) else "closed"


# --- The ways to the service ------------------------------------------------------------------------------------------


def pod_transport(reader: ClusterReader, pod: str, port: int, connections: int = CONNECTIONS) -> PodTransport:
    """Return an HTTP transport whose connections are port-forwards to one pod."""
    return PodTransport(PodBackend(reader.connection, reader.namespace, pod, port), connections)


def pod_client(reader: ClusterReader, pod: Pod, *, container: str, timeout_s: float = REQUEST_TIMEOUT_S) -> ChatClient:
    """Return a client that asks one pod through the API server, on the port that its container declares."""
    spec = pod.spec.container(container)
    port = _main([(each.name, each.port) for each in spec.ports] if spec else []) or DEFAULT_PORT
    return ChatClient(pod_transport(reader, pod.name, port), via=f"pod/{pod.name}", timeout_s=timeout_s)


def service_client(
    url: str, *, timeout_s: float = REQUEST_TIMEOUT_S, connections: int = CONNECTIONS, keep_alive: bool = True
) -> ChatClient:
    """Return a client that goes the way users go.

    Args:
        url: as ``service_url`` gives it.
        timeout_s: for one triage question.
        connections: how many may be open at once.
        keep_alive: False connects anew for each request, as most of a load balancer's clients do.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections if keep_alive else 0)
    return ChatClient(httpx.HTTPTransport(limits=limits), via="service", base_url=url, timeout_s=timeout_s)


def service_url(snapshot: Snapshot, cluster: target.Cluster) -> str | None:
    """Return how users reach the app: the target's word, else the load balancer's address; None while there is none."""
    if cluster.service_url:
        return cluster.service_url
    service = snapshot.service(cluster.service)
    port = _main([(each.name, each.port) for each in service.ports]) if service else None
    if service is None or not service.ingress or port is None:
        return None
    address = service.ingress[0]
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}" if port == HTTP_PORT else f"http://{host}:{port}"


def _main(ports: list[tuple[str, int]]) -> int | None:
    """Return the port named http, else the first."""
    return next((port for name, port in ports if name == "http"), ports[0][1] if ports else None)


# --- The contract of an answer ----------------------------------------------------------------------------------------


def _object(answer: httpx.Response) -> tuple[Raw, tuple[str, ...]]:
    try:
        said = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}, ("the body is not JSON",)
    return (said, ()) if isinstance(said, dict) else ({}, ("the body is not a JSON object",))


def _breaches(said: Raw, mrn: str, query: str) -> list[str]:
    if not said:
        return []
    found = [f"field {name} is missing" for name in _ANSWER_FIELDS if name not in said]
    found += [f"field {name[:40]} is not part of the contract" for name in said if name not in _ANSWER_FIELDS]
    for name, kinds in _ANSWER_FIELDS.items():
        if name in said and (not isinstance(said[name], kinds) or isinstance(said[name], bool)):
            found.append(f"field {name} is of type {type(said[name]).__name__}")
    if isinstance(said.get("patient_mrn"), str) and said["patient_mrn"] != mrn:
        found.append("field patient_mrn is not the patient who was asked about")
    if isinstance(said.get("query"), str) and said["query"] != query:
        found.append("field query is not the question that was asked")
    return found


def _finish_breaches(finish_reason: str | None) -> list[str]:
    if finish_reason is None or finish_reason in FINISH_REASONS:
        return []
    return [f"header X-Finish-Reason is none of {', '.join(sorted(FINISH_REASONS))}"]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _header_int(answer: httpx.Response, name: str) -> int | None:
    value = answer.headers.get(name, "")
    return int(value) if value.isdecimal() else None


def _header_float(answer: httpx.Response, name: str) -> float | None:
    try:
        return float(answer.headers.get(name, ""))
    except ValueError:
        return None
