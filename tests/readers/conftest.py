"""Retries keep their number and lose their pauses."""

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """Retry at once, as often as the code says."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
