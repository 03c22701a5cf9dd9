"""What every answer to an order proves, by the texts that the exchange is known for."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lastsecond.market import ConditionId, Outcome, TokenId
from lastsecond.orders import Killed, Matched, Rejected, Result, SignedOrder, Uncertain
from lastsecond.sim import order_faults
from lastsecond.sim.fills import FAK_KILLED, FOK_KILLED
from lastsecond.wire.answers import SAYINGS, Verdict, decode_order_answer

ORDER_ID = "0x" + "ab" * 32
ORDER = SignedOrder(
    order_id=ORDER_ID,
    condition_id=ConditionId("0x" + "c" * 64),
    token_id=TokenId("7"),
    outcome=Outcome.UP,
    maker_amount=1_200_000,
    taker_amount=2_181_800,
    limit=550_000,
    body=b"{}",
)
MATCHED = {
    "errorMsg": "",
    "orderID": ORDER_ID,
    "makingAmount": "1.199999",
    "takingAmount": "2.181817",
    "status": "matched",
    "transactionsHashes": ["0x" + "1" * 64],
    "success": True,
}
"""A real answer of 2026-05-20, ids shortened by its author and filled up here."""

HALTS = "halts"
PASSES = "passes"
KILLED = "killed"
UNCERTAIN = "uncertain"
HTML = (
    "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title>"
    "</head><body><h1>Sorry, you have been blocked</h1></body></html>"
)


def read(status: int, body: object, order: SignedOrder = ORDER) -> Result:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return decode_order_answer(status, raw, order)


def kind(result: Result) -> str:
    match result:
        case Rejected(halts=halts):
            return HALTS if halts else PASSES
        case Killed():
            return KILLED
        case Uncertain():
            return UNCERTAIN
        case _:
            return "matched"


@dataclass(frozen=True)
class Row:
    """A documented answer and what it proves."""

    status: int
    text: str
    proves: str
    cure: str = ""


REFUSALS = [
    Row(400, FOK_KILLED, KILLED),
    Row(400, FAK_KILLED, KILLED),
    Row(
        400,
        "order couldn't be fully filled, FOK orders are fully filled/killed",
        KILLED,
    ),
    Row(400, "order couldn\u2019t be fully filled", KILLED),
    Row(400, "not enough balance / allowance", HALTS, "fund the account"),
    Row(
        400,
        "not enough balance / allowance: the balance is not enough -> balance: "
        "4997830, order amount: 5100000",
        HALTS,
        "fund the account",
    ),
    Row(400, "invalid signature", HALTS, "SIGNATURE_TYPE or FUNDER_ADDRESS"),
    Row(
        400,
        "invalid order version, please use the latest clob-client",
        HALTS,
        "update this program",
    ),
    Row(400, "order_version_mismatch", HALTS, "update this program"),
    Row(
        400,
        "invalid amounts, the market buy orders maker amount supports a max accuracy "
        "of 2 decimals, taker amount a max of 4 decimals",
        HALTS,
        "report it",
    ),
    Row(
        400,
        "invalid amounts, the buy orders maker amount supports a max accuracy of 4 "
        "decimals, taker amount a max of 2 decimals",
        HALTS,
        "report it",
    ),
    Row(
        400,
        "invalid amounts, the taker amount for a $0.22 order of size 19.69 should be "
        "'4.3318' but the value submited is '4.33'. Please check if you are using the "
        "latest version of the 'clob-client' library",
        HALTS,
        "report it",
    ),
    Row(
        400,
        "invalid amount for a marketable BUY order ($0.99), min size: $1",
        HALTS,
        "raise TRADE_SIZE to 1",
    ),
    Row(
        400,
        f"order {ORDER_ID} is invalid. Size (1.08) lower than the minimum: 5",
        HALTS,
        "raise TRADE_SIZE to 5 shares",
    ),
    Row(
        400,
        f"order {ORDER_ID} is invalid. Price (0.9991) breaks minimum tick size rule: "
        "0.01",
        PASSES,
        "grid",
    ),
    Row(400, f"order {ORDER_ID} crosses the book", HALTS, "report it"),
    Row(400, "invalid post-only order: order crosses book", HALTS, "report it"),
    Row(400, f"order {ORDER_ID} is invalid. Duplicated.", UNCERTAIN),
    Row(400, "invalid expiration", HALTS, "report it"),
    Row(400, "Invalid order payload", HALTS, "update this program"),
    Row(400, "order canceled in the CTF exchange contract", PASSES),
    Row(400, "order match delayed due to market conditions", UNCERTAIN),
    Row(400, "error delaying the order", UNCERTAIN),
    Row(400, "could not insert order", UNCERTAIN),
    Row(400, "the market is not yet ready to process new orders", PASSES),
    Row(400, "the orderbook 7123 does not exist", PASSES, "the market is over"),
    Row(
        404,
        "No orderbook exists for the requested token id",
        PASSES,
        "the market is over",
    ),
    Row(
        400,
        "maker address not allowed, please use the deposit wallet flow",
        HALTS,
        "SIGNATURE_TYPE=3",
    ),
    Row(
        400,
        "the order signer address has to be the address of the API KEY",
        HALTS,
        "clear CLOB_API_KEY",
    ),
    Row(
        400,
        "the order owner has to be the owner of the API KEY",
        HALTS,
        "clear CLOB_API_KEY",
    ),
    Row(400, "'0x12' address banned", HALTS, "banned"),
    Row(400, "'0x12' address in closed only mode", HALTS, "only close positions"),
    Row(400, "context canceled", UNCERTAIN),
    Row(400, "rpc error: context deadline exceeded", UNCERTAIN),
    Row(400, "request timeout", UNCERTAIN),
    Row(400, "Internal server error", UNCERTAIN),
    Row(400, "a refusal that nobody has seen yet", PASSES),
    Row(401, "Unauthorized/Invalid api key", HALTS, "clear CLOB_API_KEY"),
    Row(401, "Invalid L1 Request headers", HALTS, "clear CLOB_API_KEY"),
    Row(403, order_faults.REGION, HALTS, "country"),
    Row(403, "error code: 1020", HALTS, "country, VPN or network"),
    Row(404, "page not found", HALTS, "CLOB_HOST"),
    Row(405, "Method Not Allowed", HALTS, "CLOB_HOST"),
    Row(408, "not enough balance / allowance", UNCERTAIN),
    Row(425, "service not ready", PASSES, "restarts"),
    Row(429, "Too Many Requests", PASSES, "too many requests"),
    Row(500, "could not run the execution", UNCERTAIN),
    Row(500, "there are no matching orders", KILLED),
    Row(500, "FOK orders are filled or killed", KILLED),
    Row(500, "the trade contains rounding issues", UNCERTAIN),
    Row(
        500,
        "the price of the taker's order has a discrepancy greater than allowed with "
        "the worst maker order",
        UNCERTAIN,
    ),
    Row(500, "order timed out", UNCERTAIN),
    Row(500, "not enough balance / allowance", UNCERTAIN),
    Row(500, "the market is not yet ready to process new orders", UNCERTAIN),
    Row(502, FOK_KILLED, UNCERTAIN),
    Row(503, FOK_KILLED, UNCERTAIN),
    Row(
        503,
        "Trading is currently disabled. Check polymarket.com for updates",
        PASSES,
        "paused",
    ),
    Row(
        503,
        "Trading is currently cancel-only. New orders are not accepted, but cancels "
        "are allowed.",
        PASSES,
        "paused",
    ),
    Row(503, "post-only mode: only post-only orders", PASSES, "wait two minutes"),
    Row(503, "upstream connect error", UNCERTAIN),
    Row(504, "Trading is currently disabled", UNCERTAIN),
    Row(307, "moved", UNCERTAIN),
]


@pytest.mark.parametrize("row", REFUSALS, ids=lambda r: f"{r.status} {r.text[:50]}")
def test_a_known_text_proves_what_it_is_known_to(row: Row) -> None:
    """Every documented error text has its one meaning and says what to do."""
    result = read(row.status, {"error": row.text})
    assert kind(result) == row.proves
    assert not isinstance(result, Matched)
    assert row.cure in getattr(result, "reason", "")
    assert f"HTTP {row.status}" in getattr(result, "reason", "")


@pytest.mark.parametrize("row", REFUSALS, ids=lambda r: f"{r.status} {r.text[:50]}")
@pytest.mark.parametrize("success", [True, False])
def test_a_complaint_is_no_success(row: Row, success: bool) -> None:
    """A 200 with an errorMsg proves what the same text proves as a 400, or nothing."""
    body = {"success": success, "errorMsg": row.text, "orderID": "", "status": ""}
    result = read(200, body)
    known = any(
        saying.part in row.text.lower().replace("\u2019", "'") for saying in SAYINGS
    )
    alone = read(400, {"error": row.text}) if known else Uncertain("")
    assert kind(result) == kind(alone)


def test_a_kill_names_the_order() -> None:
    """A kill is a 400 that carries the order's id, in whatever spelling."""
    body = {"error": FOK_KILLED, "orderID": ORDER_ID.upper().replace("X", "x")}
    assert kind(read(400, body)) == KILLED


