"""finder.log, trades.log and the terminal, written by a thread off the event loop.

A line is ``2026-11-26T00:31:01.123Z LEVEL logger event key=value …``. Every configured
secret is replaced before a line leaves, in tracebacks too.
"""

import logging
import queue
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path

from lastsecond.errors import WorldError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_FINDING = ("main", "gamma_15m_finder")
_LIBRARIES = ("aiohttp", "websockets", "asyncio")
_CONTROLS = {code: ascii(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}
_FILE_BYTES = 10_000_000
_FILES_KEPT = 5


class _Handoff(QueueHandler):
    """Passes the record as it is: formatting belongs to the listener's thread."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


class _Formatter(logging.Formatter):
    """UTC with milliseconds, secrets hidden."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        bare = {secret.removeprefix("0x") for secret in secrets} - {""}
        longest_first = sorted(map(re.escape, bare), key=len, reverse=True)
        self._secrets = re.compile("|".join(longest_first) or r"(?!)", re.IGNORECASE)

    def formatTime(  # noqa: N802  logging's
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.strftime(datefmt or "%Y-%m-%dT%H:%M:%S.") + (
            f"{int(record.msecs):03d}Z"
        )

    def format(self, record: logging.LogRecord) -> str:
        return self._secrets.sub("[secret]", super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's
        """One event is one line, whatever text of the exchange is in it."""
        return super().formatMessage(record).translate(_CONTROLS)


class _ComplainOnce(logging.Handler):
    """Mixin: a file that cannot be written is one line on the terminal, once."""

    complained = False

    def handleError(self, record: logging.LogRecord | None) -> None:  # noqa: N802, ARG002  logging's
        if not self.complained:
            self.complained = True
            with suppress(OSError, ValueError):  # the terminal may be what failed
                print(f"{self.name}: not written: {sys.exc_info()[1]}", file=sys.stderr)  # noqa: T201  logging is what failed

    def close(self) -> None:
        try:
            super().close()
        except (OSError, ValueError):
            self.handleError(None)


class _File(_ComplainOnce, RotatingFileHandler):
    """A rotating log file."""


class _Terminal(_ComplainOnce, logging.StreamHandler):  # type: ignore[type-arg]  # 3.11
    """The terminal; a closed one is no reason to stop trading."""


def _is_finding(record: logging.LogRecord) -> bool:
    return record.name.split(".", maxsplit=1)[0] in _FINDING


def _is_trading(record: logging.LogRecord) -> bool:
    return not _is_finding(record)


def _handlers(
    folder: Path, level: str, secrets: Sequence[str], closing: ExitStack
) -> list[logging.Handler]:
    handlers: list[logging.Handler] = [_Terminal(sys.stderr)]
    handlers[0].setLevel(level)
    handlers[0].name = "terminal"
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
    for handler in handlers:
        handler.setFormatter(_Formatter(secrets))
    return handlers


@contextmanager
def logging_to(
    folder: Path, *, level: str = "INFO", secrets: Sequence[str] = ()
) -> Iterator[None]:
    """Log while inside; on leaving, everything logged is on disk.

    The files hold DEBUG and up, the terminal ``level`` and up. Raises WorldError when
    the folder or its files cannot be written.
    """
    with ExitStack() as closing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handlers = _handlers(folder, level, secrets, closing)
        except OSError as error:
            raise WorldError(
                f"LOG_DIR: cannot write logs in {folder}: {error.strerror}"
            ) from error
        root = logging.getLogger()
        records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        handoff = _Handoff(records)
        listener = QueueListener(records, *handlers, respect_handler_level=True)
        root.addHandler(handoff)
        root.setLevel(logging.DEBUG)
        for name in _LIBRARIES:
            logging.getLogger(name).setLevel(logging.WARNING)
        listener.start()
        try:
            yield
        finally:
            root.removeHandler(handoff)
            listener.stop()
