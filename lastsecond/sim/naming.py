"""Ids and titles of simulated markets, in the forms that production uses."""

import hashlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lastsecond.market import ConditionId, Outcome, TokenId, Window

_EASTERN = ZoneInfo("America/New_York")
_SMALLEST_TOKEN = 10**76


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def hexadecimal(*parts: str) -> str:
    """0x and 64 hex digits derived from these words; the same words, the same id."""
    return "0x" + _digest(*parts)


def condition_id(slug: str) -> ConditionId:
    """The condition id of the market with this slug."""
    return ConditionId(hexadecimal("condition", slug))


def token_id(slug: str, outcome: Outcome) -> TokenId:
    """The id of one outcome's token: 77 decimal digits."""
    number = int(_digest("token", slug, outcome), 16)
    return TokenId(str(_SMALLEST_TOKEN + number % (9 * _SMALLEST_TOKEN)))


def gamma_id(*parts: str) -> str:
    """A Gamma row id: seven decimal digits."""
    return str(1_000_000 + int(_digest(*parts), 16) % 9_000_000)


def iso(seconds: float) -> str:
    """Unix seconds as Gamma writes a time: 2026-06-24T07:55:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def title(window: Window) -> str:
    """A title such as ``Bitcoin Up or Down - November 26, 12:31AM-12:36AM ET``."""
    start = datetime.fromtimestamp(window.start, _EASTERN)
    span = f"{_hour(window.start)}-{_hour(window.end)}"
    return f"{window.asset.title} Up or Down - {start:%B} {start.day}, {span} ET"


def _hour(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, _EASTERN)
    return f"{moment.hour % 12 or 12}:{moment:%M%p}"
