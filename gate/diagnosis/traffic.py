"""ROL-1 and LOD-1: what users saw while the cluster changed, and while many asked at once.

A rolling update is judged by the requests that were under way during it, through the way users go; without enough of
them, or with a gap that could hide an outage, nothing is known. Under load a refusal is not a crash: what counts is
how many got a complete answer in time, and whether those who waited were told so.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from gate.causes import Cause
from gate.diagnosis.exchanges import (
    OK,
    Refusal,
    answer_evidence,
    exchange_evidence,
    grouped_by_outcome,
    outcome,
    refusal,
    was_asked,
)
from gate.diagnosis.latency import failure, latency_series
from gate.diagnosis.queueing import counted_wait_evidence, uncounted_wait_findings
from gate.diagnosis.wording import count
from gate.records import Answer, Readings, Reply
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

#: Requests under way during the update from which "none failed" says something: with 20, a failure rate of 15 % would
#: have shown with 96 % probability (1 - 0.85^20).
MIN_DURING = 20

#: Before the update, to know that the service was well; after it, to know that it still is.
MIN_BESIDE = 3

#: An outage between two requests is not seen. Ten seconds is the shortest that a probe of a load balancer would notice
#: (AWS target groups: unhealthy after 2 failed checks, 5 s apart at least).
MAX_GAP_S = 10.0

#: A wait that nobody reported, over the client's and the network's own: more than this and more than a quarter of the
#: whole. A quarter is far above the patient API's share (measured: milliseconds of seconds).
SILENT_S = 1.0
SILENT_SHARE = 0.25

#: Silent waits are a fault once more than one answer in ten has one; below, a scheduling accident explains them.
SILENT_ANSWERS = 0.1

#: Fewer good answers than this share and the service does not carry the load; between that and all it carries it with
#: refusals, which warns. This project's choice: under its stated load the service must serve the majority.
MIN_GOODPUT = 0.5

#: Failures shown one by one; the rest is counted.
_SHOWN = 5


def rollout_traffic_verdict(
    samples: Sequence[Reply], *, changed_at: datetime, settled_at: datetime, criterion: str = "ROL-1"
) -> Verdict:
    """Judge the requests that ran through the load balancer while the cluster changed.

    Args:
        samples: every request sent, the failed ones too, from before the change until after it settled.
        changed_at: when the change was applied.
        settled_at: when the last pod was in place.
        criterion: ROL-1, or another drill's that changes the cluster under traffic.
    """
    sent = sorted((each for each in samples if was_asked(each)), key=lambda each: each.started_at)
    before = [each for each in sent if _ended(each) < changed_at]
    during = [each for each in sent if _ended(each) >= changed_at and each.started_at <= settled_at]
    after = [each for each in sent if each.started_at > settled_at]
    findings = [
        *_failed(sent, changed_at),
        *_too_few(len(before), len(during), len(after)),
        *_gap(during, changed_at, settled_at),
    ]
    shown = (
        Evidence(
            "Service", "requests before, during, after", f"{len(before)}, {len(during)}, {len(after)}", changed_at
        ),
        Evidence("Service", "longest gap in the update", f"{_longest_gap_s(during, changed_at, settled_at):.1f} s"),
        Evidence("Service", "slowest request in the update", f"{_slowest_s(during):.2f} s"),
    )
    lasted_s = (settled_at - changed_at).total_seconds()
    otherwise = passed(
        criterion,
        f"None of {count(len(during), 'request')} under way during the {lasted_s:.0f} s of the update failed, "
        f"nor any of {len(before) + len(after)} before and after.",
        shown,
    )
    return judged(criterion, findings, otherwise).with_details(
        requests=request_series(sent),
        marks=[
            {"at": changed_at.isoformat(), "label": "update applied"},
            {"at": settled_at.isoformat(), "label": "update settled"},
        ],
    )


def failed(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Return the requests that got no complete answer: refused, failed, empty or cut short by the deadline."""
    return tuple(each for each in answers if was_asked(each.reply) and failure(each) is not None)


def request_series(samples: Sequence[Reply]) -> list[dict[str, object]]:
    """Return the requests as the report's picture takes them: at, seconds, ok, error."""
    return [
        {
            "at": each.started_at.isoformat(),
            "seconds": round(each.elapsed_s, 3),
            "ok": each.status == OK,
            "error": "" if each.status == OK else outcome(each),
        }
        for each in samples
    ]


def _ended(reply: Reply) -> datetime:
    return reply.started_at + timedelta(seconds=reply.elapsed_s)


def _slowest_s(replies: Sequence[Reply]) -> float:
    return max((each.elapsed_s for each in replies), default=0.0)


def _longest_gap_s(during: Sequence[Reply], changed_at: datetime, settled_at: datetime) -> float:
    """Return the longest time of the update in which no request was sent."""
    inside = [each.started_at for each in during if each.started_at >= changed_at]
    return max((later - earlier).total_seconds() for earlier, later in pairwise((changed_at, *inside, settled_at)))


