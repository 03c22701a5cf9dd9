"""The vendor's unified SDK, unchanged, streams and reads the simulated exchange."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from polymarket import AsyncPublicClient
from polymarket._internal.environment import (  # the SDK offers production only
    PRODUCTION_CONFIG,
    create_environment,
)
from polymarket.models.clob.market_events import (
    MarketBestBidAskEvent,
    MarketBookEvent,
    MarketLastTradePriceEvent,
    MarketPriceChangeEvent,
    MarketResolvedEvent,
    MarketTickSizeChangeEvent,
    NewMarketEvent,
)
from polymarket.streams import MarketSpec

from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.sim import SimMarket, SimulatedExchange


@pytest.fixture
async def client(exchange: SimulatedExchange) -> AsyncIterator[AsyncPublicClient]:
    """The SDK with its URLs pointing at the exchange."""
    config = dataclasses.replace(
        PRODUCTION_CONFIG,
        gamma_url=exchange.http_url,
        clob_url=exchange.http_url,
        clob_market_ws_url=exchange.ws_url,
    )
    environment = create_environment(name="simulated", config=config)
    async with AsyncPublicClient(environment=environment) as opened:
        yield opened


def spec(market: SimMarket) -> MarketSpec:
    return MarketSpec(
        token_ids=list(market.tokens.values()), custom_feature_enabled=True
    )


async def test_every_event_is_typed(
    exchange: SimulatedExchange, market: SimMarket, client: AsyncPublicClient
) -> None:
    """Each of the seven events arrives as its own model; none is dropped."""
    async with await client.subscribe(spec(market)) as events:
        seen = [await anext(events), await anext(events)]
        market.change(Outcome.UP, "BUY", "0.52", "7")
        market.trade(Outcome.UP, "BUY", "0.53", "3")
        market.snapshot(Outcome.UP, [("0.97", "5")], [])
        exchange.add_market(Window(Asset.ETH, Interval.FIVE_MINUTES, 1_790_000_400))
        market.wipe()
        market.resolve(Outcome.UP)
        async for event in events:
            seen.append(event)
            if isinstance(event, MarketResolvedEvent):
                break
    assert {type(event) for event in seen} == {
        MarketBookEvent,
        MarketPriceChangeEvent,
        MarketLastTradePriceEvent,
        MarketTickSizeChangeEvent,
        MarketBestBidAskEvent,
        MarketResolvedEvent,
        NewMarketEvent,
    }
    resolved = seen[-1]
    assert isinstance(resolved, MarketResolvedEvent)
    assert resolved.payload.winning_outcome == "Up"
    assert client._get_market_manager().dropped_events == 0  # noqa: SLF001  # vendor's


async def test_the_last_book_is_the_exchanges(
    market: SimMarket, client: AsyncPublicClient
) -> None:
    """The SDK reads the opening book's prices, order and tick as they were sent."""
    async with await client.subscribe(spec(market)) as events:
        books = [await anext(events), await anext(events)]
    by_token = {
        str(book.payload.token_id): book.payload
        for book in books
        if isinstance(book, MarketBookEvent)
    }
    down = by_token[market.token(Outcome.DOWN)]
    assert down.bids[-1].price == Decimal("0.47")
    assert down.asks[-1].price == Decimal("0.49")
    assert down.tick_size == Decimal("0.01")


async def test_two_subscriptions_share_one_socket(
    exchange: SimulatedExchange, market: SimMarket, client: AsyncPublicClient
) -> None:
    """The SDK adds and drops tokens by operations, which the exchange accepts."""
    up, down = market.tokens.values()
    async with await client.subscribe(MarketSpec(token_ids=[up])) as first:
        await anext(first)
        async with await client.subscribe(MarketSpec(token_ids=[down])) as second:
            await anext(second)
        market.repeat()
        await anext(first)
        (connection,) = exchange.connections
        await asyncio.sleep(0.05)
        assert connection.subscribed == {up}


async def test_gamma_reads(
    exchange: SimulatedExchange, market: SimMarket, client: AsyncPublicClient
) -> None:
    """Search, listings and slug look-ups parse into the SDK's strict models.

    Profiles are left out: 0.14.0 refuses the null that production sends among them.
    """
    by_slug = await client.get_market(slug=market.slug)
    event = await client.get_event(slug=market.slug)
    listed = await client.list_markets(condition_ids=[market.condition_id]).first_page()
    events = await client.list_events(slug=[market.slug]).first_page()
    search = client.search(q="bitcoin up or down", search_profiles=False)
    found = await search.first_page()
    assert str(by_slug.condition_id) == market.condition_id
    assert str(by_slug.outcomes.yes.token_id) == market.token(Outcome.UP)
    assert by_slug.state.end_date is not None
    assert by_slug.state.end_date.timestamp() == market.window.end
    assert event.slug == market.slug
    assert [row.slug for row in listed.items] == [market.slug]
    assert [row.slug for row in events.items] == [market.slug]
    (results,) = found.items
    assert [row.slug for row in results.events] == [market.slug]


async def test_clob_reads(
    exchange: SimulatedExchange, market: SimMarket, client: AsyncPublicClient
) -> None:
    """Books and prices parse into the SDK's strict models."""
    token = market.token(Outcome.UP)
    book = await client.get_order_book(asset_id=token)
    assert book.asks[-1].price == Decimal("0.53")
    assert await client.get_midpoint(asset_id=token) == Decimal("0.52")
    assert await client.get_price(asset_id=token, side="SELL") == Decimal("0.53")


async def test_a_settled_market_still_parses(
    exchange: SimulatedExchange, market: SimMarket, client: AsyncPublicClient
) -> None:
    """The resolved form of a market is one that the SDK accepts, too."""
    market.resolve(Outcome.DOWN)
    settled = await client.get_market(slug=market.slug)
    assert settled.state.closed is True
    assert settled.outcomes.no.price == Decimal(1)
    assert settled.state.closed_time is not None
