"""What a fill-or-kill buy takes from a book: one rule for paper and for simulation."""

from collections.abc import Iterable

from lastsecond.money import MICRO
from lastsecond.orders import Fill, Killed


def fill_or_kill(
    asks: Iterable[tuple[int, int]], spend: int, limit: int
) -> Fill | Killed:
    """Buy for exactly ``spend`` at or under ``limit``, or not at all; all micros.

    ``asks`` are (price, size), cheapest first; ``spend`` is positive. A market buy
    names its dollars, so a better price brings more shares and never a lower cost (seen
    with live money by pmquant 0.7.1, July 2026). Shares are rounded down to the micro.
    """
    reason = "no ask"
    shares = 0
    left = spend * MICRO
    for price, size in asks:
        if price > limit:
            if not shares:
                reason = "no ask at or under the limit"
            break
        reason = "not enough depth at or under the limit"
        if left <= price * size:
            return Fill(shares + left // price, spend)
        shares += size
        left -= price * size
    return Killed(reason)
