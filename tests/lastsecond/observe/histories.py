"""Histories for tests of the report: by hand, by hypothesis, and a plausible one."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from lastsecond.history import (
    OFFSETS_MS,
    EstimateRecord,
    History,
    MarketRecord,
    Observation,
    RunRecord,
    Sample,
)
from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.observe.report import Group, build
from lastsecond.orders import Figure, State

MICRO = 1_000_000
MS = 1_000_000
SIMULATED = "http://127.0.0.1:40123"
"""The host of a run on the simulated exchange."""

START = 1_790_000_100 * NANOSECONDS
"""A close on the grid of five minutes."""

SETTINGS = {"TRADE_SIZE": "5", "MAX_PRICE": "0.99", "TRIGGER_SECONDS": "1.0"}
SKIPS = (
    *("too_late", "known", "stopped", "not_connected", "failed", "no_book"),
    *("stale_book", "doubtful_book", "crossed_book", "half_updated", "woke_late"),
    *("sockets_disagree", "no_favourite", "no_ask", "above_cap", "not_armed"),
    *("not_enough_depth", "halted", "clock_unknown", "clock_off", "loop_lag", "?"),
)


def run(mode: str = "PAPER", settings_hash: str = "aaa", **change: Any) -> RunRecord:
    """One start of the program, before START."""
    values: dict[str, Any] = {
        "id": 1,
        "started_at": START - 600 * NANOSECONDS,
        "mode": mode,
        "wallet": "paper",
        "settings_hash": settings_hash,
        "code_version": "v1",
        "host": "here",
        "settings": SETTINGS,
        **change,
    }
    return RunRecord(**values)


def market(number: int = 0, **change: Any) -> MarketRecord:
    """A watched market that was skipped, the ``number``-th after START."""
    start = START // NANOSECONDS + 300 * (number - 1)
    values: dict[str, Any] = {
        "ticker": f"btc-updown-5m-{start}",
        "condition_id": f"0x{number:064x}",
        "mode": "PAPER",
        "wallet": "paper",
        "settings_hash": "aaa",
        "close_at": START + 300 * NANOSECONDS * number,
        "state": State.SKIPPED,
        "reason": "no_ask",
        "watched": True,
        **change,
    }
    return MarketRecord(**values)


def sent(number: int = 0, **change: Any) -> MarketRecord:
    """A market whose order left 3 ms after the trigger, for Up at 0.98: filled."""
    close_at = START + 300 * NANOSECONDS * number
    values = {
        "state": State.FILLED,
        "reason": "",
        "order_id": f"0xorder{number}",
        "side": Outcome.UP,
        "limit": 990_000,
        "spend": 5 * MICRO,
        "sent_at": close_at - 997 * MS,
        "answered_at": close_at - 777 * MS,
        "shares": 5_102_040,
        "cost": 4_999_999,
        "fee": 7_000,
        **change,
    }
    return market(number, **values)


def settled(number: int = 0, paid_up: int = MICRO, **change: Any) -> MarketRecord:
    """The same, paid out: a win, unless Up paid less than a dollar."""
    row = sent(number, **change)
    up = row.side is Outcome.UP
    paid = paid_up if up else MICRO - paid_up
    return replace(
        row,
        state=State.SETTLED,
        paid_up=paid_up,
        payout=(row.shares or 0) * paid // MICRO,
        settled_at=row.close_at + 90 * NANOSECONDS,
        result_source="gamma",
    )


def estimate(figure: Figure, **change: Any) -> EstimateRecord:
    """A fill as in ``sent``, or whatever is changed of it."""
    values: dict[str, Any] = {
        "figure": figure,
        "filled": True,
        "reason": "",
        "ask": 980_000,
        "shares": 5_102_040,
        "cost": 4_999_999,
        "fee": 7_000,
        "at": START,
        **change,
    }
    return EstimateRecord(**values)


def unfilled(figure: Figure, reason: str = "no ask", at: int = START) -> EstimateRecord:
    """What a figure says of an order that bought nothing."""
    return estimate(
        figure, filled=False, reason=reason, ask=None, shares=0, cost=0, fee=0, at=at
    )


def sample(offset_ms: int, close_at: int = START, **change: Any) -> Sample:
    """Nothing to buy of Up, in books that are to be believed."""
    values: dict[str, Any] = {
        "offset_ms": offset_ms,
        "taken_at": close_at + offset_ms * MS,
        "favourite": Outcome.UP,
        "ask": None,
        "depth": 0,
        "fillable": False,
        "age_ms": 120,
        "sockets_gap_ms": 4,
        "fault": "",
        **change,
    }
    return Sample(**values)


def observation(samples: Sequence[Sample] = (), **change: Any) -> Observation:
    """A market watched for three minutes without a break."""
    values: dict[str, Any] = {
        "watched_from": START - 180 * NANOSECONDS,
        "watched_until": START + 30 * NANOSECONDS,
        "silent_ms": 0,
        "reconnects": 0,
        "heard": "",
        "samples": tuple(samples),
        **change,
    }
    return Observation(**values)


def history(*markets: MarketRecord, runs: Sequence[RunRecord] = ()) -> History:
    """These markets, of one paper run unless told otherwise."""
    return History(tuple(runs) or (run(),), markets)


NOW = START + 10**15
NOT_LEFT = {State.DISCOVERED, State.WATCHING, State.ARMED, State.SKIPPED}


def only(found: History) -> Group:
    """The one group of a history."""
    (group,) = build(found, now=NOW).groups
    return group


def own(group: Group, found: History) -> list[MarketRecord]:
    """The raw rows that a group must be made of."""
    key = (group.mode, group.settings_hash)
    return [row for row in found.markets if (row.mode, row.settings_hash) == key]


def left(row: MarketRecord) -> bool:
    """Whether its order left, or may have."""
    return row.sent_at is not None or row.state not in NOT_LEFT


# -- any history --


@st.composite
def markets(draw: st.DrawFn, number: int = 0) -> MarketRecord:
    """Any market that the types allow, whether or not a ledger would hold it."""
    amounts = st.none() | st.integers(1, 20 * MICRO)
    close_at = START + 300 * NANOSECONDS * number
    instants = st.none() | st.integers(close_at - 2000 * MS, close_at + 9 * NANOSECONDS)
    figures = draw(st.sets(st.sampled_from(Figure)))
    offsets = draw(st.sets(st.sampled_from(OFFSETS_MS), max_size=4))
    shown = observation([draw(samples(at, close_at)) for at in sorted(offsets)])
    return market(
        number,
        mode=draw(st.sampled_from(["PAPER", "LIVE"])),
        settings_hash=draw(st.sampled_from(["aaa", "bbb"])),
        state=draw(st.sampled_from(State)),
        reason=draw(st.sampled_from([*SKIPS, ""])),
        watched=draw(st.booleans()),
        side=draw(st.none() | st.sampled_from(Outcome)),
        sent_at=draw(instants),
        answered_at=draw(instants),
        settled_at=draw(instants),
        shares=draw(amounts),
        cost=draw(amounts),
        fee=draw(amounts),
        payout=draw(amounts | st.just(0)),
        paid_up=draw(st.sampled_from([None, 0, MICRO // 2, MICRO])),
        disputed=draw(st.booleans()),
        estimates={figure: draw(estimates(figure)) for figure in figures},
        observation=draw(st.none() | st.just(shown)),
    )


@st.composite
def estimates(draw: st.DrawFn, figure: Figure) -> EstimateRecord:
    """Any estimate."""
    if draw(st.booleans()):
        return unfilled(figure)
    return estimate(
        figure,
        shares=draw(st.integers(1, 20 * MICRO)),
        cost=draw(st.integers(1, 20 * MICRO)),
        fee=draw(st.none() | st.integers(0, MICRO)),
    )


@st.composite
def samples(draw: st.DrawFn, offset_ms: int, close_at: int) -> Sample:
    """Any sample."""
    fillable = draw(st.booleans())
    return sample(
        offset_ms,
        close_at,
        favourite=draw(st.none() | st.sampled_from(Outcome)),
        ask=draw(st.integers(500_000, 990_000)) if fillable else None,
        depth=20 * MICRO if fillable else 0,
        fillable=fillable,
        fault="" if fillable else draw(st.sampled_from(["", "stale_book"])),
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Any history of a few markets, each closing after the one before.

    Those of the settings "bbb" are on a simulated exchange.
    """
    size = draw(st.integers(0, 8))
    return history(
        *(draw(markets(number)) for number in range(size)),
        runs=[
            run(
                mode,
                settings_hash,
                id=number,
                started_at=START - number,
                host=SIMULATED if settings_hash == "bbb" else "https://real.example",
            )
            for number, (mode, settings_hash) in enumerate(
                (mode, name) for mode in ("PAPER", "LIVE") for name in ("aaa", "bbb")
            )
        ],
    )


