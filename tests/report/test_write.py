import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gate.causes import Cause
from gate.report import write
from gate.report.provenance import provenance
from gate.report.run import ReportError, Run
from gate.report.write import merge_runs, point_latest, publish, read_report, write_report
from gate.verdict import Status
from tests.report.samples import bad, good, header, run, upgrade

FILES = ["index.html", "junit.xml", "report.json", "report.md"]

PASSED = run(good("POD-1", "Fine."), exit_code=0)
FAILED = run(bad("POD-1", Cause.IMAGE_NOT_FOUND, "No image.", "Push it."), exit_code=1)
UNKNOWN = run(
    bad("RES-1", Cause.GATE_NOT_MEASURED, "Nobody measured.", "Measure.", status=Status.INCONCLUSIVE), exit_code=10
)
PREFLIGHT = run(good("NODE-1", "Known."), exit_code=0)


def names(folder: Path) -> list[str]:
    """Return what stands in a folder."""
    return sorted(path.name for path in folder.iterdir())


def criteria_of(merged: Run) -> list[str]:
    """Return the criteria of a run in its order."""
    return [judgement.verdict.criterion for judgement in merged.judgements]


# --- Files ------------------------------------------------------------------------------------------------------------


def test_write_report_empty_folder_four_files(tmp_path: Path) -> None:
    """A report is four files and nothing else, readable by everybody, and leads back to the run."""
    folder = tmp_path / "reports" / "20261122-155000"
    write_report(upgrade(), folder)
    assert names(folder) == FILES
    assert names(folder.parent) == [folder.name]
    assert folder.stat().st_mode & 0o055 == 0o055
    assert read_report(folder) == upgrade()


def test_write_report_older_report_replaced(tmp_path: Path) -> None:
    """A report that stood there is replaced as a whole."""
    write_report(FAILED, tmp_path / "run")
    (tmp_path / "run" / "stray.txt").write_text("left over")
    write_report(PASSED, tmp_path / "run")
    assert names(tmp_path / "run") == FILES
    assert read_report(tmp_path / "run") == PASSED
    assert names(tmp_path) == ["run"]


def test_write_report_full_disk_older_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure half-way leaves the older report whole, nothing beside it, and says which folder."""
    write_report(FAILED, tmp_path / "run")
    written: list[str] = []

    def full(path: Path, text: str, encoding: str) -> int:
        written.append(path.name)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return path.write_bytes(text.encode(encoding))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ReportError, match=r"report folder .*/run: No space left on device"):
        write_report(PASSED, tmp_path / "run")
    assert read_report(tmp_path / "run") == FAILED
    assert names(tmp_path) == ["run"]


def test_write_report_swap_fails_older_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new folder cannot take its place, the older one goes back there."""
    write_report(FAILED, tmp_path / "run")
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "fresh":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ReportError, match="Input/output error"):
        write_report(PASSED, tmp_path / "run")
    assert read_report(tmp_path / "run") == FAILED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "report.json: not JSON: "),
        ("[]", "report.json: holds a list, a report is an object"),
        ("{}", "format is None, this version of the gate reads 1"),
    ],
)
def test_read_report_no_report_refused(tmp_path: Path, content: str, message: str) -> None:
    """A file that is no report is refused with what is wrong about it."""
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ReportError) as refused:
        read_report(tmp_path)
    assert message in str(refused.value)


def test_read_report_missing_refused(tmp_path: Path) -> None:
    """A folder without a report is refused by the file's name."""
    with pytest.raises(ReportError, match=r"report.json: No such file or directory"):
        read_report(tmp_path)


# --- latest -----------------------------------------------------------------------------------------------------------


def test_point_latest_second_run_moved(tmp_path: Path) -> None:
    """``latest`` is a relative link to the newest folder: the whole tree can be moved."""
    for name, each in (("a", FAILED), ("b", PASSED)):
        write_report(each, tmp_path / "reports" / name)
        point_latest(tmp_path / "reports" / name)
    assert (tmp_path / "reports" / "latest").readlink() == Path("b")
    (tmp_path / "reports").rename(tmp_path / "moved")
    assert read_report(tmp_path / "moved" / "latest") == PASSED
    assert names(tmp_path / "moved") == ["a", "b", "latest"]


