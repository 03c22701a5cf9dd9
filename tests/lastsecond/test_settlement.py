"""Markets are paid by the official result, by token, or stay open and asked about."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lastsecond.clock import LoopClock
from lastsecond.errors import LedgerError, SourceError
from lastsecond.market import NANOSECONDS, NO_TOKEN, ConditionId, TokenId
from lastsecond.orders import Awaited, State
from lastsecond.settlement import Settlement
from tests.fakes import FakeSource, Parameters, on_jumping_loop
from tests.scripted import MemoryLedger, fake_world

UP, DOWN = TokenId("11"), TokenId("22")
MARKET = ConditionId("0xaa")
START = 1_795_653_600
SHARES = 5_050_500


class PayingLedger(MemoryLedger):
    """A ledger of which one market is awaited until it is paid, and others for ever."""

    def __init__(self, market: Awaited) -> None:
        super().__init__()
        self.states[MARKET] = State.FILLED
        self.waiting = [market]
        self.others: list[Awaited] = []

    async def awaited(self) -> list[Awaited]:
        disputed = any(kind == "results_differ" for kind, _ in self.notes)
        self.waiting = [replace(self.waiting[0], disputed=disputed)]
        known = self.states[MARKET] is State.SETTLED or (
            MARKET in self.paid_up and not self.waiting[0].token_id
        )
        return self.others if known else [*self.others, *self.waiting]


class Town:
    """One market, and what Gamma and the CLOB answer (None: down)."""

    def __init__(
        self,
        gamma: Sequence[str] | None,
        clob: Sequence[bool] | None,
        *,
        held: TokenId = UP,
        heard: TokenId = NO_TOKEN,
        fee: int | None = 17_500,
        closed_ago: int = 60,
    ) -> None:
        self.ledger = PayingLedger(
            Awaited(
                condition_id=MARKET,
                ticker="btc",
                token_up=UP,
                token_down=DOWN,
                close_at=(START - closed_ago) * NANOSECONDS,
                heard=heard,
                token_id=held,
                shares=SHARES if held else 0,
                cost=5_000_000 if held else 0,
                fee=fee,
            )
        )
        self.gamma, self.clob = gamma, clob
        self.slow = 0.0
        self.source = FakeSource(self.answer)
        self.clock = LoopClock(START * NANOSECONDS)
        self.settlement = Settlement(
            fake_world(
                self.clock,
                source=self.source,
                new_stream=lambda *_: pytest.fail("settling holds no socket"),
                ledger=self.ledger,
            )
        )

    async def answer(self, url: str, params: Parameters) -> bytes:
        await asyncio.sleep(self.slow)
        if url == "https://gamma.test/markets":
            assert dict(params) == {"condition_ids": MARKET, "closed": "true"}
            if self.gamma is None:
                raise SourceError("down")
            market = {
                "clobTokenIds": json.dumps([UP, DOWN]),
                "outcomePrices": json.dumps(self.gamma),
                "umaResolutionStatus": "resolved",
                "closed": True,
            }
            return json.dumps([market] if self.gamma else []).encode()
        assert url == f"https://clob.test/markets/{MARKET}"
        if self.clob is None:
            return b"<html>"
        tokens = [
            {"token_id": token, "winner": winner}
            for token, winner in zip((UP, DOWN), self.clob, strict=True)
        ]
        return json.dumps({"closed": True, "tokens": tokens}).encode()


@pytest.mark.parametrize(
    ("held", "gamma", "clob", "booked", "paid_up"),
    [
        (UP, ["1", "0"], [True, False], "5050500 gamma+clob", 1_000_000),
        (UP, ["0", "1"], [False, True], "0 gamma+clob", 0),
        (DOWN, ["0", "1"], [False, True], "5050500 gamma+clob", 0),
        (DOWN, ["1", "0"], [True, False], "0 gamma+clob", 1_000_000),
        (UP, ["0.5", "0.5"], [False, False], "2525250 gamma", 500_000),
        (DOWN, ["0.5", "0.5"], [False, False], "2525250 gamma", 500_000),
        (UP, ["1", "0"], None, "5050500 gamma", 1_000_000),
        (UP, None, [True, False], "5050500 clob", 1_000_000),
        (UP, [], [False, True], "0 clob", 0),
        (UP, ["1", "0"], [False, False], "5050500 gamma", 1_000_000),
        (UP, ["1", "0"], [False, True], None, None),
        (UP, ["0.99", "0.01"], [False, False], None, None),
        (UP, None, None, None, None),
    ],
)
def test_the_result_is_booked_by_token_or_not_at_all(
    held: TokenId,
    gamma: list[str] | None,
    clob: list[bool] | None,
    booked: str | None,
    paid_up: int | None,
) -> None:
    """Winners, losers and voids are paid; unknown and contradicting results are not."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(gamma, clob, held=held)
        await town.settlement.look(only={MARKET})
        rows = [] if booked is None else [("settled", booked)]
        assert town.ledger.rows == rows
        assert town.ledger.paid_up.get(MARKET, (None,))[0] == paid_up

    live()


