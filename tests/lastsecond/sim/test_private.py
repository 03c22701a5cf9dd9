"""What needs a key: who is let in, and what the owner may read."""

import subprocess
import sys
import time
from typing import Any

import aiohttp
import pytest
from polymarket.models.clob.account import BalanceAllowance, ClobTrade, OpenOrder
from py_clob_client_v2.headers.headers import create_level_1_headers
from py_clob_client_v2.signer import Signer

from lastsecond.market import Outcome
from lastsecond.sim import SimMarket, SimulatedExchange
from lastsecond.sim.accounts import Account
from tests.lastsecond.sim.conftest import until
from tests.lastsecond.sim.trader import WALLET, Trader, address, key

UNAUTHORIZED = (401, {"error": "Unauthorized/Invalid api key"})
BAD_LOGIN = (401, {"error": "Invalid L1 Request headers"})
COLLATERAL = {"asset_type": "COLLATERAL", "signature_type": "0"}


@pytest.fixture
def trader(quick: SimulatedExchange) -> Trader:
    return Trader(quick, 5)


async def login(
    exchange: SimulatedExchange, method: str, path: str, number: int, **changed: str
) -> tuple[int, Any]:
    """The answer to a level 1 request of the vendor's making."""
    headers = create_level_1_headers(Signer(key(number), 137), 0, int(time.time()))
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, exchange.http_url + path, headers=headers | changed
        ) as response,
    ):
        return response.status, await response.json()


async def test_a_new_key_opens_an_empty_account(quick: SimulatedExchange) -> None:
    """There is nothing to derive before it is created, nor to create twice."""
    derive, create = "/auth/derive-api-key", "/auth/api-key"
    nothing = (400, {"error": "Could not derive api key!"})
    assert await login(quick, "GET", derive, 8) == nothing
    status, made = await login(quick, "POST", create, 8)
    account = quick.accounts.of(address(8))
    assert account is not None
    assert (status, made) == (200, account.credentials())
    assert account.balance == 0
    twice = (400, {"error": "Could not create api key"})
    assert await login(quick, "POST", create, 8) == twice
    assert await login(quick, "GET", derive, 8) == (200, made)


@pytest.mark.parametrize(
    "changed",
    [
        {"POLY_ADDRESS": address(9)},
        {"POLY_ADDRESS": "0x1"},
        {"POLY_TIMESTAMP": "1790000000"},
        {"POLY_TIMESTAMP": "now"},
        {"POLY_NONCE": "1"},
        {"POLY_SIGNATURE": "0x" + "11" * 65},
        {"POLY_SIGNATURE": ""},
    ],
)
async def test_a_wrong_login_is_refused(
    quick: SimulatedExchange, changed: dict[str, str]
) -> None:
    """Address, time, nonce and signature must belong together."""
    path = "/auth/derive-api-key"
    assert await login(quick, "GET", path, 8, **changed) == BAD_LOGIN


@pytest.mark.parametrize(
    "changed",
    [
        {"POLY_ADDRESS": address(9)},
        {"POLY_API_KEY": "other"},
        {"POLY_PASSPHRASE": ""},
        {"POLY_TIMESTAMP": "1"},
        {"POLY_TIMESTAMP": "1.5"},
        {"POLY_SIGNATURE": "other"},
    ],
)
async def test_every_header_counts(trader: Trader, changed: dict[str, str]) -> None:
    """One wrong header of the five is enough for a 401, for reads and orders."""
    assert await trader.get("/data/trades", headers=changed) == UNAUTHORIZED
    assert await trader.post(b"{}", headers=changed) == UNAUTHORIZED


async def test_anothers_key_is_of_no_use(
    quick: SimulatedExchange, trader: Trader
) -> None:
    """Credentials and address belong to one account."""
    other = Trader(quick, 6)
    headers = trader.headers("GET", "/auth/api-keys")
    mixed = {"POLY_ADDRESS": other.address}
    wrong = await trader.get("/auth/api-keys", headers=headers | mixed)
    assert wrong == UNAUTHORIZED
    found = await trader.get("/auth/api-keys")
    assert found == (200, {"apiKeys": [trader.account.api_key]})


@pytest.mark.parametrize(
    ("late", "let_in"), [(-31, False), (-28, True), (28, True), (32, False)]
)
async def test_thirty_seconds_are_tolerated(
    trader: Trader, monkeypatch: pytest.MonkeyPatch, late: int, *, let_in: bool
) -> None:
    """The HMAC's time may be off by that much."""
    now = time.time()
    monkeypatch.setattr("tests.lastsecond.sim.trader.time.time", lambda: now + late)
    headers = trader.headers("GET", "/auth/api-keys")
    monkeypatch.undo()
    status, _ = await trader.get("/auth/api-keys", headers=headers)
    assert status == (200 if let_in else 401)


