"""The far end of a measurement: a process of its own that answers, and stamps.

    python -m tests.bench.far_end [CPU]

Speaks the exchange's HTTP as far as an order needs it, and streams price changes over
websockets, 1,000 a second each. It never sleeps when it has a core of its own: the
stamp of a request is then the moment its last byte came. CLOCK_MONOTONIC is one for all
processes, so the stamps compare with the other end's.
"""

import json
import os
import re
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection

from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from lastsecond.clock import SystemClock
from lastsecond.market import NANOSECONDS

FRAMES_A_SECOND = 1_000
MARKET, UP, DOWN = "0x" + "3e" * 32, "1" * 77, "2" * 77

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KILLED = {
    "success": False,
    "errorMsg": "order couldn't be fully filled. FOK orders are fully filled or killed",
    "orderID": "",
    "status": "",
}
_ANSWERS: dict[str, object] = {
    "/time": 1_800_000_000,
    "/version": {"version": 2},
    f"/markets-by-token/{UP}": {"condition_id": MARKET},
    f"/clob-markets/{MARKET}": {
        "t": [{"t": UP, "o": "Up"}, {"t": DOWN, "o": "Down"}],
        "mts": 0.01,
        "nr": False,
        "fd": {"r": 0.07, "e": 1},
    },
    "/order": _KILLED,
}


def frame(number: int) -> bytes:
    """A price change of both tokens, as long as the exchange's."""
    cents = number % 98 + 1
    changes = [
        {
            "asset_id": token,
            "price": f"{price / 100:.2f}",
            "size": str(number % 900 + 1),
            "side": side,
            "hash": "5d" * 20,
            "best_bid": "0.5",
            "best_ask": "0.51",
        }
        for token, price, side in ((UP, cents, "BUY"), (DOWN, 100 - cents, "SELL"))
    ]
    message = {
        "market": MARKET,
        "price_changes": changes,
        "timestamp": str(1_800_000_000_000 + number),
        "event_type": "price_change",
    }
    return json.dumps(message).encode()


@dataclass(frozen=True)
class Seen:
    """What came since the last look, with the monotonic ns at which it had come."""

    requests: list[tuple[str, int]]
    """Method and path."""
    connections: list[int]
    last_order: bytes
    """The newest POST, head and body."""


@dataclass(frozen=True)
class FarEnd:
    """A far end that runs; its port on loopback."""

    port: int
    _control: HTTPConnection = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/market"

    def seen(self) -> Seen:
        """All that has come since this was last called; waits for the answer."""
        self._control.request("GET", "/seen")
        told = json.loads(self._control.getresponse().read())
        requests = [(str(line), int(at)) for line, at in told["requests"]]
        return Seen(requests, told["connections"], told["last_order"].encode())


@contextmanager
def far_end() -> Iterator[FarEnd]:
    """A far end on the last core, this thread meanwhile on the others."""
    cores = os.sched_getaffinity(0)
    core = max(cores)
    alone = [str(core)] if len(cores) > 1 else []
    command = [sys.executable, "-m", "tests.bench.far_end", *alone]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            control = HTTPConnection("127.0.0.1", port)
            if alone:
                os.sched_setaffinity(0, cores - {core})
            end = FarEnd(port, control)
            end.seen()
            yield end
            control.close()
        finally:
            os.sched_setaffinity(0, cores)
            process.kill()


class _Peer:
    """One connection, HTTP at first."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = accepted
        self.received = b""
        self.stream: ServerProtocol | None = None
        self.due: int | None = None
        self.sent = 0

    def request(self) -> tuple[str, bytes] | None:
        """The next whole request: its first line without the version, and all of it."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        length = _LENGTH.search(self.received, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self.received) < whole:
            return None
        raw, self.received = self.received[:whole], self.received[whole:]
        method, path, _ = raw.split(b"\r\n", 1)[0].decode().split(" ")
        return f"{method} {path}", raw


class _Server:
    """Every connection, and what came on them."""

    def __init__(self, *, spin: bool) -> None:
        self._clock = SystemClock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._longest = 0 if spin else 1
        self._peers: dict[int, _Peer] = {}
        self._requests: list[tuple[str, int]] = []
        self._connections: list[int] = []
        self._last_order = b""
        self._frames = [frame(number) for number in range(997)]

    def serve(self) -> None:
        """Until killed."""
        while True:
            for descriptor, _ in self._poll.poll(self._longest):
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._read(self._peers[descriptor])
            now = self._clock.monotonic()
            for peer in list(self._peers.values()):
                if peer.due is not None and peer.due <= now:
                    self._send_frame(peer, peer.due)

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        self._connections.append(self._clock.monotonic())
        self._peers[accepted.fileno()] = _Peer(accepted)
        self._poll.register(accepted, select.POLLIN)

    def _drop(self, peer: _Peer) -> None:
        self._poll.unregister(peer.socket)
        del self._peers[peer.socket.fileno()]
        peer.socket.close()

    def _read(self, peer: _Peer) -> None:
        try:
            came = peer.socket.recv(65_536)
        except ConnectionError:
            came = b""
        at = self._clock.monotonic()
        if not came:
            self._drop(peer)
        elif peer.stream is not None:
            self._take(peer, peer.stream, came)
        else:
            peer.received += came
            while found := peer.request():
                self._answer(peer, *found, at)

    def _answer(self, peer: _Peer, line: str, raw: bytes, at: int) -> None:
        path = line.split(" ")[1]
        if path == "/ws/market":
            peer.stream = ServerProtocol()
            self._take(peer, peer.stream, raw)
            return
        if path == "/seen":
            answer: object = {
                "requests": self._requests,
                "connections": self._connections,
                "last_order": self._last_order.decode(),
            }
            self._requests, self._connections = [], []
        else:
            self._requests.append((line, at))
            answer = _ANSWERS.get(path)
        if line.startswith("POST"):
            self._last_order = raw
        body = json.dumps(answer).encode()
        status = "404 Not Found" if answer is None else "200 OK"
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        peer.socket.sendall(head.encode() + body)

    def _take(self, peer: _Peer, stream: ServerProtocol, came: bytes) -> None:
        """The handshake is accepted; what is subscribed to starts the frames."""
        stream.receive_data(came)
        for event in stream.events_received():
            if isinstance(event, Handshake):
                stream.send_response(stream.accept(event))
            elif peer.due is None:
                peer.due = self._clock.monotonic()
        if stream.state is not State.OPEN:
            peer.due = None
        self._flush(peer, stream)

    def _send_frame(self, peer: _Peer, due: int) -> None:
        assert peer.stream is not None
        peer.due = due + NANOSECONDS // FRAMES_A_SECOND
        peer.sent += 1
        peer.stream.send_text(self._frames[peer.sent % len(self._frames)])
        self._flush(peer, peer.stream)

    def _flush(self, peer: _Peer, stream: ServerProtocol) -> None:
        try:
            peer.socket.sendall(b"".join(stream.data_to_send()))
        except ConnectionError:
            self._drop(peer)
        else:
            if stream.close_expected():
                self._drop(peer)


def main() -> None:
    """Print the port and serve."""
    if alone := sys.argv[1:]:
        os.sched_setaffinity(0, {int(alone[0])})
    server = _Server(spin=bool(alone))
    print(server.port, flush=True)
    server.serve()


if __name__ == "__main__":
    main()
