"""How long a soak lasts, how often it looks, and where its samples lie: the command line's words, checked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gate.durations import parse_duration, short_duration

#: The checklist watches for 24 to 48 hours.
USUAL_FOR = "24h"

#: Fewer samples than this give the drifts no confidence, whatever they show: a fifth is warm-up, and latencies need
#: MIN_POINTS (gate/diagnosis/drift.py) at both ends.
MIN_SAMPLES = 30

#: A look at two pods with one question each takes some seconds; asked more often, the soak itself is the load.
MIN_EVERY_S = 10.0

#: Without --every: what a day at five minutes gives.
USUAL_SAMPLES = 288


@dataclass(frozen=True, slots=True)
class SoakOptions:
    """What the command line says: how long, how often, into which file."""

    lasts_s: float
    every_s: float
    file: Path

    def __post_init__(self) -> None:
        """Refuse a soak that could not be judged.

        Raises:
            ValueError: naming both options and what would be right.
        """
        if self.every_s < MIN_EVERY_S:
            raise ValueError(
                f"--every={self.every_s:g}s: the soak itself would be the load; {MIN_EVERY_S:g}s or more is right"
            )
        if self.lasts_s / self.every_s < MIN_SAMPLES - 1:
            raise ValueError(
                f"--for={short_duration(self.lasts_s)} with --every={short_duration(self.every_s)} gives "
                f"{int(self.lasts_s // self.every_s) + 1} samples, and {MIN_SAMPLES} are needed: lengthen --for or "
                f"shorten --every (from {MIN_EVERY_S:g}s)"
            )


def soak_options(given: Mapping[str, str | None], *, target: str, root: Path) -> SoakOptions:
    """Return the options of a soak.

    Args:
        given: the command line's ``for``, ``every`` and ``samples``, None where it does not say.
        target: name of the target, for the file's name.
        root: the project's folder.

    Raises:
        ValueError: a duration is none, or the two do not go together.
    """
    lasts_s = _seconds("for", given["for"] or USUAL_FOR)
    every = given["every"]
    every_s = max(lasts_s / USUAL_SAMPLES, MIN_EVERY_S) if every is None else _seconds("every", every)
    usual = Path("reports", "soak", f"{target}-{short_duration(lasts_s)}-{short_duration(every_s)}.jsonl")
    named = given["samples"]
    return SoakOptions(lasts_s, every_s, Path(named).absolute() if named else root / usual)


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"--{option}: {error}") from error
