"""How well the program itself did: skips, silences, lateness, and live against paper.

Times are ms unless named otherwise.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lastsecond.history import EstimateRecord, MarketRecord
from lastsecond.market import MILLISECOND
from lastsecond.observe import statistics
from lastsecond.observe.funnel import is_filled
from lastsecond.orders import Figure, State

LOUD_STREAK = 10
"""Markets in a row with the same skip, from which on it is said loudly."""

EDGES_MS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Bins of the timing histogram: below the first edge, between two, from the last on."""


@dataclass(frozen=True, slots=True)
class Streak:
    """So many markets in a row ended in one skip; ``lasting``: the latest did, too."""

    reason: str
    count: int
    first: str
    last: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of ``n`` times, by nearest rank, ns; ``n`` > 0."""

    n: int
    p50: int
    p90: int
    most: int


BLOCKED_NS = 2_000_000
"""Longer than this the program may not hold up its own loop near a close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What went wrong, and how late things were."""

    skips: tuple[tuple[str, int], ...]
    observed: int
    """Markets whose observation was kept: the next six are of them."""
    watched_ms: int
    silent_ms: int
    silent_markets: int
    reconnects: int
    blocked: Quantiles | None
    """The longest that the program held up its loop before each close."""
    blocked_markets: int
    """Of observed ones, those before which that was more than BLOCKED_NS."""
    timing: Quantiles | None
    """First byte against the trigger; on paper, where no byte leaves, the decision."""
    histogram: tuple[int, ...]
    """Orders in each bin of EDGES_MS."""
    answers: Quantiles | None
    """First byte to the first answer; None on paper, which asks nobody."""
    streaks: tuple[Streak, ...]
    """Of LOUD_STREAK or more, the latest first."""


def since_trigger(market: MarketRecord, trigger_ns: int | None) -> int | None:
    """From the trigger to ``sent_at``, ns; None if either is unknown."""
    if market.sent_at is None or trigger_ns is None:
        return None
    return market.sent_at - (market.close_at - trigger_ns)


def answer_time(market: MarketRecord) -> int | None:
    """From the order's first byte to the first answer, ns; None if not known."""
    answered = answered_at(market)
    if market.sent_at is None or answered is None:
        return None
    return answered - market.sent_at


def answered_at(market: MarketRecord) -> int | None:
    """When an exchange answered; None on paper: that only notes its own estimate."""
    return None if market.mode == "PAPER" else market.answered_at


def health(markets: Sequence[MarketRecord], trigger_ns: int | None) -> Health:
    """The health of a group's markets, which are in the order of their close."""
    skips = Counter(m.reason for m in markets if m.state is State.SKIPPED)
    observed = [m.observation for m in markets if m.observation is not None]
    late = _known(since_trigger(market, trigger_ns) for market in markets)
    blocked = _known(o.blocked_us and o.blocked_us * 1_000 for o in observed)
    watched = sum(o.watched_until - o.watched_from for o in observed)
    counts = Counter(bisect_right(EDGES_MS, ns / MILLISECOND) for ns in late)
    return Health(
        skips=tuple(sorted(skips.items(), key=lambda item: (-item[1], item[0]))),
        observed=len(observed),
        watched_ms=watched // MILLISECOND,
        silent_ms=sum(o.silent_ms for o in observed),
        silent_markets=sum(o.silent_ms > 0 for o in observed),
        reconnects=sum(o.reconnects for o in observed),
        blocked=_quantiles(blocked),
        blocked_markets=sum(ns > BLOCKED_NS for ns in blocked),
        timing=_quantiles(late),
        histogram=tuple(counts[bin_] for bin_ in range(len(EDGES_MS) + 1)),
        answers=_quantiles(_known(map(answer_time, markets))),
        streaks=_streaks(markets),
    )


def _known(times: Iterable[int | None]) -> list[int]:
    return sorted(time for time in times if time is not None)


def _quantiles(ordered: Sequence[int]) -> Quantiles | None:
    if not ordered:
        return None
    p50, p90 = (statistics.quantile(ordered, q) for q in (0.5, 0.9))
    return Quantiles(len(ordered), p50, p90, ordered[-1])


def _streaks(markets: Sequence[MarketRecord]) -> tuple[Streak, ...]:
    """Runs of one skip; a market that is not decided yet neither adds nor breaks."""
    undecided = {State.DISCOVERED, State.WATCHING, State.ARMED}
    runs: list[list[MarketRecord]] = []
    for market in markets:
        if market.state in undecided:
            continue
        if runs and _ending(market) == _ending(runs[-1][-1]):
            runs[-1].append(market)
        else:
            runs.append([market])
    loud = [
        Streak(run[0].reason, len(run), run[0].ticker, run[-1].ticker, run is runs[-1])
        for run in runs
        if run[0].state is State.SKIPPED and len(run) >= LOUD_STREAK
    ]
    return tuple(reversed(loud))


def _ending(market: MarketRecord) -> tuple[State, str]:
    skipped = market.state is State.SKIPPED
    return market.state, market.reason if skipped else ""


@dataclass(frozen=True, slots=True)
class Twin:
    """A real order beside the realistic figure of the same order; live minus paper."""

    ticker: str
    live_filled: bool
    paper_filled: bool
    price_difference: int | None
    """Micros a share; None unless both filled."""
    shares_difference: int | None
    """Micros; None unless both filled."""
    answer_ns: int | None
    """From the moment the figure looked at to the real answer."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Real orders and their paper twins; ``unresolved`` ones are not compared yet."""

    twins: tuple[Twin, ...]
    unresolved: int

    def count(self, *, live: bool, paper: bool) -> int:
        """How many were filled in reality and on paper as asked."""
        ends = [(twin.live_filled, twin.paper_filled) for twin in self.twins]
        return ends.count((live, paper))


def divergence(markets: Iterable[MarketRecord]) -> Divergence | None:
    """Live orders against the realistic figure; None where nothing can be compared."""
    pairs = [
        (market, market.estimates[Figure.REALISTIC])
        for market in markets
        if market.mode != "PAPER" and Figure.REALISTIC in market.estimates
    ]
    if not pairs:
        return None
    unresolved = {State.SENT, State.UNCERTAIN, State.MATCHED}
    known = [pair for pair in pairs if pair[0].state not in unresolved]
    return Divergence(tuple(_twin(*pair) for pair in known), len(pairs) - len(known))


def _twin(market: MarketRecord, estimate: EstimateRecord) -> Twin:
    live = is_filled(market)
    price = shares = None
    if live and estimate.filled and market.shares and estimate.shares:
        paid = statistics.per_share(market.cost or 0, market.shares)
        price = paid - statistics.per_share(estimate.cost, estimate.shares)
        shares = market.shares - estimate.shares
    answered = market.answered_at
    answer = None if answered is None else answered - estimate.at
    return Twin(market.ticker, live, estimate.filled, price, shares, answer)
