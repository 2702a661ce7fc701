"""HPA-0: does what inference really uses leave the autoscaler room to scale, or does one question take it to its end.

Utilisation is a share of the CPU request, and inference uses whole CPUs: with a request far below, one question looks
like the load of many. Judged is what the autoscaler would want from figures of metrics-server, by its own formula;
whether a real one reads metrics and where it stands is HPA-1's. A pod that is not yet ready is left out of the average
(kube-controller-manager, --horizontal-pod-autoscaler-cpu-initialization-period), so that the load of a model counts
only where readiness does not wait for it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from gate.causes import Cause
from gate.records import ContainerSpec, Deployment, Hpa, ModelFacts, SettingsSchema, Snapshot
from gate.sizing.answering import Unsaid, run_of
from gate.sizing.latency import answer_times, node_types
from gate.sizing.offers import Planned
from gate.target import Model
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive, judged, passed

_HPA = "HPA-0"

#: Seconds that one figure of metrics-server averages over (its --metric-resolution; components.yaml of the project).
WINDOW_S = 15.0
#: kube-controller-manager, --horizontal-pod-autoscaler-tolerance: nothing is scaled while the ratio is this near to 1.
TOLERANCE = 0.1

#: The path that is 200 only once the model is loaded (CON-2 holds images to it).
_READY = "/ready"


@dataclass(frozen=True, slots=True)
class _Scaling:
    """The autoscaler's formula over pods of one request."""

    hpa: Hpa
    request_m: int
    target: float

    def wanted(self, used_m: float) -> int:
        """Return the replicas that it would want while so many millicores are used in all, at least its minimum."""
        replicas = used_m / (self.request_m * self.target / 100)
        within = replicas <= self.hpa.min_replicas * (1 + TOLERANCE)
        return self.hpa.min_replicas if within else math.ceil(replicas)

    def pins(self, used_m: float) -> bool:
        """Return whether that is all it may have, or more."""
        return self.hpa.max_replicas > self.hpa.min_replicas and self.wanted(used_m) >= self.hpa.max_replicas


def scaling_verdict(
    model: ModelFacts,
    workload: Deployment,
    hpa: Hpa | None,
    *,
    container: str,
    schema: SettingsSchema,
    use: Model,
    planned: Planned | None = None,
    snapshot: Snapshot | None = None,
) -> Verdict:
    """Judge HPA-0.

    Args:
        model: the model that is to answer.
        workload: the Deployment as it is meant to be.
        hpa: its HorizontalPodAutoscaler, None if there is none.
        container: the container that runs the service.
        schema: every setting of the service, with its default.
        use: the target's model section.
        planned: the nodes as planned.
        snapshot: the cluster, if it was read.

    Raises:
        LookupError: the Deployment has no such container.
    """
    spec = workload.container(container)
    where = f"Deployment/{workload.name}"
    if hpa is None:
        none = Evidence(where, "HorizontalPodAutoscaler", "none in the manifests")
        return passed(_HPA, f"Nothing scales {workload.name}: the manifests hold no autoscaler.", [none])
    target = hpa.cpu_target_percent
    if target is None:
        other = Evidence(f"HPA/{hpa.name}", "spec.metrics", "no CPU utilisation")
        return passed(
            _HPA, f"HPA/{hpa.name} does not scale by the CPU request: what inference uses cannot pin it.", [other]
        )
    name, namespace = workload.name, workload.namespace
    set_request = f"kubectl set resources deployment/{name} -n {namespace} -c {container} --requests=cpu="
    request_m = workload.template.requested.cpu_m or 0
    unfit = _refused(hpa)
    if unfit is None:
        unfit = _without_request(hpa, spec, where, set_request)
    if unfit is not None:
        return unfit
    run = run_of(model, spec, schema, use)
    if isinstance(run, Unsaid):
        return _unknown(run.shown, where)
    times = answer_times(model, run, use, node_types(workload, planned, snapshot))
    if isinstance(times, str):
        return _unknown(times, where)
    # The deadline ends what would take longer.
    short_s = min(run.deadline_s, *(each.fast_s for each in times))
    long_s = min(run.deadline_s, max(each.slow_s for each in times))
    busy_m = 1000 * max(each.rates.threads * each.rates.granted for each in times)
    load = _Load(
        scaling=_Scaling(hpa, request_m, target),
        right=_Scaling(hpa, max(request_m, math.ceil(busy_m)), target),
        busy_m=busy_m,
        short_s=short_s,
        long_s=long_s,
    )
    readiness = spec.readiness.path if spec.readiness else "none"
    evidence = tuple(_evidence(load, where, readiness))
    remedy = f"{set_request}{load.right.request_m}m"
    findings = [*_pinned(load, evidence, remedy), *_loading(load, readiness, evidence)]
    fine = (
        f"One question keeps {busy_m:.0f}m busy for {short_s:.1f} to {long_s:.1f} s, and with a request of "
        f"{request_m}m HPA/{hpa.name} then wants {load.scaling.wanted(load.question_m(long_s))} of "
        f"{hpa.min_replicas} to {hpa.max_replicas} replicas."
    )
    return judged(_HPA, findings, passed(_HPA, fine, evidence))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """What inference uses, and the autoscaler with the request as it is and as it would be right.

    Attributes:
        busy_m: millicores that a replica uses while it computes.
        short_s: seconds of one question, at least.
        long_s: seconds of one question, at most.
    """

    scaling: _Scaling
    right: _Scaling
    busy_m: float
    short_s: float
    long_s: float

    def question_m(self, seconds: float) -> float:
        """Return what one question adds to one figure of metrics-server."""
        return self.busy_m * min(1.0, seconds / WINDOW_S)


