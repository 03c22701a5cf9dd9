"""Many markets lived at once in a process of its own, and what that costs.

    python -m tests.bench.crowd '{"markets": 50}'

Real traders with real subscriptions, each on two loopback sockets that bring 20 frames
a second, a real ledger, log files and the paper venue; only the HTTP answers are made
up. Eight of the markets close together a few seconds after the start, the others later.
``lived()`` runs one such process and returns what it measured.
"""

import asyncio
import gc
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import main as program  # all that a running bot has loaded
from config import Settings
from hft_trader import LastSecondTrader
from lastsecond.clock import SystemClock
from lastsecond.errors import SourceError
from lastsecond.feed import Subscription
from lastsecond.garbage import set_aside
from lastsecond.ledger import Ledger, open_ledger
from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.observe.logs import logging_to
from lastsecond.ports import World
from lastsecond.venues.paper import PaperVenue
from tests.bench.corpus import Corpus, corpus
from tests.bench.streams import Streams, streams
from tests.fakes import FakeSource, Parameters
from tests.scripted import OpenGate, fake_world

FRAMES_A_SECOND = 20
CLOSING_TOGETHER = 8
LATER = 300
SHORTEST, LONGEST = 20_000_000, 60_000_000
BLOCKS = 3
"""300 frames: 15 s of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many markets, and what to measure meanwhile."""

    markets: int
    seconds: float = 0
    """For how long to measure the processor's time, before the last seconds."""
    waits: int = 0
    """How often to wait for a moment by wake_at, after that."""
    collector: str = "bot"
    """"default": Python's own; "bot": as the program has it."""
    before: float = 3
    """From so many seconds before the close on turns and collections are measured."""
    after: float = 1


@dataclass(slots=True)
class Lived:
    """What was measured. Times in ns, memory in bytes."""

    cpu: float = 0
    """Share of a core."""
    empty: int = 0
    """Resident before the first market."""
    resident: int = 0
    tracked: int = 0
    """Objects that the collector looks at."""
    full: int = 0
    """What a full collection takes, whenever it comes."""
    pauses: list[int] = field(default_factory=list)
    """What every collection near the close computed."""
    turn: int = 0
    """The longest turn of the loop near the close."""
    turn_cpu: int = 0
    """The most that one turn computed: without what other programs took."""
    late: list[int] = field(default_factory=list)
    """How late the waits ended."""
    fired: list[int] = field(default_factory=list)
    """How long after T-1 s each of the closing markets had sent its order."""


def lived(plan: Plan) -> Lived:
    """Run one process by this plan."""
    command = [sys.executable, "-m", "tests.bench.crowd", json.dumps(asdict(plan))]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return Lived(**json.loads(done.stdout))


