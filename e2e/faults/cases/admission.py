"""Pods that the API server refuses: there is nothing to look at but the ReplicaSet."""

from e2e.faults.app import App, Document
from e2e.faults.case import Act, Case, Change, nothing
from e2e.faults.cases.storage import removed
from e2e.faults.conditions import refused
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.tolerances import ADMISSION_S
from infra.commands import CommandError


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
        app.enforce("restricted")
        app.container["securityContext"]["allowPrivilegeEscalation"] = escalation

    return change


def guarded_by_webhook(failure_policy: str) -> Act:
    """Let a webhook that does not answer review every new pod, then bring new pods."""

    def act(hands: Hands) -> None:
        webhook = {
            "name": "pods.guard.example",
            "failurePolicy": failure_policy,
            "clientConfig": {"service": {"namespace": "kube-system", "name": "guard", "path": "/"}},
            "rules": [_NEW_PODS],
            "namespaceSelector": _only(hands.namespace),
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 2,
        }
        document = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": hands.namespace},
            "webhooks": [webhook],
        }
        _guard(hands, [document], bites=failure_policy == "Fail")

    return act


def guarded_by_policy(label: str) -> Act:
    """Let the API server refuse new pods without this label, then bring new pods."""

    def act(hands: Hands) -> None:
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": hands.namespace}}
        rule = {"expression": f"'{label}' in object.metadata.labels", "message": f"pods need the label {label}"}
        policy = {
            **kind,
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [_NEW_PODS]},
                "validations": [rule],
            },
        }
        binding = {
            **kind,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {
                "policyName": hands.namespace,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": _only(hands.namespace)},
            },
        }
        _guard(hands, [policy, binding], bites=True)

    return act


_NEW_PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}


def _only(namespace: str) -> Document:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def _guard(hands: Hands, documents: list[Document], *, bites: bool) -> None:
    """Apply the guard, wait until the API server knows it, and start the app's pods anew."""
    hands.apply(documents)
    if bites:
        hands.wait_until(lambda: _refuses(hands), timeout_s=30)
    hands.kubectl("rollout", "restart", "deployment/chat-api")


def _refuses(hands: Hands) -> bool:
    try:
        hands.kubectl("run", "probe", "--image=none", "--dry-run=server")
    except CommandError:
        return True
    return False


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
    Case(
        name="webhook-does-not-answer",
        first=nothing,
        fault=nothing,
        act=guarded_by_webhook("Fail"),
        near_miss=nothing,
        near_act=guarded_by_webhook("Ignore"),
        undo=removed("validatingwebhookconfiguration/{}"),
        terminal_when=refused,
        waited_s=ADMISSION_S,
        cause=Cause.ADMISSION_WEBHOOK,
    ),
    Case(
        name="policy-refuses",
        first=nothing,
        fault=nothing,
        act=guarded_by_policy("cost-centre"),
        near_miss=nothing,
        near_act=guarded_by_policy("app.kubernetes.io/part-of"),
        undo=removed("validatingadmissionpolicybinding/{}", "validatingadmissionpolicy/{}"),
        terminal_when=refused,
        waited_s=ADMISSION_S,
        cause=Cause.ADMISSION_REFUSED,
    ),
)
