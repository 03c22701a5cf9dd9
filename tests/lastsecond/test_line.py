"""The line for orders against raw servers on loopback that say scripted bytes."""

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from shutil import which

import pytest

from lastsecond.errors import LineError, NotSentError
from lastsecond.line import ANSWER_TIMEOUT, CONNECT_TIMEOUT, Answer, Line
from lastsecond.tls import trust

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n1\r\n \r\n5;x=y\r\nthere\r\n0\r\nTrailer: yes\r\n\r\n"
)
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"


@asynccontextmanager
async def peer(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that talks so to every connection, then closes it; host and port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def request(reader: asyncio.StreamReader) -> bytes:
    """One request, body and all."""
    head = await reader.readuntil(b"\r\n\r\n")
    _, told, rest = head.partition(b"Content-Length: ")
    size = int(rest.partition(b"\r\n")[0]) if told else 0
    return head + await reader.readexactly(size)


def saying(*replies: bytes, one_by_one: bool = False) -> Talk:
    """Answer that many requests of a connection, a byte at a time or whole."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await request(reader)
            for at in range(len(reply)) if one_by_one else ():
                writer.write(reply[at : at + 1])
                await asyncio.sleep(0)
            if not one_by_one:
                writer.write(reply)
            await writer.drain()

    return talk


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never say anything."""
    await reader.read()


@asynccontextmanager
async def line_to(
    server: AbstractAsyncContextManager[str], scheme: str = "http", **timeouts: float
) -> AsyncIterator[Line]:
    """A line to a server, closed in the end."""
    async with server as address:
        line = Line(f"{scheme}://{address}", **timeouts)
        try:
            yield line
        finally:
            line.close()
            await asyncio.sleep(0)


async def until(reached: Callable[[], bool]) -> None:
    """Return once it is so; a test that waits in vain fails."""
    async with asyncio.timeout(5):
        while not reached():  # noqa: ASYNC110  # a line sets no event for tests
            await asyncio.sleep(0.001)


def ready(line: Line) -> bool:
    """Whether it is now, whatever was seen of it before."""
    return line.ready


async def ask(line: Line) -> Answer:
    await line.connect()
    return await line.answer_of(line.send("POST", "/order", {}, b"{}"))


@pytest.mark.parametrize("one_by_one", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (OK, Answer(200, b"ok")),
        (CHUNKED, Answer(200, b"hello there")),
        (UNTIL_CLOSED + b"to the end", Answer(200, b"to the end")),
        (UNTIL_CLOSED, Answer(200, b"")),
        (b"HTTP/1.0 200 OK\r\n\r\nold", Answer(200, b"old")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Answer(200, b"ok")),
        (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK, Answer(200, b"ok")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, b"")),
        (b"HTTP/1.1 400 \r\ncontent-length:2\r\n\r\n{}", Answer(400, b"{}")),
        (b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", Answer(503, b"")),
        (b"HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n", Answer(599, b"")),
    ],
)
async def test_an_answer_is_read_whole(
    reply: bytes, answer: Answer, one_by_one: bool
) -> None:
    """However its end is told, and in however many packets it comes."""
    async with line_to(peer(saying(reply, one_by_one=one_by_one))) as line:
        assert await ask(line) == answer


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (b"", "closed by the exchange"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed by the exchange"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "closed by the"),
        (CHUNKED[:-20], "closed by the exchange"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "closed by the exchange"),
        (b"garbage\r\n\r\n", "not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46\x00\x00\r\n\r\n", "not HTTP"),
        (b"HTTP/one 200 OK\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", "not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            "not HTTP",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "not HTTP",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n" + b"x" * 1_000_001,
            "too large",
        ),
        (UNTIL_CLOSED + b"x" * 1_500_000, "too large"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_an_answer_that_does_not_come_whole(reply: bytes, told: str) -> None:
    """It may have been executed, so that is all that is said; the line is dropped."""
    async with line_to(peer(saying(reply))) as line:
        with pytest.raises(LineError, match=told):
            await ask(line)
        assert not ready(line)
        with pytest.raises(NotSentError):
            _ = line.send("POST", "/order", {}, b"{}")


async def test_a_reset_connection_is_no_end() -> None:
    """An answer without a length that a reset cuts off was not read whole."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(UNTIL_CLOSED + b'{"success":true')
        await asyncio.sleep(0.01)
        hard = writer.get_extra_info("socket")
        hard.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with line_to(peer(talk)) as line:
        with pytest.raises(LineError, match=r"connection lost: .*reset"):
            await ask(line)


async def test_one_connection_serves_many_requests() -> None:
    """It is kept between requests, and not opened again while it is ready."""
    async with line_to(peer(saying(OK, CHUNKED, OK))) as line:
        assert not ready(line)
        for body in (b"ok", b"hello there", b"ok"):
            assert (await line.warm("/time")).body == body
            assert line.connections == 1


@pytest.mark.parametrize(
    "last",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_last_answer_ends_the_connection(last: bytes) -> None:
    """Where the exchange says that it will close, the next request has another."""
    async with line_to(peer(saying(last, OK))) as line:
        assert (await line.warm("/time")).body == b"ok"
        assert not ready(line)
        assert (await line.warm("/time")).body == b"ok"
        assert line.connections == 2


async def test_an_idle_connection_that_was_closed_is_not_written_to() -> None:
    """The request provably never left, and a new connection takes it."""
    closed = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(OK)(reader, writer)
        await closed.wait()

    async with line_to(peer(talk)) as line:
        await line.warm("/time")
        assert ready(line)
        closed.set()
        await until(lambda: not line.ready)
        with pytest.raises(NotSentError, match="no connection is ready"):
            _ = line.send("POST", "/order", {}, b"{}")
        assert (await ask(line)).body == b"ok"
        assert line.connections == 2


async def test_what_nobody_asked_for_is_no_answer() -> None:
    """An answer to no request drops the connection; the next gets its own."""
    spoken = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not spoken.is_set():
            writer.write(b"HTTP/1.1 408 Timeout\r\nContent-Length: 2\r\n\r\nno")
            spoken.set()
            await reader.read()
        await saying(OK)(reader, writer)

    async with line_to(peer(talk)) as line:
        await line.connect()
        await until(lambda: not line.ready)
        assert await ask(line) == Answer(200, b"ok")


async def test_nothing_is_sent_twice() -> None:
    """A connection that breaks after the request brings no second request."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request(reader))

    async with line_to(peer(talk)) as line:
        with pytest.raises(LineError):
            await ask(line)
        await asyncio.sleep(0.02)
    assert len(heard) == 1


async def test_one_request_at_a_time() -> None:
    """While an answer is awaited another request does not leave."""
    heard: list[bytes] = []
    go_on = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request(reader))
        await go_on.wait()
        writer.write(OK)
        heard.append(await reader.read())

    async with line_to(peer(talk)) as line:
        await line.connect()
        first = line.send("GET", "/time", {})
        assert not ready(line)
        with pytest.raises(NotSentError):
            _ = line.send("POST", "/order", {}, b"{}")
        go_on.set()
        assert await line.answer_of(first) == Answer(200, b"ok")
        assert ready(line)
        line.close()
        await asyncio.sleep(0.02)
    assert [len(words) > 0 for words in heard] == [True, False]


async def test_a_busy_connection_is_given_up_for_a_new_one() -> None:
    """connect() has a ready one: whoever still waits on the old one is told."""
    async with line_to(peer(silent)) as line:
        await line.connect()
        waiting = asyncio.create_task(line.answer_of(line.send("GET", "/time", {})))
        await asyncio.sleep(0)
        await line.connect()
        assert ready(line)
        with pytest.raises(LineError, match="closed by the exchange"):
            await waiting
        assert ready(line)
        assert line.connections == 2


async def test_many_who_connect_share_one_connection() -> None:
    """The second waits for the first's connection."""
    async with line_to(peer(silent)) as line:
        await asyncio.gather(*(line.connect() for _ in range(5)))
        assert line.connections == 1


def listening() -> tuple[socket.socket, str]:
    """A listening socket that nothing serves, and its address."""
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    return server, f"127.0.0.1:{server.getsockname()[1]}"


async def test_the_bytes_have_left_when_send_returns() -> None:
    """The whole request, to the byte, is at the server before anything else runs."""
    server, address = listening()
    line = Line(f"http://{address}")
    body = b'{"a":"' + b"x" * 3000 + b'"}'
    head = (
        f"POST /order HTTP/1.1\r\nHost: {address}\r\nUser-Agent: lastsecond\r\n"
        "Accept: application/json\r\nPOLY_ADDRESS: 0x12\r\nPOLY_TIMESTAMP: 7\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with server:
        await line.connect()
        end, _ = server.accept()
        with end:
            answer = line.send(
                "POST", "/order", {"POLY_ADDRESS": "0x12", "POLY_TIMESTAMP": "7"}, body
            )
            assert end.recv(65536, socket.MSG_DONTWAIT) == head.encode() + body
            end.sendall(OK)
            assert await line.answer_of(answer) == Answer(200, b"ok")
            answer = line.send("GET", "/time", {})
            assert (
                end.recv(65536, socket.MSG_DONTWAIT)
                == (
                    f"GET /time HTTP/1.1\r\nHost: {address}\r\n"
                    "User-Agent: lastsecond\r\nAccept: application/json\r\n\r\n"
                ).encode()
            )
            line.close()
            with pytest.raises(LineError):
                await answer


async def test_nothing_listens() -> None:
    """A refused connection is told, and nothing was sent."""
    server, address = listening()
    server.close()
    line = Line(f"http://{address}")
    with pytest.raises(NotSentError, match=r"cannot connect: .*Connect call"):
        await line.connect()
    with pytest.raises(NotSentError, match="cannot connect"):
        await line.warm("/time")
    with pytest.raises(NotSentError, match="no connection is ready"):
        _ = line.send("GET", "/time", {})
    assert line.connections == 0
    line.close()
    line.close()


async def test_a_name_with_several_addresses() -> None:
    """The next address is tried where the first does not answer."""
    async with peer(saying(OK)) as address:
        line = Line(f"http://localhost:{address.rpartition(':')[2]}")
        assert await line.warm("/time") == Answer(200, b"ok")
        line.close()
        await asyncio.sleep(0)


async def test_a_connection_that_takes_too_long() -> None:
    """A handshake that does not end is given up in time, and can be tried again."""
    async with line_to(peer(silent), "https", connect_timeout=0.05) as line:
        for _ in range(2):
            with pytest.raises(NotSentError, match="cannot connect: TimeoutError"):
                await line.connect()
        assert line.connections == 0


async def test_an_answer_that_takes_too_long() -> None:
    """The time is for the whole answer, however it drips; then the line is dropped."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.01)

    async with line_to(peer(talk), answer_timeout=0.05) as line:
        with pytest.raises(LineError, match=r"no answer within 0\.05 s"):
            await ask(line)
        assert not ready(line)


async def test_the_times_are_those_of_the_rules() -> None:
    """Two seconds to connect and five to answer, unless told otherwise."""
    assert (CONNECT_TIMEOUT, ANSWER_TIMEOUT) == (2.0, 5.0)


async def test_cancelling_who_waits_leaves_nothing_behind() -> None:
    """The line stays busy until it is connected anew, and a late answer is dropped."""
    answered = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        await answered.wait()
        writer.write(OK)
        await saying(OK)(reader, writer)

    async with line_to(peer(late)) as line:
        waiting = asyncio.create_task(ask(line))
        await until(lambda: line.connections == 1 and not line.ready)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not ready(line)
        answered.set()
        await until(lambda: line.ready)
        assert (await line.warm("/time")).body == b"ok"
        assert line.connections == 1


async def test_closing_fails_who_waits() -> None:
    """close() is harmless when repeated, and ends a wait as a lost connection."""
    async with line_to(peer(silent)) as line:
        await line.connect()
        sent = line.send("POST", "/order", {}, b"{}")
        line.close()
        line.close()
        with pytest.raises(LineError):
            await line.answer_of(sent)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    openssl = which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-nodes", "-days", "1"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=sim"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    """A server's side of TLS."""
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return made


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have this machine trust that certificate, and no other, for one test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    trust.cache_clear()
    yield
    trust.cache_clear()


@pytest.mark.usefixtures("trusted")
async def test_tls_to_who_is_trusted(context: ssl.SSLContext) -> None:
    """Over TLS it is the same: one connection, many requests, the end seen."""
    async with line_to(peer(saying(OK, CHUNKED), context), "https") as line:
        assert (await line.warm("/time")).body == b"ok"
        assert (await ask(line)).body == b"hello there"
        assert line.connections == 1
        await until(lambda: not line.ready)
        with pytest.raises(NotSentError):
            _ = line.send("GET", "/time", {})


async def test_tls_to_who_is_not(context: ssl.SSLContext) -> None:
    """Nothing is sent to a server whose certificate nobody vouches for."""
    async with line_to(peer(silent, context), "https") as line:
        with pytest.raises(NotSentError, match="certificate"):
            await line.connect()


@pytest.mark.usefixtures("trusted")
async def test_tls_to_another_name(context: ssl.SSLContext) -> None:
    """A certificate for another name is none."""
    async with peer(silent, context) as address:
        line = Line(f"https://localhost:{address.rpartition(':')[2]}")
        with pytest.raises(NotSentError, match="certificate"):
            await line.connect()


async def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, until cancelled."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, 65536):
        await loop.sock_sendall(sink, data)


@pytest.mark.usefixtures("trusted")
async def test_tls_bytes_have_left_when_send_returns(context: ssl.SSLContext) -> None:
    """Encryption keeps nothing back: the socket has the request at once."""
    loop = asyncio.get_running_loop()
    server, address = listening()
    line = Line(f"https://{address}")
    async with peer(saying(OK), context) as upstream:
        with server, socket.socket() as far:
            far.setblocking(False)
            host, _, port = upstream.rpartition(":")
            await loop.sock_connect(far, (host, int(port)))
            connecting = asyncio.create_task(line.connect())
            near, _ = await loop.sock_accept(server)
            with near:
                pumps = [
                    asyncio.create_task(pump(near, far)),
                    asyncio.create_task(pump(far, near)),
                ]
                await connecting
                await asyncio.sleep(0.05)
                pumps[0].cancel()
                await asyncio.wait(pumps[:1])
                sent = line.send("POST", "/order", {}, b"x" * 2000)
                left = near.recv(65536, socket.MSG_DONTWAIT)
                assert len(left) > 2000
                await loop.sock_sendall(far, left)
                assert await line.answer_of(sent) == Answer(200, b"ok")
                line.close()
                pumps[1].cancel()
                await asyncio.wait(pumps)