# -- a plausible one --


def plausible(
    size: int = 400, *, seed: int = 4, mode: str = "PAPER", host: str = "here"
) -> History:
    """Some days of one set of settings, as they may come: many markets, few orders."""
    chance = random.Random(seed)
    rows = [_plausible_market(number, chance, mode) for number in range(size)]
    return history(*rows, runs=[run(mode, wallet=rows[0].wallet, host=host)])


def _plausible_market(number: int, chance: random.Random, mode: str) -> MarketRecord:
    up = chance.random() < 0.5
    favourite = Outcome.UP if up else Outcome.DOWN
    paid_up = MICRO if (chance.random() < 0.985) is up else 0
    row = market(number, mode=mode, wallet="0xwallet" if mode == "LIVE" else "paper")
    shown = [
        _plausible_sample(at, row.close_at, favourite, chance) for at in OFFSETS_MS
    ]
    seen = observation(
        shown,
        watched_from=row.close_at - 180 * NANOSECONDS,
        watched_until=row.close_at + 30 * NANOSECONDS,
        silent_ms=chance.choice([0, 0, 0, 400, 2_300]),
        reconnects=int(chance.random() < 0.03),
        blocked_us=chance.choice([150, 400, 900, 1_300, 2_600]),
    )
    row = replace(row, observation=seen, paid_up=paid_up, result_source="gamma")
    fate = chance.random()
    if fate < 0.05:
        return replace(row, watched=False, observation=None, reason="too_late")
    if fate < 0.72:
        reasons = ["no_ask"] * 6 + ["above_cap", "stale_book", "no_favourite"]
        return replace(row, reason=chance.choice(reasons))
    return _plausible_order(row, favourite, chance)


