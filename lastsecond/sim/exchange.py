"""The exchange on loopback: Gamma, the CLOB, both channels; one port."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import web

from lastsecond import money
from lastsecond.errors import WorldError
from lastsecond.market import ConditionId, Outcome, TokenId, Window
from lastsecond.sim import frames, naming
from lastsecond.sim.accounts import Account, Accounts, new_account
from lastsecond.sim.arrivals import Arrival, Arrivals, StampingSite
from lastsecond.sim.breakage import NothingSent, cut, truncated
from lastsecond.sim.calls import Call, Endpoint, RefusedError, Text
from lastsecond.sim.channel import Channel
from lastsecond.sim.clob import Clob
from lastsecond.sim.engine import Engine
from lastsecond.sim.faults import HttpFault
from lastsecond.sim.frames import Json
from lastsecond.sim.gamma import Gamma
from lastsecond.sim.market import SimMarket
from lastsecond.sim.orders import Desk, ReceivedOrder
from lastsecond.sim.private import Private
from lastsecond.sim.rules import Rules
from lastsecond.sim.trades import Trade
from lastsecond.sim.user_channel import UserChannel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lastsecond.ports import Clock

_HOST = "127.0.0.1"
_WEBSOCKET_PATH = "/ws/market"
_USER_PATH = "/ws/user"
_ORDER_PATH = "/order"
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
    parameters that nobody should send. ``requests``, ``orders`` and ``connections``
    keep what came in; ``faults`` makes it misbehave, ``rules`` sets its delays and what
    is not known for sure of production.
    """

    def __init__(self, clock: "Clock", *, port: int = 0) -> None:
        """``port`` 0 takes a free one; the URLs are known once it is entered."""
        self.markets: dict[str, SimMarket] = {}
        self.requests: list[Request] = []
        self.http_url = ""
        self.ws_url = ""
        self.user_ws_url = ""
        self.rules = Rules()
        self._clock = clock
        self._port = port
        self._clob = Clob(self.markets, lambda: clock.now() // 1_000_000_000)
        self._gamma = Gamma(self.markets, clock.now)
        self.channel = Channel(clock, self._opening_books)
        self.faults = self.channel.faults
        self.connections = self.channel.connections
        self.accounts = Accounts(clock.now)
        self.user_channel = UserChannel(clock, self.accounts)
        self._engine = Engine(clock, self.markets, self.rules, self.user_channel.tell)
        self._desk = Desk(clock, self.accounts, self._engine, self)
        self._private = Private(clock, self.accounts, self._engine, self.rules)
        self._arrivals: Arrivals | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Start serving. Raises WorldError when the port is taken."""
        application = web.Application(middlewares=[self._middleware])
        application.router.add_get(_WEBSOCKET_PATH, self.channel.serve)
        application.router.add_get(_USER_PATH, self.user_channel.serve)
        application.router.add_post(_ORDER_PATH, self._post_order)
        for endpoint in [
            *self._gamma.endpoints(),
            *self._clob.endpoints(),
            *self._private.endpoints(),
        ]:
            application.router.add_route(
                endpoint.method, endpoint.path, _handler(endpoint)
            )
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        assert runner.server is not None
        self._arrivals = Arrivals(runner.server, self._clock.now)
        try:
            await StampingSite(runner, self._arrivals, _HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise WorldError(f"cannot listen on port {self._port}: {error}") from error
        self._runner = runner
        port = runner.addresses[0][1]
        self.http_url = f"http://{_HOST}:{port}"
        self.ws_url = f"ws://{_HOST}:{port}{_WEBSOCKET_PATH}"
        self.user_ws_url = f"ws://{_HOST}:{port}{_USER_PATH}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every socket and stop serving."""
        self._desk.closing.set()
        await self.channel.close()
        await self.user_channel.close()
        await self._engine.close()
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

    def add_account(
        self,
        *,
        address: str,
        funder: str,
        signature_type: int,
        balance: str = "1000",
        allowance: str | None = None,
    ) -> Account:
        """Open an account for the key of ``address``, paid from ``funder``.

        ``balance`` and ``allowance`` are dollars; no allowance given is unlimited.
        Raises ValueError when there cannot be such an account.
        """
        return self.accounts.add(
            new_account(address, funder, signature_type, balance, allowance)
        )

    @property
    def orders(self) -> list[ReceivedOrder]:
        """Every ``POST /order`` that arrived, whatever became of it."""
        return self._desk.received

    def posts(self, condition_id: str) -> list[ReceivedOrder]:
        """Every ``POST /order`` for that market's tokens, in order of arrival."""
        return [row for row in self.orders if row.condition_id == condition_id]

    @property
    def trades(self) -> list[Trade]:
        """Every trade that was made, failed ones included."""
        return self._engine.trades

    @property
    def taker_hold(self) -> float:
        """Seconds for which a taker's order is kept back; also in ``rules``."""
        return self.rules.taker_hold

    @taker_hold.setter
    def taker_hold(self, seconds: float) -> None:
        self.rules.taker_hold = seconds

    def market_of(self, token: str) -> ConditionId | None:
        """The market of a token; None when there is no such token."""
        for market in self.markets.values():
            if token in market.tokens.values():
                return market.condition_id
        return None

    def arrival(self, transport: asyncio.BaseTransport | None) -> Arrival:
        """When the request that is being read on this connection came."""
        if self._arrivals is None:
            return Arrival(self._clock.now(), self._clock.now())
        return self._arrivals.of(transport)

    async def _post_order(self, request: web.Request) -> web.StreamResponse:
        return await self._desk.serve(request)

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
        try:
            response = await self._answer(request, handler)
        finally:
            if self._arrivals is not None:
                self._arrivals.done(request.transport)
        if not isinstance(response, NothingSent):
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
            await self._desk.closing.wait()
        if fault.manner in {"hang", "reset"}:
            return cut(request, reset=fault.manner == "reset")
        if fault.manner == "truncate":
            body = fault.body.encode()
            return await truncated(request, fault.status, fault.content_type, body)
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
            method=request.method,
            target=request.rel_url.raw_path,
        )
        answer = endpoint.answer(call)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Text):
            return web.Response(text=answer, content_type="application/json")
        return web.json_response(answer)

    return handle


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
