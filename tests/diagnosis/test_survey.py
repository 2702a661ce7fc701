"""`gate.diagnosis.survey`: one root for each Deployment, with what hangs on it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.causes import Cause
from gate.diagnosis.survey import survey
from gate.records import Hpa, Snapshot, Unreadable
from gate.verdict import SEVERITY, Status
from tests.diagnosis import factories as make

BROKEN = make.rollout_snapshot(make.unready_pod(make.waiting("ErrImagePull", "localhost:5000/x:v9: not found")))


def service(snapshot: Snapshot, **changes: object) -> Snapshot:
    """Return the snapshot with its Service changed."""
    return replace(snapshot, services=(replace(snapshot.services[0], **changes),))  # type: ignore[arg-type]


def hpa(**changes: object) -> Hpa:
    """Return the autoscaler, changed."""
    return replace(make.healthy_snapshot().hpas[0], **changes)  # type: ignore[arg-type]


def test_healthy_namespace_passes() -> None:
    """Near miss of all below: nothing is found where nothing is wrong."""
    found = survey(make.healthy_snapshot())
    assert {name: verdict.status for name, verdict in found.items()} == {"chat-api": Status.PASS}


def test_service_without_an_endpoint_hangs_under_the_pod_that_does_not_run() -> None:
    """The image is the root; that nobody stands behind the Service follows."""
    verdict = survey(replace(BROKEN, endpoints=()))["chat-api"]
    assert (verdict.criterion, verdict.cause) == ("POD-1", Cause.IMAGE_NOT_FOUND)
    assert any("Service/chat-api-service has no ready endpoint" in each for each in verdict.symptoms)


def test_service_that_selects_nobody_is_the_root_where_the_pods_are_well() -> None:
    """All pods run and every user is cut off."""
    verdict = survey(service(make.healthy_snapshot(), selector={"app": "chat"}))["chat-api"]
    assert (verdict.criterion, verdict.status, verdict.cause) == ("HLT-1", Status.FAIL, Cause.ENDPOINTS_SELECTOR)


def test_service_of_somebody_else_is_left_alone() -> None:
    """A Service that other pods stand behind, or of another name, says nothing about this Deployment."""
    other = make.pod("database-0", owner=None, labels={"app": "database"})
    snapshot = make.healthy_snapshot()
    snapshot = replace(snapshot, pods=(*snapshot.pods, other))
    for changes in ({"selector": {"app": "database"}}, {"name": "database", "selector": {"app": "gone"}}):
        assert survey(service(snapshot, **changes))["chat-api"].status is Status.PASS


def test_autoscaler_at_its_maximum_is_the_root_where_the_pods_are_well() -> None:
    """Judged against its own target, for there is no other."""
    full = hpa(cpu_target_percent=80, cpu_current_percent=170, current_replicas=4, desired_replicas=4)
    verdict = survey(make.healthy_snapshot(hpas=(full,)))["chat-api"]
    assert (verdict.criterion, verdict.cause) == ("HPA-1", Cause.HPA_AT_MAXIMUM)


@pytest.mark.parametrize(
    "other", [hpa(cpu_target_percent=None, conditions=()), hpa(target_name="another", conditions=())]
)
def test_autoscaler_by_other_figures_or_of_somebody_else_is_left_alone(other: Hpa) -> None:
    """What the Snapshot holds no figures of is not judged."""
    assert survey(make.healthy_snapshot(hpas=(other,)))["chat-api"].status is Status.PASS


def test_worst_deployment_comes_first() -> None:
    """What passes is read last."""
    well = make.deployment(name="another", uid="uid-another", desired=0, observed_generation=None)
    snapshot = make.healthy_snapshot(deployments=(*make.healthy_snapshot().deployments, well))
    assert list(survey(snapshot)) == ["another", "chat-api"]


def test_deployment_that_is_asked_for_and_is_not_there_is_named() -> None:
    """Whoever asks for one is answered about that one."""
    found = survey(make.healthy_snapshot(), deployment="gone")
    assert {name: verdict.cause for name, verdict in found.items()} == {"gone": Cause.ROLLOUT_NOT_FOUND}


@pytest.mark.parametrize(
    ("what", "subject"), [("services", "Services"), ("endpoints", "endpoints"), ("hpas", "autoscalers")]
)
def test_what_hangs_on_a_deployment_and_was_not_read_is_no_pass(what: str, subject: str) -> None:
    """The pods are well; whether anybody reaches them is not known, and an unread list is not an empty one."""
    unread = (Unreadable(what=what, kind="forbidden", message=f"not permitted: list {what}"),)
    snapshot = replace(make.healthy_snapshot(), **{what: ()}, unreadable=unread)  # type: ignore[arg-type]
    verdict = survey(snapshot)["chat-api"]
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert verdict.reason == f"The {subject} could not be read: not permitted: list {what}."
    assert verdict.symptoms[-1].startswith("As far as it was read: All 2 pods of revision 2 of chat-api run")


LISTS = ("services", "endpoints", "hpas", "claims", "quotas", "events", "nodes", "metrics")


@settings(max_examples=40)
@given(st.sampled_from([make.healthy_snapshot(), BROKEN]), st.sets(st.sampled_from(LISTS)))
def test_any_lists_unread_are_surveyed_and_never_better(snapshot: Snapshot, gone: set[str]) -> None:
    """A missing right takes findings away at most where the rollout itself is still told."""
    unread = tuple(Unreadable(what=what, kind="forbidden", message="no") for what in sorted(gone))
    empty = dict.fromkeys(gone - {"metrics"}, ())
    verdict = survey(replace(snapshot, **empty, unreadable=unread))["chat-api"]  # type: ignore[arg-type]
    assert SEVERITY.index(verdict.status) <= SEVERITY.index(survey(snapshot)["chat-api"].status)
