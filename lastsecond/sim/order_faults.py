"""What can go wrong with an order that was posted; scripts choose, rules do not.

Each says whether the order is ``executed``: judged, held and matched as if nothing were
wrong. An order that is not executed leaves no trace but in what tests see. All were
seen in production or are in its documents (docs/exchange.md).
"""

import json
from dataclasses import dataclass
from typing import Literal

from lastsecond.sim.faults import Manner

_CLOUDFLARE = (
    "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>"
    "<body><h1>Sorry, you have been blocked</h1></body></html>"
)
REGION = (
    "Trading restricted in your region, please refer to available regions - "
    "https://docs.polymarket.com/developers/CLOB/geoblock"
)
_POST_ONLY = "post-only mode: only post-only orders and cancels are allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFault:
    """One way in which an order meets something else than the plain answer."""

    name: str
    executed: bool
    manner: Manner = "answer"
    status: int | None = None
    """Of the answer; None for the true one."""
    body: str | None = None
    """Of the answer; None for the true one."""
    retry_after: str | None = None
    before_match: float = 0.0
    """Seconds on top of the taker's hold."""
    before_answer: float = 0.0
    """Seconds after the match, or after arrival where nothing is executed."""
    instead: Literal["delayed", "live"] | None = None
    """Answer at once with this status, and match (or not) ``before_match`` later."""
    trades_fail: bool = False
    """Matched, but the trades end as FAILED and everything is given back."""
    before_confirmed: float = 0.0
    """Seconds more that the trades stay MATCHED."""


def answer_lost_before_match() -> OrderFault:
    """Not executed; the connection is cut after the time of the hold."""
    return OrderFault(
        name="answer lost before the match",
        executed=False,
        manner="reset",
        before_answer=0.15,
    )


def answer_lost_after_match() -> OrderFault:
    """Executed; the connection is cut in place of the answer."""
    return OrderFault(name="answer lost after the match", executed=True, manner="reset")


def cut_on_arrival() -> OrderFault:
    """Not executed; the connection is cut before anybody looks at the body."""
    return OrderFault(name="cut on arrival", executed=False, manner="reset")


def hang(*, executed: bool) -> OrderFault:
    """No answer, ever; the connection stays open until the exchange closes."""
    return OrderFault(name="hang", executed=executed, manner="hang")


def answer(
    status: int, body: str, *, executed: bool = False, retry_after: str | None = None
) -> OrderFault:
    """Any status and body in place of the true answer."""
    return OrderFault(
        name=f"answer {status}",
        executed=executed,
        status=status,
        body=body,
        retry_after=retry_after,
    )


def could_not_run(*, executed: bool = False) -> OrderFault:
    """500 "could not run the execution": seen in BTC 5m near the close."""
    body = '{"error":"could not run the execution"}'
    return answer(500, body, executed=executed)


def service_not_ready() -> OrderFault:
    """425 while the matching engine restarts; not executed."""
    return answer(425, '{"error":"service not ready"}')


def post_only_mode(retry_after_seconds: int = 120) -> OrderFault:
    """503 for two minutes after a restart; not executed."""
    body = {
        "error": _POST_ONLY,
        "code": "post_only_mode",
        "retry_after_seconds": retry_after_seconds,
    }
    return answer(503, json.dumps(body), retry_after=str(retry_after_seconds))


def rate_limited(retry_after: str = "1") -> OrderFault:
    """429 with Retry-After; not executed."""
    return answer(429, '{"error":"Too Many Requests"}', retry_after=retry_after)


def region_refused() -> OrderFault:
    """403 with the geoblock's JSON; not executed."""
    return answer(403, json.dumps({"error": REGION}))


def blocked_by_edge() -> OrderFault:
    """403 with the edge's HTML page; not executed."""
    return answer(403, _CLOUDFLARE)


def unauthorized() -> OrderFault:
    """401, whatever the credentials; not executed."""
    return answer(401, '{"error":"Unauthorized/Invalid api key"}')


def slow(seconds: float) -> OrderFault:
    """Executed in time; the true answer comes that much later."""
    return OrderFault(name="slow answer", executed=True, before_answer=seconds)


def slow_match(seconds: float) -> OrderFault:
    """Executed that much later than the hold alone; the true answer follows."""
    return OrderFault(name="slow match", executed=True, before_match=seconds)


def delayed(seconds: float, *, executed: bool) -> OrderFault:
    """Accepted as ``delayed``; matched, or dropped, that much after the hold."""
    return OrderFault(
        name="delayed", executed=executed, instead="delayed", before_match=seconds
    )


def live_with_nothing(seconds: float, *, executed: bool) -> OrderFault:
    """Accepted as ``live`` with nothing matched; matched, or dropped, later."""
    return OrderFault(
        name="live with nothing",
        executed=executed,
        instead="live",
        before_match=seconds,
    )


def unsuccessful(reason: str, *, executed: bool = False) -> OrderFault:
    """200 with ``success: false`` and an errorMsg, as batch answers have it."""
    body = {"errorMsg": reason, "orderID": "", "status": "", "success": False}
    amounts = {"takingAmount": "", "makingAmount": ""}
    return answer(200, json.dumps(body | amounts), executed=executed)


def without_order_id(*, executed: bool = False) -> OrderFault:
    """200 with ``success: true``, an empty orderID and the refusal in errorMsg."""
    body = {
        "errorMsg": "the market is not yet ready to process new orders",
        "orderID": "",
        "takingAmount": "",
        "makingAmount": "",
        "status": "",
        "success": True,
    }
    return answer(200, json.dumps(body), executed=executed)


def garbage(*, executed: bool) -> OrderFault:
    """200 with a body that is no JSON."""
    return answer(200, "upstream connect error", executed=executed)


def truncated(*, executed: bool) -> OrderFault:
    """200 with half of a body, and the connection closed within it."""
    return OrderFault(
        name="truncated", executed=executed, manner="truncate", status=200
    )


def context_canceled(*, executed: bool = True) -> OrderFault:
    """400 that reads like a refusal and is none."""
    return answer(400, '{"error":"context canceled"}', executed=executed)


def ghost_fill() -> OrderFault:
    """Answered as matched; then its trades fail on chain: nothing was bought."""
    return OrderFault(name="ghost fill", executed=True, trades_fail=True)


def slow_confirmation(seconds: float) -> OrderFault:
    """Matched; its trades stay MATCHED that much longer."""
    return OrderFault(name="slow confirmation", executed=True, before_confirmed=seconds)


PLAIN = OrderFault(name="", executed=True)
"""No fault."""
