"""TradingBotRunner and the command line: find markets, one task each, stop cleanly."""

import argparse
import asyncio
import logging
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

import config
from config import Settings
from gamma_15m_finder import MarketInfo, close_of, end_of, finder_for
from hft_trader import LastSecondTrader
from lastsecond import worlds
from lastsecond.errors import (
    ConfigError,
    FeedError,
    LastSecondError,
    LedgerError,
    LockedError,
)
from lastsecond.market import NANOSECONDS
from lastsecond.observe import console
from lastsecond.observe.logs import logging_to
from lastsecond.observe.options import parse
from lastsecond.observe.terminal import board_on, watched
from lastsecond.ports import World
from lastsecond.purchase import clear_up
from lastsecond.reasons import SkipReason
from lastsecond.settlement import Settlement
from lastsecond.signals import until_signalled
from lastsecond.worlds import offline, orders

if TYPE_CHECKING:
    from lastsecond.observe.board import Board

STOP_TIMEOUT = 10.0  # seconds that traders get to end after a signal
CLEARING_UP = 45.0  # seconds that new work waits for orders of an earlier run
HALTED = 42  # exit status of a halted start: a service manager should not restart it
HELD = 3  # exit status where another process trades for the same wallet
_REMEMBERED = 3600 * NANOSECONDS

logger = logging.getLogger("main")


