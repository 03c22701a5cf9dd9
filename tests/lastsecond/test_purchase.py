"""One market's order from arming to its end, in time that jumps."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence

import pytest

from lastsecond.clock import LoopClock
from lastsecond.errors import LedgerError
from lastsecond.market import NANOSECONDS, ConditionId, Outcome, TokenId
from lastsecond.orders import (
    STATE_OF,
    Fill,
    Followed,
    IllegalMoveError,
    Intent,
    Killed,
    Matched,
    OpenOrder,
    Rejected,
    Result,
    Reverted,
    SignedOrder,
    State,
    Uncertain,
)
from lastsecond.ports import Sight, World
from lastsecond.purchase import WARM_LEAD, Purchase, clear_up, log_result
from tests.fakes import FakeSource, Parameters, on_jumping_loop
from tests.scripted import (
    MemoryLedger,
    OpenGate,
    RecordingTicket,
    RecordingVenue,
    ScriptedStream,
    StillSight,
    fake_world,
)

START = 1_795_653_900 * NANOSECONDS
ARM_AT = START + 10 * NANOSECONDS
TRIGGER = START + 20 * NANOSECONDS
CONDITION = ConditionId("0x" + "c" * 64)
UP, DOWN = TokenId("1"), TokenId("2")
BOOK = StillSight()
MATCHED = Matched(5_000_000, 4_850_000, ("trade",))
FILL = Fill(5_000_000, 4_850_000)
NOWHERE = Followed(None, Killed("the exchange has no such order"))


def intents() -> list[Intent]:
    return [
        Intent(
            condition_id=CONDITION,
            ticker="btc",
            token_id=token,
            outcome=outcome,
            spend=5_000_000,
            limit=970_000,
            tick=10_000,
        )
        for token, outcome in ((UP, Outcome.UP), (DOWN, Outcome.DOWN))
    ]


class Venue(RecordingVenue):
    """Also keeps when tickets were warmed and what was followed."""

    def __init__(
        self,
        result: Result | Exception = FILL,
        delay: float = 0,
        followed: Sequence[Followed] = (),
    ) -> None:
        super().__init__(delay=delay)
        self.outcome = result
        self.followed = list(followed)
        self.asked: list[tuple[ConditionId, tuple[str, ...], int]] = []
        self.pause = 0.0
        self.journal: list[str] = []

    async def answer(self) -> Result:
        await super().answer()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def arm(self, wanted: Sequence[Intent]) -> RecordingTicket:
        ticket = await super().arm(wanted)
        self.journal.append("armed")
        return ticket

    async def follow(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> AsyncIterator[Followed]:
        self.asked.append((condition_id, tuple(order_ids), since))
        self.journal.append("asked")
        await asyncio.sleep(self.pause)
        async for followed in super().follow(condition_id, order_ids, since):
            yield followed


class Ledger(MemoryLedger):
    """Can be slow to arm, or broken."""

    def __init__(self, state: State = State.WATCHING) -> None:
        super().__init__()
        self.states[CONDITION] = state
        self.arming: asyncio.Future[None] | None = None
        self.results: list[tuple[str | None, Result]] = []
        self.broken: Exception | None = None

    async def arm(
        self, condition_id: ConditionId, orders: Sequence[SignedOrder]
    ) -> None:
        if self.arming is not None:
            await self.arming
        await super().arm(condition_id, orders)

    def result(
        self, condition_id: ConditionId, order_id: str | None, result: Result
    ) -> None:
        self.results.append((order_id, result))
        repeated = isinstance(result, Uncertain | Matched)
        if not repeated or self.states[condition_id] is not STATE_OF[type(result)]:
            super().result(condition_id, order_id, result)

    async def unresolved(self) -> list[OpenOrder]:
        if self.broken:
            raise self.broken
        return await super().unresolved()


async def nothing(url: str, parameters: Parameters) -> bytes:
    return b""


class Stage:
    """A purchase, and the world around it."""

    def __init__(
        self,
        venue: Venue | None = None,
        ledger: Ledger | None = None,
        gate: OpenGate | None = None,
    ) -> None:
        self.clock = LoopClock(START)
        self.venue = venue or Venue()
        self.ledger = ledger or Ledger()
        self.gate = gate or OpenGate()
        self.world: World = fake_world(
            self.clock,
            source=FakeSource(nothing),
            new_stream=lambda name, _: ScriptedStream(name, [], self.clock),
            venue=self.venue,
            ledger=self.ledger,
            safeguards=self.gate,
        )
        self.purchase = Purchase("btc", CONDITION, self.world, intents)

    async def arm(self) -> None:
        await self.purchase.arm_in_time(ARM_AT, TRIGGER)

    async def fired(self) -> Purchase:
        """The purchase, armed and just fired for Up."""
        await self.arm()
        self.purchase.fire(UP, BOOK)
        return self.purchase

    @property
    def elapsed(self) -> float:
        return (self.clock.now() - START) / NANOSECONDS


@on_jumping_loop
async def test_arms_in_time_and_warms_the_way() -> None:
    """Signed and on disk at the time to arm, the way used once more near the end."""
    stage = Stage()
    arming = asyncio.create_task(stage.arm())
    await stage.clock.sleep_until(ARM_AT - 1)
    assert stage.venue.tickets == []
    await stage.clock.sleep_until(ARM_AT + NANOSECONDS)
    (ticket,) = stage.venue.tickets
    assert stage.ledger.states[CONDITION] is State.ARMED
    assert stage.purchase.ready
    assert ticket.warmed == 0
    await arming
    assert stage.clock.now() == TRIGGER - WARM_LEAD
    assert ticket.warmed == 1
    assert not ticket.closed


@on_jumping_loop
async def test_no_time_to_warm() -> None:
    """Armed within the lead, the way is fresh and is left alone."""
    stage = Stage()
    await stage.purchase.arm_in_time(TRIGGER - WARM_LEAD, TRIGGER)
    assert stage.purchase.ready
    assert stage.venue.tickets[0].warmed == 0


class ClosedBooks(OpenGate):
    """Safeguards that cannot learn the figures."""

    async def prepare(self) -> None:
        raise LedgerError("the disk is full")


@on_jumping_loop
async def test_not_armed_without_figures() -> None:
    """Where the caps cannot be known, nothing is even signed."""
    stage = Stage(gate=ClosedBooks())
    await stage.arm()
    assert not stage.purchase.ready
    assert stage.venue.tickets == []
    assert stage.ledger.states[CONDITION] is State.WATCHING


def test_not_armed_by_the_venue(caplog: pytest.LogCaptureFixture) -> None:
    """A venue that cannot sign leaves the market unarmed, with its reason."""

    @on_jumping_loop
    async def run() -> None:
        stage = Stage()
        stage.venue.refusal = "nothing to buy with 0.50"
        await stage.arm()
        assert not stage.purchase.ready
        assert stage.ledger.states[CONDITION] is State.WATCHING
        await stage.purchase.conclude()

    run()
    assert "NOT_ARMED btc nothing to buy with 0.50" in caplog.text


def test_not_armed_by_the_ledger(caplog: pytest.LogCaptureFixture) -> None:
    """What is not on disk may not be sent: the way is given up at once."""

    @on_jumping_loop
    async def run() -> None:
        stage = Stage()
        stage.ledger.fault = "database is locked"
        await stage.arm()
        assert not stage.purchase.ready
        assert [ticket.closed for ticket in stage.venue.tickets] == [True]
        with pytest.raises(AssertionError, match="before it was armed"):
            stage.purchase.fire(UP, BOOK)
        assert stage.venue.fired == []

    run()
    assert "NOT_ARMED btc database is locked" in caplog.text


@on_jumping_loop
async def test_a_fault_while_arming_gives_up_the_way() -> None:
    """Whatever goes wrong after the signing, the way to the venue is closed."""
    stage = Stage(ledger=Ledger(State.SKIPPED))
    with pytest.raises(IllegalMoveError):
        await stage.arm()
    assert stage.venue.tickets[0].closed
    assert not stage.purchase.ready


@on_jumping_loop
async def test_cancelled_while_arming() -> None:
    """Nothing can be fired then, and the way is closed."""
    stage = Stage()
    stage.ledger.arming = asyncio.get_running_loop().create_future()
    arming = asyncio.create_task(stage.arm())
    await stage.clock.sleep_until(ARM_AT + NANOSECONDS)
    arming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await arming
    assert stage.venue.tickets[0].closed
    assert not stage.purchase.ready


@on_jumping_loop
async def test_fires_once() -> None:
    """A second call is a fault of this program, and sends nothing."""
    stage = Stage()
    purchase = await stage.fired()
    assert not purchase.ready
    for token in (UP, DOWN):
        with pytest.raises(AssertionError, match="one order a market"):
            purchase.fire(token, BOOK)
    assert [fired.token_id for fired in stage.venue.fired] == [UP]
    await purchase.settle_answer()
    await purchase.conclude()
    assert stage.venue.tickets[0].closed


@on_jumping_loop
async def test_the_bytes_leave_first() -> None:
    """The order goes, then it is counted, then noted; nothing is waited for."""
    journal: list[str] = []

    class Ticket(RecordingTicket):
        def fire(self, token_id: TokenId, sight: Sight) -> Awaitable[Result]:
            journal.append("left")
            return super().fire(token_id, sight)

    class TicketVenue(Venue):
        async def arm(self, wanted: Sequence[Intent]) -> RecordingTicket:
            self.tickets.append(Ticket(self, wanted))
            return self.tickets[-1]

    class Gate(OpenGate):
        def fired(self, spend: int) -> None:
            super().fired(spend)
            journal.append("counted")

    class Notes(Ledger):
        def sent(self, condition_id: ConditionId, order_id: str, at: int) -> None:
            super().sent(condition_id, order_id, at)
            journal.append(f"noted {order_id} {at - TRIGGER + WARM_LEAD}")

    stage = Stage(TicketVenue(), Notes(), Gate())
    await stage.arm()
    stage.purchase.fire(UP, BOOK)
    assert journal == ["left", "counted", f"noted order-{UP} 0"]
    assert stage.gate.spent == [5_000_000]
    await stage.purchase.settle_answer()


@on_jumping_loop
async def test_the_limit_is_the_signed_orders() -> None:
    """None while nothing is signed, or no token is meant."""
    stage = Stage()
    assert stage.purchase.limit_of(UP) is None
    await stage.arm()
    assert stage.purchase.limit_of(None) is None
    assert stage.purchase.limit_of(DOWN) == 970_000


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (FILL, State.FILLED),
        (MATCHED, State.MATCHED),
        (Killed("no ask"), State.KILLED),
        (Rejected("no money", halts=True), State.REJECTED),
        (Uncertain("HTTP 500"), State.UNCERTAIN),
    ],
)
def test_an_answer_is_recorded(result: Result, state: State) -> None:
    """On the ledger and with the safeguards, once, however often it is asked for."""

    @on_jumping_loop
    async def run() -> None:
        stage = Stage(Venue(result, delay=2))
        purchase = await stage.fired()
        await asyncio.gather(purchase.settle_answer(), purchase.settle_answer())
        await purchase.settle_answer()
        assert stage.ledger.states[CONDITION] is state
        assert stage.ledger.results == [(f"order-{UP}", result)]
        assert stage.gate.answers == [result]

    run()


@on_jumping_loop
async def test_there_is_no_answer_before_the_order() -> None:
    """Waiting for one is a fault of this program."""
    stage = Stage()
    with pytest.raises(AssertionError, match="before fire"):
        await stage.purchase.settle_answer()


@on_jumping_loop
async def test_an_answer_is_recorded_even_when_cancelled() -> None:
    """Who waits is cancelled only after the answer has come and is kept."""
    stage = Stage(Venue(MATCHED, delay=3))
    purchase = await stage.fired()
    sent = stage.elapsed
    waiting = asyncio.create_task(purchase.settle_answer())
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert stage.elapsed == pytest.approx(sent + 3)
    assert stage.ledger.results == [(f"order-{UP}", MATCHED)]


def test_a_fault_of_ours_leaves_it_uncertain(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that could not be waited for may still have been a match."""

    @on_jumping_loop
    async def run() -> None:
        stage = Stage(Venue(ZeroDivisionError("of ours")))
        purchase = await stage.fired()
        await purchase.settle_answer()
        ((_, result),) = stage.ledger.results
        assert result == Uncertain("a fault of this program: ZeroDivisionError")

    run()
    assert "ANSWER_FAILED" in caplog.text


