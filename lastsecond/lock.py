"""One process for each wallet, on this machine and this data folder.

The kernel holds the lock and frees it with the process, however that ends. The file's
text is for people; an old one means nothing.
"""

import fcntl
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lastsecond.errors import LedgerError, LockedError

_PLAIN = re.compile(r"[0-9a-z]{1,64}")
_LONGEST_TEXT = 400


@contextmanager
def wallet_lock(folder: Path, wallet: str) -> Iterator[None]:
    """Hold the wallet while inside; its spelling in capitals or not is one.

    Raises LockedError, which says who holds it, or LedgerError: it cannot be had.
    """
    path = folder / f"{_file_name(wallet)}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"{path}: cannot lock: {error.strerror}") from error
    try:
        _take(file, path)
        _sign(file)
        yield
    finally:
        os.close(file)


def _file_name(wallet: str) -> str:
    """A name that no wallet's text can lead out of the folder."""
    plain = wallet.lower()
    if _PLAIN.fullmatch(plain):
        return plain
    return "wallet-" + hashlib.sha256(plain.encode(errors="replace")).hexdigest()[:32]


def _take(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(file, _LONGEST_TEXT, 0).decode(errors="replace").strip()
        raise LockedError(
            f"{path} is held by {holder or 'another process'}; stop it first"
        ) from None
    except OSError as error:
        raise LedgerError(f"{path}: cannot lock: {error.strerror}") from error


def _sign(file: int) -> None:
    """Say who holds it, as far as the disk has room: the lock does not need it."""
    with suppress(OSError):
        os.utime(file)  # the kernel's clock will do for people
        since = datetime.fromtimestamp(int(os.fstat(file).st_mtime), UTC)
        name = f"process {os.getpid()} since {since:%Y-%m-%dT%H:%M:%SZ}"
        os.ftruncate(file, 0)
        os.pwrite(file, f"{name} on {socket.gethostname()}\n".encode(), 0)
