"""STO-1: each way a replica cannot mount its claim, and the near miss that passes."""

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.records import (
    Claim,
    Desired,
    Hpa,
    Node,
    PodSpec,
    Requirement,
    Snapshot,
    StorageClass,
    Unreadable,
    Volume,
    VolumeSource,
)
from gate.sizing.volumes import volume_verdict
from gate.verdict import Status, Verdict
from tests.sizing.factories import HPA, MIB, container, node, planned, snapshot, workload

GIB = 1024 * MIB
ZONE = "topology.kubernetes.io/zone"
MOUNT = VolumeSource(name="models", kind="persistentVolumeClaim", reference="cache")
POD = container(request_mib=3328, limit_mib=4096, cpu_m=500)
APP = replace(workload(POD), template=PodSpec(containers=(POD,), volumes=(MOUNT,)))
EFS = StorageClass(name="efs", provisioner="efs.csi.aws.com")
GP3 = StorageClass(name="gp3", provisioner="ebs.csi.aws.com", binding_mode="WaitForFirstConsumer")
DRIVERS = ("ebs.csi.aws.com", "efs.csi.aws.com")


def claim(storage_class: str | None = "efs", mode: str = "ReadWriteMany", **changes: Any) -> Claim:  # noqa: ANN401
    """Return the claim of the model cache as the manifests declare it."""
    made = Claim(
        name="cache", phase="Pending", storage_class=storage_class, access_modes=(mode,), requested_bytes=4 * GIB
    )
    return replace(made, **changes)


def zonal(name: str, zone: str, *, free_mib: int = 14000) -> Node:
    """Return a node in a zone with so much free memory."""
    return replace(node(name, free_mib=free_mib, free_cpu_m=1900), zone=zone, labels={ZONE: zone})


def there(*nodes: Node, **facts: Any) -> Snapshot:  # noqa: ANN401  # any list of the Snapshot
    """Return a cluster with EFS and EBS, and nodes in two zones unless others are named."""
    facts = {"storage_classes": (EFS, GP3), "csi_drivers": DRIVERS, **facts}
    return replace(snapshot(nodes or (zonal("a", "us-east-1a"), zonal("b", "us-east-1b"))), **facts)


def bound(zone: str, *, driver: str = "ebs.csi.aws.com") -> Volume:
    """Return the volume that the claim got, in a zone."""
    return Volume(
        name="pv",
        storage_class="gp3",
        capacity_bytes=4 * GIB,
        access_modes=("ReadWriteOnce",),
        phase="Bound",
        claim="carepath-demo/cache",
        driver=driver,
        affinity=((Requirement(key=ZONE, operator="In", values=(zone,)),),),
    )


def judge(
    of: Claim | None,
    cluster: Snapshot | None,
    *,
    hpa: Hpa = HPA,
    nodes: int | None = None,
    volumes: tuple[Volume, ...] = (),
) -> Verdict:
    """Return STO-1 of an app that mounts the claim `cache`."""
    desired = Desired(source="demo.yaml", hpas=(hpa,), claims=(of,) if of else (), volumes=volumes)
    return volume_verdict(
        APP, desired=desired, planned=planned("t3.xlarge", nodes) if nodes else None, snapshot=cluster
    )


def told(verdict: Verdict) -> tuple[Status, Cause | None]:
    """Return status and cause."""
    return verdict.status, verdict.cause


def test_pod_without_a_claim_passes_with_what_it_mounts() -> None:
    """What does not apply passes with the evidence of absence, also where nothing was read."""
    verdict = volume_verdict(workload(POD), desired=Desired(source="demo.yaml"))
    assert verdict.status is Status.PASS
    assert verdict.reason == "chat-api mounts no PersistentVolumeClaim: nothing has to be provisioned or shared."


def test_claim_of_a_shared_file_system_passes() -> None:
    """EFS is installed, and every pod on every node may write."""
    verdict = judge(claim(), there())
    assert verdict.status is Status.PASS
    assert verdict.reason == "Each of at most 6 pods of chat-api on 2 nodes can mount cache."
    assert [str(each) for each in verdict.evidence[1:]] == [
        "PersistentVolumeClaim/cache spec = ReadWriteMany, 4096 MiB, class efs, Pending (at 12:00:00)",
        "StorageClass/efs provisioner = efs.csi.aws.com, Immediate (at 12:00:00)",
    ]


