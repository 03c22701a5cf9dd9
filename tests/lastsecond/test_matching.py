"""A fill-or-kill buy spends exactly its dollars at or under its limit, or nothing."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastsecond.matching import fill_or_kill
from lastsecond.money import MICRO
from lastsecond.orders import Fill, Killed

SHARES = MICRO
LADDER = [(970_000, 2 * SHARES), (980_000, 10 * SHARES), (990_000, 100 * SHARES)]


@pytest.mark.parametrize(
    ("spend", "limit", "result"),
    [
        (970_000, 990_000, Fill(1_000_000, 970_000)),
        (1_000_000, 990_000, Fill(1_030_927, 999_999)),
        (1_940_000, 970_000, Fill(2_000_000, 1_940_000)),
        (1_940_001, 970_000, Killed("not enough depth at or under the limit")),
        (2_920_000, 980_000, Fill(3_000_000, 2_920_000)),
        (500_000_000, 999_000, Killed("not enough depth at or under the limit")),
        (1_000_000, 969_999, Killed("no ask at or under the limit")),
    ],
)
def test_walks_the_ladder(spend: int, limit: int, result: Fill | Killed) -> None:
    """The cheapest asks fill first; too little of them at the limit kills the order."""
    assert fill_or_kill(LADDER, spend, limit) == result


def test_an_empty_book_kills() -> None:
    """Where nobody asks, nothing is bought."""
    assert fill_or_kill([], MICRO, 990_000) == Killed("no ask")


def naive(asks: list[tuple[int, int]], spend: int, limit: int) -> Fraction | None:
    """Shares, in exact micros, that ``spend`` buys at or under the limit, or None."""
    left, shares = Fraction(spend), Fraction(0)
    for price, size in asks:
        if price <= limit:
            taken = min(Fraction(size), left * MICRO / price)
            shares += taken
            left -= taken * price / MICRO
    return shares if left == 0 else None


ASKS = st.dictionaries(
    st.integers(1, MICRO - 1), st.integers(1, 10**9), max_size=6
).map(lambda levels: sorted(levels.items()))


@settings(max_examples=200, deadline=None)
@given(ASKS, st.integers(1, 10**9), st.integers(1, MICRO))
def test_fills_as_a_walk_in_fractions_does(
    asks: list[tuple[int, int]], spend: int, limit: int
) -> None:
    """Cost is the spend but for a micro a level, or nothing; shares are floored."""
    result, expected = fill_or_kill(asks, spend, limit), naive(asks, spend, limit)
    if isinstance(result, Killed):
        assert expected is None
        return
    assert expected is not None
    assert result.shares == int(expected) == sum(got for _, got in result.levels)
    assert spend - len(result.levels) - 1 <= result.cost <= spend
    assert expected * min(limit, MICRO) >= spend * MICRO
    assert result.shares * asks[0][0] <= spend * MICRO
