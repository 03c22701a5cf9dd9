"""What goes wrong with the file: said in one line, never waited for on the loop."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from lastsecond.errors import LedgerError
from lastsecond.ledger import Ledger
from lastsecond.market import ConditionId
from lastsecond.orders import Fill, State
from tests.lastsecond.ledger.setting import (
    CLOSE,
    MARKET,
    OTHER,
    START,
    UP,
    armed,
    events,
    ledger_in,
    pair,
    raw,
    rows,
    sent,
    signed,
    table,
    watched,
)

PATIENCE = 0.05


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another program that writes, and does not end."""
    with closing(raw(folder)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


async def until_fault(ledger: Ledger) -> str:
    async with asyncio.timeout(5):
        while ledger.fault is None:  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.01)
    return ledger.fault


async def until_well(ledger: Ledger) -> None:
    async with asyncio.timeout(10):
        while ledger.fault is not None:  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.01)


async def test_a_locked_file_arms_nothing(tmp_path: Path) -> None:
    """The caller is told, no row is left, and it may try again."""
    async with ledger_in(tmp_path, patience=PATIENCE) as ledger:
        await watched(ledger)
        await ledger.flush()
        with locked(tmp_path):
            with pytest.raises(LedgerError) as told:
                await ledger.arm(MARKET, pair())
            assert str(told.value) == (
                f"{tmp_path / 'ledger.db'} is locked by another program"
            )
        assert ledger.fault is None
        assert table(tmp_path, "arms") == table(tmp_path, "orders") == []
        await ledger.arm(MARKET, pair())


async def test_a_locked_file_is_not_opened(tmp_path: Path) -> None:
    """Nothing begins on a ledger that cannot be written."""
    async with ledger_in(tmp_path):
        pass
    with locked(tmp_path), pytest.raises(LedgerError, match="is locked by another"):
        async with ledger_in(tmp_path, patience=PATIENCE):
            pass


async def test_a_file_that_another_creates_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself does not wait here; once the other is done, all is well."""
    with closing(raw(tmp_path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="is locked by another program"):
            async with ledger_in(tmp_path, patience=PATIENCE):
                pass
        asyncio.get_running_loop().call_later(PATIENCE, connection.execute, "ROLLBACK")
        async with ledger_in(tmp_path) as ledger:
            await armed(ledger)


async def test_a_mode_that_is_none_is_refused(tmp_path: Path) -> None:
    """Rows are PAPER or LIVE."""
    with pytest.raises(LedgerError, match="refused a row: CHECK constraint failed"):
        async with ledger_in(tmp_path, mode="TEST"):
            pass


async def test_queued_writes_outlast_a_lock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be written is written later, in order, and until then it shows."""
    async with ledger_in(tmp_path, patience=PATIENCE) as ledger:
        await armed(ledger)
        await watched(ledger, OTHER)
        await ledger.flush()
        with locked(tmp_path):
            ledger.sent(MARKET, UP, START)
            waiting = asyncio.ensure_future(ledger.arm(OTHER, pair(OTHER)))
            assert "is locked by another program" in await until_fault(ledger)
            ledger.result(MARKET, UP, Fill(5, 5))
            ledger.settle(MARKET, 5, "gamma")
            for asked in (
                waiting,
                ledger.arm(OTHER, pair(OTHER)),
                ledger.discover(ConditionId("0x9"), "btc", CLOSE),
                ledger.figures(0),
                ledger.unresolved(),
                ledger.flush(),
            ):
                with pytest.raises(LedgerError, match="is locked by another program"):
                    await asked
        await until_well(ledger)
        await ledger.arm(OTHER, pair(OTHER))
    kinds = [row["kind"] for row in table(tmp_path, "events")]
    assert kinds[-4:] == ["sent", "result", "settled", "armed"]
    said = [record.getMessage().split()[0] for record in caplog.records]
    assert said == ["LEDGER_STUCK", "LEDGER_WRITES_AGAIN"]


async def test_a_stuck_disk_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    """While the thread waits for a lock, nothing on the loop is late by 50 ms."""
    async with ledger_in(tmp_path, patience=0.5) as ledger:
        await armed(ledger)
        await ledger.flush()
        with locked(tmp_path):
            ledger.sent(MARKET, UP, START)
            worst = [await _worst_gap(ledger) for _ in range(3)]
        # the machine may be busy once; a call that blocks is late every time
        assert min(worst) < 0.05
        await until_well(ledger)
        await ledger.flush()


async def _worst_gap(ledger: Ledger) -> float:
    worst, last = 0.0, time.perf_counter()
    for number in range(60):
        ledger.note(MARKET, "tick", number=number)
        await asyncio.sleep(0.002)
        now = time.perf_counter()
        worst, last = max(worst, now - last), now
    return worst


