"""The report: what a history amounts to, one group at a time.

A group is one mode and one hash of settings, on a real exchange or on a simulated one;
no figure mixes two of them. All of it is computed from the history alone: the same rows
give the same report.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from lastsecond.history import History, MarketRecord, RunRecord
from lastsecond.market import NANOSECONDS
from lastsecond.observe.availability import Availability, at_trigger, availability
from lastsecond.observe.funnel import Funnel, funnel
from lastsecond.observe.health import Divergence, Health, divergence, health
from lastsecond.observe.profit import Equity, Profit, equity_of, profit_of
from lastsecond.observe.verdict import Verdict, judge, of_simulated

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}

_Account = tuple[str, str, str]
"""A mode, a wallet, and a hash of settings."""

_Key = tuple[str, str, bool]
"""Of a group: its mode, its hash of settings, and whether it is simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Everything that one mode did under one set of settings."""

    mode: str
    simulated: bool
    """Its runs were all on an exchange on this machine."""
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
    def label(self) -> str:
        """Whose figures these are, as it stands over each of them."""
        return f"{self.mode} (SIMULATED)" if self.simulated else self.mode

    @property
    def verdict(self) -> Verdict:
        """Whether what is known speaks for real orders; a simulation never does."""
        moment = at_trigger(self.availability, self.trigger_seconds)
        found = judge(self.profit, moment, self.settings)
        return of_simulated(found, self.profit) if self.simulated else found

    @property
    def trigger_seconds(self) -> float | None:
        """TRIGGER_SECONDS, None where it is not known."""
        return _trigger_seconds(self.settings)

    @property
    def trigger_ns(self) -> int | None:
        """The same in ns."""
        return _trigger_ns(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All groups, the one that was at work last first; times are Unix ns."""

    generated_at: int
    since: int | None
    mode: str | None
    in_ledger: int
    """Markets there are, whether or not ``since`` and ``mode`` leave them out."""
    groups: tuple[Group, ...]

    def group(self, mode: str, settings_hash: str) -> Group | None:
        """The group of a mode and settings on a real exchange; None: no market yet."""
        for group in self.groups:
            key = group.mode, group.settings_hash, group.simulated
            if key == (mode, settings_hash, False):
                return group
        return None


def is_simulated(run: RunRecord) -> bool:
    """Whether the exchange of a run was on this machine."""
    try:
        parts = urlsplit(run.host)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.hostname in _LOOPBACK


def build(
    history: History, *, now: int, since: int | None = None, mode: str | None = None
) -> Report:
    """The report on the markets of ``mode`` that closed, or close, at ``since`` on.

    Times are Unix ns; None: all of them.
    """
    runs = sorted(history.runs, key=lambda run: (run.started_at, run.id))
    accounts = _by_account(runs)
    chosen: dict[_Key, list[MarketRecord]] = {}
    for market in history.markets:
        if since is not None and market.close_at < since:
            continue
        if mode is None or market.mode == mode.upper():
            account = market.mode, market.wallet, market.settings_hash
            simulated = _on_simulated(market, accounts.get(account, []))
            key = market.mode, market.settings_hash, simulated
            chosen.setdefault(key, []).append(market)
    groups = [_group(key, rows, runs) for key, rows in chosen.items()]
    groups.sort(key=_latest, reverse=True)
    return Report(
        generated_at=now,
        since=since,
        mode=mode and mode.upper(),
        in_ledger=len(history.markets),
        groups=tuple(groups),
    )


def _by_account(runs: Iterable[RunRecord]) -> dict[_Account, list[RunRecord]]:
    found: dict[_Account, list[RunRecord]] = {}
    for run in runs:
        found.setdefault((run.mode, run.wallet, run.settings_hash), []).append(run)
    return found


def _on_simulated(market: MarketRecord, own: Sequence[RunRecord]) -> bool:
    """Whether it was traded on this machine; ``own``: its account's runs, in order.

    A lock keeps a wallet's runs from overlapping: the market is of the one that had
    started last when it was sent, else watched, else had closed.
    """
    seen = market.observation
    at = market.sent_at or (seen.watched_from if seen else market.close_at)
    earlier = bisect_right(own, at, key=lambda run: run.started_at)
    return any(map(is_simulated, own[max(earlier - 1, 0) :][:1]))


def _group(key: _Key, rows: Iterable[MarketRecord], runs: Iterable[RunRecord]) -> Group:
    mode, settings_hash, simulated = key
    own = [
        run for run in runs if (run.mode, run.settings_hash, is_simulated(run)) == key
    ]
    settings = own[-1].settings if own else {}
    markets = tuple(sorted(rows, key=lambda row: (row.close_at, row.ticker)))
    profit = profit_of(mode, markets)
    if simulated:
        profit = replace(profit, wins_needed=None)
    return Group(
        mode=mode,
        simulated=simulated,
        settings_hash=settings_hash,
        settings=settings,
        runs=tuple(own),
        markets=markets,
        availability=availability(markets),
        funnel=funnel(markets),
        profit=profit,
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
