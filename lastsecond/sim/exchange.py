"""The exchange on loopback: Gamma, the CLOB's reads, the market channel; one port."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import web

from lastsecond import money
from lastsecond.errors import WorldError
from lastsecond.market import Outcome, TokenId, Window
from lastsecond.sim import frames, naming
from lastsecond.sim.calls import Call, Endpoint, RefusedError
from lastsecond.sim.channel import Channel
from lastsecond.sim.clob import Clob
from lastsecond.sim.faults import HttpFault
from lastsecond.sim.frames import Json
from lastsecond.sim.gamma import Gamma
from lastsecond.sim.market import SimMarket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lastsecond.ports import Clock

_HOST = "127.0.0.1"
_WEBSOCKET_PATH = "/ws/market"
_RESET = struct.pack("ii", 1, 0)
_BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head></html>"
_GAMMA_PREFIXES = ("/events", "/markets/slug", "/markets/keyset", "/public-search")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Request:
    """One HTTP request that came in, websocket handshakes included."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    at: int
    """Unix ns."""
    status: int | None = None
    """What was answered; None while pending or when nothing was."""


class SimulatedExchange:
    """A strict Polymarket on 127.0.0.1; use as an async context manager.

    It answers what production answers and refuses what production refuses, plus
    parameters that nobody should send. ``requests`` and ``connections`` keep what came
    in, ``faults`` makes it misbehave.
    """

    def __init__(self, clock: "Clock", *, port: int = 0) -> None:
        """``port`` 0 takes a free one; the URLs are known once it is entered."""
        self.markets: dict[str, SimMarket] = {}
        self.requests: list[Request] = []
        self.http_url = ""
        self.ws_url = ""
        self._clock = clock
        self._port = port
        self._clob = Clob(self.markets, lambda: clock.now() // 1_000_000_000)
        self._gamma = Gamma(self.markets, clock.now)
        self.channel = Channel(clock, self._opening_books)
        self.faults = self.channel.faults
        self.connections = self.channel.connections
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Start serving. Raises WorldError when the port is taken."""
        application = web.Application(middlewares=[self._middleware])
        application.router.add_get(_WEBSOCKET_PATH, self.channel.serve)
        for endpoint in [*self._gamma.endpoints(), *self._clob.endpoints()]:
            application.router.add_route(
                endpoint.method, endpoint.path, _handler(endpoint)
            )
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise WorldError(f"cannot listen on port {self._port}: {error}") from error
        self._runner = runner
        port = runner.addresses[0][1]
        self.http_url = f"http://{_HOST}:{port}"
        self.ws_url = f"ws://{_HOST}:{port}{_WEBSOCKET_PATH}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every socket and stop serving."""
        self._closing.set()
        await self.channel.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def add_market(
        self,
        window: Window,
        *,
        winner: Outcome | None = None,
        tick: str = "0.01",
        title: str | None = None,
        **fields: object,
    ) -> SimMarket:
        """List a market, open for trading with an empty book.

        ``winner`` is how it will resolve; ``fields`` replace fields of its Gamma market
        object, ``...`` leaves one out. Raises ValueError when the slug is taken.
        """
        if window.slug in self.markets:
            raise ValueError(f"{window.slug} is already listed")
        market = SimMarket(
            window,
            self._clock,
            self.channel,
            tick=money.micros(tick),
            fields=fields,
        )
        market.winner = winner
        market.title = title or market.title
        self.markets[market.slug] = market
        self.channel.announce(_new_market(market, self._clock.now()))
        return market

    def _opening_books(self, tokens: "Iterable[TokenId]") -> list[Json]:
        states = [self._clob.book_of(token) for token in tokens]
        return [frames.book(state, opening=True) for state in states if state]

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        record = Request(
            request.method,
            request.path,
            tuple(request.query.items()),
            self._clock.now(),
        )
        self.requests.append(record)
        response = await self._answer(request, handler)
        record.status = response.status
        return response

    async def _answer(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        fault = self._fault(request.path)
        if fault is not None:
            return await self._fail(request, fault)
        try:
            return await handler(request)
        except RefusedError as refused:
            return web.json_response(refused.body, status=refused.status)
        except web.HTTPException as error:
            return web.json_response({"error": error.reason}, status=error.status)

    def _fault(self, path: str) -> HttpFault | None:
        gamma = path == "/markets" or path.startswith(_GAMMA_PREFIXES)
        if gamma and self.faults.gamma_down:
            return HttpFault(path=path, status=502, body=_BAD_GATEWAY)
        return self.faults.http_fault(path)

    async def _fail(self, request: web.Request, fault: HttpFault) -> web.StreamResponse:
        if fault.manner == "hang":
            await self._closing.wait()
        if fault.manner in {"hang", "reset"}:
            return _cut(request, reset=fault.manner == "reset")
        if fault.manner == "truncate":
            return await _truncated(request, fault)
        response = web.Response(
            status=fault.status, text=fault.body, content_type=fault.content_type
        )
        if fault.retry_after is not None:
            response.headers["Retry-After"] = fault.retry_after
        return response


def _handler(endpoint: Endpoint) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        endpoint.check(request.query)
        call = Call(
            path=request.match_info,
            query=request.query,
            body=await request.read(),
            headers=request.headers,
        )
        return web.json_response(endpoint.answer(call))

    return handle


def _cut(request: web.Request, *, reset: bool) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if reset and raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return web.Response(status=500)


async def _truncated(request: web.Request, fault: HttpFault) -> web.StreamResponse:
    body = fault.body.encode()
    response = web.StreamResponse(status=fault.status)
    response.content_type = fault.content_type
    response.content_length = len(body) * 2
    await response.prepare(request)
    await response.write(body)
    if request.transport is not None:
        request.transport.close()
    return response


def _new_market(market: SimMarket, now: int) -> Json:
    tokens = list(market.tokens.values())
    gamma_id = naming.gamma_id("market", market.slug)
    event = {
        "id": naming.gamma_id("event", market.slug),
        "ticker": market.slug,
        "slug": market.slug,
        "title": market.title,
        "description": "",
    }
    return {
        "id": gamma_id,
        "question": market.title,
        "market": market.condition_id,
        "slug": market.slug,
        "description": "",
        "assets_ids": tokens,
        "outcomes": [outcome.value for outcome in Outcome],
        "event_message": event,
        "timestamp": str(now // 1_000_000),
        "tags": ["crypto", "up-or-down"],
        "condition_id": market.condition_id,
        "active": True,
        "clob_token_ids": tokens,
        "order_price_min_tick_size": json.dumps(float(money.decimal(market.tick))),
        "group_item_title": "",
        "sports_market_type": "",
        "line": "",
        "game_start_time": "",
        "event_type": "new_market",
    }
