"""The diagnostics bundle: one archive with what a colleague needs to find the cause without access to the cluster.

A run, the Snapshot that it judged and the ends of the app's logs enter; a gzipped tar leaves. Everything passes a
``Redactor``, whatever was promised about it before: an archive is mailed and attached to tickets. Secrets are never
read at all. Reading logs is ``gate.collecting``'s, writing the file is ``write``'s.
"""

import gzip
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Literal

from gate.readers.errors import masked
from gate.records import LogTail, Pod, Snapshot
from gate.report.phrases import facts, headline, name_and_cause
from gate.report.run import Run, run_to_json
from gate.report.text import one_line, showable
from gate.sensitive import MRN, SSN

#: Below this an e-mail, a ticket or a CI artefact takes the archive without asking (issue trackers refuse from 10 MB).
LIMIT_BYTES = 5_000_000

#: The folder that the archive unpacks into.
FOLDER = "bundle"
INDEX = "index.md"

#: What a file costs in the archive beside its text: tar's header and padding, compressed, and its line in the index.
_PER_FILE_BYTES = 400

_HIDDEN = "***"
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_PATIENT = (MRN.expression, _EMAIL, SSN.expression)

#: Fields of a JSON log line whose value may be a patient's words or name; ``name`` alone is a logger's.
_PRIVATE_FIELDS = re.compile(
    r"(?i)^(?:patient(?:_?(?:name|mrn|id))?|full_?name|(?:first|last)_?name|mrn|dob|birth_?date|ssn|address|phone|e?mail"
    r"|query|question|prompt|messages?|response|answer|completion|thoughts?|diagnos[ie]s|medications?|body)$"
)
#: Environment variables and log fields whose value is a credential by their name.
_SECRET_NAMES = re.compile(
    r"(?i)(?:token|passw(?:or)?d|secret|api_?key|access_?key|private_?key|credential|signature|authorization|cookie"
    r"|dsn$|_auth$)"
)
#: Of these names a number is a count (MAX_TOKENS, completion_tokens).
_COUNTS = re.compile(r"(?i)tokens?$")

#: Members of a Snapshot with an object to a line, and what they are. Events and usage stand apart.
_OBJECTS: Mapping[str, str] = {
    "deployments": "Deployments of the namespace",
    "replica_sets": "ReplicaSets: one for each revision",
    "pods": "pods of the namespace, those that are not ready first",
    "services": "Services",
    "endpoints": "addresses behind the Services, of their EndpointSlices",
    "hpas": "HorizontalPodAutoscalers",
    "claims": "PersistentVolumeClaims",
    "quotas": "ResourceQuotas",
    "nodes": "nodes, with what their pods request",
    "storage_classes": "StorageClasses",
    "volumes": "PersistentVolumes of this namespace's claims, or of none",
}


class Redactor:
    """Takes patient data and credentials out of text and records; remembers what it has seen, for names repeat."""

    def __init__(self, private: Iterable[str] = ()) -> None:
        # A shorter value inside a longer one must not tear it apart.
        self._private = tuple(sorted((value for value in private if value), key=len, reverse=True))
        self._known: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return the text without them, safe to show."""
        text = masked(showable(text), private=self._private)
        for pattern in _PATIENT:
            text = pattern.sub(_HIDDEN, text)
        return text

    def data(self, value: object) -> object:
        """Return a record as plain data without them; what a secret-looking name stands for is hidden in any case."""
        if isinstance(value, str):
            # Thousands of pods share a template.
            if value not in self._known:
                self._known[value] = self.text(value)
            return self._known[value]
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, list | tuple):
            return [self.data(each) for each in value]
        if isinstance(value, Mapping):
            return self._members(value)
        # What is left in a Snapshot are its records.
        return self._members({each.name: getattr(value, each.name) for each in fields(value)})  # type: ignore[arg-type]

    def _members(self, members: Mapping[str, object]) -> dict[str, object]:
        clean = {
            str(self.data(key)): _HIDDEN if _is_secret(key, each) else self.data(each) for key, each in members.items()
        }
        if _is_secret(str(members.get("name", "")), members.get("value")):
            clean["value"] = _HIDDEN
        return clean

    def line(self, line: str) -> str:
        """Return a log line without them; of a JSON line, fields that may hold a patient's words are hidden."""
        if line.startswith("{"):
            try:
                return json.dumps(self.data(self._without_words(json.loads(line))), ensure_ascii=False)
            except (ValueError, RecursionError):  # not JSON after all, or nested by somebody who means harm
                return self.text(line)
        return self.text(line)

    def _without_words(self, value: object) -> object:
        if isinstance(value, dict):
            return {
                key: _HIDDEN if _PRIVATE_FIELDS.match(key) else self._without_words(each) for key, each in value.items()
            }
        return [self._without_words(each) for each in value] if isinstance(value, list) else value


