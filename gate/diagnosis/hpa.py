"""HPA-1 and MET-0: the autoscaler reads metrics, can scale, targets the right CPU share, and is not pinned.

An autoscaler that reads nothing looks like one that has nothing to do, so its conditions are judged, not its replica
count alone. A fresh one, or fresh pods, have no metrics for half a minute and are not broken: that is INCONCLUSIVE with
the time to wait. Judge before the gate's own questions load the pods.
"""

import math
from collections.abc import Sequence

from gate.causes import Cause
from gate.diagnosis.ownership import counted, pods_of_deployment
from gate.diagnosis.unread import unread_finding
from gate.diagnosis.wording import count, duration, names, quote, seconds_between
from gate.records import Condition, ContainerSpec, Hpa, Pod, Snapshot, Unreadable
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_HPA = "HPA-1"
_METRICS = "MET-0"

#: metrics-server shows a pod after two scrapes 15 s apart (--metric-resolution), the autoscaler looks every 15 s
#: (kube-controller-manager --horizontal-pod-autoscaler-sync-period); a quarter more for the pod that started just
#: after a scrape.
METRICS_LAG_S = 60.0

#: After its window for scaling down the autoscaler acts at its next look (its sync period, see above).
SYNC_S = 15.0

#: Reasons of ScalingActive=False that time alone may mend, while metrics arrive for the first time.
_PASSING = frozenset({"FailedGetResourceMetric", "FailedGetContainerResourceMetric", "FailedComputeMetricsReplicas"})


def hpa_verdict(snapshot: Snapshot, *, hpa: str, deployment: str, container: str, cpu_target_percent: float) -> Verdict:
    """Judge HPA-1.

    Args:
        snapshot: read before the gate's own questions load the pods.
        hpa: its name.
        deployment: what it must scale.
        container: the container whose missing CPU request is named first.
        cpu_target_percent: per cent of the CPU request that it must target.
    """
    scaler = snapshot.hpa(hpa)
    if scaler is None:
        lacking = _missing(snapshot, hpa)
        return Verdict(_HPA, lacking.status, lacking.reason, lacking.evidence, lacking.cause, lacking.remedy)
    findings = [
        *_requests(snapshot, deployment, container),
        *_reference(snapshot, scaler, deployment),
        *_able(snapshot, scaler),  # one that cannot even read what it scales looks for no metrics
        *_active(snapshot, scaler, deployment),
        *_target(snapshot, scaler, cpu_target_percent),
        *_unsaid(snapshot, scaler),
        *_pinned(snapshot, scaler, deployment, cpu_target_percent),
    ]
    return judged(_HPA, findings, _pass(snapshot, scaler))


def _pass(snapshot: Snapshot, hpa: Hpa) -> Verdict:
    reason = (
        f"HPA/{hpa.name} reads {hpa.cpu_current_percent} % CPU against its {hpa.cpu_target_percent} % target and holds "
        f"{hpa.current_replicas} replicas of {hpa.min_replicas} to {hpa.max_replicas}."
    )
    conditions = [_condition_evidence(hpa, each) for each in hpa.conditions]
    return passed(_HPA, reason, [_scale_evidence(snapshot, hpa), *conditions])


def _seen(snapshot: Snapshot) -> Evidence:
    known = names([each.name for each in snapshot.hpas]) or "none"
    return Evidence(f"Namespace/{snapshot.namespace}", "horizontalpodautoscalers", known, snapshot.read_at)


def _scale_evidence(snapshot: Snapshot, hpa: Hpa) -> Evidence:
    value = (
        f"replicas {hpa.current_replicas} (desired {hpa.desired_replicas}, {hpa.min_replicas} to {hpa.max_replicas}), "
        f"CPU {hpa.cpu_current_percent} % of the request, target {hpa.cpu_target_percent} %"
    )
    return Evidence(f"HPA/{hpa.name}", "status", value, snapshot.read_at)


def _condition_evidence(hpa: Hpa, condition: Condition) -> Evidence:
    value = f"{condition.status} ({condition.reason})"
    return Evidence(f"HPA/{hpa.name}", f"condition {condition.type}", value, condition.at)


def _describe(snapshot: Snapshot, hpa: str) -> str:
    return f"kubectl describe hpa {hpa} -n {snapshot.namespace}"


def _missing(snapshot: Snapshot, hpa: str) -> Finding:
    unread = snapshot.unread("hpas")
    if unread is not None:
        return unread_finding(snapshot, unread, subject="The autoscalers", resource="horizontalpodautoscalers")
    known = names([each.name for each in snapshot.hpas]) or "none"
    return Finding(
        Status.FAIL,
        Cause.HPA_NOT_FOUND,
        f"HPA/{hpa} does not exist in namespace {snapshot.namespace}; autoscalers there: {known}.",
        (_seen(snapshot),),
        f"Apply the autoscaler, then check it: kubectl get hpa {hpa} -n {snapshot.namespace}",
    )


