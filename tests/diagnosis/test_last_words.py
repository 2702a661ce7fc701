"""What an ended container's log adds to its exit code, and that nothing of it is shown."""

import pytest

from gate.causes import Cause
from gate.diagnosis.deployments import examine
from gate.diagnosis.last_words import Speaker, explained, speaker
from gate.diagnosis.rollout import rollout_verdict
from gate.records import ContainerState, LogTail, Snapshot
from gate.verdict import Verdict
from tests.diagnosis import factories as make

PATIENT = "question about MRN-001 of Jane Doe"


def crashed(code: int = 1) -> tuple[Snapshot, Verdict]:
    """Return a rollout whose container ends with that code, and POD-1 of it."""
    status = {"restarts": 2, "last_state": make.terminated(code)}
    snapshot = make.rollout_snapshot(make.unready_pod(make.waiting("CrashLoopBackOff"), status=status))
    return snapshot, rollout_verdict(snapshot, deployment=make.DEPLOYMENT)


def told(*lines: str, code: int = 1) -> Verdict:
    """Return the verdict after the log was read."""
    snapshot, verdict = crashed(code)
    tail = LogTail(pod=snapshot.pods[0].name, container=make.CONTAINER, previous=True, lines=(PATIENT, *lines))
    return explained(snapshot, verdict, tail)


@pytest.mark.parametrize(
    ("line", "cause", "what"),
    [
        (
            "exec /usr/local/bin/python: exec format error",
            Cause.IMAGE_WRONG_PLATFORM,
            "its program is for another processor than the node's (amd64)",
        ),
        (
            "error loading model: unknown model architecture: 'qwen3'",
            Cause.MODEL_ARCHITECTURE,
            "its engine does not know the model's architecture",
        ),
        (
            "  - LLM_MODE='nope': 'nope' is not known; known are mock, SmolLM2-135M-Instruct",
            Cause.CONFIG_UNKNOWN_LLM_MODE,
            "LLM_MODE is neither mock nor a model of the catalogue",
        ),
        ("  - MAX_QUEUE='many': not a number", Cause.CONFIG_BAD_VALUE, "it refuses the value of MAX_QUEUE"),
        ("OSError: [Errno 28] No space left on device", Cause.CONTAINER_EXITED, "a disk that it writes to is full"),
        ("ModuleNotFoundError: No module named 'x'", Cause.CONTAINER_EXITED, "its log ends with ModuleNotFoundError"),
    ],
)
def test_known_line_names_the_cause_and_shows_nothing_else(line: str, cause: Cause, what: str) -> None:
    """Incidents 14, 16 and 22; the line itself and the patient beside it stay in the log."""
    verdict = told(line)
    assert verdict.cause is cause
    assert verdict.reason.endswith(f": {what}.")
    shown = f"{verdict.reason} {verdict.remedy} {' '.join(map(str, verdict.evidence))}"
    assert "Jane" not in shown
    assert "nope" not in shown
    assert "No module named" not in shown


def test_last_known_line_counts() -> None:
    """An error that was survived an hour ago is not why it ended."""
    assert told("OSError: No space left on device", "exec /x: exec format error").cause is Cause.IMAGE_WRONG_PLATFORM


def test_log_that_says_nothing_known_changes_nothing() -> None:
    """A guess would be worse than the exit code."""
    _, verdict = crashed()
    assert told("shutting down", "an Error: occurred") == verdict


@pytest.mark.parametrize(("state", "previous"), [(make.waiting("CrashLoopBackOff"), False), (make.running(3), True)])
def test_speaker_is_the_instance_that_ended(state: ContainerState, *, previous: bool) -> None:
    """Of a container that is down it is the current log, of one that runs again the previous."""
    pod = make.unready_pod(state, status={"restarts": 2, "last_state": make.terminated(1)})
    snapshot = make.rollout_snapshot(pod)
    verdict = rollout_verdict(snapshot, deployment=make.DEPLOYMENT)
    assert speaker(examine(snapshot, make.DEPLOYMENT), verdict) == Speaker(pod.name, make.CONTAINER, previous)


def test_cause_that_says_enough_needs_no_log() -> None:
    """An OOM kill is told by the kubelet; the log has nothing to add."""
    status = {"restarts": 2, "last_state": make.terminated(137, "OOMKilled")}
    snapshot = make.rollout_snapshot(make.unready_pod(make.waiting("CrashLoopBackOff"), status=status))
    verdict = rollout_verdict(snapshot, deployment=make.DEPLOYMENT)
    assert speaker(examine(snapshot, make.DEPLOYMENT), verdict) is None
