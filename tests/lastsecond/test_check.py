"""Findings on the simulated exchange: all well, and each thing that is not."""

import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

import pytest

from lastsecond.check import (
    Finding,
    Subject,
    findings,
    offset_words,
    report,
    report_no_account,
)
from lastsecond.clock import SystemClock
from lastsecond.feed import Subscription
from lastsecond.http import HttpSource
from lastsecond.market import NANOSECONDS
from lastsecond.ports import Guard
from lastsecond.sim import Account, HttpFault, SimulatedExchange
from lastsecond.venues import live
from tests.fakes import HurriedClock

KEY = "0x" + "5e" * 32
WALLET = "0x1563915e194D8CfBA1943570603F7606A3115508"
NAMES = [
    *("halt", "account", "order version", "API key", "balance", "country"),
    *("market channel", "round trip", "clock"),
]


@dataclass
class Bench:
    """An exchange, an account on it, and what checks it."""

    exchange: SimulatedExchange
    account: Account
    subject: Subject
    hurried: HurriedClock
    faults: list[Guard | None]
    """Of the clock, in their order; the last one is for good."""

    async def look(self, **changed: object) -> dict[str, Finding]:
        subject = replace(self.subject, **changed)  # type: ignore[arg-type]  # its own
        found = [finding async for finding in findings(subject)]
        assert [finding.name for finding in found] == NAMES
        return {finding.name: finding for finding in found}

    async def todo(self, **changed: object) -> dict[str, str]:
        """What is not well, and the words for it."""
        found = await self.look(**changed)
        return {name: one.words for name, one in found.items() if not one.ok}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """All well; in the end nothing was posted."""
    clock = SystemClock()
    hurried = HurriedClock(time.time_ns())
    own = live.Account(KEY, signature_type=3, funder=WALLET, chain_id=137)
    async with SimulatedExchange(clock) as exchange, HttpSource(hurried) as source:
        account = exchange.add_account(
            address=own.address, funder=WALLET, signature_type=3, balance="100"
        )
        credentials = live.Credentials(
            account.api_key, account.secret, account.passphrase
        )
        faults: list[Guard | None] = [None]
        subject = Subject(
            account=own.funder,
            signature_type=3,
            sign=live.Authority(own.address, credentials, clock).headers,
            spend=5_000_000,
            order_version=live.VERSION,
            source=source,
            clock=hurried,
            clock_fault=lambda: faults.pop(0) if len(faults) > 1 else faults[0],
            clock_words=lambda: "0.100 s behind the exchange's",
            stream=Subscription("check", [], url=exchange.ws_url, clock=clock),
            clob=exchange.http_url,
            geoblock=f"{exchange.http_url}/api/geoblock",
            trigger=1_000_000_000,
            hold=150_000_000,
            halted=None,
        )
        yield Bench(exchange, account, subject, hurried, faults)
        assert exchange.orders == []
        assert {request.method for request in exchange.requests} <= {"GET"}


async def test_all_is_well(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each thing, in order, with what was found."""
    assert await report(bench.subject)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20] for line in lines] == [f"ok   {name:<15}" for name in NAMES]
    words = {name: line[21:] for name, line in zip(NAMES, lines, strict=True)}
    assert re.fullmatch(
        r"warm [\d.]+ ms \(90 %: [\d.]+\), cold [\d.]+ ms \(90 %: [\d.]+\): an order "
        r"sent at T-1\.000 s arrives at T-(0\.9\d\d|1\.000) s and, held 150 ms, is "
        r"matched at T-0\.8\d\d s",
        words.pop("round trip"),
    )
    assert words == {
        "halt": "not halted",
        "account": f"{WALLET}, signature type 3",
        "order version": "the exchange takes version 2, which this program signs",
        "API key": "accepted, no open orders",
        "balance": "100.00 pUSD",
        "country": "IE may trade",
        "market channel": "reached",
        "clock": "0.100 s behind the exchange's",
    }


async def test_one_thing_is_not(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its line says TODO, the rest is looked at all the same, and the whole fails."""
    bench.account.balance = 0
    assert not await report(bench.subject)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines].count("TODO") == 1
    assert len(lines) == len(NAMES)


async def test_no_account_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    """Without an account there is one line, and all is not well."""
    assert not await report_no_account("PRIVATE_KEY is missing: set it")
    assert capsys.readouterr().out == (
        "TODO account         PRIVATE_KEY is missing: set it\n"
    )


async def test_a_halt(bench: Bench) -> None:
    """Its reason and how to end it."""
    assert await bench.todo(halted="MAX_UNCERTAIN is 2") == {
        "halt": "halted: MAX_UNCERTAIN is 2; `python main.py resume` ends it"
    }


async def test_another_order_version(bench: Bench) -> None:
    """A version that this program does not sign."""
    assert await bench.todo(order_version=3) == {
        "order version": "the exchange takes version 2, this program signs 3: update it"
    }


@pytest.mark.parametrize("body", ['{"version":"two"}', "<html>"])
async def test_an_unreadable_order_version(bench: Bench, body: str) -> None:
    """Unknown is not well."""
    bench.exchange.faults.http(HttpFault(path="/version", status=200, body=body))
    found = await bench.todo()
    assert list(found) == ["order version"]
    assert "no version" in found["order version"]
    assert "check the network" in found["order version"]


def wrong(method: str, path: str) -> Mapping[str, str]:
    return {"POLY_ADDRESS": WALLET}


