"""Judges a way back (RBK-1): did the previous revision come back, whole, and does it answer.

Pure: what was tried, how the rollout ended and what the pods said comes in, a Verdict leaves. How the requests fared
meanwhile is ``traffic``'s business; here they are a warning only.
"""

from collections.abc import Sequence

from gate.causes import Cause
from gate.diagnosis.exchanges import answer_evidence, asked, exchange_evidence, unasked_findings, was_asked
from gate.diagnosis.traffic import failed
from gate.diagnosis.wording import count, names
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
        (
            *_rollout(previous, rollout),
            *_identity(previous, container, identities),
            *_answers(previous, answers),
            *_lost(lost),
        ),
        passed(
            CRITERION,
            f"Revision {previous.revision} was back and answered on {count(len(answers), 'pod')} {seconds:.0f} s after "
            f"the undo; no request failed meanwhile.",
            (
                Evidence(f"ReplicaSet/{previous.name}", "revision", str(previous.revision)),
                Evidence(f"ReplicaSet/{previous.name}", "seconds until stable", f"{seconds:.1f} s"),
                *(_said(identity) for identity in identities),
            ),
        ),
    )


def _said(identity: Identity) -> Evidence:
    said = exchange_evidence(identity.reply)
    return Evidence(said.object, "/version llm_mode", identity.llm_mode or said.value, said.at)


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
    if not identities:
        return (_unasked(previous, "declared itself"),)
    spec = previous.template.container(container)
    wanted = next((each.value for each in spec.env if each.name == "LLM_MODE"), None) if spec else None
    wrong = [
        identity
        for identity in identities
        if was_asked(identity.reply) and wanted is not None and identity.llm_mode != wanted
    ]
    missed = unasked_findings(identity.reply for identity in identities)
    if not wrong:
        return missed
    return (
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNDO_FAILED,
            f"After the undo to revision {previous.revision}, which runs LLM_MODE={wanted}, "
            f"{names([asked(identity.reply) for identity in wrong])} declared "
            f"{', '.join(sorted({identity.llm_mode or 'nothing' for identity in wrong}))}.",
            tuple(_said(identity) for identity in wrong),
            "Compare `kubectl get pods -o wide` with the ReplicaSet's template: another revision answers.",
        ),
        *missed,
    )


def _answers(previous: ReplicaSet, answers: Sequence[Answer]) -> tuple[Finding, ...]:
    if not answers:
        return (_unasked(previous, "was asked a question"),)
    bad = failed(answers)
    missed = unasked_findings(answer.reply for answer in answers)
    if not bad:
        return missed
    return (
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNDO_FAILED,
            f"After the undo {len(bad)} of {count(len(answers), 'question')} got no complete answer.",
            tuple(answer_evidence(answer) for answer in bad),
            "Read the log of the pods named, and roll forward again.",
        ),
        *missed,
    )


def _unasked(previous: ReplicaSet, what: str) -> Finding:
    return Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"After the undo to revision {previous.revision} no pod {what}.",
        (Evidence(f"ReplicaSet/{previous.name}", f"pods that {what.replace('was ', 'were ')}", "0"),),
        "Look why no pod of that revision was ready, and run the drill again.",
    )


def _lost(lost: int) -> tuple[Finding, ...]:
    if not lost:
        return ()
    return (
        Finding(
            Status.WARN,
            Cause.ROLLOUT_REQUESTS_FAILED,
            f"{count(lost, 'request')} failed while the undo rolled.",
            (Evidence("requests through the Service", "failed during the undo", str(lost)),),
            "Look at ROL-1: readiness, drain delay and grace period decide whether a rollout drops requests.",
        ),
    )
