"""LOG-2: no patient data and no credential in the logs.

Looked for in two ways: by pattern (``gate.sensitive``: tokens, keys, record numbers), and by what the gate knows of the
target's test patients, because it asked about them itself: their numbers, its own questions, the answers that came
back, and the values of their records where the patient API can be read. A service that writes one of these down writes
down every patient's. What was found is never shown: a finding names the kind, pod, container, line, time and count.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis.exchanges import no_ready_pod, unasked_findings
from gate.diagnosis.wording import count, names
from gate.records import Answer, LogTail, PatientRecord, PatientRecords
from gate.sensitive import CREDENTIALS, MRN, SSN
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

_CRITERION = "LOG-2"

#: So many words of an answer, in its order, are no coincidence in a log line; five still make stock phrases ("if you
#: have any questions"). This project's choice.
ANSWER_WORDS = 6

#: A shorter value of a record may be an ordinary word of a log line.
MIN_VALUE_CHARS = 4

#: Fields of a JSON line that hold a patient by their name, whoever the patient is.
_PERSONAL = re.compile(
    r"(?i)^(?:patient_?(?:name|mrn|id)|(?:full|first|last)_?name|mrn|dob|(?:birth_?date|date_?of_?birth)|ssn|diagnos[ie]s"
    r"|medications?|allergies)$"
)
#: Fields that hold somebody's words if they hold words: one token is a machine's (``"question": "q17"``).
_SPOKEN = re.compile(r"(?i)^(?:prompt|query|question|completion|answer|thoughts?|user_?(?:message|input))$")
_SPOKEN_WORDS = 3

_WORD = re.compile(r"[^\W_]+")
_HIDDEN = re.compile(r"^[\s*.xX-]*$|^[<\[(].*[>\])]$")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What was found: its name for a sentence, and whose secret it is."""

    name: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class _Hit:
    kind: _Kind
    tail: LogTail
    line: int


def privacy_verdict(
    tails: Sequence[LogTail],
    answers: Sequence[Answer],
    *,
    pods: Sequence[str],
    patients: Sequence[str],
    records: PatientRecords,
    namespace: str = "",
) -> Verdict:
    """Judge LOG-2.

    Args:
        tails: logs of every container of the pods, of the running instances and of previous ones, read after asking.
        answers: what was asked, and what came back.
        pods: every pod that must have been read.
        patients: record numbers of the target's test patients.
        records: their records, or why they are not known.
        namespace: for the remedies.
    """
    known = _Known.of(answers, patients, records.records)
    hits = [hit for tail in tails for hit in _hits(tail, known)]
    findings = [
        *_found(hits, Cause.LOG_SECRET, namespace),
        *_found(hits, Cause.LOG_PATIENT_DATA, namespace),
        *_unread(tails, pods, namespace),
        *unasked_findings(each.reply for each in answers),
        *_unknown_records(records),
    ]
    return judged(_CRITERION, findings, _pass(tails, pods, known, records.missing))


# --- What is known of the test patients -------------------------------------------------------------------------------


def _folded(text: str) -> str:
    """Return the words of a text, in their order, each after a space: whole words can be looked for in it."""
    return " " + " ".join(_WORD.findall(text.casefold())) + " "


def _runs(text: str) -> Iterator[str]:
    """Yield each run of ANSWER_WORDS words; a shorter text has none, for a log may say "yes" by itself."""
    words = _WORD.findall(text.casefold())
    for start in range(len(words) - ANSWER_WORDS + 1):
        yield f" {' '.join(words[start : start + ANSWER_WORDS])} "


