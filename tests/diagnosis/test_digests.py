"""POD-2: every pod runs the intended digest."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gate.causes import Cause
from gate.diagnosis.rollout import digest_verdict
from gate.records import Pod, Snapshot
from gate.verdict import Status, Verdict
from tests.diagnosis import factories as make

BY_TAG = make.pod_spec(containers=(make.container_spec(image=f"{make.REPOSITORY}:latest"),))
BBBBB = f"{make.NEW_REPLICA_SET}-bbbbb"


def judged(snapshot: Snapshot, intended: str | None = make.DIGEST, earlier: Snapshot | None = None) -> Verdict:
    """Return POD-2 of chat-api."""
    return digest_verdict(
        snapshot,
        deployment=make.DEPLOYMENT,
        container=make.CONTAINER,
        intended=intended,
        intended_source="plan.json",
        earlier=earlier,
    )


def running(digest: str, name: str = BBBBB) -> Pod:
    """Return a pod of the newest revision whose tag was pulled as that digest."""
    own = make.container_status(image=f"{make.REPOSITORY}:latest", image_id=f"{make.REPOSITORY}@{digest}")
    return make.pod(name, statuses=(own,))


def by_tag(*pods: Pod) -> Snapshot:
    """Return a rollout whose template names a mutable tag."""
    return replace(make.rollout_snapshot(*pods), deployments=(make.deployment(template=BY_TAG, desired=len(pods)),))


@pytest.mark.parametrize("intended", [make.DIGEST, f"{make.REPOSITORY}@{make.DIGEST}"])
def test_pods_of_the_intended_digest_pass(intended: str) -> None:
    """The digest counts, with or without the repository before it."""
    verdict = judged(make.healthy_snapshot(), intended)
    assert verdict.status is Status.PASS
    assert verdict.reason == f"All 2 pods of chat-api run {make.DIGEST}, as plan.json declares."


def test_pod_of_an_overwritten_tag_is_named() -> None:
    """Incident 15: half the pods pulled `latest` before it was overwritten."""
    verdict = judged(by_tag(running(make.DIGEST, "chat-new"), running(make.OLD_DIGEST, "chat-old")))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.IMAGE_DIGEST_MISMATCH)
    assert verdict.reason == (
        "1 of 2 pods (chat-old) runs sha256:111111111111, plan.json declares sha256:222222222222: "
        "the tag of the same template was pulled at different times."
    )


def test_pods_of_an_older_revision_are_told_from_an_overwritten_tag() -> None:
    """A rollout that is not through has another remedy than a tag."""
    snapshot = make.healthy_snapshot()
    verdict = judged(replace(snapshot, pods=(*snapshot.pods, make.old_pod())))
    assert verdict.cause is Cause.IMAGE_DIGEST_MISMATCH
    assert verdict.reason.endswith("they belong to an older revision.")


def test_old_pod_that_is_being_deleted_does_not_count() -> None:
    """It is on its way out; POD-1 watches that it goes."""
    snapshot = make.healthy_snapshot()
    leaving = make.old_pod(deleted_at=make.NOW + timedelta(seconds=20))
    assert judged(replace(snapshot, pods=(*snapshot.pods, leaving))).status is Status.PASS


def test_template_pinned_to_another_digest_fails() -> None:
    """All pods agree with the template, and the template is not what the deploy declares."""
    verdict = judged(make.healthy_snapshot(), "sha256:" + "3" * 64)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.IMAGE_DIGEST_MISMATCH)
    assert verdict.reason == (
        "The template of chat-api asks for sha256:222222222222, plan.json declares sha256:333333333333: "
        "another image was deployed."
    )


def test_revision_that_changed_while_it_was_judged_is_inconclusive() -> None:
    """Incident 30: what was judged holds for neither deploy."""
    before = make.healthy_snapshot(deployments=(make.deployment(revision=1),))
    verdict = judged(make.healthy_snapshot(), earlier=before)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.ROLLOUT_SUPERSEDED)
    assert verdict.reason == (
        "Another change of chat-api is under way: its revision went from 1 to 2 while it was judged."
    )


def test_scaling_while_it_was_judged_is_not_another_deploy() -> None:
    """The HPA raises the generation, never the revision."""
    before = make.healthy_snapshot(deployments=(make.deployment(generation=1, observed_generation=1, desired=1),))
    assert judged(make.healthy_snapshot(), earlier=before).status is Status.PASS


def test_generation_that_is_not_observed_is_inconclusive() -> None:
    """A template was applied that the controller has not seen."""
    verdict = judged(make.healthy_snapshot(deployments=(make.deployment(generation=3),)))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.ROLLOUT_SUPERSEDED)


def test_pods_that_agree_without_a_declared_digest_warn() -> None:
    """They run the same image; that it is the right one nobody has said."""
    verdict = judged(by_tag(running(make.DIGEST, "a"), running(make.DIGEST, "b")), intended=None)
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.IMAGE_MUTABLE_TAG)


def test_pods_that_differ_without_a_declared_digest_fail() -> None:
    """Two images behind one Service cannot both be right."""
    pods = (running(make.DIGEST, "a"), running(make.DIGEST, "b"), running(make.OLD_DIGEST, "c"))
    verdict = judged(by_tag(*pods), intended=None)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.IMAGE_DIGEST_MISMATCH)
    assert verdict.reason.startswith("1 of 3 pods (c) runs sha256:111111111111, the others run sha256:222222222222")


def test_pod_without_an_image_yet_is_inconclusive() -> None:
    """What has not been pulled cannot be compared; why it is not is POD-1's."""
    waiting = make.unready_pod(make.waiting("ErrImagePull"), status={"image_id": ""})
    verdict = judged(make.rollout_snapshot(waiting, make.pod(BBBBB)))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.ROLLOUT_IN_PROGRESS)


def test_image_that_was_loaded_and_not_pulled_is_inconclusive() -> None:
    """Without a registry's digest there is nothing to compare."""
    own = make.container_status(image_id="sha256:" + "4" * 64)
    verdict = judged(make.rollout_snapshot(make.pod(statuses=(own,))))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


@pytest.mark.parametrize(("desired", "cause"), [(0, Cause.ROLLOUT_SCALED_TO_ZERO), (2, Cause.ROLLOUT_IN_PROGRESS)])
def test_no_pod_at_all_fails(desired: int, cause: Cause) -> None:
    """None of none runs the intended image."""
    verdict = judged(make.rollout_snapshot(desired=desired))
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)


def test_template_without_the_container_fails() -> None:
    """A target that names the wrong container must not pass on nothing."""
    verdict = digest_verdict(
        make.healthy_snapshot(),
        deployment="chat-api",
        container="chat",
        intended=make.DIGEST,
        intended_source="plan.json",
    )
    assert verdict.status is Status.FAIL
    assert verdict.reason == "The template of chat-api has no container chat (it has: chat-api)."
