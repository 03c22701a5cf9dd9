import asyncio
import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamma_15m_finder import GammaAPI15mFinder, MarketInfo
from lastsecond.clock import LoopClock
from lastsecond.market import NANOSECONDS, Asset, Interval, Window
from lastsecond.ports import Clock, JsonSource
from lastsecond.sim import naming
from lastsecond.wire.gamma import JsonObject
from tests.fakes import FakeSource, HurriedClock, Parameters, on_jumping_loop

NOW = datetime(2026, 11, 22, 14, 40, tzinfo=UTC)
START = int(NOW.timestamp())
MINUTE = 60
BTC_5M = Window(Asset.BTC, Interval.FIVE_MINUTES, START)
BTC_15M = Window(Asset.BTC, Interval.FIFTEEN_MINUTES, START - 10 * MINUTE)
ETH_15M = Window(Asset.ETH, Interval.FIFTEEN_MINUTES, START + 5 * MINUTE)
LOGGER = "gamma_15m_finder"

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


def clock_at(moment: datetime) -> HurriedClock:
    return HurriedClock(int(moment.timestamp()) * NANOSECONDS)


async def no_events(url: str, params: Parameters) -> bytes:
    return b"[]"


def finder_at(
    moment: datetime = NOW,
    *,
    source: JsonSource | None = None,
    clock: Clock | None = None,
    host: str = "https://gamma.test",
    minutes: float = 20,
) -> GammaAPI15mFinder:
    return GammaAPI15mFinder(
        minutes,
        source=source or FakeSource(no_events),
        clock=clock or clock_at(moment),
        host=host,
    )


def event_of(
    window: Window, about: JsonObject | None = None, **fields: object
) -> JsonObject:
    """An event; ``about`` and ``fields`` replace its fields, ``...`` leaves one out."""
    market = {
        "slug": window.slug,
        "question": naming.title(window),
        "conditionId": naming.condition_id(window.slug),
        "outcomes": '["Up", "Down"]',
        "clobTokenIds": '["11", "22"]',
        "eventStartTime": naming.iso(window.start),
        "endDate": naming.iso(window.end),
        "active": True,
        "closed": False,
        "version": "v1",
    } | fields
    present = {name: value for name, value in market.items() if value is not ...}
    event: JsonObject = {"slug": window.slug, "active": True, "closed": False}
    return event | {"markets": [present]} | (about or {})


def tickers(found: Iterable[MarketInfo] | None) -> list[str]:
    return [market["ticker"] for market in found or ()]


def counts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What each poll's summary says was refused."""
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    return [message.partition("refused: ")[2] for message in messages]


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ("2026-11-22T14:15Z", ["November 22, 9:"]),
        ("2026-11-22T14:39Z", ["November 22, 9:"]),
        ("2026-11-22T14:40Z", ["November 22, 9:", "November 22, 10:"]),
        ("2026-11-22T15:10Z", ["November 22, 9:", "November 22, 10:"]),
        ("2026-01-05T18:20Z", ["January 5, 1:"]),
        ("2026-02-14T05:20Z", ["February 14, 12:"]),
        ("2026-04-09T16:20Z", ["April 9, 12:"]),
        ("2026-05-09T15:50Z", ["May 9, 11:", "May 9, 12:"]),
        ("2026-06-30T16:50Z", ["June 30, 12:", "June 30, 1:"]),
        ("2026-07-04T13:20Z", ["July 4, 9:"]),
        ("2026-08-01T03:50Z", ["July 31, 11:", "August 1, 12:"]),
        ("2026-09-10T02:20Z", ["September 9, 10:"]),
        ("2026-10-08T04:20Z", ["October 8, 12:"]),
        ("2026-12-31T23:20Z", ["December 31, 6:"]),
        ("2027-01-01T04:50Z", ["December 31, 11:", "January 1, 12:"]),
        ("2028-02-29T04:50Z", ["February 28, 11:", "February 29, 12:"]),
        ("2026-03-08T06:20Z", ["March 8, 1:"]),
        ("2026-03-08T06:50Z", ["March 8, 1:", "March 8, 3:"]),
        ("2026-03-08T07:20Z", ["March 8, 3:"]),
        ("2026-11-01T04:50Z", ["November 1, 12:", "November 1, 1:"]),
        ("2026-11-01T05:50Z", ["November 1, 1:"]),
        ("2026-11-01T06:50Z", ["November 1, 1:", "November 1, 2:"]),
        ("2026-11-01T07:20Z", ["November 1, 2:"]),
    ],
)
def test_queries_name_the_eastern_hours(moment: str, hours: list[str]) -> None:
    """Each coin is asked for with the date and the hours in which windows start."""
    now = datetime.fromisoformat(moment)
    assert finder_at(now).queries(now) == [
        f"{coin} Up or Down - {hour}"
        for coin in ("Bitcoin", "Ethereum")
        for hour in hours
    ]


