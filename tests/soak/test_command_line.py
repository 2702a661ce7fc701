"""The options of a soak, on the command line of an inner pytest: taken, or refused before anything runs."""

import pytest

from tests.inner_project import inner_project
from tests.minimal_target import minimal_target

TEST = """
import pytest
from gate import Evidence
from gate.verdict import passed
@pytest.mark.soak
@pytest.mark.criterion("SOK-1")
def test_soak(gate):
    seen = f"{gate.soak.lasts_s:g} s every {gate.soak.every_s:g} s into {gate.soak.file.relative_to(gate.root)}"
    gate.judge(passed("SOK-1", seen, (Evidence("Soak", "options", seen),)))
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose one target allows no change, with a soak that tells its options."""
    return inner_project(pytester, {"targets/demo.toml": minimal_target("demo"), "soak/test_soak.py": TEST})


def test_soak_runs_on_a_target_that_allows_no_change(suite: pytest.Pytester) -> None:
    """It changes nothing, so it needs no permission; its times come from the command line."""
    result = suite.runpytest_inprocess("-m", "soak", "--target=demo", "--for=20m", "--every=15s")
    assert result.ret == 0
    assert "1200 s every 15 s into reports/soak/demo-20m-15s.jsonl" in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "soak", "--for=1x"], "--for: '1x' is no duration: write a number and d, h, m or s"),
        (["-m", "soak", "--for=20m", "--every=5m"], "--for=20m with --every=5m gives 5 samples, and 30 are needed"),
        (["-m", "acceptance", "--for=20m", "--samples=x"], "--for, --samples: belongs to a soak; add -m soak"),
    ],
)
def test_bad_duration_is_a_usage_error_before_anything_runs(
    suite: pytest.Pytester, arguments: list[str], message: str
) -> None:
    """Exit code 4, one line, no report."""
    result = suite.runpytest_inprocess("--target=demo", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
    assert not (suite.path / "reports").exists()