def test_point_latest_target_gone_replaced(tmp_path: Path) -> None:
    """A link whose folder somebody removed is replaced like any other."""
    write_report(FAILED, tmp_path / "a")
    point_latest(tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    write_report(PASSED, tmp_path / "b")
    point_latest(tmp_path / "b")
    assert read_report(tmp_path / "latest") == PASSED


def test_point_latest_unpacked_copy_replaced(tmp_path: Path) -> None:
    """A ``latest`` that an archive turned into a folder with a report is replaced by the link."""
    write_report(FAILED, tmp_path / "latest")
    write_report(PASSED, tmp_path / "a")
    point_latest(tmp_path / "a")
    assert (tmp_path / "latest").is_symlink()
    assert read_report(tmp_path / "latest") == PASSED


def test_point_latest_foreign_folder_refused(tmp_path: Path) -> None:
    """A folder of that name which holds no report is somebody's own, and stays."""
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "thesis.txt").write_text("years of work")
    write_report(PASSED, tmp_path / "a")
    with pytest.raises(
        ReportError, match=r"latest: is a folder without report.json, so no report made it; move it away"
    ):
        point_latest(tmp_path / "a")
    assert names(tmp_path / "latest") == ["thesis.txt"]


def test_point_latest_no_links_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where links cannot be made, ``latest`` is a copy, and the next run replaces it."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for name, each in (("a", FAILED), ("b", PASSED)):
        write_report(each, tmp_path / name)
        point_latest(tmp_path / name)
    assert not (tmp_path / "latest").is_symlink()
    assert read_report(tmp_path / "latest") == PASSED


# --- publish ----------------------------------------------------------------------------------------------------------


def test_publish_run_latest_and_provenance(tmp_path: Path) -> None:
    """A published run stands below ``reports``, is the latest, and says which gate judged."""
    folder = tmp_path / "reports" / "20261122-155000"
    published = publish(PASSED, folder)
    assert read_report(tmp_path / "reports" / "latest") == published
    assert published.header.version == provenance()[0]
    assert published.judgements == PASSED.judgements


def test_publish_tier_after_tier_one_report(tmp_path: Path) -> None:
    """Tiers that publish into one folder end in one report, in the order of the tiers."""
    folder = tmp_path / "reports" / "verify"
    publish(FAILED, folder)
    published = publish(PREFLIGHT, tmp_path / "reports" / "latest")
    assert criteria_of(published) == ["NODE-1", "POD-1"]
    assert published.exit_code == 1
    assert read_report(folder) == published
    assert names(tmp_path / "reports") == ["latest", "verify"]


def test_publish_elsewhere_no_latest(tmp_path: Path) -> None:
    """A folder that is not below ``reports`` gets no link beside it."""
    publish(PASSED, tmp_path / "elsewhere" / "run")
    assert names(tmp_path / "elsewhere") == ["run"]


def test_publish_other_cluster_saved_aside(tmp_path: Path) -> None:
    """A run on another cluster is not mixed into a report, and is not lost either."""
    folder = tmp_path / "reports" / "verify"
    publish(PASSED, folder)
    other = replace(FAILED, header=header(server="https://10.90.1.2:6443"))
    with pytest.raises(ReportError) as refused:
        publish(other, folder)
    aside = folder.with_name("verify-20261122-155000")
    assert str(refused.value) == (
        "reports of two runs cannot be merged: the cluster was https://10.90.0.2:6443 (kube-system "
        "0f3c9a52-6c1e-4f0a-9d57-3f1a6c2b8e11), now it is https://10.90.1.2:6443 (kube-system "
        f"0f3c9a52-6c1e-4f0a-9d57-3f1a6c2b8e11); the report of this run alone is in {aside}"
    )
    assert read_report(aside).exit_code == 1
    assert read_report(folder).judgements == PASSED.judgements


