"""`gate.diagnosing` on a scripted cluster: what is printed, and the archive."""

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gate.causes import Cause
from gate.diagnosing import diagnose, save_bundle
from gate.readers.cluster import ClusterReader
from gate.records import LogTail, Snapshot
from gate.report.bundle import FOLDER
from gate.report.run import ReportError
from tests.diagnosis import factories as make


@dataclass
class Reader:
    """A cluster of one snapshot whose logs all say the same."""

    seen: Snapshot
    line: str = "ready"
    asked: list[str] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        """Return it."""
        return self.seen

    def logs(self, pod: str, container: str, *, previous: bool = False, limit_bytes: int = 0) -> LogTail:
        """Return the line as the whole log."""
        self.asked.append(pod)
        assert limit_bytes >= 0
        return LogTail(pod=pod, container=container, previous=previous, lines=(self.line,))


def cluster(seen: Snapshot, line: str = "ready") -> ClusterReader:
    """Return the reader as what it stands for."""
    return Reader(seen, line)  # type: ignore[return-value]  # what diagnose uses of it


def crashing() -> Snapshot:
    """Return a rollout whose only container ends again and again."""
    status = {"restarts": 2, "last_state": make.terminated(1)}
    return make.rollout_snapshot(make.unready_pod(make.waiting("CrashLoopBackOff"), status=status))


def test_diagnosis_of_a_healthy_namespace_is_two_lines_and_reads_no_log() -> None:
    """Nothing is wrong, and that is all there is to say."""
    reader = Reader(make.healthy_snapshot())
    found = diagnose(reader)  # type: ignore[arg-type]  # what diagnose uses of it
    heading, blank, verdict = found.lines()
    assert heading == "https://10.90.0.2:6443, namespace carepath-demo: 1 Deployment(s)"
    assert (blank, verdict[:26]) == ("", "PASS deployment/chat-api: ")
    assert (found.exit_code, reader.asked) == (0, [])


def test_diagnosis_of_a_crash_prints_the_tree_with_the_cause_that_the_log_tells() -> None:
    """The exit code says little, the log's last words say why; none of them is printed."""
    found = diagnose(cluster(crashing(), "exec /app: exec format error"))
    assert found.verdicts["chat-api"].cause is Cause.IMAGE_WRONG_PLATFORM
    printed = list(found.lines())
    assert printed[3] == "  cause   image.wrong_platform"
    assert {line[:8] for line in printed[4:]} <= {"  seen  ", "  then  ", "  do    "}
    assert found.exit_code == 1


def test_saved_bundle_holds_the_verdict_and_the_logs_of_what_is_not_well(tmp_path: Path) -> None:
    """Beside it nothing is left, and an older one is replaced."""
    path = tmp_path / "bundle.tar.gz"
    path.write_text("older")
    reader = cluster(crashing(), "asked for MRN-0815")
    save_bundle(reader, diagnose(reader), path)
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes()), mode="r:gz") as tar:
        texts = {each.name: (tar.extractfile(each) or io.BytesIO()).read().decode() for each in tar.getmembers()}
    assert "FAIL POD-1 (container.exited)" in texts[f"{FOLDER}/index.md"]
    assert [text for name, text in texts.items() if "/logs/" in name] == ["asked for ***\n"] * 2
    assert [each.name for each in tmp_path.iterdir()] == ["bundle.tar.gz"]


def test_bundle_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    """The path and the reason, in one line."""
    reader = cluster(make.healthy_snapshot())
    with pytest.raises(ReportError, match=r"/gone/bundle\.tar\.gz: No such file or directory"):
        save_bundle(reader, diagnose(reader), tmp_path / "gone" / "bundle.tar.gz")
