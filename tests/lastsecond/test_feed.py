"""One subscription over a real socket, against the simulated exchange."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

import pytest
from aiohttp import web

from lastsecond.clock import SystemClock
from lastsecond.errors import FeedError
from lastsecond.feed import Subscription, delays
from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.ports import Gap
from lastsecond.sim import SimMarket, SimulatedExchange
from lastsecond.wire.market_channel import BookSnapshot, Event, Frame, MarketResolved

CLOCK = SystemClock()


@asynccontextmanager
async def subscribed() -> AsyncIterator[
    tuple[SimulatedExchange, SimMarket, Subscription, asyncio.Queue[Frame | Gap | None]]
]:
    """An exchange with one market, a stream of it, and the frames that came."""
    async with SimulatedExchange(CLOCK) as exchange:
        start = CLOCK.now() // 1_000_000_000 // 300 * 300
        market = exchange.add_market(Window(Asset.BTC, Interval.FIVE_MINUTES, start))
        market.snapshot(Outcome.UP, [("0.50", "10")], [("0.52", "10")])
        stream = Subscription(
            "s", list(market.tokens.values()), url=exchange.ws_url, clock=CLOCK
        )
        await stream.open()
        came: asyncio.Queue[Frame | Gap | None] = asyncio.Queue()
        reading = asyncio.create_task(_read(stream, came))
        try:
            yield exchange, market, stream, came
        finally:
            await stream.close()
            await reading


async def _read(stream: Subscription, came: asyncio.Queue[Frame | Gap | None]) -> None:
    async for frame in stream.frames():
        came.put_nowait(frame)
    came.put_nowait(None)


async def next_of(came: asyncio.Queue[Frame | Gap | None]) -> Frame | Gap | None:
    async with asyncio.timeout(5):
        return await came.get()


async def next_frame(came: asyncio.Queue[Frame | Gap | None]) -> Frame | None:
    found = await next_of(came)
    assert not isinstance(found, Gap)
    return found


async def first_frame(stream: Subscription) -> Frame:
    async with asyncio.timeout(5):
        found = await anext(aiter(stream.frames()))
    assert isinstance(found, Frame)
    return found


async def test_opens_with_both_books_and_follows_changes() -> None:
    """The first frame holds a book for each token; later ones what changed."""
    async with subscribed() as (exchange, market, stream, came):
        opening = await next_frame(came)
        assert opening is not None
        assert all(isinstance(event, BookSnapshot) for event in opening.events)
        assert len(opening.events) == 2
        hello = json.loads(exchange.connections[0].received[0])
        assert hello == {
            "type": "market",
            "assets_ids": list(market.tokens.values()),
            "custom_feature_enabled": True,
        }
        market.change(Outcome.UP, "SELL", "0.51", "5")
        assert await next_frame(came) is not None
        assert stream.connected
        assert stream.reconnects == 0


async def test_a_cut_connection_is_made_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a cut the stream reconnects and begins with whole books again."""
    async with subscribed() as (exchange, _, stream, came):
        await next_frame(came)
        exchange.faults.drop()
        assert isinstance(await next_of(came), Gap)
        again = await next_frame(came)
        assert isinstance(again, Frame)
        assert isinstance(again.events[0], BookSnapshot)
        assert stream.reconnects == 1
        assert len(exchange.connections) == 2
    assert any(m.startswith("DROPPED stream=s") for m in caplog.messages)


async def test_reconnecting_goes_on_while_it_is_refused() -> None:
    """Refused attempts are repeated with growing delays until one succeeds."""
    async with subscribed() as (exchange, _, stream, came):
        await next_frame(came)
        exchange.faults.refuse_websockets = True
        exchange.faults.drop()
        await asyncio.sleep(0.5)
        assert not stream.connected
        exchange.faults.refuse_websockets = False
        assert isinstance(await next_of(came), Gap)
        assert isinstance(await next_frame(came), Frame)
        attempts = [r for r in exchange.requests if r.path == "/ws/market"]
        assert len(attempts) >= 3


