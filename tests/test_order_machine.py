"""Orders, answers, crashes and restarts in any order, against a naive model.

The purchase and the ledger are real. The exchange is a table of what it did with each
order; it may answer late, vaguely or not at all, but never claims what is not so. A
crash leaves what was on disk at some moment before it: the file is copied as it lies
there, write-ahead log and all, and opened by the next process.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from itertools import count, takewhile
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from lastsecond.errors import VenueError
from lastsecond.ledger import Ledger
from lastsecond.ledger.rows import Origin
from lastsecond.ledger.store import Store
from lastsecond.ledger.writer import Write, Writer
from lastsecond.limits import Figures
from lastsecond.market import ConditionId, Outcome, TokenId
from lastsecond.orders import (
    UNRESOLVED,
    Estimate,
    Fill,
    Followed,
    IllegalMoveError,
    Intent,
    Killed,
    Matched,
    Rejected,
    Result,
    Reverted,
    SignedOrder,
    State,
    Uncertain,
)
from lastsecond.ports import Sight, World
from lastsecond.purchase import Purchase, clear_up
from tests.fakes import FakeSource
from tests.lastsecond.ledger.setting import CLOSE, START, StillClock, rows
from tests.scripted import OpenGate, StillSight, fake_world, order_of

MARKETS = [ConditionId(f"0x{number}") for number in range(2)]
STAKE = 5_000_000
FREE = {State.DISCOVERED, State.WATCHING, State.SKIPPED}
HELD = {State.SENT, State.UNCERTAIN, State.MATCHED}
markets = st.sampled_from(MARKETS)
up = st.booleans()


# -- the exchange --


@dataclass
class Truth:
    """What the exchange did with a market's order, and what it has said of it."""

    posts: int = 0
    order_id: str = ""
    fate: str = ""
    """``executed``, ``reverted`` (executed, and failed on chain) or ``dropped``."""

    @property
    def traded(self) -> bool:
        return self.fate in {"executed", "reverted"}

    def end(self) -> Followed:
        """Its end, to whoever asks after it; nothing was posted: nothing is known."""
        match self.fate:
            case "executed":
                return Followed(self.order_id, BOUGHT)
            case "reverted":
                return Followed(self.order_id, Reverted("failed on chain"))
            case _:
                return LOST


BOUGHT = Fill(5_263_157, 4_999_999)
MATCHED = Matched(BOUGHT.shares, BOUGHT.cost, ("trade",))
LOST = Followed(None, Killed("no such order"))
ANSWERS: dict[str, tuple[Result | None, ...]] = {
    "executed": (MATCHED, MATCHED, BOUGHT, Uncertain("no answer"), None),
    "reverted": (MATCHED, Reverted("failed"), Uncertain("no answer"), None),
    "dropped": (
        Killed("not enough asks"),
        Rejected("HTTP 400"),
        Rejected("HTTP 401", halts=True),
        Uncertain("no answer"),
        None,
    ),
}
"""What can be said to a POST; None: a fault of ours in reading it."""

steps = st.lists(st.integers(0, 9), min_size=1, max_size=9)
tellings = st.lists(
    st.sampled_from(("end", "end", "matched", "open", "lost", "nothing")), max_size=4
)


