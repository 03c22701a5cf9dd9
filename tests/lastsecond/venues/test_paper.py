"""Paper orders: the real ones' amounts, filled by the book of their matching moment."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps

import pytest

from lastsecond.clock import LoopClock
from lastsecond.errors import SourceError, VenueError
from lastsecond.market import NANOSECONDS, ConditionId, Outcome, TokenId
from lastsecond.money import MICRO, order_amounts
from lastsecond.orders import (
    Estimate,
    Figure,
    Fill,
    Intent,
    Killed,
    Rejected,
    Result,
)
from lastsecond.trail import Print, Scene, Trail
from lastsecond.venues.paper import PaperTicket, PaperVenue
from tests.fakes import FakeSource, Parameters, on_jumping_loop
from tests.scripted import StillSight

CONDITION = ConditionId("0x" + "c" * 64)
UP, DOWN = TokenId("1"), TokenId("2")
START = 1_795_653_600 * NANOSECONDS
MS = NANOSECONDS // 1000
ONE_WAY, HOLD = 40 * MS, 150 * MS
MATCHED = START + ONE_WAY + HOLD
DEEP = ((970_000, 100 * MICRO),)
THERE = Fill(5_154_639, 4_999_999)


def intent(
    token: TokenId = UP,
    limit: int = 970_000,
    tick: int = 10_000,
    spend: int = 5_000_000,
) -> Intent:
    return Intent(
        condition_id=CONDITION,
        ticker="btc",
        token_id=token,
        outcome=Outcome.UP if token == UP else Outcome.DOWN,
        spend=spend,
        limit=limit,
        tick=tick,
    )


def terms(**fields: object) -> bytes:
    """An answer of /clob-markets as the exchange writes it; ``...`` leaves one out."""
    market = {
        "c": CONDITION,
        "mts": 0.01,
        "fd": {"r": 0.07, "e": 1, "to": True},
        "itode": True,
        **fields,
    }
    return json.dumps({k: v for k, v in market.items() if v is not ...}).encode()


class Bench:
    """A paper venue on a jumping clock, and one order of it."""

    def __init__(
        self,
        answer: bytes | None = None,
        balance: int | None = None,
        cash: int = 0,
        hold: int = HOLD,
    ) -> None:
        self.answer = terms() if answer is None else answer
        self.cash = cash
        self.clock = LoopClock(START)
        self.source = FakeSource(self._get)
        self.venue = PaperVenue(
            clock=self.clock,
            source=self.source,
            host="https://clob.test",
            one_way=lambda: ONE_WAY,
            hold=hold,
            balance=balance,
            cash=self._cash,
        )
        self.sight = StillSight(DEEP)
        self.slow = 0.0

    async def _get(self, url: str, params: Parameters) -> bytes:
        assert url == f"https://clob.test/clob-markets/{CONDITION}"
        await asyncio.sleep(self.slow)
        if not self.answer:
            raise SourceError("down")
        return self.answer

    async def _cash(self) -> int:
        return self.cash

    async def ticket(self, limit: int = 970_000, spend: int = 5_000_000) -> PaperTicket:
        return await self.venue.arm(
            [intent(token, limit, spend=spend) for token in (UP, DOWN)]
        )

    @property
    def trail(self) -> Trail:
        return self.sight.trails[-1]

    def show(self, at: int, asks: Sequence[tuple[int, int]], fault: str = "") -> None:
        """The book as it is seen to have become at ``at`` ms after the order left."""
        moment = START + at * MS
        best = min((price for price, _ in asks), default=None)
        scene = Scene(
            at=moment,
            known_at=moment,
            fault=fault,
            asks=tuple(asks),
            best_ask=best,
            tick=10_000,
        )
        for source in (0, 1):
            self.trail.show(scene, source)


def live(
    test: Callable[..., Awaitable[None]],
) -> Callable[..., None]:
    """Run a test on the jumping loop."""

    @wraps(test)
    def run(**values: object) -> None:
        @on_jumping_loop
        async def inner() -> None:
            await test(**values)

        inner()

    return run


def figures(estimates: Sequence[Estimate]) -> dict[str, Result]:
    return {estimate.figure.value: estimate.result for estimate in estimates}


@live
async def test_orders_are_the_real_ones_unsigned() -> None:
    """Both tokens' orders, with real amounts and limits, and no body to send."""
    bench = Bench()
    ticket = await bench.venue.arm([intent(), intent(DOWN, limit=975_500)])
    up, down = ticket.orders[UP], ticket.orders[DOWN]
    assert (up.maker_amount, up.taker_amount) == order_amounts(
        5_000_000, 970_000, 10_000
    )
    assert (up.limit, down.limit) == (970_000, 970_000)
    assert (up.outcome, down.outcome) == (Outcome.UP, Outcome.DOWN)
    assert (up.body, down.body) == (b"", b"")
    assert (up.fee_rate, down.fee_rate) == (70_000, 70_000)
    assert up.order_id.startswith("paper-")
    assert up.order_id != down.order_id
    again = await bench.venue.arm([intent()])
    assert again.orders[UP].order_id == up.order_id
    assert ticket.estimates() == []
    await ticket.warm()
    ticket.close()
    assert PaperVenue.label == "PAPER"


