"""One market's order, from its signing to its known end.

Armed before the last second: both tokens' orders signed, their ids on disk, the way to
the venue open. So the trigger costs one write. What follows is recorded as the exchange
tells it, and followed until it is known; nothing is ever sent again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence

from lastsecond import money
from lastsecond.errors import LedgerError, VenueError
from lastsecond.market import NANOSECONDS, ConditionId, TokenId
from lastsecond.orders import (
    STATE_OF,
    Fill,
    Intent,
    Killed,
    Matched,
    OpenOrder,
    Rejected,
    Result,
    SignedOrder,
    State,
    Uncertain,
    whole,
)
from lastsecond.ports import Sight, Ticket, World

WARM_LEAD = 4 * NANOSECONDS
"""How long before the trigger the way to the venue is used once more."""

logger = logging.getLogger(__name__)


class Purchase:
    """At most one order of one market."""

    def __init__(
        self,
        ticker: str,
        condition_id: ConditionId,
        world: World,
        intents: Callable[[], Sequence[Intent]],
    ) -> None:
        """``intents`` says, when it is time to sign, what might be bought."""
        self._ticker = ticker
        self._condition_id = condition_id
        self._world = world
        self._intents = intents
        self._ticket: Ticket | None = None
        self._order: SignedOrder | None = None
        self._sent_at = 0
        self._answer: asyncio.Future[Result] | None = None
        self._result: Result | None = None

    @property
    def ready(self) -> bool:
        """Whether fire() may be called."""
        return self._ticket is not None and self._order is None

    @property
    def state(self) -> State | None:
        """Where the order stands; None before it was armed."""
        if self._result is not None:
            return STATE_OF[type(self._result)]
        if self._order is not None:
            return State.SENT
        return None if self._ticket is None else State.ARMED

    @property
    def bought(self) -> str | None:
        """What was sent for: the side, and the mean price once that is known."""
        if self._order is None:
            return None
        result = self._result
        if not isinstance(result, Fill | Matched) or not result.shares:
            return self._order.outcome
        return f"{self._order.outcome} {result.cost / result.shares:.3f}"

    def limit_of(self, token_id: TokenId | None) -> int | None:
        """The signed order's limit, micros; None while nothing is signed."""
        if self._ticket is None or token_id is None:
            return None
        return self._ticket.orders[token_id].limit

    async def arm_in_time(self, arm_at: int, trigger: int) -> None:
        """Arm at ``arm_at``, use the way to the venue before ``trigger`` (Unix ns)."""
        await self._world.clock.sleep_until(arm_at)
        try:
            await self._world.safeguards.prepare()
            ticket = await self._world.venue.arm(self._intents())
        except (VenueError, LedgerError) as error:
            logger.error("NOT_ARMED %s %s", self._ticker, error)
            return
        try:
            await self._world.ledger.arm(
                self._condition_id, list(ticket.orders.values())
            )
        except BaseException as error:
            ticket.close()
            if not isinstance(error, LedgerError):
                raise
            logger.error("NOT_ARMED %s %s", self._ticker, error)
            return
        self._ticket = ticket
        logger.info("ARMED %s condition_id=%s", self._ticker, self._condition_id)
        if trigger - self._world.clock.now() > WARM_LEAD:
            await self._world.clock.sleep_until(trigger - WARM_LEAD)
            await ticket.warm()

    def fire(self, token_id: TokenId, sight: Sight) -> None:
        """Send that token's order. Its bytes leave before anything else is done."""
        ticket = self._ticket
        assert ticket is not None, "fire() before it was armed"
        assert self._order is None, "one order a market"
        order = self._order = ticket.orders[token_id]
        try:
            answer = ticket.fire(token_id, sight)
        except Exception as error:  # its bytes may have left all the same
            logger.critical("FIRE_FAILED %s", self._ticker, exc_info=True)
            answer = _unknown(error)
        self._sent_at = self._world.clock.now()
        self._world.safeguards.fired(order.maker_amount)
        self._world.ledger.sent(self._condition_id, order.order_id, self._sent_at)
        self._answer = asyncio.ensure_future(_never_raising(answer))

    async def settle_answer(self) -> None:
        """Wait for the venue's answer and record it, even while being cancelled."""
        assert self._answer is not None, "settle_answer() before fire()"
        if self._result is not None:
            return
        try:
            result = await asyncio.shield(self._answer)
        except asyncio.CancelledError:
            self._record(await self._answer)
            raise
        self._record(result)

    async def follow(self) -> None:
        """Ask the venue until the order's end is known, or a later look has to."""
        if self._order is None or not isinstance(self._result, Matched | Uncertain):
            return
        order = OpenOrder(
            condition_id=self._condition_id,
            ticker=self._ticker,
            state=STATE_OF[type(self._result)],
            order_ids=(self._order.order_id,),
            since=self._sent_at,
            at_least=whole(self._order.taker_amount),
        )
        try:
            self._result = await follow(self._world, order) or self._result
        except Exception:
            logger.critical("FOLLOW_FAILED %s", self._ticker, exc_info=True)

    async def conclude(self) -> None:
        """See a sent order to its answer, give up the way to the venue, note figures.

        Harmless when repeated.
        """
        try:
            if self._answer is not None:
                await self.settle_answer()
        finally:
            self._close()

    def _close(self) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is None:
            return
        ticket.close()
        if self._order is not None and (estimates := ticket.estimates()):
            self._world.ledger.estimate(self._order.order_id, estimates)

    def _record(self, result: Result) -> None:
        assert self._order is not None
        if self._result is not None:
            return
        self._result = result
        self._world.ledger.result(self._condition_id, self._order.order_id, result)
        self._world.safeguards.answered(result)
        log_result(self._world, self._ticker, self._condition_id, result)


