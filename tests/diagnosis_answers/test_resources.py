"""RES-1: usage against limits, pod by pod."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.resources import at_rest, resources_verdict
from gate.records import Readings, Resources, Snapshot, Unreadable
from gate.verdict import Status, Verdict
from tests.diagnosis.factories import (
    CONTAINER,
    DEPLOYMENT,
    GIB,
    MIB,
    ago,
    container_spec,
    healthy_snapshot,
    pod,
    pod_spec,
)
from tests.diagnosis_answers.observations import POD_A, POD_B, THROTTLING, at, metrics, readings, reply, worked


def judge(snapshot: Snapshot, said: Readings | None = None, container: str = CONTAINER) -> Verdict:
    """Judge against nine tenths of the memory limit and the table's throttling."""
    return resources_verdict(
        snapshot,
        said or readings(),
        deployment=DEPLOYMENT,
        container=container,
        memory_share_limit=0.9,
        throttled=THROTTLING,
    )


def using(**changes: Any) -> Snapshot:
    """Return the healthy snapshot with another usage of the second pod."""
    snapshot = healthy_snapshot()
    first, second = snapshot.usage
    return replace(snapshot, usage=(first, replace(second, **changes)))


def limited(**limits: int) -> Snapshot:
    """Return the healthy snapshot with other limits of its one pod."""
    spec = pod_spec(containers=(container_spec(limits=Resources(**limits)),))
    return replace(healthy_snapshot(), pods=(pod(spec=spec),))


def test_usage_with_room_passes() -> None:
    """120 of 512 MiB is 23 %."""
    verdict = judge(healthy_snapshot())
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "Memory in use is at most 23% of the limit in 2 pods (limit 90%); throttling withheld at most 3% of the CPU "
        "time wanted."
    )
    assert verdict.evidence[0].value == "memory 120 MiB of 512 MiB, CPU 12m of 1000m"


def untold() -> Readings:
    """Return readings of a service that does not tell its memory."""
    return Readings(
        before=(metrics(POD_A), metrics(POD_B)), after=(worked(POD_A, held_bytes=None), worked(POD_B, held_bytes=None))
    )


def test_pod_that_holds_nearly_its_limit_is_named() -> None:
    """470 of 512 MiB cannot be dropped: 92 %, whatever the metrics API says."""
    verdict = judge(healthy_snapshot(), readings(held_bytes=470 * MIB))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MEMORY_NEAR_LIMIT)
    assert verdict.reason == (
        f"Pod {POD_B} holds 470 MiB (92%) of its 512 MiB memory limit that the kernel cannot drop, allowed 90%: the "
        "next request may get it OOM-killed."
    )
    assert verdict.remedy == (
        "Raise the memory limit of chat-api to at least 522 MiB, or find what grows: "
        f"kubectl top pod {POD_B} --containers -n carepath-demo"
    )


def test_pod_that_holds_just_less_passes() -> None:
    """460 of 512 MiB is 89.8 %."""
    assert judge(healthy_snapshot(), readings(held_bytes=460 * MIB)).status is Status.PASS


def test_pod_full_of_file_pages_warns() -> None:
    """A mapped model fills the working set; what cannot be dropped is 200 MiB."""
    verdict = judge(using(memory_bytes=480 * MIB))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.MEMORY_NEAR_LIMIT)
    assert verdict.reason == (
        f"Pod {POD_B} uses 480 MiB (94%) of its 512 MiB memory limit, allowed 90%; 200 MiB of it cannot be dropped, "
        "the rest are file pages (a mapped model's), which the kernel drops and reads again when memory runs short."
    )


def test_pod_near_its_memory_limit_that_tells_no_more_is_named() -> None:
    """480 of 512 MiB is 94 %; the other pod is well."""
    verdict = judge(using(memory_bytes=480 * MIB), untold())
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MEMORY_NEAR_LIMIT)
    assert verdict.reason == f"Pod {POD_B} uses 480 MiB (94%) of its 512 MiB memory limit, allowed 90%."
    assert verdict.remedy == (
        "Raise the memory limit of chat-api to at least 533 MiB, or find what grows: "
        f"kubectl top pod {POD_B} --containers -n carepath-demo"
    )


