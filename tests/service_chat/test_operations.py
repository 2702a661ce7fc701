"""Health, readiness, version, metrics; and the OpenAPI description held against the app."""

import asyncio
import functools
import threading
import time
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok

from service_chat.app import create_app
from service_chat.settings import Settings
from tests.service_chat.fakes import QUERY, FakeEngine, engine_failure, patient_api, until
from tests.service_chat.service import MODEL, Running

ROUTES = {"GET /health", "GET /metrics", "GET /ready", "GET /version", "POST /feedback", "POST /triage"}


def test_ready_is_503_until_the_model_is_loaded_and_health_answers_meanwhile(running: Running) -> None:
    """While the model loads the pod is alive and wants no requests; afterwards it does."""

    async def run() -> None:
        gate = threading.Event()
        async with running(load=gate.wait) as service:
            early = await service.client.get("/ready")
            alive = await service.client.get("/health")
            gate.set()
            await until(lambda: service.runtime.manager.loaded is not None)
            late = await service.client.get("/ready")
        assert early.status_code == 503
        assert early.json() == {"status": "not ready", "reason": f"model {MODEL}: the model is being loaded"}
        assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
        assert late.json() == {"status": "ready", "reason": None}

    asyncio.run(run())


def test_health_answers_while_the_model_works(running: Running) -> None:
    """Inference leaves the event loop free: liveness does not kill a pod that is busy."""

    async def run() -> None:
        gate = threading.Event()
        async with running(FakeEngine(gate=gate)) as service:
            body = {"patient_mrn": "MRN-001", "query": QUERY}
            at_work = asyncio.create_task(service.client.post("/triage", json=body))
            await until(lambda: service.runtime.admission.running == 1)
            response = await service.client.get("/health")
            busy = not at_work.done()
            gate.set()
            await at_work
        assert response.status_code == 200
        assert busy

    asyncio.run(run())


def test_ready_draining_is_503_and_asks_to_reconnect(running: Running) -> None:
    """A pod that is being stopped says so before it refuses anything, and ends the connection after each answer."""

    async def run() -> None:
        async with running() as service:
            service.runtime.draining = True
            ready = await service.client.get("/ready")
            answer = await service.client.post("/triage", json={"patient_mrn": "MRN-001", "query": QUERY})
            service.runtime.admission.close()
            refused = await service.client.post("/triage", json={"patient_mrn": "MRN-001", "query": QUERY})
            alive = await service.client.get("/health")
        assert ready.status_code == 503
        assert ready.json()["reason"] == "the pod is being stopped"
        assert answer.status_code == 200
        assert answer.headers["Connection"] == "close"
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json() == {"detail": "this pod is being stopped and takes no new requests"}
        assert alive.status_code == 200

    asyncio.run(run())


def test_version_model_names_file_digest_engine_and_image(running: Running) -> None:
    """Everything the gate compares with what was meant to run."""

    async def run() -> None:
        async with running(image="localhost:5000/carepath-chat-api@sha256:0123") as service:
            version = (await service.client.get("/version")).json()
            digest = service.runtime.manager.loaded.sha256 if service.runtime.manager.loaded else None
        assert version.pop("load_seconds") >= 0
        assert version == {
            "service": "chat-api",
            "version": "2.0.0",
            "llm_mode": MODEL,
            "model": MODEL,
            "model_file": "SmolLM2-135M-Instruct.Q4_1.gguf",
            "model_sha256": digest,
            "engine": "fake",
            "engine_version": "1",
            "image": "localhost:5000/carepath-chat-api@sha256:0123",
            "loaded": True,
            "max_tokens": 64,
            "request_deadline_s": 9.0,
        }

    asyncio.run(run())


def test_version_mock_has_no_model(running: Running) -> None:
    """The mock says that it is one."""

    async def run() -> None:
        async with running(llm_mode="mock") as service:
            version = (await service.client.get("/version")).json()
        assert (version["llm_mode"], version["engine"], version["loaded"]) == ("mock", "mock", True)
        assert [version[key] for key in ("model", "model_file", "model_sha256", "max_tokens", "image")] == [None] * 5

    asyncio.run(run())


