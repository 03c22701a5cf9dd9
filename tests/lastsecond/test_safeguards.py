"""What forbids an order: each guard, the caps together, and what halts."""

import asyncio
import logging
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastsecond.errors import LedgerError
from lastsecond.limits import Figures, Limits, breach
from lastsecond.orders import (
    Fill,
    Killed,
    Matched,
    Rejected,
    Result,
    Reverted,
    Uncertain,
)
from lastsecond.ports import Guard
from lastsecond.safeguards import LAG_WINDOW, Caps, Watchman

LIMITS = Limits(
    max_order=10_000_000,
    max_daily_loss=30_000_000,
    max_open_exposure=20_000_000,
    max_orders_per_day=5,
    max_rejections=3,
    max_uncertain=2,
)
FIVE = 5_000_000


class Post:
    """A watchman and all that it looks at."""

    def __init__(self, *, caps: bool = True, limits: Limits = LIMITS) -> None:
        self.clock: Guard | None = None
        self.lag = 0
        self.windows: list[float] = []
        self.stored = Figures()
        self.asked = 0
        self.fault: str | None = None
        self.open: asyncio.Event | None = None
        self.is_halted = False
        self.halts: list[str] = []
        self.watchman = Watchman(
            clock_fault=lambda: self.clock,
            lag=self.worst,
            lag_limit=1_000_000,
            caps=Caps(
                limits=limits,
                figures=self.figures,
                halted=lambda: self.is_halted,
                halt=self.halt,
            )
            if caps
            else None,
        )

    def worst(self, seconds: float) -> int:
        self.windows.append(seconds)
        return self.lag

    async def figures(self) -> Figures:
        """As the ledger has them when it is asked; it may take its time."""
        self.asked += 1
        found = self.stored
        if self.open is not None:
            await self.open.wait()
        if self.fault:
            raise LedgerError(self.fault)
        return found

    def halt(self, reason: str) -> None:
        self.halts.append(reason)
        self.is_halted = True

    def fire(self, spend: int = FIVE) -> None:
        """An order leaves; the ledger has it at once, the watchman too."""
        self.watchman.fired(spend)
        self.stored = self.stored.after(spend)


def test_nothing_objects() -> None:
    """Within the caps, on time and not late, an order may go."""
    post = Post()
    assert post.watchman.objection(FIVE) is None
    assert post.windows == [LAG_WINDOW]
    assert post.halts == []


def test_a_halt_forbids() -> None:
    """Whoever set it, and it is not set again."""
    post = Post()
    post.is_halted = True
    assert post.watchman.objection(FIVE) is Guard.HALTED
    assert post.halts == []


@pytest.mark.parametrize("caps", [True, False])
@pytest.mark.parametrize("fault", [Guard.CLOCK_UNKNOWN, Guard.CLOCK_OFF])
def test_a_clock_in_doubt_forbids(fault: Guard, caps: bool) -> None:
    """Its own fault is the objection, live or on paper; it halts nothing."""
    post = Post(caps=caps)
    post.clock = fault
    assert post.watchman.objection(FIVE) is fault
    assert post.halts == []


@pytest.mark.parametrize("caps", [True, False])
def test_a_late_loop_forbids(caps: bool) -> None:
    """Later than the limit, not just as late."""
    post = Post(caps=caps)
    post.lag = 1_000_000
    assert post.watchman.objection(FIVE) is None
    post.lag += 1
    assert post.watchman.objection(FIVE) is Guard.LOOP_LAG
    assert post.halts == []


def test_the_gravest_objection_is_told() -> None:
    """A halt before the clock, the clock before the loop."""
    post = Post()
    post.is_halted, post.clock, post.lag = True, Guard.CLOCK_OFF, 10**9
    assert post.watchman.objection(FIVE) is Guard.HALTED
    post.is_halted = False
    assert post.watchman.objection(FIVE) is Guard.CLOCK_OFF
    post.clock = None
    assert post.watchman.objection(FIVE) is Guard.LOOP_LAG


