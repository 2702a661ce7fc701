"""Records of a healthy rollout, for tests to break one thing at a time.

`healthy_snapshot()` is chat-api at revision 2: two ready pods on one node, the first revision scaled to zero, Service,
endpoints, HPA and metrics in order. The values are those of the rendered manifests and of the embedded cluster's node.
"""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gate.records import (
    ClusterIdentity,
    Condition,
    ContainerPort,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    Deployment,
    Endpoint,
    EnvVar,
    Event,
    Hpa,
    Node,
    Owner,
    Pod,
    PodSpec,
    PodUsage,
    Probe,
    ReplicaSet,
    Resources,
    Service,
    ServicePort,
    Snapshot,
)

NAMESPACE = "carepath-demo"
DEPLOYMENT = "chat-api"
CONTAINER = "chat-api"
NODE = "carepath-node"
REPOSITORY = "localhost:5000/carepath-chat-api"
DIGEST = "sha256:" + "2" * 64
OLD_DIGEST = "sha256:" + "1" * 64
LABELS: Mapping[str, str] = {"app": "chat-api"}

#: When every snapshot is read, unless told otherwise.
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
MIB = 2**20
GIB = 2**30

NEW_REPLICA_SET = "chat-api-6b7f9c5d4"
OLD_REPLICA_SET = "chat-api-5d4c8b7f6"


def ago(seconds: float) -> datetime:
    """Return the time that many seconds before the snapshot is read."""
    return NOW - timedelta(seconds=seconds)


def condition(kind: str, status: str = "True", *, reason: str = "", message: str = "", age_s: float = 60) -> Condition:
    """Return a condition that has stood for ``age_s`` seconds."""
    return Condition(type=kind, status=status, reason=reason, message=message, at=ago(age_s))


def container_spec(**changes: Any) -> ContainerSpec:
    """Return the chat-api container as the manifests declare it."""
    spec = ContainerSpec(
        name=CONTAINER,
        image=f"{REPOSITORY}@{DIGEST}",
        requests=Resources(cpu_m=250, memory_bytes=512 * MIB),
        limits=Resources(cpu_m=1000, memory_bytes=512 * MIB),
        env=(EnvVar(name="LLM_MODE", value="SmolLM2-135M-Instruct"),),
        ports=(ContainerPort(name="http", port=8002),),
        startup=Probe(kind="http", path="/ready", port="http", period_s=2, timeout_s=5, failure_threshold=60),
        readiness=Probe(kind="http", path="/ready", port="http", period_s=2, timeout_s=5, failure_threshold=3),
        liveness=Probe(kind="http", path="/health", port="http", period_s=10, timeout_s=5, failure_threshold=6),
    )
    return replace(spec, **changes)


def pod_spec(**changes: Any) -> PodSpec:
    """Return the pod template of chat-api."""
    return replace(PodSpec(containers=(container_spec(),), service_account="chat-api"), **changes)


def running(age_s: float = 60) -> ContainerState:
    """Return the state of a container that started ``age_s`` seconds ago."""
    return ContainerState(kind="running", started_at=ago(age_s))


def waiting(reason: str, message: str = "") -> ContainerState:
    """Return the state of a container that does not run yet, or not any more."""
    return ContainerState(kind="waiting", reason=reason, message=message)


def terminated(
    exit_code: int, reason: str = "Error", *, message: str = "", ran_s: float = 5, ended_ago_s: float = 10
) -> ContainerState:
    """Return the state of a container that ran for ``ran_s`` seconds and ended ``ended_ago_s`` seconds ago."""
    return ContainerState(
        kind="terminated",
        reason=reason,
        message=message,
        exit_code=exit_code,
        started_at=ago(ended_ago_s + ran_s),
        finished_at=ago(ended_ago_s),
    )


def container_status(**changes: Any) -> ContainerStatus:
    """Return the status of a chat-api container that is up."""
    status = ContainerStatus(
        name=CONTAINER,
        image=f"{REPOSITORY}:v2.0",
        image_id=f"{REPOSITORY}@{DIGEST}",
        ready=True,
        started=True,
        state=running(),
    )
    return replace(status, **changes)


