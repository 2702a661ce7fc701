"""The bench without an engine: what it makes of a container that ends at once, and how often it looks."""

# ruff: noqa: ANN401  # stands in for classes of the engine's client, which have no types

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gate.diagnosis.container import ProbeSample
from gate.readers import bench, containers
from gate.readers.bench import LOADING_NANO_CPUS, Bench
from gate.readers.containers import Running
from gate.readers.errors import Unreachable


@dataclass
class FakeContainer:
    """A container whose process ends after it was looked at ``looks`` times."""

    looks: int = 0
    status: str = "running"
    id: str = "c0ffee"
    log: bytes = b"loading\nToken: abc123\nOSError: [Errno 30] Read-only file system\n"
    reloads: int = 0

    def reload(self) -> None:
        """Look again."""
        self.reloads += 1
        self.status = "exited" if self.reloads > self.looks else "running"

    def logs(self, *, tail: int) -> bytes:
        """Return the end of the log."""
        assert tail == containers.LOG_LINES
        return self.log


def running(container: FakeContainer) -> Running:
    """Return it as the bench holds it, with no port published."""
    return Running(cast("Any", container), "")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    for module in (bench, containers):
        monkeypatch.setattr(module, "POLL_S", 0.0)


def chat(port: object) -> Any:
    """Return a container under testcontainers whose port look-up does that."""

    def look_up(identifier: str, wanted: int) -> object:
        assert (identifier, wanted) == ("c0ffee", containers.CHAT_PORT)
        if isinstance(port, Exception):
            raise port
        return port

    return SimpleNamespace(
        get_docker_client=lambda: SimpleNamespace(port=look_up),
        get_wrapped_container=FakeContainer,
        get_container_host_ip=lambda: "127.0.0.1",
    )


def test_address_is_the_published_port() -> None:
    """Where the host reaches the service."""
    assert containers.address_of(chat("32768")) == "http://127.0.0.1:32768"


def test_address_of_a_container_that_ended_is_empty() -> None:
    """A process that ended at once publishes nothing: that is for the verdict to say, not a crash of the gate."""
    assert containers.address_of(chat(ConnectionError("Port mapping for container c0ffee is not available"))) == ""


def test_waiting_for_a_container_that_ended_stops_at_once_with_its_last_words() -> None:
    """Not after the whole limit, and without what looks like a secret."""
    container = FakeContainer(looks=2)
    with pytest.raises(Unreachable) as caught:
        running(container).wait_until_ready(60)
    assert str(caught.value) == ("the container ended: loading / *** / OSError: [Errno 30] Read-only file system")
    assert container.reloads == 4


def test_waiting_for_a_container_that_hangs_names_the_limit() -> None:
    """It runs and is not ready: the limit was the bench's."""
    with pytest.raises(Unreachable, match=r"^the container is not ready after 0\.01 s: loading / "):
        running(FakeContainer(looks=10**9)).wait_until_ready(0.01)


@dataclass
class Starts(Bench):
    """A bench on which each start shows what was planned for it."""

    planned: list[list[tuple[int | None, int | None]]]
    given: list[int] = field(default_factory=list)

    def _sampled(self, nano_cpus: int, limit_s: float = 90.0) -> Iterator[ProbeSample]:
        assert limit_s > 0
        self.given.append(nano_cpus)
        for index, (health, ready) in enumerate(self.planned[len(self.given) - 1]):
            yield ProbeSample(at_s=float(index), health=health, ready=ready)


def test_start_whose_loading_shows_is_taken() -> None:
    """The first look suffices."""
    starts = Starts([[(200, 503), (200, 200)]])
    assert [sample.ready for sample in starts.start_samples()] == [503, 200]
    assert starts.given == [LOADING_NANO_CPUS[0]]


def test_start_that_loads_too_fast_is_repeated_with_less_cpu() -> None:
    """A small model is loaded before the first look."""
    starts = Starts([[(None, None), (200, 200)], [(200, 503), (200, 200)]])
    assert [sample.ready for sample in starts.start_samples()] == [503, 200]
    assert starts.given == list(LOADING_NANO_CPUS[:2])


def test_start_that_never_gets_ready_is_not_repeated() -> None:
    """One that does not start will not with less CPU, and each try takes its whole limit."""
    starts = Starts([[(None, None), (None, None)]])
    assert len(starts.start_samples()) == 2
    assert starts.given == [LOADING_NANO_CPUS[0]]
