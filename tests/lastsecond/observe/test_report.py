"""The report's groups, its availability and its funnel, recomputed from raw rows."""

from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given

from lastsecond.history import OFFSETS_MS, History, MarketRecord
from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.observe.availability import at_trigger
from lastsecond.observe.funnel import Stage, check_sums, place
from lastsecond.observe.report import build
from lastsecond.orders import State
from lastsecond.reasons import SkipReason
from tests.lastsecond.observe.histories import (
    MICRO,
    MS,
    NOW,
    SIMULATED,
    START,
    histories,
    history,
    left,
    market,
    observation,
    only,
    own,
    plausible,
    run,
    sample,
    sent,
    settled,
)

# -- groups --


@given(histories())
def test_no_figure_mixes_modes_or_settings(found: History) -> None:
    """Each market is in one group, that of its own mode and settings."""
    groups = build(found, now=NOW).groups
    keys = [(group.mode, group.settings_hash) for group in groups]
    assert len(set(keys)) == len(keys)
    for group in groups:
        assert sorted(map(id, group.markets)) == sorted(map(id, own(group, found)))
        assert {run.mode for run in group.runs} == {group.mode}
    assert sum(len(group.markets) for group in groups) == len(found.markets)


def test_the_latest_group_comes_first() -> None:
    """The group whose market closed last is the one that a reader wants first."""
    rows = market(1, settings_hash="old"), market(2), market(0, mode="LIVE")
    groups = build(history(*rows), now=NOW).groups
    keys = [(group.mode, group.settings_hash) for group in groups]
    assert keys == [("PAPER", "aaa"), ("PAPER", "old"), ("LIVE", "aaa")]


def test_since_and_mode_choose_markets() -> None:
    """Only markets that closed at that time or later, and of that mode, are told of."""
    rows = [market(n, mode=mode) for n in range(4) for mode in ("PAPER", "LIVE")]
    second = rows[4].close_at
    report = build(history(*rows), now=NOW, since=second, mode="live")
    (group,) = report.groups
    assert [row.close_at for row in group.markets] == [second, rows[6].close_at]
    assert (group.mode, report.mode, report.since) == ("LIVE", "LIVE", second)


def test_a_group_can_be_asked_for() -> None:
    """By mode and settings; None where it has no market, or only simulated ones."""
    report = build(history(market()), now=NOW)
    assert report.group("PAPER", "aaa") is report.groups[0]
    assert report.group("LIVE", "aaa") is None
    simulated = history(market(), runs=[run(host=SIMULATED)])
    assert build(simulated, now=NOW).group("PAPER", "aaa") is None


@pytest.mark.parametrize(
    ("host", "simulated"),
    [
        ("http://127.0.0.1:40123", True),
        ("https://localhost", True),
        ("http://[::1]:8080", True),
        ("https://clob.polymarket.com", False),
        ("https://localhost.example.com", False),
        ("ws://127.0.0.1", False),
        ("http://[::1", False),
        ("here", False),
        ("", False),
    ],
)
def test_an_exchange_on_this_machine_is_a_simulated_one(
    host: str, *, simulated: bool
) -> None:
    """By the host of its runs; a group says so with its mode."""
    group = only(history(market(), runs=[run(host=host)]))
    assert group.simulated is simulated
    assert group.label == ("PAPER (SIMULATED)" if simulated else "PAPER")


def test_real_and_simulated_runs_share_no_figure() -> None:
    """One ledger, mode and settings: each market is with the run that it was of."""
    real = run(id=1, started_at=START, host="https://clob.polymarket.com")
    simulated = run(id=2, started_at=START + 3000 * NANOSECONDS, host=SIMULATED)
    other = run(id=3, started_at=START + 1, wallet="0xother", host=SIMULATED)
    seen = observation(watched_from=START + 2990 * NANOSECONDS)
    rows = [
        sent(3),
        market(11, observation=seen),  # closed after the later run had begun
        market(11, condition_id="0xlate"),
        sent(12),
        market(0, condition_id="0xearly"),  # closed before any run had
    ]
    found = history(*rows, runs=[simulated, other, real])
    groups = {g.label: g for g in build(found, now=NOW).groups}
    assert set(groups) == {"PAPER", "PAPER (SIMULATED)"}
    assert groups["PAPER"].markets == (rows[4], rows[0], rows[1])
    assert groups["PAPER (SIMULATED)"].markets == (rows[2], rows[3])
    assert groups["PAPER"].runs == (real,)
    assert groups["PAPER (SIMULATED)"].runs == (other, simulated)


def test_an_empty_ledger_has_no_group() -> None:
    """Runs without markets tell nothing."""
    assert build(history(), now=NOW).groups == ()


# -- availability --


@given(histories())
def test_availability_is_what_was_sampled(found: History) -> None:
    """Each moment's counts are those of the raw samples; faults stand apart."""
    for group in build(found, now=NOW).groups:
        for moment in group.availability:
            taken = [
                (shot, row.paid_up)
                for row in own(group, found)
                if row.observation
                for shot in row.observation.samples
                if shot.offset_ms == moment.offset_ms
            ]
            good = [pair for pair in taken if pair[0].fault == ""]
            hits = [pair for pair in good if pair[0].fillable]
            assert moment.faulty == len(taken) - len(good)
            assert (moment.buyable.k, moment.buyable.n) == (len(hits), len(good))
            asks = [shot.ask for shot, _ in hits if shot.ask is not None]
            assert moment.median_ask == (int(median(asks)) if asks else None)
            for rate, pairs in ((moment.won, good), (moment.won_when_buyable, hits)):
                told = [
                    (shot.favourite, paid)
                    for shot, paid in pairs
                    if shot.favourite and paid in {0, MICRO}
                ]
                right = told.count((Outcome.UP, MICRO)) + told.count((Outcome.DOWN, 0))
                assert (rate.k, rate.n) == (right, len(told))


