"""The time-outs on the way to the service: whoever waits for an answer must wait longer than it may take.

Enters: a Service and what the target says of its load balancer and callers. Leaves: Findings of NET-1. That a request
was cut is told after the deploy by ``health`` (504 through the Service, 200 from the pod).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gate.causes import Cause
from gate.records import Service
from gate.records.effective import Effective
from gate.verdict import Evidence, Finding, Status

_PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
IDLE_TIMEOUT = f"{_PREFIX}connection-idle-timeout"
_LISTENER = f"{_PREFIX}listener-attributes."
_LISTENER_IDLE = re.compile(r"(?:^|,)\s*tcp\.idle_timeout\.seconds=(\d+)")

#: Classic load balancer (user guide, "Configure the idle connection timeout": default 60 s, 1 to 4000). The embedded
#: cluster's stand-in has the same default.
CLASSIC_IDLE_S = 60
CLASSIC_IDLE_MOST_S = 4000
#: Network load balancer (user guide, "Update the TCP idle timeout": default 350 s).
NETWORK_IDLE_S = 350

#: The service looks at its deadline after each prefill batch: 64 tokens at 17 tok/s, the Qwen3-4B shape on two Zen 4
#: cores (service_chat/engines/llama_cpp.py, measured 2026-11-22).
OVERSHOOT_S = 4


@dataclass(frozen=True, slots=True)
class Idle:
    """For how long a load balancer bears a silent connection, None where it is not to be known, and who says so."""

    seconds: float | None
    shown: str


def idle_timeout(service: Service, stated_s: float | None) -> Idle | None:
    """Return the idle timeout in seconds of the load balancer before the Service, None if there is none.

    Args:
        service: the Service.
        stated_s: what the target says, for a load balancer that no annotation describes.
    """
    if service.type != "LoadBalancer":
        return None if stated_s is None else Idle(stated_s, f"{stated_s:g} s, as the target says")
    asked = service.balancer_annotations
    if _is_network(service):
        listeners = [
            int(found[1]) for key, value in asked.items()
            if key.startswith(_LISTENER) and (found := _LISTENER_IDLE.search(value))
        ]  # fmt: skip
        if listeners:
            return Idle(min(listeners), f"{min(listeners)} s, annotation {_LISTENER}*")
        if stated_s is None:
            return Idle(NETWORK_IDLE_S, f"{NETWORK_IDLE_S} s, default of a network load balancer")
    elif IDLE_TIMEOUT in asked:
        text = asked[IDLE_TIMEOUT]
        valid = text.isdecimal() and 1 <= int(text) <= CLASSIC_IDLE_MOST_S
        return Idle(int(text) if valid else None, f"{text} s, annotation {IDLE_TIMEOUT}")
    if stated_s is not None:
        return Idle(stated_s, f"{stated_s:g} s, as the target says")
    return Idle(CLASSIC_IDLE_S, f"{CLASSIC_IDLE_S} s, default of a classic load balancer")


def _is_network(service: Service) -> bool:
    """Return whether AWS makes a network load balancer: by annotation (nlb, nlb-ip, external) or by class."""
    kind = service.balancer_annotations.get(f"{_PREFIX}type", "")
    return kind in {"nlb", "nlb-ip", "external"} or service.balancer_class.endswith("/nlb")


def idle_findings(service: Service, idle: Idle | None, deadline: Effective) -> Iterator[Finding]:
    """Yield a finding if the load balancer closes a connection while the answer may still come."""
    if idle is None:
        return
    evidence = (idle_evidence(service, idle), Evidence("Environment", deadline.key, deadline.shown))
    if idle.seconds is None:
        yield Finding(
            Status.FAIL,
            Cause.CONFIG_BAD_VALUE,
            f"Service/{service.name} asks for an idle timeout of {service.balancer_annotations[IDLE_TIMEOUT]!r}, which "
            f"is no whole number of seconds from 1 to {CLASSIC_IDLE_MOST_S}: the load balancer does not get it.",
            evidence,
            f'Set the annotation {IDLE_TIMEOUT} of Service/{service.name} to "{CLASSIC_IDLE_S}".',
        )
        return
    if deadline.number is None or idle.seconds > deadline.number + OVERSHOOT_S:
        return
    sure = idle.seconds <= deadline.number
    wanted = math.ceil(deadline.number + OVERSHOOT_S) + 1
    yield Finding(
        Status.FAIL if sure else Status.WARN,
        Cause.SERVICE_GATEWAY_TIMEOUT,
        f"The load balancer of Service/{service.name} closes a connection that is silent for {idle.seconds:g} s and "
        f"an answer may take {deadline.number:g} s ({deadline.key})"
        + (
            ": slow answers become 504."
            if sure
            else f" and the {OVERSHOOT_S} s of a prefill batch more: some become 504."
        ),
        evidence,
        f'Set the annotation {IDLE_TIMEOUT} of Service/{service.name} to "{wanted}" or more, or lower {deadline.key}.',
    )


def idle_evidence(service: Service, idle: Idle | None) -> Evidence:
    """Return the load balancer's idle timeout, or that there is no load balancer."""
    value = f"none: the Service is of type {service.type}" if idle is None else idle.shown
    return Evidence(f"Service/{service.name}", "load balancer's idle timeout", value)


def client_findings(clients: Mapping[str, float], deadline: Effective) -> Iterator[Finding]:
    """Yield a finding for each caller (key of the target -> its time-out in seconds) that hangs up too early."""
    for key, timeout_s in clients.items():
        if deadline.number is None or timeout_s > deadline.number:
            continue
        yield Finding(
            Status.FAIL,
            Cause.SERVICE_CLIENT_TIMEOUT,
            f"Callers give up after {timeout_s:g} s ({key}) and an answer may take {deadline.number:g} s "
            f"({deadline.key}): they hang up, and the model goes on computing for nobody.",
            (Evidence("target", key, f"{timeout_s:g} s"), Evidence("Environment", deadline.key, deadline.shown)),
            f"Raise that time-out above {deadline.number:g} s, or lower {deadline.key}.",
        )
