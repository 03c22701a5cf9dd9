"""The line to the exchange for orders: one warm HTTP/1.1 connection, one POST on it.

A library's client hides what matters here: whether the bytes left. This one writes them
in the caller's own step, so a request is either provably not sent (NotSentError) or its
end is unknown until the answer has been read whole (LineError). It never sends anything
twice. h11 reads the answers.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from lastsecond.errors import LineError, NotSentError
from lastsecond.tls import trust

CONNECT_TIMEOUT = 2.0
"""Seconds for TCP and TLS together."""

ANSWER_TIMEOUT = 5.0
"""Seconds from the write to the answer's last byte."""

_LARGEST_ANSWER = 1_000_000
_NEXT_ADDRESS = 0.25

logger = logging.getLogger(__name__)


_FIXED = "User-Agent: lastsecond\r\nAccept: application/json\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read whole."""

    status: int
    body: bytes


class _Exchange(asyncio.Protocol):
    """One TCP connection; one request at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] | None = None
        self._parser = h11.Connection(h11.CLIENT)
        self._status = 0
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    @property
    def ready(self) -> bool:
        """Whether a request can be written now."""
        in_step = self._parser.our_state is h11.IDLE
        return in_step and self.answer is None and not self.transport.is_closing()

    def request(self, method: str, path: str, raw: bytes) -> asyncio.Future[Answer]:
        """Write ``raw`` now, when ready; the future is its answer.

        The parser is told afterwards, and of no more than it must know to read the
        answer: telling it takes longer than the write.
        """
        self.transport.write(raw)
        self.answer = asyncio.get_running_loop().create_future()
        head = h11.Request(method=method, target=path, headers=[("Host", "any")])
        self._parser.send(head)
        self._parser.send(h11.EndOfMessage())
        return self.answer

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            self._fail(f"not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._end_of_stream()
        self._fail(f"connection lost: {exc or 'closed by the exchange'}")

    def _end_of_stream(self) -> None:
        """An answer without a length ends with the connection."""
        with suppress(h11.RemoteProtocolError):  # then it was cut short
            self._parser.receive_data(b"")
            self._read()

    def _read(self) -> None:
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.Response):
                self._status = event.status_code
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > _LARGEST_ANSWER:
                    self._fail("the answer is too large")
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._finish()
                return
            elif not isinstance(event, h11.InformationalResponse):
                return

    def _finish(self) -> None:
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():
            answer.set_result(Answer(self._status, bytes(self._body)))
        self._body.clear()
        try:
            self._parser.start_next_cycle()
        except h11.LocalProtocolError:
            self.close()

    def _fail(self, reason: str) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(LineError(reason))
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self.transport.abort()


class Line:
    """A connection that is kept warm; close() it in the end."""

    def __init__(
        self,
        host: str,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        answer_timeout: float = ANSWER_TIMEOUT,
    ) -> None:
        """``host`` is the exchange's URL, https or, on loopback, http."""
        url = urlsplit(host)
        self._name = url.hostname or ""
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._ssl = trust() if url.scheme == "https" else None
        self._fixed = f"Host: {url.netloc}\r\n{_FIXED}"
        self._connect_timeout = connect_timeout
        self._answer_timeout = answer_timeout
        self._exchange: _Exchange | None = None
        self._connecting = asyncio.Lock()
        self.connections = 0
        """How many were opened."""

    @property
    def ready(self) -> bool:
        """Whether a request can leave at once."""
        return self._exchange is not None and self._exchange.ready

    async def connect(self) -> None:
        """Have a ready connection; one that waits for an answer is given up.

        Raises NotSentError after CONNECT_TIMEOUT.
        """
        async with self._connecting:
            if self.ready:
                return
            loop = asyncio.get_running_loop()
            if self._exchange is not None:
                self._exchange.close()
            try:
                async with asyncio.timeout(self._connect_timeout):
                    _, self._exchange = await loop.create_connection(
                        _Exchange,
                        self._name,
                        self._port,
                        ssl=self._ssl,
                        server_hostname=self._name if self._ssl else None,
                        happy_eyeballs_delay=_NEXT_ADDRESS,
                    )
            except (OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                raise NotSentError(f"cannot connect: {reason}") from error
            self.connections += 1

    async def warm(self, path: str) -> Answer:
        """A GET that keeps the connection used; connects when there is none.

        Raises NotSentError or LineError.
        """
        await self.connect()
        return await self.answer_of(self.send("GET", path, {}))

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> asyncio.Future[Answer]:
        """Write one request before returning; the future is its answer.

        Raises NotSentError, with nothing written, when there is no ready connection.
        """
        exchange = self._exchange
        if exchange is None or not exchange.ready:
            raise NotSentError("no connection is ready")
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if method == "POST":
            fields += (
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            )
        head = f"{method} {path} HTTP/1.1\r\n{self._fixed}{fields}\r\n"
        return exchange.request(method, path, head.encode("ascii") + body)

    async def answer_of(self, sent: asyncio.Future[Answer]) -> Answer:
        """The answer within ANSWER_TIMEOUT. Raises LineError; then it may be done."""
        try:
            async with asyncio.timeout(self._answer_timeout):
                return await sent
        except TimeoutError:
            self.close()
            raise LineError(f"no answer within {self._answer_timeout:g} s") from None

    def close(self) -> None:
        """Drop the connection; harmless when repeated."""
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None
