"""Micros are exact: nothing is gained or lost between text, Decimal and integer."""

from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.money import MICRO, decimal, from_decimal, micros, text

AMOUNTS = st.integers(0, 10**15)


@pytest.mark.parametrize(
    ("spelled", "amount"),
    [
        ("0.48", 480_000),
        (".48", 480_000),
        ("1", MICRO),
        ("1.", MICRO),
        ("12441.83", 12_441_830_000),
        ("0.0000019", 1),
        ("0", 0),
    ],
)
def test_reads_each_spelling_of_an_amount(spelled: str, amount: int) -> None:
    """A leading zero may be missing, and digits below a micro are dropped."""
    assert micros(spelled) == amount


@pytest.mark.parametrize(
    "spelled",
    ["", ".", "-1", "+1", "1e3", "1_0", " 1", "1.2.3", "nan", "½", "٣", "9" * 5_000],
)
def test_refuses_what_is_no_plain_decimal(spelled: str) -> None:
    """Signs, exponents, blanks and other alphabets are no amount."""
    with pytest.raises(ValueError, match=r"."):
        micros(spelled)


@given(st.decimals(0, 10**9, allow_nan=False, places=9))
def test_agrees_with_decimal(value: Decimal) -> None:
    """Reading is multiplication by a million, rounded down."""
    scaled = (value * MICRO).to_integral_value(ROUND_DOWN)
    assert micros(f"{value:f}") == int(scaled)


@given(AMOUNTS)
def test_round_trips(amount: int) -> None:
    """An amount survives the way through Decimal and through its text."""
    assert from_decimal(decimal(amount)) == amount
    assert micros(text(amount)) == amount
    assert micros(f"{decimal(amount):f}") == amount


def test_a_decimal_finer_than_a_micro_is_refused() -> None:
    """No Decimal is rounded in silence."""
    assert from_decimal(Decimal("0.000001")) == 1
    with pytest.raises(ValueError, match="finer than a millionth"):
        from_decimal(Decimal("0.0000001"))


@pytest.mark.parametrize(
    ("amount", "places", "shown"),
    [
        (970_000, 2, "0.97"),
        (985_000, 2, "0.985"),
        (1_000_000, 2, "1.00"),
        (100_000_000, 2, "100.00"),
        (1_030_927, 2, "1.030927"),
        (500_000, 4, "0.5000"),
        (-20_000, 2, "-0.02"),
        (0, 0, "0"),
    ],
)
def test_shows_an_amount_to_a_reader(amount: int, places: int, shown: str) -> None:
    """At least the asked places are shown, and more only where they are needed."""
    assert text(amount, places) == shown
