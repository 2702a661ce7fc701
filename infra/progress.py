"""Progress lines for a person: to standard error, so that standard output stays for what programs read."""

import sys


def say(text: str) -> None:
    """Write one line at once, also into a pipe or a CI log."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
