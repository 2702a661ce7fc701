"""The cluster -> Snapshot and log tails, after its identity is proven. Reads only, and never a Secret.

One ``snapshot()`` is one read per cycle: diagnosis judges what it holds and asks nothing itself. What the judgement
cannot do without (Deployments, ReplicaSets, pods) raises when it cannot be read; anything else stands in the Snapshot
as Unreadable, because a permission that is missing for one criterion must not hide the others.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar
from urllib.parse import quote, urlsplit

from gate import target
from gate.readers import fields, objects, surroundings
from gate.readers.api import Api, Ask, Connection, Listing
from gate.readers.errors import Denied, NotServed, ReadError, WrongCluster
from gate.readers.fields import Raw
from gate.readers.podspec import pod_spec
from gate.records import ClusterIdentity, Endpoint, LogTail, Node, Pod, Resources, Snapshot, Unreadable

Item = TypeVar("Item")

#: Reads in flight. A snapshot is about 16 lists; the API server's fairness gives an ordinary user more than 8 seats.
READERS = 8

#: First contact fails fast: a cluster that is not there should be said so within seconds.
FIRST_ATTEMPTS = 2

#: What a log tail keeps: the end of a log, enough for the lines around a failure and the start of a model.
LOG_TAIL_BYTES = 1024 * 1024

#: What one log read may transfer. The API cuts a log's end, so the whole must come before its tail can be kept; the
#: kubelet rotates at 10 MiB unless told otherwise (containerLogMaxSize).
LOG_READ_BYTES = 16 * 1024 * 1024

FINISHED_PHASES = ("Succeeded", "Failed")


def connect(cluster: target.Cluster) -> "ClusterReader":
    """Return a reader of the target's cluster, whose identity has been checked before anything else was read.

    Raises:
        WrongCluster: another cluster answers; expected and found are named.
        Unreachable: no configuration, or no answer.
        Denied: the kube-system namespace is the target's proof and may not be read.
    """
    from gate.readers.kube import open_connection  # noqa: PLC0415  # costs 0.7 s, paid only where a cluster is read

    return ClusterReader(open_connection(cluster.context), cluster)


class ClusterReader:
    """Reads one namespace of one cluster, and the cluster-wide objects that concern it.

    Attributes:
        identity: which cluster this is.
        namespace: which namespace is read.
    """

    def __init__(
        self,
        connection: Connection,
        cluster: target.Cluster,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.identity = identify(connection, cluster.identity)
        self.namespace = cluster.namespace
        self.connection = connection
        self._api = Api(connection)
        self._clock = clock

    def snapshot(self) -> Snapshot:
        """Read everything that is judged, once.

        Raises:
            ReadError: Deployments, ReplicaSets or pods could not be read.
        """
        with ThreadPoolExecutor(READERS, thread_name_prefix="snapshot") as pool:
            cycle = _Cycle(self._api, self.namespace, pool)
            try:
                return self._collect(cycle)
            finally:
                pool.shutdown(cancel_futures=True)

    def _collect(self, cycle: "_Cycle") -> Snapshot:
        apps, core = "/apis/apps/v1", "/api/v1"
        deployments = cycle.begin("deployments", apps, objects.deployment)
        replica_sets = cycle.begin("replicasets", apps, objects.replica_set)
        pods = cycle.begin("pods", core, objects.pod)
        elsewhere = cycle.begin_wide(
            "pods",
            core,
            _reservation,
            fieldSelector=",".join(
                [f"metadata.namespace!={self.namespace}", "spec.nodeName!="]
                + [f"status.phase!={phase}" for phase in FINISHED_PHASES]
            ),
        )
        nodes = cycle.begin_wide("nodes", core, surroundings.node)
        services = cycle.begin("services", core, surroundings.service)
        slices = cycle.begin("endpointslices", "/apis/discovery.k8s.io/v1", _one_slice)
        hpas = cycle.begin("horizontalpodautoscalers", "/apis/autoscaling/v2", objects.hpa)
        claims = cycle.begin("persistentvolumeclaims", core, surroundings.claim)
        quotas = cycle.begin("resourcequotas", core, surroundings.quota)
        events = cycle.begin("events", core, surroundings.event)
        classes = cycle.begin_wide("storageclasses", "/apis/storage.k8s.io/v1", surroundings.storage_class)
        drivers = cycle.begin_wide("csidrivers", "/apis/storage.k8s.io/v1", _name)
        volumes = cycle.begin_wide("persistentvolumes", core, surroundings.volume)
        usage = cycle.begin("pods", "/apis/metrics.k8s.io/v1beta1", objects.pod_usage, aggregated=True)

        needed = (deployments.required(), replica_sets.required(), pods.required())
        own_pods = pods.required().items
        asked = cycle.optional("node_requests", elsewhere)
        found_nodes = cycle.optional("nodes", nodes)
        if cycle.was_read("node_requests"):
            found_nodes = _with_requests(found_nodes, asked, own_pods)
        return Snapshot(
            read_at=max((each.at for each in needed if each.at), default=None) or self._clock(),
            cluster=self.identity,
            namespace=self.namespace,
            deployments=deployments.required().items,
            replica_sets=replica_sets.required().items,
            pods=own_pods,
            services=cycle.optional("services", services),
            endpoints=tuple(each for one in cycle.optional("endpoints", slices) for each in one),
            hpas=cycle.optional("hpas", hpas),
            claims=cycle.optional("claims", claims),
            quotas=cycle.optional("quotas", quotas),
            events=cycle.optional("events", events),
            nodes=found_nodes,
            storage_classes=cycle.optional("storage_classes", classes),
            # Those of other namespaces' claims are nobody's business here.
            volumes=tuple(
                each
                for each in cycle.optional("volumes", volumes)
                if not each.claim or each.claim.startswith(f"{self.namespace}/")
            ),
            csi_drivers=cycle.optional("csi_drivers", drivers),
            usage=tuple(each for one in cycle.optional("metrics", usage) for each in one),
            unreadable=tuple(cycle.unreadable),
        )

    def logs(
        self,
        pod: str,
        container: str,
        *,
        previous: bool = False,
        since: datetime | None = None,
        limit_bytes: int = LOG_TAIL_BYTES,
    ) -> LogTail:
        """Return the end of a container's log, whole lines only.

        Args:
            pod: its name.
            container: its name; init containers too.
            previous: of the instance before the last restart.
            since: leave out what was written earlier.
            limit_bytes: keep no more than this; ``truncated`` then says that the beginning is missing.

        Raises:
            NotFound: no such pod or container, it has not started, or it has no previous instance.
            ReadError: not permitted, or the kubelet cannot be reached.
        """
        query = {"container": container, "limitBytes": str(LOG_READ_BYTES), "timestamps": "true"}
        if previous:
            query["previous"] = "true"
        if since is not None:
            query["sinceTime"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ask = Ask(
            verb="get",
            resource="pods/log",
            path=f"/api/v1/namespaces/{quote(self.namespace)}/pods/{quote(pod)}/log",
            namespace=self.namespace,
            query=query,
            named=True,
        )
        body = self._api.read(ask).body
        truncated = len(body) > limit_bytes or len(body) >= LOG_READ_BYTES
        if len(body) > limit_bytes:
            _, _, body = body[-limit_bytes:].partition(b"\n")
        stamped = [_stamped(line) for line in body.decode("utf-8", "replace").removesuffix("\n").split("\n") if line]
        return LogTail(
            pod=pod,
            container=container,
            previous=previous,
            lines=tuple(line for _, line in stamped),
            truncated=truncated,
            times=tuple(at for at, _ in stamped),
        )


def _stamped(line: str) -> tuple[datetime | None, str]:
    """Return a log line and when the node took it in; the rest of a line that was split has no time of its own."""
    at, found, text = line.partition(" ")
    time = fields.time({"at": at}, "at") if found else None
    return (None, line) if time is None else (time, text.rstrip("\r"))


# --- Identity ---------------------------------------------------------------------------------------------------------


def identify(connection: Connection, expected: target.Identity | None) -> ClusterIdentity:
    """Return which cluster answers, after checking everything that the target says about it.

    The server's address and the ARN are compared before the first request.

    Raises:
        WrongCluster: naming what was expected and what was found.
        ReadError: the proof could not be read.
    """
    if expected is not None and expected.server is not None and _origin(expected.server) != _origin(connection.server):
        raise WrongCluster(f"the target's API server is {expected.server}, {_where(connection)}")
    if expected is not None and expected.eks_arn is not None and expected.eks_arn != connection.cluster_entry:
        raise WrongCluster(f"the target's cluster is {expected.eks_arn}, {_where(connection)}")
    api = Api(connection, attempts=FIRST_ATTEMPTS)
    namespace = Ask(verb="get", resource="namespaces", path="/api/v1/namespaces/kube-system", named=True)
    wanted = expected.kube_system_uid if expected else None
    try:
        uid = fields.optional_text(api.document(namespace), "metadata", "uid")
    except Denied:
        if wanted is not None:
            raise
        uid = None
    if wanted is not None and uid != wanted:
        raise WrongCluster(f"the target's kube-system has the UID {wanted}, {connection.server} has {uid}")
    return ClusterIdentity(
        server=connection.server, context=connection.context, kube_system_uid=uid, version=_version(api)
    )


def _version(api: Api) -> str:
    """Return the server's version; an API server may keep it to itself."""
    try:
        found = api.document(Ask(verb="get", resource="version", path="/version", named=True))
    except (Denied, NotServed):
        return "unknown"
    return fields.text(found, "gitVersion", default="unknown")


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


