"""The terminal while the bot runs: lines that scroll, under them a frame that stays.

A thread of its own writes, so that a terminal that stands still holds up nothing else:
meanwhile lines wait, the oldest being dropped, and of frames only the last is kept. The
cursor is never hidden: there is nothing to restore, however the process ends.

The whole screen is never cleared: tmux keeps what such a clear takes away, a screenful
of history a second. Below the first row, erasing the rest is no such clear.
"""

import os
import re
import select
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len

_ERASE_LINE = "\x1b[K"
_ERASE_BELOW = "\x1b[J"
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_WAITING = 1_000
_PATIENCE = 2.0


def to_descriptor(descriptor: int, encoding: str) -> Callable[[str], None]:
    """A function that writes text to an open file, without Python's buffers and locks.

    It waits for as long as the other end does, and raises OSError when that is gone.
    """

    def write(text: str) -> None:
        left = memoryview(text.encode(encoding, "replace"))
        while left:
            select.select([], [descriptor], [])
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:
                continue

    return write


@dataclass(frozen=True, slots=True)
class _Line:
    """Text that scrolls."""

    text: str


@dataclass(frozen=True, slots=True)
class _Frame:
    """Rows that stay, each with its newline; ``size`` is the terminal's."""

    text: str
    size: tuple[int, int]

    def rows(self) -> list[str]:
        """Its rows, without their newlines."""
        return self.text.split("\n")[:-1]

    def height(self, columns: int) -> int:
        """How many rows it is once a terminal of ``columns`` has wrapped it anew."""
        widths = (cell_len(_COLOURS.sub("", row)) for row in self.rows())
        return sum(max(1, -(-width // columns)) for width in widths)


_NO_FRAME = _Frame("", (0, 0))


class Screen:
    """The only writer of a terminal, from its making to close()."""

    def __init__(self, write: Callable[[str], object]) -> None:
        """``write`` is called in a thread of this object's; its OSError ends it all."""
        self._write = write
        self._waiting: deque[_Line | _Frame] = deque(maxlen=_WAITING)
        self._changed = threading.Condition()
        self._closing = False
        self._standing = _NO_FRAME
        self._out_of_sight = 0
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Let a line, or several, scroll by above the frame; returns at once."""
        self._put(_Line(text))

    def frame(self, rows: str, size: tuple[int, int]) -> None:
        """Show ``rows`` in the place of the last frame; returns at once.

        Each ends with a newline; they are fewer than the terminal's, whose ``size`` is
        columns and rows: where it has changed, the last frame is taken to be wrapped
        anew, as most terminals do. Lines above stay.
        """
        self._put(_Frame(rows, size))

    def release(self) -> None:
        """Leave the frame where it is: what follows goes under it."""
        self._put(_NO_FRAME)

    def close(self) -> None:
        """Write what waits, for two seconds at most, and nothing after that."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_PATIENCE)

    def _put(self, item: _Line | _Frame) -> None:
        with self._changed:
            if self._closing:
                return
            outdated = self._waiting and isinstance(self._waiting[-1], _Frame)
            if outdated and item is not _NO_FRAME and isinstance(item, _Frame):
                self._waiting.pop()
            self._waiting.append(item)
            self._changed.notify()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._write(self._drawing(item))
            except (OSError, ValueError):
                break
        with self._changed:
            self._closing = True

    def _next(self) -> _Line | _Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting else None

    def _drawing(self, item: _Line | _Frame) -> str:
        """What to write for ``item``, given what stands."""
        match item:
            case _Line(text):
                self._out_of_sight = 0
                up = _up(self._height(self._standing.size))
                erase = f"{up}{_ERASE_LINE}\n{_ERASE_BELOW}\x1b[A" if up else ""
                return f"{erase}{text}\n{self._standing.text}"
            case _Frame("", _):
                self._standing, self._out_of_sight = item, 0
                return ""
            case _Frame(_, size):
                up = _up(self._height(size))
                self._standing = item
                rows = "".join(f"{_ERASE_LINE}{row}\n" for row in item.rows())
                return f"{up}{rows}{_ERASE_BELOW if up else ''}"

    def _height(self, size: tuple[int, int]) -> int:
        """How many rows above the cursor are the frame's, on a terminal of ``size``.

        From a terminal that gets lower, rows leave at the top; they come back when it
        gets higher.
        """
        (columns, rows), (columns_before, rows_before) = size, self._standing.size
        height = self._standing.height(columns) if self._standing.text else 0
        if columns != columns_before:
            self._out_of_sight = 0
        back = min(self._out_of_sight, max(0, rows - rows_before))
        left = max(0, height - max(1, rows - 1))
        self._out_of_sight += left - back
        return height - left + back


def _up(rows: int) -> str:
    """To the start of the row that is ``rows`` above the cursor's; of none, nothing."""
    return f"\r\x1b[{rows}A" if rows else ""
