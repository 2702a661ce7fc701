"""Pods and their controllers (JSON as the API serves it, or a manifest's YAML) -> records. Pure.

One parser for both, so that what is desired and what runs are compared in the same terms. No function here raises on an
object's content: see ``fields``. Pod templates are read by ``podspec``, everything
around the pods by ``surroundings``.
"""

from collections.abc import Iterable
from typing import Literal

from gate.readers import fields
from gate.readers.common import conditions, owner, revision
from gate.readers.fields import Raw
from gate.readers.podspec import pod_spec
from gate.readers.quantity import millicores, whole
from gate.records import (
    ContainerState,
    ContainerStatus,
    Deployment,
    Hpa,
    Pod,
    PodUsage,
    ReplicaSet,
)

CHANGE_CAUSE = "kubernetes.io/change-cause"

# A terminated container's message is what the process wrote to its termination log, or the end of its log
# (terminationMessagePolicy): it may hold patient data. Only for these reasons is it the text of runtime or kubelet.
RUNTIME_REASONS = frozenset({"StartError", "ContainerCannotRun", "ContainerStatusUnknown", "RunContainerError"})


# --- Controllers ------------------------------------------------------------------------------------------------------


def deployment(raw: Raw) -> Deployment:
    """Return a Deployment."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    rolling = fields.child(spec, "strategy", "rollingUpdate")
    deadline_s = fields.integer(spec, "progressDeadlineSeconds")
    history_limit = fields.integer(spec, "revisionHistoryLimit")
    return Deployment(
        name=fields.text(meta, "name"),
        namespace=fields.text(meta, "namespace"),
        uid=fields.text(meta, "uid"),
        labels=fields.labels(meta, "labels"),
        selector=fields.labels(spec, "selector", "matchLabels"),
        template_labels=fields.labels(spec, "template", "metadata", "labels"),
        template=pod_spec(fields.at(spec, "template", "spec")),
        revision=revision(meta),
        generation=fields.count(meta, "generation"),
        observed_generation=fields.integer(status, "observedGeneration"),
        desired=fields.integer(spec, "replicas"),
        strategy=fields.text(spec, "strategy", "type", default="RollingUpdate"),
        max_surge=fields.text(rolling, "maxSurge", default="25%"),
        max_unavailable=fields.text(rolling, "maxUnavailable", default="25%"),
        progress_deadline_s=600 if deadline_s is None else deadline_s,
        min_ready_s=fields.count(spec, "minReadySeconds"),
        history_limit=10 if history_limit is None else history_limit,
        paused=fields.flag(spec, "paused") or False,
        current=fields.count(status, "replicas"),
        updated=fields.count(status, "updatedReplicas"),
        ready=fields.count(status, "readyReplicas"),
        available=fields.count(status, "availableReplicas"),
        conditions=conditions(status),
    )


def replica_set(raw: Raw) -> ReplicaSet:
    """Return a ReplicaSet."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    return ReplicaSet(
        name=fields.text(meta, "name"),
        uid=fields.text(meta, "uid"),
        revision=revision(meta),
        labels=fields.labels(meta, "labels"),
        owner=owner(meta),
        created_at=fields.time(meta, "creationTimestamp"),
        generation=fields.count(meta, "generation"),
        observed_generation=fields.integer(status, "observedGeneration"),
        desired=fields.count(spec, "replicas"),
        current=fields.count(status, "replicas"),
        ready=fields.count(status, "readyReplicas"),
        available=fields.count(status, "availableReplicas"),
        template=pod_spec(fields.at(spec, "template", "spec")),
        conditions=conditions(status),
        change_cause=fields.text(meta, "annotations", CHANGE_CAUSE),
    )


#: --horizontal-pod-autoscaler-downscale-stabilization of kube-controller-manager, unless the HPA's behavior says else.
DOWNSCALE_DEFAULT_S = 300
#: Of an HPA that names no metric (pkg/apis/autoscaling, DefaultCPUUtilization; kubectl explain hpa.spec.metrics).
CPU_DEFAULT_PERCENT = 80


