import asyncio
import logging
import random
import re
from collections.abc import Callable

import pytest

from lastsecond.clock import ExchangeClock, LoopClock
from lastsecond.errors import SourceError
from lastsecond.exchange_time import (
    INTERVAL,
    UNCERTAINTY_LIMIT,
    ExchangeTime,
)
from lastsecond.market import NANOSECONDS
from lastsecond.offset import OffsetFault
from tests.fakes import FakeSource, Parameters, on_jumping_loop

MILLISECOND = 1_000_000
START = 1_800_000_000 * NANOSECONDS + 345_678_901
URL = "http://exchange/time"
FIRST = 12.0
"""Seconds in which a first measurement is over."""


class Machine(LoopClock):
    """A machine whose clock can be set."""

    def __init__(self) -> None:
        super().__init__(START)
        self.put_ahead = 0

    def now(self) -> int:
        return super().now() + self.put_ahead


class Exchange:
    """Answers /time from a clock that is ``ahead`` of the machine's true time."""

    def __init__(self, ahead: float, there: float = 0.02, back: float = 0.02) -> None:
        self.ahead = round(ahead * NANOSECONDS)
        self.there, self.back = there, back
        self.broken: bytes | Exception | None = None
        self.asked: list[int] = []
        self.machine = Machine()
        self.source = FakeSource(self._answer)
        self.quiet = False
        self.time = ExchangeTime(
            self.source, self.machine, URL, quiet=lambda: self.quiet
        )

    def true(self) -> int:
        return START + self.machine.monotonic() + self.ahead

    def error(self) -> int:
        return abs(self.time.now() - self.true())

    async def _answer(self, url: str, params: Parameters) -> bytes:
        self.asked.append(self.machine.monotonic())
        await asyncio.sleep(self.there)
        if isinstance(self.broken, Exception):
            raise self.broken
        answer = self.broken or str(self.true() // NANOSECONDS).encode()
        await asyncio.sleep(self.back)
        return answer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(12):
        while not condition():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.01)


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == level]


# -- what it comes to know --


@pytest.mark.parametrize("ahead", [0.0, 0.4, -0.7, 3661.25, -86_400.5])
@pytest.mark.parametrize(("there", "back"), [(0.02, 0.02), (0.001, 0.05), (0.07, 0)])
def test_learns_the_offset(ahead: float, there: float, back: float) -> None:
    """After one measurement the truth is within the uncertainty, about 30 ms."""

    @on_jumping_loop
    async def measure() -> None:
        exchange = Exchange(ahead, there, back)
        assert exchange.time.now() == exchange.machine.now()
        assert exchange.time.uncertainty is None
        assert not exchange.time.known
        async with exchange.time as time:
            await asyncio.sleep(FIRST)
            assert time.known
            assert time.uncertainty is not None
            assert time.uncertainty <= 60 * MILLISECOND
            assert exchange.error() <= time.uncertainty
            assert abs(time.offset - exchange.ahead) <= time.uncertainty
        assert 4 <= len(exchange.asked) <= 10

    measure()


@on_jumping_loop
async def test_stays_fresh_for_hours() -> None:
    """Three requests every half minute keep what is known known."""
    exchange = Exchange(0.25)
    async with exchange.time as time:
        await asyncio.sleep(FIRST)
        for _ in range(6 * 60):
            await asyncio.sleep(60)
            assert time.uncertainty is not None
            assert exchange.error() <= time.uncertainty <= 50 * MILLISECOND
    assert len(exchange.asked) <= 6 * 3600 / INTERVAL * 3 + 10


@on_jumping_loop
async def test_a_far_exchange_does_not_cost_more_requests() -> None:
    """Where a round trip is long, no request is spent on what it cannot tell."""
    exchange = Exchange(0.25, 0.15, 0.15)
    async with exchange.time as time:
        await asyncio.sleep(FIRST)
        assert time.known
        asked = len(exchange.asked)
        assert asked <= 8
        await asyncio.sleep(300)
        assert len(exchange.asked) - asked <= 300 / INTERVAL * 3


@pytest.mark.parametrize("seed", range(5))
def test_an_unsteady_network_is_not_asked_forever(seed: int) -> None:
    """Delays of all lengths cost at most a dozen requests a measurement, no truth."""

    @on_jumping_loop
    async def measure() -> None:
        rng, exchange = random.Random(seed), Exchange(0.3)
        async with exchange.time as time:
            for _ in range(200):
                exchange.there, exchange.back = rng.random() ** 2, rng.random() ** 2
                await asyncio.sleep(3)
                if time.uncertainty is not None:
                    assert exchange.error() <= time.uncertainty
        assert time.known
        assert len(exchange.asked) <= 12 * 600 / INTERVAL

    measure()