@pytest.mark.parametrize(
    ("heard", "gamma", "booked"),
    [
        (UP, None, "5050500 stream"),
        (DOWN, None, "0 stream"),
        (UP, ["1", "0"], "5050500 stream+gamma"),
        (DOWN, ["1", "0"], None),
    ],
)
def test_the_stream_is_heard_too(
    heard: TokenId, gamma: list[str] | None, booked: str | None
) -> None:
    """market_resolved counts at once, and not against another source."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(gamma, None, heard=heard, closed_ago=2)
        await town.settlement.look()
        rows = [] if booked is None else [("settled", booked)]
        assert town.ledger.rows == rows

    live()


def test_the_result_of_a_market_that_was_only_watched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is noted, so that the report knows whether the favourite won; nothing paid."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(["0", "1"], [False, True], held=NO_TOKEN)
        await town.settlement.look(only={MARKET})
        assert town.ledger.paid_up == {MARKET: (0, "gamma+clob")}
        assert town.ledger.rows == []

    live()
    assert "SETTLED" not in caplog.text


@pytest.mark.parametrize(
    ("fee", "words"),
    [
        (17_500, "payout=5.0505 cost=5.00 fee=0.01750 pnl=+0.033 "),
        (None, "payout=5.0505 cost=5.00 fee=unknown pnl=unknown "),
    ],
)
def test_what_is_said(
    fee: int | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The line has the fee and the profit after it; unknown is never a number."""
    caplog.set_level(logging.INFO)

    @on_jumping_loop
    async def live() -> None:
        await Town(["1", "0"], None, fee=fee).settlement.look(only={MARKET})

    live()
    assert f"SETTLED btc won mode=PAPER {words}source=gamma" in caplog.text


def test_sources_that_differ_are_said_loudly_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A contradiction is an error for a person, in the ledger too, and stays open."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(["1", "0"], [False, True])
        await town.settlement.look(only={MARKET})
        await town.settlement.look(only={MARKET})
        said = {"stream": None, "gamma": 1_000_000, "clob": 0, "noted": None}
        assert town.ledger.notes == [("results_differ", said)]

    live()
    [line] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "RESULTS_DIFFER btc stream=None gamma=1000000 clob=0" in line.getMessage()


def test_a_late_result_is_asked_for_later_and_later() -> None:
    """Questions thin out until the result is there; then there are no more."""

    @on_jumping_loop
    async def live() -> None:
        town = Town([], None, closed_ago=0)
        settling = asyncio.create_task(town.settlement.run())
        await town.clock.sleep(1800)
        asked = len(town.source.calls) // 2
        assert 5 <= asked <= 12
        town.gamma = ["1", "0"]
        await town.clock.sleep(1000)
        assert town.ledger.rows == [("settled", "5050500 gamma")]
        calls = len(town.source.calls)
        await town.clock.sleep(3600)
        assert len(town.source.calls) == calls
        settling.cancel()

    live()


def test_one_look_waits_for_what_was_bought_and_no_longer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """finish() returns when it is paid, or says that it is not when its time is up."""

    @on_jumping_loop
    async def live() -> None:
        town = Town([], None)
        waiting = asyncio.create_task(town.settlement.finish({MARKET}, 300))
        await town.clock.sleep(100)
        assert not waiting.done()
        town.gamma = ["1", "0"]
        await waiting
        assert town.clock.now() < (START + 110) * NANOSECONDS
        late = Town([], None)
        begun = late.clock.now()
        await late.settlement.finish({MARKET}, 300)
        assert 300 <= (late.clock.now() - begun) / NANOSECONDS < 310
        await Town([], None).settlement.finish(set(), 300)
        await Town(["1", "0"], [False, True]).settlement.finish({MARKET}, 300)

    live()
    assert "UNSETTLED markets=1: a later run asks on" in caplog.text