# --- What the autoscaler needs ----------------------------------------------------------------------------------------


def _pods(snapshot: Snapshot, deployment: str) -> tuple[Pod, ...]:
    owner = snapshot.deployment(deployment)
    return counted(pods_of_deployment(snapshot, owner)) if owner else ()


def _requests(snapshot: Snapshot, deployment: str, container: str) -> list[Finding]:
    """Return the finding for containers without a CPU request: one of them is enough to blind the autoscaler.

    A pod is looked at rather than the template where there is one: a LimitRange may have filled the request in.
    """
    owner = snapshot.deployment(deployment)
    pods = _pods(snapshot, deployment)
    spec = pods[0].spec if pods else owner.template if owner else None
    if spec is None or spec.pod_requests.cpu_m:
        return []
    without = sorted(
        (each.name for each in spec.containers if _counts(each) and not (each.requests.cpu_m or each.limits.cpu_m)),
        key=lambda name: name != container,
    )
    if not without:
        return []
    subject = f"Pod/{pods[0].name}" if pods else f"Deployment/{deployment}"
    return [
        Finding(
            Status.FAIL,
            Cause.HPA_NO_CPU_REQUEST,
            f"Container {names(without)} of Deployment/{deployment} has no CPU request, so the autoscaler has nothing "
            "to take a percentage of.",
            tuple(
                Evidence(subject, f"containers[{name}].resources.requests.cpu", "none", snapshot.read_at)
                for name in without
            ),
            f"Set one: kubectl set resources deployment/{deployment} -c {without[0]} --requests=cpu=250m "
            f"-n {snapshot.namespace} (and in the manifest).",
        )
    ]


def _counts(container: ContainerSpec) -> bool:
    return container.sidecar or not container.init


def _reference(snapshot: Snapshot, hpa: Hpa, deployment: str) -> list[Finding]:
    if (hpa.target_kind, hpa.target_name) == ("Deployment", deployment):
        return []
    scaled = f"{hpa.target_kind}/{hpa.target_name}"
    patch = f'{{"spec":{{"scaleTargetRef":{{"kind":"Deployment","name":"{deployment}"}}}}}}'
    return [
        Finding(
            Status.FAIL,
            Cause.HPA_WRONG_TARGET,
            f"HPA/{hpa.name} scales {scaled}, not Deployment/{deployment}.",
            (Evidence(f"HPA/{hpa.name}", "spec.scaleTargetRef", scaled, snapshot.read_at),),
            f"Correct it: kubectl patch hpa {hpa.name} -n {snapshot.namespace} --type merge -p '{patch}'",
        )
    ]


def _freshness_s(snapshot: Snapshot, hpa: Hpa, deployment: str) -> float | None:
    """Return for how long there could have been metrics: since the autoscaler and a first ready pod were there."""
    ready = [each.at for pod in _pods(snapshot, deployment) if pod.ready and (each := pod.condition("Ready"))]
    ages = [seconds_between(at, snapshot.read_at) for at in ready]
    known = [each for each in ages if each is not None]
    own = seconds_between(hpa.created_at, snapshot.read_at)
    both = [each for each in (own, max(known, default=None)) if each is not None]
    return min(both, default=None)


def _active(snapshot: Snapshot, hpa: Hpa, deployment: str) -> list[Finding]:
    condition = hpa.condition("ScalingActive")
    if condition is not None and condition.status == "True":
        return []
    evidence = (
        _condition_evidence(hpa, condition)
        if condition
        else Evidence(f"HPA/{hpa.name}", "condition ScalingActive", "not there", snapshot.read_at)
    )
    message = quote(condition.message) if condition else ""
    unread = snapshot.unread("metrics")
    if unread is not None and unread.kind == "not_served":
        return [_no_metrics_api(snapshot, unread, f"HPA/{hpa.name} reads no metrics")]
    if "missing request for cpu" in message.lower():
        return [
            Finding(
                Status.FAIL,
                Cause.HPA_NO_CPU_REQUEST,
                f"HPA/{hpa.name} cannot scale: {message}.",
                (evidence,),
                f"Give every container a CPU request: kubectl set resources deployment/{deployment} "
                f"--requests=cpu=250m -n {snapshot.namespace} (and in the manifest).",
            )
        ]
    reason = condition.reason if condition else "no condition yet"
    age_s = _freshness_s(snapshot, hpa, deployment)
    passing = condition is None or condition.status == "Unknown" or condition.reason in _PASSING
    fresh = passing and age_s is not None and age_s < METRICS_LAG_S
    age = "an unknown time" if age_s is None else duration(age_s)
    said = f"{reason}: {message}" if message else reason
    return [
        Finding(
            Status.INCONCLUSIVE if fresh else Status.FAIL,
            Cause.HPA_NO_METRICS,
            f"HPA/{hpa.name} has read no metrics for {age} ({said})"
            + (f"; they take up to {duration(METRICS_LAG_S)}." if fresh else "."),
            (evidence,),
            f"Run the gate again in {duration(METRICS_LAG_S)}."
            if fresh
            else f"Compare with what the metrics API says: kubectl top pods -n {snapshot.namespace}; "
            f"{_describe(snapshot, hpa.name)}",
        )
    ]


