"""``POST /order`` over real HTTP: every rule with its words."""

from collections.abc import Callable
from typing import Any

import pytest

from lastsecond.market import Outcome
from lastsecond.sim import SimMarket, SimulatedExchange, Verdict
from tests.lastsecond.sim.trader import WALLET, Trader, address

UP = Outcome.UP
DECIMALS = (
    "invalid amounts, the market buy orders maker amount supports a max accuracy of "
    "2 decimals, taker amount a max of 4 decimals"
)
REGION = (
    "Trading restricted in your region, please refer to available regions - "
    "https://docs.polymarket.com/developers/CLOB/geoblock"
)
TICK = "order $ID is invalid. Price"
NO_WALLET = "maker address not allowed, please use the deposit wallet flow"
SIGNER = "the order signer address has to be the address of the API KEY"


@pytest.fixture
def trader(quick: SimulatedExchange) -> Trader:
    return Trader(quick, 5)


def changed(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """An order with other values than were signed."""
    return lambda body: body["order"].update(fields)


@pytest.mark.parametrize(
    ("amounts", "options", "error"),
    [
        ((5_000_001, 5_050_500), {}, DECIMALS),
        ((5_005_000, 5_050_500), {}, DECIMALS),
        ((5_000_000, 5_050_550), {}, DECIMALS),
        (
            (990_000, 1_000_000),
            {},
            "invalid amount for a marketable BUY order ($0.99), min size: $1",
        ),
        (
            (1_000_000, 1_015_200),
            {},
            f"{TICK} (0.985027) breaks minimum tick size rule: 0.01",
        ),
        (
            (5_000_000, 5_000_000),
            {},
            f"{TICK} (1) breaks minimum tick size rule: 0.01",
        ),
        ((5_300_000, 10_000_000), {"version": "1"}, "order_version_mismatch"),
        ((5_300_000, 10_000_000), {"owner": "other"}, "OWNER"),
        ((5_300_000, 10_000_000), {"kind": 1}, "invalid signature"),
        ((5_300_000, 10_000_000), {"kind": 3}, "invalid signature"),
        ((5_300_000, 10_000_000), {"kind": 3, "funder": WALLET}, SIGNER),
        ((5_300_000, 10_000_000), {"funder": WALLET}, "invalid signature"),
        (
            (5_300_000, 10_000_000),
            {"token": "1"},
            "the orderbook 1 does not exist",
        ),
        (
            (5_300_000, 10_000_000),
            {"order_type": "GTC"},
            "order type GTC is not simulated",
        ),
    ],
)
async def test_what_is_signed_wrongly_is_refused(
    market: SimMarket,
    trader: Trader,
    amounts: tuple[int, int],
    options: dict[str, Any],
    error: str,
) -> None:
    """Each rule has its own words, and a refused order leaves nothing behind."""
    if error == "OWNER":
        error = "the order owner has to be the owner of the API KEY"
    status, body = await trader.post(trader.order(market, *amounts, **options))
    received = trader.exchange.orders[0]
    told = error.replace("$ID", received.order_id)
    assert (status, body) == (400, {"error": told})
    assert (received.verdict, received.status) == (Verdict.REFUSED, 400)
    assert received.order is None
    assert trader.account.balance == 1_000_000_000


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (changed(expiration="1790000000"), "invalid expiration"),
        (changed(salt=7), "invalid signature"),
        (changed(signer=address(9)), SIGNER),
        (changed(side="SELL"), "selling is not simulated"),
        (changed(salt="7"), "Invalid order payload"),
        (lambda body: body.update(extra=1), "Invalid order payload"),
        (
            lambda body: body.update(postOnly=True),
            "invalid post-only order: order crosses book",
        ),
        (lambda body: body.update(deferExec=True), "deferExec is not simulated"),
    ],
)
async def test_what_is_changed_after_signing_is_refused(
    market: SimMarket,
    trader: Trader,
    change: Callable[[dict[str, Any]], None],
    error: str,
) -> None:
    """Only what was signed counts, and what is not signed has one value."""
    order = trader.order(market, 5_300_000, 10_000_000)
    change(order)
    assert await trader.post(order) == (400, {"error": error})


async def test_prices_follow_the_tick(
    market: SimMarket, trader: Trader, quick: SimulatedExchange
) -> None:
    """0.985 breaks a tick of 0.01 and keeps one of 0.001; 0.999 needs the finer."""
    market.set_tick("0.001")
    market.snapshot(UP, [], [("0.985", "100")])
    status, body = await trader.post(trader.order(market, 1_000_000, 1_015_200))
    assert (status, body["takingAmount"]) == (200, "1.015228")
    assert (await trader.post(trader.order(market, 5_000_000, 5_005_000)))[0] == 200


