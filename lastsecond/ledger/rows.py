"""What is written with every row, and how a market stands on disk."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass

from lastsecond.orders import State

CONFIRMED = """(
    SELECT max(fills.id) FROM orders JOIN fills USING (order_id)
    WHERE orders.wallet = markets.wallet AND orders.mode = markets.mode
        AND orders.condition_id = markets.condition_id AND status = 'filled')"""
"""In SQL, the id of a market's confirmed fill.

By its orders, not by ``sends``: a crash can come between an order's bytes and the word
of them, and then nothing was noted as sent.
"""

REPEATED = frozenset({State.UNCERTAIN, State.MATCHED})
"""Results that may come again, with more in them, and change no state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who writes. ``mode`` is PAPER or LIVE; ``wallet`` is lower case.

    ``settings`` are those behind the hash, by variable, without secrets.
    """

    mode: str
    wallet: str
    settings_hash: str
    code_version: str
    host: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a market stands; ``armed`` says that it ever was, by whomever."""

    state: State
    armed: bool


def as_json(value: object) -> str:
    """Any value as one line of JSON that SQLite takes for valid."""
    try:
        return json.dumps(value, default=_plain, allow_nan=False)
    except ValueError:  # a float that JSON has no word for, or a circle
        return json.dumps(repr(value))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {"kind": type(value).__name__.lower(), **asdict(value)}
    return str(value)
