"""What can go wrong while reading, in the gate's own words.

Foreign exceptions end here: each reader translates what its library raises, once, and chains it. A ReadError is the
gate's trouble (INCONCLUSIVE), never a statement about the service. Its text is made for a report, so nothing secret may
reach it: foreign text passes through ``excerpt`` and request headers are never quoted.
"""
# ruff: noqa: N818 -- the base says Error; its kinds are read as words: "except Denied"

import json
import re
from collections.abc import Iterable
from http import HTTPStatus

from gate.sensitive import CREDENTIALS

#: Characters of a foreign text that an error quotes: one terminal line or two, and never a page of HTML.
EXCERPT_CHARS = 300

#: Wider than what LOG-2 looks for: hiding too much of a foreign text costs nothing.
_SECRETS = re.compile(
    r"""(?ix)
    (?<=://) [^/\s@]+ @                                                  # user information in a URL
    | \b (?: bearer | basic ) \s+ [\w.~+/=-]+                            # Authorization values
    | (?: token | password | passwd | secret | api[_-]?key | signature ) ["']? \s* [=:] \s* ["']? [^\s"',;&]+
    """
)


class ReadError(Exception):
    """Something could not be read.

    Attributes:
        status_code: the HTTP status that said so, None if no response came.
    """

    def __init__(self, message: str, *, status_code: int | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code


class Unreachable(ReadError):
    """No usable answer came: connection, time-out, TLS, an overloaded or failing server, or no configuration at all.

    Attributes:
        retry_after_s: how long the server asked to be left alone (429, 503), None if it did not.
    """

    def __init__(self, message: str, *, status_code: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, status_code=status_code)
        self.retry_after_s = retry_after_s


class Denied(ReadError):
    """The credentials do not suffice.

    Attributes:
        verb: what was tried (``list``).
        resource: on what (``pods``, ``pods/log``, ``nodes``, a repository).
        namespace: where; None for a cluster-wide read, empty outside a cluster.
    """

    def __init__(
        self, verb: str, resource: str, namespace: str | None, detail: str, *, status_code: int | None = None
    ) -> None:
        where = {None: " cluster-wide", "": ""}.get(namespace, f" in namespace {namespace}")
        super().__init__(f"not permitted: {verb} {resource}{where}: {detail}", status_code=status_code)
        self.verb = verb
        self.resource = resource
        self.namespace = namespace


class NotServed(ReadError):
    """The API does not exist there, or what serves it is down (metrics.k8s.io without a metrics-server)."""


class NotFound(ReadError):
    """The one object that was asked for does not exist."""


class WrongCluster(ReadError):
    """Another cluster than the target's answers; nothing was read from it."""


class DrillRefused(ReadError):
    """A drill may not start, or there is no such way back; nothing was changed."""


class CommandFailed(ReadError):
    """A command of this project that the gate ran ended in an error; the message has it, to be pasted."""


class Malformed(ReadError):
    """A file or an answer that does not have the shape it must have; the message names the place."""


def refusal(
    status: int,
    body: str | bytes,
    *,
    verb: str,
    resource: str,
    namespace: str | None,
    named: bool,
    aggregated: bool = False,
    retry_after_s: float | None = None,
) -> ReadError:
    """Return what an API server's answer other than 2xx means.

    Args:
        status: its HTTP status.
        body: what it said.
        verb: what was tried.
        resource: on what.
        namespace: where; None for a cluster-wide resource.
        named: one object was asked for by name, so that 404 means the object and not the API.
        aggregated: an extension behind the API server serves it, so that 503 means that extension.
        retry_after_s: the server's Retry-After, if it sent one.
    """
    detail = excerpt(body)
    if status == HTTPStatus.UNAUTHORIZED:
        return Denied(verb, resource, namespace, "the credentials were not accepted", status_code=status)
    if status == HTTPStatus.FORBIDDEN:
        return Denied(verb, resource, namespace, detail, status_code=status)
    # The log endpoint says 400 for a container that has not started and for a previous instance that never was.
    if named and (status == HTTPStatus.NOT_FOUND or (status == HTTPStatus.BAD_REQUEST and resource == "pods/log")):
        return NotFound(f"{verb} {resource}: {detail}", status_code=status)
    if status == HTTPStatus.NOT_FOUND or (aggregated and status == HTTPStatus.SERVICE_UNAVAILABLE):
        return NotServed(f"{verb} {resource}: this API is not served: {detail}", status_code=status)
    message = f"{verb} {resource}: the API server answered {status}: {detail}"
    return Unreachable(message, status_code=status, retry_after_s=retry_after_s)


def excerpt(body: str | bytes, *, private: Iterable[str] = ()) -> str:
    """Return what may be quoted of a foreign text: one line, cut at EXCERPT_CHARS, secrets replaced.

    Of JSON only the message of a Kubernetes Status, of an OCI error list or a ``detail`` is kept: other fields may hold
    anything.

    Args:
        body: the text as it came.
        private: values that must not show either, such as a patient's number.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    stripped = text.strip()
    if stripped.startswith(("{", "[{", '["')):  # and not "[Errno 111] Connection refused"
        text = _json_message(stripped)
    line = masked(" ".join(text.split()), private=(" ".join(each.split()) for each in private))
    return line if len(line) <= EXCERPT_CHARS else f"{line[:EXCERPT_CHARS]}..."


def masked(text: str, *, private: Iterable[str] = ()) -> str:
    """Return the text with everything that looks like a credential, and each of the private values, replaced."""
    for value in private:
        text = text.replace(value, "***") if value else text
    for credential in CREDENTIALS:
        text = credential.expression.sub("***", text)
    return _SECRETS.sub("***", text)


def _json_message(text: str) -> str:
    try:
        parsed = json.loads(text)
    except ValueError:
        return "(unreadable JSON)"
    if isinstance(parsed, dict):
        if isinstance(parsed.get("message"), str):
            return str(parsed["message"])
        if isinstance(parsed.get("detail"), str):
            return str(parsed["detail"])
        errors = parsed.get("errors")
        if isinstance(errors, list):
            known = [item for item in errors if isinstance(item, dict)]
            return "; ".join(f"{item.get('code', '')} {item.get('message', '')}".strip() for item in known)
    return "(JSON without a message)"
