"""Judges a way back (RBK-1): did the version before come back, whole, does it answer, does the next plan notice.

Pure: what was tried, how the rollout ended and what the pods said comes in, a Verdict leaves. How the requests fared
meanwhile is ``traffic``'s business; here they are a warning only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gate.causes import Cause
from gate.diagnosis.exchanges import answer_evidence, asked, exchange_evidence, unasked_findings, was_asked
from gate.diagnosis.traffic import failed
from gate.diagnosis.wording import count, names
from gate.records import Answer, Deployment, Identity, ReplicaSet, Snapshot
from gate.target import Target, Way
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

CRITERION = "RBK-1"
MODE_SETTING = "LLM_MODE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What the next plan said after a way back that goes past Terraform; ``fields`` as ``path: before -> after``."""

    named: bool
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A way back as it was tried.

    Attributes:
        expected: the revision whose template says what must answer.
        running: the revision that was the newest after it; None where that was not read.
        rollout: POD-1 of that revision.
        identities: what each pod declared after it.
        answers: a question to each pod after it.
        changed_at: when it began.
        seconds: from then until the version was stable.
        traffic: the requests that were sent through the Service meanwhile.
        drift: what the next plan said; None where nobody asked.
        forward: POD-1 of the revision that ran before and was rolled forward to again.
    """

    way: Way
    expected: ReplicaSet
    running: ReplicaSet | None
    rollout: Verdict
    identities: Sequence[Identity]
    answers: Sequence[Answer]
    changed_at: datetime
    seconds: float
    traffic: Sequence[Answer]
    forward: Verdict
    drift: Drift | None = None

    @property
    def what(self) -> str:
        """Return what came back."""
        if self.way is Way.SET_ENV:
            return f"{MODE_SETTING}={_setting(self.expected)}"
        return f"Revision {self.expected.revision}" if self.way is Way.UNDO else "The old image"


def _act(way: Way) -> str:
    """Return what is done, as a noun."""
    return {
        Way.UNDO: "the undo",
        Way.TERRAFORM: "the old image's plan and apply",
        Way.SET_ENV: f"`kubectl set env {MODE_SETTING}`",
    }[way]


def no_way(snapshot: Snapshot, target: Target, way: Way, criterion: str = CRITERION) -> Verdict:
    """Return the verdict of a way that could not be gone: a failure only where there is nothing to roll back to.

    A target that this project's Terraform does not deploy has no way back by it, and what runs as mock cannot be
    switched to it: then something else is the way back.
    """
    name = target.cluster.deployment
    deployment = snapshot.deployment(name)
    if way is Way.TERRAFORM and target.rollback.environment is None:
        return passed(
            criterion,
            f"Target {target.name} names no Terraform environment: this way back does not exist there.",
            (Evidence(f"target/{target.name}", "rollback.environment", "not set"),),
        )
    if way is Way.SET_ENV and deployment is not None:
        return passed(
            criterion,
            f"deployment/{name} runs no model that {MODE_SETTING}=mock could be set in place of.",
            (Evidence(f"Deployment/{name}", f"env {MODE_SETTING}", _mode(deployment, target) or "not set"),),
        )
    return no_way_back(name, deployment.revision if deployment else None, criterion)


def _mode(deployment: Deployment, target: Target) -> str | None:
    spec = deployment.template.container(target.cluster.container)
    return spec.value_of(MODE_SETTING) if spec else None


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


def rollback_verdict(attempt: Attempt, *, container: str) -> Verdict:
    """Return RBK-1 of one way back.

    Args:
        attempt: what was tried and what came of it.
        container: name of the container that answers.
    """
    first_s = answered_after_s(attempt)
    first = f", first after {first_s:.0f} s" if first_s is not None else ""
    return judged(
        CRITERION,
        (
            *_rollout(attempt),
            *_image(attempt, container),
            *_identity(attempt, container),
            *_answers(attempt),
            *_forward(attempt),
            *_lost(attempt),
            *_drift(attempt),
        ),
        passed(
            CRITERION,
            f"{attempt.what} was back and answered on {count(len(attempt.answers), 'pod')} {attempt.seconds:.0f} s "
            f"after {_act(attempt.way)}{first}; no request failed meanwhile.",
            (
                Evidence(_object(attempt), "revision", str(attempt.expected.revision)),
                Evidence(_object(attempt), "seconds until stable", f"{attempt.seconds:.1f} s"),
                *_timing(attempt, first_s),
                *_planned(attempt),
                *(_said(identity) for identity in attempt.identities),
            ),
        ),
    )


def answered_after_s(attempt: Attempt) -> float | None:
    """Return after how many seconds a request through the Service was answered by the version that came back.

    None where none was, or where both versions run in the same mode, so that their answers cannot be told apart.
    """
    mode = _setting(attempt.expected)
    good = [each for each in attempt.traffic if each not in failed(attempt.traffic)]
    if any(each.llm_mode == mode and each.reply.started_at < attempt.changed_at for each in good):
        return None
    ends = [_ended(each) for each in good if each.llm_mode == mode]
    return min((end - attempt.changed_at).total_seconds() for end in ends) if ends else None


def _timing(attempt: Attempt, first_s: float | None) -> tuple[Evidence, ...]:
    if first_s is None:
        return ()
    mode = _setting(attempt.expected)
    others = [_ended(each) for each in attempt.traffic if each.llm_mode not in {None, mode}]
    last_s = max(((end - attempt.changed_at).total_seconds() for end in others), default=0.0)
    where = "requests through the Service"
    return (
        Evidence(where, "first answer of the version that came back", f"{first_s:.1f} s after {_act(attempt.way)}"),
        Evidence(where, "last answer of the version that went", f"{last_s:.1f} s after {_act(attempt.way)}"),
    )


def _ended(answer: Answer) -> datetime:
    return answer.reply.started_at + timedelta(seconds=answer.reply.elapsed_s)


def _object(attempt: Attempt) -> str:
    return f"ReplicaSet/{(attempt.running or attempt.expected).name}"


def _setting(revision: ReplicaSet, container: str | None = None) -> str | None:
    """Return the revision's LLM_MODE, of one container or of the first that has it; None where it is not named."""
    specs = [each for each in revision.template.containers if container in {None, each.name}]
    return next((each.value for spec in specs for each in spec.env if each.name == MODE_SETTING), None)


