"""Takes a soak's samples, at intervals, into a file that outlives the process. Reads, and asks one question per pod.

A soak lasts a day or two: its process is killed, its node drained, its API server upgraded meanwhile. So each sample is
one line, on disk before the next is waited for; whoever starts the same soak again goes on where the file ends. A look
that fails is a sample that says so. Nothing in the file names a patient.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import IO, Protocol

from pydantic import TypeAdapter, ValidationError

from gate.diagnosis.exchanges import was_asked
from gate.diagnosis.latency import failure
from gate.diagnosis.ownership import counted, pods_of_deployment
from gate.diagnosis.wording import duration
from gate.observing import QUESTIONS, Chat, rounds
from gate.readers.errors import DrillRefused, Malformed, ReadError
from gate.records import Asked, ContainerStatus, Pod, PodMetrics, PodSample, Snapshot, SoakPlan, SoakSample

#: A file whose soak should have ended so long ago, as a share of its length, cannot become complete any more: a tenth
#: of the samples may be missing (SOK-1's coverage).
STALE_SHARE = 0.1

_PLAN = TypeAdapter(SoakPlan)
_SAMPLE = TypeAdapter(SoakSample)


class SoakChat(Chat, Protocol):
    """A way to one pod that can also be asked for its figures."""

    def metrics(self) -> PodMetrics:
        """GET /metrics."""
        ...


# --- The file ---------------------------------------------------------------------------------------------------------


class SamplesFile:
    """The samples of one soak: a line with its plan, then a line for each sample."""

    def __init__(self, path: Path, stream: IO[str], plan: SoakPlan, samples: list[SoakSample]) -> None:
        self.path = path
        self.plan = plan
        self.samples = samples
        self._stream = stream

    def append(self, sample: SoakSample) -> None:
        """Keep one more sample; it is on disk when this returns.

        Raises:
            Malformed: the disk does not take it.
        """
        try:
            _write_line(self._stream, _SAMPLE.dump_json(sample))
        except OSError as error:
            raise Malformed(f"{self.path}: cannot be written: {error.strerror}") from error
        self.samples.append(sample)

    def put_away(self) -> Path:
        """Rename the file of a soak that is judged, so that the next one begins anew."""
        return self.path.rename(_aside(self.path, self.plan))


@contextmanager
def samples_file(path: Path, wanted: SoakPlan) -> Iterator[SamplesFile]:
    """Yield the file, taken up where it ends or begun anew, held against a second soak.

    Args:
        path: of the file.
        wanted: the plan of a soak that begins now.

    Raises:
        DrillRefused: another process appends to it.
        Malformed: it holds something else than this soak's samples, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise Malformed(f"{path}: cannot be written: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DrillRefused(f"{path}: another soak is writing it; wait for it, or name another --samples") from error
        stream.seek(0)
        lines = stream.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):  # the last one died while it wrote
            lines.pop()
            stream.truncate(sum(len(line.encode()) for line in lines))
        plan = _plan_of(path, lines[0]) if lines else None
        if plan is not None and wanted.started_at > plan.ends_at + timedelta(seconds=STALE_SHARE * plan.lasts_s):
            kept = path.with_name(_aside(path, plan).name)
            kept.write_text("".join(lines), encoding="utf-8")
            stream.truncate(0)
            plan = None
        if plan is None:
            _write_line(stream, _PLAN.dump_json(wanted))
            yield SamplesFile(path, stream, wanted, [])
            return
        if replace(plan, started_at=wanted.started_at) != wanted:
            raise Malformed(
                f"{path} holds the samples of another soak ({plan.deployment} in {plan.namespace} at {plan.server}, "
                f"{duration(plan.lasts_s)} every {duration(plan.every_s)}): move it away, or name another --samples"
            )
        yield SamplesFile(path, stream, plan, [_sample_of(path, line) for line in lines[1:]])


def _aside(path: Path, plan: SoakPlan) -> Path:
    return path.with_name(f"{path.stem}-{plan.started_at:%Y%m%d-%H%M%S}{path.suffix}")


def _write_line(stream: IO[str], line: bytes) -> None:
    stream.write(f"{line.decode()}\n")
    stream.flush()
    os.fsync(stream.fileno())


def _plan_of(path: Path, line: str) -> SoakPlan:
    try:
        return _PLAN.validate_json(line)
    except ValidationError as error:
        raise Malformed(f"{path}: its first line is no soak's plan; move it away, or name another --samples") from error


def _sample_of(path: Path, line: str) -> SoakSample:
    try:
        return _SAMPLE.validate_json(line)
    except ValidationError as error:
        raise Malformed(f"{path}: a line is no sample of a soak ({error.error_count()} value(s)); move it") from error


