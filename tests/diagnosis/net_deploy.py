"""A deploy whose way in and out is in order, changed one thing at a time by the tests of NET-1."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gate.diagnosis.dependency import Sources
from gate.diagnosis.wiring import network_verdict
from gate.records import (
    ContainerPort,
    ContainerSpec,
    Deployment,
    Desired,
    EnvVar,
    PodSpec,
    Service,
    ServicePort,
    Setting,
    SettingsSchema,
    Snapshot,
)
from gate.target import Network
from gate.verdict import Verdict
from tests.diagnosis import factories as make

SCHEMA = SettingsSchema(
    source="service_chat/settings.schema.json",
    settings=(
        Setting(key="PORT", type="integer", default="8002"),
        Setting(key="BIND_ADDRESS", type="string", default="0.0.0.0"),  # noqa: S104  # as the service's own schema
        Setting(key="REQUEST_DEADLINE_S", type="number", default="9.0"),
        Setting(key="DB_API_BASE_URL", type="string", format="uri", default="http://localhost:8001/"),
    ),
)
URL = EnvVar(name="DB_API_BASE_URL", value="http://patient-api-service:8001")
SERVICE = replace(make.healthy_snapshot().services[0], ingress=())
PATIENT_LABELS = {"app": "patient-api"}
PATIENTS = Service(
    name="patient-api-service",
    selector=PATIENT_LABELS,
    ports=(ServicePort(name="http", port=8001, target_port="http"),),
)
PATIENT_API = Deployment(
    name="patient-api",
    namespace=make.NAMESPACE,
    template_labels=PATIENT_LABELS,
    template=PodSpec(
        containers=(ContainerSpec(name="patient-api", image="p", ports=(ContainerPort(name="http", port=8001),)),)
    ),
)
CLIENTS = {"acceptance.request_timeout_s": 60.0}


def env(**values: str) -> tuple[EnvVar, ...]:
    """Return the right URL and further variables, which win over it."""
    return (URL, *(EnvVar(name=key, value=value) for key, value in values.items()))


def judge(
    *,
    service: Service | None = SERVICE,
    others: tuple[Service, ...] = (PATIENTS,),
    deployments: tuple[Deployment, ...] = (PATIENT_API,),
    snapshot: Snapshot | None = None,
    network: Network | None = None,
    clients: Mapping[str, float] = CLIENTS,
    workload: Deployment | None = None,
    **container: Any,
) -> Verdict:
    """Return NET-1 of that deploy; without arguments it passes."""
    template = make.pod_spec(containers=(make.container_spec(**{"env": env()} | container),))
    workload = workload or replace(make.deployment(), template=template)
    desired = Desired(
        source="infra/terraform/rendered/demo.yaml",
        deployments=(workload, *deployments),
        services=(*([service] if service else []), *others),
    )
    sources = Sources(desired=desired, snapshot=snapshot, network=network or Network())
    return network_verdict(
        workload, container=make.CONTAINER, service="chat-api-service", schema=SCHEMA, sources=sources, clients=clients
    )


def told(verdict: Verdict) -> tuple[Any, Any, str]:
    """Return what a reader acts on."""
    return verdict.status, verdict.cause, verdict.reason
