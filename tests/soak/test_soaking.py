import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gate.observing import QUESTIONS
from gate.readers.errors import DrillRefused, Malformed, Unreachable
from gate.records import (
    Answer,
    ContainerState,
    ContainerStatus,
    Identity,
    Pod,
    PodMetrics,
    Reply,
    Snapshot,
    SoakPlan,
    SoakSample,
)
from gate.soaking import Look, read_samples, samples_file, soak
from tests.diagnosis import factories
from tests.diagnosis_answers import observations
from tests.soak import samples as make

PATIENTS = ("MRN-001", "MRN-002")


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: datetime = make.START
    slept: list[float] = field(default_factory=list)

    def clock(self) -> datetime:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def sample(at: datetime, tick: int) -> SoakSample:
    """Return what a healthy look sees."""
    return SoakSample(at=at, revision=3, desired=1, pods=(make.pod(tick),), nodes={"node-1": ""})


# --- The file and the ticks -------------------------------------------------------------------------------------------


def test_soak_looks_at_every_tick_and_keeps_each_sample(tmp_path: Path) -> None:
    """Five ticks, the first at once, and what the file holds is what came back."""
    time, path = Time(), tmp_path / "reports" / "samples.jsonl"
    with samples_file(path, make.plan(5)) as file:
        found = soak(file, sample, clock=time.clock, sleep=time.sleep)
    assert [each.at for each in found] == [make.at(look) for look in range(5)]
    assert time.slept == [15.0] * 4
    assert read_samples(path) == (make.plan(5), found)


def test_soak_that_was_killed_goes_on_where_the_file_ends(tmp_path: Path) -> None:
    """Three samples, a line torn by the kill, 40 s away: the same plan goes on with the sixth tick."""
    path = tmp_path / "samples.jsonl"
    time = Time()
    with samples_file(path, make.plan(8)) as file:
        for tick in range(3):
            file.append(sample(make.at(tick), tick))
    with path.open("a", encoding="utf-8") as stream:
        stream.write('{"at": "2026-11-22T06:00:4')
    time.now = make.at(3) + timedelta(seconds=40)
    with samples_file(path, replace(make.plan(8), started_at=time.now)) as file:
        found = soak(file, sample, clock=time.clock, sleep=time.sleep)
    assert file.plan == make.plan(8)
    assert [each.at for each in found] == [
        *map(make.at, range(3)),
        time.now - timedelta(seconds=20),
        *map(make.at, (6, 7)),
    ]


def test_tick_that_a_slow_look_takes_is_left_out(tmp_path: Path) -> None:
    """A look of 40 s at an interval of 15 s does not make the next ones follow without a pause."""
    time = Time()

    def slow(at: datetime, tick: int) -> SoakSample:
        time.now += timedelta(seconds=40 if tick == 1 else 0)
        return sample(at, tick)

    with samples_file(tmp_path / "samples.jsonl", make.plan(6)) as file:
        found = soak(file, slow, clock=time.clock, sleep=time.sleep)
    assert [round((each.at - make.START).total_seconds()) for each in found] == [0, 15, 55, 60, 75]


def test_soak_whose_time_is_over_is_judged_with_what_it_has(tmp_path: Path) -> None:
    """Killed after its last sample: the next start only reads."""
    path = tmp_path / "samples.jsonl"
    with samples_file(path, make.plan(41)) as file:
        for tick in range(41):
            file.append(sample(make.at(tick), tick))
    later = Time(make.at(42))
    with samples_file(path, replace(make.plan(41), started_at=later.now)) as file:
        assert len(soak(file, sample, clock=later.clock, sleep=later.sleep)) == 41


def test_soak_that_ended_long_ago_is_set_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    """It can never have its samples any more; they are kept beside."""
    path = tmp_path / "samples.jsonl"
    with samples_file(path, make.plan(41)) as file:
        file.append(sample(make.at(0), 0))
    wanted = replace(make.plan(41), started_at=make.START + timedelta(days=1))
    with samples_file(path, wanted) as file:
        assert (file.plan, file.samples) == (wanted, [])
    aside = tmp_path / "samples-20261122-060000.jsonl"
    assert read_samples(aside) == (make.plan(41), (sample(make.at(0), 0),))
    assert read_samples(path) == (wanted, ())


