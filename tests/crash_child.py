"""The bot in a process that kills itself at a named point of a market's life.

As a program it is a nursery: it reads plans from stdin, a line of JSON each, and forks
a bot for each, so that forty of them cost one import. It says ``ready``; then a line
``name status`` tells of each that ended, a negative status being the signal that did.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from config import Settings
from lastsecond import ledger as ledgers
from lastsecond import worlds
from lastsecond.history import Day, Observation
from lastsecond.market import NANOSECONDS, ConditionId, TokenId
from lastsecond.orders import (
    Awaited,
    Estimate,
    Fill,
    Followed,
    Intent,
    Matched,
    OpenOrder,
    Result,
    SignedOrder,
    State,
)
from lastsecond.ports import Guard, Ledger, Safeguards, Sight, Ticket, Venue, World
from lastsecond.venues.live import LiveVenue
from lastsecond.venues.reconcile import Patience
from main import TradingBotRunner

TRIGGER_SECONDS = 12.0
ARM_SECONDS = 2.0
PATIENCE = Patience(follow_limit=20 * NANOSECONDS, in_flight=NANOSECONDS // 2)

logger = logging.getLogger(__name__)


class Point(StrEnum):
    """Where a process can die, in the order of a market's life."""

    UNKNOWN = "before discover"
    DISCOVERED = "after discover"
    WATCHING = "while watching"
    SIGNED = "signed, before the ledger is told"
    ARMING = "while the ledger commits"
    ARMED = "armed on disk"
    LEAVING = "right before the bytes leave"
    LEFT = "right after the bytes left"
    SENT = "sent on disk, no answer yet"
    ANSWERED = "answered, not recorded"
    MATCHED = "matched on disk"
    FOLLOWING = "about to ask after it"
    FOLLOWED = "its end was told, not recorded"
    FILLED = "filled on disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One life of a bot; ``point`` empty: it dies of old age."""

    name: str
    folder: str
    point: str
    market: str
    http_url: str
    ws_url: str
    private_key: str
    api: tuple[str, str, str]

    def line(self) -> bytes:
        """The plan as the nursery reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"

    def settings(self) -> Settings:
        """A bot's settings that trigger early, so that a restart is still in time."""
        key, secret, passphrase = self.api
        return Settings(
            private_key=self.private_key,
            clob_api_key=key,
            clob_secret=secret,
            clob_passphrase=passphrase,
            gamma_host=self.http_url,
            clob_host=self.http_url,
            clob_ws_url=self.ws_url,
            trigger_seconds=TRIGGER_SECONDS,
            arm_seconds=ARM_SECONDS,
            min_time_to_start=0,
            watch_after=0,
            settle_timeout=0,
            data_dir=self.folder,
        )


# -- the ports, deadly at one point --


class Fate:
    """Knows where, and in which market, this process dies."""

    def __init__(self, plan: Plan) -> None:
        self._point = plan.point
        self._market = plan.market
        self._tasks: set[asyncio.Task[None]] = set()

    def awaits(self, point: Point, market: str) -> bool:
        return (point, market) == (self._point, self._market)

    def at(self, point: Point, market: str) -> None:
        """Die here, if it is here."""
        if self.awaits(point, market):
            die()

    def after(self, seconds: float, point: Point, market: str) -> None:
        """Die here, a little later."""
        if self.awaits(point, market):
            asyncio.get_running_loop().call_later(seconds, die)

    def once_written(self, ledger: Ledger, point: Point, market: str) -> None:
        """Die as soon as what the ledger was told is on disk."""
        if self.awaits(point, market):
            self._tasks.add(asyncio.create_task(_flush_and_die(ledger)))


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives SIGKILL")


async def _flush_and_die(ledger: Ledger) -> None:
    assert isinstance(ledger, ledgers.Ledger)
    await ledger.flush()
    die()


