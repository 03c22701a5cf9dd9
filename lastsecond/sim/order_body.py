"""The body of ``POST /order``: exactly these keys and types, or it is refused."""

import json
import re
from dataclasses import dataclass
from typing import Literal

from lastsecond.market import TokenId
from lastsecond.money import MICRO
from lastsecond.sim.calls import RefusedError, refuse

_ORDER = {
    *("salt", "maker", "signer", "tokenId", "makerAmount", "takerAmount", "side"),
    *("expiration", "signatureType", "timestamp", "metadata", "builder", "signature"),
}
_OUTER = {"order", "owner", "orderType", "deferExec", "postOnly"}
_MAY_LACK = {"postOnly"}
_OF_VERSION_1 = {"taker", "nonce", "feeRateBps"}
_OLD_VERSION = "invalid order version, please use the latest clob-client"

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_WORD = re.compile(r"0x[0-9a-fA-F]{64}")
SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2}){1,1024}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,77}")
_SALT_LIMIT = 2**53
_WORD_LIMIT = 2**256
_AMOUNT_LIMIT = 2**63

OrderType = Literal["FOK", "FAK"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedOrder:
    """An order as it was posted; amounts are micros, ``timestamp`` ms."""

    salt: int
    maker: str
    signer: str
    token_id: TokenId
    maker_amount: int
    taker_amount: int
    side: str
    expiration: str
    signature_type: int
    timestamp: int
    metadata: str
    builder: str
    signature: str
    owner: str
    order_type: str
    post_only: bool
    defer_exec: bool

    @property
    def limit(self) -> int:
        """The implied price, maker / taker, micros floored: no dearer ask matches."""
        return self.maker_amount * MICRO // self.taker_amount


def read(body: bytes) -> PostedOrder:
    """The order in these bytes. Raises RefusedError."""
    outer = _object(body)
    order = outer.get("order")
    if isinstance(order, dict) and set(order) & _OF_VERSION_1:
        raise refuse(_OLD_VERSION)
    if set(outer) | _MAY_LACK != _OUTER or not isinstance(order, dict):
        raise _malformed()
    if set(order) != _ORDER:
        raise _malformed()
    return _order(order, outer)


def token_in(body: bytes) -> str:
    """The token that a body names, as far as it can be made out; "" otherwise."""
    try:
        return str(json.loads(body)["order"]["tokenId"])
    except (ValueError, TypeError, KeyError):
        return ""


def _order(order: dict[str, object], outer: dict[str, object]) -> PostedOrder:
    side = order["side"]
    if side not in {"BUY", "SELL"}:
        raise _malformed()
    return PostedOrder(
        salt=_integer(order["salt"], _SALT_LIMIT),
        maker=_match(order["maker"], ADDRESS),
        signer=_match(order["signer"], ADDRESS),
        token_id=TokenId(_match(order["tokenId"], _NUMBER)),
        maker_amount=_amount(order["makerAmount"]),
        taker_amount=_amount(order["takerAmount"]),
        side=str(side),
        expiration=_match(order["expiration"], _NUMBER),
        signature_type=_integer(order["signatureType"], 4),
        timestamp=_number(order["timestamp"]),
        metadata=_match(order["metadata"], _WORD),
        builder=_match(order["builder"], _WORD),
        signature=_match(order["signature"], SIGNATURE),
        owner=_text(outer["owner"]),
        order_type=_text(outer["orderType"]),
        post_only=_boolean(outer.get("postOnly", False)),
        defer_exec=_boolean(outer["deferExec"]),
    )


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError):
        raise _malformed() from None
    if not isinstance(value, dict):
        raise _malformed()
    return value


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _malformed()
    return value


def _match(value: object, pattern: re.Pattern[str]) -> str:
    text = _text(value)
    if not pattern.fullmatch(text):
        raise _malformed()
    return text


def _number(value: object) -> int:
    number = int(_match(value, _NUMBER))
    if number >= _WORD_LIMIT:
        raise _malformed()
    return number


def _amount(value: object) -> int:
    amount = _number(value)
    if not 0 < amount < _AMOUNT_LIMIT:
        raise _malformed()
    return amount


def _integer(value: object, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _malformed()
    if not 0 <= value < limit:
        raise _malformed()
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _malformed()
    return value


def _malformed() -> RefusedError:
    return refuse("Invalid order payload")
