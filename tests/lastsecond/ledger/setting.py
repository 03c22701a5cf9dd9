"""What the ledger's tests share: markets, orders, a ledger in a folder, raw rows."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import takewhile
from pathlib import Path
from typing import Any

from lastsecond.clock import SystemClock
from lastsecond.ledger import Ledger, open_ledger
from lastsecond.limits import Figures
from lastsecond.market import ConditionId, Outcome, TokenId
from lastsecond.orders import SignedOrder, State

START = 1_795_000_000_000_000_000
CLOSE = START + 60_000_000_000
MARKET = ConditionId("0x" + "11" * 32)
OTHER = ConditionId("0x" + "22" * 32)
WALLET = "0xAbCdEf"


class StillClock(SystemClock):
    """A clock that says what it is told to."""

    def __init__(self, at: int = START) -> None:
        self.at = at

    def now(self) -> int:
        return self.at


def signed(
    condition_id: ConditionId = MARKET,
    outcome: Outcome = Outcome.UP,
    *,
    maker: int = 5_000_000,
    by: str = "",
    body: bytes = b"{}",
) -> SignedOrder:
    return SignedOrder(
        order_id=f"{by}{outcome}-{condition_id}",
        condition_id=condition_id,
        token_id=TokenId("1" if outcome is Outcome.UP else "2"),
        outcome=outcome,
        maker_amount=maker,
        taker_amount=maker * 100 // 99,
        limit=990_000,
        body=body,
    )


def pair(condition_id: ConditionId = MARKET, by: str = "") -> list[SignedOrder]:
    return [signed(condition_id, outcome, by=by) for outcome in Outcome]


UP = signed().order_id


@asynccontextmanager
async def ledger_in(
    folder: Path,
    *,
    clock: SystemClock | None = None,
    mode: str = "LIVE",
    wallet: str = WALLET,
    patience: float = 2.0,
) -> AsyncIterator[Ledger]:
    async with open_ledger(
        folder / "ledger.db",
        clock=clock or StillClock(),
        mode=mode,
        wallet=wallet,
        settings_hash="settings",
        code_version="code",
        host="host",
        patience=patience,
    ) as ledger:
        yield ledger


async def watched(ledger: Ledger, condition_id: ConditionId = MARKET) -> None:
    await ledger.discover(condition_id, "btc", CLOSE)
    ledger.move(condition_id, State.WATCHING)


async def armed(ledger: Ledger, condition_id: ConditionId = MARKET) -> None:
    await watched(ledger, condition_id)
    await ledger.arm(condition_id, pair(condition_id))


async def sent(ledger: Ledger, condition_id: ConditionId = MARKET) -> str:
    """Take a market to SENT; the order's id."""
    await armed(ledger, condition_id)
    order_id = signed(condition_id).order_id
    ledger.sent(condition_id, order_id, START + 1)
    return order_id


def raw(folder: Path) -> sqlite3.Connection:
    """The file as any program may open it: no foreign keys, no care."""
    connection = sqlite3.connect(
        folder / "ledger.db", isolation_level=None, timeout=0.1
    )
    connection.row_factory = sqlite3.Row
    return connection


def rows(folder: Path, query: str, *values: object) -> list[dict[str, Any]]:
    with closing(raw(folder)) as connection:
        return [dict(row) for row in connection.execute(query, values)]


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    return rows(folder, f"SELECT * FROM {name}")


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    found = rows(folder, "SELECT * FROM events WHERE kind = ? ORDER BY id", kind)
    return [{**row, "detail": json.loads(row["detail"])} for row in found]


def recount(
    folder: Path, wallet: str, mode: str, run_id: int, day_start: int
) -> Figures:
    """The figures, market by market, from nothing but raw rows."""
    mine = {
        name: [
            row
            for row in table(folder, name)
            if (row["wallet"], row["mode"]) == (wallet, mode)
        ]
        for name in ("markets", "arms", "orders", "sends", "settlements", "events")
    }
    fills = table(folder, "fills")
    orders_today = exposure = loss = 0
    for market in mine["markets"]:
        of_it = {
            name: [r for r in kept if r["condition_id"] == market["condition_id"]]
            for name, kept in mine.items()
        }
        arms, orders, sends = of_it["arms"], of_it["orders"], of_it["sends"]
        if not arms or (market["state"] == "armed" and arms[0]["run_id"] == run_id):
            continue
        never_left = market["state"] == "skipped" and not sends
        when = sends[0]["sent_at"] if sends else arms[0]["armed_at"]
        if not never_left and when >= day_start:
            orders_today += 1
        ids = [row["order_id"] for row in sends] or [row["order_id"] for row in orders]
        stake = max(r["maker_amount"] for r in orders if r["order_id"] in ids)
        costs = [
            fill["cost"]
            for fill in fills
            if fill["order_id"] in [row["order_id"] for row in orders]
        ]
        state, today = market["state"], market["close_at"] >= day_start
        if state in {"armed", "sent", "uncertain", "matched"}:
            exposure, loss = exposure + stake, loss + stake * today
        elif state == "filled":
            exposure, loss = exposure + costs[-1], loss + costs[-1] * today
        elif state == "settled":
            loss += (costs[-1] - of_it["settlements"][0]["payout"]) * today
    rejections, uncertain = _streaks(mine["events"])
    return Figures(
        orders_today=orders_today,
        open_exposure=exposure,
        loss_today=loss,
        rejections=rejections,
        uncertain=uncertain,
    )


def _streaks(kept: list[dict[str, Any]]) -> tuple[int, int]:
    answers: list[str] = []
    for event in sorted(kept, key=lambda row: row["id"]):
        detail = json.loads(event["detail"])
        if event["kind"] == "resumed":
            answers = []
        elif event["kind"] == "result" and detail["from"] == "sent":
            answers.append(detail["to"])
    bad = {"rejected", "uncertain"}
    last = list(takewhile(lambda answer: answer in bad, reversed(answers)))
    return last.count("rejected"), last.count("uncertain")
