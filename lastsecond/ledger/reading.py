"""The whole ledger as values, read without a lock while a bot may be writing it."""

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from lastsecond.errors import LedgerError
from lastsecond.history import (
    EstimateRecord,
    History,
    MarketRecord,
    Observation,
    RunRecord,
    Sample,
)
from lastsecond.ledger import schema
from lastsecond.ledger.rows import CONFIRMED
from lastsecond.market import Outcome
from lastsecond.orders import Figure, State

_MARKETS = f"""
WITH story AS MATERIALIZED (
    SELECT wallet, condition_id, mode,
        min(CASE WHEN kind = 'result' AND events.run_id = sends.run_id THEN at END)
            AS answered_at,
        max(json_extract(detail, '$.to') IS 'watching') AS watched,
        max(kind = 'results_differ') AS disputed
    FROM events LEFT JOIN sends USING (wallet, condition_id, mode)
    WHERE condition_id IS NOT NULL
    GROUP BY wallet, condition_id, mode
)
SELECT markets.*, orders.order_id, sends.sent_at, orders.outcome, orders.limit_price,
    orders.maker_amount, fills.shares, fills.cost, fills.fee, settlements.payout,
    settlements.settled_at, results.paid_up, results.source AS result_source,
    coalesce(sends.run_id, arms.run_id, (
        SELECT max(run_id) FROM observations AS seen
        WHERE seen.wallet = markets.wallet AND seen.mode = markets.mode
            AND seen.condition_id = markets.condition_id
    ), markets.run_id) AS by_run,
    story.answered_at, coalesce(story.watched, 0) AS watched,
    coalesce(story.disputed, 0) AS disputed
FROM markets
LEFT JOIN sends USING (wallet, condition_id, mode)
LEFT JOIN arms USING (wallet, condition_id, mode)
LEFT JOIN fills ON fills.id = {CONFIRMED} AND markets.state IN ('filled', 'settled')
LEFT JOIN orders ON orders.order_id = coalesce(sends.order_id, fills.order_id)
LEFT JOIN settlements USING (wallet, condition_id, mode)
LEFT JOIN results USING (wallet, condition_id, mode)
LEFT JOIN story USING (wallet, condition_id, mode)
ORDER BY close_at, condition_id, mode
"""  # noqa: S608  ours

_Key = tuple[str, str, str]


def read_history(path: Path) -> History:
    """Everything that the ledger in ``path`` knows. Raises LedgerError.

    One picture of it, however long reading takes.
    """
    if not path.exists():
        raise LedgerError(f"{path} is not there: nothing has been recorded yet")
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as file:
            file.row_factory = sqlite3.Row
            file.execute("BEGIN")
            return _read(file, path)
    except sqlite3.Error as error:
        raise LedgerError(f"{path} cannot be read: {error}") from error


def _read(file: sqlite3.Connection, path: Path) -> History:
    (version,) = file.execute("PRAGMA user_version").fetchone()
    if version != schema.VERSION:
        raise LedgerError(
            f"{path} has version {version}, this program reads {schema.VERSION}: "
            "start the bot once to bring it up to date, or update the program"
        )
    runs = {run.id: run for run in _runs(file)}
    estimates, observations = _estimates(file), _observations(file)
    markets = tuple(
        _market(row, runs, estimates, observations) for row in file.execute(_MARKETS)
    )
    return History(tuple(runs.values()), markets)


def _runs(file: sqlite3.Connection) -> list[RunRecord]:
    settings = {
        run_id: json.loads(detail).get("settings", {})
        for run_id, detail in file.execute(
            "SELECT run_id, detail FROM events WHERE kind = 'started'"
        )
    }
    return [
        RunRecord(**dict(row), settings=settings.get(row["id"], {}))
        for row in file.execute("SELECT * FROM runs ORDER BY id")
    ]


def _estimates(
    file: sqlite3.Connection,
) -> dict[str, dict[Figure, EstimateRecord]]:
    found: defaultdict[str, dict[Figure, EstimateRecord]] = defaultdict(dict)
    for row in file.execute("SELECT * FROM estimates"):
        figure = Figure(row["figure"])
        found[row["order_id"]][figure] = EstimateRecord(
            figure=figure,
            filled=bool(row["filled"]),
            reason=row["reason"],
            ask=row["ask"],
            shares=row["shares"],
            cost=row["cost"],
            fee=row["fee"],
            at=row["at"],
        )
    return found


def _observations(file: sqlite3.Connection) -> dict[_Key, Observation]:
    """Of each market, as the last run that watched it saw it."""
    samples: defaultdict[tuple[_Key, int], list[Sample]] = defaultdict(list)
    for row in file.execute("SELECT * FROM samples ORDER BY offset_ms"):
        samples[_key(row), row["run_id"]].append(_sample(row))
    return {
        _key(row): Observation(
            watched_from=row["watched_from"],
            watched_until=row["watched_until"],
            silent_ms=row["silent_ms"],
            reconnects=row["reconnects"],
            blocked_us=row["blocked_us"],
            heard=row["heard"],
            samples=tuple(samples[_key(row), row["run_id"]]),
        )
        for row in file.execute("SELECT * FROM observations ORDER BY run_id")
    }


def _sample(row: sqlite3.Row) -> Sample:
    return Sample(
        offset_ms=row["offset_ms"],
        taken_at=row["taken_at"],
        favourite=_outcome(row["favourite"]),
        ask=row["ask"],
        depth=row["depth"],
        fillable=bool(row["fillable"]),
        age_ms=row["age_ms"],
        sockets_gap_ms=row["sockets_gap_ms"],
        fault=row["fault"],
    )


def _market(
    row: sqlite3.Row,
    runs: dict[int, RunRecord],
    estimates: dict[str, dict[Figure, EstimateRecord]],
    observations: dict[_Key, Observation],
) -> MarketRecord:
    same: dict[str, Any] = {
        name: row[name]
        for name in (
            *("ticker", "condition_id", "mode", "wallet", "close_at", "reason"),
            *("order_id", "sent_at", "answered_at", "shares", "cost", "fee"),
            *("payout", "settled_at", "paid_up", "result_source"),
        )
    }
    return MarketRecord(
        **same,
        settings_hash=runs[row["by_run"]].settings_hash,
        state=State(row["state"]),
        watched=bool(row["watched"]),
        side=_outcome(row["outcome"]),
        limit=row["limit_price"],
        spend=row["maker_amount"],
        disputed=bool(row["disputed"]),
        estimates=estimates.get(row["order_id"], {}),
        observation=observations.get(_key(row)),
    )


def _outcome(text: str | None) -> Outcome | None:
    return None if text is None else Outcome(text)


def _key(row: sqlite3.Row) -> _Key:
    return row["wallet"], row["condition_id"], row["mode"]
