"""Turns the text of a pod's /metrics into a record: Prometheus' exposition format, read by its own library.

Names and labels are those that service_chat/telemetry.py lists; they go no further than this. What another service
exposes beside them is left out, and what it does not expose stays unknown.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gate.records import PodMetrics, Reply

_PREFIX = "carepath_chat_"
#: The route that users ask; probes and the gate's readings have routes of their own.
_ROUTE = "/triage"
#: Of a service that does not tell the gate from users.
_DEFAULTS = {"traffic": "user"}


def pod_metrics(reply: Reply, text: str) -> PodMetrics:
    """Return the record of a 200's body; one that is no exposition text has a violation and no figure."""
    try:
        families = {each.name: each for each in text_string_to_metric_families(text)}
    except ValueError:
        return PodMetrics(reply=reply, violation="the body is not in Prometheus' text format")
    reports = _counts(families, "feedback", ("rating",))
    started = _value(families, "process_start_time_seconds")
    return replace(
        _cpu(PodMetrics(reply=reply), families),
        started_at=None if started is None else datetime.fromtimestamp(started, UTC),
        requests=_pairs(_counts(families, "requests", ("traffic", "status"), {"route": _ROUTE})),
        refused=_pairs(_counts(families, "refused", ("traffic", "reason"))),
        reports=None if reports is None else {rating: number for (rating,), number in reports.items()},
        queue_wait_s=_value(families, f"{_PREFIX}queue_seconds", "_sum"),
        queue_length=_whole(_value(families, f"{_PREFIX}queue_length")),
        held_bytes=_held_bytes(families),
    )


def _held_bytes(families: Mapping[str, Metric]) -> int | None:
    container = _counts(families, "container_memory_bytes", ("kind",))
    if container:
        return container.get(("anonymous",), 0) + container.get(("shared",), 0)
    process = _counts(families, "memory_bytes", ("kind",))
    return process.get(("anonymous",)) if process else None


def _cpu(record: PodMetrics, families: Mapping[str, Metric]) -> PodMetrics:
    return replace(
        record,
        cpu_s=_value(families, "process_cpu_seconds", "_total"),
        cfs_periods=_whole(_value(families, f"{_PREFIX}cpu_periods", "_total")),
        throttled_periods=_whole(_value(families, f"{_PREFIX}cpu_throttled_periods", "_total")),
        throttled_s=_value(families, f"{_PREFIX}cpu_throttled_seconds", "_total"),
    )


def _value(families: Mapping[str, Metric], name: str, suffix: str = "") -> float | None:
    """Return the one value of a metric without labels."""
    samples = families[name].samples if name in families else []
    values = (float(each.value) for each in samples if each.name == f"{name}{suffix}")
    return next((each for each in values if math.isfinite(each)), None)


def _pairs(counts: Mapping[tuple[str, ...], int] | None) -> Mapping[tuple[str, str], int] | None:
    return None if counts is None else {(first, second): number for (first, second), number in counts.items()}


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _counts(
    families: Mapping[str, Metric], name: str, labels: Sequence[str], only: Mapping[str, str] = MappingProxyType({})
) -> Mapping[tuple[str, ...], int] | None:
    """Return the values of a metric by these labels, added up over the others; None if it is not exposed.

    Args:
        families: all that were read.
        name: of the metric, without the service's prefix.
        labels: a sample without the label ``traffic`` is of users.
        only: labels that a sample must have to be counted.
    """
    family = families.get(f"{_PREFIX}{name}")
    if family is None:
        return None
    found: Counter[tuple[str, ...]] = Counter()
    for each in family.samples:
        told = not each.name.endswith("_created") and math.isfinite(each.value)
        if told and only.items() <= each.labels.items():
            found[tuple(each.labels.get(label, _DEFAULTS.get(label, "")) for label in labels)] += int(each.value)
    return dict(found)
