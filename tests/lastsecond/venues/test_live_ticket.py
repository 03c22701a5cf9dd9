"""Orders that leave: once, at once, and what is made of their answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lastsecond.clock import SystemClock
from lastsecond.errors import VenueError
from lastsecond.http import HttpSource
from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.orders import (
    Fill,
    Intent,
    Killed,
    Matched,
    Rejected,
    Result,
    Uncertain,
)
from lastsecond.sim import (
    HttpFault,
    SimMarket,
    SimulatedExchange,
    Verdict,
    order_faults,
)
from lastsecond.venues.live import Account, Authority, Credentials, LiveVenue
from tests.scripted import StillSight

KEY = "0x" + "5e" * 32
WINDOW = Window(Asset.BTC, Interval.FIVE_MINUTES, 1_790_000_100)


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    """An exchange without delays, and one market with asks at 0.53."""
    async with SimulatedExchange(SystemClock()) as opened:
        opened.taker_hold = 0.0
        opened.rules.mined_after = opened.rules.confirmed_after = 0.0
        yield opened


@pytest.fixture
def market(exchange: SimulatedExchange) -> SimMarket:
    listed = exchange.add_market(WINDOW)
    listed.snapshot(Outcome.UP, [("0.5", "10")], [("0.53", "30"), ("0.54", "100")])
    return listed


@pytest.fixture
async def venue(exchange: SimulatedExchange) -> AsyncIterator[LiveVenue]:
    """A live venue whose account is funded."""
    own = Account(KEY, signature_type=0, funder="", chain_id=137)
    opened = exchange.add_account(
        address=own.address, funder=own.address, signature_type=0
    )
    credentials = Credentials(opened.api_key, opened.secret, opened.passphrase)
    clock = SystemClock()
    async with HttpSource(clock) as source:
        yield LiveVenue(
            own,
            Authority(own.address, credentials, clock),
            source=source,
            host=exchange.http_url,
            clock=clock,
        )


def intents(market: SimMarket, limit: int = 550_000) -> list[Intent]:
    return [
        Intent(
            condition_id=market.condition_id,
            ticker=market.slug,
            token_id=market.token(outcome),
            outcome=outcome,
            spend=5_000_000,
            limit=limit,
            tick=10_000,
        )
        for outcome in Outcome
    ]


async def bought(venue: LiveVenue, market: SimMarket) -> Result:
    """Arm, fire for Up, and the answer."""
    ticket = await venue.arm(intents(market))
    token = market.token(Outcome.UP)
    try:
        return await ticket.fire(token, StillSight())
    finally:
        ticket.close()


async def test_both_outcomes_are_armed_on_a_warm_line(
    venue: LiveVenue, exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Two signed orders, one connection in use, and nothing posted."""
    ticket = await venue.arm(intents(market))
    assert set(ticket.orders) == set(market.tokens.values())
    assert [row.path for row in exchange.requests] == ["/time"]
    await ticket.warm()
    assert [row.path for row in exchange.requests] == ["/time", "/time"]
    ticket.close()
    assert exchange.orders == []


