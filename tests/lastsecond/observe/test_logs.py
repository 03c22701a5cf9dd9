"""The logs: what goes where, in what form, and what never does."""

import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lastsecond.errors import WorldError
from lastsecond.observe.logs import LEVELS, ComplainOnce, logging_to

SECRET = "0x" + "c0FFee" * 10 + "aBcd"
BARE = SECRET.removeprefix("0x")
LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<level>[A-Z]+) "
    r"(?P<name>\S+) (?P<event>.*)"
)
ROOT = Path(__file__).parents[3]

needs_full_disk = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="only Linux has a disk that is always full"
)


@contextmanager
def alone() -> Iterator[None]:
    """The root logger without pytest's own handlers, which would format as well."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = handlers


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text(encoding="utf-8").splitlines()


def events(folder: Path, name: str) -> list[str]:
    found = [LINE.fullmatch(line) for line in lines(folder, name)]
    return [line["event"] if line else "NO LINE" for line in found]


def write(folder: Path, text: str, *args: object, name: str = "main") -> None:
    with logging_to(folder, secrets=[SECRET]):
        logging.getLogger(name).info(text, *args)


@pytest.mark.parametrize(
    ("name", "file", "other"),
    [
        ("main", "finder.log", "trades.log"),
        ("gamma_15m_finder", "finder.log", "trades.log"),
        ("gamma_15m_finder.queries", "finder.log", "trades.log"),
        ("hft_trader", "trades.log", "finder.log"),
        ("lastsecond.feed", "trades.log", "finder.log"),
        ("mainly", "trades.log", "finder.log"),
        ("asyncio", "trades.log", "finder.log"),
    ],
)
def test_each_event_is_in_one_file(
    tmp_path: Path, name: str, file: str, other: str
) -> None:
    """Finding goes to finder.log, all else to trades.log, nothing to both."""
    with logging_to(tmp_path):
        logging.getLogger(name).warning("EVENT")
    assert events(tmp_path, file) == ["EVENT"]
    assert lines(tmp_path, other) == []


def test_a_line_has_the_documented_form(tmp_path: Path) -> None:
    """UTC to the millisecond, level, logger, event."""
    with logging_to(tmp_path):
        record = logging.makeLogRecord(
            {
                "name": "hft_trader",
                "levelname": "INFO",
                "levelno": logging.INFO,
                "msg": "DECISION %s skip reason=%s",
                "args": ("btc-updown-5m-1", "no_ask"),
                "created": 1_790_000_000.007,
                "msecs": 7.9,
            }
        )
        logging.getLogger("hft_trader").handle(record)
    (line,) = lines(tmp_path, "trades.log")
    assert line == (
        "2026-09-21T14:13:20.007Z INFO hft_trader "
        "DECISION btc-updown-5m-1 skip reason=no_ask"
    )


@pytest.mark.parametrize("level", LEVELS)
def test_the_terminal_shows_its_level_and_the_files_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    """A level quiets the terminal only; the files hold DEBUG and up."""
    with logging_to(tmp_path, level=level):
        for each in LEVELS:
            logging.getLogger("main").log(getattr(logging, each), each)
    assert events(tmp_path, "finder.log") == list(LEVELS)
    shown = [line.split()[-1] for line in capsys.readouterr().err.splitlines()]
    assert shown == list(LEVELS[LEVELS.index(level) :])


@pytest.mark.parametrize(
    ("level", "shown"),
    [("DEBUG", LEVELS[2:]), ("INFO", LEVELS[2:]), ("ERROR", LEVELS[3:])],
)
def test_a_quiet_terminal_shows_warnings_and_errors(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    level: str,
    shown: tuple[str, ...],
) -> None:
    """Never less than WARNING, more only where that is asked; the files hold all."""
    with logging_to(tmp_path, level=level, quiet=True):
        for each in LEVELS:
            logging.getLogger("main").log(getattr(logging, each), each)
    assert events(tmp_path, "finder.log") == list(LEVELS)
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == [
        *shown
    ]


class Collector(ComplainOnce):
    """A terminal of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.complain = self.lines.append

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def test_another_terminal_takes_the_place_of_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It gets the lines of its level in the form for terminals, secrets hidden."""
    terminal = Collector()
    with logging_to(tmp_path, level="INFO", secrets=[SECRET], terminal=terminal):
        logging.getLogger("main").debug("DETAIL")
        logging.getLogger("main").info("EVENT %s condition_id=0x1", SECRET)
    (line,) = terminal.lines
    assert re.fullmatch(r"[\d:]{8}\.\d{3}Z INFO main EVENT 0x\[secret\]", line)
    assert capsys.readouterr().err == ""


@needs_full_disk
def test_another_terminal_is_told_of_a_full_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The complaint goes where the other lines go, once."""
    (tmp_path / "trades.log").symlink_to("/dev/full")
    terminal = Collector()
    with logging_to(tmp_path, level="CRITICAL", terminal=terminal):
        for number in range(3):
            logging.getLogger("hft_trader").info("LOST %d", number)
    (line,) = terminal.lines
    assert line.endswith("trades.log: not written: [Errno 28] No space left on device")
    assert capsys.readouterr().err == ""


