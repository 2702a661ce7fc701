"""ERR-1: how many questions each pod failed or refused since the deploy, by its own counters.

What users met before the gate looked, and what its own few questions are too few to meet. Judged are the users'
questions as /metrics counts them, and this run's own, which are known one by one; what the gate asked at other times is
counted apart by the service and left out, for its load drill provokes refusals. An error is a 5xx, a refusal is a full
queue (429, or 503 after waiting in it); 404, 422 and 403 are answers to what the caller did, and only so many of them
that clients and service must disagree are worth a warning. Two spans are looked at: since each pod's start, and during
the run, for a trouble that is new drowns in the counts of weeks.

Every pod is judged by itself, then all together. Over the limit by few questions is no proof: it fails only where a
service that meets the limit would look so bad in one of twenty runs, and warns below that.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gate.causes import Cause
from gate.diagnosis.exchanges import OK, THINK_LESS, refusal, was_asked
from gate.diagnosis.quantiles import chance_of_exceeding
from gate.diagnosis.readings import forgotten_findings, pod_name, since, unread_findings
from gate.diagnosis.wording import count, names
from gate.records import Answer, Pod, PodMetrics, Readings
from gate.verdict import SEVERITY, Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "ERR-1"
_USER = "user"

#: So rarely would a service at its limit look this bad by chance. The conventional 5 %.
_CHANCE = 0.05

#: A caller that hung up met no error of the service; nginx's 499, and a connection that broke without a status.
_HUNG_UP = frozenset({"499", "None"})
_TOO_MANY = "429"

#: Reasons of the service (service_chat/errors.py) by which it turns a question away although nothing is broken.
_OVERLOAD = frozenset({"deadline_waiting", "shutting_down"})


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What an error means: in words, and what to do."""

    words: str
    remedy: str


#: The service's reasons for a 5xx, and what they mean.
_REASONS: Mapping[str, Cause] = {
    "patient_api": Cause.DEPENDENCY_UNREACHABLE,
    "model_not_loaded": Cause.PROBE_READY_WITHOUT_MODEL,
    "deadline_generating": Cause.MODEL_CUT_SHORT,
    "empty_answer": Cause.MODEL_EMPTY_ANSWER,
}
_MEANINGS: Mapping[Cause, _Meaning] = {
    Cause.DEPENDENCY_UNREACHABLE: _Meaning(
        "the patient API did not answer", "Mend the patient API, or correct DB_API_BASE_URL (it listens on 8001)."
    ),
    Cause.PROBE_READY_WITHOUT_MODEL: _Meaning(
        "no model was loaded", "Point the readiness probe at /ready, which is 503 until the model is loaded."
    ),
    Cause.MODEL_CUT_SHORT: _Meaning(
        "no word came within the deadline", "Give the pods more CPU, or raise REQUEST_DEADLINE_S."
    ),
    Cause.MODEL_EMPTY_ANSWER: _Meaning(
        "the answer was empty", "Raise MAX_TOKENS or lower THINKING_BUDGET_TOKENS, so that an answer is left."
    ),
    Cause.MODEL_THINKING_UNFINISHED: _Meaning("every token went into thinking", THINK_LESS),
    Cause.REQUEST_FAILED: _Meaning("the service itself failed", ""),
    Cause.REQUEST_REFUSED: _Meaning(
        "its queue was full",
        "Add replicas, take nodes with more CPU (`python -m gate size`), or find who asks so much.",
    ),
}


@dataclass(frozen=True, slots=True)
class _Tally:
    """Questions to one pod, or to all, in one span."""

    pod: str
    users: int = 0
    own: int = 0
    refusals: int = 0
    rejected: int = 0
    hung_up: int = 0
    errors: Counter[Cause] = field(default_factory=Counter)
    at: datetime | None = None

    @property
    def asked(self) -> int:
        return self.users + self.own

    @property
    def failed(self) -> int:
        return self.errors.total()

    def __add__(self, other: "_Tally") -> "_Tally":
        return _Tally(
            "all pods",
            self.users + other.users,
            self.own + other.own,
            self.refusals + other.refusals,
            self.rejected + other.rejected,
            self.hung_up + other.hung_up,
            self.errors + other.errors,
            other.at,
        )


_NOBODY = _Tally("all pods")


