"""A live world on the simulated exchange, time moved so that its markets close soon.

Everything is real but the exchange: sockets, venue, ledger, watchman, halt.
"""

import asyncio
import sqlite3
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from eth_account import Account as Wallet

from config import Settings
from lastsecond import worlds
from lastsecond.clock import SystemClock
from lastsecond.feed import Subscription
from lastsecond.halt import Halt
from lastsecond.http import HttpSource
from lastsecond.lag import LoopLag
from lastsecond.ledger import open_ledger
from lastsecond.lock import wallet_lock
from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome, Window, midnight
from lastsecond.ports import World
from lastsecond.safeguards import Caps, Watchman
from lastsecond.sim import Account, ReceivedOrder, SimMarket, SimulatedExchange
from lastsecond.venues.live import LiveVenue
from lastsecond.venues.paper import PaperVenue
from lastsecond.venues.reconcile import Patience
from lastsecond.venues.twin import TwinVenue
from main import TradingBotRunner
from tests.scripted import no_epilogue

CLOSE = 1_795_653_900
"""Unix seconds: a whole quarter of an hour, not near midnight UTC."""

KEY = "0x" + "5e" * 32
ADDRESS = str(Wallet.from_key(KEY).address)
FUNDER = "0x1563915e194D8CfBA1943570603F7606A3115508"
QUICK = Patience(in_flight=round(1.5 * NANOSECONDS))
LIVE = replace(
    Settings(),
    private_key=KEY,
    min_time_to_start=2.0,
    arm_seconds=2.0,
    watch_after=0.0,
    settle_timeout=0.0,
    max_loop_lag=1.0,  # tests run beside other tests
    max_daily_loss=Decimal(100),
    max_open_exposure=Decimal(100),
)
LEFT = 5.2
"""Seconds from a stage's opening to CLOSE; a run starts while 2 are left, or not."""

T = TypeVar("T")
Play = Callable[[Path], Awaitable[T]]
"""Plays a run in a folder of its own."""

_BUSY = {
    *("loop_lag", "not_armed", "too_late", "woke_late"),
    *("no_book", "stale_book", "not_connected"),
}
_STAGGERS = 0.25, 1.0, 4.0
"""Seconds between two runs' beginnings, the first time, and where played anew."""


class Skipped(Protocol):
    """A market, and why it was skipped, if it was."""

    @property
    def reason(self) -> str: ...


def hindered(markets: Iterable[Skipped]) -> bool:
    """Whether one was skipped as a machine makes it that is busy elsewhere."""
    return any(market.reason in _BUSY for market in markets)


class Came(Generic[T]):
    """What each of many runs came to, or what it raised."""

    def __init__(self) -> None:
        self.runs: dict[str, T | BaseException] = {}

    def of(self, name: str) -> T:
        """What that one came to. Raises what it raised."""
        run = self.runs[name]
        if isinstance(run, BaseException):
            raise run
        return run


async def together(
    plays: Mapping[str, Play[T]], folder: Path, spoilt: Callable[[T], bool]
) -> Came[T]:
    """All of them under way together.

    Those that a busy machine spoilt, or that raised, are played anew, at most twice,
    and with ever fewer beside them; never one of which something was asserted in vain.
    """

    async def later(seconds: float, play: Play[T], own: Path) -> T:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(own.mkdir, parents=True)
        return await play(own)

    came = Came[T]()
    for stagger in _STAGGERS:
        left = [name for name in plays if _wants(came.runs.get(name), spoilt)]
        begun = [
            later(place * stagger, plays[name], folder / f"{place}-{stagger}")
            for place, name in enumerate(left)
        ]
        ended = await asyncio.gather(*begun, return_exceptions=True)
        came.runs |= dict(zip(left, ended, strict=True))
    return came


