import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from lastsecond.clock import SystemClock
from lastsecond.exchange_time import ExchangeTime
from lastsecond.http import HttpSource
from lastsecond.market import NANOSECONDS
from tests.lastsecond.test_exchange_time import MILLISECOND, until


@asynccontextmanager
async def serving(ahead: float, there: float, back: float) -> AsyncIterator[str]:
    """A /time on loopback with its own idea of time and its own delays."""
    clock = SystemClock()

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(there)
        second = (clock.now() + round(ahead * NANOSECONDS)) // NANOSECONDS
        await asyncio.sleep(back)
        return web.json_response(second)

    application = web.Application()
    application.router.add_get("/time", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/time"
    await runner.cleanup()


async def test_learns_the_offset_over_real_sockets() -> None:
    """Symmetric or wholly asymmetric delays leave the truth within the uncertainty."""

    async def measure(ahead: float, there: float, back: float) -> None:
        clock = SystemClock()
        async with (
            serving(ahead, there, back) as url,
            HttpSource(clock) as source,
            ExchangeTime(source, clock, url) as time,
        ):
            limit = 80 * MILLISECOND
            await until(lambda: time.known and (time.uncertainty or limit) < limit)
            assert time.uncertainty is not None
            assert abs(time.offset - ahead * NANOSECONDS) <= time.uncertainty

    async with asyncio.TaskGroup() as group:
        for case in [
            (0.0, 0.0, 0.0),
            (1.75, 0.03, 0.03),
            (-0.4, 0.08, 0.0),
            (0.4, 0.0, 0.08),
        ]:
            group.create_task(measure(*case))


async def test_a_dead_server_does_no_harm() -> None:
    """A refused connection leaves the machine's time, and leaves on request."""
    clock = SystemClock()
    async with HttpSource(clock) as source:
        url = "http://127.0.0.1:9/time"
        async with ExchangeTime(source, clock, url) as time:
            await asyncio.sleep(0.1)
            assert abs(time.now() - clock.now()) < NANOSECONDS
            assert not time.known
