from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from gate.readers import fields
from gate.readers.api import ATTEMPTS, LIST_STARTS, RETRY_BUDGET_S, Api, Ask, Response, _pause
from gate.readers.errors import Denied, NotServed, Unreachable
from gate.readers.fields import Raw
from tests.readers.fakes import SERVED_AT, FakeServer, answer, items, refusal

PODS = Ask(verb="list", resource="pods", path="/api/v1/namespaces/n/pods", namespace="n")


def name(raw: Raw) -> str:
    """Return an object's name."""
    return fields.text(raw, "metadata", "name")


def named(*names: str) -> list[dict[str, object]]:
    """Return objects with these names."""
    return [{"metadata": {"name": each}} for each in names]


def sequence(*responses: Response) -> FakeServer:
    """Return a server that answers the list with these responses, one after the other."""
    left: Iterator[Response] = iter(responses)
    return FakeServer(routes={PODS.path: lambda _: next(left)})


def queries(server: FakeServer) -> list[dict[str, str]]:
    """Return what was asked of the list."""
    return [query for path, query in server.asked if path == PODS.path]


def test_listed_over_several_pages_follows_the_continue_token() -> None:
    """Every page is read, 500 items at a time, and the server's clock is that of the last."""
    server = sequence(items(*named("a", "b"), token="next"), items(*named("c")))
    listing = Api(server).listed(PODS, name)
    assert listing.items == ("a", "b", "c")
    assert listing.at == SERVED_AT
    assert queries(server) == [{"limit": "500"}, {"limit": "500", "continue": "next"}]


def test_listed_with_an_expired_token_begins_again() -> None:
    """After 410 nothing of the earlier pages is kept: they were of another moment."""
    server = sequence(
        items(*named("old"), token="next"), refusal(410, "expired"), items(*named("a"), token="t"), items(*named("b"))
    )
    assert Api(server).listed(PODS, name).items == ("a", "b")


def test_listed_that_expires_each_time_is_unreachable() -> None:
    """A list that cannot be finished is not an empty list."""
    server = FakeServer(
        routes={PODS.path: lambda query: refusal(410, "expired") if "continue" in query else items(token="next")}
    )
    with pytest.raises(Unreachable, match=r"^list pods: the list expired 3 times before its last page was read$"):
        Api(server).listed(PODS, name)
    assert len(queries(server)) == 2 * LIST_STARTS


def test_read_of_a_busy_server_is_tried_again() -> None:
    """429 and a passing 500 are waited out."""
    server = sequence(refusal(429, "busy", retry_after="1"), refusal(500, "etcd leader changed"), items(*named("a")))
    assert Api(server).listed(PODS, name).items == ("a",)


def test_read_of_a_server_that_stays_busy_ends() -> None:
    """The number of attempts is limited, and the last answer is told."""
    server = FakeServer(routes={PODS.path: refusal(429, "too many requests")})
    with pytest.raises(Unreachable, match=r"^list pods: the API server answered 429: too many requests$") as caught:
        Api(server).listed(PODS, name)
    assert caught.value.status_code == 429
    assert len(queries(server)) == ATTEMPTS


def test_read_of_a_server_that_comes_back_succeeds() -> None:
    """A connection that fails while the API server restarts is tried again."""
    left: Iterator[Response | Unreachable] = iter([Unreachable("connection refused"), items(*named("a"))])

    def restarting(query: Mapping[str, str]) -> Response:
        assert query
        found = next(left)
        if isinstance(found, Unreachable):
            raise found
        return found

    assert Api(FakeServer(routes={PODS.path: restarting})).listed(PODS, name).items == ("a",)


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        (Unreachable("busy", retry_after_s=3.0), 3.0),
        (Unreachable("busy", retry_after_s=600.0), RETRY_BUDGET_S),
    ],
)
def test_pause_before_a_retry_honours_the_server_within_the_budget(error: Exception, pause_s: float) -> None:
    """Retry-After is obeyed up to the budget."""
    assert _pause(error) == pause_s


def test_pause_without_a_word_of_the_server_is_left_to_the_backoff() -> None:
    """A lost connection is tried again at the usual pace; what will not change is not tried again."""
    assert _pause(Unreachable("connection refused")) is True
    assert _pause(Denied("list", "pods", "n", "no")) is False
    assert _pause(NotServed("no")) is False


def test_read_that_is_forbidden_is_denied_at_once() -> None:
    """No permission is not a passing trouble."""
    server = FakeServer(routes={PODS.path: refusal(403, "pods is forbidden")})
    with pytest.raises(Denied, match=r"^not permitted: list pods in namespace n: pods is forbidden$"):
        Api(server).listed(PODS, name)
    assert len(queries(server)) == 1


@pytest.mark.parametrize(
    "body", [b"<html>Please log in</html>", b"[]", b'{"kind": "PodList"}', b'{"items": null}', b"\xff\xfe"]
)
def test_listed_from_something_that_is_no_list_is_unreachable(body: bytes) -> None:
    """A proxy's page or an answer without items is never an empty list."""
    with pytest.raises(Unreachable, match="list pods"):
        Api(FakeServer(routes={PODS.path: answer(body)})).listed(PODS, name)


def test_listed_without_a_date_has_no_clock() -> None:
    """A server that does not tell the time leaves it to the caller."""
    silent = Response(200, {}, b'{"items": []}')
    assert Api(FakeServer(routes={PODS.path: silent})).listed(PODS, name).at is None


def test_response_repr_shows_no_body() -> None:
    """A log's text does not reach a traceback."""
    assert "Jane" not in repr(Response(200, {}, b"Jane Roe"))


def test_date_of_an_answer_is_read_as_utc() -> None:
    """The header's time is the API server's clock."""
    listing = Api(FakeServer()).listed(PODS, name)
    assert listing.at == datetime(2026, 11, 22, 16, 4, 58, tzinfo=UTC)
