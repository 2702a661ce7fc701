"""What the end-to-end tests share: the embedded cluster that is up, with its images."""

import signal
import sys
from collections.abc import Iterator

import pytest

from e2e.faults.running import World
from e2e.faults.world import current_world


def pytest_configure() -> None:
    """Take SIGINT again: a runner started in the background ignores it, and so would all that the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long part of the fault matrix out unless -m names it."""
    if "matrix" in config.getoption("markexpr"):
        return
    long = [item for item in items if item.get_closest_marker("matrix")]
    items[:] = [item for item in items if item not in long]
    if long:
        config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The embedded cluster, brought up before (`make test` does), and the images on it, built where they are not."""
    with current_world(sys.executable) as found:
        yield found