class TradingBotRunner:
    """Polls for markets and runs one task for each, from its finding to its close."""

    POLL_INTERVAL: float = Settings.poll_interval
    TRADER_START_BUFFER: float = Settings.trader_start_buffer
    MIN_TIME_TO_START: float = Settings.min_time_to_start

    def __init__(self, world: World, settings: Settings, *, once: bool = False) -> None:
        """Trade ``world`` by ``settings``; ``once``: one poll, its markets, the end."""
        self.POLL_INTERVAL = settings.poll_interval
        self.TRADER_START_BUFFER = settings.trader_start_buffer
        self.MIN_TIME_TO_START = settings.min_time_to_start
        self.active_traders: dict[str, asyncio.Task[None]] = {}
        self.monitored_markets: set[str] = set()
        self.traders: dict[str, LastSecondTrader] = {}
        self.next_poll: int | None = None
        self.finder = finder_for(settings, world.source, world.clock, world.gamma_host)
        self._world = world
        self._settings = settings
        self._once = once
        self._stopping = asyncio.Event()
        self._clearing: set[asyncio.Task[None]] = set()
        self._closes: dict[str, int] = {}
        self._unconnected: dict[str, tuple[MarketInfo, LastSecondTrader]] = {}
        self._decisions: Counter[str] = Counter()
        self._settlement = Settlement(world)
        self._bought: set[str] = set()

    def stop(self) -> None:
        """Ask run() to end: no new work, sockets closed, tasks awaited."""
        self._stopping.set()

    def summary(self) -> str:
        """How many markets were decided, and how."""
        each = " ".join(f"{how}={n}" for how, n in sorted(self._decisions.items()))
        return f"decisions={self._decisions.total()} {each}".rstrip()

    async def run(self) -> None:
        """Poll and trade until stop(), or with ``once`` until its markets closed."""
        work = asyncio.create_task(self._trade())
        settling = asyncio.create_task(self._settlement.run())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            settling.cancel()
            await self._wind_up(work)
        if not work.cancelled():
            work.result()

    async def _trade(self) -> None:
        """Clear up what an earlier run left open, before new work; not for ever."""
        self._clear_up()
        await asyncio.wait(self._clearing, timeout=CLEARING_UP)
        await self.poll_and_trade()

    def _clear_up(self) -> None:
        """Follow what is open and has no task here, unless that is being done."""
        if not self._clearing:
            task = asyncio.create_task(clear_up(self._world, self.active_traders))
            self._clearing.add(task)
            task.add_done_callback(self._clearing.discard)

    async def poll_and_trade(self) -> None:
        """Find markets and start their tasks, every POLL_INTERVAL."""
        while True:
            await self._world.calm()
            await self._poll()
            if self._once:
                break
            self._clear_up()
            pause = self.POLL_INTERVAL
            self.next_poll = self._world.clock.now() + round(pause * NANOSECONDS)
            await self._world.clock.sleep(pause)
        if self.active_traders:
            await asyncio.wait(self.active_traders.values())
            await self._world.epilogue()
            await self._settlement.finish(self._bought, self._settings.settle_timeout)

    async def start_trader_for_market(self, market: MarketInfo) -> None:
        """Wait for TRADER_START_BUFFER before the close, then trade to the close.

        A market whose sockets could not be opened is left to the next poll.
        """
        condition_id, close = market["condition_id"], close_of(market)
        trader = self.traders[condition_id] = self._trader(market)
        try:
            if await trader.is_known():
                return
        except LedgerError as error:
            self._leave_to_next_poll(market, trader, error)
            return
        self._world.expect(close)
        left = close - self._world.clock.now()
        if left < self.MIN_TIME_TO_START * NANOSECONDS:
            failed_before = self._unconnected.pop(condition_id, None)
            trader.skip(
                SkipReason.NOT_CONNECTED if failed_before else SkipReason.TOO_LATE
            )
            return
        lead = round(self.TRADER_START_BUFFER * NANOSECONDS)
        try:
            await self._world.clock.sleep_until(close - lead)
        except asyncio.CancelledError:
            trader.skip(SkipReason.STOPPED)
            raise
        self._unconnected.pop(condition_id, None)
        try:
            await trader.run()
        except FeedError as error:
            self._leave_to_next_poll(market, trader, error)
        if trader.order_executed:
            self._bought.add(condition_id)

    def _leave_to_next_poll(
        self, market: MarketInfo, trader: LastSecondTrader, error: LastSecondError
    ) -> None:
        logger.error("LEFT_TO_NEXT_POLL %s %s", market["ticker"], error)
        self._unconnected[market["condition_id"]] = market, trader
        self.monitored_markets.discard(market["condition_id"])

    async def _poll(self) -> None:
        try:
            found = await self.finder.find_active_market() or []
        except Exception:
            logger.critical("POLL_FAILED", exc_info=True)
            found = []
        self._forget_closed()
        left = {cid: market for cid, (market, _) in self._unconnected.items()}
        markets = left | {m["condition_id"]: m for m in found}
        for market in markets.values():
            self._take_up(market)
        if not markets and self.finder.answered:
            logger.info("NO_MARKETS nothing closes within the next minutes")

    def _take_up(self, market: MarketInfo) -> None:
        """Give a market its one task, unless it has, or had, it."""
        condition_id = market["condition_id"]
        if condition_id in self.monitored_markets:
            return
        self.monitored_markets.add(condition_id)
        self._closes[condition_id] = close_of(market)
        logger.info(
            'TAKEN_UP %s closes="%s" minutes=%.2f title="%s" condition_id=%s',
            market["ticker"],
            market["end_time_utc"],
            market["minutes_until_end"],
            market["title"],
            condition_id,
        )
        task = asyncio.create_task(
            self.start_trader_for_market(market), name=market["ticker"]
        )
        self.active_traders[condition_id] = task
        task.add_done_callback(lambda ended: self._ended(condition_id, ended))

    def _ended(self, condition_id: str, task: asyncio.Task[None]) -> None:
        self.active_traders.pop(condition_id, None)
        self.traders.pop(condition_id, None)
        if not task.cancelled() and (error := task.exception()):
            logger.critical("MARKET_FAILED %s", task.get_name(), exc_info=error)

    def _forget_closed(self) -> None:
        """Drop what is known of markets that closed an hour ago and have no task.

        An hour, so that a clock that is set back brings no market back.
        """
        now = self._world.clock.now()
        for condition_id, close in list(self._closes.items()):
            if close > now or condition_id in self.active_traders:
                continue
            if left := self._unconnected.pop(condition_id, None):
                left[1].skip(SkipReason.NOT_CONNECTED)
            if close < now - _REMEMBERED:
                del self._closes[condition_id]
                self.monitored_markets.discard(condition_id)

    async def _wind_up(self, work: asyncio.Task[None]) -> None:
        tasks = [work, *self._clearing, *self.active_traders.values()]
        running = [task for task in tasks if not task.done()]
        if running:
            logger.info("STOPPING tasks=%d", len(running))
            for task in running:
                task.cancel()
            _, late = await asyncio.wait(running, timeout=STOP_TIMEOUT)
            for task in late:
                logger.error("STILL_RUNNING %s after %g s", task, STOP_TIMEOUT)
        for _, trader in self._unconnected.values():
            trader.skip(SkipReason.NOT_CONNECTED)
        self._unconnected.clear()

    def _trader(self, market: MarketInfo) -> LastSecondTrader:
        return LastSecondTrader(
            market["condition_id"],
            market["token_id_yes"],
            market["token_id_no"],
            end_of(market),
            ticker=market["ticker"],
            world=self._world,
            settings=self._settings,
            tally=self._decisions,
        )


# -- the command line --


