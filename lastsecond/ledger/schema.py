"""The ledger's tables, and the triggers that keep its laws against any program.

- A market's state changes only by a move of orders.MOVES, and begins DISCOVERED.
- Only a WATCHING market is armed, once; an armed one is never watched again.
- Only an armed market's own order is sent, once.
- A state that claims something has its row: ARMED its orders, SENT its sending, MATCHED
  and FILLED their fills, SETTLED its payout.
- Rows other than a market's state are never changed, replaced or deleted.

Triggers follow the code at every opening, tables the version in the file.
"""

import sqlite3
from collections.abc import Iterator

from lastsecond.errors import LedgerError
from lastsecond.orders import MOVES, State

VERSION = 2
"""Of the tables. The file's own is PRAGMA user_version."""

_TABLES = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('PAPER', 'LIVE')),
    wallet TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    code_version TEXT NOT NULL,
    host TEXT NOT NULL
) STRICT;
CREATE TABLE markets (
    wallet TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('PAPER', 'LIVE')),
    ticker TEXT NOT NULL,
    close_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    updated_at INTEGER NOT NULL,
    token_up TEXT NOT NULL DEFAULT '',
    token_down TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (wallet, condition_id, mode)
) STRICT, WITHOUT ROWID;
CREATE INDEX markets_by_state ON markets (wallet, mode, state, close_at);
CREATE TABLE arms (
    wallet TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    armed_at INTEGER NOT NULL,
    PRIMARY KEY (wallet, condition_id, mode),
    FOREIGN KEY (wallet, condition_id, mode) REFERENCES markets
) STRICT, WITHOUT ROWID;
CREATE INDEX arms_by_time ON arms (wallet, mode, armed_at);
CREATE TABLE orders (
    order_id TEXT NOT NULL PRIMARY KEY,
    wallet TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    token_id TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('Up', 'Down')),
    maker_amount INTEGER NOT NULL CHECK (maker_amount > 0),
    taker_amount INTEGER NOT NULL CHECK (taker_amount > 0),
    limit_price INTEGER NOT NULL CHECK (limit_price > 0),
    body_sha256 TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    armed_at INTEGER NOT NULL,
    fee_rate INTEGER CHECK (fee_rate >= 0),
    UNIQUE (wallet, condition_id, mode, order_id),
    FOREIGN KEY (wallet, condition_id, mode) REFERENCES arms
) STRICT, WITHOUT ROWID;
CREATE TABLE sends (
    wallet TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    order_id TEXT NOT NULL UNIQUE,
    run_id INTEGER NOT NULL REFERENCES runs,
    sent_at INTEGER NOT NULL,
    PRIMARY KEY (wallet, condition_id, mode),
    FOREIGN KEY (wallet, condition_id, mode, order_id)
        REFERENCES orders (wallet, condition_id, mode, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sends_by_time ON sends (wallet, mode, sent_at);
CREATE TABLE fills (
    id INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders,
    status TEXT NOT NULL CHECK (status IN ('matched', 'filled')),
    shares INTEGER NOT NULL CHECK (shares >= 0),
    cost INTEGER NOT NULL CHECK (cost >= 0),
    trade_ids TEXT NOT NULL CHECK (json_valid(trade_ids)),
    run_id INTEGER NOT NULL REFERENCES runs,
    recorded_at INTEGER NOT NULL,
    fee INTEGER CHECK (fee >= 0)
) STRICT;
CREATE INDEX fills_by_order ON fills (order_id, id);
CREATE TABLE settlements (
    wallet TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    payout INTEGER NOT NULL CHECK (payout >= 0),
    source TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    settled_at INTEGER NOT NULL,
    PRIMARY KEY (wallet, condition_id, mode),
    FOREIGN KEY (wallet, condition_id, mode) REFERENCES markets
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    wallet TEXT NOT NULL,
    condition_id TEXT,
    mode TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    code_version TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;
CREATE INDEX events_by_kind ON events (wallet, mode, kind, id);
"""

_MEASURED = """
CREATE TABLE estimates (
    order_id TEXT NOT NULL REFERENCES orders,
    figure TEXT NOT NULL
        CHECK (figure IN ('optimistic', 'realistic', 'pessimistic')),
    filled INTEGER NOT NULL CHECK (filled IN (0, 1)),
    reason TEXT NOT NULL,
    ask INTEGER,
    shares INTEGER NOT NULL CHECK (shares >= 0),
    cost INTEGER NOT NULL CHECK (cost >= 0),
    fee INTEGER CHECK (fee >= 0),
    at INTEGER NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, figure)
) STRICT, WITHOUT ROWID;
CREATE TABLE observations (
    wallet TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    watched_from INTEGER NOT NULL,
    watched_until INTEGER NOT NULL,
    silent_ms INTEGER NOT NULL CHECK (silent_ms >= 0),
    reconnects INTEGER NOT NULL CHECK (reconnects >= 0),
    blocked_us INTEGER CHECK (blocked_us >= 0),
    heard TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (wallet, condition_id, mode, run_id),
    FOREIGN KEY (wallet, condition_id, mode) REFERENCES markets
) STRICT, WITHOUT ROWID;
CREATE TABLE samples (
    wallet TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    offset_ms INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    favourite TEXT CHECK (favourite IN ('Up', 'Down')),
    ask INTEGER,
    depth INTEGER NOT NULL CHECK (depth >= 0),
    fillable INTEGER NOT NULL CHECK (fillable IN (0, 1)),
    age_ms INTEGER,
    sockets_gap_ms INTEGER,
    fault TEXT NOT NULL,
    PRIMARY KEY (wallet, condition_id, mode, run_id, offset_ms),
    FOREIGN KEY (wallet, condition_id, mode, run_id) REFERENCES observations
) STRICT, WITHOUT ROWID;
CREATE TABLE results (
    wallet TEXT NOT NULL,
    condition_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    paid_up INTEGER NOT NULL CHECK (paid_up IN (0, 500000, 1000000)),
    source TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs,
    resolved_at INTEGER NOT NULL,
    PRIMARY KEY (wallet, condition_id, mode),
    FOREIGN KEY (wallet, condition_id, mode) REFERENCES markets
) STRICT, WITHOUT ROWID;
"""

_FROM_1 = """
ALTER TABLE markets ADD COLUMN token_up TEXT NOT NULL DEFAULT '';
ALTER TABLE markets ADD COLUMN token_down TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN fee_rate INTEGER CHECK (fee_rate >= 0);
ALTER TABLE fills ADD COLUMN fee INTEGER CHECK (fee >= 0);
"""
"""What version 1 lacked, beside the tables of what is measured."""

_MARKET = ("wallet", "condition_id", "mode")
_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "runs": (("id",),),
    "markets": (_MARKET,),
    "arms": (_MARKET,),
    "orders": (("order_id",),),
    "sends": (_MARKET, ("order_id",)),
    "fills": (("id",),),
    "settlements": (_MARKET,),
    "events": (("id",),),
    "estimates": (("order_id", "figure"),),
    "observations": ((*_MARKET, "run_id"),),
    "samples": ((*_MARKET, "run_id", "offset_ms"),),
    "results": (_MARKET,),
}


def _exists(table: str, more: str = "TRUE") -> str:
    same = " AND ".join(f"{table}.{column} = NEW.{column}" for column in _MARKET)
    return f"EXISTS (SELECT 1 FROM {table} WHERE {same} AND {more})"  # noqa: S608  ours


def _stands(state: State) -> str:
    return _exists("markets", f"markets.state = '{state}'")


def _bought(state: State) -> str:
    filled = f"order_id IN (SELECT order_id FROM fills WHERE status = '{state}')"  # noqa: S608  ours
    return f"NEW.state <> '{state}' OR {_exists('orders', filled)}"


def _laws() -> Iterator[tuple[str, str, str, str]]:
    """Each trigger's name, occasion, the condition that must hold, and the refusal."""
    for table, keys in _KEYS.items():
        yield f"{table}_delete", f"DELETE ON {table}", "FALSE", "is never deleted"
        if table != "markets":
            yield f"{table}_update", f"UPDATE ON {table}", "FALSE", "is never changed"
        # INSERT OR REPLACE deletes without firing the DELETE trigger
        for key in keys:
            same = " AND ".join(f"{column} = NEW.{column}" for column in key)
            yield (
                f"{table}_insert_{key[0]}",
                f"INSERT ON {table}",
                f"NOT EXISTS (SELECT 1 FROM {table} WHERE {same})",  # noqa: S608  ours
                "is there already",
            )
    yield from _market_laws()
    yield "arms_first", "INSERT ON arms", _stands(State.WATCHING), "needs WATCHING"
    yield (
        "orders_armed",
        "INSERT ON orders",
        f"{_exists('arms')} AND {_stands(State.WATCHING)}",
        "needs a market that is being armed",
    )
    yield (
        "sends_armed",
        "INSERT ON sends",
        f"{_stands(State.ARMED)} AND {_exists('arms')} AND "
        + _exists("orders", "orders.order_id = NEW.order_id"),
        "needs an ARMED market and its order",
    )
    yield (
        "fills_known",
        "INSERT ON fills",
        "EXISTS (SELECT 1 FROM orders WHERE order_id = NEW.order_id)",
        "needs its order",
    )
    yield (
        "settlements_filled",
        "INSERT ON settlements",
        _stands(State.FILLED),
        "needs FILLED",
    )


def _market_laws() -> Iterator[tuple[str, str, str, str]]:
    moves = ", ".join(
        f"'{old}>{new}'" for old, nexts in MOVES.items() for new in sorted(nexts)
    )
    discovered, skipped = State.DISCOVERED, State.SKIPPED
    yield (
        "markets_begin",
        "INSERT ON markets",
        f"NEW.state = '{discovered}'",
        "begins DISCOVERED",
    )
    fixed = (*_MARKET, "ticker", "close_at", "token_up", "token_down")
    yield (
        "markets_identity",
        "UPDATE ON markets",
        " AND ".join(f"NEW.{column} = OLD.{column}" for column in fixed),
        "keeps its identity",
    )
    for name, law, refusal in (
        (
            "move",
            f"OLD.state || '>' || NEW.state IN ({moves})",
            "cannot make this move",
        ),
        (
            "again",
            f"NOT (OLD.state = '{skipped}' AND NEW.state = '{State.WATCHING}' AND "
            + _exists("arms")
            + ")",
            "was armed before",
        ),
        (
            "armed",
            f"NEW.state <> '{State.ARMED}' OR {_exists('orders')}",
            "has no order",
        ),
        (
            "sent",
            f"NEW.state <> '{State.SENT}' OR {_exists('sends')}",
            "has no sending",
        ),
        ("matched", _bought(State.MATCHED), "has no fill"),
        ("filled", _bought(State.FILLED), "has no fill"),
        (
            "settled",
            f"NEW.state <> '{State.SETTLED}' OR {_exists('settlements')}",
            "has no payout",
        ),
    ):
        yield f"markets_{name}", "UPDATE OF state ON markets", law, refusal


def triggers() -> dict[str, str]:
    """Every trigger by name, as SQL."""
    return {
        name: f"CREATE TRIGGER {name} BEFORE {occasion} WHEN ({law}) IS NOT TRUE "
        f"BEGIN SELECT RAISE(ABORT, '{name.partition('_')[0]}: {refusal}'); END"
        for name, occasion, law, refusal in _laws()
    }


def prepare(connection: sqlite3.Connection) -> None:
    """Bring an open file to VERSION and to this code's triggers; in a transaction.

    Raises LedgerError when the file is another program's or a newer version's.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise LedgerError(
            f"has version {version}, this program knows {VERSION}: it was written by "
            "a newer one"
        )
    if version < 0 or (version == 0 and _names(connection, "table")):
        raise LedgerError("is no ledger of this program: move it away")
    if version < VERSION:
        missing = (_FROM_1 if version else _TABLES) + _MEASURED
        for statement in filter(str.strip, missing.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    _renew(connection)


def _renew(connection: sqlite3.Connection) -> None:
    wanted, there = triggers(), _names(connection, "trigger")
    for name, sql in there.items():
        if wanted.get(name) != sql:
            connection.execute(f'DROP TRIGGER "{name}"')
    for name, sql in wanted.items():
        if there.get(name) != sql:
            connection.execute(sql)


def _names(connection: sqlite3.Connection, kind: str) -> dict[str, str]:
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = ?", (kind,)
    )
    return dict(found.fetchall())
