"""Judges a rollout: is every pod of the newest revision up (POD-1), and does every pod run the intended image (POD-2).

What is wrong comes from ``deployments``; here it is decided what that means for the criterion, together with what was
seen while the rollout was watched. Whether waiting could still mend it is ``progress``'s question, on the same faults.
"""

from collections.abc import Iterator
from dataclasses import replace

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.deployments import Rollout, blocked, examine
from gate.diagnosis.faults import grouped
from gate.diagnosis.ownership import ENDED, counted, newest_replica_set, owned_by, pods_of, pods_of_deployment
from gate.diagnosis.pods import restart_faults
from gate.diagnosis.window import StableWindow
from gate.diagnosis.wording import NAMES_LISTED, NAMES_SHOWN, count, duration, names, seconds_between
from gate.records import Deployment, Pod, Snapshot
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive, judged, passed

__all__ = ["StableWindow", "digest_verdict", "newest_pods", "rollout_verdict"]


def rollout_verdict(snapshot: Snapshot, *, deployment: str, window: StableWindow | None = None) -> Verdict:
    """Return POD-1.

    Args:
        snapshot: the last read; with a window, the one it ends with.
        deployment: name of the Deployment.
        window: what was seen while it was watched; None judges the moment, and then a container that came back less
            than RESTART_SETTLE_S ago is not called stable.
    """
    trouble = blocked("POD-1", snapshot, deployment)
    if trouble is not None:
        return trouble
    rollout = examine(snapshot, deployment)
    findings = [each.finding for each in rollout.faults]
    if not any(finding.status is Status.FAIL for finding in findings):
        findings.extend(_instability(snapshot, rollout, window))
    total = len(rollout.pods) + len(rollout.ended)
    restarted = (fault for pod in rollout.pods for fault in restart_faults(snapshot, pod))
    replaced = (replace(fault, status=Status.WARN, final=False) for fault in rollout.ended)
    findings.extend(group.finding(total) for group in grouped((*replaced, *restarted)))
    verdict = judged("POD-1", findings, _complete(snapshot, rollout, window))
    return replace(verdict, evidence=(*_listed(snapshot, rollout), *verdict.evidence))


def _listed(snapshot: Snapshot, rollout: Rollout) -> Iterator[Evidence]:
    """Yield by name the pods of each fault that more pods share than a reason can name."""
    for group in grouped(rollout.pod_faults):
        if len(group.pods) > NAMES_SHOWN:
            yield Evidence(
                f"Deployment/{rollout.deployment.name}",
                f"{len(group.pods)} pods with {group.cause}",
                names(group.pods, NAMES_LISTED),
                snapshot.read_at,
            )


def newest_pods(snapshot: Snapshot, *, deployment: str) -> tuple[Pod, ...]:
    """Return the pods of the newest revision that have neither ended nor are being deleted, ready or not."""
    found = snapshot.deployment(deployment)
    newest = newest_replica_set(snapshot, found) if found else None
    return counted(pods_of(snapshot, newest)) if newest else ()


def _instability(snapshot: Snapshot, rollout: Rollout, window: StableWindow | None) -> Iterator[Finding]:
    """Yield what did not stay as it was; without a window, what came back a moment ago."""
    remedy = f"Read why: kubectl logs -n {snapshot.namespace} deployment/{rollout.deployment.name} --previous"
    if window is None:
        for pod in rollout.pods:
            for status in pod.statuses:
                back_s = seconds_between(status.state.started_at, snapshot.read_at)
                if status.restarts and back_s is not None and back_s < tolerances.RESTART_SETTLE_S:
                    yield Finding(
                        Status.FAIL,
                        Cause.ROLLOUT_UNSTABLE,
                        f"Pod {pod.name}: container {status.name} was restarted {duration(back_s)} ago, "
                        f"{count(status.restarts, 'time')} in all: that is not stable yet.",
                        (Evidence(f"Pod/{pod.name}", "restartCount", str(status.restarts), status.state.started_at),),
                        remedy,
                    )
        return
    for pod_name in window.restarted:
        yield Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNSTABLE,
            f"Pod {pod_name} was restarted while it was watched for {duration(window.watched_s)}.",
            (
                Evidence(
                    f"Pod/{pod_name}",
                    "restartCount",
                    f"{window.restarts_first[pod_name]} -> {window.restarts_last[pod_name]}",
                    window.last_at,
                ),
            ),
            remedy,
        )
    for pod_name, _ in window.unready[:1]:
        yield Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNSTABLE,
            f"Pod {pod_name} lost its readiness while it was watched for {duration(window.watched_s)}.",
            tuple(Evidence(f"Pod/{name}", "Ready", "false", when) for name, when in window.unready),
            f"See what its probe met: kubectl describe pod {pod_name} -n {snapshot.namespace}",
        )
    if not window.broken and not window.complete:
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_TIMED_OUT,
            f"The pods were watched for {duration(window.watched_s)} of {duration(window.wanted_s)} and were ready.",
            (Evidence(f"Deployment/{rollout.deployment.name}", "seconds watched", f"{window.watched_s:.0f} s"),),
            "Give the gate more time (acceptance.rollout_timeout_s of the target).",
        )


