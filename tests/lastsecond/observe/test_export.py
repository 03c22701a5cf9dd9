"""JSON and CSV: the documented keys, exact money, and null for what is not known."""

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given

from lastsecond.history import OFFSETS_MS, History, MarketRecord
from lastsecond.market import Outcome
from lastsecond.observe.export import as_csv, as_json, columns
from lastsecond.observe.report import build
from lastsecond.observe.summary import instant
from lastsecond.orders import Figure, State
from tests.lastsecond.observe.histories import (
    MICRO,
    MS,
    NOW,
    SIMULATED,
    START,
    estimate,
    histories,
    history,
    market,
    observation,
    plausible,
    run,
    sample,
    sent,
    settled,
)

ROOT = Path(__file__).parents[3]
MONEY = ("limit", "spend", "shares", "cost", "fee", "payout")


def told(found: History) -> Any:
    return json.loads(as_json(build(found, now=NOW)))


def row_of(row: MarketRecord) -> dict[str, Any]:
    (found,) = told(history(row, runs=[run(row.mode)]))["markets"]
    assert isinstance(found, dict)
    return found


def lines(found: History) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(build(found, now=NOW)))))


def test_a_settled_market_is_told_exactly() -> None:
    """Money as decimal strings to the micro, times as ms and as instants in UTC."""
    figures = {Figure.OPTIMISTIC: estimate(Figure.OPTIMISTIC, ask=975_000)}
    found = row_of(settled(estimates=figures, mode="LIVE"))
    assert found["side"] == "Up"
    assert found["state"] == "settled"
    assert (found["ask"], found["limit"]) == ("0.975", "0.99")
    assert (found["shares"], found["cost"]) == ("5.10204", "4.999999")
    assert (found["fee"], found["payout"]) == ("0.007", "5.10204")
    assert (found["pnl"], found["won"], found["result"]) == ("0.095041", True, "Up")
    assert (found["lead_ms"], found["timing_error_ms"]) == (997.0, 3.0)
    assert found["answer_ms"] == 220.0
    assert found["close_at"] == "2026-09-21T14:15:00.000000Z"
    assert found["sent_at"] == "2026-09-21T14:14:59.003000Z"
    assert found["estimates"]["optimistic"]["pnl"] == "0.095041"
    assert found["estimates"]["pessimistic"] is None


def test_paper_is_not_answered() -> None:
    """No byte leaves: how long an answer took is null, when it was decided is not."""
    found = row_of(settled())
    assert (found["answered_at"], found["answer_ms"]) == (None, None)
    assert found["timing_error_ms"] == 3.0


def test_a_simulation_is_told_apart() -> None:
    """With each market and each group."""
    for host, simulated in ((SIMULATED, True), ("https://clob.polymarket.com", False)):
        found = told(history(market(), runs=[run(host=host)]))
        assert found["markets"][0]["simulated"] is simulated
        assert found["summary"]["groups"][0]["simulated"] is simulated
    (line,) = lines(history(market(), runs=[run(host=SIMULATED)]))
    assert (line["mode"], line["simulated"]) == ("PAPER", "true")


def test_a_market_without_an_order_has_nulls() -> None:
    """What is not known, or never was, is null and not 0."""
    found = row_of(market())
    unknown = [*MONEY, "pnl", "side", "order_id", "ask", "sent_at", "lead_ms", "won"]
    assert {key: found[key] for key in unknown} == dict.fromkeys(unknown)
    assert (found["result"], found["silent_ms"], found["samples"]) == (None, None, [])
    assert (found["stage"], found["drop"]) == ("favourite known", "no_ask")


