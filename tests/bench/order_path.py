"""From the decision to the order's last byte: the bot beside what it could have been.

    python -m tests.bench.order_path [--short] [--json PATH]

Three ways, taking turns: ``LiveTicket.fire`` on a warm line, the order signed before
and the request authorised at the decision; a bare asyncio transport that writes the
same bytes, which is what no program on this loop can undercut; and py-clob-client-v2 as
its users call it, with warm caches and a warm connection. What left, and when its last
byte had come, is told by a far end in a process of its own. Then the same from a
deadline, while two streams of 1,000 frames a second are decoded on the loop: the bot's
``wake_at``, or ``call_at`` and the vendor's client, on the loop or in a thread.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from py_clob_client_v2 import ApiCreds, ClobClient, MarketOrderArgs

from lastsecond.clock import SystemClock
from lastsecond.feed import Subscription
from lastsecond.http import HttpSource
from lastsecond.market import NANOSECONDS, ConditionId, Outcome, TokenId
from lastsecond.orders import NEVER, Intent, Killed
from lastsecond.venues.live import Account, Authority, Credentials, LiveVenue
from tests.bench.far_end import DOWN, MARKET, UP, FarEnd, far_end
from tests.bench.table import Bound, Figure, Result, alone, command, compared
from tests.scripted import StillSight

REST = 0.004
"""Seconds of sleep before each decision: nobody decides on a hot core."""

SOONEST, LATEST = 20_000_000, 60_000_000
KEY = "0x" + "5e" * 32
CREDENTIALS = Credentials(
    "0b5f0f0e-5e5e-4d4d-8c8c-7a7a7a7a7a7a", "c2VjcmV0" * 5 + "c2U=", "5e" * 32
)
INTENT = Intent(
    condition_id=ConditionId(MARKET),
    ticker="btc-updown-5m",
    token_id=TokenId(UP),
    outcome=Outcome.UP,
    spend=10_000_000,
    limit=990_000,
    tick=10_000,
    close_at=NEVER,
)
OURS, RAW = "LiveTicket.fire", "transport.write"
WARM, COLD = "v2 warm", "v2 as shipped"
PUNCTUAL = f"wake_at + {OURS}"
USUAL, THREAD = "call_at + v2 warm", "the same in a thread"

TO_RAW, TO_USUAL = Bound(8, 3), Bound(0.15, 0.05)
TO_VENDOR = Bound(20, 40, at_least=True)

Fire = Callable[[], Awaitable[None]]
"""Makes the order leave and returns when it was answered."""

Ready = Callable[[], Awaitable[Fire]]
"""Prepares one order and uses the way to the exchange once."""


@dataclass
class Shots:
    """What was seen of one way's orders."""

    times: list[float] = field(default_factory=list)
    """Microseconds from the decision, or the deadline, to the last byte."""
    requests: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)


class Ways:
    """Every way to send the one order, on one far end."""

    def __init__(self, end: FarEnd, venue: LiveVenue, pool: ThreadPoolExecutor) -> None:
        self._end = end
        self._venue = venue
        self._pool = pool
        self._raw: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._same_bytes = b""
        self._vendor = self._new_vendor()

    async def ours(self) -> Fire:
        ticket = await self._venue.arm([INTENT])
        await ticket.warm()

        async def fire() -> None:
            result = await ticket.fire(INTENT.token_id, StillSight())
            assert isinstance(result, Killed), result
            ticket.close()

        return fire

    async def raw(self) -> Fire:
        if self._raw is None:
            await (await self.ours())()
            self._same_bytes = self._end.seen().last_order
            self._raw = await asyncio.open_connection("127.0.0.1", self._end.port)
        reader, writer = self._raw
        transport = writer.transport

        async def answered() -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.split(b"Content-Length: ")[1]))

        async def fire() -> None:
            transport.write(self._same_bytes)
            await answered()

        transport.write(b"GET /time HTTP/1.1\r\nHost: loopback\r\n\r\n")
        await answered()
        return fire

    async def warm(self) -> Fire:
        self._vendor.get_server_time()
        return lambda: self._buy(self._vendor)

    async def in_executor(self) -> Fire:
        self._vendor.get_server_time()
        loop = asyncio.get_running_loop()

        async def fire() -> None:
            await loop.run_in_executor(self._pool, self._post, self._vendor)

        return fire

    async def cold(self) -> Fire:
        vendor = self._new_vendor()
        vendor.get_server_time()
        return lambda: self._buy(vendor)

    def _new_vendor(self) -> ClobClient:
        key, secret, passphrase = (
            CREDENTIALS.key,
            CREDENTIALS.secret,
            CREDENTIALS.passphrase,
        )
        return ClobClient(
            self._end.url, 137, key=KEY, creds=ApiCreds(key, secret, passphrase)
        )

    def _post(self, vendor: ClobClient) -> None:
        order = MarketOrderArgs(token_id=UP, amount=10, side="BUY", price=0.99)
        answer = vendor.create_and_post_market_order(order)
        assert "fully filled" in answer["errorMsg"], answer

    async def _buy(self, vendor: ClobClient) -> None:
        self._post(vendor)


@asynccontextmanager
async def ways(end: FarEnd) -> AsyncIterator[Ways]:
    """All set up, each used once."""
    clock = SystemClock()
    account = Account(KEY, signature_type=0, funder="", chain_id=137)
    authority = Authority(account.address, CREDENTIALS, clock)
    with ThreadPoolExecutor(1) as pool:
        async with HttpSource(clock) as source:
            venue = LiveVenue(
                account, authority, source=source, host=end.url, clock=clock
            )
            made = Ways(end, venue, pool)
            for ready in (made.ours, made.raw, made.warm, made.in_executor, made.cold):
                await (await ready())()
            yield made