@live
async def test_a_limit_without_a_price() -> None:
    """What could not be signed cannot be had on paper."""
    with pytest.raises(VenueError, match="no price"):
        await Bench().ticket(limit=5_000)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "fees could not be read"),
        (b"<html>", "fees could not be read"),
        (terms(c="0x" + "d" * 64), "fees could not be read"),
        (terms(fd=...), "schedule is not one that is known"),
        (terms(fd=None), "schedule is not one that is known"),
        (terms(fd={"r": 0.07, "e": 2}), "schedule is not one that is known"),
        (terms(fd={"r": 7, "e": 1}), "schedule is not one that is known"),
        (terms(fd={"r": 0.0712345678, "e": 1}), "fees could not be read"),
    ],
)
@live
async def test_fees_that_are_not_known_are_no_zero(answer: bytes, told: str) -> None:
    """A market whose schedule cannot be read is not traded on paper."""
    bench = Bench()
    bench.answer = answer
    with pytest.raises(VenueError, match=told):
        await bench.ticket()


@live
async def test_a_fill_is_known_when_the_moments_frames_have_come() -> None:
    """Matched after way and hold; late frames still count for their own moment."""
    bench = Bench()
    ticket = await bench.ticket()
    answer = asyncio.ensure_future(ticket.fire(UP, bench.sight))
    await bench.clock.sleep_until(MATCHED + ONE_WAY + 400 * MS)
    assert not answer.done()
    bench.show(189, [(960_000, 100 * MICRO)])
    bench.show(191, [])
    assert await answer == Fill(5_208_333, 4_999_999)
    assert bench.clock.now() == MATCHED + ONE_WAY + 500 * MS


@live
async def test_a_market_that_holds_nobody_back() -> None:
    """Without itode there is no hold."""
    bench = Bench(terms(itode=...))
    await (await bench.ticket()).fire(UP, bench.sight)
    assert bench.clock.now() == START + 2 * ONE_WAY + 500 * MS


@pytest.mark.parametrize(
    ("asks", "result"),
    [
        ([(500_000, 100 * MICRO)], Fill(10_000_000, 5_000_000)),
        ([(960_000, 2 * MICRO), (970_000, 9 * MICRO)], Fill(5_175_257, 4_999_999)),
        ([(970_000, MICRO), (980_000, 100 * MICRO)], "not enough depth"),
        ([(980_000, 100 * MICRO)], "no ask"),
        ([], "no ask"),
    ],
)
@live
async def test_it_takes_the_asks_of_the_matching_moment(
    asks: list[tuple[int, int]], result: Fill | str
) -> None:
    """All of it at the limit or better, or nothing."""
    bench = Bench()
    ticket = await bench.ticket()
    answer = ticket.fire(UP, bench.sight)
    bench.show(100, [level for level in asks if level[0] <= 970_000])
    told = await answer
    if isinstance(result, str):
        assert isinstance(told, Killed)
        assert result in told.reason
    else:
        assert told == result


