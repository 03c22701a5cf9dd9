"""What the spine asks of the world, and the World that answers.

The spine never opens a socket, reads a clock or sends an order itself: it holds a World
and asks. A dry run, a live run and a simulated one differ in their World only.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lastsecond.history import Day, Observation
from lastsecond.market import ConditionId, TokenId
from lastsecond.orders import (
    Awaited,
    Estimate,
    Followed,
    Intent,
    OpenOrder,
    Result,
    SignedOrder,
    State,
)
from lastsecond.trail import Trail
from lastsecond.wire.market_channel import Frame


class Clock(Protocol):
    """Time. Nothing else reads a clock."""

    def now(self) -> int:
        """The exchange's time as far as known: Unix nanoseconds."""
        ...

    def monotonic(self) -> int:
        """Nanoseconds that never go back, for ages."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long; cancelling is safe."""
        ...

    async def sleep_until(self, when: int) -> None:
        """Return at or after ``when`` (Unix ns), never before; cancelling is safe."""
        ...

    async def wake_at(self, when: int) -> None:
        """Like sleep_until, but late by microseconds only; for short waits."""
        ...


class JsonSource(Protocol):
    """HTTP reads. Nothing that changes the world goes through here."""

    async def get(
        self,
        url: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        budget: float = 25.0,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a 200 answer, retried within ``budget`` seconds.

        Raises SourceError: refused, or no answer within the budget.
        """
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """A stream's connection was lost: nothing missed meanwhile is sent again."""


class MarketStream(Protocol):
    """One subscription to a market's frames; reconnects by itself until closed."""

    name: str
    """What logs call it."""

    last_data: int
    """Monotonic ns at which the last frame with data came (PONG is not data)."""

    reconnects: int
    """How often the connection was made anew."""

    @property
    def connected(self) -> bool:
        """Whether a socket is open now, as far as this end knows."""
        ...

    async def open(self) -> None:
        """Connect and subscribe. Raises FeedError; frames() then goes on trying."""
        ...

    def frames(self) -> AsyncIterator[Frame | Gap]:
        """Decoded frames until close(), a Gap at every loss of the connection."""
        ...

    async def renew(self) -> None:
        """Open a second connection, and drop the first once the second speaks.

        A renewal that fails is logged and leaves the first in place.
        """
        ...

    async def close(self) -> None:
        """End the subscription and frames(); harmless when repeated."""
        ...


NewStream = Callable[[str, Sequence[TokenId]], MarketStream]
"""A stream for these tokens, not yet open; the name is for the logs."""


class Sight(Protocol):
    """One market's books, live."""

    def follow(self, token: TokenId, limit: int, now: int, at: int) -> Trail:
        """What that token's asks up to ``limit`` show from now on, until its end().

        ``now`` is Unix ns, ``at`` the same moment's monotonic ns.
        """
        ...


class Ticket(Protocol):
    """One market's orders, signed and ready, of which at most one may leave."""

    @property
    def orders(self) -> Mapping[TokenId, SignedOrder]:
        """The order for each token that might be bought."""
        ...

    async def warm(self) -> None:
        """Use the way to the venue once, so that it is open; never raises for it."""
        ...

    def fire(self, token_id: TokenId, sight: Sight) -> Awaitable[Result]:
        """Send that token's order, once: its bytes have left when this returns.

        Await the answer; it never raises for what the venue says. ``sight`` is the
        market's live books: a paper venue fills from them, a real one need not look.
        """
        ...

    def estimates(self) -> Sequence[Estimate]:
        """What each figure makes of the order that was sent, as far as known by now."""
        ...

    def close(self) -> None:
        """Give up the way to the venue; harmless when repeated."""
        ...


class Venue(Protocol):
    """Where orders go."""

    label: str
    """PAPER or LIVE, for logs and the ledger."""

    async def arm(self, intents: Sequence[Intent]) -> Ticket:
        """Make one market's orders ready, off the event loop. Raises VenueError."""
        ...

    def follow(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> AsyncIterator[Followed]:
        """What becomes of an order that may have been sent at ``since`` (Unix ns).

        ``order_ids``: the one or two that may have been. Ends when the end is known or
        for now given up; sends nothing.
        """
        ...


class Ledger(Protocol):
    """What is kept of every market, on disk. Only arm() and discover() wait for it."""

    async def discover(
        self,
        condition_id: ConditionId,
        ticker: str,
        close_at: int,
        tokens: tuple[TokenId, TokenId],
    ) -> State:
        """Note a market, closing at Unix ns, its Up and Down; the state it is in."""
        ...

    def was_armed(self, condition_id: ConditionId) -> bool:
        """Whether the market was ever armed: then never again."""
        ...

    def move(
        self,
        condition_id: ConditionId,
        state: State,
        reason: str = "",
        **detail: object,
    ) -> None:
        """Note a new state. Raises IllegalMoveError: a fault of this program."""
        ...

    async def arm(
        self, condition_id: ConditionId, orders: Sequence[SignedOrder]
    ) -> None:
        """Have the orders' ids on disk. Raises LedgerError: nothing may be sent."""
        ...

    def sent(self, condition_id: ConditionId, order_id: str, at: int) -> None:
        """Note that an order's bytes left at Unix ns."""
        ...

    def result(
        self, condition_id: ConditionId, order_id: str | None, result: Result
    ) -> None:
        """Note what became of it."""
        ...

    def estimate(self, order_id: str, estimates: Sequence[Estimate]) -> None:
        """Note what each figure makes of an order that was sent."""
        ...

    def observe(self, condition_id: ConditionId, observation: Observation) -> None:
        """Note how a market was watched: once a run."""
        ...

    def note(
        self, condition_id: ConditionId | None, kind: str, **detail: object
    ) -> None:
        """Note an event that changes no state."""
        ...

    async def awaited(self) -> Sequence[Awaited]:
        """Closed markets whose result is not booked. Raises LedgerError."""
        ...

    def resolve(self, condition_id: ConditionId, paid_up: int, source: str) -> None:
        """Note the official result: what a share of Up paid, micros, and who says."""
        ...

    def settle(self, condition_id: ConditionId, payout: int, source: str) -> None:
        """Note what a filled market paid, micros, and who says so."""
        ...

    async def day(self, since: int) -> Day:
        """What was sent since Unix ns, and what came of it. Raises LedgerError."""
        ...

    async def unresolved(self) -> Sequence[OpenOrder]:
        """Markets whose orders may have been executed, left by earlier runs."""
        ...


class Guard(StrEnum):
    """What forbids an order whatever its market shows."""

    HALTED = "halted"
    CLOCK_UNKNOWN = "clock_unknown"
    CLOCK_OFF = "clock_off"
    LOOP_LAG = "loop_lag"


class Safeguards(Protocol):
    """The caps, the halt, the clock and the loop: asked before every order."""

    async def prepare(self) -> None:
        """Learn from the ledger what has been spent and lost. Raises LedgerError."""
        ...

    def objection(self, spend: int) -> Guard | None:
        """What forbids spending that many micros now; cheap, never blocks long."""
        ...

    def fired(self, spend: int) -> None:
        """Count an order as it leaves."""
        ...

    def answered(self, result: Result) -> None:
        """Count an answer; one that would meet every order halts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside the program, ready to use."""

    clock: Clock
    source: JsonSource
    new_stream: NewStream
    venue: Venue
    ledger: Ledger
    safeguards: Safeguards
    expect: Callable[[int], None]
    """Told the close of each market (Unix ns), so that nothing else runs then."""
    calm: Callable[[], Awaitable[None]]
    """Returns when no market is in its last seconds, which belong to its order."""
    gamma_host: str
    clob_host: str
    clock_offset: Callable[[], int | None] = lambda: None
    """How far the exchange's clock is ahead of this machine's, ns; None: unknown."""
    blocked: Callable[[float], int | None] = lambda _: None
    """The longest that this program held up its loop in the last seconds, ns."""
    halted: Callable[[], str | None] = lambda: None
    """Why live orders are forbidden; None when they are not."""
    epilogue: Callable[[], Awaitable[None]]
    """Returns when the world has no more to tell of the markets it was asked for."""
