"""Whole polls of the finder, over sockets, against the simulated exchange."""

import dataclasses
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from gamma_15m_finder import GammaAPI15mFinder, MarketInfo
from lastsecond.http import HttpSource
from lastsecond.market import NANOSECONDS, Asset, Interval, Window
from lastsecond.sim import HttpFault, SimulatedExchange
from tests.fakes import HurriedClock

NOW = datetime(2026, 11, 22, 14, 40, tzinfo=UTC)
AHEAD = 1200
LOGGER = "gamma_15m_finder"
SEARCH, LOOK_UP = "/public-search", "/events"


def windows(now: int, seconds: int) -> Iterator[Window]:
    """Every window that is open or opens within ``seconds`` of ``now``."""
    for asset in Asset:
        for interval in Interval:
            length = interval.seconds
            for start in range(now // length * length, now + seconds, length):
                yield Window(asset, interval, start)


def in_time(now: int) -> set[str]:
    """The slugs of those that close within twenty minutes."""
    return {w.slug for w in windows(now, 7200) if now < w.end <= now + AHEAD}


@asynccontextmanager
async def exchange_at(
    moment: datetime,
) -> AsyncIterator[tuple[SimulatedExchange, GammaAPI15mFinder]]:
    """An exchange at that moment, without markets, and a finder that asks it."""
    clock = HurriedClock(int(moment.timestamp()) * NANOSECONDS)
    async with SimulatedExchange(clock) as exchange, HttpSource(clock) as source:
        yield (
            exchange,
            GammaAPI15mFinder(source=source, clock=clock, host=exchange.http_url),
        )


@pytest.fixture
async def listed() -> AsyncIterator[tuple[SimulatedExchange, GammaAPI15mFinder]]:
    """An exchange that lists every window of the next two hours."""
    async with exchange_at(NOW) as (exchange, finder):
        for window in windows(int(NOW.timestamp()), 7200):
            exchange.add_market(window)
        yield exchange, finder


def slugs(found: list[MarketInfo] | None) -> set[str]:
    return {market["ticker"] for market in found or ()}


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-22T14:40Z",
        "2026-11-22T14:44:59Z",
        "2026-11-22T14:45:01Z",
        "2026-03-08T06:50Z",
        "2026-03-08T07:10Z",
        "2026-11-01T05:50Z",
        "2026-11-01T06:10Z",
        "2026-11-01T06:50Z",
        "2027-01-01T04:50Z",
    ],
)
async def test_both_ways_find_the_same(moment: str) -> None:
    """Each way alone finds what closes within twenty minutes, in few requests."""
    now = datetime.fromisoformat(moment)
    expected = in_time(int(now.timestamp()))
    async with exchange_at(now) as (exchange, finder):
        for window in windows(int(now.timestamp()), 7200):
            exchange.add_market(window)
        found = await finder.find_active_market()
        assert slugs(found) == expected
        assert found is not None
        assert len(found) == len(expected)
        assert len(exchange.requests) <= 12
        for path in (SEARCH, LOOK_UP):
            answer = HttpFault(path=path, status=200, body="[]", times=100)
            exchange.faults.http(answer)
            assert slugs(await finder.find_active_market()) == expected
            answer.times = 0


async def test_the_slugs_asked_for_are_those_that_must_exist(
    listed: tuple[SimulatedExchange, GammaAPI15mFinder],
) -> None:
    """The look-up names each window that closes in time, once, and no other."""
    exchange, finder = listed
    await finder.find_active_market()
    asked = [
        value
        for request in exchange.requests
        if request.path == LOOK_UP
        for name, value in request.query
        if name == "slug"
    ]
    assert sorted(asked) == sorted(in_time(int(NOW.timestamp())))


