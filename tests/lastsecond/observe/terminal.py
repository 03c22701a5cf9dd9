"""A terminal of few words: what a person sees after the program wrote to it."""

import re
from itertools import chain

_EVENT = re.compile(r"\d\d:\d\d:\d\d ")
_PIECE = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


def words(row: str) -> str:
    """A log line from its level on; an event of a board without its time."""
    return row.partition("Z ")[2] or _EVENT.sub("", row)


def cut(row: str, columns: int) -> list[str]:
    """The rows that one row becomes on a terminal of ``columns``."""
    starts = range(0, max(1, len(row)), columns)
    return [row[start : start + columns] for start in starts]


class Terminal:
    """Rows on which text, newlines and the few controls of ours are drawn.

    ``scrolled`` holds the rows that left at the top. Raises ValueError for a control
    that it does not know: nothing of ours may need more. Like tmux it keeps what is
    taken away by clearing the whole screen, and wraps anew when it is resized.
    """

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.scrolled: list[str] = []
        self.coloured = False
        self._columns = columns
        self._rows = [""] * rows
        self._row = self._column = 0

    def write(self, text: str) -> None:
        for piece in _PIECE.finditer(text):
            if code := piece[2]:
                self._control(code, piece[1])
            elif piece[0] == "\r":
                self._column = 0
            elif piece[0] == "\n":
                self._down()
            else:
                self._put(piece[0])

    def shown(self) -> list[str]:
        """The rows on the screen, without those that are empty at its end."""
        rows = [row.rstrip() for row in self._rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def resize(self, columns: int, rows: int) -> None:
        """As tmux does it, but that wrapped rows are not joined again.

        Empty rows at the bottom go first, then rows leave at the top; from there they
        come back.
        """
        while len(self._rows) > rows:
            if self._row + 1 < len(self._rows):
                self._rows.pop()
            else:
                self.scrolled.append(self._rows.pop(0).rstrip())
                self._row -= 1
        while len(self._rows) < rows:
            if self.scrolled:
                self._rows.insert(0, self.scrolled.pop())
                self._row += 1
            else:
                self._rows.append("")
        everything = [cut(row, columns) for row in (*self.scrolled, *self._rows)]
        before = sum(map(len, everything[: len(self.scrolled) + self._row]))
        pieces = list(chain(*everything))
        self.scrolled, self._rows = pieces[:-rows], pieces[-rows:]
        self._row = before - len(self.scrolled)
        self._columns = columns

    def _control(self, code: str, argument: str) -> None:
        match code, argument:
            case "m", _:
                self.coloured = True
            case "A", _:
                self._row = max(0, self._row - int(argument or 1))
            case "K", "":
                self._rows[self._row] = self._rows[self._row][: self._column]
            case "J", "":
                if self._row == self._column == 0:
                    self.scrolled += self._rows
                self._rows[self._row] = self._rows[self._row][: self._column]
                self._rows[self._row + 1 :] = [""] * (len(self._rows) - self._row - 1)
            case _:
                raise ValueError(f"unknown control {argument}{code}")

    def _put(self, text: str) -> None:
        for character in text:
            if self._column == self._columns:
                self._down()
            row = self._rows[self._row].ljust(self._column)
            self._rows[self._row] = (
                row[: self._column] + character + row[self._column + 1 :]
            )
            self._column += 1

    def _down(self) -> None:
        self._column = 0
        if self._row + 1 < len(self._rows):
            self._row += 1
        else:
            self.scrolled.append(self._rows.pop(0).rstrip())
            self._rows.append("")