def _able(snapshot: Snapshot, hpa: Hpa) -> list[Finding]:
    condition = hpa.condition("AbleToScale")
    if condition is None or condition.status == "True":
        return []
    return [
        Finding(
            Status.FAIL if condition.status == "False" else Status.INCONCLUSIVE,
            Cause.HPA_CANNOT_SCALE,
            f"HPA/{hpa.name} cannot scale ({condition.reason}): {quote(condition.message) or 'no message'}.",
            (_condition_evidence(hpa, condition),),
            f"Look at its events: {_describe(snapshot, hpa.name)}",
        )
    ]


def _unsaid(snapshot: Snapshot, hpa: Hpa) -> list[Finding]:
    """Return the finding for a status that leaves out what has to be judged: it is not known to be good."""
    facts = {
        "condition AbleToScale": hpa.condition("AbleToScale"),
        "currentMetrics[cpu]": hpa.cpu_current_percent,
        "currentReplicas": hpa.current_replicas,
    }
    unsaid = [name for name, fact in facts.items() if fact is None]
    if not unsaid:
        return []
    return [
        Finding(
            Status.INCONCLUSIVE,
            Cause.HPA_NO_METRICS,
            f"HPA/{hpa.name} does not say {names(unsaid)} in its status.",
            tuple(Evidence(f"HPA/{hpa.name}", f"status {each}", "not there", snapshot.read_at) for each in unsaid),
            f"Run the gate again in {duration(METRICS_LAG_S)}; if it stays: {_describe(snapshot, hpa.name)}",
        )
    ]


def _target(snapshot: Snapshot, hpa: Hpa, wanted: float) -> list[Finding]:
    if hpa.cpu_target_percent == wanted:
        return []
    says = "no CPU target" if hpa.cpu_target_percent is None else f"{hpa.cpu_target_percent} % CPU as its target"
    return [
        Finding(
            Status.FAIL,
            Cause.HPA_WRONG_TARGET,
            f"HPA/{hpa.name} has {says}, {wanted:g} % is wanted.",
            (Evidence(f"HPA/{hpa.name}", "spec.metrics[cpu].averageUtilization", says, snapshot.read_at),),
            f"Set averageUtilization to {wanted:g} in the manifest of HPA/{hpa.name} and apply it.",
        )
    ]


# --- At its maximum ---------------------------------------------------------------------------------------------------


def _pinned(snapshot: Snapshot, hpa: Hpa, deployment: str, wanted: float) -> list[Finding]:
    """Return the finding for an autoscaler that has no room left.

    How many replicas the load needs is the autoscaler's own formula, ceil(current x usage / target). At the maximum
    while fewer would do is normal for the time it waits before it scales down, and a fault after that. It waits from
    the last time that it wanted as many, which a pod that starts may have made it do: a rollout begins the time anew.
    """
    current, cpu = hpa.current_replicas, hpa.cpu_current_percent
    if current is None or current < hpa.max_replicas or hpa.max_replicas == hpa.min_replicas or cpu is None:
        return _pinned_single(snapshot, hpa, wanted)
    target = hpa.cpu_target_percent or wanted
    needed = math.ceil(current * cpu / target)
    moved = [("it scaled", hpa.last_scaled_at or hpa.created_at)]
    moved += [("a pod started", each.created_at) for each in _pods(snapshot, deployment)]
    ages = [(age_s, what) for what, at in moved if (age_s := seconds_between(at, snapshot.read_at)) is not None]
    window_s = hpa.scale_down_window_s + SYNC_S
    moved_s, how = min(ages, default=(math.inf, ""))
    waits = needed < hpa.max_replicas and moved_s < window_s
    full = needed == hpa.max_replicas
    if needed > hpa.max_replicas:
        why = f"{cpu} % CPU against {target:g} % would take {needed}"
        remedy = "Raise maxReplicas, or the CPU request to what inference really uses"
    elif full:
        why = f"{cpu} % CPU against {target:g} % needs them all"
        remedy = "Raise maxReplicas before the load grows"
    elif waits:
        why = f"{cpu} % CPU needs {needed}; {how} {duration(moved_s)} ago and it waits {duration(window_s)}"
        remedy = "Wait for it to come down, and raise the CPU request if the load of a model alone drives it up"
    else:
        why = f"{cpu} % CPU needs {needed}, it is idle"
        remedy = "Find what holds it up, and raise the CPU request if the load of a model alone drives it up"
    return [
        Finding(
            Status.WARN if waits or full else Status.FAIL,
            Cause.HPA_AT_MAXIMUM,
            f"HPA/{hpa.name} stands at its maximum of {hpa.max_replicas} replicas: {why}.",
            (_scale_evidence(snapshot, hpa), *_limited(hpa)),
            f"{remedy}: {_describe(snapshot, hpa.name)}",
        )
    ]


