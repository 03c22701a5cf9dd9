"""TradingBotRunner: which markets get a task, when, and how it all ends."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config import Settings
from lastsecond.clock import LoopClock
from lastsecond.errors import SourceError
from lastsecond.market import NANOSECONDS, Asset, Interval, TokenId, Window
from main import TradingBotRunner
from tests.fakes import FakeSource, Parameters, on_jumping_loop
from tests.scripted import ScriptedStream, fake_world

CLOSE = 1_795_653_900
SETTINGS = Settings()


def condition(window: Window) -> str:
    return f"0x{window.start:032x}{list(Asset).index(window.asset):032x}"


def event(window: Window) -> dict[str, object]:
    """What Gamma says of a window's market."""

    def iso(second: int) -> str:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"

    market = {
        "slug": window.slug,
        "question": window.slug,
        "conditionId": condition(window),
        "eventStartTime": iso(window.start),
        "endDate": iso(window.end),
        "outcomes": '["Up", "Down"]',
        "clobTokenIds": json.dumps([str(window.start), str(window.end)]),
        "active": True,
        "closed": False,
        "version": "v1",
    }
    return {"slug": window.slug, "active": True, "closed": False, "markets": [market]}


class Scene:
    """A runner at ``left`` seconds before CLOSE; ``listed`` is what Gamma shows."""

    def __init__(
        self, left: float, *, once: bool = False, settings: Settings = SETTINGS
    ) -> None:
        self.clock = LoopClock(round((CLOSE - left) * NANOSECONDS))
        self.listed: Callable[[], Sequence[Window]] = lambda: [BTC]
        self.opened: list[tuple[str, float]] = []
        self.refuse: Callable[[str], bool] = lambda _: False
        source = FakeSource(self._answer)
        world = fake_world(self.clock, source=source, new_stream=self._stream)
        self.source = source
        self.runner = TradingBotRunner(world, settings, once=once)

    async def _answer(self, url: str, params: Parameters) -> bytes:
        if url.endswith("/public-search"):
            raise SourceError("search is down")
        if url.endswith("/book"):
            raise SourceError("no book")
        return json.dumps([event(window) for window in self.listed()]).encode()

    def _stream(self, name: str, tokens: Sequence[TokenId]) -> ScriptedStream:
        self.opened.append((name, CLOSE - self.clock.now() / NANOSECONDS))
        stream = ScriptedStream(name, [], self.clock)
        stream.opens = not self.refuse(name)
        return stream

    def polls(self) -> int:
        return sum(url.endswith("/events") for url, _ in self.source.calls)


BTC = Window(Asset.BTC, Interval.FIVE_MINUTES, CLOSE - 300)
ETH = Window(Asset.ETH, Interval.FIVE_MINUTES, CLOSE - 300)


def decisions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [m for m in caplog.messages if m.startswith("DECISION ")]


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


async def run_until(scene: Scene, before_close: float) -> None:
    running = asyncio.create_task(scene.runner.run())
    await scene.clock.sleep_until(round((CLOSE - before_close) * NANOSECONDS))
    scene.runner.stop()
    await running


def test_the_trader_starts_exactly_at_its_buffer() -> None:
    """Found long before, a market's sockets open 180 s before the close."""

    @on_jumping_loop
    async def live() -> None:
        scene = Scene(left=700, once=True)
        await scene.runner.run()
        assert [name for name, _ in scene.opened] == [
            f"{BTC.slug}/yes",
            f"{BTC.slug}/no",
        ]
        assert all(abs(left - 180) < 1e-3 for _, left in scene.opened)

    live()