def _failed(sent: Sequence[Reply], changed_at: datetime) -> tuple[Finding, ...]:
    """Return one finding per kind of failure, the kinds that began after the change first."""
    groups = grouped_by_outcome(each for each in sent if each.status != OK)
    findings = [_failed_alike(group, len(sent), changed_at) for group in groups.values()]
    return tuple(sorted(findings, key=lambda each: each.cause is not Cause.ROLLOUT_REQUESTS_FAILED))


def _failed_alike(group: Sequence[Reply], total: int, changed_at: datetime) -> Finding:
    since = sorted((_ended(each) - changed_at).total_seconds() for each in group)
    caused = since[-1] >= 0
    if not caused:
        when = "before the update began: the service was failing already"
    elif since[0] == since[-1]:
        when = f"{since[0]:.1f} s after the change"
    else:
        when = f"{since[0]:.1f} to {since[-1]:.1f} s after the change"
    return Finding(
        Status.FAIL,
        Cause.ROLLOUT_REQUESTS_FAILED if caused else Cause.REQUEST_FAILED,
        f"{len(group)} of {count(total, 'request')} failed ({outcome(group[0])}), {when}.",
        tuple(exchange_evidence(each) for each in group[:_SHOWN]),
        "Let old pods finish: a preStop pause longer than the load balancer takes to drop them, maxUnavailable 0, and "
        "a readiness probe that asks for the model."
        if caused
        else "Mend the service before updating it: see HLT-1 and LLM-1.",
    )


def _too_few(before: int, during: int, after: int) -> tuple[Finding, ...]:
    if during >= MIN_DURING and before >= MIN_BESIDE and after >= MIN_BESIDE:
        return ()
    return (
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_TOO_FEW_SAMPLES,
            f"{before} requests before, {during} during and {after} after the update are too few "
            f"({MIN_BESIDE}, {MIN_DURING} and {MIN_BESIDE} are needed) to say that none fails.",
            (Evidence("Service", "requests before, during, after", f"{before}, {during}, {after}"),),
            "Send requests from more clients, and begin before the change.",
        ),
    )


def _gap(during: Sequence[Reply], changed_at: datetime, settled_at: datetime) -> tuple[Finding, ...]:
    gap_s = _longest_gap_s(during, changed_at, settled_at)
    if gap_s <= MAX_GAP_S:
        return ()
    return (
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_TOO_FEW_SAMPLES,
            f"No request was sent for {gap_s:.1f} s of the update: an outage in that time would not have been seen.",
            (Evidence("Service", "longest gap in the update", f"{gap_s:.1f} s"),),
            "Send requests from more clients, so that one slow answer leaves no gap.",
        ),
    )


# --- LOD-1 ------------------------------------------------------------------------------------------------------------


def load_verdict(answers: Sequence[Answer], readings: Readings, *, clients: int, deadline_s: float) -> Verdict:
    """Judge LOD-1.

    An error is a request that got no answer, but for a refusal of the queue (429, or 503 past its bound) that says when
    to come back. Goodput is the share of all requests that got a complete answer within ``deadline_s``; refused, late
    and cut-short ones count against it.

    Args:
        answers: of every request, refused ones too.
        readings: of every pod's /metrics, before and after the load.
        clients: how many were meant to ask at the same time.
        deadline_s: seconds within which an answer is good.
    """
    known = [each for each in answers if was_asked(each.reply)]
    good = [each for each in known if failure(each) is None and each.reply.elapsed_s <= deadline_s]
    refused = [each for each in known if _is_announced_refusal(each)]
    findings = [
        *_errors(known),
        *_silent(known),
        *uncounted_wait_findings(known, readings),
        *_goodput(len(good), known, deadline_s),
        *_concurrency(known, clients),
    ]
    waits = [each.queue_ms for each in known if each.queue_ms is not None]
    longest = f"{max(waits) / 1000:.1f} s" if waits else "not reported"
    evidence = (
        Evidence("Service", "good answers", f"{len(good)} of {len(known)} within {deadline_s:g} s"),
        Evidence("Service", "refused with Retry-After", str(len(refused))),
        Evidence("Service", "longest reported wait in the queue", longest),
        Evidence("Service", "requests at the same time", str(_concurrent(known))),
        *counted_wait_evidence(readings),
    )
    otherwise = passed(
        "LOD-1",
        f"{count(clients, 'client')} at once: all {count(len(known), 'request')} got a complete answer within "
        f"{deadline_s:g} s; the longest reported wait in the queue was {longest}.",
        evidence,
    )
    return judged("LOD-1", findings, otherwise).with_details(
        latencies=latency_series(answers), requests=request_series([each.reply for each in answers])
    )


def _is_announced_refusal(answer: Answer) -> bool:
    """Return whether the queue was too long and the client was told when to come back (429, or 503 past the bound)."""
    turned_away = answer.reply.status is not None and refusal(answer.reply).cause is Cause.REQUEST_REFUSED
    return turned_away and answer.retry_after_s is not None


