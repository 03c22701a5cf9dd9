"""One token as two sockets show it: the one ahead leads, the other vouches.

The laws of this file:

- A book is built from one socket only, in that socket's order; streams are never mixed,
  so a late copy of a change cannot undo a newer one.
- The book with the newest exchange timestamp leads; the first socket to deliver wins.
- Several changes may carry one timestamp, so two books are compared as they stood at
  its end: when each has moved on, or both have rested. A difference that lasts puts the
  token in dispute.
"""

from collections.abc import Sequence

from lastsecond.book import Book
from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.wire.market_channel import BestBidAsk, BookSnapshot, LevelChange

LASTING = NANOSECONDS // 2
"""Monotonic ns after which a difference between the sockets counts."""

_REMEMBERED = 256
_OUT_OF_STEP_MS = 600
_Best = tuple[int | None, int | None]


class MergedBook:
    """Two sockets' books of one token, and which of them to believe."""

    def __init__(self, token_id: TokenId) -> None:
        """Begin with nothing known; ``books`` are the YES and the NO socket's."""
        self.token_id = token_id
        self.books = [Book(token_id), Book(token_id)]
        self._differs_since: int | None = None
        self._changed_at = 0
        self._newest = 0
        self._ends: dict[int, tuple[int, _Best]] = {}

    @property
    def leading(self) -> Book:
        """The book furthest ahead; at a tie, one that is not doubtful."""
        first, second = self.books
        if first.timestamp == second.timestamp:
            return second if _rank(second) > _rank(first) else first
        return first if first.timestamp > second.timestamp else second

    @property
    def behind(self) -> bool:
        """Whether what leads now is older than what was once known: that was lost."""
        return self.leading.timestamp < self._newest

    @property
    def best_ask(self) -> int | None:
        """Lowest ask, micros; None when nobody sells or nothing is known."""
        return self.leading.best_ask

    def age(self, now: int) -> int | None:
        """Monotonic ns since either socket, or /book, last spoke; None before that."""
        seen = [book.seen for book in self.books if book.seen is not None]
        return now - max(seen) if seen else None

    def in_dispute(self, now: int) -> bool:
        """Whether the sockets showed different ends of one timestamp, for LASTING."""
        if self._differs_since is not None:
            return now - self._differs_since >= LASTING
        first, second = self.books
        at_rest = now - self._changed_at >= LASTING
        together = first.timestamp == second.timestamp
        return at_rest and together and _best(first) != _best(second)

    def snapshot(self, event: BookSnapshot, source: int, at: int) -> None:
        """Take a whole book from socket ``source`` (0 or 1)."""
        book = self.books[source]
        before, best = book.timestamp, _best(book)
        if book.replace(event, at):
            self._changed_at = at
            if before < event.timestamp:
                self._moved_on(source, at, before, best)

    def change(
        self, changes: Sequence[LevelChange], timestamp: int, source: int, at: int
    ) -> None:
        """Take this token's changes of one frame from socket ``source``."""
        book = self.books[source]
        before, best = book.timestamp, (book.best_bid, book.best_ask)
        if book.apply(changes, timestamp, at):
            self._changed_at = at
            if before < timestamp:
                self._moved_on(source, at, before, best)

    def set_tick(self, tick: int, source: int) -> bool:
        """Take a new tick size, micros; whether it is news from either socket."""
        news = all(book.tick_size != tick for book in self.books)
        self.books[source].tick_size = tick
        return news

    def touch(self, source: int, at: int) -> None:
        """Take word from socket ``source`` that changes no level."""
        self.books[source].touch(at)

    def quote(self, event: BestBidAsk, source: int, at: int) -> None:
        """Hold the exchange's own best prices against socket ``source``'s book.

        They may run ahead of or behind the book by up to 0.6 s (seen 2026-10-04);
        beyond that a difference means that a change was lost.
        """
        book = self.books[source]
        if (event.best_bid, event.best_ask) == _best(book):
            book.touch(at)
        elif event.timestamp > book.timestamp + _OUT_OF_STEP_MS:
            book.doubtful = True

    def forget(self, source: int) -> None:
        """Know nothing more from socket ``source``: its connection was lost."""
        self.books[source] = Book(self.token_id)
        self._differs_since = None
        self._ends.clear()

    @property
    def leader(self) -> int:
        """Which socket's book leads: 0 or 1."""
        return self.books.index(self.leading)

    def verify(self, snapshot: BookSnapshot, at: int) -> bool:
        """Take what /book said; whether the leading book can now be called fresh.

        An answer older than the stream confirms it only if the best prices agree.
        """
        lead = self.leading
        replaced = [book.replace(snapshot, at) for book in self.books]
        if any(replaced):
            self._newest = max(self._newest, snapshot.timestamp)
            self._differs_since = None
            self._ends.clear()
            return not self.leading.doubtful
        said = (
            max((price for price, _ in snapshot.bids), default=None),
            min((price for price, _ in snapshot.asks), default=None),
        )
        if lead.doubtful or said != _best(lead):
            return False
        lead.touch(at)
        return True

    def _moved_on(self, source: int, at: int, timestamp: int, best: _Best) -> None:
        """Compare how the timestamp that a book has left ended on either socket."""
        self._newest = max(self._newest, self.books[source].timestamp)
        if not timestamp:
            return
        seen = self._ends.pop(timestamp, None)
        if seen is None or seen[0] == source:
            self._ends[timestamp] = source, best
            if len(self._ends) > _REMEMBERED:
                del self._ends[next(iter(self._ends))]
        elif seen[1] == best:
            self._differs_since = None
        elif self._differs_since is None:
            self._differs_since = at


def _best(book: Book) -> _Best:
    return book.best_bid, book.best_ask


def _rank(book: Book) -> tuple[bool, int]:
    """What decides between books of one timestamp."""
    return not book.doubtful, book.applied_at_timestamp
