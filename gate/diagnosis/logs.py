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
from gate.diagnosis.exchanges import OK, exchange_evidence, outcome, pod_of, unasked_findings, was_asked
from gate.diagnosis.wording import count, names
from gate.records import Identity, LogTail
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "LOG-1"

#: The service's own words once its model is loaded.
LOADED_LINE = "Model loaded successfully"

_ERROR_LEVELS = frozenset({"error", "critical", "fatal"})
#: A level at the start of a plain line, as uvicorn, logging.basicConfig and glog write it.
_PLAIN_LEVEL = re.compile(r"^\s*(?:\[?(?P<word>ERROR|CRITICAL|FATAL)\]?(?=[:\s|-])|(?P<glog>[EF])\d{4} \d\d:\d\d)")
_TRACEBACK = "Traceback (most recent call last):"
#: The last line of a traceback: the exception's class. Its message is left out, it may quote anything.
_EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Timeout))\b")
#: Event names that are shown: machine names, which cannot be a sentence about somebody, and the service's own.
_IDENTIFIER = re.compile(r"^[a-z][a-z0-9]*(?:[_.][a-z0-9]+)+$")
_EVENTS = frozenset({"request refused", "unexpected error", "Model could not be loaded"})
_REASON = re.compile(r"^[a-z_]{1,30}$")
_NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class Pattern:
    """A known line: what it means, in a few words, and what to do about it."""

    name: str
    expression: re.Pattern[str]
    cause: Cause
    remedy: str


#: What a log says when the cause is known; looked for in every line, whatever its level. First match wins.
PATTERNS: tuple[Pattern, ...] = (
    # transformers' CONFIG_MAPPING refusal (auto_factory.py, since 4.46) and its older KeyError; llama.cpp's llama-arch.
    Pattern(
        "unknown model architecture",
        re.compile(
            r"does not recognize this architecture|unknown model architecture|KeyError: '(?:qwen3|llama|gemma3)'",
            re.IGNORECASE,
        ),
        Cause.MODEL_ARCHITECTURE,
        "Raise the engine's version in service_chat/requirements.in (qwen3 needs transformers 4.51 or later).",
    ),
    Pattern(
        "wrong platform (exec format error)",
        re.compile(r"exec format error", re.IGNORECASE),
        Cause.IMAGE_WRONG_PLATFORM,
        "Build the image for the node's platform: docker build --platform linux/amd64.",
    ),
    Pattern(
        "illegal instruction (the engine was built for another CPU)",
        re.compile(r"illegal instruction|SIGILL", re.IGNORECASE),
        Cause.IMAGE_WRONG_PLATFORM,
        "Use an engine build for the node's CPU features, or a node type that has them.",
    ),
    Pattern(
        "out of memory",
        re.compile(r"std::bad_alloc|Cannot allocate memory|DefaultCPUAllocator: .*memory|^MemoryError|^Killed\s*$"),
        Cause.CONTAINER_OOM_KILLED,
        "Compare the memory limit with FIT-1's figure and raise it, or load a smaller quantization.",
    ),
    Pattern(
        "GPU libraries fail",
        re.compile(
            r"CUDA (?:error|out of memory|driver)|Found no NVIDIA driver|libcuda\S* .*cannot open", re.IGNORECASE
        ),
        Cause.LOG_ERRORS,
        "Install the CPU build of the engine: these nodes have no GPU.",
    ),
    Pattern(
        "disk full",
        re.compile(r"No space left on device|\[Errno 28\]"),
        Cause.LOG_ERRORS,
        "Give the pod more ephemeral storage, or mount the model instead of downloading it (FIT-3).",
    ),
    Pattern(
        "read-only file system",
        re.compile(r"Read-only file system|\[Errno 30\]"),
        Cause.LOG_ERRORS,
        "Mount an emptyDir at the path that the program writes to.",
    ),
    Pattern(
        "segmentation fault",
        re.compile(r"Segmentation fault|Fatal Python error", re.IGNORECASE),
        Cause.LOG_ERRORS,
        "Go back to the engine version that ran before, and report the crash to its project.",
    ),
)

