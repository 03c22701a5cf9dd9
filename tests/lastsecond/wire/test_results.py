"""What a market paid, as Gamma and the CLOB say it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.errors import WireError
from lastsecond.market import TokenId
from lastsecond.money import MICRO
from lastsecond.wire.results import clob_payout, gamma_payout

UP, DOWN, OTHER = TokenId("11"), TokenId("22"), TokenId("33")
HALF = MICRO // 2


def gamma(
    prices: list[str], *, closed: bool = True, status: str | None = "resolved"
) -> bytes:
    market = {
        "clobTokenIds": json.dumps([UP, DOWN]),
        "outcomePrices": json.dumps(prices),
        "closed": closed,
        "umaResolutionStatus": status,
        "conditionId": "0x",
    }
    return json.dumps([market]).encode()


@pytest.mark.parametrize(
    ("body", "token", "paid"),
    [
        (gamma(["1", "0"]), UP, MICRO),
        (gamma(["1", "0"]), DOWN, 0),
        (gamma(["0", "1"]), DOWN, MICRO),
        (gamma(["0.5", "0.5"]), UP, HALF),
        (gamma(["0.5", "0.5"], status=None), UP, None),
        (gamma(["0.5", "0.5"], status="proposed"), UP, None),
        (gamma(["0.999", "0.001"]), UP, None),
        (gamma(["0", "0"]), UP, None),
        (gamma(["1", "0"], closed=False), UP, None),
        (gamma(["1", "0"]), OTHER, None),
        (gamma(["1"]), UP, None),
        (b"[]", UP, None),
    ],
)
def test_gamma_counts_only_a_closed_markets_final_prices(
    body: bytes, token: TokenId, paid: int | None
) -> None:
    """1, 0 or 0.5 by token id once closed; anything else is not known."""
    assert gamma_payout(body, token) == paid


def clob(*winners: bool, closed: bool = True) -> bytes:
    tokens = [
        {"token_id": token, "outcome": name, "winner": winner}
        for token, name, winner in zip((UP, DOWN), ("Up", "Down"), winners, strict=True)
    ]
    return json.dumps({"tokens": tokens, "closed": closed}).encode()


@pytest.mark.parametrize(
    ("body", "token", "paid"),
    [
        (clob(True, False), UP, MICRO),
        (clob(True, False), DOWN, 0),
        (clob(False, False), UP, None),
        (clob(True, True), UP, None),
        (clob(True, False, closed=False), UP, None),
        (clob(True, False), OTHER, None),
    ],
)
def test_the_clob_counts_only_a_single_winner(
    body: bytes, token: TokenId, paid: int | None
) -> None:
    """One winner of a closed market; none, two or an open market is not known."""
    assert clob_payout(body, token) == paid


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(lambda value: json.dumps(value).encode())
)
def test_anything_else_is_a_wire_error_or_unknown(body: bytes) -> None:
    """No bytes raise anything but WireError, and none invent a payout."""
    for read in (gamma_payout, clob_payout):
        try:
            assert read(body, UP) is None
        except WireError:
            continue
