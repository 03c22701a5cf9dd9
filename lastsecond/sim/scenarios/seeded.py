"""A market made from a seed: a wandering price, a market maker, and the TWAP rule.

Settlement is production's since August 2026: the mean price of the minute ending at the
window's end against that of the minute ending at its start; a tie is Up
(docs/exchange.md).
The same seed, asset and window length give the same books.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import erf, sqrt
from random import Random
from typing import TYPE_CHECKING

from lastsecond import money
from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome, Window
from lastsecond.sim.exchange import SimulatedExchange
from lastsecond.sim.ladder import Level, Side, plain
from lastsecond.sim.market import SimMarket

if TYPE_CHECKING:
    from lastsecond.ports import Clock

logger = logging.getLogger(__name__)

TWAP_SECONDS = 60
_MILLISECOND = NANOSECONDS // 1000
_START = {Asset.BTC: 100_000.0, Asset.ETH: 3_500.0}
_VOLATILITY = 7e-5
_COARSE, _FINE = 10_000, 1_000
_FINE_ABOVE, _FINE_BELOW = 960_000, 40_000
_DEPTH = 8
_SETTLES_AFTER = 2.0
_PUBLISHES_STRIKE_AFTER = 60


class ReferencePrice:
    """A price a second, wandering; ``first`` is the Unix second of its first value."""

    def __init__(self, random: Random, first: int, last: int, start: float) -> None:
        self.first = first
        moves = (1 + random.gauss(0, _VOLATILITY) for _ in range(last - first))
        self.prices = list(accumulate(moves, float.__mul__, initial=start))

    def at(self, second: int) -> float:
        """The price in that second, dollars."""
        return self.prices[second - self.first]

    def twap(self, second: int) -> float:
        """The mean price of the 60 seconds that end with this one, dollars."""
        end = second - self.first + 1
        return sum(self.prices[end - TWAP_SECONDS : end]) / TWAP_SECONDS

    def winner(self, window: Window) -> Outcome:
        """How a window settles; a tie is Up."""
        risen = self.twap(window.end) >= self.twap(window.start)
        return Outcome.UP if risen else Outcome.DOWN

    def fair_up(self, window: Window, second: int) -> float:
        """Probability of Up, knowing the prices up to and with ``second``."""
        left = window.end - second
        strike = self.twap(window.start)
        if left <= 0:
            return float(self.winner(window) is Outcome.UP)
        price = self.at(second)
        known = max(TWAP_SECONDS - left, 0)
        fixed = sum(self.at(second - ago) for ago in range(known))
        mean = (fixed + (TWAP_SECONDS - known) * price) / TWAP_SECONDS
        deviation = price * _VOLATILITY * sqrt(_averaged_seconds(left))
        return (1 + erf((mean - strike) / deviation / sqrt(2))) / 2


def _averaged_seconds(left: int) -> float:
    """Variance of the final mean, in units of one second's: left seconds to come."""
    if left >= TWAP_SECONDS:
        return left - TWAP_SECONDS + TWAP_SECONDS / 3
    return left**3 / 3 / TWAP_SECONDS**2


@dataclass(frozen=True, slots=True)
class Quote:
    """Up's book at one moment, ``at`` ms from the close; all money in micros."""

    at: int
    tick: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    trade: tuple[Side, int, int] | None
    """(taker's side, price, size) of a trade against this book."""


