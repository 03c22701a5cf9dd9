"""`python main.py` as a person meets it: real processes, their words, their status."""

import asyncio
import os
import re
import signal
import socket
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
from lastsecond.clock import SystemClock
from lastsecond.sim import SimulatedExchange

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0
ADDRESS = "0x" + "12" * 20
KEY = "0x" + "11" * 32
KEYS_ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
CHECKED = [
    *("halt", "account", "order version", "API key", "balance", "country"),
    *("market channel", "round trip", "clock"),
]
"""What `check` looks at, in its order."""

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


@contextmanager
def exchange(**account: str) -> Iterator[tuple[SimulatedExchange, dict[str, str]]]:
    """An exchange in a thread of its own, and the settings of a person of KEY there.

    It has no markets. ``account`` tells the account apart from a good one.
    """
    opened, closing = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    simulated = SimulatedExchange(SystemClock())

    async def serve() -> None:
        async with simulated:
            simulated.add_account(
                address=KEYS_ADDRESS, funder=KEYS_ADDRESS, signature_type=0, **account
            )
            loops.append(asyncio.get_running_loop())
            opened.set()
            await closing.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert opened.wait(PATIENCE)
    url = simulated.http_url
    try:
        yield (
            simulated,
            {
                "PRIVATE_KEY": KEY,
                "GAMMA_HOST": url,
                "CLOB_HOST": url,
                "GEOBLOCK_URL": f"{url}/api/geoblock",
                "CLOB_WS_URL": simulated.ws_url,
            },
        )
    finally:
        loops[0].call_soon_threadsafe(closing.set)
        thread.join()


def posts(simulated: SimulatedExchange) -> list[str]:
    """What was asked of it that could change something."""
    return [asked.path for asked in simulated.requests if asked.method != "GET"]


def findings(said: str) -> dict[str, tuple[str, str]]:
    """What `check` printed: each finding's mark and words, by its name."""
    form = re.compile(r"(ok  |TODO) (\S+(?: \S+)*) {2,}(\S.*)")
    found = map(form.fullmatch, said.splitlines())
    return {line[2]: (line[1].strip(), line[3]) for line in found if line}


def todo(said: str) -> list[str]:
    return [name for name, (mark, _) in findings(said).items() if mark == "TODO"]


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


