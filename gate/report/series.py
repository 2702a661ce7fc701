"""The series that a verdict's details may carry for the pictures, checked and typed.

Details enter as plain data, because the judges must not know the report; a series whose shape is not the one stated
here is refused by name, so that a picture never shows half of what was measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from gate.report.run import ReportError
from gate.verdict import Verdict

#: Status of a latency that counts.
OK = "ok"
#: Stands for a pod's name where the load balancer chose the pod.
THE_SERVICE = "service"


class _Point(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Latency(_Point):
    """One answer's time. ``cold`` is the first question a pod was asked; ``status`` is ok, or why it is no answer."""

    pod: str
    seconds: float
    cold: bool = False
    status: str = OK

    @property
    def answered(self) -> bool:
        """Return whether it counts as an answer."""
        return self.status == OK


class Request(_Point):
    """One request of the traffic that ran beside a change: sent ``at``, over after ``seconds``."""

    at: AwareDatetime
    seconds: float
    ok: bool
    error: str | None = None


class Mark(_Point):
    """A moment worth a line through the picture: the change, settled."""

    at: AwareDatetime
    label: str


class Pod(_Point):
    """A pod's life. None: not seen (yet); a pod without ``created`` was there before anybody looked."""

    pod: str
    revision: int | str | None = None
    created: AwareDatetime | None = None
    ready: AwareDatetime | None = None
    terminating: AwareDatetime | None = None
    gone: AwareDatetime | None = None


class Moment(_Point):
    """A line of the rollout's story."""

    at: AwareDatetime
    text: str


class SoakPoint(_Point):
    """One pod at one moment of a soak; None: not known, or no answer (``failure`` says why)."""

    at: AwareDatetime
    pod: str
    memory_bytes: float | None = None
    seconds: float | None = None
    failure: str = ""
    restarts: int = 0


class _Shape(BaseModel):
    latencies: tuple[Latency, ...] = ()
    requests: tuple[Request, ...] = ()
    marks: tuple[Mark, ...] = ()
    pods: tuple[Pod, ...] = ()
    timeline: tuple[Moment, ...] = ()
    soak: tuple[SoakPoint, ...] = ()


DRAWN = frozenset(_Shape.model_fields)


@dataclass(frozen=True, slots=True)
class Series:
    """What there is to draw of one verdict; ``rest`` holds the details that no picture shows."""

    latencies: tuple[Latency, ...]
    requests: tuple[Request, ...]
    marks: tuple[Mark, ...]
    pods: tuple[Pod, ...]
    timeline: tuple[Moment, ...]
    soak: tuple[SoakPoint, ...]
    rest: Mapping[str, object]


def series(verdict: Verdict) -> Series:
    """Return the verdict's series.

    Raises:
        ReportError: naming each entry that has not the stated shape.
    """
    details = dict(verdict.details)
    try:
        shape = _Shape.model_validate({name: details[name] for name in DRAWN & details.keys()})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ReportError(
            f"{verdict.criterion}: its series cannot be drawn, {error.error_count()} value(s) are not as "
            f"gate/report/series.py states them; the first is {where}: {first['msg']}"
        ) from error
    return Series(
        latencies=shape.latencies,
        requests=tuple(sorted(shape.requests, key=lambda request: request.at)),
        marks=tuple(sorted(shape.marks, key=lambda mark: mark.at)),
        pods=shape.pods,
        timeline=tuple(sorted(shape.timeline, key=lambda moment: moment.at)),
        soak=tuple(sorted(shape.soak, key=lambda point: point.at)),
        rest={name: value for name, value in details.items() if name not in DRAWN},
    )