def _where(connection: Connection) -> str:
    if connection.context is None:
        return f"the in-cluster configuration leads to {connection.server}"
    return f"context {connection.context} leads to {connection.server} (cluster entry {connection.cluster_entry})"


# --- One cycle of reads -----------------------------------------------------------------------------------------------


class _Reading(Generic[Item]):
    """A list that is being read."""

    def __init__(self, future: Future[Listing[Item]]) -> None:
        self._future = future

    def required(self) -> Listing[Item]:
        """Return the list, or raise what its reading raised."""
        return self._future.result()


class _Cycle:
    """Starts reads side by side and notes which of them failed."""

    def __init__(self, api: Api, namespace: str, pool: ThreadPoolExecutor) -> None:
        self._api = api
        self._namespace = namespace
        self._pool = pool
        self.unreadable: list[Unreadable] = []

    def begin(
        self, resource: str, group: str, convert: Callable[[Raw], Item], *, aggregated: bool = False
    ) -> _Reading[Item]:
        """Start reading a list of the namespace."""
        name = f"{resource}.metrics.k8s.io" if aggregated else resource
        return self._begin(
            Ask(
                verb="list",
                resource=name,
                path=f"{group}/namespaces/{quote(self._namespace)}/{resource}",
                namespace=self._namespace,
                aggregated=aggregated,
            ),
            convert,
        )

    def begin_wide(self, resource: str, group: str, convert: Callable[[Raw], Item], **query: str) -> _Reading[Item]:
        """Start reading a cluster-wide list."""
        return self._begin(Ask(verb="list", resource=resource, path=f"{group}/{resource}", query=query), convert)

    def _begin(self, ask: Ask, convert: Callable[[Raw], Item]) -> _Reading[Item]:
        return _Reading(self._pool.submit(self._api.listed, ask, convert))

    def optional(self, what: str, reading: _Reading[Item]) -> tuple[Item, ...]:
        """Return the items, or none with a note of why."""
        try:
            return reading.required().items
        except ReadError as error:
            self.unreadable.append(
                Unreadable(what=what, kind=_kind(error), message=str(error), status_code=error.status_code)
            )
            return ()

    def was_read(self, what: str) -> bool:
        """Return whether an optional read succeeded."""
        return all(each.what != what for each in self.unreadable)


