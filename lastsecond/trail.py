"""What one token's asks and tape showed from the moment an order left.

By the exchange's time: what a frame says is placed where its timestamp says. So the
book can be looked at as it stood at a moment, once that moment's frames have come.
Prices and sizes are micros, moments Unix ns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.money import MICRO

Levels = tuple[tuple[int, int], ...]
"""(price, size), cheapest first."""

FRESH = 5 * NANOSECONDS
"""For how long the last word on a book is believed."""

NO_BOOK = "no_book"
STALE = "stale_book"

ROUNDED = MICRO // 1000
"""Shares, micros, by which a tape may differ from the fill that it tells."""


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
    """What each socket (0 and 1) showed, in the order in which it came, and its prints.

    The sockets are kept apart: what one has lost or not yet been told does not hide
    behind the other. Scenes of each begin before the order left.
    """

    def __init__(
        self,
        token_id: TokenId,
        limit: int,
        first: Scene,
        begun: tuple[Scene, Scene] | None = None,
    ) -> None:
        """``first`` is the scene in which the order left, ``begun`` each socket's."""
        self.token_id = token_id
        self.limit = limit
        self.first = first
        self.until: int | None = None
        """When following ended, Unix ns; None while it goes on."""
        self.last_wanted: int | None = None
        """A moment after which no scene matters, Unix ns; None: every one does."""
        self._scenes = tuple([scene] for scene in begun or (first, first))
        self._prints: tuple[list[Print], list[Print]] = ([], [])

    def show(self, scene: Scene, source: int) -> None:
        """Add what socket ``source`` shows now."""
        told = self._scenes[source]
        over = self.last_wanted is not None and told[-1].at > self.last_wanted
        if self.until is not None or over:
            return
        if scene.asks == told[-1].asks:
            scene = replace(scene, asks=told[-1].asks)  # one tuple, however many scenes
        told.append(scene)

    def newest(self, source: int) -> int:
        """The moment of what socket ``source`` told last, Unix ns."""
        return self._scenes[source][-1].at

    def tell(self, bought: Print, source: int) -> None:
        """Add a print of socket ``source``; each tells the whole tape, some twice."""
        if self.until is None and bought not in self._prints[source]:
            self._prints[source].append(bought)

    def end(self, at: int) -> None:
        """Take no more; harmless when repeated."""
        if self.until is None:
            self.until = at

    def at(self, moment: int, before: int | None = None) -> Scene:
        """The book as it stood at ``moment``, or just ``before``, if that is sooner.

        Of two sockets one counts that knows a book then, has told something later, and
        is further ahead, in this order. A word that was too old by then is a fault.
        """
        found = [_standing(told, moment, before) for told in self._scenes]
        _, _, _, scene = max(found, key=lambda each: each[:3])
        return scene

    def heard_after(self, moment: int) -> bool:
        """Whether any socket that is to be believed spoke at ``moment`` or later."""
        return any(
            max(scene.known_at, scene.at) >= moment and not scene.fault
            for told in self._scenes
            for scene in told[1:]
        )

    def traded(self, since: int, until: int, price: int) -> int:
        """Shares that were bought at or under ``price`` between two moments."""
        return max(
            sum(p.size for p in told if since <= p.at <= until and p.price <= price)
            for told in self._prints
        )

    def own_print(self, shares: int, since: int) -> int | None:
        """When our own order, which bought ``shares``, shows on the tape; None if not.

        One fill over several levels is several prints in a row. Prints from before
        ``since`` are not ours.
        """
        for told in self._prints:
            ours = [p for p in told if p.at >= since and p.price <= self.limit]
            for start, first in enumerate(ours):
                if _adds_up(ours[start:], shares):
                    return first.at
        return None


def _standing(
    told: Sequence[Scene], moment: int, before: int | None
) -> tuple[bool, bool, int, Scene]:
    """What one socket showed at a moment, led by how far that is to be believed."""
    place = next(
        (
            place
            for place in range(len(told) - 1, -1, -1)
            if told[place].at <= moment and (before is None or told[place].at < before)
        ),
        0,
    )
    found = told[place]
    if not found.fault and moment - found.known_at > FRESH:
        found = replace(found, fault=STALE)
    after = told[place + 1 :][:1]
    later = any(scene.at > moment and _sees(scene) for scene in after)
    return _sees(found), later, found.at, found


def _sees(scene: Scene) -> bool:
    """Whether a socket knew a book, be there something wrong with it or not."""
    return scene.fault not in {NO_BOOK, STALE}


def _adds_up(prints: Sequence[Print], shares: int) -> bool:
    """Whether the first prints make ``shares``, but for what a tape rounds away."""
    total = 0
    for told in prints:
        total += told.size
        if total >= shares - ROUNDED:
            return total <= shares + ROUNDED
    return False
