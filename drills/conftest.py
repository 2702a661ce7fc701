"""What the drills stand on: clients of the way users go, and each way back, gone once."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from drills.rehearsal import Roll, rehearse
from gate.context import Gate
from gate.observing import ROLLOUT_USERS, Chat
from gate.target import Way


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask what is asked of a way back of each that was chosen."""
    if "way" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--way") or tuple(Way)
        metafunc.parametrize("way", [Way(each) for each in chosen], ids=str)


@pytest.fixture(scope="session")
def users(gate: Gate) -> Iterator[Sequence[Chat]]:
    """Clients that go through the load balancer, with connections of their own."""
    count = max(gate.target.load.clients, ROLLOUT_USERS)
    with ExitStack() as stack:
        yield [stack.enter_context(gate.user(keep_alive=number % 2 == 0)) for number in range(count)]


@pytest.fixture
def roll(way: Way, request: pytest.FixtureRequest) -> Roll | None:
    """The way back and forth; None when there is nothing to go back to."""
    found: Roll | None = request.getfixturevalue(f"rolled_by_{way.name.lower()}")
    return found


@pytest.fixture(scope="session")
def rolled_by_undo(gate: Gate, users: Sequence[Chat]) -> Roll | None:
    """`rollout undo`, and undone again."""
    return rehearse(gate, users, Way.UNDO)


@pytest.fixture(scope="session")
def rolled_by_terraform(gate: Gate, users: Sequence[Chat]) -> Roll | None:
    """The old image planned and applied, and the new one again."""
    return rehearse(gate, users, Way.TERRAFORM)


@pytest.fixture(scope="session")
def rolled_by_set_env(gate: Gate, users: Sequence[Chat]) -> Roll | None:
    """`set env LLM_MODE=mock`, and undone again."""
    return rehearse(gate, users, Way.SET_ENV)
