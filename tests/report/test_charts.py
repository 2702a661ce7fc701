import random
import re
from dataclasses import asdict, replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from gate.diagnosis.history import PodLife
from gate.diagnosis.latency import latency_series
from gate.diagnosis.traffic import request_series
from gate.records import Answer, Reply
from gate.report.charts import latency_chart, rollout_chart
from gate.report.charts.svg import CHAR_PX, LEFT, MAX_LANES, WIDTH, Scale, figure, shortened, stagger, ticks, time_ticks
from gate.report.run import ReportError
from gate.report.series import Latency, Mark, Pod, Request, Series, series
from tests.report.samples import at, good, latencies, rollout


def drawn(svg: str | None) -> ET.Element:
    """Return the drawing as a tree."""
    assert svg is not None
    return ET.fromstring(svg)  # noqa: S314  # our own writer's output


def of_kind(drawing: ET.Element, kind: str) -> list[ET.Element]:
    """Return the elements with that class."""
    return [each for each in drawing.iter() if each.get("class") == kind]


def texts(drawing: ET.Element, kind: str) -> list[str]:
    """Return what is written in a class of text."""
    return [each.text or "" for each in of_kind(drawing, kind)]


def number(element: ET.Element, name: str) -> float:
    """Return a numeric attribute."""
    return float(element.get(name, "nan"))


def sampled(**details: object) -> Series:
    """Return the series of a verdict with these details."""
    return series(good("ROL-1", "Fine.").with_details(**details))


# --- Scales and labels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 10, 5, [0, 2, 4, 6, 8, 10]),
        (0, 0.013, 5, [0, 0.005, 0.01]),
        (-4, 65, 12, [0, 10, 20, 30, 40, 50, 60]),
        (0, 3, 3, [0, 1, 2, 3]),
        (7, 7, 5, [7]),
    ],
)
def test_ticks_range_round_values(low: float, high: float, most: int, expected: list[float]) -> None:
    """Ticks are multiples of 1, 2 or 5 times a power of ten, inside the range, and not more than wanted."""
    assert ticks(low, high, most) == pytest.approx(expected)


def test_time_ticks_minutes_clock_steps() -> None:
    """A time axis steps as clocks do: 15 and 30, not 20 and 50."""
    assert time_ticks(0, 130, 12) == [0, 15, 30, 45, 60, 75, 90, 105, 120]
    assert time_ticks(0, 300, 12) == [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300]


def test_scale_single_value_middle() -> None:
    """A range without extent puts its value in the middle instead of dividing by zero."""
    assert Scale(5, 5, 100, 200)(5) == 150


@pytest.mark.parametrize(
    ("value", "told"), [(0, "0"), (0.0421, "0.042"), (1.9249, "1.92"), (12.53, "12.5"), (130.4, "130")]
)
def test_figure_magnitude_decides_digits(value: float, told: str) -> None:
    """Numbers keep the digits that tell something."""
    assert figure(value) == told


def test_shortened_pod_name_both_ends() -> None:
    """A name that is too long loses its middle, not the end by which pods differ."""
    assert shortened("chat-api-7d4b9c6f5-4jx8t", 12) == "chat-…-4jx8t"
    assert shortened("chat-api", 12) == "chat-api"


def test_stagger_close_labels_no_overlap() -> None:
    """Labels at one place go to further rows, stay inside, and what has no room is left out."""
    wanted = [
        (100.0, "update applied"),
        (101.0, "another one"),
        (102.0, "third"),
        (103.0, "fourth"),
        (890.0, "settled at last"),
    ]
    placed = stagger(wanted, 100, 900, rows=3)
    assert [(label.text, label.row) for label in placed] == [
        ("update applied", 0),
        ("another one", 1),
        ("third", 2),
        ("settled at last", 0),
    ]
    for row in range(3):
        spans = [(each.x, len(each.text) * CHAR_PX / 2) for each in placed if each.row == row]
        for (x, half), (after, half_after) in pairwise(spans):
            assert x + half <= after - half_after
    assert all(each.x - len(each.text) * CHAR_PX / 2 >= 100 for each in placed)
    assert all(each.x + len(each.text) * CHAR_PX / 2 <= 900 for each in placed)


# --- The rollout ------------------------------------------------------------------------------------------------------


def test_rollout_chart_upgrade_lanes_and_marks() -> None:
    """Old pods stand above new ones, each with its life under the pointer; marks have a line and a label each."""
    found = sampled(**rollout())
    drawing = drawn(rollout_chart(found.pods, found.requests, found.marks))
    assert texts(drawing, "name") == [
        "chat-api-6c9f7d5b8-h2kqx",
        "chat-api-6c9f7d5b8-zw84n",
        "chat-api-7d4b9c6f5-4jx8t",
        "chat-api-7d4b9c6f5-m9qvr",
    ]
    assert texts(drawing, "mark-label") == ["upgrade applied", "settled, stable for 10 s"]
    assert len(of_kind(drawing, "mark")) == 2
    assert texts(drawing, "axis")[0] == "s since “upgrade applied” (15:51:40 UTC)"
    assert texts(drawing, "legend") == [
        "revision 1 ready",
        "revision 2 ready",
        "not ready, or ending",
        "requests sent",
        "failed requests",
    ]
    tips = [title.text or "" for bar in of_kind(drawing, "pod new ready") for title in bar.iter("title")]
    assert "chat-api-7d4b9c6f5-4jx8t, revision 2: created +0.6 s, ready +13.4 s" in tips