@pytest.mark.parametrize(
    ("figures", "spend", "named"),
    [
        (Figures(), 10_000_001, "MAX_ORDER"),
        (Figures(loss_today=26_000_000), FIVE, "MAX_DAILY_LOSS"),
        (Figures(open_exposure=16_000_000), FIVE, "MAX_OPEN_EXPOSURE"),
        (Figures(orders_today=5), FIVE, "MAX_ORDERS_PER_DAY"),
        (Figures(rejections=3), FIVE, "MAX_REJECTIONS"),
        (Figures(uncertain=2), FIVE, "MAX_UNCERTAIN"),
    ],
)
async def test_each_cap_halts(
    figures: Figures, spend: int, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A cap that the order would break forbids it and halts, once, with its name."""
    post = Post()
    post.stored = figures
    await post.watchman.prepare()
    for _ in range(3):
        assert post.watchman.objection(spend) is Guard.HALTED
    (reason,) = post.halts
    assert named in reason
    assert caplog.messages == [f"HALTED {reason}"]
    assert caplog.records[0].levelno == logging.CRITICAL


async def test_orders_of_one_second_count_at_once() -> None:
    """What left since the figures were learnt is in every next objection."""
    post = Post()
    await post.watchman.prepare()
    for _ in range(4):
        assert post.watchman.objection(FIVE) is None
        post.fire()
    assert post.watchman.objection(FIVE) is Guard.HALTED
    assert "MAX_OPEN_EXPOSURE" in post.halts[0]


async def test_an_order_is_not_counted_twice() -> None:
    """What the ledger has counted is dropped here."""
    post = Post()
    post.fire()
    post.fire()
    await post.watchman.prepare()
    post.fire()
    assert post.watchman.objection(FIVE) is None
    post.fire()
    assert post.watchman.objection(FIVE) is Guard.HALTED


async def test_an_order_that_leaves_while_the_figures_are_learnt() -> None:
    """The figures are learnt again, so that it is counted, and once."""
    post = Post()
    post.open = asyncio.Event()
    preparing = asyncio.create_task(post.watchman.prepare())
    await asyncio.sleep(0)
    post.fire()
    assert post.asked == 1
    post.open.set()
    await preparing
    assert post.asked == 2
    for _ in range(3):
        assert post.watchman.objection(FIVE) is None
        post.fire()
    assert post.watchman.objection(FIVE) is Guard.HALTED


async def test_two_learn_the_figures_and_an_order_leaves_between() -> None:
    """Markets that arm together lose no order that leaves before both are done."""
    post = Post()
    post.fire()
    post.open = asyncio.Event()
    slow = asyncio.create_task(post.watchman.prepare())
    await asyncio.sleep(0)
    gate, post.open = post.open, None
    await post.watchman.prepare()
    post.fire()
    gate.set()
    await slow
    for _ in range(2):
        assert post.watchman.objection(FIVE) is None
        post.fire()
    assert post.watchman.objection(FIVE) is Guard.HALTED
    assert "may be $20.00" in post.halts[0]


async def test_an_answer_that_comes_while_the_figures_are_learnt() -> None:
    """It is not forgotten, either."""
    post = Post()
    post.open = asyncio.Event()
    preparing = asyncio.create_task(post.watchman.prepare())
    await asyncio.sleep(0)
    post.stored = Figures(uncertain=1)
    post.watchman.answered(Uncertain("HTTP 500"))
    post.open.set()
    await preparing
    post.watchman.answered(Uncertain("HTTP 500"))
    assert "MAX_UNCERTAIN is 2" in post.halts[0]


async def test_a_ledger_that_does_not_answer() -> None:
    """Without figures nothing may be armed; what is known is kept."""
    post = Post()
    post.fire()
    post.fault = "disk I/O error"
    with pytest.raises(LedgerError, match="disk I/O error"):
        await post.watchman.prepare()
    for _ in range(3):
        post.fire()
    assert post.watchman.objection(FIVE) is Guard.HALTED


@pytest.mark.parametrize(
    "result", [Rejected("no money", halts=True), Rejected("banned", halts=True)]
)
def test_what_would_meet_every_order_halts(result: Rejected) -> None:
    """In the exchange's words, at the first one, and once."""
    post = Post()
    post.watchman.answered(result)
    post.watchman.answered(result)
    assert post.halts == [result.reason]
    assert post.watchman.objection(FIVE) is Guard.HALTED


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ([Rejected("a"), Rejected("b"), Rejected("c")], "MAX_REJECTIONS is 3"),
        ([Uncertain("a"), Uncertain("b")], "MAX_UNCERTAIN is 2"),
        ([Uncertain("a"), Rejected("b"), Uncertain("c")], "MAX_UNCERTAIN is 2"),
        ([Rejected("a"), Rejected("b"), Killed("c"), Rejected("d")], None),
        ([Uncertain("a"), Matched(1, 1, ()), Uncertain("b")], None),
        ([Uncertain("a"), Fill(1, 1), Uncertain("b")], None),
        ([Rejected("a"), Rejected("b"), Uncertain("c")], None),
    ],
)
def test_bad_answers_in_a_row_halt(answers: list[Result], named: str | None) -> None:
    """Back to the last good one, as the ledger counts them; a kill is good."""
    post = Post()
    for answer in answers:
        assert post.halts == []
        post.watchman.answered(answer)
    assert [named in reason for reason in post.halts if named] == (
        [True] if named else []
    )
    assert bool(post.halts) is (named is not None)


