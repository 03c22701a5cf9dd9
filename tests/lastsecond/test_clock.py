import asyncio
import random
import time
from collections.abc import Coroutine

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.clock import ExchangeClock, JumpingLoop, LoopClock, SystemClock
from lastsecond.market import NANOSECONDS
from lastsecond.offset import OffsetFault
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


async def test_exact_waits_are_never_early_and_less_late_than_the_timer() -> None:
    """Of two hundred each, turn by turn: a good exact wait is half as late as a timer.

    A good one is a tenth of them: whoever else takes the machine spoils the others.
    """
    clock, rng = SystemClock(), random.Random(7)
    exact, timer = list[int](), list[int]()
    for _ in range(200):
        for wait, late in ((clock.wake_at, exact), (clock.sleep_until, timer)):
            when = clock.now() + rng.randrange(8_000_000)
            await wait(when)
            late.append(clock.now() - when)
    assert min(exact) >= 0
    assert sorted(exact)[20] < sorted(timer)[20] / 2


async def test_exact_waits_at_once_are_never_early() -> None:
    """Neither are many that end together."""
    clock, rng = SystemClock(), random.Random(7)

    async def lateness() -> int:
        when = clock.now() + rng.randrange(20_000_000)
        await clock.wake_at(when)
        return clock.now() - when

    late = await asyncio.gather(*(lateness() for _ in range(100)))
    assert min(late) >= 0


async def test_the_loop_goes_on_during_an_exact_wait() -> None:
    """Other tasks have many turns in each half millisecond before its end."""
    clock = SystemClock()
    turns = dict.fromkeys(range(4), 0)
    for _ in range(1_000):
        if min(turns.values()) > 20:
            break
        when = clock.now() + 5_000_000
        waiting = asyncio.create_task(clock.wake_at(when))
        while not waiting.done():
            await asyncio.sleep(0)
            if (left := (when - clock.now()) // 500_000) in turns:
                turns[left] += 1
    assert min(turns.values()) > 20, turns


@pytest.mark.parametrize("behind", [0, 1, HOUR * NANOSECONDS])
async def test_a_moment_that_has_come_is_not_waited_for(behind: int) -> None:
    """A time that is now or past returns without giving way to other tasks."""
    clock = SystemClock()
    reached = asyncio.Event()
    asyncio.get_running_loop().call_soon(reached.set)
    await clock.sleep_until(clock.now() - behind)
    await clock.wake_at(clock.now() - behind)
    assert not reached.is_set()


def test_whoever_uses_the_systems_clock_trusts_it() -> None:
    """A clock that is not measured against the exchange's has no fault."""
    assert SystemClock().offset_fault(0) is None


@pytest.mark.parametrize("ahead", [-HOUR, -0.001, 0.001, HOUR])
def test_an_exact_wait_follows_a_clock_that_is_set(ahead: float) -> None:
    """Set in the last millisecond, it is waited for again, or over at once."""

    class SetClock(LoopClock):
        ahead = 0

        def now(self) -> int:
            return super().now() + self.ahead

    async def wait() -> None:
        clock = SetClock(START)
        when = START + 10 * NANOSECONDS
        waiting = asyncio.create_task(clock.wake_at(when))
        await asyncio.sleep(9.999)
        clock.ahead = round(ahead * NANOSECONDS)
        await waiting
        assert clock.now() >= when
        expected = max(10 - ahead, 9.999)
        assert abs(clock.monotonic() / NANOSECONDS - expected) <= 0.002

    jump(wait())


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


@pytest.mark.parametrize("years", [1, 10, 100])
def test_time_does_not_stand_still_after_years(years: int) -> None:
    """Where a float no longer holds a nanosecond, waits still end, hardly late."""

    async def wait() -> None:
        clock = LoopClock(START)
        await clock.sleep(years * 52 * WEEK)
        for left in (0, 1, 2, 1_000, NANOSECONDS, HOUR * NANOSECONDS):
            when = clock.now() + left
            await clock.sleep_until(when)
            assert 0 <= clock.now() - when <= 2_000
            await clock.wake_at(when + left)
            assert 0 <= clock.now() - when - left <= 2_000
        async with asyncio.timeout(HOUR):
            await asyncio.sleep(1e-9)
            await asyncio.sleep(0)

    jump(wait())


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
        await clock.wake_at(when + nanoseconds)
        assert 0 <= clock.now() - when - nanoseconds <= 1_000

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


class Reckoned:
    """A time that is corrected by hand."""

    def __init__(self, machine: SystemClock) -> None:
        self.machine = machine
        self.ahead = 0

    def now(self) -> int:
        return self.machine.now() + self.ahead

    def fault(self, limit: int) -> OffsetFault | None:
        return None


@pytest.mark.parametrize(
    ("by", "late"), [(-900, 0), (-1, 0), (1, 0), (400, 0), (900, 400)]
)
def test_a_correction_during_a_wait_is_obeyed(by: int, late: int) -> None:
    """A wait ends once, late enough when corrected; a quarter is left to notice it."""

    @on_jumping_loop
    async def wait() -> None:
        machine = LoopClock(START)
        exchange = Reckoned(machine)
        clock = ExchangeClock(machine, exchange)
        when = clock.now() + 8 * NANOSECONDS
        waiting = asyncio.create_task(clock.wake_at(when))
        await asyncio.sleep(7)
        exchange.ahead = by * 1_000_000
        assert not waiting.done()
        await waiting
        assert 0 <= clock.now() - when - late * 1_000_000 <= 1_000
        exchange.ahead = -NANOSECONDS
        await asyncio.sleep(0)
        assert clock.now() < when
        assert waiting.done()

    wait()


async def test_never_early_while_the_offset_changes() -> None:
    """Two hundred exact waits on the real loop are late enough when corrected."""
    exchange = Reckoned(SystemClock())
    clock = ExchangeClock(exchange.machine, exchange)

    async def jitter() -> None:
        for step in range(10_000):
            exchange.ahead = (step * 7_919 % 5_000 - 2_500) * 1_000
            await asyncio.sleep(0.000_1)

    async def lateness(delay: int) -> int:
        when = clock.now() + delay
        await clock.wake_at(when)
        return clock.now() - when

    changes = asyncio.create_task(jitter())
    late = await asyncio.gather(*(lateness(n * 997_001 % 10**8) for n in range(200)))
    changes.cancel()
    assert min(late) >= 0
