"""A liveness probe that fails on a ready pod, before the first kill; and what is noise."""

from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.liveness import liveness_due_s
from gate.diagnosis.progress import assess
from gate.diagnosis.rollout import rollout_verdict
from gate.diagnosis.window import open_window
from gate.records import Event, Pod, Probe, Snapshot
from gate.verdict import Status
from tests.diagnosis import factories as make

AAAAA = f"{make.NEW_REPLICA_SET}-aaaaa"
NOT_FOUND = "Liveness probe failed: HTTP probe failed with statuscode: 404"
TIMEOUT = (
    'Liveness probe failed: Get "http://10.244.0.11:8002/health": context deadline exceeded '
    "(Client.Timeout exceeded while awaiting headers)"
)


def failing(message: str = NOT_FOUND, *, count: int = 2, age_s: float = 1, first_s: float | None = None) -> Event:
    """Return the event of a liveness probe, asked every 10 s, that failed so often, the last time ``age_s`` ago."""
    event = make.event("Unhealthy", message, AAAAA, count=count, age_s=age_s)
    return event if first_s is None else replace(event, first_at=make.ago(first_s))


def snapshot(*events: Event, pod: Pod | None = None) -> Snapshot:
    """Return a complete rollout of one ready pod with these events."""
    return make.rollout_snapshot(pod or make.pod(), events=events)


def test_wrong_liveness_path_of_a_ready_pod_is_final_before_the_first_kill() -> None:
    """The path does not exist, so the kill is certain: nothing is gained by waiting for it."""
    progress = assess(snapshot(failing()), deployment=make.DEPLOYMENT)
    verdict = progress.verdict
    assert (progress.state, verdict.status, verdict.cause) == ("doomed", Status.FAIL, Cause.PROBE_LIVENESS_FAILING)
    assert verdict.reason == (
        f"Pod {AAAAA}: container chat-api is ready and the kubelet will kill it in about 40 s (2 of 6 failures of its "
        "liveness probe): its liveness probe asks for /health, which the program does not serve (HTTP 404)."
    )
    assert verdict.remedy.startswith("Correct livenessProbe.httpGet in the template")


def test_wrong_liveness_path_seen_once_is_waited_for() -> None:
    """A server that adds routes while it starts gets its second chance; the rollout is not settled meanwhile."""
    progress = assess(snapshot(failing(count=1)), deployment=make.DEPLOYMENT)
    assert (progress.state, progress.verdict.cause) == ("progressing", Cause.PROBE_LIVENESS_FAILING)


def test_liveness_that_fails_twice_in_a_row_fails_and_may_still_mend() -> None:
    """A long request may end: the kubelet has not killed yet, so it is not final."""
    progress = assess(snapshot(failing(TIMEOUT)), deployment=make.DEPLOYMENT)
    assert (progress.state, progress.verdict.status) == ("progressing", Status.FAIL)
    assert "/health does not answer its liveness probe within 5 s" in progress.verdict.reason


@pytest.mark.parametrize("event", [failing(TIMEOUT, count=1), failing(TIMEOUT, count=2, first_s=3600)])
def test_single_recent_liveness_failure_warns(event: Event) -> None:
    """One time-out is a warning, also beside one of an hour ago that the API folded into the same event."""
    progress = assess(snapshot(event), deployment=make.DEPLOYMENT)
    assert (progress.state, progress.verdict.status) == ("settled", Status.WARN)


@pytest.mark.parametrize("age_s", [18, 3000])
def test_liveness_failure_that_a_later_probe_put_right_passes(age_s: float) -> None:
    """Asked every 10 s with a time-out of 5 s: after 17 s of silence a later probe has succeeded."""
    assert rollout_verdict(snapshot(failing(age_s=age_s)), deployment=make.DEPLOYMENT).status is Status.PASS


def test_liveness_failure_of_the_instance_before_passes() -> None:
    """The container has been started again since: that failure is history, and its restart a warning."""
    own = make.container_status(restarts=1, state=make.running(5), last_state=make.terminated(137, ended_ago_s=6))
    verdict = rollout_verdict(
        snapshot(failing(age_s=8), pod=make.pod(statuses=(own,))),
        deployment=make.DEPLOYMENT,
        window=open_window(snapshot(), deployment=make.DEPLOYMENT, wanted_s=0),
    )
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CONTAINER_RESTARTED)


def test_failing_readiness_of_a_ready_pod_is_no_liveness_failure() -> None:
    """A readiness probe kills nobody."""
    event = failing(NOT_FOUND.replace("Liveness", "Readiness"))
    assert rollout_verdict(snapshot(event), deployment=make.DEPLOYMENT).status is Status.PASS


def test_fresh_pod_is_watched_until_its_liveness_probe_has_been_asked_once() -> None:
    """Ready for 4 s and asked every 10 s, with 2 s for the event: 8 s more, or the window where that is longer."""
    fresh = make.pod(conditions=make.ready_conditions(4), statuses=(make.container_status(state=make.running(6)),))
    found = snapshot(pod=fresh)
    assert liveness_due_s(found, (fresh,)) == 8.0
    assert open_window(found, deployment=make.DEPLOYMENT, wanted_s=3).wanted_s == 8.0
    assert open_window(found, deployment=make.DEPLOYMENT, wanted_s=10).wanted_s == 10.0


def test_pod_that_has_run_long_or_has_no_liveness_probe_is_not_watched_longer() -> None:
    """Its probe has been asked before; none is never asked."""
    bare = make.pod(
        conditions=make.ready_conditions(1), spec=make.pod_spec(containers=(make.container_spec(liveness=None),))
    )
    assert liveness_due_s(snapshot(), (make.pod(),)) == 0.0
    assert liveness_due_s(snapshot(pod=bare), (bare,)) == 0.0


def test_liveness_probe_with_a_long_period_is_not_waited_for() -> None:
    """An hour between two probes is a choice that no deploy waits for."""
    slow = Probe(kind="http", path="/health", port="http", period_s=3600)
    fresh = make.pod(
        conditions=make.ready_conditions(1),
        statuses=(make.container_status(state=make.running(2)),),
        spec=make.pod_spec(containers=(make.container_spec(liveness=slow),)),
    )
    assert liveness_due_s(snapshot(pod=fresh), (fresh,)) == 30.0