def read_settings(
    chosen: dict[str, str | None], dotenv: Path, *, sim: bool = False
) -> Settings:
    """Settings from `.env`, the environment and the command line, later ones winning.

    With ``sim`` markets are by default looked for more often. Raises ConfigError.
    """
    try:
        written = dotenv_values(dotenv, interpolate=False) if dotenv.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{dotenv}: cannot be read: {error}") from None
    for line in config.strangers(list(written)):
        print(f"warning: {dotenv}: {line}", file=sys.stderr)
    given = {name: text for name, text in chosen.items() if text is not None}
    usual = {"POLL_INTERVAL": "20"} if sim else {}
    settings = config.load({**usual, **written, **os.environ, **given})
    if config.holds_secret(written) and dotenv.stat().st_mode & 0o077:
        print(
            f"warning: {dotenv} holds a key and others may read it: chmod 600 {dotenv}",
            file=sys.stderr,
        )
    return settings


async def trade(
    settings: Settings, options: argparse.Namespace, board: "Board | None"
) -> int:
    """Run the bot to its end, its status on ``board``; the exit status."""
    terms, once, live = settings.terms(), options.once, options.live
    if not options.sim and (halted := orders.halted(terms)):
        logger.warning("HALTED %s: no live orders until it is resumed", halted)
    async with offline.open_world(
        terms, sim=options.sim, once=once, live=live
    ) as world:
        logger.info(
            "START mode=%s size=%s max_price=%s trigger_seconds=%g gamma=%s clob=%s",
            world.venue.label,
            settings.trade_size,
            settings.max_price,
            settings.trigger_seconds,
            world.gamma_host,
            world.clob_host,
        )
        runner = TradingBotRunner(world, settings, once=once)
        async with watched(board, world, runner):
            await runner.run()
        logger.info("END %s", runner.summary())
    return 0 if runner.finder.answered else 1


async def trade_live(
    settings: Settings, options: argparse.Namespace, board: "Board | None"
) -> int:
    """Warn, wait, check, and trade with real orders; the exit status."""
    from lastsecond.worlds import reporting  # noqa: PLC0415  a dry run needs none

    terms = settings.terms()
    if not options.sim:
        if halted := orders.halted(terms):
            print(f"HALTED {halted}\n`python main.py resume` ends it.", file=sys.stderr)
            return HALTED
        cap, verdict = settings.max_price, reporting.verdict(terms)
        await console.warn_live(settings.trade_size, cap, terms, verdict=verdict)
        if await orders.check(terms):
            print("Not started: see above. Nothing was sent.", file=sys.stderr)
            return 1
    return await trade(settings, options, board)


def list_markets() -> int:
    """Print the markets that close next, as `python gamma_15m_finder.py` does."""

    async def find() -> int:
        async with worlds.reading() as (source, clock):
            finder = finder_for(settings, source, clock, settings.gamma_host)
            found = await finder.find_active_market() or []
        print(*console.market_lines(found), sep="\n")
        print(f"{len(found)} close within {settings.max_minutes_ahead:g} minutes.")
        return 0 if finder.answered else 1

    try:
        settings = read_settings({}, Path(".env"))
        with logging_to(Path(settings.log_dir), level="WARNING"):
            return asyncio.run(until_signalled(find()))
    except LastSecondError as error:
        print(error, file=sys.stderr)
        return 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole program; the exit status."""
    options = parse(arguments)
    chosen = {"TRADE_SIZE": options.size, "POLL_INTERVAL": options.poll_interval}
    try:
        settings = read_settings(chosen, Path(".env"), sim=options.sim)
        with (
            board_on(sys.stderr, wanted=options.board) as board,
            logging_to(
                Path(settings.log_dir),
                level=options.log_level,
                secrets=settings.secrets(),
                quiet=options.quiet,
                terminal=board.handler if board else None,
            ),
        ):
            return _run(options, settings, board)
    except LastSecondError as error:
        print(error, file=sys.stderr)
        return {LockedError: HELD, LedgerError: 1}.get(type(error), 2)
    except KeyboardInterrupt:
        return 0


def _run(options: argparse.Namespace, settings: Settings, board: "Board | None") -> int:
    terms = settings.terms()
    try:
        match options.command:
            case "halt":
                return orders.halt(terms, " ".join(options.reason))
            case "resume":
                return asyncio.run(orders.resume(terms))
            case "report":
                from lastsecond.worlds import reporting  # noqa: PLC0415  as above

                return reporting.report(terms, options)
            case "check":
                work = orders.check(terms)
            case _ if options.live:
                work = trade_live(settings, options, board)
            case _:
                work = trade(settings, options, board)
        return asyncio.run(until_signalled(work))
    except LastSecondError:
        raise
    except Exception:
        logger.critical("FAULT of this program", exc_info=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