def test_libraries_are_heard_from_warning_up(tmp_path: Path) -> None:
    """Neither aiohttp nor websockets fills the files with its own news."""
    with logging_to(tmp_path):
        for name in ("aiohttp.access", "websockets.client", "asyncio"):
            logging.getLogger(name).info("NEWS")
            logging.getLogger(name).warning("TROUBLE")
    assert events(tmp_path, "trades.log") == ["TROUBLE"] * 3


@pytest.mark.parametrize(
    "spelled",
    [SECRET, BARE, BARE.lower(), BARE.upper(), SECRET.upper(), f"key={BARE},{SECRET}"],
)
def test_a_secret_is_hidden_however_it_is_spelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spelled: str
) -> None:
    """In any letter case, with 0x or without, in text and arguments and objects."""
    with logging_to(tmp_path, secrets=[SECRET]):
        log = logging.getLogger("main")
        log.info(spelled)
        log.info("sent %s with %r", spelled, {"key": [spelled]})
        log.info("sent %(key)s", {"key": spelled})
    written = (tmp_path / "finder.log").read_text() + capsys.readouterr().err
    assert BARE.lower() not in written.lower()
    assert written.count("[secret]") >= 8


def test_a_secret_is_hidden_in_exceptions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception, its causes, their notes and the traceback's code hold no secret."""
    chain = ValueError(f"cause {SECRET}")
    chain.add_note(f"note {BARE.upper()}")
    error = RuntimeError("bad", SECRET)
    error.__cause__ = chain
    with logging_to(tmp_path, secrets=[SECRET]):
        log = logging.getLogger("hft_trader")
        log.critical("FAILED %s", error, exc_info=error)
        log.error("STACK %s", BARE, stack_info=True)
    written = (tmp_path / "trades.log").read_text() + capsys.readouterr().err
    assert BARE.lower() not in written.lower()
    assert "RuntimeError: ('bad', '0x[secret]')" in written
    assert "ValueError: cause 0x[secret]" in written


def test_each_secret_is_hidden_whole(tmp_path: Path) -> None:
    """Where one secret begins another, nothing of the longer one is left over."""
    with logging_to(tmp_path, secrets=["abcd", "abcdefgh", "x.z"]):
        logging.getLogger("main").info("abcdefgh abcd x.z xyz")
    assert events(tmp_path, "finder.log") == ["[secret] [secret] [secret] xyz"]


@pytest.mark.parametrize("secrets", [[], ["0x"], [""]])
def test_nothing_to_hide_hides_nothing(tmp_path: Path, secrets: list[str]) -> None:
    """Without a secret, or with one of no length, lines stay as they are."""
    with logging_to(tmp_path, secrets=secrets):
        logging.getLogger("main").info("EVENT 0x12")
    assert events(tmp_path, "finder.log") == ["EVENT 0x12"]


def test_one_event_is_one_line_whatever_it_quotes(tmp_path: Path) -> None:
    """Text of the exchange can neither forge a line nor steer a terminal."""
    forged = "x\n2026-01-01T00:00:00.000Z INFO hft_trader DECISION\r\x1b[2J\x85é"
    write(tmp_path, "TAKEN_UP title=%s", forged)
    (line,) = events(tmp_path, "finder.log")
    assert line.isprintable()
    assert line.startswith(r"TAKEN_UP title=x\n2026-01-01")
    assert line.endswith(r"DECISION\r\x1b[2J\x85é")


