"""Markets one after another in one process, and what stays behind of them.

    python -m tests.bench.sequence MARKETS

The real runner on a jumping clock: BTC and ETH markets close every five minutes, are
found, watched on two streams of frames, decided and forgotten. Prints, as JSON, one
[markets decided, resident bytes, objects tracked] for every hour that passed. The
ledger and the venue forget what they are told.
"""

import asyncio
import gc
import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from config import Settings
from lastsecond.clock import JumpingLoop, LoopClock
from lastsecond.errors import SourceError
from lastsecond.market import (
    MILLISECOND,
    NANOSECONDS,
    Asset,
    ConditionId,
    Interval,
    Outcome,
    TokenId,
    Window,
)
from lastsecond.orders import Intent, State
from lastsecond.sim import naming
from main import TradingBotRunner
from tests.bench.corpus import Corpus, corpus, stamped
from tests.bench.crowd import resident
from tests.fakes import FakeSource, Parameters
from tests.scripted import (
    MemoryLedger,
    RecordingTicket,
    RecordingVenue,
    ScriptedStream,
    fake_world,
)

START = 1_795_651_200
EVERY = Interval.FIVE_MINUTES.seconds
AHEAD = 600
HOUR = 3600
FRAMES = 30
A_FRAME_EVERY = NANOSECONDS // 5
SETTINGS = Settings(trader_start_buffer=30, min_time_to_start=20)

Sample = tuple[int, int, int]


class ForgetfulLedger(MemoryLedger):
    """Checks moves while a market is new, and keeps the last few dozen only."""

    async def discover(
        self,
        condition_id: ConditionId,
        ticker: str,
        close_at: int,
        tokens: tuple[TokenId, TokenId],
    ) -> State:
        for kept in (self.states, self.observations):
            for old in list(kept)[:-50]:
                del kept[old]
        self.rows.clear()
        self.notes.clear()
        return await super().discover(condition_id, ticker, close_at, tokens)


class ForgetfulVenue(RecordingVenue):
    """Remembers nothing that it was asked to arm or told to fire."""

    async def arm(self, intents: Sequence[Intent]) -> RecordingTicket:
        self.tickets.clear()
        self.fired.clear()
        return await super().arm(intents)


class Exchange:
    """Lists the markets of the next minutes, and streams their frames."""

    def __init__(self, clock: LoopClock) -> None:
        self.source = FakeSource(self._answer)
        self._clock = clock
        self._frames = corpus(1)

    def stream(self, name: str, _: Sequence[TokenId]) -> ScriptedStream:
        """Opening books now, then frames to the close and a little beyond."""
        slug = name.rsplit("/", 1)[0]
        market = self._frames.named(slug)
        close = (int(slug.rsplit("-", 1)[1]) + EVERY) * NANOSECONDS
        begin = close - FRAMES * A_FRAME_EVERY + NANOSECONDS // 2
        moments = [begin + number * A_FRAME_EVERY for number in range(FRAMES)]
        script = [
            (at, stamped(frame, at // MILLISECOND))
            for at, frame in zip(
                [self._clock.now(), *moments],
                [market.opening, *market.frames],
                strict=False,
            )
        ]
        return ScriptedStream(name, script, self._clock)

    async def _answer(self, url: str, params: Parameters) -> bytes:
        self.source.calls.clear()
        if not url.endswith("/events"):
            raise SourceError("nothing but events here")
        now = self._clock.now() // NANOSECONDS
        starts = range(now // EVERY * EVERY, now + AHEAD - EVERY, EVERY)
        windows = [
            Window(asset, Interval.FIVE_MINUTES, start)
            for asset in Asset
            for start in starts
        ]
        return json.dumps([_event(self._frames, each) for each in windows]).encode()


def _event(frames: Corpus, window: Window) -> dict[str, object]:
    """What Gamma says of a window's market."""

    def iso(second: int) -> str:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"

    slug = window.slug
    tokens = [naming.token_id(slug, outcome) for outcome in Outcome]
    market = {
        "slug": slug,
        "question": slug,
        "conditionId": naming.condition_id(slug),
        "eventStartTime": iso(window.start),
        "endDate": iso(window.end),
        "outcomes": '["Up", "Down"]',
        "clobTokenIds": json.dumps(tokens),
        "active": True,
        "closed": False,
        "version": "v1",
    }
    return {"slug": slug, "active": True, "closed": False, "markets": [market]}


async def live(markets: int) -> list[Sample]:
    """Run until so many are decided."""
    clock = LoopClock(START * NANOSECONDS)
    exchange = Exchange(clock)
    world = fake_world(
        clock,
        source=exchange.source,
        new_stream=exchange.stream,
        venue=ForgetfulVenue(),
        ledger=ForgetfulLedger(),
    )
    runner = TradingBotRunner(world, SETTINGS)
    running = asyncio.create_task(runner.run())
    samples: list[Sample] = []
    decided = 0
    while decided < markets:
        await clock.sleep(HOUR)
        decided = int(runner.summary().split()[0].split("=")[1])
        gc.collect()
        samples.append((decided, resident(), len(gc.get_objects())))
    runner.stop()
    await running
    return samples


def main() -> None:
    """Print the samples."""
    logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        print(json.dumps(runner.run(live(int(sys.argv[1])))))


if __name__ == "__main__":
    main()
