import asyncio
import random
import time
from collections.abc import Coroutine

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.clock import JumpingLoop, LoopClock, SystemClock
from lastsecond.market import NANOSECONDS
from tests.fakes import on_jumping_loop

START = 1_800_000_000 * NANOSECONDS
HOUR = 3600
WEEK = 7 * 24 * HOUR


def jump(work: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(work)


async def test_the_system_clock_is_the_systems() -> None:
    """It tells Unix nanoseconds, and a monotonic time that goes on."""
    clock = SystemClock()
    before = time.time_ns()
    assert before <= clock.now() <= time.time_ns()
    first = clock.monotonic()
    await clock.sleep(0.001)
    assert clock.monotonic() - first >= 1_000_000


async def test_sleep_until_never_returns_early() -> None:
    """A hundred short waits at once, on the real loop, end at or after their time."""
    clock, rng = SystemClock(), random.Random(7)

    async def lateness() -> int:
        when = clock.now() + rng.randrange(20_000_000)
        await clock.sleep_until(when)
        return clock.now() - when

    late = await asyncio.gather(*(lateness() for _ in range(100)))
    assert min(late) >= 0


@pytest.mark.parametrize("behind", [0, 1, HOUR * NANOSECONDS])
async def test_a_moment_that_has_come_is_not_waited_for(behind: int) -> None:
    """A time that is now or past returns without giving way to other tasks."""
    clock = SystemClock()
    reached = asyncio.Event()
    asyncio.get_running_loop().call_soon(reached.set)
    await clock.sleep_until(clock.now() - behind)
    assert not reached.is_set()


@on_jumping_loop
async def test_a_clock_that_is_set_while_asleep_is_noticed() -> None:
    """A long wait ends soon after the system's clock was put past its end."""

    class SetClock(LoopClock):
        ahead = 0

        def now(self) -> int:
            return super().now() + self.ahead

    clock = SetClock(START)
    waiting = asyncio.create_task(clock.sleep_until(START + HOUR * NANOSECONDS))
    await asyncio.sleep(60)
    assert not waiting.done()
    clock.ahead = HOUR * NANOSECONDS
    await waiting
    assert clock.monotonic() <= 75 * NANOSECONDS


@on_jumping_loop
async def test_a_wait_can_be_cancelled() -> None:
    """Cancelling a wait ends it at once and leaves nothing behind."""
    clock = LoopClock(START)
    waiting = asyncio.create_task(clock.sleep_until(START + HOUR * NANOSECONDS))
    await clock.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert clock.now() == START + NANOSECONDS


@pytest.mark.parametrize("seconds", [HOUR, WEEK, 26 * WEEK])
def test_long_times_pass_at_once(seconds: int) -> None:
    """Neither an hour nor half a year takes real time, and the clock shows it gone."""

    async def wait() -> None:
        clock = LoopClock(START)
        await clock.sleep(seconds)
        assert abs(clock.now() - START - seconds * NANOSECONDS) <= 1
        assert abs(clock.monotonic() - seconds * NANOSECONDS) <= 1

    began = time.monotonic()
    jump(wait())
    assert time.monotonic() - began < 1


@given(
    already=st.floats(0, 4 * WEEK),
    nanoseconds=st.integers(0, 2 * HOUR * NANOSECONDS),
)
def test_jumped_waits_are_never_early(already: float, nanoseconds: int) -> None:
    """Even weeks into a run a wait ends at its nanosecond or within a microsecond."""

    async def wait() -> None:
        clock = LoopClock(START)
        await clock.sleep(already)
        when = clock.now() + nanoseconds
        await clock.sleep_until(when)
        assert 0 <= clock.now() - when <= 1_000

    jump(wait())


@on_jumping_loop
async def test_sleepers_wake_in_order() -> None:
    """Tasks wake in the order of their times, each at its own time."""
    clock = LoopClock(START)
    woken: list[tuple[int, float]] = []

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, (clock.now() - START) / NANOSECONDS))

    async with asyncio.TaskGroup() as group:
        for seconds in (30, 10, HOUR, 20):
            group.create_task(sleeper(seconds))
    assert woken == [(10, 10.0), (20, 20.0), (30, 30.0), (HOUR, float(HOUR))]


@on_jumping_loop
async def test_timeouts_jump_too() -> None:
    """asyncio.timeout ends a longer wait at its own time and spares a shorter one."""
    clock = LoopClock(START)

    async def sleep_within_five(seconds: int) -> None:
        async with asyncio.timeout(5):
            await clock.sleep(seconds)

    with pytest.raises(TimeoutError):
        await sleep_within_five(HOUR)
    assert clock.monotonic() == 5 * NANOSECONDS
    await sleep_within_five(4)
    assert clock.monotonic() == 9 * NANOSECONDS


@on_jumping_loop
async def test_a_failing_task_cancels_its_group() -> None:
    """A task group ends when one of its tasks fails, not when the longest would."""
    clock = LoopClock(START)

    async def fail() -> None:
        await clock.sleep(3)
        raise LookupError

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(clock.sleep(HOUR))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await work()
    assert clock.monotonic() == 3 * NANOSECONDS


@on_jumping_loop
async def test_the_loop_can_be_woken_from_outside() -> None:
    """A callback from a thread's side is run before any time passes."""
    loop = asyncio.get_running_loop()
    called = loop.create_future()
    loop.call_soon_threadsafe(called.set_result, loop.time())
    assert await called == loop.time() == 0


def test_a_deadlock_raises() -> None:
    """Waiting for what nobody will do ends with an error instead of hanging."""

    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="cannot happen"):
        jump(forever())
