"""What ends a run from outside, and how cleanly."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastsecond.signals import until_signalled

ROOT = Path(__file__).parents[2]
STUBBORN = """
import asyncio, sys
from lastsecond.signals import until_signalled

async def work():
    try:
        print("working", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaning", flush=True)
        await asyncio.sleep(60)
    return 1

sys.exit(asyncio.run(until_signalled(work())))
"""


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """Give pytest its handlers back."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


async def test_work_that_ends_by_itself() -> None:
    """Its exit status is the run's."""

    async def work() -> int:
        return 7

    assert await until_signalled(work()) == 7


async def test_work_that_fails() -> None:
    """Its error is not hidden."""

    async def work() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await until_signalled(work())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_stops_the_work(
    number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    """It is cancelled, may clean up for as long as it takes, and the status is 0."""
    steps: list[str] = []

    async def work() -> int:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            steps.append("cleaning")
            await asyncio.sleep(0.01)
            steps.append("cleaned")
        return 1

    caplog.set_level("INFO")
    assert await until_signalled(work()) == 0
    assert steps == ["cleaning", "cleaned"]
    assert caplog.messages == ["STOPPED by a signal"]


@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)],
    ids=str,
)
def test_the_second_signal_ends_the_process(
    numbers: tuple[signal.Signals, signal.Signals],
) -> None:
    """At once, whatever is still being cleaned up."""
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"working\n"
        process.send_signal(numbers[0])
        assert process.stdout.readline() == b"cleaning\n"
        process.send_signal(numbers[1])
        assert process.wait(timeout=5) == -numbers[1]
