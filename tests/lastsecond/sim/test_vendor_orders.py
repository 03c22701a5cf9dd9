"""The vendor's CLOB client, unchanged, trades on the simulated exchange."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import (
    AssetType,
    BalanceAllowanceParams,
    MarketOrderArgsV2,
    OpenOrderParams,
    OrderType,
    TradeParams,
)
from py_clob_client_v2.exceptions import PolyApiException
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2

from lastsecond.market import Outcome
from lastsecond.sim import SimMarket, SimulatedExchange
from tests.lastsecond.sim.trader import WALLET, address, key

UP = Outcome.UP
FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
MONEY = BalanceAllowanceParams(
    asset_type=AssetType.COLLATERAL  # type: ignore[arg-type]  # a str in truth
)


def client(exchange: SimulatedExchange, kind: int, *, number: int = 5) -> ClobClient:
    """A client with a key of its own and no credentials yet."""
    return ClobClient(
        host=exchange.http_url,
        chain_id=137,
        key=key(number),
        signature_type=SignatureTypeV2(kind),
        funder=address(number) if kind == 0 else WALLET,
    )


def opened(exchange: SimulatedExchange, kind: int, balance: str = "100") -> None:
    exchange.add_account(
        address=address(5),
        funder=address(5) if kind == 0 else WALLET,
        signature_type=kind,
        balance=balance,
    )


async def trading(
    exchange: SimulatedExchange, kind: int, act: Callable[[ClobClient], Any]
) -> Any:
    """What ``act`` returns with a client that has derived its credentials."""

    def run() -> Any:
        made = client(exchange, kind)
        made.set_api_creds(made.create_or_derive_api_key())
        return act(made)

    return await asyncio.to_thread(run)


def buy(market: SimMarket, amount: float, price: float) -> Callable[[ClobClient], Any]:
    """A fill-or-kill market buy of Up."""

    def act(made: ClobClient) -> Any:
        order = MarketOrderArgsV2(
            token_id=market.token(UP), amount=amount, side="BUY", price=price
        )
        signed = made.create_market_order(order)
        return made.post_order(signed, OrderType.FOK)  # type: ignore[arg-type]  # a str

    return act


async def refusal(
    exchange: SimulatedExchange, kind: int, act: Callable[[ClobClient], Any]
) -> str:
    """The error with which the exchange refuses it (400)."""
    with pytest.raises(PolyApiException) as raised:
        await trading(exchange, kind, act)
    assert raised.value.status_code == 400
    message = raised.value.error_msg
    assert isinstance(message, dict)
    return str(message["error"])


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
async def test_its_orders_are_filled(
    exchange: SimulatedExchange, market: SimMarket, kind: int
) -> None:
    """At tick 0.01, with all four signature types; its hashes come within a second."""
    opened(exchange, kind)
    answer = await trading(exchange, kind, buy(market, 5.3, 0.53))
    trade = exchange.trades[0]
    assert (answer["status"], answer["takingAmount"]) == ("matched", "10")
    assert answer["tradeIDs"] == [trade.id]
    assert answer["transactionsHashes"] == [trade.transaction_hash]


async def test_its_reads_find_what_was_done(
    quick: SimulatedExchange, market: SimMarket
) -> None:
    """Balance, trades, orders and account state as its methods ask for them."""
    opened(quick, 0)
    bought = await trading(quick, 0, buy(market, 5.3, 0.53))

    def read(made: ClobClient) -> tuple[Any, ...]:
        mine = TradeParams(market=market.condition_id, maker_address=address(5))
        return (
            made.get_balance_allowance(MONEY)["balance"],
            made.update_balance_allowance(MONEY),
            [row["taker_order_id"] for row in made.get_trades(mine)],
            made.get_order(bought["orderID"]),
            made.get_open_orders(OpenOrderParams(market=market.condition_id)),
            made.get_closed_only_mode(),
            made.get_trades_paginated(TradeParams(id="none")),
        )

    nothing = {"trades": [], "next_cursor": "LTE=", "limit": 500, "count": 0}
    assert await trading(quick, 0, read) == (
        "94525630",
        "",
        [bought["orderID"]],
        None,
        [],
        {"closed_only": False},
        nothing,
    )


async def test_its_fifth_decimal_is_refused(
    quick: SimulatedExchange, market: SimMarket
) -> None:
    """At tick 0.001 it signs $1 at 0.97 as 1.03092 shares (py-clob-client-v2#99)."""
    opened(quick, 0)
    market.set_tick("0.001")
    error = await refusal(quick, 0, buy(market, 1, 0.97))
    assert error.startswith("invalid amounts, the market buy orders maker amount")


async def test_a_wrong_signature_type_is_refused(
    quick: SimulatedExchange, market: SimMarket
) -> None:
    """The account is a Safe, the client says deposit wallet, or its own wallet."""
    opened(quick, 2)
    assert await refusal(quick, 3, buy(market, 5.3, 0.53)) == "invalid signature"
    error = await refusal(quick, 0, buy(market, 5.3, 0.53))
    assert error.startswith("not enough balance / allowance")

    def asked(made: ClobClient) -> Any:
        return made.get_balance_allowance(MONEY)["balance"]

    assert await trading(quick, 0, asked) == "0"
    assert await trading(quick, 2, asked) == "100000000"


async def test_too_little_money_or_depth_is_refused(
    quick: SimulatedExchange, market: SimMarket
) -> None:
    """Both are a clean 400, and nothing is bought."""
    opened(quick, 0, balance="5.3")
    error = await refusal(quick, 0, buy(market, 5.3, 0.53))
    assert error.startswith("not enough balance / allowance: the balance is not enough")
    market.snapshot(UP, [], [("0.54", "100")])
    assert await refusal(quick, 0, buy(market, 5, 0.53)) == FOK_KILLED
    assert quick.trades == []


async def test_a_new_key_can_be_created(quick: SimulatedExchange) -> None:
    """Create, then derive: the same credentials."""

    def create(made: ClobClient) -> tuple[Any, Any]:
        return made.create_or_derive_api_key(), made.derive_api_key()

    first, second = await asyncio.to_thread(create, client(quick, 0, number=8))
    assert first == second
