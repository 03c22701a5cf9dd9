"""The caps on what is ordered, and which of them the next order would break.

Pure: the ledger counts, this judges. Money is in micros.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lastsecond import money


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The caps. One that is reached stops everything but what frees it."""

    max_order: int
    max_daily_loss: int
    max_open_exposure: int
    max_orders_per_day: int
    max_rejections: int
    max_uncertain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the caps are held against, the worst case wherever something is unknown.

    ``loss_today`` counts every position of today as lost until it is paid; below zero
    it is a gain. ``rejections`` and ``uncertain`` count the newest answers back to the
    last one that was neither.
    """

    orders_today: int = 0
    open_exposure: int = 0
    loss_today: int = 0
    rejections: int = 0
    uncertain: int = 0

    def after(self, spend: int) -> "Figures":
        """The same with one more order of ``spend`` on its way."""
        return replace(
            self,
            orders_today=self.orders_today + 1,
            open_exposure=self.open_exposure + spend,
            loss_today=self.loss_today + spend,
        )


def breach(figures: Figures, limits: Limits, next_spend: int) -> str | None:
    """The first cap that is reached, or that an order of ``next_spend`` would break.

    One sentence with both numbers; None when the order is within every cap.
    """
    return next(_breaches(figures, limits, next_spend), None)


def _breaches(figures: Figures, limits: Limits, spend: int) -> Iterator[str]:
    if spend > limits.max_order:
        yield f"the order would spend {_over(spend, 'MAX_ORDER', limits.max_order)}"
    for what, now, name, cap in (
        ("today's loss", figures.loss_today, "MAX_DAILY_LOSS", limits.max_daily_loss),
        (
            "open exposure",
            figures.open_exposure,
            "MAX_OPEN_EXPOSURE",
            limits.max_open_exposure,
        ),
    ):
        if now >= cap:
            yield f"{what} may be {_over(now, name, cap)}"
        elif now + spend > cap:
            yield f"{what} could become {_over(now + spend, name, cap)}"
    for what, count, name, most in (
        (
            "orders sent today",
            figures.orders_today,
            "MAX_ORDERS_PER_DAY",
            limits.max_orders_per_day,
        ),
        (
            "rejections in a row",
            figures.rejections,
            "MAX_REJECTIONS",
            limits.max_rejections,
        ),
        (
            "uncertain answers in a row",
            figures.uncertain,
            "MAX_UNCERTAIN",
            limits.max_uncertain,
        ),
    ):
        if count >= most:
            yield f"the count of {what} is {count}, {name} is {most}"


def _over(amount: int, name: str, cap: int) -> str:
    return f"${money.text(amount)}, {name} is ${money.text(cap)}"
