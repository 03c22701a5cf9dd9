"""Live orders over real sockets: which are sent, when, and that each is valid.

What is sent is judged by hand: hashes, signatures and codes are computed from the
bytes that arrived, with none of the program's or the vendor's code.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as Wallet
from eth_account.messages import SignableMessage
from eth_utils.crypto import keccak

from config import Settings
from lastsecond.market import NANOSECONDS, Asset, Interval, Outcome
from lastsecond.sim import Account, ReceivedOrder, Request, SimMarket, Verdict
from tests.eip712 import DOMAIN, ORDER_TYPE, nested_hash, struct_hash
from tests.live_support import (
    ADDRESS,
    CLOSE,
    FUNDER,
    LIVE,
    Row,
    ShiftedClock,
    Stage,
    anew,
    hindered,
    show,
    stage,
    window,
)

MICRO = 1_000_000
CAP = replace(LIVE, max_price=Decimal("0.987"))
LATEST = 50_000_000


# -- judging by hand --


def id_of(order: Mapping[str, Any]) -> str:
    """The order's id: its hash under the exchange's domain."""
    return "0x" + keccak(b"\x19\x01" + DOMAIN + struct_hash(order)).hex()


def signer_of(order: Mapping[str, Any]) -> str:
    """The address whose key signed the order, found from the signature."""
    struct = struct_hash(order)
    signature = bytes.fromhex(order["signature"][2:])
    if order["signatureType"] == 3:
        length = len(ORDER_TYPE).to_bytes(2, "big")
        assert signature[65:] == DOMAIN + struct + ORDER_TYPE + length
        signature, struct = signature[:65], nested_hash(order)
    signed = SignableMessage(b"\x01", DOMAIN, struct)
    return str(Wallet.recover_message(signed, signature=signature))


def check_headers(received: ReceivedOrder, account: Account) -> None:
    """The request carries the account's key and the code of these very bytes."""
    headers = received.headers
    assert headers["POLY_ADDRESS"] == account.address
    assert headers["POLY_API_KEY"] == account.api_key
    assert headers["POLY_PASSPHRASE"] == account.passphrase
    stamp = headers["POLY_TIMESTAMP"]
    assert abs(int(stamp) - received.arrived_at / NANOSECONDS) <= 1.1
    message = stamp.encode() + b"POST/order" + received.body
    secret = base64.urlsafe_b64decode(account.secret)
    code = hmac.new(secret, message, hashlib.sha256).digest()
    assert headers["POLY_SIGNATURE"] == base64.urlsafe_b64encode(code).decode()
    assert headers["Content-Type"] == "application/json"
    assert int(headers["Content-Length"]) == len(received.body)


def check_order(
    received: ReceivedOrder, account: Account, settings: Settings, *, tick: int
) -> str:
    """It is one fill-or-kill buy, well-formed and well signed; its id."""
    body = json.loads(received.body)
    order = body.pop("order")
    assert body == {
        "owner": account.api_key,
        "orderType": "FOK",
        "deferExec": False,
        "postOnly": False,
    }
    kind = account.signature_type
    assert order["signatureType"] == kind
    assert order["maker"] == account.funder
    assert order["signer"] == (account.funder if kind == 3 else account.address)
    assert order["side"] == "BUY"
    assert order["expiration"] == "0"
    assert 0 <= order["salt"] < 2**53
    assert signer_of(order) == account.address
    maker, taker = int(order["makerAmount"]), int(order["takerAmount"])
    assert maker == settings.trade_size * MICRO
    assert maker % 10_000 == 0
    assert taker % 100 == 0
    cap = int(settings.max_price * MICRO) // tick * tick
    assert Decimal(cap) / MICRO <= Decimal(maker) / taker < Decimal(cap + tick) / MICRO
    check_headers(received, account)
    return id_of(order)


# -- eight markets within two seconds --


class NotingLoop(asyncio.SelectorEventLoop):
    """A loop that notes when connections are opened, in machine nanoseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now: Callable[[], int] = lambda: 0
        self.connects: list[int] = []

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self.connects.append(self.now())
        await super().sock_connect(sock, address)


@dataclass(frozen=True)
class Case:
    """One market of the eight: what it shows in Up's terms, and what is bought."""

    asset: Asset
    interval: Interval
    after: int
    ask: str | None
    bid: str
    bought: Outcome | None
    tick: str = "0.01"
    later: tuple[str, str] | None = None
    """(ask, bid) from T-0.45 s on."""
    reason: str = ""

    @property
    def trigger(self) -> int:
        """Unix ns of T-1.000 s."""
        return (CLOSE + self.after - 1) * NANOSECONDS

    @property
    def moment(self) -> int:
        """Unix ns from which on it may be bought."""
        return self.trigger + (550_000_000 if self.later else 0)


