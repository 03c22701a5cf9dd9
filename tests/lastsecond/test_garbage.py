"""Garbage is collected when it disturbs nobody, and Python's own way comes back."""

import asyncio
import gc

from lastsecond.clock import LoopClock
from lastsecond.garbage import INTERVAL, Collector, set_aside
from tests.fakes import on_jumping_loop


def test_nothing_is_collected_unasked() -> None:
    """While set aside Python collects nothing; afterwards all is as it was."""
    assert gc.isenabled()
    with set_aside():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


@on_jumping_loop
async def test_it_is_collected_once_a_minute_when_all_is_calm() -> None:
    """A market's last seconds are waited out; the end is waited for."""
    clock, calm, runs = LoopClock(0), asyncio.Event(), list[str]()

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            runs.append(phase)

    async with Collector(clock, calm.wait):  # type: ignore[arg-type]
        await clock.sleep(0)
        gc.callbacks.append(note)
        try:
            await clock.sleep(INTERVAL + 5)
            assert runs == []
            calm.set()
            await clock.sleep(1)
            assert len(runs) == 1
            await clock.sleep(INTERVAL)
            assert len(runs) == 2
        finally:
            gc.callbacks.remove(note)
    assert gc.isenabled()