@cache
def _looks_secret(name: str) -> bool:
    return bool(_SECRET_NAMES.search(name))


def _is_secret(name: str, value: object) -> bool:
    if not isinstance(value, str) or not value or not _looks_secret(name):
        return False
    return not (_COUNTS.search(name) and value.isdecimal())


@dataclass(slots=True)
class _Part:
    """One file: its lines, how many of them there were, and which of them count most when it has to be cut."""

    name: str
    what: str
    lines: list[str]
    keep: Literal["first", "last", "all"]
    there: int = field(init=False)
    cost: int = field(init=False)

    def __post_init__(self) -> None:
        self.there = len(self.lines)
        self._measure()

    def cut(self) -> None:
        """Give up half of what is left, or all of what is of no use in part."""
        half = 0 if self.keep == "all" else len(self.lines) // 2
        self.lines = self.lines[-half:] if half and self.keep == "last" else self.lines[:half]
        self._measure()

    @property
    def data(self) -> bytes:
        return "".join(f"{line}\n" for line in self.lines).encode()

    @property
    def extent(self) -> str:
        """Return how much of it is there, in words."""
        if len(self.lines) == self.there:
            return f"{self.there}"
        if not self.lines:
            return f"left out, its {self.there} are too large"
        return f"the {self.keep} {len(self.lines)} of {self.there}"

    def _measure(self) -> None:
        self.cost = len(zlib.compress(self.data)) + _PER_FILE_BYTES if self.lines else 0


def bundle(
    run: Run,
    snapshot: Snapshot | None,
    tails: Sequence[LogTail],
    *,
    missing: Sequence[str] = (),
    private: Iterable[str] = (),
    limit_bytes: int = LIMIT_BYTES,
) -> bytes:
    """Return the archive; the same input makes the same bytes.

    The largest files are cut first until it fits, and the index says how far: of logs and events the end stays, of
    objects the beginning.

    Args:
        run: with its verdicts.
        snapshot: the one that was judged, None if none could be read.
        tails: ends of logs.
        missing: what could not be read, a sentence each.
        private: values that must not show, such as the test patients' numbers.
        limit_bytes: of the archive.
    """
    redactor = Redactor(private)
    parts = [*_parts(run, snapshot, tails, redactor)]
    while sum(part.cost for part in parts) > limit_bytes and any(part.lines for part in parts):
        _largest(parts).cut()
    archive = _packed(run, parts, missing, redactor)
    while len(archive) > limit_bytes and any(part.lines for part in parts):
        _largest(parts).cut()
        archive = _packed(run, parts, missing, redactor)
    return archive


def _largest(parts: Iterable[_Part]) -> _Part:
    return max(parts, key=lambda part: part.cost)


