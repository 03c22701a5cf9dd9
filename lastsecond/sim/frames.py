"""JSON objects of the CLOB: a token's book and the market channel's events.

Written from the protocol, not from the bot's parsers, so that either can find the
other wrong. Timestamps are strings of Unix milliseconds; prices and sizes are strings.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lastsecond import money
from lastsecond.market import ConditionId, Outcome, TokenId
from lastsecond.sim.ladder import Ladder, Level, Side, plain

Json = dict[str, object]

MIN_ORDER_SIZE = "5"
_STREAM_BOOK = ("market", "asset_id", "bids", "asks", "hash", "timestamp")
_OPENING_BOOK = (*_STREAM_BOOK, "tick_size", "last_trade_price")


@dataclass(frozen=True, slots=True, kw_only=True)
class BookState:
    """One token's book at one moment: all that its wire forms need."""

    condition_id: ConditionId
    token: TokenId
    outcome: Outcome
    ladder: Ladder
    tick: int
    last_trade: str
    timestamp: str


def rest_book(state: BookState) -> Json:
    """The answer of ``/book``, its hash included (docs/exchange.md)."""
    body: Json = {
        "market": state.condition_id,
        "asset_id": state.token,
        "timestamp": state.timestamp,
        "hash": "",
        "bids": _levels(state.ladder.levels(state.outcome, Side.BUY)),
        "asks": _levels(state.ladder.levels(state.outcome, Side.SELL)),
        "min_order_size": MIN_ORDER_SIZE,
        "tick_size": plain(state.tick),
        "neg_risk": False,
        "last_trade_price": state.last_trade,
    }
    text = json.dumps(body, separators=(",", ":"))
    body["hash"] = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return body


def _levels(levels: Iterable[Level]) -> list[dict[str, str]]:
    return [{"price": plain(price), "size": plain(size)} for price, size in levels]


def book(state: BookState, *, opening: bool = False) -> Json:
    """A ``book`` event; the opening one also tells tick size and last trade."""
    rest = rest_book(state)
    keys = _OPENING_BOOK if opening else _STREAM_BOOK
    return {key: rest[key] for key in keys} | {"event_type": "book"}


def top(state: BookState) -> tuple[str, str]:
    """(best bid, best ask) as events write them: "0" and "1" where a side is empty."""
    bid = state.ladder.best(state.outcome, Side.BUY)
    ask = state.ladder.best(state.outcome, Side.SELL)
    return plain(bid or 0), plain(money.MICRO if ask is None else ask)


def change(
    state: BookState, digest: str, side: Side, price: int, size: int
) -> dict[str, str]:
    """One entry of ``price_changes``; ``size`` is the new absolute size."""
    bid, ask = top(state)
    return {
        "asset_id": state.token,
        "price": plain(price),
        "size": plain(size),
        "side": side.value,
        "hash": digest,
        "best_bid": bid,
        "best_ask": ask,
    }


def price_change(
    condition_id: ConditionId, timestamp: str, changes: Sequence[dict[str, str]]
) -> Json:
    """A ``price_change`` event carrying these entries, of either token."""
    return {
        "market": condition_id,
        "price_changes": list(changes),
        "timestamp": timestamp,
        "event_type": "price_change",
    }


def last_trade_price(
    state: BookState, side: Side, size: int, transaction_hash: str
) -> Json:
    """A ``last_trade_price`` event for the taker's token."""
    return {
        "market": state.condition_id,
        "asset_id": state.token,
        "price": state.last_trade,
        "size": plain(size),
        "fee_rate_bps": "1000",
        "side": side.value,
        "timestamp": state.timestamp,
        "event_type": "last_trade_price",
        "transaction_hash": transaction_hash,
    }


def tick_size_change(state: BookState, old: int, timestamp: str) -> Json:
    """A ``tick_size_change`` event; ``old`` in micros."""
    return {
        "market": state.condition_id,
        "asset_id": state.token,
        "old_tick_size": plain(old),
        "new_tick_size": plain(state.tick),
        "timestamp": timestamp,
        "event_type": "tick_size_change",
    }


def best_bid_ask(state: BookState) -> Json:
    """A ``best_bid_ask`` event (custom feature)."""
    bid, ask = top(state)
    return {
        "market": state.condition_id,
        "asset_id": state.token,
        "best_bid": bid,
        "best_ask": ask,
        "spread": plain(max(money.micros(ask) - money.micros(bid), 0)),
        "timestamp": state.timestamp,
        "event_type": "best_bid_ask",
    }
