"""A bot killed at any point of a market's life buys once, and knows what it bought.

The exchange runs here, each bot in a process of its own (tests/crash_child.py), with
its own wallet and folder. Each trades two markets: one at whose named points it kills
itself, and a bystander, which is wherever it is by then. It is started again at once,
while both markets can still be bought; what is asserted is the exchange's own record.
"""

import asyncio
import hashlib
import json
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lastsecond.clock import SystemClock
from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome, Window
from lastsecond.orders import UNRESOLVED, State
from lastsecond.sim import (
    OrderFault,
    ReceivedOrder,
    SimMarket,
    SimulatedExchange,
    TradeStatus,
    order_faults,
)
from lastsecond.venues.live import Account
from tests.crash_child import TRIGGER_SECONDS, Plan, Point
from tests.live_support import anew

ROOT = Path(__file__).parent.parent
LEAD = 7
"""Seconds from the start to the first triggers."""

BEFORE_ARMED = (Point.UNKNOWN, Point.DISCOVERED, Point.WATCHING, Point.SIGNED)
UNSENT = (Point.ARMED, Point.LEAVING)
IN_THE_DARK = (Point.LEFT, Point.SENT, Point.ANSWERED)

FAULTS: dict[str, Callable[[], OrderFault]] = {
    "answer lost after the match": order_faults.answer_lost_after_match,
    "answer lost before the match": order_faults.answer_lost_before_match,
    "500, executed": lambda: order_faults.could_not_run(executed=True),
    "delayed, executed": lambda: order_faults.delayed(1.0, executed=True),
    "delayed, dropped": lambda: order_faults.delayed(1.0, executed=False),
    "slow confirmation": lambda: order_faults.slow_confirmation(2.0),
    "ghost fill": order_faults.ghost_fill,
}
BOUGHT_NOTHING = {
    "answer lost before the match": State.KILLED,
    "delayed, dropped": State.KILLED,
    "ghost fill": State.REVERTED,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Where a bot dies, one life after the other, and how its market must end."""

    points: tuple[Point, ...]
    end: State | None
    """None where the moment decides."""
    posts: int | None
    fault: str = ""

    @property
    def name(self) -> str:
        return ", then ".join(self.points) + (f" ({self.fault})" if self.fault else "")


CASES = [
    *(Case(points=(p,), end=State.FILLED, posts=1) for p in BEFORE_ARMED),
    Case(points=(Point.ARMING,), end=None, posts=None),
    *(Case(points=(p,), end=State.KILLED, posts=0) for p in UNSENT),
    *(Case(points=(p,), end=State.FILLED, posts=1) for p in list(Point)[7:]),
    *(
        Case(points=(first, second), end=State.FILLED, posts=1)
        for first in (Point.LEFT, Point.SENT)
        for second in (Point.FOLLOWING, Point.FOLLOWED, Point.FILLED)
    ),
    Case(points=(Point.ARMED, Point.FOLLOWING), end=State.KILLED, posts=0),
    Case(
        points=(Point.WATCHING, Point.LEFT, Point.FOLLOWED), end=State.FILLED, posts=1
    ),
    *(
        Case(
            points=(point,),
            end=BOUGHT_NOTHING.get(fault, State.FILLED),
            posts=1,
            fault=fault,
        )
        for fault in FAULTS
        for point in IN_THE_DARK
    ),
    Case(
        points=(Point.LEFT, Point.FOLLOWED),
        end=State.FILLED,
        posts=1,
        fault="answer lost after the match",
    ),
]


@dataclass(kw_only=True)
class Walked:
    """What a bot's lives left behind."""

    case: Case
    market: SimMarket
    bystander: SimMarket
    address: str
    folder: Path
    statuses: list[int] = field(default_factory=list)
    posts: list[ReceivedOrder] = field(default_factory=list)
    """Of this wallet, for both markets."""

    def posts_for(self, market: SimMarket) -> list[ReceivedOrder]:
        return [p for p in self.posts if p.condition_id == market.condition_id]

    def once(self) -> bool:
        """Whether neither market was ordered twice."""
        both = self.market, self.bystander
        return all(len(self.posts_for(market)) <= 1 for market in both)

    def ledger(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "ledger.db")) as connection:
            return connection.execute(query, values).fetchall()

    def state(self, market: SimMarket) -> State:
        ((state,),) = self.ledger(
            "SELECT state FROM markets WHERE condition_id = ?", market.condition_id
        )
        return State(state)

    @property
    def log(self) -> str:
        return (self.folder / "child.log").read_text()

    @property
    def last_life(self) -> str:
        return self.log.rpartition("BORN")[2]


