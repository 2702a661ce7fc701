"""NET-1: does a request find the service, does the service find the patient API, and does everybody wait long enough.

Enters: the Deployment and Service as they are meant to be, the service's settings, the cluster where one was read, what
the target says of callers and of Services that others deploy. Leaves: a Verdict. What only a cluster has (endpoints, a
load balancer's address) is judged after the deploy by ``endpoints`` and ``health``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis.dependency import Dependency, Sources, dependency
from gate.diagnosis.effective import setting_evidence, unknown_settings
from gate.diagnosis.endpoints import declared_ports, wiring_findings
from gate.diagnosis.probes import asked
from gate.diagnosis.unread import unread_finding
from gate.diagnosis.way_in import Idle, client_findings, idle_evidence, idle_findings, idle_timeout
from gate.diagnosis.wording import names
from gate.records import ContainerSpec, Deployment, Service, SettingsSchema
from gate.records.effective import Effective, effective
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

PORT = "PORT"
BIND = "BIND_ADDRESS"
DEADLINE = "REQUEST_DEADLINE_S"
PATIENTS = "DB_API_BASE_URL"

_PROBE_CAUSES = {
    "startup": Cause.PROBE_STARTUP_EXHAUSTED,
    "readiness": Cause.PROBE_READINESS_FAILING,
    "liveness": Cause.PROBE_LIVENESS_FAILING,
}


@dataclass(frozen=True, slots=True)
class _Deploy:
    """What is judged, and the settings it follows from."""

    workload: Deployment
    spec: ContainerSpec
    port: Effective
    bind: Effective
    deadline: Effective

    def setting(self, of: Effective) -> Evidence:
        return setting_evidence(self.workload.name, self.spec.name, of)

    @property
    def listens(self) -> str:
        """Return the port that the service listens on, as a number's text; empty where it is unknown."""
        return "" if self.port.number is None else f"{self.port.number:.0f}"


def network_verdict(
    workload: Deployment,
    *,
    container: str,
    service: str,
    schema: SettingsSchema,
    sources: Sources,
    clients: Mapping[str, float],
) -> Verdict:
    """Judge NET-1.

    Args:
        workload: the Deployment as it is meant to be.
        container: the container that runs the service.
        service: the name of the Service by which users come.
        schema: every setting of the service.
        sources: the manifests, the cluster if it was read, and what the target says.
        clients: callers' time-outs in seconds, by the target's key that states them.

    Raises:
        LookupError: the Deployment has no such container.
    """
    spec = workload.container(container)
    deploy = _Deploy(workload, spec, *(effective(spec, schema, key) for key in (PORT, BIND, DEADLINE)))
    patients = dependency(effective(spec, schema, PATIENTS), workload, container=container, sources=sources)
    inside = (*_listening(deploy), *_probes(deploy), *patients.findings, *_unknown(deploy))
    callers = tuple(client_findings(clients, deploy.deadline))
    there = sources.desired.service(service) or (sources.snapshot.service(service) if sources.snapshot else None)
    if there is None:
        missing = _no_service(service, sources, workload)
        return judged("NET-1", (missing, *inside, *callers), passed("NET-1", missing.reason, missing.evidence))
    idle = idle_timeout(there, sources.network.idle_timeout_s)
    line_up = wiring_findings(
        there, workload.template, workload.template_labels, container=container, namespace=workload.namespace
    )
    way = line_up or tuple(_targets(deploy, there)) or tuple(_portless(there))
    findings = (*way, *inside, *idle_findings(there, idle, deploy.deadline), *callers)
    evidence = tuple(_evidence(deploy, there, patients, idle, clients))
    return judged("NET-1", findings, passed("NET-1", _fine(deploy, there, patients, idle, clients), evidence))


def _fine(
    deploy: _Deploy, service: Service, patients: Dependency, idle: Idle | None, clients: Mapping[str, float]
) -> str:
    ports = names([str(each.port) for each in service.ports])
    cut = (
        "the Service has no load balancer"
        if idle is None
        else f"the load balancer waits {idle.shown.partition(',')[0]}"
    )
    hang_up = f"callers {min(clients.values()):g} s" if clients else "callers' time-outs are not known"
    return (
        f"Service/{service.name} port {ports} leads to port {deploy.listens}, where {deploy.spec.name} listens, "
        f"{patients.clause}; an answer takes {deploy.deadline.value} s at most, {cut}, {hang_up}."
    )


def _evidence(
    deploy: _Deploy, service: Service, patients: Dependency, idle: Idle | None, clients: Mapping[str, float]
) -> Iterator[Evidence]:
    selector = ",".join(f"{key}={value}" for key, value in sorted(service.selector.items()))
    yield Evidence(f"Service/{service.name}", "spec.selector", selector)
    for port in service.ports:
        number = _resolved(deploy, port.target_port) or port.target_port
        yield Evidence(
            f"Service/{service.name}", f"spec.ports[{port.name or port.port}]", f"{port.port} -> {port.target_port} "
            f"({number})"
        )  # fmt: skip
    yield from map(deploy.setting, (deploy.port, deploy.bind, deploy.deadline))
    yield from patients.evidence
    yield idle_evidence(service, idle)
    for key, timeout_s in clients.items():
        yield Evidence("target", key, f"{timeout_s:g} s")


