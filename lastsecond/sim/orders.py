"""``POST /order`` at the door: who asks, what arrived, and what was made of it."""

import asyncio
import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from lastsecond.market import ConditionId
from lastsecond.sim import order_body
from lastsecond.sim.accounts import Account, Accounts
from lastsecond.sim.arrivals import Arrival
from lastsecond.sim.breakage import cut, truncated
from lastsecond.sim.calls import RefusedError, refuse
from lastsecond.sim.engine import Engine
from lastsecond.sim.faults import Faults, content_type
from lastsecond.sim.order_faults import PLAIN, REGION, OrderFault
from lastsecond.sim.rules import Rules
from lastsecond.sim.trades import Order, OrderStatus

if TYPE_CHECKING:
    from lastsecond.ports import Clock


class House(Protocol):
    """What an order's way goes by, of the exchange around it."""

    faults: Faults
    rules: Rules

    def market_of(self, token: str) -> ConditionId | None:
        """The market of a token; None when there is no such token."""
        ...

    def arrival(self, transport: asyncio.BaseTransport | None) -> Arrival:
        """When the request that is being read there came."""
        ...


class Verdict(StrEnum):
    """What became of an order that arrived."""

    UNREAD = "unread"
    """A fault came before the rules: not executed, no trace."""
    REFUSED = "refused"
    """By a rule: it was never accepted."""
    HELD = "held"
    KILLED = "killed"
    MATCHED = "matched"


@dataclass(eq=False, kw_only=True)
class ReceivedOrder:
    """One ``POST /order``, kept for tests."""

    arrived_at: int
    """Unix ns at which its first byte was read from the socket."""
    complete_at: int
    """Unix ns at which its last byte was read."""
    body: bytes
    headers: dict[str, str] = field(repr=False)
    condition_id: ConditionId | None
    """Of the token that the body names; None when it names none of a market."""
    token_id: str
    fault: str = ""
    """Name of the fault that it met, if any."""
    order: Order | None = None
    """What the engine knows of it, once accepted."""
    refused: bool = False
    reason: str = ""
    """Why it was refused or killed, in the exchange's words."""
    status: int | None = None
    """What was answered; None while pending or when nothing was."""
    answer: str = ""
    """The body of the answer."""

    @property
    def verdict(self) -> Verdict:
        """What the exchange holds to be true of it, whatever it answered."""
        if self.order is not None:
            return Verdict(self.order.status.value)
        return Verdict.REFUSED if self.refused else Verdict.UNREAD

    @property
    def executed(self) -> bool:
        """Whether it was matched."""
        return self.order is not None and self.order.status is OrderStatus.MATCHED

    @cached_property
    def order_id(self) -> str:
        """Its EIP-712 hash, accepted or not; "" when the body is no order."""
        from lastsecond.sim import signatures  # noqa: PLC0415  # costs 0.3 s

        try:
            return signatures.order_id(order_body.read(self.body))
        except RefusedError:
            return ""


class Desk:
    """Answers ``POST /order``."""

    def __init__(
        self,
        clock: "Clock",
        accounts: Accounts,
        engine: Engine,
        house: House,
    ) -> None:
        self.received: list[ReceivedOrder] = []
        self.closing = asyncio.Event()
        """Set when nothing that hangs shall hang any longer."""
        self._clock = clock
        self._accounts = accounts
        self._engine = engine
        self._house = house

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Take one order from arrival to answer."""
        body = await request.read()
        arrival = self._house.arrival(request.transport)
        token = order_body.token_in(body)
        received = ReceivedOrder(
            arrived_at=arrival.first,
            complete_at=arrival.last,
            body=body,
            headers=dict(request.headers),
            condition_id=self._house.market_of(token),
            token_id=token,
        )
        self.received.append(received)
        fault = self._house.faults.order_fault(token) or PLAIN
        received.fault = fault.name
        status, text = 500, ""
        if fault.executed or fault.instead:
            status, text = await self._judged(request, received, fault)
        if fault.before_answer:
            await self._clock.sleep(fault.before_answer)
        received.status = fault.status or status
        received.answer = text if fault.body is None else fault.body
        return await self._respond(request, received, fault)

    async def _judged(
        self, request: web.Request, received: ReceivedOrder, fault: OrderFault
    ) -> tuple[int, str]:
        try:
            account = self._customer(request, received.body)
            order = await self._engine.accept(account, received.body)
        except RefusedError as refused:
            received.refused = True
            received.reason = str(refused.body["error"])
            return refused.status, _json(refused.body)
        received.order = order
        if fault.instead is not None:
            return 200, _json(self._engine.postpone(order, fault))
        try:
            return 200, _json(await self._engine.execute(order, fault))
        except RefusedError as killed:
            received.reason = order.reason
            return killed.status, _json(killed.body)

    def _customer(self, request: web.Request, body: bytes) -> Account:
        """Who posts it, if they may from there. Raises RefusedError."""
        known = self._accounts.of(request.headers.get("POLY_ADDRESS", ""))
        if self._house.rules.geoblocked or (known is not None and known.geoblocked):
            raise refuse(REGION, 403)
        path = request.rel_url.raw_path
        return self._accounts.authenticated(request.headers, request.method, path, body)

    async def _respond(
        self, request: web.Request, received: ReceivedOrder, fault: OrderFault
    ) -> web.StreamResponse:
        status, text = received.status or 500, received.answer
        if fault.manner == "answer":
            response = web.Response(
                status=status, text=text, content_type=content_type(text)
            )
            if fault.retry_after is not None:
                response.headers["Retry-After"] = fault.retry_after
            return response
        received.status, received.answer = None, ""
        if fault.manner == "truncate":
            received.status = status
            half = text.encode()[: max(len(text) // 2, 1)] or b'{"errorMsg":"","ord'
            return await truncated(request, status, "application/json", half)
        if fault.manner == "hang":
            await self.closing.wait()
        return cut(request, reset=fault.manner == "reset")


def _json(body: object) -> str:
    return json.dumps(body, separators=(",", ":"))