@pytest.mark.parametrize(
    ("status", "body", "proves"),
    [
        (403, HTML, HALTS),
        (401, "", HALTS),
        (425, "service not ready", PASSES),
        (429, "error code: 1015", PASSES),
        (404, "404 page not found", HALTS),
        (400, FOK_KILLED, UNCERTAIN),
        (400, "", UNCERTAIN),
        (400, "null", UNCERTAIN),
        (400, "{}", UNCERTAIN),
        (400, '{"error":""}', UNCERTAIN),
        (400, '{"error":{"message":"no"}}', UNCERTAIN),
        (200, "", UNCERTAIN),
        (200, "upstream connect error", UNCERTAIN),
        (200, "[]", UNCERTAIN),
        (200, "{}", UNCERTAIN),
        (200, '{"errorMsg":"","ord', UNCERTAIN),
        (500, HTML, UNCERTAIN),
        (502, "<html>502 Bad Gateway</html>", UNCERTAIN),
        (504, "", UNCERTAIN),
        (0, "", UNCERTAIN),
    ],
)
def test_what_is_no_answer_of_the_exchange(status: int, body: str, proves: str) -> None:
    """Without words, only a status that stops at the door proves a refusal."""
    assert kind(read(status, body)) == proves


def test_post_only_mode_is_known_by_its_code() -> None:
    """503 with the code alone, in text or not, is the window after a restart."""
    told = {"code": "post_only_mode", "retry_after_seconds": 120}
    assert "wait two minutes" in getattr(read(503, told), "reason", "")
    assert kind(read(400, {"error": FOK_KILLED, "code": 400})) == KILLED


