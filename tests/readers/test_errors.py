import pytest

from gate.readers.errors import (
    EXCERPT_CHARS,
    Denied,
    NotFound,
    NotServed,
    ReadError,
    Unreachable,
    excerpt,
    refusal,
)

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaGF0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {TOKEN}",
        f"the token {TOKEN} has expired",
        "https://user:hunter2@registry.example/v2/ refused",
        "password=hunter2 is wrong",
        '"secret": "hunter2"',
        "GET /layer?X-Amz-Signature=hunter2&x=1",
        "k8s-aws-v1.hunter2 is no token",
        "Basic hunter2=",
    ],
)
def test_excerpt_of_a_text_with_a_secret_hides_it(text: str) -> None:
    """Tokens, passwords and signatures never come through, whatever surrounds them."""
    shown = excerpt(text)
    assert "hunter2" not in shown
    assert TOKEN not in shown
    assert "***" in shown


def test_excerpt_of_a_long_text_is_one_line_of_the_named_length() -> None:
    """A page of HTML becomes one line that is cut."""
    shown = excerpt("<html>\n" + "x " * 1000)
    assert shown.startswith("<html> x x")
    assert len(shown) == EXCERPT_CHARS + len("...")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"kind": "Status", "message": "pods is forbidden", "details": {"secret": 1}}', "pods is forbidden"),
        (b'{"detail": "the queue is full"}', "the queue is full"),
        (
            b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}',
            "MANIFEST_UNKNOWN manifest unknown",
        ),
        (b'{"patient": "Jane Roe"}', "(JSON without a message)"),
        (b'{"detail": [{"input": "Jane Roe"}]}', "(JSON without a message)"),
        (b'["Jane Roe"]', "(JSON without a message)"),
        (b'{"message": ', "(unreadable JSON)"),
        (b"[Errno 111] Connection refused", "[Errno 111] Connection refused"),
        (b"", ""),
    ],
)
def test_excerpt_of_json_keeps_its_message_only(body: bytes, shown: str) -> None:
    """Fields other than the message may hold anything and are dropped."""
    assert excerpt(body) == shown


def test_excerpt_hides_private_values_before_it_cuts() -> None:
    """A private value that crosses the cut leaves no beginning behind."""
    question = "my chest " * 100
    shown = excerpt(f'{{"detail": "MRN-001 asked {question}"}}', private=[question, "MRN-001"])
    assert shown == "*** asked ***"


@pytest.mark.parametrize(
    ("status", "named", "kind"),
    [
        (401, False, Denied),
        (403, False, Denied),
        (404, True, NotFound),
        (404, False, NotServed),
        (429, False, Unreachable),
        (500, True, Unreachable),
        (503, False, Unreachable),
    ],
)
def test_refusal_of_a_status_is_of_one_kind(status: int, named: bool, kind: type[ReadError]) -> None:  # noqa: FBT001
    """Each status means one thing, and 404 depends on what was asked for."""
    error = refusal(status, b"no", verb="list", resource="pods", namespace="carepath-demo", named=named)
    assert type(error) is kind
    assert error.status_code == status


def test_denied_names_verb_resource_and_namespace() -> None:
    """The missing permission can be granted from the message."""
    error = refusal(403, b'{"message": "no"}', verb="list", resource="pods", namespace="carepath-demo", named=False)
    assert isinstance(error, Denied)
    assert str(error) == "not permitted: list pods in namespace carepath-demo: no"
    assert (error.verb, error.resource, error.namespace) == ("list", "pods", "carepath-demo")
    wide = refusal(403, b'{"message": "no"}', verb="list", resource="nodes", namespace=None, named=False)
    assert str(wide) == "not permitted: list nodes cluster-wide: no"


def test_log_of_a_container_that_never_ran_is_not_found() -> None:
    """The log endpoint's 400 means that there is no log; elsewhere 400 is a trouble of its own."""
    said = b'{"message": "previous terminated container \\"chat-api\\" in pod \\"a\\" not found"}'
    assert isinstance(refusal(400, said, verb="get", resource="pods/log", namespace="n", named=True), NotFound)
    assert isinstance(refusal(400, said, verb="get", resource="pods", namespace="n", named=True), Unreachable)
