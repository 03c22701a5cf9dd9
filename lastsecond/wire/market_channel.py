"""Frames of the CLOB market channel as values.

Formats: docs.polymarket.com and the live study of 2026-10-04 (docs/exchange.md). Prices
and sizes are integer micros, timestamps the exchange's Unix milliseconds. A quote of
"", "0" or "1" is how the exchange writes that nobody is there; it becomes None.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

from lastsecond.market import ConditionId, TokenId
from lastsecond.money import MICRO, micros
from lastsecond.wire import UNREADABLE, unreadable

Levels = tuple[tuple[int, int], ...]
"""(price, size) in micros, in the order of the wire; only 0 < price < 1, size > 0."""

_MOST_REMEMBERED = 16_384
"""Distinct texts after which remembering starts afresh: about 2 MB."""

_Text = TypeVar("_Text")
_Read = TypeVar("_Read")


class Side(StrEnum):
    """Which side of the book: BUY is the bids, SELL the asks."""

    BUY = "BUY"
    SELL = "SELL"


class BookSnapshot(msgspec.Struct, frozen=True, gc=False):
    """The whole book of a token; ``timestamp`` is that of its last change."""

    market: ConditionId
    asset_id: TokenId
    timestamp: int
    bids: Levels
    asks: Levels
    hash: str
    tick_size: int | None


class LevelChange(msgspec.Struct, frozen=True, gc=False):
    """The new absolute size at one price; 0 removes the level.

    ``best_bid`` and ``best_ask`` are the exchange's own after the change, None where
    nobody is. ``quotes_best`` is False when the exchange said neither.
    """

    asset_id: TokenId
    side: Side
    price: int
    size: int
    best_bid: int | None
    best_ask: int | None
    quotes_best: bool


class PriceChange(msgspec.Struct, frozen=True, gc=False):
    """Changed levels, in order; both tokens of a market may be among them."""

    market: ConditionId
    timestamp: int
    changes: tuple[LevelChange, ...]


class BestBidAsk(msgspec.Struct, frozen=True, gc=False):
    """The best prices of a token, None where nobody is."""

    market: ConditionId
    asset_id: TokenId
    timestamp: int
    best_bid: int | None
    best_ask: int | None


class LastTrade(msgspec.Struct, frozen=True, gc=False):
    """A trade; ``side`` is the taker's."""

    market: ConditionId
    asset_id: TokenId
    timestamp: int
    price: int
    size: int
    side: Side


class TickSizeChange(msgspec.Struct, frozen=True, gc=False):
    """The price grid of a token became finer or coarser."""

    market: ConditionId
    asset_id: TokenId
    timestamp: int
    old_tick_size: int
    new_tick_size: int


class MarketResolved(msgspec.Struct, frozen=True, gc=False):
    """The market paid out; comes about two minutes after the close, if at all."""

    market: ConditionId
    timestamp: int
    winning_asset_id: TokenId
    winning_outcome: str


Event = (
    BookSnapshot
    | PriceChange
    | BestBidAsk
    | LastTrade
    | TickSizeChange
    | MarketResolved
)


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame: its events in order, and how many elements were none.

    ``unknown`` counts event types that are not read here, ``malformed`` events and
    price changes that lack what they need. ``is_data`` is False for PONG and ``[]``.
    """

    events: tuple[Event, ...]
    unknown: int
    malformed: int
    is_data: bool


class _Remembered(dict[_Text, _Read]):
    """What was read from a text before; a lookup costs half of a function's cache."""

    def __init__(self, read: Callable[[_Text], _Read]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: _Text) -> _Read:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        value = self[text] = self._read(text)
        return value


def _quote(text: str | None) -> int | None:
    """A best price, or None where nobody is."""
    price = micros(text) if text else 0
    return price if 0 < price < MICRO else None


_AMOUNTS: _Remembered[str, int] = _Remembered(micros)
_QUOTES: _Remembered[str | None, int | None] = _Remembered(_quote)

