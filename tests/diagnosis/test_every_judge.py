"""What holds for every function that judges a Snapshot: none raises, each shows its proof, and no break hides another.

What each of them says is its own tests' to show. Here is a Snapshot of parts in any state, and a healthy one that is
broken in several ways at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.diagnosis.endpoints import endpoint_findings
from gate.diagnosis.logs import log_verdict
from gate.diagnosis.rollout import newest_pods
from gate.diagnosis.survey import survey
from gate.records import (
    Claim,
    ContainerState,
    Endpoint,
    Hpa,
    LogTail,
    Pod,
    PodUsage,
    Quota,
    Resources,
    Service,
    ServicePort,
    Snapshot,
)
from gate.verdict import SEVERITY, Evidence, Status, Verdict, judged, passed
from tests.diagnosis import factories as make
from tests.diagnosis.test_properties import AGES, BREAKS, CONDITIONS, SNAPSHOTS, Break, on_deployment
from tests.diagnosis.test_unread import JUDGES, healthy
from tests.diagnosis_answers.observations import SERVICE, identity


def endpoints(snapshot: Snapshot) -> Verdict:
    """Return the findings about the way to the pods as a verdict."""
    found = endpoint_findings(snapshot, service=SERVICE, deployment=make.DEPLOYMENT, container=make.CONTAINER)
    return judged("HLT-1", found, passed("HLT-1", "Nothing stands in the way.", (Evidence("Service", "ports", "ok"),)))


def logs(snapshot: Snapshot) -> Verdict:
    """Return LOG-1 of pods whose logs say nothing."""
    pods = [pod.name for pod in newest_pods(snapshot, deployment=make.DEPLOYMENT) if pod.ready]
    tails = [LogTail(pod=name, container=make.CONTAINER, previous=False, lines=("ready",)) for name in pods]
    return log_verdict(tails, [identity(name) for name in pods], pods=pods)


def surveyed(snapshot: Snapshot) -> Verdict:
    """Return what `diagnose` says of the Deployment."""
    return survey(snapshot, deployment=make.DEPLOYMENT)[make.DEPLOYMENT]


EVERY: Mapping[str, Callable[[Snapshot], Verdict]] = {
    **JUDGES,
    "endpoints": endpoints,
    "LOG-1": logs,
    "diagnose": surveyed,
}

# --- Any snapshot -----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "", SERVICE, make.DEPLOYMENT])
SELECTORS = st.sampled_from([{}, make.LABELS, {"app": "other"}])
NUMBERS = st.one_of(st.none(), st.integers(0, 9))
AMOUNTS = st.builds(
    Resources, cpu_m=NUMBERS, memory_bytes=st.one_of(st.none(), st.integers(0, 2**34)), pods=st.none() | NUMBERS
)
PORTS = st.builds(
    ServicePort, name=st.just(""), port=st.just(80), target_port=st.sampled_from(["", "http", "0", "8002"])
)
PARTS: Mapping[str, st.SearchStrategy[Any]] = {
    "services": st.builds(
        Service,
        name=NAMES,
        type=st.sampled_from(["ClusterIP", "LoadBalancer", "ExternalName", ""]),
        selector=SELECTORS,
        ports=st.lists(PORTS, max_size=2).map(tuple),
        ingress=st.sampled_from([(), ("localhost",)]),
        created_at=AGES,
    ),
    "endpoints": st.builds(
        Endpoint,
        service=NAMES,
        address=st.just("10.0.0.1"),
        ports=st.sampled_from([(), (8002,)]),
        pod=st.none() | NAMES,
        ready=st.booleans(),
        terminating=st.booleans(),
    ),
    "hpas": st.builds(
        Hpa,
        name=NAMES,
        target_kind=st.sampled_from(["Deployment", "StatefulSet", ""]),
        target_name=NAMES,
        min_replicas=st.integers(0, 3),
        max_replicas=st.integers(0, 3),
        current_replicas=NUMBERS,
        desired_replicas=NUMBERS,
        cpu_target_percent=NUMBERS,
        cpu_current_percent=NUMBERS,
        created_at=AGES,
        last_scaled_at=AGES,
        conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
    ),
    "claims": st.builds(
        Claim,
        name=NAMES,
        phase=st.sampled_from(["Pending", "Bound", "Lost", ""]),
        storage_class=st.none() | NAMES,
        created_at=AGES,
    ),
    "quotas": st.builds(
        Quota, name=NAMES, hard=st.just({"pods": "1"}), used=st.just({}), requests_left=AMOUNTS, limits_left=AMOUNTS
    ),
    "usage": st.builds(
        PodUsage,
        pod=st.sampled_from(["a", "b"]),
        container=st.sampled_from([make.CONTAINER, ""]),
        cpu_m=st.integers(0, 9000),
        memory_bytes=st.integers(0, 2**34),
        at=AGES,
        window_s=st.sampled_from([0.0, 10.0]),
    ),
    "nodes": st.builds(
        make.node,
        st.sampled_from([make.NODE, "b", ""]),
        unschedulable=st.booleans(),
        allocatable=AMOUNTS,
        capacity=AMOUNTS,
        requested=st.none() | AMOUNTS,
        conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
    ),
}


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Return a rollout in any state, with what hangs on it in any state."""
    parts = {name: tuple(draw(st.lists(each, max_size=2))) for name, each in PARTS.items()}
    return replace(draw(SNAPSHOTS), **parts)  # type: ignore[arg-type]  # members by name


