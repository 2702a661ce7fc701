"""Judges a way back (RBK-1): did the previous revision come back, whole, and does it answer.

Pure: what was tried, how the rollout ended and what the pods said comes in, a Verdict leaves. How the requests fared
meanwhile is ``traffic``'s business; here they are a warning only.
"""

from collections.abc import Sequence

from gate.causes import Cause
from gate.records import Answer, Identity, ReplicaSet
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

CRITERION = "RBK-1"


def no_way_back(deployment: str, revision: int | None, criterion: str = CRITERION) -> Verdict:
    """Return the verdict of a Deployment whose history holds nothing to go back to."""
    return Verdict(
        criterion,
        Status.FAIL,
        f"deployment/{deployment} has no revision before {revision or 'the first'}: there is nothing to roll back to.",
        (Evidence(f"Deployment/{deployment}", "revision history", "no older ReplicaSet"),),
        Cause.ROLLOUT_NO_PREVIOUS_REVISION,
        "Deploy once more before relying on a rollback, and keep spec.revisionHistoryLimit above 0.",
    )


def rollback_verdict(
    *,
    previous: ReplicaSet,
    container: str,
    rollout: Verdict,
    identities: Sequence[Identity],
    answers: Sequence[Answer],
    seconds: float,
    lost: int,
) -> Verdict:
    """Return RBK-1.

    Args:
        previous: the ReplicaSet that was undone to; its template says what must answer.
        container: name of the container that answers.
        rollout: POD-1 of the undone revision.
        identities: what each pod declares after the undo.
        answers: a question to each pod after the undo.
        seconds: from the undo until the old version was stable.
        lost: requests that failed meanwhile.
    """
    return judged(
        CRITERION,
        (*_rollout(previous, rollout), *_identity(previous, container, identities), *_answers(answers), *_lost(lost)),
        passed(
            CRITERION,
            f"Revision {previous.revision} was back and answered on {len(answers)} pod(s) {seconds:.0f} s after the "
            f"undo; no request failed meanwhile.",
            (
                Evidence(f"ReplicaSet/{previous.name}", "revision", str(previous.revision)),
                Evidence(f"ReplicaSet/{previous.name}", "seconds until stable", f"{seconds:.1f} s"),
                *(_said(identity) for identity in identities),
            ),
        ),
    )


def _said(identity: Identity) -> Evidence:
    return Evidence(identity.reply.via, "/version llm_mode", str(identity.llm_mode), identity.reply.started_at)


def _rollout(previous: ReplicaSet, rollout: Verdict) -> tuple[Finding, ...]:
    if rollout.status in {Status.PASS, Status.WARN}:
        return ()
    return (
        Finding(
            rollout.status,
            Cause.ROLLOUT_UNDO_FAILED if rollout.status is Status.FAIL else Cause.GATE_TIMED_OUT,
            f"Revision {previous.revision} was undone to and does not come up: {rollout.reason}",
            rollout.evidence,
            rollout.remedy,
        ),
    )


def _identity(previous: ReplicaSet, container: str, identities: Sequence[Identity]) -> tuple[Finding, ...]:
    spec = previous.template.container(container)
    wanted = next((each.value for each in spec.env if each.name == "LLM_MODE"), None) if spec else None
    wrong = [identity for identity in identities if wanted is not None and identity.llm_mode != wanted]
    if identities and not wrong:
        return ()
    names = ", ".join(identity.reply.via for identity in wrong) or "no pod"
    return (
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNDO_FAILED,
            f"After the undo to revision {previous.revision}, which runs LLM_MODE={wanted}, {names} declares "
            f"{', '.join(sorted({str(identity.llm_mode) for identity in wrong})) or 'anything'}.",
            tuple(_said(identity) for identity in wrong)
            or (Evidence(f"ReplicaSet/{previous.name}", "pods that declared themselves", "0"),),
            "Compare `kubectl get pods -o wide` with the ReplicaSet's template: another revision answers.",
        ),
    )


def _answers(answers: Sequence[Answer]) -> tuple[Finding, ...]:
    bad = [answer for answer in answers if answer.reply.status != 200 or not answer.response.strip()]  # noqa: PLR2004
    if answers and not bad:
        return ()
    replies = [answer.reply for answer in bad]
    shown = tuple(
        Evidence(reply.via, "POST /triage", str(reply.status or reply.error), reply.started_at) for reply in replies
    )
    return (
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNDO_FAILED,
            f"After the undo {len(bad) or 'all'} of {len(answers)} questions got no answer.",
            shown or (Evidence("POST /triage", "answers", "0"),),
            "Look at the log of the pods named and roll forward again.",
        ),
    )


def _lost(lost: int) -> tuple[Finding, ...]:
    if not lost:
        return ()
    return (
        Finding(
            Status.WARN,
            Cause.ROLLOUT_REQUESTS_FAILED,
            f"The undo brought the old version back, and {lost} request(s) failed while it rolled.",
            (Evidence("requests through the Service", "failed during the undo", str(lost)),),
            "Look at ROL-1: readiness, drain delay and grace period decide whether a rollout drops requests.",
        ),
    )
