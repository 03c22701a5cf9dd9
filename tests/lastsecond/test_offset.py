import math
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.market import NANOSECONDS
from lastsecond.offset import (
    DRIFT_PPM,
    STREAM_TOLERANCE,
    Aim,
    OffsetEstimate,
)

MILLISECOND = 1_000_000
NOW = 5_000 * NANOSECONDS
FLIGHT = 40 * MILLISECOND
TRUE = 1_800_000_000 * NANOSECONDS + 123_456_789


@dataclass(frozen=True)
class Ask:
    """A request sent ``gap`` after the last; the answer is read ``there`` later."""

    gap: int
    there: int
    back: int


asks = st.builds(
    Ask,
    st.integers(0, 120 * NANOSECONDS),
    st.integers(0, NANOSECONDS),
    st.integers(0, NANOSECONDS),
)
offsets = st.integers(-(10**19), 10**19)
drifts = st.floats(-DRIFT_PPM, DRIFT_PPM)


@dataclass
class World:
    """Two clocks that part at a steady rate."""

    true: int
    ppm: float = 0.0

    def offset(self, at: int) -> int:
        return self.true + math.floor((at - NOW) * self.ppm / 1_000_000)

    def second(self, at: int) -> int:
        return (at + self.offset(at)) // NANOSECONDS

    def sample(self, estimate: OffsetEstimate, sent: int, ask: Ask) -> bool:
        read = sent + ask.there
        return estimate.sample(sent, read + ask.back, self.second(read))

    def holds(self, estimate: OffsetEstimate, at: int) -> bool:
        bounds = estimate.bounds(at)
        assert bounds is not None
        return bounds[0] <= self.offset(at) <= bounds[1]

    def bisect(
        self, estimate: OffsetEstimate, start: int, ask: Ask
    ) -> Iterator[tuple[int, int]]:
        """Ask at the moments that tell most; yields width and time after each."""
        at, flight = start, ask.there + ask.back
        while True:
            sent = estimate.next_send(at, flight, Aim.CENTRE)
            assert at <= sent <= at + NANOSECONDS
            assert self.sample(estimate, sent, ask)
            at = sent + flight
            yield estimate.width(at) or 0, at


