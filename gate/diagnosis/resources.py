"""RES-1: CPU and memory in use against the limits, of every pod by itself.

The metrics API reports the working set, which counts file pages that the kernel could drop: a mapped model fills it
without danger of a kill (4.5 GB against 2.8 GB for the same file read into memory, measured 2026-11). What cannot be
dropped, the pod's own /metrics tells: near the limit that fails, a full working set of other pages warns. OOM kills are
the containers' diagnosis, throttling is ``throttling``'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gate.causes import Cause
from gate.diagnosis.deployments import blocked
from gate.diagnosis.ownership import counted, pods_of_deployment
from gate.diagnosis.readings import pod_name, unread_findings
from gate.diagnosis.throttling import ThrottlingLimits, throttling_claim, throttling_evidence, throttling_findings
from gate.diagnosis.unread import unread_finding
from gate.diagnosis.wording import count, duration, memory, names, quote, seconds_between
from gate.records import ContainerSpec, Pod, PodMetrics, PodUsage, Readings, Snapshot
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "RES-1"

#: A CPU average this close to the limit means the container was stopped in between: usage is averaged over a window
#: (metrics-server, 15 s by default) and can never exceed the limit in it.
CPU_SHARE = 0.95

#: metrics-server shows a pod after two scrapes, 15 s apart by default (--metric-resolution), and a third may be needed
#: when the pod started just before one.
USAGE_LAG_S = 60.0


def at_rest(snapshot: Snapshot, since: datetime) -> Snapshot:
    """Return the snapshot without the figures that average over a time before ``since``, when the gate asked."""
    usage = [each for each in snapshot.usage if each.at and each.at - timedelta(seconds=each.window_s) >= since]
    return replace(snapshot, usage=tuple(usage))


def usage_verdict(snapshot: Snapshot, *, deployment: str, container: str) -> Verdict:
    """Say whether the metrics API has figures of every pod, and nothing of the figures: what is worth waiting for."""
    stopped = blocked(_CRITERION, snapshot, deployment)
    if stopped is not None:
        return stopped
    running = _running(snapshot, deployment)
    measured = _measured(snapshot, running, container)
    evidence = [_evidence(each) for each in measured] or [Evidence("Snapshot", "usage", "none", snapshot.read_at)]
    known = passed(_CRITERION, f"The metrics API has figures of {count(len(measured), 'pod')}.", evidence)
    return judged(_CRITERION, _unread(snapshot) or _missing(snapshot, running, measured), known)


def resources_verdict(
    snapshot: Snapshot,
    readings: Readings,
    *,
    deployment: str,
    container: str,
    memory_share_limit: float,
    throttled: ThrottlingLimits,
) -> Verdict:
    """Judge RES-1.

    Args:
        snapshot: with ``usage`` of the metrics API, from before the pods were asked questions.
        readings: of the pods' /metrics, before and after the questions.
        deployment: whose pods are judged.
        container: which container's limits count.
        memory_share_limit: share of the memory limit (0 to 1) that memory in use must stay below.
        throttled: how much throttling is in bounds.
    """
    stopped = blocked(_CRITERION, snapshot, deployment)
    if stopped is not None:
        return stopped
    running = _running(snapshot, deployment)
    measured = _measured(snapshot, running, container)
    held = {pod_name(each): each.held_bytes for each in readings.after if each.held_bytes is not None}
    findings = [
        *_nobody(snapshot, running, deployment),
        *_held(snapshot, running, container, readings, memory_share_limit),
        *_near_limit(snapshot, measured, held, memory_share_limit),
        *throttling_findings(readings, _cpu_limits(running, container), throttled, deployment, snapshot.namespace),
        *(_unread(snapshot) or _missing(snapshot, running, measured)),
        *_untold(running, readings),
        *_no_limit(snapshot, measured, deployment),
        *_cpu(snapshot, measured),
    ]
    return judged(_CRITERION, findings, _pass(snapshot, measured, readings, memory_share_limit))


def _running(snapshot: Snapshot, deployment: str) -> list[Pod]:
    owner = snapshot.deployment(deployment)
    pods = counted(pods_of_deployment(snapshot, owner) if owner else ())
    return [each for each in pods if each.phase == "Running"]


_Measured = tuple[Pod, ContainerSpec, PodUsage]


def _measured(snapshot: Snapshot, running: Sequence[Pod], container: str) -> list[_Measured]:
    used = {each.pod: each for each in snapshot.usage if each.container == container}
    return [
        (pod, spec, used[pod.name])
        for pod in running
        if pod.name in used and (spec := pod.spec.container(container)) is not None
    ]


def _cpu_limits(running: Sequence[Pod], container: str) -> dict[str, int | None]:
    specs = ((pod.name, pod.spec.container(container)) for pod in running)
    return {name: spec.limits.cpu_m if spec else None for name, spec in specs}


def _pass(snapshot: Snapshot, measured: Sequence[_Measured], readings: Readings, limit: float) -> Verdict:
    shares = [used.memory_bytes / spec.limits.memory_bytes for _, spec, used in measured if spec.limits.memory_bytes]
    highest = f"{max(shares):.0%}" if shares else "none"
    held = [each for each in readings.after if each.held_bytes is not None]
    return passed(
        _CRITERION,
        f"Memory in use is at most {highest} of the limit in {count(len(measured), 'pod')} (limit {limit:.0%}); "
        f"{throttling_claim(readings)}.",
        [
            *([_evidence(each) for each in measured] or [Evidence("Snapshot", "usage", "none", snapshot.read_at)]),
            *(_held_evidence(each) for each in held),
            *throttling_evidence(readings),
        ],
    )


def _held_evidence(reading: PodMetrics) -> Evidence:
    return Evidence(
        f"Pod/{pod_name(reading)}",
        "memory that cannot be dropped",
        memory(reading.held_bytes or 0),
        reading.reply.started_at,
    )


def _untold(running: Sequence[Pod], readings: Readings) -> list[Finding]:
    """Return what the pods did not tell; that none was asked is POD-1's where none is ready."""
    if not running:
        return []
    return unread_findings(
        readings.after,
        [pod_name(each) for each in readings.after],
        known=lambda each: each.held_bytes is not None and each.cfs_periods is not None,
        what="figures of memory and throttling",
    )