@live
async def test_an_ask_that_vanishes_after_the_decision() -> None:
    """Gone 100 ms later: a fill in the optimistic figure, a kill in the others."""
    bench = Bench()
    ticket = await bench.ticket()
    answer = ticket.fire(UP, bench.sight)
    bench.show(100, [])
    assert await answer == Killed("no ask")
    await bench.clock.sleep(3)
    assert figures(ticket.estimates()) == {
        Figure.OPTIMISTIC: THERE,
        Figure.REALISTIC: Killed("no ask"),
        Figure.PESSIMISTIC: Killed("no ask"),
    }


@live
async def test_an_ask_that_vanishes_after_the_matching() -> None:
    """What happens later cannot undo the fill, only the pessimist's belief in it."""
    bench = Bench()
    ticket = await bench.ticket()
    answer = ticket.fire(UP, bench.sight)
    bench.show(191, [])
    assert await answer == THERE
    assert [e.figure for e in ticket.estimates()] == [
        Figure.OPTIMISTIC,
        Figure.REALISTIC,
    ]
    await bench.clock.sleep(3)
    told = figures(ticket.estimates())
    assert told[Figure.PESSIMISTIC] == Killed(
        "neither traded within 2 s nor still there after 1 s"
    )


@pytest.mark.parametrize(
    ("prints", "believed"),
    [
        ([(300, 970_000, 5_154_639)], True),
        ([(300, 960_000, 3_000_000), (400, 970_000, 3_000_000)], True),
        ([(300, 970_000, 5_154_638)], False),
        ([(300, 980_000, 9_000_000)], False),
        ([(100, 970_000, 9_000_000)], False),
        ([(2_191, 970_000, 9_000_000)], False),
        ([(2_190, 970_000, 9_000_000)], True),
    ],
)
@live
async def test_the_tape_bears_a_fill_out(
    prints: list[tuple[int, int, int]], believed: bool
) -> None:
    """As many shares bought at or under its price within two seconds of matching."""
    bench = Bench()
    ticket = await bench.ticket()
    answer = ticket.fire(UP, bench.sight)
    bench.show(191, [])
    for at, price, size in prints:
        for source in (0, 1):  # both sockets tell the same tape
            bench.trail.tell(Print(START + at * MS, price, size), source)
    await answer
    await bench.clock.sleep(3)
    told = figures(ticket.estimates())[Figure.PESSIMISTIC]
    assert isinstance(told, Fill) == believed


@pytest.mark.parametrize("fault", ["stale_book", "crossed_book", "doubtful_book"])
@live
async def test_a_book_that_is_not_to_be_believed(fault: str) -> None:
    """Never a fill, in whichever moment it is looked at, and it says why."""
    bench = Bench()
    ticket = await bench.ticket()
    answer = ticket.fire(UP, bench.sight)
    bench.show(50, DEEP, fault=fault)
    told = await answer
    assert isinstance(told, Killed)
    assert fault in told.reason
    bench = Bench()
    bench.sight = StillSight(DEEP, fault=fault)
    ticket = await bench.ticket()
    assert isinstance(await ticket.fire(UP, bench.sight), Killed)
    await bench.clock.sleep(3)
    assert not any(isinstance(e.result, Fill) for e in ticket.estimates())


@live
async def test_a_book_that_goes_stale_on_the_way() -> None:
    """The last word was five seconds old at the matching: nobody knows what stood."""
    bench = Bench(hold=5 * NANOSECONDS)
    ticket = await bench.ticket()
    assert await ticket.fire(UP, bench.sight) == Killed(
        "the book is not to be believed: stale_book"
    )


@pytest.mark.parametrize(
    ("balance", "cash", "result"),
    [
        (1000 * MICRO, 0, THERE),
        (1000 * MICRO, -994_000_000, THERE),
        (5_010_825, 0, THERE),
        (5_010_400, 0, "balance: 5010400, order amount: 5010500"),
        (1000 * MICRO, -996_000_000, "balance: 4000000, order amount: 5010500"),
    ],
)
@live
async def test_the_paper_balance_can_run_out(
    balance: int, cash: int, result: Fill | str
) -> None:
    """What the ledger's fills left must cover spend and fee, or it is refused."""
    bench = Bench(balance=balance, cash=cash)
    ticket = await bench.ticket()
    told = await ticket.fire(UP, bench.sight)
    if isinstance(result, Fill):
        assert told == result
        return
    assert isinstance(told, Rejected)
    assert "not enough balance" in told.reason
    assert all(isinstance(estimate.result, Rejected) for estimate in ticket.estimates())


