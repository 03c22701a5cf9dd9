"""The account's reads, as the exchange and its look-alikes write them."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from py_clob_client_v2.config import get_contract_config

from lastsecond.errors import WireError
from lastsecond.wire import account
from lastsecond.wire.account import (
    EXCHANGE,
    LAST_PAGE,
    Balance,
    Trade,
    TradePage,
    TradeStatus,
    decode_balance,
    decode_geoblock,
    decode_open_orders,
    decode_order,
    decode_trades,
    decode_version,
)

DECODERS: list[Callable[[bytes], object]] = [
    decode_trades,
    decode_order,
    decode_balance,
    decode_version,
    decode_geoblock,
    decode_open_orders,
]
ROW = {
    "id": "trade-1",
    "taker_order_id": "0xAB",
    "market": "0x12",
    "asset_id": "7",
    "side": "BUY",
    "size": "2.181817",
    "price": "0.55",
    "status": "TRADE_STATUS_CONFIRMED",
    "maker_orders": [],
}


def raw(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_page_of_trades() -> None:
    """Ids, whole micros and how far each is; the cost is rounded down as live."""
    page = decode_trades(
        raw({"data": [ROW], "next_cursor": "NTAw", "limit": 500, "count": 1})
    )
    trade = Trade("trade-1", "0xab", TradeStatus.CONFIRMED, 2_181_817, 1_199_999)
    assert page == TradePage((trade,), "NTAw")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("TRADE_STATUS_CONFIRMED", TradeStatus.CONFIRMED),
        ("CONFIRMED", TradeStatus.CONFIRMED),
        ("TRADE_STATUS_FAILED", TradeStatus.FAILED),
        ("FAILED", TradeStatus.FAILED),
        ("TRADE_STATUS_MATCHED", TradeStatus.PENDING),
        ("MATCHED_NOT_BROADCASTED", TradeStatus.PENDING),
        ("TRADE_STATUS_MINED", TradeStatus.PENDING),
        ("TRADE_STATUS_RETRYING", TradeStatus.PENDING),
        ("", TradeStatus.PENDING),
        ("invented", TradeStatus.PENDING),
    ],
)
def test_only_two_statuses_are_final(said: str, status: TradeStatus) -> None:
    """With the REST prefix or without; whatever else is on its way."""
    page = decode_trades(raw({"data": [{**ROW, "status": said}]}))
    assert page.trades[0].status is status


@pytest.mark.parametrize(
    ("size", "price", "cost"),
    [
        ("10", "0.5", 5_000_000),
        ("5.154639", "0.97", 4_999_999),
        (".5", ".48", 240_000),
        ("0.000001", "0.001", 0),
        ("3", "0.3333333333333", 999_999),
        ("10.309278", "0.4849999388900", 4_999_999),
        ("7", "0.7142857142857", 5_000_000),
    ],
)
def test_what_a_trade_cost(size: str, price: str, cost: int) -> None:
    """Shares at a price, exact, or at a mean of prices that has many decimals."""
    page = decode_trades(raw({"data": [{**ROW, "size": size, "price": price}]}))
    assert abs(page.trades[0].cost - cost) <= (len(price) > 10)


def maker(price: str, size: str, token: str = "7") -> dict[str, str]:
    return {"price": price, "matched_amount": size, "asset_id": token}


@pytest.mark.parametrize(
    ("makers", "levels", "cost"),
    [
        ([maker("0.55", "2.181817")], ((550_000, 2_181_817),), 1_199_999),
        ([maker("0.5500000000012", "2.181817")], ((550_000, 2_181_817),), 1_199_999),
        ([maker("0.45", "2.181817", "8")], ((550_000, 2_181_817),), 1_199_999),
        (
            [maker("0.54", "1"), maker("0.54", "0.0909085"), maker("0.56", "1.090909")],
            ((540_000, 1_000_000), (540_000, 90_908), (560_000, 1_090_909)),
            1_199_999,
        ),
    ],
    ids=["one", "a remainder", "minted", "three"],
)
def test_the_levels_of_a_trade(
    makers: list[dict[str, str]], levels: tuple[tuple[int, int], ...], cost: int
) -> None:
    """Each maker is one; who bought the other token for 0.45 sold this one for 0.55."""
    page = decode_trades(raw({"data": [{**ROW, "maker_orders": makers}]}))
    assert (page.trades[0].levels, page.trades[0].cost) == (levels, cost)


@pytest.mark.parametrize(
    "makers",
    [
        [],
        None,
        "none",
        [{}],
        [maker("0.55", "2.181816")],
        [maker("0.55", "2.181817"), maker("0.55", "2.181817")],
        [maker("0.5502", "2.181817")],
        [maker("0.45", "2.181817")],
        [maker("5.5e-1", "2.181817")],
        [maker("0.55", "-2.181817")],
    ],
    ids=str,
)
def test_makers_who_do_not_add_up_are_not_believed(makers: object) -> None:
    """The trade counts, but what it consists of, and so its fee, is not known."""
    [trade] = decode_trades(raw({"data": [{**ROW, "maker_orders": makers}]})).trades
    assert (trade.shares, trade.cost, trade.levels) == (2_181_817, 1_199_999, ())


@pytest.mark.parametrize("end", [{}, {"next_cursor": None}, {"next_cursor": ""}])
def test_the_last_page(end: dict[str, object]) -> None:
    """No cursor is the end; no trades may be written as null."""
    assert decode_trades(raw({"data": None, **end})) == TradePage((), LAST_PAGE)


@pytest.mark.parametrize(
    "page",
    [
        {},
        [],
        None,
        {"data": {}},
        {"data": [{}]},
        {"data": [{**ROW, "size": 2}]},
        {"data": [{**ROW, "size": "-2"}]},
        {"data": [{**ROW, "price": "1e2"}]},
        {"data": [{**ROW, "price": "NaN"}]},
        {"data": [], "next_cursor": 7},
        {"error": "Unauthorized"},
    ],
    ids=str,
)
def test_no_page_of_trades(page: object) -> None:
    """A page of which any row is not understood is no page."""
    with pytest.raises(WireError, match="no page of trades"):
        decode_trades(raw(page))


@pytest.mark.parametrize("body", [b"", b" \n", b"null", b'""', b"{}", b" null\n"])
def test_an_order_that_is_not_there(body: bytes) -> None:
    """Nothing is written in several ways."""
    assert decode_order(body) is None


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"status": "LIVE"}, "live"),
        ({"status": "DELAYED", "size_matched": "0"}, "delayed"),
        ({"status": "MATCHED", "size_matched": "5"}, "matched"),
        ({"status": "CANCELED", "size_matched": "0"}, None),
        ({"status": "ORDER_STATUS_CANCELED"}, None),
        ({"status": "CANCELED_order couldn't be fully filled"}, None),
        ({"status": "CANCELED", "size_matched": "5"}, "canceled"),
    ],
)
def test_an_orders_status(order: dict[str, str], status: str | None) -> None:
    """In lower case; one that was killed with nothing bought counts as none."""
    assert decode_order(raw({"id": "0x1", **order})) == status


@pytest.mark.parametrize(
    "order",
    [
        [],
        "x",
        {"id": "0x1"},
        {"status": "LIVE"},
        {"id": "0x1", "status": None},
        {"id": "0x1", "status": "CANCELED", "size_matched": "many"},
        {"error": "Invalid orderID"},
    ],
    ids=str,
)
def test_no_order(order: object) -> None:
    """What is neither an order nor nothing says nothing of the order."""
    with pytest.raises(WireError, match="no order"):
        decode_order(raw(order))


@pytest.mark.parametrize(
    ("told", "allowance"),
    [
        ({"allowances": {EXCHANGE: "7", "0xother": "0"}}, 7),
        ({"allowances": {EXCHANGE.upper().replace("X", "x"): "7", "0x2": "3"}}, 7),
        ({"allowances": {"0x1": "9", "0x2": "4"}}, 4),
        ({"allowances": {}, "allowance": "6"}, 6),
        ({"allowance": "6"}, 6),
        ({"allowances": None, "allowance": None}, 0),
        ({}, 0),
        ({"allowances": {EXCHANGE: str(2**256 - 1)}}, 2**256 - 1),
    ],
    ids=str,
)
def test_a_balance(told: dict[str, Any], allowance: int) -> None:
    """The allowance of the contract that trades these markets, else the least."""
    assert decode_balance(raw({"balance": "123", **told})) == Balance(123, allowance)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"balance": 5},
        {"balance": "1.5"},
        {"balance": ""},
        {"balance": "1", "allowances": {"0x1": ""}},
        {"balance": "1", "allowances": ["1"]},
    ],
    ids=str,
)
def test_no_balance(body: object) -> None:
    """Money that cannot be read is no money."""
    with pytest.raises(WireError, match="no balance"):
        decode_balance(raw(body))


def test_the_exchange_is_the_vendors() -> None:
    """The contract whose allowance counts is the one that orders are signed for."""
    assert get_contract_config(137).exchange_v2.lower() == EXCHANGE


def test_the_order_version() -> None:
    """A whole number, beside whatever else."""
    assert decode_version(b'{"version":2}') == 2
    assert decode_version(b'{"version":3,"since":"today"}') == 3


@pytest.mark.parametrize(
    "body", [b"2", b"{}", b'{"version":"2"}', b'{"version":null}', b'{"version":true}']
)
def test_no_order_version(body: bytes) -> None:
    """Unknown is never a version."""
    with pytest.raises(WireError, match="no version"):
        decode_version(body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"blocked":true,"ip":"1.2.3.4","country":"GB"}', (True, "GB")),
        (b'{"blocked":false,"country":"IE","region":"L"}', (False, "IE")),
        (b'{"blocked":false,"country":null}', (False, "")),
        (b'{"blocked":true}', (True, "")),
    ],
)
def test_the_geoblock(body: bytes, told: tuple[bool, str]) -> None:
    """Whether, and which country, when that is told."""
    assert decode_geoblock(body) == told


@pytest.mark.parametrize("body", [b"{}", b"<html>", b'{"blocked":"no"}', b"[]"])
def test_no_geoblock(body: bytes) -> None:
    """A page in place of an answer is not permission."""
    with pytest.raises(WireError, match="no geoblock answer"):
        decode_geoblock(body)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"[]", 0),
        (b"[{},{}]", 2),
        (b'{"data":[{"id":"1"}],"next_cursor":"LTE="}', 1),
        (b'{"data":[]}', 0),
        (b'{"data":null}', 0),
    ],
)
def test_open_orders(body: bytes, count: int) -> None:
    """A list, bare or as a page."""
    assert decode_open_orders(body) == count


@pytest.mark.parametrize("body", [b"{}", b"null", b"7", b'{"data":{"a":1}}', b"<html>"])
def test_no_open_orders(body: bytes) -> None:
    """What is no list is not an empty one."""
    with pytest.raises(WireError, match=r"no (list of )?orders"):
        decode_open_orders(body)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        *("data", "next_cursor", "id", "status", "taker_order_id", "size", "price"),
        *("size_matched", "balance", "allowances", "allowance", "version", "blocked"),
        *("country",),
    ]
)
SHAPE = st.dictionaries(
    NAMES,
    VALUE
    | st.lists(st.fixed_dictionaries({name: st.text() for name in ROW}), max_size=2),
)


@settings(deadline=None)
@given(body=st.binary() | SHAPE.map(raw) | VALUE.map(raw))
@example(body=b"[" * 100_000)
@example(body=b'{"data":' * 100_000)
@example(body=b'{"version":1e999}')
@example(body=b'{"balance":"' + b"9" * 5000 + b'"}')
@example(body=b'{"data":[{"id":"\xff"}]}')
@pytest.mark.parametrize("decode", DECODERS)
def test_any_bytes_are_a_value_or_a_wire_error(
    decode: Callable[[bytes], object], body: bytes
) -> None:
    """Nothing that the exchange sends raises anything else."""
    with suppress(WireError):
        decode(body)


def test_every_decoder_is_held_to_that() -> None:
    """No decoder of the module is left out above."""
    names = {name for name in vars(account) if name.startswith("decode_")}
    assert names == {decode.__name__ for decode in DECODERS}
