"""The only reader of time: the system's clock, and the jumping one that tests use."""

import asyncio
import selectors
import time

from lastsecond.market import NANOSECONDS

_LONGEST_NAP = 10.0
"""Seconds. Long sleeps wake this often, so that a clock that was set is noticed."""


class SystemClock:
    """Real time. It takes the system's UTC for the exchange's."""

    def now(self) -> int:
        """Unix time in nanoseconds."""
        return time.time_ns()

    def monotonic(self) -> int:
        """Nanoseconds that never go back, for ages and intervals only."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelling is safe."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, when: int) -> None:
        """Return at or after ``when`` (Unix ns), never before; cancelling is safe."""
        while (left := when - self.now()) > 0:
            nap = min(left / NANOSECONDS, _LONGEST_NAP)
            await asyncio.sleep(nap)


class LoopClock(SystemClock):
    """A clock that reads the running loop, so that it jumps where the loop jumps."""

    def __init__(self, start: int) -> None:
        """Begin at ``start``, Unix nanoseconds, when the loop's own time is 0."""
        self._start = start

    def now(self) -> int:
        """Unix time in nanoseconds."""
        return self._start + self.monotonic()

    def monotonic(self) -> int:
        """The loop's time in nanoseconds."""
        return round(asyncio.get_running_loop().time() * NANOSECONDS)


class _JumpingSelector(selectors.DefaultSelector):
    """Advances its own time where a selector would block."""

    elapsed = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("every task waits for something that cannot happen")
        self.elapsed += max(timeout, 0.0)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets or threads in which an hour passes at once.

    Use with ``asyncio.Runner(loop_factory=JumpingLoop)`` and a LoopClock.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._jumping.elapsed
