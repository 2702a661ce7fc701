"""The ways back and forth, under requests that keep coming."""

import pytest

from drills.rehearsal import Roll
from gate.context import Gate
from gate.diagnosis.rollback import no_way, rollback_verdict
from gate.target import Way

pytestmark = [pytest.mark.rollback, pytest.mark.timeout(3600)]


@pytest.mark.criterion("RBK-1")
def test_way_back_leads_to_a_version_that_answers(gate: Gate, way: Way, roll: Roll | None) -> None:
    """The version before comes back and answers, and the next plan says what it would redeploy."""
    if roll is None:
        gate.judge(no_way(gate.snapshot(), gate.target, way))
        return
    gate.judge(rollback_verdict(roll.attempt, container=gate.target.cluster.container))


@pytest.mark.criterion("ROL-1")
def test_rolling_update_fails_no_request(gate: Gate, way: Way, roll: Roll | None) -> None:
    """The rolling update forward fails no request."""
    if roll is None:
        gate.judge(no_way(gate.snapshot(), gate.target, way, criterion="ROL-1"))
        return
    gate.judge(roll.forth.verdict)
