"""A gate run in progress: what it is to judge, what it has judged, and what it ends as.

``plugin`` turns pytest's events into calls of a Session. Nothing here knows pytest, so that what a run amounts to (its
left-out criteria, exit code, report and bundle) does not depend on who drives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gate.causes import Cause
from gate.context import failure_bundle, header_of
from gate.criteria import criteria
from gate.report.run import ExitCode, Judgement, ReportError, Run, exit_code
from gate.verdict import Evidence, Status, inconclusive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gate.context import Gate
    from gate.criteria import Criterion, Tier


@dataclass
class Session:
    """A gate run in progress.

    Attributes:
        gate: the run's view of the target.
        tiers: that were asked for.
        folder: of the report.
        left_out: criterion id to the reason why it is not judged.
        planned: ids of the criteria to judge.
        judgements: so far.
        run: what the run was, once it has ended.
        bundle: the diagnostics bundle, where there is one.
        unpublished: why there is no report, empty where there is one.
    """

    gate: Gate
    tiers: tuple[Tier, ...]
    folder: Path
    started_at: datetime
    left_out: dict[str, str] = field(default_factory=dict)
    planned: list[str] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    run: Run | None = None
    bundle: Path | None = None
    unpublished: str = ""

    def can_judge(self, criterion: Criterion) -> bool:
        """Return whether the target has what a criterion needs; one that cannot be judged is noted as left out."""
        missing = [need for need in criterion.needs if not self.gate.target.has(need)]
        if missing:
            self.left_out[criterion.id] = f"the target has no {' and no '.join(missing)}"
        return not missing

    def plan(self, identifiers: Sequence[str]) -> None:
        """Note what is to be judged; every other criterion of the tiers is left out by name."""
        self.planned = list(identifiers)
        for row in criteria().values():
            if row.tier in self.tiers and row.id not in self.planned:
                self.left_out.setdefault(row.id, "not selected on the command line")

    def exit_code(self, failed_tests: int) -> ExitCode:
        """Return the code of a run that came to its end.

        Args:
            failed_tests: by pytest's count; one that no verdict accounts for is a failure, whatever was judged.
        """
        statuses = [judgement.verdict.status for judgement in self.judgements]
        accounted = sum(status in {Status.FAIL, Status.INCONCLUSIVE} for status in statuses)
        return ExitCode.FAILED if failed_tests > accounted else exit_code(statuses)

    def end(self, code: int, *, interrupted: bool) -> int:
        """Write the report, with a bundle where something went wrong, and return the exit code.

        Args:
            code: that the run ends with.
            interrupted: by Ctrl-C; what was planned and not judged is then named as such.
        """
        from gate.report.write import BUNDLE_NAME, publish

        if interrupted:
            self.judgements += self._unfinished()
        self.run = Run(
            header=header_of(self.gate, self.tiers, self.started_at, self.left_out),
            judgements=tuple(self.judgements),
            exit_code=code,
            interrupted=interrupted,
        )
        bundle = None if interrupted else failure_bundle(self.gate, self.run)
        self.bundle = self.folder / BUNDLE_NAME if bundle else None
        try:
            publish(self.run, self.folder, bundle=bundle)
        except ReportError as error:
            self.unpublished = str(error)
            return ExitCode.INTERNAL_ERROR
        return code

    def _unfinished(self) -> list[Judgement]:
        done = {judgement.verdict.criterion for judgement in self.judgements}
        now = datetime.now(UTC)
        return [
            Judgement(
                verdict=inconclusive(
                    identifier,
                    Cause.GATE_INTERRUPTED,
                    "The run was interrupted before this was judged.",
                    (Evidence(f"criterion/{identifier}", "judged", "no", now),),
                    "Run the tier again.",
                ),
                tier=criteria()[identifier].tier,
                title=criteria()[identifier].statement,
                started_at=now,
                duration_s=0.0,
                node_id="",
            )
            for identifier in self.planned
            if identifier not in done
        ]
