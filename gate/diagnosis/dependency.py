"""Whether DB_API_BASE_URL leads to the patient API: is there such a Service, and does it have that port.

Enters: the URL as the container will read it, the manifests, the cluster where one was read, and the Services that the
target says others deploy. Nothing is asked over a network. A Service that nobody knows is INCONCLUSIVE and never
guessed; a host that is no Service of the cluster is not judged, and stands so in the evidence.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from gate.causes import Cause
from gate.diagnosis.endpoints import declared_ports, selects, wiring_findings
from gate.diagnosis.unread import unread_finding
from gate.diagnosis.wording import names
from gate.records import Deployment, Desired, Service, Snapshot
from gate.records.effective import Effective
from gate.target import Network
from gate.verdict import Evidence, Finding, Status

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Who may know a Service: the manifests, the cluster if it was read, the target. The first that has it counts."""

    desired: Desired
    snapshot: Snapshot | None
    network: Network


@dataclass(frozen=True, slots=True)
class Dependency:
    """What the URL leads to: a clause for the reason, evidence, and what is wrong."""

    clause: str
    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """The URL taken apart; user and password are left behind."""

    key: str
    scheme: str
    host: str
    port: int

    @property
    def shown(self) -> str:
        return f"{self.key}={self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Known:
    """The ports of a Service and who says so; ``found`` is the object itself where it was seen."""

    ports: tuple[int, ...]
    source: str
    found: Service | None = None


def dependency(url: Effective, workload: Deployment, *, container: str, sources: Sources) -> Dependency:
    """Return what DB_API_BASE_URL leads to.

    Args:
        url: the setting.
        workload: the Deployment that asks.
        container: its container that asks.
        sources: who may know the Service that it leads to.
    """
    asked = _asked(url)
    if asked is None:
        return _unreadable(url, workload)
    if asked.host in _LOOPBACK:
        return _own_pod(asked, url, workload, container)
    name, _, rest = asked.host.partition(".")
    namespace = _namespace(name, rest, workload.namespace, sources.network)
    if namespace is None:
        seen = Evidence("Environment", asked.key, f"{asked.host}:{asked.port}, not known as a Service: not judged")
        return Dependency(f"{asked.key} leads to {asked.host}, not known as a Service, and is not judged", (seen,))
    own = namespace == workload.namespace
    known = _known(name, sources) if own else _declared(name, namespace, sources.network)
    full = name if own else f"{name}.{namespace}"
    if known is None:
        return _unknown(asked, full, sources, own=own)
    return _of_service(asked, full, known, tuple(_behind(known, sources.desired, namespace)))


def _asked(url: Effective) -> _Asked | None:
    """Return the parts of an http or https URL, None if it is unknown or none: that is CFG-1's to name."""
    try:
        parts = urlsplit(url.value or "")
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:  # a port that is no number up to 65535, brackets around no address
        return None
    return _Asked(url.key, parts.scheme, parts.hostname, port) if parts.hostname and port else None


def _unreadable(url: Effective, workload: Deployment) -> Dependency:
    evidence = (Evidence(f"Deployment/{workload.name}", f"env[{url.key}]", "not known"),)
    finding = Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"{url.key} is not known ({url.shown if url.value is None else 'no URL that could be read'}): whether it leads "
        "to the patient API was not judged.",
        evidence,
        f"Write {url.key} as a plain value into the pod template, and plan again.",
    )
    return Dependency(f"{url.key} is not known", evidence, (finding,))


def _own_pod(asked: _Asked, url: Effective, workload: Deployment, container: str) -> Dependency:
    beside = replace(
        workload.template, containers=tuple(each for each in workload.template.containers if each.name != container)
    )
    evidence = (Evidence(f"Deployment/{workload.name}", f"env[{asked.key}]", f"{asked.host}:{asked.port}"),)
    clause = f"{asked.key} leads to port {asked.port} of the pod itself"
    if asked.port in {each.port for each in declared_ports(beside)}:
        return Dependency(clause, evidence)
    how = asked.shown if "default" not in url.shown else f"{asked.key} is not set and"
    finding = Finding(
        Status.FAIL,
        Cause.DEPENDENCY_UNREACHABLE,
        f"{how} leads to port {asked.port} of the pod itself, where no other container listens: no question gets its "
        "patient's record.",
        evidence,
        f"Set {asked.key} of container {container} to the patient API's Service, http://NAME:8001.",
    )
    return Dependency(clause, evidence, (finding,))