async def test_an_order_can_be_posted_once(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """The same bytes again are a duplicate, filled or killed; refused ones are not."""
    killed = trader.order(market, 1_000_000, 1_886_800)
    for order in (trader.order(market, 5_300_000, 10_000_000), killed):
        await trader.post(order)
        found = quick.orders[-1].order_id
        assert await trader.post(order) == (
            400,
            {"error": f"order {found} is invalid. Duplicated."},
        )
    assert len(quick.trades) == 1
    market.ready = False
    refused = trader.order(market, 5_300_000, 10_000_000)
    assert await trader.post(refused) == (
        400,
        {"error": "the market is not yet ready to process new orders"},
    )
    market.ready = True
    assert (await trader.post(refused))[0] == 200


@pytest.mark.parametrize("ended", ["wiped", "resolved"])
async def test_an_ended_market_has_no_book(
    market: SimMarket, trader: Trader, ended: str
) -> None:
    """Neither after the wipe nor after the result."""
    market.wipe() if ended == "wiped" else market.resolve(UP)
    order = trader.order(market, 5_300_000, 10_000_000)
    token = market.token(UP)
    assert await trader.post(order) == (
        400,
        {"error": f"the orderbook {token} does not exist"},
    )


async def test_the_fee_is_needed_on_top(
    quick: SimulatedExchange, market: SimMarket
) -> None:
    """The balance must cover what is spent and the fee at the limit."""
    trader = Trader(quick, 6, balance="5.47")
    order = trader.order(market, 5_300_000, 10_000_000)
    assert await trader.post(order) == (
        400,
        {
            "error": "not enough balance / allowance: the balance is not enough -> "
            "balance: 5470000, order amount: 5474370"
        },
    )
    trader.account.balance = 5_474_370
    assert (await trader.post(order))[0] == 200
    assert trader.account.balance == 0


async def test_the_allowance_is_needed_too(
    quick: SimulatedExchange, market: SimMarket
) -> None:
    """Permission for the contract is refused in other words than money."""
    trader = Trader(quick, 6, allowance="5.3")
    order = trader.order(market, 5_300_000, 10_000_000)
    assert await trader.post(order) == (
        400,
        {
            "error": "not enough balance / allowance: the allowance is not enough -> "
            "spender: 0xE111180000d2663C0091e4f400237545B87B996B, "
            "allowance: 5300000, order amount: 5474370"
        },
    )
    trader.account.allowance = 6_000_000
    assert (await trader.post(order))[0] == 200
    assert trader.account.allowance == 525_630


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
async def test_every_signature_type_is_served(
    quick: SimulatedExchange, market: SimMarket, kind: int
) -> None:
    """Each type has its maker and signer; a wrong type has no money or no right."""
    trader = Trader(quick, 6, kind=kind)
    order = trader.order(market, 5_300_000, 10_000_000)
    assert (await trader.post(order))[0] == 200
    if kind:
        plain = trader.order(market, 5_300_000, 10_000_000, kind=0, funder=None)
        _, body = await trader.post(plain)
        assert body["error"].endswith("balance: 0, order amount: 5474370")
        other = trader.order(market, 5_300_000, 10_000_000, kind=3 - kind)
        assert (await trader.post(other))[1]["error"] in {"invalid signature", SIGNER}


async def test_switches_for_what_is_not_known(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """Five shares at least, deposit wallets only: each may be how it is."""
    quick.rules.five_share_minimum = True
    order = trader.order(market, 1_060_000, 2_000_000)
    _, body = await trader.post(order)
    found = quick.orders[0].order_id
    assert body == {
        "error": f"order {found} is invalid. Size (2) lower than the minimum: 5"
    }
    quick.rules.deposit_wallet_only = True
    assert await trader.post(order) == (400, {"error": NO_WALLET})


async def test_accounts_can_be_shut_out(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """Banned, closed-only, or in the wrong country."""
    order = trader.order(market, 5_300_000, 10_000_000)
    trader.account.banned = True
    banned = {"error": f"'{trader.address}' address banned"}
    assert await trader.post(order) == (400, banned)
    trader.account.banned, trader.account.closed_only = False, True
    closing = {"error": f"'{trader.address}' address in closed only mode"}
    assert await trader.post(order) == (400, closing)
    trader.account.closed_only, trader.account.geoblocked = False, True
    assert await trader.post(order) == (403, {"error": REGION})
    trader.account.geoblocked, quick.rules.geoblocked = False, True
    assert await trader.post(order) == (403, {"error": REGION})
