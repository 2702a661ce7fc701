"""Why there is no pod to look at: the API server refuses each one that the ReplicaSet tries to create.

The ReplicaSet's condition ReplicaFailure carries the refusal; its events repeat it and expire, so they are not asked.
"""

import re
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.ownership import ENDED
from gate.diagnosis.wording import quote, seconds_between
from gate.records import Condition, Deployment, ReplicaSet, Snapshot
from gate.verdict import Evidence, Finding, Status


@dataclass(frozen=True, slots=True)
class RolloutFault:
    """A fault of the rollout as a whole; ``final`` as for a pod: no waiting will mend it."""

    finding: Finding
    final: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a refusal tells of; the templates take the pattern's groups, ``namespace`` and ``message``."""

    pattern: re.Pattern[str]
    cause: Cause
    what: str
    remedy: str


# Texts of kubernetes/kubernetes 1.34; the file stands before each.
_RULES: tuple[_Rule, ...] = (
    # apiserver/pkg/admission/plugin/resourcequota/controller.go
    _Rule(
        re.compile(
            r"exceeded quota: (?P<name>\S+), requested: (?P<asked>.+), used: (?P<used>.+), limited: (?P<hard>.+)$"
        ),
        Cause.ADMISSION_QUOTA,
        "the quota {name} allows {hard}, {used} is used and {asked} is asked for",
        "Raise the quota, or lower requests and replicas: kubectl describe quota {name} -n {namespace}",
    ),
    _Rule(
        re.compile(r"failed quota: (?P<name>\S+): must specify (?P<what>.+)$"),
        Cause.ADMISSION_QUOTA,
        "the quota {name} demands that every container states {what}",
        "State these requests and limits in the template: kubectl describe quota {name} -n {namespace}",
    ),
    # plugin/pkg/admission/limitranger/admission.go
    _Rule(
        re.compile(r"(?P<rule>(?:maximum|minimum) \S+ usage per \S+ is .+|max limit to request ratio per .+)$"),
        Cause.ADMISSION_LIMIT_RANGE,
        "the namespace's LimitRange forbids them: {rule}",
        "Bring requests and limits within it: kubectl describe limitrange -n {namespace}",
    ),
    # pod-security-admission/admission/admission.go
    _Rule(
        re.compile(r'violates PodSecurity "(?P<level>[^"]+)": (?P<why>.+)$'),
        Cause.ADMISSION_POD_SECURITY,
        "the namespace's Pod Security level {level} forbids them: {why}",
        "Set the securityContext that the message asks for.",
    ),
    # plugin/pkg/admission/serviceaccount/admission.go
    _Rule(
        re.compile(r"error looking up service account [^/\s]+/(?P<name>\S+?):"),
        Cause.ADMISSION_SERVICE_ACCOUNT,
        "the ServiceAccount {name} does not exist in namespace {namespace}",
        "Create it, or correct serviceAccountName: kubectl create serviceaccount {name} -n {namespace}",
    ),
    # apiserver/pkg/admission/plugin/webhook/errors/statuserror.go, ../mutating/dispatcher.go
    _Rule(
        re.compile(r'admission webhook "(?P<name>[^"]+)" (?P<why>denied.+)$'),
        Cause.ADMISSION_WEBHOOK,
        "the admission webhook {name} {why}",
        "Do what it asks for, or ask its owner: kubectl get validatingwebhookconfigurations",
    ),
    _Rule(
        re.compile(r'failed calling webhook "(?P<name>[^"]+)": (?P<why>.+)$'),
        Cause.ADMISSION_WEBHOOK,
        "the admission webhook {name} does not answer: {why}",
        "Mend the webhook's Service, or take its configuration away: kubectl get validatingwebhookconfigurations",
    ),
    _Rule(
        re.compile(r""),
        Cause.ADMISSION_REFUSED,
        "the API server refuses them: {message}",
        "Read the events: kubectl get events -n {namespace} --field-selector reason=FailedCreate",
    ),
)


def creation_refused(snapshot: Snapshot, deployment: Deployment, newest: ReplicaSet | None) -> RolloutFault | None:
    """Return why the newest revision's pods (or the ReplicaSet itself) cannot be created, None if they can."""
    refused = _condition(deployment, newest)
    if refused is None:
        return None
    owner, condition = refused
    text = " ".join(condition.message.split())
    rule, match = next((rule, found) for rule in _RULES if (found := rule.pattern.search(text)))
    facts = {name: quote(value) for name, value in match.groupdict().items()}
    facts |= {"namespace": snapshot.namespace, "message": quote(text) or "it does not say why"}
    lasted_s = seconds_between(condition.at, snapshot.read_at)
    leaving = rule.cause is Cause.ADMISSION_QUOTA and any(pod.phase not in ENDED for pod in snapshot.terminating)
    finding = Finding(
        Status.FAIL,
        rule.cause,
        f"{owner} cannot create its pods: {rule.what.format(**facts)}.",
        (
            Evidence(owner, f"status.conditions[{condition.type}].reason", condition.reason, condition.at),
            Evidence(owner, f"status.conditions[{condition.type}].message", quote(condition.message), condition.at),
        ),
        rule.remedy.format(**facts),
    )
    return RolloutFault(finding, final=not leaving and (lasted_s is None or lasted_s >= tolerances.ADMISSION_S))


def _condition(deployment: Deployment, newest: ReplicaSet | None) -> tuple[str, Condition] | None:
    if newest is not None:
        for condition in newest.conditions:
            if condition.type == "ReplicaFailure" and condition.status == "True" and condition.reason == "FailedCreate":
                return f"ReplicaSet/{newest.name}", condition
    progressing = deployment.condition("Progressing")
    if progressing is not None and progressing.reason == "ReplicaSetCreateError":
        return f"Deployment/{deployment.name}", progressing
    return None
