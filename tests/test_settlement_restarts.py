"""What was bought is paid by the official result, whichever run learns it.

The ledger is a real file, and each run is a new one of it; Gamma, the CLOB and the
stream say what the test wants, when it wants.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lastsecond.errors import SourceError
from lastsecond.history import MarketRecord, Observation
from lastsecond.ledger import Ledger, open_ledger
from lastsecond.ledger.reading import read_history
from lastsecond.market import NANOSECONDS, ConditionId, Outcome, TokenId
from lastsecond.orders import Fill, SignedOrder, State
from lastsecond.settlement import Settlement
from tests.fakes import FakeSource, HurriedClock, Parameters
from tests.scripted import fake_world

CLOSE = 1_795_653_900 * NANOSECONDS
SHARES, COST = 5_050_505, 4_999_999
LEVELS = ((990_000, SHARES),)
FEE = 3_500


class City:
    """A folder's ledger, and what Gamma and the CLOB answer of each market.

    A result is Up's payout as both write it; None: neither knows yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = HurriedClock(CLOSE + NANOSECONDS)
        self.gamma: dict[ConditionId, str | None] = {}
        self.clob: dict[ConditionId, str | None] = {}
        self.down = False
        self.source = FakeSource(self._get)

    @asynccontextmanager
    async def run(
        self, mode: str = "PAPER"
    ) -> AsyncIterator[tuple[Ledger, Settlement]]:
        """One run of the program, as far as settling goes."""
        async with open_ledger(
            self.folder / "ledger.db",
            clock=self.clock,
            mode=mode,
            wallet="wallet",
            settings_hash="hash",
            code_version="code",
            host="host",
        ) as ledger:
            world = fake_world(
                self.clock,
                source=self.source,
                new_stream=lambda *_: pytest.fail("settling holds no socket"),
                ledger=ledger,
            )
            yield ledger, Settlement(world)

    def market(self, number: int) -> MarketRecord:
        """What the file says of a market."""
        condition_id = market(number)
        [found] = [
            record
            for record in read_history(self.folder / "ledger.db").markets
            if record.condition_id == condition_id
        ]
        return found

    async def _get(self, url: str, params: Parameters) -> bytes:
        if self.down:
            raise SourceError("down")
        if url == "https://gamma.test/markets":
            condition_id = ConditionId(dict(params)["condition_ids"])
            up = self.gamma.get(condition_id)
            listed = [] if up is None else [_gamma(condition_id, up)]
            return json.dumps(listed).encode()
        condition_id = ConditionId(url.removeprefix("https://clob.test/markets/"))
        up = self.clob.get(condition_id)
        rows = [
            {"token_id": token, "winner": up == wins}
            for token, wins in zip(tokens(condition_id), ("1", "0"), strict=True)
        ]
        return json.dumps({"closed": up is not None, "tokens": rows}).encode()


def _gamma(condition_id: ConditionId, up: str) -> dict[str, object]:
    down = {"1": "0", "0": "1", "0.5": "0.5"}[up]
    return {
        "clobTokenIds": json.dumps(tokens(condition_id)),
        "outcomePrices": json.dumps([up, down]),
        "umaResolutionStatus": "resolved",
        "closed": True,
    }


