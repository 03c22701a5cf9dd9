"""finder.log, trades.log and the terminal, written by a thread off the event loop.

A line is ``2026-11-26T00:31:01.123Z LEVEL logger event key=value …``. Every configured
secret is replaced before a line leaves, in tracebacks too.
"""

import base64
import json
import logging
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from urllib.parse import quote

from lastsecond.errors import WorldError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_FINDING = ("main", "gamma_15m_finder")
_LIBRARIES = ("aiohttp", "websockets", "asyncio", "httpx", "httpcore", "hpack")
_TALEBEARERS = ("py_clob_client_v2",)
"""Libraries that log whole answers of the exchange, an API key perhaps."""

_SHORTEST_SPELLING = 8
_LONGEST_NUMBER = 64
CONTROLS = {code: ascii(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}
"""For str.translate(): characters that steer a terminal, spelled out."""

_FILE_BYTES = 10_000_000
_FILES_KEPT = 5
_TERMINAL_LINES = 10_000
_CONDITION_ID = re.compile(r" condition_id=\S+")
_PATIENCE = 2.0


class _Handoff(QueueHandler):
    """Passes the record as it is: formatting belongs to the listener's thread."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):  # a terminal that was stopped loses lines
            super().enqueue(record)


class _Listener(QueueListener):
    """Writes what was handed off; is waited for ``patience`` seconds in the end."""

    patience: float | None = None

    def stop(self) -> None:
        self.enqueue_sentinel()
        thread: threading.Thread | None = self._thread
        if thread is not None:
            thread.join(self.patience)


class _Formatter(logging.Formatter):
    """UTC with milliseconds, secrets hidden."""

    def __init__(self, secrets: Sequence[str], *, brief: bool = False) -> None:
        """``brief`` is for a terminal: no date, no condition ids."""
        self._brief = brief
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        forms = {form for secret in secrets for form in _spellings(secret)}
        longest_first = sorted(map(re.escape, forms), key=len, reverse=True)
        self._secrets = re.compile("|".join(longest_first) or r"(?!)", re.IGNORECASE)

    def formatTime(  # noqa: N802  logging's
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        form = datefmt or ("%H:%M:%S." if self._brief else "%Y-%m-%dT%H:%M:%S.")
        return f"{moment.strftime(form)}{int(record.msecs):03d}Z"

    def format(self, record: logging.LogRecord) -> str:
        text = self._secrets.sub("[secret]", super().format(record))
        return _CONDITION_ID.sub("", text) if self._brief else text

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's
        """One event is one line, whatever text of the exchange is in it."""
        return super().formatMessage(record).translate(CONTROLS)


def _spellings(secret: str) -> Iterator[str]:
    """The secret as it is given, escaped, and as other texts for the same bytes."""
    bare = secret.removeprefix("0x")
    derived = {json.dumps(bare)[1:-1], repr(bare)[1:-1], quote(bare, safe="")}
    for raw in _meanings(bare):
        number = int.from_bytes(raw[:_LONGEST_NUMBER], "big")
        standard = base64.b64encode(raw).decode().rstrip("=")
        derived |= {standard, standard.translate(str.maketrans("+/", "-_"))}
        derived |= {raw.hex(), f"{number:x}", str(number)}
        derived |= {repr(raw)[2:-1], raw.decode("latin-1").translate(CONTROLS)}
    derived |= {repr(form)[1:-1] for form in derived}
    yield from (form for form in derived if len(form) >= _SHORTEST_SPELLING)
    if bare:
        yield bare


def _meanings(bare: str) -> Iterator[bytes]:
    """The bytes that a secret may stand for: its own, hexadecimal's, base64's."""
    yield bare.encode()
    with suppress(ValueError):
        yield bytes.fromhex(bare)
    with suppress(ValueError):
        standard = bare.translate(str.maketrans("-_", "+/")).rstrip("=")
        yield base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)


def _print(text: str) -> None:
    with suppress(OSError, ValueError):  # the terminal may be what failed
        print(text, file=sys.stderr)  # noqa: T201  logging is what failed


class ComplainOnce(logging.Handler):
    """Mixin: a file that cannot be written is one line on the terminal, once."""

    complained = False
    complain: Callable[[str], object] = staticmethod(_print)
    """Puts the line on the terminal; must not raise."""

    def handleError(self, record: logging.LogRecord | None) -> None:  # noqa: N802, ARG002  logging's
        """Say so, the first time."""
        if not self.complained:
            self.complained = True
            self.complain(f"{self.name}: not written: {sys.exc_info()[1]}")

    def close(self) -> None:
        """Close what is written to; not being able to is no more than a line."""
        try:
            super().close()
        except (OSError, ValueError):
            self.handleError(None)


class _File(ComplainOnce, RotatingFileHandler):
    """A rotating log file."""


class _Terminal(ComplainOnce, logging.StreamHandler):  # type: ignore[type-arg]  # 3.11
    """The terminal; a closed one is no reason to stop trading."""


def _is_finding(record: logging.LogRecord) -> bool:
    return record.name.split(".", maxsplit=1)[0] in _FINDING


def _is_trading(record: logging.LogRecord) -> bool:
    return not _is_finding(record)


def _files(folder: Path, closing: ExitStack) -> list[ComplainOnce]:
    handlers: list[ComplainOnce] = []
    for name, wanted in (("finder.log", _is_finding), ("trades.log", _is_trading)):
        file = _File(
            folder / name,
            maxBytes=_FILE_BYTES,
            backupCount=_FILES_KEPT,
            encoding="utf-8",
        )
        closing.callback(file.close)
        file.addFilter(wanted)
        file.name = str(folder / name)
        handlers.append(file)
    return handlers


def _set_level(closing: ExitStack, name: str, level: int) -> None:
    """Set a logger's level until the end."""
    logger = logging.getLogger(name)
    closing.callback(logger.setLevel, logger.level)
    logger.setLevel(level)


def _standard_error() -> ComplainOnce:
    terminal = _Terminal(sys.stderr)
    terminal.name = "terminal"
    return terminal


def _listen(
    closing: ExitStack,
    records: "queue.Queue[logging.LogRecord] | queue.SimpleQueue[logging.LogRecord]",
    *handlers: logging.Handler,
    patience: float | None = None,
) -> None:
    """Write to ``handlers`` what is logged from now on, in a thread of their own."""
    root = logging.getLogger()
    handoff = _Handoff(records)
    handoff.setLevel(min(handler.level for handler in handlers))
    listener = _Listener(records, *handlers, respect_handler_level=True)
    listener.patience = patience
    listener.start()
    closing.callback(listener.stop)
    root.addHandler(handoff)
    closing.callback(root.removeHandler, handoff)


@contextmanager
def logging_to(
    folder: Path,
    *,
    level: str = "INFO",
    secrets: Sequence[str] = (),
    quiet: bool = False,
    terminal: ComplainOnce | None = None,
) -> Iterator[None]:
    """Log while inside; on leaving, everything logged is on disk.

    The files hold DEBUG and up, the terminal ``level`` and up, when ``quiet`` no less
    than WARNING; a terminal that stands still holds up neither the files nor the end.
    ``terminal`` takes its lines in the place of standard error, secrets hidden. Raises
    WorldError when the folder or its files cannot be written.
    """
    with ExitStack() as closing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files = _files(folder, closing)
        except OSError as error:
            raise WorldError(
                f"LOG_DIR: cannot write logs in {folder}: {error.strerror}"
            ) from error
        terminal = terminal or _standard_error()
        terminal.setLevel(max(level, "WARNING", key=LEVELS.index) if quiet else level)
        for handler in (*files, terminal):
            handler.complain = terminal.complain
            brief = handler is terminal
            handler.setFormatter(_Formatter(secrets, brief=brief))
        _set_level(closing, "", logging.DEBUG)
        for name in _LIBRARIES:
            _set_level(closing, name, logging.WARNING)
        for name in _TALEBEARERS:
            _set_level(closing, name, logging.CRITICAL + 1)
        _listen(closing, queue.Queue(_TERMINAL_LINES), terminal, patience=_PATIENCE)
        _listen(closing, queue.SimpleQueue(), *files)
        yield
