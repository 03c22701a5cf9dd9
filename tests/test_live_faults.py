"""Live orders that meet every fault of the exchange: one POST, and the truth after it.

Each run has an exchange, an account and a folder of its own; all of them are under way
together, since most of the time is waiting. The first of a run's two markets meets the
fault; the second, a second later, shows whether trading went on.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome
from lastsecond.sim import (
    HttpFault,
    OrderFault,
    ReceivedOrder,
    TradeStatus,
    Verdict,
    order_faults,
)
from lastsecond.venues.reconcile import Patience
from main import TradingBotRunner
from tests.live_support import (
    CLOSE,
    LEFT,
    LIVE,
    QUICK,
    Came,
    Row,
    Stage,
    hindered,
    show,
    stage,
    together,
    window,
)

Act = Callable[[Stage], Coroutine[object, object, None]]


def known_of(received: ReceivedOrder) -> tuple[str, tuple[int, int] | None]:
    """The end of an order as the exchange knows it: state, and (shares, cost)."""
    order = received.order
    match received.verdict:
        case Verdict.MATCHED:
            assert order is not None
            ends = {trade.status for trade in order.trades}
            if ends == {TradeStatus.FAILED}:
                return "reverted", None
            assert ends == {TradeStatus.CONFIRMED}
            return "filled", (order.shares, order.cost)
        case Verdict.KILLED:
            return "killed", None
        case Verdict.REFUSED | Verdict.UNREAD:
            return "nothing", None
        case Verdict.HELD:
            return "held", None


def check_truth(row: Row, received: ReceivedOrder) -> None:
    """The ledger's end of a market is the exchange's, to the last micro."""
    state, bought = known_of(received)
    assert row.state == state or (
        state == "nothing" and row.state in {"killed", "rejected"}
    )
    assert row.sends == (received.order_id,)
    if bought is None:
        assert "filled" not in [status for status, _, _ in row.fills]
    else:
        assert row.fills[-1] == ("filled", *bought)


# -- one order, one fault --


async def _nothing(_: Stage) -> None:
    """The fault is all that happens."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with the first market's order, and how it must end."""

    end: str
    order: OrderFault | None = None
    reads: HttpFault | None = None
    """Of the reads that follow."""
    act: Act = _nothing
    """What happens meanwhile."""
    halts: str = ""
    """What the HALT file must say; empty: it must not be there."""
    settings: Settings = LIVE
    patience: Patience = QUICK
    balance: str = "1000"
    story: tuple[str, ...] = ()
    """States after SENT, where they are of interest."""
    left: float = LEFT


def seconds(number: float) -> int:
    return round(number * NANOSECONDS)


def reads(times: int, **how: Any) -> HttpFault:
    return HttpFault(path="/data/*", times=times, **how)


def during_hold(ask: str | None, bid: str) -> Act:
    """The book changes while the order is held back."""

    async def act(on: Stage) -> None:
        await on.at(0.93)
        market = on.markets[0]
        if ask and len(ask) > len("0.01"):
            market.set_tick("0.001")
        show(market, ask, bid)

    return act


def account(**fields: bool) -> Act:
    """The account is not what it was, from the beginning."""

    async def act(on: Stage) -> None:
        for name, value in fields.items():
            setattr(on.account, name, value)

    return act


def rules(**fields: Any) -> Act:
    """The exchange's rules are others."""

    async def act(on: Stage) -> None:
        for name, value in fields.items():
            setattr(on.exchange.rules, name, value)

    return act


def levels(**fields: Any) -> Act:
    """Three price levels have to be taken; the rules may be others, too."""

    async def act(on: Stage) -> None:
        await rules(**fields)(on)
        asks = [("0.95", "1.37"), ("0.96", "2.291"), ("0.97", "1.5"), ("0.99", "50")]
        on.markets[0].snapshot(Outcome.UP, [("0.93", "100")], asks)

    return act


