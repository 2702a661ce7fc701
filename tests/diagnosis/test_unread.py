"""What is judged when parts of the Snapshot could not be read: no pass of what rests on them, and no exception."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.causes import Cause
from gate.diagnosis.health import health_verdict
from gate.diagnosis.hpa import hpa_verdict, metrics_api_verdict
from gate.diagnosis.resources import resources_verdict
from gate.diagnosis.rollout import digest_verdict, rollout_verdict
from gate.diagnosis.traffic import rollout_traffic_verdict
from gate.diagnosis.unread import ROLLOUT, without_unread
from gate.records import Desired, Reply, Snapshot, Unreadable
from gate.sizing.capacity import capacity_verdict
from gate.sizing.disk_fit import disk_verdict
from gate.sizing.nodes import node_verdict
from gate.verdict import SEVERITY, Status, Verdict
from tests.diagnosis import factories as make
from tests.diagnosis_answers.observations import POD_A, POD_B, SERVICE, THROTTLING, at, health, readings, reply
from tests.sizing.factories import QWEN, USE

Kind = Literal["forbidden", "not_served", "unreachable"]
KINDS: tuple[Kind, ...] = ("forbidden", "not_served", "unreachable")

#: Each list of the Snapshot as Unreadable names it, and the member that is empty then.
MEMBERS: Mapping[str, str] = {
    "deployments": "deployments",
    "replica_sets": "replica_sets",
    "pods": "pods",
    "services": "services",
    "endpoints": "endpoints",
    "hpas": "hpas",
    "claims": "claims",
    "quotas": "quotas",
    "events": "events",
    "nodes": "nodes",
    "node_requests": "",
    "storage_classes": "storage_classes",
    "csi_drivers": "csi_drivers",
    "volumes": "volumes",
    "metrics": "usage",
}

#: What rests on what. A list that stands nowhere only explains (a volume that is not there yet).
NEEDS: Mapping[str, frozenset[str]] = {
    "POD-1": frozenset({"deployments", "replica_sets", "pods", "events", "claims", "quotas"}),
    "POD-2": frozenset({"deployments", "replica_sets", "pods"}),
    "HLT-1": frozenset({"deployments", "replica_sets", "pods", "services", "endpoints"}),
    "HPA-1": frozenset({"hpas"}),
    "RES-1": frozenset({"deployments", "replica_sets", "pods", "metrics"}),
    "MET-0": frozenset({"metrics"}),
    "FIT-2": frozenset({"nodes", "node_requests", "quotas"}),
    "FIT-3": frozenset({"nodes"}),
    "NODE-1": frozenset({"nodes"}),
}


def rollout(snapshot: Snapshot) -> Verdict:
    """Return POD-1 as the wait hands it over."""
    return without_unread(rollout_verdict(snapshot, deployment=make.DEPLOYMENT), snapshot, ROLLOUT)


JUDGES: Mapping[str, Callable[[Snapshot], Verdict]] = {
    "POD-1": rollout,
    "POD-2": lambda snapshot: digest_verdict(
        snapshot, deployment=make.DEPLOYMENT, container=make.CONTAINER, intended=make.DIGEST, intended_source="plan"
    ),
    "HLT-1": lambda snapshot: health_verdict(
        snapshot, [health(POD_A), health(POD_B), health(None)] if snapshot.services else [], service=SERVICE
    ),
    "HPA-1": lambda snapshot: hpa_verdict(
        snapshot, hpa="chat-api", deployment=make.DEPLOYMENT, container=make.CONTAINER, cpu_target_percent=60
    ),
    "RES-1": lambda snapshot: resources_verdict(
        snapshot,
        readings(),
        deployment=make.DEPLOYMENT,
        container=make.CONTAINER,
        memory_share_limit=0.9,
        throttled=THROTTLING,
    ),
    "MET-0": metrics_api_verdict,
    "FIT-2": lambda snapshot: capacity_verdict(make.deployment(), hpa=snapshot.hpa("chat-api"), snapshot=snapshot),
    "FIT-3": lambda snapshot: disk_verdict(
        QWEN,
        make.deployment(),
        container=make.CONTAINER,
        use=USE,
        desired=Desired(source="rendered"),
        snapshot=snapshot,
    ),
    "NODE-1": lambda snapshot: node_verdict(snapshot=snapshot),
}


def healthy() -> Snapshot:
    """Return a rollout in order on a node with room for its update."""
    return make.healthy_snapshot(nodes=(make.node(), make.node("node-2")))


def unread(snapshot: Snapshot, what: str, kind: Kind = "forbidden") -> Snapshot:
    """Return the snapshot without that list, as the reader leaves it."""
    message = {"forbidden": f"not permitted: list {what}", "not_served": "404", "unreachable": "timed out"}[kind]
    empty: dict[str, Any] = {MEMBERS[what]: ()} if MEMBERS[what] else {}
    if what == "node_requests":
        empty["nodes"] = tuple(replace(node, requested=None) for node in snapshot.nodes)
    entry = Unreadable(what=what, kind=kind, message=message)
    return replace(snapshot, **empty, unreadable=(*snapshot.unreadable, entry))


@pytest.mark.parametrize("criterion", sorted(JUDGES))
def test_healthy_snapshot_passes(criterion: str) -> None:
    """With everything read, each of them passes: what follows is due to what was not."""
    assert JUDGES[criterion](healthy()).status is Status.PASS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", sorted(MEMBERS))
@pytest.mark.parametrize("criterion", sorted(JUDGES))
def test_list_that_was_not_read_is_never_passed_over(criterion: str, what: str, kind: Kind) -> None:
    """What rests on it is inconclusive and says why; what does not is as it was."""
    verdict = JUDGES[criterion](unread(healthy(), what, kind))
    if what not in NEEDS[criterion]:
        assert verdict.status is Status.PASS
    elif (criterion, kind) == ("MET-0", "not_served"):
        assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.METRICS_API_MISSING)
    else:
        assert verdict.status is Status.INCONCLUSIVE
        if kind == "forbidden":
            assert verdict.cause is Cause.GATE_FORBIDDEN
            assert f"not permitted: list {what}" in verdict.reason


def test_rollout_without_its_events_says_which_right_is_missing_and_what_was_seen() -> None:
    """The whole sentence, the command that proves it, and what holds as far as it was read."""
    verdict = rollout(unread(unread(healthy(), "events"), "quotas"))
    assert verdict.reason == "The events could not be read: not permitted: list events."
    assert verdict.remedy == (
        "Grant get and list on it to the gate's account: kubectl auth can-i list events -n carepath-demo"
    )
    assert verdict.symptoms[0] == "The quotas could not be read: not permitted: list quotas."
    assert verdict.symptoms[1].startswith("As far as it was read: All 2 pods of revision 2 of chat-api run")
    assert [(each.object, each.field, each.value) for each in verdict.evidence[:2]] == [
        ("Namespace/carepath-demo", "events", "forbidden"),
        ("Namespace/carepath-demo", "resourcequotas", "forbidden"),
    ]


def test_broken_rollout_without_its_events_keeps_its_cause() -> None:
    """What is known to be wrong stays the verdict; that its explanation may lack something stands beside it."""
    broken = make.rollout_snapshot(make.unready_pod(make.waiting("ErrImagePull", "localhost:5000/x:v9: not found")))
    verdict = rollout(unread(broken, "events"))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.IMAGE_NOT_FOUND)
    assert "The events could not be read: not permitted: list events." in verdict.symptoms


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(MEMBERS)), st.sampled_from(KINDS)), max_size=6, unique_by=lambda e: e[0])
)
def test_any_lists_unread_never_improve_and_never_raise(gone: list[tuple[str, Kind]]) -> None:
    """Whatever is missing together, no verdict is better for it, and what rests on it does not pass."""
    snapshot = healthy()
    for what, kind in gone:
        snapshot = unread(snapshot, what, kind)
    for criterion, judge in JUDGES.items():
        verdict = judge(snapshot)
        if NEEDS[criterion] & {what for what, _ in gone}:
            assert SEVERITY.index(verdict.status) < SEVERITY.index(Status.WARN)
        assert verdict.evidence


# --- Clocks -----------------------------------------------------------------------------------------------------------


def shifted(replies: list[Reply], seconds: float) -> list[Reply]:
    """Return the replies as a gate notes them whose clock is so far ahead of the cluster's."""
    return [replace(each, started_at=each.started_at + timedelta(seconds=seconds)) for each in replies]


@pytest.mark.parametrize("skew_s", [-300, 300])
@pytest.mark.parametrize("status", [200, 503])
def test_clock_five_minutes_off_changes_no_verdict(skew_s: float, status: int) -> None:
    """The gate's own clock stands in replies only; ages are told by the API server's."""
    asked = [health(POD_A), health(POD_B, status=status), health(None)]
    told = health_verdict(healthy(), asked, service=SERVICE)
    skewed = health_verdict(healthy(), shifted(asked, skew_s), service=SERVICE)
    assert (skewed.status, skewed.cause, skewed.reason) == (told.status, told.cause, told.reason)

    sent = [reply(None, started_at=at(second), status=status if second == 20 else 200) for second in range(40)]
    lost = rollout_traffic_verdict(sent, changed_at=at(10), settled_at=at(30))
    elsewhere = rollout_traffic_verdict(shifted(sent, skew_s), changed_at=at(10 + skew_s), settled_at=at(30 + skew_s))
    assert (elsewhere.status, elsewhere.cause, elsewhere.reason) == (lost.status, lost.cause, lost.reason)
