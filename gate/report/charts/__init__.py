"""The pictures of a run: how a rollout went under traffic, how long answers took, and what hours of soak showed.

Typed series enter, SVG leaves. Axes carry units, every mark has its figure under the pointer, and the same is said in
words for those who do not see the drawing. Colours and fonts belong to the page's style sheet.
"""

from gate.report.charts.latency import latency_chart
from gate.report.charts.rollout import rollout_chart
from gate.report.charts.soak import soak_chart

__all__ = ["latency_chart", "rollout_chart", "soak_chart"]
