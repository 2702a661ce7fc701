"""MiB and dollars as the verdicts of sizing write them. A need is rounded up and an offer down, never in our favour."""

MIB = 2**20
GIB = 2**30

#: Hours of a month as AWS's own calculator counts them (365 * 24 / 12).
HOURS_PER_MONTH = 730


def needed_mib(size_bytes: float) -> int:
    """Return whole MiB that hold the amount."""
    return -int(-size_bytes // MIB)


def offered_mib(size_bytes: float) -> int:
    """Return the whole MiB in the amount."""
    return int(size_bytes // MIB)
