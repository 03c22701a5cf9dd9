"""REST answers of the CLOB become values, or a WireError, and nothing else."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastsecond.errors import WireError
from lastsecond.wire.clob import MarketTerms, decode_book, decode_terms, decode_time

RECORDED = (Path(__file__).parents[2] / "data" / "wire" / "clob_book.json").read_bytes()


def test_reads_a_recorded_book() -> None:
    """A recorded answer of GET /book gives every level and the tick."""
    book = decode_book(RECORDED)
    assert book.asset_id.startswith("10256298")
    assert (book.timestamp, book.tick_size) == (1782201457021, 10_000)
    assert (len(book.bids), len(book.asks)) == (35, 35)
    assert book.bids[-1] == (490_000, 65_000_000)
    assert book.asks[-1] == (510_000, 72_000_000)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html></html>",
        b'{"error": "No orderbook exists for the requested token id"}',
        RECORDED[:-2],
        RECORDED.replace(b'"0.49"', b'"x"'),
        RECORDED.replace(b'"asset_id"', b'"asset"'),
    ],
)
def test_refuses_what_is_no_book(body: bytes) -> None:
    """A page, an error, half a book or a bad level raises WireError."""
    with pytest.raises(WireError, match="not a book"):
        decode_book(body)


@pytest.mark.parametrize(
    "body",
    [
        b"1776252581",
        b" 1776252581\n",
        b'"1776252581"',
        b'{"time": 1776252581}',
        b'{"timestamp": "1776252581"}',
    ],
)
def test_reads_the_time(body: bytes) -> None:
    """The exchange's second is read bare or from the object an SDK expects."""
    assert decode_time(body) == 1776252581


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"true", b"-1", b"1776252581948", b"1.5", b"[1]", b"<html>"]
)
def test_refuses_what_is_no_time(body: bytes) -> None:
    """Milliseconds, fractions and pages are no Unix second."""
    with pytest.raises(WireError, match="not a time"):
        decode_time(body)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40) | st.integers().map(lambda number: b"%d" % number))
def test_any_answer_is_a_value_or_a_wire_error(body: bytes) -> None:
    """No bytes make either decoder raise anything but WireError."""
    with suppress(WireError):
        decode_book(body)
    with suppress(WireError):
        decode_time(body)


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        ('"fd": {"r": 0.07, "e": 1, "to": true}, "itode": true', (70_000, True)),
        ('"fd": {"r": 0.072, "e": 1.0}', (72_000, False)),
        ('"fd": {"r": 0, "e": 1}, "itode": false', (0, False)),
        ('"fd": null, "itode": true', (None, True)),
        ('"itode": true', (None, True)),
        ('"fd": {"r": 0.07, "e": 2}, "itode": true', (None, True)),
        ('"fd": {"r": 1.5, "e": 1}', (None, False)),
        ('"fd": {"r": -0.07, "e": 1}', (None, False)),
    ],
)
def test_reads_a_market_s_fees(fields: str, terms: tuple[int | None, bool]) -> None:
    """The rate exactly, None where the schedule is not one that is known; the hold."""
    body = f'{{"c": "0xAB", "mts": 0.01, {fields}}}'.encode()
    assert decode_terms(body, "0xab") == MarketTerms(*terms)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"error": "market not found"}',
        b'{"c": "0xcd", "fd": {"r": 0.07}}',
        b'{"c": "0xab", "fd": {"r": "much"}}',
        b'{"c": "0xab", "fd": {"r": 0.0712345678}}',
        b'{"c": "0xab", "itode": "yes"}',
    ],
)
def test_refuses_what_is_no_market(body: bytes) -> None:
    """A page, an error, another market's terms or a bad rate raises WireError."""
    with pytest.raises(WireError):
        decode_terms(body, "0xab")


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reading_of_terms(body: bytes) -> None:
    """Whatever arrives is terms or a WireError."""
    with suppress(WireError):
        decode_terms(body, "0xab")
