"""Answers of the CLOB's REST interface as values."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

import msgspec

from lastsecond import money
from lastsecond.wire import UNREADABLE, unreadable
from lastsecond.wire.market_channel import BookShape, BookSnapshot

_Second = Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999)]


class _TimeObject(msgspec.Struct, frozen=True, gc=False):
    time: _Second | None = None
    timestamp: _Second | None = None


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What a market charges takers, micros of rate, and whether it holds them back.

    ``fee_rate`` is None where the schedule is not one that is known.
    """

    fee_rate: int | None
    holds_takers: bool


class _FeeSchedule(msgspec.Struct, frozen=True):
    r: Decimal
    e: Decimal = Decimal(1)


class _ShortMarket(msgspec.Struct, frozen=True):
    c: str
    fd: _FeeSchedule | None = None
    itode: bool = False


_BOOK = msgspec.json.Decoder(BookShape, strict=False)
_MARKET = msgspec.json.Decoder(_ShortMarket)
_TIME = msgspec.json.Decoder(_Second | _TimeObject, strict=False)


def decode_book(body: bytes) -> BookSnapshot:
    """The book in an answer of GET /book. Raises WireError."""
    try:
        return _BOOK.decode(body).event()
    except UNREADABLE as error:
        raise unreadable("not a book", body) from error


def decode_terms(body: bytes, condition_id: str) -> MarketTerms:
    """The terms in an answer of GET /clob-markets/{condition id}. Raises WireError.

    ``fd`` is the fee schedule: shares x r x (p x (1 - p)) to the power of e; e has been
    1 wherever it was seen. ``itode`` says that takers are held back (left out when
    not): docs of 2026-06-18 and live answers of 2026-09.
    """
    try:
        market = _MARKET.decode(body)
        if market.c.lower() != condition_id.lower():
            raise unreadable("another market", body)
        fees = market.fd
        known = fees is not None and fees.e == 1 and 0 <= fees.r < 1
        rate = money.from_decimal(fees.r) if fees is not None and known else None
    except UNREADABLE as error:
        raise unreadable("no market", body) from error
    return MarketTerms(rate, market.itode)


def decode_time(body: bytes) -> int:
    """The Unix second in an answer of GET /time. Raises WireError.

    The exchange sends a bare integer; the vendor's py-clob-client-v2 1.2.1 also expects
    an object with ``time`` or ``timestamp``, and so does this.
    """
    answer: int | _TimeObject
    try:
        answer = _TIME.decode(body)
    except UNREADABLE as error:
        raise unreadable("not a time", body) from error
    if isinstance(answer, int):
        return answer
    second = answer.timestamp if answer.time is None else answer.time
    if second is None:
        raise unreadable("not a time", body)
    return second
