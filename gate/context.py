"""What the tiers' fixtures stand on: one target, one reader, one Snapshot per run, and the slot for verdicts.

Knows no pytest: ``plugin`` makes a Gate per session and collects from it, ``__main__`` uses the same object. Readers
are imported where they are used, so that an offline preflight does not pay for a Kubernetes client.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from gate.criteria import DRILLS
from gate.observing import (
    DIAGNOSIS_QUESTION,
    Greeting,
    Interview,
    diagnosis_answers,
    first_answers,
    greet,
    interview,
)
from gate.report.environment import node_types, shown_environment
from gate.report.provenance import provenance
from gate.report.run import Header
from gate.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gate.criteria import Tier
    from gate.readers.chat import ChatClient
    from gate.readers.cluster import ClusterReader
    from gate.records import Answer, Desired, PatientRecords, Pod, PodMetrics, Snapshot
    from gate.report.run import Run
    from gate.soak_options import SoakOptions
    from gate.target import Target
    from gate.verdict import Verdict


@dataclass(frozen=True, slots=True)
class IntendedImage:
    """The image that the deploy is meant to run; ``digest`` is None where nothing declares or resolves one."""

    reference: str | None
    digest: str | None
    source: str


@dataclass
class Gate:
    """The run's view of one target.

    Attributes:
        root: the project's folder; relative paths of the target start here.
        image: the image that the container tier judges, None for the one that the deploy declares.
        soak: what the command line says of a soak, None in a run without one.
        judged: verdicts handed over by the test that is running; the plugin empties it.
    """

    target: Target
    root: Path
    image: str | None = None
    soak: SoakOptions | None = None
    judged: list[Verdict] = field(default_factory=list)
    _snapshot: Snapshot | None = None

    def judge(self, verdict: Verdict) -> None:
        """Hand over the verdict of the criterion under test; exactly one per test."""
        self.judged.append(verdict)

    @cached_property
    def reader(self) -> ClusterReader:
        """Return the connected cluster reader; the cluster's identity has been checked.

        Raises:
            ReadError: unreachable, denied, or another cluster than the target's.
        """
        from gate.readers.cluster import connect

        return connect(self.target.cluster)

    def snapshot(self) -> Snapshot:
        """Return the run's Snapshot, read once."""
        if self._snapshot is None:
            self._snapshot = self.reader.snapshot()
        return self._snapshot

    def use_snapshot(self, snapshot: Snapshot) -> None:
        """Make a newer Snapshot the run's, as after waiting for a rollout."""
        self._snapshot = snapshot

    @property
    def known_snapshot(self) -> Snapshot | None:
        """Return the Snapshot if one was read, without reading."""
        return self._snapshot

    @cached_property
    def desired(self) -> Desired:
        """Return what the next deploy is meant to bring: of the saved plan where the target has one, else manifests.

        Raises:
            ReadError: a file that is missing or unreadable, named.
        """
        from gate.readers.manifests import read_desired

        return read_desired(self.target.desired, self.root)

    @cached_property
    def deployed(self) -> Desired:
        """Return what the last deploy was meant to bring: of the plan applied last where there is one, else manifests.

        Raises:
            ReadError: a file that is missing or unreadable, named.
        """
        from gate.readers.manifests import desired_from_plan, read_manifests, read_plan

        applied = self.target.desired.applied
        if applied is not None and (self.root / applied).is_file():
            return desired_from_plan(read_plan(self.root / applied), source=str(applied))
        return read_manifests(self.root / self.target.desired.manifests)

    def image_of(self, desired: Desired) -> IntendedImage:
        """Return the image that the Deployment is meant to run, its tag resolved by the registry where there is one.

        Raises:
            ReadError: the registry could not be read.
        """
        cluster = self.target.cluster
        container = desired.container(cluster.deployment, cluster.container)
        if container is None:
            return IntendedImage(None, None, f"{desired.source}: no container {cluster.container}")
        _, pinned, digest = container.image.partition("@")
        if pinned:
            return IntendedImage(container.image, digest, desired.source)
        if not self.target.has("registry"):
            return IntendedImage(container.image, None, f"{desired.source}: a tag, and the target has no registry")
        from gate.readers.registry import image_facts

        facts = image_facts(container.image, self.target.registry)
        return IntendedImage(container.image, facts.digest, f"{desired.source}, tag resolved by the registry")

    def ready_pods(self, snapshot: Snapshot) -> tuple[Pod, ...]:
        """Return the ready pods of the newest revision, by name."""
        from gate.diagnosis.ownership import newest_replica_set, pods_of

        deployment = snapshot.deployment(self.target.cluster.deployment)
        newest = newest_replica_set(snapshot, deployment) if deployment else None
        ready = [pod for pod in pods_of(snapshot, newest) if pod.ready] if newest else []
        return tuple(sorted(ready, key=lambda pod: pod.name))

    def user(self, *, keep_alive: bool = True) -> ChatClient:
        """Return a client with connections of its own that goes the way users go.

        Args:
            keep_alive: False connects anew for each request.

        Raises:
            NotFound: nothing says where that is: no ``service_url`` in the target, no address at the Service.
        """
        from gate.readers.chat import service_client
        from gate.readers.errors import NotFound

        url = self.service_url
        if url is None:
            cluster = self.target.cluster
            raise NotFound(
                f"service/{cluster.service} in namespace {cluster.namespace} has no load balancer address, and target "
                f"{self.target.name} names no service_url"
            )
        return service_client(url, timeout_s=self.target.acceptance.request_timeout_s, keep_alive=keep_alive)

    @property
    def service_url(self) -> str | None:
        """Return where users find the service, None where the target says nothing and the Service has no address."""
        from gate.readers.chat import service_url

        return service_url(self.snapshot(), self.target.cluster)

    def chat(self, pod: Pod) -> ChatClient:
        """Return a client that asks this pod over a port-forward."""
        from gate.readers.chat import pod_client

        settings = self.target.acceptance
        return pod_client(
            self.reader, pod, container=self.target.cluster.container, timeout_s=settings.request_timeout_s
        )

    def ask(
        self,
        pods: Sequence[Pod],
        *,
        samples: int,
        through_service: bool = False,
        before: Sequence[Answer] = (),
    ) -> Interview:
        """Ask every pod by itself over a port-forward, and the Service's address for its health if wanted.

        Args:
            pods: the ready pods to ask.
            samples: warm triage answers over all pods.
            through_service: also ask the way users go, where there is one.
            before: what ``ask_first`` brought already.
        """
        settings = self.target.acceptance
        with self._chats(pods, through_service=through_service) as (chats, service):
            return interview(
                chats,
                service,
                patients=settings.test_mrns,
                samples=samples,
                budget_s=settings.latency_budget_s,
                before=before,
            )

    def question(
        self, snapshot: Snapshot, *, samples: int, before: Sequence[Answer] = ()
    ) -> tuple[Snapshot, Interview]:
        """Ask every ready pod and the Service; return the Snapshot whose pods were asked to the end, and the answers.

        A pod that the autoscaler takes away meanwhile could not answer, and that is no fault of it: those that stay are
        asked anew. Ends, because each round needs fewer pods wanted than the one before.

        Args:
            snapshot: says which pods are ready.
            samples: warm triage answers over all pods.
            before: what ``ask_first`` brought already; of no use once other pods are asked.
        """
        from gate.diagnosis.exchanges import pod_of
        from gate.diagnosis.ownership import scaled_in

        while True:
            pods = self.ready_pods(snapshot)
            same = {pod_of(each.reply) for each in before} == {pod.name for pod in pods}
            answers = self.ask(pods, samples=samples, through_service=True, before=before if same else ())
            after = self.reader.snapshot()
            if not scaled_in(snapshot, after, deployment=self.target.cluster.deployment, pods=pods):
                return snapshot, answers
            snapshot = after

    def ask_first(self, pods: Sequence[Pod]) -> tuple[Answer, ...]:
        """Ask every pod its first questions."""
        with self._chats(pods, through_service=False) as (chats, _):
            return first_answers(chats, patients=self.target.acceptance.test_mrns)

    def ask_for_diagnoses(self, pods: Sequence[Pod], asked: Sequence[Answer]) -> tuple[Answer, ...]:
        """Ask for as many more diagnoses as QLT-1's claim needs; none where it cannot pass any more.

        Args:
            pods: the ready pods to ask.
            asked: the answers so far.
        """
        wanted = self.target.quality.diagnosis_samples
        missing = wanted - sum(each.query == DIAGNOSIS_QUESTION for each in asked)
        hopeless = any(each.reply.status != HTTPStatus.OK or each.llm_mode == "mock" for each in asked)
        if missing <= 0 or hopeless:
            return ()
        with self._chats(pods, through_service=False) as (chats, _):
            return diagnosis_answers(
                chats,
                patients=self.target.acceptance.test_mrns,
                samples=missing,
                budget_s=self.target.quality.budget_s,
            )

    def patient_records(self, snapshot: Snapshot) -> PatientRecords:
        """Return the records of the target's test patients, or why they are not known."""
        from gate.readers.chat import pod_transport
        from gate.readers.errors import Denied, NotFound, ReadError
        from gate.readers.patients import patient_records
        from gate.records import PatientRecords

        cluster = self.target.cluster
        try:
            records = patient_records(
                snapshot,
                self.target.acceptance.test_mrns,
                deployment=cluster.deployment,
                container=cluster.container,
                transport=lambda pod, port: pod_transport(self.reader, pod, port, connections=1),
            )
        except ReadError as error:
            return PatientRecords(
                missing=str(error),
                out_of_reach=isinstance(error, NotFound),
                forbidden=isinstance(error, Denied),
            )
        return PatientRecords(records=records)

    def expected_sha256(self) -> str:
        """Return the checksum of the target's model file by the service's catalogue, empty where it lists none."""
        from gate.readers.errors import ReadError
        from gate.readers.models import MODELS, model_facts

        try:
            return model_facts(self.target.model.name, self.root / MODELS).sha256
        except ReadError:
            return ""

    def greet(self, pods: Sequence[Pod]) -> Greeting:
        """Ask every pod for health and identity, and the Service for its health: nothing that loads them."""
        with self._chats(pods, through_service=True) as (chats, service):
            return greet(chats, service)

    def metrics(self, pods: Sequence[Pod]) -> tuple[PodMetrics, ...]:
        """Return what the /metrics of every pod says now, read over port-forwards."""
        with self._chats(pods, through_service=False) as (chats, _):
            return tuple(chat.metrics() for chat in chats)

    @contextmanager
    def _chats(
        self, pods: Sequence[Pod], *, through_service: bool
    ) -> Iterator[tuple[list[ChatClient], ChatClient | None]]:
        with ExitStack() as stack:
            chats = [stack.enter_context(self.chat(pod)) for pod in pods]
            yield chats, stack.enter_context(self.user()) if through_service and self.service_url else None


