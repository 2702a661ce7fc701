from dataclasses import replace
from xml.etree import ElementTree as ET

from gate.report.charts import soak_chart
from gate.report.html import run_to_html
from gate.report.run import Run
from gate.report.series import SoakPoint, series
from tests.report import samples as report
from tests.soak import samples as make

SVG = ET.fromstring  # the drawing is ours


def points(**changes: object) -> tuple[SoakPoint, ...]:
    """Return the points of a soak as the report reads them."""
    return series(make.judge(make.soaked(lambda _: dict(changes)))).soak


def drawn(found: tuple[SoakPoint, ...]) -> ET.Element:
    """Return the drawing."""
    chart = soak_chart(found)
    assert chart is not None
    return SVG(chart)


def test_picture_of_nothing_is_none() -> None:
    """No sample, no drawing."""
    assert soak_chart(()) is None


def test_picture_has_a_line_of_memory_and_a_dot_per_answer() -> None:
    """One pod, 81 looks."""
    chart = drawn(points())
    lines = [each for each in chart.iter("path") if "series" in each.get("class", "")]
    dots = [each for each in chart.iter("circle") if each.find("title") is not None]
    assert len(lines) == 1
    assert len(lines[0].get("d", "").split("L")) == 81
    assert len(dots) == 81 + 1  # and the legend's
    assert "1 pods, 81 looks in 20.0 min, 0 questions failed." in chart.get("aria-label", "")


def test_picture_marks_failures_and_restarts() -> None:
    """A cross with what came back, and a line at the restart."""
    found = points()
    broken = (*found[:40], replace_point(found[40]), *(each.model_copy(update={"restarts": 1}) for each in found[41:]))
    chart = drawn(broken)
    assert [each.findtext("title") for each in chart.iter("path") if each.get("class") == "failed-mark"] == [
        "06:10:00 chat-api-a: HTTP 500"
    ]
    assert [each.text for each in chart.iter("text") if each.get("class") == "limit-label"] == ["restart"]


def replace_point(point: SoakPoint) -> SoakPoint:
    """Return a question that failed."""
    return point.model_copy(update={"seconds": None, "failure": "HTTP 500"})


def test_picture_without_figures_of_memory_is_drawn_all_the_same() -> None:
    """The latencies are there."""
    chart = drawn(points(anonymous_bytes=None))
    assert [each.get("d") for each in chart.iter("path") if "series" in each.get("class", "")] == []


def test_page_shows_the_soaks_picture_and_its_figures() -> None:
    """The report of a soak: verdict, drawing, table."""
    verdict = make.judge(make.soaked())
    run = Run(
        header=report.header(tiers=("soak",)),
        judgements=(replace(report.judgement(verdict), tier="soak"),),
        exit_code=0,
        interrupted=False,
    )
    page = run_to_html(run)
    assert "Memory and latency over the soak" in page
    assert "samples taken, planned" in page
    assert "81, 81" in page
