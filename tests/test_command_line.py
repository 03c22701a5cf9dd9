"""`python main.py` as a person meets it: real processes, their words, their status."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

import config

ROOT = Path(__file__).parent.parent
PATIENCE = 20.0
ADDRESS = "0x" + "12" * 20

Process = subprocess.Popen[str]


@contextmanager
def started(folder: Path, *arguments: str, **settings: str) -> Iterator[Process]:
    """A program of ours running in ``folder``, without the settings of this shell."""
    script, *options = arguments
    ours = {*config.variables(), "PYTHONUNBUFFERED"}
    inherited = {name: text for name, text in os.environ.items() if name not in ours}
    with subprocess.Popen(
        [sys.executable, str(ROOT / script), *options],
        cwd=folder,
        env=inherited | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def ended(process: Process) -> tuple[int, str, str]:
    """Exit status and what was said from now on, on stdout and stderr."""
    said, complained = process.communicate(timeout=PATIENCE)
    return process.returncode, said, complained


def run(folder: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    with started(folder, *arguments, **settings) as process:
        return ended(process)


class Gamma(BaseHTTPRequestHandler):
    """Answers every request with the class's status and body."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b'{"events": []}'
    asked: ClassVar[threading.Event]
    answer: ClassVar[threading.Event]

    def do_GET(self) -> None:  # http.server's name
        self.asked.set()
        self.answer.wait(PATIENCE)
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def gamma(**answers: object) -> Iterator[tuple[str, type[Gamma]]]:
    """A Gamma that has nothing to offer, on loopback: its URL, and its handler."""
    events = {"asked": threading.Event(), "answer": threading.Event()}
    handler: type[Gamma] = type("Answering", (Gamma,), events | answers)
    handler.answer.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", handler
        finally:
            handler.answer.set()
            server.shutdown()
            thread.join()


def read_until(process: Process, word: str) -> str:
    """What stderr says up to the line that holds ``word``."""
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if word in line:
            return "".join(said)
    pytest.fail(f"ended without {word}: {''.join(said)}")


