"""Gamma's answers become markets or refusals; nothing in them can end the search."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastsecond.errors import WireError
from lastsecond.wire.gamma import (
    JsonObject,
    Market,
    Refusal,
    Refused,
    decode_events,
    markets,
)

RECORDED = (
    Path(__file__).parents[2] / "data" / "wire" / "gamma_event_crypto_updown.json"
).read_bytes()
SLUG = "btc-updown-5m-1795357800"
START, END = (datetime(2026, 11, 22, 14, minute, tzinfo=UTC) for minute in (30, 35))
ABSENT = object()


def market_fields(**fields: object) -> JsonObject:
    """A market as Gamma lists it, built from the fact sheet; ABSENT drops a key."""
    whole: JsonObject = {
        "slug": SLUG,
        "question": "Bitcoin Up or Down - November 22, 9:30AM-9:35AM ET",
        "conditionId": "0x" + "aB" * 32,
        "eventStartTime": "2026-11-22T14:30:00Z",
        "startDate": "2026-11-21T14:37:50Z",
        "endDate": "2026-11-22T14:35:00Z",
        "outcomes": '["Up", "Down"]',
        "clobTokenIds": '["11", "22"]',
        "active": True,
        "closed": False,
        "version": "v1",
        **fields,
    }
    return {key: value for key, value in whole.items() if value is not ABSENT}


def event_fields(*listed: object, **fields: object) -> JsonObject:
    return {
        "slug": SLUG,
        "active": True,
        "closed": False,
        "markets": [*listed],
    } | fields


def only(event: JsonObject) -> Market | Refused:
    (found,) = markets(event)
    return found


def market(**fields: object) -> Market:
    found = only(event_fields(market_fields(**fields)))
    assert isinstance(found, Market)
    return found


def refused(**fields: object) -> Refused:
    found = only(event_fields(market_fields(**fields)))
    assert isinstance(found, Refused)
    return found


def test_reads_a_recorded_event() -> None:
    """The recorded event gives its one market in full."""
    (event,) = decode_events(RECORDED)
    found = only(event)
    assert isinstance(found, Market)
    assert found.slug == "hype-updown-5m-1782287400"
    assert found.title == "Hyperliquid Up or Down - June 24, 3:50AM-3:55AM ET"
    assert found.condition_id.startswith("0x31efd0e7")
    assert found.start == datetime(2026, 6, 24, 7, 50, tzinfo=UTC)
    assert found.end == datetime(2026, 6, 24, 7, 55, tzinfo=UTC)
    assert found.token_id_yes.startswith("10256298")
    assert found.token_id_no.startswith("25686291")
    assert (found.active, found.closed, found.event_open) == (True, False, True)
    assert found.version is None


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"[]", 0),
        (b"{}", 0),
        (b'{"events": null, "profiles": [null]}', 0),
        (b'{"events": [null, {}, 5], "pagination": {}}', 1),
        (b"[{}, null]", 1),
    ],
)
def test_takes_both_shapes_of_answers(body: bytes, count: int) -> None:
    """A list, or an object with or without events, gives the objects in it."""
    assert len(decode_events(body)) == count


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>502</title></html>",
        b'"events"',
        b"null",
        b'{"events": ""}',
        b'{"events": {"slug": "x"}}',
        b'{"type": "validation error", "error": "q is required"}',
        b'{"a": "\xff"}',
        b"[" * 100_000,
        RECORDED[:-2],
    ],
)
def test_refuses_what_is_no_answer(body: bytes) -> None:
    """A page, half a JSON, an error or another shape raises one printable line."""
    with pytest.raises(WireError) as caught:
        decode_events(body)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("outcomes", ['["Down", "Up"]', ["Down", "Up"]])
def test_up_is_yes_wherever_it_stands(outcomes: object) -> None:
    """Tokens are paired with outcomes by name, in a string or a real array."""
    found = market(outcomes=outcomes, clobTokenIds=["11", "22"])
    assert (found.token_id_yes, found.token_id_no) == ("22", "11")


@pytest.mark.parametrize(
    "spelled",
    [
        "2026-11-22T14:35:00Z",
        "2026-11-22T14:35:00.000Z",
        "2026-11-22T14:35:00+00:00",
        "2026-11-22 14:35:00+00",
        "2026-11-22T09:35:00-05:00",
    ],
)
def test_reads_each_spelling_of_a_time(spelled: str) -> None:
    """Every spelling Gamma uses is the same aware UTC time."""
    end = market(endDate=spelled).end
    assert (end, end.tzinfo) == (END, UTC)


@pytest.mark.parametrize("key", ["startTime", "eventStartTime"])
def test_the_event_tells_the_start_when_the_market_does_not(key: str) -> None:
    """A start that is only on the event is taken from there."""
    lacking = market_fields(slug="other", eventStartTime=None)
    found = only(event_fields(lacking, **{key: "2026-11-22T14:30:00Z"}))
    assert isinstance(found, Market)
    assert found.start == START


def test_the_slug_tells_the_start_last() -> None:
    """Without any start the slug's second is taken, if it is such a slug."""
    assert market(eventStartTime=ABSENT).start == START
    found = refused(eventStartTime=ABSENT, slug="bitcoin-above-100k")
    assert found == Refused(
        "bitcoin-above-100k", Refusal.MALFORMED, "eventStartTime: missing"
    )