#: Looked for in error lines only: a client that hangs up logs the same words without anything being wrong.
_DEPENDENCY = Pattern(
    "a dependency cannot be reached",
    re.compile(r"Connection refused|ConnectError|ConnectTimeout|Name or service not known|name resolution|patient_api"),
    Cause.DEPENDENCY_UNREACHABLE,
    "Check DB_API_BASE_URL (the patient API listens on 8001) and the patient API's pods.",
)


@dataclass(frozen=True, slots=True)
class _Hit:
    """One problem in a log: which pattern (None: an error without a known one), its safe label, where."""

    pattern: Pattern | None
    label: str
    tail: LogTail
    line: int


def log_verdict(
    tails: Sequence[LogTail], identities: Sequence[Identity], *, pods: Sequence[str], namespace: str = ""
) -> Verdict:
    """Judge LOG-1.

    Args:
        tails: logs of the pods' containers, of the running instances and of previous ones. A previous instance's log is
            evidence of its crash: known fatal lines in it warn where the pod has loaded its model since, and fail where
            it has not.
        identities: what each pod's /version declared.
        pods: every pod that must have been read.
        namespace: for the remedies.
    """
    loaded = {pod_of(each.reply) for each in identities if each.reply.status == OK and each.loaded is True}
    current = [each for each in tails if not each.previous]
    hits = [hit for tail in current for hit in _hits(tail)]
    crashes = [hit for tail in tails if tail.previous for hit in _hits(tail) if hit.pattern is not None]
    findings = [
        *_nobody(pods),
        *_grouped([hit for hit in crashes if hit.tail.pod not in loaded], Status.FAIL, "before it crashed", namespace),
        *_grouped(hits, Status.FAIL, "", namespace),
        *_grouped([hit for hit in crashes if hit.tail.pod in loaded], Status.WARN, "before it crashed", namespace),
        *_load_findings(identities, pods),
        *_unread(current, pods, namespace),
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


def _nobody(pods: Sequence[str]) -> tuple[Finding, ...]:
    if pods:
        return ()
    return (
        Finding(
            Status.FAIL,
            Cause.ENDPOINTS_NOT_READY,
            "There is no ready pod whose log could be read.",
            (Evidence("Deployment", "ready pods", "none"),),
            "See POD-1 for why no pod is ready, then run acceptance again.",
        ),
    )


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
        label = f"plain line of level {(level['word'] or level['glog']).lower()}" if level else ""
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
    candidates = (*PATTERNS, _DEPENDENCY) if error else PATTERNS
    return next((each for each in candidates if each.expression.search(line)), None)


# --- Findings ---------------------------------------------------------------------------------------------------------


def _grouped(hits: Iterable[_Hit], status: Status, when: str, namespace: str) -> list[Finding]:
    groups: dict[str, list[_Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.pattern.name if hit.pattern else hit.label, []).append(hit)
    # A known pattern is nearer to the root than an error without one.
    ordered = sorted(groups.items(), key=lambda group: (group[1][0].pattern is None, -len(group[1])))
    return [_finding(name, group, status, when, namespace) for name, group in ordered]


def _finding(name: str, group: Sequence[_Hit], status: Status, when: str, namespace: str) -> Finding:
    first = group[0]
    pods = tuple(dict.fromkeys(hit.tail.pod for hit in group))
    logged = f"{count(len(group), 'line')} in the log of {count(len(pods), 'pod')} ({names(pods)})"
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


def _unread(current: Sequence[LogTail], pods: Sequence[str], namespace: str) -> tuple[Finding, ...]:
    """Return the pods of which there is no line to judge: an empty log proves nothing."""
    spoke = {each.pod for each in current if each.lines}
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
