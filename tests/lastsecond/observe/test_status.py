"""The status: what a person reads of a run, in whatever room there is."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console, Group

from lastsecond.history import Day, MarketStatus
from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.observe.status import RunStatus, is_busy, rows

NOW = 1_790_000_000 * NANOSECONDS + 7_000_000
BTC = MarketStatus(
    ticker="btc-updown-15m-1789999200",
    state="watching",
    close_at=NOW + 59 * NANOSECONDS + 400_000_000,
    ask_up=Decimal("0.985"),
    ask_down=Decimal("0.03"),
    favourite=Outcome.UP,
    depth=123_456_789,
    book_age_ms=53,
)
ETH = MarketStatus(
    ticker="eth-updown-5m-1790000100", state="discovered", close_at=NOW + 10**12
)
RUN = RunStatus(
    mode="PAPER",
    now=NOW,
    clock_offset_ms=-12.4,
    day=Day(orders=3, fills=2, result=-4_951_000),
    next_poll=NOW + 42 * NANOSECONDS,
    markets=(ETH, BTC),
)
EVENTS = [(logging.INFO, f"event {number}") for number in range(1, 9)]

BOARD = """
PAPER  today -4.96  orders 3 fills 2  clock -12 ms  14:13:20 UTC  next look 0:42
MARKET                     LEFT     UP   DOWN  FAVOURITE  DEPTH   AGE STATE
btc-updown-15m-1789999200  0:59  0.985   0.03         Up 123.45  53ms watching
eth-updown-5m-1790000100  16:40      -      -          -      -     - discovered

event 1
event 2
"""


def drawn(
    status: RunStatus,
    events: Sequence[tuple[int, str]] = (),
    *,
    size: tuple[int, int] = (80, 24),
    colour: bool = False,
) -> list[str]:
    """What stands on a terminal of ``size`` columns and rows."""
    width, height = size
    console = Console(
        file=(text := StringIO()),
        force_terminal=colour,
        color_system="standard" if colour else None,
        width=width,
        height=height,
        highlight=False,
    )
    found = rows(status, events, width, height)
    console.print(Group(*found), no_wrap=True, overflow="ellipsis")
    return text.getvalue().splitlines()


def test_the_board_at_eighty_columns() -> None:
    """Header, a row a market by its close, and the last lines of the log."""
    shown = "\n".join(row.rstrip() for row in drawn(RUN, EVENTS[:2]))
    assert shown == BOARD.strip()


def test_what_is_not_known_is_no_number() -> None:
    """An unknown clock, result or price is a word or a dash."""
    unknown = RunStatus(mode="LIVE", now=NOW)
    header, _, nothing = drawn(unknown)
    assert header.split("  ")[:4] == [
        *("LIVE", "today -", "orders - fills -", "clock unknown")
    ]
    assert nothing == "no markets at the moment"


@pytest.mark.parametrize("height", [2, 5, 8, 12, 24, 50])
@pytest.mark.parametrize("count", [0, 1, 8, 40])
def test_fits_in_any_terminal(height: int, count: int) -> None:
    """Never wider than the terminal, and a line is left for the cursor."""
    state = "sockets_disagree"
    markets = [replace(BTC, state=state, close_at=NOW + n) for n in range(count)]
    status = replace(RUN, markets=markets, halted="h" * 200)
    for width in range(20, 121, 5):
        shown = drawn(status, [(logging.INFO, "word " * 50)] * 8, size=(width, height))
        assert len(shown) < height
        assert max(map(len, shown)) <= width


@pytest.mark.parametrize(
    ("width", "missing"),
    [
        (80, set()),
        (79, {"AGE"}),
        (73, {"AGE", "FAVOURITE"}),
        (60, {"AGE", "FAVOURITE", "DEPTH"}),
        (45, {"AGE", "FAVOURITE", "DEPTH", "UP", "DOWN"}),
    ],
)
def test_a_narrow_terminal_goes_without_some_columns(
    width: int, missing: set[str]
) -> None:
    """Market, time left and state stay; no number is ever cut short."""
    _, titles, first, *_ = drawn(RUN, size=(width, 24))
    every = {"MARKET", "LEFT", "UP", "DOWN", "FAVOURITE", "DEPTH", "AGE", "STATE"}
    assert set(titles.split()) == every - missing
    assert first.split()[:2] == [BTC.ticker, "0:59"]
    assert first.split()[-1] == "watching"


def test_eight_markets_and_eight_events_fit_on_a_small_terminal() -> None:
    """Of 24 rows none is scrolled away, and each market and event has one."""
    markets = [replace(BTC, close_at=NOW + n) for n in range(8)]
    shown = drawn(replace(RUN, markets=markets), EVENTS)
    assert len(shown) <= 23
    assert shown[-8:] == [event for _, event in EVENTS]


def test_where_room_is_short_the_next_to_close_are_shown() -> None:
    """Three events stay; how many markets are left out is said."""
    markets = [replace(BTC, ticker=f"m{n}", close_at=NOW - n) for n in range(20)]
    shown = drawn(replace(RUN, markets=markets), EVENTS, size=(80, 12))
    tickers = [row.split()[0] for row in shown[2:6]]
    assert tickers == ["m19", "m18", "m17", "m16"]
    assert shown[6] == "and 16 more"
    assert shown[8:] == ["event 6", "event 7", "event 8"]


def test_a_halt_has_its_own_row() -> None:
    """Why nothing may be sent is under the header, in red."""
    shown = drawn(replace(RUN, halted="daily loss of 50"), colour=True)
    assert shown[1] == "\x1b[1;31mHALTED daily loss of 50\x1b[0m"


@pytest.mark.parametrize(("mode", "code"), [("PAPER", "1;32"), ("LIVE", "1;31")])
def test_the_mode_is_green_on_paper_and_red_with_money(mode: str, code: str) -> None:
    """Nobody takes one for the other."""
    header = drawn(replace(RUN, mode=mode), colour=True)[0]
    assert header.startswith(f"\x1b[{code}m{mode}\x1b[0m")


def test_warnings_and_errors_stand_out() -> None:
    """An event has the colour of its level."""
    levels = [logging.INFO, logging.WARNING, logging.CRITICAL]
    shown = drawn(RUN, [(level, "event") for level in levels], colour=True)
    assert shown[-3:] == ["event", "\x1b[33mevent\x1b[0m", "\x1b[1;31mevent\x1b[0m"]


def test_no_text_steers_the_terminal() -> None:
    """A reason, a name or an event with control characters is spelled out."""
    evil = "\x1b[2Jx\r"
    market = replace(BTC, ticker=evil, state=evil)
    status = replace(RUN, mode=evil, halted=evil, markets=[market])
    shown = drawn(status, [(logging.INFO, evil)], size=(100, 24))
    assert sum(row.count(r"\x1b[2Jx\r") for row in shown) == 5
    assert all(row.isprintable() for row in shown)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "-"),
        (0, "0.00"),
        (4_999_999, "4.99"),
        (999_999_999, "999.99"),
        (1_000_000_000, "1000"),
        (999_999_999_999, "999999"),
        (1_260_000_000_000, "1.2M"),
    ],
)
def test_depth_is_never_more_than_there_is(amount: int | None, words: str) -> None:
    """Rounded down, in six places."""
    row = drawn(replace(RUN, markets=[replace(BTC, depth=amount)]))[2]
    assert row.split()[5] == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0, "+0.00"), (52_631, "+0.05"), (-1, "-0.01"), (12_345_678, "+12.34")],
)
def test_a_result_is_never_more_than_it_is(amount: int, words: str) -> None:
    """Rounded down to cents, losses to the greater loss."""
    assert f"today {words} " in drawn(replace(RUN, day=Day(result=amount)))[0]


@pytest.mark.parametrize(
    ("age", "words"), [(0, "0ms"), (999, "999ms"), (1_250, "1.2s"), (90_000, "90.0s")]
)
def test_an_age_is_short(age: int, words: str) -> None:
    """Milliseconds below a second, else seconds."""
    row = drawn(replace(RUN, markets=[replace(BTC, book_age_ms=age)]))[2]
    assert f" {words}" in row


@pytest.mark.parametrize(
    ("up", "down", "age", "shown"),
    [
        (None, "0.02", 53, ["none", "0.02", "Up*"]),
        ("0.02", None, 53, ["0.02", "none", "Down*"]),
        (None, None, 53, ["none", "none", "-"]),
        ("0.5", "0.5", 53, ["0.50", "0.50", "-"]),
        (None, "0.02", None, ["-", "0.02", "-"]),
    ],
)
def test_the_side_that_nobody_sells_is_the_favourite(
    up: str | None, down: str | None, age: int | None, shown: list[str]
) -> None:
    """As in the report; a star says so, and a book not known says nothing."""
    market = replace(
        BTC,
        ask_up=None if up is None else Decimal(up),
        ask_down=None if down is None else Decimal(down),
        favourite=None,
        book_age_ms=age,
    )
    assert drawn(replace(RUN, markets=[market]))[2].split()[2:5] == shown


@pytest.mark.parametrize("bought", ["Up 0.97", "Down 0.985"])
def test_what_was_bought_stands_out(bought: str) -> None:
    """Side and price, bold, in the favourite's place, whoever is favourite now."""
    run = replace(RUN, markets=[replace(BTC, bought=bought, favourite=Outcome.DOWN)])
    assert drawn(run)[2].endswith(f" {bought} 123.45  53ms watching")
    assert f"\x1b[1m{bought:>10}\x1b[0m" in drawn(run, colour=True)[2]


