"""What the drills stand on: clients of the way users go, and the roll back and forward again."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from gate.context import Gate
from gate.drilling import Change, drill, previous_replica_set
from gate.observing import ROLLOUT_USERS, Chat, Interview
from gate.records import ReplicaSet


@dataclass(frozen=True, slots=True)
class Roll:
    """The way back and forth: undo to the previous revision, its answers, and the rolling update forward again."""

    previous: ReplicaSet
    back: Change
    asked: Interview
    forth: Change


@pytest.fixture(scope="session")
def users(gate: Gate) -> Iterator[Sequence[Chat]]:
    """Clients that go through the load balancer, with connections of their own."""
    count = max(gate.target.load.clients, ROLLOUT_USERS)
    with ExitStack() as stack:
        yield [stack.enter_context(gate.user(keep_alive=number % 2 == 0)) for number in range(count)]


@pytest.fixture(scope="session")
def roll(gate: Gate, users: Sequence[Chat]) -> Roll | None:
    """The drill, made once; None when there is no revision to go back to."""
    target = gate.target
    cluster, settings = target.cluster, target.acceptance
    before = gate.snapshot()
    current = before.deployment(cluster.deployment)
    previous = previous_replica_set(before, cluster.deployment)
    if previous is None or previous.revision is None or current is None or current.revision is None:
        return None
    limits = {"window_s": settings.stable_window_s, "timeout_s": settings.rollout_timeout_s}
    journal = gate.root / "reports" / "drill-journal.json"
    with drill(gate.reader, cluster.deployment, journal) as running:
        traffic = users[:ROLLOUT_USERS]
        back = running.roll(previous.revision, traffic, settings.test_mrns, **limits)
        snapshot = back.waited.snapshot or gate.reader.snapshot()
        asked = gate.ask(gate.ready_pods(snapshot), samples=0)
        forth = running.roll(current.revision, traffic, settings.test_mrns, **limits)
    if forth.waited.snapshot is not None:
        gate.use_snapshot(forth.waited.snapshot)
    return Roll(previous, back, asked, forth)
