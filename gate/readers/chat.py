"""Asks chat-api, pod by pod or the way its users go, and records what came back.

Every exchange ends as a record: an error status or a broken connection is an observation, not an exception. Patient,
question and answer stay in the Answer's own fields: they never reach an error text.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from types import TracebackType
from typing import Self

import httpx

from gate.readers import fields
from gate.readers.cluster import ClusterReader
from gate.readers.errors import excerpt
from gate.readers.fields import Raw
from gate.readers.portforward import PodBackend, PodTransport
from gate.records import Answer, Identity, Reply

#: Beyond any deadline the service may promise behind a load balancer that gives up at 60 s.
REQUEST_TIMEOUT_S = 60.0

#: /health, /ready and /version answer from memory; a probe's usual limit is 1 to 5 s.
PROBE_TIMEOUT_S = 5.0

#: Parallel questions to one pod or to the Service, with room for health checks beside the load drill's clients.
CONNECTIONS = 32

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
        self._http = httpx.Client(transport=transport, base_url=base_url)

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

    def ask(self, mrn: str, query: str, *, cold: bool = False) -> Answer:
        """Return the answer to one triage question.

        Args:
            mrn: a synthetic patient of the target.
            query: the question.
            cold: this is the first question that its pod is asked.
        """
        reply, answer = self._exchange("POST", "/triage", {"patient_mrn": mrn, "query": query})
        empty = Answer(reply=reply, patient_mrn=mrn, query=query, cold=cold)
        if reply.status != _OK or answer is None:
            return empty
        said, violations = _object(answer)
        finish_reason = answer.headers.get("x-finish-reason")
        inference_ms = _number(said.get("inference_time_ms"))
        return replace(
            empty,
            response=fields.text(said, "response"),
            violations=(*violations, *_breaches(said, mrn, query), *_finish_breaches(finish_reason)),
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
        error = ""
        try:
            answer = self._http.request(method, path, json=body, timeout=timeout_s)
        except httpx.TimeoutException as failure:
            error = f"{type(failure).__name__}: no answer within {timeout_s:g} s"
        except httpx.HTTPError as failure:
            error = f"{type(failure).__name__}: {excerpt(str(failure))}"
        elapsed_s = perf_counter() - begun
        if answer is not None and not answer.is_success:
            error = excerpt(answer.content, private=body.values() if body else ())
        status = None if answer is None else answer.status_code
        reply = Reply(via=self.via, path=path, status=status, elapsed_s=elapsed_s, started_at=started_at, error=error)
        return reply, answer


def pod_transport(reader: ClusterReader, pod: str, port: int, connections: int = CONNECTIONS) -> PodTransport:
    """Return an HTTP transport whose connections are port-forwards to one pod."""
    return PodTransport(PodBackend(reader.connection, reader.namespace, pod, port), connections)


def pod_client(reader: ClusterReader, pod: str, port: int, timeout_s: float = REQUEST_TIMEOUT_S) -> ChatClient:
    """Return a client that asks one pod through the API server."""
    return ChatClient(pod_transport(reader, pod, port), via=f"pod/{pod}", timeout_s=timeout_s)


def service_client(url: str, timeout_s: float = REQUEST_TIMEOUT_S, connections: int = CONNECTIONS) -> ChatClient:
    """Return a client that goes the way users go."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return ChatClient(httpx.HTTPTransport(limits=limits), via="service", base_url=url, timeout_s=timeout_s)


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
