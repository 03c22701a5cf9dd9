"""The paper venue: no order leaves; the book at the moment of matching says what fills.

An order is matched when it has arrived and the market has held it back, against the
asks of that moment. What was there at the decision may be gone by then: that counts as
lost. The frames of that moment take as long to come here as the order took to go there.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lastsecond import matching, money
from lastsecond.errors import SourceError, VenueError, WireError
from lastsecond.market import NANOSECONDS, ConditionId, TokenId
from lastsecond.orders import (
    Estimate,
    Figure,
    Fill,
    Followed,
    Intent,
    Killed,
    Rejected,
    Result,
    SignedOrder,
)
from lastsecond.ports import Clock, JsonSource, Sight
from lastsecond.trail import Scene, Trail
from lastsecond.wire.answers import decode_order_answer
from lastsecond.wire.clob import MarketTerms, decode_terms

STANDS_AFTER = NANOSECONDS
"""Ns after matching at which asks that still stand bear a paper fill out."""

TRADED_WITHIN = 2 * NANOSECONDS
"""Ns after matching within which the tape bears a paper fill out."""

LATE_FRAMES = NANOSECONDS // 2
"""Ns that frames may be late: what they say of the matching moment is waited for."""

OUT_OF_STEP = 50_000_000
"""Ns before its print within which a book may show what an order has taken."""

_BUDGET = 5.0
_BAD_REQUEST = 400

End = Fill | Killed | Rejected


@dataclass(frozen=True, slots=True)
class _Sent:
    """An order on paper that left; moments in Unix ns."""

    order: SignedOrder
    trail: Trail
    refusal: Rejected | None
    """What the account and the amounts were refused for."""
    sent_at: int
    matched_at: int
    one_way: int

    @property
    def delay(self) -> int:
        """What a moment's frames take to be here, ns."""
        return self.one_way + LATE_FRAMES


class PaperTicket:
    """One market's paper orders, of which at most one is sent."""

    def __init__(
        self,
        orders: Mapping[TokenId, SignedOrder],
        venue: "PaperVenue",
        terms: MarketTerms,
    ) -> None:
        """``terms`` are the market's."""
        self.orders = orders
        self._venue = venue
        self._terms = terms
        self._sent: _Sent | None = None
        self._booked: End | None = None

    async def warm(self) -> None:
        """Paper needs no way to anywhere."""

    def fire(self, token_id: TokenId, sight: Sight) -> Awaitable[Result]:
        """Send on paper: the answer is the realistic figure, once it can be known."""
        return self._matched(self.send(token_id, sight))

    def send(self, token_id: TokenId, sight: Sight) -> _Sent:
        """Let the order leave, and follow the book from now on."""
        assert self._sent is None, "one order a market"
        venue, order = self._venue, self.orders[token_id]
        now, one_way = venue.clock.now(), venue.one_way()
        trail = sight.follow(token_id, order.limit, now, venue.clock.monotonic())
        hold = venue.hold if self._terms.holds_takers else 0
        self._sent = _Sent(
            order,
            trail,
            venue.refusal(order),
            sent_at=now,
            matched_at=now + one_way + hold,
            one_way=one_way,
        )
        trail.last_wanted = self._sent.matched_at + TRADED_WITHIN
        venue.in_flight.add(order.order_id)
        return self._sent

    def estimates(self, own: int | None = None) -> list[Estimate]:
        """What each figure makes of the order that was sent, as far as known by now.

        ``own``: shares that a real order of the same moment bought. What it took is
        not held against its twin.
        """
        sent = self._sent
        if sent is None:
            return []
        until = sent.trail.until or self._venue.clock.now()
        seen = until - sent.delay
        found = [_estimate(Figure.OPTIMISTIC, sent, sent.trail.first, sent.sent_at)]
        if seen < sent.matched_at:
            return found
        held = sent.matched_at - sent.one_way
        ours = None if own is None else sent.trail.own_print(own, held)
        before = None if ours is None else ours - OUT_OF_STEP
        scene = sent.trail.at(sent.matched_at, before=before)
        real = _estimate(Figure.REALISTIC, sent, scene, sent.matched_at)
        if self._booked is not None:  # frames that came later still change nothing
            real = replace(real, result=self._booked)
        found.append(real)
        if seen >= sent.matched_at + TRADED_WITHIN:
            end = _borne_out(sent, real.result, own or 0, ours)
            at = sent.matched_at + TRADED_WITHIN
            found.append(
                Estimate(figure=Figure.PESSIMISTIC, result=end, ask=real.ask, at=at)
            )
        return found

    def close(self) -> None:
        """Follow the book no longer."""
        if self._sent is not None:
            self._sent.trail.end(self._venue.clock.now())
            self._venue.in_flight.discard(self._sent.order.order_id)

    async def _matched(self, sent: _Sent) -> Result:
        await self._venue.clock.sleep_until(sent.matched_at + sent.delay)
        end = _end(sent, sent.trail.at(sent.matched_at))
        if isinstance(end, Fill):
            end = self._venue.pay(sent.order, end)
        self._booked = end
        return end


