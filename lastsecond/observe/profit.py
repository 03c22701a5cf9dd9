"""What orders brought: what was booked, and what three figures make of it.

Money is micro-dollars. An order whose result, fee or estimate is not known is counted
as that, and enters no sum.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from lastsecond.history import MarketRecord
from lastsecond.market import Outcome
from lastsecond.money import MICRO
from lastsecond.observe import statistics
from lastsecond.observe.funnel import is_filled, saw_the_trigger, was_sent
from lastsecond.observe.statistics import Rate
from lastsecond.orders import Figure, State

_SEED = 20_261_126
"""Of the bootstrap: the same ledger gives the same interval."""


class Standing(StrEnum):
    """What is known of an order's profit."""

    NOT_FILLED = "not filled"
    KNOWN = "known"
    OPEN = "open"  # filled, what it pays is not known
    FEE_UNKNOWN = "fee unknown"
    NOT_ESTIMATED = "not estimated"


@dataclass(frozen=True, slots=True)
class Result:
    """One order as one figure sees it; ``profit`` is None unless ``standing`` KNOWN."""

    standing: Standing
    payout: int | None = None
    profit: int | None = None


@dataclass(frozen=True, slots=True)
class FigureProfit:
    """All orders as one figure sees them: they add up to ``orders``."""

    name: str
    orders: int
    counts: Mapping[Standing, int]
    profit: int | None
    """Of those KNOWN; 0 where none was filled, None where nothing can be said."""

    @property
    def filled(self) -> int:
        """How many this figure holds for bought."""
        unfilled = {Standing.NOT_FILLED, Standing.NOT_ESTIMATED}
        return sum(n for standing, n in self.counts.items() if standing not in unfilled)


@dataclass(frozen=True, slots=True)
class Equity:
    """The running sum of each figure's profit after a market, by its name."""

    ticker: str
    close_at: int
    sums: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profit:
    """The profit of a group, as booked; prices and money in micros, None if unknown."""

    fire: Rate
    """Markets sent of those watched to the trigger."""
    fill: Rate
    """Filled of those sent."""
    win: Rate
    """Bought the winner, of those settled and not void."""
    voids: int
    average_price: int | None
    break_even: float | None
    """The win rate at which cost and fees come back; fills of unknown fee left out."""
    value: int | None
    """Profit a share, of settled fills."""
    value_interval: tuple[int, int] | None
    """None too where all results are alike: they do not tell how others would be."""
    figures: tuple[FigureProfit, ...]
    losing_run: int
    drawdown: int
    wins_needed: int | None
    """Further wins in a row until the exact test calls it profitable; None unknown."""
    fees: int | None
    """Of fills whose fee is known, None where there are none."""
    fees_unknown: int
    lock_up: int | None
    """Median ns from an order's sending to its payout."""
    open_stake: int
    """The cost of fills not paid out yet."""

    @property
    def losses(self) -> int:
        """How many bought the loser."""
        return self.win.n - self.win.k


ACTUAL = "actual"
"""What was booked of real orders, beside the three figures."""


def names(mode: str) -> tuple[str, ...]:
    """The figures that a mode's orders have, the one that counts first."""
    figures = (Figure.REALISTIC, Figure.OPTIMISTIC, Figure.PESSIMISTIC)
    return figures if mode == "PAPER" else (ACTUAL, *figures)


def result_of(market: MarketRecord, name: str) -> Result:
    """One sent order as the figure ``name`` sees it.

    ACTUAL, and realistic on paper, are the ledger's own fill; else an estimate.
    """
    booked = name == ACTUAL or (market.mode == "PAPER" and name == Figure.REALISTIC)
    return _booked(market) if booked else _estimated(market, Figure(name))


def _booked(market: MarketRecord) -> Result:
    if market.state is State.SETTLED:
        return _result(market.payout, market.cost, market.fee)
    unknown = {State.FILLED, State.MATCHED, State.SENT, State.UNCERTAIN}
    open_ = market.state in unknown
    return Result(Standing.OPEN if open_ else Standing.NOT_FILLED)


def _estimated(market: MarketRecord, figure: Figure) -> Result:
    estimate = market.estimates.get(figure)
    if estimate is None:
        return Result(Standing.NOT_ESTIMATED)
    if not estimate.filled:
        return Result(Standing.NOT_FILLED)
    paid = paid_per_share(market)
    payout = None if paid is None else estimate.shares * paid // MICRO
    return _result(payout, estimate.cost, estimate.fee)