async def test_an_answer_halts_for_what_was_reached_meanwhile() -> None:
    """A cap that the last order used up halts before there is a next one."""
    post = Post(limits=replace(LIMITS, max_orders_per_day=1))
    post.fire()
    post.watchman.answered(Killed("no ask"))
    assert "MAX_ORDERS_PER_DAY is 1" in post.halts[0]


@pytest.mark.parametrize("result", [Killed("no ask"), Rejected("late"), Reverted("x")])
async def test_an_order_that_bought_nothing_frees_its_money(result: Result) -> None:
    """Its dollars are free again at once; it stays one of the day's orders."""
    post = Post()
    await post.watchman.prepare()
    for _ in range(4):
        post.fire()
    post.watchman.answered(result)
    assert post.halts == []
    assert post.watchman.objection(FIVE) is None
    post.fire()
    assert post.watchman.objection(FIVE) is Guard.HALTED
    assert "MAX_OPEN_EXPOSURE" in post.halts[0]


async def test_it_stays_one_of_the_days_orders() -> None:
    """Killed orders reach MAX_ORDERS_PER_DAY, too."""
    post = Post()
    for _ in range(5):
        assert post.watchman.objection(FIVE) is None
        post.fire()
        post.watchman.answered(Killed("no ask"))
    assert "MAX_ORDERS_PER_DAY is 5" in post.halts[0]


async def test_paper_has_no_caps() -> None:
    """No ledger is asked, no sum forbids, no answer halts."""
    post = Post(caps=False)
    post.fault = "must not be asked"
    await post.watchman.prepare()
    for _ in range(50):
        post.fire(10**12)
        post.watchman.answered(Rejected("no", halts=True))
        post.watchman.answered(Uncertain("no"))
    assert post.watchman.objection(10**12) is None
    assert (post.asked, post.halts) == (0, [])


SPEND = st.integers(1_000_000, 12_000_000)
STEP = st.one_of(
    st.tuples(st.just("prepare"), st.just(0)),
    st.tuples(st.just("order"), SPEND),
)


@settings(deadline=None)
@given(st.lists(STEP, max_size=20))
def test_no_sequence_passes_a_cap(steps: list[tuple[str, int]]) -> None:
    """However orders and figures alternate, what left is never above a cap."""
    post = Post()
    for kind, spend in steps:
        if kind == "prepare":
            asyncio.run(post.watchman.prepare())
        elif post.watchman.objection(spend) is None:
            assert breach(post.stored, LIMITS, spend) is None
            post.fire(spend)
        else:
            assert post.is_halted
            assert len(post.halts) == 1
            break
    assert post.stored.open_exposure <= LIMITS.max_open_exposure
    assert post.stored.orders_today <= LIMITS.max_orders_per_day


def test_reverted_ends_a_row() -> None:
    """Nothing was bought, and the exchange did answer."""
    post = Post()
    for answer in (Uncertain("a"), Reverted("b"), Uncertain("c")):
        post.watchman.answered(answer)
    assert post.halts == []