def _refused(hpa: Hpa) -> Verdict | None:
    """Return the verdict of an autoscaler that the API server does not take, None if it does."""
    if (hpa.cpu_target_percent or 0) > 0 and hpa.max_replicas >= hpa.min_replicas:
        return None
    asked = f"{hpa.min_replicas} to {hpa.max_replicas} replicas at {hpa.cpu_target_percent} % CPU"
    return Verdict(
        _HPA,
        Status.FAIL,
        f"HPA/{hpa.name} asks for {asked}, which Kubernetes refuses.",
        (Evidence(f"HPA/{hpa.name}", "spec", asked),),
        Cause.CONFIG_BAD_VALUE,
        f"Set maxReplicas of HPA/{hpa.name} to minReplicas or more, and averageUtilization above 0.",
    )


def _without_request(hpa: Hpa, spec: ContainerSpec, where: str, set_request: str) -> Verdict | None:
    """Return the verdict of a container without a CPU request, None if it has one."""
    if spec.requests.cpu_m:
        return None
    return Verdict(
        _HPA,
        Status.FAIL,
        f"Container {spec.name} has no CPU request, so that HPA/{hpa.name} has nothing to take a percentage of.",
        (Evidence(where, f"containers[{spec.name}].resources.requests.cpu", "none"),),
        Cause.HPA_NO_CPU_REQUEST,
        f"{set_request}{spec.limits.cpu_m or 1000}m",
    )


def _unknown(why: str, where: str) -> Verdict:
    return inconclusive(
        _HPA,
        Cause.GATE_NOT_MEASURED,
        f"How much CPU a question uses is unknown: {why}.",
        [Evidence(where, "CPU of one question", "unknown")],
        "Do what LAT-0 asks for: both rest on the same figures.",
    )


def _evidence(load: _Load, where: str, readiness: str) -> Iterator[Evidence]:
    hpa = load.scaling.hpa
    yield Evidence(where, "requests.cpu of one pod", f"{load.scaling.request_m}m")
    yield Evidence(where, "CPU while it computes", f"{load.busy_m:.0f}m, {_percent(load):.0f} % of the request")
    yield Evidence(
        f"HPA/{hpa.name}",
        "spec",
        f"{hpa.min_replicas} to {hpa.max_replicas} replicas at {load.scaling.target:g} % of the request; one figure "
        f"averages over {WINDOW_S:g} s",
    )
    all_busy_m = hpa.min_replicas * load.busy_m
    yield Evidence(
        f"HPA/{hpa.name}",
        f"wanted while {hpa.min_replicas} replicas compute without a pause",
        f"{load.scaling.wanted(all_busy_m)}; {load.right.wanted(all_busy_m)} with a request of {load.right.request_m}m",
    )
    yield Evidence(
        where,
        "readinessProbe path",
        f"{readiness}; a pod that is not ready is left out of the average while its model loads",
    )


def _percent(load: _Load) -> float:
    return 100 * load.busy_m / load.scaling.request_m


def _pinned(load: _Load, evidence: tuple[Evidence, ...], remedy: str) -> Iterator[Finding]:
    """Yield the finding for a request so small that it takes few questions to use up the autoscaler."""
    hpa, request_m = load.scaling.hpa, load.scaling.request_m
    uses = f"Inference uses {load.busy_m:.0f}m, {_percent(load):.0f} % of the CPU request of {request_m}m"
    for seconds, status, takes in ((load.short_s, Status.FAIL, "takes"), (load.long_s, Status.WARN, "may take")):
        used_m = load.question_m(seconds)
        if load.scaling.pins(used_m) and not load.right.pins(used_m):
            yield Finding(
                status,
                Cause.HPA_AT_MAXIMUM,
                f"{uses}: one question of {seconds:.1f} s {takes} HPA/{hpa.name} to its maximum of {hpa.max_replicas} "
                f"replicas ({load.scaling.target:g} % is its target).",
                evidence,
                remedy,
            )
            return
    all_busy_m = hpa.min_replicas * load.busy_m
    if load.scaling.pins(all_busy_m) and not load.right.pins(all_busy_m):
        yield Finding(
            Status.WARN,
            Cause.HPA_AT_MAXIMUM,
            f"{uses}: {hpa.min_replicas} busy replicas, which is HPA/{hpa.name}'s minimum, look like a load for "
            f"{load.scaling.wanted(all_busy_m)}, and it may have {hpa.max_replicas}; "
            f"{load.right.wanted(all_busy_m)} would be right.",
            evidence,
            remedy,
        )


def _loading(load: _Load, readiness: str, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    """Yield the finding for pods that count as ready while their model loads (incident 19)."""
    if readiness == _READY or not load.scaling.pins(load.busy_m):
        return
    hpa = load.scaling.hpa
    yield Finding(
        Status.WARN,
        Cause.HPA_AT_MAXIMUM,
        f"A fresh pod is ready before its model is loaded (readiness asks {readiness}), so that the load's "
        f"{load.busy_m:.0f}m count and take HPA/{hpa.name} to its maximum of {hpa.max_replicas} replicas while idle.",
        evidence,
        f"Let the readinessProbe ask {_READY}.",
    )