def _wants(run: T | BaseException | None, spoilt: Callable[[T], bool]) -> bool:
    """Whether it is to be played, for the first time or anew."""
    if run is None:
        return True
    if isinstance(run, BaseException):
        return not isinstance(run, AssertionError)
    return spoilt(run)


async def anew(play: Play[T], folder: Path, spoilt: Callable[[T], bool]) -> T:
    """The one play, together with none."""
    return (await together({"": play}, folder, spoilt)).of("")


class ShiftedClock(SystemClock):
    """Real time, moved so that it is CLOSE ``left`` seconds from now."""

    def __init__(self, left: float) -> None:
        self._shift = round((CLOSE - left) * NANOSECONDS) - super().now()

    def now(self) -> int:
        return super().now() + self._shift


def window(
    asset: Asset = Asset.BTC,
    interval: Interval = Interval.FIVE_MINUTES,
    *,
    after: int = 0,
) -> Window:
    """A window that ends ``after`` seconds after CLOSE, on the grid or not."""
    return Window(asset, interval, CLOSE + after - interval.seconds)


def show(
    market: SimMarket, ask: str | None, bid: str | None, *, size: str = "100"
) -> None:
    """The market's whole book, in Up's terms: one level on each side."""
    asks = [] if ask is None else [(ask, size)]
    bids = [] if bid is None else [(bid, size)]
    market.snapshot(Outcome.UP, bids, asks)


@dataclass(frozen=True)
class Row:
    """What the ledger's file says of one market."""

    state: str
    reason: str
    orders: tuple[str, ...]
    """Ids of the orders that it was armed with."""
    sends: tuple[str, ...]
    """Ids of those that were sent."""
    fills: tuple[tuple[str, int, int], ...]
    """(status, shares, cost) as they were learnt."""
    story: tuple[str, ...]
    """Every state that it went through."""


def ledger_rows(folder: Path) -> Mapping[str, Row]:
    """Every market of a folder's ledger by condition id, read by another hand."""
    with closing(sqlite3.connect(f"file:{folder}/ledger.db?mode=ro", uri=True)) as file:
        found = file.execute("SELECT condition_id, state, reason FROM markets")
        return {
            condition_id: Row(
                state,
                reason,
                _ids(file, "orders", condition_id),
                _ids(file, "sends", condition_id),
                tuple(
                    file.execute(
                        "SELECT status, shares, cost FROM fills JOIN orders "
                        "USING (order_id) WHERE condition_id = ? ORDER BY id",
                        (condition_id,),
                    )
                ),
                tuple(
                    step
                    for (step,) in file.execute(
                        "SELECT json_extract(detail, '$.to') FROM events "
                        "WHERE condition_id = ? AND json_extract(detail, '$.to') "
                        "IS NOT NULL ORDER BY id",
                        (condition_id,),
                    )
                ),
            )
            for condition_id, state, reason in found.fetchall()
        }


def _ids(file: sqlite3.Connection, table: str, condition_id: str) -> tuple[str, ...]:
    found = file.execute(
        f"SELECT order_id FROM {table} WHERE condition_id = ?", (condition_id,)
    )
    return tuple(order_id for (order_id,) in found)


def paper_venue(
    exchange: SimulatedExchange, clock: SystemClock, source: HttpSource
) -> PaperVenue:
    """Paper orders as far from the exchange as this machine is: not at all."""
    return PaperVenue(
        clock=clock,
        source=source,
        host=exchange.http_url,
        one_way=lambda: 0,
        hold=round(exchange.rules.taker_hold * NANOSECONDS),
    )


