"""What one exchange with the service says, in the words that every judgement of answers uses.

Tells a failure of the service from the gate's own trouble: a pod that the gate may not or cannot ask has not failed,
it is unknown. The text of questions and answers never enters a sentence or a piece of evidence here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis.wording import count, names, quote
from gate.records import Answer, Reply
from gate.verdict import Evidence, Finding, Status

OK = 200
TOO_MANY_REQUESTS = 429
GATEWAY_TIMEOUT = 504

#: The gate could not ask: nothing is known about the service.
_GATE_TROUBLE = {"forbidden": Cause.GATE_FORBIDDEN, "unreachable": Cause.GATE_UNREACHABLE}
_POD = "pod/"


def no_ready_pod(pods: Sequence[str], wanted: str) -> tuple[Finding, ...]:
    """Return what is wrong where nobody could be asked; nothing where there is a pod.

    Args:
        pods: names of the ready pods.
        wanted: for what, as the end of "there is no ready pod".
    """
    if pods:
        return ()
    reason = f"There is no ready pod {wanted}."
    seen = (Evidence("Deployment", "ready pods", "none"),)
    remedy = "See POD-1 for why no pod is ready, then run acceptance again."
    return (Finding(Status.FAIL, Cause.ENDPOINTS_NOT_READY, reason, seen, remedy),)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a failed request means: its cause, and what to do."""

    cause: Cause
    remedy: str


#: What a token limit that ends inside the thoughts calls for.
THINK_LESS = "Lower THINKING_BUDGET_TOKENS below MAX_TOKENS (or raise both), so that tokens are left for the answer."

#: Patterns of the service's own words for why it did not answer (its error body's ``detail``), and what they mean.
_DETAILS: tuple[tuple[str, Refusal], ...] = (
    (
        "the patient api",
        Refusal(
            Cause.DEPENDENCY_UNREACHABLE,
            "Correct DB_API_BASE_URL (the patient API listens on 8001), or mend the patient API.",
        ),
    ),
    (r"answer is empty \(.*\b[1-9]\d* thinking", Refusal(Cause.MODEL_THINKING_UNFINISHED, THINK_LESS)),
    (
        "answer is empty",
        Refusal(
            Cause.MODEL_EMPTY_ANSWER, "Raise MAX_TOKENS or lower THINKING_BUDGET_TOKENS, so that an answer is left."
        ),
    ),
    (
        "is not loaded",
        Refusal(
            Cause.PROBE_READY_WITHOUT_MODEL,
            "Point the readiness probe at /ready, which is 503 until the model is loaded.",
        ),
    ),
    (
        "request_deadline_s",
        Refusal(Cause.MODEL_CUT_SHORT, "Raise REQUEST_DEADLINE_S, or give the pods more CPU."),
    ),
    (
        "in the queue",
        Refusal(Cause.REQUEST_REFUSED, "Add replicas, and find out who else asks the service: its queue is too long."),
    ),
)


def pod_of(reply: Reply) -> str | None:
    """Return the pod that was asked, None for a request through the Service."""
    return reply.via.removeprefix(_POD) if reply.via.startswith(_POD) else None


def asked(reply: Reply) -> str:
    """Return who was asked, as a sentence names it."""
    pod = pod_of(reply)
    return f"pod {pod}" if pod else "the Service"


def speakers(replies: Iterable[Reply]) -> str:
    """Return who was asked, each once, as the beginning of a sentence."""
    who = names(tuple(dict.fromkeys(asked(each) for each in replies)))
    return f"{who[:1].upper()}{who[1:]}"


def outcome(reply: Reply) -> str:
    """Return what came back: a status code, or why none did."""
    if reply.status is not None:
        return f"HTTP {reply.status}"
    return {
        "refused": "connection refused",
        "timed_out": f"no answer within {reply.elapsed_s:.1f} s",
        "closed": "connection closed before the answer was complete",
        "no_address": "no address for the host name",
        "forbidden": "not asked: no right to port-forward",
        "unreachable": "not asked: the API server did not answer",
    }.get(reply.trouble, "no answer")


def refusal(reply: Reply) -> Refusal:
    """Return what a failed request means, by its status and the service's own words."""
    if reply.status == TOO_MANY_REQUESTS:
        return Refusal(
            Cause.REQUEST_REFUSED, "Add replicas or raise MAX_QUEUE, and find out who else asks the service."
        )
    said = reply.error.lower()
    meant = next((each for words, each in _DETAILS if re.search(words, said)), None)
    return meant or Refusal(
        Cause.REQUEST_FAILED, f"Read the log of {asked(reply)} from {reply.started_at:%H:%M:%S} UTC on."
    )


def was_asked(reply: Reply) -> bool:
    """Return whether the request reached for the service at all."""
    return reply.trouble not in _GATE_TROUBLE


def exchange_evidence(reply: Reply) -> Evidence:
    """Return the exchange as evidence: who, which path, what came back after how long, when."""
    pod = pod_of(reply)
    value = outcome(reply) if reply.trouble == "timed_out" else f"{outcome(reply)} after {reply.elapsed_s:.2f} s"
    if reply.status not in {None, OK} and reply.error:
        value = f"{value}: {quote(reply.error)}"
    return Evidence(f"Pod/{pod}" if pod else "Service", reply.path, value, reply.started_at)


def answer_evidence(answer: Answer) -> Evidence:
    """Return an answer as evidence: its length, tokens and end, never its text."""
    shown = exchange_evidence(answer.reply)
    if answer.reply.status != OK:
        return shown
    tokens = "unknown" if answer.completion_tokens is None else str(answer.completion_tokens)
    value = (
        f"{len(answer.response)} characters, {tokens} tokens, finish reason {answer.finish_reason or 'not said'}, "
        f"after {answer.reply.elapsed_s:.2f} s"
    )
    return Evidence(shown.object, shown.field, value, shown.at)


def unasked_findings(replies: Iterable[Reply]) -> tuple[Finding, ...]:
    """Return the gate's own trouble among the replies: INCONCLUSIVE, one finding per kind."""
    kinds: dict[str, list[Reply]] = {}
    for reply in replies:
        if not was_asked(reply):
            kinds.setdefault(reply.trouble, []).append(reply)
    return tuple(_unasked(trouble, missed) for trouble, missed in kinds.items())


def _unasked(trouble: str, missed: Sequence[Reply]) -> Finding:
    who = tuple(dict.fromkeys(asked(each) for each in missed))
    if trouble == "forbidden":
        why = "the gate has no right to port-forward"
        remedy = "Grant get and create on pods/portforward in the app's namespace to the account the gate runs as."
    else:
        why = "the API server did not answer the port-forward"
        remedy = "Run the gate again once `kubectl get --raw /readyz` answers."
    return Finding(
        Status.INCONCLUSIVE,
        _GATE_TROUBLE[trouble],
        f"{count(len(who), 'address', 'addresses')} could not be asked ({names(who)}): {why}.",
        (exchange_evidence(missed[0]),),
        remedy,
    )


def grouped_by_outcome(replies: Iterable[Reply]) -> dict[str, list[Reply]]:
    """Return the replies by what came back; time-outs of different length are one group."""
    groups: dict[str, list[Reply]] = {}
    for reply in replies:
        groups.setdefault(reply.trouble or outcome(reply), []).append(reply)
    return groups
