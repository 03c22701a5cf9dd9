"""The ledger's file: opened carefully, written durably, its faults in one line."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lastsecond.errors import LedgerError
from lastsecond.ledger import schema

_LOCKED = "is locked by another program"
_DAMAGED = "is not a database or is damaged: move it away"
_FAULTS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full",
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_READONLY: "cannot be written: it or its folder is read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: is its folder writable?",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk is full or failing",
}
_STEP = 0.02


class RefusedError(LedgerError):
    """What is on disk forbids this row: a fault of this program, or two of them.

    Trying again would not help. It does not leave the ledger unless arming raises it.
    """


class File:
    """One connection to the ledger's file, for the thread that opened it."""

    def __init__(self, path: Path, *, patience: float) -> None:
        """Open or create; ``patience``: seconds a lock of another program is borne.

        Raises LedgerError.
        """
        self._path = path
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._identity = _create(path)
            self._connection = sqlite3.connect(
                path, timeout=patience, isolation_level=None
            )
            try:
                self._prepare(patience)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, patience: float) -> None:
        read = self.read
        _use_write_ahead_log(self._connection, patience)
        read("PRAGMA synchronous = FULL")
        read("PRAGMA fullfsync = ON")  # only macOS knows the difference
        read("PRAGMA foreign_keys = ON")
        with self.writing():
            schema.prepare(self._connection)
        if read("PRAGMA quick_check(1)") != [("ok",)]:
            raise LedgerError(_DAMAGED)

    def close(self) -> None:
        """Let go of the file."""
        with self._told():
            self._connection.close()

    def read(self, sql: str, *values: object, **named: object) -> list[Any]:
        """All rows of a query. Raises LedgerError."""
        with self._told():
            return self._connection.execute(sql, named or values).fetchall()

    def write(self, sql: str, *values: object) -> int:
        """Change rows, inside writing(); how many. Raises LedgerError."""
        with self._told():
            return self._connection.execute(sql, values).rowcount

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All of what is written inside, on disk when it ends; or nothing of it."""
        with self._told():
            if _identity(self._path) != self._identity:
                raise LedgerError("was moved or deleted while in use: start again")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one line what was wrong with which file."""
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise RefusedError(f"{self._path}: refused a row: {error}") from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            fault = _FAULTS.get(code, f"cannot be used: {error}")
            raise LedgerError(f"{self._path} {fault}") from error
        except OSError as error:
            raise LedgerError(f"{self._path}: {error.strerror}") from error
        except LedgerError as error:
            if str(self._path) in str(error):
                raise
            raise type(error)(f"{self._path} {error}") from error.__cause__


def _create(path: Path) -> tuple[int, int] | None:
    """Have the file there, readable by its owner alone where that can be had."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with suppress(OSError):
        path.chmod(0o600)
    return _identity(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _use_write_ahead_log(connection: sqlite3.Connection, patience: float) -> None:
    """Turn WAL on; SQLite does not wait for two programs that both do so at once."""
    for left in range(round(patience / _STEP), -1, -1):
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_STEP)
        else:
            return
