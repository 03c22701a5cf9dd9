"""What became of an order: asked of the exchange by its id until it is known.

An order's id is its hash, known before it was sent. So whatever was lost on the way,
the exchange can be asked: its trades by ``taker_order_id``, then the order itself,
which is kept only while it is open. Only a CONFIRMED trade is a fill. Nothing is sent
again.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from lastsecond.errors import SourceError, WireError
from lastsecond.market import NANOSECONDS, ConditionId
from lastsecond.orders import Fill, Followed, Killed, Matched, Reverted, Uncertain
from lastsecond.ports import Clock, JsonSource
from lastsecond.wire.account import (
    LAST_PAGE,
    Trade,
    TradeStatus,
    decode_order,
    decode_trades,
)

FOLLOW_LIMIT = 600 * NANOSECONDS
"""How long one run asks after an order; a later run goes on."""

IN_FLIGHT = 30 * NANOSECONDS
"""An order unknown to the exchange this long after it was sent never reached it.

The hold is 0.15 s and an answer takes 5 s at most (docs/exchange.md).
"""

_ASK_BUDGET = 5.0
_LONGEST_DELAY = 30.0
_MOST_PAGES = 20

Signing = Callable[[str, str], Mapping[str, str]]
"""(method, path) to the headers that authorise a request."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Nanoseconds: for how long to ask, and how long an order may be under way."""

    follow_limit: int = FOLLOW_LIMIT
    in_flight: int = IN_FLIGHT


USUAL = Patience()

NEVER_CAME = Followed(None, Killed("the exchange has no such order and no trade of it"))
"""What two answers in a row must say before it is believed."""


class Reconciler:
    """Asks the exchange after orders of one account."""

    def __init__(
        self,
        source: JsonSource,
        sign: Signing,
        *,
        host: str,
        clock: Clock,
        patience: Patience = USUAL,
    ) -> None:
        """``sign(method, path)`` gives a request's headers."""
        self._patience = patience
        self._source = source
        self._sign = sign
        self._host = host
        self._clock = clock

    async def follow(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> AsyncIterator[Followed]:
        """What is known of an order sent at ``since`` (Unix ns), each time it changes.

        ``order_ids`` are the one or two that may have been sent. Ends when it is final
        or after the follow limit; never raises for what the exchange answers.
        """
        order_ids = [order_id.lower() for order_id in order_ids]
        give_up = self._clock.now() + self._patience.follow_limit
        delay, told, unknown = 0.25, None, 0
        while self._clock.now() < give_up:
            now = await self._ask(condition_id, order_ids, since)
            unknown = unknown + 1 if now == NEVER_CAME else 0
            if now is not None and now != told and unknown != 1:
                yield now
                told = now
                if now.final:
                    return
            await self._clock.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)

    async def _ask(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> Followed | None:
        """What the exchange says now; None when it could not be asked."""
        asked_at = self._clock.now()
        try:
            trades = [
                trade
                for trade in await self._trades(condition_id, since)
                if trade.taker_order_id in order_ids
            ]
            if trades:
                return _followed(trades)
            for order_id in order_ids:
                if status := await self._order(order_id):
                    return Followed(order_id, Uncertain(f"open: {status}"))
        except (SourceError, WireError) as error:
            logger.warning("UNANSWERED condition_id=%s %s", condition_id, error)
            return None
        if asked_at - since < self._patience.in_flight:
            return None
        return NEVER_CAME

    async def _trades(self, condition_id: ConditionId, since: int) -> list[Trade]:
        trades: list[Trade] = []
        cursor = "MA=="
        for _ in range(_MOST_PAGES):
            params = [
                ("market", condition_id),
                ("after", str(since // NANOSECONDS - 60)),
                ("next_cursor", cursor),
            ]
            page = decode_trades(await self._get("/data/trades", params))
            trades += page.trades
            if page.next_cursor in {LAST_PAGE, ""}:
                return trades
            cursor = page.next_cursor
        raise WireError("trades without end")

    async def _order(self, order_id: str) -> str | None:
        try:
            return decode_order(await self._get(f"/data/order/{order_id}", []))
        except SourceError as error:
            if error.status == 404:
                return None
            raise

    async def _get(self, path: str, params: Sequence[tuple[str, str]]) -> bytes:
        return await self._source.get(
            self._host + path,
            params,
            budget=_ASK_BUDGET,
            headers=self._sign("GET", path),
        )


def _followed(trades: Sequence[Trade]) -> Followed:
    """The end that an order's trades add up to."""
    order_id = trades[0].taker_order_id
    living = [t for t in trades if t.status is not TradeStatus.FAILED]
    shares, cost = sum(t.shares for t in living), sum(t.cost for t in living)
    if not living:
        return Followed(order_id, Reverted("its trades failed on chain"))
    if any(trade.status is TradeStatus.PENDING for trade in living):
        ids = tuple(trade.trade_id for trade in living)
        return Followed(order_id, Matched(shares, cost, ids))
    return Followed(order_id, Fill(shares, cost, _levels(living)))


def _levels(trades: Sequence[Trade]) -> tuple[tuple[int, int], ...]:
    """All trades' levels; nothing where one of them does not tell its own."""
    if not all(trade.levels for trade in trades):
        return ()
    return tuple(level for trade in trades for level in trade.levels)
