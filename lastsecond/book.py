"""The book of one token as one source tells it."""

from collections.abc import Sequence

from lastsecond.market import TokenId
from lastsecond.money import MICRO
from lastsecond.wire.market_channel import BookSnapshot, LevelChange, Side

_BUY = Side.BUY


class Book:
    """Every level of one token's book, and how far it can be trusted.

    There is no book before the first snapshot: changes and signs of life that come
    earlier are ignored. Prices and sizes are micros, ``timestamp`` the exchange's
    milliseconds, ``at`` and ``now`` monotonic nanoseconds.
    """

    __slots__ = (
        "applied_at_timestamp",
        "asks",
        "best_ask",
        "best_bid",
        "bids",
        "doubtful",
        "seen",
        "tick_size",
        "timestamp",
        "token_id",
    )

    def __init__(self, token_id: TokenId) -> None:
        self.token_id = token_id
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.best_bid: int | None = None
        """Highest bid; None when nobody bids."""
        self.best_ask: int | None = None
        """Lowest ask; None when nobody asks."""
        self.timestamp = 0
        """The exchange's ms of the newest event in here."""
        self.applied_at_timestamp = 0
        """How many level changes carried exactly that timestamp."""
        self.seen: int | None = None
        """When the book was last known to be true; None before the first snapshot."""
        self.doubtful = False
        """Its best prices were not the exchange's. Only a snapshot clears it."""
        self.tick_size: int | None = None

    @property
    def crossed(self) -> bool:
        """Whether somebody bids at least what somebody asks, as no real book does."""
        if self.best_bid is None or self.best_ask is None:
            return False
        return self.best_bid >= self.best_ask

    def replace(self, snapshot: BookSnapshot, at: int) -> bool:
        """Take the snapshot; False, and nothing changed, when it is older."""
        if snapshot.timestamp < self.timestamp:
            return False
        self.bids = dict(snapshot.bids)
        self.asks = dict(snapshot.asks)
        self.best_bid = max(self.bids, default=None)
        self.best_ask = min(self.asks, default=None)
        self._advance(snapshot.timestamp, 0, at)
        self.doubtful = False
        if snapshot.tick_size is not None:
            self.tick_size = snapshot.tick_size
        return True

    def apply(self, changes: Sequence[LevelChange], timestamp: int, at: int) -> bool:
        """Apply one frame's changes of this token; False when older or no book yet.

        The last change's quotes, if any, are held against the book after all of them:
        entries of one frame share a timestamp, and only the last describes its end.
        """
        if self.seen is None or timestamp < self.timestamp or not changes:
            return False
        for change in changes:
            if not 0 < change.price < MICRO:
                continue
            if change.side is _BUY:
                self._set_bid(change.price, change.size)
            else:
                self._set_ask(change.price, change.size)
        self._advance(timestamp, len(changes), at)
        last = change
        if last.quotes_best and (
            last.best_bid != self.best_bid or last.best_ask != self.best_ask
        ):
            self.doubtful = True
        return True

    def touch(self, at: int) -> None:
        """Note that the book was just found true, no level being changed."""
        if self.seen is not None:
            self.seen = at

    def age(self, now: int) -> int | None:
        """Nanoseconds since the book was last known to be true; None without one."""
        return None if self.seen is None else now - self.seen

    def asks_within(self, limit: int) -> list[tuple[int, int]]:
        """(price, size) of the asks at or under the limit, cheapest first."""
        return sorted(level for level in self.asks.items() if level[0] <= limit)

    def depth_within(self, limit: int) -> int:
        """What the asks at or under the limit cost together, micro-dollars, floored."""
        cost = sum(price * size for price, size in self.asks.items() if price <= limit)
        return cost // MICRO

    def _set_bid(self, price: int, size: int) -> None:
        if size:
            self.bids[price] = size
            if self.best_bid is None or price > self.best_bid:
                self.best_bid = price
        elif self.bids.pop(price, None) is not None and price == self.best_bid:
            self.best_bid = max(self.bids, default=None)

    def _set_ask(self, price: int, size: int) -> None:
        if size:
            self.asks[price] = size
            if self.best_ask is None or price < self.best_ask:
                self.best_ask = price
        elif self.asks.pop(price, None) is not None and price == self.best_ask:
            self.best_ask = min(self.asks, default=None)

    def _advance(self, timestamp: int, applied: int, at: int) -> None:
        if timestamp > self.timestamp:
            self.applied_at_timestamp = 0
        self.timestamp = timestamp
        self.applied_at_timestamp += applied
        self.seen = at