def test_publish_broken_report_saved_aside(tmp_path: Path) -> None:
    """A report that cannot be read does not swallow the run that comes after it."""
    folder = tmp_path / "reports" / "verify"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{")
    with pytest.raises(ReportError, match="not JSON"):
        publish(PASSED, folder)
    assert read_report(folder.with_name("verify-20261122-155000")).judgements == PASSED.judgements


def test_provenance_no_checkout_no_revision(tmp_path: Path) -> None:
    """Outside a checkout there is no revision, and the version comes from the project's file if it is there."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.8.7"\n')
    assert provenance(tmp_path) == ("9.8.7", None)


# --- merge ------------------------------------------------------------------------------------------------------------


def test_merge_runs_same_criterion_newer_replaces() -> None:
    """The newer verdict of a criterion counts, the other criteria stay, and the exit code is that of all."""
    older = run(bad("POD-1", Cause.IMAGE_NOT_FOUND, "No image.", "Push it."), good("POD-2", "Fine."), exit_code=1)
    merged = merge_runs(older, PASSED)
    assert criteria_of(merged) == ["POD-2", "POD-1"]
    assert merged.exit_code == 0


def test_merge_runs_same_criterion_of_another_occasion_stays() -> None:
    """A drill that went well does not hide the upgrade that did not: both verdicts stand, and the failure decides."""
    upgrade = run(bad("ROL-1", Cause.ROLLOUT_REQUESTS_FAILED, "3 of 90 failed.", "Drain."), exit_code=1)
    upgrade = replace(upgrade, judgements=tuple(replace(each, node_id="gate rollout") for each in upgrade.judgements))
    drill = run(good("ROL-1", "None of 90 failed."), exit_code=0, tiers=("rollback",))
    merged = merge_runs(upgrade, drill)
    assert criteria_of(merged) == ["ROL-1", "ROL-1"]
    assert merged.exit_code == 1


@pytest.mark.parametrize(
    ("older", "newer", "code"),
    [
        (PREFLIGHT, FAILED, 1),
        (FAILED, PREFLIGHT, 1),
        (PREFLIGHT, UNKNOWN, 10),
        (UNKNOWN, FAILED, 1),
        (UNKNOWN, PASSED, 10),
    ],
)
def test_merge_runs_exit_code_of_all(older: Run, newer: Run, code: int) -> None:
    """What failed or is unknown in either run decides."""
    assert merge_runs(older, newer).exit_code == code


def test_merge_runs_interrupted_older_outlives_other_tier() -> None:
    """An interrupted tier keeps the merged run from passing until it has run again."""
    cut = run(good("POD-1", "Fine."), exit_code=2, interrupted=True)
    merged = merge_runs(cut, PREFLIGHT)
    assert (merged.exit_code, merged.interrupted, merged.status) == (2, True, Status.INCONCLUSIVE)
    again = merge_runs(cut, PASSED)
    assert (again.exit_code, again.interrupted, again.status) == (0, False, Status.PASS)


def test_merge_runs_failure_outranks_own_trouble() -> None:
    """A known failure is told as one, whatever else went wrong."""
    assert merge_runs(FAILED, run(exit_code=5, tiers=("load",))).exit_code == 1


def test_merge_runs_header_covers_both() -> None:
    """The merged header spans both runs; a criterion that was judged after all is not left out."""
    first = header(tiers=("preflight",), image="repo@sha256:1", left_out={"TFP-1": "no plan", "MET-0": "no cluster"})
    first = replace(first, server=None, context=None, server_version=None, kube_system_uid=None)
    second = header(tiers=("acceptance",), image="repo@sha256:2", left_out={}, settings={"model.parallel": "2"})
    merged = merge_runs(
        replace(run(good("NODE-1", "Known."), exit_code=0), header=first),
        replace(run(good("MET-0", "Serves."), exit_code=0), header=second),
    ).header
    assert merged.tiers == ("preflight", "acceptance")
    assert (merged.image, merged.other_images) == ("repo@sha256:2", ("repo@sha256:1",))
    assert dict(merged.left_out) == {"TFP-1": "no plan"}
    assert merged.server == "https://10.90.0.2:6443"
    assert dict(merged.settings) == {
        "allow_mutation": "True",
        "acceptance.latency_samples": "24",
        "model.parallel": "2",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "demo"}, "the target was local, now it is demo"),
        ({"namespace": "other"}, "the namespace was carepath-demo, now it is other"),
    ],
)
def test_merge_runs_other_subject_refused(change: dict[str, str], message: str) -> None:
    """Runs on different targets or namespaces are not merged: one report would lie about one of them."""
    with pytest.raises(ReportError, match=message):
        merge_runs(PASSED, replace(PREFLIGHT, header=header(**change)))


def test_report_files_no_hostile_text_anywhere(tmp_path: Path) -> None:
    """Text that a pod or registry controls is escaped or cut in every file, and each file stays well-formed."""
    attack = "<script>alert(1)</script>]]>&\x00\x1b[31m|`" + "A" * 100_000
    hostile = bad("POD-1", Cause.CONTAINER_EXITED, attack, attack, symptoms=(attack,)).with_details(
        pods=[{"pod": attack, "revision": attack, "created": "2026-11-22T15:50:00Z"}],
        marks=[{"at": "2026-11-22T15:50:01Z", "label": attack}],
        latencies=[{"pod": attack, "seconds": 1.0}],
        odd=attack,
    )
    write_report(replace(run(hostile, exit_code=1), header=header(image=attack)), tmp_path / "run")
    for name in FILES:
        text = (tmp_path / "run" / name).read_text(encoding="utf-8")
        assert "\x00" not in text
        assert "\x1b" not in text
        assert "A" * 4096 not in text
    for name in ("index.html", "junit.xml"):
        assert "<script" not in (tmp_path / "run" / name).read_text(encoding="utf-8")
    outside_code = re.sub(
        r"```.*?```", "", (tmp_path / "run" / "report.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert not re.search(r"(?<!\\)<script", outside_code)
    assert json.loads((tmp_path / "run" / write.JSON_NAME).read_text())["status"] == "fail"
