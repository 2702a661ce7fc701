"""What a soak sees at one moment, and what it was asked to do. Plain values: they are kept in a file between two looks.

No patient, question or answer is held: a question is known by its number in the rounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gate.records.common import NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question to one pod.

    Attributes:
        question: its number among those that come round, so that an answer is compared with answers to the same.
        seconds: until the answer was complete, or until it failed.
        failure: why it is no answer, empty for a complete one.
        counts: False where the gate could not ask at all, which says nothing about the service.
        cold: the first question to this container.
    """

    question: int
    seconds: float
    failure: str = ""
    counts: bool = True
    cold: bool = False

    @property
    def warm_answer(self) -> bool:
        """Return whether it was answered in full by a container that had answered before: a latency to compare."""
        return not (self.failure or self.cold)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSample:
    """One pod at one moment; None where it was not said.

    Attributes:
        restarts: of the judged container since the pod exists.
        last_end: why the container ended last time, as the kubelet reports it.
        limit_bytes: the container's memory limit.
        anonymous_bytes: memory that the kernel cannot drop, by the service's own /metrics.
        answered: triage requests finished since the process started, the failed ones too.
        errors: of them, those that ended in 5xx or were refused with 429.
    """

    pod: str
    uid: str
    node: str | None = None
    ready: bool = False
    restarts: int = 0
    last_end: str = ""
    limit_bytes: int | None = None
    anonymous_bytes: float | None = None
    answered: float | None = None
    errors: float | None = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSample:
    """One look at the Deployment.

    Attributes:
        at: when the look began, by this machine's clock.
        trouble: why the cluster could not be read, empty if it was; then nothing else here counts.
        revision: of the Deployment.
        desired: replicas wanted.
        nodes: the nodes that run its pods, with their instance type where that is known.
    """

    at: datetime
    trouble: str = ""
    revision: int | None = None
    desired: int | None = None
    pods: tuple[PodSample, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPlan:
    """What a soak was asked to do; samples of another plan are not its own.

    Attributes:
        lasts_s: from the first sample to the last.
        every_s: between two samples.
    """

    server: str
    namespace: str
    deployment: str
    lasts_s: float
    every_s: float
    started_at: datetime

    @property
    def ends_at(self) -> datetime:
        """Return when the last sample is due."""
        return self.started_at + timedelta(seconds=self.lasts_s)

    @property
    def samples(self) -> int:
        """Return how many samples are due."""
        return int(self.lasts_s // self.every_s) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the nodes under the pods cost in a month of 730 hours at the soak's mean number of them.

    Attributes:
        usd_per_month: None where a node's type or its price is not known.
        told: the arithmetic in words, or what is not known.
    """

    usd_per_month: float | None
    told: str
