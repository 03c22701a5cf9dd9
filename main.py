"""TradingBotRunner and the command line: find markets, one task each, stop cleanly."""

import argparse
import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

from dotenv import dotenv_values

import config
from config import Settings
from gamma_15m_finder import UTC_FORMAT, GammaAPI15mFinder, MarketInfo
from hft_trader import LastSecondTrader, SkipReason
from lastsecond import worlds
from lastsecond.errors import ConfigError, FeedError, LastSecondError
from lastsecond.market import NANOSECONDS
from lastsecond.observe.logs import LEVELS, logging_to
from lastsecond.ports import World

STOP_TIMEOUT = 10.0
"""Seconds that traders get to end after a signal."""

LIVE_WARNING_SECONDS = 5

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
        self.finder = GammaAPI15mFinder(
            settings.max_minutes_ahead,
            source=world.source,
            clock=world.clock,
            host=world.gamma_host,
            kinds=(settings.assets, settings.intervals),
        )
        self._world = world
        self._settings = settings
        self._once = once
        self._stopping = asyncio.Event()
        self._closes: dict[str, int] = {}
        self._unconnected: dict[str, MarketInfo] = {}

    def stop(self) -> None:
        """Ask run() to end: no new work, sockets closed, tasks awaited."""
        self._stopping.set()

    async def run(self) -> None:
        """Poll and trade until stop(), or with ``once`` until its markets closed."""
        work = asyncio.create_task(self.poll_and_trade())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            await self._wind_up(work)
        if not work.cancelled():
            work.result()

    async def poll_and_trade(self) -> None:
        """Find markets and start their tasks, every POLL_INTERVAL."""
        while True:
            await self._poll()
            if self._once:
                break
            await self._world.clock.sleep(self.POLL_INTERVAL)
        if self.active_traders:
            await asyncio.wait(self.active_traders.values())
            await self._world.epilogue()

    async def start_trader_for_market(self, market: MarketInfo) -> None:
        """Wait for TRADER_START_BUFFER before the close, then trade to the close.

        A market whose sockets could not be opened is left to the next poll.
        """
        condition_id, close = market["condition_id"], _close_of(market)
        trader = self._trader(market)
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
        except FeedError:
            logger.error("UNCONNECTED %s left to the next poll", market["ticker"])
            self._unconnected[condition_id] = market
            self.monitored_markets.discard(condition_id)

    async def _poll(self) -> None:
        try:
            found = await self.finder.find_active_market() or []
        except Exception:
            logger.critical("POLL_FAILED", exc_info=True)
            found = []
        self._forget_closed()
        markets = self._unconnected | {m["condition_id"]: m for m in found}
        for market in markets.values():
            self._take_up(market)
        if not markets:
            logger.info("NO_MARKETS nothing closes within the next minutes")

    def _take_up(self, market: MarketInfo) -> None:
        """Give a market its one task, unless it has, or had, it."""
        condition_id = market["condition_id"]
        if condition_id in self.monitored_markets:
            return
        self.monitored_markets.add(condition_id)
        self._closes[condition_id] = _close_of(market)
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
        if not task.cancelled() and (error := task.exception()):
            logger.critical("MARKET_FAILED %s", task.get_name(), exc_info=error)

    def _forget_closed(self) -> None:
        """Drop what is known of markets that have closed and have no task."""
        now = self._world.clock.now()
        for condition_id, close in list(self._closes.items()):
            if close > now or condition_id in self.active_traders:
                continue
            del self._closes[condition_id]
            self.monitored_markets.discard(condition_id)
            if market := self._unconnected.pop(condition_id, None):
                self._trader(market).skip(SkipReason.NOT_CONNECTED)

    async def _wind_up(self, work: asyncio.Task[None]) -> None:
        tasks = [work, *self.active_traders.values()]
        running = [task for task in tasks if not task.done()]
        if running:
            logger.info("STOPPING tasks=%d", len(running))
            for task in running:
                task.cancel()
            _, late = await asyncio.wait(running, timeout=STOP_TIMEOUT)
            for task in late:
                logger.error("STILL_RUNNING %s after %g s", task, STOP_TIMEOUT)
        for market in self._unconnected.values():
            self._trader(market).skip(SkipReason.NOT_CONNECTED)
        self._unconnected.clear()

    def _trader(self, market: MarketInfo) -> LastSecondTrader:
        return LastSecondTrader(
            market["condition_id"],
            market["token_id_yes"],
            market["token_id_no"],
            datetime.strptime(market["end_time_utc"], UTC_FORMAT).replace(tzinfo=UTC),
            ticker=market["ticker"],
            world=self._world,
            settings=self._settings,
        )


def _close_of(market: MarketInfo) -> int:
    end = datetime.strptime(market["end_time_utc"], UTC_FORMAT).replace(tzinfo=UTC)
    return int(end.timestamp()) * NANOSECONDS


# -- the command line --


