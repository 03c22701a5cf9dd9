"""Keeps a market's sockets talking and its books true until the trigger.

A market may be quiet and its book still right; a socket may be open and dead. So
silence is judged by the age of data, and what is doubted is asked of /book. After the
trigger nothing here makes a request: the last second belongs to the order.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from lastsecond.errors import SourceError, WireError
from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.merge import MergedBook
from lastsecond.ports import MarketStream, World
from lastsecond.view import BOOK_AGE_LIMIT
from lastsecond.wire import clob

CONFIRM_LEAD = 3 * NANOSECONDS
"""How long before the trigger a book too quiet to last is asked for again."""

SILENCE_LIMIT = 5 * NANOSECONDS
"""Monotonic ns without data after which a socket is suspect."""

_SPOKE_SINCE = NANOSECONDS
_LAST_MINUTE = 60 * NANOSECONDS
_ROUND = 0.25
_ROUNDS = 4
_LAST_RENEWAL = 2 * NANOSECONDS
_MENDING_INTERVAL = 2 * NANOSECONDS
_BOOK_BUDGET = 1.5

logger = logging.getLogger(__name__)


def suspects(
    streams: Sequence[MarketStream], now: int, *, last_minute: bool
) -> list[MarketStream]:
    """The streams to renew: silent while another speaks, or all in the last minute.

    A market may be quiet: all silent together is suspect only close to the end.
    """
    silent = [s for s in streams if now - s.last_data > SILENCE_LIMIT]
    if len(silent) == len(streams):
        return silent if last_minute else []
    newest = max(stream.last_data for stream in streams)
    return [s for s in silent if newest - s.last_data > _SPOKE_SINCE]


class Upkeep:
    """One market's upkeep; its methods are tasks that end at the trigger."""

    def __init__(
        self,
        ticker: str,
        world: World,
        *,
        books: Sequence[MergedBook],
        streams: Sequence[MarketStream],
        on_change: Callable[[], None],
    ) -> None:
        """Look after ``books`` and ``streams``; ``on_change`` follows each answer."""
        self._ticker = ticker
        self._world = world
        self._books = books
        self._streams = streams
        self._on_change = on_change
        self._asked: dict[TokenId, int] = {}
        self._unconfirmed = 0
        self._rounds: dict[MarketStream, int] = {}
        self._renewals: set[asyncio.Task[None]] = set()

    async def keep_alive(self, close: int, trigger: int) -> None:
        """Renew silent sockets and mend doubtful books until ``trigger`` (Unix ns)."""
        clock = self._world.clock
        try:
            while clock.now() + _ROUND * NANOSECONDS < trigger:
                await clock.sleep(_ROUND)
                silent = self._silent(close)
                broken = self._broken()
                if clock.now() < trigger - _LAST_RENEWAL:
                    self._renew([*silent, *broken])
                await self._mend(silent, trigger)
        finally:
            for task in self._renewals:
                task.cancel()

    def _silent(self, close: int) -> list[MarketStream]:
        """The streams that have been suspect for a second on end."""
        clock = self._world.clock
        found = suspects(
            self._streams,
            clock.monotonic(),
            last_minute=close - clock.now() <= _LAST_MINUTE,
        )
        self._rounds = {s: self._rounds.get(s, 0) + 1 for s in found}
        return [s for s in found if self._rounds[s] >= _ROUNDS]

    def _broken(self) -> list[MarketStream]:
        """The streams whose leading book is doubtful: a new one opens with a true."""
        return [
            self._streams[book.leader] for book in self._books if book.leading.doubtful
        ]

    def _renew(self, streams: Sequence[MarketStream]) -> None:
        for stream in dict.fromkeys(streams):
            task = asyncio.create_task(stream.renew(), name=f"renew {stream.name}")
            self._renewals.add(task)
            task.add_done_callback(self._renewals.discard)

    async def confirm_quiet_books(self, trigger: int) -> None:
        """Ask once for each book that would be stale at the trigger if it stayed so."""
        await self._world.clock.sleep_until(trigger - CONFIRM_LEAD)
        now = self._world.clock.monotonic()
        quiet = [
            book
            for book in self._books
            if (age := book.age(now)) is None or age > BOOK_AGE_LIMIT - CONFIRM_LEAD
        ]
        await asyncio.gather(*(self._ask(book, trigger) for book in quiet))

    async def _mend(self, silent: Sequence[MarketStream], trigger: int) -> None:
        """Ask for what is doubtful or in dispute, each book every two seconds."""
        now = self._world.clock.monotonic()
        asking = []
        for book in self._books:
            doubtful, dispute = book.leading.doubtful, book.in_dispute(now)
            asked = self._asked.get(book.token_id, now - _MENDING_INTERVAL)
            broken = doubtful or dispute or silent
            if not broken or now - asked < _MENDING_INTERVAL:
                continue
            self._asked[book.token_id] = now
            logger.log(
                logging.WARNING if doubtful or dispute else logging.DEBUG,
                "BOOK_MENDING %s token=%s doubtful=%s dispute=%s silent=%s",
                self._ticker,
                book.token_id,
                doubtful,
                dispute,
                ",".join(stream.name for stream in silent) or "none",
            )
            asking.append(self._ask(book, trigger))
        await asyncio.gather(*asking)

    async def _ask(self, book: MergedBook, trigger: int) -> None:
        """Let /book confirm or replace what the sockets said, before the trigger."""
        left = (trigger - self._world.clock.now()) / NANOSECONDS
        if left <= 0:
            return
        url = f"{self._world.clob_host}/book"
        params = [("token_id", book.token_id)]
        try:
            body = await self._world.source.get(
                url, params, budget=min(left, _BOOK_BUDGET)
            )
            snapshot = clob.decode_book(body)
        except (SourceError, WireError) as error:
            self._complain(str(error))
            return
        if snapshot.asset_id != book.token_id:
            self._complain("the answer is another token's book")
            return
        fresh = book.verify(snapshot, self._world.clock.monotonic())
        self._on_change()
        logger.debug(
            "BOOK_ASKED %s token=%s fresh=%s", self._ticker, book.token_id, fresh
        )

    def _complain(self, reason: str) -> None:
        """Log a question without an answer: loudly once a market, then for the file."""
        level = logging.DEBUG if self._unconfirmed else logging.WARNING
        self._unconfirmed += 1
        logger.log(
            level,
            "BOOK_UNCONFIRMED %s n=%d %s",
            self._ticker,
            self._unconfirmed,
            reason,
        )
