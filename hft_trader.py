"""LastSecondTrader: watch one market on two sockets, decide in its last second.

The rule, in full: at T - TRIGGER_SECONDS, and at every update after it until the close
T, buy the favourite if its best ask is at or under MAX_PRICE. The favourite is the
outcome with the higher best ask, if that exceeds MIN_PRICE. Buy once. Where anything is
unknown, stale or in dispute, do not buy, and say why.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from config import Settings
from lastsecond import money
from lastsecond.errors import FeedError
from lastsecond.market import NANOSECONDS, ConditionId, Outcome, TokenId
from lastsecond.merge import MergedBook
from lastsecond.orders import Fill, Intent
from lastsecond.ports import MarketStream, World
from lastsecond.upkeep import BOOK_AGE_LIMIT, Upkeep
from lastsecond.wire.market_channel import (
    BestBidAsk,
    BookSnapshot,
    Event,
    LastTrade,
    PriceChange,
    TickSizeChange,
)

logger = logging.getLogger(__name__)


class SkipReason(StrEnum):
    """Why a market was not bought: the words after ``reason=`` in a DECISION."""

    TOO_LATE = "too_late"  # found with less than MIN_TIME_TO_START left
    NOT_CONNECTED = "not_connected"  # no socket could be opened, or none is open
    NO_BOOK = "no_book"  # a token's book never came
    STALE_BOOK = "stale_book"  # the last word on it is too old
    DOUBTFUL_BOOK = "doubtful_book"  # it contradicts the exchange's own best prices
    CROSSED_BOOK = "crossed_book"  # its best bid is not below its best ask
    SOCKETS_DISAGREE = "sockets_disagree"  # the same moment, two different books
    NO_ASK = "no_ask"  # nobody sells one of the outcomes: no favourite, or none to buy
    NO_FAVOURITE = "no_favourite"  # equal asks, or none above MIN_PRICE
    ABOVE_CAP = "above_cap"  # the favourite's best ask exceeds MAX_PRICE
    STOPPED = "stopped"  # the program was told to stop
    WOKE_LATE = "woke_late"  # this machine came to the trigger only after the close
    FAILED = "failed"  # a fault of this program; the log has it


class LastSecondTrader:
    """One market, from its sockets' opening to its close; buys at most once."""

    def __init__(  # noqa: PLR0913  the seed's four, the market's name, two bundles
        self,
        condition_id: str,
        token_id_yes: str,
        token_id_no: str,
        end_time: datetime,
        *,
        ticker: str,
        world: World,
        settings: Settings,
    ) -> None:
        """Prepare; run() does the rest. ``end_time`` is aware, the market's close."""
        self.condition_id = ConditionId(condition_id)
        self.token_id_yes = TokenId(token_id_yes)
        self.token_id_no = TokenId(token_id_no)
        self.end_time = end_time
        self.ticker = ticker
        self.ws_yes: MarketStream | None = None
        self.ws_no: MarketStream | None = None
        self.best_ask_yes: Decimal | None = None
        self.best_ask_no: Decimal | None = None
        self.winning_token_id: TokenId | None = None
        self.order_executed = False
        self.decided = False
        self._world = world
        self._settings = settings
        self._close = int(end_time.timestamp()) * NANOSECONDS
        self._trigger = self._close - round(settings.trigger_seconds * NANOSECONDS)
        self._books = {
            token: MergedBook(token) for token in (self.token_id_yes, self.token_id_no)
        }
        self._triggered = False
        self._intent: Intent | None = None
        self._buying = asyncio.Event()

    # -- the last-second rule --

    def _determine_winning_side(self) -> None:
        """Name the favourite: the higher best ask, if it exceeds MIN_PRICE."""
        self.winning_token_id = None
        yes, no = self.best_ask_yes, self.best_ask_no
        if yes is None or no is None or yes == no:
            return
        if max(yes, no) > self._settings.min_price:
            self.winning_token_id = self.token_id_yes if yes > no else self.token_id_no

    def check_trigger(self, time_remaining: float) -> bool:
        """Whether to buy now, ``time_remaining`` seconds before the close."""
        in_time = 0 < time_remaining <= self._settings.trigger_seconds
        return in_time and not self.order_executed and self._objection() is None

    def _objection(self) -> SkipReason | None:
        """Why not to buy now, by what is known; None when nothing speaks against it."""
        if not any(stream.connected for stream in self._streams()):
            return SkipReason.NOT_CONNECTED
        now = self._world.clock.monotonic()
        for book in self._books.values():
            if reason := _fault(book, now):
                return reason
        if self.best_ask_yes is None or self.best_ask_no is None:
            return SkipReason.NO_ASK
        if self.winning_token_id is None:
            return SkipReason.NO_FAVOURITE
        if max(self.best_ask_yes, self.best_ask_no) > self._settings.max_price:
            return SkipReason.ABOVE_CAP
        return None

    async def execute_order(self) -> None:
        """Send the one order for the favourite; a second call does nothing."""
        intent = self._intent or self._make_intent()
        if self.order_executed or intent is None:
            return
        self.order_executed = True
        book = self._books[intent.token_id].leading
        result = await self._world.venue.buy(intent, book)
        detail = (
            f"shares={money.text(result.shares)} cost={money.text(result.cost)}"
            if isinstance(result, Fill)
            else f'reason="{result.reason}"'
        )
        logger.info(
            "ORDER %s %s mode=%s %s condition_id=%s",
            self.ticker,
            type(result).__name__.lower(),
            self._world.venue.label,
            detail,
            self.condition_id,
        )

    # -- the market's life --

    async def run(self) -> None:
        """Live the market to its close; writes exactly one DECISION.

        Raises FeedError, and writes none, when no socket could be opened: the market
        is free to be tried again. Cancelling is safe, and decides "stopped".
        """
        try:
            await self.connect_websocket()
            await self._watch_to_the_close()
        except FeedError:
            raise
        except asyncio.CancelledError:
            self.skip(SkipReason.STOPPED)
            raise
        except BaseException:
            self.skip(SkipReason.FAILED)
            raise
        finally:
            await self._hang_up()

    async def connect_websocket(self) -> None:
        """Open both sockets, each subscribed to both tokens; one is enough to go on.

        Raises FeedError when neither opens.
        """
        tokens = (self.token_id_yes, self.token_id_no)
        self.ws_yes = self._world.new_stream(f"{self.ticker}/yes", tokens)
        self.ws_no = self._world.new_stream(f"{self.ticker}/no", tokens)
        answers = await asyncio.gather(
            self.ws_yes.open(), self.ws_no.open(), return_exceptions=True
        )
        faults = [answer for answer in answers if answer is not None]
        for fault in faults:
            logger.error("CONNECT_FAILED %s", fault)
        if len(faults) == len(answers):
            raise faults[0]
        logger.info(
            "WATCHING %s t_minus=%.3f condition_id=%s",
            self.ticker,
            self._remaining(),
            self.condition_id,
        )

    async def listen_to_market(self) -> None:
        """Take in what both sockets say until they are closed."""
        async with asyncio.TaskGroup() as group:
            for stream, is_yes in ((self.ws_yes, True), (self.ws_no, False)):
                if stream is not None:
                    group.create_task(self._listen(stream, is_yes_token=is_yes))

    async def _listen(self, stream: MarketStream, *, is_yes_token: bool) -> None:
        async for frame in stream.frames():
            for event in frame.events:
                self.process_market_update(event, is_yes_token)

    def process_market_update(self, data: Event, is_yes_token: bool) -> None:  # noqa: FBT001  the seed's
        """Take one event that came on the YES (or else the NO) socket."""
        source = 0 if is_yes_token else 1
        at = self._world.clock.monotonic()
        match data:
            case PriceChange():
                for token, book in self._books.items():
                    mine = [c for c in data.changes if c.asset_id == token]
                    if mine:
                        book.change(mine, data.timestamp, source, at)
            case BookSnapshot() if data.asset_id in self._books:
                self._books[data.asset_id].snapshot(data, source, at)
            case BestBidAsk() | LastTrade() if data.asset_id in self._books:
                self._books[data.asset_id].touch(source, at)
            case TickSizeChange() if data.asset_id in self._books:
                book = self._books[data.asset_id]
                if book.set_tick(data.new_tick_size, source, at):
                    tick = money.text(data.new_tick_size)
                    logger.debug("TICK %s tick=%s", self.ticker, tick)
            case _:
                return
        self._refresh()
        self._consider()

    async def _watch_to_the_close(self) -> None:
        upkeep = Upkeep(
            self.ticker,
            self._world,
            books=list(self._books.values()),
            streams=self._streams(),
            on_change=self._refresh,
        )
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self.listen_to_market()),
                group.create_task(upkeep.keep_alive(self._close, self._trigger)),
                group.create_task(upkeep.confirm_quiet_books(self._trigger)),
            ]
            await self._act_in_time()
            for task in helpers:
                task.cancel()

    async def _act_in_time(self) -> None:
        """Wait for the trigger, then for a reason to buy or the close."""
        clock = self._world.clock
        await clock.sleep_until(self._trigger)
        self._triggered = True
        reason, known = self._objection(), self._circumstances()
        self._consider()
        close = asyncio.create_task(clock.sleep_until(self._close))
        buy = asyncio.create_task(self._buying.wait())
        try:
            await asyncio.wait((close, buy), return_when=asyncio.FIRST_COMPLETED)
            if self._buying.is_set():
                await self.execute_order()
            else:
                self.skip(reason or SkipReason.WOKE_LATE, known)
            await close
        finally:
            close.cancel()
            buy.cancel()

    def _consider(self) -> None:
        """After the trigger, decide to buy as soon as nothing speaks against it."""
        if not self._triggered or self.decided:
            return
        if self.check_trigger(self._remaining()) and (intent := self._make_intent()):
            self._intent = intent
            self._decide(
                f"buy outcome={intent.outcome} ask={money.text(intent.ask, 3)} "
                f"limit={money.text(intent.limit, 3)} size={self._settings.trade_size}",
                self._circumstances(),
            )
            self._buying.set()

    def _make_intent(self) -> Intent | None:
        """The order for the favourite as known now; None without one or its ask."""
        token = self.winning_token_id
        ask = None if token is None else self._books[token].best_ask
        if token is None or ask is None:
            return None
        return Intent(
            condition_id=self.condition_id,
            ticker=self.ticker,
            token_id=token,
            outcome=self._outcome(token),
            spend=money.from_decimal(self._settings.trade_size),
            limit=money.from_decimal(self._settings.max_price),
            ask=ask,
        )

    async def _hang_up(self) -> None:
        for stream in self._streams():
            with suppress(OSError):
                await stream.close()

    # -- what is known, and saying it --

    def _streams(self) -> list[MarketStream]:
        return [s for s in (self.ws_yes, self.ws_no) if s is not None]

    def _outcome(self, token: TokenId) -> Outcome:
        return Outcome.UP if token == self.token_id_yes else Outcome.DOWN

    def _remaining(self) -> float:
        return (self._close - self._world.clock.now()) / NANOSECONDS

    def _refresh(self) -> None:
        self.best_ask_yes = _price(self._books[self.token_id_yes].best_ask)
        self.best_ask_no = _price(self._books[self.token_id_no].best_ask)
        self._determine_winning_side()

    def skip(self, reason: SkipReason, known: str | None = None) -> None:
        """Write why this market is not bought, unless it is decided already."""
        if not self.decided:
            self._decide(f"skip reason={reason}", known or self._circumstances())

    def _decide(self, decision: str, known: str) -> None:
        self.decided = True
        logger.info("DECISION %s %s %s", self.ticker, decision, known)

    def _circumstances(self) -> str:
        now = self._world.clock.monotonic()
        ages = [book.age(now) for book in self._books.values()]
        known = [age for age in ages if age is not None]
        age = f"{max(known) // 1_000_000}" if len(known) == len(ages) else "unknown"
        up, down = self.best_ask_yes or "none", self.best_ask_no or "none"
        return (
            f"ask_up={up} ask_down={down} t_minus={self._remaining():.3f} "
            f"book_age_ms={age} mode={self._world.venue.label} "
            f"condition_id={self.condition_id}"
        )


def _fault(book: MergedBook, now: int) -> SkipReason | None:
    """What is wrong with one token's book; None when it can be believed."""
    lead, age = book.leading, book.age(now)
    if age is None or not lead.timestamp:
        return SkipReason.NO_BOOK
    if age > BOOK_AGE_LIMIT:
        return SkipReason.STALE_BOOK
    if book.in_dispute(now):
        return SkipReason.SOCKETS_DISAGREE
    if lead.doubtful:
        return SkipReason.DOUBTFUL_BOOK
    return SkipReason.CROSSED_BOOK if lead.crossed else None


def _price(amount: int | None) -> Decimal | None:
    return None if amount is None else money.decimal(amount)
