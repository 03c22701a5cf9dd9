"""Gamma's and the CLOB's reads, over real HTTP."""

from typing import Any

import aiohttp
import pytest

from lastsecond.clock import SystemClock
from lastsecond.errors import WorldError
from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.sim import SimMarket, SimulatedExchange
from tests.lastsecond.sim.conftest import WINDOW

NO_BOOK = {"error": "No orderbook exists for the requested token id"}
NO_MARKET = {"error": "market not found"}


async def get(exchange: SimulatedExchange, path: str) -> tuple[int, Any]:
    """Status and JSON of one GET."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(exchange.http_url + path) as response,
    ):
        return response.status, await response.json()


async def post(exchange: SimulatedExchange, path: str, body: str) -> tuple[int, Any]:
    """Status and JSON of one POST."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(exchange.http_url + path, data=body) as response,
    ):
        return response.status, await response.json()


async def test_time_is_bare_seconds(exchange: SimulatedExchange) -> None:
    """The clock's answer is an integer, not an object."""
    status, seconds = await get(exchange, "/time")
    assert status == 200
    assert abs(seconds - SystemClock().now() // 10**9) <= 1


async def test_books_come_for_known_tokens_only(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """POST /books skips what it does not know and refuses what it cannot read."""
    token = market.token(Outcome.UP)
    body = f'[{{"token_id":"{token}"}},{{"token_id":"1"}}]'
    status, books = await post(exchange, "/books", body)
    assert (status, [book["asset_id"] for book in books]) == (200, [token])
    for wrong in ("", "{}x", "[1]", '[{"token":"1"}]', "3"):
        assert await post(exchange, "/books", wrong) == (
            400,
            {"error": "Invalid payload"},
        )


async def test_price_is_the_best_bid_for_buy(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """The live service answers BUY with the bid and SELL with the ask."""
    token = market.token(Outcome.UP)
    path = f"/price?token_id={token}&side="
    assert await get(exchange, path + "BUY") == (200, {"price": "0.51"})
    assert await get(exchange, path + "SELL") == (200, {"price": "0.53"})
    assert await get(exchange, path + "buy") == (400, {"error": "Invalid side"})
    assert await get(exchange, f"/midpoint?token_id={token}") == (200, {"mid": "0.52"})


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/book?token_id=1", 404, NO_BOOK),
        ("/midpoint?token_id=1", 404, NO_BOOK),
        ("/price?token_id=1&side=BUY", 404, NO_BOOK),
        ("/tick-size?token_id=1", 404, NO_MARKET),
        ("/neg-risk?token_id=1", 404, NO_MARKET),
        ("/fee-rate?token_id=1", 404, NO_MARKET),
        ("/markets/0x1", 404, NO_MARKET),
        ("/clob-markets/0x1", 404, NO_MARKET),
        ("/markets-by-token/1", 404, NO_MARKET),
        (
            "/markets/slug/none",
            404,
            {"type": "not found error", "error": "slug not found"},
        ),
        ("/book", 400, {"error": "missing parameter: token_id"}),
        ("/book?token_id=", 400, {"error": "missing parameter: token_id"}),
        ("/book?token=1", 400, {"error": "unknown parameter: token"}),
        (
            "/book?token_id=1&token_id=2",
            400,
            {"error": "repeated parameter: token_id"},
        ),
        ("/public-search", 400, {"error": "missing parameter: q"}),
        ("/public-search?q=a&page=0", 400, {"error": "page starts at 1"}),
        ("/events?closed=yes", 400, {"error": "closed is not a boolean: yes"}),
        ("/markets?limit=-1", 400, {"error": "limit is not a number: -1"}),
        ("/markets?slugs=a", 400, {"error": "unknown parameter: slugs"}),
        ("/markets?end_date_min=x", 400, {"error": "end_date_min is not a time: x"}),
        (
            "/markets?end_date_min=2026-09-28",
            400,
            {"error": "end_date_min has no time zone: 2026-09-28"},
        ),
        (
            "/events?offset=2001",
            422,
            {"error": "offset too large, use the keyset endpoint"},
        ),
        ("/events?order=volume", 422, {"error": "unknown order: volume"}),
        (
            "/public-search?q=bitcoin&events_status=open",
            400,
            {"error": "unknown events_status: open"},
        ),
        ("/nothing", 404, {"error": "Not Found"}),
    ],
)
@pytest.mark.usefixtures("market")
async def test_wrong_requests_are_refused(
    exchange: SimulatedExchange, path: str, status: int, body: object
) -> None:
    """Each refusal has its status and a JSON error, and is recorded with both."""
    assert await get(exchange, path) == (status, body)
    (request,) = exchange.requests
    assert request.path == path.partition("?")[0]
    assert request.status == status


async def test_a_method_that_a_path_lacks_is_405(exchange: SimulatedExchange) -> None:
    """POST to a read is not a missing page."""
    assert await post(exchange, "/book", "") == (405, {"error": "Method Not Allowed"})
    assert exchange.requests[0].method == "POST"


async def test_requests_keep_their_query(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Every parameter is remembered in order, with the time it came."""
    before = SystemClock().now()
    await get(exchange, f"/events?slug={market.slug}&slug=other&limit=5")
    (request,) = exchange.requests
    assert request.query == (("slug", market.slug), ("slug", "other"), ("limit", "5"))
    assert before <= request.at <= SystemClock().now()


async def test_search_finds_by_words_of_the_title(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Every word has to be in the title, in any order and case."""
    exchange.add_market(Window(Asset.ETH, Interval.FIVE_MINUTES, WINDOW.start))
    _, both = await get(exchange, "/public-search?q=up+or+down")
    _, one = await get(exchange, "/public-search?q=down+BITCOIN")
    _, none = await get(exchange, "/public-search?q=bitcoin+dogecoin")
    assert both["pagination"] == {"hasMore": False, "totalResults": 2}
    assert [event["slug"] for event in one["events"]] == [market.slug]
    assert one["events"][0]["markets"][0]["conditionId"] == market.condition_id
    assert one["profiles"] == [None]
    assert none["events"] == []


async def test_search_is_paged(exchange: SimulatedExchange) -> None:
    """Pages start at 1 and say whether more follow."""
    for epoch in range(WINDOW.start, WINDOW.start + 900, 300):
        exchange.add_market(Window(Asset.BTC, Interval.FIVE_MINUTES, epoch))
    path = "/public-search?q=bitcoin&limit_per_type=2&page="
    _, first = await get(exchange, path + "1")
    _, second = await get(exchange, path + "2")
    assert (len(first["events"]), first["pagination"]["hasMore"]) == (2, True)
    assert (len(second["events"]), second["pagination"]["hasMore"]) == (1, False)


async def test_search_tells_open_from_closed(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """A settled market leaves the active results unless it is asked for."""
    market.resolve(Outcome.UP)
    counts = []
    for more in ("", "&events_status=closed", "&keep_closed_markets=1"):
        _, found = await get(exchange, "/public-search?q=bitcoin" + more)
        counts.append(found["pagination"]["totalResults"])
    assert counts == [0, 1, 1]


async def test_settled_markets_are_absent_unless_asked_for(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """On /markets closed defaults to false; by slug in the path it is always there."""
    by_id = f"/markets?condition_ids={market.condition_id}"
    assert len((await get(exchange, by_id))[1]) == 1
    market.resolve(Outcome.UP)
    assert await get(exchange, by_id) == (200, [])
    assert len((await get(exchange, by_id + "&closed=true"))[1]) == 1
    status, single = await get(exchange, f"/markets/slug/{market.slug}")
    assert (status, single["closed"]) == (200, True)


async def test_markets_are_found_by_slug_condition_and_token(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Each key may be repeated and picks the markets that it names."""
    other = exchange.add_market(Window(Asset.ETH, Interval.FIVE_MINUTES, WINDOW.start))
    down = other.token(Outcome.DOWN)
    queries = {
        f"slug={market.slug}&slug={other.slug}": 2,
        f"condition_ids={other.condition_id}": 1,
        f"clob_token_ids={down}": 1,
        "slug=none": 0,
        "active=false": 0,
        "end_date_min=2030-01-01T00:00:00Z": 0,
        "end_date_max=2030-01-01T00:00:00Z": 2,
        "order=slug&ascending=true&offset=1": 1,
    }
    for query, count in queries.items():
        assert len((await get(exchange, f"/markets?{query}"))[1]) == count, query
    _, (event,) = await get(exchange, f"/events?slug={other.slug}&closed=false")
    _, single = await get(exchange, f"/events/slug/{other.slug}")
    assert event == single


async def test_more_than_a_hundred_rows_are_never_sent(
    exchange: SimulatedExchange,
) -> None:
    """A larger limit is silently clamped; the keyset listing goes on after it."""
    for number in range(101):
        exchange.add_market(
            Window(Asset.BTC, Interval.FIVE_MINUTES, WINDOW.start + 300 * number)
        )
    assert len((await get(exchange, "/events?limit=500"))[1]) == 100
    _, page = await get(exchange, "/events/keyset?limit=100")
    cursor = page["next_cursor"]
    _, last = await get(exchange, f"/events/keyset?limit=100&after_cursor={cursor}")
    assert (len(page["events"]), len(last["events"])) == (100, 1)
    assert "next_cursor" not in last


async def test_after_settlement_there_is_no_book_but_a_winner(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Settlement turns /book into 404 and names the winner on /markets/{id}."""
    token = market.token(Outcome.DOWN)
    market.wipe()
    market.resolve(Outcome.DOWN)
    assert await get(exchange, f"/book?token_id={token}") == (404, NO_BOOK)
    _, told = await get(exchange, f"/markets/{market.condition_id}")
    assert [row["winner"] for row in told["tokens"]] == [False, True]
    assert [row["price"] for row in told["tokens"]] == [0, 1]
    assert told["closed"] is True


async def test_a_slug_is_listed_once(
    exchange: SimulatedExchange, market: SimMarket
) -> None:
    """Listing a window twice is the script's mistake."""
    with pytest.raises(ValueError, match="already listed"):
        exchange.add_market(market.window)


async def test_a_taken_port_is_named(exchange: SimulatedExchange) -> None:
    """A second exchange on the same port cannot start and says why."""
    port = int(exchange.http_url.rpartition(":")[2])
    with pytest.raises(WorldError, match=f"port {port}"):
        await SimulatedExchange(SystemClock(), port=port).__aenter__()
