"""`gate.waiting` on scripted snapshots; the clock and the pause are the test's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

import pytest

from gate.causes import Cause
from gate.diagnosis.resources import usage_verdict
from gate.readers.errors import Denied, ReadError, Unreachable
from gate.records import LogTail, Snapshot, Unreadable
from gate.verdict import Status
from gate.waiting import UNREACHABLE_S, ReadLog, Waited, wait_for_figures, wait_for_rollout
from tests.diagnosis import factories as make


@dataclass
class World:
    """A reader that shows one scene per read, a second apart; the last one stays."""

    scenes: list[Snapshot | ReadError]
    now_s: float = 0.0
    reads: int = 0
    pauses: list[float] = field(default_factory=list)

    def read(self) -> Snapshot:
        """Return the scene of the moment, read at the world's own time."""
        scene = self.scenes[min(self.reads, len(self.scenes) - 1)]
        self.reads += 1
        if isinstance(scene, ReadError):
            raise scene
        return replace(scene, read_at=make.NOW + timedelta(seconds=self.now_s))

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now_s += seconds

    def wait(
        self, *, window_s: float = 3, timeout_s: float = 60, on_snapshot: Callable[[Snapshot], object] | None = None
    ) -> Waited:
        """Wait for the scripted rollout, polling once a second."""
        return wait_for_rollout(
            self.read,
            deployment=make.DEPLOYMENT,
            window_s=window_s,
            timeout_s=timeout_s,
            clock=lambda: self.now_s,
            sleep=self.sleep,
            poll_s=1.0,
            on_snapshot=on_snapshot,
        )


def starting() -> Snapshot:
    """Return a rollout with one pod ready and one loading its model."""
    loading = make.unready_pod(make.running(5), status={"started": False})
    return make.rollout_snapshot(loading, make.pod(f"{make.NEW_REPLICA_SET}-bbbbb"))


def restarted(restarts: int) -> Snapshot:
    """Return a complete rollout of which one container has been restarted, long enough ago."""
    end = make.terminated(1, ended_ago_s=61)
    status = make.container_status(restarts=restarts, last_state=end, state=make.running(60))
    return make.rollout_snapshot(make.pod(statuses=(status,)), make.pod(f"{make.NEW_REPLICA_SET}-bbbbb"))


def test_wait_settled_rollout_passes_after_window() -> None:
    """A rollout that stays ready for the window passes, and not a read earlier."""
    world = World([make.healthy_snapshot()])
    waited = world.wait(window_s=3)
    assert waited.verdict.status is Status.PASS
    assert waited.reads == 4
    assert waited.seconds == pytest.approx(3)
    assert waited.verdict.reason == (
        "All 2 pods of revision 2 of chat-api run and are ready and stayed so for 3 s; none restarted, "
        "none of an older revision is left."
    )


def test_wait_progressing_rollout_is_waited_out() -> None:
    """Pods that still load are waited for, and the story tells when they got ready."""
    world = World([starting(), starting(), make.healthy_snapshot()])
    waited = world.wait(window_s=2)
    assert waited.verdict.status is Status.PASS
    assert waited.reads == 5
    texts = [text for _, text in waited.timeline]
    assert f"pod {make.NEW_REPLICA_SET}-aaaaa (revision 2) ready" in texts


def test_wait_doomed_rollout_ends_at_once() -> None:
    """What no waiting mends ends the wait with the first read that shows it, whatever the limit."""
    missing = 'failed to resolve reference "localhost:5000/x:v9": localhost:5000/x:v9: not found'
    broken = make.rollout_snapshot(make.unready_pod(make.waiting("ErrImagePull", missing)))
    world = World([starting(), broken])
    waited = world.wait(timeout_s=600)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.FAIL, Cause.IMAGE_NOT_FOUND)
    assert waited.reads == 2
    assert world.pauses == [1.0]


