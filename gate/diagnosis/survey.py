"""What is wrong in a namespace right now: every Deployment with the Services and autoscalers that hang on it.

Needs no target: what belongs together is told from selectors and references. One root cause for each Deployment, and
what follows from it, or stands beside it, below: an autoscaler without figures under the pod that does not run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gate.diagnosis.endpoints import endpoint_findings
from gate.diagnosis.hpa import hpa_verdict
from gate.diagnosis.progress import assess
from gate.diagnosis.unread import ROLLOUT, WAY_TO_PODS, Named, without_unread
from gate.records import Deployment, Service, Snapshot
from gate.verdict import SEVERITY, Finding, Status, Verdict, judged

#: What a look without a target needs to have seen before it says that a Deployment is well.
SURVEYED: Mapping[str, Named] = {
    **ROLLOUT,
    **WAY_TO_PODS,
    "hpas": Named("The autoscalers", "horizontalpodautoscalers"),
}


def survey(snapshot: Snapshot, *, deployment: str | None = None) -> Mapping[str, Verdict]:
    """Return the verdict of each Deployment by its name, the worst first.

    The verdict's criterion is that of its root: POD-1 of the rollout, HLT-1 of the way to it, HPA-1 of its autoscaler.

    Args:
        snapshot: the namespace.
        deployment: only this one, there or not.
    """
    wanted = [each.name for each in snapshot.deployments] if deployment is None else [deployment]
    verdicts = {name: _verdict(snapshot, name) for name in wanted}
    return dict(sorted(verdicts.items(), key=lambda each: SEVERITY.index(each[1].status)))


def _verdict(snapshot: Snapshot, name: str) -> Verdict:
    rollout = without_unread(assess(snapshot, deployment=name).verdict, snapshot, SURVEYED)
    found = snapshot.deployment(name)
    beside = list(_beside(snapshot, found)) if found else []
    if rollout.status in {Status.FAIL, Status.INCONCLUSIVE}:
        # Whoever has no pod in order has no endpoint and no figures either: those follow.
        told = tuple(each.reason for _, each in beside if each.reason not in (rollout.reason, *rollout.symptoms))
        return replace(rollout, symptoms=(*rollout.symptoms, *told))
    if not beside:
        return rollout
    criteria = {finding.reason: criterion for criterion, finding in beside}
    worst = judged("POD-1", [*(finding for _, finding in beside), *_finding(rollout)], rollout)
    symptoms = tuple(dict.fromkeys((*worst.symptoms, *rollout.symptoms)))
    return replace(worst, criterion=criteria.get(worst.reason, rollout.criterion), symptoms=symptoms)


def _beside(snapshot: Snapshot, deployment: Deployment) -> Iterator[tuple[str, Finding]]:
    """Yield what is wrong with the way to the Deployment's pods and with its autoscalers."""
    containers = [each.name for each in deployment.template.containers if not each.init]
    container = containers[0] if containers else ""
    for service in snapshot.services:
        if _is_for(service, deployment, snapshot):
            for finding in endpoint_findings(
                snapshot, service=service.name, deployment=deployment.name, container=container
            ):
                yield "HLT-1", finding
    for hpa in snapshot.hpas:
        target = hpa.cpu_target_percent
        # Without a CPU target it scales by something else, of which the Snapshot holds no figures.
        if (hpa.target_kind, hpa.target_name) == ("Deployment", deployment.name) and target is not None:
            verdict = hpa_verdict(
                snapshot, hpa=hpa.name, deployment=deployment.name, container=container, cpu_target_percent=target
            )
            for finding in _finding(verdict):
                yield "HPA-1", finding


def _is_for(service: Service, deployment: Deployment, snapshot: Snapshot) -> bool:
    """Return whether the Service leads to the Deployment, or was meant to: nobody else and its name says so."""
    if not service.selector:
        return False
    if service.selector.items() <= deployment.template_labels.items():
        return True
    return not snapshot.pods_selected_by(service.selector) and service.name.startswith(deployment.name)


def _finding(verdict: Verdict) -> Iterator[Finding]:
    if verdict.cause is not None:
        yield Finding(verdict.status, verdict.cause, verdict.reason, verdict.evidence, verdict.remedy)
