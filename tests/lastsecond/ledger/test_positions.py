"""Closed markets wait for their result, over restarts, and are paid once."""

from pathlib import Path

import pytest

from lastsecond.history import Observation, Sample
from lastsecond.market import NANOSECONDS, ConditionId, Outcome, TokenId
from lastsecond.orders import Fill, IllegalMoveError, Killed, Matched, State
from tests.lastsecond.ledger.setting import CLOSE, StillClock, ledger_in, sent

WON, LOST, KILLED, SEEN = (ConditionId(f"0x{n}") for n in range(4))
TOKENS = TokenId("10"), TokenId("20")
LATER = StillClock(CLOSE + 60 * NANOSECONDS)
BOUGHT = Fill(5_000_000, 4_900_000, ((980_000, 5_000_000),))


def observation(heard: str = "") -> Observation:
    sample = Sample(
        offset_ms=-1000,
        taken_at=CLOSE - NANOSECONDS,
        favourite=Outcome.UP,
        ask=990_000,
        depth=7_000_000,
        fillable=True,
        age_ms=12,
        sockets_gap_ms=None,
        fault="",
    )
    return Observation(
        watched_from=1,
        watched_until=2,
        silent_ms=3,
        reconnects=4,
        heard=heard,
        samples=(sample,),
    )


async def test_what_was_filled_waits_for_its_payout(tmp_path: Path) -> None:
    """Only CONFIRMED fills are held, with the figures of the last word."""
    async with ledger_in(tmp_path, clock=LATER) as ledger:
        for market in (WON, LOST, KILLED):
            order_id = await sent(ledger, market)
            if market is KILLED:
                ledger.result(market, order_id, Killed("no"))
                continue
            ledger.result(market, order_id, Matched(7, 7, ("t",)))
            if market is WON:
                ledger.result(market, order_id, BOUGHT)
        [held] = await ledger.awaited()
        assert (held.condition_id, held.token_id) == (WON, held.token_up)
        assert (held.shares, held.cost, held.fee) == (5_000_000, 4_900_000, None)


async def test_a_market_that_was_watched_waits_for_its_result(tmp_path: Path) -> None:
    """Nothing is held of it; known, or a day later, it is asked about no more."""
    clock = StillClock(CLOSE + NANOSECONDS)
    async with ledger_in(tmp_path, clock=clock) as ledger:
        for market in (WON, SEEN):
            await ledger.discover(market, "btc", CLOSE, TOKENS)
            ledger.move(market, State.WATCHING)
            ledger.observe(market, observation(heard="20"))
            ledger.move(market, State.SKIPPED, "no_ask")
        await ledger.discover(KILLED, "btc", CLOSE, TOKENS)
        ledger.move(KILLED, State.SKIPPED, "too_late")
        first, second = await ledger.awaited()
        assert {first.condition_id, second.condition_id} == {WON, SEEN}
        assert (first.token_up, first.token_down, first.heard) == (*TOKENS, "20")
        assert (first.token_id, first.shares) == ("", 0)
        ledger.resolve(WON, 0, "gamma")
        ledger.resolve(WON, 1_000_000, "a later one does not count")
        [left] = await ledger.awaited()
        assert left.condition_id == SEEN
        assert ledger.fault is None
        clock.at = CLOSE + 86_401 * NANOSECONDS
        assert await ledger.awaited() == []


async def test_an_open_market_is_not_asked_about(tmp_path: Path) -> None:
    """Before its close there is no result to ask for."""
    async with ledger_in(tmp_path) as ledger:
        ledger.result(WON, await sent(ledger, WON), BOUGHT)
        assert await ledger.awaited() == []


async def test_a_later_run_pays_it_once(tmp_path: Path) -> None:
    """A position outlives the run; paid, it is none, and cannot be paid again."""
    async with ledger_in(tmp_path, clock=LATER) as ledger:
        order_id = await sent(ledger, WON)
        ledger.result(WON, order_id, BOUGHT)
    async with ledger_in(tmp_path, clock=LATER) as ledger:
        [held] = await ledger.awaited()
        ledger.resolve(held.condition_id, 1_000_000, "gamma")
        [held] = await ledger.awaited()  # died between the two
        ledger.settle(held.condition_id, 5_000_000, "gamma")
        assert await ledger.awaited() == []
        with pytest.raises(IllegalMoveError):
            ledger.settle(held.condition_id, 5_000_000, "gamma")
    async with ledger_in(tmp_path, clock=LATER) as ledger:
        assert await ledger.awaited() == []
        figures = await ledger.figures(0)
        assert figures.open_exposure == 0
        assert await ledger.cash() == 100_000
