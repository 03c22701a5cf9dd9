"""LastSecondTrader: watch one market on two sockets, decide in its last second.

The rule, in full: at T - TRIGGER_SECONDS, and at every update after it until the close
T, buy the favourite if its best ask is at or under MAX_PRICE. The favourite is the
outcome with the higher best ask, if that exceeds MIN_PRICE. Buy once. Where anything is
unknown, stale or in dispute, do not buy, and say why.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from config import Settings
from lastsecond import money
from lastsecond.errors import FeedError
from lastsecond.history import MarketStatus
from lastsecond.market import MILLISECOND, NANOSECONDS, ConditionId, Outcome, TokenId
from lastsecond.measure import LINGER, Measurement
from lastsecond.orders import Intent, State
from lastsecond.ports import Gap, MarketStream, World
from lastsecond.purchase import Purchase
from lastsecond.reasons import SkipReason
from lastsecond.upkeep import Upkeep
from lastsecond.view import MarketView
from lastsecond.wire.market_channel import Event

logger = logging.getLogger(__name__)


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
        tally: Counter[str] | None = None,
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
        self._tally = Counter[str]() if tally is None else tally
        self._world = world
        self._settings = settings
        self._close = int(end_time.timestamp()) * NANOSECONDS
        self._trigger = self._close - round(settings.trigger_seconds * NANOSECONDS)
        self._view = MarketView(ticker, self.token_id_yes, self.token_id_no)
        self._noted = False
        self._state = State.DISCOVERED
        self._skipped: SkipReason | None = None
        self._triggered = False
        self._fired = asyncio.Event()
        self._spend = money.from_decimal(settings.trade_size)
        self._cap = money.from_decimal(settings.max_price)
        self._until = self._close + round(settings.watch_after * NANOSECONDS)
        self._resolved = asyncio.Event()
        self._measurement: Measurement | None = None
        self._purchase = Purchase(ticker, self.condition_id, world, self._intents)

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
        if fault := self._view.fault(now):
            return SkipReason(fault)
        if reason := self._price_objection():
            return reason
        if guard := self._world.safeguards.objection(self._spend):
            return SkipReason(guard)
        return None if self._purchase.ready else SkipReason.NOT_ARMED

    def _price_objection(self) -> SkipReason | None:
        if self.best_ask_yes is None or self.best_ask_no is None:
            return SkipReason.NO_ASK
        if self.winning_token_id is None:
            return SkipReason.NO_FAVOURITE
        if max(self.best_ask_yes, self.best_ask_no) > money.decimal(self._limit()):
            return SkipReason.ABOVE_CAP
        depth = self._view.leading(self.winning_token_id).depth_within(self._limit())
        return SkipReason.NOT_ENOUGH_DEPTH if depth < self._spend else None

    def _limit(self) -> int:
        """The highest price that would match: MAX_PRICE on the grid that was signed."""
        return self._purchase.limit_of(self.winning_token_id) or self._cap

    def _consider(self) -> None:
        """After the trigger, buy as soon as nothing speaks against it."""
        if not self._triggered or self.decided:
            return
        if self.check_trigger(self._remaining()):
            self._fire()

    def _fire(self) -> None:
        """Send the order for the favourite: its bytes leave first, words follow."""
        token = self.winning_token_id
        assert token is not None, "no favourite to buy"
        self.order_executed = self.decided = True
        self._purchase.fire(token, self._view)
        self._tally["buy"] += 1
        ask = money.text(self._view.leading(token).best_ask or 0, 3)
        asyncio.get_running_loop().call_soon(  # after other markets' orders of now
            self._decide,
            f"buy outcome={self._outcome(token)} ask={ask} "
            f"limit={money.text(self._limit(), 3)} size={self._settings.trade_size}",
            self._circumstances(),
        )
        self._fired.set()

    async def execute_order(self) -> None:
        """Send the one order for the favourite, if ready; record its answer, once."""
        if not self.order_executed:
            if self.winning_token_id is None or not self._purchase.ready:
                return
            self._fire()
        await self._purchase.settle_answer()

    # -- the market's life --

    async def is_known(self) -> bool:
        """Whether an earlier run made orders for this market: then decides "known".

        Raises LedgerError.
        """
        tokens = (self.token_id_yes, self.token_id_no)
        state = await self._world.ledger.discover(
            self.condition_id, self.ticker, self._close, tokens
        )
        untouched = state in {State.DISCOVERED, State.WATCHING, State.SKIPPED}
        if untouched and not self._world.ledger.was_armed(self.condition_id):
            self._noted = True
            return False
        self.skip(SkipReason.KNOWN)
        return True

    async def run(self) -> None:
        """Live the market to its close and a little on, its order to its end.

        One DECISION. Raises FeedError, and writes none, when no socket could be opened:
        the market is free to be tried again. Cancelling is safe, and decides "stopped".
        """
        try:
            if not self._noted and await self.is_known():
                return
            await self.connect_websocket()
            self._state = State.WATCHING
            self._world.ledger.move(self.condition_id, self._state)
            await self._watch()
        except FeedError:
            raise
        except asyncio.CancelledError:
            self.skip(SkipReason.STOPPED)
            raise
        except Exception:
            self.skip(SkipReason.FAILED)
            await self._hang_up()
            await self._purchase.follow()
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
        source = 0 if is_yes_token else 1
        async for frame in stream.frames():
            if isinstance(frame, Gap):
                self._view.forget(source, self._world.clock.monotonic())
                self._refresh()
                self._consider()
            else:
                self._take(frame.events, source)

    def process_market_update(self, data: Event, is_yes_token: bool) -> None:  # noqa: FBT001  the seed's
        """Take one event that came on the YES (or else the NO) socket, and consider."""
        self._take([data], 0 if is_yes_token else 1)

    def _take(self, events: Sequence[Event], source: int) -> None:
        clock = self._world.clock
        self._view.take(events, source, clock.monotonic(), clock.now())
        self._refresh()
        self._consider()
        if self._view.heard:
            self._resolved.set()

    async def _watch(self) -> None:
        upkeep = Upkeep(
            self.ticker,
            self._world,
            books=list(self._view.books.values()),
            streams=self._streams(),
            on_change=self._refresh,
        )
        measurement = self._measurement = Measurement(
            self._view,
            self._streams,
            self._world,
            close=self._close,
            until=self._until,
            cap=self._cap,
            spend=self._spend,
        )
        arm_at = self._trigger - round(self._settings.arm_seconds * NANOSECONDS)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self.listen_to_market())
            measuring = group.create_task(measurement.run())
            to_the_close = [
                group.create_task(upkeep.keep_alive(self._close, self._trigger)),
                group.create_task(upkeep.confirm_quiet_books(self._trigger)),
                group.create_task(self._purchase.arm_in_time(arm_at, self._trigger)),
            ]
            await self._act_in_time()
            _cancel(to_the_close)
            measurement.closed()
            group.create_task(self._purchase.follow())
            await self._until_or(self._until + LINGER, self._resolved)
            _cancel((listening, measuring))
            await self._hang_up()

    async def _act_in_time(self) -> None:
        """Wait for the trigger, then for a reason to buy or the close."""
        clock = self._world.clock
        await clock.wake_at(self._trigger)
        self._triggered = True
        self._consider()
        if not self.order_executed:
            reason, known = self._objection(), self._circumstances()
            await self._until_or(self._close, self._fired)
            if not self.order_executed:
                self.skip(reason or SkipReason.WOKE_LATE, known)
        if self.order_executed:
            await self.execute_order()
        await clock.sleep_until(self._close)

    async def _until_or(self, when: int, event: asyncio.Event) -> None:
        """Return at ``when`` (Unix ns), or sooner if ``event`` comes first."""
        waits: list[asyncio.Future[Any]] = [
            asyncio.create_task(self._world.clock.sleep_until(when)),
            asyncio.create_task(event.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            _cancel(waits)

    def _intents(self) -> list[Intent]:
        """What might be bought: either outcome, at the cap, on its book's grid."""
        return [
            Intent(
                condition_id=self.condition_id,
                ticker=self.ticker,
                token_id=token,
                outcome=self._outcome(token),
                spend=self._spend,
                limit=self._cap,
                tick=book.leading.tick_size or money.COARSE_TICK,
                close_at=self._close,
            )
            for token, book in self._view.books.items()
        ]

    async def _hang_up(self) -> None:
        await self._purchase.conclude()
        if self._measurement is not None:
            observation, self._measurement = self._measurement.observation(), None
            self._world.ledger.observe(self.condition_id, observation)
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
        self.best_ask_yes, self.best_ask_no = (
            None if (ask := book.best_ask) is None else money.decimal(ask)
            for book in self._view.books.values()
        )
        self._determine_winning_side()

    def status(self) -> MarketStatus:
        """What is known of the market now, for people."""
        age = self._view.age(self._world.clock.monotonic())
        token = self.winning_token_id
        book = None if token is None else self._view.leading(token)
        return MarketStatus(
            ticker=self.ticker,
            state=self._skipped or self._purchase.state or self._state,
            close_at=self._close,
            ask_up=self.best_ask_yes,
            ask_down=self.best_ask_no,
            favourite=None if token is None else self._outcome(token),
            bought=self._purchase.bought,
            depth=None if book is None else book.depth_within(self._limit()),
            book_age_ms=None if age is None else age // MILLISECOND,
        )

    def skip(self, reason: SkipReason, known: str | None = None) -> None:
        """Write why this market is not bought, unless it is decided already."""
        if self.decided:
            return
        self._skipped = reason
        self._tally[reason] += 1
        self._decide(f"skip reason={reason}", known or self._circumstances())
        if self._noted:
            self._world.ledger.move(self.condition_id, State.SKIPPED, reason)

    def _decide(self, decision: str, known: str) -> None:
        self.decided = True
        logger.info("DECISION %s %s %s", self.ticker, decision, known)

    def _circumstances(self) -> str:
        age = self._view.age(self._world.clock.monotonic())
        age_ms = "unknown" if age is None else age // MILLISECOND
        nobody = "unknown" if age is None else "none"
        up, down = self.best_ask_yes or nobody, self.best_ask_no or nobody
        return (
            f"ask_up={up} ask_down={down} t_minus={self._remaining():.3f} "
            f"book_age_ms={age_ms} mode={self._world.venue.label} "
            f"condition_id={self.condition_id}"
        )


def _cancel(tasks: Iterable[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
