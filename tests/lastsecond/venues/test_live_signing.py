"""Signatures, ids, amounts and headers of real orders, computed by hand again."""

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from eth_keys.datatypes import Signature
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from py_clob_client_v2 import ClobClient
from py_clob_client_v2.clob_types import MarketOrderArgsV2
from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2
from py_clob_client_v2.signing.hmac import build_hmac_signature

from lastsecond.clock import SystemClock
from lastsecond.errors import VenueError
from lastsecond.http import HttpSource
from lastsecond.line import Line
from lastsecond.market import (
    NANOSECONDS,
    Asset,
    ConditionId,
    Interval,
    Outcome,
    TokenId,
    Window,
)
from lastsecond.money import micros, order_amounts
from lastsecond.orders import Intent, SignedOrder
from lastsecond.sim import HttpFault, SimulatedExchange
from lastsecond.venues.live import (
    Account,
    Authority,
    Credentials,
    LiveTicket,
    LiveVenue,
)
from tests.eip712 import DOMAIN, ORDER_TYPE, nested_hash, struct_hash
from tests.fakes import HurriedClock

KEY = "0x" + "5e" * 32
WALLET = "0x1563915e194D8CfBA1943570603F7606A3115508"
OWNER = "2b2a1b30-6ba2-4f0c-8b1e-0f9d0e9c7a11"
TOKEN = TokenId("7" * 77)
CONDITION = ConditionId("0x" + "c" * 64)
KINDS = [0, 1, 2, 3]
CREDENTIALS = Credentials(OWNER, "c2VjcmV0LXNlY3JldC1zZWNyZXQ_-w==", "pass-phrase-7")


def account(kind: int, funder: str | None = None) -> Account:
    wallet = "" if kind == 0 else WALLET
    return Account(
        KEY,
        signature_type=kind,
        funder=wallet if funder is None else funder,
        chain_id=137,
    )


def intent(spend: str = "5", limit: str = "0.97", tick: str = "0.01") -> Intent:
    return Intent(
        condition_id=CONDITION,
        ticker="btc",
        token_id=TOKEN,
        outcome=Outcome.UP,
        spend=micros(spend),
        limit=micros(limit),
        tick=micros(tick),
    )


def signed(kind: int, wanted: Intent | None = None) -> SignedOrder:
    return account(kind).sign(wanted or intent(), owner=OWNER, timestamp_ms=1_795_000)


def order_of(made: SignedOrder) -> dict[str, Any]:
    return dict(json.loads(made.body)["order"])


def digest(inner: bytes) -> bytes:
    return keccak(b"\x19\x01" + DOMAIN + inner)


def signer_of(message: bytes, signature: bytes) -> str:
    assert len(signature) == 65
    assert signature[64] in {27, 28}
    plain = Signature(signature[:64] + bytes([signature[64] - 27]))
    return plain.recover_public_key_from_msg_hash(message).to_checksum_address()


@pytest.mark.parametrize("kind", KINDS)
def test_the_id_is_the_orders_hash(kind: int) -> None:
    """For every type it is the plain EIP-712 digest of the order itself."""
    made = signed(kind)
    assert made.order_id == "0x" + digest(struct_hash(order_of(made))).hex()


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_the_key_signed_the_order(kind: int) -> None:
    """The signature under the digest is the key's own."""
    order = order_of(signed(kind))
    signature = bytes.fromhex(order["signature"][2:])
    assert signer_of(digest(struct_hash(order)), signature) == account(kind).address


def test_the_key_signed_for_its_deposit_wallet() -> None:
    """Type 3: a signature of the nested form, and what verifies it appended."""
    order = order_of(signed(3))
    told = bytes.fromhex(order["signature"][2:])
    assert len(order["signature"]) == 636
    appended = (
        DOMAIN + struct_hash(order) + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
    )
    assert told[65:] == appended
    assert signer_of(digest(nested_hash(order)), told[:65]) == account(3).address


