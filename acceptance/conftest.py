"""What acceptance looks at: the settled rollout, and what every pod and the Service answered."""

from collections.abc import Sequence

import pytest

from gate.context import Gate
from gate.observing import Interview
from gate.records import LogTail, Pod, Snapshot
from gate.waiting import Waited, wait_for_rollout


@pytest.fixture(scope="session")
def rollout(gate: Gate) -> Waited:
    """The rollout once it is stable, doomed or out of time; its last Snapshot becomes the run's."""
    target = gate.target
    waited = wait_for_rollout(
        gate.reader.snapshot,
        deployment=target.cluster.deployment,
        window_s=target.acceptance.stable_window_s,
        timeout_s=target.acceptance.rollout_timeout_s,
    )
    if waited.snapshot is not None:
        gate.use_snapshot(waited.snapshot)
    return waited


@pytest.fixture(scope="session")
def snapshot(gate: Gate, rollout: Waited) -> Snapshot:
    """The run's Snapshot, of after the wait."""
    return rollout.snapshot or gate.snapshot()


@pytest.fixture(scope="session")
def pods(gate: Gate, snapshot: Snapshot) -> Sequence[Pod]:
    """The ready pods of the newest revision: each of them is asked."""
    return gate.ready_pods(snapshot)


@pytest.fixture(scope="session")
def answers(gate: Gate, pods: Sequence[Pod]) -> Interview:
    """What every pod and the Service answered."""
    return gate.ask(pods, samples=gate.target.acceptance.latency_samples, through_service=True)


@pytest.fixture(scope="session")
def logs(gate: Gate, pods: Sequence[Pod], answers: Interview) -> Sequence[LogTail]:  # noqa: ARG001  # asked first
    """The log of every pod since it started, read after the questions so that their errors are in it."""
    return [gate.reader.logs(pod.name, gate.target.cluster.container) for pod in pods]
