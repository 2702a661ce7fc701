"""Why a running container is not ready: what its probes met, told by kind, and what else holds a pod's readiness back.

Kills by a probe are ends of a container (``exits``). A probe that fails while its startup budget lasts is no fault but
the ordinary course of loading a model, unless the path does not exist: then no loading will make it.
"""

import re

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.exits import last_probe_failure, was_ever_ready
from gate.diagnosis.faults import PodFault
from gate.diagnosis.wording import duration, seconds_between
from gate.records import ContainerSpec, ContainerStatus, Pod, Probe, Snapshot
from gate.verdict import Evidence

_STATUS = re.compile(r"statuscode: (\d{3})")
_REFUSED = re.compile(r"connection refused")
_TIMEOUT = re.compile(r"deadline exceeded|i/o timeout|request canceled|timed out|Client\.Timeout")
# A port's name that the container does not declare is taken for a number (pkg/kubelet/prober, ExtractPort).
_PORT_UNKNOWN = re.compile(r'strconv\.Atoi: parsing "([^"]+)"')
_PATH_MISSING = frozenset({"404", "405"})


def readiness_fault(
    snapshot: Snapshot, pod: Pod, status: ContainerStatus, spec: ContainerSpec | None
) -> PodFault | None:
    """Return why a running container is not ready, None while it is starting within its budget."""
    if status.state.kind != "running" or status.ready:
        return None
    starting = status.started is False
    name = "startup" if starting else "readiness"
    probe = (spec.startup if starting else spec.readiness) if spec else None
    met = last_probe_failure(snapshot, pod, name)
    hopeless = asks_for_nothing(met)
    if (starting and not hopeless) or (probe is None and not met):
        return None
    running_s = seconds_between(status.state.started_at, snapshot.read_at) or 0.0
    before = (
        "is not ready any more" if was_ever_ready(pod) else f"has never been ready in {duration(running_s)} of running"
    )
    answer = f": {described(met, probe, name)}" if met else ", and no event says why"
    return PodFault(
        pod=pod.name,
        cause=Cause.PROBE_READINESS_FAILING if not starting else Cause.PROBE_STARTUP_EXHAUSTED,
        container=status.name,
        what=f"container {status.name} {before}{answer}",
        evidence=(
            Evidence(f"Pod/{pod.name}", f"container {status.name} ready", "false", snapshot.read_at),
            Evidence(f"Pod/{pod.name}", f"{name} probe's last answer", met or "no event", snapshot.read_at),
            *((Evidence(f"Pod/{pod.name}", f"container {status.name} {name}Probe", asked(probe)),) if probe else ()),
        ),
        remedy=_remedy(snapshot, pod, status, met, name),
        final=hopeless and running_s >= tolerances.PATH_MISSING_S,
    )


def gate_fault(pod: Pod) -> PodFault | None:
    """Return the readiness gate that holds back a pod whose containers are all ready."""
    containers = pod.condition("ContainersReady")
    if pod.ready or containers is None or containers.status != "True":
        return None
    for gate in pod.spec.readiness_gates:
        held = pod.condition(gate)
        if held is not None and held.status == "True":
            continue
        value = held.status if held else "not set"
        return PodFault(
            pod=pod.name,
            cause=Cause.POD_READINESS_GATE,
            what=f"its containers are ready, its readiness gate {gate} is {value}",
            evidence=(Evidence(f"Pod/{pod.name}", f"status.conditions[{gate}]", value, held.at if held else None),),
            remedy=f"Look at the controller that sets {gate} (a load balancer's target health, as a rule).",
        )
    return None


def starting(snapshot: Snapshot, status: ContainerStatus, spec: ContainerSpec | None) -> str:
    """Return how far a container is in its start, for the sentence about what is waited for."""
    running_s = seconds_between(status.state.started_at, snapshot.read_at) or 0.0
    budget = f" of the {spec.startup.budget_s} s its startup probe allows" if spec and spec.startup else ""
    return f"container {status.name} is starting since {duration(running_s)}{budget}"


def asks_for_nothing(met: str) -> bool:
    """Return whether the probe asks for a path or a port that the program does not have."""
    answered = _STATUS.search(met)
    return _PORT_UNKNOWN.search(met) is not None or (answered is not None and answered[1] in _PATH_MISSING)


def asked(probe: Probe) -> str:
    """Return what a probe asks and how often, for evidence."""
    target = f"{probe.kind} {probe.path or ''} on port {probe.port}" if probe.kind != "exec" else "exec"
    return f"{target}, every {probe.period_s} s, timeout {probe.timeout_s} s, {probe.failure_threshold} failures"


def described(met: str, probe: Probe | None, name: str) -> str:
    """Return the probe's failure by its kind."""
    path, port = (probe.path or "/", probe.port) if probe else ("its path", "its port")
    answered = _STATUS.search(met)
    if answered and answered[1] in _PATH_MISSING:
        return f"its {name} probe asks for {path}, which the program does not serve (HTTP {answered[1]})"
    if answered:
        return f"{path} answers HTTP {answered[1]} to its {name} probe"
    unknown = _PORT_UNKNOWN.search(met)
    if unknown:
        return f"its {name} probe names the port {unknown[1]}, which the container does not declare"
    if _REFUSED.search(met):
        return f"nothing listens on port {port}, which its {name} probe asks (connection refused)"
    if _TIMEOUT.search(met):
        limit = f" within {probe.timeout_s} s" if probe else ""
        return f"{path} does not answer its {name} probe{limit}"
    return f"its {name} probe failed: {met}"


def _remedy(snapshot: Snapshot, pod: Pod, status: ContainerStatus, met: str, name: str) -> str:
    answered = _STATUS.search(met)
    if answered and answered[1] in _PATH_MISSING:
        return f"Correct {name}Probe.httpGet.path in the template."
    if _PORT_UNKNOWN.search(met):
        return f"Correct {name}Probe's port, or declare it under the container's ports."
    if _REFUSED.search(met):
        return f"Make {name}Probe's port the one the program listens on, and let it listen on 0.0.0.0."
    if _TIMEOUT.search(met):
        return f"Raise {name}Probe.timeoutSeconds, or keep the probe's path off the thread that computes."
    return f"Ask the program why it is not ready: kubectl logs {pod.name} -n {snapshot.namespace} -c {status.name}"