async def test_a_renewal_breaks_only_after_it_is_made() -> None:
    """The old socket lives until the new one has spoken; then it is dropped."""
    async with subscribed() as (exchange, market, stream, came):
        await next_frame(came)
        exchange.faults.freeze(0)
        market.change(Outcome.UP, "SELL", "0.51", "5")
        await asyncio.gather(stream.renew(), stream.renew())
        renewed = await next_frame(came)
        assert renewed is not None
        book = renewed.events[0]
        assert isinstance(book, BookSnapshot)
        assert min(book.asks)[0] == 510_000
        await asyncio.sleep(0.1)
        assert [connection.open for connection in exchange.connections] == [False, True]
        assert stream.reconnects == 1


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_a_failed_renewal_leaves_the_old_socket(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """When the new socket is refused or stays dumb, the old one goes on."""
    async with subscribed() as (exchange, market, stream, came):
        await next_frame(came)
        if how == "refused":
            exchange.faults.refuse_websockets = True
        else:
            exchange.faults.freeze(1)
        await stream.renew()
        market.change(Outcome.UP, "SELL", "0.51", "5")
        assert await next_frame(came) is not None
        assert exchange.connections[0].open
        assert stream.reconnects == 0
    assert any(m.startswith("RENEWAL_FAILED") for m in caplog.messages)


async def test_the_end_of_the_subscription_ends_the_stream() -> None:
    """Closed because all is resolved, the stream ends and does not reconnect."""
    async with subscribed() as (exchange, market, _, came):
        await next_frame(came)
        market.wipe()
        market.resolve(Outcome.UP)
        events: list[Event] = []
        while (frame := await next_frame(came)) is not None:
            events += frame.events
        assert any(isinstance(event, MarketResolved) for event in events)
        assert len(exchange.connections) == 1


async def test_nobody_there_is_a_feed_error() -> None:
    """A port without a server is FeedError, in one line with the URL."""
    stream = Subscription("s", [], url="ws://127.0.0.1:9/ws/market", clock=CLOCK)
    with pytest.raises(
        FeedError, match=r"s: cannot open ws://127\.0\.0\.1:9/ws/market"
    ):
        await stream.open()
    assert not stream.connected
    await stream.close()


async def test_an_unopened_stream_keeps_trying() -> None:
    """frames() after a failed open() connects once the exchange is there."""
    async with SimulatedExchange(CLOCK) as exchange:
        start = CLOCK.now() // 1_000_000_000 // 300 * 300
        market = exchange.add_market(Window(Asset.BTC, Interval.FIVE_MINUTES, start))
        market.snapshot(Outcome.UP, [("0.50", "10")], [("0.52", "10")])
        exchange.faults.refuse_websockets = True
        tokens = list(market.tokens.values())
        stream = Subscription("s", tokens, url=exchange.ws_url, clock=CLOCK)
        with pytest.raises(FeedError):
            await stream.open()
        exchange.faults.refuse_websockets = False
        frame = await first_frame(stream)
        assert len(frame.events) == 2
        await stream.close()


class _Scripted:
    """A bare websocket server that sends these frames and then listens."""

    def __init__(self, *frames: str) -> None:
        self.frames = frames
        self.received: list[str] = []

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for frame in self.frames:
            await socket.send_str(frame)
        async for message in socket:
            self.received.append(message.data)
        return socket


@asynccontextmanager
async def server(handler: _Scripted) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/", handler.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_what_cannot_be_read_is_counted_and_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Malformed and unknown frames neither end the stream nor count as life."""
    change = {
        "event_type": "price_change",
        "market": "0x",
        "timestamp": "5",
        "price_changes": [],
    }
    handler = _Scripted(
        "<html>",
        "PONG",
        '{"event_type":"new_market"}',
        '{"event_type":"book"}',
        json.dumps(change),
    )
    async with server(handler) as url:
        stream = Subscription("s", [], url=url, clock=CLOCK)
        with caplog.at_level(logging.DEBUG):
            await stream.open()
            opened = stream.last_data
            frame = await first_frame(stream)
        assert len(frame.events) == 1
        assert (stream.malformed, stream.unknown) == (2, 1)
        assert stream.last_data > opened
        await stream.close()
    lines = [r for r in caplog.records if r.message.startswith("MALFORMED")]
    assert [line.levelname for line in lines] == ["WARNING", "DEBUG"]


class _Hasty(SystemClock):
    """A clock on which ten seconds pass in a tenth."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)


async def test_says_ping_every_ten_seconds() -> None:
    """Text PING goes out for as long as the stream is open."""
    handler = _Scripted()
    async with server(handler) as url:
        stream = Subscription("s", [], url=url, clock=_Hasty())
        await stream.open()
        await asyncio.sleep(0.35)
        await stream.close()
        await asyncio.sleep(0.15)
    assert handler.received[1:] == ["PING"] * 3


def test_delays_double_from_a_quarter_to_five_seconds() -> None:
    """Reconnecting waits about 0.25 s first and about 5 s at most, never in step."""
    plain = [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    jittered = list(islice(delays(random.Random(1)), 7))
    assert all(abs(j / p - 1) <= 0.25 for j, p in zip(jittered, plain, strict=True))
    assert jittered != list(islice(delays(random.Random(2)), 7))
