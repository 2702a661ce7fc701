import json
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from typing import Any

import jsonschema
import pytest

from gate.causes import Cause
from gate.report.run import ExitCode, Header, ReportError, Run, exit_code, run_from_json, run_to_json
from gate.verdict import Evidence, Status
from tests.report.samples import START, bad, good, header, judgement, run, upgrade


def schema() -> dict[str, Any]:
    """Return the committed schema of report.json."""
    text = resources.files("gate.report").joinpath("report.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def validate(document: object) -> None:
    """Check a report against the schema, formats included."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema(), format_checker=checker).validate(document)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 10),
        ([Status.PASS], 0),
        ([Status.PASS, Status.WARN], 0),
        ([Status.WARN, Status.INCONCLUSIVE], 10),
        ([Status.INCONCLUSIVE, Status.FAIL, Status.PASS], 1),
    ],
)
def test_exit_code_statuses_worst_decides(statuses: list[Status], code: int) -> None:
    """A failure is 1, what could not be found out 10, nothing judged 10 too, and warnings pass."""
    assert exit_code(statuses) == code


def test_exit_code_pytest_own_equal() -> None:
    """Codes 2 to 6 mean what pytest means by them."""
    own = {code.name: int(code) for code in pytest.ExitCode if code > 1}
    assert own == {code.name: int(code) for code in ExitCode if 1 < code < 10}


def test_report_json_round_trip_equal() -> None:
    """What was written is read back as an equal run, through text."""
    before = upgrade()
    assert run_from_json(json.loads(json.dumps(run_to_json(before)))) == before


@pytest.mark.parametrize("sample", [upgrade(), run(exit_code=10), run(exit_code=2, interrupted=True, tiers=("load",))])
def test_report_json_any_run_fits_schema(sample: Run) -> None:
    """Every report fits the committed schema: full, empty and interrupted."""
    validate(run_to_json(sample))


def test_report_json_contract_keys_present() -> None:
    """The keys that others rely on stand where the contract puts them."""
    document = run_to_json(run(bad("POD-1", Cause.IMAGE_NOT_FOUND, "No image.", "Push it."), exit_code=1))
    assert {"header", "verdicts", "counts", "exit_code"} <= document.keys()
    assert document["verdicts"] == [
        {
            "criterion": "POD-1",
            "tier": "acceptance",
            "title": judgement(good("POD-1", "x")).title,
            "status": "fail",
            "cause": "image.not_found",
            "reason": "No image.",
            "evidence": [
                {
                    "object": "Pod/chat-api",
                    "field": "status.phase",
                    "value": "Pending",
                    "at": "2026-11-22T15:51:01+00:00",
                }
            ],
            "remedy": "Push it.",
            "symptoms": [],
            "details": {},
            "started_at": "2026-11-22T15:50:00+00:00",
            "duration_s": 0.1,
            "node_id": "acceptance/test_acceptance.py::test_pod_1",
        }
    ]
    assert document["counts"] == {"pass": 0, "warn": 0, "fail": 1, "inconclusive": 0}


@pytest.mark.parametrize(
    ("key", "value"), [("cause", "image.not_found"), ("remedy", "Do it."), ("evidence", []), ("status", "ok")]
)
def test_schema_pass_with_a_problem_refused(key: str, value: object) -> None:
    """A pass has neither cause nor remedy, every verdict has evidence, and statuses are the four known ones."""
    document = json.loads(json.dumps(run_to_json(run(good("POD-1", "Fine."), exit_code=0))))
    document["verdicts"][0][key] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_run_judgements_order_of_tiers() -> None:
    """Judgements stand in the order of a deploy, and within a tier as they were made."""
    verdicts = [good(each, "Fine.") for each in ("LOD-1", "POD-2", "CON-1", "POD-1", "NODE-1", "ROL-1")]
    ordered = [each.verdict.criterion for each in run(*verdicts, exit_code=0).judgements]
    assert ordered == ["NODE-1", "CON-1", "POD-2", "POD-1", "ROL-1", "LOD-1"]


def test_run_troubles_worst_first() -> None:
    """Failures come before what could not be found out, and that before warnings."""
    verdicts = [
        bad("NODE-1", Cause.NODE_MARGIN_THIN, "Thin.", "Grow.", status=Status.WARN),
        bad("CON-1", Cause.GATE_TIMED_OUT, "Late.", "Again.", status=Status.INCONCLUSIVE),
        good("POD-1", "Fine."),
        bad("POD-2", Cause.IMAGE_DIGEST_MISMATCH, "Differs.", "Deploy."),
    ]
    assert [each.verdict.criterion for each in run(*verdicts, exit_code=1).troubles] == ["POD-2", "CON-1", "NODE-1"]


@pytest.mark.parametrize(("code", "interrupted"), [(2, True), (0, True), (3, False), (10, False)])
def test_run_status_cut_short_inconclusive(code: int, interrupted: bool) -> None:  # noqa: FBT001  # parametrized
    """A run whose verdicts all pass is no pass when it was interrupted or went wrong itself."""
    assert run(good("POD-1", "Fine."), exit_code=code, interrupted=interrupted).status is Status.INCONCLUSIVE


def test_run_status_complete_pass_passes() -> None:
    """A complete run of passes and warnings has the worst of its statuses."""
    assert run(good("POD-1", "Fine."), exit_code=0).status is Status.PASS


def test_header_time_without_zone_refused() -> None:
    """A time without a zone is refused by name: a report is read elsewhere."""
    with pytest.raises(ValueError, match=r"header.started_at = 2026-11-22T15:50:00: a report's times carry their zone"):
        header(started_at=datetime(2026, 11, 22, 15, 50))  # noqa: DTZ001  # the fault


def test_header_time_other_zone_becomes_utc() -> None:
    """A time of another zone is kept as the same moment in UTC."""
    local = START.astimezone(timezone(timedelta(hours=-5)))
    assert header(started_at=local).started_at.isoformat() == "2026-11-22T15:50:00+00:00"


def test_report_json_wrong_keys_all_named() -> None:
    """Reading a report that is none names every wrong key at once."""
    document = json.loads(json.dumps(run_to_json(run(good("POD-1", "Fine."), exit_code=0))))
    del document["header"]["target"]
    document["verdicts"][0]["status"] = "ok"
    with pytest.raises(ReportError) as refused:
        run_from_json(document)
    assert "2 problem(s)" in str(refused.value)
    assert "header.target: " in str(refused.value)
    assert "verdicts.0.status: " in str(refused.value)


def test_report_json_pass_with_cause_refused() -> None:
    """A file that was edited into a contradiction is refused by the verdict's own rule."""
    document = json.loads(json.dumps(run_to_json(run(good("POD-1", "Fine."), exit_code=0))))
    document["verdicts"][0]["cause"] = "image.not_found"
    with pytest.raises(ReportError, match="POD-1: a cause belongs to every status but pass"):
        run_from_json(document)


def test_report_json_other_format_refused() -> None:
    """A report of another format says which one it is and which is read."""
    with pytest.raises(ReportError, match="format is 2, this version of the gate reads 1"):
        run_from_json({"format": 2})


def test_judgement_details_become_plain_data() -> None:
    """Details of any kind are kept as JSON knows them; what was not measured is null."""
    moment = datetime(2026, 11, 22, 15, 50, tzinfo=UTC)
    seen = Evidence("Pod/a", "phase", "Running", moment)
    verdict = good("LAT-1", "Fine.").with_details(
        latencies=({"seconds": float("nan"), "at": moment},),
        status=Status.PASS,
        seen=seen,
        odd=object(),
        names={"b", "a"},
    )
    assert dict(judgement(verdict).verdict.details) == {
        "latencies": [{"seconds": None, "at": "2026-11-22T15:50:00+00:00"}],
        "status": "pass",
        "seen": {"object": "Pod/a", "field": "phase", "value": "Running", "at": "2026-11-22T15:50:00+00:00"},
        "odd": "<object>",
        "names": ["a", "b"],
    }


def test_header_minimal_no_cluster() -> None:
    """A run without a cluster has a header without one."""
    bare = Header(target="demo", tiers=("preflight",), started_at=START, finished_at=START)
    assert (bare.server, bare.namespace, bare.image, bare.duration_s) == (None, None, None, 0.0)
