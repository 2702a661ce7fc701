"""A change under traffic: asked before, during and after; when it settled; and what a change that fails leaves."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gate import deploying
from gate.causes import Cause
from gate.deploying import LEAD_ANSWERS, Change, under_traffic
from gate.records import Answer
from gate.target import load_target
from gate.verdict import Evidence, Status, Verdict, passed
from gate.waiting import Waited
from infra.paths import PROJECT
from tests.diagnosis_answers import observations as make

SEEN = (Evidence("Deployment/chat-api", "status.readyReplicas", "2"),)
STABLE = passed("POD-1", "All is well.", SEEN).with_details(pods=[{"pod": "a"}])
DOOMED = Verdict("POD-1", Status.FAIL, "Image v9 is not there.", SEEN, Cause.IMAGE_NOT_FOUND, "Push it.")


class User:
    """A user whose every question is answered at once."""

    def ask(self, patient_mrn: str, query: str) -> Answer:
        """Answer a patient's question."""
        assert patient_mrn
        assert query
        return make.answer(None, reply=make.reply(None, elapsed_s=0.0, started_at=datetime.now(UTC)))


class Reader:
    """A cluster that nobody looks at: the wait is the test's own."""

    def snapshot(self) -> None:
        """Be there."""

    logs = snapshot


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Change]:
    """Return a function that makes a change under traffic, whose wait ends at once in a verdict."""

    def run(verdict: Verdict, change: Callable[[], object] = lambda: None, users: int = LEAD_ANSWERS) -> Change:
        def wait(*_: object, **limits: object) -> Waited:
            assert (limits["deployment"], limits["window_s"], limits["timeout_s"]) == ("chat-api", 10.0, 60.0)
            return Waited(verdict, None, (), 0.0, 1)

        monkeypatch.setattr(deploying, "wait_for_rollout", wait)
        target = load_target("local", PROJECT)
        limits = target.acceptance.model_copy(update={"stable_window_s": 10.0, "rollout_timeout_s": 60.0})
        gate = SimpleNamespace(reader=Reader(), target=target.model_copy(update={"acceptance": limits}))
        return under_traffic(cast("Any", gate), change, [cast("Any", User()) for _ in range(users)])

    return run


def test_change_begins_after_the_service_was_seen_well(changed: Callable[..., Change]) -> None:
    """Enough answers from before, so that a service that fails anyway is not blamed on the rollout."""
    made = changed(STABLE)
    before = [each for each in made.traffic if each.reply.started_at < made.started_at]
    assert len(before) >= LEAD_ANSWERS


def test_change_that_is_stable_settled_when_its_window_began(changed: Callable[..., Change]) -> None:
    """The ten seconds in which nothing happened are not part of the rollout."""
    made = changed(STABLE)
    assert made.settled_at + timedelta(seconds=10) == pytest.approx(datetime.now(UTC), abs=timedelta(seconds=5))
    assert made.seconds == (made.settled_at - made.started_at).total_seconds()


def test_change_that_is_doomed_settled_at_its_end(changed: Callable[..., Change]) -> None:
    """Without a window there is none to take off."""
    made = changed(DOOMED)
    assert 0 <= made.seconds < 5


def test_change_without_users_waits_for_nobody(changed: Callable[..., Change]) -> None:
    """A first deploy has nobody to ask."""
    assert changed(DOOMED, users=0).traffic == ()


def test_change_that_raises_stops_the_traffic(changed: Callable[..., Change]) -> None:
    """An apply that fails must not leave users who ask for ever."""

    def fail() -> None:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        changed(STABLE, fail)
    assert not [each for each in threading.enumerate() if each.name.startswith("traffic-")]


def test_change_verdict_carries_the_rollouts_series(changed: Callable[..., Change]) -> None:
    """The report draws requests and pods in one picture."""
    verdict = changed(STABLE).verdict
    assert verdict.criterion == "ROL-1"
    assert {"requests", "marks", "pods"} <= set(dict(verdict.details))
