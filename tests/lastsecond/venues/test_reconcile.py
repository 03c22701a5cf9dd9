"""Asking after orders, against a scripted exchange, in time that jumps."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastsecond.clock import JumpingLoop, LoopClock
from lastsecond.errors import SourceError
from lastsecond.market import NANOSECONDS, ConditionId
from lastsecond.orders import Fill, Followed, Killed, Matched, Reverted, Uncertain
from lastsecond.ports import JsonSource
from lastsecond.venues.reconcile import (
    FOLLOW_LIMIT,
    IN_FLIGHT,
    NEVER_CAME,
    Patience,
    Reconciler,
)
from tests.fakes import FakeSource, Parameters, on_jumping_loop

SINCE = 1_795_653_900 * NANOSECONDS
HOST = "https://clob.test"
MARKET = ConditionId("0x" + "c" * 64)
MINE = "0x" + "a" * 64
TWIN = "0x" + "b" * 64
OTHER = "0x" + "d" * 64

Row = dict[str, Any]


def trade(status: str, order_id: str = MINE, number: int = 1, **changed: str) -> Row:
    row = {
        "id": f"trade-{number}",
        "taker_order_id": order_id,
        "status": f"TRADE_STATUS_{status}",
        "size": "5",
        "price": "0.97",
    }
    return {**row, **changed}


@dataclass
class Exchange:
    """What is asked of it; ``trades`` and ``order`` say what it answers by then."""

    trades: Callable[[float], list[Row]] = lambda _: []
    order: Callable[[float, str], bytes] = lambda _, __: b"null"
    page_size: int = 500
    signed: list[tuple[str, str]] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    """Seconds after SINCE at which the first page was asked for."""

    def __post_init__(self) -> None:
        self.clock = LoopClock(SINCE)
        self.source = FakeSource(self.answer)

    def sign(self, method: str, path: str) -> Mapping[str, str]:
        self.signed.append((method, path))
        return {"POLY_SIGNATURE": path}

    async def answer(self, url: str, params: Parameters) -> bytes:
        at = (self.clock.now() - SINCE) / NANOSECONDS
        if "/data/order/" in url:
            return self.order(at, url.rpartition("/")[2])
        cursor = dict(params)["next_cursor"]
        start = 0 if cursor == "MA==" else int(cursor)
        if not start:
            self.asked_at.append(at)
        rows = self.trades(at)
        rest = start + self.page_size
        more = str(rest) if len(rows) > rest else "LTE="
        return json.dumps({"data": rows[start:rest], "next_cursor": more}).encode()

    async def follow(
        self, *order_ids: str, patience: Patience | None = None
    ) -> list[Followed]:
        reconciler = Reconciler(
            self.source,
            self.sign,
            host=HOST,
            clock=self.clock,
            patience=patience or Patience(),
        )
        ids: Sequence[str] = order_ids or (MINE,)
        return [told async for told in reconciler.follow(MARKET, ids, SINCE)]

    @property
    def elapsed(self) -> float:
        return (self.clock.now() - SINCE) / NANOSECONDS


@on_jumping_loop
async def test_a_confirmed_trade_is_a_fill() -> None:
    """One question is enough where the end is there."""
    exchange = Exchange(lambda _: [trade("CONFIRMED"), trade("CONFIRMED", OTHER)])
    assert await exchange.follow() == [Followed(MINE, Fill(5_000_000, 4_850_000))]
    assert exchange.elapsed == 0


@on_jumping_loop
async def test_a_fill_consists_of_all_makers_levels() -> None:
    """Its fee hangs on them; where one trade does not tell its own, none are known."""
    makers = [
        {"price": "0.96", "matched_amount": "2", "asset_id": "7"},
        {"price": "0.98", "matched_amount": "3", "asset_id": "7"},
    ]
    one = trade("CONFIRMED", price="0.972") | {"asset_id": "7", "maker_orders": makers}
    two = trade("CONFIRMED", number=2, size="3", price="0.98")
    told = two | {"asset_id": "7", "maker_orders": makers[1:]}
    levels = (960_000, 2_000_000), (980_000, 3_000_000)
    for trades, known in (
        ([one], levels),
        ([one, told], (*levels, levels[1])),
        ([one, two], ()),
    ):
        exchange = Exchange(lambda _, trades=trades: trades)  # type: ignore[misc]
        [followed] = await exchange.follow()
        assert isinstance(followed.result, Fill)
        assert followed.result.levels == known


@on_jumping_loop
async def test_a_trade_is_followed_to_its_end() -> None:
    """MATCHED and MINED are told once, as one; CONFIRMED ends it."""

    def trades(at: float) -> list[Row]:
        if at < 2:
            return []
        state = "MATCHED" if at < 10 else "MINED" if at < 30 else "CONFIRMED"
        return [trade(state)]

    exchange = Exchange(trades)
    assert await exchange.follow() == [
        Followed(MINE, Matched(5_000_000, 4_850_000, ("trade-1",))),
        Followed(MINE, Fill(5_000_000, 4_850_000)),
    ]
    assert 30 <= exchange.elapsed < 60


@on_jumping_loop
async def test_a_ghost_fill_is_reverted() -> None:
    """A trade that failed on chain bought nothing."""
    exchange = Exchange(lambda at: [trade("RETRYING" if at < 5 else "FAILED")])
    told = await exchange.follow()
    assert [type(followed.result) for followed in told] == [Matched, Reverted]
    assert told[-1].order_id == MINE


@pytest.mark.parametrize(
    ("rows", "result"),
    [
        (
            [trade("CONFIRMED"), trade("CONFIRMED", number=2, size="2", price="0.5")],
            Fill(7_000_000, 5_850_000),
        ),
        ([trade("CONFIRMED"), trade("FAILED", number=2)], Fill(5_000_000, 4_850_000)),
        (
            [trade("MINED"), trade("FAILED", number=2), trade("CONFIRMED", number=3)],
            Matched(10_000_000, 9_700_000, ("trade-1", "trade-3")),
        ),
        ([trade("FAILED"), trade("FAILED", number=2)], Reverted("")),
    ],
)
def test_several_trades_add_up(rows: list[Row], result: object) -> None:
    """Failed ones count for nothing; while one is under way it is not final."""

    @on_jumping_loop
    async def ask() -> None:
        told = await Exchange(lambda _: rows).follow()
        if isinstance(result, Reverted):
            assert isinstance(told[-1].result, Reverted)
        else:
            assert told[-1].result == result

    ask()


@on_jumping_loop
async def test_an_order_that_never_came() -> None:
    """It is believed once nothing can be under way, and two answers say so."""
    exchange = Exchange()
    assert await exchange.follow(MINE, TWIN) == [NEVER_CAME]
    late = [at for at in exchange.asked_at if at * NANOSECONDS >= IN_FLIGHT]
    assert len(late) == 2
    assert late[-1] < 90
    assert NEVER_CAME.final


@on_jumping_loop
async def test_a_late_trade_is_not_lost() -> None:
    """One empty answer, however late, is not believed."""
    exchange = Exchange()
    exchange.trades = lambda _: (
        [trade("CONFIRMED")] if [at for at in exchange.asked_at if at >= 30][1:] else []
    )
    assert await exchange.follow() == [Followed(MINE, Fill(5_000_000, 4_850_000))]


@on_jumping_loop
async def test_a_question_without_an_answer_says_nothing() -> None:
    """Two empty answers must follow each other; what is between them counts."""
    exchange = Exchange()

    def trades(at: float) -> list[Row]:
        late = len([asked for asked in exchange.asked_at if asked >= 30])
        if late % 2 == 0 and at < 300:
            raise SourceError("HTTP 500", 500)
        return []

    exchange.trades = trades
    assert await exchange.follow() == [NEVER_CAME]
    assert exchange.elapsed > 300


@on_jumping_loop
async def test_an_open_order_is_told_and_waited_for() -> None:
    """While the exchange has it, it is uncertain; each new word is told once."""

    def order(at: float, order_id: str) -> bytes:
        if order_id != TWIN or at > 100:
            return b""
        status = "DELAYED" if at < 40 else "LIVE"
        return json.dumps({"id": order_id, "status": status}).encode()

    exchange = Exchange(
        lambda at: [trade("CONFIRMED", TWIN)] if at > 100 else [], order
    )
    assert await exchange.follow(MINE, TWIN) == [
        Followed(TWIN, Uncertain("open: delayed")),
        Followed(TWIN, Uncertain("open: live")),
        Followed(TWIN, Fill(5_000_000, 4_850_000)),
    ]


@on_jumping_loop
async def test_an_order_that_is_kept_though_killed() -> None:
    """A cancelled order without a trade is one that bought nothing."""
    killed = {"id": MINE, "status": "CANCELED", "size_matched": "0"}
    exchange = Exchange(order=lambda _, __: json.dumps(killed).encode())
    (told,) = await exchange.follow()
    assert isinstance(told.result, Killed)
    assert exchange.elapsed >= 30


@on_jumping_loop
async def test_an_order_that_is_not_found() -> None:
    """404 is an answer: there is no such order."""

    def order(at: float, order_id: str) -> bytes:
        raise SourceError("HTTP 404", 404)

    assert await Exchange(order=order).follow() == [NEVER_CAME]


@on_jumping_loop
async def test_an_order_that_cannot_be_asked_after() -> None:
    """That it has no trades says nothing while the order itself is not answered."""

    def order(at: float, order_id: str) -> bytes:
        raise SourceError("HTTP 500", 500)

    assert await Exchange(order=order).follow() == []


@pytest.mark.parametrize("body", [b"<html>", b'{"error":"x"}', b"", b"null"], ids=str)
def test_what_cannot_be_read_is_no_answer(body: bytes) -> None:
    """A page of trades that is none does not mean that there are no trades."""

    @on_jumping_loop
    async def ask() -> None:
        exchange = Exchange()

        async def answer(url: str, params: Parameters) -> bytes:
            return body

        exchange.source = FakeSource(answer)
        assert await exchange.follow() == []

    ask()


@on_jumping_loop
async def test_it_gives_up_in_the_end() -> None:
    """After the limit a later run has to go on; nothing is claimed."""

    def trades(at: float) -> list[Row]:
        raise SourceError("HTTP 401", 401)

    exchange = Exchange(trades)
    assert await exchange.follow() == []
    limit = FOLLOW_LIMIT / NANOSECONDS
    assert limit <= exchange.elapsed < limit + 30


@on_jumping_loop
async def test_it_does_not_ask_too_often() -> None:
    """The pauses grow from a quarter of a second to half a minute."""

    def trades(at: float) -> list[Row]:
        raise SourceError("HTTP 503", 503)

    exchange = Exchange(trades)
    await exchange.follow()
    times = exchange.asked_at
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert pauses[0] == pytest.approx(0.25)
    assert pauses == pytest.approx(sorted(pauses))
    assert max(pauses) == pytest.approx(30)
    assert len(times) < 40


@on_jumping_loop
async def test_the_limits_can_be_shorter() -> None:
    """Patience is the caller's."""
    exchange = Exchange()
    second = NANOSECONDS
    patience = Patience(follow_limit=9 * second, in_flight=2 * second)
    assert await exchange.follow(patience=patience) == [NEVER_CAME]
    assert exchange.elapsed < 9


