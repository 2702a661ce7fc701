"""When a fault was final and when it was told: both on one clock, and never in the gate's favour."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.faults.conditions import Look
from e2e.faults.hands import Glance, stamp
from e2e.faults.judging import read_report
from infra.cluster.api import ApiError


class FakeApi:
    """An API server that answers with what it has, and counts the requests."""

    def __init__(self, *answers: object) -> None:
        self.answers = iter(answers)
        self.asked: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        """Answer, or refuse."""
        self.asked.append(path)
        answer = next(self.answers)
        if isinstance(answer, ApiError):
            raise answer
        return {"items": answer}


def glance(*answers: object) -> tuple[FakeApi, Glance]:
    """Return an API server and one look at a namespace of it."""
    api = FakeApi(*answers)
    return api, Glance(api, "fault-x")


@pytest.fixture
def clock() -> Iterator[float]:
    """Seconds that pass one by one."""
    return iter(float(second) for second in range(100, 200))


def has_pods(look: Look) -> bool:
    """Hold when there is a pod."""
    return bool(look("Pod"))


def test_stamp_is_the_moment_before_the_look(clock: Iterator[float]) -> None:
    """The fault was final when the read began at the latest: the gate's time counts from there."""
    _, look = glance([{"metadata": {}}])
    assert stamp(has_pods, lambda: look, lambda: next(clock)) == 100.0
    assert next(clock) == 101.0


def test_stamp_without_the_condition_or_without_an_answer_is_none(clock: Iterator[float]) -> None:
    """A read that fails is no look: it neither stamps nor ends the watch."""
    _, empty = glance([])
    _, broken = glance(ApiError("HTTP 500"))
    assert stamp(has_pods, lambda: empty, lambda: next(clock)) is None
    assert stamp(has_pods, lambda: broken, lambda: next(clock)) is None


def test_glance_reads_each_kind_once() -> None:
    """All that one condition sees is of one moment."""
    api, look = glance([{"metadata": {}}], [])
    assert look("Pod") is look("Pod")
    assert look("Event") == []
    assert api.asked == ["/api/v1/namespaces/fault-x/pods", "/api/v1/namespaces/fault-x/events"]


def test_read_report_moves_verdicts_to_the_monotonic_clock(tmp_path: Path) -> None:
    """A verdict stands at its start plus its duration; 1,800,000,000 s is 2027-01-15 08:00:00 UTC."""
    verdict = {"criterion": "POD-1", "started_at": "2027-01-15T08:00:00+00:00", "duration_s": 12.5}
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"verdicts": [verdict]}), encoding="utf-8")
    verdicts, ended = read_report(path, 1_799_999_000.0)
    assert verdicts == {"POD-1": verdict}
    assert ended == {"POD-1": 1012.5}


def test_read_report_without_a_file_is_empty(tmp_path: Path) -> None:
    """A run that died before its report leaves nothing, and nothing is made up."""
    assert read_report(tmp_path / "report.json", 0.0) == ({}, {})
