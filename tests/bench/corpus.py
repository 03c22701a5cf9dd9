"""Frames of a genuine market's last minutes, as the market channel writes them.

The recorded book of btc-updown-5m-1776158700 (lastsecond/sim/data/README.md) moves the
simulated market one level at a time; what it sends is kept. A block of 100 frames holds
83 price changes of both tokens, 10 best_bid_ask, 5 last_trade_price and 2 whole books.
That mix is an assumption, the books and their movements are not.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lastsecond.clock import SystemClock
from lastsecond.market import NANOSECONDS, ConditionId, Outcome, TokenId, Window
from lastsecond.sim import frames, naming
from lastsecond.sim.frames import Json
from lastsecond.sim.ladder import Side, plain
from lastsecond.sim.market import SimMarket
from lastsecond.sim.scenarios.recorded import Recording, load

BLOCK = 100
ORIGIN = "btc-updown-5m-1776158700"
START = 1_776_158_922 * NANOSECONDS
QUOTES = frozenset(range(4, BLOCK, 10))
TRADES = frozenset(range(11, BLOCK, 20))
BOOKS = frozenset({0, 50})

_TIMESTAMP = re.compile(rb'"timestamp":"\d{13}"')


@dataclass(frozen=True, slots=True)
class Corpus:
    """One market's frames: the opening books, then whole blocks; the asks they end on.

    ``asks`` are (Up, Down) in micros, None where nobody sells.
    """

    condition_id: ConditionId
    up: TokenId
    down: TokenId
    opening: bytes
    frames: tuple[bytes, ...]
    asks: tuple[int | None, int | None]

    def parts(self, length: int, *, without: bytes = b"") -> list[tuple[bytes, ...]]:
        """The frames ``length`` at a time, those that hold ``without`` left out."""
        return [
            tuple(
                frame
                for frame in self.frames[first : first + length]
                if not without or without not in frame
            )
            for first in range(0, len(self.frames), length)
        ]

    def of_market(self, number: int) -> "Corpus":
        """The same frames under the names of another market."""
        return self.named(f"{ORIGIN}-{number}")

    def named(self, slug: str) -> "Corpus":
        """The same frames under the names that the simulated exchange gives a slug."""
        names = (
            naming.condition_id(slug),
            naming.token_id(slug, Outcome.UP),
            naming.token_id(slug, Outcome.DOWN),
        )
        old = (self.condition_id, self.up, self.down)

        def renamed(frame: bytes) -> bytes:
            for was, is_now in zip(old, names, strict=True):
                frame = frame.replace(was.encode(), is_now.encode())
            return frame

        return Corpus(
            *names, renamed(self.opening), tuple(map(renamed, self.frames)), self.asks
        )


class RecordedTime(SystemClock):
    """Stands where the recording stands."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> int:
        return self.at


class Tape:
    """An audience that keeps price changes and nothing else."""

    def __init__(self) -> None:
        self.changes: list[Json] = []

    def publish(
        self, tokens: Iterable[TokenId], frame: Json, *, custom: bool = False
    ) -> None:
        if frame["event_type"] == "price_change":
            self.changes.append(frame)

    def settle(self, tokens: Iterable[TokenId]) -> None:
        """Nothing resolves here."""


def corpus(blocks: int) -> Corpus:
    """The first ``blocks`` hundreds of frames; at most 190."""
    recording = next(each for each in load() if each.origin == ORIGIN)
    clock, tape = RecordedTime(), Tape()
    window = Window.from_slug(ORIGIN)
    assert window
    market = SimMarket(window, clock, tape, tick=1_000, fields={})
    market.automatic_tick = False
    book = recording.book(recording.steps[0].at)
    market.snapshot(Outcome.DOWN, book["bids"].items(), book["asks"].items())
    opening = [frames.book(market.state(side), opening=True) for side in Outcome]
    movements = _movements(recording, market, clock, tape)
    written = [
        _written(_frame(number % BLOCK, market, movements))
        for number in range(blocks * BLOCK)
    ]
    return Corpus(
        market.condition_id,
        market.token(Outcome.UP),
        market.token(Outcome.DOWN),
        _written(opening),
        tuple(written),
        (
            market.ladder.best(Outcome.UP, Side.SELL),
            market.ladder.best(Outcome.DOWN, Side.SELL),
        ),
    )


def stamped(frame: bytes, at: int) -> bytes:
    """The frame as if sent at ``at``, Unix ms; as long as it was."""
    return _TIMESTAMP.sub(b'"timestamp":"%d"' % at, frame)


def _movements(
    recording: Recording, market: SimMarket, clock: RecordedTime, tape: Tape
) -> Iterator[Json]:
    """Every level that moved, removals of a moment first, a frame each."""
    for step in recording.steps[1:]:
        clock.at = START + (step.at - recording.steps[0].at) * (NANOSECONDS // 1000)
        for side, price, size in sorted(step.changes, key=lambda c: c[2] != "0"):
            market.change(Outcome.DOWN, side, price, size)
            yield tape.changes.pop()


def _frame(place: int, market: SimMarket, movements: Iterator[Json]) -> Json:
    """What stands at one of the hundred places of a block."""
    state = market.state(Outcome.UP if place % 4 else Outcome.DOWN)
    if place in BOOKS:
        return frames.book(state)
    if place in QUOTES:
        return frames.best_bid_ask(state)
    if place in TRADES:
        ask = market.ladder.best(state.outcome, Side.SELL) or 990_000
        traded = replace(state, last_trade=plain(ask))
        digest = naming.hexadecimal("trade", ORIGIN, state.timestamp)
        return frames.last_trade_price(traded, Side.BUY, 5_000_000, digest)
    return next(movements)


def _written(frame: Json | list[Json]) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()
