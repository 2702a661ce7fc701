"""A fake API server behind the Connection protocol: no socket, no Kubernetes client."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from gate.readers.api import Duplex, Response
from gate.readers.errors import NotFound
from gate.target import Cluster, Identity

SERVER = "https://10.90.0.2:6443"
UID = "b9143a7b-d203-4fe5-a70c-c7158b96acb4"
NAMESPACE = "carepath-demo"
SERVED_AT = datetime(2026, 11, 22, 16, 4, 58, tzinfo=UTC)

NAMESPACED = {
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "pods": "/api/v1",
    "services": "/api/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "persistentvolumeclaims": "/api/v1",
    "resourcequotas": "/api/v1",
    "events": "/api/v1",
}
WIDE = {
    "nodes": "/api/v1",
    "pods": "/api/v1",
    "storageclasses": "/apis/storage.k8s.io/v1",
    "csidrivers": "/apis/storage.k8s.io/v1",
    "persistentvolumes": "/api/v1",
}
METRICS = f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"


def namespaced(resource: str) -> str:
    """Return the path of a list in the namespace."""
    return f"{NAMESPACED[resource]}/namespaces/{NAMESPACE}/{resource}"


def wide(resource: str) -> str:
    """Return the path of a cluster-wide list."""
    return f"{WIDE[resource]}/{resource}"


def answer(body: object, status: int = 200, **headers: str) -> Response:
    """Return a response with the server's clock."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Response(status, {"date": format_datetime(SERVED_AT, usegmt=True), **named}, raw)


def items(*objects: object, token: str = "") -> Response:
    """Return a page of a list."""
    return answer({"items": list(objects), "metadata": {"continue": token} if token else {}})


def refusal(status: int, message: str, **headers: str) -> Response:
    """Return a Status as the API server words it."""
    return answer({"kind": "Status", "status": "Failure", "message": message, "code": status}, status, **headers)


Handler = Callable[[Mapping[str, str]], Response]


@dataclass
class FakeServer:
    """Answers GETs by path; a path that nobody set is an empty list, as on a real server.

    Attributes:
        routes: path -> what it answers, a response or a function of the query.
        asked: every path and query, in the order of arrival.
    """

    server: str = SERVER
    context: str | None = "carepath"
    cluster_entry: str | None = "carepath"
    routes: dict[str, Response | Handler] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Serve what identifies the cluster."""
        self.routes.setdefault("/api/v1/namespaces/kube-system", answer({"metadata": {"uid": UID}}))
        self.routes.setdefault("/version", answer({"gitVersion": "v1.34.4"}))

    def fetch(self, path: str, query: Mapping[str, str], *, timeout_s: float) -> Response:
        """Answer one GET."""
        assert timeout_s > 0
        with self._lock:
            self.asked.append((path, dict(query)))
        found = self.routes.get(path, items())
        return found if isinstance(found, Response) else found(query)

    def websocket(self, path: str, query: Mapping[str, str], *, timeout_s: float) -> Duplex:
        """Refuse every websocket."""
        raise NotFound(f"no websocket at {path} with {dict(query)} within {timeout_s}")

    def paths(self) -> list[str]:
        """Return every path that was asked for."""
        return [path for path, _ in self.asked]


def cluster(**identity: str) -> Cluster:
    """Return the target's section about a cluster, proven by the server's address unless told otherwise."""
    return Cluster(identity=Identity(**(identity or {"server": SERVER})), namespace=NAMESPACE)
