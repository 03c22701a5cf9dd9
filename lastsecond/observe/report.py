"""The report: what a history amounts to, one group at a time.

A group is one mode and one hash of settings; no figure mixes two of them. All of it is
computed from the history alone: the same rows give the same report.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lastsecond.history import History, MarketRecord, RunRecord
from lastsecond.market import NANOSECONDS
from lastsecond.observe.availability import Availability, at_trigger, availability
from lastsecond.observe.funnel import Funnel, funnel
from lastsecond.observe.health import Divergence, Health, divergence, health
from lastsecond.observe.profit import Equity, Profit, equity_of, profit_of
from lastsecond.observe.verdict import Verdict, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Everything that one mode did under one set of settings."""

    mode: str
    settings_hash: str
    settings: Mapping[str, str]
    """By variable; empty where no run of it was kept."""
    runs: tuple[RunRecord, ...]
    """Its runs, the earliest first."""
    markets: tuple[MarketRecord, ...]
    """By their close; at least one."""
    availability: tuple[Availability, ...]
    funnel: Funnel
    profit: Profit
    equity: tuple[Equity, ...]
    health: Health
    divergence: Divergence | None

    @property
    def verdict(self) -> Verdict:
        """Whether what is known speaks for real orders."""
        moment = at_trigger(self.availability, self.trigger_seconds)
        return judge(self.profit, moment, self.settings)

    @property
    def trigger_seconds(self) -> float | None:
        """TRIGGER_SECONDS, None where it is not known."""
        return _trigger_seconds(self.settings)

    @property
    def trigger_ns(self) -> int | None:
        """The same in ns."""
        return _trigger_ns(self.settings)


@dataclass(frozen=True, slots=True)
class Report:
    """All groups, the one that was at work last first; times are Unix ns."""

    generated_at: int
    since: int | None
    mode: str | None
    groups: tuple[Group, ...]

    def group(self, mode: str, settings_hash: str) -> Group | None:
        """The group of a mode and settings, None where it has no market yet."""
        for group in self.groups:
            if (group.mode, group.settings_hash) == (mode, settings_hash):
                return group
        return None


def build(
    history: History, *, now: int, since: int | None = None, mode: str | None = None
) -> Report:
    """The report on the markets of ``mode`` that closed, or close, at ``since`` on.

    Times are Unix ns; None: all of them.
    """
    chosen: dict[tuple[str, str], list[MarketRecord]] = {}
    for market in history.markets:
        if since is not None and market.close_at < since:
            continue
        if mode is None or market.mode == mode.upper():
            chosen.setdefault((market.mode, market.settings_hash), []).append(market)
    groups = [_group(key, rows, history.runs) for key, rows in chosen.items()]
    groups.sort(key=_latest, reverse=True)
    return Report(now, since, mode and mode.upper(), tuple(groups))


def _group(
    key: tuple[str, str], rows: Iterable[MarketRecord], runs: Iterable[RunRecord]
) -> Group:
    mode, settings_hash = key
    own = [run for run in runs if (run.mode, run.settings_hash) == key]
    own.sort(key=lambda run: (run.started_at, run.id))
    settings = own[-1].settings if own else {}
    markets = tuple(sorted(rows, key=lambda row: (row.close_at, row.ticker)))
    return Group(
        mode=mode,
        settings_hash=settings_hash,
        settings=settings,
        runs=tuple(own),
        markets=markets,
        availability=availability(markets),
        funnel=funnel(markets),
        profit=profit_of(mode, markets),
        equity=equity_of(mode, markets),
        health=health(markets, _trigger_ns(settings)),
        divergence=divergence(markets),
    )


def _latest(group: Group) -> tuple[int, int, str]:
    started = group.runs[-1].started_at if group.runs else 0
    return group.markets[-1].close_at, started, group.settings_hash


def _trigger_seconds(settings: Mapping[str, str]) -> float | None:
    try:
        return float(settings["TRIGGER_SECONDS"])
    except (KeyError, ValueError):
        return None


def _trigger_ns(settings: Mapping[str, str]) -> int | None:
    seconds = _trigger_seconds(settings)
    return None if seconds is None else round(seconds * NANOSECONDS)
