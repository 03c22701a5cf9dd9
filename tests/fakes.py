"""Ports that tests hand to the program instead of the world."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import ParamSpec

from lastsecond.clock import JumpingLoop
from lastsecond.errors import SourceError
from lastsecond.market import NANOSECONDS

Parameters = Sequence[tuple[str, str]]
Handler = Callable[[str, Parameters], Awaitable[bytes]]
P = ParamSpec("P")


class FakeSource:
    """A JsonSource that answers with what ``handler(url, params)`` returns or raises.

    ``calls`` keeps every request, in order.
    """

    def __init__(self, handler: Handler) -> None:
        self.calls: list[tuple[str, Parameters]] = []
        self._handler = handler

    async def get(
        self,
        url: str,
        params: Parameters = (),
        *,
        budget: float = 25.0,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        self.calls.append((url, params))
        try:
            async with asyncio.timeout(budget):
                return await self._handler(url, params)
        except TimeoutError:
            raise SourceError(f"{url}: no answer within {budget:g} s") from None


class HurriedClock:
    """A clock that stands still, except that its sleeps move it on and return at once.

    ``waits`` keeps the seconds of every sleep. For real sockets, which no jumping loop
    can serve.
    """

    def __init__(self, start: int) -> None:
        self.waits: list[float] = []
        self._now = start

    def now(self) -> int:
        return self._now

    def monotonic(self) -> int:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._now += round(seconds * NANOSECONDS)
        await asyncio.sleep(0)

    async def sleep_until(self, when: int) -> None:
        await self.sleep(max(0, when - self._now) / NANOSECONDS)

    async def wake_at(self, when: int) -> None:
        await self.sleep_until(when)


def on_jumping_loop(
    test: Callable[P, Coroutine[object, object, None]],
) -> Callable[P, None]:
    """Run an async test on a loop in which waiting takes no time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run
