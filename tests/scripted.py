"""A scripted market stream, a venue that remembers, and a World made of fakes."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from lastsecond.book import Book
from lastsecond.errors import FeedError
from lastsecond.orders import Fill, Intent, Result
from lastsecond.ports import Clock, JsonSource, NewStream, Venue, World
from lastsecond.wire.market_channel import Frame, decode

BOUGHT = Fill(shares=5_000_000, cost=5_000_000)


class ScriptedStream:
    """A MarketStream that delivers (Unix ns, raw frame) pairs when their time comes."""

    def __init__(
        self, name: str, script: Iterable[tuple[int, bytes]], clock: Clock
    ) -> None:
        self.name = name
        self.last_data = 0
        self.reconnects = 0
        self.renewals = 0
        self.connected = False
        self.opens = True
        self._script = list(script)
        self._clock = clock
        self._closed = asyncio.Event()

    async def open(self) -> None:
        if not self.opens:
            raise FeedError(f"{self.name}: refused")
        self.connected = True
        self.last_data = self._clock.monotonic()

    async def frames(self) -> AsyncIterator[Frame]:
        for at, raw in self._script:
            await self._clock.sleep_until(at)
            frame = decode(raw)
            if frame.is_data and self.connected:
                self.last_data = self._clock.monotonic()
                yield frame
        await self._closed.wait()

    async def renew(self) -> None:
        self.renewals += 1

    async def close(self) -> None:
        self.connected = False
        self._closed.set()


class RecordingVenue:
    """A Venue that keeps what it was asked to buy and answers ``result``."""

    label = "PAPER"

    def __init__(self, result: Result = BOUGHT) -> None:
        self.intents: list[Intent] = []
        self._result = result

    async def buy(self, intent: Intent, book: Book) -> Result:
        self.intents.append(intent)
        return self._result


async def no_epilogue() -> None:
    """Nothing more to tell."""


def fake_world(
    clock: Clock,
    *,
    source: JsonSource,
    new_stream: NewStream,
    venue: Venue | None = None,
) -> World:
    """A World of fakes at ``https://gamma.test`` and ``https://clob.test``."""
    return World(
        clock=clock,
        source=source,
        new_stream=new_stream,
        venue=venue or RecordingVenue(),
        gamma_host="https://gamma.test",
        clob_host="https://clob.test",
        epilogue=no_epilogue,
    )
