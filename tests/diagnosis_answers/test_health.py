"""HLT-1: every ready pod and the Service."""

from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.health import health_verdict
from gate.records import Reply, ServicePort, Snapshot, Unreadable
from gate.verdict import Status, Verdict
from tests.diagnosis.factories import deployment, healthy_snapshot, pod, running, unready_pod
from tests.diagnosis_answers.observations import POD_A, POD_B, SERVICE, health, lost

HEALTHY = (health(POD_A), health(POD_B), health(None))


def judge(*replies: Reply, snapshot: Snapshot | None = None) -> Verdict:
    """Judge the replies against the healthy snapshot."""
    return health_verdict(snapshot or healthy_snapshot(), replies or HEALTHY, service=SERVICE)


def service_changed(**changes: object) -> Snapshot:
    """Return the healthy snapshot with another Service."""
    snapshot = healthy_snapshot()
    return replace(snapshot, services=(replace(snapshot.services[0], **changes),))  # type: ignore[arg-type]


def test_healthy_pods_and_service_pass() -> None:
    """All 200."""
    verdict = judge()
    assert verdict.status is Status.PASS
    assert verdict.reason == "/health is 200 on 2 ready pods and through the Service."
    assert len(verdict.evidence) == 3


def test_one_bad_pod_is_named() -> None:
    """Incident 25: one pod of two, by name, with what it said."""
    bad = health(POD_B, status=500, error="engine failed")
    verdict = judge(health(POD_A), bad, health(None))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HEALTH_FAILED)
    assert verdict.reason == f"1 of 2 pods ({POD_B}) failed /health: HTTP 500."
    assert str(verdict.evidence[0]) == f"Pod/{POD_B} /health = HTTP 500 after 0.01 s: engine failed (at 12:00:00)"
    assert verdict.remedy == f"Read its log: kubectl logs {POD_B} -n carepath-demo --tail=50"


def test_pods_that_time_out_are_one_finding() -> None:
    """Incident 7: both pods busy on the event loop, with different waits, are one sentence."""
    slow = [
        lost("timed_out", POD_A, path="/health", elapsed_s=5.0),
        lost("timed_out", POD_B, path="/health", elapsed_s=5.01),
    ]
    verdict = judge(*slow, health(None))
    assert verdict.reason == f"2 of 2 pods ({POD_A}, {POD_B}) failed /health: no answer within 5.0 s."
    assert verdict.symptoms == ()


def test_pod_that_refuses_fails() -> None:
    """Nothing listens in the pod: that is the pod's fault, not the gate's."""
    verdict = judge(health(POD_A), lost("refused", POD_B, path="/health"), health(None))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HEALTH_FAILED)


def test_pod_that_may_not_be_asked_is_inconclusive() -> None:
    """Without the right to port-forward nothing is known about the pod."""
    verdict = judge(health(POD_A), lost("forbidden", POD_B, path="/health"), health(None))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert verdict.reason == f"1 address could not be asked (pod {POD_B}): the gate has no right to port-forward."
    assert verdict.remedy == (
        "Grant get and create on pods/portforward in the app's namespace to the account the gate runs as."
    )


def test_ready_pod_that_was_not_asked_is_inconclusive() -> None:
    """A pod that became ready in between is unknown."""
    verdict = judge(health(POD_A), health(None))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == f"Not asked for /health: 1 of 2 ready pods ({POD_B})."


def test_unready_pod_is_left_to_pod_1() -> None:
    """A pod that is not ready gets no traffic; it is mentioned, not judged."""
    snapshot = replace(healthy_snapshot(), pods=(pod(), unready_pod(running(5), POD_B)))
    verdict = judge(health(POD_A), health(None), snapshot=snapshot)
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "/health is 200 on 1 ready pod (1 further pod not ready and not asked) and through the Service."
    )


def test_gateway_timeout_through_the_service_is_the_load_balancers() -> None:
    """Incident 8: 504 through the Service while every pod answers 200."""
    verdict = judge(health(POD_A), health(POD_B), health(None, status=504, elapsed_s=60.0))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.SERVICE_GATEWAY_TIMEOUT)
    assert verdict.reason == f"/health through Service/{SERVICE} failed: HTTP 504, while the pods answer 200."
    assert verdict.remedy == "Raise the load balancer's idle timeout above the service's REQUEST_DEADLINE_S."


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (lost("refused", None, path="/health"), Cause.SERVICE_UNREACHABLE),
        (lost("timed_out", None, path="/health", elapsed_s=5.0), Cause.SERVICE_UNREACHABLE),
        (lost("no_address", None, path="/health"), Cause.SERVICE_NO_ADDRESS),
        (health(None, status=503), Cause.SERVICE_UNREACHABLE),
        (health(None, status=404), Cause.HEALTH_FAILED),
    ],
)
def test_service_failures_are_told_apart(reply: Reply, cause: Cause) -> None:
    """Refused, silent, nameless, without a backend, or somebody else answering: each has its cause."""
    verdict = judge(health(POD_A), health(POD_B), reply)
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)


