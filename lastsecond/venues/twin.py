"""A real venue with a paper one beside it: every real order has its twin on paper.

What the twin comes to, held against what really happened, is the only proof that a dry
run means anything. It never delays or changes the real order.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from lastsecond.market import TokenId
from lastsecond.orders import (
    Estimate,
    Fill,
    Intent,
    Matched,
    Result,
    SignedOrder,
    Uncertain,
)
from lastsecond.ports import Sight, Ticket, Venue
from lastsecond.venues.paper import PaperTicket, PaperVenue

PATIENCE = 1.0
"""Seconds that a real order, once ready, waits for its twin."""

logger = logging.getLogger(__name__)


class TwinTicket:
    """One market's real orders, and their twins."""

    def __init__(self, real: Ticket, paper: PaperTicket) -> None:
        """Both are armed with the same intents."""
        self.orders: Mapping[TokenId, SignedOrder] = {
            token: replace(order, fee_rate=paper.orders[token].fee_rate)
            for token, order in real.orders.items()
        }
        self._real = real
        self._paper = paper
        self._own: int | None = None
        self._known = True
        self._closed = False

    async def warm(self) -> None:
        """Use the way to the real venue once."""
        await self._real.warm()

    def fire(self, token_id: TokenId, sight: Sight) -> Awaitable[Result]:
        """Send the real order; its twin starts a turn of the loop later.

        So the orders of other markets of this very moment do not wait for it.
        """
        answer = self._real.fire(token_id, sight)
        asyncio.get_running_loop().call_soon(self._begin, token_id, sight)
        return self._noted(answer)

    def _begin(self, token_id: TokenId, sight: Sight) -> None:
        if self._closed:
            return
        try:
            self._paper.send(token_id, sight)
        except Exception:
            logger.critical("TWIN_FAILED", exc_info=True)

    def estimates(self) -> list[Estimate]:
        """The twin's figures; none where the real order's end is not known."""
        return self._paper.estimates(own=self._own) if self._known else []

    def close(self) -> None:
        """Give up the way to the real venue, and follow the book no longer."""
        self._closed = True
        self._paper.close()
        self._real.close()

    async def _noted(self, answer: Awaitable[Result]) -> Result:
        result = await answer
        self._known = not isinstance(result, Uncertain)
        if isinstance(result, Fill | Matched):
            self._own = result.shares
        return result


class TwinVenue:
    """The real venue, but for what its tickets remember."""

    def __init__(self, real: Venue, paper: PaperVenue) -> None:
        """``paper`` has no balance of its own: the real one is what counts."""
        self.label = real.label
        self.follow = real.follow
        self._real = real
        self._paper = paper

    async def arm(self, intents: Sequence[Intent]) -> Ticket:
        """Arm both at once. Raises VenueError as the real one does.

        The real order waits for its twin PATIENCE at most; without one it is sent all
        the same, its fee unknown.
        """
        paper = asyncio.create_task(self._paper.arm(intents))
        try:
            real = await self._real.arm(intents)
        except BaseException:
            paper.cancel()
            raise
        try:
            await asyncio.wait((paper,), timeout=PATIENCE)
        except BaseException:
            paper.cancel()
            real.close()
            raise
        if not paper.done():
            paper.cancel()
            why: object = f"not ready within {PATIENCE:g} s"
        elif (why := paper.exception()) is None:
            return TwinTicket(real, paper.result())
        logger.warning("NO_TWIN %s %s", intents[0].ticker, why)
        return real