@live
async def test_orders_of_one_second_share_a_balance() -> None:
    """Two that leave together cannot both spend the last dollars."""
    bench = Bench(balance=9 * MICRO)
    first, second = await bench.ticket(), await bench.ticket()
    answers = await asyncio.gather(
        first.fire(UP, bench.sight), second.fire(DOWN, bench.sight)
    )
    assert answers[0] == THERE
    assert isinstance(answers[1], Rejected)
    third = await bench.ticket()
    assert isinstance(await third.fire(UP, bench.sight), Rejected)
    for ticket in (first, second, third):
        ticket.close()
    bench.cash = -5 * MICRO
    fourth = await bench.ticket()
    assert isinstance(await fourth.fire(UP, bench.sight), Rejected)
    fourth.close()
    bench.cash = 0
    assert await (await bench.ticket()).fire(UP, bench.sight) == THERE


@pytest.mark.parametrize(
    ("spend", "tick", "words"),
    [
        (990_000, 10_000, "min size: $1"),
        (5_000_000, 1_000, None),
        (5_000_000, 100_000, "breaks minimum tick size rule: 0.1"),
    ],
)
@live
async def test_what_the_exchange_would_refuse(
    spend: int, tick: int, words: str | None
) -> None:
    """Too small an order, or a grid that has become coarser: refused in its words."""
    bench = Bench()
    bench.sight = StillSight(DEEP, tick=tick)
    ticket = await bench.ticket(spend=spend)
    told = await ticket.fire(UP, bench.sight)
    if words is None:
        assert told == THERE
    else:
        assert isinstance(told, Rejected)
        assert words in told.reason


@live
async def test_what_an_earlier_run_left_was_never_filled() -> None:
    """A paper order does not outlive its process."""
    followed = [told async for told in Bench().venue.follow(CONDITION, ["a", "b"], 7)]
    (told,) = followed
    assert told.order_id is None
    assert isinstance(told.result, Rejected)
    assert told.final
    assert not told.result.halts


@live
async def test_closing_ends_the_following() -> None:
    """What is not known by then stays unknown; an order that never left has nothing."""
    bench = Bench()
    ticket = await bench.ticket()
    await ticket.fire(UP, bench.sight)
    ticket.close()
    await bench.clock.sleep(9)
    bench.show(9_000, [])
    assert [e.figure for e in ticket.estimates()] == [
        Figure.OPTIMISTIC,
        Figure.REALISTIC,
    ]


@live
async def test_what_was_booked_is_what_the_realistic_figure_says() -> None:
    """A frame that comes too late, or a balance that ran out, leaves them the same."""
    bench = Bench(balance=5_020_000)
    ticket = await bench.ticket()
    answer = ticket.fire(UP, bench.sight)
    booked = await answer
    bench.show(150, [])
    assert booked == THERE
    assert figures(ticket.estimates())[Figure.REALISTIC] == THERE
    poor = Bench(balance=9_000_000)
    first, second = await poor.ticket(), await poor.ticket()
    results = await asyncio.gather(
        first.fire(UP, poor.sight), second.fire(DOWN, poor.sight)
    )
    assert isinstance(results[1], Rejected)
    assert figures(second.estimates())[Figure.REALISTIC] == results[1]


@live
async def test_the_hardest_figure_needs_a_word_from_later() -> None:
    """A book that nobody has spoken of since the decision bears nothing out."""
    bench = Bench()
    ticket = await bench.ticket()
    assert await ticket.fire(UP, bench.sight) == THERE
    await bench.clock.sleep(3)
    told = figures(ticket.estimates())[Figure.PESSIMISTIC]
    assert isinstance(told, Killed)


@live
async def test_a_word_from_later_bears_a_fill_out() -> None:
    """A second after the matching the asks were still there, and somebody said so."""
    heard = Bench()
    ticket = await heard.ticket()
    answer = asyncio.ensure_future(ticket.fire(UP, heard.sight))
    await answer
    heard.show(1_250, DEEP)
    await heard.clock.sleep(3)
    assert figures(ticket.estimates())[Figure.PESSIMISTIC] == THERE
