"""Reads from a Kubernetes API as raw JSON: paging, retry, and the translation of what the server answers.

Enters: a Connection that performs one GET. Leaves: parsed items or a ReadError. Which objects are read is ``cluster``'s
business, how a connection is configured and authenticated is ``kube``'s. Raw JSON instead of the client's models: those
raise on fields they do not know, and cost more than the parsing.
"""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar

import stamina

from gate.readers import fields
from gate.readers.errors import Unreachable, excerpt, refusal
from gate.readers.fields import Raw

Item = TypeVar("Item")

#: Items asked for per page: what client-go's pager and kubectl use.
PAGE_ITEMS = 500

#: Times that a list is begun again because its continue token expired (410). Tokens live as long as etcd's compaction
#: interval, 5 minutes by default: a list that expires three times will not end.
LIST_STARTS = 3

#: A restarting API server is back within a few seconds; a retry beyond that is the waiting loop's business.
ATTEMPTS = 6
RETRY_BUDGET_S = 8.0
RETRY_WAIT_MAX_S = 2.0

#: The API server's own limit for a request is 60 s; a page that takes longer than this is a sick server.
READ_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer; header names are in lower case. The body stays out of ``repr``: a log may hold patient data."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Duplex(Protocol):
    """The part of websocket-client's WebSocket that a port-forward uses."""

    @property
    def sock(self) -> socket.socket | None:
        """Return the socket below, None once closed."""

    def send_binary(self, payload: bytes) -> int:
        """Send one binary message."""

    def recv_data_frame(self, control_frame: bool = ...) -> tuple[Any, ...]:  # noqa: FBT001  # the library's signature
        """Receive the next frame, as opcode and frame."""

    def settimeout(self, timeout: float | None) -> None:
        """Set the seconds that sending and receiving may take."""

    def send_close(self) -> None:
        """Say goodbye."""

    def shutdown(self) -> None:
        """Close the socket at once."""


class Connection(Protocol):
    """An authenticated way to one API server."""

    @property
    def server(self) -> str:
        """Return the API server's URL."""

    @property
    def context(self) -> str | None:
        """Return the kubeconfig context in use, None in a cluster."""

    @property
    def cluster_entry(self) -> str | None:
        """Return the name of the context's cluster entry (for EKS its ARN), None in a cluster."""

    def fetch(self, path: str, query: Mapping[str, str], *, timeout_s: float) -> Response:
        """GET a path; any HTTP status is an answer.

        Raises:
            Unreachable: no answer came.
        """

    def websocket(self, path: str, query: Mapping[str, str], *, timeout_s: float) -> Duplex:
        """Open a websocket.

        Raises:
            ReadError: it could not be opened.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One thing to read, with what an error must name.

    Attributes:
        named: one object by its name, so that 404 means the object and not the API.
        aggregated: served by an extension behind the API server, so that 503 means that extension.
    """

    verb: str
    resource: str
    path: str
    namespace: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    named: bool = False
    aggregated: bool = False


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """All items of a list, and the server's clock when it answered (None if it does not tell)."""

    items: tuple[Item, ...]
    at: datetime | None


class _Expired(Exception):  # noqa: N818  # never leaves this module
    """The list's continue token is too old."""


class Api:
    """Paged, retried, translated reads over one connection; safe to use from several threads."""

    def __init__(self, connection: Connection, *, attempts: int = ATTEMPTS) -> None:
        self.connection = connection
        self._caller = stamina.RetryingCaller(
            attempts=attempts, timeout=RETRY_BUDGET_S, wait_max=RETRY_WAIT_MAX_S, wait_jitter=0.2
        ).on(_pause)

    def read(self, ask: Ask) -> Response:
        """Return the successful answer.

        Raises:
            ReadError: translated from the status or the transport's failure.
        """
        return self._caller(self._once, ask)

    def document(self, ask: Ask) -> Raw:
        """Return the one JSON object that is answered."""
        return _parsed(self.read(ask), ask)

    def listed(self, ask: Ask, convert: Callable[[Raw], Item]) -> Listing[Item]:
        """Return every item of a list, converted page by page so that the raw form of a large list never piles up."""
        for _ in range(LIST_STARTS):
            try:
                return self._pages(ask, convert)
            except _Expired:
                continue
        raise Unreachable(
            f"{ask.verb} {ask.resource}: the list expired {LIST_STARTS} times before its last page was read",
            status_code=HTTPStatus.GONE,
        )

    def _pages(self, ask: Ask, convert: Callable[[Raw], Item]) -> Listing[Item]:
        items: list[Item] = []
        token = ""
        while True:
            query = {**ask.query, "limit": str(PAGE_ITEMS)} | ({"continue": token} if token else {})
            page = Ask(
                verb=ask.verb,
                resource=ask.resource,
                path=ask.path,
                namespace=ask.namespace,
                query=query,
                aggregated=ask.aggregated,
            )
            response = self.read(page)
            parsed = _parsed(response, ask)
            found = parsed.get("items")
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise Unreachable(f"{ask.verb} {ask.resource}: {ask.path} answered without a list of items")
            items.extend(convert(each) for each in found)
            token = fields.text(parsed, "metadata", "continue")
            if not token:
                return Listing(tuple(items), _date(response))

    def _once(self, ask: Ask) -> Response:
        response = self.connection.fetch(ask.path, ask.query, timeout_s=READ_TIMEOUT_S)
        if response.status == HTTPStatus.GONE:
            raise _Expired
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise refusal(
                response.status,
                response.body,
                verb=ask.verb,
                resource=ask.resource,
                namespace=ask.namespace,
                named=ask.named,
                aggregated=ask.aggregated,
                retry_after_s=_retry_after_s(response),
            )
        return response


def _pause(error: Exception) -> bool | float:
    if not isinstance(error, Unreachable):
        return False
    return True if error.retry_after_s is None else min(error.retry_after_s, RETRY_BUDGET_S)


def _parsed(response: Response, ask: Ask) -> Raw:
    try:
        parsed = json.loads(response.body)
    except ValueError as error:
        raise Unreachable(
            f"{ask.verb} {ask.resource}: the answer is not JSON (a proxy's page?): {excerpt(response.body)}",
            status_code=response.status,
        ) from error
    if not isinstance(parsed, dict):
        raise Unreachable(f"{ask.verb} {ask.resource}: the answer is not a JSON object", status_code=response.status)
    return parsed


def _retry_after_s(response: Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def _date(response: Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return None
