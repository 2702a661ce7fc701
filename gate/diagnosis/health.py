"""HLT-1: /health is 200 on every ready pod, asked by itself, and through the Service, the way users go.

An average hides the one bad replica of five, so each pod is named. When the Service fails and the pods do not, the
fault lies between them: the wiring is looked at first, and what the Service answered becomes its symptom. Pods that
are not ready are POD-1's.
"""

from collections.abc import Sequence

from gate.causes import Cause
from gate.diagnosis.endpoints import endpoint_findings
from gate.diagnosis.exchanges import (
    GATEWAY_TIMEOUT,
    OK,
    exchange_evidence,
    grouped_by_outcome,
    outcome,
    pod_of,
    unasked_findings,
    was_asked,
)
from gate.diagnosis.ownership import counted, owned_by, pods_of_deployment, replica_sets
from gate.diagnosis.unread import WAY_TO_PODS, unread_finding, without_unread
from gate.diagnosis.wording import count, names
from gate.records import Deployment, Pod, Reply, Snapshot
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "HLT-1"


def health_verdict(snapshot: Snapshot, replies: Sequence[Reply], *, service: str) -> Verdict:
    """Judge HLT-1 from the replies of pods (``via = pod/NAME``) and of the Service (``via = service``).

    The pods that must have answered are the ready ones of the Deployment that the Service is for: the owner of the
    pods asked, or the Deployment whose labels the selector is nearest to.
    """
    deployment = _deployment(snapshot, replies, service)
    pods = counted(pods_of_deployment(snapshot, deployment)) if deployment else ()
    ready = tuple(each for each in pods if each.ready)
    findings = [
        *_without_pods(snapshot, deployment, pods, ready, service),
        *_pod_findings(snapshot, ready, replies),
        *_service_findings(snapshot, deployment, replies, service),
        *unasked_findings(replies),
    ]
    return without_unread(judged(_CRITERION, findings, _pass(pods, ready, replies)), snapshot, WAY_TO_PODS)


def _pass(pods: Sequence[Pod], ready: Sequence[Pod], replies: Sequence[Reply]) -> Verdict:
    others = len(pods) - len(ready)
    aside = f" ({count(others, 'further pod')} not ready and not asked)" if others else ""
    reason = f"/health is 200 on {count(len(ready), 'ready pod')}{aside} and through the Service."
    shown = [exchange_evidence(each) for each in replies if each.status == OK]
    return passed(_CRITERION, reason, shown or [Evidence("Service", "/health", "not asked")])


def _deployment(snapshot: Snapshot, replies: Sequence[Reply], service: str) -> Deployment | None:
    asked = {pod_of(each) for each in replies}
    owners = [each.owner for each in snapshot.pods if each.name in asked]
    for deployment in snapshot.deployments:
        revisions = replica_sets(snapshot, deployment)
        if any(owned_by(owner, each.uid) for owner in owners for each in revisions):
            return deployment
    there = snapshot.service(service)
    selector = there.selector.items() if there else ()
    likeness = [(len(selector & each.template_labels.items() if there else ()), each) for each in snapshot.deployments]
    best = max(likeness, key=lambda each: each[0], default=(0, None))
    return best[1] if best[0] else None


def _without_pods(
    snapshot: Snapshot, deployment: Deployment | None, pods: Sequence[Pod], ready: Sequence[Pod], service: str
) -> tuple[Finding, ...]:
    if ready:
        return ()
    # Whom the Service is for, its selector says where no pod was asked.
    needed = ("deployments", "replica_sets", "pods", *(("services",) if deployment is None else ()))
    lacking = [(each, what) for what in needed if (each := snapshot.unread(what))]
    if lacking:
        return tuple(
            unread_finding(snapshot, each, subject=f"The {what.replace('_', ' ')}", resource=what.replace("_", ""))
            for each, what in lacking
        )
    namespace = snapshot.namespace
    if deployment is None:
        known = names([each.name for each in snapshot.deployments]) or "none"
        cause, reason = Cause.ROLLOUT_NOT_FOUND, f"No Deployment stands behind Service/{service}: nobody can answer."
        evidence = Evidence(f"Namespace/{namespace}", "deployments", known, snapshot.read_at)
        remedy = f"Deploy the app, then look: kubectl get deployments -n {namespace}"
    elif deployment.desired == 0:
        cause = Cause.ROLLOUT_SCALED_TO_ZERO
        reason = f"Deployment/{deployment.name} is scaled to 0 replicas: nobody can answer."
        evidence = Evidence(f"Deployment/{deployment.name}", "spec.replicas", "0", snapshot.read_at)
        remedy = f"Scale it up: kubectl scale deployment/{deployment.name} --replicas=2 -n {namespace}"
    else:
        cause = Cause.HEALTH_FAILED
        reason = f"No pod of Deployment/{deployment.name} is ready (0 of {len(pods)}): nobody can answer."
        evidence = Evidence(f"Deployment/{deployment.name}", "status.readyReplicas", "0", snapshot.read_at)
        remedy = f"See POD-1 for why no pod is ready: kubectl get pods -n {namespace}"
    return (Finding(Status.FAIL, cause, reason, (evidence,), remedy),)


