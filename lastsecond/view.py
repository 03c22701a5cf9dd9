"""What is known of one market: both tokens' books, and what is wrong with them."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from lastsecond import money
from lastsecond.book import Book
from lastsecond.market import MILLISECOND, NANOSECONDS, NO_TOKEN, Outcome, TokenId
from lastsecond.merge import MergedBook
from lastsecond.money import MICRO
from lastsecond.trail import FRESH, NO_BOOK, STALE, Print, Scene, Trail
from lastsecond.wire.market_channel import (
    BestBidAsk,
    BookSnapshot,
    Event,
    LastTrade,
    LevelChange,
    MarketResolved,
    PriceChange,
    Side,
    TickSizeChange,
)

BOOK_AGE_LIMIT = FRESH
"""Monotonic ns: a book whose last word is older never trades."""

BEHIND_LIMIT = NANOSECONDS
"""Ns by which the newest word may be older than its first coming, over either socket.

The exchange's own events are out of step by up to 0.6 s, and its queues have been seen
11 s long (live study of 2026-10-04, docs/exchange.md).
"""

_SILENCE = NANOSECONDS
_TELLS_ITS_TIME = PriceChange, BestBidAsk, LastTrade
_OfOneToken = BookSnapshot | BestBidAsk | LastTrade | TickSizeChange

logger = logging.getLogger(__name__)


class BookFault(StrEnum):
    """Why what is known cannot be believed."""

    NO_BOOK = NO_BOOK
    STALE_BOOK = STALE
    SOCKETS_DISAGREE = "sockets_disagree"
    DOUBTFUL_BOOK = "doubtful_book"
    CROSSED_BOOK = "crossed_book"
    HALF_UPDATED = "half_updated"
    LOST_GROUND = "lost_ground"
    LATE_FEED = "late_feed"


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
        self._newest = 0
        self._behind: int | None = None

    def book_of(self, outcome: Outcome) -> Book:
        """The book to believe for one outcome."""
        yes, no = self.books.values()
        return (yes if outcome is Outcome.UP else no).leading

    def leading(self, token: TokenId) -> Book:
        """The book to believe for one token."""
        return self.books[token].leading

    def take(
        self, events: Iterable[Event], source: int, at: int, now: int | None = None
    ) -> None:
        """Take a frame's events from socket ``source``; other markets' are ignored.

        ``now`` is the exchange's time, Unix ns: by it a feed that lags is found out.
        """
        last, self._last_data = self._last_data, at
        if last is not None and at - last > _SILENCE:
            self._silence += at - last
        for event in events:
            self._take(event, source, at)
            if now is not None and isinstance(event, _TELLS_ITS_TIME):
                self._learn_lag(event.timestamp, now)
        if self._trails:
            self._note(source, at)

    def _learn_lag(self, timestamp: int, now: int) -> None:
        """Whichever socket tells the newest first says how late the feed is."""
        behind = now - timestamp * MILLISECOND
        if timestamp > self._newest and behind > -BEHIND_LIMIT:
            self._newest, self._behind = timestamp, behind

    def _take(self, event: Event, source: int, at: int) -> None:
        if isinstance(event, PriceChange):
            mine: dict[TokenId, list[LevelChange]] = {}
            for change in event.changes:
                mine.setdefault(change.asset_id, []).append(change)
            for token, changes in mine.items():
                if book := self.books.get(token):
                    book.change(changes, event.timestamp, source, at)
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
        self._note(source, at, lost=True)

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
        begun = (
            self._scene(token, limit, at, lead, 0),
            self._scene(token, limit, at, lead, 1),
        )
        trail = Trail(token, limit, begun[self.books[token].leader], begun)
        self._trails = [known for known in self._trails if known[0].until is None]
        self._trails.append((trail, lead))
        return trail

    def _note(self, source: int, at: int, *, lost: bool = False) -> None:
        for trail, lead in self._trails:
            scene = self._scene(trail.token_id, trail.limit, at, lead, source)
            if lost:  # nothing is known from right after the last frame on
                scene = replace(scene, at=trail.newest(source) + 1)
            trail.show(scene, source)

    def _scene(
        self, token: TokenId, limit: int, at: int, lead: int, source: int
    ) -> Scene:
        """What one socket shows."""
        pair = [book.books[source] for book in self.books.values()]
        book = self.books[token].books[source]
        seen = [each.seen for each in pair if each.seen is not None]
        newest = max(each.timestamp for each in pair)
        return Scene(
            at=newest * MILLISECOND or at + lead,
            known_at=(min(seen) if len(seen) == len(pair) else at) + lead,
            fault=self._own_fault(source, at),
            asks=tuple(book.asks_within(limit)),
            best_ask=book.best_ask,
            tick=book.tick_size,
        )

    def _own_fault(self, source: int, at: int) -> str:
        pair = [book.books[source] for book in self.books.values()]
        for book in pair:
            if fault := _fault(book, book.age(at)):
                return fault
        if any(merged.in_dispute(at) for merged in self.books.values()):
            return BookFault.SOCKETS_DISAGREE
        return "" if _mirrored(*pair) else BookFault.HALF_UPDATED

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
            found = _fault(book.leading, book.age(now))
            if found in {BookFault.NO_BOOK, BookFault.STALE_BOOK}:
                return found
            if book.in_dispute(now):
                return BookFault.SOCKETS_DISAGREE
            if book.behind:
                return BookFault.LOST_GROUND
            if found:
                return found
        if self._behind is not None and self._behind > BEHIND_LIMIT:
            return BookFault.LATE_FEED
        yes, no = (book.leading for book in self.books.values())
        return None if _mirrored(yes, no) else BookFault.HALF_UPDATED


def _mirrored(yes: Book, no: Book) -> bool:
    """Whether each token's best ask is 1 less the other's best bid.

    Both tokens trade on one book (docs/exchange.md): where they differ, one of them has
    moved and the other's frame is still on its way.
    """
    return all(
        one.best_ask == (None if other.best_bid is None else MICRO - other.best_bid)
        for one, other in ((yes, no), (no, yes))
    )


def _fault(book: Book, age: int | None) -> BookFault | None:
    if age is None or not book.timestamp:
        return BookFault.NO_BOOK
    if age > BOOK_AGE_LIMIT:
        return BookFault.STALE_BOOK
    if book.doubtful:
        return BookFault.DOUBTFUL_BOOK
    return BookFault.CROSSED_BOOK if book.crossed else None
