"""A rollout of the target's Deployment: waited for, or made while requests keep coming.

What a change is (a command, an undo, a plan applied) is the caller's business; nothing here writes to a cluster.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gate.context import Gate
from gate.diagnosis.traffic import MIN_BESIDE, rollout_traffic_verdict
from gate.observing import Chat, Traffic
from gate.records import Answer
from gate.verdict import Status, Verdict
from gate.waiting import Waited, wait_for_rollout

#: Answers before the change, so that a service that fails anyway is not blamed on the rollout: what ROL-1 wants of each
#: of two users.
LEAD_ANSWERS = 2 * MIN_BESIDE
#: A service that has not given them after so long shows it in ROL-1.
LEAD_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A rollout made under traffic; settled when the window began in which it stayed as it was, or at its end."""

    started_at: datetime
    settled_at: datetime
    waited: Waited
    traffic: tuple[Answer, ...]

    @property
    def seconds(self) -> float:
        """Return the seconds from the change until the rollout had settled, was doomed or out of time."""
        return (self.settled_at - self.started_at).total_seconds()

    @property
    def verdict(self) -> Verdict:
        """Return ROL-1, with the rollout's own series for the report's picture."""
        verdict = rollout_traffic_verdict(
            [answer.reply for answer in self.traffic], changed_at=self.started_at, settled_at=self.settled_at
        )
        return verdict.with_details(**dict(self.waited.verdict.details))


def waited_rollout(gate: Gate) -> Waited:
    """Return the rollout once it is stable, doomed or out of time, by the target's window and limit."""
    settings = gate.target.acceptance
    return wait_for_rollout(
        gate.reader.snapshot,
        deployment=gate.target.cluster.deployment,
        window_s=settings.stable_window_s,
        timeout_s=settings.rollout_timeout_s,
        read_log=gate.reader.logs,
    )


def under_traffic(gate: Gate, change: Callable[[], object], users: Sequence[Chat]) -> Change:
    """Make a change while the users keep asking, and wait for the rollout that comes of it."""
    with Traffic(users, gate.target.acceptance.test_mrns) as traffic:
        _lead_in(traffic)
        started_at = datetime.now(UTC)
        change()
        waited = waited_rollout(gate)
        ended_at = datetime.now(UTC)
    stable = waited.verdict.status in {Status.PASS, Status.WARN}
    window_s = gate.target.acceptance.stable_window_s
    return Change(
        started_at=started_at,
        settled_at=ended_at - timedelta(seconds=window_s) if stable else ended_at,
        waited=waited,
        traffic=tuple(traffic.answers),
    )


def _lead_in(traffic: Traffic) -> None:
    deadline = time.monotonic() + LEAD_LIMIT_S
    while traffic.clients and len(traffic.answers) < LEAD_ANSWERS and time.monotonic() < deadline:
        time.sleep(0.1)
