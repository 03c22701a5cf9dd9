"""The doorway: each function here opens a World, ready to use, and closes it after."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lastsecond.clock import ExchangeClock, SystemClock
from lastsecond.exchange_time import Calendar, ExchangeTime
from lastsecond.feed import Subscription
from lastsecond.garbage import Collector
from lastsecond.halt import Halt
from lastsecond.http import HttpSource
from lastsecond.lag import LoopLag
from lastsecond.ledger import Ledger, open_ledger
from lastsecond.lock import wallet_lock
from lastsecond.market import midnight
from lastsecond.offset import OffsetFault
from lastsecond.ports import Clock, Guard, Venue, World
from lastsecond.safeguards import Caps, Watchman
from lastsecond.terms import Terms
from lastsecond.venues.paper import PaperVenue
from lastsecond.venues.twin import TwinVenue
from lastsecond.version import code_version

if TYPE_CHECKING:
    from lastsecond.venues.live import Account, Authority

_GUARDS = {
    OffsetFault.UNKNOWN: Guard.CLOCK_UNKNOWN,
    OffsetFault.BEYOND: Guard.CLOCK_OFF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every world stands on."""

    machine: SystemClock
    clock: ExchangeClock
    time: ExchangeTime
    source: HttpSource
    lag: LoopLag
    calendar: Calendar


@asynccontextmanager
async def ground_of(terms: Terms) -> AsyncIterator[Ground]:
    """What a world on these terms stands on, running."""
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
        lag = await stack.enter_async_context(LoopLag(clock, near=calendar.near))
        await stack.enter_async_context(Collector(clock, calendar.calm))
        yield Ground(
            machine=machine,
            clock=clock,
            time=time,
            source=source,
            lag=lag,
            calendar=calendar,
        )


def _watchman(terms: Terms, ground: Ground, caps: Caps | None) -> Watchman:
    return Watchman(
        clock_fault=partial(clock_fault, terms, ground),
        lag=ground.lag.worst,
        lag_limit=terms.loop_lag,
        caps=caps,
    )


def clock_fault(terms: Terms, ground: Ground) -> Guard | None:
    """Why not to act on the clock; None when it is known and near enough."""
    fault = ground.clock.offset_fault(terms.clock_offset)
    return None if fault is None else _GUARDS[fault]


def _world(
    terms: Terms, ground: Ground, venue: Venue, ledger: Ledger, watchman: Watchman
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
        clock_offset=partial(_clock_offset, ground),
        blocked=ground.lag.blocked,
        epilogue=_nothing_more,
    )


@asynccontextmanager
async def ledger_of(
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
            settings=terms.settings,
        ) as ledger:
            await ledger.sweep(clock.now())
            yield ledger


@asynccontextmanager
async def paper(terms: Terms) -> AsyncIterator[World]:
    """An exchange's data, and orders on paper."""
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(ground_of(terms))
        ledger = await stack.enter_async_context(
            ledger_of(terms, ground.clock, mode="PAPER", wallet="paper")
        )
        venue = _paper_venue(terms, ground, ledger)
        watchman = _watchman(terms, ground, caps=None)
        yield _world(terms, ground, venue, ledger, watchman)


def _paper_venue(terms: Terms, ground: Ground, ledger: Ledger | None) -> PaperVenue:
    """Orders on paper, paid from the ledger's paper balance if there is one."""

    def one_way() -> int:
        there_and_back = ground.time.round_trip
        return terms.paper.one_way if there_and_back is None else there_and_back // 2

    return PaperVenue(
        clock=ground.clock,
        source=ground.source,
        host=terms.hosts.clob,
        one_way=one_way,
        hold=terms.paper.hold,
        balance=None if ledger is None else terms.paper.balance,
        cash=None if ledger is None else ledger.cash,
    )


@asynccontextmanager
async def live(terms: Terms) -> AsyncIterator[World]:
    """An exchange's data, and real orders of the account of PRIVATE_KEY.

    Raises VenueError: the account cannot trade; LockedError: another process does.
    """
    from lastsecond.venues.live import LiveVenue  # noqa: PLC0415  costs 0.4 s

    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(ground_of(terms))
        account, authority = await open_account(terms, ground.clock)
        ledger = await stack.enter_async_context(
            ledger_of(terms, ground.clock, mode="LIVE", wallet=account.funder)
        )
        halt = Halt(Path(terms.folder), ground.clock)
        caps = Caps(
            limits=terms.limits,
            figures=lambda: ledger.figures(midnight(ground.clock.now())),
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
        twins = TwinVenue(venue, _paper_venue(terms, ground, ledger=None))
        watchman = _watchman(terms, ground, caps)
        world = _world(terms, ground, twins, ledger, watchman)
        yield replace(world, halted=partial(_halted, halt))


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
async def reading() -> AsyncIterator[tuple[HttpSource, Clock]]:
    """HTTP reads and a clock: enough to look for markets."""
    clock = SystemClock()
    async with HttpSource(clock) as source:
        yield source, clock


def _clock_offset(ground: Ground) -> int | None:
    return ground.time.offset if ground.time.known else None


def _halted(halt: Halt) -> str | None:
    found = halt.read() if halt.active else None
    return None if found is None else found.reason


async def _nothing_more() -> None:
    """A dry run has no more to tell once its markets have closed."""
