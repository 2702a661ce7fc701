"""RES-1: CPU and memory in use against the limits, of every pod by itself.

The metrics API reports the working set, which counts file pages that the kernel could drop: a mapped model fills it
without danger (4.5 GB against 2.8 GB for the same file read into memory, measured 2026-11). A pod near its limit is
therefore named with what the figure is; OOM kills are the containers' diagnosis.
"""

from collections.abc import Sequence

from gate.causes import Cause
from gate.diagnosis.deployments import blocked
from gate.diagnosis.ownership import counted, pods_of_deployment
from gate.diagnosis.unread import unread_finding
from gate.diagnosis.wording import count, duration, memory, names, quote, seconds_between
from gate.records import ContainerSpec, Pod, PodUsage, Snapshot
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "RES-1"

#: A CPU average this close to the limit means the container was stopped in between: usage is averaged over a window
#: (metrics-server, 15 s by default) and can never exceed the limit in it.
CPU_SHARE = 0.95

#: metrics-server shows a pod after two scrapes, 15 s apart by default (--metric-resolution), and a third may be needed
#: when the pod started just before one.
USAGE_LAG_S = 60.0


def resources_verdict(snapshot: Snapshot, *, deployment: str, container: str, memory_share_limit: float) -> Verdict:
    """Judge RES-1.

    Args:
        snapshot: with ``usage`` of the metrics API.
        deployment: whose pods are judged.
        container: which container's limits count.
        memory_share_limit: share of the memory limit (0 to 1) that the working set must stay below.
    """
    stopped = blocked(_CRITERION, snapshot, deployment)
    if stopped is not None:
        return stopped
    owner = snapshot.deployment(deployment)
    pods = counted(pods_of_deployment(snapshot, owner) if owner else ())
    running = [each for each in pods if each.phase == "Running"]
    measured = _measured(snapshot, running, container)
    findings = _unread(snapshot) or [
        *_nobody(snapshot, running, deployment),
        *_near_limit(snapshot, measured, memory_share_limit),
        *_missing(snapshot, running, measured),
        *_no_limit(snapshot, measured, deployment),
        *_cpu(snapshot, measured),
    ]
    return judged(_CRITERION, findings, _pass(snapshot, measured, memory_share_limit))


_Measured = tuple[Pod, ContainerSpec, PodUsage]


def _measured(snapshot: Snapshot, running: Sequence[Pod], container: str) -> list[_Measured]:
    used = {each.pod: each for each in snapshot.usage if each.container == container}
    return [
        (pod, spec, used[pod.name])
        for pod in running
        if pod.name in used and (spec := pod.spec.container(container)) is not None
    ]


def _pass(snapshot: Snapshot, measured: Sequence[_Measured], limit: float) -> Verdict:
    shares = [used.memory_bytes / spec.limits.memory_bytes for _, spec, used in measured if spec.limits.memory_bytes]
    highest = f"{max(shares):.0%}" if shares else "none"
    return passed(
        _CRITERION,
        f"Memory in use is at most {highest} of the limit in {count(len(measured), 'pod')} (limit {limit:.0%}).",
        [_evidence(each) for each in measured] or [Evidence("Snapshot", "usage", "none", snapshot.read_at)],
    )


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


def _near_limit(snapshot: Snapshot, measured: Sequence[_Measured], share_limit: float) -> list[Finding]:
    near = [
        each
        for each in measured
        if each[1].limits.memory_bytes and each[2].memory_bytes >= share_limit * each[1].limits.memory_bytes
    ]
    if not near:
        return []
    pod, spec, used = max(near, key=lambda each: each[2].memory_bytes)
    limit = spec.limits.memory_bytes or 0
    others = f", as do {len(near) - 1} more" if len(near) > 1 else ""
    return [
        Finding(
            Status.FAIL,
            Cause.MEMORY_NEAR_LIMIT,
            f"Pod {pod.name} uses {memory(used.memory_bytes)} ({used.memory_bytes / limit:.0%}) of its "
            f"{memory(limit)} memory limit, allowed {share_limit:.0%}{others}.",
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
