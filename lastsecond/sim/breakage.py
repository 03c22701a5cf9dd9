"""Ways to end an HTTP exchange badly."""

import socket
import struct

from aiohttp import web

_RESET = struct.pack("ii", 1, 0)


class NothingSent(web.Response):
    """Stands for the answer where there was none."""


def cut(request: web.Request, *, reset: bool) -> web.StreamResponse:
    """Drop the connection, with a TCP reset if so asked; nothing is answered."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if reset and raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return NothingSent()


async def truncated(
    request: web.Request, status: int, content_type: str, body: bytes
) -> web.StreamResponse:
    """Promise twice as many bytes as are sent, and close the connection."""
    response = web.StreamResponse(status=status)
    response.content_type = content_type
    response.content_length = len(body) * 2
    await response.prepare(request)
    await response.write(body)
    if request.transport is not None:
        request.transport.close()
    return response