def market(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def tokens(condition_id: ConditionId) -> tuple[TokenId, TokenId]:
    number = int(condition_id, 16)
    return TokenId(f"{number}1"), TokenId(f"{number}2")


async def buy(
    ledger: Ledger, number: int, side: Outcome, heard: str = "", *, noted: bool = True
) -> None:
    """Watch a market, buy ``side`` and see it confirmed.

    Not ``noted``: a crash came between the order's bytes and the ledger's word of them.
    """
    condition_id = market(number)
    both = tokens(condition_id)
    await ledger.discover(condition_id, f"btc-{number}", CLOSE, both)
    ledger.move(condition_id, State.WATCHING)
    up = SignedOrder(
        order_id=f"up-{number}",
        condition_id=condition_id,
        token_id=both[0],
        outcome=Outcome.UP,
        maker_amount=5_000_000,
        taker_amount=5_050_500,
        limit=990_000,
        body=b"",
        fee_rate=70_000,
    )
    down = replace(
        up, order_id=f"down-{number}", token_id=both[1], outcome=Outcome.DOWN
    )
    await ledger.arm(condition_id, [up, down])
    order = up if side is Outcome.UP else down
    if noted:
        ledger.sent(condition_id, order.order_id, CLOSE - NANOSECONDS)
    else:
        ledger.move(condition_id, State.UNCERTAIN)
    ledger.result(condition_id, order.order_id, Fill(SHARES, COST, LEVELS))
    ledger.observe(
        condition_id,
        Observation(
            watched_from=CLOSE - 60 * NANOSECONDS,
            watched_until=CLOSE,
            silent_ms=0,
            reconnects=0,
            heard=heard,
            samples=(),
        ),
    )
    await ledger.flush()


@pytest.mark.parametrize("mode", ["PAPER", "LIVE"])
@pytest.mark.parametrize("side", Outcome)
@pytest.mark.parametrize("result", ["1", "0", "0.5"])
async def test_winners_losers_and_voids_of_either_side(
    tmp_path: Path, mode: str, side: Outcome, result: str
) -> None:
    """A share pays what its own token was worth; the profit is after cost and fee."""
    city = City(tmp_path)
    city.gamma[market(1)] = city.clob[market(1)] = result
    async with city.run(mode) as (ledger, settlement):
        await buy(ledger, 1, side)
        await settlement.finish({market(1)}, 0)
    share = {"1": 1_000_000, "0": 0, "0.5": 500_000}[result]
    paid = share if side is Outcome.UP else 1_000_000 - share
    found = city.market(1)
    assert found.state is State.SETTLED
    assert found.payout == SHARES * paid // 1_000_000
    assert (found.paid_up, found.cost, found.fee) == (share, COST, FEE)
    assert found.mode == mode


async def test_a_result_that_comes_days_and_runs_later(tmp_path: Path) -> None:
    """Nobody knows, nothing can be reached, the program restarts: it stays open."""
    city = City(tmp_path)
    async with city.run() as (ledger, settlement):
        await buy(ledger, 1, Outcome.DOWN)
        await settlement.finish({market(1)}, 300)
    city.down = True
    city.clock = HurriedClock(CLOSE + 3 * 86_400 * NANOSECONDS)
    async with city.run() as (_, settlement):
        assert await settlement.look() == {market(1)}
    assert city.market(1).state is State.FILLED
    assert city.market(1).payout is None
    city.down = False
    city.clob[market(1)] = "0"
    city.clock = HurriedClock(CLOSE + 9 * 86_400 * NANOSECONDS)
    async with city.run() as (_, settlement):
        assert await settlement.look() == set()
        assert await settlement.look() == set()
    assert city.market(1).payout == SHARES


async def test_sources_that_differ_are_never_booked(tmp_path: Path) -> None:
    """Not by this run nor the next, however long; when they agree at last, it is."""
    city = City(tmp_path)
    city.gamma[market(1)], city.clob[market(1)] = "1", "0"
    for _ in range(2):
        async with city.run() as (ledger, settlement):
            if not (tmp_path / "bought").exists():
                await buy(ledger, 1, Outcome.UP)
                (tmp_path / "bought").touch()
            await settlement.look(only={market(n) for n in range(4)})
            await settlement.look(only={market(n) for n in range(4)})
        found = city.market(1)
        assert (found.state, found.payout, found.paid_up) == (State.FILLED, None, None)
        assert found.disputed
    city.clob[market(1)] = None
    async with city.run() as (_, settlement):
        await settlement.look(only={market(1)})
    assert city.market(1).payout is None, "one of them has only fallen silent"
    city.clob[market(1)] = "1"
    async with city.run() as (_, settlement):
        await settlement.look(only={market(1)})
    assert city.market(1).payout == SHARES


async def test_the_stream_against_the_others(tmp_path: Path) -> None:
    """market_resolved is one of the sources: alone it counts, against another not."""
    city = City(tmp_path)
    async with city.run() as (ledger, settlement):
        for number, heard in ((1, "11"), (2, "22"), (3, "31")):
            await buy(ledger, number, Outcome.UP, heard)
        city.gamma[market(3)] = "0"
        await settlement.look(only={market(n) for n in range(4)})
    assert city.market(1).payout == SHARES
    assert city.market(2).payout == 0
    assert city.market(3).payout is None
    assert city.market(3).disputed
    assert city.market(1).result_source == "stream"


async def test_a_crash_between_result_and_payout(tmp_path: Path) -> None:
    """The result is on disk, the payout not: the next run pays."""
    city = City(tmp_path)
    async with city.run() as (ledger, _):
        await buy(ledger, 1, Outcome.UP)
        ledger.resolve(market(1), 1_000_000, "gamma")
    city.gamma[market(1)] = "1"
    async with city.run() as (_, settlement):
        await settlement.look(only={market(n) for n in range(4)})
    assert city.market(1).payout == SHARES


@pytest.mark.parametrize("result", ["1", "0"])
async def test_a_fill_whose_sending_no_run_could_note(
    tmp_path: Path, result: str
) -> None:
    """It is shown, awaited, paid and summed as any other."""
    city = City(tmp_path)
    async with city.run() as (ledger, settlement):
        await buy(ledger, 1, Outcome.UP, noted=False)
        await ledger.flush()
        found = city.market(1)
        assert (found.state, found.side) == (State.FILLED, Outcome.UP)
        assert (found.shares, found.cost, found.fee) == (SHARES, COST, FEE)
        assert found.sent_at is None
        assert await ledger.cash() == -COST - FEE
        assert await settlement.look() == {market(1)}
        city.gamma[market(1)] = result
        await settlement.look(only={market(1)})
        await ledger.flush()
        paid = SHARES * int(result)
        assert city.market(1).payout == paid
        assert await ledger.cash() == paid - COST - FEE
        day = await ledger.day(0)
        assert (day.orders, day.fills) == (1, 1)
        assert day.result == paid - COST - FEE


async def test_two_modes_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """A paper position is not paid by a live run, nor the other way round."""
    city = City(tmp_path)
    async with city.run("PAPER") as (ledger, _):
        await buy(ledger, 1, Outcome.UP)
    city.gamma[market(1)] = "1"
    async with city.run("LIVE") as (_, settlement):
        assert await settlement.look(only={market(n) for n in range(4)}) == set()
    assert city.market(1).payout is None
    async with city.run("PAPER") as (_, settlement):
        await settlement.look(only={market(n) for n in range(4)})
    assert city.market(1).payout == SHARES
