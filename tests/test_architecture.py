"""The house keeps its shape: which file may import what, read what, and grow how long.

The spine decides, the package carries; arrows point from the spine into the package.
Inner rooms hold values and rules and touch nothing. Each outer room touches one thing
in the world and does not know the others, but for the few ARROWS that are named below.
The doorway alone knows them all.
"""

import ast
import io
import os
import signal
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "lastsecond"
SPINE = {"main", "config", "hft_trader", "gamma_15m_finder"}
INNER = {
    *("errors", "market", "money", "book", "orders", "matching", "merge", "wire"),
    *("limits", "offset", "rules", "terms", "ports", "history", "trail", "reasons"),
}
OUTER = {
    *("clock", "exchange_time", "lag", "http", "feed", "line", "upkeep", "view"),
    *("halt", "lock", "ledger", "safeguards", "purchase", "venues", "check"),
    *("settlement", "tls", "measure", "background", "garbage"),
    *("observe", "signals", "version", "sim", "replay"),
}
DOORWAY = "worlds"
ARROWS = {
    ("main", DOORWAY): "opens the world that the command line asks for",
    ("main", "observe"): "its options, and where its words go",
    ("main", "purchase"): "clears up what an earlier run left open, before new work",
    ("main", "signals"): "is what a signal stops",
    ("main", "settlement"): "books what markets paid, in the background",
    ("hft_trader", "view"): "decides by it",
    ("hft_trader", "measure"): "is measured beside its decision",
    ("lastsecond.measure", "view"): "measures it",
    ("lastsecond.lag", "background"): "runs as long as it is entered",
    ("lastsecond.exchange_time", "background"): "runs as long as it is entered",
    ("lastsecond.garbage", "background"): "runs as long as it is entered",
    ("lastsecond.line", "tls"): "trusts whom it says",
    ("lastsecond.feed", "tls"): "trusts whom it says",
    ("hft_trader", "upkeep"): "has its books kept true",
    ("hft_trader", "purchase"): "has its one order made ready, sent and followed",
    ("lastsecond.upkeep", "view"): "keeps its books true",
    ("lastsecond.venues.live", "line"): "orders leave on it",
    ("lastsecond.check", "line"): "measures the way that orders take",
    ("lastsecond.sim.__main__", "clock"): "the exchange standing alone has real time",
    ("lastsecond.sim.__main__", "signals"): "and is stopped like the program",
}
"""Which module may enter which room besides its own and the inner ones, and why."""

PURE = {
    *("__future__", "bisect", "collections", "dataclasses", "datetime", "decimal"),
    *("enum", "fractions", "functools", "itertools", "math", "msgspec", "operator"),
    *("re", "string", "types", "typing"),
}
"""What an inner room may import besides inner rooms."""

PURE_PARTS = {"pathlib.PurePath", "urllib.parse"}
"""The same, of modules that also do more."""

IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}
CLOCK_READS = {"now", "utcnow", "today"}

HOMES: dict[str, set[str]] = {
    "aiohttp": {"lastsecond.http", "lastsecond.sim", "lastsecond.observe"},
    "websockets": {"lastsecond.feed", "lastsecond.sim"},
    "rich": {"lastsecond.observe"},
    "h11": {"lastsecond.line"},
    "ssl": {"lastsecond.tls"},
    "sqlite3": {"lastsecond.ledger"},
    "fcntl": {"lastsecond.lock"},
    "signal": {"lastsecond.signals"},
    "dotenv": {"main"},
    "py_clob_client_v2": {"lastsecond.venues.live"},
    "eth_account": {"lastsecond.sim.signatures"},
    "eth_utils": {"lastsecond.sim.signatures", "lastsecond.venues.live"},
    "httpx": set(),  # the vendor's; its requests are not on our path
    "polymarket": set(),  # tests only
    "requests": set(),
    "subprocess": set(),
}
COSTLY = {"lastsecond.venues.live", "lastsecond.sim.signatures"}
"""Modules that cost a third of a second: imported where they are needed, not before."""

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}

LONGEST_FUNCTION = 50
LONGEST_FILE = 400


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_name(path): path
    for path in (*ROOT.glob("*.py"), *(ROOT / PACKAGE).rglob("*.py"))
}


def room_of(module: str) -> str | None:
    """The room of a module of the package; "" is the package itself, None outside."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == PACKAGE else None


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module imported anywhere in ``tree``, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            if base == PACKAGE:
                yield from (f"{base}.{alias.name}" for alias in node.names)
            else:
                yield base


def names(tree: ast.AST) -> Iterator[str]:
    """Every name imported anywhere in ``tree``, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_pure(name: str) -> bool:
    """Whether an inner room may import it."""
    parts = any(f"{name}.".startswith(f"{part}.") for part in PURE_PARTS)
    return parts or name.partition(".")[0] in PURE | {PACKAGE}