# --- Claim, class, driver ---------------------------------------------------------------------------------------------


def test_claim_that_nobody_declares_fails() -> None:
    """Neither in the manifests nor in the namespace."""
    verdict = judge(None, there(claims=(claim(name="model-cahce"),)))
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_CLAIM_NOT_FOUND)
    assert verdict.reason == (
        "chat-api mounts the claim cache, which neither demo.yaml nor namespace carepath-demo has (claims there: "
        "model-cahce)."
    )
    assert judge(None, there(claims=(claim(),))).status is Status.PASS


def test_class_that_does_not_exist_fails() -> None:
    """Incident 3."""
    verdict = judge(claim("efs-fast"), there())
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_CLASS_NOT_FOUND)
    assert verdict.reason == (
        "Claim cache asks for StorageClass efs-fast, which does not exist (classes there are: efs, gp3): it would stay "
        "Pending for ever."
    )


def test_class_left_to_the_default_needs_one() -> None:
    """EKS marks none since 1.30."""
    verdict = judge(claim(None), there())
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_CLASS_NOT_FOUND)
    assert "names no StorageClass, and none is the default" in verdict.reason
    default = replace(EFS, is_default=True)
    assert judge(claim(None), there(storage_classes=(default,))).status is Status.PASS


def test_driver_that_is_not_installed_fails() -> None:
    """Incident 2."""
    verdict = judge(claim(), there(csi_drivers=("ebs.csi.aws.com",)))
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_NO_PROVISIONER)
    assert verdict.reason == (
        "Claim cache needs the driver efs.csi.aws.com of class efs, which is not installed in this cluster (drivers "
        "there are: ebs.csi.aws.com): it would wait for ever."
    )


def test_provisioner_from_before_csi_is_believed_by_what_it_made() -> None:
    """It registers nowhere: unknown, until a claim was bound by it."""
    nfs = StorageClass(name="nfs", provisioner="cluster.local/nfs-provisioner")
    verdict = judge(claim("nfs"), there(storage_classes=(nfs,)))
    assert told(verdict) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    other = claim("nfs", name="reports", phase="Bound")
    assert judge(claim("nfs"), there(storage_classes=(nfs,), claims=(other,))).status is Status.PASS


def test_claim_that_lost_its_volume_fails() -> None:
    """A claim never gets another."""
    lost = claim(phase="Lost", volume="pv")
    verdict = judge(claim(), there(claims=(lost,)))
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_CLAIM_PENDING)
    assert verdict.reason == "Claim cache is Lost: its volume pv is gone, and a claim never gets another."


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.PASS),
        ({"capacity_bytes": 2 * GIB}, Status.FAIL),
        ({"access_modes": ("ReadWriteOnce",)}, Status.FAIL),
        ({"storage_class": "other"}, Status.FAIL),
        ({"claim": "carepath-demo/other"}, Status.FAIL),
        ({"phase": "Released"}, Status.FAIL),
    ],
)
def test_volume_made_by_hand_must_suit_the_claim(changes: dict[str, Any], status: Status) -> None:
    """Size, mode, class, not another's, not used up."""
    volume = Volume(name="pv", capacity_bytes=4 * GIB, access_modes=("ReadWriteMany",))
    verdict = judge(claim(""), there(volumes=(replace(volume, **changes),)))
    assert verdict.status is status


def test_volume_made_by_hand_that_does_not_suit_is_shown() -> None:
    """The whole reason."""
    volume = Volume(name="pv", capacity_bytes=2 * GIB, access_modes=("ReadWriteMany",))
    verdict = judge(claim(""), there(volumes=(volume,)))
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_CLAIM_PENDING)
    assert verdict.reason == (
        "Claim cache asks for 4096 MiB, ReadWriteMany, class none, of volumes made by hand, and none suits it (pv: "
        "2048 MiB, ReadWriteMany, class none)."
    )


