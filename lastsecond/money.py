"""Prices, dollars and shares: integer micro-units inside, Decimal at the edge.

One micro is 1e-6 of a dollar (pUSD) or of a share: the exchange's own unit. The finest
tick is 0.0001, so every price is a whole number of micros.
"""

from decimal import Decimal
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