def _no_service(name: str, sources: Sources, workload: Deployment) -> Finding:
    desired, snapshot = sources.desired, sources.snapshot
    unread = snapshot.unread("services") if snapshot else None
    if snapshot is not None and unread is not None:
        return unread_finding(snapshot, unread, subject="The Services", resource="services")
    there = names([each.name for each in (*desired.services, *(snapshot.services if snapshot else ()))]) or "none"
    evidence = (Evidence(desired.source, "Services", there),)
    remedy = f"Add Service/{name} to the manifests, or correct [cluster] service in the target."
    if snapshot is not None:
        where = f"neither in the manifests nor in namespace {workload.namespace}"
        reason = f"Service/{name} is {where}; Services there: {there}."
        return Finding(Status.FAIL, Cause.SERVICE_NOT_FOUND, reason, evidence, remedy)
    reason = f"Service/{name} is not in the manifests, and no cluster was read; Services there: {there}."
    return Finding(Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED, reason, evidence, remedy)


# --- Ports ------------------------------------------------------------------------------------------------------------


def _unknown(deploy: _Deploy) -> tuple[Finding, ...]:
    return unknown_settings(
        (deploy.port, deploy.deadline),
        workload=deploy.workload.name,
        container=deploy.spec.name,
        unjudged="the way to the service",
    )


def _resolved(deploy: _Deploy, port: str) -> str:
    """Return the number of a container port, by number or by name; empty if no container has a port of that name."""
    if port.isdigit():
        return port
    found = next((each for each in declared_ports(deploy.workload.template) if each.name == port), None)
    return str(found.port) if found else ""


def _of_another(deploy: _Deploy, number: str) -> bool:
    """Return whether another container of the pod declares the port: then that one is meant."""
    others = [each for each in deploy.workload.template.containers if each.name != deploy.spec.name]
    return number in {str(port.port) for each in others for port in each.ports}


def _listening(deploy: _Deploy) -> Iterator[Finding]:
    address = deploy.bind.value or ""
    if not (address.startswith("127.") or address in {"localhost", "::1"}):
        return
    yield Finding(
        Status.FAIL,
        Cause.ENDPOINTS_TARGET_PORT,
        f"{BIND} is {address}: the service listens inside its pod only, and neither the kubelet nor a user reaches it.",
        (deploy.setting(deploy.bind),),
        f"Set {BIND}=0.0.0.0 in the environment of container {deploy.spec.name}, or remove it.",
    )


def _targets(deploy: _Deploy, service: Service) -> Iterator[Finding]:
    for port in service.ports:
        number = _resolved(deploy, port.target_port)
        if not deploy.listens or not number or number == deploy.listens or _of_another(deploy, number):
            continue
        shown = number if port.target_port == number else f"{number} (targetPort {port.target_port})"
        yield Finding(
            Status.FAIL,
            Cause.ENDPOINTS_TARGET_PORT,
            f"Service/{service.name} sends port {port.port} to {shown}, and {deploy.spec.name} listens on "
            f"{deploy.listens} ({PORT}): requests are refused.",
            (
                Evidence(
                    f"Service/{service.name}", f"spec.ports[{port.name or port.port}].targetPort", port.target_port
                ),
                deploy.setting(deploy.port),
            ),
            f"Make the port of container {deploy.spec.name} and its {PORT} the same number.",
        )


def _portless(service: Service) -> Iterator[Finding]:
    if not service.ports:
        yield Finding(
            Status.FAIL,
            Cause.ENDPOINTS_TARGET_PORT,
            f"Service/{service.name} has no port: Kubernetes takes that of a headless Service alone, and no request "
            "sent to it gets anywhere.",
            (Evidence(f"Service/{service.name}", "spec.ports", "none"),),
            f"Give Service/{service.name} a port that leads to the one the service listens on.",
        )


def _probes(deploy: _Deploy) -> Iterator[Finding]:
    # The kubelet looks a name up among the ports of the probed container alone (pkg/probe/util.go).
    own = {each.name: str(each.port) for each in deploy.spec.ports if each.name}
    for name, probe in deploy.spec.probes:
        if not probe.port:
            continue
        evidence = (Evidence(f"Deployment/{deploy.workload.name}", f"{name}Probe", asked(probe)),)
        number = probe.port if probe.port.isdigit() else own.get(probe.port, "")
        if not number:
            wrong = f"names the port {probe.port}, which container {deploy.spec.name} does not declare"
        elif deploy.listens and number != deploy.listens and not _of_another(deploy, number):
            wrong = f"asks port {number}, and {deploy.spec.name} listens on {deploy.listens} ({PORT})"
        else:
            continue
        yield Finding(
            Status.FAIL,
            _PROBE_CAUSES[name],
            f"The {name} probe {wrong}: it never succeeds.",
            (*evidence, deploy.setting(deploy.port)),
            f"Set {name}Probe's port of container {deploy.spec.name} to {deploy.listens or 'the one it listens on'}.",
        )