async def test_what_the_laws_refuse_is_kept_and_ends_trading(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A row on which disk and memory disagree becomes an event and a lasting fault."""
    async with ledger_in(tmp_path) as ledger:
        order_id = await sent(ledger)
        await watched(ledger, OTHER)
        await ledger.flush()
        with closing(raw(tmp_path)) as connection:
            connection.execute(
                "UPDATE markets SET state = 'killed' WHERE state = 'sent'"
            )
        ledger.result(MARKET, order_id, Fill(7, 6))
        ledger.note(OTHER, "after")
        await ledger.flush()
        assert "cannot make this move" in (ledger.fault or "")
        with pytest.raises(LedgerError, match="cannot make this move"):
            await ledger.arm(OTHER, pair(OTHER))
        assert await ledger.unresolved() == []
    (refused,) = events(tmp_path, "refused")
    assert refused["detail"]["write"] == "result"
    assert refused["detail"]["result"] == {
        "kind": "fill",
        "shares": 7,
        "cost": 6,
        "levels": [],
    }
    assert table(tmp_path, "fills") == []
    assert [row["kind"] for row in table(tmp_path, "events")][-2:] == [
        "refused",
        "after",
    ]
    (critical,) = (r for r in caplog.records if r.levelno == logging.CRITICAL)
    assert json.loads(critical.getMessage().split(" ", 1)[1]) == refused["detail"]


async def test_a_row_sqlite_cannot_hold_ends_trading_only(tmp_path: Path) -> None:
    """The thread outlives a value that no column takes."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
        ledger.note(None, "\ud800")
        ledger.sent(MARKET, UP, 2**80)
        ledger.note(None, "after")
        await ledger.flush()
        assert "OverflowError" in (ledger.fault or "")
    assert len(events(tmp_path, "refused")) == len(events(tmp_path, "after")) == 1
    assert [row["state"] for row in table(tmp_path, "markets")] == ["armed"]


def _overwrite(path: Path, start: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * size)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (partial(_overwrite, start=0, size=4096), "not a database or is damaged"),
        (partial(_overwrite, start=4096, size=40_000), "or is damaged: move it away"),
        (lambda path: path.write_text("a diary " * 600), "or is damaged: move it away"),
        (lambda path: path.unlink() or path.mkdir(), "Is a directory"),
    ],
)
async def test_a_damaged_file_is_refused(
    tmp_path: Path, spoil: "partial[None]", told: str
) -> None:
    """One line names the file and says what to do; the file is left as it is."""
    async with ledger_in(tmp_path) as ledger:
        for number in range(50):
            await watched(ledger, ConditionId(f"0x{number}"))
    spoil(tmp_path / "ledger.db")
    with pytest.raises(LedgerError, match=told) as error:
        async with ledger_in(tmp_path):
            pass
    assert str(error.value).startswith(f"{tmp_path / 'ledger.db'}")
    assert "\n" not in str(error.value)


async def test_a_newer_or_foreign_file_is_refused(tmp_path: Path) -> None:
    """A file that this program did not write is not written to."""
    async with ledger_in(tmp_path):
        pass
    with closing(raw(tmp_path)) as connection:
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(LedgerError, match="has version 3, this program knows 2"):
        async with ledger_in(tmp_path):
            pass
    with closing(raw(tmp_path)) as connection:
        connection.execute("PRAGMA user_version = 0")
    before = rows(tmp_path, "SELECT * FROM sqlite_master")
    with pytest.raises(LedgerError, match="is no ledger of this program: move it away"):
        async with ledger_in(tmp_path):
            pass
    assert rows(tmp_path, "SELECT * FROM sqlite_master") == before


async def test_a_file_taken_away_is_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows never go to a file that nobody can find any more."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
        await watched(ledger, OTHER)
        await ledger.flush()
        (tmp_path / "ledger.db").rename(tmp_path / "gone.db")
        with pytest.raises(LedgerError, match="was moved or deleted while in use"):
            await ledger.arm(OTHER, pair(OTHER))
        ledger.sent(MARKET, UP, START)
        assert "was moved or deleted" in await until_fault(ledger)
        (tmp_path / "gone.db").rename(tmp_path / "ledger.db")
        await until_well(ledger)
    assert [row["order_id"] for row in table(tmp_path, "sends")] == [UP]


async def test_nothing_is_taken_after_closing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A late write is logged, a late question refused."""
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
    ledger.note(MARKET, "late")
    with pytest.raises(LedgerError, match="the ledger is closed"):
        await ledger.arm(MARKET, pair())
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert '"kind": "late"' in record.getMessage()


SECRETS = ("0x" + "5ec4e7" * 10, "p4ssphr4se", "c2VjcmV0LWhtYWM=")


async def test_no_secret_gets_into_the_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What stood in an order's body is in none of the files, while open and after."""
    body = json.dumps(SECRETS).encode()
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
        await ledger.arm(MARKET, [signed(body=body)])
        ledger.sent(MARKET, UP, START)
        ledger.result(MARKET, UP, Fill(5, 5))
        await watched(ledger, OTHER)
        with pytest.raises(LedgerError):
            await ledger.arm(OTHER, [signed(OTHER, body=body)] * 2)
        await ledger.flush()
        assert _clean_of(SECRETS, tmp_path, caplog.text) == 3  # the WAL and its index
    assert _clean_of(SECRETS, tmp_path, caplog.text) == 1
    assert table(tmp_path, "orders")


def _clean_of(secrets: tuple[str, ...], folder: Path, logged: str) -> int:
    """How many files there are, none of which holds a secret."""
    files = [file.read_bytes() for file in folder.iterdir()]
    kept = b"".join(files) + logged.encode()
    assert UP.encode() in kept
    for secret in secrets:
        assert secret.removeprefix("0x").encode() not in kept
    return len(files)


async def test_waits_for_another_that_opens_at_the_same_time(tmp_path: Path) -> None:
    """Many that create the file at once all get it."""

    async def open_once(number: int) -> State:
        async with ledger_in(tmp_path, wallet=f"0x{number}") as ledger:
            return await ledger.discover(MARKET, "btc", CLOSE)

    found = await asyncio.gather(*(open_once(number) for number in range(8)))
    assert set(found) == {State.DISCOVERED}
    assert len(table(tmp_path, "runs")) == 8