def _plausible_sample(
    offset_ms: int, close_at: int, favourite: Outcome, chance: random.Random
) -> Sample:
    nearness = min(max(-offset_ms, 200), 60_000) / 60_000
    there = chance.random() < 0.08 + 0.6 * nearness**0.5
    fault = chance.choice(["stale_book", "doubtful_book"])
    ask = min(990_000, 900_000 + 10_000 * chance.randrange(12))
    return sample(
        offset_ms,
        close_at,
        favourite=favourite,
        ask=ask if there else None,
        depth=chance.randrange(5, 400) * MICRO if there else 0,
        fillable=there,
        fault="" if there or chance.random() < 0.95 else fault,
    )


def _plausible_order(
    row: MarketRecord, favourite: Outcome, chance: random.Random
) -> MarketRecord:
    late = int(chance.lognormvariate(0.4, 1.1) * MS)
    if chance.random() < 0.2:
        late += chance.randrange(5, 700) * MS
    sent_at = row.close_at - 1000 * MS + late
    price = chance.choice([970_000, 980_000, 990_000])
    shares = 5 * MICRO * MICRO // price
    cost, fee = shares * price // MICRO, 7 * shares * price // MICRO // 10_000
    filled = {"ask": price, "shares": shares, "cost": cost, "fee": fee, "at": sent_at}
    gone, doubted = chance.random() < 0.35, chance.random() < 0.25
    gone_twin = gone if row.mode == "PAPER" else chance.random() < 0.35
    figures = {Figure.OPTIMISTIC: estimate(Figure.OPTIMISTIC, **filled)}
    for figure, fails in (
        (Figure.REALISTIC, gone_twin),
        (Figure.PESSIMISTIC, gone_twin or doubted),
    ):
        good = estimate(figure, **filled)
        figures[figure] = unfilled(figure, at=sent_at) if fails else good
    row = replace(
        row,
        state=State.KILLED if gone else State.SETTLED,
        reason="no ask at or under the limit" if gone else "",
        order_id=f"order-{row.ticker}",
        side=favourite,
        limit=990_000,
        spend=5 * MICRO,
        sent_at=sent_at,
        answered_at=sent_at + chance.randrange(160, 420) * MS,
        estimates=figures,
    )
    if gone:
        return row
    paid = (row.paid_up == MICRO) is (favourite is Outcome.UP)
    return replace(
        row,
        shares=shares,
        cost=cost,
        fee=fee,
        payout=shares if paid else 0,
        settled_at=row.close_at + chance.randrange(60, 200) * NANOSECONDS,
    )
