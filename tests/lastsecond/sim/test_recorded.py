"""The bundled recordings, and how they are played."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from lastsecond.clock import JumpingLoop, LoopClock, SystemClock
from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.sim import SimulatedExchange
from lastsecond.sim.ladder import Side
from lastsecond.sim.scenarios import Recorded
from lastsecond.sim.scenarios.recorded import BUNDLED, CLOSES, load
from tests.lastsecond.sim.conftest import Listener, listening

RAW = Path(__file__).parents[2] / "data" / "sim" / "books_at_one_second.json"
BUYABLE = "btc-updown-5m-1776158700"


def raw_books() -> dict[str, dict[str, Any]]:
    books: dict[str, dict[str, Any]] = json.loads(RAW.read_text())
    return books


def test_the_bundle_is_small_and_has_a_market_for_every_close() -> None:
    """It has to be cheap to ship; each recording has its own time to close."""
    assert BUNDLED.stat().st_size < 400_000
    assert len(load()) == len(CLOSES) == len(set(CLOSES))


@pytest.mark.parametrize("recording", load(), ids=lambda recording: recording.origin)
def test_the_book_at_one_second_is_the_genuine_one(recording: Any) -> None:
    """Replaying the changes gives the book that the raw recording holds at T-1 s."""
    raw = raw_books()[recording.origin]
    rows = recording.book(-1000)
    for side in ("bids", "asks"):
        assert rows[side] == {level["price"]: level["size"] for level in raw[side]}


def test_one_favourite_can_be_bought_at_one_second() -> None:
    """Of the winners, only that of 1776158700 is on offer below 1, and it is Down."""
    offered = {}
    for recording in load():
        rows = recording.book(-1000)
        side = "asks" if recording.winner is Outcome.DOWN else "bids"
        if rows[side]:
            offered[recording.origin] = recording.winner, rows["asks"]
    assert list(offered) == [BUYABLE]
    winner, asks = offered[BUYABLE]
    assert winner is Outcome.DOWN
    assert min(asks) == "0.95"
    assert asks["0.95"] == "119.83"


def test_every_market_is_known_from_early_on() -> None:
    """Each recording begins before the market is listed, so it has a book at once."""
    for recording, close in zip(load(), CLOSES, strict=True):
        assert recording.steps[0].at <= -1000 * min(close, 72)


def test_the_whole_play_takes_less_than_ninety_seconds() -> None:
    """Every recorded step is played, every price fits its tick, and it ends in time."""
    clock = LoopClock(1_795_652_400 * NANOSECONDS + 1)
    exchange = SimulatedExchange(clock)
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(Recorded().play(exchange, clock))
        seconds = runner.get_loop().time()
    assert 75 <= seconds < 90
    assert {market.origin: market.resolved for market in exchange.markets.values()} == {
        recording.origin: recording.winner for recording in load()
    }


async def test_playing_ends_with_every_market_settled(
    exchange: SimulatedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    """Short of the waiting, a play lists, moves, settles and tells every market."""
    caplog.set_level(logging.INFO)
    clock = SystemClock()
    play = asyncio.create_task(Recorded((1, 2, 3)).play(exchange, clock))
    await asyncio.sleep(0)
    markets = list(exchange.markets.values())
    buyable = markets[2]
    async with listening(exchange, buyable, custom=True) as listener:
        frames = await collect(listener)
    await play
    assert [market.origin for market in markets][2] == BUYABLE
    assert [market.resolved for market in markets] == [
        Outcome.UP,
        Outcome.DOWN,
        Outcome.DOWN,
    ]
    assert {"price_change", "book", "best_bid_ask", "market_resolved"} <= set(frames)
    assert f"RESOLVED {buyable.slug} winner=Down origin={BUYABLE}" in caplog.text


async def collect(listener: Listener) -> list[str]:
    return [frame["event_type"] for frame in await listener.rest()]


async def test_listed_markets_fit_the_present(exchange: SimulatedExchange) -> None:
    """Slug, window and close agree, and the bot has more than 45 s to take them."""
    clock = SystemClock()
    now = clock.now()
    play = asyncio.create_task(Recorded().play(exchange, clock))
    await asyncio.sleep(0)
    closes = [market.close_ns - now for market in exchange.markets.values()]
    books = [
        market.ladder.levels(Outcome.DOWN, Side.BUY)
        or market.ladder.levels(Outcome.DOWN, Side.SELL)
        for market in exchange.markets.values()
    ]
    slugs = list(exchange.markets)
    play.cancel()
    await asyncio.wait([play])
    assert all(50e9 <= left <= 77e9 for left in closes)
    assert len(set(slugs)) == len(CLOSES)
    assert all(books)


async def test_a_fine_price_turns_the_tick(exchange: SimulatedExchange) -> None:
    """The market recorded at 0.999 is played on a tick of 0.001, the others not."""
    clock = SystemClock()
    play = asyncio.create_task(Recorded((5, 6, 7, 8, 9, 10)).play(exchange, clock))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ticks = {market.origin: market.tick for market in exchange.markets.values()}
    play.cancel()
    await asyncio.wait([play])
    assert ticks["btc-updown-5m-1776248700"] == 1_000
    assert ticks[BUYABLE] == 10_000
