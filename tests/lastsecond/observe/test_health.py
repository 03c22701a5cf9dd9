"""Skips, silences, lateness, and real orders against paper, from raw rows."""

from collections import Counter
from dataclasses import replace

from hypothesis import given

from lastsecond.history import History
from lastsecond.observe.health import LOUD_STREAK
from lastsecond.observe.report import build
from lastsecond.orders import Figure, State
from tests.lastsecond.observe.histories import (
    MS,
    NOW,
    estimate,
    histories,
    history,
    market,
    only,
    own,
    run,
    sent,
    unfilled,
)


@given(histories())
def test_health_is_counted_from_the_rows(found: History) -> None:
    """Skips, silences, reconnects and times are those of the raw rows."""
    for group in build(found, now=NOW).groups:
        rows, health = own(group, found), group.health
        skipped = [row.reason for row in rows if row.state is State.SKIPPED]
        assert dict(health.skips) == Counter(skipped)
        watched = [row.observation for row in rows if row.observation]
        assert health.observed == len(watched)
        assert health.silent_ms == sum(seen.silent_ms for seen in watched)
        assert health.reconnects == sum(seen.reconnects for seen in watched)
        blocked = [o.blocked_us for o in watched if o.blocked_us is not None]
        assert health.blocked_markets == sum(us > 2_000 for us in blocked)
        assert (health.blocked.most if health.blocked else None) == (
            max(blocked) * 1_000 if blocked else None
        )
        sent_at = [(row.sent_at, row.close_at) for row in rows]
        late = [at - close + 10**9 for at, close in sent_at if at is not None]
        assert sum(health.histogram) == len(late)
        assert health.histogram[0] == sum(ns < 0 for ns in late)
        assert health.histogram[-1] == sum(ns >= 500 * MS for ns in late)
        assert (health.timing.most if health.timing else None) == max(
            late, default=None
        )
        answers = [
            row.answered_at - row.sent_at
            for row in rows
            if row.answered_at is not None and row.sent_at is not None
            if row.mode == "LIVE"
        ]
        assert (health.answers.n if health.answers else 0) == len(answers)


def test_times_are_told_by_nearest_rank() -> None:
    """Of ten answers of 1 to 10 ms: the fifth, the ninth and the last."""
    rows = [sent(n, mode="LIVE") for n in range(10)]
    rows = [
        replace(row, answered_at=(row.sent_at or 0) + (10 - n) * MS)
        for n, row in enumerate(rows)
    ]
    answers = only(history(*rows)).health.answers
    assert answers
    assert answers.n == 10
    assert (answers.p50, answers.p90, answers.most) == (5 * MS, 9 * MS, 10 * MS)


def test_nothing_is_late_without_a_trigger() -> None:
    """Where TRIGGER_SECONDS is not known, no timing is made up."""
    for odd in ({}, {"TRIGGER_SECONDS": "soon"}):
        health = only(history(sent(), runs=[run(settings=odd)])).health
        assert (health.timing, sum(health.histogram)) == (None, 0)


def test_paper_has_no_answer() -> None:
    """It asks nobody: when it noted its own estimate is no latency."""
    health = only(history(sent())).health
    assert health.timing
    assert health.answers is None
    assert only(history(sent(mode="LIVE"))).health.answers


def test_the_same_skip_again_and_again_is_loud() -> None:
    """Ten in a row are; a pending market among them hides nothing, another end does."""
    rows = [market(n, reason="stale_book") for n in range(LOUD_STREAK)]
    pending = market(50, state=State.WATCHING, reason="")
    (streak,) = only(history(*rows, pending)).health.streaks
    assert (streak.reason, streak.count, streak.lasting) == ("stale_book", 10, True)
    assert (streak.first, streak.last) == (rows[0].ticker, rows[-1].ticker)
    (ended,) = only(history(*rows, sent(60))).health.streaks
    assert not ended.lasting
    assert only(history(*rows[1:])).health.streaks == ()
    mixed = [*rows[:5], market(5, reason="no_ask"), *rows[6:]]
    assert only(history(*mixed)).health.streaks == ()


# -- live against paper --


def test_live_orders_stand_beside_their_twins() -> None:
    """Filled in both, in one or in neither, and what differs where both were."""
    twin, never = estimate(Figure.REALISTIC), unfilled(Figure.REALISTIC)
    rows = [
        sent(0, estimates={Figure.REALISTIC: replace(twin, cost=5_051_019)}),
        sent(1, estimates={Figure.REALISTIC: never}),
        sent(2, state=State.KILLED, estimates={Figure.REALISTIC: twin}),
        sent(3, state=State.REJECTED, estimates={Figure.REALISTIC: never}),
        sent(4, state=State.UNCERTAIN, estimates={Figure.REALISTIC: twin}),
        sent(5),
    ]
    found = only(history(*(replace(row, mode="LIVE") for row in rows))).divergence
    assert found
    assert [
        found.count(live=a, paper=b) for a in (True, False) for b in (True, False)
    ] == [*(1, 1, 1, 1)]
    assert found.unresolved == 1
    first = found.twins[0]
    assert (first.price_difference, first.shares_difference) == (-10_000, 0)
    assert first.answer_ns == -777 * MS
    assert [twin.price_difference for twin in found.twins[1:]] == [None] * 3


def test_paper_has_no_twin() -> None:
    """A dry run is not compared with itself."""
    row = sent(estimates={Figure.REALISTIC: estimate(Figure.REALISTIC)})
    assert only(history(row)).divergence is None
    assert only(history(replace(row, mode="LIVE", estimates={}))).divergence is None
