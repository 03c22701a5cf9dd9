"""What a market paid, by token id: Gamma's word and the CLOB's.

A winning share pays 1, a losing one 0, either 0.5 when the market is void. Only what is
closed and says one of these counts; a price is no result (docs/exchange.md).
"""

import msgspec

from lastsecond.market import TokenId
from lastsecond.money import MICRO, micros
from lastsecond.wire import UNREADABLE, unreadable

HALF = MICRO // 2
_PAYOUTS = {0, HALF, MICRO}


class _GammaMarket(msgspec.Struct, frozen=True, rename="camel"):
    clob_token_ids: str | list[str]
    outcome_prices: str | list[str]
    closed: bool = False
    uma_resolution_status: str | None = None


class _ClobToken(msgspec.Struct, frozen=True):
    token_id: str
    winner: bool = False


class _ClobMarket(msgspec.Struct, frozen=True):
    tokens: list[_ClobToken]
    closed: bool = False


def gamma_payout(body: bytes, token: TokenId) -> int | None:
    """Micros a share of ``token`` paid, by GET /markets?closed=true; None if unknown.

    Raises WireError.
    """
    try:
        found = msgspec.json.decode(body, type=list[_GammaMarket])
        for market in found:
            tokens = _listed(market.clob_token_ids)
            prices = [micros(price) for price in _listed(market.outcome_prices)]
            if token in tokens and len(prices) == len(tokens) == 2:
                final = market.closed and sum(prices) == MICRO
                if HALF in prices:  # what a market shows that nobody resolved yet, too
                    final = final and market.uma_resolution_status == "resolved"
                paid = prices[tokens.index(token)]
                return paid if final and paid in _PAYOUTS else None
    except UNREADABLE as error:
        raise unreadable("no list of markets", body) from error
    return None


def clob_payout(body: bytes, token: TokenId) -> int | None:
    """Micros a share of ``token`` paid, by GET /markets/{id}; None if unknown.

    A market that is closed without a winner may be void or not yet resolved: unknown.
    Raises WireError.
    """
    try:
        market = msgspec.json.decode(body, type=_ClobMarket)
    except UNREADABLE as error:
        raise unreadable("no market", body) from error
    won = {other.token_id: other.winner for other in market.tokens}
    if not market.closed or sum(won.values()) != 1 or token not in won:
        return None
    return MICRO if won[token] else 0


def _listed(value: str | list[str]) -> list[str]:
    if isinstance(value, list):
        return value
    return msgspec.json.decode(value, type=list[str])
