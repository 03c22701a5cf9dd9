"""Signatures: made by the vendor's code, judged by ours."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_clob_client_v2.headers.headers import create_level_1_headers
from py_clob_client_v2.order_utils import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderV2
from py_clob_client_v2.order_utils.model.side import Side as VendorSide
from py_clob_client_v2.signer import Signer

from lastsecond.sim import order_body, signatures
from lastsecond.sim.order_body import PostedOrder
from lastsecond.sim.signatures import Verdict
from tests.lastsecond.sim.trader import CONTRACT, WALLET, address, key, signed

TOKEN = "7" * 77
KINDS = [0, 1, 2, 3]
V3 = "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"
NEGATIVE_RISK = "0xe2222d279d744050d28e00520010520000310F59"
ORDER_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def body(kind: int, **changed: Any) -> dict[str, Any]:
    funder = None if kind == 0 else WALLET
    return signed(5, TOKEN, 5_000_000, 5_050_500, kind=kind, funder=funder, **changed)


def posted(made: dict[str, Any], **changed: object) -> PostedOrder:
    order = made["order"] | changed
    return order_body.read(json.dumps(made | {"order": order}).encode())


BODIES = {kind: body(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_vendors_signature_is_valid(kind: int) -> None:
    """All four signature types of the vendor's builder are accepted, for one key."""
    order = posted(BODIES[kind])
    assert signatures.verify(order, address(5)) is Verdict.VALID
    assert signatures.verify(order, address(6)) is Verdict.INVALID


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_id_is_the_vendors_hash(kind: int) -> None:
    """The id is the plain order's EIP-712 hash, for deposit wallets too."""
    builder = ExchangeOrderBuilderV2(CONTRACT, 137, Signer(key(5), 137))
    fields = BODIES[kind]["order"] | {"side": VendorSide.BUY, "signatureType": kind}
    fields.pop("signature")
    vendors = builder.build_order_hash(
        builder.build_order_typed_data(OrderV2(**fields))
    )
    assert signatures.order_id(posted(BODIES[kind])) == vendors


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_makes_it_invalid(kind: int, at: int, change: int) -> None:
    """No byte of a signature, nor of what is appended to it, may differ."""
    made = bytearray.fromhex(BODIES[kind]["order"]["signature"][2:])
    made[at % len(made)] ^= change
    order = posted(BODIES[kind], signature="0x" + made.hex())
    assert signatures.verify(order, address(5)) is Verdict.INVALID


@pytest.mark.parametrize(
    "changed",
    [
        {"salt": 1},
        {"maker": address(9)},
        {"tokenId": "8" * 77},
        {"makerAmount": "5000001"},
        {"takerAmount": "1"},
        {"side": "SELL"},
        {"timestamp": "1"},
        {"metadata": "0x" + "0" * 63 + "1"},
        {"builder": "0x" + "0" * 63 + "1"},
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_signed_field_counts(kind: int, changed: dict[str, object]) -> None:
    """A changed field is another order; expiration is not signed."""
    order = posted(BODIES[kind], **changed)
    assert signatures.verify(order, address(5)) is Verdict.INVALID
    late = posted(BODIES[kind], expiration="1")
    assert signatures.verify(late, address(5)) is Verdict.VALID


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("version", "contract", "verdict"),
    [
        ("1", CONTRACT, Verdict.OTHER_VERSION),
        ("3", V3, Verdict.OTHER_VERSION),
        ("2", NEGATIVE_RISK, Verdict.INVALID),
    ],
)
def test_another_domain_is_told_apart(
    kind: int, version: str, contract: str, verdict: Verdict
) -> None:
    """Another version's signature is recognized, another contract's is invalid."""
    order = posted(body(kind, version=version, contract=contract))
    assert signatures.verify(order, address(5)) is verdict


def test_the_higher_s_is_refused() -> None:
    """The mirrored signature recovers to the same key, and contracts refuse it."""
    made = bytes.fromhex(BODIES[0]["order"]["signature"][2:])
    high = ORDER_N - int.from_bytes(made[32:64], "big")
    mirrored = made[:32] + high.to_bytes(32, "big") + bytes([55 - made[64]])
    order = posted(BODIES[0], signature="0x" + mirrored.hex())
    assert signatures.verify(order, address(5)) is Verdict.INVALID


def test_a_plain_signature_does_not_serve_a_deposit_wallet() -> None:
    """Type 3 needs the nested form, with the order's own type appended."""
    plain = BODIES[0]["order"]["signature"]
    order = posted(BODIES[3], signature=plain)
    assert signatures.verify(order, address(5)) is Verdict.INVALID


def test_a_login_is_the_keys_own() -> None:
    """The vendor's ClobAuth signature is accepted for its address and words only."""
    made = create_level_1_headers(Signer(key(5), 137), 0, 1_790_000_000)
    words = (made["POLY_TIMESTAMP"], made["POLY_NONCE"], made["POLY_SIGNATURE"])
    assert signatures.is_login(address(5), *words)
    assert not signatures.is_login(address(6), *words)
    assert not signatures.is_login(address(5), "1790000001", "0", words[2])
    assert not signatures.is_login(address(5), words[0], "1", words[2])
    assert not signatures.is_login(address(5), words[0], "0", "0xzz")
    assert not signatures.is_login("0x12", *words)