def test_selector_is_the_root_and_503_its_symptom() -> None:
    """Incident 24: the wiring explains what the Service answered."""
    verdict = judge(
        health(POD_A), health(POD_B), health(None, status=503), snapshot=service_changed(selector={"app": "chat-apy"})
    )
    assert verdict.cause is Cause.ENDPOINTS_SELECTOR
    assert verdict.symptoms == (f"/health through Service/{SERVICE} failed: HTTP 503, while the pods answer 200.",)


def test_target_port_is_the_root_although_endpoints_exist() -> None:
    """Incident 24: a targetPort that nobody listens on has endpoints, and refuses every request."""
    ports = (ServicePort(name="http", port=80, target_port="9999"),)
    verdict = judge(health(POD_A), health(POD_B), lost("refused", None), snapshot=service_changed(ports=ports))
    assert verdict.cause is Cause.ENDPOINTS_TARGET_PORT


def test_undeclared_port_that_answers_passes() -> None:
    """Near miss: the port is not declared, and the Service answers: declaring ports is optional."""
    assert judge(snapshot=service_changed(ports=(ServicePort(name="http", port=80, target_port="9999"),))).status is (
        Status.PASS
    )


def test_missing_service_fails() -> None:
    """No Service and nobody to ask through it."""
    verdict = judge(health(POD_A), health(POD_B), snapshot=replace(healthy_snapshot(), services=()))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.SERVICE_NOT_FOUND)


def test_service_without_address_fails() -> None:
    """A load balancer without an address cannot be asked, and that is the finding."""
    verdict = judge(health(POD_A), health(POD_B), snapshot=service_changed(ingress=()))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.SERVICE_NO_ADDRESS)


def test_service_that_was_not_asked_is_inconclusive() -> None:
    """Healthy pods say nothing about the way users go."""
    verdict = judge(health(POD_A), health(POD_B))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == f"Service/{SERVICE} was never asked for /health: nothing is known about the way users go."


def test_unreadable_services_are_inconclusive() -> None:
    """A Service that may not be read is not a missing one."""
    unread = Unreadable(what="services", kind="forbidden", message="services is forbidden", status_code=403)
    snapshot = replace(healthy_snapshot(), services=(), unreadable=(unread,))
    verdict = judge(health(POD_A), health(POD_B), snapshot=snapshot)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert verdict.reason == "The Services could not be read: services is forbidden."
    assert verdict.remedy == (
        "Grant get and list on it to the gate's account: kubectl auth can-i list services -n carepath-demo"
    )


def test_removed_app_fails() -> None:
    """No vacuous pass: with the app removed there is nobody, and that fails."""
    empty = replace(healthy_snapshot(), deployments=(), replica_sets=(), pods=(), services=(), endpoints=(), hpas=())
    verdict = health_verdict(empty, (), service=SERVICE)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_NOT_FOUND)
    assert verdict.reason == f"No Deployment stands behind Service/{SERVICE}: nobody can answer."


def test_deployment_scaled_to_zero_fails() -> None:
    """Zero replicas answer nothing."""
    snapshot = replace(healthy_snapshot(), pods=(), deployments=(deployment(desired=0),))
    verdict = judge(lost("refused", None), snapshot=snapshot)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_SCALED_TO_ZERO)


def test_no_ready_pod_fails() -> None:
    """Pods that exist and are not ready answer nobody."""
    snapshot = replace(healthy_snapshot(), pods=(unready_pod(running(5)),), endpoints=())
    verdict = judge(health(None, status=503), snapshot=snapshot)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HEALTH_FAILED)
    assert verdict.reason == "No pod of Deployment/chat-api is ready (0 of 1): nobody can answer."
    assert verdict.symptoms[0].startswith(f"Service/{SERVICE} has no ready endpoint")


def test_other_deployment_in_the_namespace_is_not_judged() -> None:
    """The patient API's Deployment stands beside chat-api and is not taken for it."""
    other = deployment(
        name="patient-api",
        uid="uid-patient-api",
        template_labels={"app": "patient-api"},
        selector={"app": "patient-api"},
    )
    snapshot = healthy_snapshot()
    assert judge(snapshot=replace(snapshot, deployments=(other, *snapshot.deployments))).status is Status.PASS