def test_wait_out_of_time_in_good_order_is_inconclusive() -> None:
    """The gate's own limit says nothing about the service; it names limit, what it waited for and the last change."""
    waited = World([starting()]).wait(timeout_s=5)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TIMED_OUT)
    assert waited.verdict.reason == (
        "The gate stopped waiting after its own limit of 5 s (acceptance.rollout_timeout_s); it was still waiting: "
        f"Revision 2 of chat-api has 1 of 2 pods ready; {make.NEW_REPLICA_SET}-aaaaa: container chat-api is starting "
        "since 10 s of the 120 s its startup probe allows. "
        "The last change was 2 pods there, 1 ready, 5 s before the end."
    )


def test_wait_out_of_time_with_known_fault_fails() -> None:
    """A fault that might have mended itself and did not is the verdict, with the gate's limit beside it."""
    registry = 'failed to do request: Head "https://registry/v2/": dial tcp 10.0.0.9:443: connect: connection refused'
    snapshot = make.rollout_snapshot(make.unready_pod(make.waiting("ErrImagePull", registry)))
    waited = World([snapshot]).wait(timeout_s=5)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.FAIL, Cause.IMAGE_REGISTRY_UNREACHABLE)
    assert any("its own limit of 5 s" in symptom for symptom in waited.verdict.symptoms)


def test_wait_restart_within_window_starts_window_anew() -> None:
    """A restart between two looks breaks the window; a whole one after it passes with a warning."""
    world = World([restarted(1), restarted(1), restarted(2)])
    waited = world.wait(window_s=2)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.WARN, Cause.CONTAINER_RESTARTED)
    assert waited.reads == 5


def test_wait_restarts_until_out_of_time_fails_as_unstable() -> None:
    """A rollout that never stays as it is for a window is unstable, not timed out."""
    world = World([restarted(count) for count in range(1, 20)])
    waited = world.wait(window_s=3, timeout_s=8)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.FAIL, Cause.ROLLOUT_UNSTABLE)


def test_wait_window_unfinished_is_inconclusive() -> None:
    """Ready, and the limit ended before the window did: nobody knows whether it stays so."""
    waited = World([make.healthy_snapshot()]).wait(window_s=30, timeout_s=5)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_TIMED_OUT)


def test_wait_short_outage_is_waited_out() -> None:
    """An API server that restarts does not end the wait."""
    world = World(
        [starting(), Unreachable("connection refused"), Unreachable("connection refused"), make.healthy_snapshot()]
    )
    assert world.wait(window_s=2).verdict.status is Status.PASS


def test_wait_long_outage_is_inconclusive() -> None:
    """An API server that stays away longer than tolerated ends the wait, and never as a pass."""
    world = World([make.healthy_snapshot(), Unreachable("list pods: connection refused")])
    waited = world.wait(window_s=30, timeout_s=600)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_UNREACHABLE)
    assert world.now_s == pytest.approx(1 + UNREACHABLE_S)
    assert "for 60 s: list pods: connection refused" in waited.verdict.reason


