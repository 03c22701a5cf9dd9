"""Answers of the CLOB's REST interface as values."""

from typing import Annotated

import msgspec

from lastsecond.wire import UNREADABLE, unreadable
from lastsecond.wire.market_channel import BookShape, BookSnapshot

_Second = Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999)]


class _TimeObject(msgspec.Struct, frozen=True, gc=False):
    time: _Second | None = None
    timestamp: _Second | None = None


_BOOK = msgspec.json.Decoder(BookShape, strict=False)
_TIME = msgspec.json.Decoder(_Second | _TimeObject, strict=False)


def decode_book(body: bytes) -> BookSnapshot:
    """The book in an answer of GET /book. Raises WireError."""
    try:
        return _BOOK.decode(body).event()
    except UNREADABLE as error:
        raise unreadable("not a book", body) from error


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