@dataclass(frozen=True, slots=True)
class _Known:
    """Folded texts that no log may hold, by what they are."""

    exact: Mapping[str, str]
    answer_runs: frozenset[str]
    values: int

    @classmethod
    def of(cls, answers: Sequence[Answer], patients: Sequence[str], records: Sequence[PatientRecord]) -> "_Known":
        exact = {_folded(each): "a test patient's record number" for each in patients}
        exact |= {_folded(each.query): "the text of a question" for each in answers}
        kept = 0
        for record in records:
            for what, values in (
                ("a test patient's name", (record.name, " ".join(reversed(record.name.split())))),
                ("a test patient's diagnosis", (record.diagnosis,)),
                ("a test patient's medication", record.medications),
            ):
                long_enough = [each for each in values if len(each) >= MIN_VALUE_CHARS]
                exact |= {_folded(each): what for each in long_enough}
                kept += bool(long_enough)
        runs = frozenset(run for each in answers for run in _runs(each.response))
        return cls({text: what for text, what in exact.items() if text.strip()}, runs, kept)

    def kinds(self, text: str) -> Iterator[str]:
        """Yield what of it a text holds, each kind once."""
        folded = _folded(text)
        yield from dict.fromkeys(what for value, what in self.exact.items() if value in folded)
        if any(run in self.answer_runs for run in _runs(text)):
            yield "the text of an answer"


# --- Reading lines ----------------------------------------------------------------------------------------------------


def _hits(tail: LogTail, known: _Known) -> Iterator[_Hit]:
    for number, line in enumerate(tail.lines, start=1):
        for kind in dict.fromkeys(_kinds(line, known)):
            yield _Hit(kind, tail, number)


def _kinds(line: str, known: _Known) -> Iterator[_Kind]:
    record = _json(line)
    # A JSON line hides quotes and letters behind escapes: its values are read as well as the line itself.
    text = line if record is None else " | ".join([line, *_texts(record)])
    for credential in CREDENTIALS:
        if credential.expression.search(text):
            yield _Kind(credential.name, Cause.LOG_SECRET)
    patients = list(known.kinds(text))
    yield from (_Kind(what, Cause.LOG_PATIENT_DATA) for what in patients)
    if not patients:
        for pattern in (MRN, SSN):
            if pattern.expression.search(text):
                yield _Kind(f"a {pattern.name}", Cause.LOG_PATIENT_DATA)
        yield from (_Kind(f"a field named {name}", Cause.LOG_PATIENT_DATA) for name in _named(record))


def _json(line: str) -> object:
    if not line.lstrip().startswith("{"):
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _members(value: object) -> Iterator[tuple[str, object]]:
    """Yield every (name, plain value) of a JSON document, at any depth; list items carry their list's name."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        name, each = waiting.pop()
        if isinstance(each, dict):
            waiting += [(str(key), below) for key, below in each.items()]
        elif isinstance(each, list):
            waiting += [(name, below) for below in each]
        else:
            yield name, each


def _texts(record: object) -> Iterator[str]:
    return (each for _, each in _members(record) if isinstance(each, str))


def _named(record: object) -> Iterator[str]:
    """Yield the names of fields that hold a patient or somebody's words; a value that was masked holds nobody."""
    for name, value in _members(record):
        if not isinstance(value, str) or _HIDDEN.match(value):
            continue
        if _PERSONAL.match(name) or (_SPOKEN.match(name) and len(_WORD.findall(value)) >= _SPOKEN_WORDS):
            yield name.lower()


# --- Findings ---------------------------------------------------------------------------------------------------------

_MEANT: Mapping[Cause, tuple[str, str]] = {
    Cause.LOG_SECRET: (
        "Revoke and replace what was logged at once, delete the stored log, and take it out of",
        "a credential",
    ),
    Cause.LOG_PATIENT_DATA: ("Delete the stored log, and log the trace id instead in", "patient data"),
}


def _found(hits: Iterable[_Hit], cause: Cause, namespace: str) -> list[Finding]:
    groups: dict[tuple[str, str], list[_Hit]] = {}
    for hit in hits:
        if hit.kind.cause is cause:
            groups.setdefault((hit.kind.name, hit.tail.container), []).append(hit)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return [_finding(group, namespace) for group in ordered]


