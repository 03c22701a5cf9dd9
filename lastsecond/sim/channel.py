"""The market channel: websockets, their subscriptions, and who is sent what.

First frame ``{"type":"market","assets_ids":[…],"custom_feature_enabled":bool?}``, then
``{"operation":"subscribe"|"unsubscribe","assets_ids":[…],…}`` and the text PING;
anything else closes the socket with 1008 (seen 2026-10-04; that code is ours).
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web

from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.sim.faults import Faults
from lastsecond.sim.frames import Json

if TYPE_CHECKING:
    from lastsecond.ports import Clock

_SEND_BUFFER = 20_000
_CLOSE_TIMEOUT = 0.5
_FIRST_KEYS = {"type", "assets_ids", "custom_feature_enabled"}
_LATER_KEYS = {"operation", "assets_ids", "custom_feature_enabled"}
_EVERYTHING_RESOLVED = "all subscribed assets resolved"

OpeningBooks = Callable[[Iterable[TokenId]], list[Json]]
"""The opening ``book`` objects of these tokens, unsettled ones only."""


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str


@dataclass(eq=False)
class Connection:
    """One websocket, from its opening on; kept after it closed."""

    index: int
    opened_at: int
    """Unix ns."""
    transport: asyncio.Transport | None = field(repr=False)
    subscribed: set[TokenId] = field(default_factory=set)
    custom: bool = False
    started: bool = False
    """Whether the first frame has come."""
    received: list[str] = field(default_factory=list)
    """Every text frame from the client, PINGs included."""
    sent: int = 0
    """Frames sent, PONGs included."""
    closed_at: int | None = None
    """Unix ns; None while open."""
    close_code: int | None = None
    held: str | None = field(default=None, repr=False)
    """A data frame that waits for the next one to overtake it."""
    outbox: asyncio.Queue[tuple[int, str | _Close]] = field(
        default_factory=asyncio.Queue, repr=False
    )

    @property
    def open(self) -> bool:
        """Whether the socket is still open."""
        return self.closed_at is None

    @property
    def pings(self) -> int:
        """How many PINGs the client sent."""
        return self.received.count("PING")

    def abort(self) -> None:
        """Drop the TCP connection without a close frame."""
        if self.transport is not None and self.open:
            self.transport.abort()


class BadFrameError(Exception):
    """A client's frame that production would not take."""