def test_the_event_lends_what_the_market_lacks() -> None:
    """Slug, title and flags come from the event where the market has none."""
    lacking = market_fields(slug=ABSENT, question=None, active=ABSENT, closed=None)
    found = only(event_fields(lacking, title="Title", closed=True))
    assert isinstance(found, Market)
    assert (found.slug, found.title) == (SLUG, "Title")
    assert (found.active, found.closed, found.event_open) == (True, True, False)


@pytest.mark.parametrize(
    ("flags", "is_open"),
    [
        ({"active": True, "closed": False}, True),
        ({"active": False, "closed": False}, False),
        ({"active": True, "closed": True}, False),
        ({"active": None, "closed": None}, True),
    ],
)
def test_says_whether_the_event_is_open(flags: JsonObject, is_open: bool) -> None:
    """An event is open unless it says that it is inactive or closed."""
    found = only(event_fields(market_fields(), **flags))
    assert isinstance(found, Market)
    assert found.event_open is is_open


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"conditionId": ABSENT}, Refusal.NO_CONDITION, "conditionId: missing"),
        ({"conditionId": ""}, Refusal.NO_CONDITION, "conditionId: ''"),
        ({"conditionId": "0x12"}, Refusal.NO_CONDITION, "conditionId: '0x12'"),
        ({"conditionId": "0x" + "g" * 64}, Refusal.NO_CONDITION, "conditionId: '0xg"),
        ({"outcomes": None}, Refusal.BAD_OUTCOMES, "outcomes: missing"),
        ({"outcomes": '["Yes", "No"]'}, Refusal.BAD_OUTCOMES, 'outcomes: \'["Yes"'),
        ({"outcomes": '["Up", "Up"]'}, Refusal.BAD_OUTCOMES, "outcomes: "),
        ({"outcomes": ["Up", "Down", "?"]}, Refusal.BAD_OUTCOMES, "outcomes: list"),
        ({"outcomes": "[" * 9_999}, Refusal.BAD_OUTCOMES, "outcomes: '[[["),
        ({"clobTokenIds": None}, Refusal.NO_TOKENS, "clobTokenIds: missing"),
        ({"clobTokenIds": "[]"}, Refusal.NO_TOKENS, "clobTokenIds: '[]'"),
        ({"clobTokenIds": '["", ""]'}, Refusal.NO_TOKENS, "clobTokenIds: "),
        ({"clobTokenIds": '["1", "1"]'}, Refusal.NO_TOKENS, "clobTokenIds: "),
        ({"clobTokenIds": '["1", 2]'}, Refusal.NO_TOKENS, "clobTokenIds: "),
        ({"clobTokenIds": '["1", "", "2"]'}, Refusal.NO_TOKENS, "clobTokenIds: "),
        ({"clobTokenIds": {"1": "2"}}, Refusal.NO_TOKENS, "clobTokenIds: dict"),
        ({"endDate": ABSENT}, Refusal.MALFORMED, "endDate: missing"),
        ({"endDate": "soon"}, Refusal.MALFORMED, "endDate: 'soon'"),
        ({"endDate": "2026-11-22T14:35:00"}, Refusal.MALFORMED, "endDate: '2026"),
        ({"endDate": "0001-01-01T00:00:00+14"}, Refusal.MALFORMED, "endDate: '0001"),
        ({"eventStartTime": 5}, Refusal.MALFORMED, "eventStartTime: int"),
        ({"active": "true"}, Refusal.MALFORMED, "active: 'true'"),
        ({"closed": 0}, Refusal.MALFORMED, "closed: int"),
        ({"version": 2}, Refusal.MALFORMED, "version: int"),
    ],
)
def test_refuses_a_market_with_the_reason(
    fields: JsonObject, reason: Refusal, detail: str
) -> None:
    """A market that cannot be read says under its slug what was wrong with what."""
    found = refused(**fields)
    assert (found.slug, found.reason) == (SLUG, reason)
    assert found.detail.startswith(detail)
    assert len(found.detail) < 100


def test_refuses_a_market_that_nothing_names() -> None:
    """Without a slug on market and event the market has no name to trade under."""
    found = only(event_fields(market_fields(slug=None), slug=None))
    assert found == Refused("", Refusal.MALFORMED, "slug: missing")


def test_one_bad_market_hides_no_other() -> None:
    """Every element of an event's markets gives one result, in order."""
    event = event_fields(market_fields(), None, market_fields(outcomes=""), "x")
    assert [type(found) for found in markets(event)] == [
        Market,
        Refused,
        Refused,
        Refused,
    ]


@pytest.mark.parametrize("listed", [ABSENT, None, "[]", {}])
def test_refuses_an_event_without_a_list_of_markets(listed: object) -> None:
    """An event whose markets were left out is visible, not silently empty."""
    event = event_fields(markets=listed)
    if listed is ABSENT:
        del event["markets"]
    found = only(event)
    assert isinstance(found, Refused)
    assert found.detail.startswith("markets: ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*market_fields(), "markets", "startTime"]), JSON)
def test_any_json_in_any_field_is_a_market_or_a_refusal(
    key: str, value: object
) -> None:
    """Whatever stands in one field of event or market, one result comes of it."""
    changed = market_fields(**{key: value})
    event = event_fields(changed, **({key: value} if key != "markets" else {}))
    assert isinstance(only(event), Market | Refused)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_answer_is_events_or_a_wire_error(body: bytes) -> None:
    """No bytes make decode_events raise anything but WireError."""
    with suppress(WireError):
        for event in decode_events(body):
            assert all(isinstance(found, Market | Refused) for found in markets(event))
