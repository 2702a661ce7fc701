from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.readers.surroundings import quota
from gate.records import Resources
from gate.sizing.capacity import capacity_verdict
from gate.verdict import Status, Verdict
from tests.sizing.factories import HPA, MIB, NOW, container, node, pod, snapshot, workload


def judge(hard: dict[str, str], used: dict[str, str], *, request_mib: int = 1024) -> Verdict:
    """Return FIT-2 on a roomy cluster where two pods of 512 MiB run under a quota; a new pod takes 1000m and 1 GiB."""
    cluster = snapshot(
        (node("a", free_mib=9000, free_cpu_m=1700), node("b", free_mib=9000, free_cpu_m=1700)),
        (pod("p1", "a", request_mib=512), pod("p2", "b", request_mib=512)),
    )
    limited = quota({"metadata": {"name": "team"}, "status": {"hard": hard, "used": used}})
    of = workload(container(request_mib=request_mib, limit_mib=2048))
    return capacity_verdict(of, hpa=HPA, snapshot=replace(cluster, quotas=(limited,)))


def test_quota_too_small_for_the_surge_fails_before_the_scheduler_sees_a_pod() -> None:
    """1 GiB of 2 is used; the first new pod takes the rest, and an old one gives back half of what the next asks."""
    verdict = judge({"requests.memory": "2Gi"}, {"requests.memory": "1Gi"})

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ADMISSION_QUOTA)
    assert verdict.reason == (
        "The quota team would stop the update of chat-api after 1 of 2 new pods: requests.memory has 512 MiB left, "
        "a pod needs 1024 MiB."
    )
    assert verdict.remedy == (
        "Raise requests.memory of the quota, or lower what the pod asks for: kubectl describe quota team "
        "-n carepath-demo"
    )
    assert [(each.field, each.value, each.at) for each in verdict.evidence] == [
        ("requests.memory", "1Gi of 2Gi used", NOW)
    ]


def test_quota_with_room_for_the_surge_passes() -> None:
    """Half a GiB more, and the last new pod fits beside the last old one."""
    assert judge({"requests.memory": "2560Mi"}, {"requests.memory": "1Gi"}).status is Status.PASS


@pytest.mark.parametrize(
    ("hard", "used", "key"),
    [
        ({"pods": "2"}, {"pods": "2"}, "pods has 0 left, a pod needs 1."),
        ({"requests.cpu": "1"}, {"requests.cpu": "200m"}, "requests.cpu has 800m left, a pod needs 1000m."),
        ({"cpu": "1"}, {"cpu": "200m"}, "requests.cpu has 800m left, a pod needs 1000m."),
        ({"limits.memory": "4Gi"}, {"limits.memory": "3Gi"}, "limits.memory has 1024 MiB left, a pod needs 2048 MiB."),
    ],
)
def test_quota_of_any_amount_is_named_by_its_key(hard: dict[str, str], used: dict[str, str], key: str) -> None:
    """Pods, CPU with and without prefix, limits."""
    assert judge(hard, used).reason.endswith(key)


def test_quota_of_other_things_does_not_count() -> None:
    """Services are not what an update needs."""
    assert judge({"services": "1"}, {"services": "1"}).status is Status.PASS


@pytest.mark.parametrize(
    ("hard", "used", "left"),
    [
        ({"requests.cpu": "2", "cpu": "1"}, {"cpu": "500m"}, Resources(cpu_m=500)),
        ({"requests.memory": "1Gi"}, {"requests.memory": "2Gi"}, Resources(memory_bytes=0)),
        ({"count/pods": "10"}, {"count/pods": "4"}, Resources(pods=6)),
        ({}, {}, Resources()),
    ],
)
def test_quota_left_is_hard_minus_used(hard: dict[str, Any], used: dict[str, Any], left: Resources) -> None:
    """The stricter of two keys for one amount; overdrawn is nothing left; what is not limited stays unknown."""
    assert quota({"metadata": {"name": "q"}, "status": {"hard": hard, "used": used}}).requests_left == left


def test_quota_the_controller_has_not_counted_yet_is_all_left() -> None:
    """A fresh quota has a spec and no status."""
    fresh = quota({"metadata": {"name": "q"}, "spec": {"hard": {"limits.memory": "1Gi"}}})

    assert fresh.limits_left == Resources(memory_bytes=1024 * MIB)