class Channel:
    """Every websocket of the exchange; the Audience of its markets."""

    def __init__(self, clock: "Clock", opening: OpeningBooks) -> None:
        self._clock = clock
        self._opening = opening
        self._resolved: set[TokenId] = set()
        self.connections: list[Connection] = []
        self.faults = Faults(self.connections)
        self._sockets: set[web.WebSocketResponse] = set()

    def publish(
        self, tokens: Iterable[TokenId], frame: Json, *, custom: bool = False
    ) -> None:
        """Send to every socket subscribed to one of these tokens."""
        if frame["event_type"] == "price_change" and self.faults.omit():
            return
        wanted = frozenset(tokens)
        self.send(
            frame,
            lambda connection: (
                not wanted.isdisjoint(connection.subscribed)
                and (connection.custom or not custom)
            ),
        )

    def announce(self, frame: Json) -> None:
        """Send to every socket with the custom feature: a ``new_market``."""
        self.send(frame, lambda connection: connection.custom)

    def settle(self, tokens: Iterable[TokenId]) -> None:
        """Close every socket whose last unresolved token is among these."""
        settled = set(tokens)
        self._resolved |= settled
        for connection in self.connections:
            ended = connection.subscribed <= self._resolved
            frozen = self.faults.frozen(connection.index)
            if ended and not frozen and not settled.isdisjoint(connection.subscribed):
                self._put(connection, _Close(WSCloseCode.OK, _EVERYTHING_RESOLVED))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Hold one websocket until it closes."""
        if self.faults.refuse_websockets:
            return web.json_response({"error": "Service Unavailable"}, status=503)
        socket = web.WebSocketResponse(compress=False, timeout=_CLOSE_TIMEOUT)
        await socket.prepare(request)
        connection = Connection(
            len(self.connections), self._clock.now(), request.transport
        )
        self.connections.append(connection)
        self._sockets.add(socket)
        writer = asyncio.create_task(self._write(connection, socket))
        try:
            await self._read(connection, socket)
        finally:
            writer.cancel()
            await asyncio.wait([writer])
            self._sockets.discard(socket)
            connection.closed_at = self._clock.now()
            connection.close_code = socket.close_code
        return socket

    async def close(self) -> None:
        """Close every socket with 1001 and wait until they are gone."""
        closing = [
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"going away")
            for socket in self._sockets
        ]
        await asyncio.gather(*closing, return_exceptions=True)

    async def _read(
        self, connection: Connection, socket: web.WebSocketResponse
    ) -> None:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                return
            try:
                self._receive(connection, message.data)
            except BadFrameError as error:
                self._put(connection, _Close(WSCloseCode.POLICY_VIOLATION, str(error)))

    def _receive(self, connection: Connection, text: str | bytes) -> None:
        if isinstance(text, bytes):
            raise BadFrameError("binary frame")
        connection.received.append(text)
        if text == "PING":
            self._put(connection, "PONG")
            return
        self.take(connection, text)

    def take(self, connection: Connection, text: str) -> None:
        """One text frame of a client, PING excepted. Raises BadFrameError."""
        frame = parsed(text)
        tokens = _tokens(frame)
        if connection.started:
            self._operate(connection, frame, tokens)
        else:
            self._begin(connection, frame, tokens)

    def _begin(
        self, connection: Connection, frame: Json, tokens: list[TokenId]
    ) -> None:
        if set(frame) - _FIRST_KEYS or frame.get("type") != "market":
            raise BadFrameError("invalid subscription")
        connection.started = True
        self._subscribe(connection, frame, tokens)

    def _operate(
        self, connection: Connection, frame: Json, tokens: list[TokenId]
    ) -> None:
        operation = frame.get("operation")
        if set(frame) - _LATER_KEYS or operation not in {"subscribe", "unsubscribe"}:
            raise BadFrameError("invalid operation")
        if operation == "subscribe":
            self._subscribe(connection, frame, tokens)
        else:
            connection.subscribed.difference_update(tokens)

    def _subscribe(
        self, connection: Connection, frame: Json, tokens: list[TokenId]
    ) -> None:
        custom = frame.get("custom_feature_enabled", connection.custom)
        if not isinstance(custom, bool):
            raise BadFrameError("custom_feature_enabled is not a boolean")
        connection.custom = custom
        added = [token for token in tokens if token not in connection.subscribed]
        connection.subscribed.update(added)
        if added or not tokens:
            self._data(connection, json.dumps(self._opening(added)))

    def send(self, frame: Json, chosen: Callable[[Connection], bool]) -> None:
        """Send to every open socket that is chosen."""
        text = json.dumps(frame, separators=(",", ":"))
        for connection in self.connections:
            if connection.open and chosen(connection):
                self._data(connection, text)

    def _data(self, connection: Connection, text: str) -> None:
        if self.faults.frozen(connection.index):
            return
        frames = [text]
        if self.faults.reorder_frames:
            if connection.held is None:
                connection.held = text
                return
            frames.append(connection.held)
            connection.held = None
        for frame in frames * (2 if self.faults.duplicate_frames else 1):
            self._put(connection, frame)

    def _put(self, connection: Connection, item: str | _Close) -> None:
        if connection.outbox.qsize() == _SEND_BUFFER:
            item = _Close(1013, "slow consumer: send buffer full")
        elif connection.outbox.qsize() > _SEND_BUFFER:
            return
        late = round(self.faults.delay_of(connection.index) * NANOSECONDS)
        connection.outbox.put_nowait((self._clock.monotonic() + late, item))

    async def _write(
        self, connection: Connection, socket: web.WebSocketResponse
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                due, item = await connection.outbox.get()
                if (wait := due - self._clock.monotonic()) > 0:
                    await self._clock.sleep(wait / NANOSECONDS)
                if isinstance(item, _Close):
                    await socket.close(code=item.code, message=item.reason.encode())
                    return
                await socket.send_str(item)
                connection.sent += 1


def parsed(text: str) -> Json:
    """A client's frame as an object. Raises BadFrameError."""
    try:
        frame = json.loads(text)
    except ValueError as error:
        raise BadFrameError("not JSON") from error
    if not isinstance(frame, dict):
        raise BadFrameError("not an object")
    return frame


def _tokens(frame: Json) -> list[TokenId]:
    listed = frame.get("assets_ids")
    if not isinstance(listed, list):
        raise BadFrameError("assets_ids is not a list")
    for token in listed:
        if not (isinstance(token, str) and token.isascii() and token.isdigit()):
            raise BadFrameError("assets_ids holds something that is not a token id")
    return [TokenId(token) for token in listed]
