"""The two amounts of an order: the caps on decimals, and the cap on the price."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.money import MICRO, on_grid, order_amounts

TICKS = [100_000, 10_000, 5_000, 2_500, 1_000, 100]
FINEST = 100

spends = st.integers(1 * MICRO, 10_000 * MICRO)
limits = st.integers(500_000, 990_000)
ticks = st.sampled_from(TICKS)


@given(spend=spends, limit=limits, tick=ticks)
def test_no_ask_above_the_cap_can_match(spend: int, limit: int, tick: int) -> None:
    """The implied price is at least the gridded cap and below the next finest tick."""
    maker, taker = order_amounts(spend, limit, tick)
    implied = Fraction(maker * MICRO, taker)
    capped = on_grid(limit, tick)
    assert capped <= limit
    assert capped <= implied < capped + FINEST


@given(spend=spends, limit=limits, tick=ticks)
def test_the_exchange_accepts_the_decimals(spend: int, limit: int, tick: int) -> None:
    """Dollars have at most 2 decimals and shares at most 4, at every tick."""
    maker, taker = order_amounts(spend, limit, tick)
    assert maker % 10_000 == 0
    assert taker % 100 == 0
    assert spend - 10_000 < maker <= spend


@given(spend=spends, limit=limits, tick=ticks)
def test_shares_are_the_most_that_keep_the_price(
    spend: int, limit: int, tick: int
) -> None:
    """One step more of shares would imply a price under the cap."""
    maker, taker = order_amounts(spend, limit, tick)
    assert Fraction(maker * MICRO, taker + 100) < on_grid(limit, tick)


@pytest.mark.parametrize(
    ("spend", "limit", "tick", "expected"),
    [
        ("5", 990_000, 10_000, (5_000_000, 5_050_500)),
        ("1", 970_000, 1_000, (1_000_000, 1_030_900)),
        ("1", 985_000, 1_000, (1_000_000, 1_015_200)),
        ("5", 999_000, 1_000, (5_000_000, 5_005_000)),
        ("1", 990_000, 10_000, (1_000_000, 1_010_100)),
        ("5", 985_000, 10_000, (5_000_000, 5_102_000)),
        ("5", 999_000, 10_000, (5_000_000, 5_050_500)),
    ],
)
def test_known_amounts(
    spend: str, limit: int, tick: int, expected: tuple[int, int]
) -> None:
    """Worked by hand: where the vendor signs five decimals, four are left."""
    assert order_amounts(int(spend) * MICRO, limit, tick) == expected


@pytest.mark.parametrize(
    ("spend", "limit", "tick"),
    [(9_999, 990_000, 10_000), (5_000_000, 9_999, 10_000), (0, 990_000, 1_000)],
)
def test_nothing_to_order_is_refused(spend: int, limit: int, tick: int) -> None:
    """Less than a cent, or a cap below the lowest price, is ValueError."""
    with pytest.raises(ValueError, match=r"nothing|no price"):
        order_amounts(spend, limit, tick)
