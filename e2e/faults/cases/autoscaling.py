"""Autoscalers that cannot work, and one that is stuck."""

from functools import partial

from e2e.faults.app import App
from e2e.faults.case import WITHIN_S, Act, Case, Change, nothing, without
from e2e.faults.conditions import Look, hpa, ready
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.hpa import METRICS_LAG_S
from gate.waiting import FIGURES_S
from infra.cluster.instance import load_record
from infra.cluster.objects import system_objects
from infra.paths import cluster_name

METRICS_API = "apiservice/v1beta1.metrics.k8s.io"


def cpu(*, request: str | None = None, limit: str | None = None) -> Change:
    """State this CPU request and limit, and none where None."""

    def change(app: App) -> None:
        resources = app.container["resources"]
        for kind, value in (("requests", request), ("limits", limit)):
            resources[kind].pop("cpu", None)
            if value:
                resources[kind]["cpu"] = value

    return change


def hpa_target(percent: int) -> Change:
    """Scale at this CPU utilisation."""

    def change(app: App) -> None:
        app.hpa["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] = percent

    return change


def hpa_scales(name: str) -> Change:
    """Let the autoscaler scale the Deployment of this name."""

    def change(app: App) -> None:
        app.hpa["spec"]["scaleTargetRef"]["name"] = name

    return change


def hpa_measures(container: str) -> Change:
    """Scale by the CPU of this container."""

    def change(app: App) -> None:
        target = app.hpa["spec"]["metrics"][0]["resource"]["target"]
        source = {"name": "cpu", "container": container, "target": target}
        app.hpa["spec"]["metrics"] = [{"type": "ContainerResource", "containerResource": source}]

    return change


def hpa_scales_api(version: str) -> Change:
    """Look for the Deployment in this API version."""

    def change(app: App) -> None:
        app.hpa["spec"]["scaleTargetRef"]["apiVersion"] = version

    return change


def hpa_between(least: int, most: int, *, down: bool = True) -> Change:
    """Begin with two replicas, hold between so many, and scale down at once or never."""

    def change(app: App) -> None:
        rules = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max" if down else "Disabled"}
        app.hpa["spec"] |= {"minReplicas": least, "maxReplicas": most}
        app.hpa["spec"]["behavior"]["scaleDown"] = rules
        app.deployment["spec"]["replicas"] = 2

    return change


def both_up(hands: Hands) -> None:
    """Wait for both replicas."""
    hands.wait_for(ready(2), timeout_s=60)


def is_idle_at_maximum(look: Look) -> bool:
    """The autoscaler holds its maximum and measures less than its target."""
    return any(
        found["status"].get("currentReplicas") == found["spec"]["maxReplicas"]
        and any(
            # The API server shows a metric that has not been read yet as an entry without one.
            metric.get("resource", {}).get("current", {}).get("averageUtilization", 100) < 60
            for metric in found["status"].get("currentMetrics") or ()
        )
        for found in look("HorizontalPodAutoscaler")
    )


def metrics_api(*, served: bool) -> Act:
    """Take the metrics API away, or put it back as the launcher made it."""

    def act(hands: Hands) -> None:
        if served:
            record = load_record(cluster_name())
            if record is not None:
                hands.api.apply([each for each in system_objects(record.instance) if each["kind"] == "APIService"])
        else:
            hands.kubectl("delete", METRICS_API)

    return act


#: Told with the figures of the pods, which fresh ones do not have at once.
scales = partial(Case, criterion="HPA-1", model=True, waited_s=FIGURES_S, within_s=FIGURES_S + WITHIN_S)

CASES = (
    scales(
        name="hpa-missing",
        fault=without("HorizontalPodAutoscaler", "chat-api"),
        near_miss=nothing,
        terminal_when=ready(),
        cause=Cause.HPA_NOT_FOUND,
    ),
    scales(
        name="hpa-without-cpu-request",
        incidents=(18,),
        fault=cpu(),
        near_miss=cpu(limit="100m"),
        terminal_when=ready(),
        cause=Cause.HPA_NO_CPU_REQUEST,
    ),
    scales(
        name="hpa-scales-at-another-target",
        fault=hpa_target(90),
        near_miss=hpa_target(60),
        terminal_when=ready(),
        cause=Cause.HPA_WRONG_TARGET,
    ),
    scales(
        name="hpa-scales-another-deployment",
        fault=hpa_scales("chat"),
        near_miss=hpa_scales("chat-api"),
        terminal_when=ready(),
        cause=Cause.HPA_WRONG_TARGET,
    ),
    scales(
        name="hpa-measures-another-container",
        fault=hpa_measures("sidecar"),
        near_miss=hpa_measures("chat-api"),
        terminal_when=hpa("ScalingActive"),
        waited_s=METRICS_LAG_S,
        within_s=METRICS_LAG_S + WITHIN_S,
        cause=Cause.HPA_NO_METRICS,
    ),
    scales(
        name="hpa-scales-an-unknown-api",
        fault=hpa_scales_api("extensions/v1beta1"),
        near_miss=hpa_scales_api("apps/v1"),
        terminal_when=hpa("AbleToScale"),
        cause=Cause.HPA_CANNOT_SCALE,
    ),
    scales(
        name="hpa-at-maximum-while-idle",
        incidents=(19,),
        first=hpa_between(2, 2),
        fault=hpa_between(1, 2, down=False),
        act=both_up,
        near_miss=hpa_between(1, 3, down=False),
        near_act=both_up,
        terminal_when=is_idle_at_maximum,
        cause=Cause.HPA_AT_MAXIMUM,
    ),
    scales(
        name="metrics-api-missing",
        incidents=(18,),
        first=nothing,
        fault=nothing,
        act=metrics_api(served=False),
        near_miss=nothing,
        near_act=metrics_api(served=True),
        undo=metrics_api(served=True),
        terminal_when=ready(),
        alone=True,
        cause=Cause.METRICS_API_MISSING,
    ),
)
