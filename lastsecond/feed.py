"""MarketStream over websockets: subscribe, PING, reconnect, renew.

Rules of the market channel (docs/exchange.md, seen 2026-10-04): the socket is told
which tokens in its first frame; text PING every 10 s; nothing is replayed after a
reconnect, but every subscription opens with whole books; a socket may stay open, answer
PING, and send nothing for hours. So only the age of *data* says whether a socket lives.
"""

import asyncio
import json
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.protocol import State

from lastsecond.errors import FeedError, WireError
from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.ports import Clock, Gap
from lastsecond.tls import trust
from lastsecond.wire.market_channel import Frame, decode

PING_INTERVAL = 10.0
_RENEWAL_INTERVAL = NANOSECONDS
_OPEN_TIMEOUT = 5.0
_CLOSE_TIMEOUT = 1.0
_LONGEST_FRAME = 4_000_000
_FRAMES_AHEAD = 4_096

_RANDOM = random.Random()  # noqa: S311  jitter is no secret

logger = logging.getLogger(__name__)


def delays(rng: random.Random) -> Iterator[float]:
    """Seconds before each attempt to reconnect: 0.25, doubling up to 5, jittered."""
    delay = 0.25
    while True:
        yield delay * rng.uniform(0.75, 1.25)
        delay = min(delay * 2, 5.0)


class Subscription:
    """One socket's subscription to some tokens; heals itself until closed."""

    def __init__(
        self,
        name: str,
        tokens: Sequence[TokenId],
        *,
        url: str,
        clock: Clock,
        heard: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Prepare; ``name`` is for the logs. open() connects.

        ``heard`` is told the exchange's timestamp (ms) of each frame as it comes.
        """
        self.name = name
        self.last_data = 0
        self.reconnects = 0
        self.malformed = 0
        self.unknown = 0
        self._url = url
        self._hello = json.dumps(
            {"type": "market", "assets_ids": tokens, "custom_feature_enabled": True}
        )
        self._clock = clock
        self._heard = heard
        self._socket: ClientConnection | None = None
        self._opening: deque[bytes] = deque()
        self._delays = delays(_RANDOM)
        self._renewing = asyncio.Lock()
        self._tried_to_renew = 0
        self._pinging: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether a socket is open now, as far as this end knows."""
        return self._socket is not None and self._socket.state is State.OPEN

    async def open(self) -> None:
        """Connect and subscribe.

        Raises FeedError; frames() then goes on trying.
        """
        self.last_data = self._clock.monotonic()
        self._pinging = asyncio.create_task(self._ping(), name=f"ping {self.name}")
        self._socket = await self._connect()

    async def frames(self) -> AsyncIterator[Frame | Gap]:
        """Decoded frames until close(), or until the exchange says all is resolved.

        A Gap where the connection was lost: what came before is no longer known true.
        """
        while not self._closed:
            socket = self._socket
            try:
                if self._opening:
                    raw = self._opening.popleft()
                elif socket is not None:
                    raw = await socket.recv(decode=False)
                else:
                    await self._reconnect()
                    continue
            except ConnectionClosed as closed:
                if _is_over(closed):
                    return
                if socket is self._socket and not self._closed:
                    logger.warning("DROPPED stream=%s reason=%s", self.name, closed)
                    self._socket = None
                    yield Gap()
                continue
            if frame := self._read(raw):
                yield frame

    async def renew(self) -> None:
        """Open a second socket, and drop the first once the second has spoken.

        At most once a second, and never while a connection is being made.
        """
        now = self._clock.monotonic()
        if self._renewing.locked() or now - self._tried_to_renew < _RENEWAL_INTERVAL:
            return
        self._tried_to_renew = now
        async with self._renewing:
            try:
                fresh = await self._connect()
            except FeedError as error:
                logger.warning("RENEWAL_FAILED stream=%s reason=%s", self.name, error)
                return
            try:
                async with asyncio.timeout(_OPEN_TIMEOUT):
                    opening = await fresh.recv(decode=False)
                if not self._closed:
                    self._swap(fresh, opening)
            except (TimeoutError, ConnectionClosed) as error:
                logger.warning("RENEWAL_FAILED stream=%s reason=%r", self.name, error)
            finally:
                if self._socket is not fresh:
                    fresh.transport.abort()

    async def close(self) -> None:
        """End frames() and the connection; harmless when repeated."""
        if not self._closed:
            logger.debug(
                "CLOSED stream=%s reconnects=%d malformed=%d unknown=%d",
                self.name,
                self.reconnects,
                self.malformed,
                self.unknown,
            )
        self._closed = True
        if self._pinging is not None:
            self._pinging.cancel()
        if self._socket is not None:
            await self._socket.close()

    async def _connect(self) -> ClientConnection:
        try:
            socket = await connect(
                self._url,
                ssl=trust() if self._url.startswith("wss:") else None,
                proxy=None,  # as the HTTP requests, which use none either
                compression=None,  # costs more time than it saves (docs/exchange.md)
                ping_interval=None,  # PONG queues behind data: no sign of life
                open_timeout=_OPEN_TIMEOUT,
                close_timeout=_CLOSE_TIMEOUT,
                max_size=_LONGEST_FRAME,
                max_queue=_FRAMES_AHEAD,
            )
            await socket.send(self._hello)
        except (OSError, TimeoutError, WebSocketException) as error:
            reason = str(error) or type(error).__name__
            raise FeedError(
                f"{self.name}: cannot open {self._url}: {reason}"
            ) from error
        return socket

    async def _reconnect(self) -> None:
        async with self._renewing:
            if self.connected:
                return
            fresh = None
            while fresh is None:
                await self._clock.sleep(next(self._delays))
                try:
                    fresh = await self._connect()
                except FeedError as error:
                    logger.warning("RECONNECT_FAILED %s", error)
            if self._closed:
                fresh.transport.abort()
                return
            self._socket = fresh
        self.reconnects += 1
        logger.info("RECONNECTED stream=%s n=%d", self.name, self.reconnects)

    def _swap(self, fresh: ClientConnection, opening: bytes) -> None:
        """Let the reader move on to ``fresh``: aborting the old one wakes it."""
        old, self._socket = self._socket, fresh
        self._opening.append(opening)
        self.reconnects += 1
        self.last_data = self._clock.monotonic()
        if old is not None:
            old.transport.abort()
        logger.debug("RENEWED stream=%s n=%d", self.name, self.reconnects)

    def _read(self, raw: bytes) -> Frame | None:
        try:
            frame = decode(raw)
        except WireError as error:
            self._count_malformed(1, str(error))
            return None
        if frame.malformed:
            self._count_malformed(frame.malformed, "event")
        self.unknown += frame.unknown
        if not frame.events:  # new_market comes for every market: no sign of life
            return None
        self.last_data = self._clock.monotonic()
        self._heard(frame.events[-1].timestamp)
        self._delays = delays(_RANDOM)
        return frame

    def _count_malformed(self, count: int, reason: str) -> None:
        level = logging.DEBUG if self.malformed else logging.WARNING
        self.malformed += count
        logger.log(
            level, "MALFORMED stream=%s n=%d %s", self.name, self.malformed, reason
        )

    async def _ping(self) -> None:
        while True:
            await self._clock.sleep(PING_INTERVAL)
            if self._socket is not None:
                with suppress(ConnectionClosed):
                    await self._socket.send("PING")


def _is_over(closed: ConnectionClosed) -> bool:
    """Whether the exchange closed because every token subscribed to is resolved."""
    frame = closed.rcvd
    return frame is not None and frame.code == 1000 and "resolved" in frame.reason