FAULTS = [
    (order_faults.could_not_run(), UNCERTAIN),
    (order_faults.service_not_ready(), PASSES),
    (order_faults.post_only_mode(), PASSES),
    (order_faults.rate_limited(), PASSES),
    (order_faults.region_refused(), HALTS),
    (order_faults.blocked_by_edge(), HALTS),
    (order_faults.unauthorized(), HALTS),
    (order_faults.garbage(executed=True), UNCERTAIN),
    (order_faults.context_canceled(), UNCERTAIN),
    (order_faults.unsuccessful("could not run the execution"), UNCERTAIN),
    (order_faults.without_order_id(), PASSES),
]


@pytest.mark.parametrize(("fault", "proves"), FAULTS, ids=lambda f: str(f)[:40])
def test_the_simulated_faults(fault: order_faults.OrderFault, proves: str) -> None:
    """What the simulated exchange answers on demand is read as it is meant."""
    assert kind(read(fault.status or 0, fault.body or "")) == proves


def test_a_real_match_is_matched() -> None:
    """A live answer of 2026-05-20 is a match, dust unspent and all."""
    assert read(200, MATCHED) == Matched(2_181_817, 1_199_999, ())
    late = {**MATCHED, "tradeIDs": ["a", "b"]}
    del late["transactionsHashes"]
    assert read(200, late) == Matched(2_181_817, 1_199_999, ("a", "b"))
    null = {**MATCHED, "tradeIDs": None, "errorMsg": None, "error": None}
    assert kind(read(200, null)) == "matched"