def test_volume_that_the_claim_names_must_exist() -> None:
    """A volumeName of a volume that nobody made."""
    verdict = judge(claim("", volume="pv"), there())
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_CLAIM_PENDING)
    assert verdict.reason == "Claim cache waits for the volume pv, which does not exist."


# --- Access mode ------------------------------------------------------------------------------------------------------


def test_one_node_at_a_time_for_pods_on_two_fails() -> None:
    """The HPA's maximum and the surge may come to another node than the first pod's."""
    verdict = judge(claim("gp3", "ReadWriteOnce"), there())
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_ACCESS_MODE)
    assert verdict.reason == (
        "Claim cache is ReadWriteOnce, so one node has it at a time, and up to 6 pods of chat-api run on 2 nodes: a "
        "pod on another node than the first waits for it for ever."
    )
    assert verdict.remedy == (
        "Use ReadWriteMany with a class that can do it (EFS; EBS cannot), give each pod a disk of its own (Terraform: "
        'model_cache.kind = "pod") or bring the model with the image; for one replica, maxSurge 0.'
    )


def test_one_node_at_a_time_on_one_node_passes() -> None:
    """They all stand on it."""
    assert judge(claim("gp3", "ReadWriteOnce"), there(zonal("a", "us-east-1a"))).status is Status.PASS


def test_one_pod_without_a_surge_shares_with_nobody() -> None:
    """The module's own way for a single replica: the old pod goes first."""
    one = replace(HPA, min_replicas=1, max_replicas=1)
    alone = replace(APP, max_surge="0", max_unavailable="1")
    desired = Desired(source="demo.yaml", hpas=(one,), claims=(claim("gp3", "ReadWriteOnce"),))
    single = replace(there(), deployments=(replace(APP, desired=1),))
    assert volume_verdict(alone, desired=desired, snapshot=single).status is Status.PASS
    assert volume_verdict(APP, desired=desired, snapshot=single).cause is Cause.STORAGE_ACCESS_MODE


def test_one_pod_at_a_time_fails_on_one_node_too() -> None:
    """ReadWriteOncePod and a rolling update."""
    verdict = judge(claim("gp3", "ReadWriteOncePod"), there(zonal("a", "us-east-1a")))
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_ACCESS_MODE)
    assert verdict.reason == (
        "Claim cache is ReadWriteOncePod, and up to 6 pods of chat-api want it at the same time: all but one stay "
        "Pending."
    )


def test_shared_writing_asked_of_a_disk_fails() -> None:
    """EBS cannot."""
    verdict = judge(claim("gp3"), there())
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_ACCESS_MODE)
    assert verdict.reason == (
        "Claim cache asks for ReadWriteMany, and ebs.csi.aws.com makes disks, which one node has at a time: no volume "
        "would be made, or none attached."
    )


# --- Zone -------------------------------------------------------------------------------------------------------------


def test_volume_in_a_zone_without_a_node_fails() -> None:
    """Nobody can reach it."""
    cluster = there(zonal("a", "us-east-1a"), claims=(HAS,), volumes=(bound("us-east-1c"),))
    verdict = judge(HAS, cluster)
    assert told(verdict) == (Status.FAIL, Cause.SCHEDULING_VOLUME_NODE_AFFINITY)
    assert verdict.reason == (
        "Volume pv of claim cache is reached from us-east-1c only, and no node that takes the pods is there (a in "
        "us-east-1a)."
    )


def test_volume_in_another_zone_than_the_only_node_with_room_fails() -> None:
    """Incident 4: room on b, the volume on a."""
    full, roomy = zonal("a", "us-east-1a", free_mib=1000), zonal("b", "us-east-1b")
    one = replace(HPA, min_replicas=1, max_replicas=1)
    cluster = there(full, roomy, claims=(HAS,), volumes=(bound("us-east-1a"),))
    verdict = judge(HAS, replace(cluster, deployments=()), hpa=one)
    assert told(verdict) == (Status.FAIL, Cause.SCHEDULING_VOLUME_NODE_AFFINITY)
    assert verdict.reason == (
        "Volume pv of claim cache is reached from us-east-1a only, and the room is elsewhere (b in us-east-1b). The "
        "update of chat-api would stop with 0 of 1 new pods placed: node a has 1000 MiB of memory left, a pod asks for "
        "3328 MiB, 2328 MiB missing."
    )


