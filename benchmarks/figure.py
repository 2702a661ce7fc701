"""The last line of every benchmark: one JSON object with a figure and what it is compared with."""

import json
import statistics
from collections.abc import Sequence


def print_figure(name: str, ours: Sequence[float], versus: str, theirs: Sequence[float], *, unit: str = "s") -> None:
    """Print the medians of interleaved runs, their spread, and their ratio.

    Args:
        name: what was measured.
        ours: one value a run, in ``unit``.
        versus: what it is compared with.
        theirs: one value a run, measured between ours.
        unit: of both.
    """
    value, other = statistics.median(ours), statistics.median(theirs)
    spread = [round(one / two, 2) for one, two in zip(ours, theirs, strict=True)]
    print(f"ratio of each pair of runs: {min(spread)} to {max(spread)}")
    figure = {
        "figure": name,
        "value": round(value, 3),
        "unit": unit,
        "versus": versus,
        "versus_value": round(other, 3),
        "ratio": round(value / other, 2),
        "runs": len(ours),
    }
    print(json.dumps(figure))
