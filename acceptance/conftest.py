"""What acceptance looks at: the settled rollout, and what every pod and the Service answered."""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from gate.context import Gate
from gate.criteria import threshold
from gate.diagnosis.exchanges import pod_of
from gate.diagnosis.health import health_verdict
from gate.diagnosis.hpa import hpa_verdict
from gate.diagnosis.identity import identity_findings
from gate.diagnosis.resources import usage_verdict
from gate.observing import Greeting, Interview
from gate.readers.errors import NotFound
from gate.records import LogTail, Pod, PodMetrics, Readings, Snapshot
from gate.verdict import Status, Verdict
from gate.waiting import Waited, wait_for_figures, wait_for_rollout


@pytest.fixture(scope="session")
def rollout(gate: Gate) -> Waited:
    """The rollout once it is stable, doomed or out of time; its last Snapshot becomes the run's."""
    target = gate.target
    waited = wait_for_rollout(
        gate.reader.snapshot,
        deployment=target.cluster.deployment,
        window_s=target.acceptance.stable_window_s,
        timeout_s=target.acceptance.rollout_timeout_s,
        read_log=gate.reader.logs,
    )
    if waited.snapshot is not None:
        gate.use_snapshot(waited.snapshot)
    return waited


@pytest.fixture(scope="session")
def snapshot(gate: Gate, rollout: Waited) -> Snapshot:
    """The run's Snapshot, of after the wait."""
    return rollout.snapshot or gate.snapshot()


@pytest.fixture(scope="session")
def measured(gate: Gate, rollout: Waited, snapshot: Snapshot) -> Snapshot:
    """A Snapshot with the figures of the pods, from before the gate's own questions load them.

    A deploy that has failed already is told so at once, without waiting for figures that fresh pods do not have yet.
    """
    cluster = gate.target.cluster
    complete = rollout.verdict.status in {Status.PASS, Status.WARN}
    if not complete or _fails(gate, snapshot, gate.greet(gate.ready_pods(snapshot))):
        return gate.snapshot()

    def worse(snapshot: Snapshot) -> Verdict:
        names = {"deployment": cluster.deployment, "container": cluster.container}
        usage = usage_verdict(snapshot, **names)
        if usage.status is Status.INCONCLUSIVE:
            return usage
        target = threshold("HPA-1", "cpu_target")
        return hpa_verdict(snapshot, hpa=cluster.hpa, cpu_target_percent=target, **names)

    figures = wait_for_figures(gate.reader.snapshot, worse)
    gate.use_snapshot(figures)  # the one that the diagnostics bundle shows
    return figures


def _fails(gate: Gate, snapshot: Snapshot, greeting: Greeting) -> bool:
    """Return whether what the service says of itself is wrong, whatever it answers to questions."""
    health = health_verdict(snapshot, greeting.health, service=gate.target.cluster.service)
    identity = identity_findings(greeting.identities, gate.target.model.name)
    return Status.FAIL in {health.status, *(each.status for each in identity)}


@pytest.fixture(scope="session")
def metrics_before(gate: Gate, measured: Snapshot) -> Sequence[PodMetrics]:
    """What every pod's /metrics counted before the gate's own questions."""
    return gate.metrics(gate.ready_pods(measured))


@pytest.fixture(scope="session")
def questioned(
    gate: Gate,
    measured: Snapshot,
    metrics_before: Sequence[PodMetrics],  # noqa: ARG001  # the first reading is from before the questions
) -> tuple[Sequence[Pod], Interview]:
    """The pods asked and what came back, once the figures at rest are there."""
    return gate.question(measured, samples=gate.target.acceptance.latency_samples)


@pytest.fixture(scope="session")
def pods(questioned: tuple[Sequence[Pod], Interview]) -> Sequence[Pod]:
    """The ready pods of the newest revision: each of them was asked."""
    return questioned[0]


@pytest.fixture(scope="session")
def answers(questioned: tuple[Sequence[Pod], Interview]) -> Interview:
    """What every pod and the Service answered."""
    return questioned[1]


@pytest.fixture(scope="session")
def readings(gate: Gate, questioned: tuple[Sequence[Pod], Interview], metrics_before: Sequence[PodMetrics]) -> Readings:
    """What every pod's /metrics counted before and after the gate's own questions."""
    pods, _ = questioned
    asked = {pod.name for pod in pods}
    return Readings(
        before=tuple(each for each in metrics_before if pod_of(each.reply) in asked), after=gate.metrics(pods)
    )


@pytest.fixture(scope="session")
def logs(gate: Gate, pods: Sequence[Pod], answers: Interview) -> Sequence[LogTail]:  # noqa: ARG001  # asked first
    """The log of every pod since it started, read after the questions, and of the instance before a restart."""
    container = gate.target.cluster.container
    tails = [gate.reader.logs(pod.name, container) for pod in pods]
    for pod in pods:
        status = pod.status(container)
        if status is not None and status.restarts:
            with suppress(NotFound):  # the node may have removed it since
                tails.append(gate.reader.logs(pod.name, container, previous=True))
    return tails