def _complete(snapshot: Snapshot, rollout: Rollout, window: StableWindow | None) -> Verdict:
    deployment = rollout.deployment
    watched = f" and stayed so for {duration(window.watched_s)}" if window else ""
    return passed(
        "POD-1",
        f"{_all(len(rollout.pods))} of revision {deployment.revision} of {deployment.name} "
        f"{'runs and is' if len(rollout.pods) == 1 else 'run and are'} ready{watched}; "
        f"none restarted, none of an older revision is left.",
        (
            Evidence(f"Deployment/{deployment.name}", "revision", str(deployment.revision), snapshot.read_at),
            Evidence(
                f"Deployment/{deployment.name}",
                "updated, ready, available / spec.replicas",
                f"{deployment.updated}, {deployment.ready}, {deployment.available} / {deployment.desired}",
                snapshot.read_at,
            ),
            *(_ready(pod) for pod in rollout.pods),
        ),
    )


def _all(pods: int) -> str:
    return "The only pod" if pods == 1 else f"All {pods} pods"


def _ready(pod: Pod) -> Evidence:
    condition = pod.condition("Ready")
    return Evidence(f"Pod/{pod.name}", "status.conditions[Ready]", "True", condition.at if condition else None)


def digest_verdict(
    snapshot: Snapshot,
    *,
    deployment: str,
    container: str,
    intended: str | None,
    intended_source: str,
    earlier: Snapshot | None = None,
) -> Verdict:
    """Return POD-2.

    Args:
        snapshot: the last read.
        deployment: name of the Deployment.
        container: the container whose image is meant.
        intended: ``sha256:...`` of the image that the deploy declares (a reference that ends in it is taken too), None
            if nobody declared one: then the pods must at least agree.
        intended_source: where that digest was declared, for the reason.
        earlier: the snapshot that the other criteria judged; if the Deployment has changed since, another deploy came
            in between and nothing that was judged holds for both.
    """
    trouble = blocked("POD-2", snapshot, deployment)
    if trouble is not None and trouble.cause is not Cause.ROLLOUT_NOT_OBSERVED:
        return trouble
    found = next(each for each in snapshot.deployments if each.name == deployment)
    before = earlier.deployment(deployment) if earlier else None
    if trouble is not None or (before is not None and _has_changed(before, found)):
        return _superseded(snapshot, before, found)
    wanted = intended.rpartition("@")[2] if intended else None
    pods = tuple(pod for pod in pods_of_deployment(snapshot, found) if not pod.terminating and pod.phase not in ENDED)
    running = {pod.name: status.digest for pod in pods if (status := pod.status(container)) and status.image_id}
    evidence = tuple(
        Evidence(f"Pod/{name}", f"container {container} imageID", digest or "no digest", snapshot.read_at)
        for name, digest in running.items()
    )
    findings = (
        *_template_differs(found, container, wanted, intended_source),
        *_pods_differ(snapshot, found, running, wanted, intended_source),
        *_not_running(snapshot, found, container, pods, running),
        *(() if wanted else _undeclared(found, container, running, intended_source)),
    )
    return judged(
        "POD-2",
        findings,
        passed(
            "POD-2",
            f"{_all(len(running))} of {deployment} {'runs' if len(running) == 1 else 'run'} {wanted}, "
            f"as {intended_source} declares.",
            evidence or (Evidence(f"Deployment/{deployment}", "pods", "0", snapshot.read_at),),
        ),
    )


def _has_changed(before: Deployment, now: Deployment) -> bool:
    # Scaling changes the generation too, and belongs to the HPA; a new revision is what a deploy makes.
    return before.revision != now.revision or before.uid != now.uid


def _superseded(snapshot: Snapshot, before: Deployment | None, now: Deployment) -> Verdict:
    what = (
        f"its revision went from {before.revision} to {now.revision} while it was judged"
        if before is not None and _has_changed(before, now)
        else f"generation {now.generation} is asked for and its controller has seen {now.observed_generation or 'none'}"
    )
    return inconclusive(
        "POD-2",
        Cause.ROLLOUT_SUPERSEDED,
        f"Another change of {now.name} is under way: {what}.",
        (
            Evidence(f"Deployment/{now.name}", "revision", str(now.revision), snapshot.read_at),
            Evidence(f"Deployment/{now.name}", "metadata.generation", str(now.generation), snapshot.read_at),
            Evidence(
                f"Deployment/{now.name}", "status.observedGeneration", str(now.observed_generation), snapshot.read_at
            ),
        ),
        f"See who deploys, then judge again: kubectl rollout history deployment/{now.name} -n {snapshot.namespace}",
    )


def _short(digest: str | None) -> str:
    """Return as much of a digest as Docker shows; the whole stands in the evidence."""
    return (digest or "no digest")[: len("sha256:") + 12]


