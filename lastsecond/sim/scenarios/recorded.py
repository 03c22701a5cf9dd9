"""Genuine last minutes of btc-updown-5m markets, played as if they closed soon.

The recording (lastsecond/sim/data/README.md) holds the Down token's books of April
2026; Up is the mirror. A market keeps its books, their timing and its outcome; its
slug, title and times are made to fit the present.
"""

import asyncio
import gzip
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome, Window
from lastsecond.sim.exchange import SimulatedExchange
from lastsecond.sim.market import SimMarket

if TYPE_CHECKING:
    from lastsecond.ports import Clock

logger = logging.getLogger(__name__)

BUNDLED = Path(__file__).parent.parent / "data" / "recorded.jsonl.gz"
CLOSES = (50, 55, 60, 65, 70, 75)
"""Seconds from the start of play at which the markets close."""

_SETTLES_AFTER = 2.0
_BOOK_EVERY = 20
_COARSE_DIGITS = len("0.01")
_MILLISECOND = NANOSECONDS // 1000

Rows = dict[str, dict[str, str]]
"""Absolute sizes by price, under "bids" and "asks", in Down's terms."""


@dataclass(frozen=True, slots=True)
class Step:
    """What changed at one moment: ``at`` ms from the close, negative before it."""

    at: int
    changes: tuple[tuple[str, str, str], ...]
    """(side, price, absolute size) in Down's terms; "0" removes the level."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One market's last minutes. The first step builds the book from nothing."""

    origin: str
    winner: Outcome
    steps: tuple[Step, ...]

    def book(self, at: int) -> Rows:
        """Down's book as it stood ``at`` ms from the close."""
        rows: Rows = {"bids": {}, "asks": {}}
        for step in self.steps:
            if step.at > at:
                break
            for side, price, size in step.changes:
                _put(rows["bids" if side == "BUY" else "asks"], price, size)
        return rows


def _put(side: dict[str, str], price: str, size: str) -> None:
    if size == "0":
        side.pop(price, None)
    else:
        side[price] = size


def load(path: Path = BUNDLED) -> list[Recording]:
    """Every recording in the file, in its order."""
    with gzip.open(path, "rt", encoding="ascii") as lines:
        return [_recording(json.loads(line)) for line in lines]


def _recording(row: dict[str, object]) -> Recording:
    steps, at = [], 0
    listed = row["steps"]
    assert isinstance(listed, list)
    for wait, bids, asks in listed:
        at += wait
        changes = [("BUY", price, size) for price, size in bids]
        changes += [("SELL", price, size) for price, size in asks]
        steps.append(Step(at, tuple(changes)))
    return Recording(str(row["origin"]), Outcome(str(row["winner"])), tuple(steps))


class Recorded:
    """Plays the bundled recordings, each to its own close."""

    def __init__(self, closes: Sequence[int] = CLOSES) -> None:
        """``closes``: seconds from the start to each market's close, all different."""
        self._closes = closes

    async def play(self, exchange: SimulatedExchange, clock: "Clock") -> None:
        """List the markets, play them in real time, and return once all are settled."""
        now = -(-clock.now() // NANOSECONDS)
        async with asyncio.TaskGroup() as group:
            for recording, seconds in zip(load(), self._closes, strict=False):
                window = Window(
                    Asset.BTC,
                    Interval.FIVE_MINUTES,
                    now + seconds - Interval.FIVE_MINUTES.seconds,
                )
                market = exchange.add_market(window, winner=recording.winner)
                market.origin = recording.origin
                market.automatic_tick = False
                begun = _open(market, recording, clock.now())
                group.create_task(_play(recording, market, clock, begun))


async def _play(
    recording: Recording, market: SimMarket, clock: "Clock", begun: int
) -> None:
    later = [step for step in recording.steps if step.at > begun]
    for number, step in enumerate(later, 1):
        await clock.sleep_until(market.close_ns + step.at * _MILLISECOND)
        _fit_tick(market, [price for _, price, _ in step.changes])
        market.changes(Outcome.DOWN, step.changes)
        if number % _BOOK_EVERY == 0:
            market.repeat()
    await clock.sleep_until(market.close_ns + round(_SETTLES_AFTER * NANOSECONDS))
    market.wipe()
    market.resolve()
    logger.info(
        "RESOLVED %s winner=%s origin=%s",
        market.slug,
        recording.winner,
        market.origin,
    )


def _open(market: SimMarket, recording: Recording, now: int) -> int:
    """Give the market the book of this moment, which is returned in ms to the close.

    A market that is listed before its recording begins opens with the first book.
    """
    at = (now - market.close_ns) // _MILLISECOND
    at = max(at, recording.steps[0].at)
    rows = recording.book(at)
    _fit_tick(market, [*rows["bids"], *rows["asks"]])
    market.snapshot(Outcome.DOWN, rows["bids"].items(), rows["asks"].items())
    return at


def _fit_tick(market: SimMarket, prices: list[str]) -> None:
    """The tick itself was not recorded: it is fine from the first fine price on."""
    if any(len(price) > _COARSE_DIGITS for price in prices):
        market.set_tick("0.001")
