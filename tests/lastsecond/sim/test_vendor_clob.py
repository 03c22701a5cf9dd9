"""The vendor's CLOB client, unchanged, reads the simulated exchange."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import BookParams
from py_clob_client_v2.exceptions import PolyApiException

from lastsecond.clock import SystemClock
from lastsecond.market import Outcome
from lastsecond.sim import SimMarket, SimulatedExchange


async def read(
    exchange: SimulatedExchange, call: Callable[[ClobClient], object]
) -> Any:
    """What the synchronous client returns, called in a thread."""
    client = ClobClient(host=exchange.http_url, chain_id=137)
    return await asyncio.to_thread(call, client)


async def test_books(exchange: SimulatedExchange, market: SimMarket) -> None:
    """Both book calls return the book, and the client finds the same hash."""
    up, down = (market.token(outcome) for outcome in Outcome)
    book = await read(exchange, lambda client: client.get_order_book(up))
    both = [BookParams(token_id=up), BookParams(token_id=down)]
    books = await read(exchange, lambda client: client.get_order_books(both))
    assert [row["asset_id"] for row in books] == [up, down]
    assert books[0] == book
    assert book["bids"][-1] == {"price": "0.51", "size": "20"}


async def test_market_parameters(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Tick size, risk, fee and version are what the client expects of production."""
    token = market.token(Outcome.DOWN)
    condition = market.condition_id
    assert await read(exchange, lambda client: client.get_tick_size(token)) == "0.01"
    assert await read(exchange, lambda client: client.get_neg_risk(token)) is False
    assert await read(exchange, lambda client: client.get_fee_rate_bps(token)) == 1000
    assert await read(exchange, lambda client: client.get_version()) == 2
    market.set_tick("0.001")

    def cached(client: ClobClient) -> tuple[object, ...]:
        """What the client knows once it has read the market's short form."""
        client.get_clob_market_info(condition)
        return (
            client.get_tick_size(token),
            client.get_neg_risk(token),
            client.get_fee_exponent(token),
        )

    assert await read(exchange, cached) == ("0.001", False, 1)


async def test_market_by_condition(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """The long form lists both tokens; the short one hints at the taker's hold."""
    condition = market.condition_id
    long = await read(exchange, lambda client: client.get_market(condition))
    short = await read(exchange, lambda client: client.get_clob_market_info(condition))
    assert [token["outcome"] for token in long["tokens"]] == ["Up", "Down"]
    assert [token["t"] for token in short["t"]] == list(market.tokens.values())
    assert short["itode"] is True
    assert short["fd"] == {"r": 0.07, "e": 1, "to": True}


async def test_prices_and_time(exchange: SimulatedExchange, market: SimMarket) -> None:
    """Midpoint, price by side, and the bare seconds of the server's clock."""
    token = market.token(Outcome.UP)
    mid = await read(exchange, lambda client: client.get_midpoint(token))
    bid = await read(exchange, lambda client: client.get_price(token, "BUY"))
    now = await read(exchange, ClobClient.get_server_time)
    assert (mid, bid) == ({"mid": "0.52"}, {"price": "0.51"})
    assert abs(now - SystemClock().now() // 10**9) <= 1


async def test_a_missing_book_is_the_clients_error(
    exchange: SimulatedExchange,
) -> None:
    """A 404 reaches the caller with the exchange's own words."""
    with pytest.raises(PolyApiException) as raised:
        await read(exchange, lambda client: client.get_order_book("1"))
    assert raised.value.status_code == 404
    assert "No orderbook exists" in str(raised.value)
