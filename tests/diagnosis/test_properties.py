"""What holds for every snapshot: diagnosis never raises, a failure has evidence, and breaking never improves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.causes import Cause
from gate.diagnosis.progress import assess
from gate.diagnosis.rollout import digest_verdict, rollout_verdict
from gate.records import (
    Condition,
    ContainerState,
    ContainerStatus,
    Deployment,
    Event,
    Node,
    Pod,
    PodSpec,
    ReplicaSet,
    Snapshot,
)
from gate.verdict import SEVERITY, Status
from tests.diagnosis import factories as make

Break = Callable[[Snapshot], Snapshot]

REASONS = st.sampled_from(
    [
        "",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "RunContainerError",
        "ContainerCreating",
        "PodInitializing",
        "SomethingNew",
    ]
)
MESSAGES = st.one_of(
    st.sampled_from(
        [
            "",
            'secret "x" not found',
            "0/1 nodes are available: 1 Insufficient memory.",
            "exceeded quota: q, requested: a=1, used: a=1, limited: a=1",
            "The node was low on resource: memory. ",
            "HTTP probe failed with statuscode: 404",
            "{braces} {0} %s",
        ]
    ),
    st.text(max_size=40),
)
AGES = st.one_of(st.none(), st.floats(-300, 4000, allow_nan=False).map(make.ago))

STATES = st.one_of(
    st.builds(ContainerState, kind=st.just("waiting"), reason=REASONS, message=MESSAGES),
    st.builds(ContainerState, kind=st.just("running"), started_at=AGES),
    st.builds(
        ContainerState,
        kind=st.just("terminated"),
        reason=st.sampled_from(["", "Error", "OOMKilled", "Completed", "StartError", "ContainerStatusUnknown"]),
        message=MESSAGES,
        exit_code=st.one_of(st.none(), st.integers(0, 255)),
        started_at=AGES,
        finished_at=AGES,
    ),
    st.builds(ContainerState, kind=st.just("unknown")),
)
STATUSES = st.builds(
    ContainerStatus,
    name=st.sampled_from([make.CONTAINER, "sidecar", ""]),
    init=st.booleans(),
    image_id=st.sampled_from(["", "sha256:1", f"{make.REPOSITORY}@{make.DIGEST}"]),
    ready=st.booleans(),
    started=st.sampled_from([None, True, False]),
    restarts=st.integers(0, 9),
    state=STATES,
    last_state=st.one_of(st.none(), STATES),
)
CONDITIONS = st.builds(
    Condition,
    type=st.sampled_from(
        ["Ready", "PodScheduled", "Initialized", "ContainersReady", "DisruptionTarget", "Progressing"]
    ),
    status=st.sampled_from(["True", "False", "Unknown", ""]),
    reason=st.sampled_from(["", "Unschedulable", "SchedulingGated", "FailedCreate", "ProgressDeadlineExceeded"]),
    message=MESSAGES,
    at=AGES,
)
PODS = st.builds(
    Pod,
    name=st.sampled_from(["a", "b", "c"]),
    namespace=st.just(make.NAMESPACE),
    uid=st.just("u"),
    labels=st.sampled_from([{}, make.LABELS]),
    owner=st.sampled_from([None, make.owner(), make.owner(make.OLD_REPLICA_SET)]),
    node=st.sampled_from([None, make.NODE, "gone"]),
    phase=st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown", ""]),
    reason=st.sampled_from(["", "Evicted", "OutOfcpu", "NodeLost"]),
    message=MESSAGES,
    created_at=AGES,
    deleted_at=AGES,
    conditions=st.lists(CONDITIONS, max_size=4).map(tuple),
    spec=st.sampled_from([make.pod_spec(), PodSpec(containers=())]),
    statuses=st.lists(STATUSES, max_size=3).map(tuple),
)
EVENTS = st.builds(
    Event,
    type=st.just("Warning"),
    reason=st.sampled_from(
        ["Failed", "Killing", "Unhealthy", "FailedMount", "FailedCreatePodSandBox", "TriggeredScaleUp"]
    ),
    message=MESSAGES,
    kind=st.sampled_from(["Pod", "ReplicaSet"]),
    name=st.sampled_from(["a", "b"]),
    count=st.integers(0, 100),
    first_at=AGES,
    last_at=AGES,
)
DEPLOYMENTS = st.builds(
    make.deployment,
    desired=st.sampled_from([None, 0, 1, 2, 5]),
    revision=st.sampled_from([None, 1, 2, 3]),
    observed_generation=st.sampled_from([None, 1, 2, 9]),
    paused=st.booleans(),
    updated=st.integers(0, 3),
    available=st.integers(0, 3),
    conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
)
SNAPSHOTS = st.builds(
    make.healthy_snapshot,
    deployments=st.lists(DEPLOYMENTS, max_size=1).map(tuple),
    replica_sets=st.sampled_from([(), (make.replica_set(),), (make.old_replica_set(), make.replica_set())]),
    pods=st.lists(PODS, max_size=4).map(tuple),
    events=st.lists(EVENTS, max_size=4).map(tuple),
    nodes=st.sampled_from([(), (make.node(),), (Node(name=make.NODE),)]),
)


@settings(max_examples=80)
@given(SNAPSHOTS)
def test_any_snapshot_is_judged_without_an_exception(snapshot: Snapshot) -> None:
    """Fields may be missing or unknown; a verdict refuses to exist without its proof, so none here lacks it."""
    progress = assess(snapshot, deployment=make.DEPLOYMENT)
    digest = digest_verdict(
        snapshot, deployment=make.DEPLOYMENT, container=make.CONTAINER, intended=make.DIGEST, intended_source="plan"
    )
    for verdict in (progress.verdict, digest):
        assert verdict.evidence
        assert (verdict.cause is None) == (verdict.status is Status.PASS)
    if progress.state == "doomed":
        assert progress.verdict.status in {Status.FAIL, Status.INCONCLUSIVE}


@settings(max_examples=50)
@given(SNAPSHOTS)
def test_nothing_passes_without_a_ready_pod_for_each_replica(snapshot: Snapshot) -> None:
    """However odd the snapshot, a pass means that all pods were there and ready."""
    if rollout_verdict(snapshot, deployment=make.DEPLOYMENT).status in {Status.PASS, Status.WARN}:
        found = snapshot.deployment(make.DEPLOYMENT)
        assert found is not None
        assert found.desired
        assert sum(pod.ready for pod in snapshot.pods if pod.owner == make.owner()) >= found.desired


def on_first_pod(change: Callable[[Pod], Pod]) -> Break:
    """Return a break of the first pod."""
    return lambda snapshot: replace(snapshot, pods=(change(snapshot.pods[0]), *snapshot.pods[1:]))


def on_deployment(change: Callable[[Deployment], Deployment]) -> Break:
    """Return a break of the Deployment."""
    return lambda snapshot: replace(snapshot, deployments=tuple(map(change, snapshot.deployments)))


def on_newest(change: Callable[[ReplicaSet], ReplicaSet]) -> Break:
    """Return a break of the newest ReplicaSet."""
    return lambda snapshot: replace(
        snapshot, replica_sets=(*snapshot.replica_sets[:-1], change(snapshot.replica_sets[-1]))
    )


def unready(pod: Pod) -> Pod:
    """Return the pod without its readiness."""
    own = make.container_status(ready=False)
    return replace(pod, conditions=make.unready_conditions(), statuses=(own,))


BREAKS: dict[str, Break] = {
    "pod unready": on_first_pod(unready),
    "pod deleted": on_first_pod(lambda pod: replace(pod, deleted_at=make.NOW + timedelta(seconds=30))),
    "pod gone": lambda snapshot: replace(snapshot, pods=snapshot.pods[1:]),
    "pod failed": on_first_pod(lambda pod: replace(unready(pod), phase="Failed", reason="Evicted")),
    "pod of nobody": on_first_pod(lambda pod: replace(pod, owner=None)),
    "pod of the old revision": on_first_pod(lambda pod: replace(pod, owner=make.owner(make.OLD_REPLICA_SET))),
    "pod restarted": on_first_pod(
        lambda pod: replace(
            pod, statuses=(make.container_status(restarts=3, last_state=make.terminated(1, ended_ago_s=900)),)
        )
    ),
    "node not ready": lambda snapshot: replace(
        snapshot, nodes=(make.node(conditions=(make.condition("Ready", "Unknown"),)),)
    ),
    "node gone": lambda snapshot: replace(snapshot, nodes=(make.node("another"),)),
    "deployment gone": lambda snapshot: replace(snapshot, deployments=()),
    "deployment unobserved": on_deployment(lambda each: replace(each, observed_generation=None)),
    "deployment paused": on_deployment(lambda each: replace(each, paused=True)),
    "deployment wants more": on_deployment(lambda each: replace(each, desired=5)),
    "deployment scaled to zero": on_deployment(lambda each: replace(each, desired=0)),
    "deployment counts fewer": on_deployment(lambda each: replace(each, updated=0, available=0)),
    "deadline exceeded": on_deployment(
        lambda each: replace(
            each, conditions=(make.condition("Progressing", "False", reason="ProgressDeadlineExceeded"),)
        )
    ),
    "creation refused": on_newest(
        lambda each: replace(each, conditions=(make.condition("ReplicaFailure", reason="FailedCreate"),))
    ),
    "replica sets gone": lambda snapshot: replace(snapshot, replica_sets=()),
}


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(BREAKS)), min_size=1, max_size=3, unique=True))
def test_breaking_a_healthy_snapshot_never_improves_it(names: list[str]) -> None:
    """Each further fault leaves the verdict at least as bad, but where it takes away what could be judged."""
    snapshot = make.healthy_snapshot()
    before = Status.PASS
    for name in names:
        snapshot = BREAKS[name](snapshot) if snapshot.pods and snapshot.replica_sets else snapshot
        verdict = rollout_verdict(snapshot, deployment=make.DEPLOYMENT)
        worse = SEVERITY.index(verdict.status) <= SEVERITY.index(before)
        assert worse or verdict.cause is Cause.ROLLOUT_NOT_OBSERVED
        assert verdict.status is not Status.PASS
        before = verdict.status


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_each_single_break_is_noticed(name: str) -> None:
    """No break of a healthy snapshot passes."""
    verdict = rollout_verdict(BREAKS[name](make.healthy_snapshot()), deployment=make.DEPLOYMENT)
    assert verdict.status is not Status.PASS
