"""How the report words its figures for people, in a terminal and on a page alike."""

from datetime import UTC, datetime

from lastsecond import money
from lastsecond.market import MILLISECOND, NANOSECONDS
from lastsecond.observe.health import Streak
from lastsecond.observe.report import Group, Report
from lastsecond.observe.statistics import Rate

UNKNOWN = "-"
"""Stands for whatever is not known; never a zero."""

OPTIMISM = (
    "What a dry run cannot see: nobody else competes for the asks it takes, its own "
    "orders move nothing, and the time an order travels is an estimate."
)
PRIOR = (
    "What to expect: asks within the cap are rare in the last second, between none and "
    "a quarter of markets. The favourite nearly always wins, so a win at 0.99 brings "
    "less than a cent a share after fees, and one loss takes back about 106 wins: 321 "
    "wins in a row, and not one loss, are the least that shows a profit. Take it for a "
    "guess to be tested; most who tried it with real money did not earn by it."
)


def plain(text: str) -> str:
    """Text that another wrote, without anything that could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def percent(rate: float | None, places: int = 0) -> str:
    """A rate as a percentage."""
    return UNKNOWN if rate is None else f"{rate:.{places}%}".replace("%", " %")


def rate(value: Rate, places: int = 0) -> str:
    """A rate with what it is of, as "62 % (118/191)"."""
    if value.share is None:
        return UNKNOWN
    return f"{percent(value.share, places)} ({value.k}/{value.n})"


def interval(value: Rate, places: int = 0) -> str:
    """The 95 % interval of a rate, as "55-69 %"."""
    if value.interval is None:
        return UNKNOWN
    low, high = (f"{100 * bound:.{places}f}" for bound in value.interval)
    return f"{low}-{high} %"


def count(number: int | None) -> str:
    """How many."""
    return UNKNOWN if number is None else str(number)


def dollars(micros: int | None, places: int = 2) -> str:
    """Money to the cent, or to ``places``."""
    return UNKNOWN if micros is None else f"{money.decimal(micros):.{places}f}"


def gain(micros: int | None, places: int = 2) -> str:
    """Money with its sign."""
    return UNKNOWN if micros is None else f"{money.decimal(micros):+.{places}f}"


def span(bounds: tuple[int, int] | None, places: int = 2) -> str:
    """From one amount of money to another, with their signs."""
    if bounds is None:
        return UNKNOWN
    low, high = bounds
    return f"{gain(low, places)} to {gain(high, places)}"


def price(micros: int | None) -> str:
    """A price a share, to the finest usual tick."""
    return dollars(micros, 3)


def duration(ns: int | None) -> str:
    """A span, in the unit that suits it."""
    if ns is None:
        return UNKNOWN
    if abs(ns) < NANOSECONDS:
        return f"{ns / MILLISECOND:.1f} ms"
    if abs(ns) < 120 * NANOSECONDS:
        return f"{ns / NANOSECONDS:.1f} s"
    return f"{ns / NANOSECONDS / 60:.1f} min"


def offset(offset_ms: int) -> str:
    """A moment by the close, as "T-0.5 s"."""
    return f"T{offset_ms / 1000:+g} s"


def result(paid_up: int | None) -> str:
    """Which side won, by what a share of Up paid."""
    if paid_up is None:
        return UNKNOWN
    return {0: "Down", money.MICRO: "Up"}.get(paid_up, "void")


def moment(ns: int) -> str:
    """An instant to the minute, in UTC."""
    return datetime.fromtimestamp(ns // NANOSECONDS, UTC).strftime("%Y-%m-%d %H:%M")


def streak(streak: Streak) -> str:
    """That so many markets ended in one skip."""
    lasting = "and still does" if streak.lasting else f"until {streak.last}"
    return (
        f"{streak.count} markets in a row ended in {streak.reason}, "
        f"from {streak.first}, {lasting}."
    )


def nothing(report: Report) -> str:
    """Why a report without a group has none."""
    asked = [("--since", report.since is not None), ("--mode", report.mode is not None)]
    options = " and ".join(name for name, given in asked if given)
    match report.in_ledger:
        case 0:
            return "No market is in the ledger yet."
        case 1:
            return f"The only market in the ledger does not fit {options}."
        case many:
            return f"None of the {many} markets in the ledger fits {options}."


def lateness(mode: str) -> str:
    """What an order's timing is of: no byte leaves on paper."""
    return ("decision" if mode == "PAPER" else "first byte") + " after the trigger"


def rule(group: Group) -> str:
    """What a group's orders were, by its settings."""
    known = group.settings
    size, cap, at = (
        known.get(name, UNKNOWN) for name in ("TRADE_SIZE", "MAX_PRICE", _TRIGGER)
    )
    return f"{size} pUSD at {cap} or less, from T-{at} s"


_TRIGGER = "TRIGGER_SECONDS"


def counted(number: int, noun: str) -> str:
    """A number and its noun, in the plural where that is right."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
