"""What goes wrong with an order on demand, and whether it was executed all the same."""

import asyncio
from typing import Any

import aiohttp
import pytest

from lastsecond.clock import SystemClock
from lastsecond.market import Outcome
from lastsecond.sim import (
    HttpFault,
    OrderFault,
    SimMarket,
    SimulatedExchange,
    TradeStatus,
    Verdict,
    order_faults,
)
from tests.lastsecond.sim.conftest import until
from tests.lastsecond.sim.trader import Trader

UP = Outcome.UP
BALANCE = 1_000_000_000
DROPPED = "order match delayed due to market conditions"


@pytest.fixture
def trader(quick: SimulatedExchange) -> Trader:
    return Trader(quick, 5)


def order_of(trader: Trader, market: SimMarket) -> dict[str, Any]:
    return trader.order(market, 5_300_000, 10_000_000)


def is_executed(trader: Trader, *, executed: bool) -> None:
    """The exchange knows of one order, matched or without a trace."""
    (received,) = trader.exchange.orders
    assert received.fault
    assert received.executed is executed
    assert received.verdict is (Verdict.MATCHED if executed else Verdict.UNREAD)
    assert (trader.account.balance < BALANCE) is executed
    assert len(trader.exchange.trades) == executed
    assert received.order_id.startswith("0x")


ANSWERS = [
    (order_faults.could_not_run(), 500, "could not run the execution"),
    (order_faults.could_not_run(executed=True), 500, "could not run the execution"),
    (order_faults.service_not_ready(), 425, "service not ready"),
    (order_faults.post_only_mode(90), 503, '"retry_after_seconds": 90'),
    (order_faults.rate_limited("3"), 429, "Too Many Requests"),
    (order_faults.region_refused(), 403, "Trading restricted in your region"),
    (order_faults.blocked_by_edge(), 403, "<!DOCTYPE html>"),
    (order_faults.unauthorized(), 401, "Unauthorized/Invalid api key"),
    (order_faults.unsuccessful("x is wrong"), 200, "x is wrong"),
    (order_faults.unsuccessful("x", executed=True), 200, '"success": false'),
    (order_faults.without_order_id(), 200, '"orderID": ""'),
    (order_faults.garbage(executed=False), 200, "upstream"),
    (order_faults.garbage(executed=True), 200, "upstream"),
    (order_faults.context_canceled(), 400, "context canceled"),
]


@pytest.mark.parametrize(("fault", "status", "told"), ANSWERS)
async def test_any_answer_can_be_given(
    trader: Trader, market: SimMarket, fault: OrderFault, status: int, told: str
) -> None:
    """Status and body are the fault's; whether it was executed, the fault says."""
    trader.exchange.faults.order(fault)
    url = trader.exchange.http_url + "/order"
    body = b"{}" if not fault.executed else None
    sent = body or _bytes(order_of(trader, market))
    headers = trader.headers("POST", "/order", sent)
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=sent, headers=headers) as response,
    ):
        text = await response.text()
    assert (response.status, told in text) == (status, True)
    assert response.headers.get("Retry-After") == fault.retry_after
    html = response.content_type == "text/html"
    assert html is text.startswith("<")
    assert trader.exchange.orders[0].answer == text
    assert trader.exchange.orders[0].executed is fault.executed


def _bytes(body: dict[str, Any]) -> bytes:
    return aiohttp.JsonPayload(body).decode().encode()


SILENCES: list[tuple[OrderFault, type[Exception] | tuple[type[Exception], ...]]] = [
    (order_faults.answer_lost_before_match(), aiohttp.ClientConnectionError),
    (order_faults.answer_lost_after_match(), aiohttp.ClientConnectionError),
    (order_faults.cut_on_arrival(), aiohttp.ClientConnectionError),
    (order_faults.hang(executed=False), TimeoutError),
    (order_faults.hang(executed=True), TimeoutError),
    (order_faults.truncated(executed=False), aiohttp.ClientPayloadError),
    (order_faults.truncated(executed=True), aiohttp.ClientPayloadError),
]


@pytest.mark.parametrize(("fault", "error"), SILENCES)
async def test_an_answer_can_be_lost(
    trader: Trader, market: SimMarket, fault: OrderFault, error: type[Exception]
) -> None:
    """The client learns nothing, and the exchange knows what it did."""
    trader.exchange.faults.order(fault)
    with pytest.raises(error):
        await trader.post(order_of(trader, market), patience=0.3)
    is_executed(trader, executed=fault.executed)
    answered = 200 if fault.manner == "truncate" else None
    assert trader.exchange.orders[0].status == answered
    assert trader.exchange.requests[-1].status == answered


