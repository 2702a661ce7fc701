import pytest

from gate.report.text import MAX_TEXT_CHARS, one_line, plain_data, showable


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m and \x1b]0;title\x07done", "red and done"),
        ("a\x00b\x08c\x7fd\x9fe", "abcde"),
        ("rm -rf \u202e/tmp\u202c\u2066", "rm -rf /tmp"),
        ("lone \ud800 surrogate and \uffff", "lone  surrogate and "),
        ("line one\r\nline\ttwo", "line one\nline\ttwo"),
        ("Ünïcode, 漢字 and 🙂 stay", "Ünïcode, 漢字 and 🙂 stay"),
    ],
)
def test_showable_unshowable_removed(hostile: str, shown: str) -> None:
    """Terminal escapes, control and bidirectional characters go; line breaks, tabs and languages stay."""
    assert showable(hostile) == shown


@pytest.mark.parametrize(
    ("leak", "shown"),
    [
        ("Authorization: Bearer abcdefghijklmnop.qrstuv-wxyz0123", "Authorization: Bearer [redacted]"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl end", "token [redacted] end"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [redacted]"),
        ("https://user:pa55word@registry.example/v2/", "https://[redacted]@registry.example/v2/"),
        (
            'Get "https://s3/blob?X-Amz-Signature=0a1b2c&X-Amz-Expires=900": 403',
            'Get "https://s3/blob?X-Amz-Signature=[redacted]&X-Amz-Expires=900": 403',
        ),
    ],
)
def test_showable_credential_redacted(leak: str, shown: str) -> None:
    """What looks like a credential is replaced, and the rest of the message stays readable."""
    assert showable(leak) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication is not configured",
        "localhost:5000/carepath-chat-api@sha256:4f1d0c9ab37e5526",
        "https://10.90.0.2:6443",
        "the bearer of bad news",
    ],
)
def test_showable_near_miss_unchanged(text: str) -> None:
    """Words and digests that only resemble credentials stay."""
    assert showable(text) == text


def test_showable_long_text_cut_once() -> None:
    """A text beyond the limit is cut, says how long it was, and a second pass changes nothing."""
    cut = showable("x" * 1_000_000)
    assert len(cut) <= MAX_TEXT_CHARS
    assert cut.endswith("… (cut, 1000000 characters in all)")
    assert showable(cut) == cut


def test_showable_text_at_the_limit_whole() -> None:
    """A text of exactly the limit is whole."""
    assert showable("x" * MAX_TEXT_CHARS) == "x" * MAX_TEXT_CHARS


def test_one_line_white_space_folded() -> None:
    """Line breaks and runs of blanks become one blank."""
    assert one_line("  a\n\n b\t c ") == "a b c"


def test_plain_data_endless_nesting_named() -> None:
    """A structure that holds itself ends after a few levels instead of never."""
    loop: list[object] = []
    loop.append(loop)
    nested = plain_data(loop)
    for _ in range(8):
        assert isinstance(nested, list)
        nested = nested[0]
    assert nested == "<list>"


def test_plain_data_bytes_named() -> None:
    """Raw bytes are not shown: nobody checked them."""
    assert plain_data({"body": b"secret"}) == {"body": "<bytes>"}