@pytest.mark.parametrize("kind", KINDS)
def test_the_body_is_exact(kind: int) -> None:
    """Every key, type and value of the request, and not a byte between them."""
    made = signed(kind)
    own = account(kind).address
    maker = own if kind == 0 else WALLET
    order = order_of(made)
    assert json.loads(made.body) == {
        "order": {
            "salt": order["salt"],
            "maker": maker,
            "signer": WALLET if kind == 3 else own,
            "tokenId": TOKEN,
            "makerAmount": "5000000",
            "takerAmount": "5154600",
            "side": "BUY",
            "expiration": "0",
            "signatureType": kind,
            "timestamp": "1795000",
            "metadata": "0x" + "0" * 64,
            "builder": "0x" + "0" * 64,
            "signature": order["signature"],
        },
        "owner": OWNER,
        "orderType": "FOK",
        "deferExec": False,
        "postOnly": False,
    }
    assert type(order["salt"]) is int
    assert 0 <= order["salt"] < 2**53
    assert b" " not in made.body
    assert b"'" not in made.body
    assert (made.condition_id, made.token_id) == (CONDITION, TOKEN)
    assert (made.maker_amount, made.taker_amount) == (5_000_000, 5_154_600)
    assert (made.outcome, made.limit) == (Outcome.UP, 970_000)


def test_no_two_orders_are_alike() -> None:
    """The same intent in the same millisecond makes two orders."""
    assert signed(0).order_id != signed(0).order_id


ACCOUNTS = {kind: account(kind) for kind in KINDS}


@settings(deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    spend=st.integers(100, 1_000_000).map(lambda cents: cents * 10_000),
    limit=st.integers(500, 999).map(lambda thousandths: thousandths * 1000),
    tick=st.sampled_from(["0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001"]),
)
def test_amounts_are_ours(kind: int, spend: int, limit: int, tick: str) -> None:
    """What is signed is what money.order_amounts says, at any size, cap and tick."""
    wanted = Intent(
        condition_id=CONDITION,
        ticker="btc",
        token_id=TOKEN,
        outcome=Outcome.DOWN,
        spend=spend,
        limit=limit,
        tick=micros(tick),
    )
    made = ACCOUNTS[kind].sign(wanted, owner=OWNER, timestamp_ms=1)
    order = order_of(made)
    maker, taker = order_amounts(spend, limit, micros(tick))
    assert (order["makerAmount"], order["takerAmount"]) == (str(maker), str(taker))
    assert (made.maker_amount, made.taker_amount) == (maker, taker)
    assert made.order_id == "0x" + digest(struct_hash(order)).hex()


