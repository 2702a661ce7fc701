"""A run as ONE web page that needs nothing else: no server, no script, no font, no picture from elsewhere.

It is opened from a CI artefact or an e-mail, on a phone or on paper. Text of verdicts is foreign: the template escapes
it, and the page's own policy forbids scripts and requests. The pictures come from ``charts``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from gate.criteria import criteria
from gate.report import phrases
from gate.report.charts import latency_chart, rollout_chart, soak_chart
from gate.report.charts.soak import MAX_PODS
from gate.report.charts.svg import MAX_LANES
from gate.report.run import Judgement, ReportError, Run
from gate.report.series import THE_SERVICE, Moment, series
from gate.verdict import Status

#: Rows of a table of details; the rest is in report.json.
MAX_ROWS = 40
_MAX_CELL_CHARS = 200

#: What a remedy starts with when it can be pasted as it is.
_COMMANDS = ("kubectl", "terraform", "tofu", "make", "python", "docker", "aws", "eval", "pytest", "helm", "curl")
#: By what there is to draw: pods, requests.
_TITLES = {
    (True, True): "The rollout, pod by pod, under continuous requests",
    (True, False): "The rollout, pod by pod",
    (False, True): "The requests as they were sent",
}
_QUOTED = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Table:
    """Details that no picture shows, in the order in which the judge named them."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with what a reader needs beside it."""

    judgement: Judgement
    kind: str
    title: str
    drawing: Markup
    notes: tuple[str, ...] = ()
    story: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Page:
    """What the template shows beside the run itself."""

    figures: list[Figure] = field(default_factory=list)
    tables: dict[str, list[Table]] = field(default_factory=dict)
    undrawn: list[str] = field(default_factory=list)


def run_to_html(run: Run, *, bundle: str | None = None) -> str:
    """Return the page, with a link to the diagnostics bundle of that name beside it."""
    page = _Page()
    for judgement in run.judgements:
        _illustrate(page, judgement)
    page.figures.sort(key=lambda figure: figure.kind != "rollout")
    return _template().render(run=run, page=page, phrases=phrases, Status=Status, bundle=bundle)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("gate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose, "is_command": is_command, "duration": phrases.duration}
    return environment.get_template("report.html.j2")


def prose(text: str) -> Markup:
    """Return a sentence with what stands in backticks as code, which one click selects whole."""
    pieces = _QUOTED.split(text)
    marked = [
        Markup("<code>{}</code>").format(piece) if number % 2 else escape(piece) for number, piece in enumerate(pieces)
    ]
    return Markup("").join(marked)


def is_command(remedy: str) -> bool:
    """Return whether a remedy can be pasted into a shell as it is."""
    return remedy.split(maxsplit=1)[0] in _COMMANDS if remedy.strip() else False


def _illustrate(page: _Page, judgement: Judgement) -> None:
    verdict = judgement.verdict
    try:
        found = series(verdict)
    except ReportError as error:
        page.undrawn.append(str(error))
        return
    rollout = rollout_chart(found.pods, found.requests, found.marks)
    if rollout is not None:
        hidden = len(found.pods) - MAX_LANES
        notes = (f"{hidden} more pods are in report.json.",) if hidden > 0 else ()
        story = tuple((_since(moment, found.timeline[0]), moment.text) for moment in found.timeline)
        title = _TITLES[bool(found.pods), bool(found.requests)]
        page.figures.append(Figure(judgement, "rollout", title, Markup(rollout), notes, story))  # noqa: S704  # ours
    limit_s = next((each.value for each in criteria()[verdict.criterion].thresholds.values() if each.unit == "s"), None)
    latency = latency_chart(found.latencies, limit_s)
    if latency is not None:
        by_pod = any(each.pod != THE_SERVICE for each in found.latencies)
        title = "How long the answers took" + (", pod by pod" if by_pod else "")
        page.figures.append(Figure(judgement, "latency", title, Markup(latency)))  # noqa: S704  # ours
    soak = soak_chart(found.soak)
    if soak is not None:
        hidden = len({each.pod for each in found.soak}) - MAX_PODS
        notes = (f"{hidden} more pods are in report.json.",) if hidden > 0 else ()
        page.figures.append(Figure(judgement, "soak", "Memory and latency over the soak", Markup(soak), notes))  # noqa: S704  # ours
    page.tables[verdict.criterion] = list(_tables(found.rest))


def _since(moment: Moment, first: Moment) -> str:
    return f"+{(moment.at - first.at).total_seconds():.1f} s"


def _tables(rest: Mapping[str, object]) -> Sequence[Table]:
    single = {name: value for name, value in rest.items() if not _is_rows(value)}
    tables = [Table("figures", (), tuple((name, _cell(value)) for name, value in single.items()))] if single else []
    for name, value in rest.items():
        if _is_rows(value) and isinstance(value, list):
            columns = tuple(dict.fromkeys(str(key) for row in value for key in row))
            rows = tuple(tuple(_cell(row.get(column)) for column in columns) for row in value[:MAX_ROWS])
            tables.append(Table(name, columns, rows, len(value) - len(rows)))
    return tables


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _cell(value: object) -> str:
    if value is None:
        return "not known"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_CELL_CHARS else text[: _MAX_CELL_CHARS - 1] + "…"