def broken_line(manner: str, *, before_close: float) -> Act:
    """The next use of the lines fails like this, from then on until the trigger."""

    async def act(on: Stage) -> None:
        await on.at(before_close)
        faults = on.exchange.faults
        fault = HttpFault(path="/time", times=9)
        faults.http(replace(fault, manner=manner))  # type: ignore[arg-type]  # one of its own
        await on.at(1.1)

    return act


def said(status: int, error: str, *, executed: bool = False) -> OrderFault:
    """A refusal in these words."""
    return order_faults.answer(status, json.dumps({"error": error}), executed=executed)


NO_ID = '{"success":true,"errorMsg":"","orderID":"","status":"matched"}'
FAULTS: dict[str, Fault] = {
    "none": Fault(end="filled", story=("matched", "filled")),
    # the answer does not come
    "lost before the match": Fault(
        order=order_faults.answer_lost_before_match(), end="killed"
    ),
    "lost after the match": Fault(
        order=order_faults.answer_lost_after_match(),
        end="filled",
        story=("uncertain", "filled"),
    ),
    "cut on arrival": Fault(order=order_faults.cut_on_arrival(), end="killed"),
    "hangs, executed": Fault(order=order_faults.hang(executed=True), end="filled"),
    "hangs, not executed": Fault(order=order_faults.hang(executed=False), end="killed"),
    "slow": Fault(
        order=order_faults.slow(0.7), end="filled", story=("matched", "filled")
    ),
    "too slow": Fault(
        order=order_faults.slow(6.0), end="filled", story=("uncertain", "filled")
    ),
    "matched late": Fault(
        order=order_faults.slow_match(2.0), end="filled", story=("matched", "filled")
    ),
    "matched too late": Fault(order=order_faults.slow_match(6.5), end="filled"),
    "matched too late, unseen": Fault(
        order=order_faults.slow_match(5.5),
        act=rules(order_lookup="nothing", missing_order=""),
        patience=Patience(in_flight=seconds(8)),
        end="filled",
    ),
    "truncated, executed": Fault(
        order=order_faults.truncated(executed=True), end="filled"
    ),
    "truncated, not executed": Fault(
        order=order_faults.truncated(executed=False), end="killed"
    ),
    # an answer that proves nothing
    "500, executed": Fault(
        order=order_faults.could_not_run(executed=True), end="filled"
    ),
    "500, not executed": Fault(order=order_faults.could_not_run(), end="killed"),
    "garbage, executed": Fault(order=order_faults.garbage(executed=True), end="filled"),
    "garbage, not executed": Fault(
        order=order_faults.garbage(executed=False), end="killed"
    ),
    "context canceled, executed": Fault(
        order=order_faults.context_canceled(), end="filled"
    ),
    "context canceled, not executed": Fault(
        order=order_faults.context_canceled(executed=False), end="killed"
    ),
    "duplicated, executed": Fault(
        order=said(400, "order 0x1 is invalid. Duplicated.", executed=True),
        end="filled",
    ),
    "500 that reads like a kill, killed": Fault(
        order=said(500, "there are no matching orders"), end="killed"
    ),
    "502 in HTML, executed": Fault(
        order=order_faults.answer(502, "<html>Bad Gateway</html>", executed=True),
        end="filled",
    ),
    "success without an id, executed": Fault(
        order=order_faults.answer(200, NO_ID, executed=True), end="filled"
    ),
    "unsuccessful, executed": Fault(
        order=order_faults.unsuccessful("try again", executed=True), end="filled"
    ),
    "unsuccessful, not executed": Fault(
        order=order_faults.unsuccessful("try again"), end="killed"
    ),
    # accepted, to be followed
    "delayed, executed": Fault(
        order=order_faults.delayed(2.0, executed=True), end="filled"
    ),
    "delayed, dropped": Fault(
        order=order_faults.delayed(2.0, executed=False), end="killed"
    ),
    "live with nothing, executed": Fault(
        order=order_faults.live_with_nothing(1.0, executed=True), end="filled"
    ),
    "live with nothing, dropped": Fault(
        order=order_faults.live_with_nothing(1.0, executed=False), end="killed"
    ),
    "ghost fill": Fault(
        order=order_faults.ghost_fill(), end="reverted", story=("matched", "reverted")
    ),
    "confirmed late": Fault(
        order=order_faults.slow_confirmation(3.0),
        end="filled",
        story=("matched", "filled"),
    ),
    # the reads that follow fail
    "reads fail": Fault(
        order=order_faults.could_not_run(executed=True), reads=reads(7), end="filled"
    ),
    "reads are cut": Fault(
        order=order_faults.cut_on_arrival(),
        reads=reads(5, manner="reset"),
        end="killed",
    ),
    "reads are refused": Fault(
        order=order_faults.garbage(executed=True),
        reads=reads(4, status=401),
        end="filled",
    ),
    "reads are garbage": Fault(
        order=order_faults.garbage(executed=True),
        reads=reads(4, status=200, body="<html></html>"),
        end="filled",
    ),
    "reads hang": Fault(
        order=order_faults.answer_lost_after_match(),
        reads=reads(1, manner="hang"),
        end="filled",
    ),
    "trades listed late": Fault(
        order=order_faults.answer_lost_after_match(),
        act=rules(trade_lag=3.0),
        patience=Patience(in_flight=seconds(6)),
        end="filled",
    ),
    "trades of a matched order listed late": Fault(
        act=rules(trade_lag=4.0),
        patience=Patience(in_flight=seconds(6)),
        end="filled",
    ),
    # what the book does
    "nothing left to buy": Fault(act=during_hold(None, "0.95"), end="killed"),
    "dearer meanwhile": Fault(act=during_hold("0.995", "0.99"), end="killed"),
    "cheaper meanwhile": Fault(act=during_hold("0.80", "0.78"), end="filled"),
    "over three levels": Fault(act=levels(), end="filled"),
    "over three levels, as trades on pages": Fault(
        act=levels(trade_per_level=True, page_size=2), end="filled"
    ),
    # the line is down at the trigger
    "line reset": Fault(act=broken_line("reset", before_close=4), end="filled"),
    "line hangs at its last use": Fault(
        act=broken_line("hang", before_close=6.2),
        settings=replace(LIVE, arm_seconds=6.0),
        left=9.3,
        end="filled",
    ),
    # refused: the next may pass
    "425": Fault(order=order_faults.service_not_ready(), end="rejected"),
    "503 post-only": Fault(order=order_faults.post_only_mode(), end="rejected"),
    "503 disabled": Fault(
        order=said(503, "Trading is currently disabled."), end="rejected"
    ),
    "503 cancel-only": Fault(
        order=said(503, "Trading is currently cancel-only."), end="rejected"
    ),
    "429": Fault(order=order_faults.rate_limited(), end="rejected"),
    "no order id": Fault(order=order_faults.without_order_id(), end="rejected"),
    "no such book": Fault(
        order=said(400, "the orderbook 1 does not exist"), end="rejected"
    ),
    # refused: so would be the next
    "403 region": Fault(
        order=order_faults.region_refused(), end="rejected", halts="country"
    ),
    "403 region, by rule": Fault(
        act=rules(geoblocked=True), end="rejected", halts="country"
    ),
    "403 edge": Fault(
        order=order_faults.blocked_by_edge(), end="rejected", halts="403"
    ),
    "401": Fault(
        order=order_faults.unauthorized(), end="rejected", halts="CLOB_API_KEY"
    ),
    "key deleted": Fault(
        act=account(has_key=False), end="rejected", halts="CLOB_API_KEY"
    ),
    "banned": Fault(act=account(banned=True), end="rejected", halts="banned"),
    "closed only": Fault(
        act=account(closed_only=True), end="rejected", halts="only close positions"
    ),
    "deposit wallets only": Fault(
        act=rules(deposit_wallet_only=True), end="rejected", halts="SIGNATURE_TYPE=3"
    ),
    "no money": Fault(balance="3", end="rejected", halts="fund the account"),
    "unsuccessful for want of money": Fault(
        order=order_faults.unsuccessful("not enough balance / allowance"),
        end="rejected",
        halts="fund the account",
    ),
    "five shares": Fault(
        act=rules(five_share_minimum=True),
        settings=replace(LIVE, trade_size=Decimal(2)),
        end="rejected",
        halts="5 shares",
    ),
    "version": Fault(
        order=said(400, "order_version_mismatch"),
        end="rejected",
        halts="update this program",
    ),
}
HALTING = [name for name, fault in FAULTS.items() if fault.halts]
GOING_ON = [name for name, fault in FAULTS.items() if not fault.halts]