@pytest.mark.parametrize(
    "wanted", [intent(spend="0.001"), intent(limit="0.001"), intent(limit="0")]
)
def test_nothing_to_buy(wanted: Intent) -> None:
    """An order that would buy nothing is not made."""
    with pytest.raises(VenueError, match=r"nothing to buy|no price"):
        signed(0, wanted)


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    async with SimulatedExchange(SystemClock()) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("spend", "limit"),
    [("5", "0.97"), ("1", "0.99"), ("25.37", "0.51"), ("100", "0.9")],
)
async def test_it_is_what_the_vendor_signs(
    kind: int,
    spend: str,
    limit: str,
    exchange: SimulatedExchange,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With its salt and time, ours is the vendor client's order to the byte."""
    window = Window(Asset.BTC, Interval.FIVE_MINUTES, 1_790_000_100)
    token = exchange.add_market(window).token(Outcome.UP)
    client = ClobClient(
        exchange.http_url,
        137,
        key=KEY,
        signature_type=kind,
        funder=None if kind == 0 else WALLET,
    )
    arguments = MarketOrderArgsV2(
        token_id=token, amount=float(spend), side="BUY", price=float(limit)
    )
    theirs = await asyncio.to_thread(client.create_market_order, arguments)
    monkeypatch.setattr(secrets, "randbits", lambda _: int(theirs.salt))
    wanted = Intent(
        condition_id=CONDITION,
        ticker="btc",
        token_id=token,
        outcome=Outcome.UP,
        spend=micros(spend),
        limit=micros(limit),
        tick=10_000,
    )
    made = account(kind).sign(wanted, owner=OWNER, timestamp_ms=int(theirs.timestamp))
    assert json.loads(made.body) == order_to_json_v2(theirs, OWNER, "FOK")


@pytest.mark.parametrize(
    ("kind", "funder", "told"),
    [
        (0, WALLET, "leave FUNDER_ADDRESS empty, or set the type"),
        (1, "", "SIGNATURE_TYPE 1 needs FUNDER_ADDRESS"),
        (2, "", "SIGNATURE_TYPE 2 needs FUNDER_ADDRESS"),
        (3, "", "SIGNATURE_TYPE 3 needs FUNDER_ADDRESS"),
        (3, ACCOUNTS[0].address, "SIGNATURE_TYPE 3 needs FUNDER_ADDRESS"),
        (3, ACCOUNTS[0].address.lower(), "SIGNATURE_TYPE 3 needs FUNDER_ADDRESS"),
        (3, WALLET[:-1] + "9", "FUNDER_ADDRESS is mistyped.*copy it again"),
        (1, WALLET.replace("D8C", "d8C"), "FUNDER_ADDRESS is mistyped"),
        (1, "0x12", "FUNDER_ADDRESS is mistyped"),
    ],
)
def test_an_account_that_does_not_fit(kind: int, funder: str, told: str) -> None:
    """Type and wallet that cannot belong together are refused, with what to do."""
    with pytest.raises(VenueError, match=told):
        account(kind, funder)


@pytest.mark.parametrize("funder", [WALLET, WALLET.lower(), "", None])
def test_an_account_that_fits(funder: str | None) -> None:
    """Checksummed or in lower case; a key's own account may be named or not."""
    if funder:
        made = account(3, funder)
        assert made.funder == funder
        assert made.sign(intent(), owner=OWNER, timestamp_ms=1).order_id
    else:
        assert account(0, funder).funder == ACCOUNTS[0].address
        assert account(0, ACCOUNTS[0].address.lower()).address == ACCOUNTS[0].address


@pytest.mark.parametrize("key", ["0" * 64, "f" * 64, "0xzz", "5e" * 31])
def test_a_key_that_is_none(key: str) -> None:
    """It is refused in words that do not hold it."""
    with pytest.raises(VenueError, match="PRIVATE_KEY is no private key") as caught:
        Account(key, signature_type=0, funder="", chain_id=137)
    assert key not in str(caught.value)
    assert caught.value.__suppress_context__


def authority(credentials: Credentials = CREDENTIALS) -> Authority:
    clock = HurriedClock(1_795_653_900 * NANOSECONDS + 999_999_999)
    return Authority(ACCOUNTS[0].address, credentials, clock)


def hmac_by_hand(secret: bytes, message: bytes) -> str:
    """RFC 2104 with SHA-256, in URL-safe base64."""
    padded = secret.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded) + message).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in padded) + inner).digest()
    return base64.urlsafe_b64encode(outer).decode()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/order", signed(0).body),
        ("POST", "/order", signed(3).body),
        ("GET", "/data/trades", b""),
    ],
)
def test_a_request_is_signed(method: str, path: str, body: bytes) -> None:
    """The five headers; the last is an HMAC that the vendor makes, too, and a hand."""
    stamp = "1795653900"
    message = stamp.encode() + method.encode() + path.encode() + body
    by_hand = hmac_by_hand(b"secret-secret-secret?\xfb", message)
    assert authority().headers(method, path, body) == {
        "POLY_ADDRESS": ACCOUNTS[0].address,
        "POLY_API_KEY": OWNER,
        "POLY_PASSPHRASE": "pass-phrase-7",
        "POLY_TIMESTAMP": stamp,
        "POLY_SIGNATURE": by_hand,
    }
    vendors = build_hmac_signature(
        CREDENTIALS.secret, stamp, method, path, body.decode()
    )
    assert vendors == by_hand


