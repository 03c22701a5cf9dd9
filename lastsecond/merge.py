"""One token as two sockets show it: the one ahead leads, the other vouches.

The laws of this file:

- A book is built from one socket only, in that socket's order; streams are never mixed,
  so a late copy of a change cannot undo a newer one.
- The book with the newest exchange timestamp leads; the first socket to deliver wins.
- At equal timestamps the two books must show the same best prices. Where they do not,
  for longer than LASTING, the token is in dispute.
"""

from collections.abc import Sequence

from lastsecond.book import Book
from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.wire.market_channel import BookSnapshot, LevelChange

LASTING = NANOSECONDS // 2
"""Monotonic ns after which a difference between the sockets counts."""


class MergedBook:
    """Two sockets' books of one token, and which of them to believe."""

    def __init__(self, token_id: TokenId) -> None:
        """Begin with nothing known; ``books`` are the YES and the NO socket's."""
        self.token_id = token_id
        self.books = (Book(token_id), Book(token_id))
        self._differs_since: int | None = None

    @property
    def leading(self) -> Book:
        """The book furthest ahead; at a tie, one that is not doubtful."""
        return max(self.books, key=_lead)

    @property
    def best_ask(self) -> int | None:
        """Lowest ask, micros; None when nobody sells or nothing is known."""
        return self.leading.best_ask

    def age(self, now: int) -> int | None:
        """Monotonic ns since either socket, or /book, last spoke; None before that."""
        seen = [book.seen for book in self.books if book.seen is not None]
        return now - max(seen) if seen else None

    def in_dispute(self, now: int) -> bool:
        """Whether the sockets have differed at equal timestamps for LASTING."""
        since = self._differs_since
        return since is not None and now - since >= LASTING

    def snapshot(self, event: BookSnapshot, source: int, at: int) -> None:
        """Take a whole book from socket ``source`` (0 or 1)."""
        self.books[source].replace(event, at)
        self._compare(at)

    def change(
        self, changes: Sequence[LevelChange], timestamp: int, source: int, at: int
    ) -> None:
        """Take this token's changes of one frame from socket ``source``."""
        self.books[source].apply(changes, timestamp, at)
        self._compare(at)

    def touch(self, source: int, at: int) -> None:
        """Take word from socket ``source`` that changes no level."""
        self.books[source].touch(at)

    def verify(self, snapshot: BookSnapshot, at: int) -> bool:
        """Take what /book said; whether the leading book can now be called fresh.

        An answer older than the stream confirms it only if the best prices agree.
        """
        lead = self.leading
        replaced = [book.replace(snapshot, at) for book in self.books]
        self._compare(at)
        if any(replaced):
            return not self.leading.doubtful
        best = (
            max((price for price, _ in snapshot.bids), default=None),
            min((price for price, _ in snapshot.asks), default=None),
        )
        if lead.doubtful or best != (lead.best_bid, lead.best_ask):
            return False
        lead.confirm(at)
        return True

    def _compare(self, at: int) -> None:
        first, second = self.books
        if not first.timestamp or first.timestamp != second.timestamp:
            return
        if (first.best_bid, first.best_ask) == (second.best_bid, second.best_ask):
            self._differs_since = None
        elif self._differs_since is None:
            self._differs_since = at


def _lead(book: Book) -> tuple[int, bool, int]:
    return book.timestamp, not book.doubtful, book.applied_at_timestamp