@pytest.mark.parametrize("broken", [SEARCH, LOOK_UP])
@pytest.mark.parametrize(
    "fault",
    [
        HttpFault(path="", status=502, body="<html>Bad Gateway</html>"),
        HttpFault(path="", status=403, body="<html>error 1015</html>"),
        HttpFault(path="", status=200, body="<html>Maintenance</html>"),
        HttpFault(path="", status=200, body='{"events": [{"slug": "btc-upd'),
        HttpFault(path="", status=200, body=""),
        HttpFault(path="", status=200, body="null"),
        HttpFault(path="", status=200, body='{"error": "too busy"}'),
        HttpFault(path="", status=200, body='{"events": {"slug": "x"}}'),
        HttpFault(path="", manner="reset"),
        HttpFault(path="", manner="truncate", status=200, body="[]"),
    ],
    ids=lambda fault: f"{fault.manner}-{fault.status}-{fault.body[:12]}",
)
async def test_when_one_way_fails_the_other_serves(
    fault: HttpFault,
    broken: str,
    listed: tuple[SimulatedExchange, GammaAPI15mFinder],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever is wrong with one way, all is found, and one line a request says it."""
    caplog.set_level(logging.INFO, LOGGER)
    exchange, finder = listed
    exchange.faults.http(dataclasses.replace(fault, path=broken, times=1000))
    assert slugs(await finder.find_active_market()) == in_time(int(NOW.timestamp()))
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert errors
    assert all(line.startswith(f"GAMMA_FAILED path={broken} ") for line in errors)
    assert all(line.isprintable() for line in errors)


@pytest.mark.parametrize("body", ["[]", "{}", '{"events": null}', "[null, 7, []]"])
async def test_an_empty_answer_is_no_error(
    body: str,
    listed: tuple[SimulatedExchange, GammaAPI15mFinder],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A search that knows nothing (its index lags) is not reported as a failure."""
    caplog.set_level(logging.ERROR, LOGGER)
    exchange, finder = listed
    exchange.faults.http(HttpFault(path=SEARCH, status=200, body=body, times=100))
    assert slugs(await finder.find_active_market()) == in_time(int(NOW.timestamp()))
    assert caplog.records == []


async def test_nothing_is_found_while_the_exchange_is_down(
    listed: tuple[SimulatedExchange, GammaAPI15mFinder],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With both ways down the answer is None, with error lines; the next poll works."""
    exchange, finder = listed
    exchange.faults.gamma_down = True
    assert await finder.find_active_market() is None
    told = {
        record.getMessage().split()[1]
        for record in caplog.records
        if record.getMessage().startswith("GAMMA_FAILED")
    }
    assert told == {f"path={SEARCH}", f"path={LOOK_UP}"}
    exchange.faults.gamma_down = False
    assert await finder.find_active_market()


async def test_an_exchange_without_markets_gives_none() -> None:
    """None, not an empty list, when there is nothing to trade."""
    async with exchange_at(NOW) as (_, finder):
        assert await finder.find_active_market() is None


async def test_search_finds_what_no_slug_foretells() -> None:
    """A window that does not start on the grid is found by the search."""
    odd = Window(Asset.BTC, Interval.FIVE_MINUTES, int(NOW.timestamp()) + 60)
    async with exchange_at(NOW) as (exchange, finder):
        exchange.add_market(odd)
        assert slugs(await finder.find_active_market()) == {odd.slug}


@pytest.mark.parametrize(
    "fields",
    [
        {"clobTokenIds": ...},
        {"clobTokenIds": "[]"},
        {"outcomes": 7},
        {"endDate": "soon"},
        {"slug": None, "conditionId": None},
        {"active": None, "closed": "no"},
        {"version": "v2"},
    ],
)
async def test_a_malformed_market_hides_no_other(fields: dict[str, Any]) -> None:
    """One market that cannot be read is left out; those around it are found."""
    now = int(NOW.timestamp())
    bad = Window(Asset.ETH, Interval.FIVE_MINUTES, now)
    async with exchange_at(NOW) as (exchange, finder):
        for window in windows(now, 7200):
            exchange.add_market(window, **(fields if window == bad else {}))
        assert slugs(await finder.find_active_market()) == in_time(now) - {bad.slug}
