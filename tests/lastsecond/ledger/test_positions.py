"""Filled markets wait for their payout, over restarts, and are paid once."""

from pathlib import Path

import pytest

from lastsecond.market import ConditionId
from lastsecond.orders import Fill, IllegalMoveError, Killed, Matched
from tests.lastsecond.ledger.setting import ledger_in, sent

WON, LOST, KILLED = (ConditionId(f"0x{n}") for n in range(3))


async def test_what_was_filled_waits_for_its_payout(tmp_path: Path) -> None:
    """Only CONFIRMED fills are positions, with the figures of the last word."""
    async with ledger_in(tmp_path) as ledger:
        for market in (WON, LOST, KILLED):
            order_id = await sent(ledger, market)
            if market is KILLED:
                ledger.result(market, order_id, Killed("no"))
                continue
            ledger.result(market, order_id, Matched(7, 7, ("t",)))
            if market is LOST:
                continue
            ledger.result(market, order_id, Fill(5_000_000, 4_900_000))
        [position] = await ledger.positions()
        assert (position.condition_id, position.shares, position.cost) == (
            WON,
            5_000_000,
            4_900_000,
        )


async def test_a_later_run_pays_it_once(tmp_path: Path) -> None:
    """A position outlives the run; paid, it is none, and cannot be paid again."""
    async with ledger_in(tmp_path) as ledger:
        order_id = await sent(ledger, WON)
        ledger.result(WON, order_id, Fill(5_000_000, 4_900_000))
    async with ledger_in(tmp_path) as ledger:
        [position] = await ledger.positions()
        ledger.settle(position.condition_id, 5_000_000, "both")
        assert await ledger.positions() == []
        with pytest.raises(IllegalMoveError):
            ledger.settle(position.condition_id, 5_000_000, "both")
    async with ledger_in(tmp_path) as ledger:
        assert await ledger.positions() == []
        figures = await ledger.figures(0)
        assert figures.open_exposure == 0
