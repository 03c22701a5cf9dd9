"""What the measurements' gate lets pass: a busy machine, but no wrong count."""

from collections.abc import Callable

import pytest

from tests.bench.table import Figure, Result, fairly, others_share

MET = Figure("ratio", 9, 1.0, "µs", must="<= 2x", ok=True)
MISSED = Figure("ratio", 9, 9.0, "µs", must="<= 2x", ok=False)
MISCOUNTED = Figure("requests", 9, 2, "", must="= 1", ok=False)


def told(*figures: Figure) -> Callable[..., Result]:
    """A measurement that tells these, one a run."""
    left = list(figures)
    return lambda *, short: Result("", [left.pop(0)])  # noqa: ARG005


def quiet() -> bool:
    return False


def crowded() -> bool:
    return True


def test_what_is_met_at_the_last_try_passes() -> None:
    assert fairly(told(MISSED, MISSED, MET), short=True, crowded=quiet).ok


def test_what_is_missed_on_a_quiet_machine_fails() -> None:
    assert not fairly(told(MISSED, MISSED, MISSED), short=True, crowded=quiet).ok


def test_what_is_missed_beside_others_is_not_judged_and_says_so() -> None:
    (figure,) = fairly(told(*[MISSED] * 3), short=True, crowded=crowded).figures
    assert (figure.ok, figure.must) == (None, "<= 2x, but others run")


@pytest.mark.parametrize("before", [(), (MISSED,), (MISSED, MISSED)])
def test_a_wrong_count_is_never_excused(before: tuple[Figure, ...]) -> None:
    assert not fairly(told(*before, MISCOUNTED), short=True, crowded=crowded).ok


def test_a_full_run_has_one_try() -> None:
    assert not fairly(told(MISSED, MET), short=False, crowded=crowded).ok


def test_the_share_of_others_is_a_share() -> None:
    assert 0 <= others_share(0.05) <= 1