@on_jumping_loop
async def test_setting_the_machines_clock_moves_nothing() -> None:
    """The exchange's time goes on; the offset is in doubt, then what it now is."""
    exchange = Exchange(0.1)
    async with exchange.time as time:
        await asyncio.sleep(20)
        exchange.machine.put_ahead = 5 * NANOSECONDS
        assert exchange.error() <= 50 * MILLISECOND
        assert time.fault(10 * NANOSECONDS) is OffsetFault.UNKNOWN
        await asyncio.sleep(15)
        assert exchange.error() <= 50 * MILLISECOND
        assert time.fault(10 * NANOSECONDS) is None
        assert abs(time.offset + 4_900 * MILLISECOND) <= 50 * MILLISECOND


@pytest.mark.parametrize("slept", [0.3, 0.7, 3600.0])
def test_a_machine_that_slept_knows_how_little_it_knows(slept: float) -> None:
    """Its monotonic clock stood still: in doubt at once, and right soon after."""

    @on_jumping_loop
    async def measure() -> None:
        exchange = Exchange(0.1)
        async with exchange.time as time:
            await asyncio.sleep(20)
            exchange.ahead += round(slept * NANOSECONDS)
            exchange.machine.put_ahead += round(slept * NANOSECONDS)
            assert time.fault(NANOSECONDS) is OffsetFault.UNKNOWN
            for _ in range(300):
                assert time.uncertainty is not None
                assert exchange.error() <= time.uncertainty
                await asyncio.sleep(0.05)
            assert time.known
            assert exchange.error() <= 50 * MILLISECOND

    measure()


@pytest.mark.parametrize("by", [-120.0, -0.3, 0.3, 120.0])
def test_a_change_at_the_exchange_is_found(
    by: float, caplog: pytest.LogCaptureFixture
) -> None:
    """When the exchange's clock is set, the next measurements learn it anew."""
    caplog.set_level(logging.INFO)

    @on_jumping_loop
    async def measure() -> None:
        exchange = Exchange(0.1)
        async with exchange.time as time:
            await asyncio.sleep(20)
            exchange.ahead += round(by * NANOSECONDS)
            await asyncio.sleep(INTERVAL + 15)
            assert time.known
            assert exchange.error() <= 50 * MILLISECOND
        found = [m for m in told(caplog, logging.WARNING) if "measuring anew" in m]
        assert len(found) == 1
        assert len(told(caplog, logging.INFO)) == 2

    measure()


