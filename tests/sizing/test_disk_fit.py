"""FIT-3: each way to fill a disk or a volume, and the near miss that passes. Expected figures are worked by hand.

Qwen3-4B has 2382 MiB. In an image that was not read it takes 2382 + 2247 (compressed), and at most 1024 more: 4629 to
5653 MiB. A pod writes 50 MiB of log, and 2382 more where it fetches the model to its node.
"""

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.records import (
    Claim,
    Condition,
    ContainerSpec,
    Deployment,
    Desired,
    Hpa,
    ImageFacts,
    ImageUnread,
    Node,
    PodSpec,
    Resources,
    Snapshot,
    StorageClass,
    Unreadable,
    VolumeMount,
    VolumeSource,
)
from gate.sizing.disk_fit import disk_verdict
from gate.sizing.offers import Planned
from gate.target import Nodes
from gate.verdict import Status, Verdict
from tests.sizing.factories import HPA, MIB, QWEN, USE, container, snapshot, workload

GIB = 1024 * MIB
EMPTY_DIR = VolumeSource(name="models", kind="emptyDir", size_limit_bytes=4 * GIB)
CLAIM = VolumeSource(name="models", kind="persistentVolumeClaim", reference="cache")
SMALL = container(request_mib=3328, limit_mib=4096, cpu_m=500)


def caching(volume: VolumeSource | None, *, spec: ContainerSpec = SMALL, **changes: Any) -> Deployment:  # noqa: ANN401
    """Return a Deployment that fetches the model to this volume, None: to nowhere."""
    env = container(DOWNLOAD_MODEL="true", MODEL_CACHE_DIR="/models").env
    mounts = (VolumeMount(volume="models", path="/models"),) if volume else ()
    spec = replace(spec, env=env, mounts=mounts, **changes)
    return replace(workload(), template=PodSpec(containers=(spec,), volumes=(volume,) if volume else ()))


def planned(volume_gib: int, count: int = 3) -> Planned:
    """Return so many planned nodes, large enough but for their disks."""
    return Planned(nodes=Nodes(instance_type="r6a.large", count=count, volume_gib=volume_gib))


def image(mib: int) -> ImageFacts:
    """Return an image with so many compressed MiB."""
    return ImageFacts(reference="chat-api:v2.0", digest="sha256:0", platforms=(), compressed_bytes=mib * MIB)


def judge(
    of: Deployment,
    nodes: Planned | None = None,
    *,
    hpa: Hpa | None = None,
    claims: tuple[Claim, ...] = (),
    described: ImageFacts | ImageUnread | None = None,
    cluster: Snapshot | None = None,
) -> Verdict:
    """Return FIT-3 of Qwen3-4B."""
    desired = Desired(source="test", hpas=(hpa or replace(HPA, max_replicas=2),), claims=claims)
    return disk_verdict(
        QWEN, of, container="chat-api", use=USE, desired=desired, image=described, planned=nodes, snapshot=cluster
    )


def node(name: str, gib: float | None, *, ready: bool = True) -> Node:
    """Return a node of a cluster with so much allocatable ephemeral storage."""
    return Node(
        name=name,
        allocatable=Resources(
            cpu_m=4000,
            memory_bytes=32 * GIB,
            pods=58,
            ephemeral_storage_bytes=None if gib is None else int(gib * GIB),
        ),
        conditions=(Condition(type="Ready", status=str(ready)),),
    )


# --- The node's disk --------------------------------------------------------------------------------------------------


def test_disk_too_small_for_image_of_before_and_after_fails() -> None:
    """10 GiB less 12 MiB of boot partitions give 10228 * 0.9 - 1024 = 8181 MiB; two images need 9258 and more."""
    verdict = judge(workload(SMALL), planned(10))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.STORAGE_DISK_TOO_SMALL)
    assert verdict.reason == (
        "2 images (before and after the update) and 1 pod take at least 9307 MiB and a r6a.large node with 10 GiB has "
        "8181 MiB of ephemeral storage for them: 1126 MiB are missing, and the kubelet evicts pods."
    )
    assert verdict.remedy == (
        "Give the nodes 4 GiB more of disk (Terraform: node_disk_gib), or keep the model on a claim."
    )