def may_enter(module: str, target: str) -> bool:
    """Whether an arrow leads from ``module`` to the room of ``target``."""
    room, goal = room_of(module), room_of(target)
    if goal == room or goal in INNER or (module, goal) in ARROWS:
        return True
    return room == DOORWAY and goal in OUTER


def wrong_imports(module: str, tree: ast.AST) -> Iterator[str]:
    room = room_of(module)
    for target in imports(tree):
        top = target.partition(".")[0]
        if not top:
            yield f"relative import of {target}"
        elif room is not None and top in SPINE:
            yield f"the package imports the spine: {target}"
        elif top == PACKAGE and not may_enter(module, target):
            yield f"no arrow leads to {target}"
        elif top in HOMES and not at_home(module, HOMES[top]):
            yield f"{top} is imported outside its home"
    if room in INNER:
        foreign = [name for name in names(tree) if not is_pure(name)]
        yield from (f"an inner room imports {name}" for name in foreign)


def early_imports(tree: ast.Module) -> Iterator[str]:
    """Costly modules that are imported with the module itself."""
    for node in tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        found = {*imports(node), *names(node)} & COSTLY
        yield from (f"imports {name} before it is needed" for name in sorted(found))


def at_home(module: str, homes: set[str]) -> bool:
    return any(module == home or module.startswith(home + ".") for home in homes)


def environment_reads(module: str, tree: ast.AST) -> Iterator[str]:
    """Every use of the environment, under whatever name ``os`` goes."""
    if module == "main":
        return
    for node in ast.walk(tree):
        names = set()
        if isinstance(node, ast.Attribute):
            names = {node.attr}
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {alias.name for alias in node.names}
        yield from (f"reads {name}" for name in sorted(names & ENVIRONMENT))


def impure_calls(module: str, tree: ast.AST) -> Iterator[str]:
    """Files, terminals and clocks that need no import."""
    if room_of(module) not in INNER:
        return
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                yield f"an inner room calls {name}()"
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCK_READS:
                yield f"an inner room calls {name}()"
            case ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                yield "an inner room waits"
            case _:
                pass


def too_long(source: str, tree: ast.AST) -> Iterator[str]:
    if (lines := len(source.splitlines())) > LONGEST_FILE:
        yield f"{lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{node.name} has {lines} lines"


def dry_runs(module: str, source: str) -> Iterator[str]:
    """Every name that holds ``dry_run``: below main.py a dry run is a venue."""
    if module == "main":
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and "dry_run" in token.string.lower():
            yield f"the name {token.string}"


def offences(module: str, source: str) -> list[str]:
    """Everything in which a module of spine or package breaks the rules."""
    tree = ast.parse(source)
    room = room_of(module)
    known = module in SPINE if room is None else room in {"", DOORWAY} | INNER | OUTER
    return [
        *([] if known else ["no place in the house: give it one here and in docs"]),
        *wrong_imports(module, tree),
        *early_imports(tree),
        *environment_reads(module, tree),
        *impure_calls(module, tree),
        *dry_runs(module, source),
        *too_long(source, tree),
    ]


@pytest.mark.parametrize("module", sorted(FILES))
def test_keeps_the_rules_of_the_house(module: str) -> None:
    """No file of spine or package breaks a rule of the house."""
    assert offences(module, FILES[module].read_text(encoding="utf-8")) == []


def test_walks_the_whole_house() -> None:
    """The walk meets the spine, and inner and outer rooms."""
    assert set(FILES) >= SPINE | {f"{PACKAGE}.ports", f"{PACKAGE}.sim.exchange"}
    rooms = {room for room in map(room_of, FILES) if room}
    assert rooms == INNER | OUTER - {"replay"} | {DOORWAY}


@pytest.mark.parametrize(("module", "goal"), sorted(ARROWS))
def test_every_arrow_is_used(module: str, goal: str) -> None:
    """An arrow that nobody goes along any more is taken away here, too."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    assert goal in map(room_of, imports(tree))


def test_a_dry_run_never_loads_what_signs(tmp_path: Path) -> None:
    """Without --live, key or not, neither the vendor's client nor a signer is there."""
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", str(ROOT / "main.py"), "--sim"],
        cwd=tmp_path,
        env={**os.environ, "PRIVATE_KEY": "11" * 32},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        loaded, stopped = [], False
        for line in process.stderr:
            loaded.append(line.rpartition("|")[2].strip().partition(".")[0])
            if " WATCHING " in line and not stopped:
                stopped = True
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert {"aiohttp", "websockets", "lastsecond"} <= set(loaded)
    signing = [name for name in loaded if name.startswith(("py_clob", "eth_", "web3"))]
    assert signing == []