@dataclass(frozen=True)
class Ended:
    """A run's exchange and folder after it ended."""

    stage: Stage
    rows: Sequence[Row]
    """One for each market."""
    halted: str
    """What the HALT file says; empty when there is none."""

    def posts(self, place: int) -> Sequence[ReceivedOrder]:
        market = self.stage.markets[place]
        return self.stage.exchange.posts(market.condition_id)

    def hindered(self) -> bool:
        return hindered(self.rows)


@dataclass(frozen=True)
class Twice:
    """Two runs on one folder, one after the other."""

    first: Ended
    second: Ended

    def hindered(self) -> bool:
        return self.first.hindered() or self.second.hindered()


def ended(on: Stage) -> Ended:
    rows, halted = on.rows(), on.halt.read()
    return Ended(
        on,
        [rows[market.condition_id] for market in on.markets],
        halted.reason if halted else "",
    )


async def meet(fault: Fault, folder: Path) -> Ended:
    """Let a bot meet it."""
    windows = [window(), window(Asset.ETH, after=1)]
    async with stage(
        folder,
        windows,
        settings=fault.settings,
        balance=fault.balance,
        left=fault.left,
    ) as on:
        if fault.order:
            token = on.markets[0].token(Outcome.UP)
            on.exchange.faults.order(fault.order, token=token)
        if fault.reads:
            on.exchange.faults.http(replace(fault.reads))
        async with asyncio.TaskGroup() as group:
            group.create_task(fault.act(on))
            group.create_task(on.trade(fault.patience))
        return ended(on)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Came[Ended]:
    """Every fault was met."""
    plays = {name: partial(meet, fault) for name, fault in FAULTS.items()}
    folder = tmp_path_factory.mktemp("faults")
    return asyncio.run(together(plays, folder, Ended.hindered))