@pytest.mark.parametrize(
    "result",
    [FILL, Killed(""), Rejected(""), Reverted("")],
    ids=lambda r: type(r).__name__,
)
def test_what_is_final_is_not_followed(result: Result) -> None:
    """Only what may yet change is asked after."""

    @on_jumping_loop
    async def run() -> None:
        stage = Stage(Venue(result))
        purchase = await stage.fired()
        await purchase.settle_answer()
        await purchase.follow()
        assert stage.venue.asked == []

    run()


@on_jumping_loop
async def test_nothing_is_followed_without_an_order() -> None:
    """Neither before firing nor before its answer."""
    stage = Stage()
    await stage.purchase.follow()
    await stage.fired()
    await stage.purchase.follow()
    assert stage.venue.asked == []
    await stage.purchase.settle_answer()


@pytest.mark.parametrize(
    ("first", "then", "states"),
    [
        (MATCHED, [FILL], ["matched", "filled"]),
        (MATCHED, [Reverted("failed")], ["matched", "reverted"]),
        (MATCHED, [], ["matched"]),
        (Uncertain("HTTP 500"), [FILL], ["uncertain", "filled"]),
        (Uncertain("HTTP 500"), [MATCHED, FILL], ["uncertain", "matched", "filled"]),
        (Uncertain("HTTP 500"), [Killed("")], ["uncertain", "killed"]),
        (MATCHED, [Killed("")], ["matched", "uncertain"]),
        (MATCHED, [Rejected("")], ["matched", "uncertain"]),
        (
            Uncertain("HTTP 500"),
            [MATCHED, Killed("")],
            ["uncertain", "matched", "uncertain"],
        ),
    ],
)
def test_it_is_followed_to_its_end(
    first: Result, then: list[Result], states: list[str]
) -> None:
    """Each word is recorded; what was matched is not killed because it is not found."""

    @on_jumping_loop
    async def run() -> None:
        followed = [Followed(f"order-{UP}", result) for result in then]
        stage = Stage(Venue(first, followed=followed))
        purchase = await stage.fired()
        await purchase.settle_answer()
        await purchase.follow()
        sent_at = TRIGGER - WARM_LEAD
        assert stage.venue.asked == [(CONDITION, (f"order-{UP}",), sent_at)]
        assert [row[0] for row in stage.ledger.rows] == ["armed", "sent", *states]

    run()


