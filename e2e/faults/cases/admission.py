"""Pods that the API server refuses: there is nothing to look at but the ReplicaSet."""

from e2e.faults.app import App
from e2e.faults.case import Case, Change
from e2e.faults.conditions import refused
from gate.causes import Cause
from gate.diagnosis.tolerances import ADMISSION_S


def quota(**hard: str) -> Change:
    """Limit the namespace; an underscore stands for a dot."""

    def change(app: App) -> None:
        limits = {key.replace("_", "."): value for key, value in hard.items()}
        app.add({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": limits}})

    return change


def memory_at_most(amount: str) -> Change:
    """Forbid containers with a greater memory limit."""

    def change(app: App) -> None:
        limit = {"type": "Container", "max": {"memory": amount}}
        app.add({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "sizes"}, "spec": {"limits": [limit]}})

    return change


def runs_as(service_account: str) -> Change:
    """Run under this ServiceAccount."""

    def change(app: App) -> None:
        app.pod["serviceAccountName"] = service_account

    return change


def restricted(*, escalation: bool) -> Change:
    """Enforce Pod Security "restricted" and allow privilege escalation or not."""

    def change(app: App) -> None:
        labels = app.document("Namespace", app.namespace)["metadata"]["labels"]
        labels["pod-security.kubernetes.io/enforce"] = "restricted"
        app.container["securityContext"]["allowPrivilegeEscalation"] = escalation

    return change


CASES = (
    Case(
        name="quota-used-up",
        incidents=(27,),
        fault=quota(requests_cpu="50m"),
        near_miss=quota(requests_cpu="80m"),
        terminal_when=refused,
        waited_s=ADMISSION_S,
        cause=Cause.ADMISSION_QUOTA,
    ),
    Case(
        name="limit-range",
        incidents=(27,),
        fault=memory_at_most("512Mi"),
        near_miss=memory_at_most("1Gi"),
        terminal_when=refused,
        waited_s=ADMISSION_S,
        cause=Cause.ADMISSION_LIMIT_RANGE,
    ),
    Case(
        name="service-account-missing",
        fault=runs_as("chat-api-v2"),
        near_miss=runs_as("default"),
        terminal_when=refused,
        waited_s=ADMISSION_S,
        cause=Cause.ADMISSION_SERVICE_ACCOUNT,
    ),
    Case(
        name="pod-security",
        fault=restricted(escalation=True),
        near_miss=restricted(escalation=False),
        terminal_when=refused,
        waited_s=ADMISSION_S,
        cause=Cause.ADMISSION_POD_SECURITY,
    ),
)
