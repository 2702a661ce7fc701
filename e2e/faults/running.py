"""Runs one case on the cluster: break, watch, judge, clean up; and says what came of it.

Two observers that know nothing of each other. The harness looks at the raw objects five times a second and stamps the
moment the fault became final; the gate runs as CI runs it (``judging``), and leaves report.json.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from e2e.faults.app import LABEL, App, baseline
from e2e.faults.case import ACCEPTANCE, Case
from e2e.faults.conditions import Condition, available
from e2e.faults.hands import LOOK_EVERY_S, Glance, Hands, HarnessError, free, stamp
from e2e.faults.judging import RUN_TIMEOUT_S, Acceptance, World, judge
from gate.verdict import Status

#: The model's load on a busy machine, with room: 0.2 s alone on 2 cores.
START_TIMEOUT_S = 90.0
#: Ports at the shared load balancer, below the ephemeral ones; each case has two.
FIRST_PORT = 18000
#: Fault and near miss together; what takes longer is cut off, for the matrix has to end.
CASE_TIMEOUT_S = 420.0


@dataclass(frozen=True)
class Outcome:
    """What a case showed.

    Attributes:
        case: which.
        acceptance: the run on the broken app.
        terminal_at: when the fault was final by the raw objects; None: it never was.
        near: the run on the near miss.
    """

    case: Case
    acceptance: Acceptance
    terminal_at: float | None
    near: Acceptance

    @property
    def seconds(self) -> float | None:
        """Return the time from terminal to the verdict; negative: the verdict came before it was final."""
        ended = self.acceptance.ended.get(self.case.criterion)
        return None if ended is None or self.terminal_at is None else ended - self.terminal_at

    @property
    def gate_s(self) -> float | None:
        """Return the part of it that is not the gate's own tolerance; None of a drill, which puts all back first."""
        if self.seconds is None or self.case.tier != ACCEPTANCE:
            return None
        return max(self.seconds - self.case.waited_s, 0.0)

    @property
    def kubectl(self) -> str:
        """Return what `kubectl rollout status` said, and how long after terminal."""
        said, at = self.acceptance.kubectl, self.acceptance.kubectl_at
        if at is None or self.terminal_at is None:
            return said
        return f"{said}, {at - self.terminal_at:.0f} s"

    def problems(self) -> Iterator[str]:
        """Yield what is not as it should be, a sentence each."""
        case, verdict = self.case, self.acceptance.verdicts.get(self.case.criterion)
        told = self.acceptance.told(case.criterion)
        if verdict is None or (verdict["status"], verdict["cause"]) != (case.status.value, case.cause.value):
            yield f"expected {case.status.value} {case.cause.value}, got {told}"
        if self.terminal_at is None:
            yield f"the fault never became final by its own condition; got {told}"
        elif self.seconds is not None and self.seconds > case.within_s:
            yield f"the verdict came {self.seconds:.1f} s after the fault was final, limit {case.within_s:g} s"
        if case.status is Status.FAIL and self.acceptance.exit_code != 1:
            yield f"{case.tier} ended with exit code {self.acceptance.exit_code} on a failure, expected 1"
        near = self.near.verdicts.get(case.criterion)
        if near is None or near["status"] != case.near_status.value:
            yield f"near miss: expected {case.near_status.value}, got {self.near.told(case.criterion)}"


@dataclass
class Stamp:
    """The moment a condition first held, by a look of its own in a thread of its own."""

    condition: Condition
    look: Callable[[], Glance]
    at: float | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator["Stamp"]:
        """Look until the condition holds or the block is left."""
        thread = threading.Thread(target=self._work, name="terminal")
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _work(self) -> None:
        while self.at is None and not self._stop.wait(LOOK_EVERY_S):
            self.at = stamp(self.condition, self.look, time.monotonic)


def run_case(case: Case, world: World, *, index: int) -> Outcome:
    """Run the fault and then the near miss, each in a namespace of its own.

    Args:
        case: what to run.
        world: where.
        index: the case's place in the list, for a port of its own.

    Raises:
        HarnessError: the case could not be set up.
        CommandError: kubectl refused something.
    """
    port, ends_at = FIRST_PORT + 2 * index, time.monotonic() + CASE_TIMEOUT_S
    with _deployed(case, world, f"fault-{case.name}", port) as (hands, app):
        stamped = Stamp(case.terminal_when, lambda: Glance(world.api, hands.namespace))
        with stamped.watching():
            broken = _judged(case, world, hands, app, ends_at=ends_at)
    with _deployed(case, world, f"near-{case.name}", port + 1) as (hands, app):
        near = _judged(case, world, hands, app, ends_at=ends_at, near=True)
    return Outcome(case, broken, stamped.at, near)


def _judged(case: Case, world: World, hands: Hands, app: App, *, ends_at: float, near: bool = False) -> Acceptance:
    """Change the app, do what no manifest says, and judge what came of it."""
    change, act = (case.near_miss, case.near_act) if near else (case.fault, case.act)
    change(app)
    hands.apply(app.documents)
    if act:
        act(hands)
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise HarnessError(f"namespace {hands.namespace}: the case was cut off after {CASE_TIMEOUT_S:g} s")
    return judge(hands, world, app, case, near=near, timeout_s=min(left_s, RUN_TIMEOUT_S))


@contextmanager
def _deployed(case: Case, world: World, namespace: str, port: int) -> Iterator[tuple[Hands, App]]:
    """Yield the case's namespace, with what was there before where the case says so, and remove it in the end."""
    hands = world.hands(namespace)
    if case.alone:
        hands.kubectl("delete", "namespace", "--selector", LABEL, "--wait=true", timeout_s=180)
    hands.delete(wait=True)
    room = free(world.api)
    app = baseline(namespace, port, world.images, room, model=case.model)
    with ExitStack() as stack:
        stack.callback(hands.delete, wait=case.alone)
        if case.undo:
            stack.callback(case.undo, hands)
        if case.prepare:
            case.prepare(hands)
        if case.first:
            case.first(app)
            hands.apply(app.documents)
            hands.wait_for(available, timeout_s=START_TIMEOUT_S)
        yield hands, app
