"""How far each market came on its way to a payout, and why the others went no further.

Every market is at exactly one stage, so the sums close: who reached a stage either
reached the next or is one of its drops.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from lastsecond.history import MarketRecord
from lastsecond.orders import State
from lastsecond.reasons import SkipReason


class Stage(IntEnum):
    """The stages in their order."""

    DISCOVERED = 0
    WATCHED = 1  # a socket of it was open
    HEALTHY = 2  # its books were to be believed when it was decided
    FAVOURITE = 3  # they named a favourite
    WITHIN_CAP = 4  # its best ask was at or under MAX_PRICE
    DEEP_ENOUGH = 5  # TRADE_SIZE could be spent on such asks
    SENT = 6  # its order left, or may have
    FILLED = 7
    SETTLED = 8

    @property
    def title(self) -> str:
        """What a reader calls it."""
        return _TITLES[self]


_TITLES = {
    Stage.DISCOVERED: "discovered",
    Stage.WATCHED: "watched",
    Stage.HEALTHY: "book healthy at the trigger",
    Stage.FAVOURITE: "favourite known",
    Stage.WITHIN_CAP: "ask at or under the cap",
    Stage.DEEP_ENOUGH: "depth enough",
    Stage.SENT: "sent",
    Stage.FILLED: "filled",
    Stage.SETTLED: "settled",
}

PENDING = "pending"
"""Why a market went no further that is being watched, or was when a process ended."""

_UNDECIDED = {State.DISCOVERED, State.WATCHING, State.ARMED}
_MAY_HAVE_LEFT = {
    *(State.SENT, State.UNCERTAIN, State.MATCHED, State.FILLED, State.REVERTED),
    *(State.KILLED, State.REJECTED, State.SETTLED),
}
_REACHED: dict[str, Stage] = {
    SkipReason.NO_FAVOURITE: Stage.HEALTHY,
    SkipReason.NO_ASK: Stage.FAVOURITE,
    SkipReason.ABOVE_CAP: Stage.FAVOURITE,
    SkipReason.NOT_ENOUGH_DEPTH: Stage.WITHIN_CAP,
    SkipReason.NOT_ARMED: Stage.DEEP_ENOUGH,
    SkipReason.HALTED: Stage.DEEP_ENOUGH,
    SkipReason.CLOCK_UNKNOWN: Stage.DEEP_ENOUGH,
    SkipReason.CLOCK_OFF: Stage.DEEP_ENOUGH,
    SkipReason.LOOP_LAG: Stage.DEEP_ENOUGH,
    SkipReason.KNOWN: Stage.DEEP_ENOUGH,
}
"""How far a watched market came that was skipped for this reason; else WATCHED."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stage, how many markets reached it, and why some did not reach the next."""

    stage: Stage
    count: int
    drops: tuple[tuple[str, int], ...]
    """(reason, markets), most first."""


Funnel = tuple[Step, ...]
"""A Step for every Stage, in order."""


def was_sent(market: MarketRecord) -> bool:
    """Whether an order of this market left, or may have."""
    return market.sent_at is not None or market.state in _MAY_HAVE_LEFT


def saw_the_trigger(market: MarketRecord) -> bool:
    """Whether it was watched until something was decided, or its order left.

    A market that is pending was not, nor one at which the program was stopped.
    """
    if was_sent(market):
        return True
    unseen = market.state in _UNDECIDED or market.reason == SkipReason.STOPPED
    return market.watched and not unseen


def is_filled(market: MarketRecord) -> bool:
    """Whether it was bought: its trades are confirmed."""
    return market.state in {State.FILLED, State.SETTLED}


def place(market: MarketRecord) -> tuple[Stage, str]:
    """The last stage that a market reached, and why no further ("" when settled)."""
    match market.state:
        case State.SETTLED:
            return Stage.SETTLED, ""
        case State.FILLED:
            return Stage.FILLED, "disputed" if market.disputed else "open"
        case state if was_sent(market):
            why = f"{state}: {market.reason}" if market.reason else str(state)
            return Stage.SENT, why
        case _:
            return _before_sending(market)


def _before_sending(market: MarketRecord) -> tuple[Stage, str]:
    pending = market.state in _UNDECIDED
    why = PENDING if pending else market.reason or str(market.state)
    if not market.watched:
        return Stage.DISCOVERED, why
    return (Stage.WATCHED if pending else _REACHED.get(why, Stage.WATCHED)), why


def funnel(markets: Iterable[MarketRecord]) -> Funnel:
    """All stages with their counts and drops; the sums close."""
    dropped: dict[Stage, Counter[str]] = {stage: Counter() for stage in Stage}
    for market in markets:
        stage, why = place(market)
        dropped[stage][why] += 1
    steps: list[Step] = []
    count = 0
    for stage in reversed(Stage):
        reasons = dropped[stage]
        count += reasons.total()
        drops = () if stage is Stage.SETTLED else tuple(_most_first(reasons))
        steps.append(Step(stage, count, drops))
    steps.reverse()
    check_sums(tuple(steps))
    return tuple(steps)


def check_sums(steps: Funnel) -> None:
    """Assert that each stage is the next one and what was dropped between them."""
    for position, step in enumerate(steps):
        following = steps[position + 1].count if position + 1 < len(steps) else None
        lost = sum(count for _, count in step.drops)
        if following is not None:
            assert step.count == following + lost, f"{step.stage.title} does not close"


def _most_first(reasons: Counter[str]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