async def follow(world: World, order: OpenOrder) -> Result | None:
    """Record what becomes of an order that may exist, and return the last of it.

    A later look goes on.

    A fill-or-kill fills whole: less than ``at_least`` means that not all trades are
    listed yet. One that was ``matched`` exists: its trades may be late, not missing.
    """
    matched = order.matched or order.state is State.MATCHED
    result: Result | None = None
    async for followed in world.venue.follow(
        order.condition_id, order.order_ids, order.since
    ):
        result = followed.result
        if isinstance(result, Fill) and result.shares < order.at_least:
            result = Matched(result.shares, result.cost, ())
        matched = matched or isinstance(result, Matched)
        if matched and isinstance(result, Killed | Rejected):
            result = Uncertain(f"it was matched, and now: {result.reason}")
        world.ledger.result(order.condition_id, followed.order_id, result)
        log_result(world, order.ticker, order.condition_id, result)
    return result


async def clear_up(world: World, busy: Collection[str] = ()) -> None:
    """Learn the end of every open order but those of ``busy`` markets.

    A market that is busy before the ledger is asked or after belongs to its trader.
    """
    before = set(busy)
    try:
        unresolved = await world.ledger.unresolved()
    except LedgerError as error:
        logger.error("NOT_CLEARED_UP %s", error)
        return
    taken = before.union(busy)
    left = [order for order in unresolved if order.condition_id not in taken]
    if not left:
        return
    logger.warning("CLEARING_UP orders=%d", len(left))
    for order in left:
        if order.state in {State.ARMED, State.SENT}:
            world.ledger.move(order.condition_id, State.UNCERTAIN, "found open")
    ended = await asyncio.gather(
        *(follow(world, order) for order in left), return_exceptions=True
    )
    for order, fault in zip(left, ended, strict=True):
        if isinstance(fault, Exception):
            logger.critical("FOLLOW_FAILED %s", order.ticker, exc_info=fault)


def log_result(
    world: World, ticker: str, condition_id: ConditionId, result: Result
) -> None:
    """One ORDER line for what an order has come to."""
    detail = (
        f"shares={money.text(result.shares)} cost={money.text(result.cost)}"
        if isinstance(result, Fill | Matched)
        else f'reason="{result.reason}"'
    )
    logger.info(
        "ORDER %s %s mode=%s %s condition_id=%s",
        ticker,
        type(result).__name__.lower(),
        world.venue.label,
        detail,
        condition_id,
    )


async def _unknown(error: Exception) -> Result:
    return Uncertain(f"a fault of this program: {type(error).__name__}")


async def _never_raising(answer: Awaitable[Result]) -> Result:
    """A fault of ours while waiting for an answer leaves the order uncertain."""
    try:
        return await answer
    except Exception as error:
        logger.critical("ANSWER_FAILED", exc_info=True)
        return await _unknown(error)