def left(number: int, state: State, *, matched: bool = False) -> OpenOrder:
    return OpenOrder(
        condition_id=ConditionId(f"0x{number}"),
        ticker=f"btc-{number}",
        state=state,
        order_ids=(f"up-{number}", f"down-{number}"),
        since=START - number,
        matched=matched,
    )


def ledger_of(*orders: OpenOrder) -> Ledger:
    ledger = Ledger()
    ledger.left = list(orders)
    ledger.states = {order.condition_id: order.state for order in orders}
    return ledger


@on_jumping_loop
async def test_nothing_was_left() -> None:
    """A clean start asks nobody."""
    stage = Stage()
    await clear_up(stage.world)
    assert stage.venue.asked == []


@on_jumping_loop
async def test_what_was_left_is_cleared_up_together() -> None:
    """First all are noted as uncertain, then all are asked after at the same time."""
    orders = [
        left(1, State.ARMED),
        left(2, State.SENT),
        left(3, State.UNCERTAIN),
    ]
    stage = Stage(Venue(followed=[NOWHERE]), ledger_of(*orders))
    stage.venue.pause = 10
    clearing = asyncio.create_task(clear_up(stage.world))
    await asyncio.sleep(1)
    assert set(stage.ledger.states.values()) == {State.UNCERTAIN}
    assert stage.ledger.rows == [("uncertain", "found open")] * 2
    assert stage.venue.asked == [
        (order.condition_id, order.order_ids, order.since) for order in orders
    ]
    await clearing
    assert stage.elapsed == pytest.approx(10)
    assert set(stage.ledger.states.values()) == {State.KILLED}
    assert stage.ledger.results == [(None, NOWHERE.result)] * 3


