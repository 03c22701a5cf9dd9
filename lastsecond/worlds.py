"""The doorway: each function here opens a World, ready to use, and closes it after."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lastsecond.check import Subject, offset_words, report, report_no_account
from lastsecond.clock import ExchangeClock, SystemClock
from lastsecond.errors import VenueError
from lastsecond.exchange_time import Calendar, ExchangeTime
from lastsecond.feed import Subscription
from lastsecond.halt import Halt
from lastsecond.http import HttpSource
from lastsecond.lag import LoopLag
from lastsecond.ledger import RESUMED, Ledger, open_ledger
from lastsecond.lock import wallet_lock
from lastsecond.market import NANOSECONDS
from lastsecond.offset import OffsetFault
from lastsecond.ports import Clock, Guard, Venue, World
from lastsecond.safeguards import Caps, Watchman
from lastsecond.sim import SimulatedExchange
from lastsecond.sim.scenarios import Recorded
from lastsecond.sim.scenarios.recorded import CLOSES
from lastsecond.terms import Hosts, Key, Terms
from lastsecond.venues.paper import PaperVenue
from lastsecond.version import code_version

if TYPE_CHECKING:
    from lastsecond.venues.live import Account, Authority

_DAY = 86_400 * NANOSECONDS
_GUARDS = {
    OffsetFault.UNKNOWN: Guard.CLOCK_UNKNOWN,
    OffsetFault.BEYOND: Guard.CLOCK_OFF,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What every world stands on."""

    machine: SystemClock
    clock: ExchangeClock
    time: ExchangeTime
    source: HttpSource
    lag: LoopLag
    calendar: Calendar


@asynccontextmanager
async def _ground(terms: Terms) -> AsyncIterator[_Ground]:
    machine = SystemClock()
    calendar = Calendar(machine.now, terms.trigger)
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(HttpSource(machine))
        time = ExchangeTime(
            source, machine, f"{terms.hosts.clob}/time", quiet=calendar.quiet
        )
        calendar.now = time.now
        await stack.enter_async_context(time)
        clock = ExchangeClock(machine, time)
        lag = await stack.enter_async_context(LoopLag(clock))
        yield _Ground(
            machine=machine,
            clock=clock,
            time=time,
            source=source,
            lag=lag,
            calendar=calendar,
        )


def _watchman(terms: Terms, ground: _Ground, caps: Caps | None) -> Watchman:
    return Watchman(
        clock_fault=partial(_clock_fault, terms, ground),
        lag=ground.lag.worst,
        lag_limit=terms.loop_lag,
        caps=caps,
    )


def _clock_fault(terms: Terms, ground: _Ground) -> Guard | None:
    fault = ground.clock.offset_fault(terms.clock_offset)
    return None if fault is None else _GUARDS[fault]


def _world(
    terms: Terms, ground: _Ground, venue: Venue, ledger: Ledger, watchman: Watchman
) -> World:
    return World(
        clock=ground.clock,
        source=ground.source,
        new_stream=partial(
            Subscription,
            url=terms.hosts.clob_ws,
            clock=ground.clock,
            heard=ground.time.heard,
        ),
        venue=venue,
        ledger=ledger,
        safeguards=watchman,
        expect=ground.calendar.expect,
        calm=ground.calendar.calm,
        gamma_host=terms.hosts.gamma,
        clob_host=terms.hosts.clob,
        epilogue=_nothing_more,
    )


@asynccontextmanager
async def _ledger(
    terms: Terms, clock: Clock, *, mode: str, wallet: str
) -> AsyncIterator[Ledger]:
    """The wallet's ledger, locked against other processes. Raises LastSecondErrors."""
    with wallet_lock(Path(terms.folder), wallet):
        async with open_ledger(
            Path(terms.folder) / "ledger.db",
            clock=clock,
            mode=mode,
            wallet=wallet,
            settings_hash=terms.fingerprint,
            code_version=code_version(),
            host=terms.hosts.clob,
        ) as ledger:
            await ledger.sweep(clock.now())
            yield ledger


@asynccontextmanager
async def paper(terms: Terms) -> AsyncIterator[World]:
    """An exchange's data, and orders on paper."""
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(_ground(terms))
        ledger = await stack.enter_async_context(
            _ledger(terms, ground.clock, mode="PAPER", wallet="paper")
        )
        watchman = _watchman(terms, ground, caps=None)
        yield _world(terms, ground, PaperVenue(), ledger, watchman)