class PaperVenue:
    """Makes the same orders as the real venue, unsigned, and sends none."""

    label = "PAPER"

    def __init__(  # noqa: PLR0913  what it reads, how far away it is, what it has
        self,
        *,
        clock: Clock,
        source: JsonSource,
        host: str,
        one_way: Callable[[], int],
        hold: int,
        balance: int | None = None,
        cash: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        """``one_way()``: ns to the exchange; ``hold``: ns that it keeps takers back.

        ``balance``: what there was at first, micros, None without end; ``cash()``: what
        the ledger's fills and payouts have added since.
        """
        self.clock = clock
        self.one_way = one_way
        self.hold = hold
        self.in_flight: set[str] = set()
        """Ids of orders that were sent and may not be in the ledger yet."""
        self._source = source
        self._host = host
        self._opening = balance
        self._cash = cash
        self._balance = balance

    async def arm(self, intents: Sequence[Intent]) -> PaperTicket:
        """The orders with the amounts of real ones. Raises VenueError as they would."""
        terms = await self._terms(intents[0].condition_id)
        if self._opening is not None and self._cash and not self.in_flight:
            balance = self._opening + await self._cash()
            if not self.in_flight:  # what left meanwhile may not be in it
                self._balance = balance
        orders = {i.token_id: _order(i, terms.fee_rate) for i in intents}
        return PaperTicket(orders, self, terms)

    async def follow(
        self, condition_id: ConditionId, order_ids: Sequence[str], since: int
    ) -> AsyncIterator[Followed]:
        """A paper order that an earlier run left open was never filled."""
        yield Followed(
            None,
            Rejected(
                f"{len(order_ids)} paper orders of {condition_id} at {since} were left"
            ),
        )

    def refusal(self, order: SignedOrder) -> Rejected | None:
        """Why the exchange would refuse the order, in its words; None if it would not.

        A refusal of the account's would stop real trading.
        """
        maker, taker = order.maker_amount, order.taker_amount
        due = maker + matching.highest_fee(maker, order.limit, order.fee_rate or 0)
        words = matching.amounts_refusal(
            order.order_id, maker, taker
        ) or self._too_poor(due)
        return _refused(words, order) if words else None

    def pay(self, order: SignedOrder, fill: Fill) -> End:
        """The fill, its cost and fee taken from the balance, if they can be."""
        due = fill.cost + (matching.fee_of(fill, order.fee_rate) or 0)
        if words := self._too_poor(due):
            return _refused(words, order)
        if self._balance is not None:
            self._balance -= due
        return fill

    def _too_poor(self, due: int) -> str | None:
        if self._balance is None:
            return None
        return matching.balance_refusal(self._balance, due)

    async def _terms(self, condition_id: ConditionId) -> MarketTerms:
        url = f"{self._host}/clob-markets/{condition_id}"
        try:
            body = await self._source.get(url, budget=_BUDGET)
            terms = decode_terms(body, condition_id)
        except (SourceError, WireError) as error:
            raise VenueError(f"the market's fees could not be read: {error}") from error
        if terms.fee_rate is None:
            raise VenueError("the market's fee schedule is not one that is known")
        return terms


def _order(intent: Intent, fee_rate: int | None) -> SignedOrder:
    try:
        maker, taker = money.order_amounts(intent.spend, intent.limit, intent.tick)
    except ValueError as error:
        raise VenueError(str(error)) from error
    named = f"{intent.condition_id} {intent.token_id}".encode()
    return SignedOrder(
        order_id=f"paper-{hashlib.sha256(named).hexdigest()}",
        condition_id=intent.condition_id,
        token_id=intent.token_id,
        outcome=intent.outcome,
        maker_amount=maker,
        taker_amount=taker,
        limit=money.on_grid(intent.limit, intent.tick),
        body=b"",
        fee_rate=fee_rate,
    )


def _refused(words: str, order: SignedOrder) -> Rejected:
    """What the real venue makes of these words."""
    body = json.dumps({"error": words}).encode()
    result = decode_order_answer(_BAD_REQUEST, body, order)
    assert isinstance(result, Rejected), "a refusal is one"
    return result


def _end(sent: _Sent, scene: Scene) -> End:
    """What becomes of the order in a scene."""
    if sent.refusal is not None:
        return sent.refusal
    if scene.fault:
        return Killed(f"the book is not to be believed: {scene.fault}")
    order, tick = sent.order, scene.tick or money.COARSE_TICK
    maker, taker = order.maker_amount, order.taker_amount
    if words := matching.price_refusal(order.order_id, maker, taker, tick):
        return _refused(words, order)
    return matching.fill_or_kill(scene.asks, maker, order.limit)


def _estimate(figure: Figure, sent: _Sent, scene: Scene, at: int) -> Estimate:
    return Estimate(figure=figure, result=_end(sent, scene), ask=scene.best_ask, at=at)


def _borne_out(sent: _Sent, end: End, own: int, ours: int | None) -> End:
    """The same end, a fill only if the tape or the book of a second later agrees.

    ``own`` shares that a real order of ours took at ``ours`` are no witness, and are
    given back to the book.
    """
    if not isinstance(end, Fill):
        return end
    worst, at = max(price for price, _ in end.levels), sent.matched_at
    traded = sent.trail.traded(at, at + TRADED_WITHIN, worst)
    if ours is not None and ours >= at:
        traded -= own
    later = sent.trail.at(at + STANDS_AFTER)
    told = not later.fault and sent.trail.heard_after(at + STANDS_AFTER)
    stands = sum(size for price, size in later.asks if price <= worst)
    if ours is not None:
        stands += own
    if traded >= end.shares or (told and stands >= end.shares):
        return end
    return Killed("neither traded within 2 s nor still there after 1 s")