@on_jumping_loop
async def test_a_market_whose_trader_ends_meanwhile_is_left_to_it() -> None:
    """What the ledger said while it was busy is stale: only the others are cleared."""
    busy = {ConditionId("0x1")}

    class Busy(Ledger):
        async def unresolved(self) -> list[OpenOrder]:
            found = await super().unresolved()
            busy.clear()
            self.states[ConditionId("0x1")] = State.KILLED
            return found

    ledger = Busy()
    ledger.left = [left(1, State.SENT), left(2, State.SENT)]
    ledger.states = {order.condition_id: order.state for order in ledger.left}
    stage = Stage(Venue(followed=[NOWHERE]), ledger)
    await clear_up(stage.world, busy)
    assert [condition_id for condition_id, _, _ in stage.venue.asked] == ["0x2"]
    assert set(ledger.states.values()) == {State.KILLED}


@pytest.mark.parametrize(
    ("result", "state"), [(FILL, State.FILLED), (NOWHERE.result, State.UNCERTAIN)]
)
@pytest.mark.parametrize(
    "order", [left(1, State.MATCHED), left(1, State.UNCERTAIN, matched=True)]
)
def test_a_match_that_was_left(order: OpenOrder, result: Result, state: State) -> None:
    """Its end is asked for, and it is not killed for being unknown now."""

    @on_jumping_loop
    async def run() -> None:
        followed = [Followed("up-1", result)]
        stage = Stage(Venue(followed=followed), ledger_of(order))
        await clear_up(stage.world)
        assert stage.ledger.states == {ConditionId("0x1"): state}

    run()


def test_a_ledger_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """It is said, nothing is asked or sent, and a later look tries again."""

    @on_jumping_loop
    async def run() -> None:
        stage = Stage()
        stage.ledger.broken = LedgerError("malformed")
        await clear_up(stage.world)
        assert stage.venue.asked == []

    run()
    assert "NOT_CLEARED_UP malformed" in caplog.text


def test_one_line_says_what_came_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """Amounts for what was bought, a reason for everything else."""
    caplog.set_level(logging.INFO)
    results: list[Result] = [FILL, MATCHED, Killed("no ask"), Uncertain("HTTP 500")]

    @on_jumping_loop
    async def run() -> None:
        for result in results:
            log_result(Stage().world, "btc", CONDITION, result)

    run()
    assert [line.removesuffix(CONDITION) for line in caplog.messages] == [
        "ORDER btc fill mode=PAPER shares=5.00 cost=4.85 condition_id=",
        "ORDER btc matched mode=PAPER shares=5.00 cost=4.85 condition_id=",
        'ORDER btc killed mode=PAPER reason="no ask" condition_id=',
        'ORDER btc uncertain mode=PAPER reason="HTTP 500" condition_id=',
    ]
