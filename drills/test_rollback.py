"""The way back and forth, under requests that keep coming."""

import pytest

from drills.conftest import Roll
from gate.context import Gate
from gate.diagnosis.rollback import no_way_back, rollback_verdict
from gate.diagnosis.traffic import failed

pytestmark = [pytest.mark.rollback, pytest.mark.timeout(3600)]


@pytest.mark.criterion("RBK-1")
def test_undo_brings_previous_revision_back(gate: Gate, roll: Roll | None) -> None:
    """`rollout undo` brings the previous revision back and it answers."""
    cluster = gate.target.cluster
    if roll is None:
        deployment = gate.snapshot().deployment(cluster.deployment)
        gate.judge(no_way_back(cluster.deployment, deployment.revision if deployment else None))
        return
    gate.judge(
        rollback_verdict(
            previous=roll.previous,
            container=cluster.container,
            rollout=roll.back.waited.verdict,
            identities=roll.asked.identities,
            answers=roll.asked.answers,
            seconds=roll.back.seconds,
            lost=len(failed(roll.back.traffic)),
        )
    )


@pytest.mark.criterion("ROL-1")
def test_rolling_update_fails_no_request(gate: Gate, roll: Roll | None) -> None:
    """The rolling update forward fails no request."""
    if roll is None:
        gate.judge(no_way_back(gate.target.cluster.deployment, None, criterion="ROL-1"))
        return
    gate.judge(roll.forth.verdict)
