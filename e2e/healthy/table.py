"""The healthy rollouts' result as a line each and as notes/healthy.md. Pure but for the date."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

from e2e.healthy.running import CRITERIA, Judged

_PREAMBLE = """\
# Healthy rollouts

Written by `make healthy`: rollouts that are well, one after the other in each of several namespaces of the embedded
cluster, each judged by `pytest -m acceptance` in a process of its own that starts while the rollout is still going on.
The service runs the language model. A failure or an inconclusive verdict of {criteria} is a false alarm.
A warning is none; each is told below."""


def terminal_line(judged: Judged) -> str:
    """Return a rollout's result for the terminal: a line, and one more for each problem and warning."""
    head = "alarm" if judged.problems else "quiet"
    lines = [f"{head}  {judged.stream}  {judged.rollout.name:36} {judged.seconds:6.1f} s"]
    return "\n".join((*lines, *(f"       {each}" for each in (*judged.problems, *judged.warnings))))


def markdown(rollouts: Sequence[Judged], where: str, took_s: float) -> str:
    """Return notes/healthy.md."""
    alarms = [each for each in rollouts if each.problems]
    seconds = [each.seconds for each in rollouts if each.seconds]
    kinds = Counter(each.rollout.name for each in rollouts)
    streams = len({each.stream for each in rollouts})
    criteria = f"{', '.join(CRITERIA[:-1])} or {CRITERIA[-1]}"
    lines = [
        *_PREAMBLE.format(criteria=criteria).splitlines(),
        "",
        (
            f"{datetime.now(UTC):%Y-%m-%d}, {where}. {len(rollouts)} rollouts in {streams} namespaces at once, "
            f"{took_s / 60:.0f} minutes: {len(alarms)} false alarms."
        ),
    ]
    if seconds:
        lines += [f"Acceptance took {median(seconds):.0f} s (median), {max(seconds):.0f} s at most."]
    lines += [
        "",
        f"| rollout | times | {' | '.join(CRITERIA)} | seconds of acceptance, median |",
        f"|---|---|{'---|' * (len(CRITERIA) + 1)}",
        *(_line(kind, [each for each in rollouts if each.rollout.name == kind]) for kind in kinds),
    ]
    for title, told in (
        ("False alarms", [(each, line) for each in rollouts for line in each.problems]),
        ("Warnings", [(each, line) for each in rollouts for line in each.warnings]),
    ):
        if told:
            lines += ["", f"## {title}", "", *(f"- {each.rollout.name}: {line}" for each, line in told)]
    return "\n".join((*lines, ""))


def _line(kind: str, rollouts: Sequence[Judged]) -> str:
    cells = [_tally([each.statuses.get(criterion, "none") for each in rollouts]) for criterion in CRITERIA]
    return f"| {kind} | {len(rollouts)} | {' | '.join(cells)} | {median(each.seconds for each in rollouts):.0f} |"


def _tally(statuses: Sequence[str]) -> str:
    return ", ".join(f"{number} {status}" for status, number in Counter(statuses).items())
