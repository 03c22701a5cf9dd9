"""GO, NO-GO or NOT ENOUGH DATA, with the reason: exact tests, no opinion."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lastsecond.observe import statistics
from lastsecond.observe.availability import Availability
from lastsecond.observe.profit import Profit

ENOUGH_MEASURED = 200
"""Markets measured, from which on too few asks are a verdict."""

TOO_RARE = 0.02
"""Share of markets with something to buy under which it is not worth waiting for."""

_FEE_RATE = 0.07
"""Of these markets since July 2026 (docs/exchange.md); used before the first fill."""


class Word(StrEnum):
    """The verdict in a word."""

    GO = "GO"
    NO_GO = "NO-GO"
    NOT_ENOUGH_DATA = "NOT ENOUGH DATA"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, why in a line, and the further wins in a row that GO would take.

    ``wins_needed`` is None where no number of wins is enough, or the price unknown.
    """

    word: Word
    reason: str
    wins_needed: int | None


def judge(
    profit: Profit, at_trigger: Availability | None, settings: Mapping[str, str]
) -> Verdict:
    """The verdict on settled fills, and on how often there was something to buy.

    GO: the exact one-sided 95 % test says that the win rate exceeds break-even. NO-GO:
    it says that it is below, or of ENOUGH_MEASURED markets so few had an ask within the
    cap at the trigger that the Wilson interval ends under TOO_RARE.
    """
    wins, losses, even = profit.win.k, profit.losses, profit.break_even
    needed = profit.wins_needed
    score = _score(profit)
    if even is not None and wins + losses:
        if statistics.exceeds(wins, losses, even):
            why = f"{score}: above the break-even of {even:.2%}, 95 % sure."
            return Verdict(Word.GO, why, 0)
        if statistics.falls_short(wins, losses, even):
            why = f"{score}: below the break-even of {even:.2%}, 95 % sure."
            return Verdict(Word.NO_GO, why, needed)
    if (rarely := _too_rare(at_trigger)) is not None:
        return Verdict(Word.NO_GO, rarely, needed)
    if even is None:
        return _before_the_first_fill(settings)
    if needed is None:
        why = f"{score}: at a break-even of {even:.2%} no number of wins is enough."
    else:
        more = "more win" if needed == 1 else "more wins in a row"
        why = f"{score}, break-even {even:.2%}: {needed} {more} would show a profit."
    return Verdict(Word.NOT_ENOUGH_DATA, why, needed)


def of_simulated(found: Verdict, profit: Profit) -> Verdict:
    """What a verdict is worth where the exchange was simulated: never GO.

    A recording that is played again is no new evidence, so no number of wins counts.
    """
    caveat = "Simulated: proves nothing about real markets"
    if found.word is Word.NO_GO:
        return Verdict(Word.NO_GO, f"{caveat}. {found.reason}", None)
    why = f"{caveat}, and recordings played again are not new evidence"
    return Verdict(Word.NOT_ENOUGH_DATA, f"{why}. {_score(profit)}.", None)


def _score(profit: Profit) -> str:
    wins, losses = profit.win.k, profit.losses
    return f"{_counted(wins, 'win')} and {_counted(losses, 'loss')}"


def _too_rare(moment: Availability | None) -> str | None:
    if moment is None or moment.buyable.n < ENOUGH_MEASURED:
        return None
    interval = moment.buyable.interval
    if interval is None or interval[1] >= TOO_RARE:
        return None
    rate, seconds = moment.buyable, -moment.offset_ms / 1000
    return (
        f"{rate.k} of {rate.n} markets had something to buy at T-{seconds:g} s: "
        f"at most {interval[1]:.1%}, 95 % sure."
    )


def _before_the_first_fill(settings: Mapping[str, str]) -> Verdict:
    nothing = "No fill of known fee yet"
    try:
        cap = float(settings["MAX_PRICE"])
    except (KeyError, ValueError):
        return Verdict(Word.NOT_ENOUGH_DATA, f"{nothing}.", None)
    needed = statistics.wins_needed(0, 0, cap + _FEE_RATE * cap * (1 - cap))
    why = f"{nothing}; at {cap:g} it takes {needed} wins in a row to show a profit."
    return Verdict(Word.NOT_ENOUGH_DATA, why, needed)


def _counted(number: int, noun: str) -> str:
    plural = {"win": "wins", "loss": "losses"}[noun]
    return f"{number} {noun if number == 1 else plural}"
