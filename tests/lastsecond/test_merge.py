"""Two sockets' views of one token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.market import ConditionId, TokenId
from lastsecond.merge import LASTING, MergedBook
from lastsecond.wire.market_channel import BookSnapshot, LevelChange, Side

TOKEN = TokenId("1")
YES, NO = 0, 1


def snapshot(timestamp: int, ask: int, size: int = 1_000_000) -> BookSnapshot:
    return BookSnapshot(
        ConditionId("0x"), TOKEN, timestamp, (), ((ask, size),), "", None
    )


def ask(price: int, size: int, best: int | None) -> LevelChange:
    return LevelChange(TOKEN, Side.SELL, price, size, None, best, quotes_best=True)


def test_the_first_socket_to_tell_wins() -> None:
    """The newest timestamp leads, from whichever socket it comes."""
    book = MergedBook(TOKEN)
    book.snapshot(snapshot(100, 970_000), YES, at=1)
    assert book.best_ask == 970_000
    book.snapshot(snapshot(200, 960_000), NO, at=2)
    assert book.best_ask == 960_000


def test_a_late_copy_of_a_change_undoes_nothing() -> None:
    """What the slower socket repeats does not touch the faster one's book."""
    book = MergedBook(TOKEN)
    for source in (YES, NO):
        book.snapshot(snapshot(100, 970_000), source, at=1)
    book.change([ask(960_000, 5, 960_000)], 200, YES, at=2)
    book.change([ask(960_000, 0, 970_000)], 200, YES, at=3)
    book.change([ask(960_000, 5, 960_000)], 200, NO, at=4)
    assert book.best_ask == 970_000
    book.change([ask(960_000, 0, 970_000)], 200, NO, at=5)
    assert book.best_ask == 970_000


def test_nothing_known_is_no_price_and_no_age() -> None:
    """Before the first book there is neither."""
    book = MergedBook(TOKEN)
    assert book.best_ask is None
    assert book.age(10) is None


def test_age_counts_from_the_last_word_of_either_socket() -> None:
    """A touch on one socket keeps the token young."""
    book = MergedBook(TOKEN)
    book.snapshot(snapshot(100, 970_000), YES, at=1_000)
    book.snapshot(snapshot(100, 970_000), NO, at=1_100)
    book.touch(YES, at=5_000)
    assert book.age(6_000) == 1_000


def test_a_passing_difference_is_no_dispute() -> None:
    """Sockets that agree again before LASTING were only out of step."""
    book = MergedBook(TOKEN)
    book.snapshot(snapshot(100, 970_000), YES, at=0)
    book.snapshot(snapshot(100, 960_000), NO, at=0)
    assert not book.in_dispute(LASTING - 1)
    assert book.in_dispute(LASTING)
    book.change([ask(960_000, 0, 970_000), ask(970_000, 1, 970_000)], 100, NO, at=1)
    assert not book.in_dispute(LASTING * 2)


def test_a_lost_change_is_a_dispute_in_a_busy_market_too() -> None:
    """Each end of a timestamp is compared, though the sockets are never in step."""
    book = MergedBook(TOKEN)
    for source in (YES, NO):
        book.snapshot(snapshot(1, 970_000), source, at=0)
    book.change([ask(960_000, 5, 960_000)], 2, YES, at=1)
    for step in range(3, 9):
        for source, timestamp in ((YES, step), (NO, step - 1)):
            at = step * LASTING // 2
            book.change([ask(990_000, step, 960_000)], timestamp, source, at)
    assert book.in_dispute(4 * LASTING)


def test_two_frames_of_one_millisecond_are_no_dispute() -> None:
    """A socket that runs a frame behind the other for long differs in nothing."""
    book = MergedBook(TOKEN)
    for source in (YES, NO):
        book.snapshot(snapshot(1, 970_000), source, at=0)
    frames = [
        ([ask(960_000, size, 960_000 if size else 970_000)], 10 * step)
        for step in range(1, 200)
        for size in (5, 0)
    ]
    for number, (entries, timestamp) in enumerate(frames):
        at = number * LASTING // 50
        book.change(entries, timestamp, YES, at)
        if number:
            book.change(*frames[number - 1], NO, at)
        assert not book.in_dispute(at)


