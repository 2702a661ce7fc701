"""What every tier's fixtures stand on. Hooks are in ``gate/plugin.py``, what one tier looks at is in its own conftest.

It is imported by every run, also by an offline preflight: nothing is imported here that the plugin has not loaded.
"""

import pytest

from gate.context import Gate
from gate.plugin import gate_of


@pytest.fixture(scope="session")
def gate(pytestconfig: pytest.Config) -> Gate:
    """The run's view of the target: target, desired, snapshot, reader, judge."""
    return gate_of(pytestconfig)
