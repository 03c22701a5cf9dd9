"""The board, where there is a terminal for one; else its library stays unloaded."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TextIO

from lastsecond.ports import World

if TYPE_CHECKING:
    from lastsecond.observe.board import Board
    from lastsecond.observe.lookout import Runner


@contextmanager
def board_on(stream: TextIO, *, wanted: bool = True) -> "Iterator[Board | None]":
    """A board on ``stream`` while inside; None where it is no terminal for one."""
    if not wanted or not stream.isatty():
        yield None
        return
    from lastsecond.observe import board  # noqa: PLC0415  rich costs 25 ms

    with board.board_on(stream) as shown:
        yield shown


@asynccontextmanager
async def watched(
    board: "Board | None", world: World, runner: "Runner"
) -> AsyncIterator[None]:
    """Show the run on ``board``, if there is one, while inside, and what it came to."""
    if board is None:
        yield
        return
    from lastsecond.observe import lookout  # noqa: PLC0415  as above

    async with lookout.watched(board, world, runner):
        yield
