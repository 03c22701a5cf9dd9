"""What the exchange's answer to POST /order means: one result, never a guess.

Texts: docs.polymarket.com error codes (2026-06-18), live logs and issues; each with its
source in docs/exchange.md. What proves that nothing was bought is Killed or Rejected;
whatever does not is Uncertain.
"""

from dataclasses import dataclass
from enum import Enum

import msgspec

from lastsecond.money import MICRO, micros
from lastsecond.orders import (
    Killed,
    Matched,
    Rejected,
    Result,
    SignedOrder,
    Uncertain,
)
from lastsecond.wire import UNREADABLE

_SHOWN = 200
_DUST = 100
_FINEST_PRICE = 100
_PAUSED = "wait: the exchange has paused trading"
_RESTARTED = "wait two minutes: the engine restarted"


class Verdict(Enum):
    """What a known text proves."""

    KILLED = "killed"
    REFUSED = "refused"  # this order; the next may pass
    HALTS = "halts"  # this one, and so would be the next
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Saying:
    """A part of an error text, what it proves, and what the person should do.

    It proves it at 200 and 4xx, and at ``also``: anything may hide behind other 5xx.
    """

    part: str
    verdict: Verdict
    cure: str = ""
    also: int = 0


SAYINGS = (
    Saying("duplicated", Verdict.UNKNOWN),
    Saying("already", Verdict.UNKNOWN),  # matched, processed: then it exists
    Saying("revert", Verdict.UNKNOWN),
    Saying("delay", Verdict.UNKNOWN),
    Saying("context cancel", Verdict.UNKNOWN),
    Saying("deadline exceeded", Verdict.UNKNOWN),
    Saying("timed out", Verdict.UNKNOWN),
    Saying("timeout", Verdict.UNKNOWN),
    Saying("could not", Verdict.UNKNOWN),  # insert the order, run the execution
    Saying("internal", Verdict.UNKNOWN),
    Saying("couldn't be fully filled", Verdict.KILLED, also=500),
    Saying("fok orders are fully filled", Verdict.KILLED, also=500),
    Saying("fok orders are filled or killed", Verdict.KILLED, also=500),
    Saying("no orders found to match", Verdict.KILLED, also=500),
    Saying("there are no matching orders", Verdict.KILLED, also=500),
    Saying(
        "not enough balance / allowance",
        Verdict.HALTS,
        "fund the account with pUSD and approve the exchange, or lower TRADE_SIZE",
    ),
    Saying(
        "maker address not allowed",
        Verdict.HALTS,
        "this account must use its deposit wallet: SIGNATURE_TYPE=3 and its address "
        "as FUNDER_ADDRESS",
    ),
    Saying(
        "order signer address has to be",
        Verdict.HALTS,
        "the API key belongs to another address: clear CLOB_API_KEY, CLOB_SECRET and "
        "CLOB_PASSPHRASE to have them derived, check SIGNATURE_TYPE, and place one "
        "small order on the exchange's site first",
    ),
    Saying(
        "order owner has to be",
        Verdict.HALTS,
        "the API key belongs to another account: clear CLOB_API_KEY, CLOB_SECRET and "
        "CLOB_PASSPHRASE to have them derived",
    ),
    Saying(
        "invalid signature",
        Verdict.HALTS,
        "SIGNATURE_TYPE or FUNDER_ADDRESS does not fit PRIVATE_KEY: see docs/operating",
    ),
    Saying("address banned", Verdict.HALTS, "the exchange has banned this account"),
    Saying(
        "closed only mode",
        Verdict.HALTS,
        "the exchange lets this account only close positions",
    ),
    Saying(
        "order_version_mismatch",
        Verdict.HALTS,
        "the exchange signs another order version now: update this program",
    ),
    Saying(
        "invalid order version",
        Verdict.HALTS,
        "the exchange signs another order version now: update this program",
    ),
    Saying(
        "invalid order payload",
        Verdict.HALTS,
        "the exchange expects another order format: update this program",
    ),
    Saying(
        "invalid api key",
        Verdict.HALTS,
        "clear CLOB_API_KEY, CLOB_SECRET and CLOB_PASSPHRASE to have them derived",
    ),
    Saying(
        "trading restricted in your region",
        Verdict.HALTS,
        "the exchange does not trade with this machine's country",
    ),
    Saying("max accuracy", Verdict.HALTS, "report it: this program rounds wrongly"),
    Saying("minimum tick size", Verdict.REFUSED, "nothing: the grid became coarser"),
    Saying("lower than the minimum", Verdict.HALTS, "raise TRADE_SIZE to 5 shares"),
    Saying("min size: $1", Verdict.HALTS, "raise TRADE_SIZE to 1 or more"),
    Saying("not yet ready to process", Verdict.REFUSED, "nothing: the market opens"),
    Saying("the orderbook", Verdict.REFUSED, "nothing: the market is over"),
    Saying("no orderbook exists", Verdict.REFUSED, "nothing: the market is over"),
    Saying("canceled in the ctf exchange", Verdict.REFUSED, "nothing"),
    Saying("invalid expiration", Verdict.HALTS, "report it: a fault of this program"),
    Saying("invalid amount", Verdict.HALTS, "report it: a fault of this program"),
    Saying("invalid post-only", Verdict.HALTS, "report it: a fault of this program"),
    Saying("crosses the book", Verdict.HALTS, "report it: a fault of this program"),
    Saying("trading is currently disabled", Verdict.REFUSED, _PAUSED, also=503),
    Saying("cancel-only", Verdict.REFUSED, _PAUSED, also=503),
    Saying("post_only_mode", Verdict.REFUSED, _RESTARTED, also=503),
    Saying("post-only mode", Verdict.REFUSED, _RESTARTED, also=503),
)
"""Known parts of error texts, in lower case; the first that occurs decides."""

