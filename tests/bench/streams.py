"""The far end of market streams: a process of its own that sends what it is told to.

    python -m tests.bench.streams BLOCKS

It has the frames of tests/bench/corpus.py in pieces of the wire and sends them by what
it reads on its standard input: ``burst FIRST LAST PATH...`` sends those frames at once
to the sockets opened at those paths, ``pace N`` one frame to every socket N times a
second, from the first on, with the time of that turn. A path is ``/MARKET/NAME``;
markets differ in their ids only. Nothing is compressed, for anybody.
"""

import asyncio
import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from lastsecond.clock import SystemClock
from lastsecond.market import MILLISECOND
from tests.bench.corpus import Corpus, corpus, stamped

TURNS = 40
"""In how many parts all sockets get a paced frame, so that they do not come at once."""


class Streams:
    """The other end of the process, for whoever measures."""

    def __init__(self, url: str, process: "subprocess.Popen[str]") -> None:
        self.url = url
        self._process = process

    def burst(self, first: int, last: int, paths: Sequence[str]) -> None:
        """Have these frames sent at once to each of the paths."""
        self._tell(f"burst {first} {last} {' '.join(paths)}")

    def pace(self, a_second: int) -> None:
        """Have every socket that is open sent so many frames a second."""
        self._tell(f"pace {a_second}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


@contextmanager
def streams(blocks: int) -> Iterator[Streams]:
    """The far end on the last core, this process meanwhile on the others."""
    cores = os.sched_getaffinity(0)
    command = [sys.executable, "-m", "tests.bench.streams", str(blocks)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            if len(cores) > 1:
                os.sched_setaffinity(process.pid, {max(cores)})
                os.sched_setaffinity(0, cores - {max(cores)})
            yield Streams(f"ws://127.0.0.1:{port}", process)
        finally:
            os.sched_setaffinity(0, cores)
            process.kill()


def _milliseconds() -> int:
    return SystemClock().now() // MILLISECOND


class _Server:
    def __init__(self, frames: Corpus) -> None:
        self._sockets: dict[str, ServerConnection] = {}
        self._corpus = frames
        self._pacing: asyncio.Task[None] | None = None

    async def handle(self, connection: ServerConnection) -> None:
        """Take the subscription, send the opening books, stay until it is closed."""
        assert connection.request
        path = connection.request.path
        await connection.recv()
        await connection.send(self.market(path).opening.decode())
        self._sockets[path] = connection
        await connection.wait_closed()
        del self._sockets[path]

    def market(self, path: str) -> Corpus:
        return self._renamed(int(path.split("/")[1]))

    @functools.cache  # noqa: B019  lives as long as the process
    def _renamed(self, number: int) -> Corpus:
        return self._corpus.of_market(number)

    @functools.cache  # noqa: B019
    def wire(self, number: int) -> list[bytes]:
        """A market's frames as websocket frames."""
        return [
            Frame(Opcode.TEXT, text).serialize(mask=False)
            for text in self._renamed(number).frames
        ]

    def obey(self) -> None:
        """Do what the line on standard input says; end with it."""
        told = os.read(0, 65_536).decode()
        if not told:
            raise SystemExit
        for line in told.splitlines():
            what, *given = line.split()
            if what == "burst":
                first, last, *paths = given
                for path in paths:
                    number = int(path.split("/")[1])
                    frames = self.wire(number)[int(first) : int(last)]
                    self._sockets[path].transport.write(b"".join(frames))
            else:
                self._pacing = asyncio.create_task(self._pace(int(given[0])))

    async def _pace(self, a_second: int) -> None:
        loop = asyncio.get_running_loop()
        for path in self._sockets:
            self.wire(int(path.split("/")[1]))
        began, at = loop.time(), _milliseconds()
        for turn in count():
            due = began + turn / (a_second * TURNS)
            await asyncio.sleep(max(0, due - loop.time()))
            number, part = divmod(turn, TURNS)
            now = at + number * 1000 // a_second
            for path in list(self._sockets)[part::TURNS]:
                frame = self.wire(int(path.split("/")[1]))[number]
                self._sockets[path].transport.write(stamped(frame, now))


async def main() -> None:
    """Serve until standard input ends."""
    server = _Server(corpus(int(sys.argv[1])))
    asyncio.get_running_loop().add_reader(0, server.obey)
    async with serve(
        server.handle,
        "127.0.0.1",
        0,
        compression=None,
        ping_interval=None,
        max_queue=None,
    ) as listening:
        (address,) = [each.getsockname() for each in listening.sockets]
        print(address[1], flush=True)
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
