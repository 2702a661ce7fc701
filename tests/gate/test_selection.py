"""Which tiers a command line names."""

from pathlib import Path

import pytest

from gate.selection import folders_in, named_in


@pytest.mark.parametrize(
    ("expression", "tiers"),
    [
        ("preflight", {"preflight"}),
        ("preflight or acceptance", {"preflight", "acceptance"}),
        ("acceptance and not slow", {"acceptance"}),
        ("not acceptance", set()),
        ("not (preflight or load)", set()),
        ("slow", set()),
        ("", set()),
        ("preflight and (", set()),
    ],
)
def test_expression_names_tiers_that_it_selects(expression: str, tiers: set[str]) -> None:
    """A tier counts when its name stands there and an item with only this mark would be selected."""
    assert named_in(expression) == tiers


def test_paths_lead_into_tier_folders() -> None:
    """A file or test below a tier's folder names the folder; other paths name none."""
    root = Path(__file__).parents[2]
    arguments = [str(root / "preflight" / "test_preflight.py::test_x"), str(root / "tests"), str(root)]
    assert folders_in(arguments, root) == {"preflight"}