def hpa(raw: Raw) -> Hpa:
    """Return a HorizontalPodAutoscaler of autoscaling/v2; a manifest's may be of v1, which has one percentage."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    min_replicas = fields.integer(spec, "minReplicas")
    metrics = tuple(fields.children(spec, "metrics"))
    window_s = fields.integer(spec, "behavior", "scaleDown", "stabilizationWindowSeconds")
    return Hpa(
        name=fields.text(meta, "name"),
        target_kind=fields.text(spec, "scaleTargetRef", "kind"),
        target_name=fields.text(spec, "scaleTargetRef", "name"),
        min_replicas=1 if min_replicas is None else min_replicas,
        max_replicas=fields.count(spec, "maxReplicas"),
        current_replicas=fields.integer(status, "currentReplicas"),
        desired_replicas=fields.integer(status, "desiredReplicas"),
        cpu_target_percent=_cpu_percent(metrics, "target")
        if metrics
        else fields.integer(spec, "targetCPUUtilizationPercentage") or CPU_DEFAULT_PERCENT,
        cpu_current_percent=_cpu_percent(fields.children(status, "currentMetrics"), "current"),
        conditions=conditions(status),
        created_at=fields.time(meta, "creationTimestamp"),
        last_scaled_at=fields.time(status, "lastScaleTime"),
        scale_down_window_s=DOWNSCALE_DEFAULT_S if window_s is None else window_s,
    )


def _cpu_percent(metrics: Iterable[Raw], side: str) -> int | None:
    for metric in metrics:
        for source in ("resource", "containerResource"):
            if fields.text(metric, source, "name") == "cpu":
                return fields.integer(metric, source, side, "averageUtilization")
    return None


# --- Pods -------------------------------------------------------------------------------------------------------------


def pod(raw: Raw) -> Pod:
    """Return a pod."""
    spec, status, meta = fields.child(raw, "spec"), fields.child(raw, "status"), fields.child(raw, "metadata")
    return Pod(
        name=fields.text(meta, "name"),
        namespace=fields.text(meta, "namespace"),
        uid=fields.text(meta, "uid"),
        labels=fields.labels(meta, "labels"),
        owner=owner(meta),
        node=fields.optional_text(spec, "nodeName"),
        phase=fields.text(status, "phase", default="Unknown"),
        reason=fields.text(status, "reason"),
        message=fields.text(status, "message"),
        ip=fields.optional_text(status, "podIP"),
        created_at=fields.time(meta, "creationTimestamp"),
        deleted_at=fields.time(meta, "deletionTimestamp"),
        conditions=conditions(status),
        spec=pod_spec(spec),
        statuses=(
            *(_container_status(each, init=True) for each in fields.children(status, "initContainerStatuses")),
            *(_container_status(each, init=False) for each in fields.children(status, "containerStatuses")),
        ),
    )


def _container_status(raw: Raw, *, init: bool) -> ContainerStatus:
    last = fields.child(raw, "lastState")
    return ContainerStatus(
        name=fields.text(raw, "name"),
        init=init,
        image=fields.text(raw, "image"),
        image_id=fields.text(raw, "imageID"),
        ready=fields.flag(raw, "ready") or False,
        started=fields.flag(raw, "started"),
        restarts=fields.count(raw, "restartCount"),
        state=_state(fields.child(raw, "state")),
        last_state=_state(last) if last else None,
    )


def _state(raw: Raw) -> ContainerState:
    kinds: tuple[Literal["waiting", "running", "terminated"], ...] = ("waiting", "running", "terminated")
    for kind in kinds:
        if kind not in raw:
            continue
        detail = fields.child(raw, kind)
        reason = fields.text(detail, "reason")
        safe = kind != "terminated" or reason in RUNTIME_REASONS
        return ContainerState(
            kind=kind,
            reason=reason,
            message=fields.text(detail, "message") if safe else "",
            exit_code=fields.integer(detail, "exitCode"),
            signal=fields.integer(detail, "signal"),
            started_at=fields.time(detail, "startedAt"),
            finished_at=fields.time(detail, "finishedAt"),
        )
    return ContainerState(kind="unknown")


def pod_usage(raw: Raw) -> tuple[PodUsage, ...]:
    """Return what the metrics API (PodMetrics of metrics.k8s.io/v1beta1) says of each container of a pod."""
    return tuple(
        PodUsage(
            pod=fields.text(raw, "metadata", "name"),
            container=fields.text(each, "name"),
            cpu_m=cpu_m,
            memory_bytes=memory_bytes,
            at=fields.time(raw, "timestamp"),
            window_s=fields.duration_s(raw, "window"),
        )
        for each in fields.children(raw, "containers")
        if (cpu_m := millicores(fields.at(each, "usage", "cpu"))) is not None
        and (memory_bytes := whole(fields.at(each, "usage", "memory"))) is not None
    )
