"""POD-1: the verdict on a rollout, its root cause and what hangs under it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.rollout import newest_pods, rollout_verdict
from gate.diagnosis.window import StableWindow, open_window
from gate.records import Owner, Snapshot, Unreadable
from gate.verdict import Status, Verdict
from tests.diagnosis import factories as make

BBBBB = f"{make.NEW_REPLICA_SET}-bbbbb"
OOM = make.terminated(137, "OOMKilled")


def judged(snapshot: Snapshot, window: StableWindow | None = None) -> Verdict:
    """Return POD-1 of chat-api."""
    return rollout_verdict(snapshot, deployment=make.DEPLOYMENT, window=window)


def test_complete_rollout_passes_with_evidence_of_each_pod() -> None:
    """Only a known good state passes, and shows what it knows."""
    verdict = judged(make.healthy_snapshot())
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "All 2 pods of revision 2 of chat-api run and are ready; none restarted, none of an older revision is left."
    )
    assert {evidence.object for evidence in verdict.evidence} == {
        "Deployment/chat-api",
        f"Pod/{make.NEW_REPLICA_SET}-aaaaa",
        f"Pod/{BBBBB}",
    }


def test_single_pod_passes_in_the_singular() -> None:
    """One replica is a rollout too."""
    assert judged(make.rollout_snapshot(make.pod())).reason.startswith(
        "The only pod of revision 2 of chat-api runs and is"
    )


def test_rollback_to_an_older_replica_set_is_the_newest_revision() -> None:
    """`rollout undo` gives the old ReplicaSet a new number; its age says nothing."""
    old, new = replace(make.old_replica_set(desired=2, current=2), revision=3), make.replica_set(desired=0, current=0)
    pods = (make.old_pod(), make.old_pod(f"{make.OLD_REPLICA_SET}-yyyyy"))
    snapshot = make.healthy_snapshot(pods=pods, replica_sets=(old, new), deployments=(make.deployment(revision=3),))
    assert judged(snapshot).status is Status.PASS
    assert newest_pods(snapshot, deployment=make.DEPLOYMENT) == pods


def test_missing_deployment_fails_and_lists_those_there_are() -> None:
    """Nothing to look at is not a success."""
    other = make.deployment(name="patient-api", uid="uid-patient-api")
    verdict = judged(make.healthy_snapshot(deployments=(other,)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_NOT_FOUND)
    assert verdict.reason == (
        "Deployment chat-api does not exist in namespace carepath-demo (Deployments there: patient-api)."
    )


def test_deployment_scaled_to_zero_fails() -> None:
    """Zero of zero pods ready proves nothing."""
    verdict = judged(make.rollout_snapshot(desired=0))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_SCALED_TO_ZERO)
    assert verdict.reason == "Deployment chat-api is scaled to 0: nothing runs, so nothing was proven."


@pytest.mark.parametrize(
    ("observed", "status"), [(None, Status.INCONCLUSIVE), (1, Status.INCONCLUSIVE), (2, Status.PASS)]
)
def test_status_of_an_older_generation_is_not_judged(observed: int | None, status: Status) -> None:
    """A status that its controller has not brought up to date says nothing."""
    verdict = judged(make.healthy_snapshot(deployments=(make.deployment(observed_generation=observed),)))
    assert verdict.status is status
    if status is Status.INCONCLUSIVE:
        assert verdict.cause is Cause.ROLLOUT_NOT_OBSERVED


@pytest.mark.parametrize(
    ("kind", "cause"), [("forbidden", Cause.GATE_FORBIDDEN), ("unreachable", Cause.GATE_UNREACHABLE)]
)
@pytest.mark.parametrize("what", ["deployments", "replica_sets", "pods"])
def test_failed_read_is_inconclusive(kind: str, cause: Cause, what: str) -> None:
    """An empty list that was not read is not an empty namespace."""
    unread = Unreadable(what=what, kind=kind, message="no")  # type: ignore[arg-type]
    verdict = judged(make.healthy_snapshot(unreadable=(unread,)))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, cause)


def test_paused_rollout_does_not_hide_a_restart_of_a_moment_ago() -> None:
    """A warning about the Deployment is no reason not to look whether its pods are stable."""
    own = make.container_status(restarts=1, state=make.running(3), last_state=make.terminated(1, ended_ago_s=4))
    paused = make.deployment(paused=True, desired=1, current=1, updated=1, ready=1, available=1)
    snapshot = replace(make.rollout_snapshot(make.pod(statuses=(own,))), deployments=(paused,))
    verdict = rollout_verdict(snapshot, deployment=make.DEPLOYMENT)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_UNSTABLE)


def test_paused_rollout_fails_until_all_pods_are_up_to_date() -> None:
    """Paused half-way is a failure, paused when done a warning: the next change would reach nobody."""
    half = replace(make.rollout_snapshot(make.pod(), desired=2), deployments=(make.deployment(paused=True, updated=1),))
    done = make.healthy_snapshot(deployments=(make.deployment(paused=True),))
    assert (judged(half).status, judged(half).cause) == (Status.FAIL, Cause.ROLLOUT_PAUSED)
    assert judged(half).reason == (
        "Deployment chat-api is paused, 1 of 2 pods are up to date: a change of its template reaches no pod."
    )
    assert (judged(done).status, judged(done).cause) == (Status.WARN, Cause.ROLLOUT_PAUSED)


def test_rollout_in_progress_fails_and_says_what_it_is_at() -> None:
    """Not ready is not good; what it is at is said, not why it failed."""
    loading = make.unready_pod(make.running(12), status={"started": False})
    verdict = judged(make.rollout_snapshot(loading, make.pod(BBBBB)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_IN_PROGRESS)
    assert verdict.reason == (
        f"Revision 2 of chat-api has 1 of 2 pods ready; {loading.name}: container chat-api is starting since 12 s "
        "of the 120 s its startup probe allows."
    )


def test_pods_not_created_yet_are_counted() -> None:
    """Two are wanted, one is there: the other is missing, not ready."""
    verdict = judged(make.rollout_snapshot(make.pod(), desired=2))
    assert verdict.reason == "Revision 2 of chat-api has 1 of 2 pods ready; 1 pod not created yet."


def test_pods_ready_but_not_available_wait_for_min_ready_seconds() -> None:
    """Ready counts only after minReadySeconds."""
    deployment = make.deployment(available=1, min_ready_s=30)
    verdict = judged(make.healthy_snapshot(deployments=(deployment,)))
    assert verdict.cause is Cause.ROLLOUT_IN_PROGRESS
    assert "2 updated and 1 available (minReadySeconds is 30)" in verdict.reason


def test_exceeded_deadline_fails_with_its_seconds() -> None:
    """Without another fault the deadline itself is the cause."""
    exceeded = make.condition("Progressing", "False", reason="ProgressDeadlineExceeded")
    starting = make.unready_pod(make.running(100), status={"started": False})
    snapshot = make.rollout_snapshot(starting)
    late = replace(
        snapshot,
        deployments=(make.deployment(desired=1, updated=1, ready=0, progress_deadline_s=120, conditions=(exceeded,)),),
    )
    verdict = judged(late)
    assert verdict.cause is Cause.ROLLOUT_DEADLINE_EXCEEDED
    assert verdict.reason == "Revision 2 of chat-api made no progress for its progressDeadlineSeconds of 120 s."


def test_exceeded_deadline_is_a_symptom_of_the_fault_behind_it() -> None:
    """The deadline passes because the container is killed: one root, the rest hangs under it."""
    exceeded = make.condition("Progressing", "False", reason="ProgressDeadlineExceeded")
    killed = make.unready_pod(make.waiting("CrashLoopBackOff"), status={"restarts": 3, "last_state": OOM})
    snapshot = make.rollout_snapshot(killed)
    late = replace(snapshot, deployments=(replace(snapshot.deployments[0], conditions=(exceeded,)),))
    verdict = judged(late)
    assert verdict.cause is Cause.CONTAINER_OOM_KILLED
    assert any("progressDeadlineSeconds" in symptom for symptom in verdict.symptoms)


def test_equal_faults_of_many_pods_are_one_sentence() -> None:
    """Five pods that fail alike are named up to three, and counted."""
    pods = [
        make.unready_pod(make.waiting("CrashLoopBackOff"), f"chat-{number}", status={"restarts": 2, "last_state": OOM})
        for number in range(4)
    ]
    verdict = judged(make.rollout_snapshot(*pods, make.pod()))
    assert verdict.reason.startswith("4 of 5 pods (chat-0, chat-1, chat-2 and 1 more): container chat-api was killed")
    assert verdict.symptoms == ("Revision 2 of chat-api has 1 of 5 pods ready; 4 pods at fault.",)


def test_pods_that_a_reason_cannot_name_are_listed_by_fault() -> None:
    """Each of them is evidence by name, grouped by what is wrong with it; three fit the sentence and need no list."""
    killed, missing = (
        [make.unready_pod(state, f"{kind}-{number}", status=status) for number in range(pods)]
        for kind, pods, state, status in (
            ("oom", 5, make.waiting("CrashLoopBackOff"), {"restarts": 2, "last_state": OOM}),
            ("image", 4, make.waiting("ErrImagePull", "x: not found"), None),
        )
    )
    three = [
        make.unready_pod(make.waiting("CreateContainerConfigError", 'secret "x" not found'), f"secret-{number}")
        for number in range(3)
    ]
    verdict = judged(make.rollout_snapshot(*killed, *missing, *three))
    listed = {each.field: each.value for each in verdict.evidence if each.object == "Deployment/chat-api"}
    assert listed == {
        "5 pods with container.oom_killed": "oom-0, oom-1, oom-2, oom-3, oom-4",
        "4 pods with image.not_found": "image-0, image-1, image-2, image-3",
    }
    assert any(symptom.startswith("3 of 12 pods (secret-0, secret-1, secret-2): ") for symptom in verdict.symptoms)


def test_final_fault_of_one_pod_outranks_a_passing_one_of_many() -> None:
    """What no waiting mends is the root, even where more pods are merely starting badly."""
    missing = make.unready_pod(make.waiting("ErrImagePull", "x: not found"), "chat-0")
    once = [
        make.unready_pod(make.waiting("CrashLoopBackOff"), f"chat-{number}", status={"last_state": make.terminated(1)})
        for number in (1, 2)
    ]
    verdict = judged(make.rollout_snapshot(*once, missing))
    assert verdict.cause is Cause.IMAGE_NOT_FOUND
    assert any(symptom.startswith("2 of 3 pods (chat-1, chat-2)") for symptom in verdict.symptoms)


def test_old_pods_that_still_run_fail() -> None:
    """Incident 23, before the rolling update has removed them."""
    verdict = judged(make.healthy_snapshot(pods=(*make.healthy_snapshot().pods, make.old_pod())))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_OLD_PODS_LEFT)
    assert verdict.reason == (
        f"1 pod of an older revision still runs ({make.OLD_REPLICA_SET}-zzzzz), 0 of them being deleted."
    )


@pytest.mark.parametrize(
    ("overdue_s", "cause"),
    [
        (-20, Cause.ROLLOUT_OLD_PODS_LEFT),
        (tolerances.TERMINATION_MARGIN_S - 1, Cause.ROLLOUT_OLD_PODS_LEFT),
        (tolerances.TERMINATION_MARGIN_S, Cause.POD_STUCK_TERMINATING),
    ],
)
def test_old_pod_that_hangs_in_terminating_is_told_from_one_that_leaves(overdue_s: float, cause: Cause) -> None:
    """Incident 23: past its grace period and the kubelet's margin, a pod hangs."""
    old = make.old_pod(deleted_at=make.ago(overdue_s))
    verdict = judged(make.healthy_snapshot(pods=(*make.healthy_snapshot().pods, old)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)


def test_stuck_pod_says_since_when_it_should_be_gone() -> None:
    """The reason holds the pod and by how much it is overdue."""
    old = make.old_pod(deleted_at=make.ago(40))
    verdict = judged(make.healthy_snapshot(pods=(*make.healthy_snapshot().pods, old)))
    assert verdict.reason == (
        f"1 pod of an older revision ({old.name}) should have ended 40 s ago and still hangs in Terminating, "
        "where it may answer requests."
    )


def test_old_pod_that_has_ended_is_not_left() -> None:
    """An evicted pod of the old revision serves nobody; its object is collected later."""
    evicted = make.old_pod(phase="Failed", reason="Evicted")
    assert judged(make.healthy_snapshot(pods=(*make.healthy_snapshot().pods, evicted))).status is Status.PASS


def test_pod_with_the_labels_and_another_owner_fails() -> None:
    """The Service's selector does not ask whose the pod is."""
    stray = make.pod("debug", owner=None)
    verdict = judged(make.healthy_snapshot(pods=(*make.healthy_snapshot().pods, stray)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_OLD_PODS_LEFT)
    assert verdict.reason == (
        "1 pod carries the labels of chat-api and none of its revisions owns them (debug): "
        "the Service sends requests there too."
    )


def test_pod_of_another_deployment_is_left_alone() -> None:
    """Other labels, another owner: not this rollout's business, whatever state it is in."""
    other = make.unready_pod(
        make.waiting("CrashLoopBackOff"),
        "patient-api-1",
        labels={"app": "patient-api"},
        owner=Owner(kind="x", name="y", uid="z"),
    )
    assert judged(make.healthy_snapshot(pods=(*make.healthy_snapshot().pods, other))).status is Status.PASS


def test_restarts_of_the_past_warn() -> None:
    """The pods are well, and one of them was not always."""
    status = make.container_status(restarts=2, last_state=make.terminated(137, "OOMKilled", ended_ago_s=4000))
    pod = make.pod(statuses=(status,))
    verdict = judged(make.rollout_snapshot(pod, make.pod(BBBBB)))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CONTAINER_RESTARTED)
    assert verdict.reason == (
        f"Pod {pod.name}: container chat-api is well now and was restarted 2 times, the last time 67 min ago "
        "(OOMKilled, exit code 137)."
    )


def test_evicted_pod_of_a_complete_revision_warns() -> None:
    """Its replacement is ready; why there had to be one may come again."""
    evicted = make.pod(
        "chat-evicted", phase="Failed", reason="Evicted", message="The node was low on resource: memory. "
    )
    snapshot = make.healthy_snapshot()
    verdict = judged(replace(snapshot, pods=(*snapshot.pods, evicted)))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.POD_EVICTED_MEMORY)
    assert verdict.reason == "Pod chat-evicted: it was evicted: node carepath-node was low on memory."


