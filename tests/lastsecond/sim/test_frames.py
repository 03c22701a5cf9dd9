"""Frames as production sends them."""

import json
from pathlib import Path
from typing import Any

from py_clob_client_v2.utilities import (
    generate_orderbook_summary_hash,
    parse_raw_orderbook_summary,
)

from lastsecond.market import Outcome
from lastsecond.sim import SimMarket, frames
from lastsecond.sim.gamma_objects import event_object, market_object

RECORDED = Path(__file__).parents[2] / "data" / "wire"


def recorded_books() -> list[dict[str, Any]]:
    lines = (RECORDED / "book_frames.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def shape(value: object) -> object:
    """Keys and types, the first element standing for a list."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value)


def test_the_hash_is_the_vendors(market: SimMarket) -> None:
    """The vendor's own function finds the hash that the exchange sent."""
    for outcome in Outcome:
        sent = frames.rest_book(market.state(outcome))
        read = parse_raw_orderbook_summary(sent)
        assert generate_orderbook_summary_hash(read) == sent["hash"]


def test_the_hash_of_a_genuine_book_is_made_the_same_way() -> None:
    """A book recorded from production carries the hash of the same recipe."""
    recorded = json.loads((RECORDED / "clob_book.json").read_text())
    read = parse_raw_orderbook_summary(recorded)
    assert generate_orderbook_summary_hash(read) == recorded["hash"]


def test_book_events_have_the_recorded_shape(market: SimMarket) -> None:
    """A plain and an opening book have the keys and types of genuine ones."""
    state = market.state(Outcome.UP)
    plain_shapes = [shape(row) for row in recorded_books() if "tick_size" not in row]
    opening_shapes = [shape(row) for row in recorded_books() if "tick_size" in row]
    assert shape(frames.book(state)) in plain_shapes
    assert shape(frames.book(state, opening=True)) in opening_shapes


def test_a_rest_book_has_the_recorded_shape_and_key_order(market: SimMarket) -> None:
    """The answer of /book has the keys, order and types of a genuine one."""
    recorded = json.loads((RECORDED / "clob_book.json").read_text())
    sent = frames.rest_book(market.state(Outcome.DOWN))
    assert list(sent) == list(recorded)
    assert shape(sent) == shape(recorded)


def test_gamma_objects_have_the_recorded_fields(market: SimMarket) -> None:
    """Every field of a genuine updown event and market is there, with its type."""
    text = (RECORDED / "gamma_event_crypto_updown.json").read_text()
    recorded = json.loads(text)[0]
    sent = json.loads(json.dumps(event_object(market)))
    lists = {"markets", "series", "tags"}
    for genuine, made in (
        (recorded, sent),
        (recorded["markets"][0], sent["markets"][0]),
    ):
        assert set(genuine) <= set(made)
        for key in set(genuine) - lists:
            assert shape(made[key]) == shape(genuine[key]), key


def test_fields_can_be_replaced_and_left_out(market: SimMarket) -> None:
    """Malformed markets are made by naming the fields that differ."""
    market.fields = {"clobTokenIds": "[]", "endDate": ...}
    made = market_object(market)
    assert made["clobTokenIds"] == "[]"
    assert "endDate" not in made


def test_a_settled_market_says_how_and_when(market: SimMarket) -> None:
    """After settlement Gamma shows the payout, the time and a native resolution."""
    market.resolve(Outcome.DOWN)
    made = market_object(market)
    assert made["closed"] is True
    assert made["acceptingOrders"] is False
    assert made["outcomePrices"] == '["0", "1"]'
    assert made["umaResolutionStatus"] == "resolved"
    assert "closedTime" in made


def test_published_prices_are_told_on_the_event(market: SimMarket) -> None:
    """The strike appears in eventMetadata once it is known, not before."""
    assert "eventMetadata" not in event_object(market)
    market.price_to_beat = 100_000.5
    assert event_object(market)["eventMetadata"] == {"priceToBeat": 100_000.5}