class Gate(OpenGate):
    """Forbids nothing, and notes when orders left."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__()
        self.at: list[int] = []
        self._clock = clock

    def fired(self, spend: int) -> None:
        self.at.append(self._clock.now())


@dataclass(frozen=True, slots=True)
class Crowd:
    """Traders at work."""

    traders: Sequence[LastSecondTrader]
    tasks: Sequence["asyncio.Task[None]"]
    close: int
    gate: Gate

    async def informed(self) -> None:
        """Return when every market has its books."""
        while any(trader.best_ask_yes is None for trader in self.traders):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _answer(url: str, params: Parameters) -> bytes:
    if "/clob-markets/" not in url:
        raise SourceError("nothing but terms here")
    terms = {"c": url.rsplit("/", 1)[1], "fd": {"r": 0.07, "e": 1}}
    return json.dumps(terms).encode()


def _world(clock: SystemClock, ledger: Ledger, gate: Gate) -> World:
    source = FakeSource(_answer)
    venue = PaperVenue(
        clock=clock,
        source=source,
        host="https://clob.test",
        one_way=lambda: NANOSECONDS // 20,
        hold=0,
    )

    def unopened(name: str, tokens: Sequence[TokenId]) -> Subscription:
        raise NotImplementedError

    return fake_world(
        clock,
        source=source,
        new_stream=unopened,
        venue=venue,
        ledger=ledger,
        safeguards=gate,
    )


@asynccontextmanager
async def crowd(plan: Plan, url: str, ledger: Ledger) -> AsyncIterator[Crowd]:
    """The plan's traders, all on their way to their closes."""
    clock = SystemClock()
    gate = Gate(clock)
    world = _world(clock, ledger, gate)
    setup = 1 + plan.markets / 100 + plan.seconds + plan.waits * 0.05 + plan.before
    close = -(-(clock.now() + round(setup * NANOSECONDS)) // NANOSECONDS)
    first = corpus(1)
    traders = [
        _trader(number, first.of_market(number), close, url, world)
        for number in range(plan.markets)
    ]
    tasks = [asyncio.create_task(trader.run()) for trader in traders]
    try:
        yield Crowd(traders, tasks, close * NANOSECONDS, gate)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _trader(
    number: int, market: Corpus, close: int, url: str, world: World
) -> LastSecondTrader:
    def opened(name: str, tokens: Sequence[TokenId]) -> Subscription:
        own = f"{url}/{number}/{name.rsplit('/', 1)[1]}"
        return Subscription(name, tokens, url=own, clock=SystemClock())

    later = 0 if number < CLOSING_TOGETHER else LATER
    return LastSecondTrader(
        market.condition_id,
        market.up,
        market.down,
        datetime.fromtimestamp(close + later, UTC),
        ticker=f"bench-{number}",
        world=replace(world, new_stream=opened),
        settings=Settings(watch_after=2),
    )


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def full_collection() -> int:
    """Ns that the collector computes to look at everything."""
    began = time.thread_time_ns()
    gc.collect()
    return time.thread_time_ns() - began


@contextmanager
def pauses() -> Iterator[list[int]]:
    """What each collection computes while inside, in ns."""
    found: list[int] = []
    began = 0

    def note(phase: str, _: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.thread_time_ns()
        else:
            found.append(time.thread_time_ns() - began)

    gc.callbacks.append(note)
    try:
        yield found
    finally:
        gc.callbacks.remove(note)


async def turns(clock: SystemClock, until: int) -> tuple[int, int]:
    """The longest turn of the loop until then: on the clock, and of computing."""
    longest = most = 0
    at, spent = time.perf_counter_ns(), time.thread_time_ns()
    while clock.now() < until:
        await asyncio.sleep(0)
        now, used = time.perf_counter_ns(), time.thread_time_ns()
        longest, most = max(longest, now - at), max(most, used - spent)
        at, spent = now, used
    return longest, most


async def waited(clock: SystemClock, times: int) -> list[int]:
    """How late each of so many waits by wake_at ended."""
    rng, late = random.Random(5), []
    for _ in range(times):
        when = clock.now() + rng.randrange(SHORTEST, LONGEST)
        await clock.wake_at(when)
        late.append(clock.now() - when)
    return late


async def share_of_a_core(seconds: float) -> float:
    """What this process computes meanwhile."""
    began, spent = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - spent) / (time.perf_counter() - began)


async def live(plan: Plan, source: Streams, folder: Path) -> Lived:
    """One process's life."""
    clock, found = SystemClock(), Lived(empty=resident())
    async with AsyncExitStack() as stack:
        if plan.collector == "bot":
            stack.enter_context(set_aside())
        ledger = await stack.enter_async_context(
            open_ledger(
                folder / "ledger.db",
                clock=clock,
                mode="PAPER",
                wallet="bench",
                settings_hash="",
                code_version="",
                host="",
            )
        )
        many = await stack.enter_async_context(crowd(plan, source.url, ledger))
        await many.informed()
        source.pace(FRAMES_A_SECOND)
        await asyncio.sleep(0.5)
        if plan.seconds:
            found.cpu = await share_of_a_core(plan.seconds)
        found.late = await waited(clock, plan.waits)
        found.tracked, found.full = len(gc.get_objects()), full_collection()
        near = many.close - round(plan.before * NANOSECONDS)
        assert clock.now() < near, "the close came before all was ready"
        await clock.sleep_until(near)
        until = many.close + round(plan.after * NANOSECONDS)
        with pauses() as collected:
            found.turn, found.turn_cpu = await turns(clock, until)
        found.pauses = collected
        found.resident = resident()
        found.fired = [at - (many.close - NANOSECONDS) for at in many.gate.at]
    return found


def measured(plan: Plan) -> Lived:
    """What this process lives through."""
    assert program.STOP_TIMEOUT, "the program is loaded"
    with (
        streams(BLOCKS) as source,
        tempfile.TemporaryDirectory() as folder,
        logging_to(Path(folder), level="CRITICAL", quiet=True),
    ):
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        return asyncio.run(live(plan, source, Path(folder)))


if __name__ == "__main__":
    print(json.dumps(asdict(measured(Plan(**json.loads(sys.argv[1]))))))