PLANTED = [
    ("lastsecond.feed", "import main", "the package imports the spine: main"),
    ("lastsecond.ports", "from config import Settings", "imports the spine: config"),
    ("lastsecond.sim.gamma", "def f():\n    import hft_trader", "imports the spine"),
    ("lastsecond.money", "import asyncio", "an inner room imports asyncio"),
    ("lastsecond.book", "import logging.handlers", "inner room imports logging"),
    ("lastsecond.wire.gamma", "from pathlib import Path", "inner room imports pathlib"),
    ("lastsecond.merge", "import os.path", "an inner room imports os.path"),
    ("lastsecond.terms", "from pathlib import Path", "inner room imports pathlib.Path"),
    ("lastsecond.rules", "import urllib.request", "inner room imports urllib.request"),
    ("lastsecond.limits", "import logging", "an inner room imports logging"),
    ("lastsecond.offset", "import asyncio", "an inner room imports asyncio"),
    ("lastsecond.ports", "from typing_extensions import Self", "imports typing_ext"),
    ("lastsecond.orders", "from random import Random", "inner room imports random"),
    ("lastsecond.ports", "import sqlite3, time", "an inner room imports time"),
    ("lastsecond.ports", "import aiohttp", "an inner room imports aiohttp"),
    ("lastsecond.market", "if x:\n    import socket", "inner room imports socket"),
    ("lastsecond.money", "open('x')", "an inner room calls open()"),
    ("lastsecond.market", "at = datetime.now(UTC)", "an inner room calls now()"),
    ("lastsecond.book", "async def f():\n    await g()", "an inner room waits"),
    ("lastsecond.book", "from lastsecond.http import Http", "no arrow leads to"),
    ("lastsecond.book", "from lastsecond import feed", "no arrow leads to"),
    ("lastsecond.wire.clob", "import lastsecond.clock", "no arrow leads to"),
    ("lastsecond.feed", "from lastsecond.clock import SystemClock", "no arrow leads"),
    ("lastsecond.sim.clob", "from lastsecond import http", "no arrow leads to"),
    ("lastsecond.sim.clob", "import lastsecond.clock", "no arrow leads to"),
    ("lastsecond.upkeep", "from lastsecond.feed import X", "no arrow leads to"),
    ("lastsecond.terms", "from lastsecond.halt import Halt", "no arrow leads to"),
    ("lastsecond.limits", "import lastsecond.ledger", "no arrow leads to"),
    ("lastsecond.ledger.store", "import lastsecond.clock", "no arrow leads to"),
    ("lastsecond.safeguards", "from lastsecond import halt", "no arrow leads to"),
    ("lastsecond.safeguards", "import lastsecond.ledger", "no arrow leads to"),
    ("lastsecond.purchase", "import lastsecond.venues.live", "no arrow leads to"),
    ("lastsecond.purchase", "from lastsecond.ledger import X", "no arrow leads to"),
    ("lastsecond.exchange_time", "import lastsecond.http", "no arrow leads to"),
    ("lastsecond.venues.paper", "import lastsecond.line", "no arrow leads to"),
    ("lastsecond.venues.reconcile", "import lastsecond.line", "no arrow leads to"),
    ("lastsecond.line", "import lastsecond.http", "no arrow leads to"),
    ("lastsecond.check", "import lastsecond.venues.live", "no arrow leads to"),
    ("hft_trader", "from lastsecond.halt import Halt", "no arrow leads to"),
    ("hft_trader", "import lastsecond.safeguards", "no arrow leads to"),
    ("main", "import lastsecond.ledger", "no arrow leads to lastsecond.ledger"),
    ("lastsecond.venues.paper", "import lastsecond.observe.logs", "no arrow leads to"),
    ("lastsecond.observe.logs", "from lastsecond import worlds", "no arrow leads to"),
    ("hft_trader", "from lastsecond import worlds", "leads to lastsecond.worlds"),
    ("gamma_15m_finder", "import lastsecond.worlds", "leads to lastsecond.worlds"),
    ("config", "from lastsecond.feed import X", "no arrow leads to lastsecond.feed"),
    ("main", "from lastsecond.clock import SystemClock", "no arrow leads to"),
    ("lastsecond.feed", "from . import http", "relative import of ."),
    ("lastsecond.feed", "import aiohttp", "aiohttp is imported outside its home"),
    ("hft_trader", "from aiohttp import web", "aiohttp is imported outside its home"),
    ("lastsecond.http", "import websockets.sync", "websockets is imported outside"),
    ("lastsecond.http_two", "import aiohttp", "aiohttp is imported outside its home"),
    ("config", "from dotenv import dotenv_values", "dotenv is imported outside"),
    ("lastsecond.worlds", "import py_clob_client_v2", "py_clob_client_v2 is imported"),
    ("main", "from py_clob_client_v2 import X", "py_clob_client_v2 is imported"),
    ("lastsecond.venues.paper", "import py_clob_client_v2.x", "is imported outside"),
    ("lastsecond.venues.live", "import eth_account", "eth_account is imported outside"),
    ("lastsecond.sim.orders", "from eth_account import A", "eth_account is imported"),
    ("lastsecond.check", "import eth_utils", "eth_utils is imported outside its home"),
    ("lastsecond.http", "import h11", "h11 is imported outside its home"),
    ("lastsecond.venues.live", "import httpx", "httpx is imported outside its home"),
    ("lastsecond.halt", "import sqlite3", "sqlite3 is imported outside its home"),
    ("lastsecond.halt", "import fcntl", "fcntl is imported outside its home"),
    ("main", "import signal", "signal is imported outside its home"),
    ("lastsecond.worlds", "import lastsecond.venues.live", "before it is needed"),
    ("lastsecond.worlds", "from lastsecond.venues.live import X", "before it is"),
    ("lastsecond.worlds", "from lastsecond.venues import live", "before it is needed"),
    ("lastsecond.sim.private", "from lastsecond.sim import signatures", "before it is"),
    ("config", "import os\nos.environ['A']", "reads environ"),
    ("lastsecond.http", "import os as o\no.getenv('A')", "reads getenv"),
    ("lastsecond.sim", "from os import environ as e", "reads environ"),
    ("hft_trader", "def f(*, dry_run): ...", "the name dry_run"),
    ("lastsecond.feed", "self.is_dry_run = 1", "the name is_dry_run"),
    ("config", "DRY_RUN: bool", "the name DRY_RUN"),
    ("main", "def f():\n" + "    pass\n" * 50, "f has 51 lines"),
    ("main", "async def f():\n" + "    pass\n" * 50, "f has 51 lines"),
    ("main", "class A:\n  def f():\n" + "    pass\n" * 50, "f has 51 lines"),
    ("config", "x = 1\n" * 401, "401 lines"),
    ("lastsecond.utilities", "", "no place in the house"),
    ("helpers", "", "no place in the house"),
]