async def test_the_query_is_not_signed(trader: Trader) -> None:
    """The path is signed without it; signing it, too, is refused."""
    path = "/balance-allowance"
    assert (await trader.get(path, COLLATERAL))[0] == 200
    signed = trader.headers("GET", path + "?asset_type=COLLATERAL&signature_type=0")
    assert await trader.get(path, COLLATERAL, headers=signed) == UNAUTHORIZED


async def test_balances_are_of_the_right_wallet(
    quick: SimulatedExchange, market: SimMarket
) -> None:
    """Units are micros; another signature type is another, empty wallet."""
    trader = Trader(quick, 6, kind=2, balance="7.5", allowance="5")
    path = "/balance-allowance"
    asked = COLLATERAL | {"signature_type": "2"}
    _, body = await trader.get(path, asked)
    assert body["balance"] == "7500000"
    assert set(body["allowances"].values()) == {"5000000"}
    _, body = await trader.get(path, COLLATERAL)
    assert (body["balance"], set(body["allowances"].values())) == ("0", {"0"})
    token = market.token(Outcome.UP)
    trader.account.positions[token] = 9_433_962
    shares = {"asset_type": "CONDITIONAL", "signature_type": "2", "token_id": token}
    _, body = await trader.get(path, shares)
    assert body["balance"] == "9433962"
    wrong = await trader.get(path, asked | {"asset_type": "CASH"})
    assert wrong == (400, {"error": "Invalid asset type"})
    assert await trader.get(path + "/update", asked) == (200, "")
    missing = await trader.get(path, {"asset_type": "COLLATERAL"})
    assert missing == (400, {"error": "missing parameter: signature_type"})


async def test_the_country_and_the_accounts_state_can_be_asked(
    quick: SimulatedExchange, trader: Trader
) -> None:
    """Geoblock without a key, closed-only mode with one."""
    _, body = await trader.get("/api/geoblock")
    assert (body["blocked"], body["country"]) == (False, "IE")
    quick.rules.geoblocked = True
    _, body = await trader.get("/api/geoblock")
    assert (body["blocked"], body["country"]) == (True, "GB")
    path = "/auth/ban-status/closed-only"
    assert await trader.get(path) == (200, {"closed_only": False})


async def test_trades_are_listed_newest_first(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """By pages, with filters; only one's own."""
    quick.rules.page_size = 2
    for _ in range(3):
        await trader.post(trader.order(market, 1_060_000, 2_000_000))
    await until(lambda: all(trade.status == "CONFIRMED" for trade in quick.trades))
    path, ids = "/data/trades", [trade.id for trade in quick.trades]
    _, page = await trader.get(path)
    assert [row["id"] for row in page["data"]] == ids[:0:-1]
    assert (page["limit"], page["count"], page["next_cursor"]) == (2, 2, "Mg==")
    _, page = await trader.get(path, {"next_cursor": page["next_cursor"]})
    assert [row["id"] for row in page["data"]] == [ids[0]]
    assert page["next_cursor"] == "LTE="
    wrong = await trader.get(path, {"next_cursor": "?"})
    assert wrong == (400, {"error": "invalid next_cursor"})
    assert (await trader.get(path, {"next_cursor": "LTE="}))[0] == 400
    stranger = Trader(quick, 6)
    assert (await stranger.get(path))[1]["data"] == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("id", "1"),
        ("market", "0x1"),
        ("asset_id", "1"),
        ("maker_address", WALLET),
    ],
)
async def test_trades_are_filtered(
    quick: SimulatedExchange, market: SimMarket, trader: Trader, name: str, wrong: str
) -> None:
    """Each filter finds the trade by its own value and not by another."""
    await trader.post(trader.order(market, 1_060_000, 2_000_000))
    _, listed = await trader.get("/data/trades")
    (row,) = listed["data"]
    _, found = await trader.get("/data/trades", {name: row[name]})
    assert found["data"] == [row]
    _, found = await trader.get("/data/trades", {name: wrong})
    assert found["data"] == []