def test_a_tick_is_news_once() -> None:
    """The second socket's word of the same tick size is none."""
    book = MergedBook(TOKEN)
    assert book.set_tick(1_000, YES)
    assert not book.set_tick(1_000, NO)
    assert [b.tick_size for b in book.books] == [1_000, 1_000]


def test_a_socket_left_behind_is_no_dispute() -> None:
    """At different timestamps a difference says nothing."""
    book = MergedBook(TOKEN)
    book.snapshot(snapshot(100, 970_000), YES, at=0)
    book.snapshot(snapshot(101, 960_000), NO, at=0)
    assert not book.in_dispute(LASTING * 10)


def test_at_a_tie_the_book_beyond_doubt_leads() -> None:
    """Of two books of one moment, one that contradicts the exchange is not believed."""
    book = MergedBook(TOKEN)
    for source in (YES, NO):
        book.snapshot(snapshot(100, 970_000), source, at=0)
    book.change([ask(980_000, 5, 950_000)], 200, YES, at=1)
    assert book.leading.doubtful
    book.change([ask(980_000, 5, 970_000)], 200, NO, at=2)
    assert not book.leading.doubtful


@pytest.mark.parametrize(
    ("rest", "fresh", "best"),
    [
        (snapshot(300, 950_000), True, 950_000),
        (snapshot(200, 970_000), True, 970_000),
        (snapshot(100, 970_000), True, 970_000),
        (snapshot(100, 940_000), False, 970_000),
    ],
)
def test_book_answers_confirm_or_replace(
    rest: BookSnapshot, best: int, *, fresh: bool
) -> None:
    """Newer or equal replaces; older confirms if the best prices agree, else not."""
    book = MergedBook(TOKEN)
    book.snapshot(snapshot(200, 970_000), YES, at=0)
    book.snapshot(snapshot(200, 970_000), NO, at=0)
    assert book.verify(rest, at=50) is fresh
    assert book.best_ask == best
    assert book.age(60) == (10 if fresh else 60)


def test_an_older_answer_cannot_clear_a_doubt() -> None:
    """A doubtful book stays so until a snapshot of its own time or later."""
    book = MergedBook(TOKEN)
    book.snapshot(snapshot(100, 970_000), YES, at=0)
    book.change([ask(980_000, 5, 950_000)], 200, YES, at=1)
    assert not book.verify(snapshot(150, 970_000), at=2)
    assert book.leading.doubtful
    assert book.verify(snapshot(200, 950_000), at=3)
    assert book.best_ask == 950_000


def test_an_answer_settles_a_dispute() -> None:
    """/book of the same moment replaces both sockets' books."""
    book = MergedBook(TOKEN)
    book.snapshot(snapshot(100, 970_000), YES, at=0)
    book.snapshot(snapshot(100, 960_000), NO, at=0)
    assert book.verify(snapshot(100, 960_000), at=LASTING)
    assert not book.in_dispute(LASTING * 3)


Change = tuple[int, int]
CHANGES = st.lists(
    st.tuples(st.sampled_from([930_000, 940_000, 950_000, 960_000]), st.integers(0, 3)),
    max_size=12,
)


@given(changes=CHANGES, lags=st.lists(st.booleans(), max_size=24))
def test_any_interleaving_ends_on_the_same_book(
    changes: list[Change], lags: list[bool]
) -> None:
    """However the two copies of one series are mixed, the end is the series' own."""
    book, model = MergedBook(TOKEN), {970_000: 1}
    sent = [0, 0]
    for source in (YES, NO):
        book.snapshot(snapshot(1, 970_000, 1), source, at=0)
    frames = []
    for step, (price, size) in enumerate(changes):
        model[price] = size
        best = min(p for p, s in model.items() if s)
        frames.append(([ask(price, size, best)], 1 + step // 3))
    turns = [int(lag) for lag in lags] + [YES] * len(frames) + [NO] * len(frames)
    for source in turns:
        if sent[source] < len(frames):
            entries, timestamp = frames[sent[source]]
            book.change(entries, timestamp, source, at=sent[source])
            sent[source] += 1
    assert book.best_ask == min(p for p, s in model.items() if s)
    assert not book.leading.doubtful
    assert not book.in_dispute(10 * LASTING)