@on_jumping_loop
async def test_the_guards_fault() -> None:
    """Unknown before the first measurement and long after the last; else a limit."""
    exchange = Exchange(0.8)
    assert exchange.time.fault(NANOSECONDS) is OffsetFault.UNKNOWN
    async with exchange.time as time:
        await asyncio.sleep(FIRST)
        assert time.fault(NANOSECONDS) is None
        assert time.fault(NANOSECONDS // 2) is OffsetFault.BEYOND
    await asyncio.sleep(3600)
    assert time.uncertainty is not None
    assert time.uncertainty > UNCERTAINTY_LIMIT
    assert time.fault(NANOSECONDS) is OffsetFault.UNKNOWN


# -- the stream's timestamps --


@on_jumping_loop
async def test_timestamps_that_fit_cost_nothing() -> None:
    """Messages sent before they were received lead to no request and no doubt."""
    exchange = Exchange(0.1)
    async with exchange.time as time:
        await asyncio.sleep(FIRST)
        asked = len(exchange.asked)
        for late in (0.0, 0.6, 0.05, 30.0):
            time.heard(exchange.true() // MILLISECOND - round(late * 1000))
            await asyncio.sleep(1)
        assert len(exchange.asked) == asked
        assert time.known


def test_a_timestamp_ahead_of_time_is_looked_into(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One from the future leads to a measurement, and to doubt while it lasts."""

    @on_jumping_loop
    async def measure() -> None:
        exchange = Exchange(0.1)
        async with exchange.time as time:
            await asyncio.sleep(20)
            asked = len(exchange.asked)
            time.heard(exchange.true() // MILLISECOND + 500)
            assert time.fault(NANOSECONDS) is OffsetFault.UNKNOWN
            await asyncio.sleep(6)
            assert len(exchange.asked) == asked + 3
            assert exchange.error() <= 50 * MILLISECOND
            await asyncio.sleep(90)
            assert time.fault(NANOSECONDS) is None
        [warning] = told(caplog, logging.WARNING)
        assert "two clocks" in warning

    measure()


# -- when it asks, and when not --


@on_jumping_loop
async def test_it_does_not_ask_while_all_must_be_quiet() -> None:
    """No request is sent and no correction made; afterwards both are."""
    exchange = Exchange(0.3)
    exchange.quiet = True
    async with exchange.time as time:
        await asyncio.sleep(60)
        assert exchange.asked == []
        exchange.quiet = False
        await asyncio.sleep(30)
        assert time.known
        asked, ahead = len(exchange.asked), time.now() - exchange.machine.now()
        exchange.quiet = True
        await asyncio.sleep(300)
        assert len(exchange.asked) == asked
        assert time.now() - exchange.machine.now() == ahead


@on_jumping_loop
async def test_an_answer_that_comes_in_the_quiet_waits() -> None:
    """What a request learns that was under way is not applied before the noise."""
    exchange = Exchange(0.3, there=0.2, back=0.2)
    async with exchange.time as time:
        await until(lambda: time.known)
        exchange.ahead += 90 * MILLISECOND
        asked = len(exchange.asked)
        await until(lambda: len(exchange.asked) > asked)
        exchange.quiet = True
        before = time.now() - exchange.machine.now()
        await asyncio.sleep(10)
        assert time.now() - exchange.machine.now() == before
        assert len(exchange.asked) == asked + 1
        exchange.quiet = False
        await asyncio.sleep(60)
        assert time.now() - exchange.machine.now() != before


@pytest.mark.parametrize("broken", [SourceError("refused"), b"<html>", b'{"a":1}'])
def test_failures_are_told_once_and_survived(
    broken: bytes | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Without answers the machine's time counts, unknown; with them all is well."""
    caplog.set_level(logging.INFO)

    @on_jumping_loop
    async def measure() -> None:
        exchange = Exchange(0.1)
        exchange.broken = broken
        async with exchange.time as time:
            await asyncio.sleep(60)
            assert 10 <= len(exchange.asked) <= 13
            assert time.now() == exchange.machine.now()
            assert time.fault(NANOSECONDS) is OffsetFault.UNKNOWN
            [warning] = told(caplog, logging.WARNING)
            assert warning.startswith("CLOCK_UNREAD n=1 ")
            exchange.broken = None
            await asyncio.sleep(20)
            assert time.known

    measure()


@on_jumping_loop
async def test_an_answer_that_never_comes_is_given_up() -> None:
    """A request that hangs costs its budget, and another is made later."""
    exchange = Exchange(0.1, there=1_000.0)
    async with exchange.time as time:
        await asyncio.sleep(10)
        assert not time.known
        exchange.there = 0.02
        await asyncio.sleep(20)
        assert time.known


@pytest.mark.parametrize(("ahead", "word"), [(2.5, "behind"), (-2.5, "ahead of")])
def test_a_clock_that_is_far_off_is_told(
    ahead: float, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says by how much the machine's clock is wrong, once."""
    caplog.set_level(logging.INFO)

    @on_jumping_loop
    async def measure() -> None:
        async with Exchange(ahead).time:
            await asyncio.sleep(300)
        [line] = told(caplog, logging.INFO)
        shown = re.match(r"CLOCK offset_ms=(\S+) uncertainty_ms=(\S+) samples=7", line)
        assert shown is not None
        assert abs(float(shown[1]) - ahead * 1000) <= float(shown[2]) <= 50
        [warning] = told(caplog, logging.WARNING)
        assert f"2.5 s {word} the exchange's" in warning

    measure()


# -- the clock that goes by it --


@on_jumping_loop
async def test_the_clock_tells_the_exchanges_time() -> None:
    """It waits for moments of the exchange's time, exactly and roughly."""
    exchange = Exchange(0.25)
    clock = ExchangeClock(exchange.machine, exchange.time)
    async with exchange.time:
        await clock.sleep(FIRST)
        for wait in (clock.sleep_until, clock.wake_at):
            when = clock.now() + 20 * NANOSECONDS
            await wait(when)
            assert 0 <= clock.now() - when <= 1_000
            assert abs(exchange.true() - when) <= 50 * MILLISECOND
        assert clock.monotonic() == exchange.machine.monotonic()
        assert clock.offset_fault(NANOSECONDS) is None
        assert clock.offset_fault(MILLISECOND) is OffsetFault.BEYOND
