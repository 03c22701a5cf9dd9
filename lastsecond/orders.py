"""A market's states and the moves between them; an order, and the ways it can end.

The laws of this file:

- A market that was never ARMED may be taken up again; one that was, never.
- SENT happens at most once. What follows is learnt from the exchange, never assumed.
- Killed and Rejected say that nothing was bought; Uncertain says that something may
  have been, and forbids another order in that market.
- Matched is no fill yet: only a CONFIRMED trade is (FILLED); a FAILED one is REVERTED.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lastsecond.market import NO_TOKEN, ConditionId, Outcome, TokenId

NEVER = 2**63 - 1
"""A time, Unix ns, that does not come."""


class State(StrEnum):
    """Where a market stands."""

    DISCOVERED = "discovered"
    WATCHING = "watching"
    ARMED = "armed"  # both tokens' orders are signed and their ids on disk
    SENT = "sent"  # the order's bytes left
    UNCERTAIN = "uncertain"  # it may have been executed
    MATCHED = "matched"  # the exchange says executed; not settled on chain yet
    FILLED = "filled"  # its trades are CONFIRMED
    REVERTED = "reverted"  # its trades FAILED on chain: nothing was bought
    KILLED = "killed"  # fill-or-kill: killed
    REJECTED = "rejected"  # the exchange refused it, or it provably never left
    SETTLED = "settled"  # the market paid out
    SKIPPED = "skipped"  # no order was sent, for a reason


MOVES: Mapping[State, frozenset[State]] = {
    State.DISCOVERED: frozenset({State.WATCHING, State.SKIPPED}),
    State.WATCHING: frozenset({State.WATCHING, State.ARMED, State.SKIPPED}),
    State.SKIPPED: frozenset({State.WATCHING, State.SKIPPED}),
    State.ARMED: frozenset({State.SENT, State.UNCERTAIN, State.SKIPPED}),
    State.SENT: frozenset(
        {
            State.UNCERTAIN,
            State.MATCHED,
            State.FILLED,
            State.REVERTED,
            State.KILLED,
            State.REJECTED,
        }
    ),
    State.UNCERTAIN: frozenset(
        {
            State.MATCHED,
            State.FILLED,
            State.REVERTED,
            State.KILLED,
            State.REJECTED,
            State.SKIPPED,
        }
    ),
    State.MATCHED: frozenset({State.FILLED, State.REVERTED, State.UNCERTAIN}),
    State.FILLED: frozenset({State.SETTLED}),
    State.REVERTED: frozenset(),
    State.KILLED: frozenset(),
    State.REJECTED: frozenset(),
    State.SETTLED: frozenset(),
}
"""Every move there is. SKIPPED to WATCHING only where the market was never ARMED."""

UNRESOLVED = frozenset({State.ARMED, State.SENT, State.UNCERTAIN, State.MATCHED})
"""States that a later run must clear up before it trades."""


class IllegalMoveError(Exception):
    """A move that is not in MOVES: a fault of this program."""


def check_move(old: State, new: State) -> None:
    """Raise IllegalMoveError unless ``new`` may follow ``old``."""
    if new not in MOVES[old]:
        raise IllegalMoveError(f"{old} cannot become {new}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One fill-or-kill buy: ``spend``, ``limit`` and the grid's ``tick`` in micros."""

    condition_id: ConditionId
    ticker: str
    token_id: TokenId
    outcome: Outcome
    spend: int
    limit: int
    tick: int
    close_at: int = NEVER
    """The market's close, Unix ns: later than this no order leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """An order ready to go: its id is its EIP-712 hash, amounts are micros.

    ``maker_amount`` is the pUSD spent, ``taker_amount`` the shares at least received.
    ``body`` is the request's exact JSON. ``fee_rate`` is the market's, None if unknown.
    """

    order_id: str
    condition_id: ConditionId
    token_id: TokenId
    outcome: Outcome
    maker_amount: int
    taker_amount: int
    limit: int
    body: bytes = field(repr=False)  # holds the API key
    fee_rate: int | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """Bought: ``shares`` for ``cost``, both micros, fee not included.

    ``levels`` are the (price, shares) it consists of, which its fee depends on; empty
    where they are not known.
    """

    shares: int
    cost: int
    levels: tuple[tuple[int, int], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Matched:
    """The exchange says executed: what it claims, in micros, and trades to follow."""

    shares: int
    cost: int
    trade_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Killed:
    """Not bought, with the reason: the book could not fill all of it at the limit."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not bought: refused, or never sent. ``halts``: so would be the next."""

    reason: str
    halts: bool = False


@dataclass(frozen=True, slots=True)
class Reverted:
    """Not bought: it was matched, and its trades failed on chain."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It may have been bought. Never sent again; to be reconciled."""

    reason: str


Result = Fill | Matched | Killed | Rejected | Reverted | Uncertain

STATE_OF: Mapping[type[Result], State] = {
    Fill: State.FILLED,
    Matched: State.MATCHED,
    Killed: State.KILLED,
    Rejected: State.REJECTED,
    Reverted: State.REVERTED,
    Uncertain: State.UNCERTAIN,
}
"""The state that each answer of the exchange leads to."""


class Figure(StrEnum):
    """Three answers to what an order would have got, from the kindest to the hardest.

    - optimistic: the book as it was seen at the decision
    - realistic: the book at the moment of matching; the one that counts
    - pessimistic: realistic, and the public tape, or the book a second later, agrees
    """

    OPTIMISTIC = "optimistic"
    REALISTIC = "realistic"
    PESSIMISTIC = "pessimistic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One figure of an order: its end, and the best ask ``at`` that Unix ns."""

    figure: Figure
    result: Fill | Killed | Rejected
    ask: int | None
    at: int


@dataclass(frozen=True, slots=True)
class Followed:
    """What is known now: of the ids asked after, the order that exists, and its end."""

    order_id: str | None
    result: Result

    @property
    def final(self) -> bool:
        """Whether there is nothing more to ask."""
        return not isinstance(self.result, Matched | Uncertain)


def whole(taker_amount: int) -> int:
    """The fewest shares, micros, of a whole fill: a level's dust may stay unspent."""
    return taker_amount - taker_amount // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """A market whose order may have been executed, as the ledger knows it.

    ``order_ids`` are those that may have been sent: one once SENT, else both tokens'.
    ``since`` is when, at the earliest, Unix ns. ``matched``: the exchange once said so.
    """

    condition_id: ConditionId
    ticker: str
    state: State
    order_ids: tuple[str, ...]
    since: int
    matched: bool = False
    at_least: int = 0
    """Shares, micros, under which a fill of it is not whole yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A closed market whose official result is not booked; what is held of it.

    ``close_at`` in Unix ns. ``heard``: the winning token by the stream, "" when it did
    not say. ``known``: what a share of Up paid, micros, as noted before. ``disputed``:
    sources have contradicted each other. ``token_id`` is "" where nothing was bought;
    ``shares``, ``cost`` and ``fee`` (None: not known) in micros.
    """

    condition_id: ConditionId
    ticker: str
    token_up: TokenId
    token_down: TokenId
    close_at: int
    heard: TokenId = NO_TOKEN
    known: int | None = None
    disputed: bool = False
    token_id: TokenId = NO_TOKEN
    shares: int = 0
    cost: int = 0
    fee: int | None = None
