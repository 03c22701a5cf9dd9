"""What is known of one market: both tokens' books, and what is wrong with them."""

import logging
from enum import StrEnum

from lastsecond import money
from lastsecond.book import Book
from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.merge import MergedBook
from lastsecond.money import MICRO
from lastsecond.wire.market_channel import (
    BestBidAsk,
    BookSnapshot,
    Event,
    LastTrade,
    PriceChange,
    TickSizeChange,
)

BOOK_AGE_LIMIT = 5 * NANOSECONDS
"""Monotonic ns: a book whose last word is older never trades."""

logger = logging.getLogger(__name__)


class BookFault(StrEnum):
    """Why what is known cannot be believed."""

    NO_BOOK = "no_book"
    STALE_BOOK = "stale_book"
    SOCKETS_DISAGREE = "sockets_disagree"
    DOUBTFUL_BOOK = "doubtful_book"
    CROSSED_BOOK = "crossed_book"
    HALF_UPDATED = "half_updated"


class MarketView:
    """Both tokens' books as two sockets (0 and 1) tell them; times in monotonic ns."""

    def __init__(self, ticker: str, yes: TokenId, no: TokenId) -> None:
        """Begin with nothing known; ``ticker`` is for the logs."""
        self.books = {token: MergedBook(token) for token in (yes, no)}
        self._ticker = ticker

    def leading(self, token: TokenId) -> Book:
        """The book to believe for one token."""
        return self.books[token].leading

    def take(self, event: Event, source: int, at: int) -> None:
        """Take one event from socket ``source``; other markets' are ignored."""
        if isinstance(event, PriceChange):
            for token, book in self.books.items():
                mine = [c for c in event.changes if c.asset_id == token]
                if mine:
                    book.change(mine, event.timestamp, source, at)
            return
        found = self.books.get(getattr(event, "asset_id", TokenId("")))
        if found is None:
            return
        match event:
            case BookSnapshot():
                found.snapshot(event, source, at)
            case BestBidAsk():
                found.quote(event, source, at)
            case LastTrade():
                found.touch(source, at)
            case TickSizeChange():
                if found.set_tick(event.new_tick_size, source):
                    tick = money.text(event.new_tick_size)
                    logger.debug("TICK %s tick=%s", self._ticker, tick)
            case _:
                pass

    def forget(self, source: int) -> None:
        """Know nothing more from a socket whose connection was lost."""
        for book in self.books.values():
            book.forget(source)

    def age(self, now: int) -> int | None:
        """How long ago the quieter of the two books was last known true."""
        ages = [book.age(now) for book in self.books.values()]
        known = [age for age in ages if age is not None]
        return max(known) if len(known) == len(ages) else None

    def fault(self, now: int) -> BookFault | None:
        """What is wrong with either book, or between them; None when nothing is."""
        for book in self.books.values():
            if found := _fault(book, now):
                return found
        return None if self._mirrored() else BookFault.HALF_UPDATED

    def _mirrored(self) -> bool:
        """Whether each token's best ask is 1 less the other's best bid.

        Both tokens trade on one book (docs/exchange.md): where they differ, one of them
        has moved and the other's frame is still on its way.
        """
        yes, no = (book.leading for book in self.books.values())
        return all(
            one.best_ask == (None if other.best_bid is None else MICRO - other.best_bid)
            for one, other in ((yes, no), (no, yes))
        )


def _fault(book: MergedBook, now: int) -> BookFault | None:
    lead, age = book.leading, book.age(now)
    if age is None or not lead.timestamp:
        return BookFault.NO_BOOK
    if age > BOOK_AGE_LIMIT:
        return BookFault.STALE_BOOK
    if book.in_dispute(now):
        return BookFault.SOCKETS_DISAGREE
    if lead.doubtful:
        return BookFault.DOUBTFUL_BOOK
    return BookFault.CROSSED_BOOK if lead.crossed else None