def test_a_ledger_that_cannot_be_read_is_tried_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A locked ledger is a warning; nothing is lost."""

    class Locked(MemoryLedger):
        async def awaited(self) -> list[Awaited]:
            raise LedgerError("ledger.db is locked")

    @on_jumping_loop
    async def live() -> None:
        world = fake_world(
            LoopClock(0),
            source=FakeSource(Town([], None).answer),
            new_stream=lambda *_: pytest.fail("settling holds no socket"),
            ledger=Locked(),
        )
        settlement = Settlement(world)
        settling = asyncio.create_task(settlement.run())
        await world.clock.sleep(25)
        assert not settling.done()
        settling.cancel()
        begun = world.clock.now()
        await settlement.finish({MARKET}, 60)
        assert world.clock.now() - begun >= 60 * NANOSECONDS, "nothing was paid"

    live()
    assert "UNSETTLED ledger.db is locked" in caplog.text


def test_a_fault_in_one_market_leaves_the_others_their_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged, stays open, and is asked again."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(["1", "0"], [True, False])
        strange = replace(town.ledger.waiting[0], condition_id=ConditionId("0xbb"))
        town.ledger.others = [strange]  # the town knows no such market, and raises
        assert await town.settlement.look() == {strange.condition_id}
        assert town.ledger.rows == [("settled", "5050500 gamma+clob")]
        begun = town.clock.now()
        await town.settlement.finish({strange.condition_id}, 60)
        assert town.clock.now() - begun >= 60 * NANOSECONDS

    live()
    assert "SETTLING_FAILED btc" in caplog.text


def test_a_dispute_is_not_settled_by_the_silence_of_one_side() -> None:
    """Once they differ, both must speak, and agree, also in a later run."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(["1", "0"], [False, True])
        await town.settlement.look(only={MARKET})
        town.clob = None
        await town.settlement.look(only={MARKET})
        assert town.ledger.rows == []
        town.clob = [True, False]
        await town.settlement.look(only={MARKET})
        assert town.ledger.rows == [("settled", "5050500 gamma+clob")]

    live()


def test_two_looks_at_once_pay_once() -> None:
    """The look of --once and the one in the background take turns."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(["1", "0"], [True, False])
        town.slow = 3.0
        settling = asyncio.create_task(town.settlement.run())
        await town.clock.sleep(1)
        await town.settlement.finish({MARKET}, 300)
        await town.clock.sleep(30)
        assert not settling.done()
        settling.cancel()
        assert town.ledger.rows == [("settled", "5050500 gamma+clob")]

    live()


def test_a_result_against_one_that_was_noted() -> None:
    """What was noted of a market before is a source as any other."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(None, [False, True])
        town.ledger.waiting = [replace(town.ledger.waiting[0], known=1_000_000)]
        await town.settlement.look(only={MARKET})
        assert town.ledger.rows == []
        assert town.ledger.notes[0][1]["noted"] == 1_000_000
        quiet = Town(None, None)
        quiet.ledger.waiting = [replace(quiet.ledger.waiting[0], known=1_000_000)]
        await quiet.settlement.look(only={MARKET})
        assert quiet.ledger.rows == [("settled", "5050500 noted")]

    live()


def test_no_request_in_a_market_s_last_seconds() -> None:
    """Many results are asked for a few at a time, and only while all is calm."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(["1", "0"], None, held=NO_TOKEN)
        one = town.ledger.waiting[0]
        many = [replace(one, condition_id=ConditionId(f"0x{n}")) for n in range(30)]
        calls: list[int] = []

        class Crowd(MemoryLedger):
            async def awaited(self) -> list[Awaited]:
                return many

        async def calm() -> None:
            calls.append(len(town.source.calls))

        async def answer(url: str, params: Parameters) -> bytes:
            return b"[]"

        town.source = FakeSource(answer)
        world = replace(
            fake_world(
                town.clock,
                source=town.source,
                new_stream=lambda *_: pytest.fail("settling holds no socket"),
                ledger=Crowd(),
            ),
            calm=calm,
        )
        await Settlement(world).look()
        assert calls == [0, 16, 32, 48]

    live()


def test_one_look_also_learns_what_is_known_of_the_others() -> None:
    """What the stream told of a market that was only watched is not left to later."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(None, None, held=NO_TOKEN, heard=DOWN, closed_ago=2)
        await town.settlement.finish(set(), 300)
        assert town.ledger.paid_up == {MARKET: (0, "stream")}

    live()
