"""Micros are exact: nothing is gained or lost between text, Decimal and integer."""

from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.money import MICRO, decimal, fee, from_decimal, micros, signed, text

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


CRYPTO = 70_000
"""The rate of crypto markets since July 2026, micros."""


@pytest.mark.parametrize(
    ("price", "share", "dollar", "five", "even"),
    [
        ("0.999", ["0.00007"], ["0.00007"], ["0.00034", "0.00035"], "0.99907"),
        ("0.99", ["0.00069"], ["0.00070"], ["0.00346", "0.00347"], "0.99069"),
        ("0.97", ["0.00204"], ["0.0021"], ["0.01018"], "0.97204"),
        ("0.95", ["0.00332", "0.00333"], ["0.0035"], ["0.01662", "0.01663"], "0.95333"),
        ("0.90", ["0.00630"], ["0.0070"], ["0.0315"], "0.90630"),
        ("0.50", ["0.01750"], ["0.0350"], ["0.0875"], "0.51750"),
    ],
)
def test_the_fees_of_the_table(
    price: str, share: list[str], dollar: list[str], five: list[str], even: str
) -> None:
    """As docs/exchange.md has them: a share, a fill for $1, five shares, break-even."""
    at = micros(price)
    assert fee(MICRO, at, CRYPTO) in [micros(each) for each in share]
    assert fee(5 * MICRO, at, CRYPTO) in [micros(each) for each in five]
    for_a_dollar = Decimal(fee(MICRO * MICRO // at, at, CRYPTO)) / MICRO
    assert for_a_dollar in [
        Decimal(each).quantize(Decimal("0.00001")) for each in dollar
    ] or round(for_a_dollar, 4) in [Decimal(each) for each in dollar]
    # a break-even of 100 shares, so that the fee's own rounding does not show
    spent = 100 * at + fee(100 * MICRO, at, CRYPTO)
    assert abs(Decimal(spent) / 100 / MICRO - Decimal(even)) <= Decimal("0.00001")


def test_no_rate_no_fee_and_never_less_than_a_grain() -> None:
    """A market without fees charges none; one with them, at least 0.00001."""
    assert fee(5 * MICRO, 990_000, 0) == 0
    assert fee(1, 990_000, CRYPTO) == 10
    assert fee(5 * MICRO, 990_000, 35_000) == 1_730


@pytest.mark.parametrize(
    ("amount", "told"), [(33_000, "+0.033"), (0, "+0.00"), (-1_000_000, "-1.00")]
)
def test_a_gain_has_its_sign(amount: int, told: str) -> None:
    """Whoever reads a result sees at once which way it went."""
    assert signed(amount) == told