def test_a_result_is_told_in_words() -> None:
    """Up, Down or void; the loser's profit is what was lost."""
    assert row_of(settled(paid_up=0))["pnl"] == "-5.006999"
    assert row_of(settled(paid_up=0))["result"] == "Down"
    void = row_of(settled(paid_up=MICRO // 2))
    assert (void["result"], void["won"]) == ("void", None)
    assert row_of(settled(fee=None))["pnl"] is None


def test_samples_are_told_whole() -> None:
    """Each sample with its moment, its ask and its fault."""
    shots = [sample(-1000, fault="stale_book"), sample(5000, ask=900_000, depth=7)]
    faulty, good = row_of(market(observation=observation(shots)))["samples"]
    assert (faulty["offset_ms"], faulty["fault"], faulty["ask"]) == (
        *(-1000, "stale_book", None),
    )
    assert (good["ask"], good["depth"], good["favourite"]) == ("0.9", "0.000007", "Up")


@given(histories())
def test_json_holds_every_market_exactly(found: History) -> None:
    """Each raw row is there once, its money to the micro, its unknowns null."""
    rows = {(row["condition_id"], row["mode"]): row for row in told(found)["markets"]}
    assert len(rows) == len(found.markets)
    for record in found.markets:
        row = rows[record.condition_id, record.mode]
        assert row["settings_hash"] == record.settings_hash
        for key in MONEY:
            raw, shown = getattr(record, key), row[key]
            assert (shown is None) is (raw is None)
            assert raw is None or Decimal(shown) * MICRO == raw
        assert (row["sent_at"] is None) is (record.sent_at is None)
        shown = {name for name, guess in row["estimates"].items() if guess}
        assert shown == set(record.estimates)


@given(histories())
def test_keys_are_the_same_for_every_history(found: History) -> None:
    """Whatever happened, a reader finds each key where it was."""
    keys = {tuple(row) for row in told(found)["markets"]}
    groups = told(found)["summary"]["groups"]
    assert len(keys) <= 1
    assert len({tuple(group) for group in groups}) <= 1
    assert len({tuple(group["profit"]) for group in groups}) <= 1


def test_no_number_of_json_is_money() -> None:
    """A float anywhere is a rate or a time, by its key."""
    rates = {"share", "low", "high", "break_even", "p50", "p90", "max"}

    def walk(key: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(name, inner)
        elif isinstance(value, list):
            for inner in value:
                walk(key, inner)
        elif isinstance(value, float):
            assert key in rates or key.endswith("_ms")

    walk("", told(plausible(200, mode="LIVE")))


@given(histories())
def test_csv_has_a_line_for_each_market(found: History) -> None:
    """Every column on every line; empty where JSON has null."""
    shown = lines(found)
    markets = told(found)["markets"]
    assert [line["condition_id"] for line in shown] == [
        row["condition_id"] for row in markets
    ]
    for line, row in zip(shown, markets, strict=True):
        assert list(line) == columns()
        for key in (*MONEY, "pnl", "sent_at"):
            assert line[key] == (row[key] or "")
        for shot in row["samples"]:
            name = f"t{shot['offset_ms'] / 1000:+g}s"
            assert line[f"{name}_fault"] == shot["fault"]
            assert line[f"{name}_fillable"] == str(shot["fillable"]).lower()


def test_a_cell_is_no_formula() -> None:
    """An exchange's words cannot calculate in a spreadsheet; numbers still can."""
    row = settled(paid_up=0, reason='=HYPERLINK("x")')
    (line,) = lines(history(row))
    assert line["reason"] == '\'=HYPERLINK("x")'
    assert line["pnl"] == "-5.006999"


def test_a_moment_of_another_version_has_no_column() -> None:
    """A sample at an offset that is not measured any more is in JSON alone."""
    row = market(observation=observation([sample(-45_000), sample(-1000)]))
    (line,) = lines(history(row))
    assert list(line) == columns()
    assert [shot["offset_ms"] for shot in row_of(row)["samples"]] == [-45_000, -1000]


def test_a_comma_or_a_newline_stays_in_its_cell() -> None:
    """Text with the signs of CSV comes back as it was."""
    row = sent(state=State.KILLED, reason='a, "b"\nc', side=Outcome.DOWN)
    (line,) = lines(history(row))
    assert (line["reason"], line["side"]) == ('a, "b"\nc', "Down")


def test_instants_are_exact_to_the_microsecond() -> None:
    """Nanoseconds are cut, not rounded up into what has not happened yet."""
    assert instant(START + 999_999_999) == "2026-09-21T14:15:00.999999Z"
    assert instant(START + MS) == "2026-09-21T14:15:00.001000Z"
    assert instant(None) is None


def test_an_empty_ledger_is_still_json_and_csv() -> None:
    """No market: empty lists, and a header alone."""
    empty = told(history())
    assert (empty["markets"], empty["summary"]["groups"]) == ([], [])
    assert lines(history()) == []
    assert as_csv(build(history(), now=NOW)).splitlines() == [",".join(columns())]


def keys_of(value: Any) -> set[str]:
    """Every key of a JSON value, but for those that are data themselves."""
    data = {"settings", "drops", "skips"}
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    inner = [keys_of(inner) for key, inner in value.items() if key not in data]
    return set(value).union(*inner)


def test_every_key_and_column_is_explained() -> None:
    """docs/report.md names each key of the JSON, and each column of the CSV."""
    page = (ROOT / "docs/report.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`]+)`", page))
    live = plausible(300, mode="LIVE")
    streak = [market(n, mode="LIVE") for n in range(400, 420)]
    whole = History(live.runs, (*live.markets, *streak))
    assert keys_of(told(whole)) <= named
    prefixes = [f"t{at / 1000:+g}s_" for at in OFFSETS_MS]
    prefixes += [f"{figure}_" for figure in Figure]
    for column in columns():
        bare = [column.removeprefix(p) for p in prefixes if column.startswith(p)]
        assert (bare or [column])[0] in named
