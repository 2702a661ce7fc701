"""The soaks' result as notes/soak.md. Pure but for the date."""

from collections.abc import Sequence
from datetime import UTC, datetime

from e2e.soaks.running import AWAY_S, Soaked
from gate.durations import short_duration

_PREAMBLE = """\
# A soak of services that are known

Written by `make soak-show`: the service runs three times on the embedded cluster, one replica each with the language
model, as it is, with a leak, and with its CPU cut from outside; `pytest -m soak` looks at each for the same time, in a
process of its own. The faults are the harness's (`e2e/soaks/services.py`). A day or two of the same:
`pytest -m soak --for=24h`, or in the cluster: `infra/soak`."""


def markdown(soaked: Sequence[Soaked], where: str, lasts_s: float, every_s: float) -> str:
    """Return notes/soak.md."""
    right = sum(not list(each.problems()) for each in soaked)
    killed = ", ".join(each.service.name for each in soaked if each.service.interrupted)
    lines = [
        *_PREAMBLE.splitlines(),
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {where}. {right} of {len(soaked)} right, side by side:",
        f"{short_duration(lasts_s)}, a look every {short_duration(every_s)}. The process that soaked `{killed}` was",
        f"killed (SIGKILL) half-way and begun again {AWAY_S:g} s later: it went on with what it had.",
        "",
        "| service | verdict | said | samples | longest gap |",
        "|---|---|---|---|---|",
        *(_line(each) for each in soaked),
        "",
        "| pod | memory | seconds per answer |",
        "|---|---|---|",
        *(line for each in soaked for line in _trends(each)),
    ]
    problems = [problem for each in soaked for problem in each.problems()]
    if problems:
        lines += ["", "## Not as expected", "", *(f"- {problem}" for problem in problems)]
    return "\n".join((*lines, ""))


def _line(each: Soaked) -> str:
    figures = _figures(each)
    verdict = f"{each.verdict.get('status', 'none')} {each.verdict.get('cause') or ''}".strip()
    cells = (
        each.service.told,
        verdict,
        each.verdict.get("reason", ""),
        figures.get("samples taken, planned", "-"),
        figures.get("longest gap", "-"),
    )
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def _trends(each: Soaked) -> list[str]:
    figures = _figures(each)
    memory, latency = figures.get("anonymous memory", "-"), figures.get("seconds per answer", "-")
    return [f"| {each.service.name} | {memory} | {latency} |"]


def _figures(each: Soaked) -> dict[str, str]:
    rows = each.verdict.get("details", {}).get("figures", ())
    return {row["figure"]: row["value"] for row in rows}
