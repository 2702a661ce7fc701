"""Makes text from the outside world safe to show: the last gate before a terminal, a file or a browser.

Verdicts quote kubelets, registries and services. Their text may carry terminal escapes, characters that XML forbids,
a presigned URL or a megabyte of anything. Whoever quotes is bound to leave secrets out; this is the net below that, and
it knows patterns only. Escaping for HTML, XML or Markdown belongs to the writers.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from enum import Enum

#: Bytes of a container's termination message that Kubernetes keeps (API reference, Container.terminationMessagePath):
#: the longest text of an object's status that a verdict quotes.
MAX_TEXT_CHARS = 4096

_CUT_RESERVE_CHARS = 40
_MAX_DEPTH = 8

_TERMINAL_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
# C0 but tab and newline, DEL, C1, surrogates, non-characters (XML 1.0 section 2.2 allows none of them), and the
# bidirectional overrides that make a command read differently from what is pasted (CVE-2021-42574).
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u2028-\u202e\u2066-\u2069]")

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # containerd names the redirect target of a blob that it could not fetch: on ECR a presigned S3 URL.
    (re.compile(r"(?i)\b(X-Amz-(?:Signature|Security-Token|Credential)=)[^&\s\"']+"), r"\1[redacted]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{20,}"), r"\1 [redacted]"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), "[redacted]"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "[redacted]"),
    (re.compile(r"://[^\s/@:]+:[^\s/@]+@"), "://[redacted]@"),
)


def showable(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """Return ``text`` without escapes, control characters and what looks like a credential.

    It is cut to ``limit`` characters. Newlines and tabs stay. Applying it twice changes nothing.
    """
    text = _UNSHOWABLE.sub("", _TERMINAL_ESCAPE.sub("", text))
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    if len(text) > limit:
        text = f"{text[: limit - _CUT_RESERVE_CHARS]}… (cut, {len(text)} characters in all)"
    return text


def one_line(text: str) -> str:
    """Return ``text`` with every run of white space folded into one space."""
    return " ".join(text.split())


def plain_data(value: object, depth: int = 0) -> object:
    """Return ``value`` as JSON knows it: dict, list, str, int, float, bool or None.

    A number that JSON cannot write (NaN, infinity) becomes None: it was not measured. An object of an unknown kind
    becomes its type's name, never its repr, which may hold anything.
    """
    if isinstance(value, Enum):
        return plain_data(value.value, depth)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return showable(value)
    if isinstance(value, date):
        return value.isoformat()
    return _plain_container(value, depth + 1)


def _plain_container(value: object, depth: int) -> object:
    if depth <= _MAX_DEPTH:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain_data(getattr(value, field.name), depth) for field in dataclasses.fields(value)}
        if isinstance(value, Mapping):
            return {showable(str(key)): plain_data(item, depth) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return [plain_data(item, depth) for item in value]
        if isinstance(value, AbstractSet):
            return sorted((plain_data(item, depth) for item in value), key=str)
    return f"<{type(value).__name__}>"
