"""What an order takes from the asks level by level, and what each level costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from lastsecond import matching, money
from lastsecond.money import MICRO
from lastsecond.orders import Killed

FEE_RATE = 70_000
"""Micros: what ``fd`` of this exchange's markets says, as of crypto ones since July."""

FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED = (
    "no orders found to match with FAK order. "
    "FAK orders are partially filled or killed if no match is found."
)


@dataclass(frozen=True, slots=True)
class Take:
    """Shares bought at one price; all micros."""

    price: int
    shares: int

    @property
    def cost(self) -> int:
        """Dollars without the fee, floored: $1.20 at 0.55 really cost 1.199999."""
        return self.price * self.shares // MICRO

    @property
    def fee(self) -> int:
        """The fee of this level."""
        return money.fee(self.shares, self.price, FEE_RATE)


def taken(
    asks: Sequence[tuple[int, int]], spend: int, limit: int, order_type: str
) -> list[Take]:
    """What a FOK or FAK buy takes; nothing when it is killed. Cheapest ask first."""
    if order_type == "FOK":
        result = matching.fill_or_kill(asks, spend, limit)
        levels = () if isinstance(result, Killed) else result.levels
        return [Take(price, shares) for price, shares in levels]
    takes = []
    left = spend * MICRO
    for price, size in asks:
        shares = min(size, left // price)
        if price > limit or not shares:
            break
        takes.append(Take(price, shares))
        left -= shares * price
    return takes