def test_disk_that_only_a_small_image_fits_is_not_guessed() -> None:
    """12 GiB give 10024 MiB: between 9307 and 11355 nobody can say, and the registry can."""
    verdict = judge(workload(SMALL), planned(12))

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        "2 images (before and after the update) and 1 pod take between 9307 and 11355 MiB and a r6a.large node with "
        "12 GiB has 10024 MiB of ephemeral storage for them: the image's size must be known."
    )


def test_disk_with_room_for_any_image_passes_unread() -> None:
    """The near miss: 20 GiB, EKS's own default, hold the most that it can be."""
    verdict = judge(workload(SMALL), planned(20))

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "2 images (before and after the update) and 1 pod take at most 11355 MiB of the 17397 MiB of ephemeral storage "
        "that a r6a.large node with 20 GiB has."
    )


def test_image_as_read_is_unpacked_by_its_parts() -> None:
    """2397 MiB compressed are 2247 of weights and 150 of software: 2397 + 2382 + 3.6 * 150 = 5320 MiB."""
    verdict = judge(workload(SMALL), planned(20), described=image(2397))

    assert verdict.status is Status.PASS
    assert verdict.reason.startswith("2 images (before and after the update) and 1 pod take 10689 MiB of the 17397 MiB")
    assert verdict.evidence[0].value == (
        "2397 MiB compressed, 5320 MiB with what it unpacks to (x 3.6, weights x 1.06)"
    )


def test_disk_without_room_for_the_system_warns() -> None:
    """16 GiB give 13710 MiB: 3022 MiB are left, and the system and EKS's own images may take 5120."""
    verdict = judge(workload(SMALL), planned(16), described=image(2397))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.NODE_MARGIN_THIN)
    assert verdict.reason == (
        "2 images (before and after the update) and 1 pod take 10689 MiB and a r6a.large node with 16 GiB has 13710 "
        "MiB of ephemeral storage for them: the 3022 MiB left are less than the 5120 MiB that the system and its own "
        "images may take."
    )


def test_model_in_the_container_layer_of_each_pod_fills_the_disk() -> None:
    """The first rollout's incident: one node, three pods, each with a copy of the model in its own layer."""
    verdict = judge(caching(None), planned(10, count=1), described=image(150))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.STORAGE_DISK_TOO_SMALL)
    assert "and 3 pods take 8675 MiB" in verdict.reason
    (symptom,) = verdict.symptoms
    assert symptom == (
        "MODEL_CACHE_DIR=/models of chat-api is no volume and the image does not bring the model: the model's 2382 MiB "
        "go into the container's own layer, on the node's disk, anew at each restart."
    )


def test_model_in_the_container_layer_with_room_warns() -> None:
    """It fits, and is fetched again after each restart."""
    verdict = judge(caching(None), planned(40), described=image(150))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.STORAGE_MODEL_IN_LAYER)
    assert verdict.remedy == (
        'Mount a volume there (Terraform: model_cache.kind = "pod" or "claim"), or build the image with '
        "DOWNLOAD_MODEL=true."
    )


def test_model_in_a_read_only_container_layer_fails() -> None:
    """There is room, and it cannot be written."""
    verdict = judge(caching(None, read_only_root=True), planned(40), described=image(150))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.STORAGE_MODEL_IN_LAYER)
    assert verdict.reason == (
        "MODEL_CACHE_DIR=/models of chat-api is no volume and the image does not bring the model: the model's 2382 MiB "
        "cannot be written to a read-only root file system."
    )


def test_model_that_the_image_brings_is_not_fetched_whatever_the_setting() -> None:
    """An image as large as the model has it; DOWNLOAD_MODEL then finds the file."""
    verdict = judge(caching(None, read_only_root=True), planned(20), described=image(2397))

    assert verdict.status is Status.PASS


