"""What the end-to-end tests share: the embedded cluster that is up, with its images."""

import signal
import sys
from collections.abc import Iterator

import pytest

from e2e.faults.judging import World
from e2e.faults.world import current_world

#: Markers of what takes too long for `make test`: the rest of the fault matrix, and the checklist in its own words.
ON_DEMAND = ("matrix", "checklist")


def pytest_configure() -> None:
    """Take SIGINT again: a runner started in the background ignores it, and so would all that the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what has a make target of its own out unless -m names it."""
    unnamed = [marker for marker in ON_DEMAND if marker not in config.getoption("markexpr")]
    long = [item for item in items if any(item.get_closest_marker(marker) for marker in unnamed)]
    items[:] = [item for item in items if item not in long]
    if long:
        config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The embedded cluster, brought up before (`make test` does), and the images on it, built where they are not."""
    with current_world(sys.executable) as found:
        yield found
