"""Why nothing, or nobody ready, stands behind a Service: selector, port, endpoints, load balancer address.

Every pod may be Ready and every user cut off. The wiring (selector and ports against the pod template) is judged from
a manifest before a deploy as well as from the cluster after it; what only a cluster has (addresses, readiness, the
load balancer) comes on top.
"""

from collections.abc import Mapping

from gate.causes import Cause
from gate.diagnosis.ownership import counted, pods_of_deployment
from gate.diagnosis.unread import unread_finding
from gate.diagnosis.wording import count, duration, names, seconds_between
from gate.records import ContainerPort, PodSpec, Service, ServicePort, Snapshot
from gate.verdict import Evidence, Finding, Status

#: A cloud's load balancer gets its address a few minutes after the Service (AWS documentation, Elastic Load Balancing:
#: "provisioning" ends within minutes); until then its absence says nothing.
LOAD_BALANCER_S = 300.0

#: Endpoints follow a pod's readiness by one write and one sync of the EndpointSlice controller; observed under 1 s, and
#: its retries begin at 1 s (pkg/controller/endpointslice, defaultSyncBackOff).
ENDPOINTS_LAG_S = 10.0


def endpoint_findings(snapshot: Snapshot, *, service: str, deployment: str, container: str) -> tuple[Finding, ...]:
    """Return what keeps requests to the Service from reaching a ready pod of the Deployment, the root first."""
    there = snapshot.service(service)
    if there is None:
        return (_missing(snapshot, service),)
    owner = snapshot.deployment(deployment)
    if owner is None:
        return ()  # nothing to stand behind the Service: the rollout's own verdict says so
    wiring = wiring_findings(
        there, owner.template, owner.template_labels, container=container, namespace=snapshot.namespace
    )
    return wiring or (*_addresses(snapshot, there, deployment), *_load_balancer(snapshot, there))


def wiring_findings(
    service: Service, template: PodSpec, labels: Mapping[str, str], *, container: str, namespace: str
) -> tuple[Finding, ...]:
    """Return where the Service and the pods it is meant for do not line up; works on manifests alone.

    Args:
        service: the Service.
        template: the pod template that it is meant for.
        labels: the labels of that template.
        container: the container that answers requests; the remedy names its ports.
        namespace: for the remedy.
    """
    selector = _selector_finding(service, labels, namespace)
    ports = tuple(_port_finding(service, port, template, container, namespace) for port in service.ports)
    return tuple(each for each in (selector, *ports) if each is not None)


def selects(service: Service, labels: Mapping[str, str]) -> bool:
    """Return whether the Service selects pods with these labels; one without a selector selects nobody."""
    return bool(service.selector) and all(labels.get(key) == value for key, value in service.selector.items())


def _missing(snapshot: Snapshot, service: str) -> Finding:
    unread = snapshot.unread("services")
    if unread is not None:
        return unread_finding(snapshot, unread, subject="The Services", resource="services")
    known = names([each.name for each in snapshot.services]) or "none"
    return Finding(
        Status.FAIL,
        Cause.SERVICE_NOT_FOUND,
        f"Service/{service} does not exist in namespace {snapshot.namespace}; Services there: {known}.",
        (Evidence(f"Namespace/{snapshot.namespace}", "services", known, snapshot.read_at),),
        f"Apply the Service, then check it: kubectl get service {service} -n {snapshot.namespace}",
    )