def _said(identity: Identity) -> Evidence:
    said = exchange_evidence(identity.reply)
    return Evidence(said.object, "/version llm_mode", identity.llm_mode or said.value, said.at)


def _rollout(attempt: Attempt) -> tuple[Finding, ...]:
    rollout = attempt.rollout
    if rollout.status in {Status.PASS, Status.WARN}:
        return ()
    what = "was undone to" if attempt.way is Way.UNDO else "was deployed again"
    if attempt.way is Way.SET_ENV:
        what = "was set"
    end = "and does not come up" if rollout.status is Status.FAIL else "and whether it came up is unknown"
    return (_ended_otherwise(rollout, f"{attempt.what} {what} {end}"),)


def _ended_otherwise(rollout: Verdict, what: str) -> Finding:
    """Return the finding of a rollout that did not pass; one whose end nobody saw keeps the cause of that."""
    failed_rollout = rollout.status is Status.FAIL
    cause = Cause.ROLLOUT_UNDO_FAILED if failed_rollout else rollout.cause or Cause.GATE_NOT_MEASURED
    return Finding(rollout.status, cause, f"{what}: {rollout.reason}", rollout.evidence, rollout.remedy)


def _image(attempt: Attempt, container: str) -> tuple[Finding, ...]:
    wanted = attempt.expected.template.container(container)
    found = attempt.running.template.container(container) if attempt.running else None
    if wanted is None or found is None or found.image == wanted.image:
        return ()
    return (
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNDO_FAILED,
            f"After {_act(attempt.way)} the newest revision runs {found.image}, not {wanted.image}.",
            (Evidence(_object(attempt), f"spec.template containers[{container}].image", found.image),),
            "Look who else deploys: `kubectl rollout history` names each revision's reason.",
        ),
    )


