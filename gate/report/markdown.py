"""A run as Markdown: what CI shows as a step's summary, and what is pasted into a ticket.

Text of verdicts is foreign and is escaped, so that no pod's message becomes a heading, a link or HTML.
"""

import re

from gate.report.phrases import WORDS, cause_link, duration, facts, headline, proof, totals
from gate.report.run import Judgement, Run
from gate.report.text import one_line
from gate.verdict import Status

_MARKS = {Status.PASS: "✅", Status.WARN: "⚠️", Status.FAIL: "❌", Status.INCONCLUSIVE: "❔"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!@])")
_FENCE = re.compile(r"`{3,}")


def run_to_markdown(run: Run) -> str:
    """Return the page: header, counts, one line per criterion, a block per criterion that did not pass."""
    lines = [f"# {_MARKS[run.status]} Deploy gate: {_escaped(headline(run))}", ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {label} | {_escaped(text)} |" for label, text in facts(run.header)]
    lines += [
        "",
        "| " + " | ".join(f"{_MARKS[status]} {WORDS[status].lower()}" for status in Status) + " | exit code |",
    ]
    lines += ["|--:" * (len(Status) + 1) + "|"]
    lines += ["| " + " | ".join(str(run.counts[status]) for status in Status) + f" | {int(run.exit_code)} |", ""]
    for tier, judgements in run.tiers:
        lines += [f"## {tier}", "", "| | criterion | verdict | took |", "|---|---|---|--:|"]
        lines += [_row(judgement) for judgement in judgements]
        lines += [""]
    for judgement in run.troubles:
        lines += _block(judgement)
    lines += _left_out(run)
    if run.header.settings:
        lines += [
            "<details><summary>Settings that differ from their default</summary>",
            "",
            "| setting | value |",
            "|---|---|",
        ]
        lines += [f"| {_escaped(key)} | {_escaped(value)} |" for key, value in run.header.settings.items()]
        lines += ["", "</details>", ""]
    lines += [totals(run)]
    return "\n".join(lines) + "\n"


def _row(judgement: Judgement) -> str:
    verdict = judgement.verdict
    criterion = f"**{verdict.criterion}** {_escaped(judgement.title)}"
    took = duration(judgement.duration_s)
    return f"| {_MARKS[verdict.status]} | {criterion} | {_escaped(verdict.reason)} | {took} |"


def _block(judgement: Judgement) -> list[str]:
    verdict = judgement.verdict
    lines = [f"### {_MARKS[verdict.status]} {verdict.criterion}: {_escaped(verdict.reason)}", ""]
    if verdict.cause is not None:
        lines += [f"Cause: [`{verdict.cause}`](../../{cause_link(verdict.cause)})", ""]
    lines += [f"- {_escaped(proof(each))}" for each in verdict.evidence]
    lines += [f"- also: {_escaped(symptom)}" for symptom in verdict.symptoms]
    longest = max((len(match) for match in _FENCE.findall(verdict.remedy)), default=2)
    fence = "`" * max(3, longest + 1)
    return [*lines, "", "What to do:", "", fence, verdict.remedy, fence, ""]


def _left_out(run: Run) -> list[str]:
    if not run.header.left_out:
        return []
    lines = ["Not judged, because the target does not have what they need:", ""]
    return [*lines, *(f"- {_escaped(key)}: {_escaped(why)}" for key, why in run.header.left_out.items()), ""]


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", one_line(text))
