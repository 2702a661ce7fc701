"""A run as ONE web page that needs nothing else: no server, no script, no font, no picture from elsewhere.

It is opened from a CI artefact or by e-mail, on a phone or on paper. Text of verdicts is foreign and is escaped by the
template; the pictures come from ``charts``.
"""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from gate.report import phrases
from gate.report.run import Run


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("gate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def run_to_html(run: Run) -> str:
    """Return the page."""
    return _template().render(run=run, phrases=phrases)
