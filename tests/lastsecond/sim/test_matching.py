"""``POST /order`` over real HTTP: the hold, the match, and what a fill does."""

import asyncio
from typing import Any

import aiohttp
import pytest

from lastsecond.clock import SystemClock
from lastsecond.market import Outcome
from lastsecond.sim import Side, SimMarket, SimulatedExchange, TradeStatus, Verdict
from tests.lastsecond.sim.conftest import listening, until
from tests.lastsecond.sim.trader import Trader

UP = Outcome.UP
MILLISECOND = 1_000_000
FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED = (
    "no orders found to match with FAK order. "
    "FAK orders are partially filled or killed if no match is found."
)


@pytest.fixture
def trader(quick: SimulatedExchange) -> Trader:
    return Trader(quick, 5)


async def test_a_buy_is_filled(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """Plain decimals, trade ids and no hashes; money and shares change hands."""
    status, body = await trader.post(trader.order(market, 5_300_000, 10_000_000))
    order = quick.orders[0].order
    assert order is not None
    assert (status, body) == (
        200,
        {
            "errorMsg": "",
            "orderID": order.id,
            "takingAmount": "10",
            "makingAmount": "5.3",
            "status": "matched",
            "success": True,
            "tradeIDs": [order.trades[0].id],
        },
    )
    assert order.fee == 174_370
    assert trader.account.balance == 1_000_000_000 - 5_300_000 - 174_370
    assert trader.account.positions == {market.token(UP): 10_000_000}
    received = quick.posts(market.condition_id)
    assert [row.verdict for row in received] == [Verdict.MATCHED]
    assert received[0].order_id == order.id
    assert received[0].executed


async def test_a_level_costs_whole_micros(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """Shares are floored, and so is what they cost: $1 at 0.53 reports 0.999999."""
    _, body = await trader.post(trader.order(market, 1_000_000, 1_886_700))
    assert (body["makingAmount"], body["takingAmount"]) == ("0.999999", "1.886792")


async def test_a_better_price_brings_more_shares(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """A buy spends its dollars from the cheapest ask on, up to its implied price."""
    order = trader.order(market, 21_300_000, 39_444_400)  # at 0.54
    _, body = await trader.post(order)
    assert (body["makingAmount"], body["takingAmount"]) == ("21.3", "40")
    assert market.ladder.levels(UP, Side.SELL) == [(540_000, 109_830_000)]


async def test_an_ask_above_the_implied_price_is_not_taken(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """Shares rounded up, not down: 0.53 is out of reach (py-sdk#291)."""
    refused = trader.order(market, 1_000_000, 1_886_800)
    status, body = await trader.post(refused)
    received = quick.orders[0]
    assert (status, body) == (
        400,
        {"error": FOK_KILLED, "orderID": received.order_id},
    )
    assert (received.verdict, received.reason) == (Verdict.KILLED, FOK_KILLED)
    assert not received.executed
    assert trader.account.balance == 1_000_000_000
    assert trader.account.positions == {}


async def test_a_fak_takes_what_there_is(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """It is filled in part, and killed only where nothing matches."""
    market.snapshot(UP, [], [("0.53", "4")])
    order = trader.order(market, 5_300_000, 10_000_000, order_type="FAK")
    _, body = await trader.post(order)
    assert (body["makingAmount"], body["takingAmount"]) == ("2.12", "4")
    order = trader.order(market, 5_300_000, 10_000_000, order_type="FAK")
    status, body = await trader.post(order)
    assert (status, body["error"]) == (400, FAK_KILLED)


async def test_the_book_of_the_later_moment_counts(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """After 150 ms the ask may be gone, or a better one come."""
    trader = Trader(exchange, 5)
    assert exchange.taker_hold == 0.150
    exchange.taker_hold = 0.2
    posted = asyncio.create_task(
        trader.post(trader.order(market, 5_300_000, 10_000_000))
    )
    await until(lambda: [row.verdict for row in exchange.orders] == [Verdict.HELD])
    market.snapshot(UP, [], [("0.5", "10.6")])
    assert (await posted)[1]["takingAmount"] == "10.6"
    received = exchange.orders[0]
    assert received.order is not None
    assert received.order.matched_at is not None
    held = received.order.matched_at - received.order.accepted_at
    assert held >= 200 * MILLISECOND


async def test_a_market_may_end_within_the_hold(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """What is resolved meanwhile has no book when the hold is over."""
    trader = Trader(exchange, 5)
    posted = asyncio.create_task(
        trader.post(trader.order(market, 5_300_000, 10_000_000))
    )
    await until(lambda: [row.verdict for row in exchange.orders] == [Verdict.HELD])
    market.resolve(UP)
    token = market.token(UP)
    assert await posted == (400, {"error": f"the orderbook {token} does not exist"})


async def test_money_spent_within_the_hold_is_missed(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Of two orders that one balance covers singly, one is killed."""
    trader = Trader(exchange, 5, balance="6")
    orders = [trader.order(market, 5_300_000, 10_000_000) for _ in range(2)]
    answers = await asyncio.gather(*(trader.post(order) for order in orders))
    assert sorted(status for status, _ in answers) == [200, 400]
    assert len(exchange.trades) == 1


async def test_a_fill_is_broadcast(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """The market channel tells the trade of each level, then both books."""
    async with listening(quick, market) as listener:
        order = trader.order(market, 21_300_000, 39_444_400)
        await trader.post(order)
        frames = [await listener.next() for _ in range(4)]
    kinds = [frame["event_type"] for frame in frames]
    assert kinds == ["last_trade_price", "last_trade_price", "book", "book"]
    assert [frame["price"] for frame in frames[:2]] == ["0.530", "0.540"]
    assert frames[2]["asks"] == [{"price": "0.54", "size": "109.83"}]


async def test_arrival_is_timed_at_the_socket(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """First and last byte of each order on one connection are noted."""
    clock = SystemClock()
    body = b"{}"
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            before = clock.now()
            headers = trader.headers("POST", "/order", body)
            url = quick.http_url + "/order"

            async def chunks() -> Any:
                yield body[:1]
                await asyncio.sleep(0.02)
                yield body[1:]

            async with session.post(url, data=chunks(), headers=headers) as answer:
                assert answer.status == 400
            received = quick.orders[-1]
            assert before < received.arrived_at < received.complete_at < clock.now()
            assert received.complete_at - received.arrived_at >= 15 * MILLISECOND
            assert (received.body, received.order_id) == (body, "")


async def test_trades_walk_to_the_chain(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """MATCHED without a hash, then MINED with one, then CONFIRMED."""
    exchange.taker_hold = 0.0
    trader = Trader(exchange, 5)
    await trader.post(trader.order(market, 5_300_000, 10_000_000))
    trade = exchange.trades[0]
    seen = [(trade.status, bool(trade.transaction_hash))]

    def confirmed() -> bool:
        now = (trade.status, bool(trade.transaction_hash))
        if now != seen[-1]:
            seen.append(now)
        return trade.status is TradeStatus.CONFIRMED

    await until(confirmed)
    assert seen == [
        (TradeStatus.MATCHED, False),
        (TradeStatus.MINED, True),
        (TradeStatus.CONFIRMED, True),
    ]
