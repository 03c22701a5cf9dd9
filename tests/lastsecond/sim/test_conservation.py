"""Nothing is lost and nothing comes from nowhere, whatever is ordered."""

import asyncio
import contextlib
import json
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from lastsecond.clock import SystemClock
from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.matching import highest_fee
from lastsecond.sim import Account, Side, SimulatedExchange, Trade, order_faults
from lastsecond.sim.calls import RefusedError
from lastsecond.sim.engine import Engine
from lastsecond.sim.fills import FEE_RATE, Take, taken
from lastsecond.sim.ladder import plain
from tests.lastsecond.sim.conftest import until
from tests.lastsecond.sim.trader import Trader

UP = Outcome.UP
WINDOW = Window(Asset.BTC, Interval.FIVE_MINUTES, 1_790_000_100)
prices = st.integers(1, 99).map(lambda cents: cents * 10_000)
sizes = st.integers(1, 50_000_000)
asks = st.dictionaries(prices, sizes, max_size=5)


@dataclass(frozen=True)
class Wish:
    spend: int
    price: int
    order_type: str
    ghost: bool

    @property
    def shares(self) -> int:
        """The price's shares, rounded down to four decimals."""
        return self.spend * 10_000 // self.price * 100


wishes = st.builds(
    Wish,
    spend=st.integers(1, 40).map(lambda dollars: dollars * 1_000_000),
    price=prices,
    order_type=st.sampled_from(["FOK", "FAK"]),
    ghost=st.booleans(),
)


@given(asks, st.integers(1, 100_000_000), prices)
def test_a_fill_or_kill_takes_all_or_nothing(
    levels: dict[int, int], spend: int, limit: int
) -> None:
    """What is taken costs what was to be spent, but for less than a micro a level."""
    takes = taken(sorted(levels.items()), spend, limit, "FOK")
    cost = sum(take.cost for take in takes)
    assert all(take.price <= limit for take in takes)
    assert all(0 < take.shares <= levels[take.price] for take in takes)
    assert not takes or spend - len(takes) - 1 <= cost <= spend


@given(st.integers(1, 10**9), prices)
def test_the_fee_is_the_formula_to_five_decimals(shares: int, price: int) -> None:
    """Within half a grain of shares x 0.07 x p x (1 - p), and never nothing."""
    fee = Take(price, shares).fee
    exact = shares * 7 * price * (1_000_000 - price) / 100 / 10**12
    assert fee % 10 == 0
    assert fee >= 10
    assert abs(fee - exact) <= 5.000_001 or fee == 10


@settings(max_examples=25, deadline=None)
@given(asks, st.lists(wishes, max_size=5), st.integers(0, 60))
def test_money_and_shares_are_conserved(
    levels: dict[int, int], wanted: list[Wish], dollars: int
) -> None:
    """Balance, cost and fees sum up to what there was; shares come from the asks."""
    asyncio.run(_conserved(levels, wanted, dollars))


async def _conserved(levels: dict[int, int], wanted: list[Wish], dollars: int) -> None:
    exchange = SimulatedExchange(SystemClock())
    rules = exchange.rules
    rules.taker_hold = rules.mined_after = rules.confirmed_after = 0.0
    market = exchange.add_market(WINDOW)
    market.automatic_tick = False
    listed = [(plain(price), plain(size)) for price, size in levels.items()]
    market.snapshot(UP, [], listed)
    trader = Trader(exchange, 5, balance=str(dollars))
    engine = Engine(SystemClock(), exchange.markets, rules, lambda *_: None)
    for wish in wanted:
        body = trader.order(market, wish.spend, wish.shares, order_type=wish.order_type)
        fault = order_faults.ghost_fill() if wish.ghost else order_faults.PLAIN
        with contextlib.suppress(RefusedError):
            order = await engine.accept(trader.account, json.dumps(body).encode())
            await engine.execute(order, fault)
            assert order.cost <= wish.spend
            assert order.fee <= highest_fee(wish.spend, min(levels), FEE_RATE)
            assert order.cost * 1_000_000 <= order.shares * order.posted.limit
    ended = {"CONFIRMED", "FAILED"}
    await until(lambda: all(trade.status in ended for trade in engine.trades))
    _balanced(trader.account, engine.trades, dollars * 1_000_000)
    left = sum(size for _, size in market.ladder.levels(UP, Side.SELL))
    made = sum(trade.shares for trade in engine.trades)
    assert left + made == sum(levels.values())


def _balanced(account: Account, trades: list[Trade], opened: int) -> None:
    kept = [trade.order for trade in trades if trade.status == "CONFIRMED"]
    spent = sum(order.cost for order in kept)
    assert account.balance >= 0
    assert account.fees == sum(order.fee for order in kept)
    assert account.balance + spent + account.fees == opened
    held = sum(account.positions.values())
    assert held == sum(order.shares for order in kept)
