"""The simulated exchange on this machine, and what it plays."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lastsecond import worlds
from lastsecond.clock import SystemClock
from lastsecond.ports import World
from lastsecond.terms import Hosts, Key, Terms

if TYPE_CHECKING:
    from lastsecond.sim import SimulatedExchange

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_world(
    terms: Terms, *, sim: bool, once: bool, live: bool
) -> AsyncIterator[World]:
    """The World that these options ask for, ready to use; offline with ``sim``."""
    opener = worlds.live if live else worlds.paper
    if not sim:
        async with opener(terms) as world:
            yield world
        return
    async with (
        simulated(terms, live=live) as (exchange, moved),
        opener(moved) as world,
        playing(exchange, world, once=once) as played,
    ):
        yield played


@asynccontextmanager
async def simulated(
    terms: Terms, *, live: bool
) -> "AsyncIterator[tuple[SimulatedExchange, Terms]]":
    """A simulated exchange on this machine, and the terms of a world on it.

    What it keeps goes to a folder of its own. With ``live``, a key that was made for
    the occasion has an account with $1,000.
    """
    from lastsecond.sim import SimulatedExchange  # noqa: PLC0415  costs 40 ms

    async with SimulatedExchange(SystemClock()) as exchange:
        url = exchange.http_url
        key = Key(private_key=secrets.token_hex(32))
        if live:
            from lastsecond.venues.live import Account  # noqa: PLC0415  costs 0.4 s

            address = Account(
                key.private_key, signature_type=0, funder="", chain_id=key.chain_id
            ).address
            exchange.add_account(
                address=address, funder=address, signature_type=0, balance="1000"
            )
        yield (
            exchange,
            replace(
                terms,
                key=key,
                folder=terms.folder / "sim",
                hosts=Hosts(
                    gamma=url,
                    clob=url,
                    clob_ws=exchange.ws_url,
                    geoblock=f"{url}/api/geoblock",
                ),
            ),
        )


@asynccontextmanager
async def playing(
    exchange: "SimulatedExchange", world: World, *, once: bool
) -> AsyncIterator[World]:
    """The same world while ``exchange`` plays recorded markets, on end or ``once``.

    Its epilogue is the official result of the markets first played.
    """
    settled = asyncio.Event()
    play = asyncio.create_task(_play(exchange, settled, once=once))
    try:
        yield replace(world, epilogue=partial(_settlement, play, settled))
    finally:
        play.cancel()
        await asyncio.wait((play,))


async def _play(
    exchange: "SimulatedExchange", settled: asyncio.Event, *, once: bool
) -> None:
    from lastsecond.sim.scenarios import Recorded  # noqa: PLC0415  as above
    from lastsecond.sim.scenarios.recorded import CLOSES  # noqa: PLC0415

    while True:
        logger.info(
            "SIM markets=%d genuine BTC 5-minute ones of April 2026, the first closes "
            "in %d s, the last in %d s",
            len(CLOSES),
            min(CLOSES),
            max(CLOSES),
        )
        await Recorded().play(exchange, SystemClock())
        settled.set()
        if once:
            return


async def _settlement(play: asyncio.Task[None], settled: asyncio.Event) -> None:
    """Wait for the first results; a fault of the play is raised here."""
    waiting = asyncio.create_task(settled.wait())
    await asyncio.wait((play, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if play.done():
        play.result()
