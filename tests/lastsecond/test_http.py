import asyncio
import dataclasses
import gzip
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import lastsecond.http
from lastsecond.clock import SystemClock
from lastsecond.errors import SourceError
from lastsecond.http import HttpSource
from lastsecond.market import NANOSECONDS
from lastsecond.sim import HttpFault, SimulatedExchange
from tests.fakes import HurriedClock

NOW = datetime(2026, 11, 22, 14, 40, tzinfo=UTC)
FIRST_DELAY = (0.25, 0.5)
LARGE = 17_000_000

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock(int(NOW.timestamp()) * NANOSECONDS)


@pytest.fixture
async def source(clock: HurriedClock) -> AsyncIterator[HttpSource]:
    async with HttpSource(clock, random.Random(1)) as opened:
        yield opened


@pytest.fixture
async def exchange(clock: HurriedClock) -> AsyncIterator[SimulatedExchange]:
    async with SimulatedExchange(clock) as opened:
        yield opened


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    """A server that answers every path so; its URL."""
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(reply: bytes) -> AsyncIterator[str]:
    """A server that says these bytes to whoever connects; its URL."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def test_the_body_of_a_good_answer_comes_back(
    exchange: SimulatedExchange, source: HttpSource, clock: HurriedClock
) -> None:
    """An answer of 200 is returned as it is, after one request and no wait."""
    seconds = await source.get(f"{exchange.http_url}/time")
    assert int(seconds) == NOW.timestamp()
    assert (len(exchange.requests), clock.waits) == (1, [])


async def test_parameters_are_sent_in_order_and_may_repeat(
    exchange: SimulatedExchange, source: HttpSource
) -> None:
    """Every parameter arrives, spaces and all, the same name as often as given."""
    params = [("slug", "a b&c"), ("slug", "d")]
    assert await source.get(f"{exchange.http_url}/events", params) == b"[]"
    assert exchange.requests[0].query == tuple(params)


@pytest.mark.parametrize(
    "fault",
    [
        *(HttpFault(path="/time", status=status) for status in (429, 500, 502, 503)),
        HttpFault(path="/time", manner="reset"),
        HttpFault(path="/time", manner="truncate", status=200),
    ],
    ids=lambda fault: f"{fault.manner}-{fault.status}",
)
async def test_passing_faults_are_tried_again(
    fault: HttpFault,
    exchange: SimulatedExchange,
    source: HttpSource,
    clock: HurriedClock,
) -> None:
    """After 429, a server's error or a broken connection the next answer serves.

    aiohttp itself repeats a request once, without a wait, when a kept connection broke.
    """
    exchange.faults.http(dataclasses.replace(fault, times=2))
    assert int(await source.get(f"{exchange.http_url}/time")) >= NOW.timestamp()
    assert len(exchange.requests) == 3
    assert len(clock.waits) == 2 or (fault.manner == "reset" and clock.waits)


@pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 403, 404, 422, 425])
async def test_other_answers_are_final(
    status: int, exchange: SimulatedExchange, source: HttpSource
) -> None:
    """All but 200, 429 and a server's error fails at once and says its status."""
    body = "" if status in {204, 304} else "{}"
    exchange.faults.http(HttpFault(path="/time", status=status, body=body))
    with pytest.raises(SourceError, match=f"/time: HTTP {status}"):
        await source.get(f"{exchange.http_url}/time")
    assert len(exchange.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("3", 3.0),
        ("24", 24.0),
        (format_datetime(NOW + timedelta(seconds=7), usegmt=True), 7.0),
        ("Sunday, 22-Nov-26 14:40:09 GMT", 9.0),
    ],
)
async def test_retry_after_is_honoured(
    asked: str,
    seconds: float,
    status: int,
    exchange: SimulatedExchange,
    source: HttpSource,
    clock: HurriedClock,
) -> None:
    """The wait is as long as the server asked for, in seconds or as a date."""
    fault = HttpFault(path="/time", status=status, retry_after=asked)
    exchange.faults.http(fault)
    await source.get(f"{exchange.http_url}/time")
    assert clock.waits == [seconds]