def _result(payout: int | None, cost: int | None, fee: int | None) -> Result:
    if payout is None or cost is None:
        return Result(Standing.OPEN)
    if fee is None:
        return Result(Standing.FEE_UNKNOWN, payout)
    return Result(Standing.KNOWN, payout, payout - cost - fee)


def paid_per_share(market: MarketRecord) -> int | None:
    """What a share of the bought side paid, micros; None until known."""
    if market.side is None or market.paid_up is None:
        return None
    up = market.side is Outcome.UP
    return market.paid_up if up else MICRO - market.paid_up


def won(market: MarketRecord) -> bool | None:
    """Whether a settled fill bought the winner; None when void or not settled."""
    if market.state is not State.SETTLED or market.payout is None:
        return None
    paid = paid_per_share(market)
    if paid is not None:
        return {MICRO: True, 0: False}.get(paid)
    # booked before results were kept: then the payout tells
    return {market.shares: True, 0: False}.get(market.payout)


def profit_of(mode: str, markets: Sequence[MarketRecord]) -> Profit:
    """The profit of a group's markets, which are in the order of their close."""
    sent = [market for market in markets if was_sent(market)]
    fills = [market for market in sent if is_filled(market)]
    settled = [market for market in fills if market.state is State.SETTLED]
    outcomes = [won(market) for market in settled]
    wins, losses = outcomes.count(True), outcomes.count(False)
    break_even = _break_even(fills)
    known = _known(settled)
    profits = [profit for profit, _ in known]
    fees = [market.fee for market in fills if market.fee is not None]
    return Profit(
        fire=Rate(len(sent), sum(map(saw_the_trigger, markets))),
        fill=Rate(len(fills), len(sent)),
        win=Rate(wins, wins + losses),
        voids=outcomes.count(None),
        average_price=_a_share(fills, lambda market: market.cost),
        break_even=break_even,
        value=_over_shares(known),
        value_interval=_interval(known),
        figures=tuple(_figure(name, sent) for name in names(mode)),
        losing_run=statistics.longest_losing_run(profits),
        drawdown=statistics.maximum_drawdown(profits),
        wins_needed=(
            None
            if break_even is None
            else statistics.wins_needed(wins, losses, break_even)
        ),
        fees=sum(fees) if fees else None,
        fees_unknown=len(fills) - len(fees),
        lock_up=statistics.median(
            market.settled_at - market.sent_at
            for market in settled
            if market.settled_at is not None and market.sent_at is not None
        ),
        open_stake=sum(m.cost or 0 for m in fills if m.state is not State.SETTLED),
    )


def _known(settled: Iterable[MarketRecord]) -> list[tuple[int, int]]:
    """(profit, shares) of each whose profit is known."""
    return [
        (profit, market.shares)
        for market in settled
        if (profit := _booked(market).profit) is not None and market.shares
    ]


def _interval(known: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The 95 % interval of a share's profit; None where it would have no width."""
    found = statistics.bootstrap(known, Random(_SEED))  # noqa: S311  no secret
    return None if found is None or found[0] == found[1] else found


def _over_shares(known: Sequence[tuple[int, int]]) -> int | None:
    shares = sum(shares for _, shares in known)
    profit = sum(profit for profit, _ in known)
    return statistics.per_share(profit, shares) if shares else None


def _a_share(
    fills: Iterable[MarketRecord], amount: Callable[[MarketRecord], int | None]
) -> int | None:
    known = [
        (value, market.shares)
        for market in fills
        if (value := amount(market)) is not None and market.shares
    ]
    return _over_shares(known)


def _break_even(fills: Iterable[MarketRecord]) -> float | None:
    due = shares = 0
    for market in fills:
        if market.cost is not None and market.fee is not None and market.shares:
            due += market.cost + market.fee
            shares += market.shares
    return due / shares if shares else None


def _figure(name: str, sent: Sequence[MarketRecord]) -> FigureProfit:
    results = [result_of(market, name) for market in sent]
    counts = Counter(result.standing for result in results)
    known = [result.profit for result in results if result.profit is not None]
    told = known or counts[Standing.NOT_FILLED]  # what was not bought brought nothing
    return FigureProfit(name, len(sent), counts, sum(known) if told else None)


def equity_of(mode: str, markets: Sequence[MarketRecord]) -> tuple[Equity, ...]:
    """The running sums after each market with a known profit, in the given order."""
    sums = dict.fromkeys(names(mode), 0)
    points = []
    for market in markets:
        if not was_sent(market):
            continue
        moves = {name: result_of(market, name).profit for name in sums}
        if any(move is not None for move in moves.values()):
            sums = {name: sums[name] + (moves[name] or 0) for name in sums}
            points.append(Equity(market.ticker, market.close_at, sums))
    return tuple(points)
