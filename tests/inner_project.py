"""A project for an inner pytest: this one's own settings and top level conftest, with tiers and targets of the test."""

import shutil
from collections.abc import Mapping

import pytest

from infra.paths import PROJECT

#: What pytest reads of a project before any of its tests.
SETTINGS = ("pytest.ini", "conftest.py")
OWN_TEST = "def test_own():\n    assert True\n"


def inner_project(pytester: pytest.Pytester, files: Mapping[str, str]) -> pytest.Pytester:
    """Return the project with these files, path to text, and one test in the folder that a bare run looks into."""
    for name in SETTINGS:
        shutil.copy(PROJECT / name, pytester.path)
    for name, text in ({"tests/test_own.py": OWN_TEST} | dict(files)).items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return pytester
