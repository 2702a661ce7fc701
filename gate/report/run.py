"""What one run of the gate found out, as frozen records, and the same as JSON.

Judgements enter from the plugin, every report is drawn from a ``Run``, and ``report.json`` leads back to an equal one.
All text is made safe to show when a record is built, so that no writer can forget it. Files belong to ``write``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum
from types import MappingProxyType

from pydantic import AwareDatetime, BaseModel, ValidationError

from gate.causes import Cause
from gate.criteria import TIERS, Tier
from gate.report.text import plain_data, showable
from gate.verdict import SEVERITY, Evidence, Status, Verdict, worst

#: Raised when a key of report.json changes its meaning or goes away; a new key alone does not raise it.
FORMAT = 1

_NOTHING: Mapping[str, str] = MappingProxyType({})


_HEADER_TEXTS = (
    "target",
    "version",
    "revision",
    "server",
    "context",
    "server_version",
    "kube_system_uid",
    "namespace",
    "image",
)


class ReportError(Exception):
    """A report that cannot be written, read or merged; the message names the file or the key."""


class ExitCode(IntEnum):
    """What the gate's process returns. 2 to 6 are pytest's own and mean that the run itself went wrong."""

    PASSED = 0
    FAILED = 1
    INTERRUPTED = 2
    INTERNAL_ERROR = 3
    USAGE_ERROR = 4
    NO_TESTS_COLLECTED = 5
    MAX_WARNINGS_ERROR = 6
    INCONCLUSIVE = 10


def exit_code(statuses: Iterable[Status]) -> ExitCode:
    """Return the code for a run that came to its end; no status at all is inconclusive."""
    return {
        Status.PASS: ExitCode.PASSED,
        Status.WARN: ExitCode.PASSED,
        Status.FAIL: ExitCode.FAILED,
        Status.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    }[worst(statuses)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What was judged, by which gate, when.

    Attributes:
        target: the target's name.
        tiers: those that ran.
        server: the API server's URL; None, as all that names a cluster, when none was read.
        context: of the kubeconfig; None inside a cluster.
        server_version: as the API server tells it (``v1.34.4``).
        kube_system_uid: UID of the kube-system namespace, which no other cluster has.
        namespace: where the app is looked for.
        image: reference of the judged image, with its digest where it is known.
        other_images: in a merged report, what earlier tiers judged when it was another image.
        settings: dotted key to value, those that differ from their default.
        left_out: criterion id to the reason why the target cannot have it judged.
        environment: of the judged container, variable to value as a report may show it.
        nodes: node type to count, as read.
        version: of this project; None until ``write.publish`` looks it up.
        revision: of its git checkout; None outside one.
    """

    target: str
    tiers: tuple[Tier, ...]
    started_at: datetime
    finished_at: datetime
    version: str | None = None
    revision: str | None = None
    server: str | None = None
    context: str | None = None
    server_version: str | None = None
    kube_system_uid: str | None = None
    namespace: str | None = None
    image: str | None = None
    other_images: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    left_out: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    environment: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    nodes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Make every text safe to show, and the times UTC."""
        for name in ("started_at", "finished_at"):
            object.__setattr__(self, name, _utc(getattr(self, name), f"header.{name}"))
        for name in _HEADER_TEXTS:
            if (text := getattr(self, name)) is not None:
                object.__setattr__(self, name, showable(text))
        for name in ("settings", "left_out", "environment"):
            safe = {showable(key): showable(value) for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, MappingProxyType(safe))
        nodes = {showable(key): count for key, count in self.nodes.items()}
        object.__setattr__(self, "nodes", MappingProxyType(nodes))
        object.__setattr__(self, "other_images", tuple(showable(image) for image in self.other_images))

    @property
    def duration_s(self) -> float:
        """Return the seconds from start to end."""
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with where it stands: tier, statement of the criterion, pytest's node id, start and duration."""

    verdict: Verdict
    tier: Tier
    title: str
    started_at: datetime
    duration_s: float
    node_id: str

    def __post_init__(self) -> None:
        """Make every text safe to show, the details plain data, the time UTC and the duration whole milliseconds."""
        object.__setattr__(self, "duration_s", round(self.duration_s, 3))
        object.__setattr__(self, "verdict", _showable_verdict(self.verdict))
        object.__setattr__(self, "title", showable(self.title))
        object.__setattr__(self, "node_id", showable(self.node_id))
        object.__setattr__(self, "started_at", _utc(self.started_at, f"{self.verdict.criterion} started_at"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, or several merged into one; judgements stand in the order of the tiers."""

    header: Header
    judgements: tuple[Judgement, ...]
    exit_code: int
    interrupted: bool = False

    def __post_init__(self) -> None:
        """Put the judgements in the order in which a deploy goes through the tiers."""
        ordered = sorted(self.judgements, key=lambda judgement: TIERS.index(judgement.tier))
        object.__setattr__(self, "judgements", tuple(ordered))

    @property
    def status(self) -> Status:
        """Return the run's worst status; a run that was cut short or went wrong itself is never a pass."""
        found = worst(judgement.verdict.status for judgement in self.judgements)
        good = found in (Status.PASS, Status.WARN)
        return Status.INCONCLUSIVE if good and (self.interrupted or self.exit_code != ExitCode.PASSED) else found

    @property
    def counts(self) -> dict[Status, int]:
        """Return how many judgements have each status, every status named."""
        statuses = [judgement.verdict.status for judgement in self.judgements]
        return {status: statuses.count(status) for status in Status}

    @property
    def tiers(self) -> tuple[tuple[Tier, tuple[Judgement, ...]], ...]:
        """Return the judgements by tier, each tier that has one."""
        groups = ((tier, tuple(each for each in self.judgements if each.tier == tier)) for tier in TIERS)
        return tuple((tier, group) for tier, group in groups if group)

    @property
    def troubles(self) -> tuple[Judgement, ...]:
        """Return what did not pass, worst first."""
        found = [each for each in self.judgements if each.verdict.status is not Status.PASS]
        return tuple(sorted(found, key=lambda each: SEVERITY.index(each.verdict.status)))


def run_to_json(run: Run) -> dict[str, object]:
    """Return the run as ``report.json`` holds it (``report.schema.json`` describes it)."""
    header = run.header
    return {
        "format": FORMAT,
        "header": {
            "target": header.target,
            "tiers": list(header.tiers),
            **{name: getattr(header, name) for name in _HEADER_TEXTS if name != "target"},
            "other_images": list(header.other_images),
            "settings": dict(header.settings),
            "left_out": dict(header.left_out),
            "environment": dict(header.environment),
            "nodes": dict(header.nodes),
            "started_at": header.started_at.isoformat(),
            "finished_at": header.finished_at.isoformat(),
        },
        "verdicts": [_judgement_to_json(judgement) for judgement in run.judgements],
        "counts": {str(status): count for status, count in run.counts.items()},
        "status": str(run.status),
        "exit_code": int(run.exit_code),
        "interrupted": run.interrupted,
    }


def run_from_json(document: Mapping[str, object]) -> Run:
    """Return the run that ``run_to_json`` wrote.

    Raises:
        ReportError: naming every key that is missing or wrong.
    """
    if document.get("format") != FORMAT:
        raise ReportError(f"report: format is {document.get('format')!r}, this version of the gate reads {FORMAT}")
    try:
        written = _Document.model_validate(document)
        return Run(
            header=written.header,
            judgements=tuple(row.judgement() for row in written.verdicts),
            exit_code=written.exit_code,
            interrupted=written.interrupted,
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ReportError(f"report: {error.error_count()} problem(s): {problems}") from error
    except ValueError as error:
        raise ReportError(f"report: {error}") from error


class _Row(BaseModel):
    """A member of ``verdicts``, as written."""

    criterion: str
    tier: Tier
    title: str
    status: Status
    cause: Cause | None
    reason: str
    evidence: tuple[Evidence, ...]
    remedy: str
    symptoms: tuple[str, ...]
    details: dict[str, object]
    started_at: AwareDatetime
    duration_s: float
    node_id: str

    def judgement(self) -> Judgement:
        verdict = Verdict(
            criterion=self.criterion,
            status=self.status,
            reason=self.reason,
            evidence=self.evidence,
            cause=self.cause,
            remedy=self.remedy,
            symptoms=self.symptoms,
            details=tuple(self.details.items()),
        )
        return Judgement(
            verdict=verdict,
            tier=self.tier,
            title=self.title,
            started_at=self.started_at,
            duration_s=self.duration_s,
            node_id=self.node_id,
        )


class _Document(BaseModel):
    """``report.json`` as written; what can be derived (counts, status) is not read."""

    header: Header
    verdicts: tuple[_Row, ...]
    exit_code: int
    interrupted: bool


def _utc(at: datetime, what: str) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{what} = {at.isoformat()}: a report's times carry their zone (datetime.now(UTC))")
    return at.astimezone(UTC)


def _showable_verdict(verdict: Verdict) -> Verdict:
    evidence = tuple(
        Evidence(showable(each.object), showable(each.field), showable(each.value), each.at)
        for each in verdict.evidence
    )
    return replace(
        verdict,
        reason=showable(verdict.reason),
        remedy=showable(verdict.remedy),
        evidence=evidence,
        symptoms=tuple(showable(symptom) for symptom in verdict.symptoms),
        details=tuple((showable(name), plain_data(series)) for name, series in verdict.details),
    )


def _judgement_to_json(judgement: Judgement) -> dict[str, object]:
    verdict = judgement.verdict
    return {
        "criterion": verdict.criterion,
        "tier": judgement.tier,
        "title": judgement.title,
        "status": str(verdict.status),
        "cause": None if verdict.cause is None else str(verdict.cause),
        "reason": verdict.reason,
        "evidence": [
            {
                "object": each.object,
                "field": each.field,
                "value": each.value,
                "at": None if each.at is None else each.at.isoformat(),
            }
            for each in verdict.evidence
        ],
        "remedy": verdict.remedy,
        "symptoms": list(verdict.symptoms),
        "details": dict(verdict.details),
        "started_at": judgement.started_at.isoformat(),
        "duration_s": judgement.duration_s,
        "node_id": judgement.node_id,
    }
