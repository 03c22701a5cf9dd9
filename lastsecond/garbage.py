"""Collects garbage when no market is near its close, and at no other time.

A full collection stops the event loop for tens of milliseconds with fifty markets, at a
moment that nobody chooses (tests/bench/stalls.py). What there is at the start is set
aside for good; the rest is collected once a minute, in a few milliseconds.
"""

import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from lastsecond.background import Background
from lastsecond.ports import Clock

INTERVAL = 60.0
"""Seconds between collections; a market's last seconds are waited out."""


@contextmanager
def set_aside() -> Iterator[None]:
    """No collection while inside but those that are asked for."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


class Collector(Background):
    """Collects now and then, whenever ``calm()`` returns."""

    def __init__(self, clock: Clock, calm: Callable[[], Awaitable[None]]) -> None:
        self._clock = clock
        self._calm = calm

    async def run(self) -> None:
        """Collect until cancelled; by itself Python collects nothing meanwhile."""
        with set_aside():
            while True:
                await self._clock.sleep(INTERVAL)
                await self._calm()
                gc.collect()
