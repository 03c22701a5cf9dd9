"""Bytes of the exchange to values; WireError is all that escapes."""

from lastsecond.errors import WireError

UNREADABLE = (ValueError, ArithmeticError, RecursionError)
"""What the parsers beneath raise for data that is not what it should be."""

_SHOWN = 80


def unreadable(what: str, data: bytes | str) -> WireError:
    """An error that names what was wrong and shows the head of the data, printable."""
    return WireError(f"{what}: {repr(data[:_SHOWN])[:_SHOWN]}")
