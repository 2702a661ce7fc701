"""HPA-1 and MET-0."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.hpa import hpa_verdict, metrics_api_verdict
from gate.records import Condition, Resources, Snapshot, Unreadable
from gate.verdict import Status, Verdict
from tests.diagnosis.factories import (
    CONTAINER,
    DEPLOYMENT,
    ago,
    condition,
    container_spec,
    healthy_snapshot,
    pod,
    pod_spec,
    ready_conditions,
)

NO_METRICS = "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics"


def judge(snapshot: Snapshot) -> Verdict:
    """Judge the HPA chat-api against 60 %."""
    return hpa_verdict(snapshot, hpa="chat-api", deployment=DEPLOYMENT, container=CONTAINER, cpu_target_percent=60)


def with_hpa(*conditions: Condition, snapshot: Snapshot | None = None, **changes: Any) -> Snapshot:
    """Return the healthy snapshot with a changed HPA; a condition replaces the one of its type."""
    base = snapshot or healthy_snapshot()
    scaler = base.hpas[0]
    types = {each.type for each in conditions}
    merged = (*conditions, *(each for each in scaler.conditions if each.type not in types))
    return replace(base, hpas=(replace(scaler, **{"conditions": merged} | changes),))


def settled(age_s: float = 3600) -> Snapshot:
    """Return the healthy snapshot with pods that were made so long ago."""
    base = healthy_snapshot()
    return replace(base, pods=tuple(replace(each, created_at=ago(age_s)) for each in base.pods))


def inactive(reason: str = "FailedGetResourceMetric", message: str = NO_METRICS) -> Condition:
    """Return a false ScalingActive."""
    return condition("ScalingActive", "False", reason=reason, message=message)


def young(seconds: float) -> Snapshot:
    """Return a snapshot whose pods became ready that long ago."""
    return replace(healthy_snapshot(), pods=(pod(conditions=ready_conditions(seconds)),))


def not_served() -> Unreadable:
    """Return the read of a cluster without metrics-server."""
    return Unreadable(what="metrics", kind="not_served", message="the server could not find the requested resource")


def test_working_hpa_passes_with_its_figures() -> None:
    """Reads, can scale, has room, targets 60 %."""
    verdict = judge(healthy_snapshot())
    assert verdict.status is Status.PASS
    assert verdict.reason == "HPA/chat-api reads 5 % CPU against its 60 % target and holds 2 replicas of 2 to 4."


def test_missing_hpa_fails_and_names_those_there_are() -> None:
    """The target names one, so its absence is a failure."""
    verdict = judge(with_hpa(name="chat"))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_NOT_FOUND)
    assert verdict.reason == "HPA/chat-api does not exist in namespace carepath-demo; autoscalers there: chat."


def test_unreadable_hpas_are_inconclusive() -> None:
    """An HPA that may not be read is not a missing one."""
    unread = Unreadable(what="hpas", kind="forbidden", message="horizontalpodautoscalers.autoscaling is forbidden")
    verdict = judge(replace(healthy_snapshot(), hpas=(), unreadable=(unread,)))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)


def test_metrics_that_never_came_fail() -> None:
    """Incident 18: a minute after the pods were ready there must be metrics."""
    verdict = judge(with_hpa(inactive(), snapshot=young(61)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_NO_METRICS)
    assert verdict.reason == (f"HPA/chat-api has read no metrics for 61 s (FailedGetResourceMetric: {NO_METRICS}).")
    assert verdict.remedy == (
        "Compare with what the metrics API says: kubectl top pods -n carepath-demo; "
        "kubectl describe hpa chat-api -n carepath-demo"
    )


def test_fresh_pods_without_metrics_are_inconclusive() -> None:
    """A fresh rollout has no metrics for half a minute and is not broken."""
    verdict = judge(with_hpa(inactive(), snapshot=young(59)))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.HPA_NO_METRICS)
    assert verdict.reason == (
        f"HPA/chat-api has read no metrics for 59 s (FailedGetResourceMetric: {NO_METRICS}); they take up to 60 s."
    )
    assert verdict.remedy == "Run the gate again in 60 s."


def test_fresh_hpa_over_old_pods_is_inconclusive() -> None:
    """An autoscaler made twenty seconds ago has not looked yet."""
    verdict = judge(with_hpa(inactive(), snapshot=young(3600), created_at=ago(20)))
    assert verdict.status is Status.INCONCLUSIVE


def test_hpa_without_conditions_is_fresh_or_ignored() -> None:
    """No condition: not looked at yet, or no controller that looks."""
    assert judge(with_hpa(conditions=(), created_at=ago(20))).status is Status.INCONCLUSIVE
    assert judge(with_hpa(conditions=(), snapshot=young(3600))).status is Status.FAIL


def test_disabled_scaling_fails_however_fresh() -> None:
    """No time mends a reason that is not about metrics arriving."""
    verdict = judge(
        with_hpa(inactive("InvalidSelector", "the HPA target's scale is missing a selector"), snapshot=young(5))
    )
    assert verdict.status is Status.FAIL


def test_missing_metrics_api_is_the_root() -> None:
    """Incident 18: no metrics-server explains the condition."""
    verdict = judge(replace(with_hpa(inactive()), unreadable=(not_served(),), usage=()))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.METRICS_API_MISSING)
    assert verdict.reason == (
        "HPA/chat-api reads no metrics: the cluster does not serve metrics.k8s.io (the server could not find the "
        "requested resource)."
    )


def test_container_without_cpu_request_is_the_root() -> None:
    """Incident 18: a percentage of nothing; the condition is its symptom."""
    bare = pod_spec(containers=(container_spec(requests=Resources(), limits=Resources()),))
    snapshot = replace(healthy_snapshot(), pods=(pod(spec=bare),))
    verdict = judge(with_hpa(inactive(message="missing request for cpu in container chat-api"), snapshot=snapshot))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_NO_CPU_REQUEST)
    assert verdict.reason == (
        "Container chat-api of Deployment/chat-api has no CPU request, so the autoscaler has nothing to take a "
        "percentage of."
    )
    assert verdict.symptoms == ("HPA/chat-api cannot scale: missing request for cpu in container chat-api.",)


def test_sidecar_without_cpu_request_is_named() -> None:
    """One container without a request blinds the autoscaler for the pod."""
    spec = pod_spec(
        containers=(container_spec(), container_spec(name="proxy", requests=Resources(), limits=Resources()))
    )
    verdict = judge(replace(healthy_snapshot(), pods=(pod(spec=spec),)))
    assert verdict.cause is Cause.HPA_NO_CPU_REQUEST
    assert verdict.reason.startswith("Container proxy ")


@pytest.mark.parametrize(
    "spec",
    [
        pod_spec(containers=(container_spec(requests=Resources()),)),
        pod_spec(
            containers=(container_spec(requests=Resources(), limits=Resources()),), pod_requests=Resources(cpu_m=500)
        ),
        pod_spec(
            containers=(
                container_spec(name="fetch", init=True, requests=Resources(), limits=Resources()),
                container_spec(),
            )
        ),
    ],
    ids=["request-defaults-to-limit", "request-of-the-pod", "init-container"],
)
def test_requests_that_suffice_pass(spec: Any) -> None:
    """A limit stands in for a request, a pod's request for its containers', and init containers do not count."""
    assert judge(replace(healthy_snapshot(), pods=(pod(spec=spec),))).status is Status.PASS


def test_hpa_that_cannot_scale_fails() -> None:
    """AbleToScale false says why."""
    verdict = judge(
        with_hpa(condition("AbleToScale", "False", reason="FailedGetScale", message="deployments.apps not found"))
    )
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_CANNOT_SCALE)
    assert verdict.reason == "HPA/chat-api cannot scale (FailedGetScale): deployments.apps not found."


def test_hpa_that_cannot_scale_is_told_before_the_metrics_it_does_not_read() -> None:
    """Of a scaleTargetRef that does not exist there is a condition AbleToScale and no other."""
    able = condition("AbleToScale", "False", reason="FailedGetScale")
    verdict = judge(with_hpa(conditions=(able,), cpu_current_percent=None))
    assert verdict.cause is Cause.HPA_CANNOT_SCALE


def test_hpa_of_another_deployment_fails() -> None:
    """An autoscaler that scales something else does nothing for this app."""
    verdict = judge(with_hpa(target_name="patient-api"))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_WRONG_TARGET)
    assert verdict.reason == "HPA/chat-api scales Deployment/patient-api, not Deployment/chat-api."


def test_other_cpu_target_fails() -> None:
    """The checklist says 60 %."""
    verdict = judge(with_hpa(cpu_target_percent=80))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_WRONG_TARGET)
    assert verdict.reason == "HPA/chat-api has 80 % CPU as its target, 60 % is wanted."


def test_hpa_without_cpu_target_fails() -> None:
    """An autoscaler on memory only does not follow inference."""
    assert judge(with_hpa(cpu_target_percent=None, cpu_current_percent=None)).cause is Cause.HPA_WRONG_TARGET


@pytest.mark.parametrize(
    ("change", "field"),
    [({"cpu_current_percent": None}, "currentMetrics[cpu]"), ({"current_replicas": None}, "currentReplicas")],
)
def test_status_that_leaves_figures_out_is_inconclusive(change: dict[str, Any], field: str) -> None:
    """What an autoscaler does not say is not known to be good."""
    verdict = judge(with_hpa(**change))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.HPA_NO_METRICS)
    assert verdict.reason == f"HPA/chat-api does not say {field} in its status."


def test_hpa_at_its_maximum_under_load_fails() -> None:
    """ceil(4 x 90 / 60) = 6 replicas are needed, 4 are allowed."""
    verdict = judge(with_hpa(current_replicas=4, desired_replicas=4, cpu_current_percent=90))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_AT_MAXIMUM)
    assert verdict.reason == ("HPA/chat-api stands at its maximum of 4 replicas: 90 % CPU against 60 % would take 6.")


def test_hpa_at_its_maximum_that_suffices_warns() -> None:
    """ceil(4 x 55 / 60) = 4 replicas are needed and there: the target is held, and there is no room left."""
    verdict = judge(with_hpa(current_replicas=4, desired_replicas=4, cpu_current_percent=55))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.HPA_AT_MAXIMUM)
    assert verdict.reason == ("HPA/chat-api stands at its maximum of 4 replicas: 55 % CPU against 60 % needs them all.")


def test_hpa_at_its_maximum_while_idle_fails() -> None:
    """Incident 19: ten minutes after it scaled, with nothing to do, it should have come down."""
    verdict = judge(with_hpa(snapshot=settled(), current_replicas=4, cpu_current_percent=3, last_scaled_at=ago(600)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_AT_MAXIMUM)
    assert verdict.reason == "HPA/chat-api stands at its maximum of 4 replicas: 3 % CPU needs 1, it is idle."


def test_hpa_that_waits_to_come_down_warns() -> None:
    """Inside its five minutes it may still come down by itself."""
    verdict = judge(with_hpa(snapshot=settled(), current_replicas=4, cpu_current_percent=3, last_scaled_at=ago(200)))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.HPA_AT_MAXIMUM)
    assert verdict.reason == (
        "HPA/chat-api stands at its maximum of 4 replicas: 3 % CPU needs 1; it scaled 3 min ago and it waits 5 min."
    )


@pytest.mark.parametrize(("age_s", "status"), [(310, Status.WARN), (320, Status.FAIL)])
def test_hpa_held_up_by_a_pod_that_started_is_given_its_window_anew(age_s: float, status: Status) -> None:
    """Each rollout's start-up load makes it want its maximum again; 315 s after the last one it has no reason left."""
    snapshot = with_hpa(snapshot=settled(age_s), current_replicas=4, cpu_current_percent=3, last_scaled_at=ago(900))
    verdict = judge(snapshot)
    assert (verdict.status, verdict.cause) == (status, Cause.HPA_AT_MAXIMUM)
    assert ("3 % CPU needs 1; a pod started 5 min ago and it waits 5 min" in verdict.reason) == (status is Status.WARN)


