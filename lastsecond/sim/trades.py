"""Trades of the simulated exchange, as REST lists them and the user channel tells them.

A fill is one trade with a maker order for each price level, as production's
``maker_orders`` suggest; Rules.trade_per_level makes it one trade a level.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.money import MICRO
from lastsecond.sim import naming
from lastsecond.sim.accounts import Account
from lastsecond.sim.fills import Take
from lastsecond.sim.frames import Json
from lastsecond.sim.ladder import Side, plain
from lastsecond.sim.market import SimMarket
from lastsecond.sim.order_body import PostedOrder

_REST_PREFIX = "TRADE_STATUS_"
_PRICE_DIGITS = Decimal("1e-13")


class TradeStatus(StrEnum):
    """Where a trade stands on its way to the chain."""

    MATCHED = "MATCHED"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    RETRYING = "RETRYING"
    FAILED = "FAILED"


class OrderStatus(StrEnum):
    """Where an accepted order stands."""

    HELD = "held"
    MATCHED = "matched"
    KILLED = "killed"
    """Not enough asks, or the order was dropped; ``reason`` says which."""


@dataclass(eq=False, kw_only=True)
class Order:
    """An order that was accepted; its id is its EIP-712 hash."""

    id: str
    posted: PostedOrder
    account: Account
    market: SimMarket
    outcome: Outcome
    accepted_at: int
    """Unix ns."""
    status: OrderStatus = OrderStatus.HELD
    delayed: bool = False
    """Whether it was answered as ``delayed``."""
    matched_at: int | None = None
    """Unix ns at which it met the book, killed or not."""
    reason: str = ""
    """Why it was killed."""
    takes: list[Take] = field(default_factory=list)
    trades: list["Trade"] = field(default_factory=list)

    @property
    def shares(self) -> int:
        """Micro-shares bought, whatever becomes of the trades."""
        return sum(take.shares for take in self.takes)

    @property
    def cost(self) -> int:
        """Micro-dollars spent, without the fee."""
        return sum(take.cost for take in self.takes)

    @property
    def fee(self) -> int:
        """Micro-dollars of fee."""
        return sum(take.fee for take in self.takes)

    def rest(self) -> Json:
        """The object of ``/data/order/{id}`` and ``/data/orders``."""
        held = "DELAYED" if self.delayed else "LIVE"
        status = {"held": held, "matched": "MATCHED", "killed": "CANCELED"}
        return {
            "id": self.id,
            "status": status[self.status.value],
            "owner": self.account.api_key,
            "maker_address": self.posted.maker,
            "market": self.market.condition_id,
            "asset_id": self.posted.token_id,
            "side": self.posted.side,
            "original_size": plain(self.posted.taker_amount),
            "size_matched": plain(self.shares),
            "price": plain(self.posted.limit),
            "outcome": self.outcome.value,
            "expiration": self.posted.expiration,
            "order_type": self.posted.order_type,
            "associate_trades": [trade.id for trade in self.trades],
            "created_at": self.accepted_at // NANOSECONDS,
        }

    def event(self, kind: str, status: str, now: int) -> Json:
        """An ``order`` event: PLACEMENT, UPDATE or CANCELLATION."""
        fields = self.rest() | {
            "associate_trades": [trade.id for trade in self.trades] or None,
            "event_type": "order",
            "order_owner": self.account.api_key,
            "status": status,
            "timestamp": str(now // NANOSECONDS),
            "type": kind,
        }
        return fields | {"created_at": str(fields["created_at"])}


@dataclass(eq=False, kw_only=True)
class Trade:
    """One trade of an order."""

    id: str
    order: Order
    takes: Sequence[Take]
    bucket: int
    matched_at: int
    """Unix ns."""
    updated_at: int
    status: TradeStatus = TradeStatus.MATCHED
    transaction_hash: str = ""

    @property
    def shares(self) -> int:
        """Micro-shares."""
        return sum(take.shares for take in self.takes)

    def move(self, status: TradeStatus, now: int) -> None:
        """Go on; whatever went to the chain has a hash, failed or not."""
        self.status = status
        self.updated_at = now
        self.transaction_hash = naming.hexadecimal("settlement", self.id)

    def rest(self) -> Json:
        """The object of ``/data/trades``."""
        return self._fields() | {
            "status": _REST_PREFIX + self.status,
            "transaction_hash": self.transaction_hash,
        }

    def event(self, now: int) -> Json:
        """A ``trade`` event; its times are whole seconds but for ``timestamp``."""
        return self._fields() | {
            "type": "TRADE",
            "event_type": "trade",
            "status": self.status.value,
            "transaction_hash": self.transaction_hash,
            "trade_owner": self.order.account.api_key,
            "timestamp": str(now // 1_000_000),
        }

    def _fields(self) -> Json:
        order = self.order
        return {
            "id": self.id,
            "taker_order_id": order.id,
            "market": order.market.condition_id,
            "asset_id": order.posted.token_id,
            "side": order.posted.side,
            "size": plain(self.shares),
            "fee_rate_bps": "1000",
            "price": _price(self.takes),
            "match_time": str(self.matched_at // NANOSECONDS),
            "last_update": str(self.updated_at // NANOSECONDS),
            "outcome": order.outcome.value,
            "owner": order.account.api_key,
            "maker_address": order.posted.maker,
            "bucket_index": self.bucket,
            "maker_orders": [self._maker(take) for take in self.takes],
            "trader_side": "TAKER",
        }

    def _maker(self, take: Take) -> Json:
        name = (self.order.market.slug, plain(take.price))
        owner = naming.hexadecimal("maker", *name)
        return {
            "order_id": naming.hexadecimal("maker order", *name),
            "owner": str(uuid.UUID(owner[2:34])),
            "maker_address": owner[:42],
            "matched_amount": plain(take.shares),
            "price": plain(take.price),
            "fee_rate_bps": "0",
            "asset_id": self.order.posted.token_id,
            "outcome": self.order.outcome.value,
            "outcome_index": list(Outcome).index(self.order.outcome),
            "side": Side.SELL.value,
        }


def trades_of(order: Order, *, per_level: bool, now: int) -> list[Trade]:
    """The trades of an order that was just matched."""
    parts: Iterable[Sequence[Take]] = [order.takes]
    if per_level:
        parts = [[take] for take in order.takes]
    return [
        Trade(
            id=str(uuid.UUID(naming.hexadecimal("trade", order.id, str(number))[2:34])),
            order=order,
            takes=part,
            bucket=number,
            matched_at=now,
            updated_at=now,
        )
        for number, part in enumerate(parts)
    ]


def _price(takes: Sequence[Take]) -> str:
    """The price, or the mean over levels with the digits that a division leaves."""
    if len(takes) == 1:
        return plain(takes[0].price)
    shares = sum(take.shares for take in takes)
    cost = sum(take.shares * take.price for take in takes)
    mean = (Decimal(cost) / MICRO / shares).quantize(_PRICE_DIGITS)
    return f"{mean.normalize():f}"
