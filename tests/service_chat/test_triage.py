"""POST /triage: the answer, and every way to get none."""

import asyncio
import json
import threading
import time

import httpx
import pytest

from service_chat.engines.mock import MOCK_TEXT
from tests.service_chat.fakes import BASE_URL, PATIENT, QUERY, FakeEngine, engine_failure, patient_api, until
from tests.service_chat.service import MODEL, Running, Service

QUESTION = {"patient_mrn": "MRN-001", "query": QUERY}
BODY_KEYS = ["trace_id", "patient_mrn", "query", "llm_mode", "response", "inference_time_ms", "conversation_id"]


def test_triage_known_patient_answers_with_exactly_the_agreed_fields(running: Running) -> None:
    """A question about a known patient gets the engine's answer, its figures in the headers."""

    async def run() -> None:
        async with running() as service:
            response = await service.client.post("/triage", json=QUESTION)
        body = response.json()
        assert response.status_code == 200
        assert list(body) == BODY_KEYS
        assert body["response"] == "You have quixotic fever."
        assert body["patient_mrn"] == "MRN-001"
        assert body["query"] == QUERY
        assert body["llm_mode"] == MODEL
        assert response.headers["X-Finish-Reason"] == "stop"
        assert response.headers["X-Completion-Tokens"] == "4"
        assert int(response.headers["X-Prompt-Tokens"]) > 20
        assert response.headers["X-Queue-Ms"] == "0"
        assert response.headers["X-Trace-Id"] == body["trace_id"]

    asyncio.run(run())


def test_triage_prompt_holds_record_and_question(running: Running) -> None:
    """The engine reads the diagnosis, the medication, and the question, which comes last."""

    async def run() -> None:
        async with running() as service:
            await service.client.post("/triage", json=QUESTION)
            (prompt,) = service.engine.prompts
        assert "quixotic fever" in prompt
        assert "metformin 500 mg" in prompt
        assert prompt.endswith(QUERY)

    asyncio.run(run())


def test_triage_mock_mode_answers_the_same_whatever_is_asked(running: Running) -> None:
    """The mock needs no model and can be told from one: its answers do not differ."""

    async def run() -> None:
        async with running(llm_mode="mock") as service:
            answers = [
                (await service.client.post("/triage", json={**QUESTION, "query": query})).json()
                for query in ("one", "two")
            ]
        assert {answer["response"] for answer in answers} == {MOCK_TEXT}
        assert {answer["llm_mode"] for answer in answers} == {"mock"}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"patient_mrn": "001"}, "body.patient_mrn: String should match pattern '^MRN-[0-9]{3,10}$'"),
        ({"query": "  "}, "body.query: String should match pattern '\\S'"),
        ({"query": "x" * 2001}, "body.query: String should have at most 2000 characters"),
        ({"llm_model": "mock"}, "body.llm_model: Extra inputs are not permitted"),
    ],
)
def test_triage_invalid_body_names_the_field_and_not_its_value(
    running: Running, change: dict[str, str], detail: str
) -> None:
    """A body that breaks a rule is 422 and says which rule; the value, perhaps a patient's text, is not repeated."""

    async def run() -> None:
        async with running() as service:
            response = await service.client.post("/triage", json={**QUESTION, **change})
        assert response.status_code == 422
        assert response.json() == {"detail": detail}

    asyncio.run(run())


def test_triage_unknown_patient_is_404(running: Running) -> None:
    """An MRN the patient API does not know is the caller's mistake."""

    async def run() -> None:
        async with running() as service:
            response = await service.client.post("/triage", json={**QUESTION, "patient_mrn": "MRN-999"})
            assert service.metric("carepath_chat_refused_total", reason="patient_not_found", traffic="user") == 1
        assert response.status_code == 404
        assert response.json() == {"detail": "patient MRN-999 is not known"}

    asyncio.run(run())


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Connection refused", request=request)


