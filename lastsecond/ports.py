"""What the spine asks of the world, and the World that answers.

The spine never opens a socket, reads a clock or sends an order itself: it holds a World
and asks. A dry run, a live run and a simulated one differ in their World only.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lastsecond.book import Book
from lastsecond.market import TokenId
from lastsecond.orders import Intent, Result
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


class JsonSource(Protocol):
    """HTTP reads. Nothing that changes the world goes through here."""

    async def get(
        self,
        url: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        budget: float = 25.0,
    ) -> bytes:
        """The body of a 200 answer, retried within ``budget`` seconds.

        Raises SourceError: refused, or no answer within the budget.
        """
        ...


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

    def frames(self) -> AsyncIterator[Frame]:
        """Decoded frames until close(); drops and malformed frames do not end it."""
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


class Venue(Protocol):
    """Where orders go."""

    label: str
    """PAPER or LIVE, for logs."""

    async def buy(self, intent: Intent, book: Book) -> Result:
        """Send one fill-or-kill order, once; never raises for what the venue answers.

        ``book`` is the token's live book: a paper venue fills from it, a real one has
        no use for it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside the program, ready to use."""

    clock: Clock
    source: JsonSource
    new_stream: NewStream
    venue: Venue
    gamma_host: str
    clob_host: str
    epilogue: Callable[[], Awaitable[None]]
    """Returns when the world has no more to tell of the markets it was asked for."""
