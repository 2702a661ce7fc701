"""A run as `make verify` makes them, with all four statuses and every series that the report draws.

The figures are those of one upgrade from mock to model on a two-core machine, rounded; time counts from ``START``.
"""

from datetime import UTC, datetime, timedelta

from gate.causes import Cause
from gate.criteria import Tier, criteria
from gate.report.run import Header, Judgement, Run
from gate.verdict import Evidence, Status, Verdict, passed

START = datetime(2026, 11, 22, 15, 50, 0, tzinfo=UTC)
IMAGE = "localhost:5000/carepath-chat-api@sha256:" + "4f1d0c9ab37e5526" * 4
OLD_PODS = ("chat-api-6c9f7d5b8-h2kqx", "chat-api-6c9f7d5b8-zw84n")
NEW_PODS = ("chat-api-7d4b9c6f5-4jx8t", "chat-api-7d4b9c6f5-m9qvr")


def at(seconds: float) -> datetime:
    """Return the time ``seconds`` after the start of the run."""
    return START + timedelta(seconds=seconds)


def header(**changes: object) -> Header:
    """Return the header of a run on the embedded cluster."""
    values: dict[str, object] = {
        "target": "local",
        "tiers": ("preflight", "container", "acceptance", "rollback", "load"),
        "server": "https://10.90.0.2:6443",
        "context": "carepath",
        "server_version": "v1.34.4",
        "kube_system_uid": "0f3c9a52-6c1e-4f0a-9d57-3f1a6c2b8e11",
        "namespace": "carepath-demo",
        "image": IMAGE,
        "settings": {"allow_mutation": "True", "acceptance.latency_samples": "24"},
        "left_out": {"TFP-1": "the target has no plan"},
        "started_at": START,
        "finished_at": at(214.6),
        "version": "0.1.0",
        "revision": "6cbd2159113f",
    }
    return Header(**(values | changes))  # type: ignore[arg-type]  # a test names the fields that it changes


def judgement(verdict: Verdict, start_s: float = 0.0, duration_s: float = 0.2) -> Judgement:
    """Return the verdict in its place in the table."""
    criterion = criteria()[verdict.criterion]
    return Judgement(
        verdict=verdict,
        tier=criterion.tier,
        title=criterion.statement,
        started_at=at(start_s),
        duration_s=duration_s,
        node_id=f"{criterion.tier}/test_{criterion.tier}.py::test_{criterion.id.lower().replace('-', '_')}",
    )


def good(criterion: str, reason: str, *proof: tuple[str, str, str]) -> Verdict:
    """Return a PASS."""
    evidence = proof or ((f"criterion/{criterion}", "observed", "as stated"),)
    return passed(criterion, reason, [Evidence(*each, at(60)) for each in evidence])


def bad(criterion: str, cause: Cause, reason: str, remedy: str, **more: object) -> Verdict:
    """Return a FAIL, or the ``status`` given, with its ``evidence`` and ``symptoms`` if given."""
    status = more.get("status", Status.FAIL)
    evidence = more.get("evidence", (Evidence("Pod/chat-api", "status.phase", "Pending", at(61)),))
    symptoms = more.get("symptoms", ())
    return Verdict(criterion, status, reason, evidence, cause, remedy, symptoms)  # type: ignore[arg-type]


def run(*verdicts: Verdict, exit_code: int, interrupted: bool = False, tiers: tuple[Tier, ...] | None = None) -> Run:
    """Return a run of these verdicts."""
    judgements = tuple(judgement(verdict, start_s=index) for index, verdict in enumerate(verdicts))
    ran = tiers if tiers is not None else tuple(dict.fromkeys(each.tier for each in judgements))
    return Run(header=header(tiers=ran), judgements=judgements, exit_code=exit_code, interrupted=interrupted)
