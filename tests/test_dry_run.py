"""Whole dry runs over real sockets: the program against the simulated exchange."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from config import Settings
from lastsecond.clock import SystemClock
from lastsecond.feed import Subscription
from lastsecond.http import HttpSource
from lastsecond.lag import LoopLag
from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome, Window
from lastsecond.orders import Fill, Killed
from lastsecond.ports import World
from lastsecond.sim import SimMarket, SimulatedExchange
from lastsecond.venues.paper import PaperVenue
from main import TradingBotRunner
from tests.scripted import MemoryLedger, OpenGate, no_epilogue

SETTINGS = replace(
    Settings(), min_time_to_start=2.0, watch_after=0.0, settle_timeout=0.0
)
CLOSE = 1_795_653_900
DRY_RUN_PATHS = {"/public-search", "/events", "/book", "/clob-markets", "/ws/market"}


class ShiftedClock(SystemClock):
    """Real time, moved so that the market closes ``left`` seconds from now."""

    def __init__(self, left: float) -> None:
        self._shift = round((CLOSE - left) * NANOSECONDS) - super().now()

    def now(self) -> int:
        return super().now() + self._shift


@asynccontextmanager
async def exchange_with(
    left: float, windows: Sequence[Window]
) -> AsyncIterator[tuple[SimulatedExchange, World, list[SimMarket]]]:
    """An exchange whose windows close in ``left`` seconds, and a dry run's World."""
    clock = ShiftedClock(left)
    async with SimulatedExchange(clock) as exchange, HttpSource(clock) as source:
        markets = [exchange.add_market(window) for window in windows]
        world = World(
            clock=clock,
            source=source,
            new_stream=partial(Subscription, url=exchange.ws_url, clock=clock),
            venue=PaperVenue(
                clock=clock,
                source=source,
                host=exchange.http_url,
                one_way=lambda: 0,
                hold=150_000_000,
            ),
            ledger=MemoryLedger(),
            safeguards=OpenGate(),
            expect=lambda _: None,
            calm=no_epilogue,
            gamma_host=exchange.http_url,
            clob_host=exchange.http_url,
            epilogue=no_epilogue,
        )
        yield exchange, world, markets


def btc() -> Window:
    return Window(Asset.BTC, Interval.FIVE_MINUTES, CLOSE - 300)


def show(market: SimMarket, up_ask: str | None, up_bid: str | None) -> None:
    """The market's whole book, in Up's terms, 100 shares at the best of each side."""
    asks = [] if up_ask is None else [(up_ask, "100")]
    bids = [] if up_bid is None else [(up_bid, "100")]
    market.snapshot(Outcome.UP, bids, asks)


async def at(clock_world: World, before_close: float) -> None:
    await clock_world.clock.sleep_until(round((CLOSE - before_close) * NANOSECONDS))


def paths(exchange: SimulatedExchange) -> set[str]:
    """What was asked for, without the ids in it."""
    return {request.path.partition("/0x")[0] for request in exchange.requests}


def decisions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [m for m in caplog.messages if m.startswith("DECISION ")]


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


