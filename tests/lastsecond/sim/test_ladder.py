"""One ladder behind two mirrored books."""

from hypothesis import given
from hypothesis import strategies as st

from lastsecond.market import Outcome
from lastsecond.money import MICRO
from lastsecond.sim.ladder import Ladder, Side, plain

changes = st.lists(
    st.tuples(
        st.sampled_from(Outcome),
        st.sampled_from(Side),
        st.integers(1, 999).map(lambda ticks: ticks * 1000),
        st.integers(0, 10**12),
    )
)


@given(changes)
def test_both_tokens_mirror_after_any_changes(
    sequence: list[tuple[Outcome, Side, int, int]],
) -> None:
    """A bid for one outcome at p is an offer of the other at 1 - p, of equal size."""
    ladder = Ladder()
    for change in sequence:
        ladder.put(*change)
    for outcome in Outcome:
        for side in Side:
            mirrored = [
                (MICRO - price, size)
                for price, size in ladder.levels(outcome.other, side.other)
            ]
            assert ladder.levels(outcome, side) == mirrored


@given(changes)
def test_the_best_level_is_last_on_both_sides(
    sequence: list[tuple[Outcome, Side, int, int]],
) -> None:
    """Bids ascend and asks descend, so the best price is at the end of either."""
    ladder = Ladder()
    for change in sequence:
        ladder.put(*change)
    for outcome in Outcome:
        bids = [price for price, _ in ladder.levels(outcome, Side.BUY)]
        asks = [price for price, _ in ladder.levels(outcome, Side.SELL)]
        assert bids == sorted(set(bids))
        assert asks == sorted(set(asks), reverse=True)
        assert ladder.best(outcome, Side.BUY) == (bids[-1] if bids else None)
        assert ladder.best(outcome, Side.SELL) == (asks[-1] if asks else None)


@given(changes, changes)
def test_replacing_leaves_nothing_of_the_old_book(
    old: list[tuple[Outcome, Side, int, int]],
    new: list[tuple[Outcome, Side, int, int]],
) -> None:
    """After replace a book holds the given levels only, whatever was there."""
    ladder, fresh = Ladder(), Ladder()
    for change in old:
        ladder.put(*change)
    bids = [(price, size) for _, side, price, size in new if side is Side.BUY]
    asks = [(price, size) for _, side, price, size in new if side is Side.SELL]
    ladder.replace(Outcome.DOWN, bids, asks)
    for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
        for level in levels:
            fresh.put(Outcome.DOWN, side, *level)
    for side in Side:
        assert ladder.levels(Outcome.UP, side) == fresh.levels(Outcome.UP, side)


def test_amounts_are_written_as_the_wire_writes_them() -> None:
    """No exponent, no trailing zeros, no needless point."""
    written = [plain(amount) for amount in (970_000, 119_830_000, 10_000_000, 0)]
    assert written == ["0.97", "119.83", "10", "0"]
