"""The screen: lines scroll above a frame that stays, and nobody waits for them."""

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastsecond.observe.screen import Screen, to_descriptor
from tests.lastsecond.observe.terminal import Terminal

SIZE = (80, 24)


class Drawn:
    """A screen on a terminal that draws each item before the next is given."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.terminal = Terminal(columns, rows)
        self.size = columns, rows
        self._written = threading.Semaphore(0)
        self._screen = Screen(self._write)

    def line(self, text: str) -> None:
        self._screen.line(text)
        self._wait()

    def frame(self, *rows: str) -> None:
        self._screen.frame("".join(f"{row}\n" for row in rows), self.size)
        self._wait()

    def resize(self, columns: int, rows: int) -> None:
        self.terminal.resize(columns, rows)
        self.size = columns, rows

    def close(self) -> None:
        self._screen.close()

    def _wait(self) -> None:
        assert self._written.acquire(timeout=60)

    def _write(self, text: str) -> None:
        self.terminal.write(text)
        self._written.release()


@pytest.fixture
def drawn() -> Iterator[Drawn]:
    """A screen on a terminal of 80 columns and 24 rows."""
    drawn = Drawn()
    yield drawn
    drawn.close()


def test_lines_scroll_above_the_frame() -> None:
    """A line under a standing frame appears above it, and the frame once, below."""
    terminal = Terminal()
    screen = Screen(terminal.write)
    screen.line("first")
    screen.frame("one\ntwo\n", SIZE)
    screen.line("second\nand its traceback")
    screen.close()
    assert terminal.shown() == ["first", "second", "and its traceback", "one", "two"]


def test_a_frame_takes_the_place_of_the_last() -> None:
    """Whether it is longer or shorter, nothing is left of the frame before it."""
    terminal = Terminal()
    screen = Screen(terminal.write)
    for rows in ("a\nb\n", "c\nd\ne\n", "f\n"):
        screen.frame(rows, SIZE)
        screen.line(f"after {rows[0]}")
    screen.close()
    assert terminal.shown() == ["after a", "after c", "after f", "f"]


def test_what_comes_after_a_release_goes_below() -> None:
    """A released frame stands like any line."""
    terminal = Terminal()
    screen = Screen(terminal.write)
    screen.frame("last\n", SIZE)
    screen.release()
    screen.line("END")
    screen.close()
    assert terminal.shown() == ["last", "END"]


def test_a_long_run_leaves_no_traces_of_frames() -> None:
    """Lines that scroll out at the top are lines, each once, and never frames."""
    terminal = Terminal(rows=10)
    screen = Screen(terminal.write)
    for number in range(50):
        screen.frame(f"frame {number}\nrow\n", (80, 10))
        screen.line(f"line {number}")
    screen.close()
    everything = terminal.scrolled + terminal.shown()
    assert everything == [*(f"line {n}" for n in range(50)), "frame 49", "row"]


@pytest.mark.parametrize("above", [0, 1, 20])
def test_refreshing_lets_nothing_scroll(drawn: Drawn, above: int) -> None:
    """Not even where the frame begins at the first row: the screen is never cleared."""
    for number in range(above):
        drawn.line(f"line {number}")
    for number in range(20):
        drawn.frame(*[f"frame {number}"] * (number % 3 + 1))
    assert drawn.terminal.scrolled == []
    lines = [f"line {number}" for number in range(above)]
    assert drawn.terminal.shown() == [*lines, "frame 19", "frame 19"]


def test_a_line_above_a_frame_that_fills_the_terminal_scrolls_alone() -> None:
    """Of the frame nothing is left in what scrolled."""
    drawn = Drawn(rows=4)
    drawn.frame("one", "two", "three")
    drawn.line("line")
    drawn.close()
    assert drawn.terminal.scrolled == ["line"]
    assert drawn.terminal.shown() == ["one", "two", "three"]


def test_a_line_of_two_rows_stands_alone_on_both(drawn: Drawn) -> None:
    """Beside its end nothing of the frame is left."""
    drawn.resize(10, 24)
    drawn.frame("frame one", "frame two")
    drawn.line("0123456789ab")
    assert drawn.terminal.shown() == ["0123456789", "ab", "frame one", "frame two"]


def test_nothing_is_erased_after_a_row_of_full_width() -> None:
    """There, some terminals would erase its last character."""
    written = list[str]()
    screen = Screen(written.append)
    screen.frame("12345\n", (5, 24))
    screen.close()
    assert written == ["\x1b[K12345\n"]


def test_a_narrower_terminal_keeps_the_lines_above(drawn: Drawn) -> None:
    """What the last frame was wrapped into goes; colours take up no room."""
    lines = [f"warning {number}" for number in range(5)]
    for line in lines:
        drawn.line(line)
    drawn.frame(f"\x1b[1m{'x' * 70}\x1b[0m", "", "short")
    drawn.resize(30, 24)
    drawn.frame("narrow")
    everything = drawn.terminal.scrolled + drawn.terminal.shown()
    assert everything == [*lines, "narrow"]


def test_a_terminal_that_gets_lower_and_higher_again_shows_one_frame(
    drawn: Drawn,
) -> None:
    """The rows that left at the top are written over when they come back."""
    drawn.line("warning")
    drawn.frame(*(f"row {number}" for number in range(20)))
    for rows in (16, 10, 12, 24):
        drawn.resize(80, rows)
        drawn.frame("header", f"{rows} rows")
    assert drawn.terminal.scrolled == []
    assert drawn.terminal.shown() == ["warning", "header", "24 rows"]


@settings(deadline=None)  # a thread draws
@given(
    st.lists(
        st.one_of(
            st.integers(1, 30),
            st.just("line"),
            st.tuples(st.sampled_from([80, 50, 20]), st.integers(3, 30)),
        ),
        max_size=20,
    )
)
def test_no_resize_takes_a_line_or_breaks_the_frame(
    steps: list[int | str | tuple[int, int]],
) -> None:
    """Every line is kept, once and in order, and the last frame stands at the end."""
    drawn, lines = Drawn(), list[str]()
    for step in [*steps, 2]:
        match step:
            case str():
                lines.append(f"line {len(lines)}")
                drawn.line(lines[-1])
            case int():
                columns, rows = drawn.size
                drawn.frame(*["x" * columns] * min(step, rows - 1))
            case columns, rows:
                drawn.resize(columns, rows)
    drawn.close()
    shown = drawn.terminal.shown()
    kept = [row for row in drawn.terminal.scrolled + shown if row.startswith("line")]
    assert kept == lines
    assert shown[-2:] == ["x" * drawn.size[0]] * 2


def test_a_terminal_that_stands_still_holds_up_nothing() -> None:
    """Meanwhile of many frames the last is kept, and lines up to a bound."""
    moving, written = threading.Event(), list[str]()

    def write(text: str) -> None:
        moving.wait(60)
        written.append(text)

    screen = Screen(write)
    for number in range(5_000):
        screen.frame(f"frame {number}\n", SIZE)
    for number in range(5_000):
        screen.line(f"line {number}")
    screen.frame("last\n", SIZE)
    moving.set()
    screen.close()
    assert "last\n" in written[-1]
    assert "line 4999\n" in written[-2]
    assert len(written) <= 1_001


def test_a_terminal_that_is_gone_ends_the_screen() -> None:
    """Nothing is raised, then or later, and close() does not wait."""
    tries = []

    def write(text: str) -> None:
        tries.append(text)
        raise OSError("gone")

    screen = Screen(write)
    screen.line("first")
    screen.close()
    screen.line("second")
    screen.frame("third\n", SIZE)
    screen.release()
    assert tries == ["first\n"]


def test_a_descriptor_gets_every_byte() -> None:
    """Text larger than a pipe holds arrives whole, from a pipe that does not block."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    text = "é" * 200_000
    got = bytearray()

    def read() -> None:
        while piece := os.read(reading, 65_536):
            got.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    to_descriptor(writing, "utf-8")(text)
    os.close(writing)
    reader.join()
    os.close(reading)
    assert got.decode() == text


def test_a_descriptor_spells_what_it_can() -> None:
    """A character that the terminal's encoding lacks is no error."""
    reading, writing = os.pipe()
    to_descriptor(writing, "ascii")("a…b")
    assert os.read(reading, 9) == b"a?b"
    os.close(writing)
    os.close(reading)


def test_a_closed_descriptor_is_an_oserror() -> None:
    """A reader that went away is told as such."""
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(OSError, match="Broken pipe"):
        to_descriptor(writing, "utf-8")("x")
    os.close(writing)
