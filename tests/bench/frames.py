"""From a frame to the best asks of full books: ours beside what else reads Polymarket.

    python -m tests.bench.frames [--short] [--json PATH]

Every reader takes the same frames of tests/bench/corpus.py, 500 at a time and all
readers in turn, and is asked for both best asks after each frame. A figure is
microseconds a frame over 500. All must end each round on the asks of the recording.
nautilus_trader, which knows no best_bid_ask, is given none, and compared with ours
without them.
"""

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.bench.corpus import Corpus, corpus
from tests.bench.peers import (
    Nautilus,
    Ours,
    Peer,
    StandardJson,
    Vendor,
    nautilus_is_here,
)
from tests.bench.table import Bound, Figure, Result, alone, command, compared

AT_ONCE = 500
BLOCKS, ROUNDS = 80, 10
SHORT_BLOCKS, SHORT_ROUNDS = 30, 6
NO_QUOTES = b'"best_bid_ask"'
TO_LIBRARIES = Bound(6, 8, at_least=True)
TO_JSON = Bound(2, 2.5, at_least=True)


@dataclass
class Lane:
    """One reader's way through the rounds: what it is given, and what it took."""

    name: str
    kind: type[Peer]
    parts: Sequence[tuple[bytes, ...]]
    micros: list[float] = field(default_factory=list)

    def beside(self, other: "Lane", bound: Bound) -> Figure:
        """How many times as long as ``other`` it takes."""
        return compared(self.name, self.micros, other.name, other.micros, bound)


def timed(peer: Peer, part: Sequence[bytes]) -> float:
    """Microseconds a frame."""
    take, asks, clock = peer.take, peer.asks, time.perf_counter_ns
    began = clock()
    for frame in part:
        take(frame)
        asks()
    return (clock() - began) / len(part) / 1e3


def go_round(lanes: Sequence[Lane], market: Corpus) -> None:
    """Every lane through all parts once, in turn, from nothing."""
    readers = [(lane, lane.kind(market)) for lane in lanes]
    for _, peer in readers:
        peer.take(market.opening)
    for number in range(len(lanes[0].parts)):
        for lane, peer in readers:
            lane.micros.append(timed(peer, lane.parts[number]))
    for lane, peer in readers:
        if (found := peer.micros()) != market.asks:
            raise RuntimeError(f"{lane.name} ends on {found}, not {market.asks}")


@contextmanager
def frozen() -> Iterator[None]:
    """What was loaded before is no peer's garbage: the collector leaves it alone."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def run(*, short: bool) -> Result:
    """Ours, then each peer against it."""
    market = corpus(SHORT_BLOCKS if short else BLOCKS)
    every, fewer = market.parts(AT_ONCE), market.parts(AT_ONCE, without=NO_QUOTES)
    ours = Lane("ours", Ours, every)
    json = Lane("stdlib json, our books", StandardJson, every)
    vendor = Lane("polymarket-client, plain books", Vendor, every)
    without = Lane("ours, no best_bid_ask", Ours, fewer)
    nautilus = Lane("nautilus_trader", Nautilus, fewer)
    here = nautilus_is_here()
    lanes = [ours, json, vendor, without, *([nautilus] if here else [])]
    go_round(lanes, market)
    for lane in lanes:
        lane.micros.clear()
    with frozen():
        for _ in range(SHORT_ROUNDS if short else ROUNDS):
            go_round(lanes, market)
    to_libraries = TO_LIBRARIES.of(short=short, slack=3)  # see docs/performance.md
    to_json = TO_JSON.of(short=short)
    figures = [
        alone(ours.name, ours.micros),
        vendor.beside(ours, to_libraries),
        json.beside(ours, to_json),
        alone(without.name, without.micros),
        nautilus.beside(without, to_libraries) if here else absent(nautilus),
    ]
    return Result("µs from a frame to the best asks of full books", figures)


def absent(lane: Lane) -> Figure:
    """The row of a peer that is not installed."""
    return Figure(lane.name, 0, None, "", "not installed: requirements-bench.txt")


if __name__ == "__main__":
    sys.exit(command("frames", run))
