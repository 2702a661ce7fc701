"""What acceptance looks at: the settled rollout, and what every pod and the Service answered."""

from collections.abc import Sequence

import pytest

from gate.collecting import pod_logs
from gate.context import Gate
from gate.criteria import threshold
from gate.deploying import waited_rollout
from gate.diagnosis.answers import model_verdict
from gate.diagnosis.exchanges import pod_of
from gate.diagnosis.health import health_verdict
from gate.diagnosis.hpa import hpa_verdict
from gate.diagnosis.identity import identity_findings
from gate.diagnosis.resources import at_rest, usage_verdict
from gate.observing import Greeting, Interview
from gate.records import Answer, Identity, LogTail, PatientRecords, Pod, PodMetrics, Readings, Snapshot
from gate.verdict import Status, Verdict
from gate.waiting import Waited, is_waited_for, wait_for_figures


@pytest.fixture(scope="session")
def rollout(gate: Gate) -> Waited:
    """The rollout once it is stable, doomed or out of time; its last Snapshot becomes the run's."""
    waited = waited_rollout(gate)
    if waited.snapshot is not None:
        gate.use_snapshot(waited.snapshot)
    return waited


@pytest.fixture(scope="session")
def snapshot(gate: Gate, rollout: Waited) -> Snapshot:
    """The run's Snapshot, of after the wait."""
    return rollout.snapshot or gate.snapshot()


@pytest.fixture(scope="session")
def first() -> list[Answer]:
    """What pods answered while their figures were waited for; empty where nothing had to be waited for."""
    return []


@pytest.fixture(scope="session")
def measured(gate: Gate, rollout: Waited, snapshot: Snapshot, first: list[Answer]) -> Snapshot:
    """A Snapshot with the figures of the pods, from before the gate's own questions load them.

    A deploy that has failed already is told so at once, without waiting for figures that fresh pods do not have yet:
    where they have none, each pod is asked three questions first, and what is averaged over that time does not count.
    """
    pods = gate.ready_pods(snapshot)
    if rollout.verdict.status not in {Status.PASS, Status.WARN} or _fails(gate, snapshot, gate.greet(pods)):
        return gate.snapshot()
    figures = gate.reader.snapshot()
    if is_waited_for(_worse(gate, figures)):
        first += gate.ask_first(pods)
        asked = gate.reader.snapshot()
        if _model_verdict(gate, pods, gate.greet(pods).identities, first).status is Status.FAIL:
            return gate.snapshot()
        figures = wait_for_figures(
            gate.reader.snapshot, lambda snapshot: _worse(gate, at_rest(snapshot, asked.read_at))
        )
    gate.use_snapshot(figures)  # the one that the diagnostics bundle shows
    return figures


def _worse(gate: Gate, snapshot: Snapshot) -> Verdict:
    """Return what lacks figures of the pods, else HPA-1."""
    cluster = gate.target.cluster
    names = {"deployment": cluster.deployment, "container": cluster.container}
    usage = usage_verdict(snapshot, **names)
    if usage.status is Status.INCONCLUSIVE:
        return usage
    return hpa_verdict(snapshot, hpa=cluster.hpa, cpu_target_percent=threshold("HPA-1", "cpu_target"), **names)


def _model_verdict(
    gate: Gate, pods: Sequence[Pod], identities: Sequence[Identity], answers: Sequence[Answer]
) -> Verdict:
    return model_verdict(
        identities,
        answers,
        expected_model=gate.target.model.name,
        pods=[pod.name for pod in pods],
        expected_sha256=gate.expected_sha256(),
    )


def _fails(gate: Gate, snapshot: Snapshot, greeting: Greeting) -> bool:
    """Return whether what the service says of itself is wrong, whatever it answers to questions."""
    health = health_verdict(snapshot, greeting.health, service=gate.target.cluster.service)
    identity = identity_findings(greeting.identities, gate.target.model.name)
    return Status.FAIL in {health.status, *(each.status for each in identity)}


@pytest.fixture(scope="session")
def metrics_before(gate: Gate, measured: Snapshot) -> Sequence[PodMetrics]:
    """What every pod's /metrics counted before the gate's own questions, but for the first three of a fresh pod."""
    return gate.metrics(gate.ready_pods(measured))


@pytest.fixture(scope="session")
def questioned(
    gate: Gate,
    measured: Snapshot,
    metrics_before: Sequence[PodMetrics],  # noqa: ARG001  # the first reading is from before the questions
    first: list[Answer],
) -> tuple[Snapshot, Interview]:
    """The Snapshot whose pods were asked, and what came back, once the figures at rest are there."""
    return gate.question(measured, samples=gate.target.acceptance.latency_samples, before=first)


@pytest.fixture(scope="session")
def asked(questioned: tuple[Snapshot, Interview]) -> Snapshot:
    """The Snapshot whose ready pods were asked, of after the autoscaler's last scaling down."""
    return questioned[0]


@pytest.fixture(scope="session")
def pods(gate: Gate, asked: Snapshot) -> Sequence[Pod]:
    """The ready pods of the newest revision: each of them was asked."""
    return gate.ready_pods(asked)


@pytest.fixture(scope="session")
def answers(questioned: tuple[Snapshot, Interview]) -> Interview:
    """What every pod and the Service answered."""
    return questioned[1]


@pytest.fixture(scope="session")
def readings(
    gate: Gate,
    pods: Sequence[Pod],
    answers: Interview,  # noqa: ARG001  # the second reading is from after the questions
    metrics_before: Sequence[PodMetrics],
) -> Readings:
    """What every pod's /metrics counted before and after the gate's own questions."""
    names = {pod.name for pod in pods}
    return Readings(
        before=tuple(each for each in metrics_before if pod_of(each.reply) in names), after=gate.metrics(pods)
    )


@pytest.fixture(scope="session")
def diagnoses(gate: Gate, pods: Sequence[Pod], answers: Interview) -> Sequence[Answer]:
    """All answers, with as many to the question for the diagnosis as QLT-1's claim needs."""
    return (*answers.answers, *gate.ask_for_diagnoses(pods, answers.answers))


@pytest.fixture(scope="session")
def records(gate: Gate, snapshot: Snapshot) -> PatientRecords:
    """What the patient API holds of the target's test patients."""
    return gate.patient_records(snapshot)


@pytest.fixture(scope="session")
def logs(gate: Gate, pods: Sequence[Pod], answers: Interview) -> Sequence[LogTail]:  # noqa: ARG001  # asked first
    """The logs of every container of the pods, read after the questions, and of the instance before a restart."""
    return pod_logs(gate.reader, pods)