def test_everything_logged_is_on_disk_at_the_end(tmp_path: Path) -> None:
    """Leaving waits for the last of many records, also when left by an exception."""

    def burst() -> None:
        with logging_to(tmp_path, level="CRITICAL"):
            for number in range(2_000):
                logging.getLogger("main").info("EVENT %d", number)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        burst()
    assert events(tmp_path, "finder.log") == [f"EVENT {n}" for n in range(2_000)]


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    """Once left, the files are closed and the root logger is as it was."""
    before = list(logging.getLogger().handlers)
    write(tmp_path, "EVENT")
    logging.getLogger("main").error("LATE")
    assert events(tmp_path, "finder.log") == ["EVENT"]
    assert logging.getLogger().handlers == before


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    """Files are appended to, in a folder that is made when it is missing."""
    folder = tmp_path / "made" / "deep"
    write(folder, "FIRST")
    write(folder, "SECOND")
    assert events(folder, "finder.log") == ["FIRST", "SECOND"]


def test_another_thread_formats_and_writes(tmp_path: Path) -> None:
    """The caller, an event loop, does not pay for the text or the disk."""
    threads = set()

    class Witness:
        def __str__(self) -> str:
            threads.add(threading.get_ident())
            return "seen"

    with alone():
        write(tmp_path, "EVENT %s", Witness())
    assert events(tmp_path, "finder.log") == ["EVENT seen"]
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("blocked", ["log", "log/finder.log", "log/trades.log"])
def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, blocked: str
) -> None:
    """A file where the folder should be, or a folder where a file should, ends it."""
    if blocked == "log":
        (tmp_path / blocked).write_text("a file")
    else:
        (tmp_path / blocked).mkdir(parents=True)
    handlers = list(logging.getLogger().handlers)
    with (
        pytest.raises(WorldError, match=r"^LOG_DIR: cannot write logs in ") as caught,
        logging_to(tmp_path / "log"),
    ):
        pass
    assert len(str(caught.value).splitlines()) == 1
    assert logging.getLogger().handlers == handlers


@needs_full_disk
def test_a_full_disk_is_told_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be written is one line on the terminal; the other goes on."""
    (tmp_path / "trades.log").symlink_to("/dev/full")
    with logging_to(tmp_path, level="CRITICAL"):
        for number in range(3):
            logging.getLogger("hft_trader").info("LOST %d", number)
            logging.getLogger("main").info("KEPT %d", number)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"{tmp_path / 'trades.log'}: not written: [Errno 28] No space left on device"
    )
    assert events(tmp_path, "finder.log") == ["KEPT 0", "KEPT 1", "KEPT 2"]


def test_a_closed_terminal_stops_nothing(tmp_path: Path) -> None:
    """Whoever read the terminal may go (``| head``); the files still get every line."""
    program = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from lastsecond.observe.logs import logging_to\n"
        "sys.stdin.read()\n"
        "with logging_to(Path(sys.argv[1])):\n"
        "    for number in range(3):\n"
        "        logging.getLogger('main').info('EVENT %d', number)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr
        assert process.stdin
        process.stderr.close()
        process.stdin.close()
        process.wait(10)
    assert events(tmp_path, "finder.log") == ["EVENT 0", "EVENT 1", "EVENT 2"]


def test_a_broken_log_call_is_told_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An event whose arguments do not fit is a complaint, not a crash."""
    with alone(), logging_to(tmp_path):
        logging.getLogger("main").info("EVENT %d", "three")
        logging.getLogger("main").info("NEXT")
    assert events(tmp_path, "finder.log") == ["NEXT"]
    assert "terminal: not written" in capsys.readouterr().err


def test_files_do_not_grow_without_end(tmp_path: Path) -> None:
    """A full file is set aside under a number, and the oldest are dropped."""
    with alone(), logging_to(tmp_path, level="CRITICAL"):
        for number in range(80):
            logging.getLogger("hft_trader").info("EVENT %d %s", number, "x" * 1_000_000)
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("trades.log*")}
    kept = {"trades.log", *(f"trades.log.{number}" for number in range(1, 6))}
    assert set(sizes) == kept
    assert max(sizes.values()) <= 10_000_000
    assert events(tmp_path, "trades.log")[-1].startswith("EVENT 79 ")
