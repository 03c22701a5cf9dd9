"""An exchange with one market, and a way to listen to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from lastsecond.clock import SystemClock
from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.sim import SimMarket, SimulatedExchange

WINDOW = Window(Asset.BTC, Interval.FIVE_MINUTES, 1_790_000_100)
BIDS = [("0.5", "10"), ("0.51", "20")]
ASKS = [("0.53", "30"), ("0.54", "119.83")]


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    """An empty exchange."""
    async with SimulatedExchange(SystemClock()) as opened:
        yield opened


@pytest.fixture
def market(exchange: SimulatedExchange) -> SimMarket:
    """A market with two levels on each side, in Up's terms."""
    listed = exchange.add_market(WINDOW)
    listed.snapshot(Outcome.UP, BIDS, ASKS)
    return listed


class Listener:
    """A subscribed socket and the JSON it brings."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def next(self) -> Any:
        """The next frame, decoded."""
        return json.loads(await self.socket.recv())

    async def rest(self) -> list[Any]:
        """Every frame until the socket is closed."""
        return [json.loads(text) async for text in self.socket]

    async def send(self, frame: object) -> None:
        """Send a JSON frame."""
        await self.socket.send(json.dumps(frame))


@asynccontextmanager
async def listening(
    exchange: SimulatedExchange, market: SimMarket, *, custom: bool = False
) -> AsyncIterator[Listener]:
    """A socket subscribed to both tokens, its opening frame already read."""
    async with connect(exchange.ws_url) as socket:
        listener = Listener(socket)
        await listener.send(subscription(market, custom=custom))
        await listener.next()
        yield listener


def subscription(market: SimMarket, *, custom: bool = False) -> dict[str, object]:
    """The first frame of a socket."""
    return {
        "type": "market",
        "assets_ids": [market.token(outcome) for outcome in Outcome],
        "custom_feature_enabled": custom,
    }


@pytest.fixture
def quick(exchange: SimulatedExchange) -> SimulatedExchange:
    """The exchange without delays."""
    exchange.taker_hold = 0.0
    exchange.rules.mined_after = exchange.rules.confirmed_after = 0.0
    return exchange


async def until(reached: Callable[[], bool]) -> None:
    """Return once it is so; a test that waits in vain is ended by its timeout."""
    async with asyncio.timeout(5):
        while not reached():  # noqa: ASYNC110  # the exchange sets no event for tests
            await asyncio.sleep(0.001)