_BY_STATUS = {
    401: Saying(
        "",
        Verdict.HALTS,
        "the API key is not accepted: clear CLOB_API_KEY, CLOB_SECRET and "
        "CLOB_PASSPHRASE to have them derived",
    ),
    403: Saying(
        "",
        Verdict.HALTS,
        "the exchange's edge refuses this machine: country, VPN or network",
    ),
    404: Saying("", Verdict.HALTS, "CLOB_HOST is not the exchange's"),
    405: Saying("", Verdict.HALTS, "CLOB_HOST is not the exchange's"),
    425: Saying("", Verdict.REFUSED, "wait: the matching engine restarts"),
    429: Saying("", Verdict.REFUSED, "wait: too many requests"),
}
"""What a refusal proves whose words are not known: none of these reaches the engine."""

_SOME_REFUSAL = Saying("", Verdict.REFUSED)
_NO_PROOF = Saying("", Verdict.UNKNOWN)


class _Answer(msgspec.Struct, frozen=True):
    success: bool | None = None
    error_msg: str | None = msgspec.field(name="errorMsg", default=None)
    error: str | None = None
    code: str | int | None = None
    order_id: str | None = msgspec.field(name="orderID", default=None)
    status: str | None = None
    making_amount: str | None = msgspec.field(name="makingAmount", default=None)
    taking_amount: str | None = msgspec.field(name="takingAmount", default=None)
    trade_ids: list[str] | None = msgspec.field(name="tradeIDs", default=None)
    hashes: list[str] | None = msgspec.field(name="transactionsHashes", default=None)

    @property
    def complaint(self) -> str:
        """All that the exchange says against the order."""
        said = (self.error_msg, self.error, self.code)
        return " ".join(str(text) for text in said if text)

    @property
    def claims_execution(self) -> bool:
        """Whether it says that something was, or will be, done with the order."""
        amounts = {self.making_amount, self.taking_amount} - {None, "", "0"}
        accepted = self.status in {"matched", "live", "delayed"}
        return accepted or bool(amounts or self.trade_ids or self.hashes)