_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999_999)]


class _Shape(msgspec.Struct, tag_field="event_type", frozen=True, gc=False):
    """An event as the wire spells it; its event() raises ValueError for bad numbers."""


class _Level(msgspec.Struct, frozen=True, gc=False):
    price: str
    size: str


def _levels(shapes: list[_Level] | None) -> Levels:
    prices, sizes = _QUOTES, _AMOUNTS
    return tuple(
        [
            (price, size)
            for shape in shapes or ()
            if (price := prices[shape.price]) and (size := sizes[shape.size])
        ]
    )


class BookShape(_Shape, tag="book", frozen=True, gc=False):
    """A book as the channel and, without ``event_type``, GET /book spell it."""

    market: ConditionId
    asset_id: TokenId
    timestamp: _Milliseconds
    bids: list[_Level] | None
    asks: list[_Level] | None
    hash: str = ""
    tick_size: str | None = None

    def event(self) -> BookSnapshot:
        """The snapshot. Raises ValueError for a price or size that is none."""
        return BookSnapshot(
            self.market,
            self.asset_id,
            self.timestamp,
            _levels(self.bids),
            _levels(self.asks),
            self.hash,
            _AMOUNTS[self.tick_size] if self.tick_size else None,
        )


class _Change(msgspec.Struct, frozen=True, gc=False):
    asset_id: TokenId
    price: str
    size: str
    side: Side
    best_bid: str | None = None
    best_ask: str | None = None

    def value(self) -> LevelChange:
        return LevelChange(
            self.asset_id,
            self.side,
            _AMOUNTS[self.price],
            _AMOUNTS[self.size],
            _QUOTES[self.best_bid],
            _QUOTES[self.best_ask],
            self.best_bid is not None or self.best_ask is not None,
        )


class _PriceChange(_Shape, tag="price_change", frozen=True, gc=False):
    market: ConditionId
    timestamp: _Milliseconds
    price_changes: list[_Change]

    def event(self) -> PriceChange:
        changes = tuple([change.value() for change in self.price_changes])
        return PriceChange(self.market, self.timestamp, changes)


class _BestBidAsk(_Shape, tag="best_bid_ask", frozen=True, gc=False):
    market: ConditionId
    asset_id: TokenId
    timestamp: _Milliseconds
    best_bid: str | None = None
    best_ask: str | None = None

    def event(self) -> BestBidAsk:
        bid, ask = _QUOTES[self.best_bid], _QUOTES[self.best_ask]
        return BestBidAsk(self.market, self.asset_id, self.timestamp, bid, ask)


class _LastTrade(_Shape, tag="last_trade_price", frozen=True, gc=False):
    market: ConditionId
    asset_id: TokenId
    timestamp: _Milliseconds
    price: str
    size: str
    side: Side

    def event(self) -> LastTrade:
        price, size = _AMOUNTS[self.price], _AMOUNTS[self.size]
        return LastTrade(
            self.market, self.asset_id, self.timestamp, price, size, self.side
        )


class _TickSizeChange(_Shape, tag="tick_size_change", frozen=True, gc=False):
    market: ConditionId
    asset_id: TokenId
    timestamp: _Milliseconds
    old_tick_size: str
    new_tick_size: str

    def event(self) -> TickSizeChange:
        old, new = _AMOUNTS[self.old_tick_size], _AMOUNTS[self.new_tick_size]
        return TickSizeChange(self.market, self.asset_id, self.timestamp, old, new)


class _MarketResolved(_Shape, tag="market_resolved", frozen=True, gc=False):
    market: ConditionId
    timestamp: _Milliseconds
    winning_asset_id: TokenId
    winning_outcome: str = ""

    def event(self) -> MarketResolved:
        return MarketResolved(
            self.market, self.timestamp, self.winning_asset_id, self.winning_outcome
        )