def _parts(run: Run, snapshot: Snapshot | None, tails: Iterable[LogTail], redactor: Redactor) -> Iterator[_Part]:
    report = json.dumps(redactor.data(run_to_json(run)), indent=2, ensure_ascii=False)
    yield _Part("report.json", "the verdicts, as the report has them", report.splitlines(), "all")
    if snapshot is not None:
        yield from _snapshot_parts(snapshot, redactor)
    for tail in sorted(tails, key=lambda each: (each.pod, each.container, each.previous)):
        ended = " of the instance before the last restart" if tail.previous else ""
        beginning = "; its beginning was not read" if tail.truncated else ""
        yield _Part(
            f"logs/{tail.pod}/{tail.container}{'.previous' if tail.previous else ''}.log",
            f"end of the log of container {tail.container}{ended}{beginning}",
            # A line of the log stays one line, whatever is inside it.
            [one_line(redactor.line(line)) for line in tail.lines],
            "last",
        )


def _snapshot_parts(snapshot: Snapshot, redactor: Redactor) -> Iterator[_Part]:
    read = {
        "read_at": snapshot.read_at,
        "namespace": snapshot.namespace,
        "cluster": snapshot.cluster,
        "csi_drivers": snapshot.csi_drivers,
        "unreadable": snapshot.unreadable,
    }
    text = json.dumps(redactor.data(read), indent=2, ensure_ascii=False)
    yield _Part("cluster.json", "which cluster was read, when, and what could not be read", text.splitlines(), "all")

    def lines(objects: Iterable[object]) -> list[str]:
        return [json.dumps(redactor.data(each), ensure_ascii=False) for each in objects]

    for name, what in _OBJECTS.items():
        objects = getattr(snapshot, name)
        found = sorted(objects, key=_unready_first) if name == "pods" else objects
        yield _Part(f"objects/{name}.jsonl", f"{what}, one a line", lines(found), "first")
    events = sorted(snapshot.events, key=lambda each: (each.last_at or snapshot.read_at, each.kind, each.name))
    yield _Part("events.jsonl", "events of the namespace, one a line, oldest first", lines(events), "last")
    yield _Part(
        "metrics.jsonl",
        "what the metrics API says that each container uses, one a line",
        lines(snapshot.usage),
        "first",
    )


def _unready_first(pod: Pod) -> tuple[bool, str]:
    return pod.ready, pod.name


def _packed(run: Run, parts: Sequence[_Part], missing: Sequence[str], redactor: Redactor) -> bytes:
    index = "\n".join(redactor.text(line) for line in _index(run, parts, missing)) + "\n"
    files = {INDEX: index.encode(), **{part.name: part.data for part in parts if part.lines}}
    packed = io.BytesIO()
    # Time 0 in gzip's own header: the archive's bytes depend on nothing but what is in it.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, data in files.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size, member.mode = len(data), 0o644
            member.mtime = int(run.header.finished_at.timestamp())
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _index(run: Run, parts: Iterable[_Part], missing: Iterable[str]) -> Iterator[str]:
    yield from ("# Diagnostics bundle", "", headline(run), "")
    yield from (f"- {label}: {text}" for label, text in facts(run.header))
    yield from ("", "## What did not pass", "")
    for judgement in run.troubles:
        verdict = judgement.verdict
        yield f"- {verdict.status.upper()} {name_and_cause(judgement)}: {one_line(verdict.reason)}"
        yield f"  - do: {one_line(verdict.remedy)}"
    yield from ("", "## Files", "", "| file | what it is | lines |", "|---|---|---|")
    yield from (f"| {part.name} | {part.what} | {part.extent} |" for part in parts if part.there)
    lacking = [*missing, *(f"{part.name}: there was nothing" for part in parts if not part.there)]
    if lacking:
        yield from ("", "## Not here", "", *(f"- {one_line(each)}" for each in lacking))
    yield from (
        "",
        f"Secrets were never read. {_HIDDEN} stands for patient numbers, e-mail addresses and credentials, and for the",
        "value of a log line's field that may hold a patient's words.",
    )