def parser() -> argparse.ArgumentParser:
    """The options of `python main.py`."""
    options = argparse.ArgumentParser(
        prog="python main.py",
        description="Watch Polymarket's BTC and ETH 5- and 15-minute Up or Down "
        "markets and decide in the last second of each whether to buy the favourite. "
        "Without --live nothing is ever bought: decisions and paper results go to "
        "log/trades.log.",
        epilog="Every setting of .env.example can stand in .env or the environment. "
        "Exit status: 0 done or stopped, 1 a fault, 2 wrong usage or settings.",
    )
    add = options.add_argument
    add("--live", action="store_true", help="send real orders, after a warning of 5 s")
    add(
        "--sim",
        action="store_true",
        help="offline: recorded markets on a simulated exchange on this machine",
    )
    add(
        "--once",
        action="store_true",
        help="look for markets once, see them to their close, and end",
    )
    add("--size", metavar="PUSD", help="spend this much on an order (TRADE_SIZE)")
    add(
        "--poll-interval",
        metavar="SECONDS",
        help="look for markets this often (POLL_INTERVAL)",
    )
    add(
        "--log-level",
        default="INFO",
        type=str.upper,
        choices=LEVELS,
        help="what the terminal shows; the files hold everything (default: INFO)",
    )
    return options


def read_settings(chosen: dict[str, str | None], dotenv: Path) -> Settings:
    """Settings from `.env`, the environment and the command line, later ones winning.

    Raises ConfigError.
    """
    try:
        written = dotenv_values(dotenv, interpolate=False) if dotenv.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{dotenv}: cannot be read: {error}") from None
    given = {name: text for name, text in chosen.items() if text is not None}
    settings = config.load({**written, **os.environ, **given})
    for line in config.strangers(list(written)):
        print(f"warning: {dotenv}: {line}", file=sys.stderr)
    holds_secrets = any(
        written.get(name)
        for name, spec in config.variables().items()
        if config.rule_of(spec).secret
    )
    if holds_secrets and dotenv.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        print(
            f"warning: {dotenv} holds a key and others may read it: chmod 600 {dotenv}",
            file=sys.stderr,
        )
    return settings


def open_world(settings: Settings, *, sim: bool) -> AbstractAsyncContextManager[World]:
    """The World that the options ask for; ``sim`` brings its own hosts."""
    if sim:
        return worlds.simulated()
    return worlds.paper(
        gamma_host=settings.gamma_host,
        clob_host=settings.clob_host,
        clob_ws_url=settings.clob_ws_url,
    )


def _on_signal(action: Callable[[], None]) -> None:
    """Call ``action`` at SIGINT or SIGTERM; leave a second signal to the system."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        action()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, first)


async def trade(settings: Settings, *, sim: bool, once: bool) -> int:
    """Run the bot to its end; the exit status."""
    async with open_world(settings, sim=sim) as world:
        runner = TradingBotRunner(world, settings, once=once)
        _on_signal(runner.stop)
        logger.info(
            "START mode=%s size=%s max_price=%s trigger_seconds=%g gamma=%s clob=%s",
            world.venue.label,
            settings.trade_size,
            settings.max_price,
            settings.trigger_seconds,
            world.gamma_host,
            world.clob_host,
        )
        await runner.run()
        logger.info("END")
    return 0


async def warn_live(settings: Settings) -> int:
    """Say what live means, wait, and end: live orders are not available yet."""
    stopped = asyncio.Event()
    _on_signal(stopped.set)
    own = "the address of PRIVATE_KEY" if settings.private_key else "no account yet"
    account = settings.funder_address or own
    print(
        f"LIVE: real orders of {settings.trade_size} pUSD each, at "
        f"{settings.max_price} a share or less, from {account}, "
        f"on {settings.clob_host}.\nCtrl-C within {LIVE_WARNING_SECONDS} s stops this.",
        flush=True,
    )
    try:
        async with asyncio.timeout(LIVE_WARNING_SECONDS):
            await stopped.wait()
    except TimeoutError:
        print(
            "Live trading is not available yet: nothing was sent. "
            "Run without --live for a dry run.",
            file=sys.stderr,
        )
        return 2
    print("Stopped. Nothing was sent.")
    return 0


def list_markets() -> int:
    """Print the markets that close next, as `python gamma_15m_finder.py` does."""

    async def find() -> list[MarketInfo]:
        async with open_world(settings, sim=False) as world:
            runner = TradingBotRunner(world, settings)
            return await runner.finder.find_active_market() or []

    try:
        settings = read_settings({}, Path(".env"))
        with logging_to(
            Path(settings.log_dir), level="WARNING", secrets=settings.secrets()
        ):
            found = asyncio.run(find())
    except LastSecondError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    for market in found:
        print(
            f"{market['end_time_utc']}  {market['minutes_until_end']:5.1f} min  "
            f"{market['ticker']:<28}  {market['title']}"
        )
    print(f"{len(found)} markets close within {settings.max_minutes_ahead:g} minutes.")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole program; the exit status."""
    options = parser().parse_args(arguments)
    chosen = {"TRADE_SIZE": options.size, "POLL_INTERVAL": options.poll_interval}
    try:
        settings = read_settings(chosen, Path(".env"))
        with logging_to(
            Path(settings.log_dir), level=options.log_level, secrets=settings.secrets()
        ):
            return _run(options, settings)
    except LastSecondError as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace, settings: Settings) -> int:
    try:
        if options.live:
            return asyncio.run(warn_live(settings))
        return asyncio.run(trade(settings, sim=options.sim, once=options.once))
    except LastSecondError:
        raise
    except Exception:
        logger.critical("FAULT of this program", exc_info=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
