"""Fifty markets on one loop, eight of which come to their last second together.

The traders are the bot's own, on the real clock, and log as in a run; streams, venue
and ledger are the tests' fakes. Every market has two streams of 20 frames a second. The
decision is made when a ticket's ``fire`` is entered.
"""

import asyncio
import json
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from config import Settings
from hft_trader import LastSecondTrader
from lastsecond.clock import ExchangeClock, SystemClock
from lastsecond.errors import SourceError
from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.observe.logs import logging_to
from lastsecond.orders import Intent, Result
from lastsecond.ports import Clock, Sight
from tests.fakes import FakeSource, Parameters
from tests.scripted import RecordingTicket, RecordingVenue, ScriptedStream, fake_world

MARKETS, TOGETHER = 50, 8
FRAMES_A_SECOND = 20
CLOSE = 1_795_653_900
LEAD = 600_000_000
"""Nanoseconds from a round's start to the trigger of the eight."""

LATER = 60
"""Seconds after which the others come to theirs: never."""

SETTINGS = Settings(arm_seconds=0.3, watch_after=0.0)


class Shifted:
    """The exchange's time: as far ahead of the machine's as a round needs."""

    def __init__(self, machine: SystemClock, start: int) -> None:
        self._machine = machine
        self._ahead = start - machine.now()

    def now(self) -> int:
        return self._machine.now() + self._ahead

    def fault(self, limit: int) -> None:
        """Always known."""


class StampedTicket(RecordingTicket):
    """A ticket that notes when it is fired."""

    def __init__(
        self, venue: "StampedVenue", intents: Sequence[Intent], clock: Clock
    ) -> None:
        super().__init__(venue, intents)
        self._clock = clock
        self._stamps = venue.stamps

    def fire(self, token_id: TokenId, sight: Sight) -> Awaitable[Result]:
        self._stamps.append(self._clock.now())
        return super().fire(token_id, sight)


class StampedVenue(RecordingVenue):
    """A venue that notes when its tickets are fired."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.stamps: list[int] = []
        self._clock = clock

    async def arm(self, intents: Sequence[Intent]) -> StampedTicket:
        return StampedTicket(self, intents, self._clock)


def _entry(
    token: str, side: str, price: str, size: int, best: tuple[str, str]
) -> dict[str, str]:
    bid, ask = best
    return {
        "asset_id": token,
        "side": side,
        "price": price,
        "size": str(size),
        "hash": "5d" * 20,
        "best_bid": bid,
        "best_ask": ask,
    }


class Feed:
    """What one market's streams say: Up is the favourite, at 0.95."""

    def __init__(self, number: int) -> None:
        self.condition = f"0x{number:064x}"
        self.up, self.down = (f"{number}{side}" * 10 for side in "12")

    def script(self, start: int, phase: int) -> Iterator[tuple[int, bytes]]:
        """Whole books at ``start`` (Unix ns), then changes far from the best."""
        yield start, self._books(start)
        pause = NANOSECONDS // FRAMES_A_SECOND
        for at in range(start + phase, start + LEAD + NANOSECONDS // 4, pause):
            yield at, self._change(at)

    def _books(self, at: int) -> bytes:
        def level(price: str) -> list[dict[str, str]]:
            return [{"price": price, "size": "100"}]

        books = (
            (self.up, level("0.93"), level("0.95")),
            (self.down, level("0.05"), level("0.07")),
        )
        shown = [
            {
                "event_type": "book",
                "market": self.condition,
                "asset_id": token,
                "timestamp": str(at // 1_000_000),
                "hash": "5d" * 20,
                "bids": bids,
                "asks": asks,
            }
            for token, bids, asks in books
        ]
        return json.dumps(shown).encode()

    def _change(self, at: int) -> bytes:
        size = at // 1_000_000 % 900 + 1
        up = _entry(self.up, "SELL", "0.99", size, ("0.93", "0.95"))
        down = _entry(self.down, "BUY", "0.01", size, ("0.05", "0.07"))
        shown = {
            "event_type": "price_change",
            "market": self.condition,
            "timestamp": str(at // 1_000_000),
            "price_changes": [up, down],
        }
        return json.dumps(shown).encode()


async def _no_answer(url: str, params: Parameters) -> bytes:
    raise SourceError("not asked here")


def _trader(
    number: int, clock: SystemClock, venue: RecordingVenue, rng: Random
) -> LastSecondTrader:
    feed, start = Feed(number), clock.now()
    phase = rng.randrange(NANOSECONDS // FRAMES_A_SECOND)
    world = fake_world(
        clock,
        source=FakeSource(_no_answer),
        new_stream=lambda name, _: ScriptedStream(
            name, feed.script(start, phase), clock
        ),
        venue=venue,
    )
    close = CLOSE if number <= TOGETHER else CLOSE + LATER
    return LastSecondTrader(
        feed.condition,
        feed.up,
        feed.down,
        datetime.fromtimestamp(close, UTC),
        ticker=f"btc-updown-5m-{number}",
        world=world,
        settings=SETTINGS,
    )


async def one_round(rng: Random) -> list[int]:
    """Ns after T-1.000 s at which each of the eight decided, in order."""
    machine = SystemClock()
    trigger = (CLOSE - 1) * NANOSECONDS
    clock = ExchangeClock(machine, Shifted(machine, trigger - LEAD))
    venue = StampedVenue(clock)
    traders = [_trader(number, clock, venue, rng) for number in range(1, MARKETS + 1)]
    tasks = [asyncio.create_task(trader.run()) for trader in traders]
    await clock.sleep_until(trigger + NANOSECONDS // 10)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(venue.stamps) == TOGETHER, f"{len(venue.stamps)} decided"
    return [stamp - trigger for stamp in venue.stamps]


def rounds(number: int, rng: Random) -> list[list[int]]:
    """That many rounds."""

    async def run() -> list[list[int]]:
        return [await one_round(rng) for _ in range(number)]

    with (
        TemporaryDirectory() as folder,
        logging_to(Path(folder), level="CRITICAL"),
    ):
        return asyncio.run(run())
