"""The screen in a real tmux, whose history must not fill with frames."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = """
import os, sys, threading
from lastsecond.observe.screen import Screen, to_descriptor

written = threading.Semaphore(0)
terminal = to_descriptor(1, "utf-8")

def write(text):
    terminal(text)
    written.release()

screen = Screen(write)
screen.line("WARNING")
written.acquire()
for turn in sys.stdin:
    size = os.get_terminal_size()
    for number in range(20):
        last = f"turn {turn.strip()} frame {number}\\n"
        screen.frame("row\\n" * (size.lines - 2) + last, size)
        written.acquire()
"""


class Tmux:
    """A tmux of its own, of 80 columns and 16 rows, with PROGRAM in it."""

    def __init__(self, socket: Path) -> None:
        self._command = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._turns = count()
        program = ["sh", "-c", 'stty -echo; exec "$0" -c "$1"']
        self("new", "-d", "-x80", "-y16", *program, sys.executable, PROGRAM)
        self._wait_for("WARNING\n")  # until then, keys are echoed

    def __call__(self, *words: str) -> str:
        ran = subprocess.run(
            [*self._command, *words],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return ran.stdout

    def history(self) -> int:
        """How many rows have left at the top."""
        return int(self("display", "-p", "#{history_size}"))

    def resize(self, columns: int, rows: int) -> None:
        """Until its program is told, which is a little later."""
        self("resize-window", f"-x{columns}", f"-y{rows}")
        device = os.open(
            self("display", "-p", "#{pane_tty}").strip(), os.O_RDONLY | os.O_NOCTTY
        )
        while os.get_terminal_size(device) != (columns, rows):
            pass
        os.close(device)

    def refresh(self) -> None:
        """Let twenty frames be drawn."""
        turn = str(next(self._turns))
        self("send-keys", turn, "Enter")
        self._wait_for(f"turn {turn} frame 19\n")

    def _wait_for(self, words: str) -> None:
        while words not in self("capture-pane", "-p"):
            pass


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    """It ends with the test."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux here")
    tmux = Tmux(tmp_path / "tmux")
    yield tmux
    tmux("kill-server")


def test_refreshes_add_nothing_to_the_history_of_tmux(tmux: Tmux) -> None:
    """Neither from the first row nor after the terminal has another size."""
    tmux.refresh()
    assert tmux.history() == 1, "the line, which the frame leaves no room"
    for size in ((60, 12), (80, 24), (40, 10), (120, 30)):
        tmux.resize(*size)
        tmux.refresh()
        before = tmux.history()
        tmux.refresh()
        assert tmux.history() == before
    assert tmux("capture-pane", "-p", "-S", "-").count("WARNING") == 1
