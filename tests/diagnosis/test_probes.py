"""Why a running container is not ready."""

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.pods import pod_fault, waiting_for
from gate.records import Condition
from tests.diagnosis import factories as make

GET = 'Get "http://10.244.0.11:8002/ready": '


def probed(answer: str, probe: str = "Readiness", *, ran_s: float = 60, started: bool = True) -> PodFault | None:
    """Return the fault of a running pod whose probe failed with that answer."""
    pod = make.unready_pod(make.running(ran_s), status={"started": started})
    event = make.event("Unhealthy", f"{probe} probe failed: {answer}", pod, age_s=2)
    return pod_fault(make.rollout_snapshot(pod, events=(event,) if answer else ()), pod)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (
            "HTTP probe failed with statuscode: 404",
            "its readiness probe asks for /ready, which the program does not serve (HTTP 404)",
        ),
        ("HTTP probe failed with statuscode: 503", "/ready answers HTTP 503 to its readiness probe"),
        (
            f"{GET}dial tcp 10.244.0.11:8002: connect: connection refused",
            "nothing listens on port http, which its readiness probe asks (connection refused)",
        ),
        (
            f"{GET}context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            "/ready does not answer its readiness probe within 5 s",
        ),
        ('command "check" timed out', "/ready does not answer its readiness probe within 5 s"),
        (
            'strconv.Atoi: parsing "web": invalid syntax',
            "its readiness probe names the port web, which the container does not declare",
        ),
        ("service unhealthy", "its readiness probe failed: service unhealthy"),
    ],
)
def test_readiness_failure_is_told_by_kind(answer: str, what: str) -> None:
    """Path, port, status and timing each have their sentence."""
    fault = probed(answer)
    assert fault is not None
    assert fault.cause is Cause.PROBE_READINESS_FAILING
    assert fault.what == f"container chat-api has never been ready in 60 s of running: {what}"


def test_readiness_failing_without_event_says_so() -> None:
    """Events expire; the container's own state remains."""
    fault = probed("", ran_s=4000)
    assert fault is not None
    assert fault.what == "container chat-api has never been ready in 67 min of running, and no event says why"


def test_readiness_that_may_still_come_is_not_final() -> None:
    """A 503 for minutes is a model that loads; the progress deadline bounds it."""
    fault = probed("HTTP probe failed with statuscode: 503", ran_s=500)
    assert fault is not None
    assert not fault.final


@pytest.mark.parametrize(
    ("ran_s", "final"), [(tolerances.PATH_MISSING_S - 1, False), (tolerances.PATH_MISSING_S, True)]
)
@pytest.mark.parametrize(("probe", "started"), [("Readiness", True), ("Startup", False)])
def test_path_that_does_not_exist_is_final_after_its_time(
    ran_s: float, probe: str, *, final: bool, started: bool
) -> None:
    """A server that answers 404 is up, and loading will not add a route."""
    fault = probed("HTTP probe failed with statuscode: 404", probe, ran_s=ran_s, started=started)
    assert fault is not None
    assert fault.final is final


def test_startup_probe_of_a_path_that_does_not_exist_is_a_startup_fault() -> None:
    """The budget will be used up to its end, whatever it is: the path is wrong, not the time."""
    fault = probed("HTTP probe failed with statuscode: 404", "Startup", started=False)
    assert fault is not None
    assert fault.cause is Cause.PROBE_STARTUP_EXHAUSTED
    assert fault.what == (
        "container chat-api has never been ready in 60 s of running: its startup probe asks for /ready, which the "
        "program does not serve (HTTP 404)"
    )
    assert fault.remedy == "Correct startupProbe.httpGet.path in the template."


def test_container_within_its_startup_budget_is_no_fault() -> None:
    """Failed startup probes are the ordinary course of loading a model."""
    assert probed("HTTP probe failed with statuscode: 503", "Startup", ran_s=100, started=False) is None


def test_waiting_clause_names_the_startup_budget() -> None:
    """What is being waited for has its limit beside it."""
    pod = make.unready_pod(make.running(40), status={"started": False})
    assert waiting_for(make.rollout_snapshot(pod), pod) == (
        "container chat-api is starting since 40 s of the 120 s its startup probe allows"
    )


def test_pod_that_lost_its_readiness_is_told_from_one_that_never_had_it() -> None:
    """It served before: what it met now is another story."""
    conditions = (make.condition("PodScheduled", age_s=900), make.condition("Ready", "False", age_s=20))
    pod = make.unready_pod(make.running(890), conditions=conditions)
    fault = pod_fault(make.rollout_snapshot(pod), pod)
    assert fault is not None
    assert fault.what.startswith("container chat-api is not ready any more")


def gated(*held: Condition) -> PodFault | None:
    """Return the fault of a pod whose containers are ready and whose gate has these conditions."""
    gate = "target-health.elbv2.k8s.aws/chat"
    conditions = (
        make.condition("PodScheduled"),
        make.condition("ContainersReady"),
        make.condition("Ready", "False", reason="ReadinessGatesNotReady"),
        *held,
    )
    pod = make.pod(conditions=conditions, spec=make.pod_spec(readiness_gates=(gate,)))
    return pod_fault(make.rollout_snapshot(pod), pod)


def test_readiness_gate_that_nobody_set_is_named() -> None:
    """All containers are ready, and the pod is not."""
    fault = gated()
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.POD_READINESS_GATE, False)
    assert fault.what == "its containers are ready, its readiness gate target-health.elbv2.k8s.aws/chat is not set"


def test_readiness_gate_that_is_true_is_no_fault() -> None:
    """The kubelet has not caught up yet, and nothing is wrong."""
    assert gated(make.condition("target-health.elbv2.k8s.aws/chat")) is None