class Seeded:
    """Plays every window that is open when it starts, each to its close."""

    def __init__(
        self,
        seed: int,
        assets: Sequence[Asset] = tuple(Asset),
        intervals: Sequence[Interval] = (Interval.FIVE_MINUTES,),
        *,
        updates_per_second: int = 10,
        thin_out: float = 5.0,
    ) -> None:
        """``thin_out``: seconds before the close from which the favourite's asks go."""
        self._seed = seed
        self._assets = tuple(assets)
        self._intervals = tuple(intervals)
        self._rate = updates_per_second
        self._thin_out = thin_out

    async def play(self, exchange: SimulatedExchange, clock: "Clock") -> None:
        """List the markets, play them in real time, and return once all are settled."""
        now = clock.now() // NANOSECONDS
        async with asyncio.TaskGroup() as group:
            for asset in self._assets:
                windows = [
                    Window(asset, interval, now // interval.seconds * interval.seconds)
                    for interval in self._intervals
                ]
                price = self.price(asset, windows)
                for window in windows:
                    market = exchange.add_market(window, winner=price.winner(window))
                    market.automatic_tick = False
                    group.create_task(self._play(market, price, clock))

    def price(self, asset: Asset, windows: Sequence[Window]) -> ReferencePrice:
        """The asset's price over all of these windows and the minute before them."""
        first = min(window.start for window in windows) - TWAP_SECONDS
        last = max(window.end for window in windows)
        random = Random(f"{self._seed}/{asset}")  # noqa: S311  # a script, not a secret
        return ReferencePrice(random, first, last, _START[asset])

    def quotes(self, window: Window, price: ReferencePrice) -> Iterator[Quote]:
        """Every book of a window, from its start until it is settled."""
        name = f"{self._seed}/{window.asset}/{window.interval}"
        maker = _Maker(Random(name), self._thin_out)  # noqa: S311  # as above
        length = window.interval.seconds * 1000
        after = round(_SETTLES_AFTER * 1000)
        for at in range(-length, after, 1000 // self._rate):
            fair = price.fair_up(window, window.end + at // 1000)
            yield maker.quote(at, fair)

    async def _play(
        self, market: SimMarket, price: ReferencePrice, clock: "Clock"
    ) -> None:
        begun = (clock.now() - market.close_ns) // _MILLISECOND
        opened = False
        for quote in self.quotes(market.window, price):
            if quote.at < begun:
                continue
            await clock.sleep_until(market.close_ns + quote.at * _MILLISECOND)
            market.set_tick(plain(quote.tick))
            if opened:
                _move(market, quote)
            else:
                market.snapshot(Outcome.UP, _texts(quote.bids), _texts(quote.asks))
            opened = True
            if quote.at >= _PUBLISHES_STRIKE_AFTER * 1000 - (
                market.window.interval.seconds * 1000
            ):
                market.price_to_beat = price.twap(market.window.start)
        market.final_price = price.twap(market.window.end)
        market.wipe()
        market.resolve()
        logger.info("RESOLVED %s winner=%s", market.slug, market.winner)


class _Maker:
    """Quotes both sides around the fair price, less of it as the end comes near."""

    def __init__(self, random: Random, thin_out: float) -> None:
        self._random = random
        self._thin_out = thin_out
        self._tick = _COARSE

    def quote(self, at: int, fair: float) -> Quote:
        """The book at ``at`` ms from the close, ``fair`` being Up's probability."""
        middle = round(fair * money.MICRO)
        if middle > _FINE_ABOVE or middle < _FINE_BELOW:
            self._tick = _FINE
        spread = self._tick * self._random.choice((1, 1, 1, 2, 3))
        best_bid = (middle - spread // 2) // self._tick * self._tick
        best_ask = best_bid + spread
        thinner = min(max(-at / 1000 / self._thin_out, 0.0), 1.0)
        up_leads = fair >= 0.5
        bids = self._side(best_bid, -self._tick, 1.0 if up_leads else thinner)
        asks = self._side(best_ask, self._tick, thinner if up_leads else 1.0)
        return Quote(at, self._tick, bids, asks, self._trade(bids, asks))

    def _side(self, best: int, step: int, share: float) -> tuple[Level, ...]:
        levels = []
        for depth in range(_DEPTH):
            price = best + depth * step
            dollars = self._random.lognormvariate(4.0 + depth / 4, 0.8)
            size = round(dollars * share, 2)
            if self._tick <= price <= money.MICRO - self._tick and size >= 1:
                levels.append((price, money.micros(f"{size:.2f}")))
        return tuple(levels)

    def _trade(
        self, bids: tuple[Level, ...], asks: tuple[Level, ...]
    ) -> tuple[Side, int, int] | None:
        chance, buys = self._random.random(), self._random.random() < 0.5
        levels = asks if buys else bids
        if chance > 0.1 or not levels:
            return None
        price, size = levels[0]
        return (Side.BUY if buys else Side.SELL), price, size // 2


def _move(market: SimMarket, quote: Quote) -> None:
    changes = []
    for side, levels in ((Side.BUY, quote.bids), (Side.SELL, quote.asks)):
        wanted = dict(levels)
        held = dict(market.ladder.levels(Outcome.UP, side))
        for price in sorted(wanted.keys() | held.keys()):
            if wanted.get(price, 0) != held.get(price, 0):
                size = wanted.get(price, 0)
                changes.append((side.value, plain(price), plain(size)))
    if changes:
        market.changes(Outcome.UP, changes)
    if quote.trade is not None:
        taker, at, amount = quote.trade
        market.trade(Outcome.UP, taker, plain(at), plain(amount))


def _texts(levels: Sequence[Level]) -> list[tuple[str, str]]:
    return [(plain(price), plain(size)) for price, size in levels]