@dataclass(frozen=True)
class Stage:
    """An exchange with an account and markets, and a folder for what is kept."""

    exchange: SimulatedExchange
    clock: ShiftedClock
    account: Account
    settings: Settings
    markets: Sequence[SimMarket]

    @property
    def folder(self) -> Path:
        return Path(self.settings.data_dir)

    @property
    def halt(self) -> Halt:
        """The folder's halt, as another process would see it."""
        return Halt(self.folder, self.clock)

    def rows(self) -> Mapping[str, Row]:
        return ledger_rows(self.folder)

    def row(self, market: SimMarket) -> Row:
        return self.rows()[market.condition_id]

    def post(self, market: SimMarket) -> ReceivedOrder:
        """The one order that was posted for a market."""
        [received] = self.exchange.posts(market.condition_id)
        return received

    async def at(self, before_close: float) -> None:
        """Wait until that many seconds before CLOSE."""
        await self.clock.sleep_until(round((CLOSE - before_close) * NANOSECONDS))

    @asynccontextmanager
    async def world(self, patience: Patience = QUICK) -> AsyncIterator[World]:
        """What worlds.live opens, with time moved; the settings say whose orders."""
        exchange, clock = self.exchange, self.clock
        terms = self.settings.terms()
        async with AsyncExitStack() as stack:
            source = await stack.enter_async_context(HttpSource(clock))
            lag = await stack.enter_async_context(LoopLag(clock))
            hosts = replace(terms.hosts, clob=exchange.http_url)
            account, authority = await worlds.open_account(
                replace(terms, hosts=hosts), clock
            )
            stack.enter_context(wallet_lock(self.folder, account.funder))
            ledger = await stack.enter_async_context(
                open_ledger(
                    self.folder / "ledger.db",
                    clock=clock,
                    mode="LIVE",
                    wallet=account.funder,
                    settings_hash=terms.fingerprint,
                    code_version="test",
                    host=hosts.clob,
                )
            )
            await ledger.sweep(clock.now())
            halt = self.halt
            caps = Caps(
                limits=terms.limits,
                figures=lambda: ledger.figures(midnight(clock.now())),
                halted=lambda: halt.active,
                halt=halt.set,
            )
            yield World(
                clock=clock,
                source=source,
                new_stream=partial(Subscription, url=exchange.ws_url, clock=clock),
                venue=TwinVenue(
                    LiveVenue(
                        account,
                        authority,
                        source=source,
                        host=hosts.clob,
                        clock=clock,
                        patience=patience,
                    ),
                    paper_venue(exchange, clock, source),
                ),
                ledger=ledger,
                safeguards=Watchman(
                    clock_fault=lambda: None,
                    lag=lag.worst,
                    lag_limit=terms.loop_lag,
                    caps=caps,
                ),
                expect=lambda _: None,
                calm=no_epilogue,
                gamma_host=exchange.http_url,
                clob_host=exchange.http_url,
                epilogue=no_epilogue,
            )

    async def trade(self, patience: Patience = QUICK) -> None:
        """One run of the program: one poll, its markets, their orders' ends."""
        async with self.world(patience) as world:
            await TradingBotRunner(world, self.settings, once=True).run()


@asynccontextmanager
async def stage(
    folder: Path,
    windows: Sequence[Window],
    *,
    left: float = LEFT,
    settings: Settings = LIVE,
    balance: str = "1000",
    derived: bool = False,
) -> AsyncIterator[Stage]:
    """A stage whose CLOSE is ``left`` seconds away.

    ``derived``: the API key is not given, so it has to be asked for.
    """
    clock = ShiftedClock(left)
    async with SimulatedExchange(clock) as exchange:
        account = exchange.add_account(
            address=ADDRESS,
            funder=settings.funder_address or ADDRESS,
            signature_type=settings.signature_type,
            balance=balance,
        )
        markets = [exchange.add_market(window) for window in windows]
        for market in markets:
            show(market, "0.95", "0.93")
        settings = replace(settings, data_dir=str(folder))
        if not derived:
            settings = replace(
                settings,
                clob_api_key=account.api_key,
                clob_secret=account.secret,
                clob_passphrase=account.passphrase,
            )
        try:
            yield Stage(exchange, clock, account, settings, markets)
        finally:
            for market in exchange.markets.values():
                assert len(exchange.posts(market.condition_id)) <= 1, "bought twice"
