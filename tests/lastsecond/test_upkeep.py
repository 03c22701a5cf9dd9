"""What is done for sockets and books before the trigger."""

import json
import logging

import pytest

from lastsecond.clock import LoopClock
from lastsecond.errors import SourceError
from lastsecond.market import NANOSECONDS, ConditionId, TokenId
from lastsecond.merge import MergedBook
from lastsecond.upkeep import SILENCE_LIMIT, Upkeep, suspects
from lastsecond.wire.market_channel import BookSnapshot, LevelChange, Side
from tests.fakes import FakeSource, Parameters, on_jumping_loop
from tests.scripted import ScriptedStream, fake_world

TOKEN = TokenId("1")
START = 1_795_653_600 * NANOSECONDS
NOW = 100 * NANOSECONDS


def stream(silent_for: float) -> ScriptedStream:
    made = ScriptedStream("s", [], LoopClock(0))
    made.last_data = NOW - round(silent_for * NANOSECONDS)
    return made


@pytest.mark.parametrize(
    ("silences", "last_minute", "suspected"),
    [
        ((0.1, 0.2), False, []),
        ((6.0, 0.2), False, [0]),
        ((0.2, 6.0), True, [1]),
        ((6.0, 6.0), False, []),
        ((6.0, 7.0), True, [0, 1]),
        ((5.2, 4.9), False, []),
        ((30.0, 4.9), False, [0]),
    ],
)
def test_silence_is_suspect_beside_speech_or_near_the_end(
    silences: tuple[float, float], suspected: list[int], *, last_minute: bool
) -> None:
    """A socket is suspect when another has spoken since, or in the last minute."""
    streams = [stream(silent_for) for silent_for in silences]
    found = suspects(streams, NOW, last_minute=last_minute)
    assert found == [streams[index] for index in suspected]


def rest_book(timestamp: int, ask: str, token: str = TOKEN) -> bytes:
    return json.dumps(
        {
            "market": "0x",
            "asset_id": token,
            "timestamp": str(timestamp),
            "hash": "",
            "bids": [],
            "asks": [{"price": ask, "size": "10"}],
        }
    ).encode()


def doubtful_book() -> MergedBook:
    book = MergedBook(TOKEN)
    asks = ((970_000, 1_000_000),)
    book.snapshot(BookSnapshot(ConditionId("0x"), TOKEN, 1, (), asks, "", None), 0, 0)
    change = LevelChange(TOKEN, Side.SELL, 960_000, 1, None, 900_000, quotes_best=True)
    book.change([change], 2, 0, 0)
    assert book.leading.doubtful
    return book


class Bench:
    """An Upkeep of one book, ``/book`` answering ``answers`` in turn, then nothing."""

    def __init__(self, book: MergedBook, *answers: bytes, streams: int = 0) -> None:
        self.clock = LoopClock(START)
        self.answers = list(answers)
        self.source = FakeSource(self._answer)
        self.changes = 0
        self.streams = [ScriptedStream(str(n), [], self.clock) for n in range(streams)]
        world = fake_world(
            self.clock, source=self.source, new_stream=lambda *_: self.streams[0]
        )
        self.upkeep = Upkeep(
            "btc",
            world,
            books=[book],
            streams=self.streams,
            on_change=self._changed,
        )

    def _changed(self) -> None:
        self.changes += 1

    async def _answer(self, url: str, params: Parameters) -> bytes:
        if not self.answers:
            raise SourceError("down")
        return self.answers.pop(0)


def test_a_doubtful_book_is_asked_for_and_mended() -> None:
    """/book replaces a book that contradicted the exchange; the trader is told."""

    @on_jumping_loop
    async def live() -> None:
        book = doubtful_book()
        bench = Bench(book, rest_book(3, "0.9"), streams=1)
        bench.streams[0].last_data = 2**62
        await bench.upkeep.keep_alive(
            START + 60 * NANOSECONDS, START + 10 * NANOSECONDS
        )
        assert not book.leading.doubtful
        assert (book.best_ask, bench.changes) == (900_000, 1)
        assert len(bench.source.calls) == 1

    live()


@pytest.mark.parametrize("answer", [None, b"<html>", rest_book(3, "0.9", "2")])
def test_no_usable_answer_leaves_the_doubt(
    answer: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A failed or foreign /book changes nothing, and is loud only once."""

    @on_jumping_loop
    async def live() -> None:
        book = doubtful_book()
        bench = Bench(book, *([] if answer is None else [answer]), streams=1)
        bench.streams[0].last_data = 2**62
        await bench.upkeep.keep_alive(
            START + 60 * NANOSECONDS, START + 10 * NANOSECONDS
        )
        assert book.leading.doubtful
        assert bench.changes == 0
        assert 3 <= len(bench.source.calls) <= 6

    with caplog.at_level(logging.DEBUG):
        live()
    loud = [r for r in caplog.records if "UNCONFIRMED" in r.message]
    assert [r.levelname for r in loud][:2] == ["WARNING", "DEBUG"]


def test_silent_sockets_are_renewed_only_while_it_matters() -> None:
    """In the last minute both silent sockets are renewed; nothing after the trigger."""

    @on_jumping_loop
    async def live() -> None:
        bench = Bench(MergedBook(TOKEN), streams=2)
        close = START + 61 * NANOSECONDS
        bench.clock.monotonic()
        await bench.clock.sleep(SILENCE_LIMIT / NANOSECONDS + 0.1)
        await bench.upkeep.keep_alive(close, close - NANOSECONDS)
        assert all(stream.renewals > 0 for stream in bench.streams)
        assert bench.clock.now() <= close - NANOSECONDS

    live()


def test_a_book_that_speaks_is_not_asked_for() -> None:
    """Three seconds before the trigger only a quiet book is confirmed."""

    @on_jumping_loop
    async def live() -> None:
        book = MergedBook(TOKEN)
        bench = Bench(book, rest_book(5, "0.9"))
        trigger = START + 20 * NANOSECONDS
        await bench.clock.sleep(16)
        asks = ((970_000, 1),)
        event = BookSnapshot(ConditionId("0x"), TOKEN, 1, (), asks, "", None)
        book.snapshot(event, 0, bench.clock.monotonic())
        await bench.upkeep.confirm_quiet_books(trigger)
        assert bench.source.calls == []
        assert bench.clock.now() >= trigger - 3 * NANOSECONDS

    live()
