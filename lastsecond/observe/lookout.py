"""Looks at a run for the people who watch it: from memory, and not in its way."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Protocol

from lastsecond.errors import LedgerError
from lastsecond.history import Day, MarketStatus
from lastsecond.market import NANOSECONDS, midnight
from lastsecond.observe.board import Board, showing
from lastsecond.observe.status import RunStatus, is_busy
from lastsecond.ports import World

_COUNTING = 10.0
_LAST_COUNT = 1.0


class Trader(Protocol):
    """What is looked at of one market."""

    @property
    def end_time(self) -> datetime:
        """Its close."""
        ...

    def status(self) -> MarketStatus:
        """What is known of it now."""
        ...


class Runner(Protocol):
    """What is looked at of a run."""

    @property
    def traders(self) -> Mapping[str, Trader]:
        """Of the markets that it has, by condition id."""
        ...

    @property
    def next_poll(self) -> int | None:
        """When it looks for markets again, Unix ns."""
        ...


class Lookout:
    """A run's status; what the ledger knows of the day is fetched now and then."""

    def __init__(self, world: World, runner: Runner) -> None:
        """Look at ``runner`` in ``world``."""
        self._world = world
        self._runner = runner
        self._day: Day | None = None
        self._ended = False

    def status(self) -> RunStatus:
        """The run and its markets as they are now."""
        world, offset = self._world, self._world.clock_offset()
        return RunStatus(
            mode=world.venue.label,
            now=world.clock.now(),
            clock_offset_ms=None if offset is None else offset / 1e6,
            halted=world.halted(),
            day=self._day,
            next_poll=self._runner.next_poll,
            markets=[trader.status() for trader in self._runner.traders.values()],
            ended=self._ended,
        )

    def busy(self) -> bool:
        """Whether a market is in its last seconds: the program is its alone."""
        ends = [trader.end_time for trader in self._runner.traders.values()]
        closes = [int(end.timestamp()) * NANOSECONDS for end in ends]
        return is_busy(closes, self._world.clock.now())

    async def count(self) -> None:
        """Keep the day's figures up to date, for ever."""
        while True:
            await self._world.calm()
            await self._count()
            await self._world.clock.sleep(_COUNTING)

    async def end(self) -> None:
        """Count a last time, for a second at most: from now on the run has ended."""
        self._ended = True
        self._day = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_COUNT):
                await self._count()

    async def _count(self) -> None:
        """Ask the ledger; while it cannot be read, the day is not known."""
        since = midnight(self._world.clock.now())
        try:
            self._day = await self._world.ledger.day(since)
        except LedgerError:
            self._day = None


@asynccontextmanager
async def watched(
    board: Board | None, world: World, runner: Runner
) -> AsyncIterator[None]:
    """Show the run on ``board``, if there is one, while inside, and what it came to."""
    if board is None:
        yield
        return
    lookout = Lookout(world, runner)
    counting = asyncio.create_task(lookout.count(), name="count of the day")
    try:
        async with showing(board, lookout.status, lookout.busy, world.clock.sleep):
            try:
                yield
            finally:
                counting.cancel()
                await lookout.end()
    finally:
        counting.cancel()
