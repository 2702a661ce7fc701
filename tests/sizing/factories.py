"""The deploy of the release checklist, as records: Qwen3-4B on the nodes that the first rollout found too small."""

from dataclasses import replace
from datetime import UTC, datetime

from gate.records import (
    ClusterIdentity,
    Condition,
    ContainerSpec,
    Deployment,
    EnvVar,
    Hpa,
    ModelFacts,
    Node,
    Owner,
    Pod,
    PodSpec,
    ReplicaSet,
    Resources,
    Snapshot,
)
from gate.sizing.offers import Planned, system_pods
from gate.target import Model, Nodes

MIB = 2**20
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

QWEN = ModelFacts(
    name="Qwen3-4B-Thinking-2507",
    parameters=4_022_468_096,
    kv_bytes_per_token=147_456,
    quantization="Q4_K_M",
    weights_bytes=2_497_281_152,
    context_tokens=262_144,
    thinking=True,
    max_tokens=256,
    thinking_budget_tokens=128,
)
USE = Model(name=QWEN.name)
HPA = Hpa(
    name="chat-api",
    target_kind="Deployment",
    target_name="chat-api",
    min_replicas=2,
    max_replicas=5,
    cpu_target_percent=60,
)


def container(
    *,
    request_mib: int = 9216,
    limit_mib: int | None = 10240,
    cpu_m: int = 1000,
    cpu_limit_m: int | None = None,
    **env: str,
) -> ContainerSpec:
    """Return the chat-api container; without arguments as the checklist's first rollout declared it."""
    return ContainerSpec(
        name="chat-api",
        image="registry/carepath-chat-api:v2.0",
        requests=Resources(cpu_m=cpu_m, memory_bytes=request_mib * MIB),
        limits=Resources(cpu_m=cpu_limit_m, memory_bytes=None if limit_mib is None else limit_mib * MIB),
        env=tuple(EnvVar(name=key, value=value) for key, value in env.items()),
    )


def workload(of: ContainerSpec | None = None, *, surge: str = "1", unavailable: str = "0") -> Deployment:
    """Return the Deployment around a container."""
    return Deployment(
        name="chat-api",
        namespace="carepath-demo",
        uid="deployment",
        template=PodSpec(containers=(of or container(),)),
        max_surge=surge,
        max_unavailable=unavailable,
    )


def planned(
    instance_type: str, count: int = 2, *candidates: str, architectures: tuple[str, ...] = ("amd64",)
) -> Planned:
    """Return so many planned nodes of a type, with an HPA in the cluster and no volume claim."""
    return Planned(
        nodes=Nodes(instance_type=instance_type, count=count, candidates=candidates),
        system=system_pods(with_hpa=True, with_claims=False),
        architectures=architectures,
    )


def node(name: str, *, free_mib: int = 0, free_cpu_m: int = 1000, instance_type: str = "r5.large") -> Node:
    """Return a ready r5.large node (15011 MiB, 1930m) of which so much is free."""
    allocatable = Resources(cpu_m=1930, memory_bytes=15011 * MIB, ephemeral_storage_bytes=18_242_267_924, pods=29)
    return Node(
        name=name,
        architecture="amd64",
        operating_system="linux",
        instance_type=instance_type,
        allocatable=allocatable,
        requested=Resources(
            cpu_m=1930 - free_cpu_m, memory_bytes=(15011 - free_mib) * MIB, ephemeral_storage_bytes=0, pods=6
        ),
        conditions=(Condition(type="Ready", status="True"),),
    )


def pod(name: str, on: str, *, request_mib: int, cpu_m: int = 100) -> Pod:
    """Return a running pod of the Deployment's first revision."""
    return Pod(
        name=name,
        namespace="carepath-demo",
        uid=name,
        owner=Owner(kind="ReplicaSet", name="chat-api-1", uid="replica-set"),
        node=on,
        phase="Running",
        spec=PodSpec(containers=(container(request_mib=request_mib, cpu_m=cpu_m),)),
    )


def snapshot(nodes: tuple[Node, ...], pods: tuple[Pod, ...] = (), *, replicas: int = 2) -> Snapshot:
    """Return a cluster with these nodes, on which the first revision runs."""
    deployment = replace(workload(), desired=replicas)
    owner = Owner(kind="Deployment", name="chat-api", uid="deployment")
    return Snapshot(
        read_at=NOW,
        cluster=ClusterIdentity(server="https://10.90.0.2:6443", context=None, kube_system_uid=None, version="v1.34.4"),
        namespace="carepath-demo",
        deployments=(deployment,),
        replica_sets=(
            ReplicaSet(name="chat-api-1", uid="replica-set", revision=1, owner=owner, template=deployment.template),
        ),
        pods=pods,
        nodes=nodes,
    )