def _pod_findings(snapshot: Snapshot, ready: Sequence[Pod], replies: Sequence[Reply]) -> tuple[Finding, ...]:
    asked = [each for each in replies if pod_of(each) is not None]
    bad = [each for each in asked if was_asked(each) and each.status != OK]
    found = [_bad_pods(snapshot, group, len(ready)) for group in grouped_by_outcome(bad).values()]
    silent = [each.name for each in ready if each.name not in {pod_of(reply) for reply in asked}]
    if silent:
        found.append(
            Finding(
                Status.INCONCLUSIVE,
                Cause.GATE_NOT_MEASURED,
                f"Not asked for /health: {len(silent)} of {count(len(ready), 'ready pod')} ({names(silent)}).",
                tuple(Evidence(f"Pod/{name}", "/health", "not asked", snapshot.read_at) for name in silent),
                "Run the gate again: the pods changed while they were being asked.",
            )
        )
    return tuple(found)


def _bad_pods(snapshot: Snapshot, group: Sequence[Reply], total: int) -> Finding:
    pods = tuple(dict.fromkeys(pod_of(each) or "" for each in group))
    return Finding(
        Status.FAIL,
        Cause.HEALTH_FAILED,
        f"{len(pods)} of {count(max(total, len(pods)), 'pod')} ({names(pods)}) failed /health: {outcome(group[0])}.",
        tuple(exchange_evidence(each) for each in group),
        f"Read its log: kubectl logs {pods[0]} -n {snapshot.namespace} --tail=50",
    )


def _service_findings(
    snapshot: Snapshot, deployment: Deployment | None, replies: Sequence[Reply], service: str
) -> tuple[Finding, ...]:
    through = [each for each in replies if pod_of(each) is None and was_asked(each)]
    bad = [each for each in through if each.status != OK]
    if through and not bad:
        return ()
    name = deployment.name if deployment else ""
    container = deployment.template.containers[-1].name if deployment and deployment.template.containers else ""
    wiring = endpoint_findings(snapshot, service=service, deployment=name, container=container)
    if bad:
        pods_answer = any(each.status == OK and pod_of(each) is not None for each in replies)
        return (*wiring, _bad_service(snapshot, bad[0], service, pods_answer=pods_answer))
    if wiring or any(pod_of(each) is None for each in replies):
        return wiring  # not asked because there is no way to ask, or the gate's own trouble, which is told apart
    return (
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"Service/{service} was never asked for /health: nothing is known about the way users go.",
            (Evidence(f"Service/{service}", "/health", "not asked", snapshot.read_at),),
            "Name the way users go in the target: [cluster] service_url.",
        ),
    )


def _bad_service(snapshot: Snapshot, reply: Reply, service: str, *, pods_answer: bool) -> Finding:
    said = outcome(reply)
    contrast = ", while the pods answer 200" if pods_answer else ""
    look = f"kubectl describe service {service} -n {snapshot.namespace}"
    if reply.status == GATEWAY_TIMEOUT:
        cause = Cause.SERVICE_GATEWAY_TIMEOUT
        remedy = "Raise the load balancer's idle timeout above the service's REQUEST_DEADLINE_S."
    elif reply.trouble == "no_address":
        cause = Cause.SERVICE_NO_ADDRESS
        remedy = f"Wait for the load balancer's DNS name, or correct service_url in the target: {look}"
    elif reply.status is None or reply.status >= 500:  # noqa: PLR2004  # RFC 9110: server errors
        cause = Cause.SERVICE_UNREACHABLE
        remedy = f"Check the load balancer's targets and security groups: {look}"
    else:
        cause = Cause.HEALTH_FAILED
        remedy = f"Find out who answers at this address, it is not the app: {look}"
    return Finding(
        Status.FAIL,
        cause,
        f"/health through Service/{service} failed: {said}{contrast}.",
        (exchange_evidence(reply),),
        remedy,
    )
