"""POST /feedback: what is counted, what is refused, what is remembered, what is logged."""

import asyncio
from typing import Any

import pytest
import structlog

from service_chat.reports import Rating, Reports
from tests.service_chat.fakes import QUERY
from tests.service_chat.service import Running

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
AS_UUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
NAME = "carepath_chat_feedback_total"


def test_feedback_on_an_answer_is_counted_by_its_rating(running: Running) -> None:
    """The trace id that /triage gives is the one that /feedback takes."""

    async def run() -> None:
        async with running() as service:
            answer = await service.client.post("/triage", json={"patient_mrn": "MRN-001", "query": QUERY})
            report = {"trace_id": answer.json()["trace_id"], "rating": "down"}
            response = await service.client.post("/feedback", json=report)
            assert (response.status_code, response.json()) == (200, {**report, "counted": True})
            assert service.metric(NAME, rating="down") == 1
            assert service.metric(NAME, rating="up") == 0
            assert report["trace_id"] not in (await service.client.get("/metrics")).text

    asyncio.run(run())


def test_feedback_sent_twice_counts_once_and_says_so(running: Running) -> None:
    """A double click is one report, in either form of the id; another rating is another report."""

    async def run() -> None:
        async with running() as service:
            sent = [(TRACE_ID, "up"), (TRACE_ID, "up"), (AS_UUID, "up"), (TRACE_ID, "down")]
            counted = []
            for trace_id, rating in sent:
                report = {"trace_id": trace_id, "rating": rating}
                counted.append((await service.client.post("/feedback", json=report)).json()["counted"])
            assert counted == [True, False, False, True]
            assert service.metric(NAME, rating="up") == 1
            assert service.metric(NAME, rating="down") == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"trace_id": TRACE_ID, "rating": "bad"}, "body.rating"),
        ({"trace_id": TRACE_ID}, "body.rating"),
        ({"rating": "up"}, "body.trace_id"),
        ({"trace_id": "MRN-001 has gout", "rating": "up"}, "body.trace_id"),
        ({"trace_id": TRACE_ID + "\n", "rating": "up"}, "body.trace_id"),
        ({"trace_id": TRACE_ID, "rating": "up", "comment": "Ada Sample"}, "body.comment"),
    ],
)
def test_feedback_malformed_is_422_names_the_field_and_counts_nothing(
    running: Running, body: dict[str, Any], field: str
) -> None:
    """No free text is taken, and none comes back: it could name a patient."""

    async def run() -> None:
        async with running() as service:
            response = await service.client.post("/feedback", json=body)
            assert response.status_code == 422
            assert response.json()["detail"].startswith(field)
            assert "Ada" not in response.text
            assert "MRN-001" not in response.text
            assert service.metric(NAME, rating="up") == 0

    asyncio.run(run())


def test_feedback_is_logged_with_the_rated_trace_id(running: Running) -> None:
    """The log leads from the report to the answer's own line."""

    async def run() -> None:
        async with running() as service:
            with structlog.testing.capture_logs() as lines:
                await service.client.post("/feedback", json={"trace_id": TRACE_ID, "rating": "down"})
            (line,) = (each for each in lines if each["event"] == "user report")
            assert (line["rated_trace_id"], line["rating"], line["log_level"]) == (TRACE_ID, "down", "info")

    asyncio.run(run())


def test_reports_remember_a_bounded_number_the_newest_and_the_repeated() -> None:
    """Memory stays bounded whoever sends what; what was repeated lately is kept."""
    reports = Reports(remembered=2)
    first, second, third = (f"{number:032x}" for number in range(3))
    assert [reports.is_new(each, Rating.UP) for each in (first, second, first, third)] == [True, True, False, True]
    assert len(reports) == 2
    assert not reports.is_new(first, Rating.UP)
    assert reports.is_new(second, Rating.UP)
    assert len(reports) == 2
