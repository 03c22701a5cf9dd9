"""From a loopback websocket to the best asks: our feed beside the vendor's stream.

    python -m tests.bench.feed [--short] [--json PATH]

Another process sends bursts of 800 frames of tests/bench/corpus.py. A figure is
microseconds a frame, from asking for a burst until both best asks are known after its
last frame; with two sockets each frame comes on both, and both are counted. Everybody
is connected to the same server at once and gets the same bursts in turn.
polymarket-client runs as shipped, its queue included, which 800 frames do not overflow,
and keeps plain books. All must end each round on the asks of the recording.
"""

import asyncio
import dataclasses
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from polymarket import AsyncPublicClient
from polymarket._internal.environment import (  # the SDK offers production only
    PRODUCTION_CONFIG,
    create_environment,
)
from polymarket.streams import MarketSpec

from lastsecond.clock import SystemClock
from lastsecond.feed import Subscription
from lastsecond.ports import Gap
from tests.bench.corpus import BLOCK, Corpus, corpus
from tests.bench.frames import frozen
from tests.bench.peers import Ours, Peer, Vendor
from tests.bench.streams import Streams, streams
from tests.bench.table import Bound, Result, alone, command, compared

BURST = 8 * BLOCK
BLOCKS, ROUNDS = 80, 16
SHORT_BLOCKS, SHORT_ROUNDS = 40, 8
LONGEST = 10.0
ONE = Bound(4, 5, at_least=True)
TWO = Bound(3, 5, at_least=True)
MARKET = 0


class Flow:
    """A connected reader of ``paths``, which counts the frames behind it."""

    def __init__(self, paths: Sequence[str], peer: Peer) -> None:
        self.paths = paths
        self.asks = peer.asks
        self.micros = peer.micros
        self._taken = self._expected = 0
        self._reached = asyncio.Event()

    def expect(self, frames: int) -> None:
        """Count from here on."""
        self._taken, self._expected = 0, frames
        self._reached.clear()

    async def reached(self) -> None:
        """Return when all that were expected have been taken."""
        async with asyncio.timeout(LONGEST):
            await self._reached.wait()

    def count(self) -> None:
        """One more has been taken; look at the asks as a trader would."""
        self.asks()
        self._taken += 1
        if self._taken == self._expected:
            self._reached.set()


Opener = Callable[[Corpus, str], AbstractAsyncContextManager[Flow]]


@asynccontextmanager
async def our_flow(
    market: Corpus, url: str, names: Sequence[str]
) -> AsyncIterator[Flow]:
    """The bot's subscriptions, one or two, into one view."""
    peer, clock = Ours(market), SystemClock()
    flow = Flow([f"/{MARKET}/{name}" for name in names], peer)
    flow.expect(len(names))

    async def listen(stream: Subscription, source: int) -> None:
        async for frame in stream.frames():
            assert not isinstance(frame, Gap)
            peer.view.take(frame.events, source, clock.monotonic(), clock.now())
            flow.count()

    async with AsyncExitStack() as stack:
        for source, path in enumerate(flow.paths):
            stream = Subscription(
                path, [market.up, market.down], url=url + path, clock=clock
            )
            await stream.open()
            stack.push_async_callback(stream.close)
            task = asyncio.create_task(listen(stream, source))
            stack.callback(task.cancel)
        await flow.reached()
        yield flow


@asynccontextmanager
async def vendor_flow(market: Corpus, url: str) -> AsyncIterator[Flow]:
    """The vendor's client, into plain books."""
    peer = Vendor(market)
    flow = Flow([f"/{MARKET}/vendor"], peer)
    flow.expect(2)  # the opening frame's two events
    config = dataclasses.replace(
        PRODUCTION_CONFIG, clob_market_ws_url=url + flow.paths[0]
    )
    environment = create_environment(name="bench", config=config)
    tokens = [str(market.up), str(market.down)]
    async with (
        AsyncPublicClient(environment=environment) as client,
        await client.subscribe(
            MarketSpec(token_ids=tokens, custom_feature_enabled=True)
        ) as events,
    ):

        async def listen() -> None:
            async for event in events:
                peer.hear(event)
                flow.count()

        task = asyncio.create_task(listen())
        await flow.reached()
        yield flow
        task.cancel()


def one(market: Corpus, url: str) -> AbstractAsyncContextManager[Flow]:
    return our_flow(market, url, ["one"])


def two(market: Corpus, url: str) -> AbstractAsyncContextManager[Flow]:
    return our_flow(market, url, ["yes", "no"])


WAYS: dict[str, Opener] = {
    "ours, one socket": one,
    "ours, two sockets merged": two,
    "polymarket-client, plain books": vendor_flow,
}


async def bout(flow: Flow, first: int, source: Streams) -> float:
    """Microseconds a frame of one burst."""
    frames = BURST * len(flow.paths)
    flow.expect(frames)
    began = time.perf_counter_ns()
    source.burst(first, first + BURST, flow.paths)
    await flow.reached()
    return (time.perf_counter_ns() - began) / frames / 1e3


async def go_round(market: Corpus, source: Streams) -> dict[str, list[float]]:
    """All frames once for everybody, burst by burst in turn."""
    micros: dict[str, list[float]] = {way: [] for way in WAYS}
    async with AsyncExitStack() as stack:
        flows = {
            way: await stack.enter_async_context(opener(market, source.url))
            for way, opener in WAYS.items()
        }
        for first in range(0, len(market.frames), BURST):
            for way, flow in flows.items():
                micros[way].append(await bout(flow, first, source))
        for way, flow in flows.items():
            if (found := flow.micros()) != market.asks:
                raise RuntimeError(f"{way} ends on {found}, not {market.asks}")
    return micros


def run(*, short: bool) -> Result:
    """One and two sockets of ours, then the vendor's stream against each."""
    blocks = SHORT_BLOCKS if short else BLOCKS
    market = corpus(blocks).of_market(MARKET)
    micros: dict[str, list[float]] = {way: [] for way in WAYS}
    with streams(blocks) as source:
        asyncio.run(go_round(market, source))
        with frozen():
            for _ in range(SHORT_ROUNDS if short else ROUNDS):
                for way, found in asyncio.run(go_round(market, source)).items():
                    micros[way] += found
    single, merged, vendor = WAYS
    against = [
        compared(vendor, micros[vendor], ours, micros[ours], bound.of(short=short))
        for ours, bound in ((single, ONE), (merged, TWO))
    ]
    figures = [alone(way, micros[way]) for way in (single, merged)] + against
    return Result("µs from a loopback websocket to the best asks, a frame", figures)


if __name__ == "__main__":
    sys.exit(command("feed", run))
