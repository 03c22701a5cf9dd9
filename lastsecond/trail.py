"""What one token's asks and tape showed from the moment an order left.

By the exchange's time: what a frame says is placed where its timestamp says. So the
book can be looked at as it stood at a moment, once that moment's frames have come.
Prices and sizes are micros, moments Unix ns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lastsecond.market import NANOSECONDS, TokenId

Levels = tuple[tuple[int, int], ...]
"""(price, size), cheapest first."""

MILLISECOND = NANOSECONDS // 1000
FRESH = 5 * NANOSECONDS
"""For how long the last word on a book is believed."""

STALE = "stale_book"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The asks at or under a limit, and whether to believe them ("" is yes)."""

    at: int
    known_at: int
    """When the book was last known true, Unix ns by this machine's reckoning."""
    fault: str
    asks: Levels
    best_ask: int | None
    """Of all asks, also those above the limit."""
    tick: int | None


@dataclass(frozen=True, slots=True)
class Print:
    """A taker's buy of the token, as the tape told it."""

    at: int
    price: int
    size: int


class Trail:
    """Scenes in the order in which they were learnt, and each socket's prints."""

    def __init__(self, token_id: TokenId, limit: int, first: Scene) -> None:
        """``first`` is the scene in which the order left."""
        self.token_id = token_id
        self.limit = limit
        self.until: int | None = None
        """When following ended, Unix ns; None while it goes on."""
        self._scenes = [first]
        self._prints: tuple[list[Print], list[Print]] = ([], [])

    @property
    def first(self) -> Scene:
        """The scene in which the order left."""
        return self._scenes[0]

    def show(self, scene: Scene) -> None:
        """Add what the book shows now."""
        if self.until is None:
            self._scenes.append(scene)

    def tell(self, bought: Print, source: int) -> None:
        """Add a print of socket ``source`` (0 or 1); each tells the whole tape."""
        if self.until is None:
            self._prints[source].append(bought)

    def end(self, at: int) -> None:
        """Take no more; harmless when repeated."""
        if self.until is None:
            self.until = at

    def at(self, moment: int, before: int | None = None) -> Scene:
        """The book as it stood at ``moment``, or just ``before``, if that is sooner.

        The last word may have been too old by then: that is its fault.
        """
        found = self.first
        for scene in reversed(self._scenes):
            if scene.at <= moment and (before is None or scene.at < before):
                found = scene
                break
        if not found.fault and moment - found.known_at > FRESH:
            return replace(found, fault=STALE)
        return found

    def traded(self, since: int, until: int, price: int) -> int:
        """Shares that were bought at or under ``price`` between two moments."""
        return max(
            sum(p.size for p in told if since <= p.at <= until and p.price <= price)
            for told in self._prints
        )

    def own_print(self, shares: int) -> int | None:
        """When our own order, which bought ``shares``, shows on the tape; None if not.

        One fill over several levels is several prints in a row.
        """
        for told in self._prints:
            for start, first in enumerate(told):
                if _adds_up(told[start:], shares):
                    return first.at
        return None


def _adds_up(prints: Sequence[Print], shares: int) -> bool:
    total = 0
    for told in prints:
        total += told.size
        if total >= shares:
            return total == shares
    return False
