"""What is asked before every order: the halt, the caps, the clock, the loop.

The figures come from the ledger before a market is armed; what leaves after that is
counted here at once, so that orders of one second cannot pass a cap together.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from lastsecond.limits import Figures, Limits, breach
from lastsecond.orders import Killed, Rejected, Result, Reverted, Uncertain
from lastsecond.ports import Guard

LAG_WINDOW = 2.0
"""Seconds before an order in which the loop must not have been late."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """A live account's caps: what they are, what was used, how to halt."""

    limits: Limits
    figures: Callable[[], Awaitable[Figures]]
    halted: Callable[[], bool]
    halt: Callable[[str], None]


class Watchman:
    """Safeguards of one run; ``caps`` is None where no money is at stake."""

    def __init__(
        self,
        *,
        clock_fault: Callable[[], Guard | None],
        lag: Callable[[float], int],
        lag_limit: int,
        caps: Caps | None = None,
    ) -> None:
        """``lag(seconds)`` is the loop's worst delay of late; ``lag_limit`` in ns."""
        self._clock_fault = clock_fault
        self._lag = lag
        self._lag_limit = lag_limit
        self._caps = caps
        self._known = Figures()
        self._fired: list[int] = []
        self._events = 0

    async def prepare(self) -> None:
        """Learn the figures of now. Raises LedgerError."""
        if self._caps is None:
            return
        figures, asked_after = self._known, -1
        while asked_after != self._events:  # what happened meanwhile may not be in it
            asked_after = self._events
            figures = await self._caps.figures()
        self._known = figures
        self._fired.clear()

    def objection(self, spend: int) -> Guard | None:
        """What forbids an order of ``spend`` micros now; a reached cap halts."""
        if self._caps is not None and self._is_halted(self._caps, spend):
            return Guard.HALTED
        if fault := self._clock_fault():
            return fault
        if self._lag(LAG_WINDOW) > self._lag_limit:
            return Guard.LOOP_LAG
        return None

    def fired(self, spend: int) -> None:
        """Count an order as it leaves."""
        self._events += 1
        self._fired.append(spend)

    def answered(self, result: Result) -> None:
        """Halt where the next order would be refused too, or too many went wrong."""
        self._events += 1
        if self._caps is None:
            return
        if isinstance(result, Rejected) and result.halts:
            self._halt(self._caps, result.reason)
            return
        self._known = _counted(self._known, result)
        if isinstance(result, Killed | Rejected | Reverted) and self._fired:
            self._fired.pop()  # every order spends the same; this one spent nothing
            sent = self._known.orders_today + 1
            self._known = replace(self._known, orders_today=sent)
        if reason := breach(self._used(), self._caps.limits, 0):
            self._halt(self._caps, reason)

    def _is_halted(self, caps: Caps, spend: int) -> bool:
        if caps.halted():
            return True
        if reason := breach(self._used(), caps.limits, spend):
            self._halt(caps, reason)
            return True
        return False

    def _used(self) -> Figures:
        figures = self._known
        for spend in self._fired:
            figures = figures.after(spend)
        return figures

    def _halt(self, caps: Caps, reason: str) -> None:
        if not caps.halted():
            logger.critical("HALTED %s", reason)
            caps.halt(reason)


def _counted(figures: Figures, result: Result) -> Figures:
    """The figures with one more answer; a good one ends the row of bad ones."""
    if isinstance(result, Rejected):
        return replace(figures, rejections=figures.rejections + 1)
    if isinstance(result, Uncertain):
        return replace(figures, uncertain=figures.uncertain + 1)
    return replace(figures, rejections=0, uncertain=0)