def test_hpa_with_a_window_of_its_own_is_judged_by_it() -> None:
    """An HPA that waits 60 s is waiting after 70 s, one look of the controller later it should have come down."""
    peak: dict[str, Any] = {
        "snapshot": settled(),
        "current_replicas": 4,
        "cpu_current_percent": 3,
        "scale_down_window_s": 60,
    }
    waiting = judge(with_hpa(**peak, last_scaled_at=ago(70)))
    assert waiting.status is Status.WARN
    assert waiting.reason.endswith("it scaled 70 s ago and it waits 75 s.")
    assert judge(with_hpa(**peak, last_scaled_at=ago(80))).status is Status.FAIL


def test_hpa_one_below_its_maximum_passes() -> None:
    """Room for one more is room."""
    assert judge(with_hpa(current_replicas=3, cpu_current_percent=59)).status is Status.PASS


def test_fixed_replicas_pass_while_they_suffice() -> None:
    """Minimum equal to maximum is a choice, until the load needs more."""
    fixed: dict[str, Any] = {"min_replicas": 2, "max_replicas": 2, "current_replicas": 2}
    assert judge(with_hpa(cpu_current_percent=50, **fixed)).status is Status.PASS
    assert judge(with_hpa(cpu_current_percent=70, **fixed)).cause is Cause.HPA_AT_MAXIMUM


