"""Why there is no pod to look at. Messages: admission plugins of kubernetes/kubernetes 1.34."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.progress import assess
from gate.diagnosis.rollout import rollout_verdict
from gate.records import Snapshot
from gate.verdict import Status
from tests.diagnosis import factories as make

FORBIDDEN = 'pods "chat-api-6b7f9c5d4-" is forbidden: '
QUOTA = (
    f"{FORBIDDEN}exceeded quota: compute, requested: requests.cpu=250m, used: requests.cpu=1, limited: requests.cpu=1"
)


def refused(message: str, *, age_s: float = 60) -> Snapshot:
    """Return a rollout whose second pod the API server refuses with that message."""
    failure = make.condition("ReplicaFailure", reason="FailedCreate", message=message, age_s=age_s)
    snapshot = make.rollout_snapshot(make.pod(), desired=2)
    newest = make.replica_set(current=1, ready=1, available=1, conditions=(failure,))
    return replace(snapshot, replica_sets=(make.old_replica_set(), newest))


@pytest.mark.parametrize(
    ("message", "cause", "what"),
    [
        (
            QUOTA,
            Cause.ADMISSION_QUOTA,
            "the quota compute allows requests.cpu=1, requests.cpu=1 is used and requests.cpu=250m is asked for",
        ),
        (
            f"{FORBIDDEN}failed quota: compute: must specify limits.memory for: chat-api",
            Cause.ADMISSION_QUOTA,
            "the quota compute demands that every container states limits.memory for: chat-api",
        ),
        (
            f"{FORBIDDEN}maximum memory usage per Container is 256Mi, but limit is 512Mi",
            Cause.ADMISSION_LIMIT_RANGE,
            "the namespace's LimitRange forbids them: maximum memory usage per Container is 256Mi, but limit is 512Mi",
        ),
        (
            f'{FORBIDDEN}violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
            Cause.ADMISSION_POD_SECURITY,
            "the namespace's Pod Security level restricted:latest forbids them: allowPrivilegeEscalation != false",
        ),
        (
            f'{FORBIDDEN}error looking up service account carepath-demo/chat-api: serviceaccount "chat-api" not found',
            Cause.ADMISSION_SERVICE_ACCOUNT,
            "the ServiceAccount chat-api does not exist in namespace carepath-demo",
        ),
        (
            'admission webhook "images.policy.test" denied the request: tag latest is not allowed',
            Cause.ADMISSION_WEBHOOK,
            "the admission webhook images.policy.test denied the request: tag latest is not allowed",
        ),
        (
            'Internal error occurred: failed calling webhook "pods.test": Post "https://pods.svc": connection refused',
            Cause.ADMISSION_WEBHOOK,
            'the admission webhook pods.test does not answer: Post "https://pods.svc": connection refused',
        ),
        (
            f"{FORBIDDEN}no PriorityClass with name urgent was found",
            Cause.ADMISSION_REFUSED,
            f"the API server refuses them: {FORBIDDEN}no PriorityClass with name urgent was found",
        ),
    ],
)
def test_refusal_is_told_by_kind(message: str, cause: Cause, what: str) -> None:
    """Incident 27: the ReplicaSet's condition is all there is to see."""
    verdict = rollout_verdict(refused(message), deployment=make.DEPLOYMENT)
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)
    assert verdict.reason == f"ReplicaSet/{make.NEW_REPLICA_SET} cannot create its pods: {what}."


@pytest.mark.parametrize(
    ("age_s", "state"), [(tolerances.ADMISSION_S - 1, "progressing"), (tolerances.ADMISSION_S, "doomed")]
)
def test_refusal_is_given_time_for_what_is_applied_together(age_s: float, state: str) -> None:
    """A ServiceAccount applied a moment later ends the refusal."""
    assert assess(refused(QUOTA, age_s=age_s), deployment=make.DEPLOYMENT).state == state


def test_quota_refusal_is_not_final_while_a_pod_terminates() -> None:
    """The quota that an old pod holds becomes free; another refusal's reason does not go away with it."""
    leaving = make.old_pod(deleted_at=make.NOW + timedelta(seconds=20))
    over_quota, no_account = refused(QUOTA), refused(f"{FORBIDDEN}no PriorityClass with name urgent was found")
    states = [
        assess(replace(each, pods=(*each.pods, leaving)), deployment=make.DEPLOYMENT).state
        for each in (over_quota, no_account)
    ]
    assert states == ["progressing", "doomed"]


def test_replica_set_that_cannot_be_made_is_named_by_the_deployment() -> None:
    """A quota on ReplicaSets leaves no ReplicaSet to look at either."""
    message = (
        'replicasets.apps "chat-api-7" is forbidden: exceeded quota: objects, requested: a=1, used: a=2, limited: a=2'
    )
    failing = make.condition("Progressing", "False", reason="ReplicaSetCreateError", message=message)
    snapshot = make.rollout_snapshot(make.old_pod(), desired=2)
    broken = replace(snapshot, deployments=(make.deployment(revision=1, updated=0, ready=1, conditions=(failing,)),))
    verdict = rollout_verdict(broken, deployment=make.DEPLOYMENT)
    assert verdict.cause is Cause.ADMISSION_QUOTA
    assert verdict.reason.startswith("Deployment/chat-api cannot create its pods")


def test_event_of_a_past_refusal_is_no_fault() -> None:
    """The condition is gone once the pods are created; the event stays for an hour."""
    event = make.event("FailedCreate", f"Error creating: {QUOTA}", make.NEW_REPLICA_SET, kind="ReplicaSet")
    verdict = rollout_verdict(make.healthy_snapshot(events=(event,)), deployment=make.DEPLOYMENT)
    assert verdict.status is Status.PASS
