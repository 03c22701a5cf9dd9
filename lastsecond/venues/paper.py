"""The paper venue: no order leaves; the asks on the book say what one would take."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

from lastsecond import money
from lastsecond.book import Book
from lastsecond.errors import VenueError
from lastsecond.market import ConditionId, TokenId
from lastsecond.matching import fill_or_kill
from lastsecond.orders import Followed, Intent, Rejected, Result, SignedOrder


class PaperTicket:
    """One market's paper orders."""

    def __init__(self, orders: Mapping[TokenId, SignedOrder]) -> None:
        self.orders = orders

    async def warm(self) -> None:
        """Paper needs no way to anywhere."""

    def fire(self, token_id: TokenId, book: Book) -> Awaitable[Result]:
        """Fill from the asks on ``book`` as it stands now, all of it or nothing."""
        order = self.orders[token_id]
        asks = book.asks_within(order.limit)
        return _known(fill_or_kill(asks, order.maker_amount, order.limit))

    def close(self) -> None:
        """Nothing to give up."""


class PaperVenue:
    """Makes the same orders as the real venue, unsigned, and sends none."""

    label = "PAPER"

    async def arm(self, intents: Sequence[Intent]) -> PaperTicket:
        """The orders with the amounts of real ones. Raises VenueError as they would."""
        return PaperTicket({intent.token_id: _order(intent) for intent in intents})

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


async def _known(result: Result) -> Result:
    return result


def _order(intent: Intent) -> SignedOrder:
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
    )
