"""Ten clients at once, as the checklist's loop does it."""

from collections.abc import Sequence

import pytest

from gate.context import Gate
from gate.criteria import threshold
from gate.diagnosis.traffic import load_verdict
from gate.observing import Chat, burst
from gate.records import Readings

pytestmark = [pytest.mark.load, pytest.mark.timeout(1800)]


@pytest.mark.criterion("LOD-1")
def test_concurrent_clients_see_no_error(gate: Gate, users: Sequence[Chat]) -> None:
    """Concurrent clients see no error, and answers within the deadline."""
    load, pods = gate.target.load, gate.ready_pods(gate.snapshot())
    before = gate.metrics(pods)
    answers = burst(users[: load.clients], patients=gate.target.acceptance.test_mrns, requests=load.requests)
    # Pods that the autoscaler added meanwhile belong to the second reading: they waited too.
    readings = Readings(before=before, after=gate.metrics(gate.ready_pods(gate.reader.snapshot())))
    gate.judge(load_verdict(answers, readings, clients=load.clients, deadline_s=threshold("LOD-1", "deadline_s")))