def note(shots: Shots, end: FarEnd, since: int) -> None:
    """Take down what the far end saw from ``since`` (monotonic ns) to the POST."""
    seen = end.seen()
    [posted] = [at for line, at in seen.requests if line == "POST /order"]
    shots.times.append((posted - since) / 1e3)
    shots.requests.append(sum(since <= at <= posted for _, at in seen.requests))
    shots.connections.append(sum(since <= at <= posted for at in seen.connections))


async def from_decision(end: FarEnd, made: Ways, rounds: int) -> dict[str, Shots]:
    """Decision to last byte, the ways taking turns."""
    clock = SystemClock()
    turns = {OURS: made.ours, RAW: made.raw, WARM: made.warm, COLD: made.cold}
    shots = {name: Shots() for name in turns}
    for _ in range(rounds):
        for name, ready in turns.items():
            fire = await ready()
            end.seen()
            await asyncio.sleep(REST)
            decided = clock.monotonic()
            await fire()
            note(shots[name], end, decided)
    return shots


def lead(clock: SystemClock) -> int:
    """How far Unix time is ahead of monotonic time now, ns, to the microsecond."""
    best = []
    for _ in range(9):
        before, now = clock.monotonic(), clock.now()
        after = clock.monotonic()
        best.append((after - before, now - (before + after) // 2))
    return min(best)[1]


async def by_wake_at(clock: SystemClock, when: int, fire: Fire) -> None:
    await clock.wake_at(when)
    await fire()


async def by_call_at(clock: SystemClock, when: int, fire: Fire) -> None:
    loop = asyncio.get_running_loop()
    due = loop.create_future()
    left = (when - clock.now()) / NANOSECONDS
    loop.call_at(loop.time() + left, due.set_result, None)
    await due
    await fire()


@asynccontextmanager
async def two_streams(end: FarEnd) -> AsyncIterator[Callable[[], int]]:
    """Two subscriptions that are read all the while; yields how many frames so far."""
    clock, frames = SystemClock(), 0

    async def read(stream: Subscription) -> None:
        nonlocal frames
        async for _ in stream.frames():
            frames += 1

    tokens = [TokenId(UP), TokenId(DOWN)]
    streams = [
        Subscription(name, tokens, url=end.stream_url, clock=clock)
        for name in ("yes", "no")
    ]
    async with asyncio.TaskGroup() as group:
        for stream in streams:
            await stream.open()
            group.create_task(read(stream))
        yield lambda: frames
        for stream in streams:
            await stream.close()


async def from_deadline(
    end: FarEnd, made: Ways, rounds: int
) -> tuple[dict[str, Shots], float]:
    """Deadline to last byte under frames, taking turns; and frames a second."""
    clock, rng = SystemClock(), Random(5)
    turns = {
        PUNCTUAL: (made.ours, by_wake_at),
        USUAL: (made.warm, by_call_at),
        THREAD: (made.in_executor, by_call_at),
    }
    shots = {name: Shots() for name in turns}
    async with two_streams(end) as frames:
        began = clock.monotonic()
        for _ in range(rounds):
            for name, (ready, send) in turns.items():
                fire = await ready()
                end.seen()
                when = clock.now() + rng.randrange(SOONEST, LATEST)
                await send(clock, when, fire)
                note(shots[name], end, when - lead(clock))
        a_second = frames() * NANOSECONDS / (clock.monotonic() - began)
    return shots, a_second


def counts(shots: dict[str, Shots]) -> list[Figure]:
    """Requests and connections from the decision to the POST, worst round."""
    expected = {OURS: (1, 0), COLD: (4, 0)}
    return [
        Figure(
            f"{what}: {name}",
            len(found),
            max(found),
            "",
            must=f"= {must}",
            aim=f"= {must}",
            ok=set(found) == {must},
        )
        for name, (requests, connections) in expected.items()
        for what, found, must in (
            ("requests", shots[name].requests, requests),
            ("new connections", shots[name].connections, connections),
        )
    ]


def measured(end: FarEnd, *, short: bool) -> Result:
    """Both measurements on one far end."""

    async def measure() -> tuple[dict[str, Shots], dict[str, Shots], float]:
        async with ways(end) as made:
            decided = await from_decision(end, made, 60 if short else 300)
            due, a_second = await from_deadline(end, made, 25 if short else 120)
            return decided, due, a_second

    decided, due, a_second = asyncio.run(measure())
    times = {name: found.times for name, found in (decided | due).items()}

    def row(since: str, name: str, against: str, bound: Bound | None) -> Figure:
        asked = bound and bound.of(short=short)
        return compared(f"{since}: {name}", times[name], against, times[against], asked)

    figures = [
        *counts(decided),
        alone(f"decision: {RAW}", times[RAW]),
        row("decision", OURS, RAW, TO_RAW),
        row("decision", WARM, OURS, TO_VENDOR),
        row("decision", COLD, OURS, None),
        alone(f"deadline: {USUAL}", times[USUAL]),
        alone(f"deadline: {THREAD}", times[THREAD]),
        row("deadline", PUNCTUAL, USUAL, TO_USUAL),
        row("deadline", PUNCTUAL, THREAD, TO_USUAL),
    ]
    title = f"to the order's last byte; deadlines under {a_second:,.0f} frames/s"
    return Result(title, figures)


def run(*, short: bool) -> Result:
    """Measure; ``short`` takes 15 s."""
    with far_end() as end:
        return measured(end, short=short)


if __name__ == "__main__":
    sys.exit(command("order_path", run))
