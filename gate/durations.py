"""Durations as people write them on a command line: ``24h``, ``90m``, ``1h30m``, ``45s``, ``2d``."""

import re

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration above zero.

    Raises:
        ValueError: it is none; the message says what would be one.
    """
    word = text.strip().lower()
    parts = _PART.findall(word) if _WHOLE.fullmatch(word) else []
    units = [unit for _, unit in parts]
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if not parts or units != sorted(set(units), key="dhms".index) or seconds <= 0:
        raise ValueError(
            f"{text!r} is no duration: write a number and d, h, m or s for days, hours, minutes or seconds, the larger "
            "unit first, such as 24h, 20m or 1h30m"
        )
    return seconds


def short_duration(seconds: float) -> str:
    """Return a duration as ``parse_duration`` reads it, in whole seconds."""
    left, words = round(seconds), ""
    for unit, length in _UNITS_S.items():
        number, left = divmod(left, length)
        words += f"{number}{unit}" if number else ""
    return words or "0s"
