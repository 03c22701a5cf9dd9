"""From `python main.py` to its first question to Gamma, beside the vendor's import.

    python -m tests.bench.startup [--short] [--json PATH]

A server on loopback stands for Gamma and the CLOB: that it has been asked for /events
ends a start. Beside it, in turn, `python -c "import py_clob_client_v2"` and Python
alone, each until it says so. Times include the interpreter's own start. Then one dry
run, told that there are no markets, lists what it imported from its start to its end.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.bench.table import Figure, Result, alone, command, compared

RUNS, SHORT_RUNS = 15, 4
LONGEST = 20.0
AIM = 0.7
ROOT = Path(__file__).parent.parent.parent
FOREIGN = {
    *("py_clob_client_v2", "py_order_utils", "poly_eip712_structs", "polymarket"),
    *("eth_abi", "eth_account", "eth_keys", "eth_utils", "eth_keyfile", "coincurve"),
    *("web3", "httpx", "pydantic"),
}
"""What no dry run should load: the vendor's clients, and what they sign with."""

_IMPORTED = re.compile(r"^import time:.*\|\s*(\w+)", re.MULTILINE)


class Exchange(ThreadingHTTPServer):
    """Says what time it is, and that there is nothing to trade."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.polled = threading.Event()
        self.polled_at = 0


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Exchange)
        if self.path.startswith("/events") and not server.polled.is_set():
            server.polled_at = time.perf_counter_ns()
            server.polled.set()
        asked_time = self.path.startswith("/time")
        body = str(int(time.time())).encode() if asked_time else b"[]"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def exchange() -> Iterator[Exchange]:
    """The server, in a thread."""
    with Exchange() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def environment(server: Exchange, folder: str) -> dict[str, str]:
    """Where the program finds its exchange, and keeps its files."""
    place = f"http://127.0.0.1:{server.server_port}"
    return {
        **os.environ,
        "GAMMA_HOST": place,
        "CLOB_HOST": place,
        "LOG_DIR": f"{folder}/log",
        "DATA_DIR": f"{folder}/data",
    }


def to_first_poll(server: Exchange, folder: str) -> float:
    """Milliseconds from starting the program to its first poll."""
    server.polled.clear()
    began = time.perf_counter_ns()
    with subprocess.Popen(
        [sys.executable, "main.py", "--once", "--quiet"],
        cwd=ROOT,
        env=environment(server, folder),
        stderr=subprocess.DEVNULL,
    ) as process:
        if not server.polled.wait(LONGEST):
            process.kill()
            raise RuntimeError("the program never polled")
    return (server.polled_at - began) / 1e6


def to_line(code: str) -> float:
    """Milliseconds until Python has run ``code`` and says so."""
    script = f"{code}\nimport os\nos.write(1, b'!')"
    began = time.perf_counter_ns()
    with subprocess.Popen(
        [sys.executable, "-P", "-c", script], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.read(1)
        return (time.perf_counter_ns() - began) / 1e6


def imported(server: Exchange, folder: str) -> set[str]:
    """Top-level names of everything that one dry run imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "main.py", "--once", "--quiet"],
        cwd=ROOT,
        env=environment(server, folder),
        stderr=subprocess.PIPE,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    found = set(_IMPORTED.findall(done.stderr))
    assert {"main", "lastsecond", "aiohttp"} - found == {"main"}, "not what was meant"
    return found


def run(*, short: bool) -> Result:
    """Starts in turn, then the list of imports."""
    with exchange() as server, tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], float]] = {
            "main.py to its first poll": lambda: to_first_poll(server, folder),
            "import py_clob_client_v2": lambda: to_line("import py_clob_client_v2"),
            "python alone": lambda: to_line("pass"),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(-1, SHORT_RUNS if short else RUNS):
            for way, measure in ways.items():
                ms = measure()
                if number >= 0:
                    taken[way].append(ms)
        foreign = sorted(imported(server, folder) & FOREIGN)
    ours, vendor, bare = ways
    start = compared(ours, taken[ours], vendor, taken[vendor])
    return Result(
        "start of a dry run, the interpreter's included",
        [
            alone(bare, taken[bare], "ms"),
            alone(vendor, taken[vendor], "ms"),
            replace(start, unit="ms", aim=f"<= {AIM:g}x"),
            Figure(
                what="foreign libraries loaded: " + (", ".join(foreign) or "none"),
                n=1,
                value=len(foreign),
                unit="",
                must="= 0",
                ok=not foreign,
            ),
        ],
    )


if __name__ == "__main__":
    sys.exit(command("startup", run))