async def test_credentials_that_are_not_accepted(bench: Bench) -> None:
    """401: how to have new ones; the balance cannot be read, either."""
    found = await bench.todo(sign=wrong)
    assert list(found) == ["API key", "balance"]
    assert found["API key"].startswith("not accepted: clear CLOB_API_KEY")


async def test_orders_that_cannot_be_read(bench: Bench) -> None:
    """Another refusal is told as it is."""
    fault = HttpFault(path="/data/orders", status=403, body="<html>")
    bench.exchange.faults.http(fault)
    found = await bench.todo()
    assert list(found) == ["API key"]
    assert "/data/orders: HTTP 403: check the network" in found["API key"]


async def test_open_orders(bench: Bench) -> None:
    """Orders that rest take the money that ours need."""
    body = '{"data":[{"id":"1"},{"id":"2"}],"next_cursor":"LTE="}'
    bench.exchange.faults.http(HttpFault(path="/data/orders", status=200, body=body))
    assert await bench.todo() == {
        "API key": "accepted, but 2 orders rest: cancel them on the site"
    }


@pytest.mark.parametrize(
    ("balance", "enough"), [(0, False), (5_174_999, False), (5_175_000, True)]
)
async def test_the_balance_covers_an_order_and_its_fee(
    balance: int, enough: bool, bench: Bench
) -> None:
    """3.5 % is the fee of a buy at 0.50, on top."""
    bench.account.balance = balance
    found = await bench.todo()
    assert (found == {}) is enough
    if not enough:
        assert "an order takes up to 5.175 with its fee: fund" in found["balance"]


async def test_another_signature_type_is_another_wallet(bench: Bench) -> None:
    """Its balance is 0, which is what a wrong SIGNATURE_TYPE looks like."""
    found = await bench.todo(signature_type=1)
    assert "check SIGNATURE_TYPE and FUNDER_ADDRESS" in found["balance"]


async def test_no_allowance(bench: Bench) -> None:
    """Money that the exchange may not take."""
    bench.account.allowance = 1_000_000
    assert await bench.todo() == {
        "balance": "100.00 pUSD, but the exchange may not take it: approve it once"
    }


async def test_a_blocked_country(bench: Bench) -> None:
    """Named; nothing but a dry run is possible from there."""
    bench.exchange.rules.geoblocked = True
    assert await bench.todo() == {
        "country": "the exchange does not trade with GB: run a dry run only"
    }
    body = '{"blocked":true,"country":""}'
    bench.exchange.faults.http(HttpFault(path="/api/geoblock", status=200, body=body))
    assert "this country" in (await bench.todo())["country"]


async def test_no_market_channel(bench: Bench) -> None:
    """A socket that is refused."""
    bench.exchange.faults.refuse_websockets = True
    found = await bench.todo()
    assert list(found) == ["market channel"]
    assert "cannot open" in found["market channel"]
    assert found["market channel"].endswith("check the network and the hosts' settings")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (HttpFault(path="/time", status=503, times=9), "/time answers HTTP 503: check"),
        (HttpFault(path="/time", manner="reset", times=9), "connection lost"),
    ],
    ids=["503", "reset"],
)
async def test_no_round_trip(fault: HttpFault, told: str, bench: Bench) -> None:
    """A line that brings no answer to the cheapest question."""
    bench.exchange.faults.http(fault)
    found = await bench.todo()
    assert list(found) == ["round trip"]
    assert told in found["round trip"]


async def test_an_exchange_that_is_not_there(bench: Bench) -> None:
    """Every question that cannot be asked is a finding of its own."""
    gone = "http://127.0.0.1:1"
    found = await bench.todo(clob=gone, geoblock=f"{gone}/api/geoblock")
    assert list(found) == [
        *("order version", "API key", "balance", "country", "round trip")
    ]
    assert all("check the network" in words for words in found.values())


async def test_a_clock_that_becomes_known(bench: Bench) -> None:
    """The exchange's time takes some seconds to learn: that is waited for."""
    bench.faults[:] = [Guard.CLOCK_UNKNOWN] * 5 + [None]
    assert await bench.todo() == {}
    assert bench.hurried.waits.count(1) == 5


async def test_a_clock_that_stays_unknown(bench: Bench) -> None:
    """After 20 s it is given up."""
    bench.faults[:] = [Guard.CLOCK_UNKNOWN]
    assert await bench.todo() == {
        "clock": "the exchange's time could not be learnt from /time"
    }
    assert bench.hurried.waits.count(1) == 20


async def test_a_clock_that_is_off(bench: Bench) -> None:
    """By how much, and what to do."""
    bench.faults[:] = [Guard.CLOCK_OFF]
    assert await bench.todo() == {
        "clock": "0.100 s behind the exchange's: set it by NTP"
    }


@pytest.mark.parametrize(
    ("offset", "uncertainty", "words"),
    [
        (0, None, "unknown"),
        (
            NANOSECONDS // 2,
            20_000_000,
            "0.500 s behind the exchange's, give or take 0.020 s",
        ),
        (-NANOSECONDS, 0, "1.000 s ahead of the exchange's, give or take 0.000 s"),
    ],
)
def test_the_words_for_an_offset(
    offset: int, uncertainty: int | None, words: str
) -> None:
    """Which way, how far, how sure."""
    assert offset_words(offset, uncertainty) == words
