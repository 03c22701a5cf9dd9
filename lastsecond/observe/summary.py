"""A group's figures as plain values, and the units in which programs are told them."""

from datetime import UTC, datetime
from typing import Any

from lastsecond import money
from lastsecond.market import MILLISECOND, NANOSECONDS
from lastsecond.observe.availability import Availability
from lastsecond.observe.funnel import Step
from lastsecond.observe.health import EDGES_MS, Divergence, Health, Quantiles
from lastsecond.observe.profit import FigureProfit, Profit, Standing
from lastsecond.observe.report import Group
from lastsecond.observe.statistics import Rate

Row = dict[str, Any]


def amount(micros: int | None) -> str | None:
    """Micros as a plain decimal."""
    return None if micros is None else f"{money.decimal(micros):f}"


def instant(ns: int | None) -> str | None:
    """Unix ns as ISO 8601 in UTC, to the microsecond, rounded down."""
    if ns is None:
        return None
    seconds, rest = divmod(ns, NANOSECONDS)
    whole = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
    return f"{whole}.{rest // 1000:06d}Z"


def milliseconds(ns: int | None) -> float | None:
    """Nanoseconds as ms."""
    return None if ns is None else ns / MILLISECOND


def summary_of(group: Group) -> Row:
    """A group's figures under the keys of docs/report.md."""
    verdict = group.verdict
    return {
        "mode": group.mode,
        "simulated": group.simulated,
        "settings_hash": group.settings_hash,
        "settings": dict(group.settings),
        "runs": [
            {
                "id": run.id,
                "started_at": instant(run.started_at),
                "wallet": run.wallet,
                "code_version": run.code_version,
                "host": run.host,
            }
            for run in group.runs
        ],
        "markets": len(group.markets),
        "first_close": instant(group.markets[0].close_at),
        "last_close": instant(group.markets[-1].close_at),
        "verdict": {
            "word": str(verdict.word),
            "reason": verdict.reason,
            "wins_needed": verdict.wins_needed,
        },
        "availability": [_availability(moment) for moment in group.availability],
        "funnel": [_step(step) for step in group.funnel],
        "profit": _profit(group.profit),
        "health": _health(group.health),
        "divergence": _divergence(group.divergence),
    }


def _rate(rate: Rate) -> Row:
    low, high = rate.interval or (None, None)
    return {"k": rate.k, "n": rate.n, "share": rate.share, "low": low, "high": high}


def _availability(moment: Availability) -> Row:
    return {
        "offset_ms": moment.offset_ms,
        "buyable": _rate(moment.buyable),
        "faulty": moment.faulty,
        "not_measured": moment.unmeasured,
        "median_ask": amount(moment.median_ask),
        "favourite_won": _rate(moment.won),
        "won_when_buyable": _rate(moment.won_when_buyable),
    }


def _step(step: Step) -> Row:
    return {
        "stage": step.stage.title,
        "count": step.count,
        "drops": dict(step.drops),
    }


def _profit(profit: Profit) -> Row:
    low, high = profit.value_interval or (None, None)
    return {
        "fire": _rate(profit.fire),
        "fill": _rate(profit.fill),
        "win": _rate(profit.win),
        "wins": profit.win.k,
        "losses": profit.losses,
        "voids": profit.voids,
        "average_price": amount(profit.average_price),
        "break_even": profit.break_even,
        "value_per_share": amount(profit.value),
        "value_per_share_low": amount(low),
        "value_per_share_high": amount(high),
        "figures": {figure.name: _figure(figure) for figure in profit.figures},
        "longest_losing_run": profit.losing_run,
        "maximum_drawdown": amount(profit.drawdown),
        "wins_needed": profit.wins_needed,
        "fees": amount(profit.fees),
        "fees_unknown": profit.fees_unknown,
        "lock_up_ms": milliseconds(profit.lock_up),
        "open_stake": amount(profit.open_stake),
    }


def _figure(figure: FigureProfit) -> Row:
    counts = {
        str(standing).replace(" ", "_"): figure.counts.get(standing, 0)
        for standing in Standing
    }
    return {
        "profit": amount(figure.profit),
        "orders": figure.orders,
        "filled": figure.filled,
        **counts,
    }


def _health(health: Health) -> Row:
    edges = (None, *EDGES_MS, None)
    return {
        "skips": dict(health.skips),
        "observed": health.observed,
        "watched_ms": health.watched_ms,
        "silent_ms": health.silent_ms,
        "silent_markets": health.silent_markets,
        "reconnects": health.reconnects,
        "blocked_ms": _quantiles(health.blocked),
        "blocked_markets": health.blocked_markets,
        "timing_error_ms": _quantiles(health.timing),
        "timing_histogram": [
            {"from_ms": edges[bin_], "to_ms": edges[bin_ + 1], "orders": count}
            for bin_, count in enumerate(health.histogram)
        ],
        "answer_ms": _quantiles(health.answers),
        "streaks": [
            {
                "reason": streak.reason,
                "markets": streak.count,
                "first": streak.first,
                "last": streak.last,
                "lasting": streak.lasting,
            }
            for streak in health.streaks
        ],
    }


def _quantiles(times: Quantiles | None) -> Row | None:
    if times is None:
        return None
    return {
        "n": times.n,
        "p50": milliseconds(times.p50),
        "p90": milliseconds(times.p90),
        "max": milliseconds(times.most),
    }


def _divergence(divergence: Divergence | None) -> Row | None:
    if divergence is None:
        return None
    return {
        "both_filled": divergence.count(live=True, paper=True),
        "only_live_filled": divergence.count(live=True, paper=False),
        "only_paper_filled": divergence.count(live=False, paper=True),
        "neither_filled": divergence.count(live=False, paper=False),
        "unresolved": divergence.unresolved,
        "orders": [
            {
                "ticker": twin.ticker,
                "live_filled": twin.live_filled,
                "paper_filled": twin.paper_filled,
                "price_difference": amount(twin.price_difference),
                "shares_difference": amount(twin.shares_difference),
                "answer_ms": milliseconds(twin.answer_ns),
            }
            for twin in divergence.twins
        ],
    }