def failure_bundle(gate: Gate, run: Run) -> bytes | None:
    """Return the diagnostics bundle of a run, None where acceptance or a drill left nothing to explain.

    Reads logs, from a cluster that answers; what cannot be read stands in the bundle's index.
    """
    told = {
        judgement.verdict.status for judgement in run.judgements if judgement.tier in {"acceptance", "soak", *DRILLS}
    }
    if not told & {Status.FAIL, Status.INCONCLUSIVE}:
        return None
    from gate.collecting import Logs, app_logs
    from gate.report.bundle import bundle

    snapshot = gate.known_snapshot
    logs = (
        Logs((), ("objects, events, logs: no snapshot of the cluster could be read",))
        if snapshot is None
        else app_logs(gate.reader, snapshot, deployment=gate.target.cluster.deployment)
    )
    return bundle(run, snapshot, logs.tails, missing=logs.missing, private=gate.target.acceptance.test_mrns)


def known_settings(root: Path) -> frozenset[str]:
    """Return the names of the service's settings, none where their schema cannot be read: then no value is shown."""
    from gate.readers.errors import ReadError
    from gate.readers.models import SETTINGS, settings_schema

    try:
        return frozenset(each.key for each in settings_schema(root / SETTINGS).settings)
    except ReadError:
        return frozenset()


def header_of(
    gate: Gate, tiers: tuple[Tier, ...], started_at: datetime, left_out: Mapping[str, str] | None = None
) -> Header:
    """Return the report's header: what was judged, where, with which settings."""
    target, snapshot = gate.target, gate.known_snapshot
    cluster = snapshot.cluster if snapshot else None
    container = snapshot.container(target.cluster.deployment, target.cluster.container) if snapshot else None
    version, revision = provenance()
    return Header(
        target=target.name,
        version=version,
        revision=revision,
        tiers=tiers,
        server=cluster.server if cluster else None,
        context=cluster.context if cluster else None,
        server_version=cluster.version if cluster else None,
        kube_system_uid=cluster.kube_system_uid if cluster else None,
        namespace=target.cluster.namespace if cluster else None,
        image=gate.image or (container.image if container else None),
        settings=target.differing(),
        left_out=left_out or {},
        environment=shown_environment(container.env, known_settings(gate.root)) if container else {},
        nodes=node_types(snapshot.nodes) if snapshot else {},
        started_at=started_at,
        finished_at=datetime.now(UTC),
    )
