"""The halt: sticky, safe in doubt, and cheap to ask."""

import os
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lastsecond.clock import SystemClock
from lastsecond.errors import WorldError
from lastsecond.halt import Halt, Halted

NOON = 1_795_000_000_123_456_000
ROOT = Path(__file__).parents[2]


class StillClock(SystemClock):
    def __init__(self, at: int = NOON) -> None:
        self.at = at

    def now(self) -> int:
        return self.at


@pytest.fixture
def halt(tmp_path: Path) -> Halt:
    return Halt(tmp_path / "data", StillClock())


def test_nothing_forbids_orders_at_first(halt: Halt) -> None:
    """A new folder is made, and holds no halt."""
    assert not halt.active
    assert halt.read() is None
    assert halt.clear() is False


def test_a_halt_holds_over_restarts(halt: Halt, tmp_path: Path) -> None:
    """Reason and time are on disk, for any process and for people."""
    halt.set("MAX_DAILY_LOSS is\n$20.00")
    later = Halt(tmp_path / "data", StillClock(0))
    for seen in (halt, later):
        assert seen.active
        assert seen.read() == Halted("MAX_DAILY_LOSS is $20.00", NOON)
    assert halt.path.read_text() == (
        "2026-11-18T11:06:40.123456+00:00 MAX_DAILY_LOSS is $20.00\n"
    )
    assert stat.S_IMODE(halt.path.stat().st_mode) == 0o600
    assert [path.name for path in halt.path.parent.iterdir()] == ["HALT"]


def test_the_first_reason_is_kept(halt: Halt) -> None:
    """What follows a halt is not its cause."""
    halt.set("first")
    halt.set("second")
    assert halt.read() == Halted("first", NOON)


def test_clearing_allows_orders_again(halt: Halt) -> None:
    """And says whether there was a halt."""
    halt.set("first")
    assert halt.clear() is True
    assert not halt.active
    halt.set("second")
    assert halt.read() == Halted("second", NOON)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "no reason given"),
        (b"  \n", "no reason given"),
        (b"holiday until monday\n", "holiday until monday"),
        (b"2026-11-18T11:06:40 without a zone", "2026-11-18T11:06:40 without a zone"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_anybody_can_halt_by_hand(halt: Halt, text: bytes, reason: str) -> None:
    """Any file of that name halts; it dates from its writing."""
    halt.path.write_bytes(text)
    os.utime(halt.path, ns=(5, NOON))
    assert halt.active
    assert halt.read() == Halted(reason, NOON)
    halt.set("not the first")
    assert halt.read() == Halted(reason, NOON)


def test_a_time_alone_is_no_reason(halt: Halt) -> None:
    """A halt without words is one all the same."""
    halt.path.write_text("2026-11-18T11:06:40Z")
    assert halt.read() == Halted("no reason given", NOON // 10**9 * 10**9)


def test_what_cannot_be_read_halts(halt: Halt, tmp_path: Path) -> None:
    """A dangling link, a folder of that name, a missing folder: all forbid orders."""
    halt.path.symlink_to("nowhere")
    assert halt.active
    read = halt.read()
    assert read is not None
    assert read.reason == f"{halt.path} cannot be read: No such file or directory"
    assert halt.clear() is True
    halt.path.mkdir()
    assert halt.active
    assert halt.read() is not None
    with pytest.raises(WorldError, match=r"HALT: cannot be taken away: Is a directory"):
        halt.clear()
    assert halt.active
    halt.path.rmdir()
    halt.path.parent.rmdir()
    assert halt.active
    (tmp_path / "data").touch()
    assert halt.active
    assert Halt(tmp_path / "data" / "below", StillClock()).active


def test_a_halt_that_cannot_be_written_holds_here(halt: Halt) -> None:
    """Without a folder this process is halted all the same, until it is cleared."""
    halt.path.parent.rmdir()
    halt.set("full")
    halt.set("fuller")
    halt.path.parent.mkdir()
    assert halt.active
    assert halt.read() == Halted("full", NOON)
    assert halt.clear() is True
    assert not halt.active


FULL = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from lastsecond.clock import SystemClock
    from lastsecond.halt import Halt

    halt = Halt(Path(sys.argv[1]), SystemClock())
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    halt.set("no room for a reason")
    print(halt.active)
    """
)


def test_a_full_disk_halts_too(tmp_path: Path) -> None:
    """There is room for a file without words, and that is enough."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == "True\n"
    halt = Halt(tmp_path, StillClock())
    assert halt.active
    read = halt.read()
    assert read is not None
    assert read.reason == "no reason given"


def test_asking_is_cheap(halt: Halt) -> None:
    """Asked before each order: well under a tenth of a millisecond."""
    times = []
    for _ in range(1000):
        start = time.perf_counter()
        assert not halt.active
        times.append(time.perf_counter() - start)
    assert sorted(times)[500] < 0.0001
