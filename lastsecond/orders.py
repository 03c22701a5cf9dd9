"""What is meant by an order, and the four ways one can end.

Refused is not unknown: Killed and Rejected say that nothing was bought; Uncertain says
that something may have been, and forbids another order in that market.
"""

from dataclasses import dataclass

from lastsecond.market import ConditionId, Outcome, TokenId


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One fill-or-kill buy. ``spend``, ``limit`` and ``ask`` are in micros."""

    condition_id: ConditionId
    ticker: str
    token_id: TokenId
    outcome: Outcome
    spend: int
    limit: int
    ask: int


@dataclass(frozen=True, slots=True)
class Fill:
    """Bought: ``shares`` for ``cost``, both micros, fee not included."""

    shares: int
    cost: int


@dataclass(frozen=True, slots=True)
class Killed:
    """Not bought, with the reason: the book could not fill all of it at the limit."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not bought: the exchange refused the order, in its own words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It may have been bought. Never sent again; to be reconciled."""

    reason: str


Result = Fill | Killed | Rejected | Uncertain
