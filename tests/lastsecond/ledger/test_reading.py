"""The whole ledger can be read beside a bot that writes it, and an old one is kept."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lastsecond.errors import LedgerError
from lastsecond.history import EstimateRecord
from lastsecond.ledger import open_ledger
from lastsecond.ledger.reading import read_history
from lastsecond.market import NANOSECONDS, ConditionId, Outcome, TokenId
from lastsecond.orders import Estimate, Figure, Fill, Killed, State
from tests.lastsecond.ledger.setting import (
    CLOSE,
    MARKET,
    OTHER,
    START,
    StillClock,
    ledger_in,
    sent,
    signed,
)
from tests.lastsecond.ledger.test_positions import observation

OLD = Path(__file__).parents[2] / "data" / "ledger-1.sql"
TOKENS = TokenId("1"), TokenId("2")
BOUGHT = Fill(5_000_000, 4_900_000, ((980_000, 5_000_000),))


async def write_a_life(folder: Path) -> None:
    """A market bought, measured and paid, and one that was skipped."""
    clock = StillClock(START)
    async with open_ledger(
        folder / "ledger.db",
        clock=clock,
        mode="PAPER",
        wallet="paper",
        settings_hash="hash",
        code_version="code",
        host="host",
        settings={"TRADE_SIZE": "5"},
    ) as ledger:
        await ledger.discover(MARKET, "btc", CLOSE, TOKENS)
        ledger.move(MARKET, State.WATCHING)
        order = replace(signed(), fee_rate=70_000)
        await ledger.arm(MARKET, [order])
        ledger.sent(MARKET, order.order_id, CLOSE - NANOSECONDS)
        clock.at = CLOSE
        ledger.result(MARKET, order.order_id, BOUGHT)
        for figure, end in (
            (Figure.OPTIMISTIC, BOUGHT),
            (Figure.PESSIMISTIC, Killed("gone")),
        ):
            estimate = Estimate(figure=figure, result=end, ask=980_000, at=CLOSE - 5)
            ledger.estimate(order.order_id, [estimate])
        ledger.observe(MARKET, observation(heard="1"))
        ledger.resolve(MARKET, 1_000_000, "stream")
        ledger.settle(MARKET, 5_000_000, "stream")
        await ledger.discover(OTHER, "eth", CLOSE + 1, TOKENS)
        ledger.move(OTHER, State.SKIPPED, "too_late")
        ledger.note(OTHER, "results_differ", gamma=0)
        await ledger.flush()


async def test_everything_is_read(tmp_path: Path) -> None:
    """Run, market, order, fill with its fee, figures, samples, result and payout."""
    await write_a_life(tmp_path)
    history = read_history(tmp_path / "ledger.db")
    [run] = history.runs
    assert (run.settings_hash, run.settings) == ("hash", {"TRADE_SIZE": "5"})
    bought, skipped = history.markets
    assert (bought.state, bought.watched, bought.side) == (
        State.SETTLED,
        True,
        Outcome.UP,
    )
    assert bought.sent_at == CLOSE - NANOSECONDS
    assert bought.answered_at == CLOSE
    assert (bought.shares, bought.cost, bought.fee) == (5_000_000, 4_900_000, 6_860)
    assert (bought.payout, bought.paid_up, bought.result_source) == (
        5_000_000,
        1_000_000,
        "stream",
    )
    assert bought.estimates[Figure.OPTIMISTIC] == EstimateRecord(
        figure=Figure.OPTIMISTIC,
        filled=True,
        reason="",
        ask=980_000,
        shares=5_000_000,
        cost=4_900_000,
        fee=6_860,
        at=CLOSE - 5,
    )
    pessimistic = bought.estimates[Figure.PESSIMISTIC]
    assert (pessimistic.filled, pessimistic.reason) == (False, "gone")
    assert (pessimistic.shares, pessimistic.fee) == (0, 0)
    assert bought.observation == observation(heard="1")
    assert (skipped.state, skipped.reason) == (State.SKIPPED, "too_late")
    assert (skipped.watched, skipped.disputed) == (False, True)
    assert skipped.sent_at is skipped.cost is skipped.paid_up is None
    assert not bought.disputed


async def test_it_is_read_while_a_bot_writes(tmp_path: Path) -> None:
    """Reading needs no lock and leaves nothing behind that would disturb."""
    async with ledger_in(tmp_path) as ledger:
        await sent(ledger)
        await ledger.flush()
        [market] = read_history(tmp_path / "ledger.db").markets
        assert market.state is State.SENT
        ledger.result(MARKET, market.order_id, BOUGHT)
        await ledger.flush()
        [market] = read_history(tmp_path / "ledger.db").markets
        assert market.shares == 5_000_000
        assert market.fee is None, "its rate was not known"


def test_nothing_to_read(tmp_path: Path) -> None:
    """A ledger that is missing, foreign or of another version is said in a line."""
    path = tmp_path / "ledger.db"
    with pytest.raises(LedgerError, match="nothing has been recorded yet"):
        read_history(path)
    path.write_text("not a database, but long enough to look at" * 30)
    with pytest.raises(LedgerError, match="cannot be read"):
        read_history(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 1")
    with pytest.raises(LedgerError, match="start the bot once"):
        read_history(path)


async def test_a_ledger_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    """What it holds stays: its open position is paid by this version."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(OLD.read_text(encoding="utf-8"))
    async with ledger_in(tmp_path, clock=StillClock(CLOSE + 1)) as ledger:
        [held] = await ledger.awaited()
        assert (held.token_id, held.token_up, held.token_down) == ("1", "1", "2")
        assert (held.shares, held.cost, held.fee) == (5_050_505, 5_000_000, None)
        ledger.resolve(MARKET, 1_000_000, "gamma")
        ledger.settle(MARKET, 5_050_505, "gamma")
        await ledger.discover(ConditionId("0x7"), "btc", CLOSE, TOKENS)
    [old, new] = read_history(path).markets
    assert (old.state, old.payout) == (State.SETTLED, 5_050_505)
    assert new.state is State.DISCOVERED
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (2,)
