"""What is printed for people, beside the log."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

WARNING_SECONDS = 5
"""How long a person has to stop real orders."""


def live_warning(*, size: Decimal, max_price: Decimal, account: str, host: str) -> str:
    """What is about to happen, how much, from which account, on which host."""
    return (
        f"LIVE: real orders of {size} pUSD each, at {max_price} a share or less, "
        f"from {account}, on {host}.\nCtrl-C within {WARNING_SECONDS} s stops this."
    )


def market_lines(markets: Sequence[Mapping[str, object]]) -> list[str]:
    """A line for each market found: its close, how far off, its slug and title."""
    return [
        f"{market['end_time_utc']}  {market['minutes_until_end']:5.1f} min  "
        f"{market['ticker']:<28}  {market['title']}"
        for market in markets
    ]