# -- the walk --

Start = Callable[[Plan], Awaitable[int]]


@asynccontextmanager
async def nursery() -> AsyncIterator[Start]:
    """What runs a bot by its plan, and returns its exit status."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.crash_child"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout
    assert await stdout.readline() == b"ready\n"
    ended: dict[str, asyncio.Future[int]] = {}

    async def listen() -> None:
        async for line in stdout:
            name, _, status = line.decode().strip().rpartition(" ")
            ended[name].set_result(int(status))

    async def start(plan: Plan) -> int:
        ended[plan.name] = asyncio.get_running_loop().create_future()
        stdin.write(plan.line())
        async with asyncio.timeout(60):
            return await ended[plan.name]

    listening = asyncio.create_task(listen())
    try:
        yield start
    finally:
        stdin.close()
        await process.wait()
        await listening


@asynccontextmanager
async def venue(
    fault: str, close: int
) -> AsyncIterator[tuple[SimulatedExchange, SimMarket, SimMarket]]:
    """An exchange with a market that meets ``fault``, and one that meets none."""
    async with SimulatedExchange(SystemClock()) as exchange:
        market, bystander = (
            exchange.add_market(Window(asset, Interval.FIVE_MINUTES, close - 300))
            for asset in (Asset.BTC, Asset.ETH)
        )
        for listed in (market, bystander):
            listed.snapshot(Outcome.UP, [("0.93", "9000")], [("0.95", "9000")])
        if fault:
            token = market.token(Outcome.UP)
            exchange.faults.order(FAULTS[fault](), times=1000, token=token)
        talking = asyncio.create_task(talk(market, bystander))
        try:
            yield exchange, market, bystander
        finally:
            talking.cancel()


async def talk(*markets: SimMarket) -> None:
    """Say what the books are, so that a bot that is up late hears of them."""
    while True:
        await asyncio.sleep(0.25)
        for market in markets:
            market.repeat()


async def live_and_die(
    start: Start, exchange: SimulatedExchange, walked: Walked
) -> None:
    """All the lives of one bot."""
    case = walked.case
    key = hashlib.sha256(case.name.encode()).hexdigest()
    address = Account(key, signature_type=0, funder="", chain_id=137).address
    account = exchange.add_account(address=address, funder=address, signature_type=0)
    walked.address = address
    for life, point in enumerate((*case.points, "")):
        plan = Plan(
            name=f"{walked.folder.name}.{life}",
            folder=str(walked.folder),
            point=point,
            market=walked.market.condition_id,
            http_url=exchange.http_url,
            ws_url=exchange.ws_url,
            private_key=key,
            api=(account.api_key, account.secret, account.passphrase),
        )
        walked.statuses.append(await start(plan))
    walked.posts = [
        post for post in exchange.orders if post.headers["POLY_ADDRESS"] == address
    ]


async def walk(folder: Path) -> dict[str, Walked]:
    """Every case at the same time, on an exchange for each fault."""
    async with AsyncExitStack() as stack:
        start = await stack.enter_async_context(nursery())
        close = SystemClock().now() // NANOSECONDS + LEAD + round(TRIGGER_SECONDS)
        venues = {
            fault: await stack.enter_async_context(venue(fault, close))
            for fault in ("", *FAULTS)
        }
        walks = []
        async with asyncio.TaskGroup() as group:
            for number, case in enumerate(CASES):
                exchange, market, bystander = venues[case.fault]
                walked = Walked(
                    case=case,
                    market=market,
                    bystander=bystander,
                    address="",
                    folder=folder / f"{number}",
                )
                walks.append(walked)
                group.create_task(live_and_die(start, exchange, walked))
    return {walked.case.name: walked for walked in walks}


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Walked]:
    """Walked anew where a busy machine brought most bots back too late."""

    def spoilt(walks: dict[str, Walked]) -> bool:
        return not in_time(walks) and all(w.once() for w in walks.values())

    return asyncio.run(anew(walk, tmp_path_factory.mktemp("crash"), spoilt))


def in_time(walks: dict[str, Walked]) -> bool:
    """Whether most restarts came while one could still buy."""
    known = [w for w in walks.values() if "reason=known" in w.last_life]
    return len(known) > len(CASES) // 2


every_case = pytest.mark.parametrize("name", [case.name for case in CASES])


# -- what must hold --


@every_case
def test_dies_where_it_should_and_ends_well(
    walks: dict[str, Walked], name: str
) -> None:
    """Every life but the last ended by SIGKILL, the last in an orderly way."""
    walked = walks[name]
    killed = [-signal.SIGKILL] * len(walked.case.points)
    assert walked.statuses == [*killed, 0], walked.log


@every_case
def test_no_market_is_ordered_twice(walks: dict[str, Walked], name: str) -> None:
    """The exchange saw one POST for a market at the most, over all lives."""
    walked = walks[name]
    assert walked.once(), walked.log
    if walked.case.posts is not None:
        assert len(walked.posts_for(walked.market)) == walked.case.posts, walked.log


@every_case
def test_the_ledger_ends_with_what_the_exchange_knows(
    walks: dict[str, Walked], name: str
) -> None:
    """Bought is FILLED with exact shares and cost; all else is known to be nothing."""
    walked = walks[name]
    if walked.case.end is not None:
        assert walked.state(walked.market) is walked.case.end, walked.log
    for market in (walked.market, walked.bystander):
        state = walked.state(market)
        assert state not in UNRESOLVED, walked.log
        bought = [
            (post.order.id, post.order.shares, post.order.cost)
            for post in walked.posts_for(market)
            if post.order and post.executed and confirmed(post)
        ]
        assert (state is State.FILLED) is bool(bought), walked.log
        assert filled(walked, market) == bought, walked.log


def confirmed(post: ReceivedOrder) -> bool:
    assert post.order is not None
    ends = {trade.status for trade in post.order.trades}
    assert ends <= {TradeStatus.CONFIRMED, TradeStatus.FAILED}
    return ends == {TradeStatus.CONFIRMED}


def filled(walked: Walked, market: SimMarket) -> Sequence[tuple[Any, ...]]:
    """What the ledger says was bought and is final."""
    return walked.ledger(
        "SELECT order_id, shares, cost FROM fills JOIN orders USING (order_id) "
        "WHERE condition_id = ? AND status = 'filled'",
        market.condition_id,
    )


@every_case
def test_what_was_armed_by_the_dead_is_known(
    walks: dict[str, Walked], name: str
) -> None:
    """While it could still be bought, the next life found it and let it be."""
    walked = walks[name]
    decisions = re.findall(rf"DECISION {walked.market.slug} .*", walked.last_life)
    if f"TAKEN_UP {walked.market.slug} " not in walked.last_life:
        assert not decisions  # it was closed by then
        return
    [decision] = decisions
    armed_by = walked.ledger(
        "SELECT run_id FROM arms WHERE condition_id = ?", walked.market.condition_id
    )
    if armed_by == [(len(walked.statuses),)]:
        assert " buy outcome=Up " in decision
    else:
        assert " skip reason=known " in decision


@every_case
def test_each_life_adds_to_one_chain_of_moves(
    walks: dict[str, Walked], name: str
) -> None:
    """No event is lost or forged: each move of a market begins where the last ended."""
    walked = walks[name]
    for market in (walked.market, walked.bystander):
        stands = State.DISCOVERED.value
        for (detail,) in walked.ledger(
            "SELECT detail FROM events WHERE condition_id = ? ORDER BY id",
            market.condition_id,
        ):
            step = json.loads(detail)
            if "to" in step:
                assert step["from"] == stands
                stands = step["to"]
        assert stands == walked.state(market)


def test_the_restarts_were_in_time(walks: dict[str, Walked]) -> None:
    """The proof is worth something."""
    assert in_time(walks)
