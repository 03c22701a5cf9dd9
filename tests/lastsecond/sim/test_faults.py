"""The exchange misbehaving on demand."""

import asyncio

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from lastsecond.clock import SystemClock
from lastsecond.market import Outcome
from lastsecond.sim import HttpFault, SimMarket, SimulatedExchange
from lastsecond.sim.faults import Manner
from tests.lastsecond.sim.conftest import Listener, listening

UP = Outcome.UP


async def heartbeat(listener: Listener) -> None:
    """Nothing but a PONG is waiting."""
    await listener.socket.send("PING")
    assert await listener.socket.recv() == "PONG"


async def test_a_frozen_socket_answers_ping_and_nothing_else(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Data of a frozen socket is lost, not late; the other one goes on."""
    async with listening(exchange, market) as first, listening(exchange, market) as two:
        exchange.faults.freeze(0)
        market.change(UP, "BUY", "0.52", "1")
        await heartbeat(first)
        assert (await two.next())["event_type"] == "price_change"
        exchange.faults.thaw(0)
        market.change(UP, "BUY", "0.52", "2")
        assert (await first.next())["price_changes"][0]["size"] == "2"


async def test_freezing_all_reaches_later_sockets_too(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """A frozen exchange sends no opening frame and does not close at settlement."""
    exchange.faults.freeze()
    async with connect(exchange.ws_url) as socket:
        await socket.send(f'{{"type":"market","assets_ids":["{market.token(UP)}"]}}')
        await heartbeat(Listener(socket))
        market.resolve(UP)
        await heartbeat(Listener(socket))
        exchange.faults.thaw()


async def test_a_dropped_socket_ends_without_a_close_frame(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """The client sees an abnormal end, and the exchange a closed connection."""
    async with listening(exchange, market) as listener:
        exchange.faults.drop()
        with pytest.raises(ConnectionClosedError) as closed:
            await listener.next()
    assert closed.value.rcvd is None
    await asyncio.sleep(0)
    assert not exchange.connections[0].open


async def test_new_sockets_can_be_refused(exchange: SimulatedExchange) -> None:
    """The handshake is answered with 503 while the switch is on."""
    exchange.faults.refuse_websockets = True
    with pytest.raises(InvalidStatus) as refused:
        await connect(exchange.ws_url)
    assert refused.value.response.status_code == 503
    assert exchange.requests[0].status == 503


async def test_frames_can_be_late(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """A delayed socket gets the same frames in order, that much later."""
    clock = SystemClock()
    async with listening(exchange, market) as listener:
        exchange.faults.delay(0.1, 0)
        sent = clock.monotonic()
        market.change(UP, "BUY", "0.52", "1")
        market.change(UP, "BUY", "0.52", "2")
        sizes = [(await listener.next())["price_changes"][0]["size"] for _ in range(2)]
        assert clock.monotonic() - sent >= 100_000_000
    assert sizes == ["1", "2"]


async def test_frames_can_be_doubled(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """A duplicate is the same frame, hash and all."""
    async with listening(exchange, market) as listener:
        exchange.faults.duplicate_frames = True
        market.change(UP, "BUY", "0.52", "1")
        assert await listener.next() == await listener.next()


async def test_frames_can_overtake_each_other(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Of two changes the later arrives first."""
    async with listening(exchange, market) as listener:
        exchange.faults.reorder_frames = True
        market.change(UP, "BUY", "0.30", "1")
        market.change(UP, "BUY", "0.31", "1")
        prices = [
            (await listener.next())["price_changes"][0]["price"] for _ in range(2)
        ]
    assert prices == ["0.31", "0.3"]


async def test_a_change_can_be_kept_from_everyone(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """An omitted change is in the book and its hash, but on no socket."""
    async with listening(exchange, market) as listener:
        exchange.faults.omit_changes = 1
        market.change(UP, "BUY", "0.52", "1")
        market.change(UP, "SELL", "0.54", "9")
        entry = (await listener.next())["price_changes"][0]
    assert (entry["price"], entry["best_bid"]) == ("0.54", "0.52")


async def test_a_client_that_does_not_read_is_cut_off(
    exchange: SimulatedExchange, market: SimMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many frames in waiting close the socket as a slow consumer, 1013."""
    monkeypatch.setattr("lastsecond.sim.channel._SEND_BUFFER", 5)
    async with listening(exchange, market) as listener:
        for size in range(1, 10):
            market.change(UP, "BUY", "0.52", str(size))
        with pytest.raises(ConnectionClosedError) as closed:
            await listener.rest()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013


async def test_http_faults_last_as_often_as_told(exchange: SimulatedExchange) -> None:
    """A path fails the given number of times, with status, body and Retry-After."""
    exchange.faults.http(
        HttpFault(path="/time", status=429, body="{}", retry_after="2", times=2)
    )
    async with aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(3):
            async with session.get(exchange.http_url + "/time") as response:
                statuses.append((response.status, response.headers.get("Retry-After")))
    assert statuses == [(429, "2"), (429, "2"), (200, None)]


async def test_gamma_can_be_down_alone(exchange: SimulatedExchange) -> None:
    """Gamma answers an edge's HTML page while the CLOB goes on."""
    exchange.faults.gamma_down = True
    async with aiohttp.ClientSession() as session:
        for path in ("/events", "/markets", "/public-search?q=a", "/markets/slug/a"):
            async with session.get(exchange.http_url + path) as response:
                assert (response.status, response.content_type) == (502, "text/html")
        async with session.get(exchange.http_url + "/version") as response:
            assert await response.json() == {"version": 2}


@pytest.mark.parametrize(
    ("manner", "error"),
    [
        ("truncate", aiohttp.ClientPayloadError),
        ("reset", aiohttp.ClientOSError),
        ("hang", TimeoutError),
    ],
)
async def test_answers_can_be_cut_short_or_never_come(
    exchange: SimulatedExchange, manner: Manner, error: type[Exception]
) -> None:
    """A truncated body, a reset connection and a hang are each what they say."""
    patience = 0.2 if manner == "hang" else 30  # a busy machine may be slow to cut
    timeout = aiohttp.ClientTimeout(total=patience)
    twice = 2  # aiohttp's client repeats a GET whose connection was reset
    exchange.faults.http(HttpFault(path="/ok", manner=manner, status=200, times=twice))
    async with aiohttp.ClientSession(timeout=timeout) as session:
        with pytest.raises(error):
            await (await session.get(exchange.http_url + "/ok")).read()
