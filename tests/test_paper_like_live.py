"""A dry run's results are what the same orders would have got live, to the last unit.

Two exchanges play the same 200 markets from the same seed at the same time, five
closing every second. On one the bot trades live, on the other on paper, equally far
away. Books change before the decision, while orders are held, and after; some sell too
little, some nothing, some too dear.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

import pytest

from hft_trader import LastSecondTrader
from lastsecond.feed import Subscription
from lastsecond.history import MarketRecord
from lastsecond.http import HttpSource
from lastsecond.ledger import open_ledger
from lastsecond.ledger.reading import read_history
from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome, Window
from lastsecond.orders import Figure, State
from lastsecond.ports import World
from lastsecond.settlement import Settlement
from lastsecond.sim import Account, SimMarket
from tests.live_support import (
    CLOSE,
    LIVE,
    ShiftedClock,
    Stage,
    anew,
    hindered,
    paper_venue,
    stage,
)
from tests.scripted import OpenGate, no_epilogue

SECONDS, EACH = 40, 5
LEFT = 12.5
BALANCE = 3_000
TRIGGER, HOLD = 3.5, 1.0
MOMENTS = (4.2, 3.0, 1.5)
"""Seconds before the close: before the decision, while orders are held, and after.

None is within 0.45 s of a decision (at 3.5, or at a later moment where the book allows
it only then) or of a matching, so that a slow machine changes nothing.
"""
SETTINGS = replace(
    LIVE,
    trader_start_buffer=11.0,
    watch_after=5.0,
    trigger_seconds=TRIGGER,
    arm_seconds=6.5,
    max_open_exposure=Decimal(100_000),
    max_daily_loss=Decimal(100_000),
    max_orders_per_day=10_000,
    paper_balance=Decimal(BALANCE),
)
COMPARED = ("state", "side", "limit", "spend", "shares", "cost", "fee", "payout")


@dataclass(frozen=True)
class Step:
    """The favourite's asks, cheapest first, and best bid, from a moment on."""

    before_close: float
    asks: tuple[tuple[str, str], ...]
    bid: str


@dataclass(frozen=True)
class Script:
    """One market's life; who leads may not be who wins.

    It closes at ``close`` (Unix seconds), whatever its slug says: there are but four
    slugs a second.
    """

    window: Window
    close: int
    favourite: Outcome
    winner: Outcome
    steps: tuple[Step, ...]


def scripts(seed: int) -> list[Script]:
    """The 200 markets of a seed."""
    random = Random(seed)
    found = []
    for number in range(SECONDS * EACH):
        favourite = random.choice(list(Outcome))
        wins = random.random() < 0.8
        found.append(
            Script(
                window=Window(Asset.BTC, Interval.FIVE_MINUTES, CLOSE - 300 - number),
                close=CLOSE + number // EACH,
                favourite=favourite,
                winner=favourite if wins else favourite.other,
                steps=tuple(_steps(random)),
            )
        )
    return found


def _steps(random: Random) -> list[Step]:
    steps = [_step(random, LEFT + SECONDS)]
    steps += [_step(random, m) for m in MOMENTS if random.random() < 0.4]
    return steps


def _step(random: Random, before_close: float) -> Step:
    best = random.choice((91, 93, 95, 96, 97, 98, 98, 99, 99, 100))
    levels = random.randint(1, 4)
    prices = [best + n for n in range(levels) if best + n < 100]
    asks = [(f"0.{p}", f"{random.uniform(0.5, 6):.2f}") for p in prices]
    return Step(before_close, tuple(asks), f"0.{best - 2}")


async def play(script: Script, market: SimMarket, clock: ShiftedClock) -> None:
    """Live the market as its script says; resolve it soon after its close."""
    for step in script.steps:
        at = script.close - step.before_close
        await clock.sleep_until(round(at * NANOSECONDS))
        bids = [(step.bid, "50")]
        market.snapshot(script.favourite, bids, step.asks)
    await clock.sleep_until(round((script.close + 1) * NANOSECONDS))
    market.wipe()
    market.resolve(script.winner)


async def follow(script: Script, market: SimMarket, world: World) -> None:
    """The bot's one market, from a few seconds before its close."""
    trader = LastSecondTrader(
        market.condition_id,
        market.token(Outcome.UP),
        market.token(Outcome.DOWN),
        datetime.fromtimestamp(script.close, UTC),
        ticker=market.slug,
        world=world,
        settings=SETTINGS,
    )
    start = script.close - round(SETTINGS.trader_start_buffer)
    await world.clock.sleep_until(start * NANOSECONDS)
    await trader.run()


async def trade(stage: Stage, world: World, played: Sequence[Script]) -> None:
    """All markets to their payout."""
    async with asyncio.TaskGroup() as group:
        for script, market in zip(played, stage.markets, strict=True):
            group.create_task(play(script, market, stage.clock))
            group.create_task(follow(script, market, world))
    bought = {market.condition_id for market in stage.markets}
    await Settlement(world).finish(bought, 20)


