"""Profit and verdict, recomputed from raw rows, and reckoned by hand."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]  # ships no types

from lastsecond.history import History, MarketRecord
from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.observe import profit
from lastsecond.observe.profit import Standing
from lastsecond.observe.report import Group, build
from lastsecond.observe.verdict import Word
from lastsecond.orders import Figure, State
from tests.lastsecond.observe.histories import (
    MICRO,
    MS,
    NOW,
    SIMULATED,
    estimate,
    histories,
    history,
    left,
    market,
    observation,
    only,
    own,
    run,
    sample,
    sent,
    settled,
    unfilled,
)


def payout_of(row: MarketRecord, shares: int) -> int | None:
    if row.side is None or row.paid_up is None:
        return None
    each = row.paid_up if row.side is Outcome.UP else MICRO - row.paid_up
    return shares * each // MICRO


def raw(row: MarketRecord, name: str) -> tuple[str, int | None]:
    """An order's standing and profit, from the definitions."""
    if name == "actual" or (row.mode == "PAPER" and name == "realistic"):
        if row.state in {State.SENT, State.MATCHED, State.UNCERTAIN, State.FILLED}:
            return "open", None
        bought = row.state is State.SETTLED
        paid, cost, fee = row.payout, row.cost, row.fee
    else:
        guess = row.estimates.get(Figure(name))
        if guess is None:
            return "not estimated", None
        bought, cost, fee = guess.filled, guess.cost, guess.fee
        paid = payout_of(row, guess.shares)
    if not bought:
        return "not filled", None
    if paid is None or cost is None:
        return "open", None
    return ("fee unknown", None) if fee is None else ("known", paid - cost - fee)


@given(histories())
def test_every_figure_adds_up(found: History) -> None:
    """Each figure's profit is the sum over orders; what is unknown is counted."""
    for group in build(found, now=NOW).groups:
        orders = [row for row in own(group, found) if left(row)]
        for figure in group.profit.figures:
            ends = [raw(row, figure.name) for row in orders]
            known = [amount for _, amount in ends if amount is not None]
            nothing = [standing for standing, _ in ends if standing == "not filled"]
            assert figure.profit == (sum(known) if known or nothing else None)
            assert figure.orders == len(orders) == sum(figure.counts.values())
            assert Counter(str(end) for end, _ in ends) == Counter(
                {str(standing): n for standing, n in figure.counts.items()}
            )
        first, *_ = names = [figure.name for figure in group.profit.figures]
        assert first == ("realistic" if group.mode == "PAPER" else "actual")
        assert len(set(names)) == (3 if group.mode == "PAPER" else 4)


@given(histories())
@settings(deadline=None)
def test_rates_and_prices_are_those_of_the_rows(found: History) -> None:
    """Fire, fill, average price, break-even, value a share and fees, recomputed."""
    for group in build(found, now=NOW).groups:
        rows, figures = own(group, found), group.profit
        orders = [row for row in rows if left(row)]
        fills = [row for row in orders if row.state in {State.FILLED, State.SETTLED}]
        early = {State.DISCOVERED, State.WATCHING, State.ARMED}
        watched = sum(
            left(row)
            or (row.watched and row.state not in early and row.reason != "stopped")
            for row in rows
        )
        assert (figures.fire.k, figures.fire.n) == (len(orders), watched)
        assert (figures.fill.k, figures.fill.n) == (len(fills), len(orders))
        priced = [(r.cost, r.shares, r.fee) for r in fills if r.cost and r.shares]
        bought = sum(shares for _, shares, _ in priced)
        wanted = Fraction(sum(c for c, _, _ in priced) * MICRO, bought or 1)
        assert figures.average_price == (round(wanted) if bought else None)
        with_fee = [(c + f, s) for c, s, f in priced if f is not None]
        due, shares = map(sum, zip(*with_fee, strict=True)) if with_fee else (0, 0)
        assert figures.break_even == (due / shares if shares else None)
        fees = [row.fee for row in fills if row.fee is not None]
        assert figures.fees == (sum(fees) if fees else None)
        assert figures.fees_unknown == len(fills) - len(fees)
        assert figures.open_stake == sum(
            row.cost or 0 for row in fills if row.state is State.FILLED
        )