@pytest.fixture(scope="module", autouse=True)
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A live run left to its warning, which lasts while other tests run."""
    settings = {
        "TRADE_SIZE": "7.50",
        "MAX_PRICE": "0.97",
        "FUNDER_ADDRESS": ADDRESS,
        "CLOB_HOST": "https://clob.example",
    }
    folder = tmp_path_factory.mktemp("live")
    with started(folder, "main.py", "--live", **settings) as process:
        yield process


def test_help_explains_the_program(tmp_path: Path) -> None:
    """--help says what it does, every option, and what each exit status means."""
    status, said, complained = run(tmp_path, "main.py", "--help")
    assert (status, complained) == (0, "")
    for word in (
        *("--live", "--sim", "--once", "--size", "--poll-interval", "--log-level"),
        *("Polymarket", "last second", "nothing is ever bought", ".env.example"),
        "Exit status",
    ):
        assert word in " ".join(said.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "settings", "line"),
    [
        (
            ["--size", "abc"],
            {},
            "TRADE_SIZE: 'abc' is not a number from 1 to 10000, at most 2 decimals",
        ),
        (
            [],
            {"ASSETS": "doge"},
            "ASSETS: 'doge' is not some of btc,eth",
        ),
        (
            ["--live"],
            {"PRIVATE_KEY": "0xsecret"},
            "PRIVATE_KEY: the value given is not 64 hex digits, 0x before them or not",
        ),
    ],
)
def test_a_wrong_value_is_one_line(
    tmp_path: Path, options: list[str], settings: dict[str, str], line: str
) -> None:
    """A wrong setting ends the start with one line and status 2; no file is made."""
    ending = run(tmp_path, "main.py", *options, **settings)
    assert ending == (2, "", line + "\n")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_value_in_dotenv_is_one_line(tmp_path: Path) -> None:
    """The .env of the folder that the program is started in is read."""
    (tmp_path / ".env").write_text("POLL_INTERVAL=soon\n")
    status, said, complained = run(tmp_path, "main.py")
    assert (status, said) == (2, "")
    assert complained == (
        "POLL_INTERVAL: 'soon' is not a number from 5 to 3600, at most 6 decimals\n"
    )


@pytest.mark.parametrize(
    "options", [["--dry-run"], ["now"], ["--log-level", "LOUD"], ["--size"]]
)
def test_wrong_usage_is_status_2(tmp_path: Path, options: list[str]) -> None:
    """What the command line does not know is told with the usage."""
    status, said, complained = run(tmp_path, "main.py", *options)
    assert (status, said) == (2, "")
    assert complained.startswith("usage: python main.py ")
    assert "Traceback" not in complained


def test_a_log_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    """Without logs there is no trading: one line says why, status 2."""
    (tmp_path / "log").write_text("a file")
    status, said, complained = run(tmp_path, "main.py", "--once")
    assert (status, said) == (2, "")
    assert complained == "LOG_DIR: cannot write logs in log: File exists\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_warning_stops_live(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The five seconds are there to change one's mind: status 0, nothing sent."""
    with started(tmp_path, "main.py", "--live") as process:
        assert process.stdout
        assert process.stdout.readline().startswith("LIVE: ")
        process.send_signal(number)
        status, said, complained = ended(process)
    assert (status, complained) == (0, "")
    assert said.endswith("Nothing was sent.\n")


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [(404, b"", "HTTP 404"), (200, b"<html>", "not JSON"), (200, b"{}", None)],
)
def test_the_finder_alone_survives_any_gamma(
    tmp_path: Path, status: int, body: bytes, reason: str | None
) -> None:
    """`python gamma_15m_finder.py` says what failed, a line each, and what it found."""
    with gamma(status=status, body=body) as (url, _):
        ending = run(tmp_path, "gamma_15m_finder.py", GAMMA_HOST=url)
    code, said, complained = ending
    assert (code, said) == (0, "0 markets close within 20 minutes.\n")
    assert "Traceback" not in complained
    assert all(" ERROR gamma_15m_finder " in line for line in complained.splitlines())
    assert (reason or "") in complained
    assert bool(reason) is bool(complained)


def logged(folder: Path) -> list[str]:
    return (folder / "log" / "finder.log").read_text().splitlines()


def test_once_without_a_market_ends_well(tmp_path: Path) -> None:
    """--once with nothing to trade says so and ends with status 0."""
    with gamma() as (url, _):
        status, said, complained = run(tmp_path, "main.py", "--once", GAMMA_HOST=url)
    assert (status, said) == (0, "")
    assert " INFO main NO_MARKETS " in complained
    assert logged(tmp_path)[-1].endswith(" INFO main END")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_polls_ends_cleanly(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The wait for the next poll is given up: status 0, logs flushed to the end."""
    with (
        gamma() as (url, _),
        started(tmp_path, "main.py", GAMMA_HOST=url) as process,
    ):
        read_until(process, "NO_MARKETS")
        process.send_signal(number)
        status, _, complained = ended(process)
    assert status == 0
    assert "Traceback" not in complained
    assert logged(tmp_path)[-1].endswith(" INFO main END")


def test_a_signal_during_a_poll_ends_cleanly(tmp_path: Path) -> None:
    """Requests under way are given up: status 0, logs flushed to the end."""
    with gamma() as (url, handler):
        handler.answer.clear()
        with started(tmp_path, "main.py", GAMMA_HOST=url) as process:
            assert handler.asked.wait(PATIENCE)
            process.terminate()
            status, _, complained = ended(process)
    assert status == 0
    assert "Traceback" not in complained
    assert logged(tmp_path)[-1].endswith(" INFO main END")


def test_live_warns_and_is_not_available_yet(live: Process) -> None:
    """--live names size, cap, account and host, waits, and ends with status 2."""
    status, said, complained = ended(live)
    assert status == 2
    for word in ("LIVE", "7.50 pUSD", "0.97", ADDRESS, "https://clob.example"):
        assert word in said
    assert complained == (
        "Live trading is not available yet: nothing was sent. "
        "Run without --live for a dry run.\n"
    )