def _errors(known: Sequence[Answer]) -> tuple[Finding, ...]:
    groups: dict[str, list[Answer]] = {}
    for each in failed(known):
        if _is_announced_refusal(each) or (each.reply.status == OK and each.response.strip()):
            continue  # not good, and not an error: goodput counts it
        groups.setdefault(each.reply.trouble or failure(each) or "", []).append(each)
    return tuple(_error(group, len(known)) for group in groups.values())


def _error(group: Sequence[Answer], total: int) -> Finding:
    first = group[0]
    why = failure(first) or ""
    meant = refusal(first.reply)
    if meant.cause is Cause.REQUEST_REFUSED:
        why = f"{why} without Retry-After"
        meant = Refusal(meant.cause, "Make the service send Retry-After with each refusal, so that clients come back.")
    elif first.reply.status == OK:
        meant = Refusal(
            Cause.MODEL_EMPTY_ANSWER, "Raise MAX_TOKENS above THINKING_BUDGET_TOKENS, so that words are left."
        )
    return Finding(
        Status.FAIL,
        meant.cause,
        f"{len(group)} of {count(total, 'request')} under load failed: {why}.",
        tuple(answer_evidence(each) for each in group[:_SHOWN]),
        meant.remedy,
    )


def _unreported_s(answer: Answer) -> float:
    """Return the seconds that a client waited and that neither the model's time nor the reported queue explains."""
    explained = (answer.inference_s or 0.0) + (answer.queue_ms or 0.0) / 1000
    return answer.reply.elapsed_s - explained


def _silent(known: Sequence[Answer]) -> tuple[Finding, ...]:
    answered = [each for each in known if each.reply.status == OK and each.inference_s is not None]
    silent = [
        each
        for each in answered
        if _unreported_s(each) > SILENT_S and _unreported_s(each) > SILENT_SHARE * each.reply.elapsed_s
    ]
    if len(silent) <= SILENT_ANSWERS * len(answered):
        return ()
    worst = max(silent, key=_unreported_s)
    return (
        Finding(
            Status.FAIL,
            Cause.QUEUE_SILENT,
            f"{len(silent)} of {count(len(answered), 'answer')} waited without a word: up to "
            f"{_unreported_s(worst):.1f} s of {worst.reply.elapsed_s:.1f} s are neither inference nor reported queue.",
            tuple(
                Evidence(
                    "Service",
                    each.reply.path,
                    f"{each.reply.elapsed_s:.1f} s, of which inference {each.inference_s or 0:.1f} s, X-Queue-Ms "
                    f"{'not sent' if each.queue_ms is None else f'{each.queue_ms:.0f}'}",
                    each.reply.started_at,
                )
                for each in sorted(silent, key=_unreported_s, reverse=True)[:_SHOWN]
            ),
            "Report the wait (X-Queue-Ms) and bound it: answer 429 with Retry-After once MAX_QUEUE requests wait.",
        ),
    )


def _goodput(good: int, known: Sequence[Answer], deadline_s: float) -> tuple[Finding, ...]:
    if known and good == len(known):
        return ()
    refused = sum(_is_announced_refusal(each) for each in known)
    late = sum(each.reply.status == OK and bool(each.response.strip()) for each in known) - good
    share = good / len(known) if known else 0.0
    evidence = Evidence("Service", "good, refused, late or cut short", f"{good}, {refused}, {late} of {len(known)}")
    if not known:
        return (
            Finding(
                Status.INCONCLUSIVE,
                Cause.GATE_NOT_MEASURED,
                "No request was sent: nothing is known about the service under load.",
                (evidence,),
                "Run the load drill again and look at why no client started.",
            ),
        )
    return (
        Finding(
            Status.FAIL if share < MIN_GOODPUT else Status.WARN,
            Cause.LATENCY_OVER_TARGET if late > refused else Cause.REQUEST_REFUSED,
            f"Goodput is {share:.0%}: {good} of {count(len(known), 'request')} got a complete answer within "
            f"{deadline_s:g} s, {refused} were refused with Retry-After, {late} came late or were cut short.",
            (evidence,),
            "Add replicas, take a node type with more CPU (`python -m gate size`), or lower MAX_QUEUE so that what "
            "cannot be answered in time is refused at once.",
        ),
    )


def _concurrent(known: Sequence[Answer]) -> int:
    """Return the largest number of requests that were under way at the same time."""
    edges = [(each.reply.started_at, 1) for each in known] + [(_ended(each.reply), -1) for each in known]
    running = highest = 0
    for _, step in sorted(edges):
        running += step
        highest = max(highest, running)
    return highest


def _concurrency(known: Sequence[Answer], clients: int) -> tuple[Finding, ...]:
    reached = _concurrent(known)
    if not known or reached >= clients:
        return ()
    return (
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"At most {reached} of {count(clients, 'client')} asked at the same time: that is not the load to judge.",
            (Evidence("Service", "requests at the same time", str(reached)),),
            "Run the load drill from a machine that can keep all clients busy, with more requests than clients.",
        ),
    )
