"""The only reader of time: the system's clock, the exchange's, and tests' jumping one.

There are two ways to wait for a moment. ``sleep_until`` leaves it to the loop's timer,
which is 0.6 ms late at the median. ``wake_at`` spends the last three milliseconds
giving way to other tasks over and over, and is late by microseconds. Neither is ever
early, and both read the clock again before they return: when it is set back meanwhile,
they wait on, and when it is set forward, they return sooner. They return once.
"""

import asyncio
import math
import selectors
import time
from collections.abc import Callable
from contextvars import Context
from typing import Protocol, TypeVarTuple, Unpack

from lastsecond.market import NANOSECONDS
from lastsecond.offset import OffsetFault

_LONGEST_NAP = 10.0
"""Seconds. Long sleeps wake this often, so that a clock that was set is noticed."""

_LAST_STRETCH = 3_000_000
"""Nanoseconds before a moment at which an exact wait stops trusting the timer."""

_RESOLUTION = 1e-9
_Args = TypeVarTuple("_Args")


class Reckoning(Protocol):
    """What an ExchangeClock goes by."""

    def now(self) -> int:
        """The exchange's time: Unix nanoseconds."""
        ...

    def fault(self, limit: int) -> OffsetFault | None:
        """Why not to act on it, an offset of at most ``limit`` ns being allowed."""
        ...


class SystemClock:
    """Real time. It takes the system's UTC for the exchange's."""

    def now(self) -> int:
        """Unix time in nanoseconds."""
        return time.time_ns()

    def monotonic(self) -> int:
        """Nanoseconds that never go back, for ages and intervals only."""
        return time.monotonic_ns()

    def cpu(self) -> int:
        """Nanoseconds that this program's threads have computed."""
        return time.process_time_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelling is safe."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, when: int) -> None:
        """Return at or after ``when`` (Unix ns), never before; cancelling is safe."""
        while (left := when - self.now()) > 0:
            await self.sleep(min(left / NANOSECONDS, _LONGEST_NAP))

    async def wake_at(self, when: int) -> None:
        """Like sleep_until, but late by microseconds; cancelling is safe.

        It sleeps three quarters of what is left, again and again, so that a correction
        of the clock is noticed, and keeps the loop turning for the last stretch.
        """
        while (left := when - self.now()) > 0:
            if left > _LAST_STRETCH:
                await self.sleep_until(when - max(left // 4, _LAST_STRETCH))
            else:
                await self._give_way(left)

    async def _give_way(self, left: int) -> None:  # noqa: ARG002  other clocks need it
        """Return before ``left`` nanoseconds have passed, or right after."""
        await asyncio.sleep(0)

    def offset_fault(self, limit: int) -> OffsetFault | None:  # noqa: ARG002  the port's
        """None: whoever uses this clock takes it for the exchange's."""
        return None


class ExchangeClock(SystemClock):
    """The exchange's time, as ``exchange`` reckons it from the machine's clock."""

    def __init__(self, machine: SystemClock, exchange: Reckoning) -> None:
        """Wait by ``machine``."""
        self._machine = machine
        self._exchange = exchange

    def now(self) -> int:
        """The exchange's time as far as known: Unix nanoseconds."""
        return self._exchange.now()

    def monotonic(self) -> int:
        """Nanoseconds that never go back, whatever is learned of the exchange's."""
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelling is safe."""
        await self._machine.sleep(seconds)

    async def _give_way(self, left: int) -> None:
        await self._machine.wake_at(self._machine.now() + left)

    def offset_fault(self, limit: int) -> OffsetFault | None:
        """Why not to act on this time, an offset of at most ``limit`` ns allowed."""
        return self._exchange.fault(limit)


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

    async def _give_way(self, left: int) -> None:
        await self.sleep(left / NANOSECONDS)  # this clock does not move by itself


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
        if timeout > 0:
            self.elapsed += timeout
            if self.elapsed + _RESOLUTION == self.elapsed:
                # asyncio runs what is due before now + 1 ns; after 194 days that is now
                self.elapsed = math.nextafter(self.elapsed, math.inf)
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

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Like any loop's, but what is due later than now is due measurably later."""
        soonest = math.nextafter(self.time(), math.inf)
        return super().call_at(max(when, soonest), callback, *args, context=context)
