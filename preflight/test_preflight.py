"""What must hold before a deploy. The order is a ladder: what is wrong further up explains what fails below."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from gate.context import Gate
from gate.diagnosis.config import config_verdict
from gate.diagnosis.dependency import Sources
from gate.diagnosis.hpa import metrics_api_verdict
from gate.diagnosis.probe_settings import probe_verdict
from gate.diagnosis.registry_image import image_verdict
from gate.diagnosis.way_back import Recorded, way_back_verdict
from gate.diagnosis.wiring import network_verdict
from gate.plan.parse import Plan
from gate.plan.verdict import plan_verdict
from gate.records import Deployment, Hpa, ImageFacts, ImageUnread, ModelFacts, SettingsSchema, Snapshot, StartTime
from gate.sizing.capacity import capacity_verdict
from gate.sizing.disk_fit import disk_verdict
from gate.sizing.fit import memory_verdict
from gate.sizing.latency import latency_verdict
from gate.sizing.nodes import node_verdict
from gate.sizing.offers import Planned
from gate.sizing.scaling import scaling_verdict
from gate.sizing.volumes import volume_verdict

pytestmark = pytest.mark.preflight


@pytest.mark.criterion("CFG-1")
def test_environment_is_what_the_service_reads(gate: Gate, workload: Deployment, settings: SettingsSchema) -> None:
    """Every key is a setting, every value parses, and the mode is the target's model."""
    gate.judge(
        config_verdict(workload, container=gate.target.cluster.container, schema=settings, model=gate.target.model.name)
    )


@pytest.mark.criterion("NODE-1")
def test_node_type_is_known(gate: Gate, snapshot: Snapshot | None) -> None:
    """What a node can allocate is read or computed."""
    gate.judge(node_verdict(nodes=gate.target.nodes, snapshot=snapshot))


@pytest.mark.criterion("FIT-1")
def test_memory_of_model_fits(
    gate: Gate, model: ModelFacts, workload: Deployment, planned: Planned | None, snapshot: Snapshot | None
) -> None:
    """Weights, KV cache and runtime fit the memory limit and the node."""
    gate.judge(
        memory_verdict(
            model,
            workload,
            container=gate.target.cluster.container,
            use=gate.target.model,
            planned=planned,
            snapshot=snapshot,
        )
    )


@pytest.mark.criterion("FIT-2")
def test_pods_fit_free_capacity(
    gate: Gate, workload: Deployment, hpa: Hpa | None, planned: Planned | None, snapshot: Snapshot | None
) -> None:
    """The minimum of replicas and the surge of the rolling update find room."""
    gate.judge(capacity_verdict(workload, hpa=hpa, planned=planned, snapshot=snapshot))


@pytest.mark.criterion("FIT-3")
def test_image_and_model_fit_the_disks(
    gate: Gate,
    model: ModelFacts,
    workload: Deployment,
    *,
    image: ImageFacts | ImageUnread | None,
    planned: Planned | None,
    snapshot: Snapshot | None,
) -> None:
    """The image, what it unpacks to and the model find room on the node's disk or their volume."""
    gate.judge(
        disk_verdict(
            model,
            workload,
            container=gate.target.cluster.container,
            use=gate.target.model,
            desired=gate.desired,
            image=image,
            planned=planned,
            snapshot=snapshot,
        )
    )


@pytest.mark.criterion("STO-1")
def test_claims_can_be_mounted_by_every_replica(
    gate: Gate, workload: Deployment, planned: Planned | None, snapshot: Snapshot | None
) -> None:
    """Class, driver, access mode and zone of the claims suit every pod that may stand."""
    gate.judge(volume_verdict(workload, desired=gate.desired, planned=planned, snapshot=snapshot))


@pytest.mark.criterion("IMG-1")
def test_image_exists_for_the_nodes(
    gate: Gate, reference: str, image: ImageFacts | ImageUnread, platforms: frozenset[str]
) -> None:
    """The image is in its registry, for the nodes' platform, and named by digest."""
    gate.judge(image_verdict(image, reference=reference, platforms=platforms))


@pytest.mark.criterion("PRB-1")
def test_probes_leave_time_to_load_answer_and_end(
    gate: Gate, workload: Deployment, settings: SettingsSchema, start: StartTime
) -> None:
    """The startup budget exceeds the predicted load, and liveness survives the longest inference."""
    gate.judge(probe_verdict(workload, container=gate.target.cluster.container, schema=settings, start=start))


@pytest.mark.criterion("NET-1")
def test_requests_find_their_way_and_are_waited_for(
    gate: Gate, workload: Deployment, settings: SettingsSchema, snapshot: Snapshot | None, clients: Mapping[str, float]
) -> None:
    """Selector, ports and the patient API's URL line up, and nobody gives up before the service's deadline."""
    cluster = gate.target.cluster
    gate.judge(
        network_verdict(
            workload,
            container=cluster.container,
            service=cluster.service,
            schema=settings,
            sources=Sources(desired=gate.desired, snapshot=snapshot, network=gate.target.network),
            clients=clients,
        )
    )


@pytest.mark.criterion("LAT-0")
def test_answer_comes_in_time(
    gate: Gate,
    model: ModelFacts,
    workload: Deployment,
    settings: SettingsSchema,
    *,
    planned: Planned | None,
    snapshot: Snapshot | None,
) -> None:
    """The longest answer that the settings allow is predicted to end in time."""
    gate.judge(
        latency_verdict(
            model,
            workload,
            container=gate.target.cluster.container,
            schema=settings,
            use=gate.target.model,
            planned=planned,
            snapshot=snapshot,
        )
    )


@pytest.mark.criterion("HPA-0")
def test_inference_leaves_the_autoscaler_room(
    gate: Gate,
    model: ModelFacts,
    workload: Deployment,
    settings: SettingsSchema,
    *,
    hpa: Hpa | None,
    planned: Planned | None,
    snapshot: Snapshot | None,
) -> None:
    """A question, and replicas that are all busy, do not look like the load of many."""
    gate.judge(
        scaling_verdict(
            model,
            workload,
            hpa,
            container=gate.target.cluster.container,
            schema=settings,
            use=gate.target.model,
            planned=planned,
            snapshot=snapshot,
        )
    )


@pytest.mark.criterion("MET-0")
def test_metrics_api_serves(gate: Gate) -> None:
    """The metrics API serves, so that an HPA can work."""
    gate.judge(metrics_api_verdict(gate.snapshot()))


@pytest.mark.criterion("TFP-1")
def test_plan_changes_only_this_deploy(gate: Gate, plan: Plan, configuration: tuple[Path, datetime]) -> None:
    """The saved plan changes what this deploy is about, and destroys nothing that holds data."""
    newest, changed_at = configuration
    gate.judge(
        plan_verdict(
            plan,
            allowed_changes=gate.target.desired.allowed_changes,
            source=str(gate.target.desired.plan),
            configuration_at=changed_at,
            configuration=str(newest),
        )
    )


@pytest.mark.criterion("RBK-0")
def test_deploy_can_be_rolled_back(
    gate: Gate, workload: Deployment, running_image: ImageFacts | ImageUnread | None, recorded: Recorded | None
) -> None:
    """What runs now stays a way back: kept, its image there, well, and green when it was deployed."""
    gate.judge(
        way_back_verdict(
            gate.snapshot(),
            workload,
            container=gate.target.cluster.container,
            image=running_image,
            recorded=recorded,
        )
    )