def _most_common(running: dict[str, str | None]) -> str | None:
    digests = [digest for digest in running.values() if digest]
    return max(sorted(set(digests)), key=digests.count, default=None)


def _template_differs(deployment: Deployment, container: str, wanted: str | None, source: str) -> Iterator[Finding]:
    spec = deployment.template.container(container)
    where = f"Deployment/{deployment.name}"
    if spec is None:
        there = ", ".join(each.name for each in deployment.template.containers)
        yield Finding(
            Status.FAIL,
            Cause.IMAGE_DIGEST_MISMATCH,
            f"The template of {deployment.name} has no container {container} (it has: {there}).",
            (Evidence(where, "spec.template.spec.containers", there),),
            "Correct the target's container, or the template.",
        )
        return
    _, pinned, digest = spec.image.rpartition("@")
    if wanted and pinned and digest != wanted:
        yield Finding(
            Status.FAIL,
            Cause.IMAGE_DIGEST_MISMATCH,
            f"The template of {deployment.name} asks for {_short(digest)}, {source} declares {_short(wanted)}: "
            f"another image was deployed.",
            (Evidence(where, f"container {container} image", spec.image), Evidence(source, "digest", wanted)),
            "Apply the plan that was judged, or judge the deploy that was applied.",
        )


def _pods_differ(
    snapshot: Snapshot,
    deployment: Deployment,
    running: dict[str, str | None],
    wanted: str | None,
    source: str,
) -> Iterator[Finding]:
    right = wanted or _most_common(running)
    newest = newest_replica_set(snapshot, deployment)
    wrong = [pod for pod in snapshot.pods if running.get(pod.name) and running[pod.name] != right]
    if not wrong:
        return
    old = [pod for pod in wrong if newest is None or not owned_by(pod.owner, newest.uid)]
    others = ", ".join(sorted({_short(running[pod.name]) for pod in wrong}))
    run = "runs" if len(wrong) == 1 else "run"
    whose = f"{source} declares {_short(right)}" if wanted else f"the others run {_short(right)}"
    why = (
        "they belong to an older revision"
        if len(old) == len(wrong)
        else "the tag of the same template was pulled at different times"
    )
    yield Finding(
        Status.FAIL,
        Cause.IMAGE_DIGEST_MISMATCH,
        f"{len(wrong)} of {count(len(running), 'pod')} ({names([pod.name for pod in wrong])}) {run} "
        f"{others}, {whose}: "
        f"{why}.",
        tuple(Evidence(f"Pod/{pod.name}", "imageID", str(running[pod.name]), snapshot.read_at) for pod in wrong),
        f"Deploy by digest, or start the pods anew: kubectl rollout restart deployment/{deployment.name} "
        f"-n {snapshot.namespace}",
    )


def _not_running(
    snapshot: Snapshot, deployment: Deployment, container: str, pods: tuple[Pod, ...], running: dict[str, str | None]
) -> Iterator[Finding]:
    where = f"Deployment/{deployment.name}"
    if not pods:
        yield Finding(
            Status.FAIL,
            Cause.ROLLOUT_SCALED_TO_ZERO if not deployment.desired else Cause.ROLLOUT_IN_PROGRESS,
            f"{deployment.name} has no pod, so none runs the intended image.",
            (Evidence(where, "pods", "0", snapshot.read_at),),
            f"See why: kubectl describe deployment {deployment.name} -n {snapshot.namespace}",
        )
    waiting = [pod.name for pod in pods if pod.name not in running]
    if waiting:
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.ROLLOUT_IN_PROGRESS,
            f"{len(waiting)} of {count(len(pods), 'pod')} ({names(waiting)}) run no image yet: POD-1 says why.",
            tuple(
                Evidence(f"Pod/{name}", f"container {container} imageID", "none", snapshot.read_at) for name in waiting
            ),
            "Mend what POD-1 names, then judge again.",
        )
    loaded = [name for name, digest in running.items() if digest is None]
    if loaded:
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"{len(loaded)} of {count(len(pods), 'pod')} ({names(loaded)}) run an image that was loaded on to the node "
            f"and not pulled: it has no registry digest to compare.",
            tuple(Evidence(f"Pod/{name}", "imageID", "no registry digest", snapshot.read_at) for name in loaded),
            "Push the image to a registry and deploy it from there.",
        )


def _undeclared(
    deployment: Deployment, container: str, running: dict[str, str | None], source: str
) -> Iterator[Finding]:
    spec = deployment.template.container(container)
    yield Finding(
        Status.WARN,
        Cause.IMAGE_MUTABLE_TAG,
        f"{source} declares no digest; the pods run {_short(_most_common(running))}, which nobody has vouched for.",
        (Evidence(f"Deployment/{deployment.name}", f"container {container} image", spec.image if spec else "none"),),
        "Deploy by digest: REPOSITORY@sha256:... in place of a tag.",
    )