B, E = Asset.BTC, Asset.ETH
FIVE, FIFTEEN = Interval
UP, DOWN = Outcome
FINE = "0.001"
EIGHT = {
    "favourite Up": Case(B, FIVE, 0, "0.95", "0.93", UP),
    "under the cap late": Case(
        B, FIFTEEN, 0, "0.988", "0.986", UP, tick=FINE, later=("0.97", "0.968")
    ),
    "favourite Down": Case(E, FIVE, 0, "0.08", "0.06", DOWN),
    "no ask": Case(E, FIFTEEN, 0, None, "0.98", None, reason="no_ask"),
    "at the coarse cap": Case(B, FIVE, 1, "0.98", "0.96", UP),
    "above the cap": Case(
        B, FIFTEEN, 1, "0.988", "0.986", None, tick=FINE, reason="above_cap"
    ),
    "barely a favourite": Case(E, FIVE, 1, "0.52", "0.50", UP),
    "at the fine cap": Case(E, FIFTEEN, 1, "0.987", "0.985", UP, tick=FINE),
}
BOUGHT = [name for name, case in EIGHT.items() if case.bought]
LEFT = [name for name, case in EIGHT.items() if not case.bought]


@dataclass(frozen=True)
class Evening:
    """What came of the eight."""

    account: Account
    markets: Mapping[str, SimMarket]
    posts: Mapping[str, Sequence[ReceivedOrder]]
    orders: Sequence[ReceivedOrder]
    requests: Sequence[Request]
    connects: Sequence[int]
    rows: Mapping[str, Row]
    halted: bool

    def lateness(self) -> Mapping[str, int]:
        """Nanoseconds from the moment to buy to the order's first byte."""
        return {
            name: posts[0].arrived_at - EIGHT[name].moment
            for name, posts in self.posts.items()
            if posts
        }


async def play_eight(folder: Path) -> Evening:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, NotingLoop)
    windows = [window(c.asset, c.interval, after=c.after) for c in EIGHT.values()]
    async with stage(folder, windows, settings=CAP) as on:
        loop.now = on.clock.now
        markets = dict(zip(EIGHT, on.markets, strict=True))
        for name, case in EIGHT.items():
            markets[name].set_tick(case.tick)
            show(markets[name], case.ask, case.bid)
        async with asyncio.TaskGroup() as group:
            group.create_task(on.trade())
            await on.at(0.45)
            for name, case in EIGHT.items():
                if case.later:
                    show(markets[name], *case.later)
        posts = {n: on.exchange.posts(m.condition_id) for n, m in markets.items()}
        rows = on.rows()
        return Evening(
            on.account,
            markets,
            posts,
            on.exchange.orders,
            on.exchange.requests,
            loop.connects,
            {name: rows[market.condition_id] for name, market in markets.items()},
            on.halt.active,
        )


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Evening:
    """The eight markets, traded once; every test looks at the same run."""
    folder = tmp_path_factory.mktemp("eight")
    with asyncio.Runner(loop_factory=NotingLoop) as runner:
        return runner.run(
            anew(
                play_eight,
                folder,
                lambda run: (
                    hindered(run.rows.values())
                    or any(late >= LATEST for late in run.lateness().values())
                ),
            )
        )


def test_exactly_the_right_orders_are_sent(evening: Evening) -> None:
    """One POST for each market whose favourite is at or under the cap, no other."""
    assert [name for name, posts in evening.posts.items() if posts] == BOUGHT
    assert len(evening.orders) == len(BOUGHT)
    for name in BOUGHT:
        bought = EIGHT[name].bought
        assert bought is not None
        [received] = evening.posts[name]
        assert received.token_id == evening.markets[name].token(bought)
    assert not evening.halted


def test_first_bytes_arrive_right_after_the_trigger(evening: Evening) -> None:
    """No byte arrives before T-1.000 s, and each first one within 50 ms of it."""
    late = {n: ns for n, ns in evening.lateness().items() if not EIGHT[n].later}
    for name, nanoseconds in late.items():
        print(f"first byte {nanoseconds / MICRO:.2f} ms after T-1 s: {name}")
    print(f"at most {max(late.values()) / MICRO:.2f} ms")
    assert min(late.values()) >= 0
    assert max(late.values()) < LATEST


def test_an_ask_that_comes_under_the_cap_late_is_taken_then(evening: Evening) -> None:
    """A favourite above the cap at T-1 s is bought when it drops at T-0.45 s."""
    [received] = evening.posts["under the cap late"]
    late = evening.lateness()["under the cap late"]
    print(f"first byte {late / MICRO:.2f} ms after the drop")
    assert 0 <= late < LATEST
    assert received.verdict is Verdict.MATCHED


@pytest.mark.parametrize("name", BOUGHT)
def test_each_order_is_valid(evening: Evening, name: str) -> None:
    """Signature, id, code, amounts and implied price stand up to a hand's check."""
    [received] = evening.posts[name]
    tick = int(Decimal(EIGHT[name].tick) * MICRO)
    order_id = check_order(received, evening.account, CAP, tick=tick)
    row = evening.rows[name]
    assert row.sends == (order_id,)
    assert order_id in row.orders
    assert len(row.orders) == 2
    assert received.order is not None
    assert received.order.id == order_id


