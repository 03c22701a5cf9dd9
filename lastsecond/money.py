"""Prices, dollars and shares: integer micro-units inside, Decimal at the edge.

One micro is 1e-6 of a dollar (pUSD) or of a share: the exchange's own unit. The finest
tick is 0.0001, so every price is a whole number of micros.
"""

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

MICRO = 1_000_000
"""Micros in one dollar or one share; as a price, certainty."""

_DIGITS = 6


@lru_cache(maxsize=8192)
def micros(text: str) -> int:
    """Read a decimal string such as "0.48", ".48" or "12441.83" as micros, exactly.

    Digits beyond the sixth are below the exchange's unit and are dropped. Raises
    ValueError for anything but plain digits with at most one point.
    """
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"not a decimal number: {text[:40]!r}")
    return int(whole or "0") * MICRO + int(fraction[:_DIGITS].ljust(_DIGITS, "0"))


@lru_cache(maxsize=8192)
def decimal(amount: int) -> Decimal:
    """Micros as an exact Decimal without trailing zeros: 970000 is Decimal("0.97")."""
    return Decimal(amount).scaleb(-_DIGITS).normalize()


def from_decimal(value: Decimal) -> int:
    """A Decimal as micros. Raises ValueError when it is finer than one micro."""
    scaled = value * MICRO
    if scaled != scaled.to_integral_value():
        raise ValueError(f"finer than a millionth: {value}")
    return int(scaled)


def text(amount: int, places: int = 2) -> str:
    """Micros for a reader: at least ``places`` decimals, more only where needed."""
    value = Decimal(amount).scaleb(-_DIGITS)
    trimmed = value.normalize()
    exponent = trimmed.as_tuple().exponent
    needed = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return f"{value:.{max(places, needed)}f}"


def signed(amount: int, places: int = 2) -> str:
    """The same with its sign, also where it is a gain."""
    return f"{'-' if amount < 0 else '+'}{text(abs(amount), places)}"


CENT = 10_000
"""Micros in 0.01: what a market buy's dollars are a multiple of, at any tick."""

SHARE_STEP = 100
"""Micros in 0.0001: what a market buy's shares are a multiple of, at any tick."""


COARSE_TICK = 10_000
"""The grid of prices, micros, until a book says otherwise."""


def on_grid(limit: int, tick: int) -> int:
    """The highest price on the grid that is not above ``limit``; at most 1 - tick.

    Raises ValueError when that leaves no price.
    """
    price = min(limit // tick * tick, MICRO - tick)
    if price < tick:
        raise ValueError(f"no price on the grid of {text(tick)} up to {text(limit)}")
    return price


def order_amounts(spend: int, limit: int, tick: int) -> tuple[int, int]:
    """(maker, taker) of a fill-or-kill buy: dollars to spend, shares to get at least.

    All micros. The exchange takes at most 2 decimals of dollars and 4 of shares at
    every tick (docs/exchange.md, seen 2026-07-04). Both are rounded down, so the price
    they imply, maker / taker, is at least the limit on the grid: shares rounded up
    could never match. It exceeds that limit by less than 0.0001 for any spend of a
    dollar or more, so no ask on a grid of 0.0001 or coarser above the limit matches.
    Raises ValueError when the limit leaves no price, or nothing is left to spend.
    """
    price = on_grid(limit, tick)
    maker = spend // CENT * CENT
    taker = maker * MICRO // price // SHARE_STEP * SHARE_STEP
    if taker <= 0:
        raise ValueError(f"nothing to buy with {text(spend)}")
    return maker, taker


_FEE_GRAIN = 10
"""Micros in 0.00001: fees have five decimals."""


def fee(shares: int, price: int, rate: int) -> int:
    """A taker's fee: shares x rate x p x (1 - p), micros, on top of the spend.

    To the nearest 0.00001, a half to the even one, and at least that unless the rate is
    nothing (docs of July 2026; rounded or floored is in dispute, docs/exchange.md).
    ``rate`` is the market's own in micros: 70000 is the 0.07 of crypto markets since
    July 2026.
    """
    if not rate:
        return 0
    exact = shares * rate * price * (MICRO - price)
    grains = round(Fraction(exact, _FEE_GRAIN * MICRO**3))
    return max(grains, 1) * _FEE_GRAIN