def _held(
    snapshot: Snapshot, running: Sequence[Pod], container: str, readings: Readings, share_limit: float
) -> list[Finding]:
    specs = {pod.name: pod.spec.container(container) for pod in running}
    near = [
        (each, limit)
        for each in readings.after
        if (spec := specs.get(pod_name(each))) is not None
        and (limit := spec.limits.memory_bytes)
        and (each.held_bytes or 0) >= share_limit * limit
    ]
    if not near:
        return []
    reading, limit = max(near, key=lambda each: (each[0].held_bytes or 0) / each[1])
    used, pod = reading.held_bytes or 0, pod_name(reading)
    others = f", as do {len(near) - 1} more" if len(near) > 1 else ""
    return [
        Finding(
            Status.FAIL,
            Cause.MEMORY_NEAR_LIMIT,
            f"Pod {pod} holds {memory(used)} ({used / limit:.0%}) of its {memory(limit)} memory limit that the kernel "
            f"cannot drop, allowed {share_limit:.0%}{others}: the next request may get it OOM-killed.",
            tuple(_held_evidence(each) for each, _ in near),
            f"Raise the memory limit of {container} to at least {memory(used / share_limit)}, or find what grows: "
            f"kubectl top pod {pod} --containers -n {snapshot.namespace}",
        )
    ]


def _evidence(measured: _Measured) -> Evidence:
    pod, spec, used = measured
    limit = f"of {memory(spec.limits.memory_bytes)}" if spec.limits.memory_bytes else "without a limit"
    cpu_limit = f"of {spec.limits.cpu_m}m" if spec.limits.cpu_m else "without a limit"
    return Evidence(
        f"Pod/{pod.name}",
        f"usage of {spec.name}",
        f"memory {memory(used.memory_bytes)} {limit}, CPU {used.cpu_m}m {cpu_limit}",
        used.at,
    )


def _nobody(snapshot: Snapshot, running: Sequence[Pod], deployment: str) -> list[Finding]:
    if running:
        return []
    known = names([each.name for each in snapshot.pods]) or "none"
    return [
        Finding(
            Status.FAIL,
            Cause.ENDPOINTS_NOT_READY,
            f"No pod of Deployment/{deployment} runs: there is no usage to judge.",
            (Evidence(f"Namespace/{snapshot.namespace}", "pods", known, snapshot.read_at),),
            f"See POD-1 for why no pod runs: kubectl get pods -n {snapshot.namespace}",
        )
    ]


def _unread(snapshot: Snapshot) -> list[Finding]:
    unread = snapshot.unread("metrics")
    if unread is None:
        return []
    if unread.kind != "not_served":
        return [unread_finding(snapshot, unread, subject="The pods' usage figures", resource="pods.metrics.k8s.io")]
    return [
        Finding(
            Status.INCONCLUSIVE,
            Cause.METRICS_API_MISSING,
            f"The cluster does not serve metrics.k8s.io, so nobody knows what the pods use ({quote(unread.message)}).",
            (Evidence("API group metrics.k8s.io", "pods", unread.kind, snapshot.read_at),),
            "Install metrics-server, or read why it is down: kubectl get apiservice v1beta1.metrics.k8s.io -o yaml",
        )
    ]