def _finding(group: Sequence[_Hit], namespace: str) -> Finding:
    first = group[0]
    pods = tuple(dict.fromkeys(hit.tail.pod for hit in group))
    remedy, what = _MEANT[first.kind.cause]
    when = first.tail.time(first.line)
    at = f" at {when:%H:%M:%S} UTC" if when else ""
    previous = " (previous instance)" if first.tail.previous else ""
    return Finding(
        Status.FAIL,
        first.kind.cause,
        f"{count(len(group), 'log line holds', 'log lines hold')} {what} ({first.kind.name}) in container "
        f"{first.tail.container}{previous} of {count(len(pods), 'pod')} ({names(pods)}), first in line {first.line}"
        f"{at}.",
        tuple(_evidence([hit for hit in group if hit.tail.pod == pod]) for pod in pods),
        f"{remedy} the code that wrote line {first.line}: {_read(first.tail, namespace)}",
    )


def _evidence(mine: Sequence[_Hit]) -> Evidence:
    first = mine[0]
    return Evidence(
        f"Pod/{first.tail.pod}",
        _field(first.tail),
        f"{first.kind.name}: {count(len(mine), 'line')}, first line {first.line} (text not shown)",
        first.tail.time(first.line),
    )


def _field(tail: LogTail) -> str:
    return f"log of {tail.container}{' (previous)' if tail.previous else ''}"


def _read(tail: LogTail, namespace: str) -> str:
    previous = " --previous" if tail.previous else ""
    scope = f" -n {namespace}" if namespace else ""
    last = f" --tail={len(tail.lines)}" if tail.truncated else ""
    return f"kubectl logs {tail.pod} -c {tail.container}{scope}{previous}{last}"


def _unread(tails: Sequence[LogTail], pods: Sequence[str], namespace: str) -> list[Finding]:
    if not pods:
        return list(no_ready_pod(pods, "whose log could be read"))
    spoke = {each.pod for each in tails if each.lines and not each.previous}
    mute = [each for each in pods if each not in spoke]
    if not mute:
        return []
    scope = f" -n {namespace}" if namespace else ""
    return [
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"There is no log line to search of {len(mute)} of {count(len(pods), 'pod')} ({names(mute)}).",
            tuple(Evidence(f"Pod/{each}", "log", "empty or not read") for each in mute),
            f"Check that the log can be read: kubectl logs {mute[0]}{scope} --tail=5",
        )
    ]


def _unknown_records(records: PatientRecords) -> list[Finding]:
    if not records.missing or records.out_of_reach:
        return []
    return [
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_FORBIDDEN if records.forbidden else Cause.GATE_NOT_MEASURED,
            f"The test patients' own values were not looked for: {records.missing}.",
            (Evidence("Patient API", "records of the test patients", "not read"),),
            "See LLM-1 for whether the service reaches its patient API, then run acceptance again.",
        )
    ]


def _pass(tails: Sequence[LogTail], pods: Sequence[str], known: _Known, records_missing: str) -> Verdict:
    lines = sum(len(each.lines) for each in tails)
    searched = f"{count(len(known.exact), 'text')} and {count(len(known.answer_runs), 'run')} of {ANSWER_WORDS} words"
    from_records = f"{count(known.values, 'value')}" if known.values else f"none: {records_missing or 'no record read'}"
    evidence = [
        *(Evidence(f"Pod/{each.pod}", _field(each), f"{count(len(each.lines), 'line')} searched") for each in tails),
        Evidence("Gate", "patterns looked for", str(len(CREDENTIALS) + 2)),
        Evidence("Gate", "test patients' numbers, questions and answers looked for", searched),
        Evidence("Gate", "values of the test patients' records looked for", from_records),
    ]
    reason = (
        f"No credential and nothing of the test patients in {count(lines, 'log line')} of {count(len(pods), 'pod')}"
        f"{'' if known.values else '; their records were not compared'}."
    )
    return passed(_CRITERION, reason, evidence)
