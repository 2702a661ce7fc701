"""Fills a simulated cluster: nodes, Deployments, and the pods that are broken. Writes only to an instance of ours.

The pods are made by the real controllers and placed by the real scheduler; what a kubelet would say of them is kwok's.
Two kinds of fault are the control plane's own (no node is large enough, no such StorageClass). The three that only a
kubelet can report are written into the pods' status in the words of a real one (tests/diagnosis/recorded).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gate.causes import Cause
from infra.cluster.api import Api

NAMESPACE = "scale"
NODES = 500
APPS = 10
#: Pods with each fault; more than a reason names, so that they have to be listed.
ALIKE = 4
#: Running pods that ``break_pods`` breaks, and the apps that they belong to.
BROKEN_LATER = 3 * ALIKE
APPS_BROKEN = 2

CONTAINER = "main"
IMAGE = "registry.example/chat-api:v2.0"
#: For the longest step on two busy cores: 2,500 pods to be made, placed and run.
READY_DEADLINE_S = 420.0
POLL_S = 1.0

#: Longer ago than any tolerance (gate/diagnosis/tolerances.py): what is wrong now stays wrong.
SINCE = timedelta(minutes=30)

TOO_LARGE = "too-large"
NO_CLASS = "no-class"

State = Mapping[str, Any]


@dataclass(frozen=True)
class Fault:
    """What a kubelet reports: of which app's pods, and the container's state now and before."""

    app: str
    cause: Cause
    state: State
    last_state: State
    restarts: int = 0


def kubelet_faults(now: datetime) -> tuple[Fault, ...]:
    """Return the faults that are written into pods; two kinds in one app, so that it has to be told them apart."""
    ended = (now - timedelta(seconds=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    started = (now - timedelta(seconds=25)).strftime("%Y-%m-%dT%H:%M:%SZ")
    missing = (
        f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack '
        f'image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found'
    )
    killed = {"exitCode": 137, "reason": "OOMKilled", "startedAt": started, "finishedAt": ended}
    return (
        Fault("app-0", Cause.IMAGE_NOT_FOUND, {"waiting": {"reason": "ImagePullBackOff", "message": missing}}, {}),
        Fault(
            "app-0",
            Cause.CONTAINER_OOM_KILLED,
            {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off 5m0s restarting failed {CONTAINER}"}},
            {"terminated": killed},
            restarts=9,
        ),
        Fault(
            "app-1",
            Cause.CONFIG_MISSING_SECRET,
            {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "chat-keys" not found'}},
            {},
        ),
    )


def make_nodes(api: Api) -> None:
    """Create the nodes, of the size of an m5.xlarge; kwok makes them Ready."""
    room = {"cpu": "3920m", "memory": "14640Mi", "ephemeral-storage": "18Gi", "pods": "58"}
    for number in range(NODES):
        name = f"simulated-{number:03}"
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "m5.xlarge",
            "topology.kubernetes.io/zone": f"simulated-{'abc'[number % 3]}",
        }
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            # Of its own range each, or every node's first pod had the same address.
            "spec": {"podCIDR": f"10.{128 + number // 256}.{number % 256}.0/24"},
            "status": {"allocatable": room, "capacity": room},
        }
        api.post("/api/v1/nodes", node)


def make_apps(api: Api) -> None:
    """Create the namespace, the Deployments at size 0 and their Services, and the two that cannot start."""
    api.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    api.wait_for(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")
    core = f"/api/v1/namespaces/{NAMESPACE}"
    for name in _apps():
        api.post(_DEPLOYMENTS, _deployment(name, 0, memory="128Mi"))
        api.post(
            f"{core}/services",
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]},
            },
        )
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "model-cache"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "efs-sc",
            "resources": {"requests": {"storage": "5Gi"}},
        },
    }
    api.post(f"{core}/persistentvolumeclaims", claim)
    api.post(_DEPLOYMENTS, _deployment(TOO_LARGE, ALIKE, memory="64Gi"))
    api.post(_DEPLOYMENTS, _deployment(NO_CLASS, ALIKE, memory="128Mi", claim="model-cache"))


def scale_to(api: Api, pods: int, *, broken: int = 0) -> None:
    """Let the namespace have that many pods, and wait until all run but those that cannot.

    Args:
        api: of the simulated cluster.
        pods: how many there are then, those of the two Deployments that cannot start among them.
        broken: how many of the others were broken before.

    Raises:
        SystemExit: they are not there within READY_DEADLINE_S.
    """
    base, rest = divmod(pods - 2 * ALIKE, APPS)
    for number, name in enumerate(_apps()):
        api.merge(f"{_DEPLOYMENTS}/{name}", {"spec": {"replicas": base + (number < rest)}})
    _wait_until_ready(api, pods - 2 * ALIKE - broken)


def break_pods(api: Api) -> dict[Cause, frozenset[str]]:
    """Break ALIKE running pods for each of the kubelet's faults; return the names of all that is broken, by cause."""
    now = datetime.now(UTC)
    found: dict[Cause, frozenset[str]] = {}
    taken: set[str] = set()
    for fault in kubelet_faults(now):
        whole = [pod["metadata"]["name"] for pod in _pods(api, fault.app)]
        chosen = frozenset([name for name in sorted(whole) if name not in taken][:ALIKE])
        taken |= chosen
        for name in chosen:
            api.merge(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/status", {"status": _status(fault, now)})
        found[fault.cause] = chosen
    found[Cause.SCHEDULING_INSUFFICIENT_MEMORY] = _names(api, TOO_LARGE)
    found[Cause.STORAGE_CLASS_NOT_FOUND] = _names(api, NO_CLASS)
    return found


_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"


def _apps() -> list[str]:
    return [f"app-{number}" for number in range(APPS)]


def _deployment(name: str, replicas: int, *, memory: str, claim: str | None = None) -> dict[str, Any]:
    container = {
        "name": CONTAINER,
        "image": IMAGE,
        "ports": [{"name": "http", "containerPort": 8002}],
        "env": [{"name": "LLM_MODE", "value": "mock"}],
        "resources": {"requests": {"cpu": "100m", "memory": memory}, "limits": {"memory": memory}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}},
    }
    spec: dict[str, Any] = {"containers": [container]}
    if claim is not None:
        container["volumeMounts"] = [{"name": "models", "mountPath": "/models"}]
        spec["volumes"] = [{"name": "models", "persistentVolumeClaim": {"claimName": claim}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def _status(fault: Fault, now: datetime) -> dict[str, Any]:
    since = (now - SINCE).strftime("%Y-%m-%dT%H:%M:%SZ")
    unready = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{CONTAINER}]"}
    conditions: list[dict[str, Any]] = [
        {"type": kind, "status": "True", "lastTransitionTime": since} for kind in ("PodScheduled", "Initialized")
    ]
    conditions += [
        {"type": kind, "status": "False", "lastTransitionTime": since, **unready}
        for kind in ("Ready", "ContainersReady")
    ]
    container = {
        "name": CONTAINER,
        "image": IMAGE,
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": fault.restarts,
        "state": fault.state,
        "lastState": fault.last_state,
    }
    return {
        "phase": "Running" if fault.restarts else "Pending",
        "conditions": conditions,
        "containerStatuses": [container],
    }


def _pods(api: Api, app: str) -> list[dict[str, Any]]:
    found = api.get(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{app}")["items"]
    return [dict(each) for each in found]


def _names(api: Api, app: str) -> frozenset[str]:
    return frozenset(pod["metadata"]["name"] for pod in _pods(api, app))


def _wait_until_ready(api: Api, wanted: int) -> None:
    deadline = time.monotonic() + READY_DEADLINE_S
    while (ready := sum(_ready(each) for each in api.get(_DEPLOYMENTS)["items"])) != wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"{ready} of {wanted} pods are ready after {READY_DEADLINE_S:g} s")
        time.sleep(POLL_S)


def _ready(deployment: Mapping[str, Any]) -> int:
    return int(deployment.get("status", {}).get("readyReplicas", 0))
