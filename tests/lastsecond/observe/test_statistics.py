"""How sure a figure is: held against scipy, and against the definitions themselves."""

import math
import random
from fractions import Fraction
from statistics import median as mean_of_middle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]  # ships no types

from lastsecond.observe import statistics

AT_NINETY_NINE = 0.990693
"""Break-even at 0.99 with a fee of 0.07 x p x (1 - p)."""

GRID = [
    (k, n)
    for n in (1, 2, 3, 7, 20, 100, 321, 1000, 5000)
    for k in sorted({0, 1, n // 3, n // 2, n - n // 50, n - 1, n})
]

profits = st.lists(st.integers(-10_000_000, 10_000_000), max_size=30)


@pytest.mark.parametrize(("k", "n"), GRID)
def test_wilson_is_scipys(k: int, n: int) -> None:
    """The interval equals scipy's Wilson interval without continuity correction."""
    wanted = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert statistics.wilson(k, n) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9, AT_NINETY_NINE])
@pytest.mark.parametrize(("k", "n"), GRID)
def test_exact_tests_are_scipys(k: int, n: int, p: float) -> None:
    """Both tails of the binomial distribution equal scipy's one-sided exact tests."""
    above = binomtest(k, n, p, alternative="greater").pvalue
    below = binomtest(k, n, p, alternative="less").pvalue
    assert statistics.at_least(k, n, p) == pytest.approx(above, rel=1e-7, abs=1e-12)
    assert statistics.at_most(k, n, p) == pytest.approx(below, rel=1e-7, abs=1e-12)
    losses = n - k
    assert statistics.exceeds(k, losses, p) == (above <= 0.05)
    assert statistics.falls_short(k, losses, p) == (below <= 0.05)


@pytest.mark.parametrize(
    ("p", "k", "above", "below"),
    [(0.0, 0, 1, 1), (0.0, 1, 0, 1), (1.0, 3, 1, 1), (1.0, 2, 1, 0)],
)
def test_sure_things_are_sure(p: float, k: int, above: float, below: float) -> None:
    """At probabilities of 0 and 1 the tails are 0 or 1 themselves."""
    assert statistics.at_least(k, 3, p) == above
    assert statistics.at_most(k, 3, p) == below


@pytest.mark.parametrize(("losses", "in_all"), [(0, 321), (1, 508), (2, 675)])
def test_it_takes_hundreds_of_wins_at_ninety_nine(losses: int, in_all: int) -> None:
    """Of markets at 0.99, fee included, that many in all show that it pays."""
    assert statistics.wins_needed(0, losses, AT_NINETY_NINE) == in_all - losses


@given(st.integers(0, 400), st.integers(0, 6), st.floats(0.3, 0.995))
def test_the_wins_needed_are_the_fewest(wins: int, losses: int, p: float) -> None:
    """With them the exact test says yes, with one fewer it does not yet."""
    needed = statistics.wins_needed(wins, losses, p)
    assert needed is not None
    assert statistics.exceeds(wins + needed, losses, p)
    assert needed == 0 or not statistics.exceeds(wins + needed - 1, losses, p)


def test_no_wins_are_enough_at_a_dollar() -> None:
    """Who pays a dollar or more a share can never show that it pays."""
    assert statistics.wins_needed(1000, 0, 1.0) is None
    assert statistics.wins_needed(1000, 0, 1.0001) is None
    assert statistics.wins_needed(0, 0, 1 - 1e-9) is None


def test_a_rate_of_nothing_is_unknown() -> None:
    """Without trials there is neither a share nor an interval."""
    assert statistics.Rate(0, 0).share is None
    assert statistics.Rate(0, 0).interval is None
    assert statistics.Rate(1, 4).share == 0.25
    assert statistics.Rate(1, 4).interval == statistics.wilson(1, 4)


def test_the_bootstrap_is_drawn_by_market() -> None:
    """It equals resampling whole markets by hand with the same generator."""
    markets = [(9_307, 1_000_000), (-4_953_465, 5_000_000), (46_535, 5_000_000)]
    by_hand = random.Random(7)
    wanted = []
    for _ in range(200):
        drawn = by_hand.choices(markets, k=3)
        shares = sum(shares for _, shares in drawn)
        wanted.append(round(Fraction(sum(p for p, _ in drawn) * 1_000_000, shares)))
    wanted.sort()
    found = statistics.bootstrap(markets, random.Random(7), rounds=200)
    assert found == (wanted[4], wanted[194])


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 9)), min_size=2))
def test_a_bootstrap_stays_within_the_results(results: list[tuple[int, int]]) -> None:
    """No resample of markets does better than the best of them, or worse."""
    interval = statistics.bootstrap(results, random.Random(1), rounds=20)
    assert interval is not None
    each = [statistics.per_share(profit, shares) for profit, shares in results]
    assert min(each) <= interval[0] <= interval[1] <= max(each)


def test_one_market_has_no_interval() -> None:
    """A bootstrap of one market or none would claim a certainty that is not there."""
    assert statistics.bootstrap([], random.Random(1)) is None
    assert statistics.bootstrap([(5, 9)], random.Random(1)) is None


@given(profits)
def test_the_drawdown_is_the_deepest_fall(results: list[int]) -> None:
    """It equals the greatest loss of any stretch of markets."""
    stretches = [
        sum(results[start:end])
        for start in range(len(results) + 1)
        for end in range(start, len(results) + 1)
    ]
    assert statistics.maximum_drawdown(results) == -min(stretches)


@given(profits)
def test_the_losing_run_is_the_longest(results: list[int]) -> None:
    """So many losses stand in a row somewhere, and one more nowhere."""
    signs = "".join("-" if profit < 0 else "+" for profit in results)
    longest = statistics.longest_losing_run(results)
    assert "-" * longest in signs
    assert "-" * (longest + 1) not in signs


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_median_and_quantiles_are_what_they_say(values: list[int]) -> None:
    """The median is the standard library's; a quantile leaves q at or under it."""
    assert statistics.median(values) == math.floor(mean_of_middle(values))
    ordered = sorted(values)
    for q in (0.025, 0.5, 0.9, 1.0):
        found = statistics.quantile(ordered, q)
        assert sum(value <= found for value in values) >= q * len(values)
        assert sum(value < found for value in values) < q * len(values)


def test_the_median_of_nothing_is_unknown() -> None:
    """Without values there is no middle one."""
    assert statistics.median([]) is None
