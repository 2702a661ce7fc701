"""The record of a run of the checklist, as a page of the notes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from e2e.checklist.document import Step
from e2e.checklist.stand_ins import StandIn


@dataclass(frozen=True)
class Typed:
    """A step that passed: what was typed once the stand-ins were in place, and how long it took."""

    step: Step
    text: str
    took_s: float


def markdown(typed: Sequence[Typed], replaced: Sequence[StandIn], where: str) -> str:
    """Return the page: what was replaced, then each step with its time."""
    lines = [
        "# The release checklist, run in its own words",
        "",
        "Written by `make checklist`: every shell line and every edit of `e2e/checklist/release-checklist.md`, in its",
        "order, typed into one shell on the embedded cluster. What a person looks for in the output is checked",
        "(`e2e/checklist/handling.py`). Replaced were only:",
        "",
        *(f"- `{each.written}`: `{each.used}` ({each.why})" for each in replaced),
        "",
        f"{where}. {len(typed)} of {len(typed)} steps worked, {sum(each.took_s for each in typed):.0f} s in all.",
        "",
        "| line | box | typed | s |",
        "|---|---|---|---|",
    ]
    lines += [f"| {each.step.line} | {each.step.box} | `{_first(each.text)}` | {each.took_s:.1f} |" for each in typed]
    return "\n".join(lines) + "\n"


def _first(text: str) -> str:
    """Return the line that says what a step is about."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("cd ")]
    return lines[0].replace("|", "\\|") + (" ..." if len(lines) > 1 else "")
