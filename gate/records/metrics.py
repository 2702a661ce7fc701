"""What the pods' /metrics said: counters since the process started, and figures of the moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gate.records.observations import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class PodMetrics:
    """One reading of /metrics. A figure that the service does not give is None and never zero.

    Attributes:
        reply: the exchange; anything but a 200 leaves all figures None.
        violation: why a 200 could not be read as metrics, "" if it could.
        started_at: since when the counters count.
        requests: finished triage questions by (traffic, HTTP status); traffic is ``user``, or ``test`` for the gate's
            own, of this run and of earlier ones. A caller that hung up is 499 or "None".
        refused: questions without an answer by (traffic, the service's reason), the same questions as in ``requests``.
        reports: users' reports by rating (``up``, ``down``).
        queue_wait_s: seconds that answered questions waited for the model, added up.
        queue_length: questions waiting now.
        held_bytes: memory that the kernel cannot drop: the container's anonymous and shared (tmpfs) memory, or the
            process's anonymous memory where the container's is not counted.
        cpu_s: CPU seconds that the process used.
        cfs_periods: periods of the CPU quota in which the container wanted CPU; 0 without a quota.
        throttled_periods: those of them in which it was stopped.
        throttled_s: seconds it was stopped, added up over the CPUs.
    """

    reply: Reply
    violation: str = ""
    started_at: datetime | None = None
    requests: Mapping[tuple[str, str], int] | None = None
    refused: Mapping[tuple[str, str], int] | None = None
    reports: Mapping[str, int] | None = None
    queue_wait_s: float | None = None
    queue_length: int | None = None
    held_bytes: int | None = None
    cpu_s: float | None = None
    cfs_periods: int | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Two readings of every pod asked: before and after questions were put to them."""

    before: tuple[PodMetrics, ...] = ()
    after: tuple[PodMetrics, ...] = ()