def narrow(world: World) -> tuple[OffsetEstimate, int]:
    """An estimate as good as it gets, and the time."""
    estimate = OffsetEstimate()
    steps = world.bisect(estimate, NOW, Ask(0, FLIGHT // 2, FLIGHT // 2))
    at = [next(steps)[1] for _ in range(10)][-1]
    return estimate, at


def test_nothing_is_known_at_first() -> None:
    """An estimate without answers has no bounds and asks at once."""
    estimate = OffsetEstimate()
    estimate.at_least(5, 0)
    assert estimate.bounds(NOW) is None
    assert estimate.centre(NOW) is estimate.width(NOW) is None
    assert estimate.uncertainty(NOW) is None
    assert not estimate.disputed(NOW)
    assert estimate.next_send(NOW, FLIGHT, Aim.CENTRE) == NOW


def test_one_answer_is_worth_a_second_and_its_flight() -> None:
    """The bounds of a single answer are where the flips beside it could have been."""
    estimate = OffsetEstimate(drift_ppm=0)
    assert estimate.sample(NOW, NOW + FLIGHT, 7_000)
    lowest = 2_000 * NANOSECONDS
    assert estimate.bounds(NOW + FLIGHT) == (
        lowest - FLIGHT,
        lowest + NANOSECONDS,
    )
    assert estimate.samples == 1


@given(true=offsets, ppm=drifts, row=st.lists(asks, min_size=1, max_size=20))
def test_the_true_offset_is_always_inside(
    true: int, ppm: float, row: list[Ask]
) -> None:
    """Whatever the delays and the drift, honest answers never exclude the truth."""
    world, estimate, at = World(true, ppm), OffsetEstimate(), NOW
    for ask in row:
        sent = at + ask.gap
        assert world.sample(estimate, sent, ask)
        at = sent + ask.there + ask.back
        assert world.holds(estimate, at)
        assert world.holds(estimate, at + ask.gap)
    centre, off = estimate.centre(at), estimate.uncertainty(at)
    assert centre is not None
    assert off is not None
    assert abs(centre - world.offset(at)) <= off
    assert estimate.samples == len(row)


@given(
    true=offsets,
    row=st.lists(asks, min_size=1, max_size=20),
    ahead=st.lists(st.integers(-3 * NANOSECONDS, STREAM_TOLERANCE), min_size=1),
)
def test_timestamps_of_the_stream_do_not_exclude_the_truth(
    true: int, row: list[Ask], ahead: list[int]
) -> None:
    """Old and regressing timestamps, or a clock ahead within reason, do no harm."""
    world, estimate, at = World(true), OffsetEstimate(), NOW
    for number, ask in enumerate(row):
        sent = at + ask.gap
        assert world.sample(estimate, sent, ask)
        at = sent + ask.there + ask.back
        stamp = (at + true + ahead[number % len(ahead)]) // MILLISECOND
        estimate.at_least(stamp, at)
        assert world.holds(estimate, at)
        assert not estimate.disputed(at)


@given(true=offsets, ppm=drifts, row=st.lists(asks, min_size=2, max_size=20))
def test_an_answer_never_widens_the_bounds(
    true: int, ppm: float, row: list[Ask]
) -> None:
    """After an answer the bounds are as wide as before it, or narrower."""
    world, estimate, at = World(true, ppm), OffsetEstimate(), NOW
    for ask in row:
        sent = at + ask.gap
        at = sent + ask.there + ask.back
        before = estimate.width(at)
        world.sample(estimate, sent, ask)
        after = estimate.width(at)
        assert after is not None
        assert before is None or after <= before


@given(
    true=offsets,
    there=st.integers(MILLISECOND, FLIGHT),
    back=st.integers(MILLISECOND, FLIGHT),
)
def test_well_timed_answers_halve_the_bounds(true: int, there: int, back: int) -> None:
    """However the delay is split, ten requests come down to about one round trip."""
    world, estimate = World(true), OffsetEstimate()
    steps = world.bisect(estimate, NOW, Ask(0, there, back))
    widths = [next(steps)[0] for _ in range(10)]
    assert widths[-1] <= there + back + 5 * MILLISECOND
    assert widths[6] <= there + back + 20 * MILLISECOND
    assert world.holds(estimate, NOW + 20 * NANOSECONDS)


def test_bounds_widen_with_time() -> None:
    """Left alone, each bound moves by the worst drift."""
    estimate, at = narrow(World(TRUE))
    width = estimate.width(at)
    later = estimate.width(at + 1_000 * NANOSECONDS)
    assert width is not None
    assert later is not None
    assert later - width == 2 * 1_000 * NANOSECONDS * DRIFT_PPM // 1_000_000


@pytest.mark.parametrize("by", [-3 * NANOSECONDS, 3 * NANOSECONDS])
def test_a_contradiction_starts_anew(by: int) -> None:
    """An answer that cannot be true makes the estimate forget all but that answer."""
    estimate, at = narrow(World(TRUE))
    changed = World(TRUE + by)
    ask = Ask(0, FLIGHT // 2, FLIGHT // 2)
    assert not changed.sample(estimate, at, ask)
    assert estimate.samples == 1
    assert changed.holds(estimate, at + FLIGHT)
    assert changed.sample(estimate, at + NANOSECONDS, ask)


@given(
    true=offsets,
    by=st.integers(60 * MILLISECOND, NANOSECONDS * 9 // 10),
    sign=st.sampled_from([-1, 1]),
)
def test_asking_beside_the_bounds_shows_a_small_change(
    true: int, by: int, sign: int
) -> None:
    """A change of less than a second is seen by the request aimed at that side."""
    estimate, at = narrow(World(true))
    aim = Aim.HIGH if sign > 0 else Aim.LOW
    sent = estimate.next_send(at, FLIGHT, aim)
    ask = Ask(0, FLIGHT // 2, FLIGHT // 2)
    assert not World(true + sign * by).sample(estimate, sent, ask)


@pytest.mark.parametrize("aim", list(Aim))
@given(true=offsets, ppm=drifts)
def test_asking_beside_the_bounds_is_no_contradiction(
    aim: Aim, true: int, ppm: float
) -> None:
    """Without a change no aim finds one."""
    world = World(true, ppm)
    estimate, at = narrow(world)
    sent = estimate.next_send(at + 30 * NANOSECONDS, FLIGHT, aim)
    assert world.sample(estimate, sent, Ask(0, FLIGHT // 2, FLIGHT // 2))
    assert world.holds(estimate, sent + FLIGHT)


def test_room_for_a_known_change() -> None:
    """What is widened by a change holds the offset before and after it."""
    estimate, at = narrow(World(TRUE))
    estimate.widen(NANOSECONDS)
    for by in (-NANOSECONDS, 0, NANOSECONDS):
        assert World(TRUE + by).holds(estimate, at)


def test_a_stream_can_raise_the_lower_bound() -> None:
    """A message that cannot have been sent yet by the lower bound raises it."""
    world, estimate = World(TRUE), OffsetEstimate()
    assert world.sample(estimate, NOW, Ask(0, 0, 0))
    before = estimate.bounds(NOW)
    estimate.at_least((NOW + TRUE) // MILLISECOND, NOW)
    after = estimate.bounds(NOW)
    assert before is not None
    assert after is not None
    assert after[1] == before[1]
    assert after[0] == TRUE // MILLISECOND * MILLISECOND - STREAM_TOLERANCE
    estimate.at_least((NOW + TRUE) // MILLISECOND - 5_000, NOW)
    assert estimate.bounds(NOW) == after


def test_a_stream_ahead_of_the_upper_bound_is_a_dispute() -> None:
    """It leaves the bounds alone, adds to the uncertainty, and is forgotten in time."""
    estimate, at = narrow(World(TRUE))
    before, certain = estimate.bounds(at), estimate.uncertainty(at)
    ahead = 700 * MILLISECOND
    estimate.at_least((at + TRUE + ahead) // MILLISECOND, at)
    off = estimate.uncertainty(at)
    assert estimate.disputed(at)
    assert estimate.bounds(at) == before
    assert off is not None
    assert certain is not None
    assert off >= ahead - STREAM_TOLERANCE - certain
    later = at + 61 * NANOSECONDS
    assert not estimate.disputed(later)
    assert estimate.uncertainty(later) < off  # type: ignore[operator]  # is known
