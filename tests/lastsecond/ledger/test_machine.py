"""Any sequence of calls, over restarts, leaves on disk what a naive model says."""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

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

from lastsecond.ledger import Ledger
from lastsecond.market import NANOSECONDS, ConditionId
from lastsecond.orders import (
    MOVES,
    Fill,
    IllegalMoveError,
    Killed,
    Matched,
    Rejected,
    Result,
    Reverted,
    State,
    Uncertain,
)
from tests.lastsecond.ledger.setting import (
    START,
    WALLET,
    StillClock,
    ledger_in,
    pair,
    recount,
    rows,
    table,
)

MEMORY = Path("/dev/shm")
"""Where syncing costs nothing: what a power cut leaves is not the question here."""

MARKETS = [ConditionId(f"0x{number}") for number in range(2)]
PLAIN = [
    *(State.WATCHING, State.SKIPPED, State.UNCERTAIN),
    *(State.KILLED, State.REJECTED, State.REVERTED),
]
RESULTS: list[tuple[Result, State]] = [
    (Fill(6, 4_900_000), State.FILLED),
    (Matched(6, 5_000_000, ("t",)), State.MATCHED),
    (Killed("k"), State.KILLED),
    (Rejected("r"), State.REJECTED),
    (Reverted("v"), State.REVERTED),
    (Uncertain("u"), State.UNCERTAIN),
]
OPEN = {State.ARMED, State.SENT, State.UNCERTAIN, State.MATCHED}
markets = st.sampled_from(MARKETS)
first = st.booleans()
choices = st.lists(st.integers(0, 5), max_size=9)


