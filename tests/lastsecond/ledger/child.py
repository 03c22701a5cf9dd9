"""Another process at the ledger: what tests start, race, starve and kill."""

import asyncio
import json
import logging
import os
import resource
import sys
from pathlib import Path

from lastsecond.errors import LedgerError
from lastsecond.ledger import Ledger
from lastsecond.market import ConditionId
from lastsecond.orders import Fill, Killed, State, Uncertain
from tests.lastsecond.ledger.setting import (
    START,
    ledger_in,
    pair,
    signed,
    watched,
)

NOBODY = 65534


def say(*words: object) -> None:
    """One line, out at once, that the parent can count on."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def race(folder: Path, name: str) -> None:
    """Get ready, wait for the word, then arm every market as fast as possible."""
    markets = [ConditionId(f"0x{number}") for number in range(20)]
    async with ledger_in(folder) as ledger:
        for market in markets:
            await watched(ledger, market)
        await ledger.flush()
        say("ready")
        sys.stdin.readline()
        for market in markets:
            try:
                await ledger.arm(market, pair(market, by=name))
            except LedgerError as error:
                say("lost", market, error)
            else:
                say("won", market)


async def live(folder: Path, name: str) -> None:
    """Take market after market through its life until killed."""
    async with ledger_in(folder) as ledger:
        say("ready")
        for number in range(1_000_000):
            market = ConditionId(f"0x{name}{number}")
            await watched(ledger, market)
            await ledger.arm(market, pair(market))
            say("armed", market)
            order_id = signed(market).order_id
            ledger.sent(market, order_id, START)
            if number % 3:
                ledger.result(market, order_id, Uncertain("timeout"))
            ledger.result(market, order_id, Killed("x") if number % 2 else Fill(1, 1))


async def starve(folder: Path, name: str) -> None:
    """Run into the end of the disk, then be given more of it; or not."""
    async with ledger_in(folder) as ledger:
        await watched(ledger)
        await ledger.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
        count = 0
        while ledger.fault is None:
            ledger.note(None, "filler", number=count, text="x" * 5_000)
            count += 1
            await asyncio.sleep(0.001)
        say("fault", ledger.fault)
        ledger.move(ConditionId("0x" + "11" * 32), State.SKIPPED, "halted")
        await _arm_in_vain(ledger)
        if name == "relieved":
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            while ledger.fault is not None:  # noqa: ASYNC110  it has no event
                await asyncio.sleep(0.02)
        say("count", count)


async def _arm_in_vain(ledger: Ledger) -> None:
    try:
        await ledger.discover(ConditionId("0x9"), "btc", START)
    except LedgerError as error:
        say("discover", error)
    try:
        await ledger.flush()
    except LedgerError as error:
        say("flush", error)


async def read_only(folder: Path, name: str) -> None:
    """Open as somebody who may not write; root may always."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    try:
        async with ledger_in(folder):
            say("opened")
    except LedgerError as error:
        say("refused", error)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say("log", json.dumps([record.levelname, record.getMessage()]))


if __name__ == "__main__":
    what, where, who = sys.argv[1:]
    logging.getLogger().addHandler(_Lines())
    roles = {"race": race, "live": live, "starve": starve, "read_only": read_only}
    asyncio.run(roles[what](Path(where), who))