@settings(deadline=None)
@given(secret=st.binary(min_size=1, max_size=80), body=st.binary(max_size=80))
def test_any_secret_signs(secret: bytes, body: bytes) -> None:
    """Whatever is base64, in either alphabet, is a secret."""
    plain = base64.b64encode(secret).decode()
    safe = base64.urlsafe_b64encode(secret).decode()
    for text in (plain, safe):
        made = authority(Credentials("key", text, "pass"))
        headers = made.headers("POST", "/order", body)
        message = b"1795653900POST/order" + body
        longer = hashlib.sha256(secret).digest() if len(secret) > 64 else secret
        assert headers["POLY_SIGNATURE"] == hmac_by_hand(longer, message)


@pytest.mark.parametrize("secret", ["abcde", "not base64!", "gänse", "ab cd", "a==="])
def test_a_secret_that_is_none(secret: str) -> None:
    """What is not base64 is refused, in words that do not hold it."""
    with pytest.raises(VenueError, match="CLOB_SECRET is not base64: copy") as caught:
        authority(Credentials("key", secret, "pass"))
    assert secret not in str(caught.value)
    assert caught.value.__suppress_context__


def test_nothing_shows_a_secret() -> None:
    """Neither repr nor str of anything here holds key, secret or passphrase."""
    clock = HurriedClock(0)
    own, signs, order = account(3), authority(), signed(3)
    shown = [
        own,
        CREDENTIALS,
        signs,
        order,
        LiveTicket({TOKEN: order}, Line("http://127.0.0.1:1"), signs),
        LiveVenue(own, signs, source=HttpSource(clock), host="http://x", clock=clock),
    ]
    secret = [KEY, KEY[2:], str(int(KEY, 16)), order_of(order)["signature"]]
    secret += [CREDENTIALS.key, CREDENTIALS.secret, CREDENTIALS.passphrase]
    for value in shown:
        for text in (repr(value), str(value), f"{value}", repr([value])):
            assert not [part for part in secret if part in text]


async def test_derived_credentials_are_the_exchanges(
    exchange: SimulatedExchange,
) -> None:
    """A key that exists is told again."""
    own = account(0)
    known = exchange.add_account(
        address=own.address, funder=own.address, signature_type=0
    )
    assert await own.derive(exchange.http_url) == Credentials(
        known.api_key, known.secret, known.passphrase
    )
    assert [r.path for r in exchange.requests] == ["/time", "/auth/derive-api-key"]


async def test_a_first_key_is_made(exchange: SimulatedExchange) -> None:
    """Where there is none yet, the exchange makes one, and it is accepted."""
    own = account(3)
    made = await own.derive(exchange.http_url)
    posts = [
        (r.method, r.status) for r in exchange.requests if r.path == "/auth/api-key"
    ]
    assert posts == [("POST", 200)]
    signs = Authority(own.address, made, SystemClock())
    async with HttpSource(SystemClock()) as source:
        url = f"{exchange.http_url}/data/orders"
        headers = signs.headers("GET", "/data/orders")
        assert b'"data"' in await source.get(url, headers=headers)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "{}"),
        (401, '{"error":"Invalid L1 Request headers"}'),
        (200, "{}"),
        (200, "[]"),
        (200, "<html>"),
    ],
)
async def test_no_key_is_given(
    status: int, body: str, exchange: SimulatedExchange
) -> None:
    """Whatever else comes is told in one line, without the request."""
    for path in ("/auth/derive-api-key", "/auth/api-key"):
        exchange.faults.http(HttpFault(path=path, status=status, body=body))
    with pytest.raises(VenueError, match="gives this key no API key") as caught:
        await account(0).derive(exchange.http_url)
    assert KEY[2:] not in repr(caught.value) + repr(caught.value.__cause__)


async def test_no_exchange_to_ask() -> None:
    """An exchange that is not there gives no key, either."""
    with pytest.raises(VenueError, match="gives this key no API key"):
        await account(0).derive("http://127.0.0.1:1")