class DeadlyLedger:
    """A Ledger at which one may die before or after it is told something."""

    def __init__(self, inner: Ledger, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    async def discover(
        self,
        condition_id: ConditionId,
        ticker: str,
        close_at: int,
        tokens: tuple[TokenId, TokenId],
    ) -> State:
        self._fate.at(Point.UNKNOWN, condition_id)
        state = await self._inner.discover(condition_id, ticker, close_at, tokens)
        self._fate.at(Point.DISCOVERED, condition_id)
        return state

    async def awaited(self) -> Sequence[Awaited]:
        return await self._inner.awaited()

    def resolve(self, condition_id: ConditionId, paid_up: int, source: str) -> None:
        self._inner.resolve(condition_id, paid_up, source)

    def estimate(self, order_id: str, estimates: Sequence[Estimate]) -> None:
        self._inner.estimate(order_id, estimates)

    def observe(self, condition_id: ConditionId, observation: Observation) -> None:
        self._inner.observe(condition_id, observation)

    def note(
        self, condition_id: ConditionId | None, kind: str, **detail: object
    ) -> None:
        self._inner.note(condition_id, kind, **detail)

    def settle(self, condition_id: ConditionId, payout: int, source: str) -> None:
        self._inner.settle(condition_id, payout, source)

    def was_armed(self, condition_id: ConditionId) -> bool:
        return self._inner.was_armed(condition_id)

    def move(
        self,
        condition_id: ConditionId,
        state: State,
        reason: str = "",
        **detail: object,
    ) -> None:
        self._inner.move(condition_id, state, reason, **detail)
        if state is State.WATCHING:
            self._fate.after(0.2, Point.WATCHING, condition_id)

    async def arm(
        self, condition_id: ConditionId, orders: Sequence[SignedOrder]
    ) -> None:
        self._fate.at(Point.SIGNED, condition_id)
        self._fate.after(0.001, Point.ARMING, condition_id)
        await self._inner.arm(condition_id, orders)
        self._fate.at(Point.ARMED, condition_id)

    def sent(self, condition_id: ConditionId, order_id: str, at: int) -> None:
        self._inner.sent(condition_id, order_id, at)
        self._fate.once_written(self._inner, Point.SENT, condition_id)

    def result(
        self, condition_id: ConditionId, order_id: str | None, result: Result
    ) -> None:
        self._fate.at(Point.ANSWERED, condition_id)
        self._inner.result(condition_id, order_id, result)
        if isinstance(result, Matched):
            self._fate.once_written(self._inner, Point.MATCHED, condition_id)
        if isinstance(result, Fill):
            self._fate.once_written(self._inner, Point.FILLED, condition_id)

    async def day(self, since: int) -> Day:
        return await self._inner.day(since)

    async def unresolved(self) -> Sequence[OpenOrder]:
        return await self._inner.unresolved()


class DeadlyTicket:
    """A Ticket at which one may die right before or right after its order leaves."""

    def __init__(self, inner: Ticket, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    @property
    def orders(self) -> Mapping[TokenId, SignedOrder]:
        return self._inner.orders

    async def warm(self) -> None:
        await self._inner.warm()

    def fire(self, token_id: TokenId, sight: Sight) -> Awaitable[Result]:
        market = self.orders[token_id].condition_id
        self._fate.at(Point.LEAVING, market)
        answer = self._inner.fire(token_id, sight)
        self._fate.at(Point.LEFT, market)
        return answer

    def estimates(self) -> Sequence[Estimate]:
        return self._inner.estimates()

    def close(self) -> None:
        self._inner.close()


class DeadlyVenue:
    """A Venue with such tickets, that one may also die of asking."""

    def __init__(self, inner: Venue, fate: Fate) -> None:
        self.label = inner.label
        self._inner = inner
        self._fate = fate

    async def arm(self, intents: Sequence[Intent]) -> DeadlyTicket:
        return DeadlyTicket(await self._inner.arm(intents), self._fate)

    async def follow(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> AsyncIterator[Followed]:
        self._fate.at(Point.FOLLOWING, condition_id)
        async for followed in self._inner.follow(condition_id, order_ids, since):
            if followed.final:
                self._fate.at(Point.FOLLOWED, condition_id)
            yield followed


class TrustingSafeguards:
    """The real caps and halt, and none of the guards that a crowded machine trips.

    What keeps a market from being bought twice must not be a guess about the clock.
    """

    def __init__(self, inner: Safeguards) -> None:
        self.prepare = inner.prepare
        self.fired = inner.fired
        self.answered = inner.answered
        self._inner = inner

    def objection(self, spend: int) -> Guard | None:
        guard = self._inner.objection(spend)
        return guard if guard is Guard.HALTED else None


async def live(plan: Plan) -> None:
    """The bot, from its start to its end or death."""
    settings, fate = plan.settings(), Fate(plan)
    terms = settings.terms()
    async with worlds.live(terms) as world:
        account, authority = await worlds.open_account(terms, world.clock)
        venue = LiveVenue(
            account,
            authority,
            source=world.source,
            host=plan.http_url,
            clock=world.clock,
            patience=PATIENCE,
        )
        deadly: World = replace(
            world,
            venue=DeadlyVenue(venue, fate),
            ledger=DeadlyLedger(world.ledger, fate),
            safeguards=TrustingSafeguards(world.safeguards),
        )
        await TradingBotRunner(deadly, settings, once=True).run()


# -- the nursery --


def grow(plan: Plan) -> NoReturn:
    """Be the bot of ``plan``; never returns."""
    status = 1
    try:
        folder = Path(plan.folder)
        folder.mkdir(exist_ok=True)
        logging.basicConfig(filename=folder / "child.log", level=logging.DEBUG)
        logger.info("BORN point=%s", plan.point or "none")
        asyncio.run(live(plan))
        status = 0
    except BaseException:
        logger.exception("DIED")
        traceback.print_exc()
    finally:
        logging.shutdown()
        os._exit(status)


def nurse() -> None:
    """Fork a bot for every line of stdin, and tell of each that ended."""
    names: dict[int, str] = {}

    def reap(*_: object) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                status = os.waitstatus_to_exitcode(ended[1])
                os.write(1, f"{names.pop(ended[0])} {status}\n".encode())

    signal.signal(signal.SIGCHLD, reap)
    os.write(1, b"ready\n")
    for line in sys.stdin:
        plan = Plan(**json.loads(line))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        child = os.fork()
        if not child:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            grow(plan)
        names[child] = plan.name
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


if __name__ == "__main__":
    nurse()
