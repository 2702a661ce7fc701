"""Numbers, names and foreign messages as a tired reader wants them in a sentence.

Whether foreign text is safe to show is settled by ``gate.report``; here it is only folded and cut, because a kubelet's
message repeats itself at length.
"""

from collections.abc import Sequence
from datetime import datetime

_MIB = 2**20
_GIB = 2**30

#: The longest quotation inside a reason: two lines of a terminal.
QUOTE_CHARS = 240

#: Names in a reason; the rest is counted, and listed as evidence.
NAMES_SHOWN = 3

#: Names in one piece of evidence: a screen full of pods; whoever has more of them asks kubectl by label.
NAMES_LISTED = 50


def memory(size_bytes: float) -> str:
    """Return an amount of memory or storage: MiB below 2 GiB, GiB from there."""
    if abs(size_bytes) < 2 * _GIB:
        return f"{size_bytes / _MIB:.0f} MiB"
    return f"{size_bytes / _GIB:.1f} GiB"


def duration(seconds: float) -> str:
    """Return a span: seconds below 2 minutes, then minutes, hours, days."""
    for unit, length, least in (("d", 86_400, 172_800), ("h", 3_600, 7_200), ("min", 60, 120)):
        if seconds >= least:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def names(items: Sequence[str], most: int = NAMES_SHOWN) -> str:
    """Return the first few names and how many more there are."""
    shown = ", ".join(items[:most])
    more = len(items) - most
    return f"{shown} and {more} more" if more > 0 else shown


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Return the number with its noun in the right form."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def quote(message: str) -> str:
    """Return a foreign message on one line, cut to a named length."""
    text = " ".join(message.split()).rstrip(".")
    return text if len(text) <= QUOTE_CHARS else f"{text[: QUOTE_CHARS - 1]}…"


def seconds_between(earlier: datetime | None, later: datetime | None) -> float | None:
    """Return the seconds from one time to the other, at least 0; None where one of them is unknown."""
    if earlier is None or later is None:
        return None
    return max((later - earlier).total_seconds(), 0.0)
