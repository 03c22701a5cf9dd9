"""How long one refresh of the board keeps the event loop from everything else.

    python -m tests.bench.status [--count N]

Eight markets and eight log lines, on a pseudo-terminal of 80 by 24 that is read all the
while. ``board`` is a refresh as the bot does it, until the loop's next turn; ``table``
is rendering the same markets, and no more, as a rich table.
"""

import argparse
import asyncio
import logging
import os
import pty
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from io import StringIO

from rich.console import Console
from rich.table import Table

from lastsecond.clock import SystemClock
from lastsecond.history import Day, MarketStatus
from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.observe.board import Board, board_on
from lastsecond.observe.status import MOST_EVENTS, RunStatus

MARKETS = 8
START = 1_790_000_000 * NANOSECONDS


def status(number: int) -> RunStatus:
    """The run as it is shown at the ``number``th look: every figure moves."""
    markets = [
        MarketStatus(
            ticker=f"btc-updown-15m-{1_790_000_000 + 300 * each}",
            state="watching",
            close_at=START + (900 - number % 300 + each) * NANOSECONDS,
            ask_up=Decimal(500 + (number + each) % 499) / 1000,
            ask_down=Decimal(500 - (number + each) % 499) / 1000,
            favourite=Outcome.UP,
            depth=(number * 7_654_321 + each) % 10**10,
            book_age_ms=number % 5_000,
        )
        for each in range(MARKETS)
    ]
    return RunStatus(
        mode="PAPER",
        now=START + number * NANOSECONDS,
        clock_offset_ms=float(number % 100),
        day=Day(orders=number, fills=number // 2, result=-number * 10_000),
        markets=markets,
    )


def as_table(console: Console, run: RunStatus) -> str:
    """The markets alone, as rich lays out a table."""
    table = Table(*MarketStatus.__annotations__, box=None)
    for market in run.markets:
        names = MarketStatus.__annotations__
        table.add_row(*(str(getattr(market, name)) for name in names))
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@contextmanager
def terminal_board() -> Iterator[Board]:
    """A board on a pseudo-terminal that is read as fast as it is written."""
    master, slave = pty.openpty()

    def read() -> None:
        try:
            while os.read(master, 65_536):
                pass
        except OSError:  # the writer is gone
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with (
        os.fdopen(slave, "w", encoding="utf-8") as stream,
        board_on(stream) as board,
    ):
        assert board
        board.handler.setFormatter(logging.Formatter("%(message)s"))
        for number in range(MOST_EVENTS):
            event = f"DECISION btc-updown-5m-{number} skip reason=no_ask ask_up=none"
            given = {"msg": event, "levelno": logging.INFO}
            board.handler.handle(logging.makeLogRecord(given))
        yield board
    reader.join()
    os.close(master)


async def blocked(work: Callable[[RunStatus], object], count: int) -> list[int]:
    """Nanoseconds from each call of ``work`` to the loop's next turn."""
    clock = SystemClock()
    found = []
    for number in range(-20, count):
        run = status(number)
        await asyncio.sleep(0.02)
        began = clock.monotonic()
        work(run)
        await asyncio.sleep(0)
        if number >= 0:
            found.append(clock.monotonic() - began)
    return sorted(found)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.status")
    options.add_argument("--count", type=int, default=500, help="refreshes")
    count = options.parse_args().count
    console = Console(file=StringIO(), force_terminal=True, width=80, height=24)
    with terminal_board() as board:
        rows = {
            "board": asyncio.run(blocked(board.refresh, count)),
            "table": asyncio.run(blocked(lambda run: as_table(console, run), count)),
        }
    print(f"ms that a refresh with {MARKETS} markets blocks the loop")
    print(f"{'':<8}{'n':>6}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}")
    for name, found in rows.items():
        shares = (0.5, 0.9, 0.99, 1)
        at = [found[min(int(count * share), count - 1)] / 1e6 for share in shares]
        print(f"{name:<8}{count:>6}", *(f"{value:>7.2f}" for value in at))


if __name__ == "__main__":
    main()
