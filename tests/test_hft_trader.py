"""The last-second rule and the life of a market, on a clock that jumps."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from config import Settings
from hft_trader import LastSecondTrader
from lastsecond.clock import LoopClock
from lastsecond.errors import FeedError, SourceError
from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.orders import Intent, Killed, Uncertain
from lastsecond.reasons import SkipReason
from tests.fakes import FakeSource, Parameters, on_jumping_loop
from tests.scripted import (
    MemoryLedger,
    RecordingTicket,
    RecordingVenue,
    ScriptedStream,
    fake_world,
)

CLOSE = 1_795_653_900
START = CLOSE - 60
YES, NO = "1001", "2002"
CONDITION = "0x" + "ab" * 32

Script = Sequence[tuple[float, bytes]]
Ladder = list[tuple[str, str]]


def ms(before_close: float) -> str:
    return str(round((CLOSE - before_close) * 1000))


def book_json(token: str, bids: Ladder, asks: Ladder, at: float) -> dict[str, object]:
    return {
        "event_type": "book",
        "market": CONDITION,
        "asset_id": token,
        "timestamp": ms(at),
        "hash": "0",
        "bids": [{"price": p, "size": s} for p, s in bids],
        "asks": [{"price": p, "size": s} for p, s in asks],
    }


def books(up_ask: str | None, down_ask: str | None, at: float) -> bytes:
    """Both tokens' books, mirrored: one's bid is 1 less the other's ask."""

    def mirrored(ask: str | None) -> Ladder:
        return [] if ask is None else [(str(1 - Decimal(ask)), "100")]

    def asks(ask: str | None) -> Ladder:
        return [] if ask is None else [("0.995", "50"), (ask, "100")]

    return json.dumps(
        [
            book_json(YES, mirrored(down_ask), asks(up_ask), at),
            book_json(NO, mirrored(up_ask), asks(down_ask), at),
        ]
    ).encode()


def change(price: str, size: str, best_ask: str, at: float) -> bytes:
    """One ask of Up, which is bid 0.95, becomes ``size``; Down's bid mirrors it."""

    def less(text: str) -> str:
        return str(1 - Decimal(text))

    entries = [
        {
            "asset_id": YES,
            "side": "SELL",
            "price": price,
            "size": size,
            "best_bid": "0.95",
            "best_ask": best_ask,
            "hash": "0",
        },
        {
            "asset_id": NO,
            "side": "BUY",
            "price": less(price),
            "size": size,
            "best_bid": less(best_ask),
            "best_ask": "0.05",
            "hash": "0",
        },
    ]
    return json.dumps(
        {
            "event_type": "price_change",
            "market": CONDITION,
            "timestamp": ms(at),
            "price_changes": entries,
        }
    ).encode()


