"""How exactly the trigger fires: the clock's wake_at beside what it could have been.

    python -m tests.bench.trigger [--count N] [--json PATH]

Waits of random length end at a moment by ``wake_at`` (what the bot uses), by the loop's
bare timer ``call_at``, and by looking at the clock every 10 ms. The ways take turns, on
a loop with nothing to do and on one that reads and decodes two streams of 1,000 frames
a second. The error is the machine's clock at return minus the moment. Exit status 1
when wake_at was ever early.
"""

import argparse
import asyncio
import json
import random
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from lastsecond.clock import SystemClock
from lastsecond.market import NANOSECONDS
from lastsecond.wire import market_channel

STREAMS = 2
FRAMES_A_SECOND = 1_000
SHORTEST, LONGEST = 20_000_000, 60_000_000
POLL = 0.01
MARKET, UP, DOWN = "0x" + "3e" * 32, "1" * 77, "2" * 77

Wait = Callable[[SystemClock, int], Awaitable[None]]
Row = dict[str, str | float | int]


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


def frame(number: int) -> bytes:
    """A price change of both tokens, as long as the exchange's."""
    cents = number % 98 + 1
    changes = [
        {
            "asset_id": token,
            "price": f"{price / 100:.2f}",
            "size": str(number % 900 + 1),
            "side": side,
            "hash": "5d" * 20,
            "best_bid": "0.5",
            "best_ask": "0.51",
        }
        for token, price, side in ((UP, cents, "BUY"), (DOWN, 100 - cents, "SELL"))
    ]
    message = {
        "market": MARKET,
        "price_changes": changes,
        "timestamp": str(1_800_000_000_000 + number),
        "event_type": "price_change",
    }
    return json.dumps(message).encode() + b"\n"


@asynccontextmanager
async def streaming() -> AsyncIterator[Callable[[], int]]:
    """A socket that brings frames, decoded as they come; yields how many so far."""
    frames = [frame(number) for number in range(997)]
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


async def fire(count: int, rng: random.Random) -> dict[str, list[int]]:
    """Errors in ns of ``count`` waits each way, the ways taking turns."""
    clock = SystemClock()
    errors: dict[str, list[int]] = {way: [] for way in WAYS}
    for _ in range(count):
        for way, wait in WAYS.items():
            when = clock.now() + rng.randrange(SHORTEST, LONGEST)
            await wait(clock, when)
            errors[way].append(clock.now() - when)
    return errors


def row(load: str, way: str, errors: list[int]) -> Row:
    """One line of the table, in microseconds."""
    ordered = sorted(errors)

    def at(share: float) -> float:
        return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1e3, 1)

    return {
        "load": load,
        "way": way,
        "n": len(errors),
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "max": at(1),
        "early": sum(error < 0 for error in errors),
    }


async def measure(count: int) -> list[Row]:
    """Both loads, every way."""
    rng = random.Random(11)
    await fire(3, rng)
    rows = [
        row("idle", way, errors) for way, errors in (await fire(count, rng)).items()
    ]
    async with AsyncExitStack() as stack:
        decoded = [await stack.enter_async_context(streaming()) for _ in range(STREAMS)]
        clock = SystemClock()
        began = clock.monotonic()
        errors = await fire(count, rng)
        passed = (clock.monotonic() - began) / NANOSECONDS
        a_second = sum(so_far() for so_far in decoded) / passed
    load = f"{a_second:,.0f} frames/s"
    return rows + [row(load, way, found) for way, found in errors.items()]


def main() -> int:
    """Print the table; exit status 1 when wake_at was early."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.trigger")
    options.add_argument("--count", type=int, default=150, help="waits of each kind")
    options.add_argument("--json", type=Path, help="where to write the table")
    chosen = options.parse_args()
    rows = asyncio.run(measure(chosen.count))
    print("error of firing in µs")
    columns = ("p50", "p90", "p99", "max")
    print(f"{'load':<18}{'way':<12}{'n':>5}", *(f"{c:>10}" for c in columns), " early")
    for found in rows:
        figures = (f"{found[column]:>10,}" for column in columns)
        print(
            f"{found['load']:<18}{found['way']:<12}{found['n']:>5}",
            *figures,
            f"{found['early']:>6}",
        )
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    early = sum(int(r["early"]) for r in rows if r["way"] == "wake_at")
    return 1 if early else 0


if __name__ == "__main__":
    sys.exit(main())
