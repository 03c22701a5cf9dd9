"""A scripted market stream, a venue that remembers, and a World made of fakes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass

from lastsecond.errors import FeedError, LedgerError, VenueError
from lastsecond.history import Day, Observation
from lastsecond.market import ConditionId, Outcome, TokenId
from lastsecond.orders import (
    STATE_OF,
    Awaited,
    Estimate,
    Fill,
    Followed,
    Intent,
    OpenOrder,
    Result,
    SignedOrder,
    State,
    check_move,
)
from lastsecond.ports import (
    Clock,
    Gap,
    Guard,
    JsonSource,
    Ledger,
    NewStream,
    Safeguards,
    Sight,
    Venue,
    World,
)
from lastsecond.trail import Scene, Trail
from lastsecond.wire.market_channel import Frame, decode

BOUGHT = Fill(shares=5_000_000, cost=5_000_000)


class ScriptedStream:
    """A MarketStream that delivers (Unix ns, raw frame) pairs; an empty is a Gap."""

    def __init__(
        self, name: str, script: Iterable[tuple[int, bytes]], clock: Clock
    ) -> None:
        self.name = name
        self.last_data = 0
        self.reconnects = 0
        self.renewals = 0
        self.connected = False
        self.opens = True
        self._script = list(script)
        self._clock = clock
        self._closed = asyncio.Event()

    async def open(self) -> None:
        if not self.opens:
            raise FeedError(f"{self.name}: refused")
        self.connected = True
        self.last_data = self._clock.monotonic()

    async def frames(self) -> AsyncIterator[Frame | Gap]:
        for at, raw in self._script:
            await self._clock.sleep_until(at)
            if not raw:
                yield Gap()
                continue
            frame = decode(raw)
            if frame.is_data and self.connected:
                self.last_data = self._clock.monotonic()
                yield frame
        await self._closed.wait()

    async def renew(self) -> None:
        self.renewals += 1

    async def close(self) -> None:
        self.connected = False
        self._closed.set()


@dataclass(frozen=True)
class Fired:
    """An order as it left: what it buys, for how much, and the ask of that moment."""

    token_id: TokenId
    outcome: Outcome
    limit: int
    spend: int
    ask: int | None


class StillSight:
    """A Sight of one book in which nothing moves: (price, size) asks, in micros."""

    def __init__(
        self,
        asks: Sequence[tuple[int, int]] = ((990_000, 1_000_000_000),),
        *,
        fault: str = "",
        tick: int = 10_000,
    ) -> None:
        self.asks = tuple(asks)
        self.fault = fault
        self.tick = tick
        self.trails: list[Trail] = []

    def scene(self, limit: int, at: int) -> Scene:
        return Scene(
            at=at,
            known_at=at,
            fault=self.fault,
            asks=tuple(level for level in self.asks if level[0] <= limit),
            best_ask=min((price for price, _ in self.asks), default=None),
            tick=self.tick,
        )

    def follow(self, token: TokenId, limit: int, now: int, at: int) -> Trail:
        self.trails.append(Trail(token, limit, self.scene(limit, now)))
        return self.trails[-1]


def order_of(intent: Intent, order_id: str) -> SignedOrder:
    """An order for what is intended, without a signature."""
    return SignedOrder(
        order_id=order_id,
        condition_id=intent.condition_id,
        token_id=intent.token_id,
        outcome=intent.outcome,
        maker_amount=intent.spend,
        taker_amount=intent.spend,
        limit=intent.limit,
        body=b"",
    )


class RecordingTicket:
    """A Ticket that keeps what is fired."""

    def __init__(self, venue: "RecordingVenue", intents: Sequence[Intent]) -> None:
        self.orders = {
            intent.token_id: order_of(intent, f"order-{intent.token_id}")
            for intent in intents
        }
        self.warmed = 0
        self.closed = False
        self._venue = venue

    async def warm(self) -> None:
        self.warmed += 1

    def fire(self, token_id: TokenId, sight: Sight) -> Awaitable[Result]:
        order = self.orders[token_id]
        ask = sight.follow(token_id, order.limit, 0, 0).first.best_ask
        fired = Fired(token_id, order.outcome, order.limit, order.maker_amount, ask)
        self._venue.fired.append(fired)
        return self._venue.answer()

    def estimates(self) -> Sequence[Estimate]:
        return ()

    def close(self) -> None:
        self.closed = True


class RecordingVenue:
    """A Venue that keeps what was fired and answers ``result`` after ``delay`` s."""

    label = "PAPER"

    def __init__(self, result: Result = BOUGHT, delay: float = 0) -> None:
        self.fired: list[Fired] = []
        self.tickets: list[RecordingTicket] = []
        self.followed: list[Followed] = []
        self.refusal: str | None = None
        self._result = result
        self._delay = delay

    async def arm(self, intents: Sequence[Intent]) -> RecordingTicket:
        if self.refusal:
            raise VenueError(self.refusal)
        self.tickets.append(RecordingTicket(self, intents))
        return self.tickets[-1]

    async def answer(self) -> Result:
        await asyncio.sleep(self._delay)
        return self._result

    async def follow(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> AsyncIterator[Followed]:
        for followed in self.followed:
            yield followed


class MemoryLedger:
    """A Ledger that keeps states and what led to them, and refuses illegal moves."""

    def __init__(self) -> None:
        self.states: dict[ConditionId, State] = {}
        self.rows: list[tuple[str, ...]] = []
        self.left: list[OpenOrder] = []
        self.waiting: list[Awaited] = []
        self.estimates: dict[str, Sequence[Estimate]] = {}
        self.observations: dict[ConditionId, Observation] = {}
        self.paid_up: dict[ConditionId, tuple[int, str]] = {}
        self.notes: list[tuple[str, dict[str, object]]] = []
        self.fault: str | None = None

    async def discover(
        self,
        condition_id: ConditionId,
        ticker: str,
        close_at: int,
        tokens: tuple[TokenId, TokenId],
    ) -> State:
        return self.states.setdefault(condition_id, State.DISCOVERED)

    def was_armed(self, condition_id: ConditionId) -> bool:
        return ("armed", "") in self.rows

    def move(
        self,
        condition_id: ConditionId,
        state: State,
        reason: str = "",
        **detail: object,
    ) -> None:
        check_move(self.states.setdefault(condition_id, State.DISCOVERED), state)
        self.states[condition_id] = state
        self.rows.append((state.value, str(reason)))

    async def arm(
        self, condition_id: ConditionId, orders: Sequence[SignedOrder]
    ) -> None:
        if self.fault:
            raise LedgerError(self.fault)
        self.move(condition_id, State.ARMED)

    def sent(self, condition_id: ConditionId, order_id: str, at: int) -> None:
        self.move(condition_id, State.SENT)

    def result(
        self, condition_id: ConditionId, order_id: str | None, result: Result
    ) -> None:
        self.move(condition_id, STATE_OF[type(result)])

    def estimate(self, order_id: str, estimates: Sequence[Estimate]) -> None:
        self.estimates[order_id] = estimates

    def observe(self, condition_id: ConditionId, observation: Observation) -> None:
        self.observations[condition_id] = observation

    def note(
        self, condition_id: ConditionId | None, kind: str, **detail: object
    ) -> None:
        self.notes.append((kind, detail))

    async def awaited(self) -> list[Awaited]:
        return self.waiting

    def resolve(self, condition_id: ConditionId, paid_up: int, source: str) -> None:
        self.paid_up.setdefault(condition_id, (paid_up, source))

    def settle(self, condition_id: ConditionId, payout: int, source: str) -> None:
        self.move(condition_id, State.SETTLED, f"{payout} {source}")

    async def day(self, since: int) -> Day:
        return Day()

    async def unresolved(self) -> list[OpenOrder]:
        return self.left


class OpenGate:
    """Safeguards that forbid what they are told to, and count what they are told."""

    def __init__(self) -> None:
        self.guard: Guard | None = None
        self.spent: list[int] = []
        self.answers: list[Result] = []

    async def prepare(self) -> None:
        """Nothing to learn."""

    def objection(self, spend: int) -> Guard | None:
        return self.guard

    def fired(self, spend: int) -> None:
        self.spent.append(spend)

    def answered(self, result: Result) -> None:
        self.answers.append(result)


async def no_epilogue() -> None:
    """Nothing more to tell."""


def fake_world(
    clock: Clock,
    *,
    source: JsonSource,
    new_stream: NewStream,
    venue: Venue | None = None,
    ledger: Ledger | None = None,
    safeguards: Safeguards | None = None,
) -> World:
    """A World of fakes at ``https://gamma.test`` and ``https://clob.test``."""
    return World(
        clock=clock,
        source=source,
        new_stream=new_stream,
        venue=venue or RecordingVenue(),
        ledger=ledger or MemoryLedger(),
        safeguards=safeguards or OpenGate(),
        expect=lambda _: None,
        calm=no_epilogue,
        gamma_host="https://gamma.test",
        clob_host="https://clob.test",
        epilogue=no_epilogue,
    )
