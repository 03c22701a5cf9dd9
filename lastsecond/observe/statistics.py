"""How sure a figure is: intervals, exact tests, and what a run of results amounts to.

Rates and probabilities are floats, money and shares integer micros. Nothing here is
random of itself: who wants a bootstrap brings the generator.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from random import Random

from lastsecond.money import MICRO

Z = 1.959963984540054
"""Two-sided 95 % of a normal distribution."""

SIGNIFICANCE = 0.05
"""Of a one-sided exact test."""

ROUNDS = 1000
"""Resamples of a bootstrap."""

_MOST_NEEDED = 1 << 24
"""Further wins beyond which nobody waits: never."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``k`` of ``n``; where n is 0, nothing is known of it."""

    k: int
    n: int

    @property
    def share(self) -> float | None:
        """K / n, None where n is 0."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its two-sided 95 % Wilson interval, None where n is 0."""
        return wilson(self.k, self.n) if self.n else None


def wilson(k: int, n: int) -> tuple[float, float]:
    """The two-sided 95 % Wilson interval of k successes in n trials, n > 0."""
    share, square = k / n, Z * Z
    middle = share + square / (2 * n)
    reach = Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    whole = 1 + square / n
    low = 0.0 if k == 0 else (middle - reach) / whole
    high = 1.0 if k == n else (middle + reach) / whole
    return low, high


def at_least(k: int, n: int, p: float) -> float:
    """The probability of k or more successes in n trials at probability ``p`` each."""
    return _sum_of_terms(range(max(k, 0), n + 1), n, p)


def at_most(k: int, n: int, p: float) -> float:
    """The probability of k or fewer successes in n trials at probability ``p`` each."""
    return _sum_of_terms(range(min(k, n) + 1), n, p)


def exceeds(wins: int, losses: int, p: float) -> bool:
    """Whether the exact one-sided 95 % test rejects "the win rate is p or less"."""
    return at_least(wins, wins + losses, p) <= SIGNIFICANCE


def falls_short(wins: int, losses: int, p: float) -> bool:
    """Whether the exact one-sided 95 % test rejects "the win rate is p or more"."""
    return at_most(wins, wins + losses, p) <= SIGNIFICANCE


def wins_needed(wins: int, losses: int, break_even: float) -> int | None:
    """The fewest further wins in a row after which ``exceeds`` holds; None if never."""
    if break_even >= 1:
        return None
    enough = 1
    if exceeds(wins, losses, break_even):
        return 0
    while not _rejected(wins + enough, losses, break_even):
        enough *= 2
        if enough > _MOST_NEEDED:
            return None
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _rejected(wins + middle, losses, break_even):
            enough = middle
        else:
            too_few = middle
    return enough


def _rejected(wins: int, losses: int, p: float) -> bool:
    """As ``exceeds``, counted from the side of the losses: there are fewer of them."""
    return at_most(losses, wins + losses, 1 - p) <= SIGNIFICANCE


def _sum_of_terms(successes: range, n: int, p: float) -> float:
    if p <= 0 or p >= 1:
        sure = 0 if p <= 0 else n
        return float(sure in successes)
    terms = (_logarithm_of_term(k, n, p) for k in successes)
    return min(1.0, math.fsum(map(math.exp, terms)))


def _logarithm_of_term(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(p) + (n - k) * math.log1p(-p)


def per_share(amount: int, shares: int) -> int:
    """An amount a share, micros, rounded to the nearest; ``shares`` > 0."""
    return round(Fraction(amount * MICRO, shares))


def bootstrap(
    results: Sequence[tuple[int, int]], random: Random, rounds: int = ROUNDS
) -> tuple[int, int] | None:
    """The 95 % percentile interval of profit a share, micros; None under two results.

    ``results`` are (profit, shares) of each market, shares > 0: markets are drawn, with
    replacement, since what happens within one is not independent.
    """
    if len(results) < 2:
        return None
    figures = []
    for _ in range(rounds):
        drawn = random.choices(results, k=len(results))
        profit = sum(profit for profit, _ in drawn)
        figures.append(per_share(profit, sum(shares for _, shares in drawn)))
    figures.sort()
    return quantile(figures, 0.025), quantile(figures, 0.975)


def quantile(ordered: Sequence[int], q: float) -> int:
    """The least of ``ordered`` that a share ``q`` does not exceed: nearest rank."""
    return ordered[max(math.ceil(q * len(ordered)) - 1, 0)]


def median(values: Iterable[int]) -> int | None:
    """The middle value, of two middle ones the mean rounded down; None of none."""
    ordered = sorted(values)
    half = len(ordered) // 2
    if not ordered:
        return None
    return (ordered[half] + ordered[-half - 1]) // 2


def longest_losing_run(profits: Iterable[int]) -> int:
    """How many in a row lost money, at most."""
    longest = run = 0
    for profit in profits:
        run = run + 1 if profit < 0 else 0
        longest = max(longest, run)
    return longest


def maximum_drawdown(profits: Iterable[int]) -> int:
    """The deepest fall of the running sum below its highest yet, 0 at its start."""
    sums = list(accumulate(profits, initial=0))
    peaks = accumulate(sums, max)
    return max(peak - value for peak, value in zip(peaks, sums, strict=True))