def test_volume_in_the_zone_with_room_passes() -> None:
    """The near miss: the same nodes, the volume on b."""
    full, roomy = zonal("a", "us-east-1a", free_mib=1000), zonal("b", "us-east-1b")
    one = replace(HPA, min_replicas=1, max_replicas=1)
    cluster = there(full, roomy, claims=(HAS,), volumes=(bound("us-east-1b"),))
    assert judge(HAS, replace(cluster, deployments=()), hpa=one).status is Status.PASS


def test_disk_made_before_a_pod_has_its_node_warns_in_several_zones() -> None:
    """Immediate binding chooses the zone blindly."""
    hasty = replace(GP3, binding_mode="Immediate")
    alone = replace(APP, max_surge="0", max_unavailable="1")
    one = replace(HPA, min_replicas=1, max_replicas=1)
    desired = Desired(source="demo.yaml", hpas=(one,), claims=(claim("gp3", "ReadWriteOnce"),))
    cluster = replace(there(storage_classes=(hasty,)), deployments=())
    verdict = volume_verdict(alone, desired=desired, snapshot=cluster)
    assert told(verdict) == (Status.WARN, Cause.SCHEDULING_VOLUME_NODE_AFFINITY)
    assert verdict.reason == (
        "Class gp3 makes the disk of claim cache at once, in any of the zones us-east-1a, us-east-1b: the pods can "
        "then run in that zone only, whether it has room or not."
    )


HAS = claim("gp3", "ReadWriteOnce", phase="Bound", volume="pv")


# --- What was not read ------------------------------------------------------------------------------------------------


def test_class_offline_is_not_guessed() -> None:
    """Without a cluster nobody knows class and driver."""
    verdict = judge(claim(), None, nodes=2)
    assert told(verdict) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        "Whether StorageClass efs of claim cache exists, and its driver, is unknown: no cluster was read."
    )


def test_access_mode_offline_is_judged_by_the_files() -> None:
    """Two planned nodes and a volume of one: no cluster is needed to know that."""
    verdict = judge(claim("gp3", "ReadWriteOnce"), None, nodes=2)
    assert told(verdict) == (Status.FAIL, Cause.STORAGE_ACCESS_MODE)
    assert verdict.symptoms == (
        "Whether StorageClass gp3 of claim cache exists, and its driver, is unknown: no cluster was read.",
    )


def test_volume_that_the_deploy_brings_passes_offline() -> None:
    """The module's host_path: claim and volume name each other, and nothing has to be provisioned."""
    volume = Volume(name="pv", capacity_bytes=4 * GIB, access_modes=("ReadWriteMany",), claim="carepath-demo/cache")
    assert judge(claim("", volume="pv"), None, nodes=1, volumes=(volume,)).status is Status.PASS


def test_node_count_that_nobody_states_leaves_sharing_open() -> None:
    """Whether a volume of one node suffices depends on it."""
    volume = Volume(name="pv", capacity_bytes=4 * GIB, access_modes=("ReadWriteOnce",))
    verdict = judge(claim("", "ReadWriteOnce", volume="pv"), None, volumes=(volume,))
    assert told(verdict) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason.startswith("Whether up to 6 pods of chat-api can share claim cache is unknown")


@pytest.mark.parametrize(
    ("what", "of"),
    [
        ("claims", None),
        ("storage_classes", claim("other")),
        ("csi_drivers", claim()),
        ("volumes", claim("")),
        ("volumes", HAS),
    ],
)
def test_list_that_may_not_be_read_leaves_its_part_open(what: str, of: Claim | None) -> None:
    """No pass and no failure rests on what was not seen, and the right is named."""
    unread = Unreadable(what=what, kind="forbidden", message=f"not permitted: list {what}")
    verdict = judge(of, there(zonal("a", "us-east-1a"), unreadable=(unread,), **{what: ()}))
    assert told(verdict) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert f"not permitted: list {what}" in verdict.reason
    assert verdict.remedy.startswith("Grant list on ")