def _late(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("late", request=request)


@pytest.mark.parametrize(
    ("handler", "detail"),
    [
        (
            _refuse,
            f"the patient API at {BASE_URL} (DB_API_BASE_URL) cannot be reached: ConnectError: Connection refused",
        ),
        (_late, f"the patient API at {BASE_URL} gave no answer within DB_API_TIMEOUT_S=1 s"),
        (lambda _: httpx.Response(500), f"the patient API at {BASE_URL} answered HTTP 500"),
        (
            lambda _: httpx.Response(200, text="<html>a web server on port 80</html>"),
            f"the patient API at {BASE_URL} (DB_API_BASE_URL) answered something other than a summary",
        ),
        (
            lambda _: httpx.Response(200, json={**PATIENT, "age": "unknown"}),
            f"the patient API at {BASE_URL} (DB_API_BASE_URL) answered something other than a summary",
        ),
    ],
)
def test_triage_patient_api_trouble_is_503_and_names_its_address(
    running: Running, handler: object, detail: str
) -> None:
    """What is wrong with the patient API is told apart, with the setting that points at it."""

    async def run() -> None:
        assert callable(handler)
        async with running(patients=patient_api(httpx.MockTransport(handler))) as service:
            response = await service.client.post("/triage", json=QUESTION)
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"
        assert response.json() == {"detail": detail}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("allowed", "mode", "status", "detail"),
    [
        (False, "mock", 403, "this deployment does not let a request choose llm_mode (ALLOW_MODE_OVERRIDE is off)"),
        (False, MODEL, 200, None),
        (True, "mock", 200, None),
        (True, "Qwen3-4B-Thinking-2507", 503, f"model Qwen3-4B-Thinking-2507 is not loaded here, {MODEL} is"),
        (
            True,
            "gpt",
            403,
            "llm_mode is not known; known are mock, Qwen3-4B-Thinking-2507, SmolLM2-135M-Instruct",
        ),
    ],
)
def test_triage_mode_override_is_the_deployments_choice(
    running: Running, *, allowed: bool, mode: str, status: int, detail: str | None
) -> None:
    """A request chooses its mode only where ALLOW_MODE_OVERRIDE is set; naming the configured one is no choice."""

    async def run() -> None:
        async with running(allow_mode_override=allowed) as service:
            response = await service.client.post("/triage", json={**QUESTION, "llm_mode": mode})
        assert response.status_code == status
        assert response.json().get("detail") == detail
        assert status != 200 or response.json()["llm_mode"] == mode

    asyncio.run(run())


def test_triage_before_the_model_is_loaded_is_503(running: Running) -> None:
    """A request that comes too early is told so and does not wait for the load."""

    async def run() -> None:
        gate = threading.Event()
        async with running(load=gate.wait) as service:
            response = await service.client.post("/triage", json=QUESTION)
            gate.set()
        assert response.status_code == 503
        assert response.json() == {"detail": f"model {MODEL} is not loaded: the model is being loaded"}

    asyncio.run(run())


def test_triage_queue_full_is_429_and_the_others_are_answered(running: Running) -> None:
    """One request at work, one waiting: the third is refused at once, the two are answered in turn."""

    async def run() -> None:
        gate = threading.Event()
        async with running(FakeEngine(gate=gate), max_queue=1) as service:
            first, second = (asyncio.create_task(service.client.post("/triage", json=QUESTION)) for _ in range(2))
            await until(lambda: service.runtime.admission.waiting == 1)
            third = await service.client.post("/triage", json=QUESTION)
            scrape = (await service.client.get("/metrics")).text
            gate.set()
            answered = [(await task).status_code for task in (first, second)]
            queued_ms = int((await second).headers["X-Queue-Ms"])
        assert third.status_code == 429
        assert third.headers["Retry-After"] == "2"
        assert third.json() == {"detail": "1 at work and 1 waiting, which is as many as may wait (MAX_QUEUE=1)"}
        assert "carepath_chat_queue_length 1.0" in scrape
        assert 'carepath_chat_refused_total{reason="queue_full",traffic="user"} 1.0' in scrape
        assert answered == [200, 200]
        assert queued_ms >= 0

    asyncio.run(run())


def test_triage_deadline_in_the_queue_is_503_and_counted_apart(running: Running) -> None:
    """A request whose deadline passes while it waits costs no computation, and is not mixed with a full queue."""

    async def run() -> None:
        gate = threading.Event()
        engine = FakeEngine(gate=gate, deaf=True)
        async with running(engine, request_deadline_s=0.15, db_api_timeout_s=0.1) as service:
            first = asyncio.create_task(service.client.post("/triage", json=QUESTION))
            await until(lambda: service.runtime.admission.running == 1)
            second = await service.client.post("/triage", json=QUESTION)
            refused = service.metric("carepath_chat_refused_total", reason="deadline_waiting", traffic="user")
            gate.set()
            await first
        assert second.status_code == 503
        assert second.json()["detail"].endswith("s in the queue; nothing was computed")
        assert refused == 1
        assert len(engine.prompts) == 1

    asyncio.run(run())


