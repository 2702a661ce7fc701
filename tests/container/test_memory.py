"""CON-6: what a container holds under its limit; each fault, and the near miss beside it."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.container_memory import MemoryUse, memory_verdict
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import lost, reply

MIB = 2**20


def use(**changes: Any) -> MemoryUse:
    """Return a container in order: 600 of 1,000 MiB while ten ask, one gets no answer, four are refused."""
    seen = MemoryUse(
        limit_bytes=1000 * MIB,
        idle_bytes=500 * MIB,
        peak_bytes=600 * MIB,
        readings=12,
        replies=(*(reply(),) * 5, reply(status=504), *(reply(status=429),) * 4),
        killed_after_s=None,
        loaded=True,
    )
    return replace(seen, **changes)


def judged(**changes: Any) -> Verdict:
    """Return the verdict on it, with nine tenths of the limit allowed."""
    return memory_verdict(use(**changes), share_limit=0.9)


def test_memory_below_the_margin_passes_with_its_figures() -> None:
    """What was held, of what, and how hard it was asked."""
    verdict = judged()
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "The container holds 600 MiB (60%) of its 1000 MiB memory limit at work on 6 of 10 questions asked at "
        "once (limit 90%)."
    )
    assert {each.field: each.value for each in verdict.evidence} == {
        "memory limit": "1000 MiB",
        "held once loaded": "500 MiB",
        "most held while asked": "600 MiB, of 12 readings",
        "asked at once": "10: 5 x 200, 4 x 429, 1 x 504",
        "OOM-killed": "no",
    }


def test_memory_just_below_the_margin_passes() -> None:
    """A byte less than nine tenths."""
    assert judged(peak_bytes=900 * MIB - 1).status is Status.PASS


def test_memory_at_the_margin_fails_and_says_what_would_do() -> None:
    """The limit that keeps the margin is computed from the peak."""
    verdict = judged(peak_bytes=900 * MIB)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MEMORY_NEAR_LIMIT)
    assert verdict.reason == (
        "Under 10 questions at once the container holds 900 MiB (90%) of its 1000 MiB memory limit that the kernel "
        "cannot drop, allowed 90%."
    )
    assert verdict.remedy.startswith("Raise the memory limit to 1000 MiB or more")


@pytest.mark.parametrize(("loaded", "when"), [(False, "while it loaded the model"), (True, "while it worked")])
def test_container_killed_fails_and_says_when(*, loaded: bool, when: str) -> None:
    """The kernel's OOM killer, told by the engine; the figures of before do not excuse it."""
    verdict = judged(killed_after_s=7.4, loaded=loaded)
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CONTAINER_OOM_KILLED)
    assert verdict.reason == (
        f"The container was killed {when}, 7 s after its start: it reached its memory limit of 1000 MiB."
    )


def test_deploy_without_a_limit_is_inconclusive() -> None:
    """Nothing to hold it against is no pass."""
    verdict = judged(limit_bytes=None)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.MEMORY_NO_LIMIT)
    assert verdict.reason == (
        "The deploy declares no memory limit for the container: there is nothing to hold its memory against."
    )


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"peak_bytes": None, "idle_bytes": None, "readings": 0}, "did not tell what it holds"),
        ({"replies": (reply(status=429), lost("closed"))}, "worked on none of the questions"),
    ],
)
def test_container_that_was_not_measured_is_inconclusive(changes: dict[str, Any], missing: str) -> None:
    """An idle container, or one without figures, proves nothing."""
    verdict = judged(**changes)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == f"The container {missing}, so nobody knows what it holds while it works."
