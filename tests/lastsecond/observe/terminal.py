"""A terminal of few words: what a person sees after the program wrote to it."""

import re

_PIECE = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


def words(row: str) -> str:
    """A log line from its level on."""
    return row.partition("Z ")[2] or row


class Terminal:
    """Rows on which text, newlines and the few controls of ours are drawn.

    ``scrolled`` holds the rows that left at the top. Raises ValueError for a control
    that it does not know: nothing of ours may need more.
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

    def _control(self, code: str, argument: str) -> None:
        match code, argument:
            case "m", _:
                self.coloured = True
            case "A", _:
                self._row = max(0, self._row - int(argument or 1))
            case "H", "":
                self._row = self._column = 0
            case "J", "":
                self._rows[self._row] = self._rows[self._row][: self._column]
                self._rows[self._row + 1 :] = [""] * (len(self._rows) - self._row - 1)
            case "J", "2":
                self._rows = [""] * len(self._rows)
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
