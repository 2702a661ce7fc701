"""`gate.context.failure_bundle`: which runs leave a diagnostics bundle, and what is read for it."""

import io
import tarfile

import pytest

from gate.causes import Cause
from gate.context import Gate, failure_bundle
from gate.readers.errors import Unreachable
from gate.records import LogTail
from gate.report.bundle import FOLDER
from gate.report.run import Run
from gate.target import load_target
from gate.verdict import Status
from infra.paths import PROJECT
from tests.diagnosis import factories as make
from tests.report.samples import bad, good, run

FAILED = run(bad("HLT-1", Cause.HEALTH_FAILED, "1 of 2 pods failed.", "Read its log."), exit_code=1)
UNKNOWN = run(
    bad("RES-1", Cause.GATE_FORBIDDEN, "Not permitted.", "Grant it.", status=Status.INCONCLUSIVE), exit_code=10
)
DRILL = run(bad("ROL-1", Cause.REQUEST_FAILED, "2 requests failed.", "Read why."), exit_code=1)
PREFLIGHT = run(bad("NODE-1", Cause.NODE_TYPE_UNKNOWN, "No such type.", "Correct it."), exit_code=1)
PASSED = run(good("POD-1", "Fine."), exit_code=0)


class Reader:
    """A cluster whose logs name a test patient, or that does not answer any more."""

    def __init__(self, *, answers: bool = True) -> None:
        self._answers = answers

    def logs(self, pod: str, container: str, *, previous: bool = False, limit_bytes: int = 0) -> LogTail:
        """Return one line, or raise."""
        assert limit_bytes
        if not self._answers:
            raise Unreachable("API server https://10.90.0.2:6443: connection refused")
        return LogTail(pod=pod, container=container, previous=previous, lines=("asked about MRN-001",))


def gate(*, read: bool = True, answers: bool = True) -> Gate:
    """Return a gate that has judged a snapshot, or could not read any."""
    made = Gate(target=load_target("local", PROJECT), root=PROJECT)
    vars(made)["reader"] = Reader(answers=answers)
    if read:
        made.use_snapshot(make.healthy_snapshot())
    return made


def unpacked(archive: bytes | None) -> dict[str, str]:
    """Return name and text of each file."""
    assert archive is not None
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {
            each.name.removeprefix(f"{FOLDER}/"): (tar.extractfile(each) or io.BytesIO()).read().decode()
            for each in tar.getmembers()
        }


@pytest.mark.parametrize("told", [FAILED, UNKNOWN, DRILL], ids=["failed", "inconclusive", "drill"])
def test_run_in_the_cluster_that_did_not_pass_leaves_a_bundle_with_logs(told: Run) -> None:
    """Without the test patients' numbers, which the target names."""
    files = unpacked(failure_bundle(gate(), told))
    assert [text for name, text in files.items() if name.startswith("logs/")] == ["asked about ***\n"] * 2


@pytest.mark.parametrize("told", [PASSED, PREFLIGHT], ids=["passed", "preflight"])
def test_run_that_passed_or_looked_at_no_running_app_leaves_none(told: Run) -> None:
    """A preflight's report says all there is."""
    assert failure_bundle(gate(), told) is None


def test_cluster_that_went_away_leaves_a_bundle_that_says_so() -> None:
    """What was judged is there, and the logs that are not are named."""
    files = unpacked(failure_bundle(gate(answers=False), FAILED))
    assert "objects/pods.jsonl" in files
    assert "connection refused" in files["index.md"]


def test_cluster_that_was_never_read_leaves_the_verdicts() -> None:
    """No second attempt is made to reach it."""
    files = unpacked(failure_bundle(gate(read=False), UNKNOWN))
    assert set(files) == {"index.md", "report.json"}
    assert "no snapshot of the cluster could be read" in files["index.md"]
