"""What an order takes from the asks level by level, and what each level costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from lastsecond.matching import fill_or_kill
from lastsecond.money import MICRO
from lastsecond.orders import Killed

_FEE_PERCENT = 7
_FEE_GRAIN = 10
"""Micro-dollars: fees have five decimals."""

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
        """The fee: shares x 0.07 x p x (1 - p) to the nearest 0.00001, or that."""
        exact = self.shares * _FEE_PERCENT * self.price * (MICRO - self.price)
        grain = _FEE_GRAIN * 100 * MICRO**2
        return max((2 * exact + grain) // (2 * grain), 1) * _FEE_GRAIN


def taken(
    asks: Sequence[tuple[int, int]], spend: int, limit: int, order_type: str
) -> list[Take]:
    """What a FOK or FAK buy takes; nothing when it is killed. Cheapest ask first."""
    if order_type == "FOK" and isinstance(fill_or_kill(asks, spend, limit), Killed):
        return []
    takes = []
    left = spend * MICRO
    for price, size in asks:
        shares = min(size, left // price)
        if price > limit or not shares:
            break
        takes.append(Take(price, shares))
        left -= shares * price
    return takes


def highest_fee(spend: int, limit: int) -> int:
    """The fee if all of ``spend`` is matched at the limit; micros."""
    return Take(limit, spend * MICRO // limit).fee
