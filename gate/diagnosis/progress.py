"""Doomed or not yet: says of one snapshot whether a rollout has settled, goes on, or cannot succeed any more.

Doomed means that no waiting completes the newest revision: at least one of its pods has a fault that only a change of
the template, the cluster or its surroundings mends. Each tolerance before that is in ``tolerances``.
"""

from dataclasses import dataclass
from typing import Literal

from gate.causes import Cause
from gate.diagnosis.deployments import blocked, examine
from gate.diagnosis.rollout import rollout_verdict
from gate.diagnosis.scheduling import room_may_come
from gate.records import Snapshot
from gate.verdict import Status, Verdict

State = Literal["settled", "progressing", "doomed"]

#: Where nothing can be counted: these will not change by waiting.
_HOPELESS = frozenset({Cause.ROLLOUT_NOT_FOUND, Cause.GATE_FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a rollout stands.

    Attributes:
        verdict: POD-1 of this moment; for ``doomed`` it is the verdict to report.
        waiting_for: what is being waited for, one sentence; empty unless progressing.
    """

    state: State
    verdict: Verdict
    waiting_for: str = ""


def assess(snapshot: Snapshot, *, deployment: str) -> Progress:
    """Return where the rollout of the Deployment stands."""
    verdict = rollout_verdict(snapshot, deployment=deployment)
    if blocked("POD-1", snapshot, deployment) is not None:
        if verdict.cause in _HOPELESS:
            return Progress("doomed", verdict)
        return Progress("progressing", verdict, verdict.reason)
    if verdict.status in {Status.PASS, Status.WARN}:
        return Progress("settled", verdict)
    rollout = examine(snapshot, deployment)
    if rollout.final:
        return Progress("doomed", verdict)
    hope = next((found for pod in rollout.pods if pod.node is None and (found := room_may_come(snapshot, pod))), "")
    return Progress("progressing", verdict, f"{verdict.reason.rstrip('.')}{f'; {hope}' if hope else ''}.")