def test_triage_deadline_before_the_first_word_is_504(running: Running) -> None:
    """An engine that has nothing at the deadline is a 504 that says what was spent."""

    async def run() -> None:
        async with running(
            FakeEngine(gate=threading.Event()), request_deadline_s=0.1, db_api_timeout_s=0.05
        ) as service:
            response = await service.client.post("/triage", json=QUESTION)
        assert response.status_code == 504
        assert response.json()["detail"].startswith("REQUEST_DEADLINE_S passed before the first word of the answer (")

    asyncio.run(run())


def test_triage_engine_that_does_not_stop_is_left_behind_and_keeps_its_slot(running: Running) -> None:
    """The caller is told at the deadline; the slot is free only once the engine has really stopped."""

    async def run() -> None:
        gate = threading.Event()
        async with running(FakeEngine(gate=gate, deaf=True), request_deadline_s=0.1, db_api_timeout_s=0.05) as service:
            started_s = time.monotonic()
            response = await service.client.post("/triage", json=QUESTION)
            took_s = time.monotonic() - started_s
            still_running = service.runtime.admission.running
            gate.set()
            assert await service.runtime.admission.drained(timeout_s=5)
        assert response.status_code == 504
        assert response.json() == {"detail": "REQUEST_DEADLINE_S=0.1 passed while the prompt was being read"}
        assert took_s < 30  # the gate is opened after it; a busy machine is slow
        assert still_running == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("engine", "status", "detail"),
    [
        (FakeEngine(replies=("",)), 502, "the model's answer is empty ("),
        (FakeEngine(replies=("<think>only thoughts",)), 502, "the model's answer is empty ("),
        (FakeEngine(failure=KeyError("a bug")), 500, "internal error; trace id "),
        (FakeEngine(failure=engine_failure()), 500, "the fake engine failed"),
        (FakeEngine(context_tokens=50), 422, "44 + 64 tokens exceed 50"),
    ],
)
def test_triage_without_an_answer_is_never_an_empty_200(
    running: Running, engine: FakeEngine, status: int, detail: str
) -> None:
    """Nothing, nothing but thoughts, a failed engine, a prompt too long: each its own status and a detail."""

    async def run() -> None:
        async with running(engine) as service:
            response = await service.client.post("/triage", json=QUESTION)
        assert response.status_code == status
        assert response.json()["detail"].startswith(detail)

    asyncio.run(run())


class _Caller:
    """A caller that can hang up, at the level below any HTTP client."""

    def __init__(self, service: Service) -> None:
        self._hang_up = asyncio.Event()
        self._sent = False
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/triage",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "http_version": "1.1",
        }
        self.call = asyncio.ensure_future(service.app(scope, self._receive, self._send))

    def hang_up(self) -> None:
        self._hang_up.set()

    async def _receive(self) -> dict[str, object]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": json.dumps(QUESTION).encode(), "more_body": False}
        await self._hang_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: object) -> None:
        """Nobody reads it."""


def test_triage_caller_hangs_up_at_work_stops_the_generation(running: Running) -> None:
    """The engine's limit passes as soon as the caller is gone, so that the next one gets the slot."""

    async def run() -> None:
        engine = FakeEngine(gate=threading.Event())
        async with running(engine) as service:
            caller = _Caller(service)
            await until(lambda: bool(engine.limits))
            caller.hang_up()
            await caller.call
            assert await service.runtime.admission.drained(timeout_s=5)
            assert engine.limits[0].cancelled.is_set()
            assert service.metric("carepath_chat_refused_total", reason="caller_gone", traffic="user") == 1
            assert service.metric("carepath_chat_requests_total", route="/triage", status="499", traffic="user") == 1

    asyncio.run(run())


def test_triage_caller_hangs_up_in_the_queue_leaves_it(running: Running) -> None:
    """A place in the queue is for somebody who still waits; nothing is computed for one who does not."""

    async def run() -> None:
        gate = threading.Event()
        engine = FakeEngine(gate=gate)
        async with running(engine) as service:
            first = asyncio.create_task(service.client.post("/triage", json=QUESTION))
            await until(lambda: service.runtime.admission.running == 1)
            caller = _Caller(service)
            await until(lambda: service.runtime.admission.waiting == 1)
            caller.hang_up()
            await caller.call
            await until(lambda: service.runtime.admission.waiting == 0)
            gate.set()
            assert (await first).status_code == 200
        assert len(engine.prompts) == 1

    asyncio.run(run())