@pytest.mark.parametrize("name", FAULTS)
def test_one_post_and_the_ledger_ends_with_the_truth(
    runs: Came[Ended], name: str
) -> None:
    """Whatever was answered: one POST, and the end that the exchange knows."""
    fault, run = FAULTS[name], runs.of(name)
    assert len(run.posts(0)) == 1, run.rows[0]
    [received] = run.posts(0)
    assert received.arrived_at >= (CLOSE - 1) * NANOSECONDS
    row = run.rows[0]
    assert row.state == fault.end
    check_truth(row, received)
    after_sent = dict.fromkeys(row.story[row.story.index("sent") + 1 :])
    assert tuple(after_sent) == fault.story or not fault.story


@pytest.mark.parametrize("name", GOING_ON)
def test_trading_goes_on_after_it(runs: Came[Ended], name: str) -> None:
    """What says nothing of the next order does not halt: the next market is bought."""
    run = runs.of(name)
    assert run.halted == ""
    [received] = run.posts(1)
    check_truth(run.rows[1], received)
    assert run.rows[1].state == "filled"


@pytest.mark.parametrize("name", HALTING)
def test_an_answer_that_meets_every_order_halts(runs: Came[Ended], name: str) -> None:
    """The HALT file says what to do, and the next market is skipped, nothing sent."""
    run = runs.of(name)
    assert FAULTS[name].halts in run.halted
    assert run.posts(1) == []
    assert (run.rows[1].state, run.rows[1].reason) == ("skipped", "halted")


