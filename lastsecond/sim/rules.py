"""What tests and scripts may set about how the exchange treats orders."""

from dataclasses import dataclass
from typing import Literal

OrderLookup = Literal["open", "recent", "nothing"]


@dataclass
class Rules:
    """Delays are seconds. Where production's way is not known, a switch has both."""

    taker_hold: float = 0.150
    """How long a taker's order is kept back before it meets the book."""
    mined_after: float = 0.050
    """From MATCHED to MINED."""
    confirmed_after: float = 0.050
    """From MINED to CONFIRMED."""
    trade_lag: float = 0.0
    """How long ``/data/trades`` does not list a trade that was made."""
    five_share_minimum: bool = False
    """Whether market buys need 5 shares, too (evidence goes both ways)."""
    deposit_wallet_only: bool = False
    """Whether signature types 0 to 2 are refused, as they are to new accounts."""
    geoblocked: bool = False
    """Whether this exchange is closed to where the client is."""
    order_lookup: OrderLookup = "open"
    """Which orders ``/data/order/{id}`` finds: held ones, ended ones too, or none."""
    missing_order: str = "null"
    """The body of ``/data/order/{id}`` where nothing is found; may be empty."""
    trade_per_level: bool = False
    """Whether a fill over several price levels is several trades."""
    page_size: int = 500
    """Rows on a page of ``/data/trades``."""
