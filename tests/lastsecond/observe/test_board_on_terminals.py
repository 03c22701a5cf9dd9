"""The board in a program of its own, on a real terminal and where there is none."""

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest

from lastsecond.observe.board import board_on
from tests.lastsecond.observe.terminal import Terminal, words

ROOT = Path(__file__).parents[3]

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
    header = next(n for n, row in enumerate(shown) if row.startswith("PAPER"))
    assert shown[header - 1] == "WARNING main WORRYING"
    assert shown[header + 1 :] == [
        "MARKET                     LEFT     UP   DOWN  FAVOURITE  DEPTH   AGE STATE",
        "no markets at the moment",
        "",
        "STARTING",
        "RUNNING",
        "WARNING WORRYING",
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
