"""The laws that the file keeps by itself, whatever program writes to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from lastsecond.ledger import schema
from lastsecond.orders import MOVES, Estimate, Figure, Fill, State
from tests.lastsecond.ledger.setting import (
    CLOSE,
    MARKET,
    OTHER,
    UP,
    WALLET,
    armed,
    ledger_in,
    raw,
    sent,
    table,
    watched,
)
from tests.lastsecond.ledger.test_positions import observation

KEY = f"'{WALLET.lower()}', '{OTHER}', 'LIVE'"
TABLES = (
    *("runs", "arms", "orders", "sends", "fills", "settlements", "events"),
    *("estimates", "observations", "samples", "results"),
)


@pytest.fixture
async def full(tmp_path: Path) -> Path:
    """A ledger with a settled market, so that no table is empty, and a watched one."""
    async with ledger_in(tmp_path) as ledger:
        order_id = await sent(ledger)
        ledger.result(MARKET, order_id, Fill(5, 5))
        ledger.settle(MARKET, 5, "gamma")
        ledger.resolve(MARKET, 1_000_000, "gamma")
        figure = Figure.REALISTIC
        estimate = Estimate(figure=figure, result=Fill(5, 5), ask=None, at=1)
        ledger.estimate(order_id, [estimate])
        ledger.observe(MARKET, observation())
        await watched(ledger, OTHER)
    return tmp_path


@pytest.fixture
def connection(full: Path) -> Iterator[sqlite3.Connection]:
    with closing(raw(full)) as connection:
        yield connection


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {0} SET run_id = run_id",
        "UPDATE OR IGNORE {0} SET run_id = 7",
        "UPDATE OR REPLACE {0} SET run_id = 7",
        "DELETE FROM {0}",
        "INSERT OR REPLACE INTO {0} SELECT * FROM {0}",
        "INSERT OR IGNORE INTO {0} SELECT * FROM {0}",
        "REPLACE INTO {0} SELECT * FROM {0}",
    ],
)
def test_rows_are_never_changed(full: Path, name: str, statement: str) -> None:
    """No spelling of a change gets past the triggers, without foreign keys either."""
    before = table(full, name)
    assert before
    sql = statement.format(name)
    if name == "runs":
        sql = sql.replace("run_id", "id")
    with closing(raw(full)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(sql)
    assert table(full, name) == before


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM markets",
        "UPDATE markets SET wallet = 'other'",
        "UPDATE markets SET condition_id = '0x9'",
        "UPDATE markets SET mode = 'PAPER'",
        "UPDATE markets SET close_at = 0",
        "UPDATE markets SET ticker = 'x'",
        "INSERT OR REPLACE INTO markets SELECT * FROM markets",
    ],
)
def test_markets_keep_their_identity(
    connection: sqlite3.Connection, statement: str
) -> None:
    """A market's row stays; only its state, reason, run and time change."""
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)


@pytest.mark.parametrize("state", [*State, "bought", ""])
def test_a_market_begins_discovered(connection: sqlite3.Connection, state: str) -> None:
    """No row can appear half way through a life."""
    sql = (
        "INSERT INTO markets VALUES "
        f"('w', '0x9', 'LIVE', 't', {CLOSE}, '{state}', '', 1, 1, '', '')"
    )
    if state == State.DISCOVERED:
        connection.execute(sql)
    else:
        with pytest.raises(sqlite3.IntegrityError, match="begins DISCOVERED"):
            connection.execute(sql)


