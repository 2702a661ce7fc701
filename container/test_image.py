"""What the built image must do before it is worth deploying."""

import pytest

from gate.context import Gate
from gate.criteria import threshold
from gate.diagnosis.container import (
    contract_verdict,
    offline_verdict,
    privileges_verdict,
    probes_verdict,
    shutdown_verdict,
)
from gate.diagnosis.container_memory import memory_verdict
from gate.diagnosis.contents import secrets_verdict
from gate.readers.bench import Bench

pytestmark = [pytest.mark.container, pytest.mark.timeout(300)]


@pytest.mark.criterion("CON-1")
def test_image_runs_without_privileges(gate: Gate, bench: Bench) -> None:
    """The container runs as non-root on a read-only root file system."""
    gate.judge(privileges_verdict(bench.privileges()))


@pytest.mark.criterion("CON-2")
def test_probes_tell_alive_from_ready(gate: Gate, bench: Bench) -> None:
    """/health answers while the model loads; /ready waits for it."""
    gate.judge(probes_verdict(bench.start_samples(), startup_budget_s=bench.startup_budget_s))


@pytest.mark.criterion("CON-3")
def test_triage_keeps_its_contract(gate: Gate, bench: Bench) -> None:
    """/triage keeps its contract."""
    exchanges, answer = bench.contract()
    gate.judge(contract_verdict(exchanges, answer))


@pytest.mark.criterion("CON-4")
def test_sigterm_drains(gate: Gate, bench: Bench) -> None:
    """SIGTERM lets the request under way finish, and the process ends in time."""
    grace_s = threshold("CON-4", "grace_s")
    gate.judge(shutdown_verdict(bench.shutdown(limit_s=grace_s), grace_s=grace_s))


@pytest.mark.criterion("CON-5")
def test_image_holds_no_secret(gate: Gate, bench: Bench) -> None:
    """No layer and no history of the image holds a secret."""
    gate.judge(secrets_verdict(bench.contents()))


@pytest.mark.criterion("CON-6")
def test_memory_stays_under_its_limit(gate: Gate, bench: Bench) -> None:
    """Asked by as many at once as in the load drill, the container stays under the memory limit that it declares."""
    share = threshold("CON-6", "memory_share")
    gate.judge(memory_verdict(bench.memory(gate.target.load.clients), share_limit=share))


@pytest.mark.criterion("CON-7")
def test_image_starts_offline(gate: Gate, bench: Bench) -> None:
    """The container starts without a network, with the model baked in and with it mounted."""
    gate.judge(offline_verdict(bench.offline_starts(), expected_model=gate.target.model.name))
