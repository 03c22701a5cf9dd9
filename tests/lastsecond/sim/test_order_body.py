"""The strict body of an order."""

import json
from typing import Any

import pytest

from lastsecond.sim import order_body
from lastsecond.sim.calls import RefusedError
from tests.lastsecond.sim.trader import signed

BODY = signed(5, "7" * 77, 5_000_000, 5_050_500, owner="me")
WRONG_OLD = "invalid order version, please use the latest clob-client"


def refusal(body: bytes) -> dict[str, Any]:
    with pytest.raises(RefusedError) as refused:
        order_body.read(body)
    assert refused.value.status == 400
    return dict(refused.value.body)


def test_the_vendors_body_is_read() -> None:
    """Each value arrives as what it means."""
    order = order_body.read(json.dumps(BODY).encode())
    assert (order.maker_amount, order.taker_amount) == (5_000_000, 5_050_500)
    assert (order.owner, order.order_type, order.side) == ("me", "FOK", "BUY")
    assert order.limit == 990_000


def test_post_only_may_be_left_out() -> None:
    """The vendor's newer SDK sends it only when it is true."""
    body = {name: value for name, value in BODY.items() if name != "postOnly"}
    assert not order_body.read(json.dumps(body).encode()).post_only


@pytest.mark.parametrize(
    "changed",
    [
        {"salt": "1"},
        {"salt": True},
        {"salt": 2**53},
        {"salt": -1},
        {"salt": 1.0},
        {"maker": "0x12"},
        {"maker": None},
        {"signer": "1563915e194D8CfBA1943570603F7606A3115508"},
        {"tokenId": 7},
        {"tokenId": "07"},
        {"makerAmount": 5_000_000},
        {"makerAmount": "5.0"},
        {"makerAmount": "0"},
        {"makerAmount": "-5"},
        {"takerAmount": "1e6"},
        {"takerAmount": str(2**256)},
        {"side": 0},
        {"side": "buy"},
        {"expiration": 0},
        {"signatureType": "0"},
        {"signatureType": 4},
        {"timestamp": 1_790_000_000_000},
        {"timestamp": "9" * 78},
        {"metadata": ""},
        {"builder": "0x"},
        {"signature": ""},
        {"signature": "0x123"},
        {"extra": 1},
        {"takerAmount": ...},
    ],
)
def test_another_type_in_the_order_is_refused(changed: dict[str, object]) -> None:
    """A key too many or too few, or a value of another type, is no order."""
    order = BODY["order"] | changed
    order = {name: value for name, value in order.items() if value is not ...}
    body = json.dumps(BODY | {"order": order}).encode()
    assert refusal(body) == {"error": "Invalid order payload"}


@pytest.mark.parametrize(
    "changed",
    [
        {"owner": None},
        {"orderType": 1},
        {"deferExec": "false"},
        {"postOnly": 0},
        {"order": []},
        {"order": ...},
        {"extra": 1},
    ],
)
def test_another_type_around_it_is_refused(changed: dict[str, object]) -> None:
    """The same holds for what surrounds the order."""
    body = {name: row for name, row in (BODY | changed).items() if row is not ...}
    assert refusal(json.dumps(body).encode()) == {"error": "Invalid order payload"}


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'"x"', b'{"a":1,"a":1}'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """So is what is not JSON, not an object, or says a thing twice."""
    assert refusal(body) == {"error": "Invalid order payload"}
    assert order_body.token_in(body) == ""


def test_an_order_of_version_1_is_named() -> None:
    """Old clients are told so (seen 2026-06-30)."""
    order = BODY["order"] | {"nonce": "0", "feeRateBps": "0"}
    assert refusal(json.dumps(BODY | {"order": order}).encode()) == {"error": WRONG_OLD}