@dataclass
class Model:
    """What anybody would expect of a market, in memory and by hand."""

    state: State
    close_at: int
    touched_by: int
    known_to: int
    armed_by: int = 0
    ids: set[str] = field(default_factory=set)
    sent: str = ""
    fills: int = 0
    paid: int | None = None


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.clock = StillClock()
        self.run_number = 0
        self.model: dict[ConditionId, Model] = {}
        self.ledger: Ledger

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    # -- the model's own view --

    def known(self, market: ConditionId) -> Model | None:
        model = self.model.get(market)
        return model if model and model.known_to == self.run_number else None

    def may(self, market: ConditionId, new: State) -> bool:
        model = self.known(market)
        if model is None or new not in MOVES[model.state]:
            return False
        again = model.state is State.SKIPPED and new is State.WATCHING
        return not (again and model.armed_by)

    def becomes(self, market: ConditionId, new: State) -> None:
        self.model[market].state = new
        self.model[market].touched_by = self.run_number

    # -- what a program does --

    @initialize(lives=st.tuples(choices, choices), up=first)
    def begin(self, lives: tuple[list[int], list[int]], *, up: bool) -> None:
        self.runner.run(self.open())
        for market, steps in zip(MARKETS, lives, strict=True):
            self.go_on(market=market, steps=steps, up=up)

    async def open(self) -> None:
        self.run_number += 1
        self.ledger = await self.stack.enter_async_context(
            ledger_in(self.folder, clock=self.clock)
        )
        found = {o.condition_id: o for o in await self.ledger.unresolved()}
        left = {m: model for m, model in self.model.items() if model.state in OPEN}
        assert set(found) == set(left)
        for market, model in left.items():
            model.known_to = self.run_number
            ids = {model.sent} if model.sent else model.ids
            assert set(found[market].order_ids) == ids
            assert found[market].state is model.state

    @rule()
    def restart(self) -> None:
        async def restart() -> None:
            await self.stack.aclose()
            await self.open()

        self.runner.run(restart())

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        self.clock.at += seconds * NANOSECONDS

    @rule(market=markets)
    def discover(self, market: ConditionId) -> None:
        close_at = self.clock.at + 60 * NANOSECONDS
        state = self.runner.run(self.wait_for_discovery(market, close_at))
        model = self.model.setdefault(
            market,
            Model(State.DISCOVERED, close_at, self.run_number, self.run_number),
        )
        model.known_to = self.run_number
        assert state is model.state

    async def wait_for_discovery(self, market: ConditionId, close_at: int) -> State:
        return await self.ledger.discover(market, "btc", close_at)

    @rule(market=markets, state=st.sampled_from(PLAIN))
    def move(self, market: ConditionId, state: State) -> None:
        if self.may(market, state):
            self.ledger.move(market, state, "because")
            self.becomes(market, state)
        else:
            with pytest.raises(IllegalMoveError):
                self.ledger.move(market, state, "because")

    @rule(market=markets, state=st.sampled_from(sorted(set(State) - set(PLAIN))))
    def move_without_rows(self, market: ConditionId, state: State) -> None:
        with pytest.raises(IllegalMoveError):
            self.ledger.move(market, state)

    @rule(market=markets)
    def arm(self, market: ConditionId) -> None:
        orders = pair(market)
        if not self.may(market, State.ARMED):
            with pytest.raises(IllegalMoveError):
                self.runner.run(self.ledger.arm(market, orders))
            return
        self.runner.run(self.ledger.arm(market, orders))
        self.becomes(market, State.ARMED)
        self.model[market].armed_by = self.run_number
        self.model[market].ids = {order.order_id for order in orders}

    @rule(market=markets, up=first)
    def sent(self, market: ConditionId, *, up: bool) -> None:
        order_id = pair(market)[not up].order_id
        model = self.known(market)
        if model and self.may(market, State.SENT) and model.armed_by == self.run_number:
            self.ledger.sent(market, order_id, self.clock.at)
            self.becomes(market, State.SENT)
            model.sent = order_id
        else:
            with pytest.raises(IllegalMoveError):
                self.ledger.sent(market, order_id, self.clock.at)

    @rule(market=markets, up=first, answer=st.sampled_from(RESULTS))
    def result(
        self, market: ConditionId, answer: tuple[Result, State], *, up: bool
    ) -> None:
        result, state = answer
        order_id = pair(market)[not up].order_id
        model = self.known(market)
        its_own = model and order_id in ({model.sent} if model.sent else model.ids)
        again = model and model.state is state and state in OPEN
        if model and its_own and (again or self.may(market, state)):
            self.ledger.result(market, order_id, result)
            model.fills += isinstance(result, Fill | Matched)
            if not again:
                self.becomes(market, state)
        else:
            with pytest.raises(IllegalMoveError):
                self.ledger.result(market, order_id, result)

    @rule(market=markets, payout=st.sampled_from([0, 6]))
    def settle(self, market: ConditionId, payout: int) -> None:
        if self.may(market, State.SETTLED):
            self.ledger.settle(market, payout, "gamma")
            self.becomes(market, State.SETTLED)
            self.model[market].paid = payout
        else:
            with pytest.raises(IllegalMoveError):
                self.ledger.settle(market, payout, "gamma")

    @rule()
    def sweep(self) -> None:
        swept = self.runner.run(self.ledger.sweep(self.clock.at))
        expected = {
            market
            for market, model in self.model.items()
            if model.state in {State.DISCOVERED, State.WATCHING}
            and model.close_at < self.clock.at
            and model.touched_by < self.run_number
        }
        assert set(swept) == expected
        for market in expected:
            self.becomes(market, State.SKIPPED)

    @rule(market=markets, up=first, steps=choices)
    def go_on(self, market: ConditionId, steps: list[int], *, up: bool) -> None:
        """What chance alone seldom does: the next right step, and the next."""
        for choice in steps:
            self.step(market, choice, up=up)

    def step(self, market: ConditionId, choice: int, *, up: bool) -> None:
        model = self.known(market)
        match model and model.state:
            case None:
                self.discover(market=market)
            case State.DISCOVERED | State.SKIPPED:
                self.move(market=market, state=State.WATCHING)
            case State.WATCHING:
                self.arm(market=market)
            case State.ARMED if self.model[market].armed_by == self.run_number:
                self.sent(market=market, up=up)
            case State.ARMED:
                self.move(market=market, state=State.UNCERTAIN)
            case State.FILLED:
                self.settle(market=market, payout=6)
            case _:
                up = self.model[market].sent != pair(market)[1].order_id
                self.result(market=market, answer=RESULTS[choice], up=up)

    # -- what is on disk --

    @rule()
    def figures(self) -> None:
        for day_start in (START, self.clock.at, self.clock.at + 60 * NANOSECONDS):
            figures = self.runner.run(self.ledger.figures(day_start))
            assert figures == recount(
                self.folder, WALLET.lower(), "LIVE", self.run_number, day_start
            )

    @invariant()
    @precondition(lambda self: self.run_number)
    def the_disk_has_it(self) -> None:
        self.runner.run(self.ledger.flush())
        assert self.ledger.fault is None
        found = {row["condition_id"]: row for row in table(self.folder, "markets")}
        assert {m: row["state"] for m, row in found.items()} == {
            m: model.state for m, model in self.model.items()
        }
        models = self.model.items()
        columns = {
            "sends": [m for m, model in models if model.sent],
            "arms": [m for m, model in models if model.armed_by],
            "settlements": [m for m, model in models if model.paid is not None],
        }
        for name, expected in columns.items():
            there = [row["condition_id"] for row in table(self.folder, name)]
            assert sorted(there) == sorted(expected)
        ((fills,),) = [
            tuple(row.values())
            for row in rows(self.folder, "SELECT count(*) FROM fills")
        ]
        assert fills == sum(model.fills for _, model in models)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
