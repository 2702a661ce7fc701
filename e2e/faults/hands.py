"""What a case may do to its namespace: kubectl, as a person would use it, and raw reads of the API.

The API is read with the launcher's small client and not with the gate's reader, which is what is being judged.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from kubernetes.utils.quantity import parse_quantity

from e2e.faults.app import Document, Free
from e2e.faults.conditions import Condition, Raw
from infra.cluster.api import Api, ApiError
from infra.cluster.instance import load_record
from infra.cluster.process import Supervisor
from infra.commands import CommandError, run
from infra.paths import cluster_name

_PATHS = {
    "Node": "/api/v1/nodes",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Event": "/api/v1/namespaces/{}/events",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
}

#: Between two looks: the error of the moment that is stamped.
LOOK_EVERY_S = 0.2


class HarnessError(Exception):
    """The harness could not do its own part; says nothing about the gate."""


@dataclass(frozen=True)
class Hands:
    """One namespace, with kubectl and the API.

    Attributes:
        namespace: the case's own.
        api: the API server, as administrator.
        environment: what the cluster's `env` exports, PATH completed.
    """

    namespace: str
    api: Api
    environment: Mapping[str, str]

    def kubectl(self, *words: str, stdin: str | None = None, timeout_s: float = 60) -> str:
        """Run kubectl in the namespace and return what it printed.

        Raises:
            CommandError: it failed.
        """
        command = ["/usr/bin/env", "kubectl", "--namespace", self.namespace, *words]
        return run(command, env=self.environment, stdin=stdin, timeout_s=timeout_s)

    def apply(self, documents: Sequence[Document]) -> None:
        """Apply documents in their order.

        Raises:
            CommandError: one was refused.
        """
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def wait_for(self, condition: Condition, *, timeout_s: float) -> None:
        """Return once a condition holds.

        Raises:
            HarnessError: not in time.
        """
        self.wait_until(lambda: condition(Glance(self.api, self.namespace)), timeout_s=timeout_s)

    def wait_until(self, holds: Callable[[], bool], *, timeout_s: float) -> None:
        """Return once something holds that no object of the namespace says.

        Raises:
            HarnessError: not in time.
        """
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                raise HarnessError(f"namespace {self.namespace}: not as the case needs it within {timeout_s:g} s")
            time.sleep(LOOK_EVERY_S)

    def send(self, component: str, number: signal.Signals) -> None:
        """Send a signal to a component of the embedded cluster: SIGSTOP makes one that hangs, SIGCONT mends it.

        Raises:
            HarnessError: it does not run.
        """
        record = load_record(cluster_name())
        process = Supervisor.of(record.instance).running(component) if record else None
        if process is None:
            raise HarnessError(f"component {component} does not run in cluster {cluster_name()}")
        os.kill(process.pid, number)

    def delete(self, *, wait: bool) -> None:
        """Delete the namespace with all in it."""
        # Its controller looks again only after half the grace period of the pods that it found (Kubernetes'
        # namespaced_resources_deleter.go): pods that are gone before it begins do not hold it up.
        self.kubectl("delete", "deployments,replicasets", "--all", "--cascade=orphan")
        with suppress(CommandError):  # one that a case keeps from going, goes with the namespace
            self.kubectl("delete", "pods", "--all", "--grace-period=1", "--timeout=20s")
        self.kubectl(
            "delete", "namespace", self.namespace, "--ignore-not-found", f"--wait={str(wait).lower()}", timeout_s=180
        )


class Reads(Protocol):
    """What a look needs of the API server (`infra.cluster.api.Api`)."""

    def get(self, path: str) -> dict[str, Any]:
        """Return an object or a list; may raise ApiError."""


@dataclass
class Glance:
    """One look at a namespace (a ``conditions.Look``)."""

    api: Reads
    namespace: str
    read: dict[str, Sequence[Raw]] = field(default_factory=dict)

    def __call__(self, kind: str) -> Sequence[Raw]:
        """Return the objects of a kind.

        Raises:
            ApiError: they cannot be had.
        """
        if kind not in self.read:
            self.read[kind] = self.api.get(_PATHS[kind].format(self.namespace))["items"]
        return self.read[kind]


def free(api: Api) -> Free:
    """Return what the one node has left for requests: allocatable less what its pods ask for.

    Raises:
        HarnessError: there is not exactly one node.
    """
    nodes = api.get("/api/v1/nodes")["items"]
    if len(nodes) != 1:
        raise HarnessError(f"the matrix is made for the embedded cluster's one node; there are {len(nodes)}")
    bound = [
        pod
        for pod in api.get("/api/v1/pods")["items"]
        if pod["spec"].get("nodeName") and pod["status"]["phase"] not in {"Succeeded", "Failed"}
    ]
    left = {
        name: _quantity(nodes[0]["status"]["allocatable"][name]) - sum(_requests(pod, name) for pod in bound)
        for name in ("cpu", "memory")
    }
    return Free(
        cpu_m=int(left["cpu"] * 1000),
        memory_bytes=int(left["memory"]),
        pods=int(_quantity(nodes[0]["status"]["allocatable"]["pods"])) - len(bound),
    )


def _requests(pod: Mapping[str, Any], name: str) -> Decimal:
    asked = (container["resources"].get("requests", {}) for container in pod["spec"]["containers"])
    return sum((_quantity(each.get(name, "0")) for each in asked), start=Decimal())


def _quantity(text: str) -> Decimal:
    return Decimal(parse_quantity(text))  # type: ignore[no-untyped-call]


def stamp(condition: Condition, look: Callable[[], Glance], clock: Callable[[], float]) -> float | None:
    """Look once; return the moment before the look if the condition holds, else None.

    A read that fails is no look: the next one will tell.
    """
    now = clock()
    try:
        return now if condition(look()) else None
    except ApiError:
        return None
