"""EIP-712 hashes of an order, computed by hand for the tests.

None of the program's or the vendor's code: what either signed is judged by this.
"""

from collections.abc import Mapping
from typing import Any

from eth_utils.crypto import keccak

EXCHANGE = "0xE111180000d2663C0091e4f400237545B87B996B"
ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,"
    b"uint256 makerAmount,uint256 takerAmount,uint8 side,uint8 signatureType,"
    b"uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
DOMAIN_TYPE = (
    b"EIP712Domain(string name,string version,uint256 chainId,"
    b"address verifyingContract)"
)
NESTED_TYPE = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    b"address verifyingContract,bytes32 salt)" + ORDER_TYPE
)


def word(value: int | str) -> bytes:
    """An unsigned number, an address or 32 bytes in hex, as EIP-712 encodes it."""
    number = int(value, 16) if isinstance(value, str) else value
    return number.to_bytes(32, "big")


def struct_hash(order: Mapping[str, Any]) -> bytes:
    """The hash of an order's own fields."""
    return keccak(
        keccak(ORDER_TYPE)
        + word(order["salt"])
        + word(order["maker"])
        + word(order["signer"])
        + word(int(order["tokenId"]))
        + word(int(order["makerAmount"]))
        + word(int(order["takerAmount"]))
        + word({"BUY": 0, "SELL": 1}[order["side"]])
        + word(order["signatureType"])
        + word(int(order["timestamp"]))
        + word(order["metadata"])
        + word(order["builder"])
    )


DOMAIN = keccak(
    keccak(DOMAIN_TYPE)
    + keccak(b"Polymarket CTF Exchange")
    + keccak(b"2")
    + word(137)
    + word(EXCHANGE)
)


def nested_hash(order: Mapping[str, Any]) -> bytes:
    """ERC-7739: the order inside what a deposit wallet's owner signs."""
    return keccak(
        keccak(NESTED_TYPE)
        + struct_hash(order)
        + keccak(b"DepositWallet")
        + keccak(b"1")
        + word(137)
        + word(order["signer"])
        + bytes(32)
    )