async def test_discovers_watches_decides_and_fills_on_paper(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One poll finds the market; at T-1 s the favourite is bought on paper, once."""
    async with exchange_with(3.5, [btc()]) as (exchange, world, [market]):
        show(market, "0.95", "0.93")
        await TradingBotRunner(world, SETTINGS, once=True).run()
        assert paths(exchange) <= DRY_RUN_PATHS
        assert {request.method for request in exchange.requests} == {"GET"}
        assert not any(connection.open for connection in exchange.connections)
        assert [set(c.subscribed) for c in exchange.connections] == [
            set(market.tokens.values())
        ] * 2
    [line] = decisions(caplog)
    assert f"DECISION {market.slug} buy outcome=Up ask=0.950 limit=0.990" in line
    order = f"ORDER {market.slug} fill mode=PAPER shares=5.263157 cost=4.999999 "
    assert any(message.startswith(order) for message in caplog.messages)


async def test_a_flip_at_one_and_a_half_seconds_is_seen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The outcome that leads at T-1 s is bought, not the one that led before."""
    async with exchange_with(3.5, [btc()]) as (_, world, [market]):
        show(market, "0.90", "0.88")
        running = asyncio.create_task(
            TradingBotRunner(world, SETTINGS, once=True).run()
        )
        await at(world, 1.5)
        show(market, "0.14", "0.12")
        await running
    [line] = decisions(caplog)
    assert "buy outcome=Down ask=0.880" in line


async def test_fires_without_a_message_in_the_last_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The trigger is a timer: nothing need arrive after the opening books."""
    async with exchange_with(3.5, [btc()]) as (exchange, world, [market]):
        show(market, "0.97", "0.95")
        await TradingBotRunner(world, SETTINGS, once=True).run()
        frames = [connection.sent for connection in exchange.connections]
        assert frames == [1, 1]
    [line] = decisions(caplog)
    assert "buy outcome=Up ask=0.970" in line
    assert "t_minus=1.000" in line or "t_minus=0.99" in line


async def test_no_ask_is_no_trade(caplog: pytest.LogCaptureFixture) -> None:
    """When nobody sells the winner the market is skipped, with that reason."""
    async with exchange_with(3.5, [btc()]) as (_, world, [market]):
        show(market, None, "0.99")
        await TradingBotRunner(world, SETTINGS, once=True).run()
    [line] = decisions(caplog)
    assert "skip reason=no_ask ask_up=none ask_down=0.01" in line


async def test_a_dropped_connection_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both sockets cut at T-4 s reconnect, and the market is traded."""
    async with exchange_with(6, [btc()]) as (exchange, world, [market]):
        show(market, "0.90", "0.88")
        running = asyncio.create_task(
            TradingBotRunner(world, SETTINGS, once=True).run()
        )
        await at(world, 4)
        exchange.faults.drop()
        show(market, "0.96", "0.94")
        await running
        assert len(exchange.connections) == 4
    [line] = decisions(caplog)
    assert "buy outcome=Up ask=0.960" in line


async def test_a_frozen_socket_is_replaced_while_the_other_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A socket that answers PING but sends no data is renewed; prices stay true."""
    async with exchange_with(9.5, [btc()]) as (exchange, world, [market]):
        show(market, "0.90", "0.88")
        running = asyncio.create_task(
            TradingBotRunner(world, SETTINGS, once=True).run()
        )
        await at(world, 9)
        exchange.faults.freeze(0)
        for step in range(15):
            await at(world, 8.5 - step / 2)
            price = 90 + step // 3
            show(market, f"0.{price}", f"0.{price - 2}")
        await running
        assert len(exchange.connections) == 3
        asked = {r.path for r in exchange.requests if r.path == "/book"}
        assert asked == {"/book"}
    [line] = decisions(caplog)
    assert "buy outcome=Up ask=0.940" in line
    assert any(m.startswith("RENEWED ") for m in caplog.messages)


async def test_six_markets_that_close_together_each_decide_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Six markets of one second: two sockets and one DECISION each, no odd request."""
    windows = [
        Window(asset, interval, CLOSE - interval.seconds - shift)
        for asset in Asset
        for interval, shift in (
            (Interval.FIVE_MINUTES, 0),
            (Interval.FIFTEEN_MINUTES, 0),
        )
    ]
    windows += [
        Window(asset, Interval.FIVE_MINUTES, CLOSE - 300 + shift)
        for asset, shift in ((Asset.BTC, 1), (Asset.ETH, 1))
    ]
    async with exchange_with(4, windows) as (exchange, world, markets):
        for market, ask in zip(markets, (55, 61, 71, 81, 91, 99), strict=True):
            show(market, f"0.{ask}", f"0.{ask - 2}")
        await TradingBotRunner(world, SETTINGS, once=True).run()
        assert len(exchange.connections) == 12
        assert paths(exchange) <= DRY_RUN_PATHS
        assert {request.method for request in exchange.requests} == {"GET"}
    lines = decisions(caplog)
    assert len(lines) == 6
    for market, ask in zip(markets, (55, 61, 71, 81, 91, 99), strict=True):
        [line] = [line for line in lines if market.slug in line]
        assert f"buy outcome=Up ask=0.{ask}0" in line


async def test_frames_lost_doubled_and_out_of_order_end_on_the_true_book(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A lost change is noticed and mended; copies and overtaking change nothing."""
    async with exchange_with(8, [btc()]) as (exchange, world, [market]):
        show(market, "0.90", "0.88")
        running = asyncio.create_task(
            TradingBotRunner(world, SETTINGS, once=True).run()
        )
        await at(world, 7)
        exchange.faults.duplicate_frames = True
        exchange.faults.reorder_frames = True
        exchange.faults.omit_changes = 1
        market.change(Outcome.UP, "SELL", "0.90", "0")
        for step in range(20):
            market.change(Outcome.UP, "SELL", "0.95", str(step + 1))
            await asyncio.sleep(0.05)
        exchange.faults.reorder_frames = False
        market.change(Outcome.UP, "SELL", "0.96", "7")
        await running
    [line] = decisions(caplog)
    assert "buy outcome=Up ask=0.950" in line
    assert any(m.startswith("BOOK_MENDING ") for m in caplog.messages)


async def test_stopping_closes_every_socket(caplog: pytest.LogCaptureFixture) -> None:
    """stop() ends traders at once: decisions written, sockets closed, no new poll."""
    async with exchange_with(30, [btc()]) as (exchange, world, [market]):
        show(market, "0.90", "0.88")
        runner = TradingBotRunner(world, SETTINGS)
        running = asyncio.create_task(runner.run())
        await at(world, 29)
        assert "WATCHING" in caplog.text
        polls = len(exchange.requests)
        runner.stop()
        async with asyncio.timeout(3):
            await running
        await asyncio.sleep(0.1)
        assert not any(connection.open for connection in exchange.connections)
        assert len(exchange.requests) == polls
        assert runner.active_traders == {}
    [line] = decisions(caplog)
    assert "skip reason=stopped" in line


async def test_a_market_without_sockets_is_left_to_the_next_poll(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Refused sockets free the market; the next poll tries it again and decides."""
    settings = replace(SETTINGS, poll_interval=1.0)
    async with exchange_with(6, [btc()]) as (exchange, world, [market]):
        show(market, "0.90", "0.88")
        exchange.faults.refuse_websockets = True
        runner = TradingBotRunner(world, settings)
        running = asyncio.create_task(runner.run())
        await at(world, 5)
        assert "LEFT_TO_NEXT_POLL" in caplog.text
        exchange.faults.refuse_websockets = False
        await at(world, -0.2)
        runner.stop()
        await running
    [line] = decisions(caplog)
    assert "buy outcome=Up ask=0.900" in line


def ends(world: World) -> dict[str, object]:
    """What each figure makes of the one order."""
    assert isinstance(world.ledger, MemoryLedger)
    [estimates] = world.ledger.estimates.values()
    return {estimate.figure.value: estimate.result for estimate in estimates}


async def test_an_ask_that_vanishes_100_ms_after_the_decision(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Over real sockets: bought by the optimist, killed in what is booked."""
    async with exchange_with(4, [btc()]) as (_, world, [market]):
        show(market, "0.95", "0.93")
        settings = replace(SETTINGS, watch_after=2.5)
        running = asyncio.create_task(
            TradingBotRunner(world, settings, once=True).run()
        )
        await at(world, 0.9)
        show(market, None, "0.93")
        await running
    assert ends(world) == {
        "optimistic": Fill(5_263_157, 4_999_999),
        "realistic": Killed("no ask"),
        "pessimistic": Killed("no ask"),
    }
    killed = f'ORDER {market.slug} killed mode=PAPER reason="no ask" '
    assert any(message.startswith(killed) for message in caplog.messages)


async def test_an_ask_that_others_take_right_after(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Gone a second later, but the tape shows that it was sold: all figures fill."""
    async with exchange_with(4, [btc()]) as (_, world, [market]):
        show(market, "0.95", "0.93")
        settings = replace(SETTINGS, watch_after=2.5)
        running = asyncio.create_task(
            TradingBotRunner(world, settings, once=True).run()
        )
        await at(world, 0.5)
        market.trade(Outcome.UP, "BUY", "0.95", "100")
        await running
    assert ends(world) == dict.fromkeys(
        ("optimistic", "realistic", "pessimistic"), Fill(5_263_157, 4_999_999)
    )


async def test_a_market_is_measured_whether_it_is_bought_or_not() -> None:
    """Samples around the close, over real sockets, to the end or the result."""
    windows = [btc(), Window(Asset.ETH, Interval.FIVE_MINUTES, CLOSE - 300)]
    async with exchange_with(4, windows) as (_, world, markets):
        bought, dear = markets
        show(bought, "0.95", "0.93")
        show(dear, None, "0.99")
        settings = replace(SETTINGS, watch_after=1.5)
        running = asyncio.create_task(
            TradingBotRunner(world, settings, once=True).run()
        )
        await at(world, -0.5)
        dear.wipe()
        dear.resolve(Outcome.UP)
        await running
    assert isinstance(world.ledger, MemoryLedger)
    offsets = (-3_000, -2_000, -1_000, -500, -200)
    seen = world.ledger.observations[bought.condition_id]
    assert [s.offset_ms for s in seen.samples if s.offset_ms > -3_500] == [
        *offsets,
        1_000,
    ]
    assert all(sample.fillable and not sample.fault for sample in seen.samples)
    unsold = world.ledger.observations[dear.condition_id]
    assert [s.offset_ms for s in unsold.samples][-5:] == [*offsets]
    assert not any(sample.fillable for sample in unsold.samples)
    assert {sample.favourite for sample in unsold.samples} == {Outcome.UP}
    assert (unsold.heard, seen.heard) == (dear.token(Outcome.UP), "")


async def test_a_program_that_holds_itself_up_near_a_close_is_told_on() -> None:
    """Eight milliseconds of computing two seconds before a close are written down."""
    async with (
        exchange_with(4, [btc()]) as (_, world, [market]),
        LoopLag(SystemClock(), near=lambda: True) as lag,
    ):
        show(market, "0.95", "0.93")
        watched = replace(world, blocked=lag.blocked)
        running = asyncio.create_task(
            TradingBotRunner(watched, SETTINGS, once=True).run()
        )
        await at(world, 2)
        until = time.thread_time_ns() + 8_000_000
        while time.thread_time_ns() < until:
            pass
        await running
    assert isinstance(world.ledger, MemoryLedger)
    [seen] = world.ledger.observations.values()
    assert seen.blocked_us is not None
    assert seen.blocked_us > 5_000
