"""The seeded market: the same seed, the same books; the TWAP rule settles it."""

import asyncio
from itertools import islice
from random import Random

import pytest

from lastsecond.clock import SystemClock
from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome, Window
from lastsecond.money import MICRO
from lastsecond.sim import SimulatedExchange
from lastsecond.sim.scenarios import Seeded
from lastsecond.sim.scenarios.seeded import Quote, ReferencePrice
from tests.lastsecond.sim.conftest import WINDOW, listening


def quotes(seed: int) -> list[Quote]:
    scenario = Seeded(seed, updates_per_second=5)
    return list(scenario.quotes(WINDOW, scenario.price(Asset.BTC, [WINDOW])))


def price_of(values: list[float]) -> ReferencePrice:
    """A price path that is given instead of drawn, from a minute before the start."""
    price = ReferencePrice(Random(0), WINDOW.start - 60, WINDOW.start - 60, 1.0)
    price.prices = values
    return price


def test_the_same_seed_gives_the_same_books() -> None:
    """Nothing but the seed decides what the market maker quotes."""
    assert quotes(7) == quotes(7)
    assert quotes(7) != quotes(8)


def test_the_minute_up_to_the_end_decides() -> None:
    """Only the mean of the last minute counts, against that of the minute before."""
    flat, window = [100.0] * 361, WINDOW
    assert price_of(flat).winner(window) is Outcome.UP
    spike = [*flat[:300], 1000.0, *[100.0] * 60]
    assert price_of(spike).winner(window) is Outcome.UP
    late_fall = [*flat[:-1], 99.0]
    assert price_of(late_fall).winner(window) is Outcome.DOWN
    early_fall = [*flat[:61], *[50.0] * 240, *[100.0] * 60]
    assert price_of(early_fall).winner(window) is Outcome.UP


@pytest.mark.parametrize("seed", range(20))
def test_the_quotes_converge_on_the_winner(seed: int) -> None:
    """At the end the winner's bid stands alone and its asks are gone."""
    scenario = Seeded(seed)
    price = scenario.price(Asset.BTC, [WINDOW])
    last = list(scenario.quotes(WINDOW, price))[-1]
    up_won = price.winner(WINDOW) is Outcome.UP
    best = last.bids[0][0] if up_won else last.asks[0][0]
    assert best > MICRO - 4_000 if up_won else best < 4_000
    assert not (last.asks if up_won else last.bids)


@pytest.mark.parametrize("seed", range(5))
def test_quotes_are_books(seed: int) -> None:
    """Every price is on its tick, within bounds, and no book is crossed."""
    for quote in quotes(seed):
        prices = [price for price, _ in (*quote.bids, *quote.asks)]
        assert all(price % quote.tick == 0 for price in prices)
        assert all(quote.tick <= price <= MICRO - quote.tick for price in prices)
        if quote.bids and quote.asks:
            assert quote.bids[0][0] < quote.asks[0][0]


def test_the_fair_price_is_a_probability_that_sharpens() -> None:
    """It starts near one half, ends at 0 or 1, and is never outside."""
    scenario = Seeded(3)
    price = scenario.price(Asset.BTC, [WINDOW])
    fair = [price.fair_up(WINDOW, second) for second in range(WINDOW.start, WINDOW.end)]
    assert all(0 <= chance <= 1 for chance in fair)
    assert 0.1 < fair[0] < 0.9
    won = price.winner(WINDOW) is Outcome.UP
    assert price.fair_up(WINDOW, WINDOW.end) == won
    assert abs(fair[-1] - won) < 0.2


def test_the_finer_tick_stays() -> None:
    """Once the price has passed 0.96 or 0.04 the tick is 0.001 for good."""
    ticks = [quote.tick for quote in quotes(5)]
    assert ticks == sorted(ticks, reverse=True)


class LateClock(SystemClock):
    """Real time, shifted so that the window closes very soon."""

    def __init__(self, window: Window, left: float) -> None:
        self._shift = (window.end * NANOSECONDS - round(left * NANOSECONDS)) - (
            super().now()
        )

    def now(self) -> int:
        return super().now() + self._shift


async def test_open_windows_are_played_to_their_settlement() -> None:
    """The windows open at the start are listed by their real slugs and settled."""
    clock = LateClock(WINDOW, 0.6)
    scenario = Seeded(1, [Asset.BTC, Asset.ETH], [Interval.FIVE_MINUTES])
    async with SimulatedExchange(clock) as exchange:
        play = asyncio.create_task(scenario.play(exchange, clock))
        await asyncio.sleep(0)
        market = exchange.markets[WINDOW.slug]
        async with listening(exchange, market, custom=True) as listener:
            frames = await listener.rest()
        await play
    kinds = [frame["event_type"] for frame in frames]
    assert kinds.count("price_change") > 10
    assert kinds[-1] == "market_resolved"
    assert set(exchange.markets) == {WINDOW.slug, f"eth-updown-5m-{WINDOW.start}"}
    assert market.resolved is market.winner
    assert market.price_to_beat is not None
    assert market.final_price is not None
    up_won = market.final_price >= market.price_to_beat
    assert (market.resolved is Outcome.UP) == up_won


def test_the_rate_of_updates_is_a_parameter() -> None:
    """Books come as many times a second as asked."""
    scenario = Seeded(1, updates_per_second=2)
    price = scenario.price(Asset.BTC, [WINDOW])
    times = [quote.at for quote in islice(scenario.quotes(WINDOW, price), 4)]
    assert times == [-300_000, -299_500, -299_000, -298_500]
