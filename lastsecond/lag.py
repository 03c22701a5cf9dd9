"""How late the event loop runs what is due: a loop that is held up trades late.

A delay may be this program's own doing or the machine's. Own is as much of it as the
program, all its threads together, spent computing meanwhile: signing in a thread holds
the loop up, too.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lastsecond.background import Background
from lastsecond.market import NANOSECONDS
from lastsecond.ports import Clock

LONGEST_MEMORY = 10.0
"""Seconds of which worst() and blocked() can tell."""

_COARSE, _FINE = 0.02, 0.002
"""Seconds between looks: usually, and near a close."""

_SPAN = NANOSECONDS // 10


class Machine(Clock, Protocol):
    """The clock, and what this program has spent."""

    def cpu(self) -> int:
        """Nanoseconds that this program's threads have computed."""
        ...


@dataclass(slots=True)
class _Span:
    """The worst of a tenth of a second, ns."""

    began: int
    late: int = 0
    own: int = 0


class LoopLag(Background):
    """Measures as long as it is entered: a task that wakes now and then."""

    def __init__(
        self, clock: Machine, *, near: Callable[[], bool] = lambda: False
    ) -> None:
        """Wake ten times as often while ``near()``."""
        self._clock = clock
        self._near = near
        self._due: int | None = None
        self._spans = deque[_Span](maxlen=round(LONGEST_MEMORY * 10) + 1)

    async def run(self) -> None:
        """Tick until cancelled."""
        spent = self._clock.cpu()
        try:
            while True:
                pause = _FINE if self._near() else _COARSE
                due = self._clock.monotonic() + round(pause * NANOSECONDS)
                self._due = due
                await self._clock.sleep(pause)
                now, before = self._clock.monotonic(), spent
                spent = self._clock.cpu()
                self._note(now, now - due, spent - before)
        finally:
            self._due = None

    def _note(self, now: int, late: int, spent: int) -> None:
        if not self._spans or now - self._spans[-1].began >= _SPAN:
            self._spans.append(_Span(now))
        span = self._spans[-1]
        span.late = max(span.late, late)
        span.own = max(span.own, min(late, spent))

    def worst(self, within_seconds: float) -> int:
        """The longest delay that ended in the last seconds or still lasts, ns.

        To a tenth of a second. About a millisecond is the loop's own rounding. 0 when
        nothing was measured.
        """
        lasting = 0 if self._due is None else self._clock.monotonic() - self._due
        late = (span.late for span in self._recent(within_seconds))
        return max(lasting, max(late, default=0), 0)

    def blocked(self, within_seconds: float) -> int:
        """The same of the delays that are this program's own doing."""
        return max((span.own for span in self._recent(within_seconds)), default=0)

    def _recent(self, within_seconds: float) -> list[_Span]:
        since = self._clock.monotonic() - round(within_seconds * NANOSECONDS)
        return [span for span in self._spans if span.began + _SPAN > since]