class Exchange:
    """A Venue: signs anything, takes orders, and answers when it is told to."""

    label = "LIVE"

    def __init__(self) -> None:
        self.truths = {market: Truth() for market in MARKETS}
        self.refuses_to_arm = False
        self.fate = ""
        self.answers: dict[ConditionId, asyncio.Future[Result]] = {}
        self.told: dict[ConditionId, list[Followed]] = {}
        self._numbers = count()

    async def arm(self, intents: Sequence[Intent]) -> "Bound":
        if self.refuses_to_arm:
            raise VenueError("no line")
        orders = {
            intent.token_id: order_of(intent, f"order {next(self._numbers)}")
            for intent in intents
        }
        return Bound(self, orders)

    def post(self, order: SignedOrder) -> "asyncio.Future[Result]":
        truth = self.truths[order.condition_id]
        truth.posts += 1
        truth.order_id, truth.fate = order.order_id, self.fate
        answer = asyncio.get_running_loop().create_future()
        self.answers[order.condition_id] = answer
        return answer

    async def follow(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> AsyncIterator[Followed]:
        truth = self.truths[condition_id]
        assert not truth.order_id or truth.order_id in order_ids
        for followed in self.told.pop(condition_id, []):
            yield followed


class Bound:
    """A Ticket."""

    def __init__(self, exchange: Exchange, orders: dict[TokenId, SignedOrder]) -> None:
        self.orders = orders
        self._exchange = exchange

    async def warm(self) -> None:
        """There is no way to keep warm."""

    def fire(self, token_id: TokenId, sight: Sight) -> "asyncio.Future[Result]":
        return self._exchange.post(self.orders[token_id])

    def estimates(self) -> Sequence[Estimate]:
        return ()

    def close(self) -> None:
        """There is no way to give up."""


# -- a process --


class Unplugged(Writer):
    """A Writer that can be made to lose whatever is written from a moment on."""

    unplugged = False

    def put(self, write: Write) -> None:
        if not self.unplugged:
            super().put(write)


def tokens(market: ConditionId) -> tuple[TokenId, TokenId]:
    return TokenId(f"{market}/up"), TokenId(f"{market}/down")


def intents(market: ConditionId) -> list[Intent]:
    return [
        Intent(
            condition_id=market,
            ticker="btc",
            token_id=token,
            outcome=outcome,
            spend=STAKE + cent * 10_000,
            limit=990_000,
            tick=10_000,
        )
        for cent, (token, outcome) in enumerate(
            zip(tokens(market), Outcome, strict=True)
        )
    ]


@dataclass
class Process:
    """The bot from its start to its end, and what it holds in memory."""

    folder: Path
    writer: Unplugged
    ledger: Ledger
    world: World
    purchases: dict[ConditionId, Purchase] = field(default_factory=dict)
    fired: set[ConditionId] = field(default_factory=set)
    answered: set[ConditionId] = field(default_factory=set)


async def _no_answer(*_: object) -> NoReturn:
    raise AssertionError("nothing is read")


def _no_stream(*_: object) -> NoReturn:
    raise AssertionError("nothing is watched")


async def begin(folder: Path, exchange: Exchange) -> Process:
    clock = StillClock()
    origin = Origin(
        mode="LIVE",
        wallet="0xabc",
        settings_hash="settings",
        code_version="code",
        host="host",
    )
    writer = Unplugged(partial(Store, folder / "ledger.db", origin, at=START))
    await writer.open()
    ledger = Ledger(writer, clock)
    world = fake_world(
        clock,
        source=FakeSource(_no_answer),
        new_stream=_no_stream,
        venue=exchange,
        ledger=ledger,
        safeguards=OpenGate(),
    )
    return Process(folder, writer, ledger, world)


# -- the model --


@dataclass
class View:
    """What the ledger should say of a market."""

    state: State
    armed_by: int = 0
    """The run that armed it; 0: none."""
    sent: int | None = None
    """Which of its orders was sent, as far as it was written."""
    matched: bool = False
    """Whether it was ever said to be matched."""

    @property
    def stake(self) -> int:
        return STAKE + (1 if self.sent is None else self.sent) * 10_000


@dataclass
class Accounts:
    """All that the ledger should say."""

    views: dict[ConditionId, View] = field(default_factory=dict)
    answers: list[State] = field(default_factory=list)
    """What the first answers to orders led to, in order."""

    def figures(self, run: int) -> Figures:
        views = self.views.values()
        perhaps = [
            view
            for view in views
            if view.armed_by
            and (
                view.state not in {State.ARMED, State.SKIPPED}
                or (view.state is State.ARMED and view.armed_by != run)
            )
        ]
        exposure = sum(
            BOUGHT.cost if view.state is State.FILLED else view.stake
            for view in perhaps
            if view.state in HELD | {State.ARMED, State.FILLED}
        )
        bad = {State.REJECTED, State.UNCERTAIN}
        streak = list(takewhile(bad.__contains__, reversed(self.answers)))
        return Figures(
            orders_today=len(perhaps),
            open_exposure=exposure,
            loss_today=exposure,
            rejections=streak.count(State.REJECTED),
            uncertain=streak.count(State.UNCERTAIN),
        )


class OrderMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.exchange = Exchange()
        self.book = Accounts()
        self.saved: Accounts | None = None
        """What was on disk when the disk was unplugged."""
        self.run_number = 0
        self.process: Process

    def teardown(self) -> None:
        if self.run_number:
            self.do(self.end)
        self.runner.close()
        shutil.rmtree(self.root)

    def do(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.runner.run(work())

    async def end(self) -> None:
        """What is left of a process lets go of its file."""
        waiting = [a for a in self.exchange.answers.values() if not a.done()]
        for answer in waiting:
            answer.set_result(Uncertain("nobody waits"))
        self.exchange.answers.clear()
        await asyncio.sleep(0)
        await self.process.writer.close()

    async def start(self, folder: Path, told: dict[ConditionId, list[str]]) -> None:
        """A process begins, and clears up what was left."""
        self.run_number += 1
        self.process = await begin(folder, self.exchange)
        for market, view in self.book.views.items():
            if view.state in UNRESOLVED:
                if view.state in {State.ARMED, State.SENT}:
                    view.state = State.UNCERTAIN
                self.tell(market, told.get(market, []))
        await clear_up(self.process.world)

    def tell(self, market: ConditionId, tellings: Sequence[str]) -> None:
        """Have the exchange say that, as far as it is true, and the model know it."""
        answers = self.exchange.told[market] = []
        for telling in tellings:
            followed = self.said(market, telling)
            if followed is not None:
                answers.append(followed)
                self.learn(market, followed.result)
                if followed.final:
                    break

    def said(self, market: ConditionId, telling: str) -> Followed | None:
        """One answer to a question; None when there is none, or it would be a lie."""
        truth, view = self.exchange.truths[market], self.book.views[market]
        match telling:
            case "end":
                return truth.end()
            case "matched" if truth.traded:
                return Followed(truth.order_id, MATCHED)
            case "open" if truth.order_id:
                return Followed(truth.order_id, Uncertain("open: live"))
            case "lost" if view.matched:
                return LOST  # its list of trades is behind; matched proves more
            case _:
                return None

    def learn(self, market: ConditionId, result: Result) -> None:
        view = self.book.views[market]
        if view.matched and isinstance(result, Killed):
            view.state = State.UNCERTAIN
        else:
            view.state = STATES[type(result)]
        view.matched |= isinstance(result, Matched)

    @property
    def plugged(self) -> bool:
        return self.saved is None

    # -- what a program does --

    @initialize(lives=st.tuples(steps, steps))
    def begin(self, lives: tuple[list[int], ...]) -> None:
        folder = self.root / "0"
        folder.mkdir()
        self.do(partial(self.start, folder, {}))
        for market, choices in zip(MARKETS, lives, strict=True):
            self.go_on(market=market, choices=choices)

    @precondition(lambda self: self.plugged)
    @rule(market=markets, refused=st.sampled_from([False, False, False, True]))
    def take_up(self, market: ConditionId, *, refused: bool) -> None:
        """A market is found; unless it was armed before, it is armed."""
        self.exchange.refuses_to_arm = refused
        self.do(partial(self._take_up, market))

    async def _take_up(self, market: ConditionId) -> None:
        process, known = self.process, self.book.views.get(market)
        state = await process.ledger.discover(market, "btc", CLOSE)
        view = self.book.views.setdefault(market, View(State.DISCOVERED))
        assert state is (known.state if known else State.DISCOVERED)
        assert process.ledger.was_armed(market) is bool(view.armed_by)
        if state in FREE and not view.armed_by:
            process.ledger.move(market, State.WATCHING)
            await self._arm(market)

    async def _arm(self, market: ConditionId) -> None:
        process, view = self.process, self.book.views[market]
        view.state = State.WATCHING
        purchase = Purchase("btc", market, process.world, partial(intents, market))
        await purchase.arm_in_time(START, START)
        if purchase.ready:
            view.state, view.armed_by = State.ARMED, self.run_number
            process.purchases[market] = purchase
        else:
            assert self.exchange.refuses_to_arm
            process.ledger.move(market, State.SKIPPED, "not_armed")
            view.state = State.SKIPPED

    @precondition(lambda self: self.plugged)
    @rule(market=markets)
    def arm_carelessly(self, market: ConditionId) -> None:
        """A second task for a market that was armed, by a fault, can never send."""
        view = self.book.views.get(market)
        if view is not None and view.armed_by:
            self.exchange.refuses_to_arm = False
            self.do(partial(self._arm_carelessly, market))

    async def _arm_carelessly(self, market: ConditionId) -> None:
        world = self.process.world
        second = Purchase("btc", market, world, partial(intents, market))
        await self.process.ledger.discover(market, "btc", CLOSE)
        with pytest.raises(IllegalMoveError):
            self.process.ledger.move(market, State.WATCHING)
        try:
            await second.arm_in_time(START, START)
        except IllegalMoveError:
            assert not second.ready
        else:
            raise AssertionError("armed twice")

    @rule(market=markets, up=up, fate=st.sampled_from(sorted(ANSWERS)))
    def fire(self, market: ConditionId, fate: str, *, up: bool) -> None:
        """An armed order leaves."""
        purchase = self.process.purchases.get(market)
        if purchase is None or not purchase.ready:
            return
        if self.book.views[market].state is not State.ARMED:
            return
        self.exchange.fate = fate
        self.do(partial(self._fire, market, purchase, not up))

    async def _fire(self, market: ConditionId, purchase: Purchase, which: int) -> None:
        token = tokens(market)[which]
        purchase.fire(token, StillSight())
        assert not purchase.ready
        view = self.book.views[market]
        view.state, view.sent = State.SENT, which
        self.process.fired.add(market)

    @rule(market=markets)
    def pass_over(self, market: ConditionId) -> None:
        """An armed market closes without a reason to buy."""
        view = self.book.views.get(market)
        if view and view.state is State.ARMED and market in self.process.purchases:
            self.process.ledger.move(market, State.SKIPPED, "above_cap")
            self.runner.run(self.process.purchases[market].conclude())
            view.state = State.SKIPPED

    @rule(market=markets, choice=st.integers(0, 4), impatient=st.booleans())
    def answer(self, market: ConditionId, choice: int, *, impatient: bool) -> None:
        """The exchange answers; who is told to stop meanwhile records it still."""
        process = self.process
        if market not in process.fired - process.answered:
            return
        process.answered.add(market)
        answers = ANSWERS[self.exchange.truths[market].fate]
        result = answers[choice % len(answers)]
        self.learn(market, result or Uncertain("fault"))
        self.book.answers.append(self.book.views[market].state)
        self.do(partial(self._answer, market, result, impatient))

    async def _answer(
        self, market: ConditionId, result: Result | None, impatient: bool
    ) -> None:
        waiting = asyncio.create_task(self.process.purchases[market].settle_answer())
        await asyncio.sleep(0)
        if impatient:
            waiting.cancel()
            await asyncio.sleep(0)
        answer = self.exchange.answers.pop(market)
        if result is None:
            answer.set_exception(RuntimeError("a fault of ours"))
        else:
            answer.set_result(result)
        await asyncio.wait((waiting,))
        assert waiting.cancelled() is impatient
        assert impatient or waiting.exception() is None

    @rule(market=markets, told=tellings)
    def follow(self, market: ConditionId, told: list[str]) -> None:
        """Its end is asked for, once in a run."""
        process = self.process
        if market in process.answered:
            process.answered.discard(market)
            process.fired.discard(market)
            if self.book.views[market].state in {State.MATCHED, State.UNCERTAIN}:
                self.tell(market, told)
            self.do(process.purchases[market].follow)

    @rule(market=markets, choices=steps)
    def go_on(self, market: ConditionId, choices: list[int]) -> None:
        """What chance alone seldom does: the next right step, and the next."""
        for choice in choices:
            self.step(market, choice)

    def step(self, market: ConditionId, choice: int) -> None:
        process, view = self.process, self.book.views.get(market)
        if choice == 9 and self.plugged:
            self.unplug()
        if view is None or (view.state in FREE and not view.armed_by):
            if self.plugged:
                self.take_up(market=market, refused=choice > 7)
        elif view.state is State.ARMED:
            fate = sorted(ANSWERS)[choice % len(ANSWERS)]
            self.fire(market=market, fate=fate, up=choice % 2 == 0)
        elif market in process.fired - process.answered:
            self.answer(market=market, choice=choice, impatient=choice > 6)
        elif market in process.answered:
            self.follow(market=market, told=["matched", "open", "lost"][: choice % 4])
        else:
            told = {market: ["open", "matched", "lost", "end"][choice % 4 :]}
            self.crash(told=told)

    # -- how it ends --

    @precondition(lambda self: self.plugged)
    @rule()
    def unplug(self) -> None:
        """From here on nothing reaches the disk: the process will be killed soon."""
        self.do(self.process.ledger.flush)
        self.saved = deepcopy(self.book)
        self.process.writer.unplugged = True

    @rule(told=st.fixed_dictionaries(dict.fromkeys(MARKETS, tellings)))
    def crash(self, told: dict[ConditionId, list[str]]) -> None:
        """The process is gone; its successor has what lay on disk at that moment."""
        folder = self.root / f"{self.run_number}"
        folder.mkdir()
        self.do(self.process.ledger.flush)
        for name in ("ledger.db", "ledger.db-wal"):
            shutil.copyfile(self.process.folder / name, folder / name)
        self.do(self.end)
        self.book, self.saved = self.saved or self.book, None
        self.do(partial(self.start, folder, told))

    @precondition(lambda self: self.plugged)
    @rule(told=st.fixed_dictionaries(dict.fromkeys(MARKETS, tellings)))
    def restart(self, told: dict[ConditionId, list[str]]) -> None:
        """The process ends in an orderly way, whatever is under way, and begins."""
        self.do(self.end)
        self.do(partial(self.start, self.process.folder, told))

    # -- what must hold --

    @invariant()
    @precondition(lambda self: self.run_number)
    def never_twice_never_forgotten(self) -> None:
        """Whatever is on disk, even of a process that is losing what it writes."""
        self.do(self.process.ledger.flush)
        disk = {
            row["condition_id"]: State(row["state"])
            for row in rows(self.process.folder, "SELECT * FROM markets")
        }
        for market, truth in self.exchange.truths.items():
            assert truth.posts <= 1
            if truth.fate == "executed":
                assert disk[market] in UNRESOLVED | {State.FILLED}
            if disk.get(market) is State.FILLED:
                assert truth.fate == "executed"
                (last,) = rows(
                    self.process.folder,
                    "SELECT order_id, shares, cost FROM fills JOIN orders "
                    "USING (order_id) WHERE condition_id = ? AND status = 'filled'",
                    market,
                )
                bought = (truth.order_id, BOUGHT.shares, BOUGHT.cost)
                assert tuple(last.values()) == bought
        if self.plugged:
            assert disk == {m: view.state for m, view in self.book.views.items()}
            assert self.process.ledger.fault is None

    @invariant()
    @precondition(lambda self: self.run_number and self.plugged)
    def the_figures_are_the_models(self) -> None:
        """Counts and exposure are the model's, and never less than what was bought."""
        figures = self.runner.run(self.process.ledger.figures(START))
        assert figures == self.book.figures(self.run_number)
        truths = self.exchange.truths.values()
        bought = [truth for truth in truths if truth.fate == "executed"]
        assert figures.open_exposure >= BOUGHT.cost * len(bought)
        assert figures.orders_today >= sum(truth.posts for truth in truths)


STATES: dict[type[Result], State] = {
    Fill: State.FILLED,
    Matched: State.MATCHED,
    Killed: State.KILLED,
    Rejected: State.REJECTED,
    Reverted: State.REVERTED,
    Uncertain: State.UNCERTAIN,
}

TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = settings(
    max_examples=2 * settings().max_examples,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_what_was_matched_stays_so_over_restarts() -> None:
    """Not to be found is no end for it, however many processes ask in vain."""
    machine, market = OrderMachine(), MARKETS[0]
    try:
        machine.begin(lives=([], []))
        machine.take_up(market=market, refused=False)
        machine.fire(market=market, fate="executed", up=True)
        machine.answer(market=market, choice=0, impatient=False)
        for _ in range(3):
            machine.crash(told={market: ["lost"]})
            assert machine.book.views[market].state is State.UNCERTAIN
            machine.never_twice_never_forgotten()
        machine.crash(told={market: ["end"]})
        assert machine.book.views[market].state is State.FILLED
        machine.never_twice_never_forgotten()
    finally:
        machine.teardown()
