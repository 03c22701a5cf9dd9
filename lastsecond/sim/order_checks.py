"""The rules that an order must obey, each with the words of its refusal.

Words in the order they were seen or documented: docs/exchange.md. All amounts micros.
"""

from lastsecond import matching
from lastsecond.sim.accounts import Account, same
from lastsecond.sim.calls import RefusedError, refuse
from lastsecond.sim.market import SimMarket
from lastsecond.sim.order_body import PostedOrder

_SPENDER = "0xE111180000d2663C0091e4f400237545B87B996B"
_DEPOSIT_WALLET = 3


def check_account(account: Account, posted: PostedOrder) -> None:
    """The key's owner may trade. Raises RefusedError."""
    if posted.owner != account.api_key:
        raise refuse("the order owner has to be the owner of the API KEY")
    if account.banned:
        raise refuse(f"'{account.address}' address banned")
    if account.closed_only:
        raise refuse(f"'{account.address}' address in closed only mode")


def check_kind(posted: PostedOrder) -> None:
    """It is of a kind that this exchange plays. Raises RefusedError; words ours."""
    if posted.order_type not in {"FOK", "FAK"}:
        raise refuse(f"order type {posted.order_type[:10]} is not simulated")
    if posted.side != "BUY":
        raise refuse("selling is not simulated")
    if posted.post_only:
        raise refuse("invalid post-only order: order crosses book")
    if posted.defer_exec:
        raise refuse("deferExec is not simulated")


def check_wallet(
    account: Account, posted: PostedOrder, *, only_deposit: bool = False
) -> None:
    """Maker and signer are who the signature type says. Raises RefusedError.

    A key's own wallet (type 0) may always sign, and then has no money here unless it
    is what the account was opened with.
    """
    kind = posted.signature_type
    if only_deposit and kind != _DEPOSIT_WALLET:
        raise refuse("maker address not allowed, please use the deposit wallet flow")
    signer = account.funder if kind == _DEPOSIT_WALLET else account.address
    if not same(posted.signer, signer):
        raise refuse("the order signer address has to be the address of the API KEY")
    if kind == 0:
        maker_fits = same(posted.maker, account.address)
    else:
        fits = kind == account.signature_type
        maker_fits = fits and same(posted.maker, account.funder)
    if not maker_fits:
        raise refuse("invalid signature")


def check_market(market: SimMarket, posted: PostedOrder) -> None:
    """The market trades. Raises RefusedError."""
    if market.resolved is not None or market.wiped:
        raise no_book(posted)
    if not market.ready:
        raise refuse("the market is not yet ready to process new orders")


def no_book(posted: PostedOrder) -> RefusedError:
    """The refusal for a token that has no book, not yet or no longer."""
    return refuse(f"the orderbook {posted.token_id} does not exist")


def check_amounts(
    order_id: str, posted: PostedOrder, *, five_shares: bool = False
) -> None:
    """Decimals and minimums of a market buy. Raises RefusedError."""
    if words := matching.amounts_refusal(
        order_id, posted.maker_amount, posted.taker_amount, five_shares=five_shares
    ):
        raise refuse(words)


def check_price(order_id: str, posted: PostedOrder, tick: int) -> None:
    """Some price on the grid explains the amounts. Raises RefusedError."""
    if words := matching.price_refusal(
        order_id, posted.maker_amount, posted.taker_amount, tick
    ):
        raise refuse(words)


def check_funds(account: Account, posted: PostedOrder, due: int) -> None:
    """Balance and allowance cover ``due``, fee included. Raises RefusedError."""
    own = posted.signature_type == account.signature_type
    balance = account.balance if own else 0
    if words := matching.balance_refusal(balance, due):
        raise refuse(words)
    if account.allowance is not None and account.allowance < due:
        raise refuse(
            f"{matching.NO_MONEY}: the allowance is not enough -> spender: {_SPENDER}, "
            f"allowance: {account.allowance}, order amount: {due}"
        )
