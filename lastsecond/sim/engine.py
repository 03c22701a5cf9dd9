"""The matching engine: judges an order, holds it, matches it, settles its trades.

Which rule refuses with which words is in docs/exchange.md. The order of the checks is
ours: production's is not known.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING

from lastsecond.market import ConditionId, Outcome
from lastsecond.matching import highest_fee
from lastsecond.sim import order_body
from lastsecond.sim.accounts import Account
from lastsecond.sim.calls import RefusedError, refuse
from lastsecond.sim.fills import FAK_KILLED, FEE_RATE, FOK_KILLED, taken
from lastsecond.sim.frames import Json
from lastsecond.sim.ladder import Side, plain
from lastsecond.sim.market import SimMarket
from lastsecond.sim.order_body import PostedOrder
from lastsecond.sim.order_checks import (
    check_account,
    check_amounts,
    check_funds,
    check_kind,
    check_market,
    check_price,
    check_wallet,
    no_book,
)
from lastsecond.sim.order_faults import PLAIN, OrderFault
from lastsecond.sim.rules import Rules
from lastsecond.sim.trades import Order, OrderStatus, Trade, TradeStatus, trades_of

if TYPE_CHECKING:
    from lastsecond.ports import Clock

Tell = Callable[[Account, ConditionId, Json], None]
"""Sends an event to the user channel."""

_DROPPED = "order match delayed due to market conditions"


class Engine:
    """All orders and trades of one exchange."""

    def __init__(
        self,
        clock: "Clock",
        markets: Mapping[str, SimMarket],
        rules: Rules,
        tell: Tell,
    ) -> None:
        self.orders: dict[str, Order] = {}
        """Every accepted order, by id."""
        self.trades: list[Trade] = []
        self._clock = clock
        self._markets = markets
        self._rules = rules
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, account: Account, body: bytes) -> Order:
        """Judge an order and take it in. Raises RefusedError."""
        posted = order_body.read(body)
        check_account(account, posted)
        check_kind(posted)
        check_wallet(account, posted, only_deposit=self._rules.deposit_wallet_only)
        order_id = await asyncio.to_thread(_verified, posted, account.address)
        if order_id in self.orders:
            raise refuse(f"order {order_id} is invalid. Duplicated.")
        if posted.expiration != "0":
            raise refuse("invalid expiration")
        market, outcome = self._open(posted)
        check_amounts(order_id, posted, five_shares=self._rules.five_share_minimum)
        check_price(order_id, posted, market.tick)
        fee = highest_fee(posted.maker_amount, posted.limit, FEE_RATE)
        check_funds(account, posted, posted.maker_amount + fee)
        order = Order(
            id=order_id,
            posted=posted,
            account=account,
            market=market,
            outcome=outcome,
            accepted_at=self._clock.now(),
        )
        self.orders[order_id] = order
        return order

    async def execute(self, order: Order, fault: OrderFault = PLAIN) -> Json:
        """Hold the order and match it. Raises RefusedError when it is killed.

        ``fault`` may lengthen the hold, drop the order after it, or spoil its trades.
        """
        await self._clock.sleep(self._rules.taker_hold + fault.before_match)
        order.matched_at = self._clock.now()
        try:
            if not fault.executed:
                raise refuse(_DROPPED)
            self._match(order)
        except RefusedError as refused:
            order.status = OrderStatus.KILLED
            order.reason = str(refused.body["error"])
            self._tell_order(order, "CANCELLATION", f"CANCELED_{order.reason}")
            raise
        self._settle(order, fault)
        return answer(order, "matched")

    def postpone(self, order: Order, fault: OrderFault) -> Json:
        """Answer at once with ``fault.instead``, and execute behind the answer."""
        order.delayed = fault.instead == "delayed"
        self._tell_order(order, "PLACEMENT", "DELAYED" if order.delayed else "LIVE")
        self._spawn(self._execute_unseen(order, fault))
        return answer(order, fault.instead or "delayed")

    async def close(self) -> None:
        """Stop everything that is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _execute_unseen(self, order: Order, fault: OrderFault) -> None:
        try:
            await self.execute(order, fault)
        except RefusedError:
            return

    def _open(self, posted: PostedOrder) -> tuple[SimMarket, Outcome]:
        for market in self._markets.values():
            for outcome in Outcome:
                if market.token(outcome) == posted.token_id:
                    check_market(market, posted)
                    return market, outcome
        raise no_book(posted)

    def _match(self, order: Order) -> None:
        """Take from the book as it stands now, and pay. Raises RefusedError."""
        posted, market = order.posted, order.market
        check_market(market, posted)
        asks = market.ladder.levels(order.outcome, Side.SELL)[::-1]
        takes = taken(asks, posted.maker_amount, posted.limit, posted.order_type)
        if not takes:
            fok = posted.order_type == "FOK"
            error = FOK_KILLED if fok else FAK_KILLED
            raise RefusedError(400, {"error": error, "orderID": order.id})
        due = sum(take.cost + take.fee for take in takes)
        check_funds(order.account, posted, due)
        order.takes = takes
        order.status = OrderStatus.MATCHED
        market.take(order.outcome, [(take.price, take.shares) for take in takes])

    def _settle(self, order: Order, fault: OrderFault) -> None:
        now = self._clock.now()
        _book(order, 1)
        order.trades = trades_of(order, per_level=self._rules.trade_per_level, now=now)
        self.trades += order.trades
        self._tell_order(order, "UPDATE", "MATCHED")
        for trade in order.trades:
            self._tell_trade(trade)
        self._spawn(self._walk(order, fault))

    async def _walk(self, order: Order, fault: OrderFault) -> None:
        """Take an order's trades to their end, all at the same time."""
        await self._clock.sleep(self._rules.mined_after + fault.before_confirmed)
        failing = fault.trades_fail
        self._move(order, TradeStatus.RETRYING if failing else TradeStatus.MINED)
        await self._clock.sleep(self._rules.confirmed_after)
        if failing:
            _book(order, -1)
        self._move(order, TradeStatus.FAILED if failing else TradeStatus.CONFIRMED)

    def _move(self, order: Order, status: TradeStatus) -> None:
        for trade in order.trades:
            trade.move(status, self._clock.now())
            self._tell_trade(trade)

    def _tell_order(self, order: Order, kind: str, status: str) -> None:
        event = order.event(kind, status, self._clock.now())
        self._tell(order.account, order.market.condition_id, event)

    def _tell_trade(self, trade: Trade) -> None:
        event = trade.event(self._clock.now())
        self._tell(trade.order.account, trade.order.market.condition_id, event)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def answer(order: Order, status: str) -> Json:
    """The body of a successful ``POST /order``; since 2026-07-24 without hashes."""
    return {
        "errorMsg": "",
        "orderID": order.id,
        "takingAmount": plain(order.shares) if order.shares else "",
        "makingAmount": plain(order.cost) if order.shares else "",
        "status": status,
        "success": True,
        "tradeIDs": [trade.id for trade in order.trades],
    }


def _book(order: Order, sign: int) -> None:
    """Move the money and the shares of a fill; ``sign`` -1 gives them back."""
    account, token = order.account, order.posted.token_id
    account.balance -= sign * (order.cost + order.fee)
    if account.allowance is not None:
        account.allowance -= sign * (order.cost + order.fee)
    account.fees += sign * order.fee
    held = account.positions.get(token, 0) + sign * order.shares
    account.positions[token] = held


def _verified(posted: PostedOrder, address: str) -> str:
    """The order's id, once its signature is found to be good. Raises RefusedError."""
    from lastsecond.sim import signatures  # noqa: PLC0415  # costs 0.3 s

    match signatures.verify(posted, address):
        case signatures.Verdict.OTHER_VERSION:
            raise refuse("order_version_mismatch")
        case signatures.Verdict.INVALID:
            raise refuse("invalid signature")
        case signatures.Verdict.VALID:
            return signatures.order_id(posted)
