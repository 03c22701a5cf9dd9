"""Whose signature it is, found without the vendor's code: EIP-712, EIP-1271, ClobAuth.

Importing this module costs a third of a second (eth_account): only requests that carry
a signature do it. One recovery takes about 5 ms of CPU.
"""

from collections.abc import Mapping
from enum import Enum

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak

from lastsecond.sim.order_body import ADDRESS, SIGNATURE, PostedOrder

CHAIN = 137
EXCHANGE = "0xe111180000d2663c0091e4f400237545b87b996b"
"""The contract of markets without negative risk, since V2."""

_OTHER_CONTRACTS = (
    "0xe3333700ca9d93003f00f0f71f8515005f6c00aa",  # V3, for Protocol V2 positions
    "0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e",  # V1, dead since 2026-04-28
)
_OTHER_VERSIONS = ("1", "3")
_DEPOSIT_WALLET = 3
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

_ORDER_TYPE = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,"
    "uint256 makerAmount,uint256 takerAmount,uint8 side,uint8 signatureType,"
    "uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_ORDER_FIELDS = [
    dict(zip(("type", "name"), member.split(" "), strict=True))
    for member in _ORDER_TYPE.removeprefix("Order(").removesuffix(")").split(",")
]
_NESTED_FIELDS = [
    {"name": "contents", "type": "Order"},
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
    {"name": "salt", "type": "bytes32"},
]
_LOGIN_FIELDS = [
    {"name": "address", "type": "address"},
    {"name": "timestamp", "type": "string"},
    {"name": "nonce", "type": "uint256"},
    {"name": "message", "type": "string"},
]
_LOGIN_TEXT = "This message attests that I control the given wallet"

_Domain = Mapping[str, object]


class Verdict(Enum):
    """What a signature under an order is."""

    VALID = "valid"
    OTHER_VERSION = "valid for another version of the exchange"
    INVALID = "invalid"


def order_id(order: PostedOrder) -> str:
    """The EIP-712 hash of the order under the exchange's domain."""
    return "0x" + _digest(_signable(order, _domain())).hex()


def verify(order: PostedOrder, address: str) -> Verdict:
    """Whether the key of ``address`` signed this order, under which domain."""
    signature = bytes.fromhex(order.signature[2:])
    if _signed_by(address, order, signature, _domain()):
        return Verdict.VALID
    for version in _OTHER_VERSIONS:
        for contract in (EXCHANGE, *_OTHER_CONTRACTS):
            if _signed_by(address, order, signature, _domain(version, contract)):
                return Verdict.OTHER_VERSION
    return Verdict.INVALID


def is_login(address: str, timestamp: str, nonce: str, signature: str) -> bool:
    """Whether the key of ``address`` signed this ClobAuth message."""
    if not ADDRESS.fullmatch(address) or not SIGNATURE.fullmatch(signature):
        return False
    message = encode_typed_data(
        {"name": "ClobAuthDomain", "version": "1", "chainId": CHAIN},
        {"ClobAuth": _LOGIN_FIELDS},
        {
            "address": address.lower(),
            "timestamp": timestamp,
            "nonce": int(nonce),
            "message": _LOGIN_TEXT,
        },
    )
    return _recovers(address, message, bytes.fromhex(signature[2:]))


def _signed_by(
    address: str, order: PostedOrder, signature: bytes, domain: _Domain
) -> bool:
    if order.signature_type != _DEPOSIT_WALLET:
        return _recovers(address, _signable(order, domain), signature)
    plain = _signable(order, domain)
    appended = (
        plain.header
        + plain.body
        + _ORDER_TYPE.encode()
        + len(_ORDER_TYPE).to_bytes(2, "big")
    )
    if not signature.endswith(appended):
        return False
    own = signature.removesuffix(appended)
    return _recovers(address, _nested(order, domain), own)


def _signable(order: PostedOrder, domain: _Domain) -> SignableMessage:
    """The order itself: type, domain separator and hash of the struct."""
    return encode_typed_data(dict(domain), {"Order": _ORDER_FIELDS}, _struct(order))


def _nested(order: PostedOrder, domain: _Domain) -> SignableMessage:
    """ERC-7739: what a deposit wallet's owner signs in place of the order."""
    message = {
        "contents": _struct(order),
        "name": "DepositWallet",
        "version": "1",
        "chainId": CHAIN,
        "verifyingContract": order.signer.lower(),
        "salt": bytes(32),
    }
    types = {"TypedDataSign": _NESTED_FIELDS, "Order": _ORDER_FIELDS}
    return encode_typed_data(dict(domain), types, message)


def _struct(order: PostedOrder) -> dict[str, object]:
    return {
        "salt": order.salt,
        "maker": order.maker.lower(),
        "signer": order.signer.lower(),
        "tokenId": int(order.token_id),
        "makerAmount": order.maker_amount,
        "takerAmount": order.taker_amount,
        "side": 0 if order.side == "BUY" else 1,
        "signatureType": order.signature_type,
        "timestamp": order.timestamp,
        "metadata": bytes.fromhex(order.metadata[2:]),
        "builder": bytes.fromhex(order.builder[2:]),
    }


def _domain(version: str = "2", contract: str = EXCHANGE) -> _Domain:
    return {
        "name": "Polymarket CTF Exchange",
        "version": version,
        "chainId": CHAIN,
        "verifyingContract": contract,
    }


def _digest(message: SignableMessage) -> bytes:
    return keccak(b"\x19" + message.version + message.header + message.body)


def _recovers(address: str, message: SignableMessage, signature: bytes) -> bool:
    """As the contracts do it: 65 bytes, v of 27 or 28, and the lower s only."""
    if len(signature) != 65 or signature[64] not in {27, 28}:
        return False
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        return False
    try:
        found = Account.recover_message(message, signature=signature)
    except Exception:  # noqa: BLE001  # eth_keys raises of many kinds for wrong bytes
        return False
    return str(found).lower() == address.lower()