def decode_order_answer(status: int, body: bytes, order: SignedOrder) -> Result:
    """The result that an HTTP answer to POST /order proves."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except UNREADABLE:
        return _unreadable(status, body)
    if answer.order_id and answer.order_id.lower() != order.order_id.lower():
        return Uncertain(_shown(f"answered for another order: {answer.order_id}"))
    complaint = answer.complaint
    if status == 200 and answer.success and not complaint and answer.order_id:
        return _accepted(answer, order)
    if answer.claims_execution:
        return Uncertain(_shown(f"HTTP {status}, {answer.status}, yet: {complaint}"))
    return _refused(status, complaint)


def _accepted(answer: _Answer, order: SignedOrder) -> Result:
    """A 200 without complaint: matched, or to be followed by its id.

    ``unmatched`` is no proof: one docs page says of it "placement successful", another
    "not successful".
    """
    if answer.status != "matched":
        return Uncertain(_shown(f"status {answer.status}"))
    try:
        cost = micros(answer.making_amount or "")
        shares = micros(answer.taking_amount or "")
    except ValueError:
        return Uncertain("matched, amounts not given")
    if not _fits(shares, cost, order):
        return Uncertain(
            _shown(
                "matched with amounts that were not ordered: "
                f"{answer.making_amount} for {answer.taking_amount}"
            )
        )
    return Matched(shares, cost, tuple(answer.trade_ids or ()))


def _fits(shares: int, cost: int, order: SignedOrder) -> bool:
    """Whether that is the whole order, at its limit or better.

    A fill may leave dust unspent: 1.199999 of 1.2, seen live 2026-05-20.
    """
    if not 0 < cost <= order.maker_amount or shares * _FINEST_PRICE > cost * MICRO:
        return False
    if shares >= order.taker_amount:
        return True
    due = order.taker_amount * cost // order.maker_amount
    return order.maker_amount - cost <= _DUST and shares >= due - _DUST


def _refused(status: int, complaint: str) -> Result:
    meaning = _meaning(status, complaint)
    words = _shown(f"HTTP {status} {complaint or 'without a reason'}")
    if meaning.verdict is Verdict.KILLED:
        return Killed(words)
    if meaning.verdict is Verdict.UNKNOWN:
        return Uncertain(words)
    return _rejected(words, meaning)


def _meaning(status: int, complaint: str) -> Saying:
    """What an answer without a match proves, by its words, else by its status."""
    lowered = complaint.lower().replace("\u2019", "'")
    said = next((s for s in SAYINGS if s.part in lowered), None)
    refusal = status == 200 or (400 <= status < 500 and status != 408)
    if said is not None and said.verdict is Verdict.UNKNOWN:
        return said
    if said is not None and (refusal or status == said.also):
        return said
    if status == 400 and complaint:
        return _SOME_REFUSAL
    return _BY_STATUS.get(status, _NO_PROOF)


def _unreadable(status: int, body: bytes) -> Result:
    """An answer that is no JSON object: proof only where the edge itself refuses."""
    meaning = _BY_STATUS.get(status)
    if meaning is None:
        head = body[:60].decode("ascii", "replace")
        return Uncertain(_shown(f"HTTP {status}, unreadable: {head}"))
    return _rejected(f"HTTP {status}", meaning)


def _rejected(words: str, meaning: Saying) -> Rejected:
    cured = f"{words}. To do: {meaning.cure}" if meaning.cure else words
    return Rejected(cured, halts=meaning.verdict is Verdict.HALTS)


def _shown(words: str) -> str:
    """One printable line of at most _SHOWN characters."""
    printable = "".join(c if c.isprintable() else " " for c in words)
    return " ".join(printable.split())[:_SHOWN]
