"""No byte that a run writes holds a secret, however it is spelled.

The exchange and the vendor's client do their worst: they echo what they were sent. What
is searched is every file, the terminal, and the texts of objects and errors.
"""

import asyncio
import base64
import hashlib
import json
import logging
import os
import sys
import traceback
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

import config
import main
from lastsecond.clock import SystemClock
from lastsecond.errors import ConfigError, VenueError
from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.observe.logs import logging_to
from lastsecond.orders import Intent, State
from lastsecond.ports import World
from lastsecond.sim import Account, HttpFault, SimulatedExchange, order_faults
from lastsecond.venues import live
from main import TradingBotRunner
from tests.live_support import LIVE, Stage, stage, window

ROOT = Path(__file__).parent.parent
KEY = "0x" + hashlib.sha256(b"nobody's").hexdigest()
ADDRESS = live.Account(KEY, signature_type=0, funder="", chain_id=137).address
logger = logging.getLogger("main")
WINDOWS = [window(asset, interval) for asset in Asset for interval in Interval]


# -- how a secret can be spelled --


def spelled(secret: str) -> Iterator[bytes]:
    """The secret as given, escaped, and as other encodings of what it stands for."""
    bare = secret.removeprefix("0x")
    texts = {bare, bare.lower(), bare.upper(), quote(bare, safe="")}
    texts |= {json.dumps(bare)[1:-1], repr(bare)[1:-1]}
    for raw in meanings(bare):
        yield raw
        texts |= {raw.hex(), raw.hex().upper(), repr(raw)[2:-1]}
        texts |= {str(int.from_bytes(raw, "big")), f"{int.from_bytes(raw, 'big'):x}"}
        texts |= {
            encode(raw).decode().rstrip("=")
            for encode in (base64.b64encode, base64.urlsafe_b64encode)
        }
    texts |= {repr(text)[1:-1] for text in texts}
    yield from (text.encode() for text in texts)


def meanings(bare: str) -> Iterator[bytes]:
    """The bytes that a secret's text may stand for."""
    yield bare.encode()
    try:
        yield bytes.fromhex(bare)
    except ValueError:
        padded = bare.translate(str.maketrans("+/", "-_")) + "=" * (-len(bare) % 4)
        if len(bare) % 4 != 1 and set(bare) <= set(BASE64):
            yield base64.urlsafe_b64decode(padded)


BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="


def found(secrets: Sequence[str], written: dict[str, bytes]) -> list[str]:
    """Where which spelling of a secret stands."""
    return [
        f"{place}: {needle!r} in {content[max(content.find(needle) - 60, 0) :][:160]!r}"
        for secret in secrets
        for needle in set(spelled(secret))
        if len(needle) >= 8
        for place, content in written.items()
        if needle in content
    ]


def secrets_of(account: Account) -> list[str]:
    return [KEY, account.api_key, account.secret, account.passphrase]


def everything(folder: Path, capfd: pytest.CaptureFixture[str]) -> dict[str, bytes]:
    """Every byte of every file below ``folder``, and of the terminal."""
    terminal = capfd.readouterr()
    written = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return written | {
        "stdout": terminal.out.encode(),
        "stderr": terminal.err.encode(),
    }


# -- a session in which everything goes wrong --


@asynccontextmanager
async def own_stage(
    folder: Path, windows: Sequence[Window], *, derived: bool
) -> AsyncIterator[Stage]:
    """A stage for the account of KEY."""
    settings = replace(LIVE, private_key=KEY)
    async with stage(folder, windows, settings=settings) as at:
        account = at.exchange.add_account(
            address=ADDRESS, funder=ADDRESS, signature_type=0
        )
        key, secret, passphrase = account.api_key, account.secret, account.passphrase
        yield replace(
            at,
            account=account,
            settings=replace(
                at.settings,
                clob_api_key="" if derived else key,
                clob_secret="" if derived else secret,
                clob_passphrase="" if derived else passphrase,
            ),
        )


def echo(account: Account) -> str:
    """An error that shows all that the exchange was told."""
    told = {
        "POLY_API_KEY": account.api_key,
        "POLY_PASSPHRASE": account.passphrase,
        "secret": account.secret,
    }
    return json.dumps({"error": f"bad request: {json.dumps(told)}"})


def go_wrong(at: Stage) -> None:
    """An order for each market, and each meets something else."""
    said = echo(at.account)
    faults = (
        order_faults.answer(400, said),
        order_faults.answer(401, said),
        order_faults.answer(200, f"<html>{said}</html>", executed=True),
        order_faults.answer(500, said, executed=True),
    )
    for market, fault in zip(at.markets, faults, strict=True):
        at.exchange.faults.order(fault, token=market.token(Outcome.UP))
    for body in (said, f"<html>{said}</html>", f'{{"data":[{said}]}}'):
        at.exchange.faults.http(HttpFault(path="/data/trades", status=200, body=body))
    for status in (200, 400):
        at.exchange.faults.http(
            HttpFault(path="/data/order/*", status=status, body=said)
        )


