"""The report for other programs: JSON and CSV, every key of docs/report.md.

Money, prices and shares are decimal strings, instants ISO 8601 in UTC, times ms, rates
numbers. What is not known is null (in CSV empty), never 0.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from lastsecond.history import (
    OFFSETS_MS,
    EstimateRecord,
    MarketRecord,
    Observation,
    Sample,
)
from lastsecond.money import MICRO
from lastsecond.observe.availability import samples_of
from lastsecond.observe.funnel import place
from lastsecond.observe.health import answer_time, answered_at, since_trigger
from lastsecond.observe.profit import ACTUAL, result_of, won
from lastsecond.observe.profit import names as figure_names
from lastsecond.observe.report import Group, Report
from lastsecond.observe.summary import amount, instant, milliseconds, summary_of
from lastsecond.orders import Figure

Row = dict[str, Any]

_RESULTS = {0: "Down", MICRO: "Up"}
_LEADS_TO_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_json(report: Report) -> str:
    """One object: ``markets``, a line each, and ``summary``, with a group each."""
    summary = {
        "generated_at": instant(report.generated_at),
        "since": instant(report.since),
        "mode": report.mode,
        "groups": [summary_of(group) for group in report.groups],
    }
    lines = [json.dumps(_market(group, row)) for group, row in _rows(report)]
    markets = ",\n".join(lines)
    return f'{{"markets": [\n{markets}\n],\n"summary": {json.dumps(summary)}}}\n'


def as_csv(report: Report) -> str:
    """A header, and a line for each market: the same keys, nested ones made flat."""
    rows = [_flat(_market(group, row)) for group, row in _rows(report)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def columns() -> list[str]:
    """The columns of the CSV, in order."""
    kept = [key for key in _MARKET_KEYS if key not in {"estimates", "samples"}]
    estimates = [f"{figure}_{key}" for figure in Figure for key in _ESTIMATE_KEYS]
    samples = [f"{_moment(at)}_{key}" for at in OFFSETS_MS for key in _SAMPLE_KEYS]
    return [*kept, *estimates, *samples]


# -- a market --


def _rows(report: Report) -> Iterator[tuple[Group, MarketRecord]]:
    return ((group, row) for group in report.groups for row in group.markets)


_MARKET_KEYS = (
    *("ticker", "condition_id", "mode", "simulated", "wallet", "settings_hash"),
    *("close_at", "state", "reason", "watched", "stage", "drop", "side", "order_id"),
    *("ask", "limit", "spend", "shares", "cost", "fee", "payout", "pnl", "won"),
    "result",
    *("result_source", "disputed", "sent_at", "answered_at", "settled_at", "lead_ms"),
    *("timing_error_ms", "answer_ms", "watched_from", "watched_until", "silent_ms"),
    *("reconnects", "blocked_us", "heard", "estimates", "samples"),
)
_ESTIMATE_KEYS = (
    *("filled", "reason", "ask", "shares", "cost", "fee", "payout", "pnl", "at"),
)
_SAMPLE_KEYS = (
    *("taken_at", "favourite", "ask", "depth", "fillable", "age_ms"),
    *("sockets_gap_ms", "fault"),
)


def _market(group: Group, market: MarketRecord) -> Row:
    stage, drop = place(market)
    row = {
        **{key: getattr(market, key, None) for key in _MARKET_KEYS},
        **_observation(market.observation),
        **_order(group, market),
        "simulated": group.simulated,
        "state": str(market.state),
        "stage": stage.title,
        "drop": drop,
        "result": _result(market.paid_up),
        "close_at": instant(market.close_at),
        "settled_at": instant(market.settled_at),
        "samples": [_sample(sample) for sample in samples_of(market)],
    }
    return {key: row[key] for key in _MARKET_KEYS}


def _observation(seen: Observation | None) -> Row:
    if seen is None:
        return {}
    return {
        "watched_from": instant(seen.watched_from),
        "watched_until": instant(seen.watched_until),
        "silent_ms": seen.silent_ms,
        "reconnects": seen.reconnects,
        "blocked_us": seen.blocked_us,
        "heard": seen.heard,
    }


def _order(group: Group, market: MarketRecord) -> Row:
    decided_on = market.estimates.get(Figure.OPTIMISTIC)
    booked = ACTUAL if ACTUAL in figure_names(market.mode) else Figure.REALISTIC
    lead = None if market.sent_at is None else market.close_at - market.sent_at
    return {
        "side": market.side and str(market.side),
        "ask": None if decided_on is None else amount(decided_on.ask),
        "limit": amount(market.limit),
        "spend": amount(market.spend),
        "shares": amount(market.shares),
        "cost": amount(market.cost),
        "fee": amount(market.fee),
        "payout": amount(market.payout),
        "pnl": amount(result_of(market, booked).profit),
        "won": won(market),
        "sent_at": instant(market.sent_at),
        "answered_at": instant(answered_at(market)),
        "lead_ms": milliseconds(lead),
        "timing_error_ms": milliseconds(since_trigger(market, group.trigger_ns)),
        "answer_ms": milliseconds(answer_time(market)),
        "estimates": {
            str(figure): _estimate(market, market.estimates.get(figure))
            for figure in Figure
        },
    }


def _result(paid_up: int | None) -> str | None:
    return None if paid_up is None else _RESULTS.get(paid_up, "void")


def _estimate(market: MarketRecord, estimate: EstimateRecord | None) -> Row | None:
    if estimate is None:
        return None
    result = result_of(market, estimate.figure)
    return {
        "filled": estimate.filled,
        "reason": estimate.reason,
        "ask": amount(estimate.ask),
        "shares": amount(estimate.shares),
        "cost": amount(estimate.cost),
        "fee": amount(estimate.fee),
        "payout": amount(result.payout),
        "pnl": amount(result.profit),
        "at": instant(estimate.at),
    }


def _sample(sample: Sample) -> Row:
    return {
        "offset_ms": sample.offset_ms,
        "taken_at": instant(sample.taken_at),
        "favourite": sample.favourite and str(sample.favourite),
        "ask": amount(sample.ask),
        "depth": amount(sample.depth),
        "fillable": sample.fillable,
        "age_ms": sample.age_ms,
        "sockets_gap_ms": sample.sockets_gap_ms,
        "fault": sample.fault,
    }


# -- a market on a line --


def _flat(row: Row) -> Mapping[str, Any]:
    flat = {key: row[key] for key in row if key not in {"estimates", "samples"}}
    for figure, estimate in row["estimates"].items():
        for key in _ESTIMATE_KEYS:
            flat[f"{figure}_{key}"] = estimate and estimate[key]
    for sample in row["samples"]:
        if sample["offset_ms"] in OFFSETS_MS:
            for key in _SAMPLE_KEYS:
                flat[f"{_moment(sample['offset_ms'])}_{key}"] = sample[key]
    return {key: _cell(value) for key, value in flat.items()}


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_LEADS_TO_A_FORMULA):
        return value if _is_number(value) else f"'{value}"
    return value


def _is_number(text: str) -> bool:
    return text[1:].replace(".", "", 1).isdecimal()


def _moment(offset_ms: int) -> str:
    """As "t-0.5s" or "t+5s"."""
    return f"t{offset_ms / 1000:+g}s"
