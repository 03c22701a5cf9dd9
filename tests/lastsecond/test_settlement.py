"""Filled markets are paid by the official result, or stay open."""

import json
import logging

import pytest

from lastsecond.clock import LoopClock
from lastsecond.errors import LedgerError, SourceError
from lastsecond.market import NANOSECONDS, ConditionId, TokenId
from lastsecond.orders import Position, State
from lastsecond.settlement import settle
from tests.fakes import FakeSource, Parameters, on_jumping_loop
from tests.scripted import MemoryLedger, fake_world

UP, DOWN = TokenId("11"), TokenId("22")
MARKET = ConditionId("0xaa")
START = 1_795_653_600


class Town:
    """One filled market of Up, and what Gamma and the CLOB answer (None: down)."""

    def __init__(
        self, gamma: list[str] | None, clob: list[bool] | None, *, closed_ago: int = 60
    ) -> None:
        self.ledger = MemoryLedger()
        self.ledger.states[MARKET] = State.FILLED
        self.ledger.held = [
            Position(
                condition_id=MARKET,
                ticker="btc",
                token_id=UP,
                shares=5_050_500,
                cost=5_000_000,
                close_at=(START - closed_ago) * NANOSECONDS,
            )
        ]
        self._gamma, self._clob = gamma, clob

    async def answer(self, url: str, params: Parameters) -> bytes:
        if url == "https://gamma.test/markets":
            assert dict(params) == {"condition_ids": MARKET, "closed": "true"}
            if self._gamma is None:
                raise SourceError("down")
            market = {
                "clobTokenIds": json.dumps([UP, DOWN]),
                "outcomePrices": json.dumps(self._gamma),
                "umaResolutionStatus": "resolved",
                "closed": True,
            }
            return json.dumps([market] if self._gamma else []).encode()
        assert url == f"https://clob.test/markets/{MARKET}"
        if self._clob is None:
            return b"<html>"
        tokens = [
            {"token_id": token, "winner": winner}
            for token, winner in zip((UP, DOWN), self._clob, strict=True)
        ]
        return json.dumps({"closed": True, "tokens": tokens}).encode()

    async def settle(self) -> None:
        world = fake_world(
            LoopClock(START * NANOSECONDS),
            source=FakeSource(self.answer),
            new_stream=lambda *_: pytest.fail("settling holds no socket"),
            ledger=self.ledger,
        )
        await settle(world)


@pytest.mark.parametrize(
    ("gamma", "clob", "booked"),
    [
        (["1", "0"], [True, False], "5050500 both"),
        (["0", "1"], [False, True], "0 both"),
        (["0.5", "0.5"], [False, False], "2525250 gamma"),
        (["1", "0"], None, "5050500 gamma"),
        (None, [True, False], "5050500 clob"),
        ([], [False, True], "0 clob"),
        (["1", "0"], [False, False], "5050500 gamma"),
        (["1", "0"], [False, True], None),
        (["0.99", "0.01"], [False, False], None),
        (None, None, None),
    ],
)
def test_the_result_is_booked_by_token_or_not_at_all(
    gamma: list[str] | None, clob: list[bool] | None, booked: str | None
) -> None:
    """Winners, losers and voids are paid; unknown and contradicting results are not."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(gamma, clob)
        await town.settle()
        rows = [] if booked is None else [("settled", booked)]
        assert town.ledger.rows == rows

    live()


def test_sources_that_differ_are_said_loudly(caplog: pytest.LogCaptureFixture) -> None:
    """A contradiction is an error for a person, and the position stays open."""

    @on_jumping_loop
    async def live() -> None:
        await Town(["1", "0"], [False, True]).settle()

    live()
    [line] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert line.getMessage().startswith("RESULTS_DIFFER btc gamma=1000000 clob=0")


def test_an_open_market_is_not_asked_about() -> None:
    """Before its close there is no result to ask for."""

    @on_jumping_loop
    async def live() -> None:
        town = Town(["1", "0"], [True, False], closed_ago=-5)
        await town.settle()
        assert town.ledger.rows == []

    live()


def test_a_ledger_that_cannot_be_read_is_tried_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A locked ledger is a warning; nothing is lost."""

    class Locked(MemoryLedger):
        async def positions(self) -> list[Position]:
            raise LedgerError("ledger.db is locked")

    @on_jumping_loop
    async def live() -> None:
        town = Town(["1", "0"], [True, False])
        town.ledger = Locked()
        await town.settle()

    live()
    assert "UNSETTLED ledger.db is locked" in caplog.text