@given(
    now=st.datetimes(
        datetime(2026, 1, 1),  # noqa: DTZ001  strategies want naive bounds
        datetime(2027, 12, 31),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    minutes=st.sampled_from([1, 5, 20, 60]),
    asset=st.sampled_from(Asset),
    interval=st.sampled_from(Interval),
)
def test_a_query_fits_every_title(
    now: datetime, minutes: int, asset: Asset, interval: Interval
) -> None:
    """Whatever closes in time has a title that begins like one of the queries."""
    queries = finder_at(now, minutes=minutes).queries(now)
    first = (int(now.timestamp()) // interval.seconds) * interval.seconds
    last = int(now.timestamp()) + minutes * MINUTE - interval.seconds
    for start in range(first, last + 1, interval.seconds):
        title = naming.title(Window(asset, interval, start))
        assert any(title.startswith(query) for query in queries)
    assert len(queries) <= 2 * (minutes // 60 + 3)


def test_a_market_is_told_in_eight_keys() -> None:
    """The owner's keys and formats, exactly, in UTC and in Eastern time."""
    event = event_of(BTC_15M)
    (found,) = finder_at(NOW - timedelta(seconds=30)).filter_markets([event])
    assert found == {
        "condition_id": naming.condition_id(BTC_15M.slug),
        "token_id_yes": "11",
        "token_id_no": "22",
        "end_time": "09:45:00 ET",
        "end_time_utc": "2026-11-22 14:45:00 UTC",
        "minutes_until_end": 5.5,
        "title": "Bitcoin Up or Down - November 22, 9:30AM-9:45AM ET",
        "ticker": BTC_15M.slug,
    }
    assert isinstance(found["minutes_until_end"], float)


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        ({"version": ...}, {}),
        ({"version": None}, {}),
        ({"eventStartTime": ...}, {}),
        ({"eventStartTime": ...}, {"startTime": naming.iso(BTC_15M.start)}),
        ({"endDate": "2026-11-22 14:45:00+00"}, {}),
        ({"endDate": "2026-11-22T09:45:00-05:00"}, {}),
        ({}, {"active": ..., "closed": None}),
        ({"outcomes": ["Up", "Down"], "clobTokenIds": ["11", "22"]}, {}),
        ({"outcomes": '["Down", "Up"]', "clobTokenIds": '["22", "11"]'}, {}),
    ],
)
def test_forms_that_mean_the_same_are_read(
    fields: JsonObject, about: JsonObject
) -> None:
    """No version, other forms of times and arrays, and Up in second place are read."""
    (found,) = finder_at().filter_markets([event_of(BTC_15M, about, **fields)])
    assert (found["token_id_yes"], found["token_id_no"]) == ("11", "22")
    assert found["end_time_utc"] == "2026-11-22 14:45:00 UTC"


OTHER_KINDS = [
    f"btc-updown-4h-{START}",
    f"btc-updown-1h-{START}",
    f"sol-updown-15m-{START}",
    f"xrp-updown-5m-{START}",
    f"{BTC_15M.slug}-x",
    "bitcoin-up-or-down-november-22-2026-9am-et",
    "bitcoin-up-or-down-on-november-22-2026",
    "bitcoin-above-90k-on-november-22",
]


@pytest.mark.parametrize(
    ("fields", "about", "reason"),
    [
        ({"closed": True}, {}, "closed"),
        ({"active": False}, {}, "inactive"),
        ({}, {"closed": True}, "inactive"),
        ({}, {"active": False}, "inactive"),
        *(({"slug": slug}, {}, "other_kind") for slug in OTHER_KINDS),
        ({"endDate": naming.iso(BTC_15M.end + 1)}, {}, "window_mismatch"),
        ({"endDate": naming.iso(BTC_15M.start + 3600)}, {}, "window_mismatch"),
        ({"eventStartTime": naming.iso(BTC_15M.start - 1)}, {}, "window_mismatch"),
        ({"slug": ETH_15M.slug}, {}, "window_mismatch"),
        ({"version": "v2"}, {}, "unknown_version"),
        ({"version": ""}, {}, "unknown_version"),
        ({"version": 1}, {}, "malformed"),
        ({"clobTokenIds": ...}, {}, "no_tokens"),
        ({"clobTokenIds": None}, {}, "no_tokens"),
        ({"clobTokenIds": "[]"}, {}, "no_tokens"),
        ({"clobTokenIds": '["", ""]'}, {}, "no_tokens"),
        ({"clobTokenIds": '["11"]'}, {}, "no_tokens"),
        ({"clobTokenIds": '["11", "11"]'}, {}, "no_tokens"),
        ({"clobTokenIds": ..., "positionIds": ["11", "22"]}, {}, "no_tokens"),
        ({"outcomes": '["Yes", "No"]'}, {}, "bad_outcomes"),
        ({"outcomes": ...}, {}, "bad_outcomes"),
        ({"conditionId": ""}, {}, "no_condition"),
        ({"endDate": ...}, {}, "malformed"),
        ({"endDate": "2026-11-22T14:45:00"}, {}, "malformed"),
        ({"slug": 7}, {"slug": None}, "malformed"),
        ({"active": "true"}, {}, "malformed"),
        ({}, {"markets": None}, "malformed"),
        ({}, {"markets": [None]}, "malformed"),
    ],
)
def test_what_is_not_to_be_traded_stays_out(
    fields: JsonObject,
    about: JsonObject,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A market that is not fit is refused with its reason and hides no other."""
    caplog.set_level(logging.INFO, LOGGER)
    unfit = event_of(BTC_15M, about, **fields)
    found = finder_at().filter_markets([event_of(BTC_5M), unfit, event_of(ETH_15M)])
    assert tickers(found) == [BTC_5M.slug, ETH_15M.slug]
    assert counts(caplog) == [f"{reason}=1"]


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (-1200.001, "too_far=1"),
        (-1200.0, "none"),
        (-0.001, "none"),
        (0.0, "past=1"),
        (86400.0, "past=1"),
    ],
)
def test_only_the_next_twenty_minutes_count(
    seconds: float, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A market counts from twenty minutes before its close until just before it."""
    caplog.set_level(logging.INFO, LOGGER)
    clock = HurriedClock(BTC_15M.end * NANOSECONDS + round(seconds * NANOSECONDS))
    found = finder_at(clock=clock).filter_markets([event_of(BTC_15M)])
    assert (counts(caplog), len(found)) == ([reason], int(reason == "none"))


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (((Asset.ETH,), tuple(Interval)), "other_asset=1"),
        ((tuple(Asset), (Interval.FIVE_MINUTES,)), "other_interval=1"),
    ],
)
def test_only_the_chosen_kinds_count(
    kinds: tuple[tuple[Asset, ...], tuple[Interval, ...]],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Coins and lengths that were not asked for stay out, and are not asked about."""
    caplog.set_level(logging.INFO, LOGGER)
    source = FakeSource(no_events)
    finder = GammaAPI15mFinder(source=source, clock=clock_at(NOW), host="", kinds=kinds)
    assert finder.filter_markets([event_of(BTC_15M)]) == []
    assert counts(caplog) == [reason]
    asyncio.run(finder.find_active_market())
    asked = {value for _, params in source.calls for _, value in params}
    assert BTC_15M.slug not in asked


def test_the_soonest_comes_first_and_once() -> None:
    """Markets are in the order of their closes, each once however often it was told."""
    events = [event_of(window) for window in (ETH_15M, BTC_15M, BTC_5M, ETH_15M)]
    found = finder_at().filter_markets(events)
    assert tickers(found) == [BTC_15M.slug, BTC_5M.slug, ETH_15M.slug]


def test_a_refusal_is_counted_each_time_and_explained_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every poll counts what it refuses; a line of its own each gets only at first.

    Told twice in one poll, by search and by slug, it still counts once.
    """
    caplog.set_level(logging.DEBUG, LOGGER)
    finder = finder_at()
    shut = event_of(BTC_15M, closed=True)
    for _ in range(3):
        finder.filter_markets([shut, event_of(BTC_5M, version="v2"), shut])
    assert counts(caplog) == ["closed=1 unknown_version=1"] * 3
    explained = [r.getMessage() for r in caplog.records if r.levelno == logging.DEBUG]
    assert [line.split()[:3] for line in explained] == [
        ["REFUSED", BTC_15M.slug, "reason=closed"],
        ["REFUSED", BTC_5M.slug, "reason=unknown_version"],
    ]


def test_what_was_explained_is_forgotten_in_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Over weeks of polls the memory of explained refusals stays bounded."""
    caplog.set_level(logging.DEBUG, LOGGER)
    finder = finder_at()
    others = [event_of(BTC_15M, slug=f"other-{number}") for number in range(3_000)]
    finder.filter_markets(others)
    finder.filter_markets(others[-1:])
    finder.filter_markets(others[:1])
    explained = [r for r in caplog.records if r.levelno == logging.DEBUG]
    assert len(explained) == 3_001


@given(
    events=st.lists(st.dictionaries(st.text(), anything, max_size=3), max_size=3),
    fields=st.dictionaries(st.sampled_from(sorted(event_of(BTC_5M))), anything),
    inner=st.dictionaries(
        st.sampled_from(["slug", "outcomes", "clobTokenIds", "endDate", "active"])
        | st.sampled_from(["eventStartTime", "question", "version", "conditionId"]),
        anything,
    ),
)
def test_no_json_raises_or_hides_a_market(
    events: list[JsonObject], fields: JsonObject, inner: JsonObject
) -> None:
    """Whatever stands where events should, the good market between is found."""
    odd = [event_of(ETH_15M, fields), *events, event_of(BTC_15M, None, **inner)]
    assert BTC_5M.slug in tickers(finder_at().filter_markets([*odd, event_of(BTC_5M)]))


@given(body=st.binary() | anything.map(lambda value: json.dumps(value).encode()))
def test_no_answer_raises(body: bytes) -> None:
    """Whatever bytes the exchange sends, a poll ends without an exception."""

    async def answer(url: str, params: Parameters) -> bytes:
        return body

    source = FakeSource(answer)
    assert asyncio.run(finder_at(source=source).find_active_market()) is None


async def test_a_search_asks_for_open_events_only() -> None:
    """The search gets the query word for word, and leaves out what has closed."""
    source = FakeSource(no_events)
    query = "Bitcoin Up or Down - November 22, 9:"
    assert await finder_at(source=source).search_markets(query) == []
    ((url, params),) = source.calls
    assert url == "https://gamma.test/public-search"
    assert dict(params).items() >= {"q": query, "events_status": "active"}.items()


@on_jumping_loop
async def test_the_requests_of_a_poll_run_at_once() -> None:
    """A poll takes as long as its slowest request, not as their sum."""
    clock = LoopClock(START * NANOSECONDS)

    async def slow(url: str, params: Parameters) -> bytes:
        await clock.sleep(9)
        return json.dumps([event_of(BTC_15M)]).encode()

    source = FakeSource(slow)
    found = await finder_at(source=source, clock=clock).find_active_market()
    assert tickers(found) == [BTC_15M.slug]
    assert clock.monotonic() == 9 * NANOSECONDS
    assert found is not None
    assert found[0]["minutes_until_end"] == pytest.approx(5 - 9 / 60)


@on_jumping_loop
async def test_a_silent_way_ends_within_30_seconds() -> None:
    """While one way says nothing the poll waits its time out, then the other serves."""
    clock = LoopClock(START * NANOSECONDS)

    async def half_silent(url: str, params: Parameters) -> bytes:
        if url.endswith("/public-search"):
            await clock.sleep(3600)
        return json.dumps([event_of(BTC_15M)]).encode()

    source = FakeSource(half_silent)
    found = await finder_at(source=source, clock=clock).find_active_market()
    assert tickers(found) == [BTC_15M.slug]
    assert clock.monotonic() <= 30 * NANOSECONDS


async def test_the_freshest_word_on_a_market_counts() -> None:
    """Where the two ways differ, the look-up is believed: a search index lags."""

    async def answer(url: str, params: Parameters) -> bytes:
        lagging = url.endswith("/public-search")
        tokens = '["1", "2"]' if lagging else '["11", "22"]'
        return json.dumps([event_of(BTC_15M, clobTokenIds=tokens)]).encode()

    (found,) = await finder_at(source=FakeSource(answer)).find_active_market() or []
    assert found["token_id_yes"] == "11"
