"""What an order meets at the exchange: one set of rules for paper and for simulation.

Prices, dollars and shares are micros. The words are the exchange's, in docs/exchange.md
with their sources.
"""

from collections.abc import Iterable

from lastsecond import money
from lastsecond.money import CENT, MICRO, SHARE_STEP
from lastsecond.orders import Fill, Killed

LEAST_SPEND = MICRO
"""A market buy spends at least $1.00 (seen by many, 2026)."""

LEAST_SHARES = 5 * MICRO
"""Of resting orders; whether of market buys too, the evidence goes both ways."""

DECIMALS = (
    "invalid amounts, the market buy orders maker amount supports a max accuracy of "
    "2 decimals, taker amount a max of 4 decimals"
)
NO_MONEY = "not enough balance / allowance"


def fill_or_kill(
    asks: Iterable[tuple[int, int]], spend: int, limit: int
) -> Fill | Killed:
    """Buy for ``spend`` at or under ``limit``, or not at all.

    ``asks`` are (price, size), cheapest first; ``spend`` is positive. A market buy
    names its dollars, so a better price brings more shares and never a lower cost (seen
    with live money by pmquant 0.7.1, July 2026). Shares and each level's cost are
    rounded down to the micro: 2.181817 at 0.55 cost 1.199999 (seen 2026-05-20).
    """
    reason = "no ask"
    levels: list[tuple[int, int]] = []
    left = spend * MICRO
    for price, size in asks:
        if price > limit:
            if not levels:
                reason = "no ask at or under the limit"
            break
        reason = "not enough depth at or under the limit"
        shares = min(size, left // price)
        levels.append((price, shares))
        if left <= price * size:
            return fill_of(levels)
        left -= price * shares
    return Killed(reason)


def fill_of(levels: Iterable[tuple[int, int]]) -> Fill:
    """The fill that consists of these (price, shares)."""
    taken = tuple((price, shares) for price, shares in levels if shares)
    return Fill(
        sum(shares for _, shares in taken),
        sum(price * shares // MICRO for price, shares in taken),
        taken,
    )


def fee_of(fill: Fill, rate: int | None) -> int | None:
    """The fee of a fill at a market's rate; None where either is not known."""
    if rate is None or (fill.shares and not fill.levels):
        return None
    return sum(money.fee(shares, price, rate) for price, shares in fill.levels)


def highest_fee(spend: int, limit: int, rate: int) -> int:
    """The fee if all of ``spend`` is matched at the limit."""
    return money.fee(spend * MICRO // limit, limit, rate)


def amounts_refusal(
    order_id: str, maker: int, taker: int, *, five_shares: bool = False
) -> str | None:
    """Why the amounts of a market buy are refused, in the exchange's words."""
    if maker % CENT or taker % SHARE_STEP:
        return DECIMALS
    if maker < LEAST_SPEND:
        dollars = money.text(maker, 0)
        return f"invalid amount for a marketable BUY order (${dollars}), min size: $1"
    if five_shares and taker < LEAST_SHARES:
        size = money.text(taker, 0)
        return f"order {order_id} is invalid. Size ({size}) lower than the minimum: 5"
    return None


def price_refusal(order_id: str, maker: int, taker: int, tick: int) -> str | None:
    """Why the price that amounts imply is refused, in the exchange's words.

    Shares have four decimals, so maker / taker is seldom on the grid itself; a price is
    one that leads to these shares when they are rounded, up or down (our reading).
    """
    spend = maker * MICRO
    lowest = spend // (taker + SHARE_STEP) + 1
    highest = MICRO
    if taker > SHARE_STEP:
        highest = min(highest, -(-spend // (taker - SHARE_STEP)) - 1)
    price = max(-(-lowest // tick) * tick, tick)
    if price <= min(highest, MICRO - tick):
        return None
    implied, grid = money.text(spend // taker, 0), money.text(tick, 0)
    return (
        f"order {order_id} is invalid. Price ({implied}) breaks minimum tick size "
        f"rule: {grid}"
    )


def balance_refusal(balance: int, due: int) -> str | None:
    """Why a balance is too small for what is due, fee included."""
    if balance >= due:
        return None
    return (
        f"{NO_MONEY}: the balance is not enough -> balance: {balance}, "
        f"order amount: {due}"
    )
