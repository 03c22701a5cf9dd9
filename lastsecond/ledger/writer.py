"""The thread that owns the ledger's file: writes in order, and loses none of them.

A write that fails is tried again until it succeeds; those behind it wait. A question
(what is awaited) is asked once: while writes are stuck it is turned away, since what it
would find on disk is not what happened.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from lastsecond.errors import LedgerError
from lastsecond.ledger.connection import RefusedError
from lastsecond.ledger.rows import as_json
from lastsecond.ledger.store import Store

T = TypeVar("T")
Write = partial[None]
"""A method of Store with all its arguments by name but the store."""

CLOSING = 5.0
"""Seconds for which closing still tries to write what is left."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

_MATTERS_LESS = {Store.note, Store.observe, Store.estimate}
"""What is only logged where the ledger's laws refuse it; all but a note, no more."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Question:
    call: Callable[[Store], Any]
    answer: Future[Any]

    def ask(self, store: Store) -> None:
        if not self.answer.set_running_or_notify_cancel():
            return
        try:
            self.answer.set_result(self.call(store))
        except Exception as error:  # noqa: BLE001  whoever awaits it is told
            self.answer.set_exception(error)

    def turn_away(self, reason: str) -> None:
        if self.answer.set_running_or_notify_cancel():
            self.answer.set_exception(LedgerError(reason))


class Writer:
    """Runs calls of a Store on its own thread, in the order in which they came."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        """``open_store`` is called on the thread."""
        self._open_store = open_store
        self._inbox: SimpleQueue[Write | _Question | None] = SimpleQueue()
        self._backlog: deque[Write | _Question | None] = deque()
        self._stuck: str | None = None
        self._refused: str | None = None
        self._closed = False
        self._giving_up = threading.Event()
        self._opened: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    @property
    def fault(self) -> str | None:
        """Why the disk does not hold what happened; None when it does, or soon will."""
        return self._stuck or self._refused

    # -- on the event loop --

    async def open(self) -> None:
        """Start. Raises LedgerError when the file cannot be used."""
        self._thread.start()
        await asyncio.wrap_future(self._opened)

    def put(self, write: Write) -> None:
        """Write that when its turn comes; never blocks."""
        if self._closed:
            _log_unwritten(write, "the ledger is closed")
        else:
            self._inbox.put(write)

    def ask(self, call: Callable[[Store], T]) -> asyncio.Future[T]:
        """The answer to be. Raises LedgerError while writes are stuck."""
        reason = "the ledger is closed" if self._closed else self._stuck
        if reason:
            raise LedgerError(reason)
        answer: Future[T] = Future()
        self._inbox.put(_Question(call, answer))
        return asyncio.wrap_future(answer)

    async def close(self) -> None:
        """Write what is left, for CLOSING seconds at most; log what cannot be."""
        self._closed = True
        self._inbox.put(None)
        ended = asyncio.wrap_future(self._ended)
        try:
            await asyncio.wait((ended,), timeout=CLOSING)
        finally:
            self._giving_up.set()
            self._thread.join()

    # -- on the thread --

    def _run(self) -> None:
        try:
            store = self._open_store()
        except Exception as error:  # noqa: BLE001  whoever opens is told
            self._opened.set_exception(error)
        else:
            self._opened.set_result(None)
            self._serve(store)
        finally:
            self._ended.set_result(None)

    def _serve(self, store: Store) -> None:
        while (job := self._next()) is not None:
            if isinstance(job, _Question):
                job.ask(store)
            else:
                self._write(store, job)
        try:
            store.close()
        except LedgerError as error:
            logger.error("LEDGER_CLOSE %s", error)

    def _next(self) -> Write | _Question | None:
        return self._backlog.popleft() if self._backlog else self._inbox.get()

    def _write(self, store: Store, write: Write) -> None:
        for pause in _pauses():
            if self._stuck and self._giving_up.is_set():
                _log_unwritten(write, self._stuck)
                return
            try:
                write(store)
            except RefusedError as error:
                self._put_aside(write, str(error))
                return
            except LedgerError as error:
                self._hold_up(str(error))
                self._giving_up.wait(pause)
            except Exception as error:  # noqa: BLE001  a dead thread loses every row
                self._put_aside(write, repr(error))
                return
            else:
                self._go_on()
                return

    def _hold_up(self, reason: str) -> None:
        if self._stuck is None:
            logger.error("LEDGER_STUCK %s", reason)
        self._stuck = reason
        while not self._inbox.empty():
            self._backlog.append(self._inbox.get())
        waiting, self._backlog = self._backlog, deque()
        for job in waiting:
            if isinstance(job, _Question):
                job.turn_away(reason)
            else:
                self._backlog.append(job)

    def _go_on(self) -> None:
        if self._stuck is not None:
            self._stuck = None
            logger.warning("LEDGER_WRITES_AGAIN")

    def _put_aside(self, write: Write, reason: str) -> None:
        """What the ledger's laws refuse is kept as an event, and trading ends."""
        self._go_on()  # the disk did answer
        if write.func in _MATTERS_LESS:  # it decides nothing, or has no other place
            _log_unwritten(write, reason)
            if write.func is not Store.note:
                return
        else:
            detail = {**_row(write), "refusal": reason}
            logger.critical("LEDGER_REFUSED %s", as_json(detail))
            note = partial(Store.note, kind="refused", detail=detail)
            at = write.keywords["at"]
            self._backlog.appendleft(partial(note, condition_id=None, at=at))
        self._refused = f"the ledger refused a row: {reason}"


def _pauses() -> Iterator[float]:
    """Seconds between attempts, without end."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)


def _row(write: Write) -> dict[str, object]:
    return {"write": write.func.__name__, **write.keywords}


def _log_unwritten(write: Write, reason: str) -> None:
    row = as_json({**_row(write), "unwritten": reason})
    logger.critical("LEDGER_UNWRITTEN %s", row)