# -- caps --


@dataclass(frozen=True, kw_only=True)
class Cap:
    """A cap, the orders that reach it, and one more market that must not be bought."""

    settings: Settings
    reason: str
    orders: int
    fault: Callable[[], OrderFault] | None = None
    at_once: bool = False
    """Whether all markets close in the same second."""
    cleared: bool = True
    """Whether the HALT file is taken away before the second run."""


CAPS = {
    "orders a day": Cap(
        settings=replace(LIVE, max_orders_per_day=2),
        reason="MAX_ORDERS_PER_DAY is 2",
        orders=2,
    ),
    "orders a day, HALT left": Cap(
        settings=replace(LIVE, max_orders_per_day=1),
        reason="MAX_ORDERS_PER_DAY is 1",
        orders=1,
        cleared=False,
    ),
    "exposure": Cap(
        settings=replace(LIVE, max_open_exposure=Decimal(12)),
        reason="MAX_OPEN_EXPOSURE is $12",
        orders=2,
    ),
    "exposure, at once": Cap(
        settings=replace(LIVE, max_open_exposure=Decimal(12)),
        reason="MAX_OPEN_EXPOSURE is $12",
        orders=2,
        at_once=True,
    ),
    "orders a day, at once": Cap(
        settings=replace(LIVE, max_orders_per_day=3),
        reason="MAX_ORDERS_PER_DAY is 3",
        orders=3,
        at_once=True,
    ),
    "loss": Cap(
        settings=replace(LIVE, max_daily_loss=Decimal(11)),
        reason="MAX_DAILY_LOSS is $11",
        orders=2,
    ),
    "rejections": Cap(
        settings=replace(LIVE, max_rejections=2),
        reason="MAX_REJECTIONS is 2",
        orders=2,
        fault=order_faults.service_not_ready,
    ),
    "uncertain answers": Cap(
        settings=replace(LIVE, max_uncertain=2),
        reason="MAX_UNCERTAIN is 2",
        orders=2,
        fault=lambda: order_faults.garbage(executed=True),
    ),
    "orders larger than allowed": Cap(
        settings=replace(LIVE, trade_size=Decimal(30)),
        reason="MAX_ORDER is $25",
        orders=0,
    ),
}
RESTART = 10
"""Seconds after CLOSE at which the market of the second run closes."""


async def reach(cap: Cap, folder: Path) -> Twice:
    kinds = [(asset, interval) for interval in Interval for asset in Asset]
    windows = [
        window(asset, interval, after=0 if cap.at_once else place)
        for place, (asset, interval) in enumerate(kinds)
    ]
    async with stage(folder, windows, settings=cap.settings) as on:
        if cap.fault:
            on.exchange.faults.order(cap.fault(), times=99)
        await on.trade()
        first = ended(on)
        if cap.cleared:
            on.halt.clear()
        later = on.exchange.add_market(window(after=RESTART))
        show(later, "0.95", "0.93")
        await on.trade()
        return Twice(first, ended(replace(on, markets=[later])))


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory, runs: Came[Ended]) -> Came[Twice]:
    """Every cap was reached, twice; after the faults, not beside them."""
    plays = {name: partial(reach, cap) for name, cap in CAPS.items()}
    folder = tmp_path_factory.mktemp("caps")
    return asyncio.run(together(plays, folder, Twice.hindered))


@pytest.mark.parametrize("name", CAPS)
def test_a_cap_that_is_reached_halts(capped: Came[Twice], name: str) -> None:
    """No order passes the cap, not of one second either; HALT names it."""
    cap, run = CAPS[name], capped.of(name).first
    sent = [row for row in run.rows if row.sends]
    rest = [row for row in run.rows if not row.sends]
    assert len(sent) == len(run.stage.exchange.orders) == cap.orders
    assert [(row.state, row.reason) for row in rest] == [("skipped", "halted")] * (
        4 - cap.orders
    )
    assert cap.reason in run.halted


