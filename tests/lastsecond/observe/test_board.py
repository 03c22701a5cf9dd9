"""The board on a terminal: refreshed when there is time for it, the log beside it."""

import asyncio
import logging
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lastsecond.clock import LoopClock
from lastsecond.market import NANOSECONDS
from lastsecond.observe.board import show, showing
from lastsecond.observe.logs import logging_to
from lastsecond.observe.status import RunStatus, is_busy
from tests.fakes import on_jumping_loop
from tests.lastsecond.observe.boards import board_over
from tests.lastsecond.observe.terminal import Terminal, words

START = 1_790_000_000 * NANOSECONDS
CLOSE = START + 10 * NANOSECONDS
RUN = RunStatus(mode="PAPER", now=START)

logger = logging.getLogger("hft_trader")


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
        with board_over(terminal) as board:
            await show(board, look, busy, asyncio.sleep)
            board.handler.handle(logging.makeLogRecord({"levelno": 20, "msg": "AFTER"}))

    terminal = Terminal()
    live()
    assert terminal.shown()[-1] == "AFTER"
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
        "BEFORE",
        "INFO of [secret]",
        "WARNING WARNING of [secret]",
        "CRITICAL FAULT",
        "INFO hft_trader AFTER",
    ]


def test_what_a_board_has_not_shown_scrolls_after_it(tmp_path: Path) -> None:
    """A line that came after the last look, or before a busy end, is not lost."""
    terminal = Terminal()
    with board_over(terminal) as board:
        with logging_to(tmp_path, terminal=board.handler):
            logger.info("SCROLLED")
        board.refresh(RUN)
        with logging_to(tmp_path, terminal=board.handler):
            logger.info("LATE")
            logger.warning("ABOVE")
        board.leave()
    shown = [words(row) for row in terminal.shown()]
    assert [row.rpartition(" ")[2] for row in shown[:2]] == ["SCROLLED", "ABOVE"]
    assert shown[-2:] == ["SCROLLED", "INFO hft_trader LATE"]
    assert sum("LATE" in row for row in shown) == 1


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
    assert shown == [f"EVENT {number}" for number in range(992, 1_000)]
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
    assert "NEXT" in shown