def test_pods_that_pile_up_on_one_disk_warn_until_they_request_it() -> None:
    """Up to 6 pods fit a node's memory, a copy of the model each; with the request the scheduler keeps them apart."""
    nodes = Planned(nodes=Nodes(instance_type="r6a.2xlarge", count=3, volume_gib=18))
    verdict = judge(caching(EMPTY_DIR), nodes, hpa=HPA, described=image(150))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.STORAGE_DISK_NOT_REQUESTED)
    assert verdict.reason == (
        "CPU and memory let 6 pods of chat-api stand on a r6a.2xlarge node with 18 GiB, where they take 15970 MiB of "
        "the 15553 MiB of ephemeral storage."
    )
    assert verdict.remedy == (
        "Set requests.ephemeral-storage of container chat-api to 2432Mi, so that the scheduler counts it."
    )
    asked = replace(SMALL, requests=replace(SMALL.requests, ephemeral_storage_bytes=4 * GIB))
    assert judge(caching(EMPTY_DIR, spec=asked), nodes, hpa=HPA, described=image(150)).status is Status.PASS


# --- The nodes of a cluster -------------------------------------------------------------------------------------------


def test_cluster_is_judged_by_its_smallest_open_disk() -> None:
    """A pod may come to any node that takes it; one that is not ready takes none."""
    small, large, gone = node("a", 4), node("b", 40), node("c", 1, ready=False)
    verdict = judge(workload(SMALL), cluster=snapshot((small, large, gone)), described=image(2397))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.STORAGE_DISK_TOO_SMALL)
    assert "node a has 4096 MiB" in verdict.reason
    assert judge(workload(SMALL), cluster=snapshot((large, gone)), described=image(2397)).status is Status.PASS


def test_image_that_runs_already_is_there_once() -> None:
    """The same image before and after the update is pulled once."""
    verdict = judge(workload(SMALL), cluster=snapshot((node("a", 40), node("b", 40))), described=image(2397))
    assert verdict.reason.startswith("1 image and 2 pods take 5420 MiB")


def test_nodes_that_may_not_be_read_leave_it_open() -> None:
    """The right is named."""
    unread = Unreadable(what="nodes", kind="forbidden", message="not permitted: list nodes")
    verdict = judge(workload(SMALL), cluster=replace(snapshot(()), unreadable=(unread,)))

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)
    assert verdict.reason == (
        "Whether image and model fit a node's disk is unknown: the nodes could not be read (not permitted: list nodes)."
    )


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ((node("a", None),), "node a does not report its allocatable ephemeral storage"),
        ((node("a", 40, ready=False),), "no node takes such pods (FIT-2 says why)"),
    ],
)
def test_nodes_that_say_nothing_leave_it_open(nodes: tuple[Node, ...], why: str) -> None:
    """No figure is invented."""
    verdict = judge(workload(SMALL), cluster=snapshot(nodes))
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.reason.endswith(f"is unknown: {why}.")


def test_nothing_known_about_nodes_is_inconclusive() -> None:
    """Neither planned nor read."""
    verdict = judge(workload(SMALL))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_registry_that_does_not_answer_leaves_a_range() -> None:
    """What the registry said stands in the evidence, and the bounds are judged."""
    unread = ImageUnread(reference="chat-api:v2.0", kind="denied", message="not permitted: pull")
    verdict = judge(workload(SMALL), planned(20), described=unread)
    assert verdict.status is Status.PASS
    assert verdict.evidence[0].value == "unread (not permitted: pull): 4629 to 5653 MiB"


# --- The volume that is to hold the model -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mib", "status"),
    [(2381, Status.FAIL), (2382, Status.WARN), (2619, Status.WARN), (2620, Status.PASS)],  # 2381.6 * 1.1 = 2619.7
)
def test_claim_is_held_against_the_model(mib: int, status: Status) -> None:
    """Below the model it fails, without a tenth for the file system it warns."""
    claim = Claim(name="cache", phase="Pending", requested_bytes=mib * MIB)
    verdict = judge(caching(CLAIM), planned(20), claims=(claim,), described=image(150))

    assert (verdict.status, verdict.cause) == (
        status,
        None if status is Status.PASS else Cause.STORAGE_VOLUME_TOO_SMALL,
    )