def test_rollout_chart_failures_marked_in_red() -> None:
    """Every failed request has a cross with its time and reason, and its share of the bar."""
    found = sampled(**rollout())
    drawing = drawn(rollout_chart(found.pods, found.requests, found.marks))
    crosses = of_kind(drawing, "failed-mark")
    assert len(crosses) == 2
    assert crosses[0].findtext("title") == "15:52:17: failed after 1.50 s, ConnectError: connection refused"
    bars = [bar for bar in of_kind(drawing, "failed") if bar.find("title") is not None]
    assert bars[0].findtext("title") == (
        "15:52:17: 2 requests sent in 1 s, 1 failed (ConnectError: connection refused)"
    )


def test_rollout_chart_bars_count_every_request() -> None:
    """The bars of requests sent and failed add up to the requests."""
    found = sampled(**rollout())
    drawing = drawn(rollout_chart((), found.requests, found.marks))
    tips = {bar.findtext("title") or "" for kind in ("requests", "failed") for bar in of_kind(drawing, kind)}
    counts = [re.search(r": (\d+) requests sent", tip) for tip in tips]
    assert sum(int(count.group(1)) for count in counts if count) == 244


def test_rollout_chart_old_pods_do_not_stretch_the_axis() -> None:
    """A pod that is days old starts at the left edge; the axis covers the change."""
    pod = Pod(pod="a", revision=1, created=at(-500_000), ready=at(-499_000))
    drawing = drawn(rollout_chart((pod,), (), (Mark(at=at(0), label="applied"), Mark(at=at(30), label="settled"))))
    (bar,) = [bar for bar in of_kind(drawing, "pod new ready") if bar.find("title") is not None]
    assert number(bar, "x") == LEFT
    assert [float(tick) for tick in texts(drawing, "tick")] == [0, 5, 10, 15, 20, 25, 30]


def test_rollout_chart_never_ready_pod_thin_only() -> None:
    """A pod that never became ready has no ready bar."""
    pods = (Pod(pod="a", revision=2, created=at(0)), Pod(pod="b", revision=2, created=at(0), ready=at(9)))
    drawing = drawn(rollout_chart(pods, (), ()))
    assert [bar.findtext("title") for bar in of_kind(drawing, "pod new ready")][:1] == [
        "b, revision 2: created +0.0 s, ready +9.0 s"
    ]
    assert len([bar for bar in of_kind(drawing, "pod new waiting") if bar.find("title") is not None]) == 2


def test_rollout_chart_many_pods_lanes_bounded() -> None:
    """A thousand pods draw as many lanes as a screen shows."""
    pods = [Pod(pod=f"p{number}", revision=1, created=at(number), ready=at(number + 1)) for number in range(1000)]
    assert len(of_kind(drawn(rollout_chart(pods, (), ())), "name")) == MAX_LANES


def test_rollout_chart_thousands_of_requests_binned() -> None:
    """Ten thousand requests become bins, so that the drawing stays small."""
    chance = random.Random(1)  # noqa: S311  # test data
    requests = [Request(at=at(chance.random() * 900), seconds=chance.random(), ok=True) for _ in range(10_000)]
    svg = rollout_chart((), requests, ())
    assert svg is not None
    assert len(svg) < 60_000
    assert "min since" in svg


@pytest.mark.parametrize("marks", [(), (Mark(at=at(0), label="applied"),)])
def test_rollout_chart_nothing_to_draw_none(marks: tuple[Mark, ...]) -> None:
    """Without pods and requests, or without any time, there is no picture."""
    assert rollout_chart((), (), marks) is None
    assert rollout_chart((Pod(pod="a"),), (), ()) is None


# --- Latencies --------------------------------------------------------------------------------------------------------


def test_latency_chart_warm_and_cold_apart() -> None:
    """Warm answers are dots, cold ones hollow and outside the percentiles; the limit has its line."""
    drawing = drawn(latency_chart(sampled(latencies=latencies()).latencies, 10))
    assert len([dot for dot in of_kind(drawing, "warm") if dot.find("title") is not None]) == 24
    assert len([dot for dot in of_kind(drawing, "cold") if dot.find("title") is not None]) == 2
    # 24 values from 1.4 s in steps of 0.1 s, the first one twice: ranks 12 and 23.
    assert texts(drawing, "mark-label") == ["p50 2.40 s", "p95 3.50 s"]
    assert texts(drawing, "limit-label") == ["limit 10 s"]
    assert len(of_kind(drawing, "limit")) == 1
    assert drawing.findtext("desc") == "24 warm questions, 2 cold, 0 failed. p50 2.40 s, p95 3.50 s; limit 10 s"
    assert [tick for tick in texts(drawing, "tick") if tick.startswith("n")] == ["n = 13", "n = 13"]


