"""The doorway: each function here opens a World, ready to use, and closes it after."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from lastsecond.clock import SystemClock
from lastsecond.feed import Subscription
from lastsecond.http import HttpSource
from lastsecond.ports import Clock, World
from lastsecond.sim import SimulatedExchange
from lastsecond.sim.scenarios import Recorded
from lastsecond.sim.scenarios.recorded import CLOSES
from lastsecond.venues.paper import PaperVenue

logger = logging.getLogger(__name__)


@asynccontextmanager
async def paper(
    *, gamma_host: str, clob_host: str, clob_ws_url: str
) -> AsyncIterator[World]:
    """An exchange's data, and orders on paper."""
    clock = SystemClock()
    async with HttpSource(clock) as source:
        yield World(
            clock=clock,
            source=source,
            new_stream=partial(Subscription, url=clob_ws_url, clock=clock),
            venue=PaperVenue(),
            gamma_host=gamma_host,
            clob_host=clob_host,
            epilogue=_nothing_more,
        )


@asynccontextmanager
async def simulated() -> AsyncIterator[World]:
    """A simulated exchange on this machine that plays recorded markets, over and over.

    Its epilogue is the official result of the markets first played.
    """
    clock = SystemClock()
    async with SimulatedExchange(clock) as exchange:
        settled = asyncio.Event()
        play = asyncio.create_task(_play(exchange, clock, settled))
        try:
            async with paper(
                gamma_host=exchange.http_url,
                clob_host=exchange.http_url,
                clob_ws_url=exchange.ws_url,
            ) as world:
                yield replace(world, epilogue=partial(_settlement, play, settled))
        finally:
            play.cancel()
            await asyncio.wait((play,))


async def _nothing_more() -> None:
    """A dry run has no more to tell once its markets have closed."""


async def _play(
    exchange: SimulatedExchange, clock: Clock, settled: asyncio.Event
) -> None:
    while True:
        logger.info(
            "SIM markets=%d genuine BTC 5-minute ones of April 2026, the first closes "
            "in %d s, the last in %d s",
            len(CLOSES),
            min(CLOSES),
            max(CLOSES),
        )
        await Recorded().play(exchange, clock)
        settled.set()


async def _settlement(play: asyncio.Task[None], settled: asyncio.Event) -> None:
    """Wait for the first results; a fault of the play is raised here."""
    waiting = asyncio.create_task(settled.wait())
    await asyncio.wait((play, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if play.done():
        play.result()
