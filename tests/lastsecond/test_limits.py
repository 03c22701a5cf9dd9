"""The caps, judged one at a time and in their order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.limits import Figures, Limits, breach

LIMITS = Limits(
    max_order=10_000_000,
    max_daily_loss=20_000_000,
    max_open_exposure=30_000_000,
    max_orders_per_day=4,
    max_rejections=3,
    max_uncertain=2,
)


@pytest.mark.parametrize(
    ("figures", "spend", "told"),
    [
        (Figures(), 10_000_000, None),
        (
            Figures(),
            10_010_000,
            "the order would spend $10.01, MAX_ORDER is $10.00",
        ),
        (Figures(loss_today=15_000_000), 5_000_000, None),
        (
            Figures(loss_today=15_000_000),
            5_010_000,
            "today's loss could become $20.01, MAX_DAILY_LOSS is $20.00",
        ),
        (
            Figures(loss_today=20_000_000),
            0,
            "today's loss may be $20.00, MAX_DAILY_LOSS is $20.00",
        ),
        (Figures(loss_today=-50_000_000), 10_000_000, None),
        (Figures(open_exposure=25_000_000), 5_000_000, None),
        (
            Figures(open_exposure=25_000_000),
            6_000_000,
            "open exposure could become $31.00, MAX_OPEN_EXPOSURE is $30.00",
        ),
        (
            Figures(open_exposure=30_000_000),
            0,
            "open exposure may be $30.00, MAX_OPEN_EXPOSURE is $30.00",
        ),
        (Figures(orders_today=3), 1, None),
        (
            Figures(orders_today=4),
            1,
            "the count of orders sent today is 4, MAX_ORDERS_PER_DAY is 4",
        ),
        (Figures(rejections=2, uncertain=1), 1, None),
        (
            Figures(rejections=3),
            1,
            "the count of rejections in a row is 3, MAX_REJECTIONS is 3",
        ),
        (
            Figures(uncertain=2),
            1,
            "the count of uncertain answers in a row is 2, MAX_UNCERTAIN is 2",
        ),
    ],
)
def test_says_which_cap_and_both_numbers(
    figures: Figures, spend: int, told: str | None
) -> None:
    """At a cap is within it for the order that fills it, and reached for the next."""
    assert breach(figures, LIMITS, spend) == told


amounts = st.integers(0, 40_000_000)
counts = st.integers(0, 6)
figures = st.builds(
    Figures,
    orders_today=counts,
    open_exposure=amounts,
    loss_today=st.integers(-40_000_000, 40_000_000),
    rejections=counts,
    uncertain=counts,
)


@given(figures=figures, spend=amounts)
def test_an_order_that_is_allowed_passes_no_cap(figures: Figures, spend: int) -> None:
    """After an order within the caps, every figure is within its cap."""
    if breach(figures, LIMITS, spend) is None:
        after = figures.after(spend)
        assert spend <= LIMITS.max_order
        assert after.loss_today <= LIMITS.max_daily_loss
        assert after.open_exposure <= LIMITS.max_open_exposure
        assert after.orders_today <= LIMITS.max_orders_per_day
        assert after.rejections < LIMITS.max_rejections
        assert after.uncertain < LIMITS.max_uncertain


@given(figures=figures, spend=st.integers(0, 20_000_000))
def test_what_is_refused_stays_so(figures: Figures, spend: int) -> None:
    """More spent, lost or gone wrong never makes an order allowed."""
    if breach(figures, LIMITS, spend) is not None:
        assert breach(figures.after(1), LIMITS, spend) is not None
        worse = replace(figures, rejections=figures.rejections + 1)
        assert breach(worse, LIMITS, spend) is not None
        assert breach(figures, LIMITS, spend + 1) is not None
