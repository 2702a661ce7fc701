"""LOG-1: no errors in the logs since each pod started; /version confirms that the model is loaded.

Lines are grouped by what went wrong. A line's text may hold a patient's words, so none is ever shown: a finding names
the pattern, how often, the first line's number, and the ``event`` of a JSON line where it is a plain identifier. What
a rotated log has lost is no failure: the pod's own declaration confirms the load, the log line is evidence.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis.exchanges import OK, exchange_evidence, no_ready_pod, outcome, pod_of, unasked_findings, was_asked
from gate.diagnosis.log_patterns import DEPENDENCY, PATTERNS, Pattern
from gate.diagnosis.wording import count, names
from gate.records import Identity, LogTail
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "LOG-1"

#: The service's own words once its model is loaded.
LOADED_LINE = "Model loaded successfully"

_ERROR_LEVELS = frozenset({"error", "critical", "fatal"})
#: A level at the start of a plain line, as uvicorn, logging.basicConfig, glog and llama.cpp (``0.00.072.4 E``) do.
_PLAIN_LEVEL = re.compile(
    r"^\s*(?:\[?(?P<word>ERROR|CRITICAL|FATAL)\]?(?=[:\s|-])|(?P<glog>[EF])\d{4} \d\d:\d\d"
    r"|\d+\.\d{2}\.\d{3}\.\d{3} (?P<llama>E) )"
)
_TRACEBACK = "Traceback (most recent call last):"
#: The last line of a traceback: the exception's class. Its message is left out, it may quote anything.
_EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Timeout))\b")
#: Event names that are shown: machine names, which cannot be a sentence about somebody, and the service's own.
_IDENTIFIER = re.compile(r"^[a-z][a-z0-9]*(?:[_.][a-z0-9]+)+$")
_EVENTS = frozenset({"request refused", "unexpected error", "Model could not be loaded"})
_REASON = re.compile(r"^[a-z_]{1,30}$")
_NAME_CHARS = 60


#: The service's own words for a question that it could not even begin to answer; a warning to it, because the fault is
#: another's and trying again helps. The reason is its label for the patient API (service_chat/errors.py).
_REFUSED, _NO_PATIENT_API = "request refused", "patient_api"
_REQUEST, _TRIAGE = "request", "/triage"


@dataclass(frozen=True, slots=True)
class _Hit:
    """One problem in a log: which pattern (None: an error without a known one), its safe label, where."""

    pattern: Pattern | None
    label: str
    tail: LogTail
    line: int


def log_verdict(
    tails: Sequence[LogTail],
    identities: Sequence[Identity],
    *,
    pods: Sequence[str],
    container: str = "",
    namespace: str = "",
) -> Verdict:
    """Judge LOG-1.

    A question refused because the patient API did not answer is a warning in the log and is counted all the same: FAIL
    while no question has been answered since the last one, WARN once one has.

    Args:
        tails: logs of all the pods' containers, of the running instances and of previous ones. A previous instance's
            log is evidence of its crash: known fatal lines in it warn where the pod has loaded its model since, and
            fail where it has not.
        identities: what each pod's /version declared.
        pods: every pod that must have been read.
        container: the one that has to have written something; empty: any.
        namespace: for the remedies.
    """
    loaded = {pod_of(each.reply) for each in identities if each.reply.status == OK and each.loaded is True}
    current = [each for each in tails if not each.previous]
    hits = [hit for tail in current for hit in _hits(tail)]
    crashes = [hit for tail in tails if tail.previous for hit in _hits(tail) if hit.pattern is not None]
    findings = [
        *no_ready_pod(pods, "whose log could be read"),
        *_grouped([hit for hit in crashes if hit.tail.pod not in loaded], Status.FAIL, "before it crashed", namespace),
        *_grouped(hits, Status.FAIL, "", namespace),
        *(finding for tail in current for finding in _without_patient_api(tail, namespace)),
        *_grouped([hit for hit in crashes if hit.tail.pod in loaded], Status.WARN, "before it crashed", namespace),
        *_load_findings(identities, pods),
        *_unread(current, pods, container, namespace),
        *unasked_findings(each.reply for each in identities),
    ]
    return judged(_CRITERION, findings, _pass(current, identities, pods))


def _pass(current: Sequence[LogTail], identities: Sequence[Identity], pods: Sequence[str]) -> Verdict:
    lines = sum(len(each.lines) for each in current)
    evidence = [
        *(Evidence(f"Pod/{each.pod}", f"log of {each.container}", _summary(each)) for each in current),
        *(
            Evidence(
                f"Pod/{pod_of(each.reply)}",
                "/version loaded",
                f"true, in {each.load_seconds:.1f} s" if each.load_seconds is not None else "true",
                each.reply.started_at,
            )
            for each in identities
        ),
    ]
    reason = f"No error in {count(lines, 'line')} of {count(len(pods), 'pod')}; each declares its model loaded."
    return passed(_CRITERION, reason, evidence or [Evidence("Deployment", "pods", "none")])


def _summary(tail: LogTail) -> str:
    at = next((number for number, line in enumerate(tail.lines, start=1) if LOADED_LINE in line), None)
    if at is not None:
        said = f'"{LOADED_LINE}" in line {at}'
    else:
        said = f'"{LOADED_LINE}" not in it' + (" (older lines are cut off)" if tail.truncated else " (rotated away?)")
    return f"{count(len(tail.lines), 'line')}, {said}"


# --- Reading lines ----------------------------------------------------------------------------------------------------


def _hits(tail: LogTail) -> list[_Hit]:
    found: list[_Hit] = []
    traceback: _Hit | None = None
    for number, line in enumerate(tail.lines, start=1):
        record = _json_record(line)
        if record is None and traceback is not None:
            ended = _EXCEPTION.match(line)
            if ended:
                found.append(_labelled(traceback, line, f"traceback {ended['name']}"))
                traceback = None
                continue
            if line[:1] in {" ", "\t", ""}:
                continue  # a frame of the traceback
        if record is None and line.strip() == _TRACEBACK:
            found += [traceback] if traceback else []
            traceback = _Hit(None, "traceback", tail, number)
            continue
        hit = _line_hit(tail, number, line, record)
        found += [hit] if hit else []
    return found + ([traceback] if traceback else [])


def _labelled(hit: _Hit, line: str, label: str) -> _Hit:
    pattern = _pattern(line, error=True)
    return _Hit(pattern, label[:_NAME_CHARS], hit.tail, hit.line)


def _json_record(line: str) -> Mapping[str, object] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _line_hit(tail: LogTail, number: int, line: str, record: Mapping[str, object] | None) -> _Hit | None:
    if record is not None:
        error = str(record.get("level", record.get("levelname", ""))).lower() in _ERROR_LEVELS
        label = _event_label(record)
    else:
        level = _PLAIN_LEVEL.match(line)
        error = level is not None
        label = f"plain line of level {(level['word'] or level['glog'] or level['llama']).lower()}" if level else ""
    pattern = _pattern(line, error=error)
    if pattern is None and not error:
        return None
    return _Hit(pattern, label if error else "", tail, number)


def _event_label(record: Mapping[str, object]) -> str:
    level = str(record.get("level", record.get("levelname", ""))).lower()
    exception = _exception_name(str(record.get("exception", record.get("exc_info", ""))))
    event = str(record.get("event", ""))
    said = [f'event "{event}"'] if event in _EVENTS or _IDENTIFIER.match(event) else []
    reason = record.get("reason") if event in _EVENTS else None
    if isinstance(reason, str) and _REASON.match(reason):
        said.append(f"reason {reason}")
    return ", ".join([f"level {level}", *said, *([exception] if exception else [])])[:_NAME_CHARS]


def _exception_name(text: str) -> str:
    for line in reversed(text.splitlines()):
        found = _EXCEPTION.match(line)
        if found:
            return found["name"]
    return ""


def _pattern(line: str, *, error: bool) -> Pattern | None:
    candidates = (*PATTERNS, DEPENDENCY) if error else PATTERNS
    return next((each for each in candidates if each.expression.search(line)), None)


def _without_patient_api(tail: LogTail, namespace: str) -> list[Finding]:
    """Return what a log says of questions that were refused for want of the patient API."""
    refused: list[int] = []
    told = answered_since = 0
    for number, line in enumerate(tail.lines, start=1):
        record = _json_record(line) or {}
        if record.get("event") == _REFUSED and record.get("reason") == _NO_PATIENT_API:
            refused.append(number)
            answered_since = 0
        elif record.get("event") == _REQUEST and record.get("route") == _TRIAGE:
            told += 1
            answered_since += record.get("status") == OK
    if not refused:
        return []
    # Below level INFO the log does not tell what was answered; LLM-1 says then whether anything is.
    lasting = bool(told) and not answered_since
    since = "none has been answered since" if lasting else f"{answered_since} answered since"
    first, last = refused[0], refused[-1]
    at = tail.time(last)
    scope = f" -n {namespace}" if namespace else ""
    return [
        Finding(
            Status.FAIL if lasting else Status.WARN,
            Cause.DEPENDENCY_UNREACHABLE,
            f"Pod {tail.pod} refused {count(len(refused), 'question')} because the patient API did not answer (lines "
            f"{first} to {last}{f', the last at {at:%H:%M:%S} UTC' if at else ''}), {since}.",
            (
                Evidence(
                    f"Pod/{tail.pod}",
                    f"log of {tail.container}",
                    f"{count(len(refused), 'line')} of refusals for {_NO_PATIENT_API}, {since}",
                    at,
                ),
            ),
            f"Check DB_API_BASE_URL (the patient API listens on 8001) and its pods: kubectl get pods,endpoints{scope}",
        )
    ]


# --- Findings ---------------------------------------------------------------------------------------------------------


def _grouped(hits: Iterable[_Hit], status: Status, when: str, namespace: str) -> list[Finding]:
    groups: dict[tuple[str, str], list[_Hit]] = {}
    for hit in hits:
        groups.setdefault((hit.pattern.name if hit.pattern else hit.label, hit.tail.container), []).append(hit)
    # A known pattern is nearer to the root than an error without one.
    ordered = sorted(groups.items(), key=lambda group: (group[1][0].pattern is None, -len(group[1])))
    return [_finding(name, group, status, when, namespace) for (name, _), group in ordered]


def _finding(name: str, group: Sequence[_Hit], status: Status, when: str, namespace: str) -> Finding:
    first = group[0]
    pods = tuple(dict.fromkeys(hit.tail.pod for hit in group))
    logged = (
        f"{count(len(group), 'line')} in the log of container {first.tail.container} of {count(len(pods), 'pod')} "
        f"({names(pods)})"
    )
    moment = f" {when}" if when else ""
    labels = tuple(dict.fromkeys(hit.label for hit in group if hit.label and hit.label != name))
    aside = f" ({names(labels)})" if labels else ""
    previous = " --previous" if first.tail.previous else ""
    scope = f" -n {namespace}" if namespace else ""
    last = f" --tail={len(first.tail.lines)}" if first.tail.truncated else ""
    read = f"kubectl logs {first.tail.pod} -c {first.tail.container}{scope}{previous}{last}"
    return Finding(
        status,
        first.pattern.cause if first.pattern else Cause.LOG_ERRORS,
        f"{logged}{moment}: {name}{aside}, first in line {first.line}.",
        tuple(
            Evidence(
                f"Pod/{pod}",
                f"log of {first.tail.container}{' (previous)' if first.tail.previous else ''}",
                f"{name}: {count(len(mine), 'line')}, first line {mine[0].line}",
                mine[0].tail.time(mine[0].line),
            )
            for pod in pods
            if (mine := [hit for hit in group if hit.tail.pod == pod])
        ),
        first.pattern.remedy if first.pattern else f"Read the line: {read} | sed -n {first.line}p",
    )


def _load_findings(identities: Sequence[Identity], pods: Sequence[str]) -> list[Finding]:
    found: list[Finding] = []
    for each in identities:
        if not was_asked(each.reply) or (each.reply.status == OK and each.loaded is True):
            continue
        said = f"/version says loaded={each.loaded}" if each.reply.status == OK else f"/version: {outcome(each.reply)}"
        found.append(
            Finding(
                Status.FAIL,
                Cause.LOG_LOAD_UNCONFIRMED,
                f"Pod {pod_of(each.reply)} does not confirm that its model is loaded: {said}.",
                (exchange_evidence(each.reply),),
                f"Look for {LOADED_LINE!r} in the log of pod {pod_of(each.reply)}, and for what it loaded instead.",
            )
        )
    silent = [each for each in pods if each not in {pod_of(identity.reply) for identity in identities}]
    if silent:
        found.append(
            Finding(
                Status.INCONCLUSIVE,
                Cause.GATE_NOT_MEASURED,
                f"Not asked whether the model is loaded: {len(silent)} of {count(len(pods), 'pod')} ({names(silent)}).",
                tuple(Evidence(f"Pod/{each}", "/version", "not asked") for each in silent),
                "Run the gate again: the pods changed while they were being asked.",
            )
        )
    return found


def _unread(current: Sequence[LogTail], pods: Sequence[str], container: str, namespace: str) -> tuple[Finding, ...]:
    """Return the pods of which there is no line to judge: an empty log proves nothing."""
    spoke = {each.pod for each in current if each.lines and container in {"", each.container}}
    mute = [each for each in pods if each not in spoke]
    if not mute:
        return ()
    scope = f" -n {namespace}" if namespace else ""
    return (
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"There is no log line to judge of {len(mute)} of {count(len(pods), 'pod')} ({names(mute)}).",
            tuple(Evidence(f"Pod/{each}", "log", "empty or not read") for each in mute),
            f"Check that the log can be read: kubectl logs {mute[0]}{scope} --tail=5",
        ),
    )
