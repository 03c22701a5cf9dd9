"""A run is looked at from memory, and not in a market's last seconds."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lastsecond.clock import LoopClock
from lastsecond.errors import LedgerError
from lastsecond.history import Day, MarketStatus
from lastsecond.market import NANOSECONDS
from lastsecond.observe.lookout import Lookout, watched
from tests.fakes import FakeSource, on_jumping_loop
from tests.lastsecond.observe.boards import board_over
from tests.lastsecond.observe.terminal import Terminal
from tests.scripted import MemoryLedger, fake_world
from tests.test_hft_trader import CLOSE, Market, books

START = datetime(2026, 11, 26, 23, 59, tzinfo=UTC)


class CountingLedger(MemoryLedger):
    """Knows one day's figures, and remembers since when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.broken = False
        self.stuck = False

    async def day(self, since: int) -> Day:
        self.asked.append(since)
        if self.broken:
            raise LedgerError("locked")
        if self.stuck:
            await asyncio.sleep(3_600)
        return Day(orders=len(self.asked), fills=2, result=-5_000_000)


@dataclass
class Trader:
    end_time: datetime

    def status(self) -> MarketStatus:
        return MarketStatus(
            ticker="btc", state="watching", close_at=0, ask_up=Decimal("0.9")
        )


@dataclass
class Runner:
    traders: dict[str, Trader] = field(default_factory=dict)
    next_poll: int | None = None


def lookout(runner: Runner, ledger: CountingLedger) -> tuple[Lookout, LoopClock]:
    clock = LoopClock(int(START.timestamp()) * NANOSECONDS)
    world = fake_world(
        clock,
        source=FakeSource(lambda *_: pytest.fail("it asks nobody")),
        new_stream=lambda *_: pytest.fail("nor listens"),
        ledger=ledger,
    )
    return Lookout(world, runner), clock


def test_what_a_run_shows() -> None:
    """Mode, day, next look and every market that it has."""

    @on_jumping_loop
    async def live() -> None:
        runner = Runner({"a": Trader(START)}, next_poll=7)
        seen, clock = lookout(runner, CountingLedger())
        status = seen.status()
        assert (status.mode, status.now) == ("PAPER", clock.now())
        assert (status.day, status.next_poll) == (None, 7)
        assert (status.clock_offset_ms, status.halted) == (None, None)
        assert [market.ticker for market in status.markets] == ["btc"]

    live()


@pytest.mark.parametrize(
    ("left", "busy"), [(3.5, False), (3, True), (0.5, True), (0, True), (-1, False)]
)
def test_the_last_seconds_belong_to_the_market(left: float, busy: bool) -> None:
    """From three seconds before a close to the close, nothing else is done."""

    @on_jumping_loop
    async def live() -> None:
        end = START + timedelta(seconds=10)
        seen, clock = lookout(Runner({"a": Trader(end)}), CountingLedger())
        await clock.sleep(10 - left)
        assert seen.busy() is busy

    live()


def test_the_day_is_counted_now_and_then() -> None:
    """From midnight UTC, also over it; nothing is known of one that cannot be read."""

    @on_jumping_loop
    async def live() -> None:
        ledger = CountingLedger()
        seen, clock = lookout(Runner(), ledger)
        counting = asyncio.create_task(seen.count())
        await clock.sleep(15)
        assert seen.status().day == Day(orders=2, fills=2, result=-5_000_000)
        ledger.broken = True
        await clock.sleep(60)
        assert seen.status().day is None
        ledger.broken = False
        await clock.sleep(10)
        assert seen.status().day is not None
        counting.cancel()
        midnight = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp()) * NANOSECONDS
        assert ledger.asked[0] == midnight
        assert ledger.asked[-1] == midnight + 86_400 * NANOSECONDS

    live()


def test_the_day_is_counted_once_more_at_the_end() -> None:
    """The last that is shown is what the run came to, and that it has ended."""

    @on_jumping_loop
    async def live() -> None:
        seen, clock = lookout(Runner(next_poll=7), CountingLedger())
        counting = asyncio.create_task(seen.count())
        await clock.sleep(15)
        counting.cancel()
        assert not seen.status().ended
        await seen.end()
        assert seen.status().day == Day(orders=3, fills=2, result=-5_000_000)
        assert seen.status().ended

    live()


@pytest.mark.parametrize("fault", ["broken", "stuck"])
def test_the_end_waits_a_second_for_the_day_at_most(fault: str) -> None:
    """What a ledger that cannot be read has since come to is not known."""

    @on_jumping_loop
    async def live() -> None:
        ledger = CountingLedger()
        seen, clock = lookout(Runner(), ledger)
        counting = asyncio.create_task(seen.count())
        await clock.sleep(1)
        counting.cancel()
        assert seen.status().day is not None
        setattr(ledger, fault, True)
        began = clock.now()
        await seen.end()
        assert clock.now() - began <= NANOSECONDS
        assert (seen.status().day, seen.status().ended) == (None, True)

    live()


def test_the_board_is_left_with_the_last_figures() -> None:
    """What was counted at the end is in the last frame, and no table of no markets."""
    terminal = Terminal()

    @on_jumping_loop
    async def live() -> None:
        clock = LoopClock(int(START.timestamp()) * NANOSECONDS)
        world = fake_world(
            clock,
            source=FakeSource(lambda *_: pytest.fail("it asks nobody")),
            new_stream=lambda *_: pytest.fail("nor listens"),
            ledger=CountingLedger(),
        )
        with board_over(terminal) as board:
            async with watched(board, world, Runner()):
                await clock.sleep(4.5)

    live()
    (header,) = terminal.shown()
    assert header.startswith("PAPER  today -5.00  orders 2 fills 2")


def test_without_a_board_nothing_is_done() -> None:
    """A pipe has no board: no task, no question."""

    @on_jumping_loop
    async def live() -> None:
        ledger = CountingLedger()
        clock = LoopClock(0)
        world = fake_world(
            clock,
            source=FakeSource(lambda *_: pytest.fail("it asks nobody")),
            new_stream=lambda *_: pytest.fail("nor listens"),
            ledger=ledger,
        )
        async with watched(None, world, Runner()):
            await clock.sleep(60)
        assert ledger.asked == []

    live()


def test_what_a_trader_shows() -> None:
    """Its state from discovery to its end, asks, favourite and depth under the cap."""
    states = []

    @on_jumping_loop
    async def live() -> None:
        market = Market(
            [(50, books("0.95", "0.07", 50)), (2, books("0.95", "0.07", 2))]
        )
        states.append(market.trader.status().state)
        running = asyncio.create_task(market.trader.run())
        for before_close in (49, 10, 0.5, -1):
            await market.until(before_close)
            states.append(market.trader.status().state)
        status = market.trader.status()
        assert (status.ask_up, status.ask_down) == (Decimal("0.95"), Decimal("0.07"))
        assert (status.favourite, status.depth) == ("Up", 95_000_000)
        assert status.bought == "Up 1.000", "the mean price of what was bought"
        assert status.close_at == CLOSE * NANOSECONDS
        assert status.book_age_ms == 3_000
        await running

    live()
    assert states == ["discovered", "watching", "armed", "filled", "filled"]


def test_a_market_that_was_skipped_shows_why() -> None:
    """The reason stands where the state stood."""

    @on_jumping_loop
    async def live() -> None:
        dear = Market([(2, books("0.995", "0.01", 2))])
        await dear.trader.run()
        assert dear.trader.status().state == "above_cap"

    live()
