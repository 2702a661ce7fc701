"""What preflight says of the storage cases before they are deployed: the "before" of the incident list.

The matrix proves on a cluster what acceptance says after; here the same documents meet the records of that cluster: one
node in zone embedded-a, no CSI driver, and the classes that the cases make.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from e2e.faults.app import App
from e2e.faults.case import Case, Change, together
from e2e.faults.cases.storage import BY_HAND, CASES, EBS
from gate.causes import Cause
from gate.readers.manifests import read_manifests
from gate.records import Snapshot, StorageClass
from gate.sizing.volumes import volume_verdict
from gate.verdict import Status, Verdict
from tests.diagnosis import factories as make
from tests.e2e_harness.test_app import app

ZONE = "topology.kubernetes.io/zone"
CLASSES = (
    StorageClass(name="gp3-matrix", provisioner=EBS),
    StorageClass(name="by-hand-matrix", provisioner=BY_HAND, binding_mode="WaitForFirstConsumer"),
)
#: Case, and what is said before it is deployed; of a volume that the old pod holds, the access mode is the reason.
BEFORE = {
    "storage-class-unknown": Cause.STORAGE_CLASS_NOT_FOUND,
    "csi-driver-missing": Cause.STORAGE_NO_PROVISIONER,
    "claim-missing": Cause.STORAGE_CLAIM_NOT_FOUND,
    "volume-in-another-zone": Cause.SCHEDULING_VOLUME_NODE_AFFINITY,
    "volume-too-small": Cause.STORAGE_CLAIM_PENDING,
    "volume-held-by-the-old-pod": Cause.STORAGE_ACCESS_MODE,
}


def cluster() -> Snapshot:
    """Return the embedded cluster before the case is there."""
    node = make.node(zone="embedded-a", labels={ZONE: "embedded-a"})
    return replace(make.healthy_snapshot(nodes=(node,), storage_classes=CLASSES), deployments=(), claims=())


def judged(folder: Path, case: Case, change: Change) -> Verdict:
    """Return STO-1 of the app as it would be applied."""
    changed = app()
    if case.first:
        case.first(changed)
    change(changed)
    path = folder / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(changed.documents), encoding="utf-8")
    desired = read_manifests(path)
    workload = desired.deployment("chat-api")
    assert workload is not None
    return volume_verdict(workload, desired=desired, snapshot=cluster())


@pytest.mark.parametrize("case", [each for each in CASES if each.name in BEFORE], ids=lambda each: each.name)
def test_storage_case_is_named_before_it_is_deployed(case: Case, tmp_path: Path) -> None:
    """The cause that the cluster would show later."""
    verdict = judged(tmp_path, case, case.fault)
    assert (verdict.status, verdict.cause) == (Status.FAIL, BEFORE[case.name]), verdict.reason


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.name)
def test_near_miss_of_a_storage_case_passes_before(case: Case, tmp_path: Path) -> None:
    """What runs is not refused."""
    near = together(case.near_miss, one_replica) if case.name == "volume-held-by-the-old-pod" else case.near_miss
    verdict = judged(tmp_path, case, near)
    assert verdict.status is Status.PASS, verdict.reason


def one_replica(changed: App) -> None:
    """Leave the autoscaler one replica: a claim of one pod serves no second one, however it is updated."""
    changed.hpa["spec"]["maxReplicas"] = 1


def test_every_storage_incident_has_its_before() -> None:
    """Rows 2, 3 and 4 of the incident list name STO-1."""
    covered = {incident for case in CASES if case.name in BEFORE for incident in case.incidents}
    assert {2, 3, 4} <= covered
