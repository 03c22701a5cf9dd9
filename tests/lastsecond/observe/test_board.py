"""The board on a terminal: refreshed when there is time for it, the log beside it."""

import asyncio
import logging
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lastsecond.clock import LoopClock
from lastsecond.market import NANOSECONDS
from lastsecond.observe.board import Board, board_on, show, showing
from lastsecond.observe.logs import logging_to
from lastsecond.observe.screen import Screen
from lastsecond.observe.status import RunStatus, is_busy
from tests.fakes import on_jumping_loop
from tests.lastsecond.observe.terminal import Terminal

ROOT = Path(__file__).parents[3]
START = 1_790_000_000 * NANOSECONDS
CLOSE = START + 10 * NANOSECONDS
RUN = RunStatus(mode="PAPER", now=START)

logger = logging.getLogger("hft_trader")


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


# -- when it is refreshed --


def test_it_is_never_refreshed_in_the_last_seconds() -> None:
    """Once a second, but neither looked at nor drawn from three seconds to a close."""
    looks, frames = list[float](), list[str]()

    @on_jumping_loop
    async def live() -> None:
        clock = LoopClock(START)

        def look() -> RunStatus:
            looks.append((CLOSE - clock.now()) / NANOSECONDS)
            return RunStatus(mode="PAPER", now=clock.now())

        def busy() -> bool:
            return is_busy([CLOSE], clock.now())

        with board_over(Terminal(), frames.append) as board:
            async with showing(board, look, busy, clock.sleep):
                await clock.sleep(15.5)

    live()
    assert looks == pytest.approx([10, 9, 8, 7, 6, 5, 4, -1, -2, -3, -4, -5, -5.5])
    assert sum("PAPER" in frame for frame in frames) <= len(looks)


def test_it_ends_without_a_last_look_in_the_last_seconds() -> None:
    """Stopped just before a close, it goes without drawing."""
    looks = 0

    @on_jumping_loop
    async def live() -> None:
        clock = LoopClock(START)

        def look() -> RunStatus:
            nonlocal looks
            looks += 1
            return RUN

        with board_over(Terminal()) as board:
            async with showing(
                board, look, lambda: is_busy([CLOSE], clock.now()), clock.sleep
            ):
                await clock.sleep(9.5)

    live()
    assert looks == 7


def test_without_a_board_nothing_is_looked_at() -> None:
    """Where there is no terminal, there is no task and no look."""

    @on_jumping_loop
    async def live() -> None:
        def look() -> RunStatus:
            raise AssertionError

        async with showing(None, look, lambda: False, asyncio.sleep):
            await asyncio.sleep(5)
            assert len(asyncio.all_tasks()) == 1

    live()


