"""The board: what a person sees on a terminal while the bot runs, once a second."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TextIO

from rich.console import Console, Group

from lastsecond.observe.events import shortened
from lastsecond.observe.logs import ComplainOnce
from lastsecond.observe.screen import Screen, to_descriptor
from lastsecond.observe.status import MOST_EVENTS, RunStatus, rows

REFRESH = 1.0
"""Seconds between two looks."""

logger = logging.getLogger(__name__)


class Events(ComplainOnce):
    """The terminal's log handler beside a board.

    While the board stands, it shows the last lines; warnings and errors also scroll by
    above it, to stay. Before and after, every line scrolls.
    """

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.name = "terminal"
        self.complain = screen.line
        self._screen = screen
        self._board_stands = False
        self._last: deque[tuple[int, str]] = deque(maxlen=MOST_EVENTS)
        self._unseen: deque[str] = deque(maxlen=MOST_EVENTS)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, and let it scroll where the board does not do."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001  as every handler of the library does
            self.handleError(record)
            return
        self._last.append((record.levelno, shortened(text.partition("\n")[0])))
        if not self._board_stands or record.levelno >= logging.WARNING:
            self._screen.line(text)
        else:
            self._unseen.append(text)

    def for_board(self) -> Sequence[tuple[int, str]]:
        """The last lines for a board that stands, short, oldest first, with levels."""
        with self._alone():
            self._board_stands = True
            self._unseen.clear()
            return tuple(self._last)

    def board_left(self) -> None:
        """From now on lines scroll, those first that the board has not shown."""
        with self._alone():
            self._board_stands = False
            while self._unseen:
                self._screen.line(self._unseen.popleft())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold off emit(), which another thread calls."""
        self.acquire()
        try:
            yield
        finally:
            self.release()


class Board:
    """The table of markets at the bottom of a terminal, and the log lines with it."""

    def __init__(self, console: Console, screen: Screen) -> None:
        """Lay out and colour for ``console``; draw on ``screen``."""
        self.handler = Events(screen)
        self._console = console
        self._screen = screen

    def refresh(self, status: RunStatus) -> None:
        """Show ``status``; returns before the terminal has it."""
        width, height = self._console.size
        found = rows(status, self.handler.for_board(), width, height)
        with self._console.capture() as capture:
            self._console.print(Group(*found), no_wrap=True, overflow="ellipsis")
        self._screen.frame(capture.get(), (width, height))

    def leave(self) -> None:
        """Leave what is shown where it is: from now on, log lines scroll under it."""
        self._screen.release()
        self.handler.board_left()


@contextmanager
def board_on(stream: TextIO, *, wanted: bool = True) -> Iterator[Board | None]:
    """A board on ``stream`` while inside; None where it is no terminal for one."""
    console = Console(file=stream, highlight=False)
    if not wanted or not stream.isatty() or console.is_dumb_terminal:
        yield None
        return
    screen = Screen(to_descriptor(stream.fileno(), stream.encoding))
    try:
        yield Board(console, screen)
    finally:
        screen.close()


@asynccontextmanager
async def showing(
    board: Board | None,
    look: Callable[[], RunStatus],
    busy: Callable[[], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncIterator[None]:
    """Keep the board, if there is one, up to date while inside."""
    if board is None:
        yield
        return
    task = asyncio.create_task(show(board, look, busy, sleep), name="status")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def show(
    board: Board,
    look: Callable[[], RunStatus],
    busy: Callable[[], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Keep the board up to date until cancelled; neither look nor draw while busy().

    What goes wrong is logged and ends the board, and nothing else.
    """
    try:
        while _refreshed(board, look, busy):
            await sleep(REFRESH)
    except asyncio.CancelledError:
        _refreshed(board, look, busy)
        raise
    finally:
        board.leave()


def _refreshed(
    board: Board, look: Callable[[], RunStatus], busy: Callable[[], bool]
) -> bool:
    try:
        if not busy():
            board.refresh(look())
    except Exception:
        logger.warning("STATUS_FAILED lines scroll from now on", exc_info=True)
        return False
    return True