def read_samples(path: Path) -> tuple[SoakPlan, tuple[SoakSample, ...]]:
    """Return what a file holds, of a soak that runs or has ended.

    Raises:
        Malformed: it is not readable, or holds something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except OSError as error:
        raise Malformed(f"{path}: cannot be read: {error.strerror}") from error
    whole = [line for line in lines if line.endswith("\n")]
    if not whole:
        raise Malformed(f"{path}: holds no soak")
    return _plan_of(path, whole[0]), tuple(_sample_of(path, line) for line in whole[1:])


# --- One look ---------------------------------------------------------------------------------------------------------


@dataclass
class Look:
    """Looks at a Deployment once per call: its pods, their figures, and one question to each that is ready.

    Attributes:
        read: returns a Snapshot; may raise ReadError.
        reach: opens the way to one pod.
        deployment: the name of what soaks.
        container: whose restarts and limit count.
        patients: MRNs of synthetic patients.
    """

    read: Callable[[], Snapshot]
    reach: Callable[[Pod], AbstractContextManager[SoakChat]]
    deployment: str
    container: str
    patients: Sequence[str]
    _greeted: set[tuple[str, int]] = field(default_factory=set)

    def already(self, samples: Sequence[SoakSample]) -> None:
        """Take note of who was asked before this process began."""
        self._greeted |= {(pod.uid, pod.restarts) for each in samples for pod in each.pods if pod.asked is not None}

    def __call__(self, at: datetime, tick: int) -> SoakSample:
        """Return what is seen now; ``tick`` chooses the question."""
        try:
            snapshot = self.read()
        except ReadError as error:
            return SoakSample(at=at, trouble=str(error))
        found = snapshot.deployment(self.deployment)
        pods = counted(pods_of_deployment(snapshot, found)) if found else ()
        types = {node.name: node.instance_type for node in snapshot.nodes}
        return SoakSample(
            at=at,
            trouble="" if found else f"there is no Deployment/{self.deployment} in namespace {snapshot.namespace}",
            revision=found.revision if found else None,
            desired=found.desired if found else None,
            pods=tuple(
                self._pod(pod, tick + number) for number, pod in enumerate(sorted(pods, key=lambda each: each.name))
            ),
            nodes={pod.node: types.get(pod.node, "") for pod in pods if pod.node},
        )

    def _pod(self, pod: Pod, turn: int) -> PodSample:
        status, spec = pod.status(self.container), pod.spec.container(self.container)
        seen = PodSample(
            pod=pod.name,
            uid=pod.uid,
            node=pod.node,
            ready=pod.ready,
            restarts=status.restarts if status else 0,
            last_end=_last_end(status) if status else "",
            limit_bytes=spec.limits.memory_bytes if spec else None,
        )
        if not pod.ready:
            return seen
        with self.reach(pod) as chat:
            told = chat.metrics()
            asked = self._ask(chat, seen, turn)
        return replace(
            seen,
            anonymous_bytes=told.held_bytes,
            answered=None if told.requests is None else sum(told.requests.values()),
            errors=None if told.requests is None else sum(_errors(told.requests)),
            asked=asked,
        )

    def _ask(self, chat: SoakChat, seen: PodSample, turn: int) -> Asked:
        different = len(set(self.patients)) * len(QUESTIONS)
        number = turn % different
        patient, question = next(islice(rounds(self.patients), number, None))
        answer = chat.ask(patient, question)
        cold = (seen.uid, seen.restarts) not in self._greeted
        self._greeted.add((seen.uid, seen.restarts))
        return Asked(
            question=number,
            seconds=round(answer.reply.elapsed_s, 4),
            failure=failure(answer) or "",
            counts=was_asked(answer.reply),
            cold=cold,
        )


def _errors(requests: Mapping[tuple[str, str], int]) -> Iterator[int]:
    """Yield the counts of what ended in 5xx or was refused with 429, of users and of the gate."""
    for (_, status), number in requests.items():
        code = int(status) if status.isdecimal() else 0
        if code == HTTPStatus.TOO_MANY_REQUESTS or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            yield number


def _last_end(status: ContainerStatus) -> str:
    state = status.last_state
    if state is None or state.kind != "terminated":
        return ""
    code = "" if state.exit_code is None else f"exit code {state.exit_code}"
    return ", ".join(word for word in (state.reason, code) if word)


# --- All of them ------------------------------------------------------------------------------------------------------


def soak(
    file: SamplesFile,
    look: Callable[[datetime, int], SoakSample],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[SoakSample, ...]:
    """Look at each tick of the plan that is still to come, and return all samples of the soak.

    A tick that passed while nobody sampled, or while a look took too long, is left out: it shows as a gap.
    """
    plan = file.plan
    last = _tick(plan, file.samples[-1].at) if file.samples else -1
    while (tick := max(last + 1, _tick(plan, clock()))) < plan.samples:
        due = plan.started_at + timedelta(seconds=tick * plan.every_s)
        wait_s = (due - clock()).total_seconds()
        if wait_s > 0:
            sleep(wait_s)
        file.append(look(clock(), tick))
        last = tick
    return tuple(file.samples)


def _tick(plan: SoakPlan, at: datetime) -> int:
    return int((at - plan.started_at).total_seconds() // plan.every_s)