def _limited(hpa: Hpa) -> tuple[Evidence, ...]:
    condition = hpa.condition("ScalingLimited")
    return (_condition_evidence(hpa, condition),) if condition else ()


def _pinned_single(snapshot: Snapshot, hpa: Hpa, wanted: float) -> list[Finding]:
    """Return the finding where minimum equals maximum: pinned by its own bounds, which only a load makes a fault."""
    cpu, target = hpa.cpu_current_percent, hpa.cpu_target_percent or wanted
    if hpa.max_replicas != hpa.min_replicas or cpu is None or cpu <= target:
        return []
    return [
        Finding(
            Status.FAIL,
            Cause.HPA_AT_MAXIMUM,
            f"HPA/{hpa.name} may not scale (minimum and maximum are both {hpa.max_replicas}) and its pods use {cpu} % "
            f"CPU against {target:g} %.",
            (_scale_evidence(snapshot, hpa),),
            f"Raise maxReplicas in the manifest of HPA/{hpa.name} and apply it.",
        )
    ]


# --- MET-0 ------------------------------------------------------------------------------------------------------------


def metrics_api_verdict(snapshot: Snapshot) -> Verdict:
    """Judge MET-0: the metrics API serves, and has figures where pods have run long enough to have some."""
    evidence = Evidence("API group metrics.k8s.io", "pods", _figures(snapshot), snapshot.read_at)
    otherwise = passed(_METRICS, f"The metrics API serves: {_figures(snapshot)}.", [evidence])
    unread = snapshot.unread("metrics")
    if unread is None:
        return judged(_METRICS, _no_figures(snapshot, evidence), otherwise)
    if unread.kind == "not_served":
        return judged(_METRICS, [_no_metrics_api(snapshot, unread, "An autoscaler cannot work")], otherwise)
    lacking = unread_finding(snapshot, unread, subject="The metrics", resource="pods.metrics.k8s.io")
    return judged(_METRICS, [lacking], otherwise)


def _figures(snapshot: Snapshot) -> str:
    pods = len({each.pod for each in snapshot.usage})
    return f"figures of {count(pods, 'pod')} in namespace {snapshot.namespace}"


def _no_metrics_api(snapshot: Snapshot, unread: Unreadable, effect: str) -> Finding:
    return Finding(
        Status.FAIL,
        Cause.METRICS_API_MISSING,
        f"{effect}: the cluster does not serve metrics.k8s.io ({quote(unread.message)}).",
        (Evidence("API group metrics.k8s.io", "discovery", unread.kind, snapshot.read_at),),
        "Install metrics-server, or read why it is down: kubectl get apiservice v1beta1.metrics.k8s.io -o yaml",
    )


def _no_figures(snapshot: Snapshot, evidence: Evidence) -> list[Finding]:
    if snapshot.usage:
        return []
    old = _running_since(snapshot.pods, snapshot)
    if not old:
        return []
    return [
        Finding(
            Status.FAIL,
            Cause.METRICS_MISSING,
            f"The metrics API serves but has no figures of any of {count(len(old), 'pod')} that have run for more than "
            f"{duration(METRICS_LAG_S)}.",
            (evidence, *(Evidence(f"Pod/{each.name}", "usage", "none", snapshot.read_at) for each in old[:3])),
            "Read metrics-server's log: kubectl logs -n kube-system -l k8s-app=metrics-server --tail=20",
        )
    ]


def _running_since(pods: Sequence[Pod], snapshot: Snapshot) -> list[Pod]:
    """Return the running pods old enough to have been measured."""
    return [
        each
        for each in pods
        if each.phase == "Running"
        and (seconds_between(each.created_at, snapshot.read_at) or 0.0) > METRICS_LAG_S
        and not each.terminating
    ]
