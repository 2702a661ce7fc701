"""Logs: JSON, with a trace id, and nothing of a patient."""

import asyncio
import json
import logging
from collections.abc import Iterator

import httpx
import pytest
import structlog
from starlette.datastructures import Headers

from service_chat import telemetry
from service_chat.api.tracing import trace_id_of, traffic_of
from service_chat.telemetry import configure_logging
from tests.service_chat.fakes import PATIENT, QUERY, FakeEngine, engine_failure, patient_api
from tests.service_chat.service import Running

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
QUESTION = {"patient_mrn": "MRN-001", "query": QUERY}
PRIVATE = [QUERY, "zebra", "quixotic", "MRN-", *(str(PATIENT[key]) for key in ("name", "diagnosis", "last_visit"))]


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    """Put back what `configure_logging` changes; a test calls that itself, when capsys has put its stdout in place."""
    root = logging.getLogger()
    names = ("httpx", "httpcore", "uvicorn", "uvicorn.error", "uvicorn.access")
    before = (root.handlers, root.level, structlog.get_config())
    libraries = {name: (logging.getLogger(name).level, logging.getLogger(name).propagate) for name in names}
    yield
    root.handlers, root.level = before[0], before[1]
    structlog.configure(**before[2])
    for name, (level, propagate) in libraries.items():
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).propagate = propagate


@pytest.mark.usefixtures("_logging_restored")
def test_logs_requests_good_and_bad_hold_no_patient_data(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers, refusals, failures of every kind, at DEBUG: no question, no answer, no MRN in any line."""

    def broken(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={**PATIENT, "age": "unknown"})

    async def run() -> None:
        async with running() as service:
            await service.client.post("/triage", json=QUESTION, headers={"X-Trace-Id": TRACE_ID})
            await service.client.post("/triage", json={**QUESTION, "patient_mrn": "MRN-999"})
            await service.client.post("/triage", json={**QUESTION, "patient_mrn": "Ada Sample"})
            await service.client.get("/patients/MRN-001")
            await service.client.get("/health")
        async with running(FakeEngine(failure=engine_failure())) as service:
            await service.client.post("/triage", json=QUESTION)
        async with running(FakeEngine(failure=KeyError(f"a bug with {PATIENT}"))) as service:
            await service.client.post("/triage", json=QUESTION)
        async with running(patients=patient_api(httpx.MockTransport(broken))) as service:
            await service.client.post("/triage", json=QUESTION)

    configure_logging("DEBUG")
    asyncio.run(run())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in requests] == [200, 404, 422, 404, 200, 500, 500, 503]
    assert requests[0]["route"] == "/triage"
    assert requests[0]["trace_id"] == TRACE_ID
    assert requests[3]["route"] == "unmatched"
    assert requests[4]["level"] == "debug"
    (bug,) = (line for line in lines if line["event"] == "unexpected error")
    assert bug["exception"] == "KeyError"
    assert bug["trace_id"] == requests[6]["trace_id"]
    assert "fakes.py" in bug["frames"][-1]
    for line in lines:
        assert {"time", "level", "event"} <= set(line)
        for word in PRIVATE:
            assert word not in json.dumps(line), f"{word!r} is in {line}"


@pytest.mark.usefixtures("_logging_restored")
def test_logs_of_libraries_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Uvicorn's lines have the same shape; what httpx would say of URLs is not said."""
    configure_logging("DEBUG")
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 1)
    logging.getLogger("httpx").info("HTTP Request: GET http://patients.test/patients/MRN-001/summary")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "Started server process [1]"


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}, True),
        ({"x-trace-id": TRACE_ID}, True),
        ({"x-trace-id": "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736"}, True),
        ({"x-trace-id": "MRN-001 has gout"}, False),
        ({"traceparent": "00-short-00f067aa0ba902b7-01"}, False),
        ({}, False),
    ],
)
def test_trace_id_of_takes_over_only_what_looks_like_one(headers: dict[str, str], *, kept: bool) -> None:
    """A caller's trace id is kept; any other text is replaced, so that it cannot reach a log."""
    found = trace_id_of(Headers(headers))
    assert len(found.replace("-", "")) == 32
    assert (found.replace("-", "") == TRACE_ID) is kept


def test_trace_id_is_passed_on_to_the_patient_api(running: Running) -> None:
    """One id follows a question through both services."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["X-Trace-Id"])
        return httpx.Response(200, json=PATIENT)

    async def run() -> None:
        async with running(patients=patient_api(httpx.MockTransport(answer))) as service:
            await service.client.post("/triage", json=QUESTION, headers={"X-Trace-Id": TRACE_ID})

    asyncio.run(run())
    assert seen == [TRACE_ID]


@pytest.mark.parametrize(
    ("agent", "traffic"),
    [
        ("carepath-gate", "test"),
        ("carepath-gate/0.1.0", "test"),
        ("Mozilla/5.0 carepath-gate", "user"),
        ("python-httpx/0.28.1", "user"),
        (None, "user"),
    ],
)
def test_traffic_of_takes_only_the_gates_name_for_a_test(agent: str | None, traffic: str) -> None:
    """Whoever does not say that it is the gate is counted as a user."""
    assert traffic_of(Headers({} if agent is None else {"user-agent": agent})) == traffic


def test_refusals_of_the_gate_are_counted_apart_from_users(running: Running) -> None:
    """What the gate provokes is no error that a user met."""

    async def run() -> None:
        async with running() as service:
            unknown = {**QUESTION, "patient_mrn": "MRN-999"}
            await service.client.post("/triage", json=unknown, headers={"User-Agent": "carepath-gate"})
            await service.client.post("/triage", json=unknown)
            await service.client.post("/triage", json=unknown)
            for traffic, times in (("test", 1), ("user", 2)):
                labels = {"reason": "patient_not_found", "traffic": traffic}
                assert service.metric("carepath_chat_refused_total", **labels) == times
                labels = {"route": "/triage", "status": "404", "traffic": traffic}
                assert service.metric("carepath_chat_requests_total", **labels) == times

    asyncio.run(run())


def test_metrics_docstring_lists_every_metric() -> None:
    """The one place where metric names are documented names them all, and no other."""
    registry = telemetry.Metrics().registry
    registered = {metric.name for metric in registry.collect()}
    listed = {
        word.split("{")[0].removesuffix("_total")
        for word in (telemetry.__doc__ or "").split()
        if word.startswith(("carepath_chat_", "process_"))
    }
    assert registered == listed