def ready_conditions(age_s: float = 60) -> tuple[Condition, ...]:
    """Return the conditions of a pod that became ready ``age_s`` seconds ago."""
    return tuple(condition(kind, age_s=age_s) for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"))


def unready_conditions(age_s: float = 60, reason: str = "ContainersNotReady") -> tuple[Condition, ...]:
    """Return the conditions of a pod that was scheduled ``age_s`` seconds ago and is not ready."""
    return (
        condition("PodScheduled", age_s=age_s),
        condition("Initialized", age_s=age_s),
        condition("ContainersReady", "False", reason=reason, age_s=age_s),
        condition("Ready", "False", reason=reason, age_s=age_s),
    )


def owner(name: str = NEW_REPLICA_SET, kind: str = "ReplicaSet") -> Owner:
    """Return the controller reference to an object of these factories: its UID is made from its name."""
    return Owner(kind=kind, name=name, uid=f"uid-{name}")


def pod(name: str = f"{NEW_REPLICA_SET}-aaaaa", **changes: Any) -> Pod:
    """Return a ready pod of the newest revision."""
    record = Pod(
        name=name,
        namespace=NAMESPACE,
        uid=f"uid-{name}",
        labels=LABELS,
        owner=owner(),
        node=NODE,
        phase="Running",
        ip="10.244.0.11",
        created_at=ago(90),
        conditions=ready_conditions(),
        spec=pod_spec(),
        statuses=(container_status(),),
    )
    return replace(record, **changes)


def unready_pod(
    state: ContainerState,
    name: str = f"{NEW_REPLICA_SET}-aaaaa",
    *,
    status: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Pod:
    """Return a scheduled pod of the newest revision whose container is in that state and not ready."""
    up = state.kind == "running"
    own = container_status(**{"ready": False, "started": up, "state": state} | dict(status or {}))
    return pod(
        name,
        **{"phase": "Running" if up else "Pending", "conditions": unready_conditions(), "statuses": (own,)} | changes,
    )


def unscheduled_pod(
    message: str,
    name: str = f"{NEW_REPLICA_SET}-bbbbb",
    *,
    reason: str = "Unschedulable",
    age_s: float = 60,
    **changes: Any,
) -> Pod:
    """Return a pod that the scheduler could not place, with the scheduler's message."""
    conditions = (condition("PodScheduled", "False", reason=reason, message=message, age_s=age_s),)
    facts: dict[str, Any] = {"node": None, "phase": "Pending", "ip": None, "conditions": conditions, "statuses": ()}
    return pod(name, **facts | {"created_at": ago(age_s)} | changes)


def replica_set(name: str = NEW_REPLICA_SET, revision: int | None = 2, **changes: Any) -> ReplicaSet:
    """Return the newest revision, complete with two replicas."""
    record = ReplicaSet(
        name=name,
        uid=f"uid-{name}",
        revision=revision,
        labels=LABELS,
        owner=owner(DEPLOYMENT, "Deployment"),
        created_at=ago(90),
        generation=1,
        observed_generation=1,
        desired=2,
        current=2,
        ready=2,
        available=2,
        template=pod_spec(),
    )
    return replace(record, **changes)


def old_replica_set(**changes: Any) -> ReplicaSet:
    """Return the first revision, scaled to zero by the rolling update."""
    facts: dict[str, Any] = {
        "created_at": ago(86_400),
        "desired": 0,
        "current": 0,
        "ready": 0,
        "available": 0,
        "template": pod_spec(containers=(container_spec(image=f"{REPOSITORY}@{OLD_DIGEST}"),)),
    }
    return replica_set(OLD_REPLICA_SET, 1, **facts | changes)


def old_pod(name: str = f"{OLD_REPLICA_SET}-zzzzz", **changes: Any) -> Pod:
    """Return a ready pod of the first revision."""
    image = {"image": f"{REPOSITORY}:v1.0", "image_id": f"{REPOSITORY}@{OLD_DIGEST}"}
    facts: dict[str, Any] = {
        "owner": owner(OLD_REPLICA_SET),
        "created_at": ago(86_400),
        "ip": "10.244.0.21",
        "conditions": ready_conditions(86_000),
        "statuses": (container_status(state=running(86_000), **image),),
        "spec": pod_spec(containers=(container_spec(image=f"{REPOSITORY}@{OLD_DIGEST}"),)),
    }
    return pod(name, **facts | changes)


def deployment(**changes: Any) -> Deployment:
    """Return chat-api at revision 2, complete."""
    record = Deployment(
        name=DEPLOYMENT,
        namespace=NAMESPACE,
        uid=f"uid-{DEPLOYMENT}",
        labels=LABELS,
        selector=LABELS,
        template_labels=LABELS,
        template=pod_spec(),
        revision=2,
        generation=2,
        observed_generation=2,
        desired=2,
        max_surge="1",
        max_unavailable="0",
        current=2,
        updated=2,
        ready=2,
        available=2,
        conditions=(
            condition("Available", reason="MinimumReplicasAvailable"),
            condition("Progressing", reason="NewReplicaSetAvailable"),
        ),
    )
    return replace(record, **changes)


def node(name: str = NODE, **changes: Any) -> Node:
    """Return a node like the embedded cluster's: 2 CPUs, 8 GiB, amd64, with room to spare."""
    record = Node(
        name=name,
        labels={"kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64"},
        architecture="amd64",
        operating_system="linux",
        capacity=Resources(cpu_m=2000, memory_bytes=8 * GIB, ephemeral_storage_bytes=20 * GIB, pods=110),
        allocatable=Resources(cpu_m=1930, memory_bytes=7 * GIB, ephemeral_storage_bytes=17 * GIB, pods=110),
        requested=Resources(cpu_m=700, memory_bytes=GIB, ephemeral_storage_bytes=0, pods=6),
        conditions=(
            condition("Ready", reason="KubeletReady"),
            condition("MemoryPressure", "False"),
            condition("DiskPressure", "False"),
            condition("PIDPressure", "False"),
        ),
    )
    return replace(record, **changes)


def event(
    reason: str, message: str, about: Pod | str, *, kind: str = "Pod", count: int = 1, age_s: float = 10, **changes: Any
) -> Event:
    """Return an event about a pod, or about the object of that kind and name, last seen ``age_s`` seconds ago."""
    name = about if isinstance(about, str) else about.name
    record = Event(
        type="Warning",
        reason=reason,
        message=message,
        kind=kind,
        name=name,
        uid=f"uid-{name}",
        count=count,
        first_at=ago(age_s + 10 * (count - 1)),
        last_at=ago(age_s),
        reporter="kubelet",
    )
    return replace(record, **changes)


def healthy_snapshot(**changes: Any) -> Snapshot:
    """Return a rollout that is complete and in order."""
    pods = (pod(), pod(f"{NEW_REPLICA_SET}-bbbbb", ip="10.244.0.12"))
    snapshot = Snapshot(
        read_at=NOW,
        cluster=ClusterIdentity(
            server="https://10.90.0.2:6443", context="carepath", kube_system_uid="uid-kube-system", version="v1.34.4"
        ),
        namespace=NAMESPACE,
        deployments=(deployment(),),
        replica_sets=(old_replica_set(), replica_set()),
        pods=pods,
        services=(
            Service(
                name="chat-api-service",
                type="LoadBalancer",
                selector=LABELS,
                ports=(ServicePort(name="http", port=80, target_port="http"),),
                ingress=("localhost",),
            ),
        ),
        endpoints=tuple(
            Endpoint(service="chat-api-service", address=each.ip or "", ports=(8002,), pod=each.name, ready=True)
            for each in pods
        ),
        hpas=(
            Hpa(
                name="chat-api",
                target_kind="Deployment",
                target_name=DEPLOYMENT,
                min_replicas=2,
                max_replicas=4,
                current_replicas=2,
                desired_replicas=2,
                cpu_target_percent=60,
                cpu_current_percent=5,
                conditions=(
                    condition("AbleToScale", reason="ReadyForNewScale"),
                    condition("ScalingActive", reason="ValidMetricFound"),
                    condition("ScalingLimited", "False", reason="DesiredWithinRange"),
                ),
                created_at=ago(86_400),
            ),
        ),
        nodes=(node(),),
        usage=tuple(
            PodUsage(pod=each.name, container=CONTAINER, cpu_m=12, memory_bytes=120 * MIB, at=ago(5), window_s=10)
            for each in pods
        ),
    )
    return replace(snapshot, **changes)


def rollout_snapshot(*pods: Pod, desired: int | None = None, **changes: Any) -> Snapshot:
    """Return a rollout of the newest revision with exactly these pods, its counts in step with them.

    ``desired`` is the number of replicas asked for; by default as many as there are pods of the newest revision.
    """
    newest = [each for each in pods if each.owner == owner()]
    ready = sum(each.ready for each in newest)
    wanted = len(newest) if desired is None else desired
    counts: dict[str, Any] = {"ready": ready, "available": ready}
    alive = sum(each.phase not in ("Failed", "Succeeded") and not each.terminating for each in newest)
    facts: dict[str, Any] = {
        "pods": pods,
        "deployments": (
            deployment(
                desired=wanted,
                current=len([each for each in pods if not each.terminating]),
                updated=alive,
                conditions=(condition("Progressing", reason="ReplicaSetUpdated"),),
                **counts,
            ),
        ),
        "replica_sets": (old_replica_set(), replica_set(desired=wanted, current=alive, **counts)),
    }
    return healthy_snapshot(**facts | changes)