class Market:
    """One market with two scripted sockets; times are seconds before the close."""

    def __init__(
        self,
        yes: Script,
        no: Script | None = None,
        *,
        venue: RecordingVenue | None = None,
        rest: Callable[[str], bytes] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = LoopClock(START * NANOSECONDS)
        self.venue = venue or RecordingVenue()
        self.ledger = MemoryLedger()
        self.source = FakeSource(self._answer)
        self._rest = rest
        scripts = {"btc/yes": yes, "btc/no": yes if no is None else no}
        self.streams = {
            name: ScriptedStream(
                name,
                [((round((CLOSE - t) * NANOSECONDS)), raw) for t, raw in script],
                self.clock,
            )
            for name, script in scripts.items()
        }
        world = fake_world(
            self.clock,
            source=self.source,
            new_stream=lambda name, _: self.streams[name],
            venue=self.venue,
            ledger=self.ledger,
        )
        self.trader = LastSecondTrader(
            CONDITION,
            YES,
            NO,
            datetime.fromtimestamp(CLOSE, UTC),
            ticker="btc",
            world=world,
            settings=replace(Settings(), **settings),
        )

    async def until(self, before_close: float) -> None:
        await self.clock.sleep_until(round((CLOSE - before_close) * NANOSECONDS))

    async def _answer(self, url: str, params: Parameters) -> bytes:
        assert url == "https://clob.test/book"
        if self._rest is None:
            raise SourceError("no /book in this test")
        return self._rest(dict(params)["token_id"])


def decisions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [m for m in caplog.messages if m.startswith("DECISION ")]


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_buys_the_favourite_at_the_trigger(caplog: pytest.LogCaptureFixture) -> None:
    """At T-1 s the outcome with the higher ask is bought, once, at the cap."""

    @on_jumping_loop
    async def live() -> None:
        market = Market(
            [(50, books("0.95", "0.07", 50)), (2, books("0.96", "0.05", 2))]
        )
        await market.trader.run()
        [intent] = market.venue.fired
        assert intent.outcome is Outcome.UP
        assert (intent.token_id, intent.ask) == (YES, 960_000)
        assert (intent.limit, intent.spend) == (990_000, 5_000_000)
        assert market.trader.order_executed
        assert market.trader.winning_token_id == YES

    live()
    [line] = decisions(caplog)
    assert line.startswith(
        "DECISION btc buy outcome=Up ask=0.960 limit=0.990 size=5 "
        "ask_up=0.96 ask_down=0.05 t_minus=1.000 book_age_ms=1000 mode=PAPER "
    )
    assert CONDITION in line


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ([(2, books(None, "0.01", 2))], SkipReason.NO_ASK),
        ([(2, books("0.97", None, 2))], SkipReason.NO_ASK),
        ([(2, books("0.992", "0.01", 2))], SkipReason.ABOVE_CAP),
        ([(2, books("0.51", "0.51", 2))], SkipReason.NO_FAVOURITE),
        ([], SkipReason.NO_BOOK),
        ([(50, books("0.97", "0.04", 50))], SkipReason.STALE_BOOK),
        (
            [
                (2, books("0.97", "0.04", 2)),
                (1.5, change("0.97", "0", "0.98", 1.5)),
            ],
            SkipReason.DOUBTFUL_BOOK,
        ),
        (
            [
                (
                    2,
                    json.dumps(
                        [
                            book_json(YES, [("0.98", "9")], [("0.97", "9")], 2),
                            book_json(NO, [("0.02", "9")], [("0.03", "9")], 2),
                        ]
                    ).encode(),
                )
            ],
            SkipReason.CROSSED_BOOK,
        ),
    ],
)
def test_skips_with_its_reason(
    script: Script, reason: SkipReason, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is unknown, unaffordable or in doubt is not bought, and named."""

    @on_jumping_loop
    async def live() -> None:
        market = Market(script)
        await market.trader.run()
        assert market.venue.fired == []
        assert market.clock.now() >= CLOSE * NANOSECONDS

    live()
    [line] = decisions(caplog)
    assert line.startswith(f"DECISION btc skip reason={reason} ")
    assert "t_minus=1.000" in line


def test_an_ask_that_drops_under_the_cap_late_is_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After the trigger every update is looked at, until the close."""

    @on_jumping_loop
    async def live() -> None:
        script = [
            (2.0, books("0.995", "0.05", 2)),
            (0.45, change("0.98", "20", "0.98", 0.45)),
            (0.30, change("0.97", "20", "0.97", 0.30)),
        ]
        market = Market(script)
        await market.trader.run()
        [intent] = market.venue.fired
        assert intent.ask == 980_000

    live()
    [line] = decisions(caplog)
    assert "buy" in line
    assert "t_minus=0.450" in line


def test_a_favourite_must_exceed_min_price(caplog: pytest.LogCaptureFixture) -> None:
    """The higher ask is no favourite when it is not above MIN_PRICE."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([(2, books("0.60", "0.42", 2))], min_price=Decimal("0.60"))
        await market.trader.run()
        assert market.venue.fired == []

    live()
    assert "reason=no_favourite" in decisions(caplog)[0]


def test_a_flip_before_the_trigger_changes_the_favourite() -> None:
    """What led until T-1.5 s is not bought when the other leads at T-1 s."""

    @on_jumping_loop
    async def live() -> None:
        script = [(9, books("0.9", "0.12", 9)), (1.5, books("0.2", "0.85", 1.5))]
        market = Market(script)
        await market.trader.run()
        [intent] = market.venue.fired
        assert (intent.outcome, intent.ask) == (Outcome.DOWN, 850_000)

    live()


def test_nothing_is_bought_after_the_close() -> None:
    """An ask that appears at the close itself comes too late."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([(2, books("0.995", "0.01", 2)), (0, books("0.9", "0.2", 0))])
        await market.trader.run()
        assert market.venue.fired == []

    live()


@pytest.mark.parametrize(
    ("remaining", "expected"),
    [(1.01, False), (1.0, True), (0.001, True), (0.0, False), (-1.0, False)],
)
def test_the_trigger_counts_in_the_last_second_only(
    remaining: float, *, expected: bool
) -> None:
    """check_trigger holds for 0 < remaining <= TRIGGER_SECONDS, both ends exact."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([(6, books("0.95", "0.07", 6))])
        running = asyncio.create_task(market.trader.run())
        await market.until(5)
        assert market.trader.check_trigger(remaining) is expected
        running.cancel()

    live()


def test_execute_order_fires_once() -> None:
    """A second call sends nothing; without a favourite neither does the first."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([(6, books("0.95", "0.07", 6))])
        await market.trader.execute_order()
        assert not market.trader.order_executed
        running = asyncio.create_task(market.trader.run())
        await market.until(5)
        await market.trader.execute_order()
        await market.trader.execute_order()
        assert not market.trader.check_trigger(0.5)
        await running
        assert len(market.venue.fired) == 1

    live()


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Killed("no ask"), 'ORDER btc killed mode=PAPER reason="no ask"'),
        (Uncertain("timeout"), 'ORDER btc uncertain mode=PAPER reason="timeout"'),
    ],
)
def test_the_venues_answer_is_logged(
    result: Killed | Uncertain, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Every order's end is one line with its kind and reason."""

    @on_jumping_loop
    async def live() -> None:
        script = [(2, books("0.96", "0.05", 2))]
        await Market(script, venue=RecordingVenue(result)).trader.run()

    live()
    assert any(message.startswith(words) for message in caplog.messages)


def test_a_quiet_book_is_confirmed_before_the_trigger() -> None:
    """A book silent for 40 s is asked for at T-4 s, and trades once confirmed."""

    @on_jumping_loop
    async def live() -> None:
        def rest(token: str) -> bytes:
            ask = "0.95" if token == YES else "0.07"
            bid = "0.93" if token == YES else "0.05"
            asks = [("0.995", "50"), (ask, "100")]
            return json.dumps(book_json(token, [(bid, "100")], asks, 45)).encode()

        market = Market([(45, books("0.95", "0.07", 45))], rest=rest)
        market.streams["btc/yes"].last_data = 0
        await market.trader.run()
        assert [i.outcome for i in market.venue.fired] == [Outcome.UP]
        before = {dict(params)["token_id"] for _, params in market.source.calls}
        assert before == {YES, NO}

    live()


def test_a_confirmation_that_shows_another_book_replaces_it() -> None:
    """What /book says anew at T-4 s decides, not what the sockets said long ago."""

    @on_jumping_loop
    async def live() -> None:
        def rest(token: str) -> bytes:
            asks = [] if token == YES else [("0.01", "100")]
            return json.dumps(book_json(token, [], asks, 10)).encode()

        market = Market([(45, books("0.95", "0.07", 45))], rest=rest)
        await market.trader.run()
        assert market.venue.fired == []
        assert market.trader.best_ask_yes is None

    live()


def test_no_request_is_made_in_the_last_second() -> None:
    """Even a doubtful book is not asked for once the trigger has come."""

    @on_jumping_loop
    async def live() -> None:
        times: list[float] = []

        def rest(token: str) -> bytes:
            times.append(CLOSE - market.clock.now() / NANOSECONDS)
            raise SourceError("down")

        doubtful = [
            (5 - n / 2, change("0.5", "0", "0.1", 5 - n / 2)) for n in range(10)
        ]
        market = Market([(45, books("0.95", "0.07", 45)), *doubtful], rest=rest)
        await market.trader.run()
        assert times
        assert min(times) > 1.0

    live()


def test_sockets_that_disagree_do_not_trade(caplog: pytest.LogCaptureFixture) -> None:
    """The same moment with two different books, for half a second, is no book."""

    @on_jumping_loop
    async def live() -> None:
        market = Market(
            [(2, books("0.95", "0.07", 2))], no=[(2, books("0.90", "0.12", 2))]
        )
        await market.trader.run()
        assert market.venue.fired == []

    live()
    assert "reason=sockets_disagree" in decisions(caplog)[0]


def test_one_socket_is_enough() -> None:
    """A socket that never opens does not keep the other from trading."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([(2, books("0.95", "0.07", 2))], no=[])
        market.streams["btc/no"].opens = False
        await market.trader.run()
        assert len(market.venue.fired) == 1

    live()


def test_no_socket_at_all_leaves_the_market_undecided(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When neither opens, run() raises FeedError and writes no DECISION."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([])
        for stream in market.streams.values():
            stream.opens = False
        with pytest.raises(FeedError):
            await market.trader.run()

    live()
    assert decisions(caplog) == []


def test_losing_both_sockets_is_no_time_to_buy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A young book is not believed once no socket is open."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([(2, books("0.95", "0.07", 2))])
        running = asyncio.create_task(market.trader.run())
        await market.clock.sleep_until(round((CLOSE - 1.5) * NANOSECONDS))
        for stream in market.streams.values():
            stream.connected = False
        await running
        assert market.venue.fired == []

    live()
    assert "reason=not_connected" in decisions(caplog)[0]


def test_stopping_decides(caplog: pytest.LogCaptureFixture) -> None:
    """A cancelled trader writes its DECISION and closes its sockets."""

    @on_jumping_loop
    async def live() -> None:
        market = Market([(50, books("0.95", "0.07", 50))])
        running = asyncio.create_task(market.trader.run())
        await market.clock.sleep(20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not any(stream.connected for stream in market.streams.values())

    live()
    [line] = decisions(caplog)
    assert "skip reason=stopped" in line


def test_a_fault_of_ours_is_a_decision_too(caplog: pytest.LogCaptureFixture) -> None:
    """What breaks inside a trader is raised to the runner, after a DECISION."""

    @on_jumping_loop
    async def live() -> None:
        def rest(token: str) -> bytes:
            raise RuntimeError("a bug")

        market = Market([], rest=rest)
        with pytest.raises(ExceptionGroup):
            await market.trader.run()

    live()
    [line] = decisions(caplog)
    assert "skip reason=failed" in line


def test_other_tokens_and_markets_are_ignored() -> None:
    """Frames about somebody else change nothing here."""

    @on_jumping_loop
    async def live() -> None:
        other = json.dumps(
            [
                book_json("3003", [], [("0.5", "1")], 2),
                {
                    "event_type": "market_resolved",
                    "market": "0x00",
                    "timestamp": ms(2),
                    "winning_asset_id": "1",
                },
                {
                    "event_type": "tick_size_change",
                    "market": CONDITION,
                    "asset_id": YES,
                    "old_tick_size": "0.01",
                    "new_tick_size": "0.001",
                    "timestamp": ms(2),
                },
                {
                    "event_type": "last_trade_price",
                    "market": CONDITION,
                    "asset_id": NO,
                    "price": "0.5",
                    "size": "1",
                    "side": "BUY",
                    "timestamp": ms(2),
                },
                {
                    "event_type": "market_resolved",
                    "market": CONDITION,
                    "timestamp": ms(2),
                    "winning_asset_id": YES,
                    "winning_outcome": "Up",
                },
            ]
        ).encode()
        market = Market([(5, books("0.95", "0.07", 5)), (2, other)])
        await market.trader.run()
        assert market.trader.best_ask_yes == Decimal("0.95")
        assert len(market.venue.fired) == 1

    live()


def test_orders_that_are_ready_only_after_the_close(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A venue that takes too long is left behind; the market is measured to its end."""

    class SlowVenue(RecordingVenue):
        async def arm(self, intents: Sequence[Intent]) -> RecordingTicket:
            await asyncio.sleep(15)
            return await super().arm(intents)

    @on_jumping_loop
    async def live() -> None:
        market = Market(
            [(2, books("0.95", "0.07", 2)), (-20, books("0.95", "0.07", -20))],
            venue=SlowVenue(),
        )
        await market.trader.run()
        assert market.venue.fired == []
        [observation] = market.ledger.observations.values()
        assert observation.samples[-1].offset_ms == 30_000

    live()
    [line] = decisions(caplog)
    assert line.startswith(f"DECISION btc skip reason={SkipReason.NOT_ARMED} ")