@pytest.mark.parametrize("name", BOUGHT)
def test_each_fill_is_on_the_ledger(evening: Evening, name: str) -> None:
    """The ledger ends with the shares and the cost that the exchange knows."""
    [received] = evening.posts[name]
    order, row = received.order, evening.rows[name]
    assert order is not None
    assert row.state == "filled"
    assert row.story == ("watching", "armed", "sent", "matched", "filled")
    assert row.fills == (
        ("matched", order.shares, order.cost),
        ("filled", order.shares, order.cost),
    )


@pytest.mark.parametrize("name", LEFT)
def test_the_others_are_skipped_with_their_reason(evening: Evening, name: str) -> None:
    """No ask, or one above the cap: signed orders stay here, and the ledger says so."""
    row = evening.rows[name]
    assert (row.state, row.reason) == ("skipped", EIGHT[name].reason)
    assert len(row.orders) == 2
    assert not row.sends
    assert not row.fills


def test_nothing_but_orders_goes_out_in_the_last_second(evening: Evening) -> None:
    """From T-1 s an order's POST is the first request, and needs no new connection."""
    close = CLOSE * NANOSECONDS
    within = [r for r in evening.requests if close - NANOSECONDS <= r.at < close]
    assert {(r.method, r.path) for r in within} == {("POST", "/order")}
    assert not [at for at in evening.connects if close - NANOSECONDS <= at < close]
    for name in BOUGHT:
        [received] = evening.posts[name]
        since, until = EIGHT[name].trigger, received.arrived_at
        before = [r for r in evening.requests if since <= r.at < until]
        assert {r.path for r in before} <= {"/order"}
        assert not [at for at in evening.connects if since <= at < until]
    warmed = [r for r in evening.requests if r.path == "/time"]
    assert len(warmed) == len(EIGHT)


# -- the halt, and the four kinds of account --


@dataclass(frozen=True)
class Short:
    """One short run."""

    stage: Stage
    rows: Mapping[str, Row]


ACCOUNTS = {
    kind: replace(LIVE, signature_type=kind, funder_address="" if kind == 0 else FUNDER)
    for kind in range(4)
}


async def play_short(settings: Settings, folder: Path) -> Short:
    async with stage(folder, [window()], settings=settings, derived=True) as on:
        await on.trade()
        return Short(on, on.rows())


async def play_halted(folder: Path) -> Short:
    """Both markets are armed when a person halts."""
    windows = [window(), window(Asset.ETH)]
    async with stage(folder, windows) as on, asyncio.TaskGroup() as group:
        group.create_task(on.trade())
        await on.at(1.2)
        on.halt.set("by hand")
    return Short(on, on.rows())


@pytest.fixture(scope="module")
def shorts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[object, Short]:
    """Five short runs, side by side."""

    async def play() -> list[Short]:
        folder = tmp_path_factory.mktemp("short")
        plays: dict[str, Callable[[Path], Awaitable[Short]]] = {
            **{str(kind): partial(play_short, on) for kind, on in ACCOUNTS.items()},
            "halted": play_halted,
        }
        return await asyncio.gather(
            *(
                anew(play, folder / name, lambda run: hindered(run.rows.values()))
                for name, play in plays.items()
            )
        )

    return dict(zip([*ACCOUNTS, "halted"], asyncio.run(play()), strict=True))


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_every_kind_of_account_buys(shorts: Mapping[object, Short], kind: int) -> None:
    """Types 0 to 3, their API keys derived: accepted, filled, valid by hand."""
    on = shorts[kind].stage
    [market] = on.markets
    received = on.post(market)
    assert (received.status, received.verdict) == (200, Verdict.MATCHED)
    assert on.account.address == ADDRESS
    assert on.account.signature_type == kind
    order_id = check_order(received, on.account, ACCOUNTS[kind], tick=10_000)
    row = shorts[kind].rows[market.condition_id]
    assert (row.state, row.sends) == ("filled", (order_id,))


def test_nothing_is_sent_once_halted(shorts: Mapping[object, Short]) -> None:
    """A HALT file made after arming stops both markets, the reason on the ledger."""
    on, rows = shorts["halted"].stage, shorts["halted"].rows
    assert on.exchange.orders == []
    for market in on.markets:
        row = rows[market.condition_id]
        assert (row.state, row.reason, row.sends) == ("skipped", "halted", ())
        assert "armed" in row.story


def test_the_stages_clock_is_moved_and_goes_on() -> None:
    """CLOSE is as far away as was asked for."""
    clock = ShiftedClock(3)
    left = CLOSE * NANOSECONDS - clock.now()
    assert 2_900_000_000 < left <= 3_000_000_000