@asynccontextmanager
async def live(terms: Terms) -> AsyncIterator[World]:
    """An exchange's data, and real orders of the account of PRIVATE_KEY.

    Raises VenueError: the account cannot trade; LockedError: another process does.
    """
    from lastsecond.venues.live import LiveVenue  # noqa: PLC0415  costs 0.4 s

    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(_ground(terms))
        account, authority = await open_account(terms, ground.clock)
        ledger = await stack.enter_async_context(
            _ledger(terms, ground.clock, mode="LIVE", wallet=account.funder)
        )
        halt = Halt(Path(terms.folder), ground.clock)
        caps = Caps(
            limits=terms.limits,
            figures=lambda: ledger.figures(ground.clock.now() // _DAY * _DAY),
            halted=lambda: halt.active,
            halt=halt.set,
        )
        venue = LiveVenue(
            account,
            authority,
            source=ground.source,
            host=terms.hosts.clob,
            clock=ground.clock,
            forbidden=lambda: halt.active,
        )
        watchman = _watchman(terms, ground, caps)
        yield _world(terms, ground, venue, ledger, watchman)


async def open_account(terms: Terms, clock: Clock) -> "tuple[Account, Authority]":
    """The account of the key, and what signs its requests. Raises VenueError."""
    from lastsecond.venues.live import (  # noqa: PLC0415  costs 0.4 s
        Account,
        Authority,
        Credentials,
    )

    key = terms.key
    account = Account(
        key.private_key,
        signature_type=key.signature_type,
        funder=key.funder,
        chain_id=key.chain_id,
    )
    credentials = (
        Credentials(*key.api)
        if all(key.api)
        else await account.derive(terms.hosts.clob)
    )
    return account, Authority(account.address, credentials, clock)


@asynccontextmanager
async def inspection(
    terms: Terms,
) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """What reports whether orders could be sent.

    An account that is wrong, or that cannot be asked for, is its only finding.
    """
    from lastsecond.venues.live import (  # noqa: PLC0415  costs 0.4 s
        VERSION,
        DiscreetSource,
    )

    async with _ground(terms) as ground:
        try:
            account, authority = await open_account(terms, ground.clock)
        except VenueError as error:
            yield partial(report_no_account, str(error))
            return
        halted = Halt(Path(terms.folder), ground.clock).read()
        subject = Subject(
            account=account.funder,
            signature_type=account.signature_type,
            sign=authority.headers,
            spend=terms.spend,
            order_version=VERSION,
            source=DiscreetSource(ground.source, authority),
            clock=ground.clock,
            clock_fault=partial(_clock_fault, terms, ground),
            clock_words=lambda: offset_words(
                ground.time.offset, ground.time.uncertainty
            ),
            stream=Subscription(
                "check", [], url=terms.hosts.clob_ws, clock=ground.clock
            ),
            clob=terms.hosts.clob,
            geoblock=terms.hosts.geoblock,
            halted=None if halted is None else halted.reason,
        )
        yield partial(report, subject)


@asynccontextmanager
async def reading() -> AsyncIterator[tuple[HttpSource, Clock]]:
    """HTTP reads and a clock: enough to look for markets."""
    clock = SystemClock()
    async with HttpSource(clock) as source:
        yield source, clock


@asynccontextmanager
async def simulated(
    terms: Terms, *, live: bool
) -> AsyncIterator[tuple[SimulatedExchange, Terms]]:
    """A simulated exchange on this machine, and the terms of a world on it.

    What it keeps goes to a folder of its own. With ``live``, a key that was made for
    the occasion has an account with $1,000.
    """
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
    exchange: SimulatedExchange, world: World, *, once: bool
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


def halted(terms: Terms) -> str | None:
    """Since when and why live orders are forbidden; None when they are not."""
    found = Halt(Path(terms.folder), SystemClock()).read()
    if found is None:
        return None
    since = datetime.fromtimestamp(found.at / NANOSECONDS, UTC)
    return f"since {since:%Y-%m-%d %H:%M:%S} UTC: {found.reason}"


def halt(terms: Terms, reason: str) -> int:
    """Forbid live orders, also to a process that runs; the exit status."""
    Halt(Path(terms.folder), SystemClock()).set(reason or "by hand")
    now = halted(terms)
    if now is None:
        logger.critical("NOT_HALTED: %s/HALT cannot be written", terms.folder)
        return 1
    logger.warning("HALTED %s", now)
    return 0


async def resume(terms: Terms) -> int:
    """Allow live orders again, and start the counts in a row anew; the exit status.

    Raises LockedError while a process trades: stop it first.
    """
    from lastsecond.venues.live import Account  # noqa: PLC0415  costs 0.4 s

    clock = SystemClock()
    if terms.key.private_key:
        account = Account(
            terms.key.private_key,
            signature_type=terms.key.signature_type,
            funder=terms.key.funder,
            chain_id=terms.key.chain_id,
        )
        async with _ledger(terms, clock, mode="LIVE", wallet=account.funder) as ledger:
            ledger.note(None, RESUMED)
    was = Halt(Path(terms.folder), clock).clear()
    logger.warning("RESUMED" if was else "NOT_HALTED nothing to resume")
    return 0


async def _nothing_more() -> None:
    """A dry run has no more to tell once its markets have closed."""


async def _play(
    exchange: SimulatedExchange, settled: asyncio.Event, *, once: bool
) -> None:
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
