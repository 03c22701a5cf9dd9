"""How late the event loop runs what is due: a loop that is held up trades late."""

import asyncio
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Self

from lastsecond.market import NANOSECONDS
from lastsecond.ports import Clock

LONGEST_MEMORY = 10.0
"""Seconds of which worst() can tell."""

_TICK = 0.02
_TICK_NS = round(_TICK * NANOSECONDS)


class LoopLag:
    """Measures as long as it is entered: a task that wakes every 20 ms."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: int | None = None
        self._late = deque[tuple[int, int]](maxlen=round(LONGEST_MEMORY / _TICK))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run(), name="loop lag")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def run(self) -> None:
        """Tick until cancelled."""
        try:
            while True:
                due = self._due = self._clock.monotonic() + _TICK_NS
                await self._clock.sleep(_TICK)
                now = self._clock.monotonic()
                self._late.append((now, now - due))
        finally:
            self._due = None

    def worst(self, within_seconds: float) -> int:
        """The longest delay that ended in the last seconds or still lasts, ns.

        About a millisecond is the loop's own rounding. 0 when nothing was measured.
        """
        now = self._clock.monotonic()
        since = now - round(within_seconds * NANOSECONDS)
        worst = 0 if self._due is None else max(0, now - self._due)
        for at, late in reversed(self._late):
            if at < since:
                break
            worst = max(worst, late)
        return worst