def test_pod_just_below_the_share_passes() -> None:
    """460 of 512 MiB is 89.8 %."""
    assert judge(using(memory_bytes=460 * MIB)).status is Status.PASS


def test_pod_at_its_cpu_limit_warns() -> None:
    """960m of 1000m on average means that it was stopped in between."""
    verdict = judge(using(cpu_m=960, window_s=15.0))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CPU_AT_LIMIT)
    assert verdict.reason == f"Pod {POD_B} uses 960m of its 1000m CPU limit over 15 s: it is throttled."


def test_busy_pod_below_its_cpu_limit_passes() -> None:
    """940m of 1000m is busy, not throttled."""
    assert judge(using(cpu_m=940)).status is Status.PASS


def test_container_without_memory_limit_warns() -> None:
    """Nothing bounds a leak."""
    verdict = judge(limited(cpu_m=1000))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.MEMORY_NO_LIMIT)
    assert verdict.reason == "Container chat-api has no memory limit in 1 pod: a leak takes the node with it."
    assert "--limits=memory=256Mi -n carepath-demo" in verdict.remedy


def test_container_without_cpu_limit_passes() -> None:
    """A CPU limit is a choice; without one there is nothing to be at."""
    assert judge(replace(limited(memory_bytes=GIB), usage=using(cpu_m=1900).usage[:1])).status is Status.PASS


def test_usage_of_a_fresh_pod_is_not_known_yet() -> None:
    """Figures come up to a minute after the start."""
    snapshot = healthy_snapshot()
    young = replace(snapshot, pods=(pod(), pod(POD_B, created_at=ago(30))), usage=snapshot.usage[:1])
    verdict = judge(young)
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.METRICS_MISSING)
    assert verdict.reason == (
        f"The metrics API has no figures of 1 of 2 pods ({POD_B}, 30 s old); figures come up to 60 s after the start."
    )
    assert verdict.remedy == "Run the gate again in 60 s."


def test_usage_that_is_missing_for_an_old_pod_names_metrics_server() -> None:
    """After that time somebody has to look."""
    snapshot = healthy_snapshot()
    verdict = judge(replace(snapshot, usage=snapshot.usage[:1]))
    assert verdict.reason == f"The metrics API has no figures of 1 of 2 pods ({POD_B}, 90 s old)."
    assert verdict.remedy.startswith("Read metrics-server's log: kubectl logs")


def test_near_limit_outranks_a_missing_figure() -> None:
    """What is known to fail fails, whatever else is unknown."""
    near = using(memory_bytes=480 * MIB)
    assert judge(replace(near, usage=near.usage[1:]), untold()).status is Status.FAIL


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("not_served", Cause.METRICS_API_MISSING),
        ("forbidden", Cause.GATE_FORBIDDEN),
        ("unreachable", Cause.GATE_UNREACHABLE),
    ],
)
def test_unreadable_metrics_are_inconclusive(kind: Any, cause: Cause) -> None:
    """A figure nobody read is not zero."""
    unread = Unreadable(what="metrics", kind=kind, message="no")
    verdict = judge(replace(healthy_snapshot(), usage=(), unreadable=(unread,)))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, cause)


def test_missing_deployment_fails() -> None:
    """No Deployment, no usage to judge."""
    verdict = judge(replace(healthy_snapshot(), deployments=(), replica_sets=(), pods=()))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_NOT_FOUND)


def test_deployment_without_running_pods_fails() -> None:
    """No pod that runs, no usage to judge, no pass."""
    verdict = judge(replace(healthy_snapshot(), pods=()))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ENDPOINTS_NOT_READY)
    assert verdict.reason == "No pod of Deployment/chat-api runs: there is no usage to judge."


def test_usage_of_other_pods_is_not_taken() -> None:
    """The figures of a pod that is gone prove nothing about those that run."""
    snapshot = healthy_snapshot()
    gone = tuple(replace(each, pod="chat-api-old") for each in snapshot.usage)
    assert judge(replace(snapshot, usage=gone)).status is Status.INCONCLUSIVE


def test_container_that_no_pod_has_is_inconclusive() -> None:
    """A wrong container name in the target measures nothing, and does not pass."""
    verdict = judge(healthy_snapshot(), container="chat")
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.METRICS_MISSING)


