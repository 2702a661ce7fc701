"""Whose trouble an exception is: each kind has its cause, and none is a pass."""

import pytest

from gate.causes import Cause
from gate.readers.errors import Denied, DrillRefused, NotFound, Unreachable, WrongCluster
from gate.trouble import raised_evidence, trouble
from gate.verdict import Evidence, Status

WHERE = Evidence("test/acceptance/test_acceptance.py::test_x", "phase", "setup")


@pytest.mark.parametrize(
    ("error", "cause", "reason"),
    [
        (
            Denied("list", "pods", "carepath-demo", "forbidden"),
            Cause.GATE_FORBIDDEN,
            "not permitted: list pods in namespace carepath-demo: forbidden",
        ),
        (WrongCluster("expected A, found B"), Cause.GATE_WRONG_CLUSTER, "expected A, found B"),
        (Unreachable("API server: connection refused"), Cause.GATE_UNREACHABLE, "API server: connection refused"),
        (NotFound("plan.json: no such file"), Cause.GATE_BAD_INPUT, "plan.json: no such file"),
        (DrillRefused("lease/x is held"), Cause.GATE_DRILL_REFUSED, "lease/x is held"),
        (KeyError("revision"), Cause.GATE_CRASHED, "The gate itself failed: KeyError: 'revision'"),
        (ValueError(), Cause.GATE_CRASHED, "The gate itself failed: ValueError: no message"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_trouble_is_inconclusive_by_its_own_cause(error: Exception, cause: Cause, reason: str) -> None:
    """Who reads it at night learns whether to look at rights, network, another drill, or a bug of the gate."""
    verdict = trouble("POD-1", error, raised_evidence(error, WHERE))
    assert (verdict.criterion, verdict.status, verdict.cause) == ("POD-1", Status.INCONCLUSIVE, cause)
    assert verdict.reason == reason
    assert verdict.evidence[0].object == WHERE.object
    assert verdict.evidence[0].value.startswith(f"{type(error).__name__}: ")


def test_trouble_with_a_long_message_is_cut() -> None:
    """A page of HTML is no reason."""
    error = RuntimeError("x" * 5000)
    verdict = trouble("POD-1", error, raised_evidence(error, WHERE))
    assert len(verdict.reason) < 250
    assert len(verdict.evidence[0].value) < 550
