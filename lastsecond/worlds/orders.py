"""What is asked about live orders, and told: may they be sent, halt, resume."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lastsecond.check import Subject, offset_words, report, report_no_account
from lastsecond.clock import SystemClock
from lastsecond.errors import ConfigError, VenueError
from lastsecond.feed import Subscription
from lastsecond.halt import Halt
from lastsecond.ledger import RESUMED
from lastsecond.market import NANOSECONDS
from lastsecond.terms import Terms
from lastsecond.worlds import clock_fault, ground_of, ledger_of, open_account

logger = logging.getLogger(__name__)


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

    async with ground_of(terms) as ground:
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
            clock_fault=partial(clock_fault, terms, ground),
            clock_words=lambda: offset_words(
                ground.time.offset, ground.time.uncertainty
            ),
            stream=Subscription(
                "check", [], url=terms.hosts.clob_ws, clock=ground.clock
            ),
            clob=terms.hosts.clob,
            geoblock=terms.hosts.geoblock,
            trigger=terms.trigger,
            hold=terms.paper.hold,
            halted=None if halted is None else halted.reason,
        )
        yield partial(report, subject)


async def check(terms: Terms) -> int:
    """Print what live orders need, a line each; 1 when something is missing, else 0.

    Raises ConfigError where there is no key to check.
    """
    if not terms.key.private_key:
        raise ConfigError("PRIVATE_KEY: real orders need the key that signs them")
    async with inspection(terms) as inspect:
        return int(not await inspect())


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
        async with ledger_of(
            terms, clock, mode="LIVE", wallet=account.funder
        ) as ledger:
            ledger.note(None, RESUMED)
    was = Halt(Path(terms.folder), clock).clear()
    logger.warning("RESUMED" if was else "NOT_HALTED nothing to resume")
    return 0