def test_metrics_after_one_answer_count_it_by_route_and_status(running: Running) -> None:
    """One answer shows in requests, answers, tokens, times, and beside the model's identity."""

    async def run() -> None:
        async with running() as service:
            await service.client.post("/triage", json={"patient_mrn": "MRN-001", "query": QUERY})
            await service.client.get("/patients/MRN-001")
            text = (await service.client.get("/metrics")).text
            assert service.metric("carepath_chat_requests_total", route="/triage", status="200", traffic="user") == 1
            assert service.metric("carepath_chat_requests_total", route="unmatched", status="404", traffic="user") == 1
            assert service.metric("carepath_chat_answers_total", finish="stop") == 1
            assert service.metric("carepath_chat_tokens_total", kind="completion") == 4
            assert service.metric("carepath_chat_inference_seconds_count") == 1
            assert service.metric("carepath_chat_queue_seconds_count") == 1
            assert service.metric("carepath_chat_memory_bytes", kind="anonymous") > 1_000_000
            assert service.metric("carepath_chat_feedback_total", rating="down") == 0
            started = service.metric("process_start_time_seconds")
            assert 0 < time.time() - started < 86_400
        assert f'carepath_chat_model_info{{engine="fake",file="SmolLM2-135M-Instruct.Q4_1.gguf",mode="{MODEL}"' in text
        assert "carepath_chat_cpu_throttled_periods_total" in text
        assert "carepath_chat_cpu_throttled_seconds_total" in text
        assert "MRN-001" not in text

    asyncio.run(run())


def test_app_model_cannot_be_loaded_tells_the_process_and_stays_not_ready(running: Running) -> None:
    """The cause reaches the process, which ends, and /ready until then."""

    async def run() -> None:
        def fail() -> None:
            raise engine_failure()

        async with running(load=fail) as service:
            await until(lambda: bool(service.load_failures))
            ready = await service.client.get("/ready")
        assert service.load_failures == [f"{MODEL}: the fake engine failed"]
        assert ready.status_code == 503
        assert ready.json()["reason"] == f"model {MODEL}: the fake engine failed"

    asyncio.run(run())


def test_app_load_failing_unforeseen_still_tells_the_process(running: Running) -> None:
    """A failure that nobody thought of is told like any other: a pod must not load for ever."""

    async def run() -> None:
        def fail() -> None:
            raise ZeroDivisionError("nobody thought of this")

        async with running(load=fail) as service:
            await until(lambda: bool(service.load_failures))
        assert service.load_failures == [f"{MODEL}: ZeroDivisionError('nobody thought of this')"]

    asyncio.run(run())


def test_app_stopped_closes_the_engine(running: Running) -> None:
    """The model's memory is given back at the end."""

    async def run() -> None:
        async with running() as service:
            assert not service.engine.closed
        assert service.engine.closed

    asyncio.run(run())


@functools.cache
def _operations() -> dict[str, Any]:
    """Return what /openapi.json of a mock service describes, by method and path."""
    app = create_app(Settings.model_validate({"llm_mode": "mock"}), on_load_failure=pytest.fail, patients=patient_api())
    described = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [result.ok() for result in described.get_all_operations() if isinstance(result, Ok)]
    return {operation.label: operation for operation in operations}


@pytest.mark.parametrize("label", sorted(ROUTES))
def test_openapi_every_answer_is_described(label: str) -> None:
    """Whatever is sent, status and body are those that /openapi.json promises, and never a 500."""

    @settings(max_examples=20, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=_operations()[label].as_strategy())
    def holds(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    holds()


def test_openapi_describes_all_routes_and_no_other() -> None:
    """The test above leaves none out."""
    assert set(_operations()) == ROUTES