_AnyShape = (
    BookShape
    | _PriceChange
    | _BestBidAsk
    | _LastTrade
    | _TickSizeChange
    | _MarketResolved
)
_KNOWN = frozenset(
    shape.__struct_config__.tag
    for shape in (
        BookShape,
        _PriceChange,
        _BestBidAsk,
        _LastTrade,
        _TickSizeChange,
        _MarketResolved,
    )
)
# strict=False reads the timestamps, which are numbers written as strings.
_FRAME = msgspec.json.Decoder(_AnyShape | list[_AnyShape], strict=False)
_CHANGE = msgspec.json.Decoder(_PriceChange, strict=False)
_BOOK = msgspec.json.Decoder(BookShape, strict=False)
# Where the type comes last, a decoder of any type reads a frame twice to learn it.
_CHANGE_ENDS, _BOOK_ENDS = b'"price_change"}', b'"book"}'
_ANYTHING = msgspec.json.Decoder(float_hook=str)


def decode(frame: bytes | str) -> Frame:
    """Read one frame. Raises WireError when it is not JSON, or no object or array.

    An element that cannot be read is counted and hides no other.
    """
    try:
        if frame[-15:] == _CHANGE_ENDS:
            return Frame((_CHANGE.decode(frame).event(),), 0, 0, is_data=True)
        shape = (_BOOK if frame[-7:] == _BOOK_ENDS else _FRAME).decode(frame)
        if isinstance(shape, list):
            events = tuple([element.event() for element in shape])
            return Frame(events, 0, 0, is_data=bool(events))
        return Frame((shape.event(),), 0, 0, is_data=True)
    except UNREADABLE:
        return _decode_by_element(frame)


def _decode_by_element(frame: bytes | str) -> Frame:
    """Read what can be read of a frame that is not wholly as expected."""
    if frame.strip() == ("PONG" if isinstance(frame, str) else b"PONG"):
        return Frame((), 0, 0, is_data=False)
    try:
        value = _ANYTHING.decode(frame)
    except UNREADABLE as error:
        raise unreadable("a frame that is not JSON", frame) from error
    if not isinstance(value, dict | list):
        raise unreadable("a frame that is no object or array", frame)
    events: list[Event] = []
    unknown = malformed = 0
    for element in [value] if isinstance(value, dict) else value:
        if _is_of_unknown_type(element):
            unknown += 1
            continue
        event, faults = _read(element)
        malformed += faults
        if event is not None:
            events.append(event)
    return Frame(tuple(events), unknown, malformed, is_data=True)


def _is_of_unknown_type(element: object) -> bool:
    tag = element.get("event_type") if isinstance(element, dict) else None
    return isinstance(tag, str) and tag not in _KNOWN


def _read(element: object) -> tuple[Event | None, int]:
    """The event, if there is one, and how many parts could not be read."""
    try:
        spelled = _with_numbers_as_text(element)
        readable, faults = _without_bad_changes(spelled)
        shape: _AnyShape = msgspec.convert(readable, _AnyShape, strict=False)
        return shape.event(), faults
    except UNREADABLE:
        return None, 1


def _with_numbers_as_text(value: object) -> object:
    """The same JSON with its whole numbers written out, as the exchange writes them."""
    match value:
        case int() if not isinstance(value, bool):
            return str(value)
        case dict():
            return {key: _with_numbers_as_text(item) for key, item in value.items()}
        case list():
            return [_with_numbers_as_text(item) for item in value]
        case _:
            return value


def _without_bad_changes(element: object) -> tuple[object, int]:
    """The element without the entries of price_changes that cannot be read."""
    entries = element.get("price_changes") if isinstance(element, dict) else None
    if not isinstance(element, dict) or not isinstance(entries, list):
        return element, 0
    good = [entry for entry in entries if _is_change(entry)]
    return {**element, "price_changes": good}, len(entries) - len(good)


def _is_change(entry: object) -> bool:
    try:
        msgspec.convert(entry, _Change).value()
    except UNREADABLE:
        return False
    return True