@pytest.mark.parametrize("failing", ["look", "busy"])
def test_a_board_that_fails_is_given_up(
    failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The program goes on, the fault is logged once, and lines scroll again."""

    def look() -> RunStatus:
        if failing == "look":
            raise ZeroDivisionError
        return RUN

    def busy() -> bool:
        if failing == "busy":
            raise ZeroDivisionError
        return False

    @on_jumping_loop
    async def live() -> None:
        with board_over(Terminal()) as board:
            await show(board, look, busy, asyncio.sleep)
            assert not board.handler.board_stands

    live()
    (record,) = caplog.records
    assert record.message.startswith("STATUS_FAILED")
    assert record.exc_info


# -- the log beside it --


def logged(folder: Path) -> Terminal:
    """A terminal after lines before, beside and after a board."""
    terminal = Terminal()
    with board_over(terminal) as board:

        def logging_beside() -> AbstractContextManager[None]:
            return logging_to(folder, terminal=board.handler, secrets=["s3cret"])

        with logging_beside():
            logger.info("BEFORE")
        board.refresh(RUN)
        with logging_beside():
            logger.info("INFO of s3cret condition_id=0x12")
            logger.warning("WARNING of s3cret")
            logger.critical("FAULT", exc_info=RuntimeError("s3cret"))
            logger.debug("DETAIL")
        board.refresh(RUN)
        board.leave()
        with logging_beside():
            logger.info("AFTER")
    return terminal


def words(row: str) -> str:
    """A log line from its level on."""
    return row.partition("Z ")[2] or row


def test_lines_go_into_the_board_and_warnings_above_it(tmp_path: Path) -> None:
    """Before and after it, lines scroll; beside it, only warnings and errors do."""
    shown = [words(row) for row in logged(tmp_path).shown()]
    header = next(n for n, row in enumerate(shown) if row.startswith("PAPER"))
    above, board = shown[:header], shown[header:]
    assert above == [
        "INFO hft_trader BEFORE",
        "WARNING hft_trader WARNING of [secret]",
        "CRITICAL hft_trader FAULT",
        "RuntimeError: [secret]",
    ]
    assert board[3:] == [
        "",
        "INFO hft_trader BEFORE",
        "INFO hft_trader INFO of [secret]",
        "WARNING hft_trader WARNING of [secret]",
        "CRITICAL hft_trader FAULT",
        "INFO hft_trader AFTER",
    ]


def test_no_secret_is_on_the_terminal_or_in_the_files(tmp_path: Path) -> None:
    """What a board shows is hidden like any other line."""
    shown = "\n".join(logged(tmp_path).shown())
    written = (tmp_path / "trades.log").read_text()
    assert "s3cret" not in shown + written
    assert written.count("[secret]") == 3
    assert "DETAIL" in written


def test_only_the_last_events_are_kept(tmp_path: Path) -> None:
    """Eight, the newest last, however many there were."""
    terminal = Terminal()
    with board_over(terminal) as board:
        with logging_to(tmp_path, terminal=board.handler):
            board.refresh(RUN)
            for number in range(1_000):
                logger.info("EVENT %d", number)
        board.refresh(RUN)
    shown = [words(row) for row in terminal.shown()[-8:]]
    assert shown == [f"INFO hft_trader EVENT {number}" for number in range(992, 1_000)]
    assert terminal.scrolled == []


def test_a_broken_log_call_is_told_above_the_board(tmp_path: Path) -> None:
    """An event whose arguments do not fit is one line, and stops nothing."""
    terminal = Terminal()
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        with board_over(terminal) as board:
            board.refresh(RUN)
            with logging_to(tmp_path, terminal=board.handler):
                logger.info("EVENT %d", "three")
                logger.info("NEXT")
            board.refresh(RUN)
    finally:
        root.handlers = handlers
    shown = "\n".join(terminal.shown())
    assert "terminal: not written: %d format" in shown
    assert "INFO hft_trader NEXT" in shown


# -- on a real terminal --

PROGRAM = """
import asyncio, logging, sys
from pathlib import Path
from lastsecond.clock import SystemClock
from lastsecond.observe.board import board_on, showing
from lastsecond.observe.logs import logging_to
from lastsecond.observe.status import RunStatus
from lastsecond.signals import until_signalled

async def live(board):
    clock = SystemClock()
    look = lambda: RunStatus(mode="PAPER", now=clock.now())
    async with showing(board, look, lambda: False, clock.sleep):
        await clock.sleep(0.2)
        logging.getLogger("main").info("RUNNING")
        logging.getLogger("main").warning("WORRYING")
        await clock.sleep(60)
    return 0

quiet = "--quiet" in sys.argv
with board_on(sys.stderr, wanted=not quiet) as board:
    with logging_to(
        Path(sys.argv[1]), quiet=quiet, terminal=board and board.handler
    ):
        logging.getLogger("main").info("STARTING")
        sys.exit(asyncio.run(until_signalled(live(board))))
"""


@contextmanager
def program(
    folder: Path, stderr: int, *options: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """PROGRAM running, with nothing but ``stderr`` for a terminal."""
    given = {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)} | environment
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), *options],
        cwd=ROOT,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_to(descriptor: int, word: bytes | None = None) -> bytes:
    """What comes up to ``word``, or up to the end."""
    got = b""
    while word is None or word not in got:
        try:
            piece = os.read(descriptor, 65_536)
        except OSError:  # Linux says so when the last writer of a terminal is gone
            break
        if not piece:
            break
        got += piece
    return got


def on_a_terminal(
    folder: Path, stop: int, *options: str, **environment: str
) -> tuple[Terminal, int]:
    """What stands on a real terminal after ``stop``, and the exit status."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    terminal = Terminal()
    with program(folder, slave, *options, **environment) as process:
        got = read_to(master, b"WORRYING")
        process.send_signal(stop)
        process.wait(30)
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    got += read_to(master)
    os.close(master)
    terminal.write(got.decode().replace("\r\n", "\n"))
    return terminal, process.returncode


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_shows_the_board_and_is_left_in_order(
    tmp_path: Path, stop: int
) -> None:
    """Board with its events below, the warning above; what follows goes under it.

    No control but colours, cursor up and erase is used: nothing needs restoring.
    """
    terminal, status = on_a_terminal(tmp_path, stop)
    shown = [words(row) for row in terminal.shown()]
    header, *board = shown[2:]
    assert shown[:2] == ["INFO main STARTING", "WARNING main WORRYING"]
    assert header.startswith("PAPER")
    assert board == [
        "MARKET                     LEFT     UP   DOWN FAVOURITE  DEPTH    AGE STATE",
        "no markets at the moment",
        "",
        "INFO main STARTING",
        "INFO main RUNNING",
        "WARNING main WORRYING",
        "INFO lastsecond.signals STOPPED by a signal",
    ]
    assert terminal.coloured
    assert status == 0


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    """Where the cursor cannot move, lines scroll and there is no board."""
    terminal, _ = on_a_terminal(tmp_path, signal.SIGINT, TERM="dumb")
    assert [words(row) for row in terminal.shown()] == [
        "INFO main STARTING",
        "INFO main RUNNING",
        "WARNING main WORRYING",
        "INFO lastsecond.signals STOPPED by a signal",
    ]
    assert not terminal.coloured


def test_quiet_is_warnings_only_and_no_board(tmp_path: Path) -> None:
    """Everything is in the files all the same."""
    terminal, _ = on_a_terminal(tmp_path, signal.SIGINT, "--quiet")
    assert [words(row) for row in terminal.shown()] == ["WARNING main WORRYING"]
    assert not terminal.coloured
    assert "RUNNING" in (tmp_path / "finder.log").read_text()


@pytest.mark.parametrize("forced", [{}, {"FORCE_COLOR": "1"}])
def test_a_pipe_gets_plain_lines(tmp_path: Path, forced: dict[str, str]) -> None:
    """No escape codes, no board: what greps and collectors can read."""
    with program(tmp_path, subprocess.PIPE, **forced) as process:
        assert process.stderr
        got = read_to(process.stderr.fileno(), b"WORRYING\n")
        process.send_signal(signal.SIGINT)
        got += process.stderr.read()
        assert process.wait(30) == 0
    assert [words(row) for row in got.decode().splitlines()] == [
        "INFO main STARTING",
        "INFO main RUNNING",
        "WARNING main WORRYING",
        "INFO lastsecond.signals STOPPED by a signal",
    ]
    assert b"\x1b" not in got


def test_a_terminal_that_stands_still_holds_up_nothing(tmp_path: Path) -> None:
    """With a terminal that takes no more (Ctrl-S), the program ends as fast as ever."""
    master, slave = pty.openpty()
    with program(tmp_path, slave) as process:
        got = read_to(master, b"WORRYING")
        termios.tcflow(slave, termios.TCOOFF)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        termios.tcflow(slave, termios.TCOON)
    os.close(slave)
    os.close(master)
    assert b"PAPER" in got
    assert "STOPPED" in (tmp_path / "trades.log").read_text()


def test_a_file_for_a_terminal_is_no_board() -> None:
    """What is no terminal has none, nor has one that is not wanted."""
    with board_on(StringIO()) as board:
        assert board is None
    assert threading.active_count() == 1
