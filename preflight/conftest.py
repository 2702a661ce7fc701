"""What preflight looks at: the deploy as it is meant to be, the model, the nodes planned or read, the image, the plan.

A cluster is read only if the target has one; offline, none of this imports a Kubernetes, HTTP or AWS client.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.context import Gate
from gate.diagnosis.way_back import Recorded
from gate.plan.parse import Plan, parse_plan
from gate.readers.errors import Malformed, NotFound
from gate.readers.manifests import read_plan
from gate.readers.models import MODELS, SETTINGS, model_facts, settings_schema
from gate.records import Deployment, Hpa, ImageFacts, ImageUnread, ModelFacts, SettingsSchema, Snapshot, StartTime
from gate.report.deploys import FOLDER, read_deploys
from gate.report.run import ReportError
from gate.sizing import offers
from gate.sizing.disk import model_cache
from gate.sizing.instances import UnknownInstanceTypeError, instance
from gate.sizing.offers import Planned, closed_to
from gate.sizing.starting import start_time

#: What terraform reads from an environment's folder and from the modules below the same root.
CONFIGURATION = ("*.tf", "*.tfvars", "*.tftpl")
MODULES = Path("infra/terraform/modules")


@pytest.fixture(scope="session")
def snapshot(gate: Gate) -> Snapshot | None:
    """The run's Snapshot, None where the target has no cluster."""
    return gate.snapshot() if gate.target.has("cluster") else None


@pytest.fixture(scope="session")
def workload(gate: Gate) -> Deployment:
    """The Deployment as it is meant to be."""
    name = gate.target.cluster.deployment
    found = gate.desired.deployment(name)
    if found is None:
        raise NotFound(f"{gate.desired.source}: no Deployment/{name}; render or plan the manifests again")
    try:
        container = found.container(gate.target.cluster.container)
    except LookupError as error:
        raise Malformed(f"{gate.desired.source}: {error}") from error
    gate.image = gate.image or container.image
    return found


@pytest.fixture(scope="session")
def hpa(gate: Gate) -> Hpa | None:
    """The HorizontalPodAutoscaler of the Deployment as it is meant to be, None if there is none."""
    return gate.desired.scaler(gate.target.cluster.deployment)


@pytest.fixture(scope="session")
def model(gate: Gate) -> ModelFacts:
    """The model that is to answer."""
    return model_facts(gate.target.model.name, gate.root / MODELS)


@pytest.fixture(scope="session")
def settings(gate: Gate) -> SettingsSchema:
    """Every setting of the service."""
    return replace(settings_schema(gate.root / SETTINGS), source=str(SETTINGS))


@pytest.fixture(scope="session")
def planned(gate: Gate) -> Planned | None:
    """The nodes as planned, None where the target does not name them."""
    nodes = gate.target.nodes
    return offers.planned(nodes, gate.desired) if nodes is not None else None


@pytest.fixture(scope="session")
def platforms(snapshot: Snapshot | None, planned: Planned | None, workload: Deployment) -> frozenset[str]:
    """The OS/ARCH of the nodes that may get the pod, empty where nothing is known about them."""
    if snapshot is not None and snapshot.nodes:
        return frozenset(
            f"{node.operating_system}/{node.architecture}"
            for node in snapshot.nodes
            if not closed_to(node, workload.template)
        )
    try:
        return frozenset({f"linux/{instance(planned.nodes.instance_type).architecture}"} if planned else ())
    except UnknownInstanceTypeError:
        return frozenset()


@pytest.fixture(scope="session")
def reference(gate: Gate, workload: Deployment) -> str:
    """The image that the deploy is to run."""
    container = workload.template.container(gate.target.cluster.container)
    return container.image if container else ""


@pytest.fixture(scope="session")
def image(gate: Gate, reference: str) -> ImageFacts | ImageUnread | None:
    """What the registry says about that image, None where the target has no registry."""
    return _described(gate, reference)


@pytest.fixture(scope="session")
def clients(gate: Gate) -> Mapping[str, float]:
    """For how many seconds callers wait, by the target's key that says so; acceptance is a caller too."""
    stated = {"acceptance.request_timeout_s": gate.target.acceptance.request_timeout_s}
    of_users = gate.target.network.client_timeout_s
    return stated if of_users is None else {**stated, "network.client_timeout_s": of_users}


@pytest.fixture(scope="session")
def start(
    gate: Gate, model: ModelFacts, workload: Deployment, planned: Planned | None, snapshot: Snapshot | None
) -> StartTime:
    """How long the container will need until its model is loaded, on the nodes that may get the pod."""
    container = workload.container(gate.target.cluster.container)
    if snapshot is not None and snapshot.nodes:
        types = {node.instance_type for node in snapshot.nodes if not closed_to(node, workload.template)}
    else:
        types = {planned.nodes.instance_type} if planned else set()
    downloads = model_cache(workload.template, container).downloads
    return start_time(model, container, use=gate.target.model, node_types=types - {""}, downloads=downloads)


@pytest.fixture(scope="session")
def running_reference(gate: Gate) -> str | None:
    """The image that runs now, None where none does."""
    container = gate.snapshot().container(gate.target.cluster.deployment, gate.target.cluster.container)
    return container.image if container else None


@pytest.fixture(scope="session")
def running_image(gate: Gate, running_reference: str | None) -> ImageFacts | ImageUnread | None:
    """What the registry says about the image that runs now, None where there is no such image or no registry."""
    return None if running_reference is None else _described(gate, running_reference)


def _described(gate: Gate, reference: str) -> ImageFacts | ImageUnread | None:
    if not gate.target.has("registry"):
        return None
    from gate.readers.registry import read_image  # noqa: PLC0415  # httpx costs 0.2 s, and offline needs none

    return read_image(reference, gate.target.registry)


@pytest.fixture(scope="session")
def recorded(gate: Gate, running_reference: str | None) -> Recorded | None:
    """How the last deploy of the image that runs now was judged, None where none is on record here."""
    try:
        found = read_deploys(gate.root / FOLDER, [gate.target.name])
    except ReportError as error:
        raise Malformed(str(error)) from error
    return next((Recorded(status=each.status, at=each.at) for each in found if each.image == running_reference), None)


@pytest.fixture(scope="session")
def plan(gate: Gate, settings: SettingsSchema) -> Plan:
    """The saved Terraform plan."""
    path = gate.target.desired.plan
    if path is None:
        raise NotFound("the target names no plan")
    return parse_plan(read_plan(gate.root / path), known_keys=[each.key for each in settings.settings])


@pytest.fixture(scope="session")
def configuration(gate: Gate) -> tuple[Path, datetime]:
    """The configuration file of the plan's environment or of a module that was changed last, and when."""
    plan = gate.target.desired.plan
    files = list(_configuration(gate.root, plan.parent if plan else MODULES))
    if not files:
        raise NotFound(f"no Terraform configuration beside {plan} or below {MODULES}")
    newest = max(files, key=lambda each: each.stat().st_mtime)
    return newest.relative_to(gate.root), datetime.fromtimestamp(newest.stat().st_mtime, UTC)


def _configuration(root: Path, environment: Path) -> Iterator[Path]:
    for pattern in CONFIGURATION:
        yield from (root / environment).glob(pattern)
        yield from (root / MODULES).rglob(pattern)