@on_jumping_loop
async def test_every_page_is_read() -> None:
    """The order's trade may be on the last page."""
    rows = [trade("CONFIRMED", OTHER, number) for number in range(7)]
    exchange = Exchange(lambda _: [*rows, trade("CONFIRMED")], page_size=3)
    assert await exchange.follow() == [Followed(MINE, Fill(5_000_000, 4_850_000))]
    cursors = [dict(params)["next_cursor"] for _, params in exchange.source.calls]
    assert cursors == ["MA==", "3", "6"]


@on_jumping_loop
async def test_pages_without_end_are_no_answer() -> None:
    """An exchange that always has another page has not answered."""
    rows = [trade("CONFIRMED", OTHER, number) for number in range(50)]
    exchange = Exchange(lambda _: rows, page_size=1)
    assert await exchange.follow() == []


@on_jumping_loop
async def test_what_is_asked() -> None:
    """Trades of the market since a minute before, then each order; signed GETs."""
    exchange = Exchange()
    await exchange.follow(MINE, TWIN)
    first, second, third = exchange.source.calls[:3]
    assert first == (
        f"{HOST}/data/trades",
        [
            ("market", MARKET),
            ("after", str(SINCE // NANOSECONDS - 60)),
            ("next_cursor", "MA=="),
        ],
    )
    assert second == (f"{HOST}/data/order/{MINE}", [])
    assert third == (f"{HOST}/data/order/{TWIN}", [])
    assert set(exchange.signed) == {
        ("GET", "/data/trades"),
        ("GET", f"/data/order/{MINE}"),
        ("GET", f"/data/order/{TWIN}"),
    }


def test_nothing_can_be_sent() -> None:
    """All that a Reconciler is given is a source, and a source can only get."""
    assert [name for name in vars(JsonSource) if not name.startswith("_")] == ["get"]


@on_jumping_loop
async def test_ids_are_one_in_any_spelling() -> None:
    """The exchange may write an id in capitals, and so may a ledger."""
    shouted = MINE.upper().replace("X", "x")
    exchange = Exchange(lambda _: [trade("CONFIRMED", shouted)])
    (told,) = await exchange.follow(shouted)
    assert told == Followed(MINE, Fill(5_000_000, 4_850_000))


STEP = st.sampled_from(
    ["", "", "error", "garbage", "open", "MATCHED", "FAILED", "CONFIRMED"]
)


@settings(deadline=None)
@given(steps=st.lists(STEP, max_size=30), since=st.integers(0, 60))
def test_no_end_is_told_that_was_not_there(steps: list[str], since: int) -> None:
    """Whatever the answers: an end is the last that is told, and was really said."""
    said: list[str] = []

    async def run() -> list[Followed]:
        exchange = Exchange()

        async def answer(url: str, params: Parameters) -> bytes:
            if "/data/order/" in url:
                return b'{"id":"1","status":"LIVE"}' if said[-1] == "open" else b""
            late = exchange.elapsed >= IN_FLIGHT / NANOSECONDS
            step = steps[len(said)] if len(said) < len(steps) else ""
            said.append("late" if late and not step else step)
            if step == "error":
                raise SourceError("HTTP 500", 500)
            if step == "garbage":
                return b"<html>"
            rows = [] if step in {"", "open"} else [trade(step)]
            return json.dumps({"data": rows, "next_cursor": "LTE="}).encode()

        exchange.source = FakeSource(answer)
        return await exchange.follow()

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        told = runner.run(run())
    assert not any(followed.final for followed in told[:-1])
    match told[-1].result if told else None:
        case Killed():
            assert said[-2:] == ["late", "late"]
        case Fill():
            assert said[-1] == "CONFIRMED"
        case Reverted():
            assert said[-1] == "FAILED"
        case _:
            assert not {"FAILED", "CONFIRMED"} & set(said)
