"""NET-1: who waits for an answer, and for how long."""

from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.way_in import IDLE_TIMEOUT, idle_timeout
from gate.target import Network
from gate.verdict import Status, Verdict
from tests.diagnosis.net_deploy import SERVICE, env, judge, told

TYPE = "service.beta.kubernetes.io/aws-load-balancer-type"
LISTENER = "service.beta.kubernetes.io/aws-load-balancer-listener-attributes.TCP-80"


def annotated(value: str, deadline_s: str = "9") -> Verdict:
    """Return NET-1 with that idle timeout and deadline."""
    service = replace(SERVICE, balancer_annotations={IDLE_TIMEOUT: value})
    return judge(service=service, env=env(REQUEST_DEADLINE_S=deadline_s), clients={})


@pytest.mark.parametrize(
    ("annotations", "balancer_class", "kind", "stated_s", "expected_s"),
    [
        ({}, "", "LoadBalancer", None, 60),
        ({}, "", "LoadBalancer", 5, 5),
        ({IDLE_TIMEOUT: "120"}, "", "LoadBalancer", 5, 120),
        ({TYPE: "nlb"}, "", "LoadBalancer", None, 350),
        ({TYPE: "external", IDLE_TIMEOUT: "10"}, "", "LoadBalancer", None, 350),
        ({TYPE: "nlb", LISTENER: "a.b=1,tcp.idle_timeout.seconds=400"}, "", "LoadBalancer", None, 400),
        ({}, "eks.amazonaws.com/nlb", "LoadBalancer", None, 350),
        ({}, "", "ClusterIP", None, None),
        ({}, "", "ClusterIP", 30, 30),
    ],
)
def test_idle_timeout_is_the_annotations_the_targets_or_the_default(
    annotations: dict[str, str], balancer_class: str, kind: str, stated_s: float | None, expected_s: float | None
) -> None:
    """A classic load balancer's annotation says nothing to a network load balancer."""
    service = replace(SERVICE, type=kind, balancer_annotations=annotations, balancer_class=balancer_class)

    found = idle_timeout(service, stated_s)

    assert (found.seconds if found else None) == expected_s


def test_load_balancer_that_cuts_before_the_deadline_fails() -> None:
    """Incident 8: requests were cut at 60 s idle."""
    verdict = annotated("60", deadline_s="90")

    assert told(verdict) == (
        Status.FAIL,
        Cause.SERVICE_GATEWAY_TIMEOUT,
        (
            "The load balancer of Service/chat-api-service closes a connection that is silent for 60 s and an answer "
            "may take 90 s (REQUEST_DEADLINE_S): slow answers become 504."
        ),
    )
    assert verdict.remedy == (
        f'Set the annotation {IDLE_TIMEOUT} of Service/chat-api-service to "95" or more, or lower REQUEST_DEADLINE_S.'
    )


@pytest.mark.parametrize(
    ("idle_s", "status"), [("9", Status.FAIL), ("10", Status.WARN), ("13", Status.WARN), ("14", Status.PASS)]
)
def test_load_balancer_must_bear_the_last_prefill_batch_too(idle_s: str, status: Status) -> None:
    """The deadline is looked at after each batch of 4 s."""
    assert annotated(idle_s).status is status


@pytest.mark.parametrize("value", ["60s", "0", "4001", ""])
def test_idle_timeout_that_no_load_balancer_takes_fails(value: str) -> None:
    """AWS takes whole seconds from 1 to 4000."""
    verdict = annotated(value)

    assert told(verdict) == (
        Status.FAIL,
        Cause.CONFIG_BAD_VALUE,
        (
            f"Service/chat-api-service asks for an idle timeout of {value!r}, which is no whole number of seconds from "
            "1 to 4000: the load balancer does not get it."
        ),
    )
    assert annotated("4000").status is Status.PASS


def test_caller_that_gives_up_before_the_deadline_fails() -> None:
    """It gets nothing, and the model computes on."""
    verdict = judge(clients={"network.client_timeout_s": 9.0})

    assert told(verdict) == (
        Status.FAIL,
        Cause.SERVICE_CLIENT_TIMEOUT,
        (
            "Callers give up after 9 s (network.client_timeout_s) and an answer may take 9 s (REQUEST_DEADLINE_S): "
            "they hang up, and the model goes on computing for nobody."
        ),
    )
    assert judge(clients={"network.client_timeout_s": 10.0}).status is Status.PASS


def test_service_without_a_load_balancer_and_callers_nobody_names_pass_and_say_so() -> None:
    """What does not apply is evidence of absence."""
    verdict = judge(service=replace(SERVICE, type="ClusterIP"), clients={})

    assert verdict.status is Status.PASS
    assert verdict.reason.endswith("the Service has no load balancer, callers' time-outs are not known.")
    assert "Service/chat-api-service load balancer's idle timeout = none: the Service is of type ClusterIP" in [
        str(each) for each in verdict.evidence
    ]


def test_target_says_what_others_deploy() -> None:
    """NAME:PORT in the app's namespace, NAME.NAMESPACE:PORT elsewhere."""
    network = Network(services=("db:8001", "db.clinic:9001"))

    assert (network.declared_port("db"), network.declared_port("db", "clinic")) == (8001, 9001)
    assert network.declared_port("clinic") is None