@pytest.mark.parametrize(("old", "new"), [*product(State, [*State, "bought"])])
def test_only_moves_of_the_table_are_made(old: State, new: str) -> None:
    """Each pair of states is let through or refused as orders.MOVES says.

    The other laws are taken away here, so that this one is seen alone.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.prepare(connection)
        triggers = schema.triggers()
        for name in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(
            "INSERT INTO markets VALUES "
            "('w', 'c', 'LIVE', 't', 1, ?, '', 1, 1, '', '')",
            (old,),
        )
        connection.execute(triggers["markets_move"])
        if new in MOVES[old]:
            connection.execute("UPDATE markets SET state = ?", (new,))
        else:
            with pytest.raises(sqlite3.IntegrityError, match="cannot make this move"):
                connection.execute("UPDATE OR IGNORE markets SET state = ?", (new,))


def becomes(state: State) -> str:
    return f"UPDATE markets SET state = '{state}' WHERE condition_id = '{OTHER}'"


ARM = f"INSERT INTO arms VALUES ({KEY}, 1, 1)"
ORDER = f"INSERT INTO orders VALUES ('o', {KEY}, '1', 'Up', 1, 1, 1, 'h', 1, 1, 0)"
SEND = f"INSERT INTO sends VALUES ({KEY}, 'o', 1, 1)"
FILL = "INSERT INTO fills VALUES (NULL, 'o', 'filled', 1, 1, '[]', 1, 1, 0)"
PAYOUT = f"INSERT INTO settlements VALUES ({KEY}, 1, 's', 1, 1)"
LIFE = (
    *(ARM, ORDER, becomes(State.ARMED), SEND, becomes(State.SENT)),
    *(FILL, becomes(State.FILLED), PAYOUT, becomes(State.SETTLED)),
)
"""How a watched market comes to its end, one statement at a time."""


@pytest.mark.parametrize(
    ("lived", "statement", "told"),
    [
        ((), becomes(State.ARMED), "has no order"),
        ((), ORDER, "needs a market that is being armed"),
        ((), SEND, "needs an ARMED market"),
        ((), FILL, "needs its order"),
        ((), PAYOUT, "needs FILLED"),
        ((becomes(State.SKIPPED),), ARM, "needs WATCHING"),
        ((ARM, becomes(State.SKIPPED)), becomes(State.WATCHING), "was armed before"),
        (LIFE[:1], ARM, "is there already"),
        (LIFE[:1], becomes(State.ARMED), "has no order"),
        (LIFE[:3], ORDER.replace("'o'", "'p'"), "that is being armed"),
        (LIFE[:3], becomes(State.SENT), "has no sending"),
        (LIFE[:3], SEND.replace("'o'", "'p'"), "and its order"),
        (LIFE[:3], SEND.replace("'o'", f"'{UP}'"), "is there already|and its order"),
        (LIFE[:5], SEND, "is there already|needs an ARMED market"),
        (LIFE[:5], becomes(State.MATCHED), "has no fill"),
        (LIFE[:5], becomes(State.FILLED), "has no fill"),
        (LIFE[:6], becomes(State.MATCHED), "has no fill"),
        (LIFE[:7], becomes(State.SETTLED), "has no payout"),
        (LIFE, PAYOUT, "is there already|needs FILLED"),
    ],
)
def test_what_a_state_claims_has_its_row(
    connection: sqlite3.Connection, lived: tuple[str, ...], statement: str, told: str
) -> None:
    """Each law stops raw access that breaks none before it."""
    for step in lived:
        connection.execute(step)
    with pytest.raises(sqlite3.IntegrityError, match=told):
        connection.execute(statement)


@pytest.mark.parametrize("change", ["DROP TRIGGER arms_delete", "other"])
async def test_laws_follow_the_code_at_every_opening(full: Path, change: str) -> None:
    """A trigger that is missing, or another version's, is made anew."""
    with closing(raw(full)) as connection:
        if change == "other":
            connection.execute("DROP TRIGGER arms_delete")
            change = (
                "CREATE TRIGGER arms_delete BEFORE DELETE ON arms "
                "WHEN FALSE BEGIN SELECT 1; END"
            )
        connection.execute(change)
        connection.execute(
            "CREATE TRIGGER stray BEFORE INSERT ON runs BEGIN SELECT 1; END"
        )
    async with ledger_in(full):
        pass
    with closing(raw(full)) as connection:
        there = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        )
        assert dict(list(there)) == schema.triggers()


async def test_foreign_keys_hold_for_the_ledger_itself(tmp_path: Path) -> None:
    """Every reference leads to a row."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
    with closing(raw(tmp_path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        assert mode == "wal"