def test_gamma_may_fail_once_a_market_is_found(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An outage between the finding and the buffer costs nothing."""

    @on_jumping_loop
    async def live() -> None:
        scene = Scene(left=700)
        polled = 0

        def listed() -> Sequence[Window]:
            nonlocal polled
            polled += 1
            if polled > 1:
                raise SourceError("down")
            return [BTC]

        scene.listed = listed
        await run_until(scene, -10)
        assert len(scene.opened) == 2
        assert scene.polls() == 8

    live()
    assert len(decisions(caplog)) == 1


def test_a_market_found_too_late_is_skipped_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Under MIN_TIME_TO_START no socket opens; the reason is written once."""

    @on_jumping_loop
    async def live() -> None:
        settings = replace(SETTINGS, poll_interval=5.0)
        scene = Scene(left=29, settings=settings)
        await run_until(scene, 5)
        assert scene.opened == []
        assert scene.polls() == 5

    live()
    [line] = decisions(caplog)
    assert f"DECISION {BTC.slug} skip reason=too_late" in line


def test_no_market_gets_two_tasks() -> None:
    """However often it is listed, a market has one trader."""

    @on_jumping_loop
    async def live() -> None:
        settings = replace(SETTINGS, poll_interval=5.0)
        scene = Scene(left=170, settings=settings)
        scene.listed = lambda: [BTC, BTC]
        await run_until(scene, -1)
        assert len(scene.opened) == 2

    live()


def test_memory_stays_bounded_over_days() -> None:
    """Two days of markets, 1,152 of them, leave a handful behind at any time."""

    @on_jumping_loop
    async def live() -> None:
        settings = replace(
            SETTINGS, poll_interval=300.0, trader_start_buffer=10.0, trigger_seconds=8.0
        )
        scene = Scene(left=2 * 86_400, settings=settings)
        widest = 0

        def listed() -> Sequence[Window]:
            nonlocal widest
            runner = scene.runner
            widest = max(
                widest, len(runner.active_traders), len(runner.monitored_markets)
            )
            now = scene.clock.now() // NANOSECONDS
            start = now // 300 * 300
            return [
                Window(asset, Interval.FIVE_MINUTES, start + 300 * step)
                for step in range(3)
                for asset in Asset
            ]

        scene.listed = listed
        await run_until(scene, 0)
        assert 6 <= widest <= 40
        assert scene.runner.active_traders == {}

    live()


def test_a_market_whose_sockets_are_refused_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next poll starts it anew, even if Gamma does not list it then."""

    @on_jumping_loop
    async def live() -> None:
        settings = replace(SETTINGS, poll_interval=20.0)
        scene = Scene(left=170, settings=settings)
        polled = 0

        def listed() -> Sequence[Window]:
            nonlocal polled
            polled += 1
            if polled > 1:
                raise SourceError("down")
            return [BTC]

        scene.listed = listed
        scene.refuse = lambda _: scene.clock.now() < (CLOSE - 140) * NANOSECONDS
        await run_until(scene, -1)
        assert [round(left) for _, left in scene.opened] == [
            170,
            170,
            150,
            150,
            130,
            130,
        ]

    live()
    assert len(decisions(caplog)) == 1


@pytest.mark.parametrize("once", [True, False])
def test_a_market_that_never_connects_is_decided_once(
    caplog: pytest.LogCaptureFixture, *, once: bool
) -> None:
    """When no poll is left to try it, the reason is not_connected."""

    @on_jumping_loop
    async def live() -> None:
        scene = Scene(left=100, once=once, settings=replace(SETTINGS, poll_interval=40))
        scene.refuse = lambda _: True
        if once:
            await scene.runner.run()
        else:
            await run_until(scene, -100)
        assert scene.runner.active_traders == {}

    live()
    [line] = decisions(caplog)
    assert "skip reason=not_connected" in line


def test_one_failing_market_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in one market's trader is logged; the other is decided as ever."""

    @on_jumping_loop
    async def live() -> None:
        scene = Scene(left=100, once=True)
        scene.listed = lambda: [BTC, ETH]

        def refuse(name: str) -> bool:
            if name.startswith("btc"):
                raise RuntimeError("a bug")
            return False

        scene.refuse = refuse
        await scene.runner.run()

    live()
    assert "MARKET_FAILED" in caplog.text
    by_market = {line.split()[1]: line for line in decisions(caplog)}
    assert "reason=failed" in by_market[BTC.slug]
    assert "reason=no_book" in by_market[ETH.slug]


def test_a_poll_that_breaks_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected fault in a poll is logged, and the next poll comes."""

    @on_jumping_loop
    async def live() -> None:
        scene = Scene(left=500)

        def listed() -> Sequence[Window]:
            if scene.polls() == 1:
                raise RuntimeError("a bug")
            return [BTC]

        scene.listed = listed
        await run_until(scene, 300)
        assert len(scene.runner.monitored_markets) == 1

    live()
    assert "POLL_FAILED" in caplog.text


def test_once_with_nothing_to_trade_ends() -> None:
    """--once without markets is one poll and the end."""

    @on_jumping_loop
    async def live() -> None:
        scene = Scene(left=500, once=True)
        scene.listed = list
        await scene.runner.run()
        assert scene.polls() == 1

    live()


def test_a_task_that_will_not_end_is_left_after_ten_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Stopping waits ten seconds for traders, says who is late, and goes."""

    @on_jumping_loop
    async def live() -> None:
        scene = Scene(left=500)
        running = asyncio.create_task(scene.runner.run())
        await scene.clock.sleep(1)

        async def stubborn() -> None:
            while True:
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    if scene.clock.now() > (CLOSE - 480) * NANOSECONDS:
                        raise

        task = asyncio.create_task(stubborn(), name="stubborn")
        scene.runner.active_traders["0x"] = task
        begun = scene.clock.now()
        scene.runner.stop()
        await running
        assert scene.clock.now() - begun == 10 * NANOSECONDS
        await scene.clock.sleep(30)
        task.cancel()

    live()
    assert "STILL_RUNNING" in caplog.text