@pytest.mark.parametrize(
    "changed",
    [
        {"success": False},
        {"success": None},
        {"success": ...},
        {"success": "true"},
        {"success": 1},
        {"errorMsg": "something"},
        {"error": "something"},
        {"code": "something"},
        {"orderID": ""},
        {"orderID": None},
        {"orderID": "0x" + "cd" * 32},
        {"status": "live"},
        {"status": "delayed"},
        {"status": "unmatched"},
        {"status": ""},
        {"status": None},
        {"status": "invented"},
        {"makingAmount": ""},
        {"makingAmount": None},
        {"makingAmount": "0"},
        {"makingAmount": "-1"},
        {"makingAmount": "1e0"},
        {"makingAmount": 1.199999},
        {"makingAmount": "1.200001"},
        {"makingAmount": "1199999", "takingAmount": "2181817"},
        {"takingAmount": "2181817"},
        {"takingAmount": ""},
        {"takingAmount": "2.1"},
        {"makingAmount": "0.6", "takingAmount": "1.09"},
        {"tradeIDs": [1]},
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [200, 201, 202, 400, 500])
def test_a_match_in_doubt_is_uncertain(status: int, changed: dict[str, Any]) -> None:
    """Whatever claims a match and does not fit the order in all proves nothing."""
    body = {**MATCHED, **changed}
    body = {name: value for name, value in body.items() if value is not ...}
    assert kind(read(status, body)) == UNCERTAIN


@pytest.mark.parametrize(
    ("making", "taking"),
    [
        ("1.2", "2.1818"),
        ("1.2", "2.5"),
        ("1.1", "2.1818"),
        ("1.199999", "2.181798"),
        ("1.1999", "2.181618"),
    ],
)
def test_the_whole_order_at_its_limit_or_better(making: str, taking: str) -> None:
    """More shares, fewer dollars, and dust unspent are all the order's own fill."""
    body = {**MATCHED, "makingAmount": making, "takingAmount": taking}
    assert kind(read(200, body)) == "matched"


CLAIMS: list[dict[str, Any]] = [
    {"status": "matched"},
    {"status": "delayed"},
    {"status": "live"},
    {"makingAmount": "1.2"},
    {"takingAmount": "2.1"},
    {"tradeIDs": ["a"]},
    {"transactionsHashes": ["0x1"]},
    {"orderID": "0x" + "cd" * 32},
]


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 425, 500, 503])
@pytest.mark.parametrize("text", [FOK_KILLED, "not enough balance / allowance", ""])
def test_a_refusal_that_claims_a_match_proves_nothing(
    claim: dict[str, Any], status: int, text: str
) -> None:
    """An answer that contradicts itself, or is of another order, is uncertain."""
    assert kind(read(status, {"error": text, **claim})) == UNCERTAIN


def test_a_reason_is_one_line() -> None:
    """What the exchange says is kept short and printable, for logs and people."""
    text = "bad\n\x1b[31mred\x00" + "x" * 10_000
    for status in (200, 400, 500):
        reason = getattr(read(status, {"error": text}), "reason", "")
        assert reason.isprintable()
        assert len(reason) <= 200
    strange = {**MATCHED, "orderID": text}
    assert len(getattr(read(200, strange), "reason", "")) <= 200
    assert getattr(read(500, text), "reason", "").isprintable()


def test_uncertain_texts_come_first() -> None:
    """A text that leaves the end open outweighs any that would close it."""
    for saying in SAYINGS:
        if saying.verdict is Verdict.UNKNOWN:
            both = f"{FOK_KILLED} not enough balance / allowance {saying.part}"
            assert kind(read(400, {"error": both})) == UNCERTAIN
        assert saying.part == saying.part.lower()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