def stumble(close: int) -> None:
    """A fault of ours with the key at hand: in a variable, a cause, and texts."""
    private_key = KEY
    raw = bytes.fromhex(private_key[2:])
    for shown in (private_key, int(private_key, 16), base64.b64encode(raw)):
        error = ValueError(f"no key: {shown!r}", raw)
        error.__cause__ = OverflowError(private_key[2:].upper())
        error.add_note(f"it was {raw!r}")
        logger.critical("FAULT %s %s", close, shown, exc_info=error)


async def session(folder: Path, *, derived: bool) -> tuple[Account, World]:
    """One run on live orders, and what it knew, for its texts to be searched."""
    async with own_stage(folder, WINDOWS, derived=derived) as at:
        go_wrong(at)
        secrets = at.settings.secrets()
        with logging_to(folder / "log", level="DEBUG", secrets=secrets):
            async with at.world() as world:
                clumsy = replace(world, expect=stumble)
                await TradingBotRunner(clumsy, at.settings, once=True).run()
        posts = [at.exchange.posts(market.condition_id) for market in at.markets]
        assert [len(received) for received in posts] == [1] * len(WINDOWS)
        states = [at.row(market).state for market in at.markets]
        assert states == ["rejected", "rejected", "filled", "filled"]
        assert at.halt.active
        return at.account, world


@pytest.mark.parametrize("derived", [False, True])
async def test_nothing_that_a_run_writes_holds_a_secret(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, derived: bool
) -> None:
    """Logs, ledger, lock, halt and terminal, though every answer echoes the secrets."""
    account, world = await session(tmp_path, derived=derived)
    written = everything(tmp_path, capfd)
    names = {Path(place).name for place in written}
    assert {"trades.log", "finder.log", "ledger.db", "HALT", "stderr"} <= names
    assert any(name.endswith(".lock") for name in names)
    assert b"UNANSWERED" in written["log/trades.log"]
    for place in ("log/trades.log", "ledger.db", "stderr"):
        assert b"bad request" in written[place]
    assert written["log/finder.log"].count(b"FAULT") == 3 * len(WINDOWS)
    written["texts"] = repr(world).encode()
    assert not found(secrets_of(account), written)


async def test_no_secret_is_on_disk_while_it_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the ledger's -wal nor its -shm holds one, the orders being armed."""
    async with own_stage(tmp_path, WINDOWS[:1], derived=False) as at, at.world() as own:
        running = asyncio.create_task(
            TradingBotRunner(own, at.settings, once=True).run()
        )
        await at.at(0.5)
        written = everything(tmp_path, capfd)
        assert {"ledger.db", "ledger.db-wal", "ledger.db-shm"} <= set(written)
        assert not found(secrets_of(at.account), written)
        await running
    assert at.row(at.markets[0]).state == State.FILLED


# -- a vendor's client that tells tales --


@pytest.mark.parametrize("status", [201, 400, 401, 500])
async def test_an_answer_of_the_exchange_to_a_login_is_not_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    """The vendor's client logs what it takes for an error: it may be the API key."""
    async with own_stage(tmp_path, [], derived=True) as at:
        body = json.dumps(at.account.credentials())
        for path in ("/auth/derive-api-key", "/auth/api-key"):
            at.exchange.faults.http(HttpFault(path=path, status=status, body=body))
        with logging_to(tmp_path / "log", level="DEBUG", secrets=[KEY]):
            with pytest.raises(VenueError) as caught:
                async with at.world():
                    raise AssertionError("it has no API key")
            logger.critical("FAULT", exc_info=caught.value)
    written = everything(tmp_path, capfd)
    assert b"VenueError" in written["log/finder.log"]
    assert not found(secrets_of(at.account), written)


# -- texts of objects and errors --


async def test_no_text_of_an_object_holds_a_secret(tmp_path: Path) -> None:
    """repr() and str() of whatever holds a secret show none."""
    own = live.Account(KEY, signature_type=0, funder="", chain_id=137)
    async with own_stage(tmp_path, WINDOWS[:1], derived=False) as at:
        known, settings, [market] = at.account, at.settings, at.markets
    credentials = live.Credentials(known.api_key, known.secret, known.passphrase)
    authority = live.Authority(own.address, credentials, SystemClock())
    order = own.sign(
        Intent(
            condition_id=market.condition_id,
            ticker="btc",
            token_id=market.token(Outcome.UP),
            outcome=Outcome.UP,
            spend=5_000_000,
            limit=990_000,
            tick=10_000,
        ),
        owner=known.api_key,
        timestamp_ms=1,
    )
    terms = settings.terms()
    things: list[object] = [settings, terms, terms.key, own, credentials, authority]
    things += [order, [order], {"order": order}]
    texts = {
        f"{type(thing).__name__}/{way.__name__}": way(thing).encode()
        for thing in things
        for way in (repr, str, ascii)
    }
    assert not found(secrets_of(known), texts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRIVATE_KEY", KEY + "5e"),
        ("PRIVATE_KEY", KEY[:-1]),
        ("CLOB_API_KEY", "sésame-ouvre-toi"),
        ("CLOB_SECRET", "open sesame"),
        ("CLOB_PASSPHRASE", "sesame\nsesame"),
    ],
)
def test_a_setting_that_is_refused_is_not_shown(name: str, value: str) -> None:
    """The error names a secret's variable, never its value."""
    with pytest.raises(ConfigError) as caught:
        config.load({name: value})
    text = "".join(traceback.format_exception(caught.value))
    assert name in text
    assert not found([value], {"error": text.encode()})


