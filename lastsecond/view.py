"""What is known of one market: both tokens' books, and what is wrong with them."""

import logging
from collections.abc import Iterable
from enum import StrEnum

from lastsecond import money
from lastsecond.book import Book
from lastsecond.market import NANOSECONDS, NO_TOKEN, Outcome, TokenId
from lastsecond.merge import MergedBook
from lastsecond.money import MICRO
from lastsecond.trail import FRESH, MILLISECOND, STALE, Print, Scene, Trail
from lastsecond.wire.market_channel import (
    BestBidAsk,
    BookSnapshot,
    Event,
    LastTrade,
    MarketResolved,
    PriceChange,
    Side,
    TickSizeChange,
)

BOOK_AGE_LIMIT = FRESH
"""Monotonic ns: a book whose last word is older never trades."""

_SILENCE = NANOSECONDS
_OfOneToken = BookSnapshot | BestBidAsk | LastTrade | TickSizeChange

logger = logging.getLogger(__name__)


class BookFault(StrEnum):
    """Why what is known cannot be believed."""

    NO_BOOK = "no_book"
    STALE_BOOK = STALE
    SOCKETS_DISAGREE = "sockets_disagree"
    DOUBTFUL_BOOK = "doubtful_book"
    CROSSED_BOOK = "crossed_book"
    HALF_UPDATED = "half_updated"


class MarketView:
    """Both tokens' books as two sockets (0 and 1) tell them; times in monotonic ns."""

    def __init__(self, ticker: str, yes: TokenId, no: TokenId) -> None:
        """Begin with nothing known; ``ticker`` is for the logs."""
        self.books = {token: MergedBook(token) for token in (yes, no)}
        self.heard = NO_TOKEN
        """The winning token, once the stream has told the result."""
        self._ticker = ticker
        self._silence = 0
        self._last_data: int | None = None
        self._trails: list[tuple[Trail, int]] = []

    def book_of(self, outcome: Outcome) -> Book:
        """The book to believe for one outcome."""
        yes, no = self.books.values()
        return (yes if outcome is Outcome.UP else no).leading

    def leading(self, token: TokenId) -> Book:
        """The book to believe for one token."""
        return self.books[token].leading

    def take(self, events: Iterable[Event], source: int, at: int) -> None:
        """Take a frame's events from socket ``source``; other markets' are ignored."""
        self._silence = self.silence_until(at, at)
        self._last_data = at
        for event in events:
            self._take(event, source, at)
        self._note(at)

    def _take(self, event: Event, source: int, at: int) -> None:
        if isinstance(event, PriceChange):
            for token, book in self.books.items():
                mine = [c for c in event.changes if c.asset_id == token]
                if mine:
                    book.change(mine, event.timestamp, source, at)
        elif isinstance(event, MarketResolved):
            if event.winning_asset_id in self.books:
                self.heard = event.winning_asset_id
        elif found := self.books.get(event.asset_id):
            self._take_one(found, event, source, at)

    def _take_one(
        self, book: MergedBook, event: _OfOneToken, source: int, at: int
    ) -> None:
        match event:
            case BookSnapshot():
                book.snapshot(event, source, at)
            case BestBidAsk():
                book.quote(event, source, at)
            case LastTrade():
                book.touch(source, at)
                self._print(event, source)
            case TickSizeChange():
                if book.set_tick(event.new_tick_size, source):
                    tick = money.text(event.new_tick_size)
                    logger.debug("TICK %s tick=%s", self._ticker, tick)

    def forget(self, source: int, at: int) -> None:
        """Know nothing more from a socket whose connection was lost."""
        for book in self.books.values():
            book.forget(source)
        self._note(at)

    def silence_until(self, at: int, since: int) -> int:
        """Ns in which neither socket had data for more than a second, added up.

        ``since`` is when the watching began, where nothing ever came.
        """
        last = since if self._last_data is None else self._last_data
        gap = at - last
        return self._silence + (gap if gap > _SILENCE else 0)

    def follow(self, token: TokenId, limit: int, now: int, at: int) -> Trail:
        """A trail of that token's asks up to ``limit``, from now on until its end().

        ``now`` is Unix ns, ``at`` the same moment's monotonic ns.
        """
        lead = now - at
        trail = Trail(token, limit, self._scene(token, limit, at, lead))
        self._trails = [known for known in self._trails if known[0].until is None]
        self._trails.append((trail, lead))
        return trail

    def _note(self, at: int) -> None:
        for trail, lead in self._trails:
            trail.show(self._scene(trail.token_id, trail.limit, at, lead))

    def _scene(self, token: TokenId, limit: int, at: int, lead: int) -> Scene:
        book, age = self.books[token].leading, self.age(at)
        newest = max(other.leading.timestamp for other in self.books.values())
        return Scene(
            at=newest * MILLISECOND or at + lead,
            known_at=at + lead - (age or 0),
            fault=self.fault(at) or "",
            asks=tuple(book.asks_within(limit)),
            best_ask=book.best_ask,
            tick=book.tick_size,
        )

    def _print(self, trade: LastTrade, source: int) -> None:
        """Only what takers bought of this very token shows that its asks were there."""
        if trade.side is not Side.BUY:
            return
        for trail, _ in self._trails:
            if trade.asset_id == trail.token_id:
                at = trade.timestamp * MILLISECOND
                trail.tell(Print(at, trade.price, trade.size), source)

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
