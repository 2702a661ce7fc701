from pathlib import Path

import pytest

from gate.durations import parse_duration, short_duration
from gate.soak_options import SoakOptions, soak_options

ROOT = Path("/project")


def options(lasts: str | None = None, every: str | None = None, samples: str | None = None) -> SoakOptions:
    """Return what the command line gives."""
    return soak_options({"for": lasts, "every": every, "samples": samples}, target="local", root=ROOT)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86_400),
        ("20m", 1_200),
        ("45s", 45),
        ("2d", 172_800),
        ("1h30m", 5_400),
        ("1.5h", 5_400),
        (" 24H ", 86_400),
    ],
)
def test_duration_is_a_number_and_a_unit_or_several(text: str, seconds: float) -> None:
    """Days, hours, minutes, seconds, the larger first."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "24", "h", "24 hours", "1x", "0m", "-5m", "30m1h", "1h1h", "1h 30m", "24h!", "1e3s"]
)
def test_anything_else_is_refused_with_what_would_be_right(text: str) -> None:
    """A bare number could be seconds or hours, and a soak of 24 seconds would pass."""
    with pytest.raises(ValueError, match="is no duration: write a number and d, h, m or s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["24h", "20m", "1h30m", "1d1s", "45s"])
def test_short_duration_is_read_back(text: str) -> None:
    """What is written is what is read."""
    assert parse_duration(short_duration(parse_duration(text))) == parse_duration(text)
    assert short_duration(0) == "0s"


def test_options_without_a_word_are_a_day_at_five_minutes() -> None:
    """The checklist's 24 hours, in a file named by target and times."""
    assert options() == SoakOptions(86_400, 300, ROOT / "reports" / "soak" / "local-1d-5m.jsonl")


def test_short_soak_looks_at_least_every_ten_seconds() -> None:
    """A 288th of 20 minutes would be 4 s."""
    assert options("20m").every_s == 10


def test_file_of_the_samples_can_be_named() -> None:
    """A volume, in the cluster."""
    assert options("20m", "15s", "/soak/samples.jsonl").file == Path("/soak/samples.jsonl")


@pytest.mark.parametrize(
    ("lasts", "every", "message"),
    [
        ("soon", None, "--for: 'soon' is no duration"),
        ("24h", "often", "--every: 'often' is no duration"),
        ("24h", "5s", "--every=5s: the soak itself would be the load; 10s or more is right"),
        (
            "24h",
            "1h",
            "--for=1d with --every=1h gives 25 samples, and 30 are needed: lengthen --for or shorten --every",
        ),
        ("1m", None, "--for=1m with --every=10s gives 7 samples, and 30 are needed"),
    ],
)
def test_soak_that_could_not_be_judged_is_refused(lasts: str, every: str | None, message: str) -> None:
    """The message names option, value and what would be right."""
    with pytest.raises(ValueError, match="--") as refused:
        options(lasts, every)
    assert str(refused.value).startswith(message)


def test_thirty_samples_are_enough() -> None:
    """The near miss: 29 intervals of 10 s."""
    assert options("290s", "10s").lasts_s == 290
