"""Measures one market while it is watched, whether it is traded or not.

At fixed seconds before and after the close: what the favourite's asks would have sold,
and how far the books could be believed. Kept in memory until the market is done with,
so that nothing is written in its last seconds.
"""

from collections.abc import Callable, Sequence

from lastsecond.history import OFFSETS_MS, Observation, Sample
from lastsecond.market import MILLISECOND, Outcome
from lastsecond.matching import fill_or_kill
from lastsecond.money import MICRO
from lastsecond.orders import Fill
from lastsecond.ports import MarketStream, World
from lastsecond.view import MarketView

BESIDE = 2 * MILLISECOND
"""How long after its moment a sample is taken: the trigger comes first."""

LINGER = 2 * BESIDE
"""For how long the watching goes on after its end, for the last sample."""

LAST_SECONDS = 10.0
"""Seconds before a close in which nothing may hold up the event loop."""

LATEST = 100 * MILLISECOND
"""A sample that could be taken only this late is none."""


class Measurement:
    """One market's samples; ``cap`` and ``spend`` in micros, ``close`` in Unix ns."""

    def __init__(  # noqa: PLR0913  what is looked at, and by which measure
        self,
        view: MarketView,
        streams: Callable[[], Sequence[MarketStream]],
        world: World,
        *,
        close: int,
        until: int,
        cap: int,
        spend: int,
    ) -> None:
        """Begin; ``until`` (Unix ns) is when the market is watched no longer."""
        self._view = view
        self._streams = streams
        self._world = world
        self._clock = clock = world.clock
        self._close = close
        self._until = until
        self._cap = cap
        self._spend = spend
        self._began = clock.now()
        self._began_at = clock.monotonic()
        self._samples: list[Sample] = []
        self._blocked: int | None = None

    def closed(self) -> None:
        """Note, at the close, how long the loop was held up in the last seconds."""
        self._blocked = self._world.blocked(LAST_SECONDS)

    async def run(self) -> None:
        """Take every sample that is still to come, each at its moment."""
        for offset in OFFSETS_MS:
            moment = self._close + offset * MILLISECOND
            if self._began <= moment <= self._until:
                await self._clock.sleep_until(moment + BESIDE)
                if self._clock.now() - moment <= LATEST:
                    self._samples.append(self._sample(offset))

    def observation(self) -> Observation:
        """Everything measured so far, and how the watching went."""
        silence = self._view.silence_until(self._clock.monotonic(), self._began_at)
        return Observation(
            watched_from=self._began,
            watched_until=self._clock.now(),
            silent_ms=silence // MILLISECOND,
            reconnects=sum(stream.reconnects for stream in self._streams()),
            blocked_us=None if self._blocked is None else self._blocked // 1000,
            heard=self._view.heard,
            samples=tuple(self._samples),
        )

    def _sample(self, offset: int) -> Sample:
        at = self._clock.monotonic()
        fault = self._fault(at)
        favourite = self._favourite()
        age = self._view.age(at)
        ask, depth, fillable = None, 0, False
        if favourite is not None:
            book = self._view.book_of(favourite)
            ask, depth = book.best_ask, book.depth_within(self._cap)
            asks = book.asks_within(self._cap)
            fill = fill_or_kill(asks, self._spend, self._cap)
            fillable = not fault and isinstance(fill, Fill)
        return Sample(
            offset_ms=offset,
            taken_at=self._clock.now(),
            favourite=favourite,
            ask=ask,
            depth=depth,
            fillable=fillable,
            age_ms=None if age is None else age // MILLISECOND,
            sockets_gap_ms=self._sockets_gap(),
            fault=fault,
        )

    def _fault(self, at: int) -> str:
        if not any(stream.connected for stream in self._streams()):
            return "not_connected"
        return self._view.fault(at) or ""

    def _favourite(self) -> Outcome | None:
        """The outcome with the higher best ask; that nobody sells one is highest."""
        up, down = (self._view.book_of(outcome) for outcome in Outcome)
        if up.seen is None or down.seen is None:
            return None
        asks = up.best_ask or MICRO, down.best_ask or MICRO
        if asks[0] == asks[1]:
            return None
        return Outcome.UP if asks[0] > asks[1] else Outcome.DOWN

    def _sockets_gap(self) -> int | None:
        told = [stream.last_data for stream in self._streams() if stream.last_data]
        if len(told) != 2:
            return None
        return abs(told[0] - told[1]) // MILLISECOND
