"""RBK-0: before a deploy, is there a revision that it could be rolled back to.

That is the one that runs now: a way back leads to what the deploy replaces. So it must be there, be kept in the
history, have its image in the registry still, and be well; whether its own deploy was green is on record or not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gate.causes import Cause
from gate.diagnosis.ownership import newest_replica_set
from gate.records import Deployment, ImageFacts, ImageUnread, ReplicaSet, Snapshot
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

CRITERION = "RBK-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """How the deploy of an image was judged, and when."""

    status: Status
    at: datetime


def way_back_verdict(
    snapshot: Snapshot,
    wanted: Deployment,
    *,
    container: str,
    image: ImageFacts | ImageUnread | None,
    recorded: Recorded | None,
) -> Verdict:
    """Judge RBK-0.

    Args:
        snapshot: what runs now.
        wanted: the Deployment as it is meant to be after the deploy.
        container: name of the container whose image is looked for.
        image: what the registry says about the image that runs now; None where none could be asked.
        recorded: the record of that image's last deploy; None where there is none.
    """
    found = snapshot.deployment(wanted.name)
    newest = newest_replica_set(snapshot, found) if found else None
    if found is None or newest is None:
        return Verdict(
            CRITERION,
            Status.WARN,
            f"deployment/{wanted.name} does not run yet: a first deploy has nothing to be rolled back to.",
            (Evidence(f"Deployment/{wanted.name}", "revision", "none", snapshot.read_at),),
            Cause.ROLLOUT_NO_PREVIOUS_REVISION,
            "Be ready to take it away again (terraform destroy), and rehearse a rollback once there are two.",
        )
    spec = newest.template.container(container)
    reference = spec.image if spec else "no such container"
    evidence = (
        Evidence(f"ReplicaSet/{newest.name}", "revision", str(newest.revision), snapshot.read_at),
        Evidence(f"ReplicaSet/{newest.name}", f"image of {container}", reference, snapshot.read_at),
        Evidence(f"ReplicaSet/{newest.name}", "ready, desired", f"{newest.ready}, {newest.desired}", snapshot.read_at),
        Evidence(f"image {reference}", "in the registry", _in_registry(image)),
        _on_record(reference, recorded),
    )
    findings = (
        *_kept(wanted, newest, evidence),
        *_image(newest, reference, image, evidence),
        *_well(newest, evidence),
        *_green(newest, recorded, evidence),
    )
    return judged(
        CRITERION,
        findings,
        passed(
            CRITERION,
            f"This deploy can be rolled back to revision {newest.revision}: {newest.ready} of {newest.desired} pods of "
            f"it are ready, its image is {'there' if isinstance(image, ImageFacts) else 'not looked up'}.",
            evidence,
        ),
    )


def _in_registry(image: ImageFacts | ImageUnread | None) -> str:
    if image is None:
        return "not asked: the target has no registry"
    return image.digest if isinstance(image, ImageFacts) else f"{image.kind}: {image.message}"


def _on_record(reference: str, recorded: Recorded | None) -> Evidence:
    status, at = (str(recorded.status), recorded.at) if recorded else ("none", None)
    return Evidence(f"image {reference}", "last deploy on record", status, at)


def _kept(wanted: Deployment, newest: ReplicaSet, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    if wanted.history_limit > 0:
        return
    yield Finding(
        Status.FAIL,
        Cause.ROLLOUT_NO_PREVIOUS_REVISION,
        f"With revisionHistoryLimit 0 the deploy throws revision {newest.revision} away: there is no undo.",
        (Evidence(f"Deployment/{wanted.name}", "spec.revisionHistoryLimit", "0"), *evidence),
        "Set revisionHistoryLimit to 3 or more.",
    )


def _image(
    newest: ReplicaSet, reference: str, image: ImageFacts | ImageUnread | None, evidence: tuple[Evidence, ...]
) -> Iterator[Finding]:
    if not isinstance(image, ImageUnread):
        return
    gone = image.kind == "not_found"
    yield Finding(
        Status.FAIL if gone else Status.INCONCLUSIVE,
        Cause.IMAGE_NOT_FOUND if gone else Cause.IMAGE_DENIED if image.kind == "denied" else Cause.GATE_NOT_MEASURED,
        f"Revision {newest.revision}, which this deploy would be rolled back to, runs {reference}, "
        + ("which its registry no longer has." if gone else "about which its registry could not be asked."),
        evidence,
        "Push that image again, and let the registry's lifecycle keep what runs."
        if gone
        else "Check the registry's address and credentials in the target, and run again.",
    )


def _well(newest: ReplicaSet, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    if newest.desired and newest.ready >= newest.desired:
        return
    yield Finding(
        Status.WARN,
        Cause.ROLLOUT_UNSTABLE,
        f"Revision {newest.revision}, which this deploy would be rolled back to, is not well itself: {newest.ready} of "
        f"{newest.desired} pods are ready.",
        evidence,
        "Find out why first: python -m gate diagnose.",
    )


def _green(newest: ReplicaSet, recorded: Recorded | None, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    if recorded is None or recorded.status in {Status.PASS, Status.WARN}:
        return
    yield Finding(
        Status.WARN,
        Cause.ROLLOUT_UNDO_FAILED,
        f"The deploy of revision {newest.revision}'s image on {recorded.at:%Y-%m-%d} was judged {recorded.status}: "
        f"rolling back to it may not help.",
        evidence,
        "Know an older revision that was green: kubectl rollout history, python -m gate deploys.",
    )
