"""POST /triage: one question, one answer, inside the deadline."""

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response

from service_chat.admission import Ticket
from service_chat.api.operations import RuntimeOf
from service_chat.api.schemas import ErrorResponse, TriageRequest, TriageResponse
from service_chat.api.tracing import current_trace_id
from service_chat.catalogue import MOCK, known_modes
from service_chat.engines.protocol import Limit
from service_chat.errors import (
    CallerGoneError,
    DeadlineExceededError,
    ModelNotLoadedError,
    ModeRefusedError,
    ShuttingDownError,
)
from service_chat.runtime import Runtime
from service_chat.services.llm_client import Answer, Plan, generate_response_mock, generate_response_qwen
from service_chat.services.patients import PatientSummary

router = APIRouter()
_log = structlog.get_logger("service_chat.triage")

# How long after the deadline an engine may take to return what it has: one token of the slowest model, and thread
# scheduling on a busy node. An engine in the middle of a prefill batch is not waited for.
_RETURN_GRACE_S = 0.5

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (403, 404, 422, 429, 500, 502, 503, 504)
}


@router.post("/triage", responses=_ERRORS)
async def triage(body: TriageRequest, request: Request, response: Response, at: RuntimeOf) -> TriageResponse:
    """Answer a patient's question from the patient's record."""
    limit = Limit(time.monotonic() + at.settings.request_deadline_s)
    mode = _mode(body.llm_mode, at)
    if at.admission.closed:
        raise ShuttingDownError("this pod is being stopped and takes no new requests")
    trace_id = current_trace_id()
    patient = await at.patients.summary(body.patient_mrn, trace_id)
    work = _work(at, mode, patient, body.query, limit)
    gone = asyncio.create_task(_hung_up(request))
    try:
        answer, inference_s, queued_s = await _answer(at, work, limit, gone)
    finally:
        gone.cancel()
    _count(at, answer, inference_s, queued_s)
    response.headers["X-Finish-Reason"] = answer.finish.value
    response.headers["X-Prompt-Tokens"] = str(answer.prompt_tokens)
    response.headers["X-Completion-Tokens"] = str(answer.completion_tokens)
    response.headers["X-Queue-Ms"] = f"{queued_s * 1000:.0f}"
    return TriageResponse(
        trace_id=trace_id,
        patient_mrn=body.patient_mrn,
        query=body.query,
        llm_mode=mode,
        response=answer.text,
        inference_time_ms=round(inference_s * 1000, 1),
        conversation_id=str(uuid.uuid4()),
    )


def _mode(asked: str | None, at: Runtime) -> str:
    configured = at.settings.llm_mode
    if asked is None or asked == configured:
        return configured
    if not at.settings.allow_mode_override:
        raise ModeRefusedError("this deployment does not let a request choose llm_mode (ALLOW_MODE_OVERRIDE is off)")
    if asked == MOCK:
        return asked
    if asked in known_modes():
        raise ModelNotLoadedError(f"model {asked} is not loaded here, {configured} is")
    raise ModeRefusedError(f"llm_mode is not known; known are {', '.join(known_modes())}")


async def _answer(
    at: Runtime, work: Callable[[], Answer], limit: Limit, gone: asyncio.Task[None]
) -> tuple[Answer, float, float]:
    """Return the answer, the seconds the model worked, and the seconds the request waited."""
    ticket = await _turn(at, limit, gone)
    started_s = time.monotonic()
    try:
        job = asyncio.get_running_loop().run_in_executor(at.workers, work)
    except RuntimeError as error:  # the workers are closed
        ticket.release()
        raise ShuttingDownError("this pod is being stopped") from error
    # The slot is free when the engine has really stopped, which may be after the caller has been told to give up.
    job.add_done_callback(lambda _: ticket.release())
    timeout_s = limit.remaining_s() + _RETURN_GRACE_S
    either: tuple[asyncio.Future[Any], ...] = (job, gone)
    await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if job.done():
        return job.result(), time.monotonic() - started_s, ticket.queued_s
    limit.cancelled.set()
    job.add_done_callback(_forget)
    if gone.done():
        raise CallerGoneError("the caller hung up while the model worked")
    raise DeadlineExceededError(
        f"REQUEST_DEADLINE_S={at.settings.request_deadline_s:g} passed while the prompt was being read"
    )


async def _turn(at: Runtime, limit: Limit, gone: asyncio.Task[None]) -> Ticket:
    """Wait for the model; a caller that hangs up leaves the queue to those who still wait."""
    entering = asyncio.create_task(at.admission.enter(limit.at_s))
    either: tuple[asyncio.Future[Any], ...] = (entering, gone)
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if entering.done():
            return entering.result()
    finally:
        entering.cancel()  # nothing happens to one that has ended
    raise CallerGoneError("the caller hung up while the request waited")


def _work(at: Runtime, mode: str, patient: PatientSummary, query: str, limit: Limit) -> Callable[[], Answer]:
    if mode == MOCK:
        return lambda: generate_response_mock(patient, query, limit)
    engine, plan = at.manager.engine(), Plan.of(at.settings)
    return lambda: generate_response_qwen(engine, plan, patient, query, limit)


def _forget(job: asyncio.Future[Answer]) -> None:
    """Look at the outcome of a job nobody waits for, or asyncio complains that it was never retrieved."""
    if not job.cancelled() and (error := job.exception()) is not None:
        _log.warning("A generation ended after its request", error=type(error).__name__)


async def _hung_up(request: Request) -> None:
    """Return when the caller hangs up: nobody would read the answer, and others wait."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _count(at: Runtime, answer: Answer, inference_s: float, queued_s: float) -> None:
    at.metrics.answers.labels(answer.finish.value).inc()
    at.metrics.inference_seconds.observe(inference_s)
    at.metrics.queue_seconds.observe(queued_s)
    for kind, count in (
        ("prompt", answer.prompt_tokens),
        ("completion", answer.completion_tokens),
        ("thinking", answer.thinking_tokens),
    ):
        at.metrics.tokens.labels(kind).inc(count)
