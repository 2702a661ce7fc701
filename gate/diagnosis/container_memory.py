"""Judges what the built image holds in memory under its limit while many ask it at once (CON-6).

Pure: the bench's record comes in, a Verdict leaves. What counts is memory that the kernel cannot drop, as in RES-1:
pages of a mapped model file fill the limit without danger. Whether the model fits a node is FIT-1's to say, before
there is an image.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from gate.causes import Cause
from gate.diagnosis.wording import count, duration, memory
from gate.records import Reply
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "CON-6"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """A container under its memory limit, idle and then asked several questions at once.

    Attributes:
        limit_bytes: that the deploy declares, and that it ran with; None where it declares none.
        idle_bytes: held once the model was loaded; None: not told.
        peak_bytes: the most that was held while it was asked; None: not told.
        readings: how often that was looked at.
        replies: to the questions that were sent at once.
        killed_after_s: seconds from the start to its end by the kernel's OOM killer; None: it was not killed.
        loaded: whether the model had been loaded by then.
    """

    limit_bytes: int | None
    idle_bytes: int | None
    peak_bytes: int | None
    readings: int
    replies: tuple[Reply, ...]
    killed_after_s: float | None
    loaded: bool

    @property
    def asked(self) -> int:
        """Return how many questions were sent."""
        return len(self.replies)

    @property
    def worked_on(self) -> int:
        """Return at how many of them the model worked: it answered them, or the deadline ended its work."""
        return sum(each.status in {HTTPStatus.OK, HTTPStatus.GATEWAY_TIMEOUT} for each in self.replies)


def memory_verdict(seen: MemoryUse, *, share_limit: float) -> Verdict:
    """Return CON-6.

    Args:
        seen: what the bench saw.
        share_limit: share of the memory limit (0 to 1) that memory in use must stay below.
    """
    found = _finding(seen, share_limit)
    limit, peak = seen.limit_bytes or 1, seen.peak_bytes or 0
    held = (
        f"The container holds {memory(peak)} ({peak / limit:.0%}) of its {memory(limit)} memory limit at work on "
        f"{seen.worked_on} of {count(seen.asked, 'question')} asked at once (limit {share_limit:.0%})."
    )
    return judged(_CRITERION, [found] if found else [], passed(_CRITERION, held, _facts(seen)))


def _finding(seen: MemoryUse, share_limit: float) -> Finding | None:
    limit, peak, facts = seen.limit_bytes, seen.peak_bytes, _facts(seen)
    if limit is None:
        return Finding(
            Status.INCONCLUSIVE,
            Cause.MEMORY_NO_LIMIT,
            "The deploy declares no memory limit for the container: there is nothing to hold its memory against.",
            facts,
            "Set resources.limits.memory of the container in the manifests.",
        )
    if seen.killed_after_s is not None:
        when = "while it worked" if seen.loaded else "while it loaded the model"
        return Finding(
            Status.FAIL,
            Cause.CONTAINER_OOM_KILLED,
            f"The container was killed {when}, {duration(seen.killed_after_s)} after its start: it reached its memory "
            f"limit of {memory(limit)}.",
            facts,
            "Raise the memory limit (`python -m gate size` computes it), or choose a smaller quantisation.",
        )
    if peak is None or not seen.worked_on:
        missing = "did not tell what it holds" if peak is None else "worked on none of the questions"
        return Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"The container {missing}, so nobody knows what it holds while it works.",
            facts,
            "Let GET /metrics tell carepath_chat_container_memory_bytes, and see what CON-3 says of the answers.",
        )
    if peak < share_limit * limit:
        return None
    return Finding(
        Status.FAIL,
        Cause.MEMORY_NEAR_LIMIT,
        f"Under {count(seen.asked, 'question')} at once the container holds {memory(peak)} ({peak / limit:.0%}) of its "
        f"{memory(limit)} memory limit that the kernel cannot drop, allowed {share_limit:.0%}.",
        facts,
        f"Raise the memory limit to {memory(peak / share_limit)} or more, or lower LLM_CONTEXT_TOKENS or LLM_PARALLEL.",
    )


def _facts(seen: MemoryUse) -> tuple[Evidence, ...]:
    killed = "no" if seen.killed_after_s is None else f"after {seen.killed_after_s:.1f} s"
    return (
        Evidence("container", "memory limit", _told(seen.limit_bytes, "none declared")),
        Evidence("container", "held once loaded", _told(seen.idle_bytes)),
        Evidence(
            "container", "most held while asked", f"{_told(seen.peak_bytes)}, of {count(seen.readings, 'reading')}"
        ),
        Evidence("POST /triage", "asked at once", f"{seen.asked}: {_came_back(seen.replies)}"),
        Evidence("container", "OOM-killed", killed),
    )


def _came_back(replies: Sequence[Reply]) -> str:
    found = Counter(str(each.status) if each.status is not None else each.error or "no answer" for each in replies)
    return ", ".join(f"{number} x {what}" for what, number in found.most_common()) or "nothing"


def _told(size_bytes: int | None, otherwise: str = "not told") -> str:
    return memory(size_bytes) if size_bytes is not None else otherwise
