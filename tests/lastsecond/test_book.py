"""A book holds what its source said last, and knows when it does not."""

from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lastsecond.book import Book
from lastsecond.market import ConditionId, TokenId
from lastsecond.money import MICRO
from lastsecond.wire.market_channel import (
    BookSnapshot,
    LevelChange,
    Levels,
    Side,
    decode,
)

TOKEN = TokenId("7")
FRAMES = (
    (Path(__file__).parents[1] / "data" / "wire" / "book_frames.jsonl")
    .read_bytes()
    .splitlines()
)


def snapshot(
    timestamp: int, bids: Levels = (), asks: Levels = (), tick: int | None = None
) -> BookSnapshot:
    return BookSnapshot(ConditionId("0x"), TOKEN, timestamp, bids, asks, "", tick)


def change(
    side: Side,
    price: int,
    size: int,
    quotes: tuple[int | None, int | None] | None = None,
) -> LevelChange:
    bid, ask = quotes or (None, None)
    return LevelChange(TOKEN, side, price, size, bid, ask, quotes is not None)


def opened(
    bids: Levels = ((40, 5), (41, 6)), asks: Levels = ((45, 7), (44, 8))
) -> Book:
    """A book after a snapshot of timestamp 100, seen at 1."""
    book = Book(TOKEN)
    assert book.replace(snapshot(100, bids, asks, 10_000), 1)
    return book


def test_there_is_no_book_before_the_first_snapshot() -> None:
    """Changes and signs of life before a snapshot leave nothing behind."""
    book = Book(TOKEN)
    assert not book.apply([change(Side.SELL, 44, 8)], 100, 1)
    book.touch(2)
    assert (book.asks, book.best_ask, book.seen, book.age(9)) == ({}, None, None, None)
    assert (book.timestamp, book.applied_at_timestamp) == (0, 0)


def test_takes_a_snapshot_whole() -> None:
    """A snapshot sets both sides, their best prices, the time and the tick."""
    book = opened()
    assert (book.bids, book.asks) == ({40: 5, 41: 6}, {44: 8, 45: 7})
    assert (book.best_bid, book.best_ask) == (41, 44)
    assert (book.timestamp, book.tick_size, book.seen) == (100, 10_000, 1)
    assert book.token_id == TOKEN


def test_reads_recorded_books_best_last() -> None:
    """In recorded books the best price is the last of each side, or None."""
    for frame in FRAMES:
        (event,) = decode(frame).events
        assert isinstance(event, BookSnapshot)
        book = Book(event.asset_id)
        assert book.replace(event, 1)
        assert book.best_bid == event.bids[-1][0]
        assert book.best_ask == (event.asks[-1][0] if event.asks else None)
        assert not book.crossed


def test_a_snapshot_of_the_same_time_replaces_and_keeps_the_tick() -> None:
    """An equal timestamp is no older; without a tick the known one stays."""
    book = opened()
    assert book.replace(snapshot(100, asks=((50, 1),)), 2)
    assert (book.best_bid, book.best_ask, book.tick_size) == (None, 50, 10_000)


def test_older_data_changes_nothing() -> None:
    """A snapshot or a change older than the book is refused, and is no sign of life."""
    book = opened()
    assert not book.replace(snapshot(99), 2)
    assert not book.apply([change(Side.BUY, 43, 1)], 99, 2)
    assert not book.apply([], 101, 2)
    assert (book.best_bid, book.timestamp, book.seen) == (41, 100, 1)


def test_changes_move_the_best_prices() -> None:
    """Levels are set and removed, and the best prices follow on both sides."""
    book = opened()
    assert book.apply([change(Side.BUY, 42, 1), change(Side.SELL, 43, 1)], 101, 2)
    assert (book.best_bid, book.best_ask) == (42, 43)
    assert book.apply([change(Side.BUY, 42, 0), change(Side.SELL, 43, 0)], 101, 3)
    assert (book.best_bid, book.best_ask) == (41, 44)
    assert book.apply([change(Side.SELL, 44, 0), change(Side.SELL, 45, 0)], 102, 4)
    assert (book.best_ask, book.applied_at_timestamp, book.seen) == (None, 2, 4)
    assert book.apply([change(Side.SELL, 99, 0)], 102, 5)
    assert (book.best_ask, book.applied_at_timestamp) == (None, 3)


def test_removing_another_level_leaves_the_best_price() -> None:
    """Levels behind the best, and levels that never were, go without moving it."""
    book = opened()
    gone = [change(side, price, 0) for side in Side for price in (40, 45, 50)]
    assert book.apply(gone, 101, 2)
    assert (book.bids, book.asks) == ({41: 6}, {44: 8})
    assert (book.best_bid, book.best_ask) == (41, 44)


def test_counts_the_changes_of_its_newest_moment() -> None:
    """The count goes on within one timestamp and starts anew with the next."""
    book = opened()
    counts = []
    for timestamp in (100, 101, 101, 102):
        book.apply([change(Side.BUY, 1, 1)], timestamp, 2)
        counts.append(book.applied_at_timestamp)
    assert counts == [1, 1, 2, 1]


