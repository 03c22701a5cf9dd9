"""A board on a terminal that is no device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO

from rich.console import Console

from lastsecond.observe.board import Board
from lastsecond.observe.screen import Screen
from tests.lastsecond.observe.terminal import Terminal


@contextmanager
def board_over(
    terminal: Terminal, write: Callable[[str], object] | None = None
) -> Iterator[Board]:
    """A board of 80 columns and 24 rows; all of it is drawn at the end."""
    console = Console(file=StringIO(), force_terminal=True, width=80, height=24)
    screen = Screen(write or terminal.write)
    try:
        yield Board(console, screen)
    finally:
        screen.close()