@dataclass(frozen=True, slots=True)
class _Kind:
    """Errors or refusals: how they are counted, called and bounded."""

    verb: str
    limit: float

    def bad(self, tally: _Tally) -> int:
        return tally.failed if self.verb == "failed" else tally.refusals

    def share(self, tally: _Tally) -> float:
        return self.bad(tally) / tally.asked

    def cause(self, tally: _Tally) -> Cause:
        return tally.errors.most_common(1)[0][0] if self.verb == "failed" else Cause.REQUEST_REFUSED

    def status(self, tally: _Tally) -> Status | None:
        """Return how bad it is, None within the limit."""
        bad = self.bad(tally)
        if bad <= self.limit * tally.asked:
            return None
        return Status.FAIL if chance_of_exceeding(tally.asked, bad, 1 - self.limit) <= _CHANCE else Status.WARN


def error_rate_verdict(
    readings: Readings,
    answers: Sequence[Answer],
    *,
    pods: Sequence[Pod],
    container: str,
    error_share_limit: float,
    refusal_share_limit: float,
    rejected_share_limit: float,
    min_requests: int,
) -> Verdict:
    """Judge ERR-1.

    FAIL where a pod, or all together, exceeds a limit beyond chance; WARN where it does by few questions, where users'
    questions are rejected (4xx) in numbers, or where a restart lost counts. INCONCLUSIVE where a pod was asked nothing
    or all were asked less than ``min_requests``: this run's own questions count, so a fresh deploy without users can
    pass, and the reason says what rate would have shown.

    Args:
        readings: before and after the run's questions.
        answers: of this run, of all pods.
        pods: the ready pods of the newest revision.
        container: which container counts.
        error_share_limit: share of the questions (0 to 1) that may end in an error.
        refusal_share_limit: share that may be refused.
        rejected_share_limit: share of the users' questions that may be rejected as wrong.
        min_requests: questions that a claim needs.
    """
    known = [each for each in readings.after if each.requests is not None]
    kinds = (_Kind("failed", error_share_limit), _Kind("refused", refusal_share_limit))
    own = {pod_name(each): _own(pod_name(each), answers) for each in known}
    whole = [_plus(_users(each, None), own[pod_name(each)]) for each in known]
    before = {pod_name(each): each for each in readings.before if each.requests is not None}
    recent = [
        _plus(_users(each, before[pod_name(each)]), own[pod_name(each)])
        for each in known
        if pod_name(each) in before and before[pod_name(each)].started_at == each.started_at
    ]
    when = since(known)
    namespace = pods[0].namespace if pods else ""
    over = [each for kind in kinds for each in _over(whole, when, kind, namespace)]
    if not any(each.status is Status.FAIL for each in over):
        over += [each for kind in kinds for each in _over(recent, "during this run", kind, namespace)]
    total = sum(whole, start=_NOBODY)
    findings = [
        *over,
        *unread_findings(
            readings.after,
            [pod.name for pod in pods],
            known=lambda each: each.requests is not None,
            what="requests by status",
        ),
        *_too_few(whole, total, min_requests),
        *_rejected(whole, total, when, rejected_share_limit),
        *forgotten_findings(pods, container, namespace, what="its counts"),
    ]
    claim = _claim(total, len(whole), when, max(error_share_limit, refusal_share_limit))
    evidence = [_evidence(each) for each in whole] or [Evidence("Pods", "/metrics", "not read")]
    return judged(_CRITERION, findings, passed(_CRITERION, claim, evidence))


# --- Counting ---------------------------------------------------------------------------------------------------------


def _users(now: PodMetrics, before: PodMetrics | None) -> _Tally:
    """Return the users' questions of one reading, less those of an earlier one."""
    statuses = _grown(now.requests, before.requests if before else None)
    reasons = _grown(now.refused, before.refused if before else None)
    server_errors = sum(number for status, number in statuses.items() if status.startswith("5"))
    overload = sum(number for reason, number in reasons.items() if reason in _OVERLOAD)
    errors = Counter({cause: reasons[reason] for reason, cause in _REASONS.items() if reasons[reason]})
    unexplained = server_errors - overload - errors.total()
    if unexplained > 0:
        errors[Cause.REQUEST_FAILED] += unexplained
    rejected = sum(n for status, n in statuses.items() if status.startswith("4"))
    return _Tally(
        pod_name(now),
        users=statuses.total(),
        refusals=statuses[_TOO_MANY] + overload,
        rejected=rejected - statuses[_TOO_MANY] - statuses["499"],
        hung_up=sum(statuses[each] for each in _HUNG_UP),
        errors=errors,
        at=now.reply.started_at,
    )


def _grown(now: Mapping[tuple[str, str], int] | None, before: Mapping[tuple[str, str], int] | None) -> Counter[str]:
    return Counter(
        {
            label: max(number - (before or {}).get((traffic, label), 0), 0)
            for (traffic, label), number in (now or {}).items()
            if traffic == _USER
        }
    )