async def test_trades_of_a_time(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """``after`` and ``before`` exclude their own second; listing may lag."""
    await trader.post(trader.order(market, 1_060_000, 2_000_000))
    second = quick.trades[0].matched_at // 10**9
    path = "/data/trades"
    for name, value, found in [
        ("after", second, 0),
        ("after", second - 1, 1),
        ("before", second, 0),
        ("before", second + 1, 1),
    ]:
        _, page = await trader.get(path, {name: str(value)})
        assert page["count"] == found
    quick.rules.trade_lag = 60.0
    assert (await trader.get(path))[1]["count"] == 0


async def test_levels_can_be_trades_of_their_own(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """One trade with two maker orders, or two trades with one each."""
    await trader.post(trader.order(market, 21_300_000, 39_444_400))
    _, page = await trader.get("/data/trades")
    (row,) = page["data"]
    assert (row["size"], row["price"]) == ("40", "0.5325")
    made = [(maker["price"], maker["matched_amount"]) for maker in row["maker_orders"]]
    assert made == [("0.53", "30"), ("0.54", "10")]
    quick.rules.trade_per_level = True
    market.snapshot(Outcome.UP, [], [("0.53", "30"), ("0.54", "119.83")])
    _, body = await trader.post(trader.order(market, 21_300_000, 39_444_400))
    assert len(body["tradeIDs"]) == 2
    _, page = await trader.get("/data/trades")
    sizes = [(row["size"], row["price"], row["bucket_index"]) for row in page["data"]]
    assert sizes[:2] == [("10", "0.54", 1), ("30", "0.53", 0)]


@pytest.mark.parametrize("missing", ["null", ""])
async def test_an_ended_order_is_hard_to_find(
    quick: SimulatedExchange, market: SimMarket, trader: Trader, missing: str
) -> None:
    """Open orders only, or recent ones too, or nothing: each may be how it is."""
    quick.rules.missing_order = missing
    nothing = (200, None if missing else "")
    await trader.post(trader.order(market, 5_300_000, 10_000_000))
    await trader.post(trader.order(market, 1_000_000, 1_886_800))
    filled, killed = (f"/data/order/{row.order_id}" for row in quick.orders)
    assert await trader.get(filled) == nothing
    assert await trader.get("/data/order/0x1") == nothing
    quick.rules.order_lookup = "recent"
    _, body = await trader.get(filled)
    assert (body["status"], body["size_matched"]) == ("MATCHED", "10")
    assert body["associate_trades"] == [quick.trades[0].id]
    assert (await trader.get(killed))[1]["status"] == "CANCELED"
    stranger = Trader(quick, 6)
    assert await stranger.get(filled) == nothing
    quick.rules.order_lookup = "nothing"
    assert await trader.get(filled) == nothing


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "0x1"},
        {"funder": "none"},
        {"signature_type": 4},
        {"signature_type": 0},
        {"address": address(5)},
        {"balance": "-1"},
    ],
)
@pytest.mark.usefixtures("trader")
async def test_an_account_must_make_sense(
    quick: SimulatedExchange, wrong: dict[str, Any]
) -> None:
    """Addresses, type and money are checked, and an address has one account."""
    given: dict[str, Any] = {
        "address": address(7),
        "funder": WALLET,
        "signature_type": 1,
    }
    with pytest.raises(ValueError, match=r"\S"):
        quick.add_account(**(given | wrong))


def test_secrets_are_not_shown() -> None:
    """An account's text has neither secret nor passphrase."""
    account = Account(address(5), address(5), 0, 0)
    assert account.secret not in repr(account)
    assert account.passphrase not in repr(account)


async def test_the_vendors_models_read_it_all(
    quick: SimulatedExchange, market: SimMarket, trader: Trader
) -> None:
    """Trades, orders and balances have every field that the newer SDK insists on."""
    quick.rules.order_lookup = "recent"
    await trader.post(trader.order(market, 21_300_000, 39_444_400))
    _, page = await trader.get("/data/trades")
    trade = ClobTrade.parse_response(page["data"][0])
    assert (trade.taker_order_id, trade.trader_side) == (
        quick.orders[0].order_id,
        "TAKER",
    )
    _, body = await trader.get(f"/data/order/{quick.orders[0].order_id}")
    assert str(OpenOrder.parse_response(body).size_matched) == "40"
    _, body = await trader.get("/balance-allowance", COLLATERAL)
    assert BalanceAllowance.parse_response(body).balance == trader.account.balance


def test_signatures_cost_nothing_until_they_are_needed() -> None:
    """Importing the exchange, as a dry run does, leaves the signing library alone."""
    asked = "import sys, lastsecond.sim; print('eth_account' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"