@pytest.mark.parametrize("name", CAPS)
def test_a_cap_outlasts_a_restart(capped: Came[Twice], name: str) -> None:
    """HALT stays; where it is taken away, the ledger's own figures halt again."""
    cap, run = CAPS[name], capped.of(name).second
    assert run.posts(0) == []
    assert len(run.stage.exchange.orders) == cap.orders
    assert (run.rows[0].state, run.rows[0].reason) == ("skipped", "halted")
    assert cap.reason in run.halted


# -- stopping, and starting again --


async def stop(folder: Path, fault: OrderFault, *, after: float) -> Twice:
    """Stop, as a signal does, ``after`` seconds after the order's arrival."""
    async with stage(folder, [window()]) as on:
        on.exchange.faults.order(fault)
        async with on.world() as world:
            runner = TradingBotRunner(world, on.settings)
            running = asyncio.create_task(runner.run())
            while not on.exchange.orders and on.clock.now() < CLOSE * NANOSECONDS:
                await on.clock.sleep(0.005)
            await asyncio.sleep(after)
            runner.stop()
            await running
            assert runner.active_traders == {}
        first = ended(on)
        await on.trade()
        return Twice(first, ended(on))


async def give_up(folder: Path) -> Twice:
    """The exchange cannot be asked for as long as the first run asks."""
    async with stage(folder, [window()]) as on:
        on.exchange.faults.order(order_faults.answer_lost_after_match())
        failing = reads(10_000)
        on.exchange.faults.http(failing)
        await on.trade(replace(QUICK, follow_limit=seconds(2)))
        first = ended(on)
        failing.times = 0
        await on.trade()
        return Twice(first, ended(on))


async def doubt(folder: Path) -> Twice:
    """A matched order's trades are not listed for longer than one can be under way."""
    async with stage(folder, [window()]) as on:
        on.exchange.rules.trade_lag = 60.0
        await on.trade()
        first = ended(on)
        on.exchange.rules.trade_lag = 0.0
        await on.trade()
        return Twice(first, ended(on))


RESUMED: dict[str, tuple[str, str, Callable[[Path], Awaitable[Twice]]]] = {
    "an answer under way": (
        "matched",
        "filled",
        lambda folder: stop(folder, order_faults.slow(1.0), after=0.4),
    ),
    "an order in the hold": (
        "matched",
        "filled",
        lambda folder: stop(folder, order_faults.PLAIN, after=0.05),
    ),
    "a refusal under way": (
        "rejected",
        "rejected",
        lambda folder: stop(
            folder,
            replace(order_faults.service_not_ready(), before_answer=0.8),
            after=0.3,
        ),
    ),
    "an answer that never comes": (
        "uncertain",
        "filled",
        lambda folder: stop(folder, order_faults.hang(executed=True), after=0.5),
    ),
    "an exchange that cannot be asked": ("uncertain", "filled", give_up),
    "trades that are not listed": ("uncertain", "filled", doubt),
}


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory, runs: Came[Ended]) -> Came[Twice]:
    """Every run was ended early, and begun again."""
    plays = {name: play for name, (_, _, play) in RESUMED.items()}
    folder = tmp_path_factory.mktemp("resumed")
    return asyncio.run(together(plays, folder, Twice.hindered))


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_that_ends_early_loses_nothing(resumed: Came[Twice], name: str) -> None:
    """What was answered is recorded before the end; the next run learns the rest."""
    left, end, _ = RESUMED[name]
    run = resumed.of(name)
    assert run.first.rows[0].state == left
    assert run.second.rows[0].state == end
    [received] = run.second.posts(0)
    check_truth(run.second.rows[0], received)
    assert run.second.halted == ""
