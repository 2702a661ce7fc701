"""An instance in a temporary folder: records and rendered files, nothing of it ever started."""

from pathlib import Path

import pytest

from infra.cluster.instance import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """Return the second instance of a machine."""
    return Instance("two", 1, tmp_path / "two")
