"""The account's own reads: trades, orders, balance. Amounts are integer micros."""

from decimal import Decimal
from enum import Enum

import msgspec

from lastsecond.errors import WireError
from lastsecond.money import MICRO, micros
from lastsecond.wire import UNREADABLE, unreadable

LAST_PAGE = "LTE="
"""The cursor after the last page (py-clob-client-v2 1.2.1)."""

EXCHANGE = "0xe111180000d2663c0091e4f400237545b87b996b"
"""The contract that takes the money of these markets (py-clob-client-v2 1.2.1)."""

_MEAN_ROUNDING = Decimal("0.00005")
_HALF_A_TICK = Decimal("0.00005")
"""Of the finest price grid, 0.0001."""


class TradeStatus(Enum):
    """How far a trade has come; only CONFIRMED and FAILED are final."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    FAILED = "failed"


class Trade(msgspec.Struct, frozen=True):
    """One trade of the account, as taker of ``taker_order_id``."""

    trade_id: str
    taker_order_id: str
    status: TradeStatus
    shares: int
    cost: int
    levels: tuple[tuple[int, int], ...] = ()
    """The (price, shares) it consists of; empty where its makers do not tell."""


class TradePage(msgspec.Struct, frozen=True):
    """A page of trades; ``next_cursor`` is LAST_PAGE at the end."""

    trades: tuple[Trade, ...]
    next_cursor: str


class _TradeShape(msgspec.Struct, frozen=True):
    id: str
    taker_order_id: str
    status: str
    size: str
    price: str
    asset_id: str = ""
    maker_orders: msgspec.Raw = msgspec.Raw(b"[]")

    def trade(self) -> Trade:
        shares, levels = micros(self.size), self._levels()
        cost = _cost(shares, self.price)
        exact = sum(price * each // MICRO for price, each in levels)
        strayed = abs(exact - cost) > len(levels) + shares * _HALF_A_TICK
        if strayed or sum(each for _, each in levels) != shares:
            levels, exact = (), cost
        return Trade(
            self.id,
            self.taker_order_id.lower(),
            _status(self.status),
            shares,
            exact,
            levels,
        )

    def _levels(self) -> tuple[tuple[int, int], ...]:
        """What the makers gave; nothing where one of them cannot be read."""
        try:
            makers = msgspec.json.decode(self.maker_orders, type=list[_MakerShape])
            return tuple([maker.level(self.asset_id) for maker in makers])
        except UNREADABLE:
            return ()


class _MakerShape(msgspec.Struct, frozen=True):
    matched_amount: str
    price: str
    asset_id: str

    def level(self, token: str) -> tuple[int, int]:
        """(price, shares) as the taker of ``token`` had it.

        A maker who buys the other token for p sells this one for 1 - p, both being
        minted; a price is told with a division's remainder (0.0030000000012).
        """
        micros(self.price)  # plain digits, or ValueError
        price = round(Decimal(self.price) * MICRO)
        own = self.asset_id == token
        return price if own else MICRO - price, micros(self.matched_amount)


class _PageShape(msgspec.Struct, frozen=True):
    data: list[_TradeShape] | None
    next_cursor: str | None = LAST_PAGE


class _OrderShape(msgspec.Struct, frozen=True):
    id: str
    status: str
    size_matched: str = "0"

    @property
    def gone(self) -> bool:
        """Whether it was killed without a trade."""
        return "CANCEL" in self.status.upper() and micros(self.size_matched) == 0


class _BalanceShape(msgspec.Struct, frozen=True):
    balance: str
    allowances: dict[str, str] | None = None
    allowance: str | None = None


class _VersionShape(msgspec.Struct, frozen=True):
    version: int


class _GeoblockShape(msgspec.Struct, frozen=True):
    blocked: bool
    country: str | None = None


class Balance(msgspec.Struct, frozen=True):
    """What the account has, and how much it lets the exchange take; micros."""

    balance: int
    allowance: int


def _cost(shares: int, price: str) -> int:
    """Micros paid, rounded down: 2.181817 at 0.55 were 1.199999, seen 2026-05-20.

    A trade over several levels has their mean, itself rounded at its last decimal.
    """
    micros(price)  # plain digits, or ValueError
    return int(Decimal(price) * shares + _MEAN_ROUNDING)


def _status(text: str) -> TradeStatus:
    """REST writes TRADE_STATUS_CONFIRMED, the user channel CONFIRMED.

    MATCHED, MINED, RETRYING and whatever comes to be are on their way.
    """
    match text.removeprefix("TRADE_STATUS_"):
        case "CONFIRMED":
            return TradeStatus.CONFIRMED
        case "FAILED":
            return TradeStatus.FAILED
        case _:
            return TradeStatus.PENDING


def decode_trades(body: bytes) -> TradePage:
    """GET /data/trades. Raises WireError."""
    try:
        page = msgspec.json.decode(body, type=_PageShape)
        trades = tuple([shape.trade() for shape in page.data or ()])
    except UNREADABLE as error:
        raise unreadable("no page of trades", body) from error
    return TradePage(trades, page.next_cursor or LAST_PAGE)


def decode_order(body: bytes) -> str | None:
    """GET /data/order/{id}: its status in lower case; None when there is none.

    Filled and killed orders are not kept (docs/exchange.md); one that is kept though
    killed counts as none. Raises WireError.
    """
    if body.strip() in {b"", b"null", b'""', b"{}"}:
        return None
    try:
        shape = msgspec.json.decode(body, type=_OrderShape)
        return None if shape.gone else shape.status.lower()
    except UNREADABLE as error:
        raise unreadable("no order", body) from error


def decode_balance(body: bytes) -> Balance:
    """GET /balance-allowance; whole micros in text. Raises WireError.

    The allowance is that of EXCHANGE; where it is not named, the least there is.
    """
    try:
        shape = msgspec.json.decode(body, type=_BalanceShape)
        allowed = {k.lower(): int(v) for k, v in (shape.allowances or {}).items()}
        least = min(allowed.values(), default=int(shape.allowance or "0"))
        return Balance(int(shape.balance), allowed.get(EXCHANGE, least))
    except UNREADABLE as error:
        raise unreadable("no balance", body) from error


def decode_version(body: bytes) -> int:
    """GET /version. Raises WireError."""
    try:
        return msgspec.json.decode(body, type=_VersionShape).version
    except UNREADABLE as error:
        raise unreadable("no version", body) from error


def decode_geoblock(body: bytes) -> tuple[bool, str]:
    """Whether this machine's country is blocked, and its code. Raises WireError."""
    try:
        shape = msgspec.json.decode(body, type=_GeoblockShape)
    except UNREADABLE as error:
        raise unreadable("no geoblock answer", body) from error
    return shape.blocked, shape.country or ""


def decode_open_orders(body: bytes) -> int:
    """GET /data/orders: how many orders rest on the first page. Raises WireError."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise unreadable("no orders", body) from error
    rows = found["data"] or [] if isinstance(found, dict) and "data" in found else found
    if not isinstance(rows, list):
        raise WireError("no list of orders")
    return len(rows)
