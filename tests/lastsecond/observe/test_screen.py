"""The screen: lines scroll above a frame that stays, and nobody waits for them."""

import os
import threading

import pytest

from lastsecond.observe.screen import Screen, to_descriptor
from tests.lastsecond.observe.terminal import Terminal

SIZE = (80, 24)


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


def test_another_size_of_terminal_is_drawn_anew() -> None:
    """A terminal that wraps old rows anew is cleared, so that none is left over."""
    terminal = Terminal()
    screen = Screen(terminal.write)
    screen.frame("wide\n", SIZE)
    screen.line("line")
    screen.frame("narrow\n", (40, 24))
    screen.close()
    assert terminal.shown() == ["narrow"]


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
    assert written[-1].endswith("last\n")
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