def _kind(error: ReadError) -> Literal["forbidden", "not_served", "unreachable"]:
    if isinstance(error, Denied):
        return "forbidden"
    return "not_served" if isinstance(error, NotServed) else "unreachable"


def _one_slice(raw: Raw) -> tuple[Endpoint, ...]:
    return surroundings.endpoints([raw])


def _name(raw: Raw) -> str:
    return fields.text(raw, "metadata", "name")


# --- What is reserved on each node ------------------------------------------------------------------------------------


def _reservation(raw: Raw) -> tuple[str, Resources]:
    """Return node and reserved resources of a pod; its other parts are not kept (5,000 pods are 40 MB of JSON)."""
    spec = fields.child(raw, "spec")
    return fields.text(spec, "nodeName"), pod_spec(spec).requested


def _with_requests(
    nodes: tuple[Node, ...], elsewhere: tuple[tuple[str, Resources], ...], own: tuple[Pod, ...]
) -> tuple[Node, ...]:
    totals: dict[str, list[Resources]] = {node.name: [] for node in nodes}
    mine = [(pod.node, pod.spec.requested) for pod in own if pod.node and pod.phase not in FINISHED_PHASES]
    for name, reserved in (*elsewhere, *mine):
        totals.setdefault(name, []).append(reserved)
    return tuple(replace(node, requested=_sum(totals[node.name])) for node in nodes)


def _sum(parts: list[Resources]) -> Resources:
    return Resources(
        cpu_m=sum(each.cpu_m or 0 for each in parts),
        memory_bytes=sum(each.memory_bytes or 0 for each in parts),
        ephemeral_storage_bytes=sum(each.ephemeral_storage_bytes or 0 for each in parts),
        pods=len(parts),
    )