def test_a_secret_that_is_not_base64_is_not_shown() -> None:
    """The error says what is wrong with CLOB_SECRET and hides it, its cause too."""
    credentials = live.Credentials("key-of-eight", "no-base64!!", "passphrase")
    with pytest.raises(VenueError) as caught:
        live.Authority("0x", credentials, SystemClock())
    text = "".join(traceback.format_exception(caught.value))
    assert not found(["no-base64!!"], {"error": text.encode()})


@pytest.mark.parametrize("key", ["f" * 64, "0" * 64])
@pytest.mark.parametrize("command", [["check"], ["resume"]])
def test_a_key_that_is_none_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: list[str],
    key: str,
) -> None:
    """64 digits beyond the curve's order: the libraries' own errors show them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRIVATE_KEY", key)
    looked = command == ["check"]
    assert main.main(command) == (1 if looked else 2)
    written = everything(tmp_path, capfd)
    told = written["stdout" if looked else "stderr"]
    assert told.removeprefix(b"TODO account         ").startswith(b"PRIVATE_KEY")
    assert told.count(b"\n") == 1
    if key.strip("0"):
        assert not found([key], written)


# -- the program as a person starts it --


async def run_program(
    exchange: SimulatedExchange, folder: Path, *arguments: str, **variables: str
) -> tuple[int, bytes, bytes]:
    """``python main.py`` on that exchange: exit status, stdout, stderr."""
    url = exchange.http_url
    chosen = {
        "PRIVATE_KEY": KEY,
        "GAMMA_HOST": url,
        "CLOB_HOST": url,
        "CLOB_WS_URL": exchange.ws_url,
        "GEOBLOCK_URL": f"{url}/api/geoblock",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "main.py",
        *("--log-level", "DEBUG", *arguments),
        cwd=folder,
        env={**os.environ, **chosen},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out, err


async def test_the_program_shows_no_secret(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`check`, and a live start that it stops, with answers that echo the secrets."""
    async with SimulatedExchange(SystemClock()) as exchange:
        account = exchange.add_account(
            address=ADDRESS, funder=ADDRESS, signature_type=0
        )
        for path, echoed in (
            ("/data/orders", account.api_key),
            ("/balance-allowance", account.passphrase),
            ("/version", account.secret),
        ):
            body = f"bad request {echoed}"
            exchange.faults.http(HttpFault(path=path, status=200, body=body, times=9))
        given = {
            "CLOB_API_KEY": account.api_key,
            "CLOB_SECRET": account.secret,
            "CLOB_PASSPHRASE": account.passphrase,
        }
        runs: list[Coroutine[object, object, tuple[int, bytes, bytes]]] = []
        for arguments in (("check",), ("--live", "--once")):
            for variables in (given, {}):
                folder = tmp_path / str(len(runs))
                folder.mkdir()
                runs.append(run_program(exchange, folder, *arguments, **variables))
        ended = await asyncio.gather(*runs)
    written = everything(tmp_path, capfd)
    for number, (status, out, err) in enumerate(ended):
        assert status == 1, err
        assert out.count(b"bad request") == 3, out
        written |= {f"stdout {number}": out, f"stderr {number}": err}
    assert not found(secrets_of(account), written)


# -- the last line of defence --

SPELLINGS = sorted({needle for needle in spelled(KEY) if b"\\" not in needle})


@pytest.mark.parametrize("number", range(len(SPELLINGS)))
def test_a_log_hides_each_spelling(tmp_path: Path, number: int) -> None:
    """As an argument, and in the text of an exception, as text and as bytes."""
    raw = SPELLINGS[number]
    shown = raw.decode("latin-1")
    with logging_to(tmp_path, level="CRITICAL", secrets=[KEY]):
        logger.error("%s %r", shown, raw, exc_info=ValueError(shown, raw))
    written = (tmp_path / "finder.log").read_bytes()
    assert written.count(b"[secret]") == 4
    assert not found([KEY], {"finder.log": written})