@pytest.mark.parametrize(("module", "source", "told"), PLANTED)
def test_catches_a_planted_offence(module: str, source: str, told: str) -> None:
    """The checker sees each kind of offence, and says what it is."""
    assert any(told in offence for offence in offences(module, source))


ALLOWED = [
    ("main", "import os\nfrom dotenv import dotenv_values\nos.environ"),
    ("main", "from lastsecond import worlds\ndry_run = 1"),
    ("main", "from lastsecond.observe.logs import LEVELS"),
    ("hft_trader", "import asyncio, logging\nfrom lastsecond.upkeep import Upkeep"),
    ("hft_trader", "from lastsecond.purchase import Purchase"),
    ("lastsecond.worlds", "def f():\n    from lastsecond.venues.live import X"),
    ("lastsecond.worlds", "if T:\n    from lastsecond.venues.live import Account"),
    ("lastsecond.check", "from lastsecond.line import Line"),
    ("lastsecond.line", "import h11"),
    ("lastsecond.tls", "import ssl"),
    ("lastsecond.ledger.store", "import sqlite3\nfrom lastsecond import limits"),
    ("lastsecond.terms", "from pathlib import PurePath"),
    ("lastsecond.rules", "from urllib.parse import urlsplit"),
    ("config", "from lastsecond.errors import ConfigError"),
    ("gamma_15m_finder", "import main"),
    ("lastsecond.worlds", "from lastsecond import clock, feed, http, sim, venues"),
    ("lastsecond.http", "import aiohttp, random\nfrom lastsecond.ports import Clock"),
    ("lastsecond.sim.channel", "import aiohttp, websockets\nimport lastsecond.sim.x"),
    ("lastsecond.sim.__main__", "from lastsecond.clock import SystemClock"),
    ("lastsecond.feed", "from websockets.asyncio.client import connect"),
    ("lastsecond.venues.live", "from py_clob_client_v2 import client"),
    ("lastsecond.wire.clob", "import msgspec\nfrom lastsecond.wire import gamma"),
    ("lastsecond.ports", "class S:\n  async def open(self): ..."),
    ("lastsecond.book", "# dry_run\n'dry_run and os.environ'"),
    ("config", "def f():\n" + "    pass\n" * 49),
    ("config", "x = 1\n" * 400),
]


@pytest.mark.parametrize(("module", "source"), ALLOWED)
def test_lets_pass_what_is_right(module: str, source: str) -> None:
    """The checker objects to nothing that the house allows."""
    assert offences(module, source) == []