def test_claim_too_small_says_how_much_is_missing() -> None:
    """The whole reason and remedy."""
    claim = Claim(name="cache", phase="Pending", requested_bytes=GIB)
    verdict = judge(caching(CLAIM), planned(20), claims=(claim,), described=image(150))

    assert verdict.reason == (
        "PersistentVolumeClaim/cache requests 1024 MiB and the model has 2382 MiB: 1358 MiB are missing."
    )
    assert verdict.remedy == "Give it 2620 MiB (Terraform: model_cache.size_gib = 3)."


def test_claim_of_an_elastic_file_system_is_as_large_as_it_has_to_be() -> None:
    """EFS takes no notice of the size; a disk of the same size fails."""
    claim = Claim(name="cache", phase="Pending", storage_class="efs", requested_bytes=GIB)
    for driver, status in (("efs.csi.aws.com", Status.PASS), ("ebs.csi.aws.com", Status.FAIL)):
        classes = (StorageClass(name="efs", provisioner=driver),)
        cluster = replace(snapshot((node("a", 40),)), storage_classes=classes)
        assert judge(caching(CLAIM), claims=(claim,), described=image(150), cluster=cluster).status is status


def test_claim_that_the_deploy_enlarges_is_judged_by_its_new_size() -> None:
    """The size is what an apply may change of a claim that is there."""
    small = Claim(name="cache", phase="Bound", requested_bytes=GIB)
    cluster = replace(snapshot((node("a", 40),)), claims=(small,))
    larger = replace(small, requested_bytes=4 * GIB)
    assert judge(caching(CLAIM), claims=(larger,), described=image(150), cluster=cluster).status is Status.PASS
    assert judge(caching(CLAIM), described=image(150), cluster=cluster).status is Status.FAIL


@pytest.mark.parametrize(("gib", "status"), [(2, Status.FAIL), (3, Status.PASS)])
def test_size_limit_of_an_empty_dir_is_held_against_the_model(gib: int, status: Status) -> None:
    """Past it the kubelet evicts."""
    volume = replace(EMPTY_DIR, size_limit_bytes=gib * GIB)
    verdict = judge(caching(volume), planned(40), described=image(150))

    assert verdict.status is status
    if status is Status.FAIL:
        assert (
            verdict.reason == "emptyDir models is limited to 2048 MiB and the model has 2382 MiB: 334 MiB are missing."
        )


@pytest.mark.parametrize(("mib", "status"), [(2431, Status.FAIL), (2432, Status.PASS)])
def test_ephemeral_storage_limit_is_held_against_what_a_pod_writes(mib: int, status: Status) -> None:
    """2382 MiB of model and 50 of log."""
    limited = replace(SMALL, limits=replace(SMALL.limits, ephemeral_storage_bytes=mib * MIB))
    verdict = judge(caching(EMPTY_DIR, spec=limited), planned(40), described=image(150))

    assert verdict.status is status
    if status is Status.FAIL:
        assert verdict.cause is Cause.STORAGE_VOLUME_TOO_SMALL
        assert verdict.reason == (
            "A pod of chat-api may write 2432 MiB to the node's disk and its containers' ephemeral-storage limits are "
            "2431 MiB together: the kubelet evicts it."
        )


def test_model_in_memory_is_not_on_the_disk() -> None:
    """A memory-backed emptyDir is FIT-1's business; a claim is not the node's disk."""
    for volume in (replace(EMPTY_DIR, in_memory=True), CLAIM):
        verdict = judge(caching(volume), planned(8, count=1), described=image(150))
        written = next(each.value for each in verdict.evidence if each.field == "written by one pod")
        assert written.startswith("50 MiB")


def test_container_that_is_not_there_is_named() -> None:
    """A wrong name in the target is no verdict."""
    with pytest.raises(LookupError, match="has no container 'chat'"):
        disk_verdict(QWEN, workload(), container="chat", use=USE, desired=Desired(source="test"))