def test_both_pods_near_the_limit_are_one_finding() -> None:
    """The fuller pod is named, the other is counted and shown."""
    snapshot = healthy_snapshot()
    full = tuple(replace(each, memory_bytes=size * MIB) for each, size in zip(snapshot.usage, (470, 490), strict=True))
    verdict = judge(replace(snapshot, usage=full), untold())
    assert verdict.reason == (f"Pod {POD_B} uses 490 MiB (96%) of its 512 MiB memory limit, allowed 90%, as do 1 more.")
    assert [each.object for each in verdict.evidence] == [f"Pod/{POD_A}", f"Pod/{POD_B}"]


# --- What the pods tell -----------------------------------------------------------------------------------------------


def throttled(stopped: int, withheld_s: float, periods: int = 100) -> Readings:
    """Return readings of a second pod that used 10 s of CPU time and was stopped so often and so long."""
    return readings(cpu_s=40.0, cfs_periods=400 + periods, throttled_periods=60 + stopped, throttled_s=8.0 + withheld_s)


def test_threads_beyond_the_limit_are_throttling() -> None:
    """Four threads on two CPUs: stopped in 95 of 100 periods, and half of the time wanted is withheld."""
    verdict = judge(healthy_snapshot(), throttled(95, 10.0))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CPU_THROTTLED)
    assert verdict.reason == (
        f"Pod {POD_B} was stopped by its CPU limit of 1000m in 95% of 100 CPU periods while it answered (limit 25%), "
        "and did not get 50% of the CPU time it wanted (limit 20%)."
    )
    assert verdict.remedy == (
        "Raise the CPU limit, or let no more threads compute than it has CPUs: "
        "kubectl set env deployment/chat-api LLM_THREADS- -n carepath-demo (unset: the limit rounded down)"
    )


@pytest.mark.parametrize(
    "said",
    [throttled(95, 2.4), throttled(25, 10.0), throttled(19, 10.0, periods=19), readings(started_at=at(5))],
    ids=["clipped often and briefly", "a quarter of the periods", "too little work", "started anew"],
)
def test_clipping_is_no_throttling(said: Readings) -> None:
    """Threads that equal the limit lose a little in most periods, and a second of work shows nothing."""
    assert judge(healthy_snapshot(), said).status is Status.PASS


def test_pod_without_cpu_limit_is_not_throttled() -> None:
    """Nothing is counted where there is no quota."""
    none: dict[str, Any] = {"cfs_periods": 0, "throttled_periods": 0, "throttled_s": 0.0}
    free = Readings(before=(metrics(**none),), after=(worked(**none),))
    verdict = judge(healthy_snapshot(), free)
    assert verdict.status is Status.PASS
    assert verdict.reason.endswith("; no pod worked long enough under a CPU limit to be throttled.")


def test_pod_that_does_not_tell_is_inconclusive() -> None:
    """A figure that nobody gave is not in bounds."""
    verdict = judge(healthy_snapshot(), readings(cfs_periods=None))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        f"1 pod of 2 ({POD_B}) did not tell figures of memory and throttling: /metrics holds no figures of memory and "
        "throttling."
    )


def test_pod_that_may_not_be_asked_is_inconclusive() -> None:
    """Without the right to port-forward nothing is known of throttling."""
    lost = {"reply": reply(POD_B, path="/metrics", status=None, trouble="forbidden")}
    verdict = judge(healthy_snapshot(), readings(**lost, held_bytes=None, cfs_periods=None))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_FORBIDDEN)


def test_running_pods_of_which_none_is_ready_are_inconclusive() -> None:
    """Nobody was asked; the metrics API's figures alone do not pass."""
    verdict = judge(healthy_snapshot(), Readings())
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_figures_that_average_over_the_gates_own_questions_do_not_count() -> None:
    """Two figures of 15 s: one window began after the last question, the other before it."""
    snapshot = healthy_snapshot()
    first, second = snapshot.usage
    usage = (replace(first, at=ago(5), window_s=15.0), replace(second, at=ago(0), window_s=15.0))
    assert at_rest(replace(snapshot, usage=usage), ago(16)).usage == usage[1:]


def test_figures_without_a_time_are_not_at_rest() -> None:
    """Nobody knows over what they average."""
    assert at_rest(using(at=None), ago(3600)).usage[-1].pod != POD_B
