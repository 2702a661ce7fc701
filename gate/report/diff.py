"""What changed between a run and the last green one: the first question when something that worked does not.

Two reports enter, a list of differences leaves; nothing is read from a cluster. Sentences of verdicts are not compared,
their figures differ every time: status and cause are, and the latencies where they moved more than two runs alike do.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from gate.diagnosis.quantiles import nearest_rank
from gate.report.run import Judgement, ReportError, Run
from gate.report.write import JSON_NAME, LATEST, read_report
from gate.verdict import SEVERITY, Status

#: Raised when a key of the JSON changes its meaning or goes away.
FORMAT = 1
#: This project's choice: 20 warm samples on a machine with other work do not tell two runs apart by less.
NOISE = 0.25
GREEN = frozenset({Status.PASS, Status.WARN})
ABSENT = "(none)"
NOT_JUDGED = "not judged"

Kind = Literal["cluster", "image", "environment", "nodes", "settings", "gate", "latency", "verdict"]


class NoGreenRunError(ReportError):
    """There is nothing to compare with; the message says what was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it was; ``worse`` only of a verdict."""

    kind: Kind
    name: str
    before: str
    after: str
    note: str = ""
    worse: bool = False

    def __str__(self) -> str:
        """Return the difference as one line."""
        named = f"{self.name}: " if self.name else ""
        return f"{self.kind:<12}{named}{self.before} -> {self.after}{f'  {self.note}' if self.note else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run beside the green one."""

    run: Run
    green: Run
    differences: Sequence[Difference]

    @property
    def worse(self) -> bool:
        """Return whether a verdict is worse than it was."""
        return any(each.worse for each in self.differences)

    def text(self, run: Path, green: Path) -> str:
        """Return the comparison for a terminal; the paths say which reports were read."""
        head = (
            f"{_told(self.run, run)} against {_told(self.green, green)}, target {self.run.header.target}",
            "",
        )
        return "\n".join((*head, *(map(str, self.differences) if self.differences else ("nothing changed",))))

    def to_json(self, run: Path, green: Path) -> str:
        """Return the comparison as JSON."""
        content = {
            "format": FORMAT,
            "target": self.run.header.target,
            "run": _run_to_json(self.run, run),
            "green": _run_to_json(self.green, green),
            "worse": self.worse,
            "differences": [asdict(each) for each in self.differences],
        }
        return json.dumps(content, indent=2, ensure_ascii=False)


def _told(run: Run, path: Path) -> str:
    return f"{path.name} ({run.header.started_at:%Y-%m-%d %H:%M} UTC, {run.status})"


def _run_to_json(run: Run, path: Path) -> dict[str, str]:
    return {"report": path.name, "started_at": run.header.started_at.isoformat(), "status": str(run.status)}


def last_green(run: Run, folder: Path) -> tuple[Run, Path]:
    """Return the newest green run before this one, of the same target and with a tier in common, and its folder.

    Args:
        run: that is to be compared.
        folder: of its report; the others lie beside it.

    Raises:
        NoGreenRunError: there is none; the message counts what there is.
    """
    seen, unreadable, others = 0, 0, 0
    found: list[tuple[Run, Path]] = []
    for path in sorted(folder.parent.glob(f"*/{JSON_NAME}")):
        if path.parent.name == LATEST or path.parent.resolve() == folder:
            continue
        seen += 1
        try:
            other = read_report(path.parent)
        except ReportError:
            unreadable += 1
            continue
        if other.header.target != run.header.target or not set(other.header.tiers) & set(run.header.tiers):
            others += 1
        elif other.status in GREEN and other.header.started_at < run.header.started_at:
            found.append((other, path.parent))
    if not found:
        raise NoGreenRunError(
            f"no earlier green run of target {run.header.target} with {', '.join(run.header.tiers)} beside {folder}: "
            f"of {seen} other reports {others} are of another target or tier, {unreadable} cannot be read, the rest is "
            f"not green or later; name one with --against"
        )
    return max(found, key=lambda pair: pair[0].header.finished_at)


def differences(before: Run, after: Run) -> tuple[Difference, ...]:
    """Return what differs, causes before what they cause: where, what, with which settings; then figures, verdicts."""
    old, new = before.header, after.header
    return (
        *_one("cluster", old.kube_system_uid or old.server, new.kube_system_uid or new.server),
        *_one("image", old.image, new.image),
        *_each("environment", old.environment, new.environment),
        *_each("nodes", _texts(old.nodes), _texts(new.nodes)),
        *_each("settings", old.settings, new.settings),
        *_one("gate", old.revision or old.version, new.revision or new.version),
        *_latencies(before, after),
        *_verdicts(before, after),
    )


def _one(kind: Kind, before: str | None, after: str | None) -> Iterator[Difference]:
    if before != after:
        yield Difference(kind=kind, name="", before=before or ABSENT, after=after or ABSENT)


def _each(kind: Kind, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Difference(kind=kind, name=key, before=before.get(key, ABSENT), after=after.get(key, ABSENT))


def _texts(counts: Mapping[str, int]) -> dict[str, str]:
    return {key: str(count) for key, count in counts.items()}


def _latencies(before: Run, after: Run) -> Iterator[Difference]:
    old, new = _warm_seconds(before), _warm_seconds(after)
    for criterion in (each for each in new if each in old):
        for name, quantile in (("p50", 0.5), ("p95", 0.95)):
            was, now = nearest_rank(old[criterion], quantile), nearest_rank(new[criterion], quantile)
            if was > 0 and abs(now - was) / was > NOISE:
                yield Difference(
                    kind="latency",
                    name=f"{criterion} warm {name}",
                    before=f"{was:.2f} s",
                    after=f"{now:.2f} s",
                    note=f"{(now - was) / was:+.0%}",
                )


def _warm_seconds(run: Run) -> dict[str, list[float]]:
    """Return the seconds of the complete warm answers by criterion, where there were any."""
    found: dict[str, list[float]] = {}
    for judgement in run.judgements:
        series = dict(judgement.verdict.details).get("latencies")
        for row in series if isinstance(series, list) else ():
            if isinstance(row, Mapping) and row.get("status") == "ok" and not row.get("cold"):
                found.setdefault(judgement.verdict.criterion, []).append(float(row["seconds"]))
    return found


def _verdicts(before: Run, after: Run) -> Iterator[Difference]:
    old, new = _by_test(before), _by_test(after)
    tiers = set(before.header.tiers) & set(after.header.tiers)
    for key in [*new, *(key for key in old if key not in new)]:
        was, now = old.get(key), new.get(key)
        known = now or was
        if known is None or known.tier not in tiers or _state(was) == _state(now):
            continue
        yield Difference(
            kind="verdict",
            name=key[0],
            before=_state(was),
            after=_state(now),
            note=now.verdict.reason if now and now.verdict.status is not Status.PASS else "",
            worse=_rank(now) < _rank(was),
        )


def _by_test(run: Run) -> dict[tuple[str, str], Judgement]:
    return {(each.verdict.criterion, each.node_id): each for each in run.judgements}


def _state(judgement: Judgement | None) -> str:
    if judgement is None:
        return NOT_JUDGED
    verdict = judgement.verdict
    return f"{verdict.status} {verdict.cause}" if verdict.cause else str(verdict.status)


def _rank(judgement: Judgement | None) -> int:
    """Return how good a verdict is; one that was not judged is as bad as one that could not be."""
    return SEVERITY.index(judgement.verdict.status if judgement else Status.INCONCLUSIVE)
