"""Frames of the market channel become values, or a WireError, and nothing else."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastsecond.errors import WireError
from lastsecond.market import ConditionId, TokenId
from lastsecond.money import MICRO, decimal, micros
from lastsecond.wire.market_channel import (
    BestBidAsk,
    BookSnapshot,
    Frame,
    LastTrade,
    LevelChange,
    MarketResolved,
    PriceChange,
    Side,
    TickSizeChange,
    decode,
)

RECORDED = (
    (Path(__file__).parents[2] / "data" / "wire" / "book_frames.jsonl")
    .read_bytes()
    .splitlines()
)
MARKET = ConditionId("0x" + "ab" * 32)
UP, DOWN = TokenId("7" * 77), TokenId("8" * 77)

Json = dict[str, object]


def event_of(frame: bytes | str) -> object:
    """The only event of a frame that holds one."""
    decoded = decode(frame)
    assert (decoded.unknown, decoded.malformed, decoded.is_data) == (0, 0, True)
    (event,) = decoded.events
    return event


def book_of(frame: bytes | str) -> BookSnapshot:
    event = event_of(frame)
    assert isinstance(event, BookSnapshot)
    return event


def encoded(**fields: object) -> bytes:
    return json.dumps(
        {"market": MARKET, "timestamp": "1776252581948", **fields}
    ).encode()


def spell(amount: int | None) -> str:
    """An amount as the exchange writes it."""
    return "" if amount is None else f"{decimal(amount):f}"


def change_fields(**fields: object) -> Json:
    return {"asset_id": UP, "price": "0.48", "size": "12.5", "side": "BUY", **fields}


def decoded_change(**fields: object) -> LevelChange:
    frame = encoded(event_type="price_change", price_changes=[change_fields(**fields)])
    event = event_of(frame)
    assert isinstance(event, PriceChange)
    (change,) = event.changes
    return change


@pytest.mark.parametrize("frame", RECORDED)
def test_reads_every_recorded_book_in_full(frame: bytes) -> None:
    """A recorded book keeps each level, in the order of the wire, to the micro."""
    event, raw = book_of(frame), json.loads(frame)
    assert (event.market, event.asset_id) == (raw["market"], raw["asset_id"])
    assert (event.timestamp, event.hash) == (int(raw["timestamp"]), raw["hash"])
    for levels, spelled in ((event.bids, raw["bids"]), (event.asks, raw["asks"])):
        assert levels == tuple(
            (micros(level["price"]), micros(level["size"])) for level in spelled
        )


def test_reads_what_only_some_recorded_books_have() -> None:
    """The tick is read where it is sent, and a side without levels is empty."""
    books = [book_of(frame) for frame in RECORDED]
    assert {book.tick_size for book in books} == {None, 10_000}
    assert {book.asks == () for book in books} == {True, False}


def test_reads_an_array_of_books() -> None:
    """The opening frame is an array with one book for each token."""
    decoded = decode(b"[" + b",".join(RECORDED) + b"]")
    assert decoded.events == tuple(event_of(frame) for frame in RECORDED)
    assert (decoded.unknown, decoded.malformed, decoded.is_data) == (0, 0, True)


def test_drops_levels_that_no_order_can_stand_at() -> None:
    """Levels at 0, at 1 or without size are not in a snapshot."""
    levels = [
        {"price": price, "size": size}
        for price, size in [("0", "5"), (".48", "5"), ("0.5", "0"), ("1", "5")]
    ]
    event = event_of(
        encoded(event_type="book", asset_id=UP, bids=levels, asks=None, tick_size="")
    )
    assert event == BookSnapshot(
        MARKET, UP, 1776252581948, ((480_000, 5 * MICRO),), (), "", None
    )


def test_reads_the_changes_of_both_tokens() -> None:
    """One price_change carries the changes of Up and of Down, in order."""
    entries = [
        change_fields(best_bid="0.48", best_ask="0.49", hash="f" * 40),
        change_fields(asset_id=DOWN, price=".52", side="SELL", size="0"),
    ]
    event = event_of(encoded(event_type="price_change", price_changes=entries))
    assert event == PriceChange(
        MARKET,
        1776252581948,
        (
            LevelChange(UP, Side.BUY, 480_000, 12_500_000, 480_000, 490_000, True),
            LevelChange(DOWN, Side.SELL, 520_000, 0, None, None, False),
        ),
    )


@pytest.mark.parametrize("nobody", ["", "0", "1", "0.00", "1.000", ".0"])
def test_a_quote_of_nobody_is_no_price(nobody: str) -> None:
    """However the exchange spells that nobody is there, it is None and was quoted."""
    change = decoded_change(best_bid="0.97", best_ask=nobody)
    assert (change.best_bid, change.best_ask) == (970_000, None)
    assert change.quotes_best


@pytest.mark.parametrize("fields", [{}, {"best_bid": None, "best_ask": None}])
def test_knows_when_nothing_was_quoted(fields: Json) -> None:
    """Without both keys the exchange said nothing about its best prices."""
    assert not decoded_change(**fields).quotes_best


def test_one_missing_quote_is_nobody() -> None:
    """One key alone still is a quote: the other side is empty."""
    change = decoded_change(best_bid="0.99")
    assert (change.best_bid, change.best_ask, change.quotes_best) == (
        990_000,
        None,
        True,
    )


def test_reads_more_prices_than_it_remembers() -> None:
    """What is remembered of former frames is bounded, and never wrong."""
    entries = [
        change_fields(price=spell(price), size=spell(price + 5), best_bid=spell(price))
        for price in range(1, 20_000)
    ]
    event = event_of(encoded(event_type="price_change", price_changes=entries))
    assert isinstance(event, PriceChange)
    assert [(each.price, each.size, each.best_bid) for each in event.changes] == [
        (price, price + 5, price) for price in range(1, 20_000)
    ]


def test_reads_the_smaller_events() -> None:
    """Each other event that is read at all is read with its optional fields amiss."""
    at = 1776252581948
    assert event_of(
        encoded(event_type="best_bid_ask", asset_id=UP, best_bid=".4", spread="")
    ) == BestBidAsk(MARKET, UP, at, 400_000, None)
    assert event_of(
        encoded(
            event_type="last_trade_price",
            asset_id=UP,
            price="0.456",
            size="219.217767",
            side="SELL",
            fee_rate_bps="",
        )
    ) == LastTrade(MARKET, UP, at, 456_000, 219_217_767, Side.SELL)
    assert event_of(
        encoded(
            event_type="tick_size_change",
            asset_id=UP,
            old_tick_size="0.01",
            new_tick_size="0.001",
        )
    ) == TickSizeChange(MARKET, UP, at, 10_000, 1_000)
    assert event_of(
        encoded(
            event_type="market_resolved",
            winning_asset_id=UP,
            winning_outcome="Up",
            event_message=None,
        )
    ) == MarketResolved(MARKET, at, UP, "Up")


@pytest.mark.parametrize("frame", [b"PONG", "PONG", b" PONG\n", b"[]", "[ ]"])
def test_signs_of_life_are_no_data(frame: bytes | str) -> None:
    """PONG and an empty array hold nothing and do not count as data."""
    assert decode(frame) == Frame((), 0, 0, is_data=False)


def test_counts_what_it_does_not_know() -> None:
    """An unknown event is counted; it is no error and hides nothing."""
    new = encoded(event_type="new_market", id="1", tags=[])
    assert decode(new) == Frame((), 1, 0, is_data=True)
    decoded = decode(b"[" + new + b"," + RECORDED[0] + b"]")
    assert decoded == Frame((book_of(RECORDED[0]),), 1, 0, is_data=True)


@pytest.mark.parametrize(
    "bad",
    [
        "null",
        "7",
        "[[]]",
        "{}",
        '{"event_type": null}',
        '{"event_type": "book"}',
        '{"event_type": ["book"]}',
        '{"event_type": "price_change", "price_changes": {}}',
    ],
)
def test_one_bad_element_hides_no_other(bad: str) -> None:
    """What cannot be read is counted, and its neighbours are read."""
    good = RECORDED[0].decode()
    decoded = decode(f"[{good}, {bad}, {good}]")
    assert decoded.events == (event_of(good),) * 2
    assert (decoded.unknown, decoded.malformed) == (0, 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "half"},
        {"price": "-0.48"},
        {"price": "4.8e-1"},
        {"price": None},
        {"size": True},
        {"side": "buy"},
        {"best_ask": "nan"},
        {"asset_id": None},
    ],
)
def test_one_bad_change_hides_no_other(fields: Json) -> None:
    """Of a price_change with a bad entry, the good entries are kept."""
    entries = [change_fields(), change_fields(**fields), change_fields(size="0")]
    decoded = decode(encoded(event_type="price_change", price_changes=entries))
    (event,) = decoded.events
    assert isinstance(event, PriceChange)
    assert [change.size for change in event.changes] == [12_500_000, 0]
    assert decoded.malformed == 1


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", None, True, "1" * 60, [1]])
def test_an_event_without_a_time_is_malformed(timestamp: object) -> None:
    """A timestamp is milliseconds of this era or the event is not taken."""
    frame = encoded(event_type="price_change", price_changes=[], timestamp=timestamp)
    assert decode(frame) == Frame((), 0, 1, is_data=True)


def test_takes_numbers_by_their_exact_text() -> None:
    """Prices, sizes and times sent as JSON numbers are read to the micro."""
    frame = (
        b'{"event_type": "price_change", "market": "m", "timestamp": 1776252581948,'
        b'"price_changes": [{"asset_id": "7", "price": 0.07, "size": 12441.830001,'
        b'"side": "SELL", "best_bid": 0, "best_ask": 0.07}]}'
    )
    assert event_of(frame) == PriceChange(
        ConditionId("m"),
        1776252581948,
        (
            LevelChange(
                TokenId("7"), Side.SELL, 70_000, 12_441_830_001, None, 70_000, True
            ),
        ),
    )


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"PING",
        b"<html>502</html>",
        b"null",
        b"12",
        b'"book"',
        b"NaN",
        b'{"event_type": "book"',
        b"\xff\xfe",
        b'{"event_type": "\xff"}',
        b"[" * 100_000,
        b"[" + b"9" * 5_000 + b"]",
        "[\ud800]",
        '"' + "x" * 500,
    ],
)
def test_refuses_what_is_no_frame(frame: bytes | str) -> None:
    """What is not JSON, or no object or array, raises one short printable line."""
    with pytest.raises(WireError) as caught:
        decode(frame)
    assert len(str(caught.value)) < 130
    assert str(caught.value).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = [
    *("market", "asset_id", "timestamp", "bids", "asks", "hash", "tick_size"),
    *("price_changes", "price", "size", "side", "best_bid", "best_ask"),
    *("winning_asset_id", "old_tick_size", "new_tick_size"),
]
KINDS = st.sampled_from(
    [
        *("book", "price_change", "best_bid_ask", "last_trade_price"),
        *("tick_size_change", "market_resolved", "new_market"),
    ]
)
ALMOST = st.builds(
    lambda kind, fields: {"event_type": kind, **fields},
    KINDS,
    st.dictionaries(
        st.sampled_from(FIELDS), st.sampled_from(["0.5", "1776252581948"]) | JSON
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_data_is_a_frame_or_a_wire_error(frame: bytes | str) -> None:
    """No bytes and no text make decode raise anything but WireError."""
    with suppress(WireError):
        assert isinstance(decode(frame), Frame)


@settings(max_examples=200, deadline=None)
@given(JSON | ALMOST | st.lists(ALMOST | JSON, max_size=3))
def test_any_json_is_a_frame_or_a_wire_error(value: object) -> None:
    """No JSON value does either, and every element is accounted for."""
    try:
        decoded = decode(json.dumps(value))
    except WireError:
        return
    elements = value if isinstance(value, list) else [value]
    assert len(decoded.events) + decoded.unknown + decoded.malformed >= len(elements)
    assert decoded.is_data == (value != [])


PRICES = st.integers(1, MICRO - 1)
SIZES = st.integers(1, 10**13)
TIMES = st.integers(0, 9_999_999_999_999)
LEVELS = st.lists(st.tuples(PRICES, SIZES), max_size=5).map(tuple)
QUOTES = st.none() | PRICES


def spell_change(change: LevelChange) -> Json:
    quotes = {
        "best_bid": spell(change.best_bid),
        "best_ask": spell(change.best_ask),
    }
    return {
        "asset_id": change.asset_id,
        "price": spell(change.price),
        "size": spell(change.size),
        "side": change.side,
        **(quotes if change.quotes_best else {}),
    }


@settings(max_examples=60, deadline=None)
@given(TIMES, LEVELS, LEVELS, st.none() | PRICES)
def test_snapshots_round_trip(
    time: int,
    bids: tuple[tuple[int, int], ...],
    asks: tuple[tuple[int, int], ...],
    tick: int | None,
) -> None:
    """A snapshot spelled as the exchange does is read back as it was."""
    spelled = {
        name: [{"price": spell(price), "size": spell(size)} for price, size in levels]
        for name, levels in (("bids", bids), ("asks", asks))
    }
    frame = encoded(
        **spelled,
        event_type="book",
        asset_id=UP,
        timestamp=str(time),
        hash="f",
        tick_size=spell(tick),
    )
    assert event_of(frame) == BookSnapshot(MARKET, UP, time, bids, asks, "f", tick)


CHANGES = st.builds(
    LevelChange,
    st.sampled_from([UP, DOWN]),
    st.sampled_from(Side),
    PRICES,
    st.integers(0, 10**13),
    QUOTES,
    QUOTES,
    st.just(True),
) | st.builds(
    LevelChange,
    st.sampled_from([UP, DOWN]),
    st.sampled_from(Side),
    PRICES,
    SIZES,
    st.none(),
    st.none(),
    st.just(False),
)


@settings(max_examples=60, deadline=None)
@given(TIMES, st.lists(CHANGES, max_size=4).map(tuple))
def test_price_changes_round_trip(time: int, changes: tuple[LevelChange, ...]) -> None:
    """A price_change spelled as the exchange does is read back as it was."""
    frame = encoded(
        event_type="price_change",
        timestamp=str(time),
        price_changes=[spell_change(change) for change in changes],
    )
    assert event_of(frame) == PriceChange(MARKET, time, changes)