async def test_faults_are_used_up_in_turn_and_by_token(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """Each is met as often as told; one for another token waits for it."""
    other = market.token(Outcome.DOWN)
    quick.faults.order(order_faults.unauthorized(), token=other)
    quick.faults.order(order_faults.service_not_ready(), times=2)
    statuses = []
    for _ in range(3):
        status, _ = await trader.post(order_of(trader, market))
        statuses.append(status)
    order = trader.order(market, 5_300_000, 10_000_000, token=other)
    statuses.append((await trader.post(order))[0])
    assert statuses == [425, 425, 200, 401]
    assert len(quick.posts(market.condition_id)) == 4


@pytest.mark.parametrize(
    "fault", [order_faults.slow(0.05), order_faults.slow_match(0.05)]
)
async def test_an_answer_can_be_late(
    trader: Trader, market: SimMarket, fault: OrderFault
) -> None:
    """Slow to answer, or slow to match: the truth comes in the end."""
    clock = SystemClock()
    trader.exchange.faults.order(fault)
    begun = clock.monotonic()
    status, body = await trader.post(order_of(trader, market))
    assert (status, body["status"]) == (200, "matched")
    assert clock.monotonic() - begun >= 50_000_000
    is_executed(trader, executed=True)


@pytest.mark.parametrize("executed", [True, False])
async def test_an_order_can_be_delayed(
    trader: Trader, market: SimMarket, *, executed: bool
) -> None:
    """It can be followed by its id until it is matched or dropped."""
    fault = order_faults.delayed(0.05, executed=executed)
    trader.exchange.faults.order(fault)
    status, body = await trader.post(order_of(trader, market))
    assert (status, body["status"], body["success"]) == (200, "delayed", True)
    assert (body["makingAmount"], body["takingAmount"]) == ("", "")
    assert body["tradeIDs"] == []
    received = trader.exchange.orders[0]
    assert (received.verdict, body["orderID"]) == (Verdict.HELD, received.order_id)
    _, found = await trader.get(f"/data/order/{received.order_id}")
    assert (found["status"], found["size_matched"]) == ("DELAYED", "0")
    await until(lambda: received.verdict is not Verdict.HELD)
    assert received.executed is executed
    assert await trader.get(f"/data/order/{received.order_id}") == (200, None)
    _, trades = await trader.get("/data/trades")
    assert len(trades["data"]) == executed
    assert received.order is not None
    assert received.order.reason == ("" if executed else DROPPED)


async def test_a_delayed_order_may_find_too_little(
    trader: Trader, market: SimMarket
) -> None:
    """What is matched later meets the book of then, and can be killed."""
    trader.exchange.faults.order(order_faults.delayed(0.02, executed=True))
    await trader.post(order_of(trader, market))
    market.snapshot(UP, [], [])
    received = trader.exchange.orders[0]
    await until(lambda: received.verdict is Verdict.KILLED)
    assert trader.account.balance == BALANCE


@pytest.mark.parametrize("executed", [True, False])
async def test_an_order_can_be_live_with_nothing(
    trader: Trader, market: SimMarket, *, executed: bool
) -> None:
    """The oddity of clob-client#317: nothing matched yet, filled seconds later."""
    fault = order_faults.live_with_nothing(0.02, executed=executed)
    trader.exchange.faults.order(fault)
    _, body = await trader.post(order_of(trader, market))
    assert (body["status"], body["takingAmount"]) == ("live", "")
    _, orders = await trader.get("/data/orders")
    assert [row["status"] for row in orders["data"]] == ["LIVE"]
    received = trader.exchange.orders[0]
    await until(lambda: received.verdict is not Verdict.HELD)
    assert received.executed is executed


async def test_a_fill_can_be_a_ghost(trader: Trader, market: SimMarket) -> None:
    """Matched, then failed on chain: money back, no shares, the asks gone."""
    trader.exchange.faults.order(order_faults.ghost_fill())
    _, body = await trader.post(order_of(trader, market))
    assert body["status"] == "matched"
    (trade,) = trader.exchange.trades
    await until(lambda: trade.status is TradeStatus.FAILED)
    assert (trader.account.balance, trader.account.fees) == (BALANCE, 0)
    assert trader.account.positions == {market.token(UP): 0}
    _, listed = await trader.get("/data/trades", {"id": trade.id})
    assert listed["data"][0]["status"] == "TRADE_STATUS_FAILED"
    assert listed["data"][0]["transaction_hash"]


async def test_trades_can_stay_matched(trader: Trader, market: SimMarket) -> None:
    """For as long as told, the listing shows no progress and no hash."""
    trader.exchange.faults.order(order_faults.slow_confirmation(60.0))
    await trader.post(order_of(trader, market))
    await asyncio.sleep(0.01)
    _, listed = await trader.get("/data/trades")
    row = listed["data"][0]
    assert (row["status"], row["transaction_hash"]) == ("TRADE_STATUS_MATCHED", "")


async def test_private_reads_can_fail(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """A path that ends in * stands for all below it."""
    quick.faults.http(HttpFault(path="/data/*", status=500, times=2))
    statuses = [
        (await trader.get(path))[0]
        for path in ("/data/trades", "/data/order/0x1", "/data/trades")
    ]
    assert statuses == [500, 500, 200]


async def test_a_refused_order_is_refused_behind_its_fault(
    trader: Trader, market: SimMarket
) -> None:
    """A fault that executes judges first: what no rule lets pass is not executed."""
    market.ready = False
    trader.exchange.faults.order(order_faults.delayed(0.0, executed=True))
    status, _ = await trader.post(order_of(trader, market))
    assert (status, trader.exchange.orders[0].verdict) == (400, Verdict.REFUSED)