def _missing(snapshot: Snapshot, running: Sequence[Pod], measured: Sequence[_Measured]) -> list[Finding]:
    known_pods = {pod.name for pod, _, _ in measured}
    pods = [each for each in running if each.name not in known_pods]
    if not pods:
        return []
    ages = [seconds_between(each.created_at, snapshot.read_at) for each in pods]
    known = [each for each in ages if each is not None]
    fresh = len(known) == len(pods) and max(known) < USAGE_LAG_S
    lag = f"; figures come up to {duration(USAGE_LAG_S)} after the start" if fresh else ""
    age = f", {duration(max(known))} old" if known else ""
    who = names([each.name for each in pods])
    return [
        Finding(
            Status.INCONCLUSIVE,
            Cause.METRICS_MISSING,
            f"The metrics API has no figures of {len(pods)} of {count(len(running), 'pod')} ({who}{age}){lag}.",
            tuple(Evidence(f"Pod/{each.name}", "usage", "none", snapshot.read_at) for each in pods),
            f"Run the gate again in {duration(USAGE_LAG_S)}."
            if fresh
            else "Read metrics-server's log: kubectl logs -n kube-system -l k8s-app=metrics-server --tail=20",
        )
    ]


def _near_limit(
    snapshot: Snapshot, measured: Sequence[_Measured], held: Mapping[str, int], share_limit: float
) -> list[Finding]:
    """Return the fullest pod by its working set: a failure, or a warning where most of that can be dropped."""
    near = [
        each
        for each in measured
        if (limit := each[1].limits.memory_bytes)
        and each[2].memory_bytes >= share_limit * limit
        and held.get(each[0].name, 0) < share_limit * limit  # else told by what it holds
    ]
    if not near:
        return []
    pod, spec, used = max(near, key=lambda each: (each[0].name not in held, each[2].memory_bytes))
    limit = spec.limits.memory_bytes or 0
    others = f", as do {len(near) - 1} more" if len(near) > 1 else ""
    reason = (
        f"Pod {pod.name} uses {memory(used.memory_bytes)} ({used.memory_bytes / limit:.0%}) of its "
        f"{memory(limit)} memory limit, allowed {share_limit:.0%}{others}"
    )
    if pod.name in held:
        reason += (
            f"; {memory(held[pod.name])} of it cannot be dropped, the rest are file pages (a mapped model's), which "
            "the kernel drops and reads again when memory runs short"
        )
    return [
        Finding(
            Status.WARN if pod.name in held else Status.FAIL,
            Cause.MEMORY_NEAR_LIMIT,
            f"{reason}.",
            tuple(_evidence(each) for each in near),
            f"Raise the memory limit of {spec.name} to at least {memory(used.memory_bytes / share_limit)}, or find "
            f"what grows: kubectl top pod {pod.name} --containers -n {snapshot.namespace}",
        )
    ]


def _no_limit(snapshot: Snapshot, measured: Sequence[_Measured], deployment: str) -> list[Finding]:
    free = [each for each in measured if not each[1].limits.memory_bytes]
    if not free:
        return []
    _, spec, used = free[0]
    return [
        Finding(
            Status.WARN,
            Cause.MEMORY_NO_LIMIT,
            f"Container {spec.name} has no memory limit in {count(len(free), 'pod')}: a leak takes the node with it.",
            tuple(_evidence(each) for each in free),
            f"Set one: kubectl set resources deployment/{deployment} -c {spec.name} "
            f"--limits=memory={_rounded_mib(used)}Mi -n {snapshot.namespace} (and in the manifest).",
        )
    ]


def _rounded_mib(used: PodUsage) -> int:
    """Return one and a half times the usage, in whole steps of 128 MiB: room to start from, not a sizing."""
    step = 128 * 2**20
    return 128 * -(-used.memory_bytes * 3 // (2 * step))


def _cpu(snapshot: Snapshot, measured: Sequence[_Measured]) -> list[Finding]:
    full = [each for each in measured if each[1].limits.cpu_m and each[2].cpu_m >= CPU_SHARE * each[1].limits.cpu_m]
    if not full:
        return []
    pod, spec, used = full[0]
    others = f", as do {len(full) - 1} more" if len(full) > 1 else ""
    return [
        Finding(
            Status.WARN,
            Cause.CPU_AT_LIMIT,
            f"Pod {pod.name} uses {used.cpu_m}m of its {spec.limits.cpu_m}m CPU limit over "
            f"{duration(used.window_s)}{others}: it is throttled.",
            tuple(_evidence(each) for each in full),
            f"Raise the CPU limit or lower the engine's threads to it: kubectl top pod {pod.name} "
            f"-n {snapshot.namespace}",
        )
    ]