def _pairs(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"


def _selector_finding(service: Service, labels: Mapping[str, str], namespace: str) -> Finding | None:
    if selects(service, labels):
        return None
    different = {key: value for key, value in service.selector.items() if labels.get(key) != value}
    if different:
        carried = _pairs({key: labels[key] for key in different if key in labels})
        carry = "none of these labels" if carried == "none" else carried
        clash = f"selects {_pairs(different)}, but its pods carry {carry}"
    else:
        clash = f"has no selector, but its pods carry {_pairs(labels)}"
    wanted = '{"spec":{"selector":{' + ",".join(f'"{k}":"{v}"' for k, v in sorted(labels.items())) + "}}}"
    return Finding(
        Status.FAIL,
        Cause.ENDPOINTS_SELECTOR,
        f"Service/{service.name} {clash}: no pod stands behind it.",
        (
            Evidence(f"Service/{service.name}", "spec.selector", _pairs(service.selector)),
            Evidence("Pod template", "metadata.labels", _pairs(labels)),
        ),
        f"Make the selector equal the pods' labels: kubectl patch service {service.name} -n {namespace} "
        f"--type merge -p '{wanted}'",
    )


def declared_ports(template: PodSpec) -> tuple[ContainerPort, ...]:
    """Return the ports of all containers that keep running: a Service looks through all of them, sidecars included."""
    return tuple(port for each in template.containers if each.sidecar or not each.init for port in each.ports)


def _probed(template: PodSpec) -> frozenset[str]:
    """Return the ports that probes ask: something listens there, declared or not (declaring a port is optional)."""
    return frozenset(probe.port for each in template.containers for _, probe in each.probes if probe.port)


def _port_finding(
    service: Service, port: ServicePort, template: PodSpec, container: str, namespace: str
) -> Finding | None:
    declared = [each for each in declared_ports(template) if each.protocol == port.protocol]
    numeric = port.target_port.isdigit()
    offered = {str(each.port) for each in declared} if numeric else {each.name for each in declared if each.name}
    probed = {each for each in _probed(template) if each.isdigit()} if numeric else frozenset[str]()
    # A pod that declares and probes no number says nothing about where it listens.
    if port.target_port in offered | probed or (numeric and not offered | probed):
        return None
    own = template.container(container)
    ports = own.ports if own is not None and own.ports else declared
    listens = names([f"{each.port} ({each.name})" if each.name else str(each.port) for each in ports]) or "no port"
    first = ports[0] if ports else None
    right = (first.name or str(first.port)) if first else "the port it listens on"
    effect = "requests are refused" if numeric else "it has no endpoints"
    return Finding(
        Status.FAIL,
        Cause.ENDPOINTS_TARGET_PORT,
        f"Service/{service.name} sends port {port.port} to targetPort {port.target_port}, "
        f"but container {container} declares {listens}: {effect}.",
        (
            Evidence(f"Service/{service.name}", f"spec.ports[{port.name or port.port}].targetPort", port.target_port),
            Evidence(f"Container/{container}", "ports", listens),
        ),
        f"Set targetPort to {right} in Service/{service.name} (kubectl edit service {service.name} -n {namespace}) "
        "and in its manifest.",
    )


def _addresses(snapshot: Snapshot, service: Service, deployment: str) -> tuple[Finding, ...]:
    unread = snapshot.unread("endpoints")
    if unread is not None:
        return (unread_finding(snapshot, unread, subject="The endpoints", resource="endpointslices.discovery.k8s.io"),)
    addresses = [each for each in snapshot.endpoints if each.service == service.name]
    if any(each.ready and not each.terminating for each in addresses):
        return ()
    owner = snapshot.deployment(deployment)
    pods = counted(pods_of_deployment(snapshot, owner)) if owner else ()
    ready = [each for each in pods if each.ready]
    since = [seconds_between(each.at, snapshot.read_at) for pod in ready if (each := pod.condition("Ready"))]
    if ready and all(age is not None and age < ENDPOINTS_LAG_S for age in since):
        return ()
    pods_say = f"{len(ready)} of {count(len(pods), 'pod')} of Deployment/{deployment} ready"
    return (
        Finding(
            Status.FAIL,
            Cause.ENDPOINTS_NOT_READY,
            f"Service/{service.name} has no ready endpoint ({count(len(addresses), 'address', 'addresses')}, "
            f"{pods_say}): nobody answers its requests.",
            (
                Evidence(
                    f"Service/{service.name}",
                    "endpoints",
                    names([f"{each.address} ready={each.ready}" for each in addresses]) or "none",
                    snapshot.read_at,
                ),
                Evidence(f"Deployment/{deployment}", "pods", pods_say, snapshot.read_at),
            ),
            f"Look at the endpoints and their pods: kubectl get endpointslices,pods -n {snapshot.namespace} -o wide",
        ),
    )


def _load_balancer(snapshot: Snapshot, service: Service) -> tuple[Finding, ...]:
    if service.type != "LoadBalancer" or service.ingress:
        return ()
    age_s = seconds_between(service.created_at, snapshot.read_at)
    fresh = age_s is not None and age_s < LOAD_BALANCER_S
    age = "an unknown time" if age_s is None else duration(age_s)
    return (
        Finding(
            Status.INCONCLUSIVE if fresh else Status.FAIL,
            Cause.SERVICE_NO_ADDRESS,
            f"Service/{service.name} has waited {age} for its load balancer and has no address"
            + (f" yet (up to {duration(LOAD_BALANCER_S)} is usual)." if fresh else "."),
            (Evidence(f"Service/{service.name}", "status.loadBalancer.ingress", "none", snapshot.read_at),),
            f"Look at the load balancer's events: kubectl describe service {service.name} -n {snapshot.namespace}",
        ),
    )
