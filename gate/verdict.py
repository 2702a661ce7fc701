"""The vocabulary of a judgement: status, evidence, finding, verdict.

Everything else in ``gate`` produces or shows these. Nothing here knows Kubernetes, pytest or a file. A verdict has no
truth value, so that INCONCLUSIVE can never be read as a pass, and it refuses to exist without its proof: only a known
good state passes, and a failure says why, on what evidence, and what to do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Never

from gate.causes import Cause


class Status(StrEnum):
    """What is known about a criterion. INCONCLUSIVE is the gate's own trouble: nothing is known."""

    PASS = "pass"  # noqa: S105  # a status, not a password
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


#: Worst first. A failure outranks what could not be found out: it is known, and it blocks the deploy by itself.
SEVERITY: tuple[Status, ...] = (Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.PASS)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observed value: of which object, in which field, when.

    Attributes:
        object: ``Kind/name`` in Kubernetes terms, or a file, an image, an address.
        field: the path inside the object, as its own documentation spells it.
        value: the value with its unit, already safe to show (no patient data, no secret).
        at: when the value was true or read; None where time has no meaning (a file's content).
    """

    object: str
    field: str
    value: str
    at: datetime | None = None

    def __str__(self) -> str:
        """Return the evidence as one line."""
        when = f" (at {self.at:%H:%M:%S})" if self.at else ""
        return f"{self.object} {self.field} = {self.value}{when}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (or could not be found out), before it is known which one is the root."""

    status: Status
    cause: Cause
    reason: str
    evidence: tuple[Evidence, ...]
    remedy: str

    def __post_init__(self) -> None:
        """Refuse a finding that nobody could act on."""
        if self.status is Status.PASS:
            raise ValueError(f"finding {self.cause}: a finding is a problem, its status cannot be pass")
        if not (self.reason and self.remedy and self.evidence):
            raise ValueError(f"finding {self.cause}: reason, remedy and evidence are all needed")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one criterion.

    Attributes:
        criterion: id of a row of ``criteria.toml``.
        reason: one sentence with numbers and units.
        cause: None exactly when the status is PASS.
        remedy: one imperative sentence or a command that can be pasted; empty exactly when the status is PASS.
        symptoms: what follows from the root cause or stands beside it, a sentence each.
        details: named series for the report's pictures (seconds, bytes, counts); the verdict is clear without.
    """

    criterion: str
    status: Status
    reason: str
    evidence: tuple[Evidence, ...]
    cause: Cause | None = None
    remedy: str = ""
    symptoms: tuple[str, ...] = ()
    details: tuple[tuple[str, object], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a verdict without its proof.

        Raises:
            ValueError: naming what is missing.
        """
        if not self.evidence:
            raise ValueError(f"{self.criterion}: a verdict needs evidence, a pass too (of absence, if nothing applies)")
        if not self.reason:
            raise ValueError(f"{self.criterion}: a verdict needs a reason")
        if (self.status is Status.PASS) != (self.cause is None):
            raise ValueError(f"{self.criterion}: a cause belongs to every status but pass (status {self.status})")
        if (self.status is Status.PASS) != (self.remedy == ""):
            raise ValueError(f"{self.criterion}: a remedy belongs to every status but pass (status {self.status})")

    def __bool__(self) -> Never:
        """Refuse truth testing: an inconclusive verdict is neither."""
        raise TypeError(f"{self.criterion}: a verdict has no truth value; compare .status")

    def with_details(self, **details: object) -> "Verdict":
        """Return the same verdict with further series for the report."""
        return replace(self, details=(*self.details, *details.items()))


def passed(criterion: str, reason: str, evidence: Sequence[Evidence]) -> Verdict:
    """Return a PASS on the given evidence."""
    return Verdict(criterion, Status.PASS, reason, tuple(evidence))


def judged(criterion: str, findings: Iterable[Finding], otherwise: Verdict) -> Verdict:
    """Return the verdict of the root finding, or ``otherwise`` when nothing was found.

    The root is the first of the worst findings: the caller lists causes before their consequences. Everything else
    becomes a symptom under it.
    """
    found = sorted(findings, key=lambda finding: SEVERITY.index(finding.status))
    if not found:
        return otherwise
    root, *rest = found
    symptoms = tuple(dict.fromkeys(finding.reason for finding in rest if finding.reason != root.reason))
    return Verdict(criterion, root.status, root.reason, root.evidence, root.cause, root.remedy, symptoms)


def inconclusive(criterion: str, cause: Cause, reason: str, evidence: Sequence[Evidence], remedy: str) -> Verdict:
    """Return an INCONCLUSIVE: the gate could not find out."""
    return Verdict(criterion, Status.INCONCLUSIVE, reason, tuple(evidence), cause, remedy)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst status, INCONCLUSIVE for none at all: zero checks are not success."""
    return min(statuses, key=SEVERITY.index, default=Status.INCONCLUSIVE)
