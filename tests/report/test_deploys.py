"""The record of a deploy: what it says, where it lies, and its line in the changelog."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gate.report.deploys import (
    END,
    SCHEMA,
    START,
    Deploy,
    Judged,
    Planned,
    mark_deploys,
    read_deploys,
    schema_text,
    with_entries,
    write_deploy,
)
from gate.report.run import ReportError
from gate.verdict import Status
from tests.report import samples


def deploy(**changes: Any) -> Deploy:  # noqa: ANN401  # a change may be of any field
    """Return the record of an upgrade to v2 on two nodes."""
    values: dict[str, Any] = {
        "at": samples.START,
        "seconds": 31.5,
        "target": "demo",
        "server": "https://eks.example",
        "kube_system_uid": "0f3c9a52",
        "namespace": "carepath-demo",
        "deployment": "chat-api",
        "revision": 2,
        "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/carepath-chat-api@sha256:" + "4f1d0c9ab37e5526" * 4,
        "digest": "sha256:" + "4f1d0c9ab37e5526" * 4,
        "image_before": None,
        "environment": {"LLM_MODE": "Qwen3-4B-Thinking-2507"},
        "command": "python -m infra.tf apply --env demo",
        "plan": (Planned(name="Deployment/chat-api", action="update", fields=("image: a -> b",)),),
        "verdicts": (Judged(criterion="POD-1", status=Status.PASS, cause=None, reason="All 2 pods run."),),
        "status": Status.PASS,
        "nodes": {"r6a.large": 2},
        "usd_per_month": 165.56,
        "unpriced": (),
        "report": "reports/20261122-155000",
        "gate_version": "0.1.0",
        "gate_revision": "6cbd2159113f",
    }
    return Deploy(**values | changes)


ENTRY = (
    "- 2026-11-22 15:50:00 UTC demo: carepath-chat-api@sha256:4f1d0c9ab37e, LLM_MODE Qwen3-4B-Thinking-2507; pass "
    "(POD-1 pass); 2 x r6a.large; USD 166 a month."
)


def test_entry_says_date_image_mode_verdicts_nodes_and_cost() -> None:
    """One line for the changelog, whatever is known."""
    assert deploy().entry == ENTRY
    unknown = deploy(image=None, environment={}, nodes={}, usd_per_month=None)
    assert unknown.entry == (
        "- 2026-11-22 15:50:00 UTC demo: no image; pass (POD-1 pass); nodes not read; cost not known."
    )


def test_record_is_read_back_as_written_and_keeps_its_schema(tmp_path: Path) -> None:
    """The file lies by target and time, and is what the schema promises."""
    path = write_deploy(deploy(), tmp_path)
    assert path == tmp_path / "demo" / "20261122-155000.json"
    assert read_deploys(tmp_path) == (deploy(),)
    jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_schema_file_is_that_of_the_record() -> None:
    """Whoever changes the record writes the schema again."""
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


def test_records_come_newest_first_and_by_target(tmp_path: Path) -> None:
    """All targets, or those asked for."""
    for hours, target in ((0, "demo"), (2, "local"), (1, "demo")):
        write_deploy(deploy(at=samples.START + timedelta(hours=hours), target=target), tmp_path)
    assert [each.target for each in read_deploys(tmp_path)] == ["local", "demo", "demo"]
    assert [f"{each.at:%H}" for each in read_deploys(tmp_path, ["demo"])] == ["16", "15"]
    assert read_deploys(tmp_path / "nowhere") == ()


def test_record_that_is_none_is_refused_by_file_and_key(tmp_path: Path) -> None:
    """A file that was cut short is not skipped in silence."""
    path = write_deploy(deploy(), tmp_path)
    path.write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(ReportError, match=rf"^{path}: not the record of a deploy: at: Field required; "):
        read_deploys(tmp_path)


def test_record_that_cannot_be_written_names_its_file(tmp_path: Path) -> None:
    """And leaves nothing half-written."""
    (tmp_path / "demo").write_text("in the way")
    with pytest.raises(ReportError, match=r"20261122-155000\.json: "):
        write_deploy(deploy(), tmp_path)


def test_changelog_gets_a_line_for_each_deploy_and_keeps_those_recorded_elsewhere(tmp_path: Path) -> None:
    """Newest first, nothing twice, and what stands around it stays."""
    elsewhere = "- 2026-11-20 08:00:00 UTC demo: carepath-chat-api:v1.0; pass (POD-1 pass); nodes not read; cost ?."
    page = tmp_path / "CHANGELOG.md"
    page.write_text(f"# Changelog\n\n{START}\n\n{elsewhere}\n\n{END}\n\nafter\n", encoding="utf-8")
    later = deploy(at=samples.START + timedelta(days=1))
    assert mark_deploys(page, [deploy(), later]) == 3
    once = page.read_text(encoding="utf-8")
    assert once == f"# Changelog\n\n{START}\n\n{later.entry}\n{ENTRY}\n{elsewhere}\n\n{END}\n\nafter\n"
    assert mark_deploys(page, [deploy(), later]) == 3
    assert page.read_text(encoding="utf-8") == once


def test_changelog_with_a_deploy_judged_anew_has_its_line_once() -> None:
    """The record decides."""
    worse = deploy(status=Status.FAIL)
    text = with_entries(f"{START}\n{ENTRY}\n{END}", [worse], "CHANGELOG.md")
    assert text == f"{START}\n\n{worse.entry}\n\n{END}"


def test_changelog_without_markers_is_refused(tmp_path: Path) -> None:
    """Nothing is written where nobody asked for it."""
    with pytest.raises(ReportError, match=r"^page: has no <!-- deploys"):
        with_entries("# Changelog\n", [], "page")
    with pytest.raises(ReportError, match="not readable"):
        mark_deploys(tmp_path / "none.md", [])


def test_changelog_of_the_project_has_the_markers() -> None:
    """`make changelog` finds its place."""
    page = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert with_entries(page, [], "CHANGELOG.md") == page
