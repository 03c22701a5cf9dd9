"""Books what markets paid, from the official result, by token id, in the background.

The stream's market_resolved, if it came, Gamma and the CLOB are heard. Where two of
them differ, nothing is booked and it is said; where none knows yet, it is asked again
later and later, by a later run if need be. A price is never taken for a result.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass

from lastsecond import money
from lastsecond.errors import LedgerError, SourceError, WireError
from lastsecond.market import NANOSECONDS, ConditionId, TokenId
from lastsecond.money import MICRO
from lastsecond.orders import Awaited
from lastsecond.ports import World
from lastsecond.wire.results import clob_payout, gamma_payout

_BUDGET = 4.0
_AT_ONCE = 8
_ROUND = 10.0
_HURRY = 2.0
_FIRST = 30 * NANOSECONDS
_LONGEST = 900 * NANOSECONDS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What each source says a share of Up paid, micros; None: not known there."""

    stream: int | None
    gamma: int | None
    clob: int | None
    noted: int | None
    """What the ledger has of it already."""

    def paid_up(self) -> set[int]:
        """Every answer that was given."""
        told = (self.stream, self.gamma, self.clob, self.noted)
        return {paid for paid in told if paid is not None}

    def source(self) -> str:
        """Who said so."""
        named = (("stream", self.stream), ("gamma", self.gamma), ("clob", self.clob))
        return "+".join(name for name, paid in named if paid is not None) or "noted"

    def settles(self, *, disputed: bool) -> bool:
        """Whether they agree; once disputed, both that can be asked must speak."""
        both = self.gamma is not None and self.clob is not None
        return len(self.paid_up()) == 1 and (both or not disputed)


