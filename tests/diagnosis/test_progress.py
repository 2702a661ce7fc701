"""Doomed or not yet, of a whole rollout; the tolerances of single faults are tested beside their rules."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gate.causes import Cause
from gate.diagnosis.progress import assess
from gate.records import Snapshot, Unreadable
from gate.verdict import Status
from tests.diagnosis import factories as make

BBBBB = f"{make.NEW_REPLICA_SET}-bbbbb"
NO_MEMORY = "0/1 nodes are available: 1 Insufficient memory."


def state(snapshot: Snapshot) -> str:
    """Return where the rollout of chat-api stands."""
    return assess(snapshot, deployment=make.DEPLOYMENT).state


def test_complete_rollout_is_settled() -> None:
    """Nothing is left to wait for but the window."""
    progress = assess(make.healthy_snapshot(), deployment=make.DEPLOYMENT)
    assert (progress.state, progress.verdict.status, progress.waiting_for) == ("settled", Status.PASS, "")


def test_rollout_with_past_restarts_is_settled() -> None:
    """A warning does not keep anybody waiting."""
    own = make.container_status(restarts=1, last_state=make.terminated(1, ended_ago_s=900), state=make.running(890))
    assert state(make.rollout_snapshot(make.pod(statuses=(own,)))) == "settled"


def test_one_doomed_pod_dooms_the_revision() -> None:
    """A ReplicaSet does not replace a pod that fails: four good ones do not complete it."""
    broken = make.unready_pod(make.waiting("InvalidImageName"))
    good = [make.pod(f"chat-{number}") for number in range(4)]
    progress = assess(make.rollout_snapshot(broken, *good), deployment=make.DEPLOYMENT)
    assert (progress.state, progress.verdict.cause) == ("doomed", Cause.IMAGE_INVALID_NAME)


def test_first_crash_is_waited_out() -> None:
    """A dependency that starts a moment later mends it."""
    once = make.unready_pod(make.waiting("CrashLoopBackOff"), status={"last_state": make.terminated(1)})
    assert state(make.rollout_snapshot(once)) == "progressing"


def test_doomed_pod_of_the_old_revision_does_not_doom_the_new_one() -> None:
    """It is being replaced: that is what the deploy is for."""
    old = make.old_pod(
        conditions=make.unready_conditions(),
        statuses=(make.container_status(ready=False, state=make.waiting("InvalidImageName")),),
    )
    loading = make.unready_pod(make.running(3), status={"started": False})
    assert state(make.rollout_snapshot(loading, old)) == "progressing"


def test_pending_pod_is_waited_for_while_room_comes() -> None:
    """What is waited for says whose end makes the room."""
    pending = make.unscheduled_pod(NO_MEMORY)
    leaving = make.old_pod(deleted_at=make.NOW + timedelta(seconds=20))
    progress = assess(make.rollout_snapshot(make.pod(), pending, leaving), deployment=make.DEPLOYMENT)
    assert progress.state == "progressing"
    assert progress.waiting_for.endswith(f"; pod {leaving.name} is being deleted.")
    assert state(make.rollout_snapshot(make.pod(), pending)) == "doomed"


def test_exceeded_deadline_dooms() -> None:
    """The Deployment itself has given up."""
    exceeded = make.condition("Progressing", "False", reason="ProgressDeadlineExceeded")
    snapshot = make.rollout_snapshot(make.unready_pod(make.running(3), status={"started": False}))
    late = replace(snapshot, deployments=(replace(snapshot.deployments[0], conditions=(exceeded,)),))
    assert state(late) == "doomed"


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (make.healthy_snapshot(deployments=()), "doomed"),
        (make.rollout_snapshot(desired=0), "doomed"),
        (
            replace(
                make.rollout_snapshot(make.pod(), desired=2), deployments=(make.deployment(paused=True, updated=1),)
            ),
            "doomed",
        ),
        (make.healthy_snapshot(deployments=(make.deployment(paused=True),)), "settled"),
        (make.healthy_snapshot(deployments=(make.deployment(observed_generation=1),)), "progressing"),
        (make.healthy_snapshot(deployments=(make.deployment(revision=3, updated=0),)), "progressing"),
        (make.healthy_snapshot(unreadable=(Unreadable(what="pods", kind="forbidden", message="no"),)), "doomed"),
        (make.healthy_snapshot(unreadable=(Unreadable(what="pods", kind="unreachable", message="no"),)), "progressing"),
    ],
    ids=["absent", "zero", "paused", "paused-done", "unobserved", "no-replica-set-yet", "forbidden", "unreachable"],
)
def test_state_of_the_deployment_decides_whether_to_wait(snapshot: Snapshot, expected: str) -> None:
    """What waiting cannot change ends the wait; what it can does not."""
    assert state(snapshot) == expected


def test_stray_pod_dooms_only_a_rollout_that_is_complete_otherwise() -> None:
    """While the rollout goes on, its own course is what is waited for."""
    stray = make.pod("debug", owner=None)
    loading = make.unready_pod(make.running(3), status={"started": False})
    assert state(make.rollout_snapshot(make.pod(), stray)) == "doomed"
    assert state(make.rollout_snapshot(loading, stray)) == "progressing"


def test_old_pod_that_leaves_is_waited_for() -> None:
    """The rolling update has not ended before the last old pod has."""
    leaving = make.old_pod(deleted_at=make.NOW + timedelta(seconds=20))
    assert state(make.healthy_snapshot(pods=(*make.healthy_snapshot().pods, leaving))) == "progressing"