def test_wait_without_permission_ends_at_once() -> None:
    """A missing right is named; no waiting grants it."""
    waited = World([Denied("list", "pods", "carepath-demo", "forbidden", status_code=403)]).wait()
    assert (waited.verdict.status, waited.verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert waited.verdict.remedy == "Grant it: kubectl auth can-i list pods"
    assert waited.reads == 0
    assert waited.snapshot is None


def test_wait_hands_over_every_snapshot() -> None:
    """A drill sees what the wait saw."""
    seen: list[Snapshot] = []
    waited = World([starting(), make.healthy_snapshot()]).wait(window_s=1, on_snapshot=seen.append)
    assert len(seen) == waited.reads == 3
    assert waited.snapshot == seen[-1]


def test_wait_details_hold_lives_of_old_and_new_pods() -> None:
    """The picture's data: when each pod came, got ready, was told to go and was gone."""

    def scenes() -> Iterator[Snapshot]:
        old, new = make.old_pod(), make.pod(f"{make.NEW_REPLICA_SET}-bbbbb")
        yield make.rollout_snapshot(make.unready_pod(make.running(1), status={"started": False}), new, old)
        yield make.rollout_snapshot(make.pod(), new, replace(old, deleted_at=make.NOW + timedelta(seconds=45)))
        yield make.rollout_snapshot(make.pod(), new)

    waited = World(list(scenes())).wait(window_s=1)
    lives = {life["pod"]: life for life in dict(waited.verdict.details)["pods"]}  # type: ignore[attr-defined]
    old_life = lives[make.old_pod().name]
    assert old_life["revision"] == 1
    assert old_life["terminating"] == make.NOW + timedelta(seconds=1)
    assert old_life["gone"] == make.NOW + timedelta(seconds=2)
    assert lives[f"{make.NEW_REPLICA_SET}-aaaaa"]["gone"] is None


def crashing() -> Snapshot:
    """Return a rollout whose only container has ended three times with exit code 1."""
    status = {"restarts": 2, "last_state": make.terminated(1)}
    return make.rollout_snapshot(make.unready_pod(make.waiting("CrashLoopBackOff"), status=status))


def waited_with_log(read_log: ReadLog, scene: Snapshot | None = None) -> Waited:
    """Return the wait for a crashing rollout whose logs are read so."""
    world = World([scene or crashing()])
    return wait_for_rollout(
        world.read,
        deployment=make.DEPLOYMENT,
        window_s=3,
        timeout_s=60,
        clock=lambda: world.now_s,
        sleep=world.sleep,
        read_log=read_log,
    )


def test_wait_for_a_crash_asks_the_log_once_why() -> None:
    """Incident 16: with runc 1.1 only the log tells an image for another processor from any other exit code 1."""
    asked: list[tuple[str, str, bool]] = []

    def read_log(pod: str, container: str, *, previous: bool) -> LogTail:
        asked.append((pod, container, previous))
        return LogTail(pod=pod, container=container, previous=previous, lines=("exec /app: exec format error",))

    waited = waited_with_log(read_log)
    assert waited.verdict.cause is Cause.IMAGE_WRONG_PLATFORM
    assert asked == [(f"{make.NEW_REPLICA_SET}-aaaaa", make.CONTAINER, False)]


def test_wait_for_a_crash_without_its_log_keeps_the_exit_code() -> None:
    """A log that may not be read takes nothing away from what is known."""

    def read_log(pod: str, container: str, *, previous: bool) -> LogTail:
        raise Denied("get", "pods/log", "carepath-demo", f"{pod} {container} {previous}", status_code=403)

    assert waited_with_log(read_log).verdict.cause is Cause.CONTAINER_EXITED


def tail_of(line: str) -> ReadLog:
    """Return a reader of logs that end with this line."""

    def read_log(pod: str, container: str, *, previous: bool) -> LogTail:
        return LogTail(pod=pod, container=container, previous=previous, lines=(line,))

    return read_log


def test_wait_for_a_program_of_another_processor_ends_at_its_first_end() -> None:
    """The kernel's word is final: no crash loop has to be waited out."""
    once = make.unready_pod(make.waiting("CrashLoopBackOff"), status={"last_state": make.terminated(1)})
    waited = waited_with_log(tail_of("exec /server: exec format error"), make.rollout_snapshot(once))
    assert (waited.verdict.status, waited.verdict.cause) == (Status.FAIL, Cause.IMAGE_WRONG_PLATFORM)
    assert waited.reads == 1


def test_wait_for_a_first_crash_goes_on_whatever_else_its_log_says() -> None:
    """A program that could not reach something may reach it next time: its log is read once for this end."""
    once = make.unready_pod(make.waiting("CrashLoopBackOff"), status={"last_state": make.terminated(1)})
    asked: list[str] = []

    def read_log(pod: str, container: str, *, previous: bool) -> LogTail:
        asked.append(pod)
        return tail_of("ConnectionError: refused")(pod, container, previous=previous)

    waited = waited_with_log(read_log, make.rollout_snapshot(once))
    assert waited.verdict.cause is Cause.CONTAINER_EXITED
    assert waited.reads > 1
    assert len(asked) == 2


# --- Rights, restarts of the API server, and figures ------------------------------------------------------------------


def lacking(what: str, kind: Literal["forbidden", "unreachable"] = "forbidden") -> Unreadable:
    """Return a list that could not be read."""
    return Unreadable(what=what, kind=kind, message=f"not permitted: list {what}", status_code=403)


def test_wait_without_the_right_to_events_ends_with_the_window_and_names_it() -> None:
    """A settled rollout is not waited for any longer, and is no pass without what would explain its fall."""
    world = World([make.healthy_snapshot(unreadable=(lacking("events"),))])
    waited = world.wait(window_s=3)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert waited.verdict.reason == "The events could not be read: not permitted: list events."
    assert waited.seconds == pytest.approx(3)


@pytest.mark.parametrize("resource", ["deployments", "replicasets", "pods"])
def test_wait_without_a_right_it_needs_ends_at_once_and_names_it(resource: str) -> None:
    """No waiting brings a right."""
    world = World([Denied("list", resource, make.NAMESPACE, "no", status_code=403)])
    waited = world.wait(timeout_s=600)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert f"list {resource} in namespace {make.NAMESPACE}" in waited.verdict.reason
    assert world.pauses == []


def test_wait_over_a_restart_of_the_server_in_the_window_passes_with_the_same_pods() -> None:
    """20 s without an answer in the middle of the window: nothing was restarted meanwhile, as the counts show."""
    gone = Unreachable("connection refused")
    world = World([make.healthy_snapshot(), *[gone] * 20, make.healthy_snapshot()])
    waited = world.wait(window_s=10)
    assert waited.verdict.status is Status.PASS
    assert waited.reads == 2


def test_wait_over_a_restart_of_the_server_notices_what_restarted_meanwhile() -> None:
    """A container that was restarted while nobody could look breaks the window all the same."""
    gone = Unreachable("connection refused")
    world = World([restarted(1), *[gone] * 5, restarted(2), restarted(2)])
    waited = world.wait(window_s=4)
    assert waited.verdict.cause is Cause.CONTAINER_RESTARTED
    assert world.now_s == pytest.approx(10)


def test_wait_for_a_server_that_stays_away_is_inconclusive() -> None:
    """What was seen before says nothing about now."""
    world = World([make.healthy_snapshot(), Unreachable("connection refused")])
    waited = world.wait(window_s=30, timeout_s=300)
    assert (waited.verdict.status, waited.verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_UNREACHABLE)
    assert world.now_s == pytest.approx(UNREACHABLE_S + 1)


def figures(world: World) -> Snapshot:
    """Wait for the figures of RES-1."""
    return wait_for_figures(
        world.read,
        lambda snapshot: usage_verdict(snapshot, deployment=make.DEPLOYMENT, container=make.CONTAINER),
        clock=lambda: world.now_s,
        sleep=world.sleep,
    )


def test_figures_that_come_late_are_waited_for_over_a_restart_of_the_server() -> None:
    """Fresh pods have none at first; a server that goes away meanwhile does not end the run."""
    fresh = make.healthy_snapshot(usage=())
    world = World([fresh, Unreachable("connection refused"), fresh, make.healthy_snapshot()])
    assert figures(world).usage
    assert world.reads == 4


def test_figures_that_may_not_be_read_are_not_waited_for() -> None:
    """The one read says which right is missing."""
    world = World([make.healthy_snapshot(usage=(), unreadable=(lacking("metrics"),))])
    assert figures(world).unread("metrics") is not None
    assert (world.reads, world.pauses) == (1, [])


def test_figures_of_a_server_that_never_answered_raise() -> None:
    """There is nothing to judge."""
    with pytest.raises(Unreachable):
        figures(World([Unreachable("connection refused")]))
