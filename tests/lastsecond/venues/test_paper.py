"""Paper orders: the real ones' amounts, filled from the book, sent nowhere."""

import pytest

from lastsecond.book import Book
from lastsecond.errors import VenueError
from lastsecond.market import ConditionId, Outcome, TokenId
from lastsecond.money import order_amounts
from lastsecond.orders import Fill, Intent, Killed, Rejected
from lastsecond.venues.paper import PaperVenue

CONDITION = ConditionId("0x" + "c" * 64)
UP, DOWN = TokenId("1"), TokenId("2")


def intent(token: TokenId = UP, limit: int = 970_000, tick: int = 10_000) -> Intent:
    return Intent(
        condition_id=CONDITION,
        ticker="btc",
        token_id=token,
        outcome=Outcome.UP if token == UP else Outcome.DOWN,
        spend=5_000_000,
        limit=limit,
        tick=tick,
    )


def book(asks: dict[int, int]) -> Book:
    made = Book(UP)
    made.asks.update(asks)
    return made


async def test_orders_are_the_real_ones_unsigned() -> None:
    """Both tokens' orders, with real amounts and limits, and no body to send."""
    ticket = await PaperVenue().arm([intent(), intent(DOWN, limit=975_500)])
    up, down = ticket.orders[UP], ticket.orders[DOWN]
    assert (up.maker_amount, up.taker_amount) == order_amounts(
        5_000_000, 970_000, 10_000
    )
    assert (up.limit, down.limit) == (970_000, 970_000)
    assert (up.outcome, down.outcome) == (Outcome.UP, Outcome.DOWN)
    assert (up.body, down.body) == (b"", b"")
    assert up.order_id.startswith("paper-")
    assert up.order_id != down.order_id
    again = await PaperVenue().arm([intent()])
    assert again.orders[UP].order_id == up.order_id
    await ticket.warm()
    ticket.close()
    assert PaperVenue.label == "PAPER"


async def test_a_limit_without_a_price() -> None:
    """What could not be signed cannot be had on paper."""
    with pytest.raises(VenueError, match="no price"):
        await PaperVenue().arm([intent(limit=5_000)])


@pytest.mark.parametrize(
    ("asks", "result"),
    [
        ({970_000: 100_000_000}, Fill(5_154_639, 5_000_000)),
        ({500_000: 100_000_000}, Fill(10_000_000, 5_000_000)),
        ({970_000: 1_000_000, 980_000: 100_000_000}, "not enough depth"),
        ({980_000: 100_000_000}, "no ask"),
        ({}, "no ask"),
    ],
)
async def test_it_fills_from_the_asks(asks: dict[int, int], result: Fill | str) -> None:
    """All of it at the limit or better, or nothing, as the book stands when fired."""
    ticket = await PaperVenue().arm([intent()])
    told = await ticket.fire(UP, book(asks))
    if isinstance(result, str):
        assert isinstance(told, Killed)
        assert result in told.reason
    else:
        assert told == result


async def test_the_book_is_read_at_once() -> None:
    """What happens to the book between the firing and the answer changes nothing."""
    ticket = await PaperVenue().arm([intent()])
    live = book({970_000: 100_000_000})
    answer = ticket.fire(UP, live)
    live.asks.clear()
    assert await answer == Fill(5_154_639, 5_000_000)


async def test_what_an_earlier_run_left_was_never_filled() -> None:
    """A paper order does not outlive its process."""
    followed = [told async for told in PaperVenue().follow(CONDITION, ["a", "b"], 7)]
    (told,) = followed
    assert told.order_id is None
    assert isinstance(told.result, Rejected)
    assert told.final
    assert not told.result.halts