@asynccontextmanager
async def on_paper(stage: Stage) -> AsyncIterator[World]:
    """A dry run's world on the stage's exchange."""
    exchange, clock = stage.exchange, stage.clock
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(HttpSource(clock))
        ledger = await stack.enter_async_context(
            open_ledger(
                stage.folder / "ledger.db",
                clock=clock,
                mode="PAPER",
                wallet="paper",
                settings_hash="hash",
                code_version="test",
                host=exchange.http_url,
            )
        )
        yield World(
            clock=clock,
            source=source,
            new_stream=partial(Subscription, url=exchange.ws_url, clock=clock),
            venue=paper_venue(exchange, clock, source),
            ledger=ledger,
            safeguards=OpenGate(),
            expect=lambda _: None,
            calm=no_epilogue,
            gamma_host=exchange.http_url,
            clob_host=exchange.http_url,
            epilogue=no_epilogue,
        )


@asynccontextmanager
async def _held(stage: Stage) -> AsyncIterator[None]:
    """Takers of this exchange wait for HOLD."""
    stage.exchange.rules.taker_hold = HOLD
    yield


def told(market: MarketRecord) -> dict[str, object]:
    """What must be the same; the reason only where both say it alike by design."""
    same = {name: getattr(market, name) for name in COMPARED}
    if market.state is State.SKIPPED:
        same["reason"] = market.reason
    return same


@dataclass(frozen=True)
class Evening:
    """What both bots' ledgers came to, by condition id, and what the exchange saw."""

    live: Mapping[str, MarketRecord]
    paper: Mapping[str, MarketRecord]
    account: Account
    posts: int

    def hindered(self) -> bool:
        return hindered([*self.live.values(), *self.paper.values()])


async def play_evening(folder: Path) -> Evening:
    """The same 200 markets, traded live and on paper."""
    played = scripts(2026)
    windows = [script.window for script in played]
    live, paper = folder / "live", folder / "paper"
    live.mkdir()
    paper.mkdir()
    async with (
        stage(
            live, windows, left=LEFT, settings=SETTINGS, balance=str(BALANCE)
        ) as first,
        stage(paper, windows, left=LEFT, settings=SETTINGS) as second,
        _held(first),
        _held(second),
        first.world() as real,
        on_paper(second) as dry,
    ):
        await asyncio.gather(trade(first, real, played), trade(second, dry, played))
        account, posts = first.account, len(first.exchange.orders)
    return Evening(
        {m.condition_id: m for m in read_history(live / "ledger.db").markets},
        {m.condition_id: m for m in read_history(paper / "ledger.db").markets},
        account,
        posts,
    )


async def test_two_hundred_markets_end_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each market's state, side, shares, cost, fee and payout are those of live.

    What differs by design: ids (a paper order has no signature), the words of a kill
    (the exchange has one sentence for all, paper says what was missing), and times.
    """
    caplog.set_level(logging.WARNING)
    evening = await anew(play_evening, tmp_path, Evening.hindered)
    by_live, by_paper = evening.live, evening.paper
    assert len(by_live) == len(by_paper) == SECONDS * EACH
    differing = {
        market.ticker: (told(market), told(by_paper[condition_id]))
        for condition_id, market in by_live.items()
        if told(market) != told(by_paper[condition_id])
    }
    assert not differing, differing
    _is_worth_comparing(list(by_live.values()), evening.posts)
    _is_the_exchange_s_own_account(evening.account, list(by_live.values()))
    _twins_agree(list(by_live.values()))


def _is_worth_comparing(markets: Sequence[MarketRecord], posts: int) -> None:
    """Many of each kind: bought and won, bought and lost, killed, skipped."""
    states = Counter(market.state for market in markets)
    assert states[State.SETTLED] > 50
    assert states[State.KILLED] > 10
    assert states[State.SKIPPED] > 20
    assert posts == states[State.SETTLED] + states[State.KILLED]
    assert sum(market.payout == 0 for market in markets) > 5
    after = (TRIGGER - 0.1) * NANOSECONDS
    late = [m for m in markets if m.sent_at and m.close_at - m.sent_at < after]
    assert len(late) > 5, "some came under the cap only after the trigger"
    assert {"no_ask", "not_enough_depth"} <= {market.reason for market in markets}


def _is_the_exchange_s_own_account(
    account: Account, markets: Sequence[MarketRecord]
) -> None:
    """The ledger's money is what the exchange took."""
    bought = [market for market in markets if market.cost is not None]
    fees = sum(market.fee or 0 for market in bought)
    spent = sum(market.cost or 0 for market in bought)
    assert account.fees == fees
    assert account.balance == BALANCE * 1_000_000 - spent - fees


def _twins_agree(markets: Sequence[MarketRecord]) -> None:
    """Each real order's own twin on paper came to the same, its own take given back."""
    sent = [market for market in markets if market.sent_at is not None]
    for market in sent:
        twin = market.estimates[Figure.REALISTIC]
        assert twin.filled == (market.shares is not None), market.ticker
        if twin.filled:
            assert (twin.shares, twin.cost, twin.fee) == (
                market.shares,
                market.cost,
                market.fee,
            )