def _identity(attempt: Attempt, container: str) -> tuple[Finding, ...]:
    if not attempt.identities:
        return (_unasked(attempt, "declared itself"),)
    wanted = _setting(attempt.expected, container)
    wrong = [
        identity
        for identity in attempt.identities
        if was_asked(identity.reply) and wanted is not None and identity.llm_mode != wanted
    ]
    missed = unasked_findings(identity.reply for identity in attempt.identities)
    if not wrong:
        return missed
    return (
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNDO_FAILED,
            f"{_after(attempt)}, which runs {MODE_SETTING}={wanted}, "
            f"{names([asked(identity.reply) for identity in wrong])} declared "
            f"{', '.join(sorted({identity.llm_mode or 'nothing' for identity in wrong}))}.",
            tuple(_said(identity) for identity in wrong),
            "Compare `kubectl get pods -o wide` with the ReplicaSet's template: another revision answers.",
        ),
        *missed,
    )


def _after(attempt: Attempt) -> str:
    to = f" to revision {attempt.expected.revision}" if attempt.way is Way.UNDO else ""
    return f"After {_act(attempt.way)}{to}"


def _answers(attempt: Attempt) -> tuple[Finding, ...]:
    answers = attempt.answers
    if not answers:
        return (_unasked(attempt, "was asked a question"),)
    bad = failed(answers)
    missed = unasked_findings(answer.reply for answer in answers)
    if not bad:
        return missed
    return (
        Finding(
            Status.FAIL,
            Cause.ROLLOUT_UNDO_FAILED,
            f"After {_act(attempt.way)} {len(bad)} of {count(len(answers), 'question')} got no complete answer.",
            tuple(answer_evidence(answer) for answer in bad),
            "Read the log of the pods named, and roll forward again.",
        ),
        *missed,
    )


def _unasked(attempt: Attempt, what: str) -> Finding:
    return Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"{_after(attempt)} no pod {what}.",
        (Evidence(_object(attempt), f"pods that {what.replace('was ', 'were ')}", "0"),),
        "Look why no pod of that revision was ready, and run the drill again.",
    )


def _forward(attempt: Attempt) -> tuple[Finding, ...]:
    forward = attempt.forward
    if forward.status in {Status.PASS, Status.WARN}:
        return ()
    version = "the version that ran before the drill"
    end = f"{version} did not come up again"
    if forward.status is Status.INCONCLUSIVE:
        end = f"it is unknown whether {version} came up again"
    return (_ended_otherwise(forward, f"After {_act(attempt.way)} {end}"),)


def _lost(attempt: Attempt) -> tuple[Finding, ...]:
    lost = len(failed(attempt.traffic))
    if not lost:
        return ()
    return (
        Finding(
            Status.WARN,
            Cause.ROLLOUT_REQUESTS_FAILED,
            f"{count(lost, 'request')} failed while {_act(attempt.way)} rolled.",
            (Evidence("requests through the Service", f"failed during {_act(attempt.way)}", str(lost)),),
            "Look at ROL-1: readiness, drain delay and grace period decide whether a rollout drops requests.",
        ),
    )


def _drift(attempt: Attempt) -> tuple[Finding, ...]:
    if attempt.drift is None or attempt.drift.named:
        return ()
    return (
        Finding(
            Status.WARN,
            Cause.PLAN_DRIFT_MISSED,
            f"After {_act(attempt.way)} the next Terraform plan does not want to change the Deployment: it takes what "
            f"was rolled back for what is deployed.",
            _planned(attempt) or (Evidence("next plan", "changes of the Deployment", "none"),),
            "Do not trust `nothing to change` after a rollback: put the old image into the variables, plan and apply.",
        ),
    )


def _planned(attempt: Attempt) -> tuple[Evidence, ...]:
    if attempt.drift is None:
        return ()
    would = "would redeploy" if attempt.drift.named else "would leave"
    return tuple(Evidence("next plan", would, field) for field in attempt.drift.fields)