# --- MET-0 ------------------------------------------------------------------------------------------------------------


def test_metrics_api_that_serves_passes() -> None:
    """Figures of two pods."""
    verdict = metrics_api_verdict(healthy_snapshot())
    assert verdict.status is Status.PASS
    assert verdict.reason == "The metrics API serves: figures of 2 pods in namespace carepath-demo."


def test_metrics_api_that_is_missing_fails() -> None:
    """Incident 18, before the deploy."""
    verdict = metrics_api_verdict(replace(healthy_snapshot(), usage=(), unreadable=(not_served(),)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.METRICS_API_MISSING)
    assert verdict.reason == (
        "An autoscaler cannot work: the cluster does not serve metrics.k8s.io (the server could not find the requested "
        "resource)."
    )
    assert verdict.remedy == (
        "Install metrics-server, or read why it is down: kubectl get apiservice v1beta1.metrics.k8s.io -o yaml"
    )


@pytest.mark.parametrize(
    ("kind", "cause"), [("forbidden", Cause.GATE_FORBIDDEN), ("unreachable", Cause.GATE_UNREACHABLE)]
)
def test_metrics_that_cannot_be_read_are_inconclusive(kind: Any, cause: Cause) -> None:
    """The gate's own trouble says nothing about the cluster."""
    unread = Unreadable(what="metrics", kind=kind, message="no")
    verdict = metrics_api_verdict(replace(healthy_snapshot(), usage=(), unreadable=(unread,)))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, cause)


def test_metrics_api_without_figures_of_old_pods_fails() -> None:
    """A metrics-server that cannot reach the kubelets serves an empty list."""
    verdict = metrics_api_verdict(replace(healthy_snapshot(), usage=()))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.METRICS_MISSING)
    assert verdict.reason == (
        "The metrics API serves but has no figures of any of 2 pods that have run for more than 60 s."
    )


def test_metrics_api_without_pods_passes() -> None:
    """Before the first deploy there is nothing to measure."""
    assert metrics_api_verdict(replace(healthy_snapshot(), pods=(), usage=())).status is Status.PASS


def test_metrics_api_without_figures_of_young_pods_passes() -> None:
    """Pods that started half a minute ago are not measured yet."""
    assert metrics_api_verdict(replace(healthy_snapshot(), pods=(pod(created_at=ago(30)),), usage=())).status is (
        Status.PASS
    )
