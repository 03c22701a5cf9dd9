import asyncio
import time

from lastsecond.clock import LoopClock, SystemClock
from lastsecond.lag import LONGEST_MEMORY, LoopLag
from tests.fakes import on_jumping_loop

BLOCK = 0.03
BLOCK_NS = 30_000_000


def block() -> None:
    time.sleep(BLOCK)


async def test_a_blocked_loop_is_seen() -> None:
    """A callback of 30 ms shows as a delay of about that, less a tick at most."""
    async with LoopLag(SystemClock()) as lag:
        await asyncio.sleep(0.1)
        for _ in range(3):
            block()
            block()
            await asyncio.sleep(0.03)
        assert BLOCK_NS <= lag.worst(1) < 10 * BLOCK_NS


async def test_a_delay_is_seen_before_the_monitor_comes_to_run() -> None:
    """Asked right after the block, in the same callback, it already knows."""
    async with LoopLag(SystemClock()) as lag:
        await asyncio.sleep(0.005)
        block()
        block()
        assert lag.worst(0.001) >= BLOCK_NS


@on_jumping_loop
async def test_a_free_loop_has_no_lag() -> None:
    """Where nothing blocks, nothing is late."""
    async with LoopLag(LoopClock(0)) as lag:
        await asyncio.sleep(5)
        assert lag.worst(LONGEST_MEMORY) <= 1


async def test_old_delays_are_forgotten() -> None:
    """Only delays that ended within the time asked for count."""
    async with LoopLag(SystemClock()) as lag:
        await asyncio.sleep(0.005)
        block()
        block()
        await asyncio.sleep(0.2)
        assert lag.worst(1) >= BLOCK_NS
        assert lag.worst(0.1) < lag.worst(1)


async def test_nothing_is_measured_before_and_after() -> None:
    """Outside of its context a monitor sees no delay and keeps no task."""
    lag = LoopLag(SystemClock())
    assert lag.worst(1) == 0
    async with lag:
        await asyncio.sleep(0.001)
    block()
    assert lag.worst(0.01) == 0
    assert len(asyncio.all_tasks()) == 1


def compute(milliseconds: int) -> None:
    """Keep this thread busy for that much of its own time."""
    until = time.thread_time_ns() + milliseconds * 1_000_000
    while time.thread_time_ns() < until:
        pass


async def test_what_the_program_does_itself_is_told_from_what_it_suffers() -> None:
    """Computing holds the loop up by its own doing; a sleeping machine does not."""
    async with LoopLag(SystemClock(), near=lambda: True) as lag:
        await asyncio.sleep(0.05)
        block()
        await asyncio.sleep(0.005)
        assert lag.worst(1) >= BLOCK_NS - 2_500_000
        before = lag.blocked(1)
        assert before < BLOCK_NS / 2
        compute(30)
        await asyncio.sleep(0.005)
        assert lag.blocked(1) >= BLOCK_NS - 2_500_000


async def test_near_a_close_it_looks_ten_times_as_often() -> None:
    """A block of five milliseconds escapes it far from a close, and not near one."""
    async with LoopLag(SystemClock(), near=lambda: True) as lag:
        await asyncio.sleep(0.05)
        compute(8)
        await asyncio.sleep(0.01)
        assert lag.blocked(1) >= 5_000_000