def test_latency_chart_distant_limit_named_not_drawn() -> None:
    """A limit far above every answer is named at the edge instead of squeezing the dots into a corner."""
    drawing = drawn(latency_chart((Latency(pod="a", seconds=0.012),), 10))
    assert texts(drawing, "limit-label") == ["limit 10 s →"]
    assert of_kind(drawing, "limit") == []


def test_latency_chart_failed_count_as_slowest() -> None:
    """A question without an answer is a cross, and slower than every answer in the percentiles."""
    found = [Latency(pod="a", seconds=1.0)] * 9 + [Latency(pod="a", seconds=0.1, status="HTTP 503")]
    drawing = drawn(latency_chart(found, 10))
    assert texts(drawing, "mark-label") == ["p50 1.00 s", "p95 no answer"]
    assert of_kind(drawing, "failed-mark")[0].findtext("title") == "a: 0.10 s, warm, failed: HTTP 503"


def test_latency_chart_dots_do_not_hide_each_other() -> None:
    """Equal answers lie beside each other while the lane has room."""
    drawing = drawn(latency_chart([Latency(pod="a", seconds=2.0)] * 3, None))
    dots = [dot for dot in of_kind(drawing, "warm") if dot.find("title") is not None]
    assert len({(dot.get("cx"), dot.get("cy")) for dot in dots}) == 3


def test_latency_chart_thousands_histogram() -> None:
    """Thousands of answers become a histogram per pod that counts each of them."""
    chance = random.Random(2)  # noqa: S311  # test data
    found = [Latency(pod=f"p{number % 3}", seconds=chance.lognormvariate(0.8, 0.4)) for number in range(6000)]
    svg = latency_chart(found, 10)
    bins = of_kind(drawn(svg), "bin")
    assert sum(int((bar.findtext("title") or "").split()[0]) for bar in bins) == 6000
    assert len(svg or "") < 60_000


def test_latency_chart_many_pods_rest_pooled() -> None:
    """More pods than lanes end in one lane that says how many it holds."""
    found = [Latency(pod=f"pod-{number:03d}", seconds=1.0) for number in range(100)]
    names = texts(drawn(latency_chart(found, 10)), "name")
    assert len(names) == MAX_LANES
    assert names[-1] == "61 other pods"


def test_latency_chart_no_answers_none() -> None:
    """Without answers there is no picture."""
    assert latency_chart((), 10) is None


def test_charts_every_label_inside_the_drawing() -> None:
    """No text begins or ends outside the frame."""
    found = sampled(**rollout(), latencies=latencies())
    for svg in (rollout_chart(found.pods, found.requests, found.marks), latency_chart(found.latencies, 10)):
        for text in drawn(svg).iter("text"):
            extent = len(text.text or "") * CHAR_PX
            start = {"start": 0.0, "middle": extent / 2, "end": extent}[text.get("text-anchor", "start")]
            assert number(text, "x") - start >= 0
            assert number(text, "x") - start + extent <= WIDTH


# --- Series -----------------------------------------------------------------------------------------------------------


def test_series_wrong_shape_refused_by_name() -> None:
    """A series of another shape is refused with criterion and place, never drawn in part."""
    with pytest.raises(ReportError) as refused:
        sampled(pods=[{"pod": "a"}, {"revision": 2}], requests=[{"at": "yesterday", "seconds": 1, "ok": True}])
    assert str(refused.value).startswith(
        "ROL-1: its series cannot be drawn, 2 value(s) are not as gate/report/series.py states them; the first is "
    )


def test_series_rest_kept_apart() -> None:
    """Details without a picture are kept under their own names."""
    assert dict(sampled(latencies=[], p95_confidence=0.71).rest) == {"p95_confidence": 0.71}


def test_series_judges_own_output_drawable() -> None:
    """What the judges and the waiting put into details has the shape that is drawn."""
    reply = Reply(via="pod/chat-api-1", path="/triage", status=200, elapsed_s=1.5, started_at=at(1))
    answer = Answer(reply=reply, patient_mrn="MRN-001", query="?", response="Asthma.", finish_reason="stop", cold=True)
    found = sampled(
        latencies=latency_series([answer]),
        requests=request_series([reply, replace(reply, status=None, error="connection refused")]),
        pods=(asdict(PodLife("chat-api-1", 2, created=at(0), ready=at(1))),),
        timeline=({"at": at(0), "text": "pod chat-api-1 created"},),
    )
    assert found.latencies == (Latency(pod="chat-api-1", seconds=1.5, cold=True),)
    assert found.latencies[0].answered
    assert [request.ok for request in found.requests] == [True, False]
    assert found.pods == (Pod(pod="chat-api-1", revision=2, created=at(0), ready=at(1)),)
    assert found.timeline[0].text == "pod chat-api-1 created"
