"""``python -m lastsecond.sim`` from outside."""

import asyncio
import re
import signal
import sys

import aiohttp
import pytest
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import AssetType, BalanceAllowanceParams

from lastsecond.clock import SystemClock
from lastsecond.sim import SimulatedExchange
from lastsecond.sim.__main__ import main
from tests.lastsecond.sim.trader import WALLET, address, key


async def test_it_tells_its_urls_serves_and_ends_cleanly() -> None:
    """It prints what to set, answers there, and Ctrl-C ends it with 0 and no noise."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lastsecond.sim",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    told = (await process.stdout.readuntil(b"Ctrl-C ends it.")).decode()
    settings = dict(re.findall(r"(GAMMA_HOST|CLOB_HOST|CLOB_WS_URL)=(\S+)", told))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(settings["CLOB_WS_URL"]) as socket,
    ):
        url = settings["GAMMA_HOST"] + "/public-search?q=bitcoin"
        async with session.get(url) as response:
            found = await response.json()
        process.send_signal(signal.SIGINT)
        await socket.receive()
    _, errors = await process.communicate()
    assert set(settings) == {"GAMMA_HOST", "CLOB_HOST", "CLOB_WS_URL"}
    assert found["pagination"]["totalResults"] == 6
    assert process.returncode == 0
    assert errors.endswith(b"STOPPED by a signal\n")
    assert errors.count(b"\n") == 1


async def test_a_taken_port_ends_it_with_a_line() -> None:
    """It says that it cannot listen, and exits 2."""
    async with SimulatedExchange(SystemClock()) as exchange:
        port = exchange.http_url.rpartition(":")[2]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lastsecond.sim"),
            *("--port", port, "--scenario", "seeded"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.startswith(f"cannot listen on port {port}".encode())


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """The help is for a person who has not read the code."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(option in text for option in ("--port", "--scenario", "--seed"))


def test_an_impossible_account_ends_it_with_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says what is wrong with it, and exits 2."""
    assert main(["--account", "0x1", "0x1", "0"]) == 2
    assert capsys.readouterr().err == "not an address: 0x1\n"


async def test_accounts_can_be_opened_from_outside() -> None:
    """An account that was named can pay."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lastsecond.sim"),
        *("--account", address(5), WALLET, "2"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    told = (await process.stdout.readuntil(b"Ctrl-C ends it.")).decode()
    found = re.search(r"CLOB_HOST=(\S+)", told)
    assert found is not None

    def balance() -> object:
        client = ClobClient(found[1], 137, key=key(5), signature_type=2, funder=WALLET)
        client.set_api_creds(client.derive_api_key())
        asked = BalanceAllowanceParams(
            asset_type=AssetType.COLLATERAL  # type: ignore[arg-type]  # a str in truth
        )
        return client.get_balance_allowance(asked)["balance"]

    assert await asyncio.to_thread(balance) == "1000000000"
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0
