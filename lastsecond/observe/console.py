"""What is printed for people, beside the log."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

from lastsecond.terms import Terms

WARNING_SECONDS = 5
"""How long a person has to stop real orders."""


async def warn_live(
    size: Decimal, max_price: Decimal, terms: Terms, *, verdict: str
) -> None:
    """Say what live means and what the dry run found, and wait.

    Cancelling stops it: nothing was sent.
    """
    print(
        f"LIVE: real orders of {size} pUSD each, at {max_price} a share or less, "
        f"from {terms.account_words()}, on {terms.hosts.clob}.\n{verdict}\n"
        f"Ctrl-C within {WARNING_SECONDS} s stops this.",
        flush=True,
    )
    try:
        await asyncio.sleep(WARNING_SECONDS)
    except asyncio.CancelledError:
        print("Stopped. Nothing was sent.")
        raise


def market_lines(markets: Sequence[Mapping[str, object]]) -> list[str]:
    """A line for each market found: its close, how far off, its slug and title."""
    return [
        f"{market['end_time_utc']}  {market['minutes_until_end']:5.1f} min  "
        f"{market['ticker']:<28}  {market['title']}"
        for market in markets
    ]
