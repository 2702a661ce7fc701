"""The runbook and the closed list of causes are one."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from gate.causes import Cause
from gate.report.phrases import CAUSES_PAGE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / CAUSES_PAGE).read_text(encoding="utf-8")
#: A section ends at the next heading of its level or above; comments in shell blocks do not begin one.
SECTION = re.compile(r"^### (\S+)\n(.*?)(?=^#{2,3} |\Z)", re.MULTILINE | re.DOTALL)
LONGEST_LINES = 6


def sections() -> Mapping[str, str]:
    """Return the runbook's paragraphs by cause."""
    return dict(SECTION.findall(PAGE))


def test_runbook_has_one_section_per_cause() -> None:
    """A cause without a section, a section without a cause, and a section written twice are all wrong."""
    named = [name for name, _ in SECTION.findall(PAGE)]
    assert sorted(named) == sorted(cause.value for cause in Cause)


@pytest.mark.parametrize("cause", list(Cause))
def test_section_is_short_and_says_something(cause: Cause) -> None:
    """A tired reader gets a few lines that end in something to do or in where to look."""
    lines = [line for line in sections()[cause.value].splitlines() if line.strip()]
    assert 1 <= len(lines) <= LONGEST_LINES
    assert all(len(line) <= 140 for line in lines)


def test_commands_of_the_runbook_use_the_namespace_variable() -> None:
    """A pasted command must not act on whatever namespace the reader's context happens to have."""
    namespaced = re.findall(r"`(kubectl [^`]*)`", PAGE)
    cluster_wide = "nodes?\\b|uncordon|storageclass|csidrivers|webhook|namespace |apiservice|volumeattach|readyz|config"
    wide = re.compile(rf"{cluster_wide}|describe pv\b|-A\b")
    assert namespaced
    assert [each for each in namespaced if "$NAMESPACE" not in each and not wide.search(each)] == []