@pytest.mark.parametrize("zone", ["", " -0000"])
async def test_a_date_without_a_zone_is_utc(
    zone: str,
    exchange: SimulatedExchange,
    source: HttpSource,
    clock: HurriedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Retry-After means the same wherever the program runs."""
    asked = f"Sun, 22 Nov 2026 14:40:05{zone}"
    exchange.faults.http(HttpFault(path="/time", status=429, retry_after=asked))
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        await source.get(f"{exchange.http_url}/time")
    time.tzset()
    assert clock.waits == [5.0]


@pytest.mark.parametrize(
    "asked",
    [
        *("", "soon", "-5", "1.5", "0", "\u00b2", "\u0663x", "Sun, 99 Nov 2026"),
        "Sun, 22 Nov 2026 14:39:00 GMT",
    ],
)
async def test_a_useless_retry_after_is_ignored(
    asked: str, exchange: SimulatedExchange, source: HttpSource, clock: HurriedClock
) -> None:
    """What is neither seconds nor a time to come leaves the usual delay."""
    exchange.faults.http(HttpFault(path="/time", status=429, retry_after=asked))
    await source.get(f"{exchange.http_url}/time")
    (wait,) = clock.waits
    assert FIRST_DELAY[0] <= wait <= FIRST_DELAY[1]


@given(asked=st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF)))
def test_any_retry_after_is_survived(asked: str) -> None:
    """Whatever the header says, there is another try or a SourceError."""

    async def ask() -> None:
        clock = HurriedClock(int(NOW.timestamp()) * NANOSECONDS)
        fault = HttpFault(path="/time", status=429, retry_after=asked)
        async with SimulatedExchange(clock) as exchange, HttpSource(clock) as source:
            exchange.faults.http(fault)
            try:
                await source.get(f"{exchange.http_url}/time")
            except SourceError:
                assert len(exchange.requests) == 1

    asyncio.run(ask())


@pytest.mark.parametrize("asked", ["25", "3600", "9" * 400])
async def test_a_retry_after_beyond_the_budget_fails_at_once(
    asked: str, exchange: SimulatedExchange, source: HttpSource, clock: HurriedClock
) -> None:
    """A server that asks for more time than there is is not waited for."""
    exchange.faults.http(HttpFault(path="/time", status=429, retry_after=asked))
    with pytest.raises(SourceError, match="HTTP 429"):
        await source.get(f"{exchange.http_url}/time")
    assert clock.waits == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budget", [1.0, 25.0, 60.0])
async def test_delays_double_and_end_with_the_budget(
    seed: int, budget: float, exchange: SimulatedExchange, clock: HurriedClock
) -> None:
    """Delays double from 0.5 s to 8 s, each cut by up to half, within the budget."""
    exchange.faults.http(HttpFault(path="/time", status=503, times=1000))
    async with HttpSource(clock, random.Random(seed)) as source:
        with pytest.raises(SourceError, match="HTTP 503"):
            await source.get(f"{exchange.http_url}/time", budget=budget)
    for turn, wait in enumerate(clock.waits):
        delay = min(0.5 * 2**turn, 8.0)
        assert delay / 2 <= wait <= delay
    assert budget - 8 <= sum(clock.waits) < budget
    assert len(exchange.requests) == len(clock.waits) + 1


async def test_jitter_spreads_requests(
    exchange: SimulatedExchange, clock: HurriedClock
) -> None:
    """Requests that fail together are not repeated together."""
    async with HttpSource(clock) as source:
        for _ in range(20):
            exchange.faults.http(HttpFault(path="/time", status=503))
            await source.get(f"{exchange.http_url}/time")
    assert len(set(clock.waits)) > 10


@pytest.mark.parametrize("manner", ["hang", "answer"])
async def test_the_budget_ends_it_in_real_time(
    manner: str, exchange: SimulatedExchange
) -> None:
    """Neither a silent nor a failing server holds a caller longer than the budget."""
    fault = HttpFault(path="/time", status=503, times=1000)
    fault.manner = "hang" if manner == "hang" else "answer"
    exchange.faults.http(fault)
    began = time.monotonic()
    async with HttpSource(SystemClock()) as source:
        with pytest.raises(SourceError, match="/time"):
            await source.get(f"{exchange.http_url}/time", budget=0.3)
    assert time.monotonic() - began < 0.6


async def test_one_silent_request_is_given_up_and_repeated(
    exchange: SimulatedExchange, clock: HurriedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request has its own, shorter limit, after which another is tried."""
    assert lastsecond.http.REQUEST_TIMEOUT == 10
    monkeypatch.setattr(lastsecond.http, "REQUEST_TIMEOUT", 0.1)
    exchange.faults.http(HttpFault(path="/time", manner="hang"))
    async with HttpSource(clock) as source:
        await source.get(f"{exchange.http_url}/time", budget=5)
    assert (len(exchange.requests), len(clock.waits)) == (2, 1)


async def test_nobody_listening_is_a_source_error(
    source: HttpSource, clock: HurriedClock, unused_tcp_port: int
) -> None:
    """A refused connection is tried again and told in the end."""
    with pytest.raises(SourceError, match="Cannot connect"):
        await source.get(f"http://127.0.0.1:{unused_tcp_port}/time")
    assert len(clock.waits) > 3


async def test_redirects_are_not_followed(source: HttpSource) -> None:
    """An answer that sends the program elsewhere is refused."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with server(answer) as url:
        with pytest.raises(SourceError, match="HTTP 302"):
            await source.get(f"{url}/here")
    assert asked == ["/here"]


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_too_large_is_refused(
    compressed: bool, source: HttpSource, clock: HurriedClock
) -> None:
    """A body that would fill the memory is not read to its end, packed or not."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = bytes(LARGE)
        if not compressed:
            return web.Response(body=body)
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(body, 1), headers=headers)

    async with server(answer) as url:
        with pytest.raises(SourceError, match="larger than 16000000 bytes"):
            await source.get(url)
    assert clock.waits == []


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x1b[31mgarbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 503 No\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_http_is_one_line_of_error(
    reply: bytes, source: HttpSource, clock: HurriedClock
) -> None:
    """Bytes that no server should send are tried again, then told in a short line."""
    async with raw_server(reply) as url:
        with pytest.raises(SourceError) as caught:
            await source.get(url, budget=3)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 300
    assert clock.waits


async def test_a_caller_can_be_cancelled(source: HttpSource) -> None:
    """Cancelling ends a request that hangs, as a cancellation and nothing else."""
    asked = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with server(hang) as url:
        asking = asyncio.create_task(source.get(url))
        await asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
