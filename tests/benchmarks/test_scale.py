"""What the scale benchmark writes into simulated pods is what the gate takes it for."""

from dataclasses import replace

import pytest

from benchmarks.scale.look import _named
from benchmarks.scale.population import ALIKE, BROKEN_LATER, Fault, _deployment, _status, kubelet_faults
from gate.diagnosis.rollout import rollout_verdict
from gate.readers import objects
from gate.records import Pod
from tests.diagnosis import factories as make

FAULTS = kubelet_faults(make.NOW)


def pod(name: str, fault: Fault) -> Pod:
    """Return a broken pod of the newest revision as it would be read."""
    template = _deployment("app", 1, memory="128Mi")["spec"]["template"]
    raw = {**template, "metadata": {"name": name}, "status": _status(fault, make.NOW)}
    read = objects.pod(raw)
    return replace(read, owner=make.owner(), node=make.NODE, labels=make.LABELS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.cause.value)
def test_broken_pods_are_named_under_their_cause(fault: Fault) -> None:
    """As many as the benchmark breaks, beside one that is well."""
    names = [f"pod-{number}" for number in range(ALIKE)]
    snapshot = make.rollout_snapshot(make.pod(), *(pod(name, fault) for name in names))
    assert _named(rollout_verdict(snapshot, deployment=make.DEPLOYMENT)) == [(fault.cause, names)]


def test_number_of_broken_pods_is_what_the_benchmark_waits_without() -> None:
    """Else it would wait for pods that can never be ready."""
    assert len(FAULTS) * ALIKE == BROKEN_LATER
