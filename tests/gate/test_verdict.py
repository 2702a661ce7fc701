"""A verdict is refused without its proof, has no truth value, and the worst finding is its root."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.causes import Cause
from gate.verdict import SEVERITY, Evidence, Finding, Status, Verdict, inconclusive, judged, passed, worst

SEEN = (Evidence("Node/a", "status.allocatable.memory", "3231 MiB"),)


def failing(**changes: Any) -> Verdict:
    """Return a complete FAIL with one thing changed."""
    facts: dict[str, Any] = {
        "criterion": "FIT-1",
        "status": Status.FAIL,
        "reason": "700 MiB are missing.",
        "evidence": SEEN,
        "cause": Cause.MEMORY_DOES_NOT_FIT,
        "remedy": "Take a larger node.",
    }
    return Verdict(**facts | changes)


def finding(status: Status, reason: str, cause: Cause = Cause.NODE_PRESSURE) -> Finding:
    """Return a finding of that status."""
    return Finding(status, cause, reason, SEEN, "Do something.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evidence": ()}, "FIT-1: a verdict needs evidence, a pass too (of absence, if nothing applies)"),
        ({"reason": ""}, "FIT-1: a verdict needs a reason"),
        ({"cause": None}, "FIT-1: a cause belongs to every status but pass (status fail)"),
        ({"remedy": ""}, "FIT-1: a remedy belongs to every status but pass (status fail)"),
        ({"status": Status.PASS}, "FIT-1: a cause belongs to every status but pass (status pass)"),
        ({"status": Status.PASS, "cause": None}, "FIT-1: a remedy belongs to every status but pass (status pass)"),
    ],
)
def test_verdict_without_proof_is_refused(changes: dict[str, Any], message: str) -> None:
    """Each part is needed, and a pass carries neither cause nor remedy."""
    with pytest.raises(ValueError, match=r"^FIT-1") as caught:
        failing(**changes)
    assert str(caught.value) == message


def test_verdict_has_no_truth_value() -> None:
    """`if verdict` would read an inconclusive one as a pass."""
    with pytest.raises(TypeError, match=r"^FIT-1: a verdict has no truth value; compare \.status$"):
        bool(failing())


@pytest.mark.parametrize(("reason", "remedy", "evidence"), [("", "x", SEEN), ("x", "", SEEN), ("x", "x", ())])
def test_finding_nobody_could_act_on_is_refused(reason: str, remedy: str, evidence: tuple[Evidence, ...]) -> None:
    """A problem comes with its reason, its evidence and what to do."""
    with pytest.raises(ValueError, match=r"^finding node\.pressure: reason, remedy and evidence are all needed$"):
        Finding(Status.FAIL, Cause.NODE_PRESSURE, reason, evidence, remedy)


def test_finding_that_passes_is_refused() -> None:
    """What is in order is no finding."""
    with pytest.raises(ValueError, match="a finding is a problem, its status cannot be pass"):
        finding(Status.PASS, "Fine.")


def test_judged_roots_in_the_first_of_the_worst() -> None:
    """Causes come before their consequences; everything else is a symptom, each sentence once."""
    found = [
        finding(Status.WARN, "Thin."),
        finding(Status.INCONCLUSIVE, "Unknown."),
        finding(Status.FAIL, "Cause.", Cause.NODE_NOT_READY),
        finding(Status.FAIL, "Consequence."),
        finding(Status.FAIL, "Consequence."),
        finding(Status.WARN, "Cause."),
    ]
    verdict = judged("FIT-2", found, passed("FIT-2", "All fits.", SEEN))
    assert (verdict.criterion, verdict.status, verdict.cause) == ("FIT-2", Status.FAIL, Cause.NODE_NOT_READY)
    assert (verdict.reason, verdict.remedy) == ("Cause.", "Do something.")
    assert verdict.symptoms == ("Consequence.", "Unknown.", "Thin.")


def test_judged_without_findings_is_the_alternative() -> None:
    """Nothing found is what the caller says it is, not always a pass."""
    otherwise = inconclusive("FIT-2", Cause.GATE_NOT_MEASURED, "Nobody looked.", SEEN, "Look.")
    assert judged("FIT-2", iter(()), otherwise) is otherwise


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((Status.PASS, Status.WARN), Status.WARN),
        ((Status.WARN, Status.INCONCLUSIVE, Status.PASS), Status.INCONCLUSIVE),
        ((Status.INCONCLUSIVE, Status.FAIL), Status.FAIL),
        ((Status.PASS,), Status.PASS),
        ((), Status.INCONCLUSIVE),
    ],
)
def test_worst_status_ranks_a_known_failure_first(statuses: tuple[Status, ...], expected: Status) -> None:
    """A failure outranks what nobody knows, and zero checks are not success."""
    assert worst(statuses) is expected


def test_severity_ranks_every_status() -> None:
    """A status that nobody ranked could not be compared."""
    assert sorted(SEVERITY) == sorted(Status)


def test_evidence_reads_as_one_line() -> None:
    """Object, field, value, and the time where there is one."""
    at = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
    assert str(SEEN[0]) == "Node/a status.allocatable.memory = 3231 MiB"
    assert str(Evidence("Pod/b", "phase", "Pending", at)) == "Pod/b phase = Pending (at 03:04:05)"


def test_details_are_added_without_a_change_of_the_judgement() -> None:
    """The report's series join those that are there."""
    verdict = failing().with_details(first=[1]).with_details(second=[2])
    assert verdict.details == (("first", [1]), ("second", [2]))
    assert verdict.status is Status.FAIL