def test_a_run_that_has_ended_is_short() -> None:
    """Neither a next look nor, without markets, a table or words about none."""
    ended = replace(RUN, ended=True)
    assert "next look" not in drawn(ended)[0]
    assert drawn(ended)[2].startswith(BTC.ticker)
    header, *rest = drawn(replace(ended, markets=()), EVENTS[:1])
    assert header.startswith("PAPER  today -4.96  orders 3 fills 2")
    assert rest == ["", "event 1"]


def test_a_long_event_goes_without_its_lesser_figures() -> None:
    """Those that matter are still there at 80 columns; at more, all are."""
    event = f"DECISION buy ask=0.95 {'x' * 50} t_minus=1.000 book_age_ms=24"
    assert drawn(RUN, [(logging.INFO, event)])[-1] == event.removesuffix(
        " book_age_ms=24"
    ).removesuffix(" t_minus=1.000")
    assert drawn(RUN, [(logging.INFO, event)], size=(120, 24))[-1] == event


def test_a_closed_market_has_no_time_left() -> None:
    """From its close on the countdown is blank; the state tells the rest."""
    closed = replace(BTC, close_at=NOW, state="filled")
    row = drawn(replace(RUN, markets=[closed]))[2]
    assert row.split()[:2] == [BTC.ticker, "0.985"]


@pytest.mark.parametrize(
    ("left", "busy"), [(3.001, False), (3.0, True), (0.5, True), (0, True), (-1, False)]
)
def test_the_last_three_seconds_are_busy(left: float, busy: bool) -> None:
    """From three seconds before any close up to that close."""
    closes = [NOW + 10**11, NOW + round(left * NANOSECONDS)]
    assert is_busy(closes, NOW) is busy


def test_without_markets_nothing_is_busy() -> None:
    """Nothing closes, so the status may be drawn."""
    assert not is_busy([], NOW)
