"""Every watched market is measured at fixed moments, whether it is traded or not."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from lastsecond.errors import FeedError
from lastsecond.history import OFFSETS_MS, Observation, Sample
from lastsecond.market import NANOSECONDS, ConditionId, Outcome
from tests.fakes import on_jumping_loop
from tests.test_hft_trader import CLOSE, CONDITION, NO, YES, Market, Script, books

ALL_LONG: Script = [(t, books("0.95", "0.07", t)) for t in (60.5, *range(58, -32, -2))]
HERE = ConditionId(CONDITION)


def observed(script: Script, no: Script | None = None, **settings: Any) -> Observation:
    """What a market that lives by ``script`` is observed to be."""
    seen: list[Observation] = []

    @on_jumping_loop
    async def live() -> None:
        market = Market(script, no, **settings)
        await market.trader.run()
        seen.append(market.ledger.observations[HERE])

    live()
    return seen[0]


def at(observation: Observation, offset_ms: int) -> Sample:
    [sample] = [s for s in observation.samples if s.offset_ms == offset_ms]
    return sample


def test_a_sample_at_each_moment() -> None:
    """All of them, each two milliseconds after its moment, so after the trigger."""
    seen = observed(ALL_LONG, max_price=Decimal("0.90"))
    offsets = [sample.offset_ms for sample in seen.samples]
    assert offsets == list(OFFSETS_MS)
    for sample in seen.samples:
        moment = (CLOSE * 1000 + sample.offset_ms) * 1_000_000
        assert sample.taken_at == moment + 2_000_000
    assert 0 <= seen.watched_until - (CLOSE + 30) * NANOSECONDS < 10_000_000


def test_what_a_sample_holds() -> None:
    """The favourite's ask and depth under the cap, and how far to believe it."""
    script = [(2, books("0.95", "0.07", 2))]
    sample = at(observed(script, watch_after=0.0), -1000)
    assert (sample.favourite, sample.ask) == (Outcome.UP, 950_000)
    assert sample.depth == 95_000_000
    assert sample.fillable
    assert (sample.fault, sample.age_ms, sample.sockets_gap_ms) == ("", 1002, 0)


@pytest.mark.parametrize(
    ("up", "down", "size", "favourite", "ask", "fillable"),
    [
        ("0.95", "0.07", "5", Outcome.UP, 950_000, True),
        ("0.95", "0.07", "96", Outcome.UP, 950_000, False),
        ("0.05", "0.97", "5", Outcome.DOWN, 970_000, True),
        ("0.992", "0.01", "5", Outcome.UP, 992_000, False),
        (None, "0.01", "5", Outcome.UP, None, False),
        ("0.01", None, "5", Outcome.DOWN, None, False),
        (None, None, "5", None, None, False),
        ("0.51", "0.51", "5", None, None, False),
    ],
)
def test_the_favourite_and_what_it_sells(
    up: str | None,
    down: str | None,
    size: str,
    favourite: Outcome | None,
    ask: int | None,
    fillable: bool,
) -> None:
    """That nobody sells an outcome makes it the favourite; no ask is not a number."""
    seen = observed(
        [(2, books(up, down, 2))],
        watch_after=0.0,
        trade_size=Decimal(size),
        max_order=Decimal(100),
    )
    sample = at(seen, -1000)
    assert (sample.favourite, sample.ask) == (favourite, ask)
    assert sample.fillable is fillable


def test_a_book_that_is_not_to_be_believed_sells_nothing() -> None:
    """Stale, missing and disconnected books have their word in the sample."""
    stale = at(observed([(50, books("0.95", "0.07", 50))], watch_after=0.0), -1000)
    assert (stale.fault, stale.fillable) == ("stale_book", False)
    assert stale.depth == 95_000_000, "what it showed last is told all the same"
    none = at(observed([], watch_after=0.0), -1000)
    assert (none.fault, none.favourite, none.age_ms) == ("no_book", None, None)
    lost = observed([(2, books("0.95", "0.07", 2)), (1.5, b"")], watch_after=0.0)
    assert at(lost, -1000).fault == "no_book"


def test_moments_that_were_missed_are_not_made_up() -> None:
    """A market that is taken up late has no samples from before."""
    seen: list[Observation] = []

    @on_jumping_loop
    async def live() -> None:
        market = Market([(2, books("0.95", "0.07", 2))], watch_after=1.0)
        await market.until(4)
        await market.trader.run()
        seen.append(market.ledger.observations[HERE])

    live()
    assert [s.offset_ms for s in seen[0].samples] == [
        *(-3_000, -2_000, -1_000, -500, -200, 1_000),
    ]
    assert seen[0].watched_from == (CLOSE - 4) * NANOSECONDS


def test_silence_is_added_up() -> None:
    """Seconds in which neither socket spoke; shorter pauses are none."""
    script = [(t, books("0.95", "0.07", t)) for t in (59.5, 59, 49, 48.5, 20)]
    seen = observed(script, watch_after=10.0)
    assert 0 <= seen.silent_ms - (10_000 + 28_500 + 30_000) < 10
    other = [(39, books("0.95", "0.07", 39))]
    both = observed(script, other, watch_after=10.0).silent_ms
    assert 0 <= both - (10_000 + 9_500 + 19_000 + 30_000) < 10
    assert 0 <= observed([], watch_after=0.0).silent_ms - 60_000 < 10


def test_the_result_ends_the_watching() -> None:
    """After market_resolved there is nothing to measure; what it said is kept."""
    resolved = json.dumps(
        {
            "event_type": "market_resolved",
            "market": CONDITION,
            "assets_ids": [YES, NO],
            "winning_asset_id": NO,
            "winning_outcome": "Down",
            "timestamp": str((CLOSE + 7) * 1000),
        }
    ).encode()
    script = [(2, books("0.95", "0.07", 2)), (-7, resolved)]
    seen = observed(script)
    assert seen.heard == NO
    assert seen.watched_until == (CLOSE + 7) * NANOSECONDS
    assert seen.samples[-1].offset_ms == 5_000
    foreign = json.loads(resolved) | {"winning_asset_id": "77"}
    quiet = observed(
        [(2, books("0.95", "0.07", 2)), (-7, json.dumps(foreign).encode())]
    )
    assert quiet.heard == ""


def test_stopping_keeps_what_was_measured() -> None:
    """Ctrl-C before or after the close: the samples so far are written."""

    @on_jumping_loop
    async def live() -> None:
        for before_close, last in ((15, -20_000), (-10, 5_000)):
            market = Market([(40, books("0.95", "0.07", 40))])
            running = asyncio.create_task(market.trader.run())
            await market.until(before_close)
            running.cancel()
            await asyncio.wait([running])
            seen = market.ledger.observations[HERE]
            assert seen.samples[-1].offset_ms == last
            assert seen.watched_until == (CLOSE - before_close) * NANOSECONDS

    live()


def test_a_market_that_was_never_watched_has_no_observation() -> None:
    """No socket opened: nothing was seen, so nothing is written."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([])
        for stream in market.streams.values():
            stream.opens = False
        with pytest.raises(FeedError):
            await market.trader.run()
        assert market.ledger.observations == {}

    live()
