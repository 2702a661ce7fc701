"""What a fault is: how to break the app, how to know from the cluster's objects that it is final, what must be said."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from e2e.faults.app import MODEL, App
from e2e.faults.conditions import Condition
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.verdict import Status

#: Changes the documents in place before they are applied.
Change: TypeAlias = Callable[[App], None]

#: Does something to the running app that no manifest says.
Act: TypeAlias = Callable[[Hands], None]

#: Enough for what most cases are about, and too few for LAT-1 and ERR-1, which say so.
FEW_SAMPLES = 4

#: The tier that judges, by its marker; a drill may judge instead.
ACCEPTANCE = "acceptance"

#: The gate's own limit for a rollout, longer than any tolerance that a case waits out.
ROLLOUT_TIMEOUT_S = 180.0

#: From terminal to verdict, in seconds: what the project promises (README, The tiers).
WITHIN_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault and its near miss.

    Attributes:
        name: part of the namespace's name.
        incidents: rows of the incident list that this is; none: a common failure of another kind.
        fault: breaks the app.
        near_miss: changes the same thing as far as it may go; the criterion must pass.
        terminal_when: true once nothing but a new deploy mends it; judged on raw objects by the harness's own look.
        criterion: the one that must tell.
        cause: what it must say.
        status: how it must end.
        model: run the language model; else the mock.
        expects: the model that the target names while the fault runs; the near miss always has the one that runs.
        near_status: how the near miss must end.
        first: what runs, in good order, before the fault or the near miss is applied on top of it; None: nothing does.
        prepare: done to the cluster before anything is applied.
        act: done to the cluster after the fault was applied.
        near_act: the same for the near miss.
        samples: questions over all pods that the gate asks of the fault, beside a cold one of each pod.
        near_samples: the same of the near miss; None: as many.
        meanwhile: done beside the run of the gate on the fault, from its start.
        near_meanwhile: the same for the near miss.
        undo: puts back what deleting the namespace does not.
        waited_s: how long the gate waits the fault out before it calls it final, by a named tolerance of its own that
            begins when terminal_when becomes true.
        within_s: from terminal to verdict, at most.
        tier: the one that judges, by its marker.
        rollout_timeout_s: the gate's own limit for the rollout.
        alone: no other case may run beside it, for it measures or changes the node.
        quick: one of the few that run with every `make test`.
    """

    name: str
    incidents: tuple[int, ...] = ()
    fault: Change
    near_miss: Change
    terminal_when: Condition
    criterion: str = "POD-1"
    cause: Cause
    status: Status = Status.FAIL
    model: bool = False
    expects: str = MODEL
    near_status: Status = Status.PASS
    first: Change | None = None
    prepare: Act | None = None
    act: Act | None = None
    near_act: Act | None = None
    samples: int = FEW_SAMPLES
    near_samples: int | None = None
    meanwhile: Act | None = None
    near_meanwhile: Act | None = None
    undo: Act | None = None
    waited_s: float = 0.0
    within_s: float = WITHIN_S
    tier: str = ACCEPTANCE
    rollout_timeout_s: float = ROLLOUT_TIMEOUT_S
    alone: bool = False
    quick: bool = False


def nothing(_: App) -> None:
    """Leave the app as it is."""


def together(*changes: Change) -> Change:
    """Change one thing after the other."""

    def change(app: App) -> None:
        for each in changes:
            each(app)

    return change


def done_after(*acts: Act) -> Act:
    """Do one thing after the other."""

    def act(hands: Hands) -> None:
        for each in acts:
            each(hands)

    return act


def without(kind: str, name: str) -> Change:
    """Leave one document out."""

    def change(app: App) -> None:
        app.remove(kind, name)

    return change