def _namespace(name: str, rest: str, own: str, network: Network) -> str | None:
    """Return the namespace of a host name behind its first label; None if it is no Service's (DNS for Services)."""
    namespace, _, zone = rest.partition(".")
    if not rest:
        return own
    if zone.split(".")[0] == "svc" or (not zone and namespace == own):
        return namespace
    return namespace if not zone and network.declared_port(name, namespace) is not None else None


def _known(name: str, sources: Sources) -> _Known | None:
    """Return a Service of the app's own namespace; what the cluster has counts for more than what is said of it."""
    found, source = sources.desired.service(name), "in the manifests"
    if found is None:
        snapshot = sources.snapshot
        if snapshot is None or snapshot.unread("services") is not None:
            return _declared(name, None, sources.network)
        found, source = snapshot.service(name), "read from the cluster"
    return _Known(tuple(each.port for each in found.ports), source, found) if found else None


def _declared(name: str, namespace: str | None, network: Network) -> _Known | None:
    port = network.declared_port(name, namespace)
    return None if port is None else _Known((port,), "as the target says")


def _of_service(asked: _Asked, full: str, known: _Known, behind: tuple[Finding, ...]) -> Dependency:
    there = names([str(each) for each in known.ports]) or "none"
    evidence = (Evidence(f"Service/{full}", "spec.ports", f"{there} ({known.source})"),)
    clause = f"{asked.key} to port {asked.port} of Service/{full} ({known.source})"
    external = known.found is not None and known.found.type == "ExternalName"
    if asked.port in known.ports or external:
        return Dependency(clause, evidence, behind)
    right = f"{asked.scheme}://{asked.host}:{known.ports[0] if known.ports else 'PORT'}"
    wrong = Finding(
        Status.FAIL,
        Cause.DEPENDENCY_UNREACHABLE,
        f"{asked.key} asks port {asked.port} of Service/{full}, which has port {there} ({known.source}): no question "
        "gets its patient's record.",
        evidence,
        f"Set {asked.key}={right} in the pod template, and apply.",
    )
    return Dependency(clause, evidence, (wrong, *behind))


def _unknown(asked: _Asked, full: str, sources: Sources, *, own: bool) -> Dependency:
    evidence = (Evidence(f"Service/{full}", "spec.ports", "not known"),)
    snapshot = sources.snapshot if own else None
    unread = snapshot.unread("services") if snapshot else None
    if snapshot is not None and unread is not None:
        finding = unread_finding(snapshot, unread, subject="The Services", resource="services")
    elif snapshot is not None:
        there = names([each.name for each in snapshot.services]) or "none"
        finding = Finding(
            Status.FAIL,
            Cause.DEPENDENCY_UNREACHABLE,
            f"{asked.key} leads to Service/{full}, which is neither in the manifests nor in namespace "
            f"{snapshot.namespace}; Services there: {there}.",
            (Evidence(f"Namespace/{snapshot.namespace}", "services", there, snapshot.read_at),),
            f"Deploy the patient API first, or correct {asked.key}: kubectl get services -n {snapshot.namespace}",
        )
    else:
        finding = Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"Whether Service/{full} has port {asked.port}, which {asked.key} asks, is not known: it is not in "
            "the manifests, and no cluster was read that has it.",
            evidence,
            f'Say what others deploy in the target: [network] services = ["{full}:PORT"].',
        )
    return Dependency(f"{asked.key} to port {asked.port} of Service/{full}, which nobody knows", evidence, (finding,))


def _behind(known: _Known, desired: Desired, namespace: str) -> Iterator[Finding]:
    """Yield where the Service and the Deployment of the same manifests that it selects do not line up."""
    found = known.found
    if found is None:
        return
    owner = next((each for each in desired.deployments if selects(found, each.template_labels)), None)
    if owner is not None:
        first = next(each for each in owner.template.containers if each.sidecar or not each.init)
        yield from wiring_findings(
            found, owner.template, owner.template_labels, container=first.name, namespace=namespace
        )
