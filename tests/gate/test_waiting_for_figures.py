"""`gate.waiting.wait_for_figures`: fresh pods have no figures yet, and that is waited for within bounds."""

from dataclasses import dataclass

from gate.causes import Cause
from gate.records import Snapshot
from gate.verdict import Evidence, Status, Verdict, inconclusive, passed
from gate.waiting import FIGURES_S, wait_for_figures
from tests.diagnosis import factories as make

SEEN = (Evidence("PodMetrics/chat-api-1", "containers", "none"),)


@dataclass
class World:
    """A metrics API that has figures after so many seconds."""

    figures_after_s: float
    now_s: float = 0.0
    reads: int = 0

    def read(self) -> Snapshot:
        """Count a read."""
        self.reads += 1
        return make.healthy_snapshot()

    def judge(self, _: Snapshot) -> Verdict:
        """Be inconclusive until there are figures."""
        if self.now_s < self.figures_after_s:
            return inconclusive("RES-1", Cause.METRICS_MISSING, "No figures yet.", SEEN, "Wait.")
        return passed("RES-1", "In use is little.", SEEN)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def wait(self) -> Snapshot:
        """Wait by the world's own clock."""
        return wait_for_figures(self.read, self.judge, clock=lambda: self.now_s, sleep=self.sleep)


def test_figures_there_are_read_once() -> None:
    """Nothing is waited for when everything is known."""
    world = World(figures_after_s=0)
    world.wait()
    assert (world.reads, world.now_s) == (1, 0.0)


def test_figures_late_are_waited_for() -> None:
    """The wait ends with the first Snapshot that can be judged."""
    world = World(figures_after_s=20)
    snapshot = world.wait()
    assert world.now_s == 20
    assert world.judge(snapshot).cause is None


def test_figures_that_never_come_end_the_wait() -> None:
    """After the limit the criterion says for itself what is missing."""
    world = World(figures_after_s=1e9)
    snapshot = world.wait()
    assert world.now_s == FIGURES_S
    assert world.judge(snapshot).cause is Cause.METRICS_MISSING


def test_figures_of_a_busy_autoscaler_are_read_again() -> None:
    """The requests that ran beside a rollout fade from the averages; what is busy after the limit is busy."""
    busy = Verdict("HPA-1", Status.FAIL, "At its maximum.", SEEN, Cause.HPA_AT_MAXIMUM, "Raise maxReplicas.")
    world = World(figures_after_s=0)
    fades = wait_for_figures(
        world.read,
        lambda _: busy if world.now_s < 20 else passed("HPA-1", "It has room.", SEEN),
        clock=lambda: world.now_s,
        sleep=world.sleep,
    )
    assert world.now_s == 20
    wait_for_figures(world.read, lambda _: busy, clock=lambda: world.now_s, sleep=world.sleep)
    assert world.now_s == 20 + FIGURES_S
    assert fades is not None