async def test_an_order_is_posted_once_as_it_was_armed(
    venue: LiveVenue, exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Its bytes are those of arming; the exchange takes them for that order."""
    ticket = await venue.arm(intents(market))
    token = market.token(Outcome.UP)
    answer = ticket.fire(token, StillSight())
    result = await answer
    (received,) = exchange.orders
    assert received.order is not None
    assert received.body == ticket.orders[token].body
    assert received.order_id == ticket.orders[token].order_id
    assert result == Matched(
        received.order.shares,
        received.order.cost,
        tuple(trade.id for trade in received.order.trades),
    )
    with pytest.raises(AssertionError, match="one order a market"):
        _ = ticket.fire(token, StillSight())
    ticket.close()
    ticket.close()


async def test_following_ends_with_the_fill(
    venue: LiveVenue, exchange: SimulatedExchange, market: SimMarket
) -> None:
    """What was matched is asked after until its trades are confirmed."""
    await bought(venue, market)
    (received,) = exchange.orders
    assert received.order is not None
    ends = [
        followed
        async for followed in venue.follow(
            market.condition_id, [received.order_id], received.arrived_at
        )
    ]
    assert ends[-1].result == Fill(received.order.shares, received.order.cost)


async def test_a_warm_up_leaves_an_order_alone(
    venue: LiveVenue, exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Once fired, warming does nothing: the line is the order's."""
    exchange.taker_hold = 0.05
    ticket = await venue.arm(intents(market))
    token = market.token(Outcome.UP)
    answer = asyncio.ensure_future(ticket.fire(token, StillSight()))
    await ticket.warm()
    assert isinstance(await answer, Matched)
    assert [row.path for row in exchange.requests] == ["/time", "/order"]
    ticket.close()


async def test_an_order_does_not_wait_for_a_slow_warm_up(
    venue: LiveVenue, exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Where the line still waits for /time, the order goes by another."""
    ticket = await venue.arm(intents(market))
    exchange.faults.http(HttpFault(path="/time", manner="hang"))
    warming = asyncio.create_task(ticket.warm())
    await asyncio.sleep(0.02)
    token = market.token(Outcome.UP)
    assert isinstance(await ticket.fire(token, StillSight()), Matched)
    await warming
    assert len(exchange.orders) == 1
    ticket.close()


async def test_a_line_that_is_down_is_opened_for_the_order(
    venue: LiveVenue, exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Nothing had left, so connecting and posting is still the first time."""
    exchange.faults.http(HttpFault(path="/time", manner="reset"))
    assert isinstance(await bought(venue, market), Matched)
    assert len(exchange.orders) == 1


async def test_an_order_that_never_left(venue: LiveVenue, market: SimMarket) -> None:
    """No connection to be had: it is rejected, since nothing was sent."""
    async with gone_exchange() as (host, other):
        ticket = await LiveVenue(
            Account(KEY, signature_type=0, funder="", chain_id=137),
            other,
            source=HttpSource(SystemClock()),
            host=host,
            clock=SystemClock(),
        ).arm(intents(market))
    await asyncio.sleep(0.02)
    token = market.token(Outcome.UP)
    result = await ticket.fire(token, StillSight())
    assert isinstance(result, Rejected)
    assert result.reason.startswith("never sent: cannot connect")
    assert not result.halts
    ticket.close()


@asynccontextmanager
async def gone_exchange() -> AsyncIterator[tuple[str, Authority]]:
    """An exchange that is gone afterwards, and somebody who signs for it."""
    async with SimulatedExchange(SystemClock()) as exchange:
        credentials = Credentials("key", "c2VjcmV0", "pass")
        yield exchange.http_url, Authority("0x12", credentials, SystemClock())


@pytest.mark.parametrize(
    ("fault", "kind", "verdict"),
    [
        (order_faults.answer_lost_after_match(), Uncertain, Verdict.MATCHED),
        (order_faults.cut_on_arrival(), Uncertain, Verdict.UNREAD),
        (order_faults.truncated(executed=True), Uncertain, Verdict.MATCHED),
        (order_faults.could_not_run(executed=True), Uncertain, Verdict.MATCHED),
        (order_faults.context_canceled(), Uncertain, Verdict.MATCHED),
        (order_faults.garbage(executed=True), Uncertain, Verdict.MATCHED),
        (order_faults.region_refused(), Rejected, Verdict.UNREAD),
    ],
    ids=lambda value: getattr(value, "name", None),
)
async def test_an_answer_that_was_lost(
    fault: order_faults.OrderFault,
    kind: type[Result],
    verdict: Verdict,
    venue: LiveVenue,
    exchange: SimulatedExchange,
    market: SimMarket,
) -> None:
    """Whatever may have been executed is uncertain, and is not sent again."""
    exchange.faults.order(fault)
    assert type(await bought(venue, market)) is kind
    (received,) = exchange.orders
    assert received.verdict is verdict


async def test_a_kill(
    venue: LiveVenue, exchange: SimulatedExchange, market: SimMarket
) -> None:
    """What the book cannot fill is killed."""
    market.snapshot(Outcome.UP, [("0.5", "10")], [("0.54", "1")])
    assert isinstance(await bought(venue, market), Killed)


async def test_arming_what_cannot_be_bought(
    venue: LiveVenue, market: SimMarket
) -> None:
    """A cap below the grid is told before any line is opened."""
    with pytest.raises(VenueError, match="no price"):
        await venue.arm(intents(market, limit=1000))


async def test_arming_can_be_cancelled(
    venue: LiveVenue, exchange: SimulatedExchange, market: SimMarket
) -> None:
    """The line that was being opened is closed; warnings are errors here."""
    exchange.faults.http(HttpFault(path="/time", manner="hang"))
    arming = asyncio.create_task(venue.arm(intents(market)))
    while not exchange.requests:  # noqa: ASYNC110  # the exchange sets no event
        await asyncio.sleep(0.001)
    arming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await arming
    await asyncio.sleep(0.01)
