from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from gate.readers.quantity import millicores, quantity, whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250m", 250),
        ("1", 1000),
        (2, 2000),
        ("0.1", 100),
        ("1930m", 1930),
        ("12345678n", 13),
        ("1500u", 2),
        ("1e3m", None),
        ("two", None),
        (None, None),
        (True, None),
        ("", None),
    ],
)
def test_millicores_of_a_quantity_is_exact_and_rounds_up(text: object, expected: int | None) -> None:
    """A CPU quantity becomes millicores, rounded up as the API does; anything else is not stated."""
    assert millicores(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1Gi", 1_073_741_824),
        ("512Mi", 536_870_912),
        ("9Gi", 9_663_676_416),
        ("1G", 1_000_000_000),
        ("1.5Gi", 1_610_612_736),
        ("129M", 129_000_000),
        ("128974848", 128_974_848),
        ("129e6", 129_000_000),
        ("1E", 10**18),
        ("1E2", 100),
        ("128974848000m", 128_974_848),
        ("20Ei", 20 * 1024**6),
        ("512Mib", None),
        ("1 Gi", None),
    ],
)
def test_bytes_of_a_quantity_are_exact(text: object, expected: int | None) -> None:
    """Decimal, binary and exponent suffixes become bytes; a misspelt suffix is not guessed."""
    assert whole(text) == expected


@given(st.integers(min_value=0, max_value=10**15), st.sampled_from(["Ki", "Mi", "k", "M", "m"]))
def test_quantity_of_any_number_equals_the_clients_own_parser(number: int, suffix: str) -> None:
    """The official client's parser, which is too slow to import, agrees."""
    assert quantity(f"{number}{suffix}") == Fraction(parse_quantity(f"{number}{suffix}"))  # type: ignore[no-untyped-call]  # the client has no annotations


@given(st.one_of(st.text(), st.floats(), st.lists(st.integers()), st.none(), st.booleans()))
def test_quantity_of_anything_never_raises(value: object) -> None:
    """Whatever an object holds in a quantity's place is read or is not stated."""
    amount = quantity(value)
    assert amount is None or isinstance(amount, Fraction)
