"""A run as terminal lines: header, one line per criterion, a block per criterion that did not pass, totals.

For the person who started the run. A block has at most five lines; the rest stands in the report's files. Colour is the
caller's to allow: only a terminal has it.
"""

from gate.report.phrases import WORDS, cause_link, duration, facts, headline, proof, totals
from gate.report.run import Judgement, Run
from gate.report.text import one_line
from gate.verdict import Status

#: Width of a line about a criterion that passed; what did not pass is never cut here.
DEFAULT_WIDTH = 120

_COLOURS = {Status.PASS: "32", Status.WARN: "33", Status.FAIL: "31;1", Status.INCONCLUSIVE: "35;1"}
_STATUS_WIDTH = max(map(len, WORDS.values()))
_LABEL_WIDTH = 9
_ID_WIDTH = 6
#: On a terminal too narrow for more, the line wraps.
_LEAST_ROOM = 20
#: Lines that a block has beside its evidence: reason, remedy, and symptoms or where to read on.
_EVIDENCE_LINES = 2


def render_terminal(run: Run, *, color: bool = False, width: int = DEFAULT_WIDTH) -> str:
    """Return the lines as one text."""
    return "\n".join(lines(run, color=color, width=width))


def lines(run: Run, *, color: bool = False, width: int = DEFAULT_WIDTH) -> list[str]:
    """Return what to print, a line each."""
    out = [f"{label:<{_LABEL_WIDTH}} {text}" for label, text in facts(run.header)]
    settings = ", ".join(f"{key}={value}" for key, value in run.header.settings.items())
    out += [f"{'differs':<{_LABEL_WIDTH}} {one_line(settings)}"] if settings else []
    out += [f"{'left out':<{_LABEL_WIDTH}} {key}: {one_line(why)}" for key, why in run.header.left_out.items()]
    for tier, judgements in run.tiers:
        out += ["", _painted(tier, "1", color)]
        out += [_criterion_line(judgement, color, width) for judgement in judgements]
    for judgement in run.troubles:
        out += ["", *_block(judgement, color)]
    end = f"{headline(run)} (exit code {int(run.exit_code)})"
    return [*out, "", _painted(end, _COLOURS[run.status], color), totals(run)]


def _criterion_line(judgement: Judgement, color: bool, width: int) -> str:  # noqa: FBT001  # private, one call
    verdict = judgement.verdict
    word = _painted(f"{WORDS[verdict.status]:<{_STATUS_WIDTH}}", _COLOURS[verdict.status], color)
    told = one_line(verdict.reason) if verdict.cause is None else f"{verdict.cause}: {one_line(judgement.title)}"
    took = f"({duration(judgement.duration_s)})"
    room = max(_LEAST_ROOM, width - len("    ") - _STATUS_WIDTH - _ID_WIDTH - len("    ") - len(took))
    told = told if len(told) <= room else told[: room - 1] + "…"
    return f"  {word}  {verdict.criterion:<{_ID_WIDTH}}  {told}  {took}"


def _block(judgement: Judgement, color: bool) -> list[str]:  # noqa: FBT001  # private, one call
    verdict = judgement.verdict
    head = _painted(f"{WORDS[verdict.status]} {verdict.criterion}", _COLOURS[verdict.status], color)
    out = [f"{head} {one_line(verdict.reason)}"]
    shown = verdict.evidence[:_EVIDENCE_LINES]
    hidden = len(verdict.evidence) - len(shown)
    for number, each in enumerate(shown, start=1):
        more = f" (and {hidden} more in the report)" if hidden and number == len(shown) else ""
        out.append(f"  {'seen':<7} {proof(each)}{more}")
    out.append(f"  {'do':<7} {one_line(verdict.remedy)}")
    untold = len(verdict.symptoms) - 1
    also = [f"also: {verdict.symptoms[0]}" + (f" (+{untold} more)" if untold else "")] if verdict.symptoms else []
    link = [cause_link(verdict.cause)] if verdict.cause is not None else []
    out.append(f"  {'why':<7} {one_line('; '.join([*link, *also]))}")
    return out


def _painted(text: str, code: str, color: bool) -> str:  # noqa: FBT001  # private
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
