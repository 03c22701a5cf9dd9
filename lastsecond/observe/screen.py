"""The terminal while the bot runs: lines that scroll, under them a frame that stays.

A thread of its own writes, so that a terminal that stands still holds up nothing else:
meanwhile lines wait, the oldest being dropped, and of frames only the last is kept. The
cursor is never hidden: there is nothing to restore, however the process ends.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_ERASE_BELOW = "\x1b[J"
_WHOLE_SCREEN = "\x1b[H\x1b[2J"
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
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Let a line, or several, scroll by above the frame; returns at once."""
        self._put(_Line(text))

    def frame(self, rows: str, size: tuple[int, int]) -> None:
        """Show ``rows`` in the place of the last frame; returns at once.

        Each ends with a newline; they are fewer than the terminal's, whose ``size`` is
        columns and rows: where it has changed, all is drawn anew.
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
        old = self._standing
        height = old.text.count("\n")
        erase = f"\r\x1b[{height}A{_ERASE_BELOW}" if height else ""
        match item:
            case _Line(text):
                return f"{erase}{text}\n{old.text}"
            case _Frame("", _):
                self._standing = item
                return ""
            case _Frame(text, size):
                self._standing = item
                resized = height and size != old.size
                return f"{_WHOLE_SCREEN if resized else erase}{text}"
