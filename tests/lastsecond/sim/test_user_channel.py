"""The user channel over real sockets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from polymarket.models.clob.user_events import parse_user_event
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from lastsecond.market import Outcome
from lastsecond.sim import SimMarket, SimulatedExchange, order_faults
from tests.lastsecond.sim.conftest import Listener
from tests.lastsecond.sim.trader import Trader

UP = Outcome.UP
ORDER_KEYS = {
    *("asset_id", "associate_trades", "event_type", "id", "market", "order_owner"),
    *("original_size", "outcome", "owner", "price", "side", "size_matched"),
    *("timestamp", "type"),
}
"""Of an order event in the exchange's documentation."""
TRADE_KEYS = {
    *("type", "id", "taker_order_id", "market", "asset_id", "side", "size"),
    *("fee_rate_bps", "price", "status", "match_time", "last_update", "outcome"),
    *("owner", "trade_owner", "maker_address", "transaction_hash", "bucket_index"),
    *("maker_orders", "trader_side", "timestamp", "event_type"),
}
"""Of a recorded trade event of January 2026."""
FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."


@pytest.fixture
def trader(quick: SimulatedExchange) -> Trader:
    return Trader(quick, 5)


def subscription(trader: Trader, **fields: object) -> dict[str, object]:
    account = trader.account
    auth = {
        "apiKey": account.api_key,
        "secret": account.secret,
        "passphrase": account.passphrase,
    }
    return {"type": "user", "auth": auth} | fields


@asynccontextmanager
async def listening(trader: Trader, **fields: object) -> AsyncIterator[Listener]:
    """A subscribed socket that has been heard."""
    async with connect(trader.exchange.user_ws_url) as socket:
        listener = Listener(socket)
        await listener.send(subscription(trader, **fields))
        await heard(listener)
        yield listener


async def heard(listener: Listener) -> None:
    """All that was sent before is done with, and nothing came of it."""
    await listener.socket.send("PING")
    assert await listener.socket.recv() == "PONG"


async def test_a_fill_is_told_to_its_end(market: SimMarket, trader: Trader) -> None:
    """The order, then its trade on its way to the chain; the vendor's SDK reads all."""
    async with listening(trader, markets=[market.condition_id]) as listener:
        await trader.post(trader.order(market, 5_300_000, 10_000_000))
        events = [await listener.next() for _ in range(4)]
    order, *trades = events
    received = trader.exchange.orders[0]
    assert (order["event_type"], order["type"]) == ("order", "UPDATE")
    assert (order["id"], order["size_matched"]) == (received.order_id, "10")
    statuses = [trade["status"] for trade in trades]
    assert statuses == ["MATCHED", "MINED", "CONFIRMED"]
    assert {trade["taker_order_id"] for trade in trades} == {received.order_id}
    assert [bool(trade["transaction_hash"]) for trade in trades] == [False, True, True]
    assert set(order) >= ORDER_KEYS
    assert all(set(trade) == TRADE_KEYS for trade in trades)
    kinds = [parse_user_event(event).type for event in events]
    assert kinds == ["order", "trade", "trade", "trade"]


async def test_a_kill_is_a_cancellation(market: SimMarket, trader: Trader) -> None:
    """Its status holds the reason."""
    async with listening(trader) as listener:
        await trader.post(trader.order(market, 1_000_000, 1_886_800))
        event = await listener.next()
    assert event["type"] == "CANCELLATION"
    assert event["status"] == f"CANCELED_{FOK_KILLED}"
    assert event["associate_trades"] is None


async def test_a_delayed_order_is_placed_first(
    market: SimMarket, trader: Trader
) -> None:
    """PLACEMENT at once, the rest when it is matched."""
    trader.exchange.faults.order(order_faults.delayed(0.01, executed=True))
    async with listening(trader) as listener:
        await trader.post(trader.order(market, 5_300_000, 10_000_000))
        events = [await listener.next() for _ in range(3)]
    assert [event["type"] for event in events] == ["PLACEMENT", "UPDATE", "TRADE"]
    assert events[0]["status"] == "DELAYED"


async def test_a_ghost_fill_ends_as_failed(market: SimMarket, trader: Trader) -> None:
    """The user channel says so, too."""
    trader.exchange.faults.order(order_faults.ghost_fill())
    async with listening(trader) as listener:
        await trader.post(trader.order(market, 5_300_000, 10_000_000))
        events = [await listener.next() for _ in range(4)]
    statuses = [event["status"] for event in events[1:]]
    assert statuses == ["MATCHED", "RETRYING", "FAILED"]


async def test_only_what_is_asked_for_is_told(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """Neither another's orders nor another market's, until subscribed."""
    stranger = Trader(quick, 6)
    async with listening(trader, markets=["0x1"]) as listener:
        await trader.post(trader.order(market, 1_060_000, 2_000_000))
        await stranger.post(stranger.order(market, 1_060_000, 2_000_000))
        await heard(listener)
        change = {"operation": "subscribe", "markets": [market.condition_id]}
        await listener.send(change)
        await heard(listener)
        await trader.post(trader.order(market, 1_060_000, 2_000_000))
        assert (await listener.next())["id"] == quick.orders[2].order_id
        await listener.send(change | {"operation": "unsubscribe"})
        while await listener.socket.recv() != "PONG":
            await listener.socket.send("PING")
        await trader.post(trader.order(market, 1_060_000, 2_000_000))


BAD_FIRST: list[dict[str, Any]] = [
    {"type": "market"},
    {"auth": None},
    {"auth": {"apikey": "1", "secret": "2", "passphrase": "3"}},
    {"auth": {"apiKey": "1", "secret": "2", "passphrase": "3"}},
    {"markets": "0x1"},
    {"markets": [1]},
    {"assets_ids": []},
]


@pytest.mark.parametrize("wrong", BAD_FIRST)
async def test_a_wrong_first_frame_closes_it(
    trader: Trader, wrong: dict[str, Any]
) -> None:
    """Shape and credentials are checked."""
    async with connect(trader.exchange.user_ws_url) as socket:
        await socket.send(json.dumps(subscription(trader) | wrong))
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "cancel", "markets": []},
        {"operation": "subscribe"},
        {"type": "user"},
    ],
)
async def test_a_wrong_later_frame_closes_it(
    trader: Trader, wrong: dict[str, Any]
) -> None:
    """So are the operations."""
    async with listening(trader) as listener:
        await listener.send(wrong)
        with pytest.raises(ConnectionClosedError):
            await listener.next()


async def test_it_has_faults_of_its_own(market: SimMarket, trader: Trader) -> None:
    """A frozen user socket answers PING and tells nothing."""
    async with listening(trader) as listener:
        trader.exchange.user_channel.faults.freeze()
        await trader.post(trader.order(market, 1_060_000, 2_000_000))
        await heard(listener)
