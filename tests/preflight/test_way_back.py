"""RBK-0: what runs now is what a deploy could be rolled back to; is it there, kept, well, and was it green."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gate.causes import Cause
from gate.diagnosis.way_back import Recorded, way_back_verdict
from gate.records import ImageFacts, ImageUnread, Snapshot
from gate.verdict import Status, Verdict
from tests.diagnosis import factories as make

IMAGE = make.healthy_snapshot().deployments[0].template.containers[0].image
THERE = ImageFacts(reference=IMAGE, digest=make.DIGEST, platforms=("linux/amd64",), read_at=make.NOW)
REVISION = make.healthy_snapshot().deployments[0].revision


def unread(kind: Any) -> ImageUnread:
    """Return what a registry says that does not show the image."""
    return ImageUnread(reference=IMAGE, kind=kind, message="no", status_code=404, read_at=make.NOW)


def verdict(snapshot: Snapshot | None = None, **changes: Any) -> Verdict:
    """Return RBK-0 of a deploy over a version in good order."""
    now = snapshot or make.healthy_snapshot()
    facts: dict[str, Any] = {"container": make.CONTAINER, "image": THERE, "recorded": None}
    wanted = changes.pop("wanted", make.healthy_snapshot().deployments[0])
    return way_back_verdict(now, wanted, **facts | changes)


def judged_as(judgement: Verdict) -> tuple[Status, Cause | None, str]:
    """Return what a reader acts on."""
    return judgement.status, judgement.cause, judgement.reason


def test_version_in_good_order_is_a_way_back() -> None:
    """Ready, its image in the registry, its deploy green or not on record."""
    reason = f"This deploy can be rolled back to revision {REVISION}: 2 of 2 pods of it are ready, its image is there."
    assert judged_as(verdict()) == (Status.PASS, None, reason)
    green = Recorded(status=Status.WARN, at=datetime(2026, 11, 20, tzinfo=UTC))
    assert verdict(recorded=green).status is Status.PASS


def test_version_whose_image_nobody_could_look_up_says_so() -> None:
    """A target without a registry claims nothing about the image."""
    found = verdict(image=None)
    assert found.status is Status.PASS
    assert found.reason.endswith("its image is not looked up.")


def test_first_deploy_warns() -> None:
    """There is no way back, and no reason not to begin."""
    nothing = make.healthy_snapshot(deployments=(), replica_sets=(), pods=())
    assert judged_as(verdict(nothing)) == (
        Status.WARN,
        Cause.ROLLOUT_NO_PREVIOUS_REVISION,
        "deployment/chat-api does not run yet: a first deploy has nothing to be rolled back to.",
    )


def test_history_that_keeps_nothing_fails() -> None:
    """The deploy itself would throw the way back away; one revision kept is enough."""
    wanted = make.healthy_snapshot().deployments[0]
    assert judged_as(verdict(wanted=replace(wanted, history_limit=0))) == (
        Status.FAIL,
        Cause.ROLLOUT_NO_PREVIOUS_REVISION,
        f"With revisionHistoryLimit 0 the deploy throws revision {REVISION} away: there is no undo.",
    )
    assert verdict(wanted=replace(wanted, history_limit=1)).status is Status.PASS


def test_image_that_left_the_registry_fails() -> None:
    """An undo would end in ImagePullBackOff on every node that does not have it still."""
    assert judged_as(verdict(image=unread("not_found"))) == (
        Status.FAIL,
        Cause.IMAGE_NOT_FOUND,
        (
            f"Revision {REVISION}, which this deploy would be rolled back to, runs {IMAGE}, which its registry no "
            "longer has."
        ),
    )


def test_image_that_the_registry_says_nothing_about_is_inconclusive() -> None:
    """Refused credentials and silence are told apart; neither is a pass."""
    denied, silent = verdict(image=unread("denied")), verdict(image=unread("unreachable"))
    assert (denied.status, denied.cause) == (Status.INCONCLUSIVE, Cause.IMAGE_DENIED)
    assert (silent.status, silent.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_version_that_is_not_well_itself_warns() -> None:
    """Rolling back would bring the same trouble back; a deploy that mends it must not be kept out."""
    half = make.healthy_snapshot(replica_sets=(make.replica_set(ready=1),))
    assert judged_as(verdict(half)) == (
        Status.WARN,
        Cause.ROLLOUT_UNSTABLE,
        f"Revision {REVISION}, which this deploy would be rolled back to, is not well itself: 1 of 2 pods are ready.",
    )


def test_version_whose_deploy_was_not_green_warns_with_its_date() -> None:
    """It is on record; an older one may be the better way back."""
    red = Recorded(status=Status.FAIL, at=datetime(2026, 11, 20, tzinfo=UTC))
    assert judged_as(verdict(recorded=red)) == (
        Status.WARN,
        Cause.ROLLOUT_UNDO_FAILED,
        f"The deploy of revision {REVISION}'s image on 2026-11-20 was judged fail: rolling back to it may not help.",
    )
