"""A customer of the simulated exchange who signs and posts with exact amounts."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
from eth_account import Account as Key
from py_clob_client_v2.order_utils import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import (
    OrderDataV2,
    order_to_json_v2,
)
from py_clob_client_v2.order_utils.model.side import Side
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2
from py_clob_client_v2.signer import Signer

from lastsecond.market import Outcome
from lastsecond.sim import Account, SimMarket, SimulatedExchange

CONTRACT = "0xE111180000d2663C0091e4f400237545B87B996B"
WALLET = "0x1563915e194D8CfBA1943570603F7606A3115508"
Json = dict[str, Any]


def key(number: int) -> str:
    """A private key for tests."""
    return f"0x{number:064x}"


def address(number: int) -> str:
    """The address of that key."""
    return str(Key.from_key(key(number)).address)


def signed(
    number: int,
    token: str,
    maker: int,
    taker: int,
    *,
    kind: int = 0,
    funder: str | None = None,
    owner: str = "",
    version: str = "2",
    contract: str = CONTRACT,
    order_type: str = "FOK",
) -> Json:
    """A body of ``POST /order``, signed by the vendor's builder; amounts in micros."""
    signer = Signer(key(number), 137)
    wallet = funder or signer.address()
    builder = ExchangeOrderBuilderV2(contract, 137, signer, domain_version=version)
    order = builder.build_signed_order(
        OrderDataV2(
            maker=wallet,
            tokenId=token,
            makerAmount=str(maker),
            takerAmount=str(taker),
            side=Side.BUY,
            signer=wallet if kind == 3 else signer.address(),
            signatureType=SignatureTypeV2(kind),
        )
    )
    return dict(order_to_json_v2(order, owner, order_type))


class Trader:
    """An account, its key, and a way to the exchange."""

    def __init__(
        self, exchange: SimulatedExchange, number: int, *, kind: int = 0, **opened: str
    ) -> None:
        self.exchange = exchange
        self.number = number
        self.address = address(number)
        self.funder = self.address if kind == 0 else WALLET
        self.kind = kind
        self.account: Account = exchange.add_account(
            address=self.address, funder=self.funder, signature_type=kind, **opened
        )

    def order(self, market: SimMarket, maker: int, taker: int, **changed: Any) -> Json:
        """A signed buy of Up."""
        fields: Json = {
            "kind": self.kind,
            "funder": self.funder,
            "owner": self.account.api_key,
        }
        token = changed.pop("token", market.token(Outcome.UP))
        return signed(self.number, token, maker, taker, **(fields | changed))

    def headers(self, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        """Level 2 headers, made without the vendor's code."""
        stamp = str(int(time.time()))
        secret = base64.urlsafe_b64decode(self.account.secret)
        message = stamp.encode() + method.encode() + path.encode() + body
        digest = hmac.new(secret, message, hashlib.sha256).digest()
        return {
            "POLY_ADDRESS": self.address,
            "POLY_API_KEY": self.account.api_key,
            "POLY_PASSPHRASE": self.account.passphrase,
            "POLY_TIMESTAMP": stamp,
            "POLY_SIGNATURE": base64.urlsafe_b64encode(digest).decode(),
        }

    async def post(
        self,
        body: Json | bytes,
        *,
        patience: float = 5.0,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON (or text) of the answer to an order."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        made = self.headers("POST", "/order", sent) | dict(headers or {})
        limit = aiohttp.ClientTimeout(total=patience)
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(
                f"{self.exchange.http_url}/order", data=sent, headers=made
            ) as response,
        ):
            return response.status, _decoded(await response.text())

    async def get(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON (or text) of a read that needs the key."""
        made = self.headers("GET", path) | dict(headers or {})
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                self.exchange.http_url + path, params=parameters, headers=made
            ) as response,
        ):
            return response.status, _decoded(await response.text())


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
