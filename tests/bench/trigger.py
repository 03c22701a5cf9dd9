"""How exactly the trigger fires: the clock's wake_at beside what it could have been.

    python -m tests.bench.trigger [--short] [--json PATH]

Waits of random length end at a moment by ``wake_at`` (what the bot uses), by the loop's
bare timer ``call_at``, and by looking at the clock every 10 ms. The ways take turns: on
a loop with nothing to do, on one that reads and decodes two streams of 1,000 frames a
second, and beside a process that keeps one core busy. The error is the machine's clock
at return minus the moment. Then fifty markets of the bot's own, eight of which decide
together: the first's and the last's decision after T-1.000 s.
"""

import asyncio
import os
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace

from lastsecond.clock import SystemClock
from lastsecond.market import NANOSECONDS
from lastsecond.wire import market_channel
from tests.bench import together
from tests.bench.far_end import FRAMES_A_SECOND, frame
from tests.bench.table import Figure, Result, alone, command, compared, percentile

STREAMS = 2
SHORTEST, LONGEST = 20_000_000, 60_000_000
POLL = 0.01
MEDIAN_WITHIN, P90_WITHIN, LAST_WITHIN = 20, 50, 1_000
"""Microseconds that a firing may be late."""

OF_CALL_AT, OF_POLL = 0.2, 0.4
"""Shares of another way's lateness that pass in a short run: no absolute time does."""

Wait = Callable[[SystemClock, int], Awaitable[None]]
Errors = dict[str, list[float]]


async def by_wake_at(clock: SystemClock, when: int) -> None:
    await clock.wake_at(when)


async def by_call_at(clock: SystemClock, when: int) -> None:
    loop = asyncio.get_running_loop()
    due = loop.create_future()
    left = (when - clock.now()) / NANOSECONDS
    loop.call_at(loop.time() + left, due.set_result, None)
    await due


async def by_polling(clock: SystemClock, when: int) -> None:
    while clock.now() < when:  # noqa: ASYNC110  what it is compared with
        await asyncio.sleep(POLL)


WAYS: dict[str, Wait] = {
    "wake_at": by_wake_at,
    "call_at": by_call_at,
    "poll 10 ms": by_polling,
}


@asynccontextmanager
async def streaming() -> AsyncIterator[Callable[[], int]]:
    """A socket that brings frames, decoded as they come; yields how many so far."""
    frames = [frame(number) + b"\n" for number in range(997)]
    near, far = socket.socketpair()
    reader, ends = await asyncio.open_connection(sock=near)
    _, writer = await asyncio.open_connection(sock=far)
    decoded = 0

    async def read() -> None:
        nonlocal decoded
        while line := await reader.readline():
            decoded += len(market_channel.decode(line).events)

    async def write() -> None:
        clock, sent = SystemClock(), 0
        began = clock.monotonic()
        while True:
            owed = (clock.monotonic() - began) * FRAMES_A_SECOND // NANOSECONDS
            for number in range(sent, owed):
                writer.write(frames[number % len(frames)])
            sent = max(sent, owed)
            await asyncio.sleep(1 / FRAMES_A_SECOND)

    tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
    try:
        yield lambda: decoded
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for end in (ends, writer):
            end.close()


@contextmanager
def busy_core() -> Iterator[None]:
    """A process that spins on the last core, for as long as this is entered."""
    core = max(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", spin]) as process:
        try:
            yield
        finally:
            process.kill()


async def fire(count: int, rng: random.Random) -> Errors:
    """Errors in µs of ``count`` waits each way, the ways taking turns."""
    clock = SystemClock()
    errors: Errors = {way: [] for way in WAYS}
    for _ in range(count):
        for way, wait in WAYS.items():
            when = clock.now() + rng.randrange(SHORTEST, LONGEST)
            await wait(clock, when)
            errors[way].append((clock.now() - when) / 1e3)
    return errors


async def under_loads(count: int) -> dict[str, Errors]:
    """Every way under every load."""
    rng, clock = random.Random(11), SystemClock()
    await fire(3, rng)
    found = {"idle": await fire(count, rng)}
    async with AsyncExitStack() as stack:
        decoded = [await stack.enter_async_context(streaming()) for _ in range(STREAMS)]
        began = clock.monotonic()
        errors = await fire(count, rng)
        passed = (clock.monotonic() - began) / NANOSECONDS
        a_second = sum(so_far() for so_far in decoded) / passed
    found[f"{a_second:,.0f} frames/s"] = errors
    with busy_core():
        found["one busy core"] = await fire(count, rng)
    return found


def never_early(what: str, errors: list[float]) -> Figure:
    """How many were."""
    early = sum(error < 0 for error in errors)
    return Figure(f"{what}: early", len(errors), early, "", must="= 0", ok=early == 0)


def of_load(load: str, errors: Errors, *, bound: bool, short: bool) -> list[Figure]:
    """One load's rows; ``bound`` is whether more than "never early" is asked."""
    mine, bare = errors["wake_at"], errors["call_at"]
    figure = compared(f"{load}: wake_at", mine, "call_at", bare)
    if bound and short:
        met = percentile(mine, 0.5) <= OF_CALL_AT * percentile(bare, 0.5)
        figure = replace(figure, must=f"<= {OF_CALL_AT:g}x at p50", ok=met)
    elif bound:
        met = percentile(mine, 0.5) <= MEDIAN_WITHIN
        met = met and percentile(mine, 0.9) <= P90_WITHIN
        asked = f"<= {MEDIAN_WITHIN}, p90 <= {P90_WITHIN}"
        figure = replace(figure, must=asked, aim="<= 2", ok=met)
    rest = [alone(f"{load}: {way}", errors[way]) for way in WAYS if way != "wake_at"]
    return [figure, *rest, never_early(load, mine)]


def of_eight(
    rounds: list[list[float]], poll: list[float], *, short: bool
) -> list[Figure]:
    """The first's and the last's lateness of those that decided together."""
    what = f"{together.TOGETHER} of {together.MARKETS} markets"
    first, last = [min(found) for found in rounds], [max(found) for found in rounds]
    figure = compared(f"{what}: the last", last, "poll 10 ms", poll)
    if short:
        met = percentile(last, 0.5) <= OF_POLL * percentile(poll, 0.5)
        figure = replace(figure, must=f"<= {OF_POLL:g}x at p50", ok=met)
    else:
        met = percentile(last, 0.5) <= LAST_WITHIN
        figure = replace(figure, must=f"<= {LAST_WITHIN:,}", ok=met)
    return [alone(f"{what}: the first", first), figure, never_early(what, first)]


def run(*, short: bool) -> Result:
    """Measure; ``short`` takes 15 s."""
    found = asyncio.run(under_loads(20 if short else 150))
    figures = [
        figure
        for load, errors in found.items()
        for figure in of_load(load, errors, bound=load != "one busy core", short=short)
    ]
    rounds = together.rounds(5 if short else 25, random.Random(12))
    in_micros = [[late / 1e3 for late in decided] for decided in rounds]
    figures += of_eight(in_micros, found["idle"]["poll 10 ms"], short=short)
    return Result("how late the trigger fires, in µs", figures)


if __name__ == "__main__":
    sys.exit(command("trigger", run))
