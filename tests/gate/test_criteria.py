"""The criteria table, and what must agree with it."""

import re
from pathlib import Path

import pytest

from gate.criteria import TIERS, criteria, markdown_table, threshold
from gate.selection import FOLDERS

ROOT = Path(__file__).parents[2]


def test_table_is_shown_in_readme() -> None:
    """README's table is the generated one (`make criteria`)."""
    assert markdown_table() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_each_criterion_has_exactly_one_test() -> None:
    """A row stands in the table only when its tier judges it, and each is judged once."""
    named = [
        identifier
        for folder in sorted(set(FOLDERS.values()))
        for path in (ROOT / folder).glob("test_*.py")
        for identifier in re.findall(r'@pytest\.mark\.criterion\("([A-Z]+-\d)"\)', path.read_text(encoding="utf-8"))
    ]
    assert sorted(named) == sorted(criteria())


def test_tiers_of_table_are_those_with_tests() -> None:
    """No tier is offered that has nothing to judge."""
    assert {row.tier for row in criteria().values()} == set(TIERS)


def test_threshold_unknown_names_those_there_are() -> None:
    """Asking for a threshold that is not there says which are."""
    with pytest.raises(KeyError, match=r"LAT-1 has no threshold 'p99'; it has \['min_samples', 'p95_s'\]"):
        threshold("LAT-1", "p99")
