"""Books what filled markets paid, from the official result, by token id.

Gamma and the CLOB are both asked. Where they differ, nothing is booked and it is said;
where neither knows yet, the position stays open and is asked for again, by a later run
if need be. A price is never taken for a result.
"""

import asyncio
import logging

from lastsecond import money
from lastsecond.errors import LedgerError, SourceError, WireError
from lastsecond.money import MICRO
from lastsecond.orders import Position
from lastsecond.ports import World
from lastsecond.wire.results import clob_payout, gamma_payout

_BUDGET = 10.0

logger = logging.getLogger(__name__)


async def settle(world: World) -> None:
    """Ask once for the result of every closed position that has none."""
    await world.calm()
    try:
        positions = await world.ledger.positions()
    except LedgerError as error:
        logger.warning("UNSETTLED %s", error)
        return
    now = world.clock.now()
    await asyncio.gather(
        *(_settle(world, position) for position in positions if position.close_at < now)
    )


async def _settle(world: World, position: Position) -> None:
    gamma, clob = await asyncio.gather(_gamma(world, position), _clob(world, position))
    known = {paid for paid in (gamma, clob) if paid is not None}
    if len(known) > 1:
        logger.error(
            "RESULTS_DIFFER %s gamma=%s clob=%s: not booked, look at it by hand",
            position.ticker,
            gamma,
            clob,
        )
    if len(known) != 1:
        return
    (paid,) = known
    payout = position.shares * paid // MICRO
    source = "both" if gamma == clob else "gamma" if clob is None else "clob"
    world.ledger.settle(position.condition_id, payout, source)
    logger.info(
        "SETTLED %s %s mode=%s payout=%s cost=%s source=%s condition_id=%s",
        position.ticker,
        {MICRO: "won", 0: "lost"}.get(paid, "void"),
        world.venue.label,
        money.text(payout),
        money.text(position.cost),
        source,
        position.condition_id,
    )


async def _gamma(world: World, position: Position) -> int | None:
    params = [("condition_ids", position.condition_id), ("closed", "true")]
    try:
        body = await world.source.get(
            f"{world.gamma_host}/markets", params, budget=_BUDGET
        )
        return gamma_payout(body, position.token_id)
    except (SourceError, WireError) as error:
        logger.debug("RESULT_UNKNOWN %s %s", position.ticker, error)
        return None


async def _clob(world: World, position: Position) -> int | None:
    url = f"{world.clob_host}/markets/{position.condition_id}"
    try:
        body = await world.source.get(url, budget=_BUDGET)
        return clob_payout(body, position.token_id)
    except (SourceError, WireError) as error:
        logger.debug("RESULT_UNKNOWN %s %s", position.ticker, error)
        return None
