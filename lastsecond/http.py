"""JsonSource over aiohttp: timeouts, bounded retries, one warm pool of connections."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType

import aiohttp

from lastsecond.errors import SourceError
from lastsecond.market import NANOSECONDS
from lastsecond.ports import Clock

REQUEST_TIMEOUT = 10.0
"""Seconds for one request, connecting included."""

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 8.0
_LARGEST_BODY = 16_000_000

logger = logging.getLogger(__name__)


class _RetryableError(Exception):
    """The attempt failed; another may not. ``after``: seconds the server asked for."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class HttpSource:
    """One session; reads only. Use as an async context manager."""

    def __init__(self, clock: Clock, rng: random.Random | None = None) -> None:
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  jitter is no secret
        self._waiting = False

    async def __aenter__(self) -> "HttpSource":
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
            headers={"Accept": "application/json"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(
        self,
        url: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        budget: float = 25.0,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a 200 answer.

        429, 5xx and network faults are tried again, with doubled and jittered delays or
        the server's Retry-After, as long as ``budget`` seconds last. Other answers are
        final. Raises SourceError.
        """
        try:
            async with asyncio.timeout(budget):
                return await self._persist(url, params, budget, headers)
        except TimeoutError:
            raise SourceError(f"{url}: no answer within {budget:g} s") from None

    async def _persist(
        self,
        url: str,
        params: Sequence[tuple[str, str]],
        budget: float,
        headers: Mapping[str, str] | None,
    ) -> bytes:
        give_up = self._clock.monotonic() + int(budget * NANOSECONDS)
        delay = _FIRST_DELAY
        while True:
            try:
                answer = await self._once(url, params, headers)
            except _RetryableError as error:
                wait = max(error.after, delay * self._rng.uniform(0.5, 1.0))
                left = (give_up - self._clock.monotonic()) / NANOSECONDS
                if wait >= left:
                    raise SourceError(f"{url}: {error}") from error
                level = logging.DEBUG if self._waiting else logging.WARNING
                self._waiting = True
                logger.log(level, "RETRY url=%s wait=%.2f reason=%s", url, wait, error)
                await self._clock.sleep(wait)
                delay = min(delay * 2, _LONGEST_DELAY)
            else:
                self._waiting = False
                return answer

    async def _once(
        self,
        url: str,
        params: Sequence[tuple[str, str]],
        headers: Mapping[str, str] | None,
    ) -> bytes:
        try:
            async with self._session.get(
                url, params=params, headers=headers, allow_redirects=False
            ) as answer:
                if answer.status == 200:
                    return await _body(answer, url)
                raise self._refusal(answer, url)
        except TimeoutError:
            raise _RetryableError(f"no answer within {REQUEST_TIMEOUT:g} s") from None
        except aiohttp.ClientError as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise _RetryableError(reason) from error

    def _refusal(self, answer: aiohttp.ClientResponse, url: str) -> Exception:
        reason = f"HTTP {answer.status}"
        if answer.status == 429 or answer.status >= 500:
            asked = answer.headers.get("Retry-After", "")
            return _RetryableError(reason, self._seconds(asked))
        return SourceError(f"{url}: {reason}", answer.status)

    def _seconds(self, asked: str) -> float:
        """Retry-After: seconds, or an HTTP date; 0 when it says nothing usable."""
        if asked.isdecimal():
            return float(asked)
        try:
            when = parsedate_to_datetime(asked)
        except (TypeError, ValueError, OverflowError):
            return 0.0
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max(0.0, when.timestamp() - self._clock.now() / NANOSECONDS)


async def _body(answer: aiohttp.ClientResponse, url: str) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _LARGEST_BODY:
            raise SourceError(f"{url}: answer larger than {_LARGEST_BODY} bytes")
    return bytes(body)