def test_judged_soak_is_put_away_so_that_the_next_begins_anew(tmp_path: Path) -> None:
    """The name says when it began."""
    path = tmp_path / "samples.jsonl"
    with samples_file(path, make.plan()) as file:
        assert file.put_away() == tmp_path / "samples-20261122-060000.jsonl"
    assert not path.exists()


@pytest.mark.parametrize("change", [{"namespace": "other"}, {"lasts_s": 7200.0}, {"server": "https://elsewhere:6443"}])
def test_samples_of_another_soak_are_refused_and_kept(tmp_path: Path, change: dict[str, object]) -> None:
    """Twenty hours of samples are not thrown away for a mistyped option."""
    path = tmp_path / "samples.jsonl"
    with samples_file(path, make.plan()) as file:
        file.append(sample(make.at(0), 0))
    wanted = replace(make.plan(), **change)  # type: ignore[arg-type]  # of any field
    with (
        pytest.raises(Malformed, match="holds the samples of another soak"),
        samples_file(path, wanted),
    ):
        pytest.fail("must not be opened")
    assert len(read_samples(path)[1]) == 1


def test_second_soak_on_the_same_file_is_refused(tmp_path: Path) -> None:
    """Two writers would mix two series."""
    path = tmp_path / "samples.jsonl"
    with (
        samples_file(path, make.plan()),
        pytest.raises(DrillRefused, match="another soak is writing it"),
        samples_file(path, make.plan()),
    ):
        pytest.fail("must not be opened")