@pytest.fixture(scope="module", autouse=True)
def keyless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A live run without a key, left to its warning while other tests run."""
    settings = {
        "TRADE_SIZE": "7.50",
        "MAX_PRICE": "0.97",
        "FUNDER_ADDRESS": ADDRESS,
        "CLOB_HOST": "https://clob.example",
    }
    folder = tmp_path_factory.mktemp("keyless")
    with started(folder, "main.py", "--live", **settings) as process:
        yield process


CREDENTIALS = {
    "CLOB_API_KEY": "9180014b-33c8",
    "CLOB_SECRET": "c2VjcmV0c2VjcmV0",
    "CLOB_PASSPHRASE": "passphrase",
}


@pytest.fixture(scope="module", autouse=True)
def unreachable(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[bool, Process]]:
    """Two live runs whose exchange is not there, left to find out for themselves.

    One has its credentials, the other would derive them.
    """
    there = f"127.0.0.1:{closed_port()}"
    settings = {
        "PRIVATE_KEY": KEY,
        "GAMMA_HOST": f"http://{there}",
        "CLOB_HOST": f"http://{there}",
        "GEOBLOCK_URL": f"http://{there}/api/geoblock",
        "CLOB_WS_URL": f"ws://{there}/ws/market",
    }
    with (
        started(
            tmp_path_factory.mktemp("derived"), "main.py", "--live", **settings
        ) as deriving,
        started(
            tmp_path_factory.mktemp("given"),
            *("main.py", "--live"),
            **settings,
            **CREDENTIALS,
        ) as knowing,
    ):
        yield {False: deriving, True: knowing}


def test_help_explains_the_program(tmp_path: Path) -> None:
    """--help says what it does, every command, option and exit status."""
    status, said, complained = run(tmp_path, "main.py", "--help")
    assert (status, complained) == (0, "")
    words = " ".join(said.split())
    for word in (
        *("--live", "--sim", "--once", "--size", "--poll-interval", "--log-level"),
        *("run (the default)", "check:", "halt:", "resume:", "for halt: why"),
        *("Polymarket", "last second", "nothing is ever bought", ".env.example"),
    ):
        assert word in words
    _, _, statuses = words.partition("Exit status: ")
    assert re.findall(r"(?:^|, )(\d+) [a-z]", statuses) == ["0", "1", "2", "3", "42"]
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
    "options",
    [
        *(["--dry-run"], ["now"], ["--log-level", "LOUD"]),
        *(["--size"], ["--size", ""], ["--size", " "], ["--poll-interval", ""]),
    ],
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
    assert status == 0
    assert said.endswith("Nothing was sent.\n")
    assert "Traceback" not in complained
    assert "Warning" not in complained


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
    assert code == (1 if reason else 0)
    assert re.fullmatch(r"0 (markets )?close within 20 minutes\.", said.strip())
    assert "Traceback" not in complained
    assert all(" ERROR gamma_15m_finder " in line for line in complained.splitlines())
    assert (reason or "") in complained
    assert bool(reason) is bool(complained)


def logged(folder: Path) -> list[str]:
    return (folder / "log" / "finder.log").read_text().splitlines()


def stopped_cleanly(folder: Path) -> bool:
    """Whether the log goes on to the word that a signal ended it."""
    *_, last = (folder / "log" / "trades.log").read_text().splitlines()
    return last.endswith(" INFO lastsecond.signals STOPPED by a signal")


def test_once_without_a_market_ends_well(tmp_path: Path) -> None:
    """--once with nothing to trade says so and ends with status 0."""
    with gamma() as (url, _):
        status, said, complained = run(tmp_path, "main.py", "--once", GAMMA_HOST=url)
    assert (status, said) == (0, "")
    assert " INFO main NO_MARKETS " in complained
    assert " INFO main END" in logged(tmp_path)[-1]


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
    assert stopped_cleanly(tmp_path)


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
    assert stopped_cleanly(tmp_path)


# -- one process a wallet --


def test_a_second_process_says_who_is_there(tmp_path: Path) -> None:
    """Two of a wallet never run: the second names the first, and ends with 3."""
    with (
        gamma() as (url, _),
        started(tmp_path, "main.py", GAMMA_HOST=url) as first,
    ):
        read_until(first, "NO_MARKETS")
        status, said, complained = run(tmp_path, "main.py", GAMMA_HOST=url)
        assert first.poll() is None
        first.terminate()
        assert ended(first)[0] == 0
    assert (status, said) == (3, "")
    (line,) = complained.splitlines()
    assert f"is held by process {first.pid} since " in line


def test_the_wallet_is_free_after_the_first_was_killed(tmp_path: Path) -> None:
    """A lock dies with its process, however that ends."""
    with gamma() as (url, _):
        with started(tmp_path, "main.py", GAMMA_HOST=url) as first:
            read_until(first, "NO_MARKETS")
            first.kill()
            first.wait(PATIENCE)
        status, _, _ = run(tmp_path, "main.py", "--once", GAMMA_HOST=url)
    assert status == 0


# -- live --


def test_live_without_a_key_warns_and_ends(keyless: Process) -> None:
    """It names size, cap, account and host, waits, and says what it lacks: status 2."""
    status, said, complained = ended(keyless)
    assert status == 2
    for word in ("LIVE", "7.50 pUSD", "0.97", ADDRESS, "https://clob.example", "5 s"):
        assert word in said
    (line,) = complained.splitlines()
    assert line.startswith("PRIVATE_KEY: ")


def test_check_without_a_key_is_one_line(tmp_path: Path) -> None:
    """There is nothing to check without a key: status 2."""
    status, said, complained = run(tmp_path, "main.py", "check")
    assert (status, said) == (2, "")
    (line,) = complained.splitlines()
    assert line.startswith("PRIVATE_KEY: ")


def test_check_of_a_good_account(tmp_path: Path) -> None:
    """Every finding is a line, all are ok: status 0, and nothing was changed there."""
    with exchange() as (simulated, settings):
        status, said, complained = run(tmp_path, "main.py", "check", **settings)
        assert posts(simulated) == []
    assert (status, complained) == (0, "")
    assert list(findings(said)) == CHECKED
    assert len(said.splitlines()) == len(CHECKED)
    assert todo(said) == []
    assert KEYS_ADDRESS in findings(said)["account"][1]


@pytest.mark.parametrize(
    ("account", "more", "wrong"),
    [
        ({"balance": "4.99"}, {}, "balance"),
        ({"allowance": "1"}, {}, "balance"),
        ({}, CREDENTIALS, "API key"),
    ],
)
def test_check_of_a_bad_account(
    tmp_path: Path, account: dict[str, str], more: dict[str, str], wrong: str
) -> None:
    """What is wrong is TODO, with what to do; the other lines come all the same."""
    with exchange(**account) as (_, settings):
        status, said, _ = run(tmp_path, "main.py", "check", **settings, **more)
    assert status == 1
    assert list(findings(said)) == CHECKED
    assert wrong in todo(said)
    assert "halt" not in todo(said)


def test_live_that_fails_its_checks_sends_nothing(tmp_path: Path) -> None:
    """The findings are printed, and it ends: status 1, no order."""
    with exchange(balance="0") as (simulated, settings):
        status, said, complained = run(tmp_path, "main.py", "--live", **settings)
        assert posts(simulated) == []
    assert status == 1
    assert said.startswith("LIVE: ")
    assert todo(said) == ["balance"]
    assert "Nothing was sent." in complained
    assert " START " not in complained


@pytest.mark.parametrize("credentials", [True, False])
def test_live_without_an_exchange_sends_nothing(
    unreachable: dict[bool, Process], credentials: bool
) -> None:
    """An exchange that is not there is a finding like others: status 1."""
    status, said, complained = ended(unreachable[credentials])
    assert status == 1
    asked = {"order version", "country", "market channel", "clock"}
    assert (asked if credentials else {"account"}) <= set(todo(said))
    assert "Nothing was sent." in complained
    assert "Traceback" not in complained


def test_live_that_passes_its_checks_starts(tmp_path: Path) -> None:
    """Warning, checks, then the bot with mode=LIVE; here it finds no market."""
    with exchange() as (simulated, settings):
        ending = run(tmp_path, "main.py", "--live", "--once", **settings)
        assert posts(simulated) == []
    status, said, complained = ending
    assert status == 0
    assert todo(said) == []
    assert " START mode=LIVE " in complained
    assert " NO_MARKETS " in complained
    assert KEY[2:] not in "".join(
        path.read_bytes().decode("latin-1")
        for path in tmp_path.rglob("*")
        if path.is_file()
    )


# -- the halt --


def test_a_halted_start_ends_with_42_until_it_is_resumed(tmp_path: Path) -> None:
    """HALT holds reason and time; --live shows both and sends nothing."""
    status, _, _ = run(tmp_path, "main.py", "halt", "too", "many", "losses")
    assert status == 0
    text = (tmp_path / "data" / "HALT").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00 too many losses\n", text)

    status, said, complained = run(tmp_path, "main.py", "--live", PRIVATE_KEY=KEY)
    assert (status, said) == (42, "")
    assert f"{text[:10]} {text[11:19]} UTC: too many losses" in complained
    assert "resume" in complained

    status, _, _ = run(tmp_path, "main.py", "resume", PRIVATE_KEY=KEY)
    assert status == 0
    assert not (tmp_path / "data" / "HALT").exists()


def test_a_halt_by_hand_needs_no_reason(tmp_path: Path) -> None:
    """`touch HALT` and `halt` alone both halt, and are shown."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "HALT").touch()
    assert run(tmp_path, "main.py", "--live")[0] == 42
    assert run(tmp_path, "main.py", "resume")[0] == 0
    assert run(tmp_path, "main.py", "halt")[0] == 0
    status, _, complained = run(tmp_path, "main.py", "--live")
    assert status == 42
    assert "by hand" in complained