class Settlement:
    """Asks for the results that one world's ledger awaits."""

    def __init__(self, world: World) -> None:
        """Nothing is asked before run(), look() or finish()."""
        self._world = world
        self._looking = asyncio.Lock()
        self._waits: dict[ConditionId, tuple[int, int]] = {}

    async def run(self) -> None:
        """Look now and then, for ever, but never in a market's last seconds."""
        while True:
            await self._world.calm()
            try:
                await self.look()
            except Exception:
                logger.critical("SETTLING_FAILED", exc_info=True)
            await self._world.clock.sleep(_ROUND)

    async def finish(self, bought: Collection[str], within: float) -> None:
        """Look until all of ``bought`` is paid, at most ``within`` seconds.

        Then once more for what is due by now of markets that were only watched.
        """
        clock = self._world.clock
        give_up = clock.now() + round(within * NANOSECONDS)
        told = False
        while left := await self._unpaid(bought):
            if clock.now() >= give_up:
                logger.warning("UNSETTLED markets=%d: a later run asks on", len(left))
                break
            if not told:
                logger.info("SETTLING markets=%d at most %g s", len(left), within)
                told = True
            await clock.sleep(_HURRY)
        with suppress(LedgerError):
            await self.look()

    async def _unpaid(self, bought: Collection[str]) -> Collection[str]:
        """Look for these; those that are still to be paid, if anything is."""
        if not bought:
            return ()
        try:
            return await self.look(only=bought)
        except LedgerError as error:
            logger.warning("UNSETTLED %s", error)
            return bought

    async def look(self, *, only: Collection[str] | None = None) -> set[ConditionId]:
        """Ask for what is due, or for all of ``only``; what is bought and still unpaid.

        A market in dispute counts as done with: it needs a person. Raises LedgerError.
        """
        async with self._looking:
            awaited = await self._world.ledger.awaited()
            self._waits = {
                market.condition_id: self._waits.get(
                    market.condition_id, _first(market)
                )
                for market in awaited
            }
            now = self._world.clock.now()
            due = [
                market
                for market in awaited
                if (
                    market.condition_id in only
                    if only is not None
                    else self._waits[market.condition_id][0] <= now
                )
            ]
            open_still = {m.condition_id for m in awaited if m.token_id}
            for start in range(0, len(due), _AT_ONCE):
                await self._world.calm()
                asked = due[start : start + _AT_ONCE]
                done = await asyncio.gather(*(self._asked(m) for m in asked))
                open_still.difference_update(filter(None, done))
            return open_still

    async def _asked(self, market: Awaited) -> ConditionId | None:
        """Ask for one market, whatever becomes of it; its id once it is done with."""
        try:
            return market.condition_id if await self._ask(market) else None
        except Exception:
            logger.critical("SETTLING_FAILED %s", market.ticker, exc_info=True)
            return None

    async def _ask(self, market: Awaited) -> bool:
        """Book the result of one market; False while it is not known."""
        gamma, clob = await asyncio.gather(self._gamma(market), self._clob(market))
        heard = {market.token_up: MICRO, market.token_down: 0}.get(market.heard)
        told = _Told(
            stream=heard if market.heard else None,
            gamma=gamma,
            clob=clob,
            noted=market.known,
        )
        if told.settles(disputed=market.disputed):
            (paid_up,) = told.paid_up()
            self._book(market, paid_up, told.source())
            return True
        now = self._world.clock.now()
        if len(told.paid_up()) > 1 or market.disputed:
            self._waits[market.condition_id] = now + _LONGEST, _LONGEST
            if not market.disputed:
                self._dispute(market, told)
            return True
        _, wait = self._waits[market.condition_id]
        self._waits[market.condition_id] = now + wait, min(wait * 3 // 2, _LONGEST)
        return False

    def _book(self, market: Awaited, paid_up: int, source: str) -> None:
        ledger = self._world.ledger
        ledger.resolve(market.condition_id, paid_up, source)
        if not market.token_id:
            logger.debug("RESULT %s up=%s %s", market.ticker, paid_up, source)
            return
        paid = paid_up if market.token_id == market.token_up else MICRO - paid_up
        payout = market.shares * paid // MICRO
        ledger.settle(market.condition_id, payout, source)
        unknown = market.fee is None
        pnl = payout - market.cost - (market.fee or 0)
        logger.info(
            "SETTLED %s %s mode=%s payout=%s cost=%s fee=%s pnl=%s source=%s "
            "condition_id=%s",
            market.ticker,
            {MICRO: "won", 0: "lost"}.get(paid, "void"),
            self._world.venue.label,
            money.text(payout),
            money.text(market.cost),
            "unknown" if unknown else money.text(market.fee or 0, 5),
            "unknown" if unknown else money.signed(pnl),
            source,
            market.condition_id,
        )

    def _dispute(self, market: Awaited, told: _Told) -> None:
        """Say it, and keep it: from now on only agreement settles it."""
        said = asdict(told)
        logger.error(
            "RESULTS_DIFFER %s %s (micros a share of Up): not booked, look at it by "
            "hand",
            market.ticker,
            " ".join(f"{source}={paid}" for source, paid in said.items()),
        )
        self._world.ledger.note(market.condition_id, "results_differ", **said)

    async def _gamma(self, market: Awaited) -> int | None:
        params = [("condition_ids", market.condition_id), ("closed", "true")]
        url = f"{self._world.gamma_host}/markets"
        return await self._paid_up(market, url, params, gamma_payout)

    async def _clob(self, market: Awaited) -> int | None:
        url = f"{self._world.clob_host}/markets/{market.condition_id}"
        return await self._paid_up(market, url, [], clob_payout)

    async def _paid_up(
        self,
        market: Awaited,
        url: str,
        params: list[tuple[str, str]],
        read: Callable[[bytes, TokenId], int | None],
    ) -> int | None:
        try:
            body = await self._world.source.get(url, params, budget=_BUDGET)
            return read(body, market.token_up)
        except (SourceError, WireError) as error:
            logger.debug("RESULT_UNKNOWN %s %s", market.ticker, error)
            return None


def _first(market: Awaited) -> tuple[int, int]:
    """When a result is first asked for, and how long after it again."""
    soonest = 0 if market.heard else _FIRST
    return market.close_at + soonest, _FIRST // 2