@settings(max_examples=30)
@given(snapshots())
def test_any_snapshot_is_judged_by_everyone_with_its_proof(snapshot: Snapshot) -> None:
    """No traceback, and no failure without evidence, reason and remedy."""
    for name, judge in EVERY.items():
        verdict = judge(snapshot)
        assert verdict.evidence, name
        assert verdict.reason, name
        assert (verdict.status is Status.PASS) == (not verdict.remedy), name


# --- A healthy snapshot, broken ---------------------------------------------------------------------------------------


def on_hpa(**changes: Any) -> Break:  # noqa: ANN401  # any field of the record
    """Return a break of the autoscaler."""
    return lambda snapshot: replace(snapshot, hpas=tuple(replace(each, **changes) for each in snapshot.hpas))


def on_usage(**changes: Any) -> Break:  # noqa: ANN401  # same
    """Return a break of what the metrics API says of each pod."""
    return lambda snapshot: replace(snapshot, usage=tuple(replace(each, **changes) for each in snapshot.usage))


def on_service(**changes: Any) -> Break:  # noqa: ANN401  # same
    """Return a break of the Service."""
    return lambda snapshot: replace(snapshot, services=tuple(replace(each, **changes) for each in snapshot.services))


def other_image(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with the last pod on the first revision's image."""
    if not snapshot.pods:
        return snapshot
    *others, last = snapshot.pods
    status = make.container_status(image_id=f"{make.REPOSITORY}@{make.OLD_DIGEST}")
    return replace(snapshot, pods=(*others, replace(last, statuses=(status,))))


FAILED = (make.condition("ScalingActive", "False", reason="FailedGetResourceMetric", age_s=900),)
FURTHER: Mapping[str, Break] = {
    "autoscaler without figures": on_hpa(conditions=FAILED, cpu_current_percent=None),
    "autoscaler gone": lambda snapshot: replace(snapshot, hpas=()),
    "memory at its limit": on_usage(memory_bytes=512 * make.MIB),
    "figures gone": lambda snapshot: replace(snapshot, usage=()),
    "service selects nobody": on_service(selector={"app": "other"}),
    "service at another port": on_service(ports=(ServicePort(name="http", port=80, target_port="http2"),)),
    "service gone": lambda snapshot: replace(snapshot, services=()),
    "endpoints not ready": lambda snapshot: replace(
        snapshot, endpoints=tuple(replace(each, ready=False) for each in snapshot.endpoints)
    ),
    "endpoints gone": lambda snapshot: replace(snapshot, endpoints=()),
    "pod of another image": other_image,
    "nodes full": lambda snapshot: replace(
        snapshot, nodes=tuple(replace(each, requested=each.allocatable) for each in snapshot.nodes)
    ),
    "deployment without a revision": on_deployment(lambda each: replace(each, revision=None)),
}


def guarded(change: Break) -> Break:
    """Return a break that leaves alone what an earlier one has taken away."""

    def broken(snapshot: Snapshot) -> Snapshot:
        return change(snapshot) if snapshot.pods and snapshot.replica_sets else snapshot

    return broken


ALL: Mapping[str, Break] = {**{name: guarded(each) for name, each in BREAKS.items()}, **FURTHER}
#: What `diagnose` does not know to be missing, or leaves to a criterion that asks for a target's limits.
NOT_OF_DIAGNOSE = {
    "autoscaler gone",
    "service gone",
    "figures gone",
    "memory at its limit",
    "nodes full",
    "pod of another image",
}
#: Where nothing is, nothing is wrong with it: two of these take an earlier fault away, and others write a pod's owner
#: or image anew. So does another node for what judges the nodes alone, and the way to the pods of a Deployment that is
#: not there is its rollout's to tell.
NOT_COMBINED = {
    "autoscaler gone",
    "service gone",
    "pod of another image",
    "pod of nobody",
    "pod of the old revision",
}
OF_WHAT_IS_THERE = {"FIT-2", "FIT-3", "NODE-1", "endpoints"}


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_break_is_noticed_by_someone(name: str) -> None:
    """None of them passes everywhere, and `diagnose` sees all that concerns a rollout and the way to it."""
    broken = ALL[name](healthy())
    noticed = {each for each, judge in EVERY.items() if judge(broken).status is not Status.PASS}
    assert noticed
    assert ("diagnose" in noticed) == (name not in NOT_OF_DIAGNOSE)


@settings(max_examples=40, derandomize=True)
@given(st.lists(st.sampled_from(sorted(set(ALL) - NOT_COMBINED)), min_size=2, max_size=4, unique=True))
def test_no_break_hides_another(names: list[str]) -> None:
    """What did not pass because of one thing does not pass because of something worse beside it."""
    snapshot = healthy()
    bad: dict[str, str] = {}
    for name in names:
        snapshot = ALL[name](snapshot)
        for each in EVERY.keys() - OF_WHAT_IS_THERE:
            status = EVERY[each](snapshot).status
            assert each not in bad or status is not Status.PASS, f"{each}: {bad[each]} is hidden by {name}"
            if SEVERITY.index(status) < SEVERITY.index(Status.PASS):
                bad.setdefault(each, name)


@settings(max_examples=20)
@given(st.sampled_from([-300, -30, 30, 300]), st.lists(st.sampled_from(sorted(BREAKS)), max_size=2, unique=True))
def test_kubelets_with_another_clock_raise_nothing_and_mend_nothing(skew_s: int, names: list[str]) -> None:
    """The kubelet's own times may be minutes off the API server's: a container that starts in the future, say."""
    snapshot = healthy()
    for name in names:
        snapshot = guarded(BREAKS[name])(snapshot)
    skewed = replace(snapshot, pods=tuple(_skewed(pod, timedelta(seconds=skew_s)) for pod in snapshot.pods))
    told, verdict = JUDGES["POD-1"](snapshot), JUDGES["POD-1"](skewed)
    assert (verdict.status is Status.PASS) == (told.status is Status.PASS)


def _skewed(pod: Pod, by: timedelta) -> Pod:
    """Return the pod with what its kubelet wrote moved in time."""

    def moved(state: ContainerState) -> ContainerState:
        return replace(
            state,
            started_at=state.started_at and state.started_at + by,
            finished_at=state.finished_at and state.finished_at + by,
        )

    statuses = tuple(
        replace(each, state=moved(each.state), last_state=each.last_state and moved(each.last_state))
        for each in pod.statuses
    )
    conditions = tuple(replace(each, at=each.at and each.at + by) for each in pod.conditions)
    return replace(pod, statuses=statuses, conditions=conditions)