def test_no_level_stands_at_zero_or_certainty() -> None:
    """A change at a price no order can have is not taken into the book."""
    book = opened()
    assert book.apply([change(Side.SELL, 0, 5), change(Side.BUY, MICRO, 5)], 101, 2)
    assert (book.best_bid, book.best_ask) == (41, 44)


def test_a_best_price_that_disagrees_makes_it_doubtful() -> None:
    """Only a snapshot clears the doubt that a disagreeing quote raises."""
    for quotes in ((40, 44), (41, None)):
        book = opened()
        book.apply([change(Side.BUY, 1, 1, quotes)], 101, 2)
        assert book.doubtful
        book.apply([change(Side.BUY, 1, 1, (41, 44))], 102, 2)
        assert book.doubtful
        book.replace(snapshot(103), 3)
        assert not book.doubtful


def test_only_the_last_quote_of_a_frame_counts() -> None:
    """Quotes before the last, and changes that quote nothing, raise no doubt."""
    book = opened()
    changes = [change(Side.BUY, 42, 1, (1, 99)), change(Side.SELL, 44, 0, (42, 45))]
    book.apply(changes, 101, 2)
    book.apply([change(Side.BUY, 43, 1)], 102, 2)
    assert not book.doubtful


def test_an_emptied_side_agrees_with_a_quote_of_nobody() -> None:
    """After its last ask is gone, a quote without an ask is what it says too."""
    book = opened(asks=((44, 8),))
    book.apply([change(Side.SELL, 44, 0, (41, None))], 101, 2)
    assert not book.doubtful


def test_ages_from_the_last_sign_of_life() -> None:
    """Data without a change and a confirmation both make the book young again."""
    book = opened()
    assert book.age(11) == 10
    book.touch(5)
    assert book.age(11) == 6
    book.touch(9)
    assert book.age(11) == 2


def test_knows_when_it_is_crossed() -> None:
    """A bid at or above an ask is crossed; an empty side crosses nothing."""
    assert opened(((44, 1),), ((44, 1),)).crossed
    assert not opened(((43, 1),), ((44, 1),)).crossed
    assert not opened(((43, 1),), ()).crossed


def test_lists_the_asks_that_a_limit_reaches() -> None:
    """Asks at or under the limit come cheapest first, with what they cost together."""
    book = opened(asks=((980_000, 3), (970_000, 10 * MICRO), (990_000, MICRO)))
    assert book.asks_within(980_000) == [(970_000, 10 * MICRO), (980_000, 3)]
    assert book.depth_within(980_000) == 9_700_002
    assert book.asks_within(960_000) == []
    assert book.depth_within(960_000) == 0


PRICES = st.integers(1, 8)
LEVELS = st.dictionaries(PRICES, st.integers(1, 9), max_size=5)
CHANGES = st.lists(
    st.tuples(st.sampled_from(Side), PRICES, st.integers(0, 3)), min_size=1, max_size=4
)


class BookMachine(RuleBasedStateMachine):
    """Any order of events against two plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(TOKEN)
        self.levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self.timestamp: int | None = None
        self.at: int | None = None
        self.clock = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    @rule(timestamp=st.integers(0, 9), bids=LEVELS, asks=LEVELS)
    def replace(
        self, timestamp: int, bids: dict[int, int], asks: dict[int, int]
    ) -> None:
        at = self.tick()
        newer = timestamp >= (self.timestamp or 0)
        event = snapshot(timestamp, tuple(bids.items()), tuple(asks.items()))
        assert self.book.replace(event, at) == newer
        if newer:
            self.levels = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
            self.timestamp, self.at = timestamp, at

    @rule(timestamp=st.integers(0, 9), entries=CHANGES)
    def apply(self, timestamp: int, entries: list[tuple[Side, int, int]]) -> None:
        at = self.tick()
        newer = self.timestamp is not None and timestamp >= self.timestamp
        changes = [change(*entry) for entry in entries]
        assert self.book.apply(changes, timestamp, at) == newer
        if newer:
            for side, price, size in entries:
                self.levels[side][price] = size
            self.timestamp, self.at = timestamp, at

    @invariant()
    def holds_what_was_said_last(self) -> None:
        bids, asks = (
            {price: size for price, size in self.levels[side].items() if size}
            for side in (Side.BUY, Side.SELL)
        )
        assert (self.book.bids, self.book.asks) == (bids, asks)
        assert self.book.best_bid == (max(bids) if bids else None)
        assert self.book.best_ask == (min(asks) if asks else None)

    @invariant()
    def never_goes_back(self) -> None:
        assert self.book.timestamp == (self.timestamp or 0)
        assert self.book.seen == self.at
        assert not self.book.doubtful


BookMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None
)
TestBook = BookMachine.TestCase
