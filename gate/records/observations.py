"""What the service said when asked, and what it logged."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP exchange with the service. ``via`` is ``pod/NAME`` or ``service``; ``status`` is None if none came.

    ``trouble`` says why no status came, ``error`` says it in words: the connection was ``refused``, the answer did not
    come in time (``timed_out``), the connection was ``closed`` half-way, the host name has ``no_address``; or the gate
    could not ask at all: it may not (``forbidden``: no right to port-forward) or the API server is ``unreachable``.
    """

    via: str
    path: str
    status: int | None
    elapsed_s: float
    started_at: datetime
    trouble: Literal["", "refused", "timed_out", "closed", "no_address", "forbidden", "unreachable"] = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What ``/version`` declares; None where it does not apply or was not said; ``violations`` as in Answer."""

    reply: Reply
    llm_mode: str | None = None
    model: str | None = None
    model_sha256: str | None = None
    engine: str | None = None
    image: str | None = None
    loaded: bool | None = None
    load_seconds: float | None = None
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One triage question and what came back. Patient, question and answer are held for judging and never shown.

    ``cold`` marks the first question a pod was asked; ``inference_s`` is the service's own figure; ``retry_after_s`` is
    what a refusal's Retry-After header said; ``violations`` are the breaches of the service's contract in this
    exchange, a sentence each, without any value of the answer.
    """

    reply: Reply
    patient_mrn: str = field(repr=False)
    query: str = field(repr=False)
    response: str = field(default="", repr=False)
    violations: tuple[str, ...] = ()
    llm_mode: str | None = None
    trace_id: str | None = None
    inference_s: float | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    queue_ms: float | None = None
    retry_after_s: float | None = None
    cold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The log of one container since it started; ``lines`` are held for judging and never shown verbatim.

    ``times`` are when the node took the lines in, one for each line; empty where nobody asked for them.
    """

    pod: str
    container: str
    previous: bool
    lines: tuple[str, ...] = field(repr=False)
    truncated: bool = False
    times: tuple[datetime | None, ...] = ()

    def time(self, line: int) -> datetime | None:
        """Return when a line (counted from 1) was written, None where that is unknown."""
        return self.times[line - 1] if 0 < line <= len(self.times) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRecord:
    """What the patient API holds of one of the target's synthetic patients; compared with, never shown."""

    mrn: str = field(repr=False)
    name: str = field(repr=False)
    diagnosis: str = field(repr=False)
    medications: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRecords:
    """The records of the target's test patients, or why they are not known.

    ``missing`` is a sentence without a value, empty where all were read; ``out_of_reach`` says that the patient API is
    not in the app's namespace, so that nobody expected the gate to read it; ``forbidden`` that a right is missing.
    """

    records: tuple[PatientRecord, ...] = ()
    missing: str = ""
    out_of_reach: bool = False
    forbidden: bool = False