@pytest.mark.parametrize("line", ["hello\n", '{"server": "x"}\n'])
def test_file_that_holds_something_else_is_named(tmp_path: Path, line: str) -> None:
    """Nothing is appended to it."""
    path = tmp_path / "samples.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(Malformed, match="its first line is no soak's plan"), samples_file(path, make.plan()):
        pytest.fail("must not be opened")
    assert path.read_text(encoding="utf-8") == line


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere."""
    with pytest.raises(Malformed, match="cannot be read"):
        read_samples(tmp_path / "none.jsonl")


# --- One look ---------------------------------------------------------------------------------------------------------


@dataclass
class FakePod:
    """A pod that answers at once and remembers what it was asked."""

    name: str
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)

    def health(self) -> Reply:
        """Say that it lives."""
        return observations.health(self.name)

    def version(self) -> Identity:
        """Say who it is."""
        return observations.identity(self.name)

    def metrics(self) -> PodMetrics:
        """Say what /metrics say."""
        requests = {("user", "200"): 5, ("test", "200"): 3, ("user", "404"): 1, ("user", "429"): 1, ("user", "503"): 2}
        reply = replace(observations.health(self.name), path="/metrics")
        return PodMetrics(reply=reply, held_bytes=7, requests=requests)

    def ask(self, patient_mrn: str, query: str) -> Answer:
        """Answer, or fail with the status."""
        self.asked.append((patient_mrn, query))
        if self.status != 200:
            return observations.refused(self.status, self.name)
        return observations.answer(self.name)


@dataclass
class Cluster:
    """A snapshot to read, and its pods to reach."""

    snapshot: Snapshot
    reached: dict[str, FakePod] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)

    def read(self) -> Snapshot:
        """Return the snapshot."""
        return self.snapshot

    @contextmanager
    def reach(self, pod: Pod) -> Iterator[FakePod]:
        """Open the way to a pod."""
        yield self.reached.setdefault(pod.name, FakePod(pod.name))
        self.closed.append(pod.name)

    def look(self) -> Look:
        """Return the look at it."""
        return Look(self.read, self.reach, "chat-api", "chat-api", PATIENTS)


def cluster() -> Cluster:
    """Return a cluster with a healthy rollout."""
    return Cluster(factories.healthy_snapshot())


def test_look_records_every_ready_pod_with_figures_and_one_question() -> None:
    """Each pod by itself, each way closed again."""
    here = cluster()
    seen = here.look()(make.START, 0)
    names = sorted(pod.name for pod in here.snapshot.pods)
    assert (seen.trouble, [each.pod for each in seen.pods]) == ("", names)
    assert here.closed == names
    for each in seen.pods:
        assert (each.anonymous_bytes, each.answered, each.errors) == (7, 12, 3)
        assert each.asked is not None
        assert (each.asked.seconds, each.asked.failure, each.asked.counts, each.asked.cold) == (1.0, "", True, True)
    assert [len(pod.asked) for pod in here.reached.values()] == [1, 1]


def test_look_asks_different_questions_in_turn_and_only_the_first_is_cold() -> None:
    """After as many looks as there are questions the first comes again, with the same number."""
    here = cluster()
    look, different = here.look(), len(PATIENTS) * len(QUESTIONS)
    seen = [look(make.at(tick), tick).pods[0].asked for tick in range(different + 1)]
    assert [each.question for each in seen if each] == [*range(different), 0]
    assert [each.cold for each in seen if each] == [True, *[False] * different]
    asked = next(iter(here.reached.values())).asked
    assert len(set(asked[:-1])) == different
    assert asked[-1] == asked[0]


def test_look_of_a_soak_that_goes_on_knows_who_was_asked() -> None:
    """No pod is cold a second time because the soak was killed."""
    here = cluster()
    before = here.look()(make.START, 0)
    look = here.look()
    look.already([before])
    assert [each.asked.cold for each in look(make.at(1), 1).pods if each.asked] == [False, False]


def test_look_records_a_failed_question_and_no_text_of_it() -> None:
    """The status is told; patient, question and answer stay out of the sample."""
    here = cluster()
    for pod in here.snapshot.pods:
        here.reached[pod.name] = FakePod(pod.name, status=500)
    seen = here.look()(make.START, 0)
    assert [each.asked.failure for each in seen.pods if each.asked] == ["HTTP 500", "HTTP 500"]
    assert not any(word in repr(seen) for word in (*PATIENTS, *QUESTIONS))


def test_look_at_a_cluster_that_does_not_answer_says_so() -> None:
    """A sample without pods that names its trouble; the soak goes on."""

    def away() -> Snapshot:
        raise Unreachable("API server https://10.90.0.2:6443: connection refused")

    seen = Look(away, cluster().reach, "chat-api", "chat-api", PATIENTS)(make.START, 0)
    assert (seen.trouble, seen.pods) == ("API server https://10.90.0.2:6443: connection refused", ())


def test_look_at_a_namespace_without_the_deployment_says_so() -> None:
    """It is no empty success."""
    here = cluster()
    seen = Look(here.read, here.reach, "other", "chat-api", PATIENTS)(make.START, 0)
    assert seen.trouble.startswith("there is no Deployment/other in namespace ")


def test_look_does_not_ask_a_pod_that_is_not_ready_and_tells_how_it_ended() -> None:
    """A restarting container is recorded with its count and its last end."""
    here = cluster()
    first, *rest = here.snapshot.pods
    ended = ContainerState(kind="terminated", reason="OOMKilled", exit_code=137)
    status = ContainerStatus(name="chat-api", restarts=2, last_state=ended)
    here.snapshot = replace(here.snapshot, pods=(replace(first, conditions=(), statuses=(status,)), *rest))
    seen = next(each for each in here.look()(make.START, 0).pods if each.pod == first.name)
    assert (seen.ready, seen.restarts, seen.last_end, seen.asked) == (False, 2, "OOMKilled, exit code 137", None)


def test_sample_survives_its_way_through_the_file(tmp_path: Path) -> None:
    """What is read is what was seen, and each line is JSON for other tools."""
    seen = cluster().look()(make.START, 0)
    path = tmp_path / "samples.jsonl"
    with samples_file(path, make.plan()) as file:
        file.append(seen)
    assert read_samples(path)[1] == (seen,)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0]["deployment"] == "chat-api"
    assert isinstance(SoakPlan(**lines[0]), SoakPlan)