def test_every_moment_has_its_row() -> None:
    """Moments of which there is no sample are shown as not measured."""
    moments = only(history(market())).availability
    assert [moment.offset_ms for moment in moments] == list(OFFSETS_MS)
    assert {moment.buyable.n for moment in moments} == {0}


def test_a_sample_that_could_not_be_taken_is_counted() -> None:
    """Of markets that were watched at the moment, both ends included."""
    close = START
    whole = observation([sample(-1000), sample(-500, fault="stale_book")])
    short = observation(
        watched_from=close - 5_000 * MS, watched_until=close - 1_000 * MS
    )
    rows = [
        market(0, observation=whole),
        market(0, observation=short),
        market(0, observation=replace(short, samples=(sample(-45_000),))),
        market(0),
    ]
    found = only(history(*rows)).availability
    missing = {moment.offset_ms: moment.unmeasured for moment in found}
    assert (missing[-10_000], missing[-5000], missing[-1000]) == (1, 3, 2)
    assert (missing[-500], missing[-200], missing[30_000]) == (0, 1, 1)
    assert missing[-45_000] is None  # another version measured there


@pytest.mark.parametrize(
    ("seconds", "offset"), [(None, -1000), (1.0, -1000), (28.0, -30_000), (0.1, -200)]
)
def test_the_moment_of_the_trigger(seconds: float | None, offset: int) -> None:
    """It is the nearest one before the close, and T-1 s where nothing is known."""
    moment = at_trigger(only(history(market())).availability, seconds)
    assert moment
    assert moment.offset_ms == offset
    assert at_trigger((), seconds) is None


# -- funnel --


@given(histories())
def test_the_sums_close(found: History) -> None:
    """Each stage is the next and its drops; the first is everything discovered."""
    for group in build(found, now=NOW).groups:
        steps = group.funnel
        assert [step.stage for step in steps] == list(Stage)
        assert steps[0].count == len(own(group, found))
        for step, following in pairwise(steps):
            assert step.count == following.count + sum(n for _, n in step.drops)
        assert steps[-1].drops == ()
        assert steps[-1].count == sum(
            row.state is State.SETTLED for row in own(group, found)
        )
        assert steps[Stage.SENT].count == sum(map(left, own(group, found)))


def test_sums_that_do_not_close_are_caught() -> None:
    """A funnel that lost a market is a fault of this program, and said to be one."""
    steps = only(history(market())).funnel
    wrong = (replace(steps[0], count=7), *steps[1:])
    with pytest.raises(AssertionError, match="discovered does not close"):
        check_sums(wrong)


STAGES: dict[str, Stage] = {
    **{str(reason): Stage.WATCHED for reason in SkipReason},
    SkipReason.NO_FAVOURITE: Stage.HEALTHY,
    SkipReason.NO_ASK: Stage.FAVOURITE,
    SkipReason.ABOVE_CAP: Stage.FAVOURITE,
    SkipReason.NOT_ARMED: Stage.DEEP_ENOUGH,
    SkipReason.HALTED: Stage.DEEP_ENOUGH,
    SkipReason.CLOCK_UNKNOWN: Stage.DEEP_ENOUGH,
    SkipReason.CLOCK_OFF: Stage.DEEP_ENOUGH,
    SkipReason.LOOP_LAG: Stage.DEEP_ENOUGH,
    SkipReason.KNOWN: Stage.DEEP_ENOUGH,
    "not_enough_depth": Stage.WITHIN_CAP,
    "never heard of": Stage.WATCHED,
}


@pytest.mark.parametrize(("reason", "stage"), STAGES.items())
def test_each_reason_to_skip_has_its_stage(reason: str, stage: Stage) -> None:
    """A watched market is dropped where its reason says, an unwatched one before."""
    assert place(market(reason=reason)) == (stage, reason)
    unwatched = market(reason=reason, watched=False)
    assert place(unwatched) == (Stage.DISCOVERED, reason)


@pytest.mark.parametrize(
    ("row", "stage", "why"),
    [
        (market(state=State.WATCHING, reason=""), Stage.WATCHED, "pending"),
        (market(state=State.ARMED, reason=""), Stage.WATCHED, "pending"),
        (
            market(state=State.DISCOVERED, reason="", watched=False),
            Stage.DISCOVERED,
            "pending",
        ),
        (market(reason=""), Stage.WATCHED, "skipped"),
        (sent(state=State.KILLED), Stage.SENT, "killed"),
        (sent(state=State.REJECTED, reason="no"), Stage.SENT, "rejected: no"),
        (sent(state=State.UNCERTAIN, sent_at=None), Stage.SENT, "uncertain"),
        (sent(state=State.SKIPPED, reason="gone"), Stage.SENT, "skipped: gone"),
        (sent(), Stage.FILLED, "open"),
        (sent(disputed=True), Stage.FILLED, "disputed"),
        (settled(), Stage.SETTLED, ""),
    ],
)
def test_each_state_has_its_stage(row: MarketRecord, stage: Stage, why: str) -> None:
    """What was not skipped is at the stage that its state and its order say."""
    assert place(row) == (stage, why)


def test_the_same_rows_give_the_same_report() -> None:
    """Nothing of a report is left to chance, the bootstrap included."""
    found = plausible(200)
    assert build(found, now=NOW) == build(found, now=NOW)
