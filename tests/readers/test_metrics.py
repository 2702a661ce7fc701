"""/metrics into a record: the service's own text, other text, and no text."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from gate.readers.chat import USER_AGENT, ChatClient
from gate.readers.metrics import pod_metrics
from gate.records import PodMetrics
from service_chat.api.tracing import traffic_of
from service_chat.app import create_app
from service_chat.settings import Settings
from tests.diagnosis_answers.observations import reply
from tests.readers.fakes import SERVED_AT
from tests.service_chat.fakes import patient_api

TEXT = """\
# HELP carepath_chat_requests_total Finished requests.
# TYPE carepath_chat_requests_total counter
carepath_chat_requests_total{route="/triage",status="200",traffic="user"} 40.0
carepath_chat_requests_total{route="/triage",status="503",traffic="user"} 2.0
carepath_chat_requests_total{route="/triage",status="200",traffic="test"} 21.0
carepath_chat_requests_total{route="/health",status="200",traffic="user"} 900.0
# TYPE carepath_chat_requests_created gauge
carepath_chat_requests_created{route="/triage",status="200",traffic="user"} 1.7e+09
# TYPE carepath_chat_refused_total counter
carepath_chat_refused_total{reason="patient_api",traffic="user"} 2.0
# TYPE carepath_chat_feedback_total counter
carepath_chat_feedback_total{rating="up"} 3.0
carepath_chat_feedback_total{rating="down"} 0.0
# TYPE carepath_chat_queue_seconds histogram
carepath_chat_queue_seconds_bucket{le="+Inf"} 40.0
carepath_chat_queue_seconds_count 40.0
carepath_chat_queue_seconds_sum 1.25
# TYPE carepath_chat_queue_length gauge
carepath_chat_queue_length 2.0
# TYPE carepath_chat_memory_bytes gauge
carepath_chat_memory_bytes{kind="anonymous"} 1.0e+08
carepath_chat_memory_bytes{kind="file"} 2.0e+07
# TYPE carepath_chat_container_memory_bytes gauge
carepath_chat_container_memory_bytes{kind="anonymous"} 1.1e+08
carepath_chat_container_memory_bytes{kind="shared"} 1.0e+07
carepath_chat_container_memory_bytes{kind="file"} 5.0e+07
# TYPE carepath_chat_cpu_periods_total counter
carepath_chat_cpu_periods_total 400.0
# TYPE carepath_chat_cpu_throttled_periods_total counter
carepath_chat_cpu_throttled_periods_total 60.0
# TYPE carepath_chat_cpu_throttled_seconds_total counter
carepath_chat_cpu_throttled_seconds_total 8.5
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 30.5
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.795e+09
"""


def test_metrics_are_read_into_a_record() -> None:
    """Every figure from its own line; other routes, creation times and other metrics are left out."""
    said = reply(path="/metrics")
    assert pod_metrics(said, TEXT) == PodMetrics(
        reply=said,
        started_at=datetime.fromtimestamp(1.795e9, UTC),
        requests={("user", "200"): 40, ("user", "503"): 2, ("test", "200"): 21},
        refused={("user", "patient_api"): 2},
        reports={"up": 3, "down": 0},
        queue_wait_s=1.25,
        queue_length=2,
        held_bytes=120_000_000,
        cpu_s=30.5,
        cfs_periods=400,
        throttled_periods=60,
        throttled_s=8.5,
    )


def test_metrics_without_the_containers_memory_take_the_process() -> None:
    """Where the cgroup's file cannot be read."""
    lines = (line for line in TEXT.splitlines(keepends=True) if "container_memory" not in line)
    assert pod_metrics(reply(), "".join(lines)).held_bytes == 100_000_000


def test_metrics_of_another_service_are_unknown_and_not_zero() -> None:
    """No figure is made up."""
    said = reply()
    assert pod_metrics(said, "# TYPE up gauge\nup 1\n") == PodMetrics(reply=said)
    assert pod_metrics(said, "") == PodMetrics(reply=said)


def test_metrics_that_count_nothing_yet_are_known() -> None:
    """A counter that is declared and has no sample counts nothing, which is a figure."""
    found = pod_metrics(reply(), "# TYPE carepath_chat_requests_total counter\n")
    assert found.requests == {}


def test_requests_of_a_service_that_does_not_know_the_gate_are_users() -> None:
    """Without the label they are all taken for users."""
    text = '# TYPE carepath_chat_requests_total counter\ncarepath_chat_requests_total{route="/triage",status="500"} 2\n'
    assert pod_metrics(reply(), text).requests == {("user", "500"): 2}


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_figure_that_is_no_number_is_left_out(value: str) -> None:
    """Neither a traceback nor a figure."""
    found = pod_metrics(reply(), TEXT.replace("8.5", value).replace("} 2.0\n", f"}} {value}\n"))
    assert found.throttled_s is None
    assert found.requests == {("user", "200"): 40, ("test", "200"): 21}


@pytest.mark.parametrize("body", ["<html>no</html>", '{"detail": "x"}', "carepath_chat_requests_total{ 3"])
def test_body_that_is_no_metrics_is_a_violation(body: str) -> None:
    """A proxy's page is not a service without errors."""
    found = pod_metrics(reply(), body)
    assert found.violation == "the body is not in Prometheus' text format"
    assert found.requests is None


def client(status: int, text: str) -> ChatClient:
    """Return a client of a pod that answers so."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=text))
    return ChatClient(transport, via="pod/chat-api-1", clock=lambda: SERVED_AT)


def test_client_reads_metrics_of_a_200_and_nothing_of_an_error() -> None:
    """The status stands in the record."""
    assert client(200, TEXT).metrics().requests == {("user", "200"): 40, ("user", "503"): 2, ("test", "200"): 21}
    found = client(404, TEXT).metrics()
    assert (found.reply.status, found.reply.path, found.requests) == (404, "/metrics", None)


def test_every_question_of_the_gate_says_that_it_is_a_test() -> None:
    """The service counts them apart: its own word for it is used."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503)

    asking = ChatClient(httpx.MockTransport(answer), via="service")
    asking.health(), asking.version(), asking.metrics(), asking.ask("MRN-001", "What is it?")
    assert {each.headers["user-agent"] for each in seen} == {USER_AGENT}
    assert len(seen) == 4
    assert {traffic_of(each.headers) for each in seen} == {"test"}  # type: ignore[arg-type]  # both map names to text


def test_service_as_it_is_tells_everything_that_the_gate_reads() -> None:
    """The names on both sides are the same: no figure of the record stays unknown."""

    async def text() -> str:
        settings = Settings.model_validate({"llm_mode": "mock"})
        app = create_app(settings, on_load_failure=pytest.fail, patients=patient_api())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chat") as user:
            await user.post("/triage", json={"patient_mrn": "MRN-999", "query": "What is it?"})
            return (await user.get("/metrics")).text

    found = pod_metrics(reply(), asyncio.run(text()))
    unknown = {name for name in PodMetrics.__slots__ if getattr(found, name) is None}
    assert unknown == set()
    assert found.requests == {("user", "404"): 1}
    assert found.refused == {("user", "patient_not_found"): 1}
    assert found.reports == {"up": 0, "down": 0}
    assert found.started_at is not None
    assert timedelta(0) < datetime.now(UTC) - found.started_at < timedelta(days=1)