AMOUNT = st.sampled_from(["", "0", "1.2", "1.199999", "2.1818", "2", "1e9", "9" * 30])
TEXT = st.sampled_from(["", *(row.text for row in REFUSALS)]) | st.text()
ANSWER = st.fixed_dictionaries(
    {},
    optional={
        "success": st.booleans() | JSON,
        "errorMsg": TEXT | JSON,
        "error": TEXT | JSON,
        "code": TEXT | JSON,
        "orderID": st.sampled_from([ORDER_ID, "", "0x12"]) | JSON,
        "status": st.sampled_from(["matched", "live", "delayed", "unmatched", ""]),
        "makingAmount": AMOUNT | JSON,
        "takingAmount": AMOUNT | JSON,
        "tradeIDs": st.none() | st.lists(st.text(), max_size=2),
        "transactionsHashes": st.none() | st.lists(st.text(), max_size=2),
    },
)
BODY = (
    st.binary()
    | ANSWER.map(lambda body: json.dumps(body).encode())
    | JSON.map(lambda body: json.dumps(body).encode())
    | st.integers(1, 60).map(lambda end: json.dumps(MATCHED).encode()[:end])
)
STATUS = st.sampled_from(
    [200, 201, 204, 302, 400, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504]
) | st.integers(-1, 1000)


def proven_match(status: int, body: bytes) -> bool:
    """Whether these bytes are a match of ORDER, by an independent reading."""
    try:
        said = json.loads(body)
        if status != 200 or said["success"] is not True or said["status"] != "matched":
            return False
        if any(said.get(name) for name in ("errorMsg", "error", "code")):
            return False
        if said["orderID"].lower() != ORDER_ID:
            return False
        cost, shares = (float(said[n]) for n in ("makingAmount", "takingAmount"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return 0 < cost <= 1.2 and shares >= 2.1818 * cost / 1.2 - 0.0002


@settings(deadline=None)
@given(status=STATUS, body=BODY)
@example(status=200, body=b"[" * 100_000)
@example(status=200, body=b'{"x":' * 100_000)
@example(status=200, body=b'{"makingAmount":1e999999}')
@example(status=200, body=b'{"error":"\xff\xfe"}')
@example(status=400, body=b'{"error":"\\ud800"}')
def test_any_answer_has_one_result(status: int, body: bytes) -> None:
    """Whatever comes is exactly one of four, and a match only if it is proven."""
    result = decode_order_answer(status, body, ORDER)
    assert type(result) in {Matched, Killed, Rejected, Uncertain}
    if isinstance(result, Matched):
        assert proven_match(status, body)
        assert 0 < result.cost <= ORDER.maker_amount
        assert result.shares < 2**63
    else:
        assert getattr(result, "reason", "\n").isprintable()


@settings(deadline=None)
@given(
    status=st.integers(500, 599) | st.integers(201, 399) | st.just(408),
    text=TEXT,
    name=st.sampled_from(["error", "errorMsg", "code"]),
)
def test_a_server_in_trouble_proves_nothing_but_by_known_words(
    status: int, text: str, name: str
) -> None:
    """A status behind which a match may hide is final only by words known for it."""
    result = read(status, {name: text})
    if not isinstance(result, Uncertain):
        assert (type(result), status) in {(Killed, 500), (Rejected, 503)}
        assert any(
            saying.also == status and saying.part in text.lower() for saying in SAYINGS
        )


@settings(deadline=None)
@given(
    doubt=st.sampled_from([s.part for s in SAYINGS if s.verdict is Verdict.UNKNOWN]),
    before=st.text(max_size=20),
    after=TEXT,
    status=STATUS,
)
def test_words_of_doubt_are_never_final(
    doubt: str, before: str, after: str, status: int
) -> None:
    """Duplicated, delayed, cancelled or timed out: it may have been executed."""
    assert kind(read(status, {"error": f"{before}{doubt}{after}"})) == UNCERTAIN