def _own(pod: str, answers: Sequence[Answer]) -> _Tally:
    """Return this run's questions to one pod."""
    replies = [each.reply for each in answers if each.reply.via == f"pod/{pod}" and was_asked(each.reply)]
    causes = [refusal(each).cause for each in replies if each.status != OK]
    errors: Counter[Cause] = Counter(cause for cause in causes if cause is not Cause.REQUEST_REFUSED)
    return _Tally(pod, own=len(replies), refusals=len(causes) - errors.total(), errors=errors)


def _plus(users: _Tally, own: _Tally) -> _Tally:
    return replace(users + own, pod=users.pod, at=users.at)


# --- Judging ----------------------------------------------------------------------------------------------------------


def _over(tallies: Sequence[_Tally], when: str, kind: _Kind, namespace: str) -> list[Finding]:
    """Return the pod that is worst over the limit, or all of them where only their sum is beyond chance."""
    total = sum(tallies, start=_NOBODY)
    by_pod = [(status, each) for each in tallies if (status := kind.status(each))]
    if not by_pod:
        return []  # no pod is over, so their sum is not either
    status, worst = min(by_pod, key=lambda each: (SEVERITY.index(each[0]), -kind.share(each[1])))
    if status is not Status.FAIL and kind.status(total) is Status.FAIL:
        status, worst = Status.FAIL, total
    others = sum((each for each in tallies if each is not worst), start=_NOBODY)
    contrast = f"; the other pods {kind.bad(others)} of {others.asked}" if worst is not total and others.asked else ""
    cause = kind.cause(worst)
    meaning = _MEANINGS[cause]
    who = "All pods together" if worst is total else f"Pod {worst.pod}"
    return [
        Finding(
            status,
            cause,
            f"{who} {kind.verb} {kind.bad(worst)} of {count(worst.asked, 'question')} {when} "
            f"({kind.share(worst):.1%}, limit {kind.limit:.0%}), {meaning.words}{contrast}.",
            tuple(_evidence(each) for _, each in by_pod),
            meaning.remedy
            or f"Read its log by the trace ids: kubectl logs {by_pod[0][1].pod} -n {namespace} | grep '\"status\": 5'",
        )
    ]


def _too_few(tallies: Sequence[_Tally], total: _Tally, min_requests: int) -> list[Finding]:
    idle = [each.pod for each in tallies if not each.asked]
    if not tallies or (total.asked >= min_requests and not idle):
        return []
    unasked = f", {names(idle)} none" if idle else ""
    return [
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_TOO_FEW_SAMPLES,
            f"{count(len(tallies), 'pod')} got {count(total.asked, 'question')} in all{unasked}: an error rate needs "
            f"{min_requests}, and one for each pod.",
            tuple(_evidence(each) for each in tallies),
            "Raise latency_samples in the target's [acceptance], or judge again when users have asked.",
        )
    ]


def _rejected(tallies: Sequence[_Tally], total: _Tally, when: str, limit: float) -> list[Finding]:
    if not total.users or total.rejected <= limit * total.users:
        return []
    if chance_of_exceeding(total.users, total.rejected, 1 - limit) > _CHANCE:
        return []
    return [
        Finding(
            Status.WARN,
            Cause.CONTRACT_VIOLATED,
            f"{total.rejected} of {count(total.users, 'question')} of users {when} were rejected as wrong (4xx, "
            f"{total.rejected / total.users:.0%}, expected below {limit:.0%}): clients and this version disagree.",
            tuple(_evidence(each) for each in tallies),
            "Compare what clients send with the README's API: 404 is an unknown patient, 422 a malformed question.",
        )
    ]


def _evidence(tally: _Tally) -> Evidence:
    why = ", ".join(f"{_MEANINGS[cause].words}: {number}" for cause, number in tally.errors.most_common())
    return Evidence(
        f"Pod/{tally.pod}",
        "/metrics questions",
        f"{tally.users} of users, {tally.own} of this run: {tally.failed} failed{f' ({why})' if why else ''}, "
        f"{tally.refusals} refused, {tally.rejected} rejected as wrong, {tally.hung_up} given up by the caller",
        tally.at,
    )


def _claim(total: _Tally, pods: int, when: str, limit: float) -> str:
    asked = f"{count(total.asked, 'question')} to {count(pods, 'pod')} {when} ({total.users} of users)"
    if total.failed or total.refusals:
        return f"Of {asked}, {total.failed} failed and {total.refusals} were refused: within {limit:.0%} on every pod."
    # Were the true rate higher, none of so many would fail in less than one of twenty runs.
    shown = 1 - _CHANCE ** (1 / total.asked) if total.asked else 1.0
    return f"None of {asked} failed or was refused; a rate above {shown:.0%} would have shown."
