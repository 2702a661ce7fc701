"""The words that all reports share, so that terminal, Markdown, HTML and JUnit never disagree.

Runs enter, short texts leave. Nothing here escapes or colours: that is each writer's own.
"""

from datetime import datetime

from gate.causes import Cause
from gate.report.run import ExitCode, Header, Judgement, Run
from gate.report.text import one_line
from gate.verdict import Evidence, Status

#: The runbook, from the project's folder.
CAUSES_PAGE = "notes/causes.md"

WORDS: dict[Status, str] = {
    Status.PASS: "PASS",
    Status.WARN: "WARN",
    Status.FAIL: "FAIL",
    Status.INCONCLUSIVE: "INCONCLUSIVE",
}

_OWN_TROUBLE: dict[int, str] = {
    ExitCode.INTERRUPTED: "the run was interrupted",
    ExitCode.INTERNAL_ERROR: "pytest met an internal error",
    ExitCode.USAGE_ERROR: "the command line was refused",
    ExitCode.NO_TESTS_COLLECTED: "no test was collected",
    ExitCode.MAX_WARNINGS_ERROR: "there were more warnings than allowed",
}


def cause_link(cause: Cause) -> str:
    """Return where the runbook explains the cause, relative to the project's folder.

    The anchor is the one that Markdown renderers derive from a heading that is the cause's name: dots go.
    """
    return f"{CAUSES_PAGE}#{cause.value.replace('.', '')}"


def headline(run: Run) -> str:
    """Return the outcome in one sentence, for a banner."""
    if run.interrupted or run.exit_code == ExitCode.INTERRUPTED:
        left = sum(judgement.verdict.cause is Cause.GATE_INTERRUPTED for judgement in run.judgements)
        return f"Interrupted after {_criteria(len(run.judgements) - left)}: the rest is unknown"
    if trouble := _OWN_TROUBLE.get(run.exit_code):
        return f"Nothing can be said for sure: {trouble}"
    counts = run.counts
    if not run.judgements:
        return "Nothing was judged: zero checks are not success"
    if counts[Status.FAIL]:
        return f"{counts[Status.FAIL]} of {_criteria(len(run.judgements))} failed"
    if counts[Status.INCONCLUSIVE]:
        return (
            f"Nothing failed, but {counts[Status.INCONCLUSIVE]} of {_criteria(len(run.judgements))} could not be judged"
        )
    warned = f", {counts[Status.WARN]} with a warning" if counts[Status.WARN] else ""
    return (
        f"All {_criteria(len(run.judgements))} hold{warned}"
        if len(run.judgements) > 1
        else f"The criterion holds{warned}"
    )


def totals(run: Run) -> str:
    """Return the counts in one line: ``12 passed, 1 warned, 1 failed, 0 inconclusive``."""
    counts = run.counts
    return (
        f"{counts[Status.PASS]} passed, {counts[Status.WARN]} warned, {counts[Status.FAIL]} failed, "
        f"{counts[Status.INCONCLUSIVE]} inconclusive"
    )


def facts(header: Header) -> list[tuple[str, str]]:
    """Return what a reader must know about a run before its verdicts, as label and text."""
    rows = [("target", header.target), ("tiers", ", ".join(header.tiers) or "none")]
    if header.server is None:
        rows.append(("cluster", "none was read"))
    else:
        context = f"context {header.context}" if header.context else "no context: in-cluster"
        uid = f", kube-system {header.kube_system_uid}" if header.kube_system_uid else ""
        rows.append(("cluster", f"{header.server} ({context}, Kubernetes {header.server_version or '?'}{uid})"))
    rows += [("namespace", header.namespace)] if header.namespace else []
    rows.append(("image", header.image or "not known"))
    rows += [("image of other tiers", image) for image in header.other_images]
    rows.append(("started", f"{header.started_at:%Y-%m-%d %H:%M:%S} UTC, took {duration(header.duration_s)}"))
    revision = f" ({header.revision})" if header.revision else ""
    rows.append(("gate", f"{header.version or 'version not known'}{revision}"))
    return [(label, one_line(text)) for label, text in rows]


def duration(seconds: float) -> str:
    """Return a duration as people write it: ``< 0.1 s``, ``0.4 s``, ``12 s``, ``3 min 5 s``."""
    if seconds < 10:  # noqa: PLR2004  # below, a tenth of a second still tells
        return "< 0.1 s" if seconds < 0.1 else f"{seconds:.1f} s"  # noqa: PLR2004
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"  # noqa: PLR2004  # seconds of a minute


def proof(evidence: Evidence) -> str:
    """Return the evidence as one line."""
    return one_line(str(evidence))


def name_and_cause(judgement: Judgement) -> str:
    """Return ``POD-1 (image.not_found)``, or the criterion alone when it passed."""
    verdict = judgement.verdict
    return verdict.criterion if verdict.cause is None else f"{verdict.criterion} ({verdict.cause})"


def clock(at: datetime) -> str:
    """Return the time of day; the header gives the day."""
    return f"{at:%H:%M:%S}"


def _criteria(count: int) -> str:
    return f"{count} criteria" if count != 1 else "1 criterion"
