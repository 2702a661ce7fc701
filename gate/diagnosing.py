"""`python -m gate diagnose` behind its command line: one read, what is wrong, and the archive to send to a colleague.

Needs no target file. Reads logs only of what an exit code alone does not explain, and for the archive.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gate.collecting import app_logs
from gate.criteria import criteria
from gate.diagnosis.survey import survey
from gate.readers.cluster import ClusterReader
from gate.records import Snapshot
from gate.report.bundle import bundle
from gate.report.run import ExitCode, Header, Judgement, ReportError, Run, exit_code
from gate.verdict import Status, Verdict
from gate.waiting import with_last_words

#: Lines of evidence, and of symptoms, for one Deployment.
MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one look at a namespace showed; the verdict of each Deployment by its name, the worst first."""

    snapshot: Snapshot
    verdicts: Mapping[str, Verdict]
    began_at: datetime

    @property
    def exit_code(self) -> ExitCode:
        """Return the code of the worst verdict."""
        return exit_code(verdict.status for verdict in self.verdicts.values())

    def lines(self) -> Iterator[str]:
        """Yield what to print: the cause tree of each Deployment."""
        where = f"{self.snapshot.cluster.server}, namespace {self.snapshot.namespace}"
        yield f"{where}: {len(self.verdicts)} Deployment(s)"
        if not self.verdicts:
            yield "Nothing is deployed there, so nothing can be judged: is that the namespace?"
        for name, verdict in self.verdicts.items():
            yield ""
            yield f"{verdict.status.upper()} deployment/{name}: {verdict.reason}"
            if verdict.status is not Status.PASS:
                yield f"  cause   {verdict.cause}"
                yield from (f"  seen    {evidence}" for evidence in verdict.evidence[:MAX_SHOWN])
                yield from (f"  then    {symptom}" for symptom in verdict.symptoms[:MAX_SHOWN])
                yield f"  do      {verdict.remedy}"

    @property
    def run(self) -> Run:
        """Return the same as a run, for the archive's index and report."""
        ended_at = datetime.now(UTC)
        cluster = self.snapshot.cluster
        judgements = tuple(
            Judgement(
                verdict=verdict,
                tier=criteria()[verdict.criterion].tier,
                title=f"deployment/{name}: {criteria()[verdict.criterion].statement}",
                started_at=self.began_at,
                duration_s=(ended_at - self.began_at).total_seconds(),
                node_id="python -m gate diagnose",
            )
            for name, verdict in self.verdicts.items()
        )
        header = Header(
            target="none (diagnose)",
            tiers=(),
            started_at=self.began_at,
            finished_at=ended_at,
            server=cluster.server,
            context=cluster.context,
            server_version=cluster.version,
            kube_system_uid=cluster.kube_system_uid,
            namespace=self.snapshot.namespace,
        )
        return Run(header=header, judgements=judgements, exit_code=self.exit_code)


def diagnose(reader: ClusterReader, *, deployment: str | None = None) -> Diagnosis:
    """Read the namespace once and name the cause of whatever is wrong in it.

    Raises:
        ReadError: Deployments, ReplicaSets or pods could not be read.
    """
    began_at = datetime.now(UTC)
    snapshot = reader.snapshot()
    verdicts = {
        name: with_last_words(snapshot, verdict, reader.logs, deployment=name)
        for name, verdict in survey(snapshot, deployment=deployment).items()
    }
    return Diagnosis(snapshot, verdicts, began_at)


def save_bundle(reader: ClusterReader, found: Diagnosis, path: Path) -> None:
    """Write the diagnostics bundle, whole or not at all, with the logs of every Deployment that is not well.

    Raises:
        ReportError: it cannot be written there.
    """
    logs = [
        app_logs(reader, found.snapshot, deployment=name)
        for name, verdict in found.verdicts.items()
        if verdict.status is not Status.PASS
    ]
    tails = [tail for each in logs for tail in each.tails]
    missing = [sentence for each in logs for sentence in each.missing]
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(bundle(found.run, found.snapshot, tails, missing=missing))
        draft.replace(path)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror or error}") from error
