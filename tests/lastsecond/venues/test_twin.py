"""Every real order has its twin on paper, which never gets in its way."""

from collections.abc import AsyncIterator, Awaitable, Sequence

import pytest

from lastsecond.errors import VenueError
from lastsecond.market import ConditionId
from lastsecond.orders import (
    Figure,
    Followed,
    Intent,
    Killed,
    Matched,
    Result,
    Uncertain,
)
from lastsecond.ports import Ticket
from lastsecond.trail import Print
from lastsecond.venues.twin import TwinVenue
from tests.lastsecond.venues.test_paper import (
    DEEP,
    MS,
    START,
    THERE,
    UP,
    Bench,
    figures,
    intent,
    live,
)
from tests.scripted import RecordingTicket, RecordingVenue, StillSight


class RealVenue:
    """Answers ``result`` to whatever is sent."""

    label = "LIVE"

    def __init__(self, result: Result) -> None:
        self.inner = RecordingVenue(result)
        self.refusal: str | None = None
        self.ticket: RecordingTicket | None = None

    async def arm(self, intents: Sequence[Intent]) -> Ticket:
        if self.refusal:
            raise VenueError(self.refusal)
        self.ticket = RecordingTicket(self.inner, intents)
        return self.ticket

    async def follow(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> AsyncIterator[Followed]:
        yield Followed(order_ids[0], Killed("asked the real venue"))


class Pair:
    """A bench of paper beside a real venue."""

    def __init__(self, result: Result = THERE) -> None:
        self.bench = Bench()
        self.real = RealVenue(result)
        self.venue = TwinVenue(self.real, self.bench.venue)

    async def ticket(self) -> Ticket:
        return await self.venue.arm([intent()])

    async def later(self, ticket: Ticket) -> dict[str, Result]:
        await self.bench.clock.sleep(3)
        return figures(ticket.estimates())


@live
async def test_the_real_order_is_what_counts() -> None:
    """Its ids, amounts and answer are the real ones; only the fee's rate is added."""
    pair = Pair(Killed("really"))
    ticket = await pair.ticket()
    order = ticket.orders[UP]
    assert (order.order_id, order.fee_rate) == (f"order-{UP}", 70_000)
    await ticket.warm()
    assert await ticket.fire(UP, pair.bench.sight) == Killed("really")
    assert pair.bench.clock.now() == START, "the twin holds nothing up"
    assert (await pair.later(ticket))[Figure.REALISTIC] == THERE
    ticket.close()
    assert pair.real.ticket is not None
    assert (pair.real.ticket.warmed, pair.real.ticket.closed) == (1, True)
    told = [t async for t in pair.venue.follow(ConditionId("0x1"), ["a"], 1)]
    assert told == [Followed("a", Killed("asked the real venue"))]
    assert pair.venue.label == "LIVE"


@pytest.mark.parametrize("result", [THERE, Matched(5_154_639, 4_999_999, ())])
@live
async def test_what_the_real_order_took_is_not_held_against_its_twin(
    result: Result,
) -> None:
    """The asks are gone because we took them: the twin fills, in every figure."""
    pair = Pair(result)
    ticket = await pair.ticket()
    await ticket.fire(UP, pair.bench.sight)
    pair.bench.show(180, [])
    pair.bench.trail.tell(Print(START + 180 * MS, 970_000, 5_154_639), 0)
    pair.bench.show(1_300, [])
    assert await pair.later(ticket) == dict.fromkeys(Figure, THERE)


@live
async def test_what_others_took_is() -> None:
    """A print that is not ours changes nothing: the twin is killed."""
    pair = Pair(THERE)
    ticket = await pair.ticket()
    await ticket.fire(UP, pair.bench.sight)
    pair.bench.show(180, [])
    pair.bench.trail.tell(Print(START + 180 * MS, 970_000, 9_000_000), 0)
    assert (await pair.later(ticket))[Figure.REALISTIC] == Killed("no ask")


@live
async def test_our_own_print_is_no_witness() -> None:
    """What stood beside our take and is gone a second later bears nothing out."""
    pair = Pair(THERE)
    ticket = await pair.ticket()
    await ticket.fire(UP, pair.bench.sight)
    pair.bench.show(195, [(970_000, 1)])
    pair.bench.trail.tell(Print(START + 195 * MS, 970_000, 5_154_639), 0)
    pair.bench.show(1_300, [(970_000, 1)])
    assert (await pair.later(ticket))[Figure.PESSIMISTIC] == THERE
    pair = Pair(Killed("really"))
    ticket = await pair.ticket()
    await ticket.fire(UP, pair.bench.sight)
    pair.bench.show(195, [(970_000, 1)])
    assert isinstance((await pair.later(ticket))[Figure.PESSIMISTIC], Killed)


@live
async def test_an_uncertain_order_has_no_twin() -> None:
    """Nobody knows what it took, so nothing can be said of the book without it."""
    pair = Pair(Uncertain("timeout"))
    ticket = await pair.ticket()
    await ticket.fire(UP, pair.bench.sight)
    assert await pair.later(ticket) == {}


@live
async def test_a_real_order_needs_no_twin(caplog: pytest.LogCaptureFixture) -> None:
    """Where fees cannot be read, the real order goes without; not the other way."""
    pair = Pair()
    pair.bench.answer = b""
    ticket = await pair.ticket()
    assert ticket.orders[UP].fee_rate is None
    assert await ticket.fire(UP, pair.bench.sight) == THERE
    assert ticket.estimates() == ()
    assert "NO_TWIN btc the market's fees could not be read" in caplog.text
    pair.real.refusal = "no key"
    with pytest.raises(VenueError, match="no key"):
        await pair.ticket()


@live
async def test_a_twin_that_fails_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault of the twin is logged; the real answer comes all the same."""

    class Blind(StillSight):
        def follow(self, *_: object) -> object:  # type: ignore[override]
            if self.trails:
                raise RuntimeError("no sight")
            return super().follow(UP, 970_000, START, START)

    pair = Pair()
    ticket = await pair.ticket()
    answer: Awaitable[Result] = ticket.fire(UP, Blind(DEEP))  # type: ignore[arg-type]
    assert await answer == THERE
    assert "TWIN_FAILED" in caplog.text
    assert await pair.later(ticket) == {}


@live
async def test_a_twin_that_is_not_ready_is_not_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A second, then the real order goes without; nor does its fault end anything."""
    pair = Pair()
    pair.bench.slow = 4.0
    ticket = await pair.ticket()
    assert pair.bench.clock.now() == START + 1_000 * MS
    assert await ticket.fire(UP, pair.bench.sight) == THERE
    assert "NO_TWIN btc not ready within 1 s" in caplog.text
    broken = Pair()
    broken.bench.answer = b'{"c": "0xcc", "fd": {"r": "NaN"}}'
    assert (await broken.ticket()).orders[UP].fee_rate is None
