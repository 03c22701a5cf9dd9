"""What a market is: assets, intervals, outcomes, ids, and the slug of a window.

A BTC or ETH "Up or Down" market lives in a window of 5 or 15 minutes. Its slug is
``{asset}-updown-{interval}-{epoch}``, epoch being the Unix second at which the window
*starts*, aligned to the interval (seen 2026-09-28; docs/exchange.md).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

ConditionId = NewType("ConditionId", str)
"""Id of a market: 0x and 64 hex digits. The CLOB calls it ``market``."""

TokenId = NewType("TokenId", str)
"""Id of one outcome's token: a decimal number of up to 78 digits."""

NO_TOKEN = TokenId("")
"""Where a token might be named and none is."""

NANOSECONDS = 1_000_000_000
MILLISECOND = NANOSECONDS // 1000
_DAY = 86_400 * NANOSECONDS


def midnight(at: int) -> int:
    """When ``at``'s day began in UTC; both in Unix ns."""
    return at // _DAY * _DAY


class Asset(StrEnum):
    """The coins whose markets are traded, as slugs spell them."""

    BTC = "btc"
    ETH = "eth"

    @property
    def title(self) -> str:  # type: ignore[override]  # a coin's name, not str.title()
        """The coin's name as market titles spell it."""
        return {"btc": "Bitcoin", "eth": "Ethereum"}[self.value]


class Interval(StrEnum):
    """The lengths of a window, as slugs spell them."""

    FIVE_MINUTES = "5m"
    FIFTEEN_MINUTES = "15m"

    @property
    def seconds(self) -> int:
        """Length of the window in seconds."""
        return {"5m": 300, "15m": 900}[self.value]


class Outcome(StrEnum):
    """The two outcomes. Up is the YES token, Down the NO token."""

    UP = "Up"
    DOWN = "Down"

    @property
    def other(self) -> "Outcome":
        """The opposite outcome."""
        return Outcome.DOWN if self is Outcome.UP else Outcome.UP


_SLUG = re.compile(
    r"(?P<asset>[a-z]+)-updown-(?P<interval>\d+[mh])-(?P<epoch>\d{9,11})"
)


@dataclass(frozen=True, slots=True)
class Window:
    """One asset's window; ``start`` and ``end`` are Unix seconds."""

    asset: Asset
    interval: Interval
    start: int

    @property
    def end(self) -> int:
        """Unix second at which the window, and with it the question, closes."""
        return self.start + self.interval.seconds

    @property
    def slug(self) -> str:
        """The market's slug."""
        return f"{self.asset}-updown-{self.interval}-{self.start}"

    @classmethod
    def from_slug(cls, slug: str) -> "Window | None":
        """Read a slug; None when it is not a BTC/ETH 5- or 15-minute market."""
        match = _SLUG.fullmatch(slug)
        if match is None:
            return None
        try:
            asset, interval = Asset(match["asset"]), Interval(match["interval"])
        except ValueError:
            return None
        return cls(asset, interval, int(match["epoch"]))


def windows_closing(
    assets: Iterable[Asset], intervals: Iterable[Interval], after: int, until: int
) -> list[Window]:
    """Every window that closes in (after, until], both Unix seconds, soonest first."""
    assets = tuple(assets)
    found = [
        Window(asset, interval, end - interval.seconds)
        for interval in intervals
        for end in range(
            (after // interval.seconds + 1) * interval.seconds,
            until + 1,
            interval.seconds,
        )
        for asset in assets
    ]
    return sorted(found, key=lambda window: (window.end, window.slug))