def test_pods_evicted_again_and_again_fail_although_complete_at_the_moment() -> None:
    """Without a readiness probe the replacement is ready at once, and evicted like the one before."""
    message = 'Container chat-api exceeded its local ephemeral storage limit "4Mi". '
    ends = [make.pod(f"chat-{number}", phase="Failed", reason="Evicted", message=message) for number in (1, 2)]
    snapshot = make.healthy_snapshot()
    verdict = judged(replace(snapshot, pods=(*snapshot.pods, *ends)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.POD_EVICTED_STORAGE)


def test_eviction_of_last_week_does_not_explain_a_pod_that_starts_now() -> None:
    """The objects of failed pods stay for good; an old one is a warning beside what goes on."""
    evicted = make.pod(
        "chat-evicted", phase="Failed", reason="Evicted", conditions=make.ready_conditions(600_000), statuses=()
    )
    loading = make.unready_pod(make.running(3), status={"started": False})
    verdict = judged(make.rollout_snapshot(evicted, loading, desired=1))
    assert verdict.cause is Cause.ROLLOUT_IN_PROGRESS
    assert any("it was evicted" in symptom for symptom in verdict.symptoms)


def test_evicted_pod_of_an_incomplete_revision_is_the_cause() -> None:
    """Incident 1: the replacement is still loading, and why there had to be one is known."""
    message = 'Container chat-api exceeded its local ephemeral storage limit "1Gi". '
    evicted = make.pod("chat-evicted", phase="Failed", reason="Evicted", message=message, statuses=())
    loading = make.unready_pod(make.running(3), status={"started": False})
    verdict = judged(make.rollout_snapshot(evicted, loading, desired=1))
    assert verdict.cause is Cause.POD_EVICTED_STORAGE


@pytest.mark.parametrize(
    ("back_s", "status"),
    [(2, Status.FAIL), (tolerances.RESTART_SETTLE_S - 1, Status.FAIL), (tolerances.RESTART_SETTLE_S, Status.WARN)],
)
def test_pod_that_came_back_a_moment_ago_is_not_stable(back_s: float, status: Status) -> None:
    """Ready again two seconds after a restart says little; without a window it is not called stable."""
    own = make.container_status(
        restarts=1, last_state=make.terminated(1, ended_ago_s=back_s + 1), state=make.running(back_s)
    )
    verdict = judged(make.rollout_snapshot(make.pod(statuses=(own,))))
    assert verdict.status is status
    if status is Status.FAIL:
        assert verdict.cause is Cause.ROLLOUT_UNSTABLE


def watched(*later: Snapshot, wanted_s: float = 10) -> StableWindow:
    """Return a window that began with the healthy snapshot and saw these, 5 s apart."""
    window = open_window(make.healthy_snapshot(), deployment=make.DEPLOYMENT, wanted_s=wanted_s)
    for number, snapshot in enumerate(later, start=1):
        at = make.NOW + timedelta(seconds=5 * number)
        window = window.extended(replace(snapshot, read_at=at), deployment=make.DEPLOYMENT)
    return window


def test_window_without_a_change_passes() -> None:
    """Watched for 10 s, three times, and nothing moved."""
    window = watched(make.healthy_snapshot(), make.healthy_snapshot())
    assert (window.reads, window.complete, window.broken) == (3, True, False)
    assert judged(make.healthy_snapshot(), window).status is Status.PASS


def test_window_with_a_restart_fails() -> None:
    """A restart between two looks shows in the count only."""
    own = make.container_status(restarts=1, last_state=make.terminated(1, ended_ago_s=61))
    restarted = make.rollout_snapshot(make.pod(statuses=(own,)), make.pod(BBBBB))
    verdict = judged(restarted, watched(restarted, restarted))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_UNSTABLE)
    assert verdict.reason == f"Pod {make.NEW_REPLICA_SET}-aaaaa was restarted while it was watched for 10 s."