def test_a_dry_run_is_not_halted(tmp_path: Path) -> None:
    """A halt forbids real orders; on paper one can go on looking."""
    run(tmp_path, "main.py", "halt")
    with gamma() as (url, _):
        assert run(tmp_path, "main.py", "--once", GAMMA_HOST=url)[0] == 0


def test_check_shows_the_halt(tmp_path: Path) -> None:
    """A halted account could not send orders: status 1, with the way out."""
    run(tmp_path, "main.py", "halt", "storm")
    with exchange() as (_, settings):
        status, said, _ = run(tmp_path, "main.py", "check", **settings)
    assert status == 1
    assert todo(said) == ["halt"]
    assert "storm" in findings(said)["halt"][1]
    assert "resume" in findings(said)["halt"][1]


def test_resume_waits_for_the_running_process(tmp_path: Path) -> None:
    """Whoever trades for the wallet is to be stopped before its counts start anew."""
    with (
        exchange() as (_, settings),
        started(tmp_path, "main.py", "--live", **settings) as process,
    ):
        read_until(process, "START mode=LIVE")
        run(tmp_path, "main.py", "halt")
        status, _, complained = run(tmp_path, "main.py", "resume", PRIVATE_KEY=KEY)
        assert (tmp_path / "data" / "HALT").exists()
        process.terminate()
        assert ended(process)[0] == 0
    assert status == 3
    assert f"held by process {process.pid} " in complained
