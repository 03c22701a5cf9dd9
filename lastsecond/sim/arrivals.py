"""When the bytes of a request came: seen at the socket, before aiohttp parses them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web


@dataclass(slots=True)
class Arrival:
    """Unix ns at which the first and the last bytes so far were read."""

    first: int
    last: int


class Arrivals:
    """A protocol factory that notes when requests arrive on each connection.

    The time is that of the event loop's turn: bytes that came while the loop was busy
    are noted when it is free. ``now`` reads Unix ns.
    """

    def __init__(
        self, factory: Callable[[], asyncio.Protocol], now: Callable[[], int]
    ) -> None:
        self.now = now
        self.open: dict[asyncio.BaseTransport, _Stamped] = {}
        self._factory = factory

    def __call__(self) -> asyncio.Protocol:
        """A protocol for one connection."""
        return _Stamped(self._factory(), self)

    def of(self, transport: asyncio.BaseTransport | None) -> Arrival:
        """The request that is being read on this connection."""
        stamped = None if transport is None else self.open.get(transport)
        if stamped is None or stamped.arrival is None:
            return Arrival(self.now(), self.now())
        return stamped.arrival

    def done(self, transport: asyncio.BaseTransport | None) -> None:
        """The next bytes on this connection begin another request."""
        if transport is not None and transport in self.open:
            self.open[transport].arrival = None


class _Stamped(asyncio.Protocol):
    """Notes the time and hands everything on."""

    def __init__(self, inner: asyncio.Protocol, arrivals: Arrivals) -> None:
        self.arrival: Arrival | None = None
        self._inner = inner
        self._arrivals = arrivals
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._arrivals.open[transport] = self
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        now = self._arrivals.now()
        if self.arrival is None:
            self.arrival = Arrival(now, now)
        self.arrival.last = now
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._arrivals.open.pop(self._transport, None)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class StampingSite(web.BaseSite):
    """A TCP site whose connections go through Arrivals."""

    def __init__(
        self, runner: web.BaseRunner, arrivals: Arrivals, host: str, port: int
    ) -> None:
        super().__init__(runner)
        self._arrivals = arrivals
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        """The URL that was asked for; port 0 stands for any."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._arrivals, self._host, self._port)
