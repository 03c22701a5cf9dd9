"""The one book behind a market's two mirrored tokens.

A bid for Up at p is an offer of Down at 1 - p, and the other way round, so a single
two-sided ladder in Up's terms holds both books and they cannot disagree. Prices and
sizes are integer micros.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from lastsecond import money
from lastsecond.market import Outcome

Level = tuple[int, int]
"""(price, size), both in micros."""


class Side(StrEnum):
    """The side of an order, as the wire spells it."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.SELL if self is Side.BUY else Side.BUY


@lru_cache(maxsize=65536)
def plain(amount: int) -> str:
    """Micros as the wire writes them: "0.97", "119.83", "10"."""
    return money.text(amount, 0)


class Ladder:
    """Resting sizes by price, seen from either token."""

    def __init__(self) -> None:
        self._up: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    def size(self, outcome: Outcome, side: Side, price: int) -> int:
        """Size resting at that price; 0 when there is none."""
        side, price = self._in_up(outcome, side, price)
        return self._up[side].get(price, 0)

    def put(self, outcome: Outcome, side: Side, price: int, size: int) -> None:
        """Set the absolute size at a price; 0 removes the level."""
        side, price = self._in_up(outcome, side, price)
        if size:
            self._up[side][price] = size
        else:
            self._up[side].pop(price, None)

    def replace(
        self, outcome: Outcome, bids: Iterable[Level], asks: Iterable[Level]
    ) -> None:
        """Make these the whole book, in that outcome's terms."""
        self._up = {Side.BUY: {}, Side.SELL: {}}
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            for price, size in levels:
                self.put(outcome, side, price, size)

    def levels(self, outcome: Outcome, side: Side) -> list[Level]:
        """Levels of one side, best last: bids ascend, asks descend."""
        held, _ = self._in_up(outcome, side, 0)
        rows = list(self._up[held].items())
        if outcome is Outcome.DOWN:
            rows = [(money.MICRO - price, size) for price, size in rows]
        return sorted(rows, reverse=side is Side.SELL)

    def best(self, outcome: Outcome, side: Side) -> int | None:
        """Best price of one side; None when the side is empty."""
        held, _ = self._in_up(outcome, side, 0)
        prices = self._up[held]
        if not prices:
            return None
        price = max(prices) if held is Side.BUY else min(prices)
        return price if outcome is Outcome.UP else money.MICRO - price

    @staticmethod
    def _in_up(outcome: Outcome, side: Side, price: int) -> tuple[Side, int]:
        if outcome is Outcome.UP:
            return side, price
        return side.other, money.MICRO - price
