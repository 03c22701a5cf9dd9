"""The market channel, over real sockets."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from lastsecond.clock import SystemClock
from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.sim import SimMarket, SimulatedExchange
from tests.lastsecond.sim.conftest import Listener, listening, subscription

UP, DOWN = Outcome.UP, Outcome.DOWN


async def test_the_opening_frame_is_an_array_of_books(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Both tokens' books come first, in one array, best level last, mirrored."""
    async with connect(exchange.ws_url) as socket:
        listener = Listener(socket)
        await listener.send(subscription(market))
        up, down = await listener.next()
    assert [row["price"] for row in up["bids"]] == ["0.5", "0.51"]
    assert [row["price"] for row in up["asks"]] == ["0.54", "0.53"]
    assert down["asks"][-1] == {"price": "0.49", "size": "20"}
    assert down["bids"][-1] == {"price": "0.47", "size": "30"}
    assert up["tick_size"] == "0.01"


async def test_the_opening_timestamp_is_the_last_change(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """A quiet book opens with an old timestamp, not with the time of asking."""
    changed = market.state(UP).timestamp
    await asyncio.sleep(0.02)
    async with connect(exchange.ws_url) as socket:
        listener = Listener(socket)
        await listener.send(subscription(market))
        up, _ = await listener.next()
    assert up["timestamp"] == changed


async def test_a_change_carries_both_tokens(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """One price_change names the level in either token's terms, with absolute size."""
    async with listening(exchange, market) as listener:
        market.change(UP, "BUY", "0.52", "7.5")
        frame = await listener.next()
    up, down = frame["price_changes"]
    assert frame["event_type"] == "price_change"
    assert (up["side"], up["price"], up["size"]) == ("BUY", "0.52", "7.5")
    assert (down["side"], down["price"], down["size"]) == ("SELL", "0.48", "7.5")
    assert (up["best_bid"], up["best_ask"]) == ("0.52", "0.53")
    assert (down["best_bid"], down["best_ask"]) == ("0.47", "0.48")


async def test_a_trade_is_followed_by_both_books(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """A trade takes what rested, tells its price, and both books come after it."""
    async with listening(exchange, market) as listener:
        market.trade(UP, "BUY", "0.53", "12")
        trade, up, down = [await listener.next() for _ in range(3)]
    assert (trade["event_type"], trade["price"]) == ("last_trade_price", "0.530")
    assert (trade["side"], trade["size"]) == ("BUY", "12")
    assert up["asks"][-1] == {"price": "0.53", "size": "18"}
    assert down["bids"][-1] == {"price": "0.47", "size": "18"}


async def test_the_tick_gets_finer_past_its_threshold(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Both tokens are told once when the price passes 0.96, and the grid is finer."""
    async with listening(exchange, market) as listener:
        market.snapshot(UP, [("0.97", "5")], [("0.99", "5")])
        frames = [await listener.next() for _ in range(4)]
        market.change(UP, "SELL", "0.985", "5")
        assert (await listener.next())["event_type"] == "price_change"
    ticks = frames[2:]
    assert [frame["new_tick_size"] for frame in ticks] == ["0.001", "0.001"]
    assert {frame["asset_id"] for frame in ticks} == set(market.tokens.values())


async def test_a_price_off_the_grid_is_the_scripts_mistake(market: SimMarket) -> None:
    """The exchange never sends a price that its tick forbids."""
    with pytest.raises(ValueError, match="not on the grid of tick 0"):
        market.change(UP, "BUY", "0.525", "1")
    with pytest.raises(ValueError, match="not on the grid"):
        market.change(UP, "BUY", "1", "1")


async def test_custom_events_need_the_custom_feature(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """best_bid_ask, new_market and market_resolved come only to who asked for them."""
    later = Window(Asset.ETH, Interval.FIVE_MINUTES, 1_790_000_400)
    async with (
        listening(exchange, market, custom=True) as curious,
        listening(exchange, market) as plain,
    ):
        market.change(UP, "BUY", "0.52", "1")
        exchange.add_market(later)
        market.resolve(UP)
        told = [frame["event_type"] for frame in await curious.rest()]
        heard = [frame["event_type"] for frame in await plain.rest()]
    assert heard == ["price_change"]
    assert told == [
        "price_change",
        "best_bid_ask",
        "best_bid_ask",
        "new_market",
        "market_resolved",
    ]


async def test_ping_is_answered_pong(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """The heartbeat is text, and the exchange remembers it."""
    async with listening(exchange, market) as listener:
        await listener.socket.send("PING")
        assert await listener.socket.recv() == "PONG"
    assert exchange.connections[0].pings == 1


async def test_subscriptions_change_on_an_open_socket(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Subscribe brings new books, unsubscribe silence, a repeat nothing at all."""
    up, down = market.token(UP), market.token(DOWN)
    async with connect(exchange.ws_url) as socket:
        listener = Listener(socket)
        await listener.send({"type": "market", "assets_ids": [up]})
        assert [row["asset_id"] for row in await listener.next()] == [up]
        await listener.send({"operation": "subscribe", "assets_ids": [up, down]})
        assert [row["asset_id"] for row in await listener.next()] == [down]
        await listener.send({"operation": "unsubscribe", "assets_ids": [down]})
        await socket.send("PING")
        assert await socket.recv() == "PONG"
        market.repeat()
        assert (await listener.next())["asset_id"] == up
        await socket.send("PING")
        assert await socket.recv() == "PONG"


async def test_repeating_an_asset_still_toggles_the_custom_feature(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """A duplicate subscription brings no book but sets the flag it carries."""
    async with listening(exchange, market) as listener:
        again = subscription(market, custom=True) | {"operation": "subscribe"}
        del again["type"]
        await listener.send(again)
        await listener.socket.send("PING")
        assert await listener.socket.recv() == "PONG"
        market.change(UP, "BUY", "0.52", "1")
        await listener.next()
        assert (await listener.next())["event_type"] == "best_bid_ask"


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[]",
        '{"type":"user","assets_ids":[]}',
        '{"type":"market"}',
        '{"type":"market","assets_ids":"1"}',
        '{"type":"market","assets_ids":[1]}',
        '{"type":"market","assets_ids":["0x12"]}',
        '{"type":"market","assets_ids":[],"custom_feature_enabled":1}',
        '{"type":"market","assets_ids":[],"markets":[]}',
        '{"operation":"subscribe","assets_ids":["1"]}',
        b"{}",
    ],
)
async def test_a_wrong_first_frame_closes_the_socket(
    exchange: SimulatedExchange, frame: str | bytes
) -> None:
    """Anything but the documented first frame ends with 1008 and a reason."""
    async with connect(exchange.ws_url) as socket:
        await socket.send(frame)
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason


async def test_a_wrong_later_frame_closes_the_socket(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """A second first frame is not an operation."""
    async with listening(exchange, market) as listener:
        await listener.send(subscription(market))
        with pytest.raises(ConnectionClosedError):
            await listener.next()


async def test_settlement_wipes_resolves_and_closes(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Every level goes, the winner is told, the socket closes 1000 with its reason."""
    async with listening(exchange, market, custom=True) as listener:
        market.wipe()
        market.resolve(DOWN)
        frames = await listener.rest()
        closed = listener.socket.protocol.close_exc
    changes = [row for row in frames if row["event_type"] == "price_change"]
    assert len(changes) == 4
    assert all(
        entry["size"] == "0" for row in changes for entry in row["price_changes"]
    )
    last = changes[-1]["price_changes"][0]
    assert (last["best_bid"], last["best_ask"]) == ("0", "1")
    assert frames[-1]["event_type"] == "market_resolved"
    assert frames[-1]["winning_asset_id"] == market.token(DOWN)
    assert frames[-1]["winning_outcome"] == "Down"
    assert isinstance(closed, ConnectionClosedOK)
    assert closed.rcvd is not None
    assert closed.rcvd.reason == "all subscribed assets resolved"


async def test_a_socket_with_an_open_market_stays_open(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Only the last settlement closes a socket; the other market goes on."""
    other = exchange.add_market(
        Window(Asset.ETH, Interval.FIVE_MINUTES, market.window.start)
    )
    async with listening(exchange, market) as listener:
        tokens = list(other.tokens.values())
        await listener.send({"operation": "subscribe", "assets_ids": tokens})
        await listener.next()
        market.resolve(UP)
        other.change(UP, "BUY", "0.4", "1")
        assert (await listener.next())["event_type"] == "price_change"
        other.resolve(UP)
        assert await listener.rest() == []


async def test_a_settled_market_opens_with_an_empty_array(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Subscribing after settlement gives no books and leaves the socket open."""
    market.resolve(UP)
    async with connect(exchange.ws_url) as socket:
        await socket.send(json.dumps(subscription(market)))
        assert json.loads(await socket.recv()) == []
        await socket.send("PING")
        assert await socket.recv() == "PONG"


async def test_a_market_without_a_known_winner_cannot_resolve(
    market: SimMarket,
) -> None:
    """The script has to say who won, once, somewhere."""
    with pytest.raises(ValueError, match="no winner"):
        market.resolve()


async def test_leaving_the_exchange_closes_every_socket() -> None:
    """A stopped exchange says goodbye with 1001 instead of leaving clients hanging."""
    async with SimulatedExchange(SystemClock()) as exchange:
        socket = await connect(exchange.ws_url)
        await socket.send('{"type":"market","assets_ids":[]}')
        assert await socket.recv() == "[]"
    await socket.wait_closed()
    assert socket.close_code == 1001
    assert not exchange.connections[0].open
