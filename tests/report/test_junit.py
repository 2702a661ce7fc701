from xml.etree import ElementTree as ET

from gate.causes import Cause
from gate.report.junit import run_to_junit
from gate.report.run import Run
from gate.verdict import Status
from tests.report.samples import bad, good, run, upgrade


def parsed(judged: Run) -> ET.Element:
    """Return the run's JUnit document."""
    return ET.fromstring(run_to_junit(judged))  # noqa: S314  # our own writer's output


def test_junit_statuses_mapped_to_outcomes() -> None:
    """FAIL is a failure, INCONCLUSIVE an error, WARN a pass with a property, each in its tier's suite."""
    root = parsed(upgrade())
    assert root.attrib["tests"] == "22"
    assert (root.attrib["failures"], root.attrib["errors"]) == ("2", "1")
    assert [(each.get("name"), each.get("tests")) for each in root.iter("testsuite")] == [
        ("preflight", "6"),
        ("container", "5"),
        ("acceptance", "8"),
        ("rollback", "2"),
        ("load", "1"),
    ]
    failed = [str(case.get("name"))[:5] for case in root.iter("testcase") if case.find("failure") is not None]
    errors = [str(case.get("name"))[:5] for case in root.iter("testcase") if case.find("error") is not None]
    warned = [
        str(case.get("name"))[:5]
        for case in root.iter("testcase")
        if case.find("properties/property[@name='warning']") is not None
    ]
    assert (failed, errors, warned) == (["LLM-1", "ROL-1"], ["RES-1"], ["IMG-1", "LOD-1"])


def test_junit_failure_reads_as_a_block() -> None:
    """A failure's text gives reason, evidence, symptoms, remedy and where to read on."""
    verdict = bad("POD-1", Cause.IMAGE_NOT_FOUND, "No image.", "Push it.", symptoms=("The pod waits.",))
    failure = parsed(run(verdict, exit_code=1)).find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.attrib == {"message": "No image.", "type": "image.not_found"}
    assert failure.text == (
        "No image.\nPod/chat-api status.phase = Pending (at 15:51:01)\nalso: The pod waits.\nremedy: Push it.\n"
        "runbook: notes/causes.md#imagenot_found"
    )


def test_junit_nothing_judged_one_error() -> None:
    """A run that judged nothing is an error of its own, never an empty and therefore green file."""
    root = parsed(run(exit_code=10))
    error = root.find("testsuite[@name='gate']/testcase/error")
    assert error is not None
    assert error.get("message") == "Nothing was judged: zero checks are not success"
    assert root.get("errors") == "1"


def test_junit_interrupted_error_beside_the_rest() -> None:
    """An interrupted run keeps what it judged and adds an error."""
    root = parsed(run(good("POD-1", "Fine."), exit_code=2, interrupted=True))
    assert [suite.get("name") for suite in root.iter("testsuite")] == ["acceptance", "gate"]
    assert root.find("testsuite/testcase/error[@type='gate.interrupted']") is not None


def test_junit_forbidden_characters_left_out() -> None:
    """Characters that XML forbids do not reach the file, whatever the kubelet said."""
    verdict = bad("POD-1", Cause.CONTAINER_EXITED, "exit \x00\x0b\ufffe<1>", "Look & see.", status=Status.INCONCLUSIVE)
    error = parsed(run(verdict, exit_code=10)).find("testsuite/testcase/error")
    assert error is not None
    assert error.get("message") == "exit <1>"
