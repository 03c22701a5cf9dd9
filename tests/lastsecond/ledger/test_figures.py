"""The figures that the caps are held against."""

from itertools import count
from pathlib import Path

import pytest

from lastsecond.ledger import RESUMED, Ledger
from lastsecond.limits import Figures
from lastsecond.market import ConditionId
from lastsecond.orders import (
    Fill,
    Killed,
    Matched,
    Rejected,
    Result,
    Reverted,
    State,
    Uncertain,
)
from tests.lastsecond.ledger.setting import (
    CLOSE,
    START,
    WALLET,
    armed,
    ledger_in,
    pair,
    recount,
    sent,
    signed,
    table,
)

NUMBERS = count(1)


async def ended(ledger: Ledger, *results: Result, settled: int | None = None) -> None:
    """One more market whose order was sent and came to that."""
    market = ConditionId(f"0x{next(NUMBERS)}")
    order_id = await sent(ledger, market)
    for result in results:
        ledger.result(market, order_id, result)
    if settled is not None:
        ledger.settle(market, settled, "gamma")


async def test_nothing_was_done_yet(tmp_path: Path) -> None:
    """An armed market of this run has spent nothing."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
        assert await ledger.figures(START) == Figures()


@pytest.mark.parametrize(
    ("results", "settled", "exposure", "loss"),
    [
        ([], None, 5_000_000, 5_000_000),
        ([Uncertain("x")], None, 5_000_000, 5_000_000),
        ([Matched(5, 4_900_000, ())], None, 5_000_000, 5_000_000),
        ([Matched(5, 4_900_000, ()), Uncertain("x")], None, 5_000_000, 5_000_000),
        ([Fill(5, 4_900_000)], None, 4_900_000, 4_900_000),
        ([Matched(5, 5, ()), Fill(5, 4_900_000)], None, 4_900_000, 4_900_000),
        ([Fill(5, 4_900_000)], 0, 0, 4_900_000),
        ([Fill(5, 4_900_000)], 5_000_000, 0, -100_000),
        ([Killed("x")], None, 0, 0),
        ([Rejected("x")], None, 0, 0),
        ([Matched(5, 5, ()), Reverted("x")], None, 0, 0),
        ([Uncertain("x"), Killed("x")], None, 0, 0),
    ],
)
async def test_the_worst_case_counts(
    tmp_path: Path, results: list[Result], settled: int, exposure: int, loss: int
) -> None:
    """What may have been bought is; what was bought is lost until it is paid."""
    async with ledger_in(tmp_path) as ledger:
        await ended(ledger, *results, settled=settled)
        figures = await ledger.figures(START)
        assert (figures.open_exposure, figures.loss_today) == (exposure, loss)
        assert figures.orders_today == 1


async def test_yesterday_s_loss_is_not_today_s(tmp_path: Path) -> None:
    """The day is the market's close; exposure has none."""
    async with ledger_in(tmp_path) as ledger:
        await ended(ledger, Fill(5, 4_900_000))
        figures = await ledger.figures(CLOSE)
        assert figures == Figures(open_exposure=4_900_000, loss_today=4_900_000)
        assert await ledger.figures(CLOSE + 1) == Figures(open_exposure=4_900_000)


async def test_what_an_earlier_run_armed_may_have_left(tmp_path: Path) -> None:
    """Until it is cleared up it counts as an order, and the dearer one."""
    async with ledger_in(tmp_path) as ledger:
        market = ConditionId("0xa")
        await ledger.discover(market, "btc", CLOSE)
        ledger.move(market, State.WATCHING)
        dear = signed(market, pair()[1].outcome, maker=7_000_000)
        await ledger.arm(market, [signed(market), dear])
    async with ledger_in(tmp_path) as ledger:
        assert await ledger.figures(START) == Figures(
            orders_today=1, open_exposure=7_000_000, loss_today=7_000_000
        )
        await ledger.unresolved()
        ledger.move(market, State.UNCERTAIN, "found open")
        assert (await ledger.figures(START)).open_exposure == 7_000_000
        ledger.result(market, None, Killed("no such order"))
        assert await ledger.figures(START) == Figures(orders_today=1)


KILLED, REJECTED, UNCERTAIN = Killed("k"), Rejected("r"), Uncertain("u")


@pytest.mark.parametrize(
    ("answers", "rejections", "uncertain"),
    [
        ([REJECTED], 1, 0),
        ([REJECTED, REJECTED, REJECTED], 3, 0),
        ([REJECTED, KILLED], 0, 0),
        ([UNCERTAIN, Fill(1, 1), UNCERTAIN, UNCERTAIN], 0, 2),
        ([KILLED, REJECTED, UNCERTAIN, REJECTED], 2, 1),
    ],
)
async def test_bad_answers_in_a_row(
    tmp_path: Path, answers: list[Result], rejections: int, uncertain: int
) -> None:
    """A good answer ends the row; a bad one of the other kind does not, nor a run."""
    for answer in answers:
        async with ledger_in(tmp_path) as ledger:
            await ended(ledger, answer)
    async with ledger_in(tmp_path) as ledger:
        figures = await ledger.figures(START)
        assert (figures.rejections, figures.uncertain) == (rejections, uncertain)


async def test_an_answer_counts_as_it_first_came(tmp_path: Path) -> None:
    """That an uncertain order was cleared up later does not make the line better."""
    async with ledger_in(tmp_path) as ledger:
        for _ in range(3):
            await ended(ledger, UNCERTAIN, UNCERTAIN, KILLED)
        assert (await ledger.figures(START)).uncertain == 3


async def test_resuming_counts_anew(tmp_path: Path) -> None:
    """Who takes a halt away is not halted by the same row again."""
    async with ledger_in(tmp_path) as ledger:
        await ended(ledger, REJECTED)
        await ended(ledger, UNCERTAIN)
        ledger.note(None, RESUMED)
        assert await ledger.figures(START) == Figures(
            orders_today=2, open_exposure=5_000_000, loss_today=5_000_000
        )
        await ended(ledger, REJECTED)
        assert (await ledger.figures(START)).rejections == 1


async def test_each_wallet_and_mode_counts_its_own(tmp_path: Path) -> None:
    """Paper losses halt no live account, nor the other way round."""
    async with ledger_in(tmp_path) as ledger:
        await ended(ledger, REJECTED)
        await ended(ledger, Fill(5, 5))
        live = await ledger.figures(START)
    async with ledger_in(tmp_path, mode="PAPER") as ledger:
        assert await ledger.figures(START) == Figures()
        await ended(ledger, UNCERTAIN)
    async with ledger_in(tmp_path, wallet="0x2") as ledger:
        assert await ledger.figures(START) == Figures()
    async with ledger_in(tmp_path) as ledger:
        assert await ledger.figures(START) == live
        run_id = max(row["id"] for row in table(tmp_path, "runs"))
        assert live == recount(tmp_path, WALLET.lower(), "LIVE", run_id, START)