def test_window_in_which_a_pod_was_unready_fails() -> None:
    """Ready at both ends is not ready throughout."""
    flapping = make.rollout_snapshot(make.unready_pod(make.running(60)), make.pod(BBBBB))
    verdict = judged(make.healthy_snapshot(), watched(flapping, make.healthy_snapshot()))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_UNSTABLE)
    assert verdict.reason == f"Pod {make.NEW_REPLICA_SET}-aaaaa lost its readiness while it was watched for 10 s."


def test_window_in_which_a_pod_was_replaced_fails() -> None:
    """A pod that is gone without having been told to go was lost."""
    replaced = make.rollout_snapshot(make.pod("chat-new"), make.pod(BBBBB))
    assert watched(replaced).broken


def test_window_in_which_the_hpa_scaled_is_not_broken() -> None:
    """A pod more, or one that is told to go, is the HPA at work."""
    more = make.rollout_snapshot(make.pod(), make.pod(BBBBB), make.pod("chat-third"))
    fewer = make.rollout_snapshot(make.pod(deleted_at=make.NOW + timedelta(seconds=30)), make.pod(BBBBB), desired=1)
    assert not watched(more).broken
    assert not watched(fewer).broken


def test_window_that_is_too_short_is_inconclusive() -> None:
    """Watched for 5 s of 30 s: nobody knows."""
    verdict = judged(make.healthy_snapshot(), watched(make.healthy_snapshot(), wanted_s=30))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TIMED_OUT)
    assert verdict.reason == "The pods were watched for 5 s of 30 s and were ready."
