"""Objects as a real cluster served them, judged: Kubernetes 1.34.4 with containerd 1.6.20 and runc 1.1.5, 2026-11-22.

Each file is one Deployment with its ReplicaSets, pods, events and what else concerns it, read when the rollout was
doomed; `cause` is what was broken on purpose. Fields that no record holds were taken out.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gate.diagnosis.progress import assess
from gate.diagnosis.rollout import rollout_verdict
from gate.readers import objects, surroundings
from gate.records import ClusterIdentity, Snapshot
from gate.verdict import Verdict

RECORDED = sorted(Path(__file__).with_name("recorded").glob("*.json"))
EXPECTED_FILES = 25


def snapshot_of(recorded: Mapping[str, Any]) -> Snapshot:
    """Return the recorded objects as one Snapshot."""

    def of(kind: str) -> list[dict[str, Any]]:
        return [each for each in recorded["objects"] if each["kind"] == kind]

    return Snapshot(
        read_at=datetime.fromisoformat(recorded["read_at"]),
        cluster=ClusterIdentity(server="", context=None, kube_system_uid=None, version="v1.34.4"),
        namespace=recorded["namespace"],
        deployments=tuple(map(objects.deployment, of("Deployment"))),
        replica_sets=tuple(map(objects.replica_set, of("ReplicaSet"))),
        pods=tuple(map(objects.pod, of("Pod"))),
        events=tuple(map(surroundings.event, of("Event"))),
        claims=tuple(map(surroundings.claim, of("PersistentVolumeClaim"))),
        nodes=tuple(map(surroundings.node, of("Node"))),
        storage_classes=tuple(map(surroundings.storage_class, of("StorageClass"))),
    )


def load(path: Path) -> tuple[Mapping[str, Any], Snapshot]:
    """Return a recording and its Snapshot."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    return recorded, snapshot_of(recorded)


def judged(name: str) -> Verdict:
    """Return POD-1 of a recording."""
    recorded, snapshot = load(Path(__file__).with_name("recorded") / f"{name}.json")
    return rollout_verdict(snapshot, deployment=recorded["deployment"])


def test_recordings_are_all_there() -> None:
    """A glob that finds nothing would pass in silence."""
    assert len(RECORDED) == EXPECTED_FILES


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_rollout_has_the_cause_that_was_made(path: Path) -> None:
    """What was broken on purpose is what is named, and the state is final."""
    recorded, snapshot = load(path)
    progress = assess(snapshot, deployment=recorded["deployment"])
    assert (progress.state, progress.verdict.cause) == (recorded["state"], recorded["cause"])


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_rollout_is_judged_without_its_events(path: Path) -> None:
    """Events expire after an hour or may not be readable: then a cause may be less precise, never a pass."""
    recorded, snapshot = load(path)
    from_state_alone = {
        "probe.liveness_killed": "container.exited",
        "probe.startup_exhausted": "container.exited",
        "probe.readiness_failing": "probe.readiness_failing",
        "container.oom_killed": "container.oom_killed",
    }
    blind = Snapshot(**{name: getattr(snapshot, name) for name in Snapshot.__dataclass_fields__} | {"events": ()})
    verdict = rollout_verdict(blind, deployment=recorded["deployment"])
    if recorded["cause"] is None:
        assert verdict.cause is None
    else:
        assert verdict.cause is not None
        assert verdict.cause in {
            recorded["cause"],
            from_state_alone.get(recorded["cause"]),
            "rollout.in_progress",
            "rollout.deadline_exceeded",
        }


def test_recorded_missing_key_names_key_and_object() -> None:
    """The kubelet's own message, as it came."""
    assert judged("missing-config-map-key").reason.endswith(
        "container main needs the key token of the ConfigMap kube-root-ca.crt, which does not have it."
    )


def test_recorded_quota_names_its_amounts() -> None:
    """The API server's own message, as it came."""
    assert judged("quota-exceeded").reason.endswith(
        "the quota compute allows requests.cpu=1m, requests.cpu=0 is used and requests.cpu=5m is asked for."
    )