def test_a_dry_run_of_four() -> None:
    """Two wins, a loss and a void, reckoned by hand."""
    rows = [
        settled(0),
        settled(1, paid_up=0),
        settled(2, paid_up=MICRO // 2),
        settled(3, paid_up=0, side=Outcome.DOWN),
        sent(4, state=State.KILLED, shares=None, cost=None, fee=None),
        sent(5),
        market(6),
    ]
    found = only(history(*rows)).profit
    assert (found.fire.k, found.fire.n) == (6, 7)
    assert (found.fill.k, found.fill.n) == (5, 6)
    assert (found.win.k, found.win.n, found.losses, found.voids) == (2, 3, 1, 1)
    win, loss, void = 95_041, -5_006_999, 2_551_020 - 5_006_999
    assert found.figures[0].profit == win + loss + void + win
    assert found.figures[0].counts[Standing.OPEN] == 1
    assert found.value == round(Fraction((2 * win + loss + void) * 10**6, 4 * 5102040))
    assert found.value_interval
    assert found.value_interval[0] <= found.value <= found.value_interval[1]
    assert found.break_even == pytest.approx(5_006_999 / 5_102_040)
    assert found.average_price == 980_000
    assert (found.losing_run, found.drawdown) == (2, -loss - void)
    assert found.lock_up == 90 * NANOSECONDS + 997 * MS
    assert found.open_stake == 4_999_999
    assert found.wins_needed == 250
    enough, too_few = (
        binomtest(n - 1, n, found.break_even, alternative="greater").pvalue
        for n in (253, 252)
    )
    assert enough <= 0.05 < too_few


def test_what_was_not_watched_to_the_trigger_did_not_fail_to_fire() -> None:
    """Markets still watched, and those at which the program was stopped, are none."""
    rows = [
        sent(0),
        market(1),
        market(2, reason="stopped"),
        market(3, state=State.WATCHING, reason=""),
        market(4, state=State.ARMED, reason=""),
        market(5, watched=False, reason="too_late"),
    ]
    fire = only(history(*rows)).profit.fire
    assert (fire.k, fire.n) == (1, 2)


def test_results_that_are_all_alike_have_no_interval() -> None:
    """Repeats of one result do not tell how far another may be from it."""
    alike = only(history(settled(0), settled(1), settled(2))).profit
    assert alike.value == 18_628
    assert alike.value_interval is None
    other = only(history(settled(0), settled(1, paid_up=0))).profit
    assert other.value_interval


def test_an_unknown_fee_is_no_zero() -> None:
    """A fill whose fee is not known is counted, and its profit is in no sum."""
    found = only(history(settled(0, fee=None), settled(1))).profit
    assert found.figures[0].profit == 95_041
    assert found.figures[0].counts[Standing.FEE_UNKNOWN] == 1
    assert found.fees_unknown == 1
    alone = only(history(settled(0, fee=None))).profit
    assert (alone.figures[0].profit, alone.break_even, alone.fees) == (None, None, None)


def test_a_fill_that_vanished_is_told_apart_by_figure() -> None:
    """An ask gone on arrival: a profit to the optimist, nothing to the realist."""
    figures = {
        Figure.OPTIMISTIC: estimate(Figure.OPTIMISTIC),
        Figure.REALISTIC: unfilled(Figure.REALISTIC),
        Figure.PESSIMISTIC: unfilled(Figure.PESSIMISTIC),
    }
    row = sent(state=State.KILLED, estimates=figures, paid_up=MICRO)
    realistic, optimistic, pessimistic = only(history(row)).profit.figures
    assert (realistic.name, realistic.profit, realistic.filled) == (
        "realistic",
        0,
        0,
    )
    assert (optimistic.profit, optimistic.filled) == (95_041, 1)
    assert (pessimistic.profit, pessimistic.filled) == (0, 0)


def test_a_payout_tells_where_no_result_was_kept() -> None:
    """Markets settled before results were kept are judged by their payout."""
    row = settled()
    assert profit.won(replace(row, paid_up=None)) is True
    assert profit.won(replace(row, paid_up=None, payout=0)) is False
    assert profit.won(replace(row, paid_up=None, payout=2_551_020)) is None
    assert profit.won(sent()) is None


def test_equity_follows_the_markets() -> None:
    """Each point is the sum so far, of every figure; unknown results do not move it."""
    figures = {Figure.OPTIMISTIC: estimate(Figure.OPTIMISTIC)}
    rows = settled(0, estimates=figures), sent(1), settled(2, paid_up=0), market(3)
    points = only(history(*rows)).equity
    assert [point.sums["realistic"] for point in points] == [95_041, -4_911_958]
    assert [point.sums["optimistic"] for point in points] == [95_041, 95_041]
    assert [point.sums["pessimistic"] for point in points] == [0, 0]


# -- verdict --


def decided(wins: int, losses: int, fee: int = 7_000) -> Group:
    """A group of so many wins and losses, at 0.98 and a fee."""
    rows = [settled(n, paid_up=MICRO if n < wins else 0) for n in range(wins + losses)]
    return only(history(*(replace(row, fee=fee) for row in rows)))


@given(st.integers(0, 260), st.integers(0, 6))
def test_the_verdict_is_the_exact_test(wins: int, losses: int) -> None:
    """GO and NO-GO come exactly where scipy's one-sided test says so."""
    if wins + losses == 0:
        return
    verdict, n = decided(wins, losses).verdict, wins + losses
    even = 5_006_999 / 5_102_040
    if binomtest(wins, n, even, alternative="greater").pvalue <= 0.05:
        assert (verdict.word, verdict.wins_needed) == (Word.GO, 0)
    elif binomtest(wins, n, even, alternative="less").pvalue <= 0.05:
        assert verdict.word is Word.NO_GO
    else:
        assert verdict.word is Word.NOT_ENOUGH_DATA
        assert f"{verdict.wins_needed} more win" in verdict.reason


def simulated(*rows: MarketRecord) -> Group:
    return only(history(*rows, runs=[run(host=SIMULATED)]))


def test_a_simulation_never_says_go() -> None:
    """Recordings won again and again are not new evidence: no number is enough."""
    found = simulated(*(settled(n) for n in range(400)))
    verdict = found.verdict
    assert (verdict.word, verdict.wins_needed) == (Word.NOT_ENOUGH_DATA, None)
    assert verdict.reason == (
        "Simulated: proves nothing about real markets, and recordings played again "
        "are not new evidence. 400 wins and 0 losses."
    )
    assert found.profit.wins_needed is None


def test_a_simulated_loss_says_that_it_proves_nothing() -> None:
    """NO-GO stays what was reckoned, with the caveat before it."""
    verdict = simulated(*(settled(n, paid_up=0) for n in range(3))).verdict
    assert (verdict.word, verdict.wins_needed) == (Word.NO_GO, None)
    assert verdict.reason.startswith(
        "Simulated: proves nothing about real markets. 0 wins and 3 losses: below"
    )


def test_the_verdict_names_its_score() -> None:
    """One line says how many won and lost, and what would be needed."""
    found = decided(159, 0).verdict
    assert found.reason == (
        "159 wins and 0 losses, break-even 98.14%: 1 more win would show a profit."
    )
    assert decided(160, 0).verdict.word is Word.GO
    assert decided(0, 2).verdict.reason.startswith("0 wins and 2 losses: below")


def test_no_win_is_enough_above_a_dollar() -> None:
    """Where fees eat more than a win brings, no number of wins is promised."""
    found = decided(3, 0, fee=200_000).verdict
    assert (found.word, found.wins_needed) == (Word.NOT_ENOUGH_DATA, None)
    assert "no number of wins" in found.reason


@pytest.mark.parametrize(
    ("size", "buyable", "word"),
    [
        (200, 0, Word.NO_GO),
        (199, 0, Word.NOT_ENOUGH_DATA),
        (200, 1, Word.NOT_ENOUGH_DATA),
    ],
)
def test_too_few_asks_are_a_verdict(size: int, buyable: int, word: Word) -> None:
    """After 200 markets, NO-GO where even the upper bound at T-1 s is under 2 %."""
    rows = [
        market(n, observation=observation([sample(-1000, fillable=n < buyable)]))
        for n in range(size)
    ]
    verdict = only(history(*rows)).verdict
    assert verdict.word is word
    assert ("T-1 s" in verdict.reason) is (word is Word.NO_GO)


def test_before_the_first_fill_the_verdict_says_how_far_it_is() -> None:
    """Without any fill, the cap and the usual fee tell how many wins it takes."""
    found = only(history(market())).verdict
    assert (found.word, found.wins_needed) == (Word.NOT_ENOUGH_DATA, 321)
    unknown = only(history(market(), runs=[run(settings={})])).verdict
    assert (unknown.word, unknown.wins_needed) == (Word.NOT_ENOUGH_DATA, None)
