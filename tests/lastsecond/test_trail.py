"""The book as it stood at a moment of the exchange's, and what was bought then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.market import MILLISECOND, NANOSECONDS, TokenId
from lastsecond.money import MICRO
from lastsecond.trail import FRESH, STALE, Print, Scene, Trail
from lastsecond.view import MarketView
from lastsecond.wire.market_channel import decode
from tests.test_hft_trader import CLOSE, NO, YES, books, change

START = 1_795_653_600 * NANOSECONDS
UP = TokenId("1")


def scene(at: int, best: int = 970_000, *, fault: str = "") -> Scene:
    """A scene ``at`` ms after the order left."""
    moment = START + at * MILLISECOND
    return Scene(
        at=moment,
        known_at=moment,
        fault=fault,
        asks=((best, 1_000_000),),
        best_ask=best,
        tick=10_000,
    )


def moment(ms: int) -> int:
    return START + ms * MILLISECOND


def test_the_last_scene_that_had_begun() -> None:
    """A moment shows what stood then, however much came later; the first counts too."""
    trail = Trail(UP, 990_000, scene(0))
    trail.show(scene(100, 980_000), 0)
    trail.show(scene(200, 990_000), 0)
    asks = {ms: trail.at(moment(ms)).best_ask for ms in (-5, 0, 99, 100, 199, 200, 900)}
    assert asks == {
        **dict.fromkeys((-5, 0, 99), 970_000),
        **dict.fromkeys((100, 199), 980_000),
        **dict.fromkeys((200, 900), 990_000),
    }


def test_frames_that_come_late_count_for_their_moment() -> None:
    """What was learnt later about an earlier moment replaces what was thought of it."""
    trail = Trail(UP, 990_000, scene(0))
    trail.show(scene(300, 990_000), 0)
    trail.show(scene(150, 980_000), 0)
    assert trail.at(moment(200)).best_ask == 980_000


def test_a_moment_before_ones_own_effect() -> None:
    """Whatever shows our own order, or comes after it, is left out."""
    trail = Trail(UP, 990_000, scene(0))
    trail.show(scene(100, 980_000), 0)
    assert trail.at(moment(150), before=moment(100)).best_ask == 970_000
    assert trail.at(moment(150), before=moment(101)).best_ask == 980_000


def test_a_word_that_is_too_old() -> None:
    """A book is believed for five seconds after its last word."""
    trail = Trail(UP, 990_000, scene(0))
    assert trail.at(START + FRESH).fault == ""
    assert trail.at(START + FRESH + 1).fault == STALE
    trail = Trail(UP, 990_000, scene(0, fault="crossed_book"))
    assert trail.at(START + FRESH + 1).fault == "crossed_book"


def test_nothing_is_taken_after_the_end() -> None:
    """An ended trail stays as it was."""
    trail = Trail(UP, 990_000, scene(0))
    trail.end(moment(50))
    trail.end(moment(60))
    trail.show(scene(40, 980_000), 0)
    trail.tell(Print(moment(40), 970_000, 1), 0)
    assert trail.until == moment(50)
    assert trail.at(moment(99)).best_ask == 970_000
    assert trail.traded(0, moment(99), 990_000) == 0


PRINTS = st.lists(
    st.builds(
        Print,
        at=st.integers(0, 20),
        price=st.integers(1, 5),
        size=st.integers(1, 9),
    ),
    max_size=8,
)


@given(PRINTS, PRINTS, st.integers(0, 20), st.integers(0, 20), st.integers(1, 5))
def test_what_was_bought_is_what_the_fuller_tape_says(
    first: list[Print], second: list[Print], since: int, until: int, price: int
) -> None:
    """Two sockets tell the same tape: it is never added up."""
    trail = Trail(UP, 990_000, scene(0))
    totals = []
    for source, told in enumerate((first, second)):
        total = 0
        for each in dict.fromkeys(told):  # a tape may say a thing twice
            trail.tell(each, source)
            trail.tell(each, source)
            if since <= each.at <= until and each.price <= price:
                total += each.size
        totals.append(total)
    assert trail.traded(since, until, price) == max(totals)


@pytest.mark.parametrize(
    ("sizes", "shares", "found"),
    [
        ([5], 5, 0),
        ([9, 5], 5, 1),
        ([9, 2, 3], 5, 1),
        ([2, 3, 9], 5, 0),
        ([2, 2], 5, None),
        ([6], 5, None),
        ([], 5, None),
    ],
)
def test_our_own_print(sizes: list[int], shares: int, found: int | None) -> None:
    """The first prints in a row that add up to what we bought."""
    trail = Trail(UP, 990_000, scene(0))
    for number, size in enumerate(sizes):
        trail.tell(Print(number, 970_000, size * MICRO), 1)
    assert trail.own_print(shares * MICRO, since=0) == found
    assert trail.own_print(shares * MICRO + 900, since=0) == found, "tapes round"
    assert trail.own_print(shares * MICRO, since=9) is None, "all from before"
    dear = Trail(UP, 960_000, scene(0))
    for number, size in enumerate(sizes):
        dear.tell(Print(number, 970_000, size * MICRO), 1)
    assert dear.own_print(shares * MICRO, since=0) is None, "beyond the limit"


def test_a_view_is_followed() -> None:
    """Frames become scenes at the exchange's time, half of a pair at the pair's."""
    view = MarketView("btc", TokenId(YES), TokenId(NO))
    for source in (0, 1):
        view.take(decode(books("0.97", "0.05", 2)).events, source, at=10)
    trail = view.follow(TokenId(YES), 990_000, now=CLOSE * NANOSECONDS, at=20)
    assert trail.first.asks == ((970_000, 100_000_000),)
    assert (trail.first.best_ask, trail.first.fault) == (970_000, "")
    view.take(decode(books("0.98", "0.05", 1.5)).events, 0, at=30)
    later = trail.at((CLOSE - 1) * NANOSECONDS)
    assert (later.asks, later.best_ask) == (((980_000, 100_000_000),), 980_000)
    assert later.at == round((CLOSE - 1.5) * NANOSECONDS)
    pair = decode(books("0.97", "0.04", 1)).events
    for half in (pair[:1], pair[1:], pair[:1]):
        view.take(half, 0, at=40)
    assert trail.at((CLOSE - 1) * NANOSECONDS).fault == ""
    view.take(decode(books("0.96", "0.05", 0.5)).events[:1], 0, at=45)
    assert trail.at(CLOSE * NANOSECONDS).fault == "half_updated"
    assert trail.at(round((CLOSE - 0.6) * NANOSECONDS)).fault == ""
    view.forget(0, at=50)
    view.forget(1, at=60)
    assert trail.at((CLOSE + 1) * NANOSECONDS).fault == "no_book"


def both_views(before_close: float = 2.0) -> tuple[MarketView, Trail]:
    """A view whose two sockets have told the same book, and what follows of it."""
    view = MarketView("btc", TokenId(YES), TokenId(NO))
    for source in (0, 1):
        view.take(decode(books("0.97", "0.05", before_close)).events, source, at=10)
    now = round((CLOSE - before_close) * NANOSECONDS) + 100
    return view, view.follow(TokenId(YES), 990_000, now=now, at=110)


def standing(trail: Trail, before_close: float) -> tuple[int | None, str]:
    found = trail.at(round((CLOSE - before_close) * NANOSECONDS))
    return found.best_ask, str(found.fault)


def test_a_lost_socket_does_not_bring_back_what_it_had_seen_go() -> None:
    """The other, which lags, still shows the ask: the one ahead is believed."""
    view, trail = both_views()
    view.take(decode(books(None, "0.05", 1.5)).events, 0, at=20)
    view.forget(0, at=30)
    assert trail.at(round((CLOSE - 1.5) * NANOSECONDS)).asks == ()
    assert standing(trail, 1.6) == (970_000, "")


def test_what_a_lost_socket_missed_is_not_taken_for_quiet() -> None:
    """From its last frame to its new opening book it knows nothing."""
    view, trail = both_views()
    view.forget(1, at=15)
    view.forget(0, at=20)
    assert standing(trail, 1.9)[1] == "no_book"
    for source in (0, 1):
        view.take(decode(books("0.98", "0.05", 1.0)).events, source, at=40)
    assert standing(trail, 1.5)[1] == "no_book"
    assert standing(trail, 0.9) == (980_000, "")


def test_a_socket_that_tells_on_is_believed_before_one_that_stopped() -> None:
    """Of two that are equally far, the one whose next word is later counts."""
    view, trail = both_views()
    view.take(decode(books("0.98", "0.05", 1.5)).events, 1, at=20)
    view.take(decode(books("0.99", "0.05", 0.5)).events, 1, at=30)
    assert standing(trail, 1.0) == (980_000, "")


def test_no_scene_is_kept_beyond_what_is_wanted() -> None:
    """A trail that is followed for long holds what it needs, no more."""
    trail = Trail(UP, 990_000, scene(0))
    trail.last_wanted = moment(100)
    for ms in range(1, 1_000):
        trail.show(scene(ms), 0)
    assert trail.newest(0) == moment(101)


def test_a_leading_book_that_lost_ground_is_no_book_to_trade_on() -> None:
    """After the socket ahead is lost, what is left is older than what was known."""
    view, _ = both_views()
    view.take(decode(books(None, "0.05", 1.5)).events, 0, at=20)
    assert view.fault(25) is None
    view.forget(0, at=30)
    assert view.fault(35) == "lost_ground"
    view.take(decode(books(None, "0.05", 1.4)).events, 1, at=40)
    assert view.fault(45) is None


def test_a_feed_that_comes_late_is_found_out() -> None:
    """The newest word is over a second old when it first comes: no trade."""
    view, _ = both_views()

    def tell(source: int, told: float, came: float) -> str | None:
        """Seconds before the close."""
        frame = decode(change("0.97", "50", "0.97", told)).events
        now = round((CLOSE - came) * NANOSECONDS)
        view.take(frame, source, at=20, now=now)
        return view.fault(25)

    assert tell(0, 5, 3.9) == "late_feed"
    assert tell(1, 4, 3.8) != "late_feed"
    assert tell(0, 4, 2.9) != "late_feed", "one socket is on time"
    assert tell(1, -2, 2.8) != "late_feed", "no clock is that far ahead"
    assert tell(0, 3, 1.9) == "late_feed", "though the other, which hangs, was on time"
