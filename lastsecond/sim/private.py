"""What only an account's owner may read: keys, orders, trades, balances."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.sim.accounts import Account, Accounts, same
from lastsecond.sim.calls import Call, Endpoint, Text, refuse
from lastsecond.sim.engine import Engine
from lastsecond.sim.frames import Json
from lastsecond.sim.rules import Rules
from lastsecond.sim.trades import Order, OrderStatus, Trade

if TYPE_CHECKING:
    from lastsecond.ports import Clock

_END = "LTE="
_UNLIMITED = 2**256 - 1
_SPENDERS = (
    "0xE111180000d2663C0091e4f400237545B87B996B",
    "0xe2222d279d744050d28e00520010520000310F59",
    "0xd91E80cF2E7be2e162c6513ceD06f1dD0dA35296",
)
_ASSETS = {"COLLATERAL", "CONDITIONAL", "CONDITIONAL-V2"}
_PAGED = frozenset({"next_cursor"})
_OF_ORDERS = frozenset({"id", "market", "asset_id"})
_OF_TRADES = _OF_ORDERS | {"after", "before", "maker_address"}

Answer = Callable[[Call, Account], object]


@dataclass(frozen=True)
class Private:
    """The endpoints behind a key, and those that hand one out."""

    clock: "Clock"
    accounts: Accounts
    engine: Engine
    rules: Rules

    def endpoints(self) -> list[Endpoint]:
        """Every path of these."""
        balance = frozenset({"asset_type", "signature_type"})
        token = frozenset({"token_id"})
        return [
            Endpoint(method="POST", path="/auth/api-key", answer=self._create),
            Endpoint(path="/auth/derive-api-key", answer=self._derive),
            self._secured("/auth/api-keys", self._keys),
            self._secured("/auth/ban-status/closed-only", self._closed_only),
            self._secured("/data/order/{id}", self._order),
            self._secured("/data/orders", self._orders, optional=_OF_ORDERS | _PAGED),
            self._secured("/data/trades", self._trades, optional=_OF_TRADES | _PAGED),
            self._secured(
                "/balance-allowance", self._balance, required=balance, optional=token
            ),
            self._secured(
                "/balance-allowance/update",
                self._refresh,
                required=balance,
                optional=token,
            ),
            Endpoint(path="/api/geoblock", answer=self._geoblock),
        ]

    def _secured(
        self,
        path: str,
        answer: Answer,
        *,
        required: frozenset[str] = frozenset(),
        optional: frozenset[str] = frozenset(),
    ) -> Endpoint:
        def identified(call: Call) -> object:
            account = self.accounts.authenticated(
                call.headers, call.method, call.target, call.body
            )
            return answer(call, account)

        return Endpoint(
            path=path, answer=identified, required=required, optional=optional
        )

    async def _create(self, call: Call) -> Json:
        """A second key for the same nonce is refused (seen 2026-01-23)."""
        account = self.accounts.obtained(await self._login(call))
        if account.has_key:
            raise refuse("Could not create api key")
        account.has_key = True
        return account.credentials()

    async def _derive(self, call: Call) -> Json:
        account = self.accounts.obtained(await self._login(call))
        if not account.has_key:
            raise refuse("Could not derive api key!")
        return account.credentials()

    async def _login(self, call: Call) -> str:
        """The address that signed this level 1 request. Raises RefusedError."""
        names = ("POLY_ADDRESS", "POLY_TIMESTAMP", "POLY_NONCE", "POLY_SIGNATURE")
        address, stamp, nonce, signature = (call.headers.get(key, "") for key in names)
        timely = self.accounts.is_timely(stamp) and nonce == "0"
        if not timely or not await asyncio.to_thread(
            _is_login, address, stamp, nonce, signature
        ):
            raise refuse("Invalid L1 Request headers", 401)
        return address

    @staticmethod
    def _keys(_: Call, account: Account) -> Json:
        return {"apiKeys": [account.api_key]}

    @staticmethod
    def _closed_only(_: Call, account: Account) -> Json:
        return {"closed_only": account.closed_only}

    def _geoblock(self, _: Call) -> Json:
        blocked = self.rules.geoblocked
        country, region = ("GB", "ENG") if blocked else ("IE", "L")
        return {
            "blocked": blocked,
            "ip": "127.0.0.1",
            "country": country,
            "region": region,
        }

    def _order(self, call: Call, account: Account) -> object:
        order = self.engine.orders.get(call.path["id"])
        if order is None or order.account is not account or not self._shown(order):
            return Text(self.rules.missing_order)
        return order.rest()

    def _shown(self, order: Order) -> bool:
        lookup = self.rules.order_lookup
        if lookup == "open":
            return order.status is OrderStatus.HELD
        return lookup == "recent"

    def _orders(self, call: Call, account: Account) -> Json:
        """Open ones; of fill-or-kill orders those are the held ones."""
        rows = [
            order.rest()
            for order in self.engine.orders.values()
            if order.account is account and order.status is OrderStatus.HELD
        ]
        return self._page(call, [row for row in rows if _wanted(call.query, row)])

    def _trades(self, call: Call, account: Account) -> Json:
        """The account's trades, newest first; ``after`` and ``before`` exclude."""
        latest = self.clock.now() - round(self.rules.trade_lag * NANOSECONDS)
        after = call.integer("after", 0)
        before = call.integer("before", 2**62)
        rows = [
            trade.rest()
            for trade in reversed(self.engine.trades)
            if trade.order.account is account
            and trade.matched_at <= latest
            and after < _second(trade) < before
        ]
        return self._page(call, [row for row in rows if _wanted(call.query, row)])

    def _page(self, call: Call, rows: list[Json]) -> Json:
        start = _offset(call.query.get("next_cursor", ""))
        size = self.rules.page_size
        page = rows[start : start + size]
        rest = len(rows) > start + size
        return {
            "data": page,
            "next_cursor": _cursor(start + size) if rest else _END,
            "limit": size,
            "count": len(page),
        }

    def _balance(self, call: Call, account: Account) -> Json:
        """A signature type that is not the account's is another, empty wallet."""
        asset = call.query["asset_type"]
        if asset not in _ASSETS:
            raise refuse("Invalid asset type")
        balance, allowance = account.balance, account.allowance
        if asset != "COLLATERAL":
            token = TokenId(call.query.get("token_id", ""))
            balance, allowance = account.positions.get(token, 0), None
        if call.integer("signature_type", 0) != account.signature_type:
            balance, allowance = 0, 0
        allowed = _UNLIMITED if allowance is None else allowance
        return {
            "balance": str(balance),
            "allowances": {spender: str(allowed) for spender in _SPENDERS},
        }

    def _refresh(self, call: Call, account: Account) -> object:
        self._balance(call, account)
        return Text("")


def _is_login(address: str, stamp: str, nonce: str, signature: str) -> bool:
    from lastsecond.sim import signatures  # noqa: PLC0415  # costs 0.3 s

    return signatures.is_login(address, stamp, nonce, signature)


def _wanted(query: Mapping[str, str], row: Json) -> bool:
    address = query.get("maker_address")
    if address is not None and not same(address, str(row["maker_address"])):
        return False
    return all(query.get(name) in {None, row[name]} for name in _OF_ORDERS)


def _second(trade: Trade) -> int:
    return trade.matched_at // NANOSECONDS


def _cursor(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode()


def _offset(cursor: str) -> int:
    """Where a page begins; the first cursor is "MA==", base64 of 0."""
    if not cursor:
        return 0
    try:
        offset = int(base64.b64decode(cursor, validate=True))
    except ValueError:
        raise refuse("invalid next_cursor") from None
    if offset < 0:
        raise refuse("invalid next_cursor")
    return offset
